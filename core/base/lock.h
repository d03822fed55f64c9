/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranked mutexes: a thread takes them only in rising rank, which debug builds check. The
 * runtime's own lock (GIL, GVL) ranks below them all: it may be held when any of these is
 * taken and is never taken while one is held.
 *
 * In a forked child every lock is made anew with sonde_lock_init, never waited on. */
#ifndef SONDE_LOCK_H
#define SONDE_LOCK_H

#include <pthread.h>

/* Lowest first. */
enum sonde_lock_rank {
    SONDE_RANK_AGENT = 1, /* agent life cycle: start, stop, fork */
    SONDE_RANK_REGISTRY,  /* what reports read of the registry */
    SONDE_RANK_INFLIGHT,  /* entry tapes that wait for their return */
    SONDE_RANK_SYMBOLS,   /* the agent's listing of symbols, between its threads */
    SONDE_RANK_MAILBOX,   /* between the agent thread and the safe point */
    SONDE_RANK_FAULTS,    /* list of disarmed parts */
    SONDE_RANK_STORE,     /* collector: the writer's queue */
    SONDE_RANK_CONTROL,   /* collector: instances, probes, statuses */
    SONDE_RANK_HUB,       /* collector: live subscribers */
    SONDE_RANK_LOG,       /* last: a log line may be written under any other */
};

struct sonde_lock {
    pthread_mutex_t mutex;
    enum sonde_lock_rank rank;
};

void sonde_lock_init(struct sonde_lock *lock, enum sonde_lock_rank rank);
void sonde_lock_fini(struct sonde_lock *lock);
void sonde_lock_take(struct sonde_lock *lock);
void sonde_lock_drop(struct sonde_lock *lock);

/* A condition variable on the monotonic clock. */
struct sonde_cond {
    pthread_cond_t cond;
};

void sonde_cond_init(struct sonde_cond *cond);
void sonde_cond_fini(struct sonde_cond *cond);
void sonde_cond_wake_all(struct sonde_cond *cond);

/* Waits with `lock` held, until woken or until `deadline_ns` on sonde_clock_mono_ns
 * (negative: for ever). Spurious wake-ups happen. */
void sonde_cond_wait(struct sonde_cond *cond, struct sonde_lock *lock,
                     long long deadline_ns);

#endif
