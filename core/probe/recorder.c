/* SPDX-License-Identifier: Apache-2.0 */
#include "core/probe/recorder.h"

#include "core/base/alloc.h"
#include "core/probe/inflight.h"

#include <stddef.h>
#include <string.h>

#define PROCESS_BURST_SECONDS 1 /* many probes may fire first in the same instant */

const char *
sonde_drop_text(enum sonde_drop drop)
{
    switch (drop) {
#define DROP_CASE(name, text) \
    case SONDE_DROP_##name:   \
        return text;
        SONDE_DROP_LIST(DROP_CASE)
#undef DROP_CASE
    case SONDE_DROP_COUNT:
        break;
    }
    return "unknown";
}

static void
reset_counts(struct sonde_recorder *recorder)
{
    for (int i = 0; i < SONDE_DROP_COUNT; i++) {
        atomic_store_explicit(&recorder->drops.count[i], 0, memory_order_relaxed);
    }
    for (int i = 0; i < SONDE_RECORDER_TAPES; i++) {
        atomic_store_explicit(&recorder->tapes[i].taken, false, memory_order_relaxed);
    }
    sonde_limiter_init(&recorder->rate, recorder->snapshots_per_second,
                       PROCESS_BURST_SECONDS);
    sonde_budget_init(&recorder->budget, recorder->cpu_percent);
    atomic_store_explicit(&recorder->has_news, false, memory_order_relaxed);
}

int
sonde_recorder_init(struct sonde_recorder *recorder,
                    const struct sonde_recorder_options *options, struct sonde_err *err)
{
    memset(recorder, 0, sizeof(*recorder));
    recorder->queue_bytes = options->queue_bytes;
    recorder->snapshots_per_second = options->snapshots_per_second;
    recorder->cpu_percent = options->cpu_percent;
    recorder->wake = options->wake;
    recorder->wake_arg = options->wake_arg;
    reset_counts(recorder);

    int rc = sonde_redactor_new(&recorder->redactor, options->redact_names,
                                options->redact_types, options->redact_excluded, err);
    if (rc == SONDE_OK) {
        recorder->inflight = sonde_inflight_new();
        rc = recorder->inflight == NULL ? SONDE_E_NOMEM : SONDE_OK;
    }
    if (rc == SONDE_OK) {
        rc = sonde_ring_init(&recorder->ring, options->queue_bytes);
    }
    if (rc != SONDE_OK) {
        sonde_recorder_fini(recorder);
        return sonde_err_set(err, rc, "recorder", "%s", sonde_code_text(rc));
    }
    atomic_store_explicit(&recorder->is_open, true, memory_order_release);
    return SONDE_OK;
}

void
sonde_recorder_fini(struct sonde_recorder *recorder)
{
    atomic_store_explicit(&recorder->is_open, false, memory_order_release);
    for (int i = 0; i < SONDE_RECORDER_TAPES; i++) {
        if (recorder->tapes[i].tape.bytes != NULL) {
            sonde_tape_fini(&recorder->tapes[i].tape);
        }
    }
    sonde_inflight_free(recorder->inflight);
    recorder->inflight = NULL;
    sonde_redactor_free(recorder->redactor);
    recorder->redactor = NULL;
    sonde_ring_fini(&recorder->ring);
}

int
sonde_recorder_after_fork(struct sonde_recorder *recorder)
{
    atomic_store_explicit(&recorder->is_open, false, memory_order_relaxed);
    reset_counts(recorder);
    sonde_inflight_after_fork(recorder->inflight);
    sonde_ring_fini(&recorder->ring);
    int rc = sonde_ring_init(&recorder->ring, recorder->queue_bytes);
    if (rc == SONDE_OK) {
        atomic_store_explicit(&recorder->is_open, true, memory_order_release);
    }
    return rc;
}

struct sonde_tape *
sonde_recorder_try_take_tape(struct sonde_recorder *recorder, enum sonde_drop *why)
{
    for (int i = 0; i < SONDE_RECORDER_TAPES; i++) {
        struct sonde_recorder_tape *slot = &recorder->tapes[i];
        bool is_taken = atomic_load_explicit(&slot->taken, memory_order_relaxed);
        /* Acquire: pairs with the release of whoever used the tape before. */
        if (is_taken || !atomic_compare_exchange_strong_explicit(
                            &slot->taken, &is_taken, true, memory_order_acquire,
                            memory_order_relaxed)) {
            continue;
        }
        if (slot->tape.bytes == NULL && sonde_tape_init(&slot->tape) != SONDE_OK) {
            atomic_store_explicit(&slot->taken, false, memory_order_release);
            *why = SONDE_DROP_NO_MEMORY;
            return NULL;
        }
        return &slot->tape;
    }
    *why = SONDE_DROP_NO_TAPE;
    return NULL;
}

void
sonde_recorder_return_tape(struct sonde_recorder *recorder, struct sonde_tape *tape)
{
    size_t offset = (size_t)((char *)tape - (char *)recorder->tapes);
    struct sonde_recorder_tape *slot =
        &recorder->tapes[offset / sizeof(struct sonde_recorder_tape)];
    atomic_store_explicit(&slot->taken, false, memory_order_release);
}

void
sonde_recorder_tell_news(struct sonde_recorder *recorder)
{
    /* Release: whoever takes the news sees the stop flag that was set before. */
    bool is_known =
        atomic_exchange_explicit(&recorder->has_news, true, memory_order_acq_rel);
    if (!is_known && recorder->wake != NULL) {
        recorder->wake(recorder->wake_arg);
    }
}
