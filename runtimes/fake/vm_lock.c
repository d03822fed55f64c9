/* SPDX-License-Identifier: Apache-2.0
 *
 * The VM lock, as tickets: with a plain mutex the thread that lets go at a safe point would
 * nearly always be the one that gets it back. */
#include "runtimes/fake/vm_private.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct vm_lock {
    pthread_mutex_t mutex;
    pthread_cond_t turn;
    uint64_t next_ticket;           /* guarded by mutex */
    uint64_t serving;               /* guarded by mutex */
    _Atomic uint32_t waiting_count; /* atomic, relaxed: read as a hint before each line */
};

struct vm_lock *
vm_lock_new(void)
{
    struct vm_lock *lock = vm_must_alloc(sizeof(*lock));
    pthread_mutex_init(&lock->mutex, NULL);
    pthread_cond_init(&lock->turn, NULL);
    return lock;
}

void
vm_lock_free(struct vm_lock *lock)
{
    pthread_cond_destroy(&lock->turn);
    pthread_mutex_destroy(&lock->mutex);
    free(lock);
}

void
vm_lock_take(struct vm_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    uint64_t ticket = lock->next_ticket++;
    if (lock->serving != ticket) {
        atomic_fetch_add_explicit(&lock->waiting_count, 1, memory_order_relaxed);
        while (lock->serving != ticket) {
            pthread_cond_wait(&lock->turn, &lock->mutex);
        }
        atomic_fetch_sub_explicit(&lock->waiting_count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&lock->mutex);
}

void
vm_lock_drop(struct vm_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    lock->serving++;
    pthread_cond_broadcast(&lock->turn);
    pthread_mutex_unlock(&lock->mutex);
}

bool
vm_lock_is_wanted(const struct vm_lock *lock)
{
    return atomic_load_explicit(&lock->waiting_count, memory_order_relaxed) > 0;
}

void
vm_lock_renew(struct vm_lock *lock)
{
    /* Made anew over the old ones: a thread that is not here may have held them. */
    pthread_mutex_init(&lock->mutex, NULL);
    pthread_cond_init(&lock->turn, NULL);
    lock->serving = 0;
    lock->next_ticket = 1;
    atomic_store_explicit(&lock->waiting_count, 0, memory_order_relaxed);
}
