/* SPDX-License-Identifier: Apache-2.0
 *
 * The entries that wait for their function's exit: finished entry records, copied to the
 * heap, by site and frame. Bounded in number and bytes; past a bound the oldest is given up.
 *
 * Ctx: any thread; the table has its own lock, held for moments. Its lists are walked under
 * that lock only, but the bucket heads are read without, so that an exit or entry whose
 * frame has no entry nearly always pays one load. */
#ifndef SONDE_INFLIGHT_H
#define SONDE_INFLIGHT_H

#include <sonde/str.h>
#include <stdint.h>

#define SONDE_INFLIGHT_MAX_COUNT 1024
#define SONDE_INFLIGHT_MAX_BYTES ((size_t)2 * 1024 * 1024)

struct sonde_inflight;
struct sonde_site;

struct sonde_inflight_entry {
    struct sonde_site *site; /* valid while in the table: removal takes its entries out */
    uint64_t frame;
    int64_t entered_ns;   /* sonde_clock_mono_ns, when the function's body began */
    int64_t suspended_ns; /* in all, before `suspended_since_ns`; -1: never suspended */
    int64_t suspended_since_ns;        /* the same clock; INT64_MIN: it runs */
    struct sonde_inflight_entry *next; /* in its bucket */
    struct sonde_inflight_entry *older, *newer;
    size_t len;
    unsigned char record[];
};

/* NULL when out of memory. */
struct sonde_inflight *sonde_inflight_new(void);
void sonde_inflight_free(struct sonde_inflight *table);

/* Keeps a copy of `record` until `frame` ends. What waits for the same site and frame is
 * stale and given up (ENTRY_LOST), as are the oldest where room is needed. SONDE_E_NOMEM;
 * SONDE_E_CLOSED when the site was removed meanwhile: nothing is kept. */
int sonde_inflight_put(struct sonde_inflight *table, struct sonde_site *site,
                       uint64_t frame, int64_t entered_ns, struct sonde_str record);

/* The entry's frame is suspended, or goes on, as of now. Without an entry, or when it is so
 * already, nothing happens. */
void sonde_inflight_suspend(struct sonde_inflight *table, const struct sonde_site *site,
                            uint64_t frame);
void sonde_inflight_resume(struct sonde_inflight *table, const struct sonde_site *site,
                           uint64_t frame);

/* Whether an entry of that site and frame may wait; false is certain. */
bool sonde_inflight_may_have(struct sonde_inflight *table, const struct sonde_site *site,
                             uint64_t frame);

/* How long the frame of an entry that was taken out was suspended by `ended_ns`, when it
 * ended; -1: never. */
int64_t sonde_inflight_suspended_ns(const struct sonde_inflight_entry *entry,
                                    int64_t ended_ns);

/* Takes the entry out, or NULL. Own: sonde_free. */
struct sonde_inflight_entry *sonde_inflight_take(struct sonde_inflight *table,
                                                 const struct sonde_site *site,
                                                 uint64_t frame);

/* `frame` begins anew: what still waits under its number is given up (ENTRY_LOST). */
void sonde_inflight_begin(struct sonde_inflight *table, struct sonde_site *site,
                          uint64_t frame);

/* Takes out all entries of a site and accepts no more; returns how many there were. */
uint32_t sonde_inflight_drop_site(struct sonde_inflight *table, struct sonde_site *site);

/* Waiting now, in number and bytes. */
void sonde_inflight_size(struct sonde_inflight *table, uint32_t *count, size_t *bytes);

/* In a forked child: a new lock and an empty table. The parent's entries are left alone,
 * since another thread may have been in the middle of them; they cost memory, no more. */
void sonde_inflight_after_fork(struct sonde_inflight *table);

#endif
