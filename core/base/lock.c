/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/lock.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#ifdef SONDE_DEBUG

/* Ranks rise strictly, so a thread in order can not hold more than there are ranks. */
#    define HELD_MAX SONDE_RANK_LOG

static _Thread_local const struct sonde_lock *held[HELD_MAX];
static _Thread_local int held_count;
static _Atomic unsigned violation_count;

static void
violation(const char *what, enum sonde_lock_rank rank, int other)
{
    unsigned count = atomic_fetch_add_explicit(&violation_count, 1, memory_order_relaxed);
    /* One in a loop must not drown the log: the 1st, 2nd, 4th, 8th … is told. */
    if ((count & (count + 1)) == 0) {
        sonde_log(SONDE_LOG_ERROR, "lock order: rank %d %s %d (violation %u)", (int)rank,
                  what, other, count + 1);
    }
#    ifdef SONDE_TESTING
    abort();
#    endif
}

/* Before blocking, so that the deadlock it warns of is told of too. */
static void
rank_enter(const struct sonde_lock *lock)
{
    for (int i = 0; i < held_count; i++) {
        if (held[i]->rank >= lock->rank) {
            violation("taken while holding rank", lock->rank, (int)held[i]->rank);
            break;
        }
    }
    if (held_count < HELD_MAX) {
        held[held_count++] = lock;
    }
}

static int
held_index(const struct sonde_lock *lock)
{
    int i = held_count - 1;
    while (i >= 0 && held[i] != lock) {
        i--;
    }
    return i;
}

static void
forget(int index)
{
    held_count--;
    for (int i = index; i < held_count; i++) {
        held[i] = held[i + 1];
    }
}

static void
rank_leave(const struct sonde_lock *lock)
{
    int index = held_index(lock);
    if (index >= 0) {
        forget(index);
    } else {
        violation("dropped but not held; locks held:", lock->rank, held_count);
    }
}

/* A forked child makes anew what its thread may have held across the fork. */
static void
rank_renew(const struct sonde_lock *lock)
{
    int index = held_index(lock);
    if (index >= 0) {
        forget(index);
    }
}

#else

static void
rank_enter(const struct sonde_lock *lock)
{
    (void)lock;
}

static void
rank_leave(const struct sonde_lock *lock)
{
    (void)lock;
}

static void
rank_renew(const struct sonde_lock *lock)
{
    (void)lock;
}

#endif

void
sonde_lock_init(struct sonde_lock *lock, enum sonde_lock_rank rank)
{
    rank_renew(lock);
    lock->rank = rank;
    pthread_mutex_init(&lock->mutex, NULL);
}

void
sonde_lock_fini(struct sonde_lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

void
sonde_lock_take(struct sonde_lock *lock)
{
    rank_enter(lock);
    pthread_mutex_lock(&lock->mutex);
}

void
sonde_lock_drop(struct sonde_lock *lock)
{
    rank_leave(lock);
    pthread_mutex_unlock(&lock->mutex);
}

void
sonde_cond_init(struct sonde_cond *cond)
{
    /* A wall clock that is set while we wait would end or stretch the wait. */
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cond->cond, &attr);
    pthread_condattr_destroy(&attr);
}

void
sonde_cond_fini(struct sonde_cond *cond)
{
    pthread_cond_destroy(&cond->cond);
}

void
sonde_cond_wake_all(struct sonde_cond *cond)
{
    pthread_cond_broadcast(&cond->cond);
}

void
sonde_cond_wait(struct sonde_cond *cond, struct sonde_lock *lock, long long deadline_ns)
{
    rank_leave(lock);
    if (deadline_ns < 0) {
        pthread_cond_wait(&cond->cond, &lock->mutex);
    } else {
        struct timespec until = {
            .tv_sec = (time_t)(deadline_ns / SONDE_NS_PER_S),
            .tv_nsec = (long)(deadline_ns % SONDE_NS_PER_S),
        };
        pthread_cond_timedwait(&cond->cond, &lock->mutex, &until);
    }
    /* Waking takes the lock again, which is out of order under a higher one. */
    rank_enter(lock);
}
