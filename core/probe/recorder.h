/* SPDX-License-Identifier: Apache-2.0
 *
 * What every admitted hit of a process goes through: a few tapes, the process's limits, the
 * table of entries that wait for their exit, the queue, and the counts of what was lost.
 *
 * Ctx: as each function says. One recorder per agent; lives as long as the process. */
#ifndef SONDE_RECORDER_H
#define SONDE_RECORDER_H

#include "core/base/lock.h"
#include "core/base/ring.h"
#include "core/capture/redact.h"
#include "core/capture/tape_writer.h"
#include "core/probe/limiter.h"
#include <sonde/err.h>

/* X(NAME, wire text): an admitted hit that never became a stored snapshot, and why. */
#define SONDE_DROP_LIST(X)                                                            \
    X(QUEUE_FULL, "queue_full") /* the collector is away or slow */                   \
    X(NO_TAPE, "no_tape")       /* more captures at once than tapes */                \
    X(NO_MEMORY, "no_memory")                                                         \
    X(ENTRY_LOST, "entry_lost")   /* its frame never told its end */                  \
    X(ABANDONED, "abandoned")     /* the runtime could not read the frame */          \
    X(UNENCODABLE, "unencodable") /* a damaged record: our fault */                   \
    X(REFUSED, "refused")         /* the collector said that it will never take it */ \
    X(UNSENT, "unsent")           /* still queued when the flush time at exit ran out */

enum sonde_drop {
#define SONDE_DROP_ENUM(name, text) SONDE_DROP_##name,
    SONDE_DROP_LIST(SONDE_DROP_ENUM)
#undef SONDE_DROP_ENUM
        SONDE_DROP_COUNT
};

const char *sonde_drop_text(enum sonde_drop drop);

/* Counts by reason; any thread. */
struct sonde_drops {
    _Atomic uint64_t count[SONDE_DROP_COUNT];
};

static inline void
sonde_drops_add(struct sonde_drops *drops, enum sonde_drop drop)
{
    /* Relaxed: a statistic. */
    atomic_fetch_add_explicit(&drops->count[drop], 1, memory_order_relaxed);
}

static inline uint64_t
sonde_drops_get(const struct sonde_drops *drops, enum sonde_drop drop)
{
    return atomic_load_explicit(&drops->count[drop], memory_order_relaxed);
}

#define SONDE_RECORDER_TAPES 8

struct sonde_recorder_tape {
    struct sonde_tape tape; /* its memory is allocated on first use */
    _Atomic bool taken;
};

struct sonde_inflight;

struct sonde_recorder {
    struct sonde_ring ring;
    struct sonde_recorder_tape tapes[SONDE_RECORDER_TAPES];
    struct sonde_redactor *redactor;
    struct sonde_limiter rate;  /* of the process */
    struct sonde_budget budget; /* of the process */
    size_t queue_bytes;         /* these three: as in the options */
    double snapshots_per_second;
    double cpu_percent;
    struct sonde_inflight *inflight;
    struct sonde_drops drops;
    _Atomic bool is_open;    /* false: every hit is refused */
    _Atomic bool has_news;   /* some probe reached a limit: a safe point is wanted */
    void (*wake)(void *arg); /* asks for that safe point; any thread, never waits */
    void *wake_arg;
};

struct sonde_recorder_options {
    size_t queue_bytes;
    double snapshots_per_second;
    double cpu_percent;
    const char *redact_names, *redact_types, *redact_excluded;
    void (*wake)(void *arg);
    void *wake_arg;
};

int sonde_recorder_init(struct sonde_recorder *recorder,
                        const struct sonde_recorder_options *options,
                        struct sonde_err *err);
void sonde_recorder_fini(struct sonde_recorder *recorder);

/* In a forked child: an empty queue, free tapes, zero counts, new locks. What the parent had
 * in flight is forgotten. May fail to get memory for the queue: then it stays closed. */
int sonde_recorder_after_fork(struct sonde_recorder *recorder);

/* --- For hits ----------------------------------------------------------------------------- */

/* A free tape with its memory, or NULL with the reason in *why. Ctx: a hook. */
struct sonde_tape *sonde_recorder_try_take_tape(struct sonde_recorder *recorder,
                                                enum sonde_drop *why);
void sonde_recorder_return_tape(struct sonde_recorder *recorder, struct sonde_tape *tape);

/* Some probe reached a limit: sets has_news and, the first time, wakes. Ctx: a hook. */
void sonde_recorder_tell_news(struct sonde_recorder *recorder);

#endif
