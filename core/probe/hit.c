/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of a hit: admitted or, nearly always, rejected; then recorded and handed on.
 *
 * What an admitted hit takes (a token of the probe, one of the process, a place under the hit
 * limit, a tape) it gives back when a later step refuses it. Only a hit that is lost to lack
 * of tapes or memory keeps its tokens: it is counted as a drop, and so the rates bound how
 * many drops there can be.
 *
 * Places under the hit limit are reserved before a record is made and given back when it is
 * lost, so that there are never more records than the limit and, while hits come, never
 * fewer. An EXIT probe reserves when the function ends: frames that run for hours, or for
 * ever, must not keep others from being the one. */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/probe/inflight.h"
#include "core/probe/site.h"

#include <errno.h>

enum phase {
    PHASE_WHOLE, /* line, or the entry of an ENTRY probe: commit makes a record */
    PHASE_ENTRY, /* of an EXIT probe: commit keeps it for the frame's end */
    PHASE_EXIT,
};

/* A hit is between begin and its end on this thread: what the capture itself executes is
 * not to be captured. */
static _Thread_local bool is_capturing;

static uint64_t
load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static bool
reserve(struct sonde_probe *probe)
{
    if (probe->hit_limit == 0) {
        return true;
    }
    uint64_t reserved = load(&probe->reserved);
    do {
        if (reserved >= probe->hit_limit) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&probe->reserved, &reserved,
                                                    reserved + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void
unreserve(struct sonde_probe *probe)
{
    if (probe->hit_limit != 0) {
        atomic_fetch_sub_explicit(&probe->reserved, 1, memory_order_relaxed);
    }
}

static void
stop(struct sonde_probe *probe, enum sonde_stop why)
{
    atomic_fetch_or_explicit(&probe->stop, (uint32_t)why, memory_order_relaxed);
    sonde_recorder_tell_news(probe->recorder);
}

static bool
is_stopped(const struct sonde_probe *probe)
{
    return atomic_load_explicit(&probe->stop, memory_order_relaxed) != 0;
}

static void
give_back_rates(struct sonde_probe *probe)
{
    sonde_limiter_give_back(&probe->recorder->rate);
    sonde_limiter_give_back(&probe->rate);
}

/* Counts the hit and asks every limit. Takes a token of the probe and one of the process. */
static bool
admit(struct sonde_probe *probe)
{
    atomic_fetch_add_explicit(&probe->hits, 1, memory_order_relaxed);
    if (is_stopped(probe) ||
        (probe->hit_limit != 0 && load(&probe->reserved) >= probe->hit_limit)) {
        return false;
    }
    int64_t now_ns = sonde_clock_coarse_ns();
    if (!sonde_limiter_try_take(&probe->rate, now_ns)) {
        return false;
    }
    /* Thread-local storage of a shared object costs a call: not before here. */
    struct sonde_recorder *recorder = probe->recorder;
    bool may_capture =
        !is_capturing && atomic_load_explicit(&recorder->is_open, memory_order_acquire);
    if (may_capture && sonde_budget_has_room(&recorder->budget, now_ns) &&
        sonde_limiter_try_take(&recorder->rate, now_ns)) {
        return true;
    }
    sonde_limiter_give_back(&probe->rate);
    if (may_capture) {
        atomic_fetch_add_explicit(&probe->throttled, 1, memory_order_relaxed);
    }
    return false;
}

static void
begin_record(struct sonde_hit *hit)
{
    const struct sonde_site *site = hit->site;
    const struct sonde_probe_def *def = hit->def;
    struct sonde_tape_header header = {
        .probe_id = def->id,
        .revision = def->revision,
        .at = site->at,
        .timestamp_ns = sonde_clock_wall_ns(),
        .began_ns = hit->began_ns,
        .duration_ns = -1,
        .suspended_ns = -1,
        .file = site->file,
        .function = site->function,
        .line = site->line,
    };
    sonde_tape_begin(hit->tape, &header, &def->limits, site->probe->recorder->redactor);
    sonde_tape_want(hit->tape, def->wanted_arguments, def->wanted_locals);
}

/* A tape for an admitted hit. False: counted as a drop. */
static bool
take_tape(struct sonde_hit *hit, struct sonde_site *site, uint64_t frame,
          enum phase phase)
{
    struct sonde_probe *probe = site->probe;
    int64_t began_ns = sonde_clock_mono_ns();
    enum sonde_drop why;
    struct sonde_tape *tape = sonde_recorder_try_take_tape(probe->recorder, &why);
    if (tape == NULL) {
        sonde_probe_drop(probe, why);
        return false;
    }
    *hit = (struct sonde_hit){
        .site = site,
        .tape = tape,
        .def = probe->def,
        .frame = frame,
        .began_ns = began_ns,
        .phase = (uint8_t)phase,
    };
    sonde_site_ref(site);
    is_capturing = true;
    return true;
}

static bool
begin(struct sonde_hit *hit, struct sonde_site *site, uint64_t frame, enum phase phase)
{
    struct sonde_probe *probe = site->probe;
    if (!admit(probe)) {
        return false;
    }
    bool reserves = phase == PHASE_WHOLE;
    if (reserves && !reserve(probe)) {
        give_back_rates(probe);
        return false;
    }
    int saved_errno = errno;
    bool is_begun = take_tape(hit, site, frame, phase);
    if (is_begun) {
        begin_record(hit);
    } else if (reserves) {
        unreserve(probe);
    }
    errno = saved_errno;
    return is_begun;
}

bool
sonde_hit_begin_line(struct sonde_hit *hit, struct sonde_site *site)
{
    return site->at == SONDE_AT_LINE && begin(hit, site, 0, PHASE_WHOLE);
}

bool
sonde_hit_begin_entry(struct sonde_hit *hit, struct sonde_site *site, uint64_t frame)
{
    if (site->at == SONDE_AT_ENTRY) {
        return begin(hit, site, frame, PHASE_WHOLE);
    }
    if (site->at != SONDE_AT_EXIT) {
        return false;
    }
    /* Also when this hit is rejected: its exit must not meet another activation's entry. */
    if (sonde_site_has_waiting(site)) {
        sonde_inflight_begin(site->probe->recorder->inflight, site, frame);
    }
    return begin(hit, site, frame, PHASE_ENTRY);
}

/* Goes on with the entry's record. False: the entry is spent, and counted where it is lost. */
static bool
resume(struct sonde_hit *hit, struct sonde_site *site,
       const struct sonde_inflight_entry *entry)
{
    struct sonde_probe *probe = site->probe;
    if (is_stopped(probe) || !reserve(probe)) {
        return false; /* the probe is ending: as good as rejected */
    }
    if (!take_tape(hit, site, entry->frame, PHASE_EXIT)) {
        unreserve(probe);
        return false;
    }
    hit->entered_ns = entry->entered_ns;
    struct sonde_str record = {(const char *)entry->record, entry->len};
    int rc = sonde_tape_resume(hit->tape, record, &hit->def->limits,
                               probe->recorder->redactor);
    if (rc == SONDE_OK) {
        sonde_tape_want(hit->tape, hit->def->wanted_arguments, hit->def->wanted_locals);
        sonde_tape_set_times(hit->tape, hit->began_ns - entry->entered_ns,
                             sonde_inflight_suspended_ns(entry, hit->began_ns));
        return true;
    }
    sonde_probe_drop(probe, SONDE_DROP_UNENCODABLE);
    unreserve(probe);
    sonde_recorder_return_tape(probe->recorder, hit->tape);
    is_capturing = false;
    sonde_site_unref(site);
    return false;
}

bool
sonde_hit_begin_exit(struct sonde_hit *hit, struct sonde_site *site, uint64_t frame)
{
    if (!sonde_site_has_waiting(site) || is_capturing) {
        return false;
    }
    struct sonde_recorder *recorder = site->probe->recorder;
    struct sonde_inflight_entry *entry =
        sonde_inflight_take(recorder->inflight, site, frame);
    if (entry == NULL) {
        return false;
    }
    int saved_errno = errno;
    bool is_begun = atomic_load_explicit(&recorder->is_open, memory_order_acquire) &&
                    resume(hit, site, entry);
    sonde_free(entry);
    errno = saved_errno;
    return is_begun;
}

/* The table that may hold an entry of the frame, or NULL: then there is nothing to do. */
static struct sonde_inflight *
table_waiting_for(const struct sonde_site *site, uint64_t frame)
{
    if (!sonde_site_has_waiting(site)) {
        return NULL;
    }
    struct sonde_inflight *table = site->probe->recorder->inflight;
    return sonde_inflight_may_have(table, site, frame) ? table : NULL;
}

void
sonde_hit_suspend(struct sonde_site *site, uint64_t frame)
{
    struct sonde_inflight *table = table_waiting_for(site, frame);
    if (table != NULL) {
        int saved_errno = errno;
        sonde_inflight_suspend(table, site, frame);
        errno = saved_errno;
    }
}

void
sonde_hit_resume(struct sonde_site *site, uint64_t frame)
{
    struct sonde_inflight *table = table_waiting_for(site, frame);
    if (table != NULL) {
        int saved_errno = errno;
        sonde_inflight_resume(table, site, frame);
        errno = saved_errno;
    }
}

/* Books what the hit cost. The wall time stands for the CPU time, which costs a system call
 * to ask for; but the tape ends a capture after limits.time_us, so what goes beyond was
 * not ours: the thread waited for a core, and must not lose its probe for that. */
static void
book_cost(struct sonde_hit *hit, int64_t now_ns)
{
    struct sonde_probe *probe = hit->site->probe;
    int64_t cost_ns = now_ns - hit->began_ns;
    int64_t most_ns = (int64_t)hit->def->limits.time_us * SONDE_NS_PER_US;
    cost_ns = cost_ns < most_ns ? cost_ns : most_ns;
    sonde_budget_spend(&probe->recorder->budget, now_ns, cost_ns);
    if (!sonde_budget_spend(&probe->budget, now_ns, cost_ns)) {
        stop(probe, SONDE_STOP_OVER_BUDGET);
    }
}

static void
end(struct sonde_hit *hit)
{
    book_cost(hit, sonde_clock_mono_ns());
    sonde_recorder_return_tape(hit->site->probe->recorder, hit->tape);
    hit->tape = NULL;
    is_capturing = false;
    sonde_site_unref(hit->site);
    hit->site = NULL;
}

static void
lose(struct sonde_hit *hit, enum sonde_drop why)
{
    struct sonde_probe *probe = hit->site->probe;
    sonde_probe_drop(probe, why);
    if (hit->phase != PHASE_ENTRY) {
        unreserve(probe);
    }
}

static void
keep_entry(struct sonde_hit *hit, struct sonde_str record)
{
    /* The function's body begins now; what the capture took is not its time. */
    int rc = sonde_inflight_put(hit->site->probe->recorder->inflight, hit->site,
                                hit->frame, sonde_clock_mono_ns(), record);
    if (rc == SONDE_E_NOMEM) {
        lose(hit, SONDE_DROP_NO_MEMORY);
    }
}

/* `captured` counts what went into the queue. What is lost after that (a collector which
 * refuses it, an exit before it was sent) stands in `dropped` as well. */
static void
queue_record(struct sonde_hit *hit, struct sonde_str record)
{
    struct sonde_probe *probe = hit->site->probe;
    if (sonde_ring_push(&probe->recorder->ring, record.ptr, record.len) != SONDE_OK) {
        lose(hit, SONDE_DROP_QUEUE_FULL);
        return;
    }
    uint64_t captured =
        atomic_fetch_add_explicit(&probe->captured, 1, memory_order_relaxed) + 1;
    if (probe->hit_limit != 0 && captured == probe->hit_limit) {
        stop(probe, SONDE_STOP_HIT_LIMIT);
    }
}

void
sonde_hit_commit(struct sonde_hit *hit)
{
    int saved_errno = errno;
    struct sonde_str record = sonde_tape_finish(hit->tape);
    if (hit->phase == PHASE_ENTRY) {
        keep_entry(hit, record);
    } else {
        queue_record(hit, record);
    }
    end(hit);
    errno = saved_errno;
}

void
sonde_hit_abandon(struct sonde_hit *hit)
{
    int saved_errno = errno;
    lose(hit, SONDE_DROP_ABANDONED);
    end(hit);
    errno = saved_errno;
}
