/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/query/pool.h"

#include "core/base/alloc.h"
#include "core/base/lock.h"
#include "core/base/os.h"

#define THREAD_COUNT 2
#define QUEUE_MAX 256

struct sonde_pool {
    struct sonde_lock lock;
    struct sonde_cond wake;
    struct sonde_job *first; /* guarded by lock, like all below */
    struct sonde_job **end;
    size_t count;
    bool is_closing;
    pthread_t threads[THREAD_COUNT];
    size_t thread_count;
};

static void *
run_thread(void *arg)
{
    struct sonde_pool *pool = arg;
    sonde_os_thread_name("sonde-query");
    for (;;) {
        sonde_lock_take(&pool->lock);
        while (pool->first == NULL && !pool->is_closing) {
            sonde_cond_wait(&pool->wake, &pool->lock, -1);
        }
        struct sonde_job *job = pool->first;
        if (job != NULL) {
            pool->first = job->next;
            pool->end = pool->first == NULL ? &pool->first : pool->end;
            pool->count--;
        }
        sonde_lock_drop(&pool->lock);
        if (job == NULL) {
            return NULL;
        }
        job->run(job);
    }
}

int
sonde_pool_new(struct sonde_pool **out, struct sonde_err *err)
{
    struct sonde_pool *pool = sonde_calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    pool->end = &pool->first;
    sonde_lock_init(&pool->lock, SONDE_RANK_STORE); /* never held with the store's */
    sonde_cond_init(&pool->wake);
    while (pool->thread_count < THREAD_COUNT) {
        int rc =
            sonde_os_thread_start(&pool->threads[pool->thread_count], run_thread, pool);
        if (rc != SONDE_OK) {
            sonde_pool_free(pool);
            return sonde_err_set(err, rc, NULL, "no thread for queries");
        }
        pool->thread_count++;
    }
    *out = pool;
    return SONDE_OK;
}

void
sonde_pool_free(struct sonde_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    sonde_lock_take(&pool->lock);
    pool->is_closing = true;
    sonde_cond_wake_all(&pool->wake);
    sonde_lock_drop(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    sonde_cond_fini(&pool->wake);
    sonde_lock_fini(&pool->lock);
    sonde_free(pool);
}

int
sonde_pool_submit(struct sonde_pool *pool, struct sonde_job *job)
{
    int rc = SONDE_E_BUSY;
    sonde_lock_take(&pool->lock);
    if (pool->count < QUEUE_MAX && !pool->is_closing) {
        job->next = NULL;
        *pool->end = job;
        pool->end = &job->next;
        pool->count++;
        sonde_cond_wake_all(&pool->wake);
        rc = SONDE_OK;
    }
    sonde_lock_drop(&pool->lock);
    return rc;
}
