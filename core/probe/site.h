/* SPDX-License-Identifier: Apache-2.0
 *
 * The state behind one probe and its armed places.
 *
 * Two kinds of owners: the registry, which works under the VM lock, and hits under way, which
 * may outlive a removal where threads run in parallel. So both structs are counted: the
 * registry holds a probe and its sites, a site holds its probe, a hit under way holds its
 * site. What frees memory is therefore nearly always the registry. */
#ifndef SONDE_SITE_H
#define SONDE_SITE_H

#include "core/probe/finding.h"
#include "core/probe/recorder.h"
#include <sonde/hit.h>

#define SONDE_PROBE_SHARE_OF_BUDGET 0.5 /* of the process's CPU budget, for one probe */

/* Why a probe takes no more hits; bits of sonde_probe.stop. */
enum sonde_stop {
    SONDE_STOP_HIT_LIMIT = 1,
    SONDE_STOP_OVER_BUDGET = 2,
    SONDE_STOP_REMOVED = 4,
};

/* What a report says of a probe. */
struct sonde_probe_state {
    enum sonde_status status; /* EMITTING is derived: INSTALLED and captured > 0 */
    enum sonde_cause cause;
    uint32_t place_count; /* armed */
    uint32_t nearest_count;
    uint32_t nearest[SONDE_FINDING_MAX_NEAREST];
    char message[SONDE_PROBE_MESSAGE_BYTES];
};

/* Every atomic here is relaxed: counters and one-way flags that guard no other data. A hit
 * which reads a flag late is as good as one that came a moment earlier. */
struct sonde_probe {
    /* All that a rejected hit touches, in the first cache line. */
    _Atomic uint64_t hits;
    _Atomic uint64_t reserved; /* of hit_limit: captured, or about to be */
    uint64_t hit_limit;        /* 0: none; then nothing is reserved */
    struct sonde_limiter rate;
    _Atomic uint32_t stop; /* enum sonde_stop; 0: takes hits */
    struct sonde_recorder *recorder;

    /* What an admitted hit touches. */
    _Atomic uint64_t captured;  /* records that went into the queue */
    _Atomic uint64_t throttled; /* refused by the process's rate or CPU budget */
    struct sonde_probe_def *def;
    struct sonde_budget budget;
    struct sonde_drops drops;
    _Atomic uint32_t ref_count;

    /* The registry's: changed under the VM lock only. */
    struct sonde_site *sites;
    struct sonde_probe_state state; /* and under the registry's lock, for reports */
    bool is_kept;                   /* scratch of sonde_registry_apply */
    bool is_left;                   /* to be looked for (again): find knows more later */
    struct sonde_probe
        *former; /* the revision before, armed until this one was looked for */
    void *block; /* the allocation, of which this is an aligned part */
};

struct sonde_site {
    struct sonde_probe *probe;
    _Atomic uint32_t waiting; /* entries in flight; changed under the table's lock. Read
                                 without: an entry is put before its frame can end */
    uint8_t at;               /* enum sonde_probe_at, as in the definition */
    bool is_gone; /* guarded by the in-flight table's lock: takes no entries */
    _Atomic uint32_t ref_count;
    struct sonde_place place;
    struct sonde_str file; /* both behind the struct, in its allocation */
    struct sonde_str function;
    uint32_t line;
    struct sonde_site *next;
};

/* A probe in state RECEIVED, holding a copy of `def`, with one reference; NULL when out of
 * memory. */
struct sonde_probe *sonde_probe_new(const struct sonde_probe_def *def,
                                    struct sonde_recorder *recorder);
void sonde_probe_unref(struct sonde_probe *probe);

/* As if nothing had been hit yet: counters, rate, budget and limits. For a forked child. */
void sonde_probe_reset(struct sonde_probe *probe);

/* A site that is not armed yet, with one reference; NULL when out of memory. */
struct sonde_site *sonde_site_new(struct sonde_probe *probe,
                                  const struct sonde_finding_entry *found);
void sonde_site_ref(struct sonde_site *site);
void sonde_site_unref(struct sonde_site *site);

/* Counts a loss against the probe and against the process. */
void sonde_probe_drop(struct sonde_probe *probe, enum sonde_drop drop);

#endif
