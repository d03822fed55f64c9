/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/ticker.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/lock.h"
#include "core/base/os.h"

struct sonde_ticker {
    int64_t (*tick)(void *arg);
    void *arg;
    struct sonde_lock lock;
    struct sonde_cond wake;
    int64_t next_ns; /* guarded by lock, like is_over */
    bool is_over;
    pthread_t thread;
};

static void *
run_thread(void *arg)
{
    struct sonde_ticker *ticker = arg;
    sonde_os_thread_name("sonde-ticker");
    sonde_lock_take(&ticker->lock);
    while (!ticker->is_over) {
        if (sonde_clock_mono_ns() < ticker->next_ns) {
            sonde_cond_wait(&ticker->wake, &ticker->lock, ticker->next_ns);
            continue;
        }
        ticker->next_ns = INT64_MAX;
        sonde_lock_drop(&ticker->lock);
        int64_t next_ns = ticker->tick(ticker->arg);
        sonde_lock_take(&ticker->lock);
        if (next_ns < ticker->next_ns) { /* unless somebody hurried meanwhile */
            ticker->next_ns = next_ns;
        }
    }
    sonde_lock_drop(&ticker->lock);
    return NULL;
}

int
sonde_ticker_new(struct sonde_ticker **out, int64_t (*tick)(void *arg), void *arg,
                 struct sonde_err *err)
{
    struct sonde_ticker *ticker = sonde_calloc(1, sizeof(*ticker));
    if (ticker == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    ticker->tick = tick;
    ticker->arg = arg;
    sonde_lock_init(&ticker->lock, SONDE_RANK_HUB);
    sonde_cond_init(&ticker->wake);
    int rc = sonde_os_thread_start(&ticker->thread, run_thread, ticker);
    if (rc != SONDE_OK) {
        sonde_cond_fini(&ticker->wake);
        sonde_lock_fini(&ticker->lock);
        sonde_free(ticker);
        return sonde_err_set(err, rc, NULL, "no thread for the clock");
    }
    *out = ticker;
    return SONDE_OK;
}

void
sonde_ticker_free(struct sonde_ticker *ticker)
{
    if (ticker == NULL) {
        return;
    }
    sonde_lock_take(&ticker->lock);
    ticker->is_over = true;
    sonde_cond_wake_all(&ticker->wake);
    sonde_lock_drop(&ticker->lock);
    pthread_join(ticker->thread, NULL);
    sonde_cond_fini(&ticker->wake);
    sonde_lock_fini(&ticker->lock);
    sonde_free(ticker);
}

void
sonde_ticker_hurry(struct sonde_ticker *ticker, int64_t at_ns)
{
    sonde_lock_take(&ticker->lock);
    if (at_ns < ticker->next_ns) {
        ticker->next_ns = at_ns;
        sonde_cond_wake_all(&ticker->wake);
    }
    sonde_lock_drop(&ticker->lock);
}
