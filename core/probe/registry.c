/* SPDX-License-Identifier: Apache-2.0
 *
 * Two things make this short. The probes are an array in the order of their ids, so that a
 * new list of definitions is merged into it in one pass. And whatever happens to a probe
 * ends in publish(), which replaces its whole state under the lock, so that a report sees
 * the one or the other and the version moves exactly when something is different.
 *
 * Locking: all of it is written under the VM lock, so functions that hold that read freely;
 * the registry's lock is for readers on other threads. */
#include "core/probe/registry.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/path.h"
#include "core/probe/definition.h"
#include "core/probe/inflight.h"
#include "core/probe/registry_report.h"
#include "core/probe/site.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* --- States ------------------------------------------------------------------------------- */

static struct sonde_probe_state SONDE_PRINTF(3, 4)
    state_of(enum sonde_status status, enum sonde_cause cause, const char *format, ...)
{
    struct sonde_probe_state state;
    memset(&state, 0, sizeof(state)); /* padding too: states are compared as bytes */
    state.status = status;
    state.cause = cause;
    va_list args;
    va_start(args, format);
    vsnprintf(state.message, sizeof(state.message), format, args);
    va_end(args);
    return state;
}

static bool
is_armed(const struct sonde_probe *probe)
{
    return probe->sites != NULL;
}

static void
recount(struct sonde_registry *registry)
{
    uint32_t waiting = 0, armed = 0;
    for (size_t i = 0; i < registry->count; i++) {
        const struct sonde_probe *probe = registry->probes[i];
        waiting += sonde_probe_state_is_waiting(&probe->state) || probe->is_left;
        while (probe != NULL && !is_armed(probe)) {
            probe = probe->former;
        }
        armed += probe != NULL;
    }
    for (const struct sonde_probe *one = registry->leaving; one != NULL;
         one = one->former) {
        armed += is_armed(one);
    }
    /* Relaxed: hints for other threads, and exact under the VM lock. */
    atomic_store_explicit(&registry->waiting_count, waiting, memory_order_relaxed);
    atomic_store_explicit(&registry->armed_count, armed, memory_order_relaxed);
}

static void
publish(struct sonde_registry *registry, struct sonde_probe *probe,
        const struct sonde_probe_state *wanted)
{
    struct sonde_probe_state state;
    memcpy(&state, wanted, sizeof(state));
    state.place_count = 0;
    for (struct sonde_site *site = probe->sites; site != NULL; site = site->next) {
        state.place_count++;
    }
    if (memcmp(&state, &probe->state, sizeof(state)) == 0) {
        return;
    }
    sonde_lock_take(&registry->lock);
    memcpy(&probe->state, &state, sizeof(state));
    registry->changes++;
    sonde_lock_drop(&registry->lock);
}

/* --- Arming and disarming ----------------------------------------------------------------- */

/* Lets go of a site that no hook uses any more; returns how many entries waited there. */
static uint32_t
forget_site(struct sonde_registry *registry, struct sonde_site *site)
{
    uint32_t waited = sonde_inflight_drop_site(registry->recorder->inflight, site);
    sonde_site_unref(site);
    return waited;
}

static void
disarm_all(struct sonde_registry *registry, struct sonde_probe *probe)
{
    while (probe->sites != NULL) {
        struct sonde_site *site = probe->sites;
        probe->sites = site->next;
        registry->adapter->disarm(registry->adapter->ctx, site->place, site);
        forget_site(registry, site);
    }
}

static void
mute(struct sonde_probe *probe)
{
    atomic_fetch_or_explicit(&probe->stop, SONDE_STOP_REMOVED, memory_order_relaxed);
}

/* The probe and its former revisions left the list. A hit under way may still hold them. */
static void
retire(struct sonde_registry *registry, struct sonde_probe *probe)
{
    while (probe != NULL) {
        struct sonde_probe *former = probe->former;
        mute(probe);
        disarm_all(registry, probe);
        sonde_probe_unref(probe);
        probe = former;
    }
}

/* The same, where there may be many: they capture nothing from now on and are disarmed by let_go. */
static void
leave(struct sonde_registry *registry, struct sonde_probe *probe)
{
    struct sonde_probe **end = &probe;
    for (; *end != NULL; end = &(*end)->former) {
        mute(*end);
    }
    *end = registry->leaving;
    registry->leaving = probe;
}

/* The probe was looked for: the revision before it has no reason to stay. */
static void
settle(struct sonde_registry *registry, struct sonde_probe *probe)
{
    probe->is_left = false;
    retire(registry, probe->former);
    probe->former = NULL;
}

/* Disarms a probe for good (until it gets a new revision). */
static void
finish(struct sonde_registry *registry, struct sonde_probe *probe,
       struct sonde_probe_state state)
{
    settle(registry, probe);
    disarm_all(registry, probe);
    publish(registry, probe, &state);
}

static bool
has_place(const struct sonde_probe *probe, struct sonde_place place)
{
    const struct sonde_site *site = probe->sites;
    while (site != NULL &&
           (site->place.code != place.code || site->place.position != place.position)) {
        site = site->next;
    }
    return site != NULL;
}

static int
arm(struct sonde_registry *registry, struct sonde_probe *probe,
    const struct sonde_finding_entry *found, struct sonde_err *err)
{
    const struct sonde_adapter *adapter = registry->adapter;
    struct sonde_site *site = sonde_site_new(probe, found);
    if (site == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    int rc = adapter->arm(adapter->ctx, found->place, site, err);
    if (rc != SONDE_OK) {
        sonde_site_unref(site);
        return rc;
    }
    site->next = probe->sites;
    probe->sites = site;
    return SONDE_OK;
}

static enum sonde_cause
cause_of(int rc)
{
    return rc == SONDE_E_BUSY          ? SONDE_CAUSE_TOOL_CONFLICT
           : rc == SONDE_E_UNSUPPORTED ? SONDE_CAUSE_UNSUPPORTED
                                       : SONDE_CAUSE_INTERNAL;
}

/* Arms what was found in `file` (empty: anywhere) and not armed yet. One place that can not
 * be armed would make "installed" a lie there, so it ends the whole probe. */
static bool
arm_all(struct sonde_registry *registry, struct sonde_probe *probe,
        const struct sonde_finding *finding, const struct sonde_str *file)
{
    for (const struct sonde_finding_entry *found = finding->first; found != NULL;
         found = found->next) {
        if ((file != NULL && !sonde_str_eq(found->file, *file)) ||
            has_place(probe, found->place)) {
            continue;
        }
        struct sonde_err err = SONDE_ERR_INIT;
        int rc = arm(registry, probe, found, &err);
        if (rc != SONDE_OK) {
            finish(registry, probe,
                   state_of(SONDE_STATUS_ERROR, cause_of(rc), "%.*s:%u: %s",
                            (int)found->file.len, found->file.ptr, found->line,
                            err.code != SONDE_OK ? err.message : sonde_code_text(rc)));
            return false;
        }
    }
    return true;
}

/* --- Finding ------------------------------------------------------------------------------ */

/* For a probe that is armed: further places in its own file. One that matches in another
 * file by now keeps what it has, since it would be worse to end it for code that somebody
 * else loaded; but it says so. */
static void
look_further(struct sonde_registry *registry, struct sonde_probe *probe,
             const struct sonde_finding *finding)
{
    struct sonde_str file = probe->sites->file; /* of all its sites */
    char files[SONDE_PROBE_MESSAGE_BYTES / 2];
    struct sonde_probe_state why;
    if (!sonde_registry_is_of_version(registry, probe->def, file, &why)) {
        if (why.status == SONDE_STATUS_ERROR) {
            finish(registry, probe, why); /* another one was loaded since */
        }
        return;
    }
    if (!arm_all(registry, probe, finding, &file)) {
        return;
    }
    uint32_t others = sonde_finding_files(finding, &file, files, sizeof(files));
    const char *what = others > 0                                ? files
                       : finding->cause == SONDE_CAUSE_AMBIGUOUS ? finding->message
                                                                 : NULL;
    struct sonde_probe_state state =
        what == NULL ? state_of(SONDE_STATUS_INSTALLED, SONDE_CAUSE_NONE, "%s", "")
                     : state_of(SONDE_STATUS_INSTALLED, SONDE_CAUSE_NONE,
                                "only in %.*s; it matches elsewhere by now: %s",
                                (int)file.len, file.ptr, what);
    publish(registry, probe, &state);
}

/* The state of a probe for which no place was found. */
static struct sonde_probe_state
nowhere(const struct sonde_finding *finding)
{
    if (finding->cause == SONDE_CAUSE_NONE) {
        return state_of(SONDE_STATUS_ERROR, SONDE_CAUSE_INTERNAL,
                        "the runtime found no place and gave no reason");
    }
    bool is_pending = finding->cause == SONDE_CAUSE_FILE_NOT_LOADED ||
                      finding->cause == SONDE_CAUSE_MODULE_NOT_LOADED;
    struct sonde_probe_state state =
        state_of(is_pending ? SONDE_STATUS_PENDING : SONDE_STATUS_ERROR, finding->cause,
                 "%s", finding->message);
    memcpy(state.nearest, finding->nearest, sizeof(state.nearest));
    state.nearest_count = finding->nearest_count;
    return state;
}

static void
look_first(struct sonde_registry *registry, struct sonde_probe *probe,
           const struct sonde_finding *finding)
{
    char files[SONDE_PROBE_MESSAGE_BYTES / 2];
    uint32_t file_count = sonde_finding_files(finding, NULL, files, sizeof(files));
    struct sonde_probe_state state;
    if (file_count == 0 || finding->cause == SONDE_CAUSE_AMBIGUOUS) {
        state = nowhere(finding);
    } else if (file_count > 1) {
        state =
            state_of(SONDE_STATUS_ERROR, SONDE_CAUSE_AMBIGUOUS,
                     "matches %u files, name more of the path: %s", file_count, files);
    } else if (!sonde_registry_is_of_version(registry, probe->def, finding->first->file,
                                             &state)) {
        /* It says why. */
    } else if (arm_all(registry, probe, finding, NULL)) {
        state = state_of(SONDE_STATUS_INSTALLED, SONDE_CAUSE_NONE, "%s", "");
    } else {
        return;
    }
    publish(registry, probe, &state);
}

static bool
has_expired(const struct sonde_probe *probe, int64_t wall_ns)
{
    return probe->def->expires_at_ns != 0 && probe->def->expires_at_ns <= wall_ns;
}

static struct sonde_probe_state
expired(const struct sonde_probe *probe)
{
    char text[32] = "";
    time_t seconds = (time_t)(probe->def->expires_at_ns / SONDE_NS_PER_S);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) != NULL) {
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
    return state_of(SONDE_STATUS_ERROR, SONDE_CAUSE_EXPIRED, "expired at %s", text);
}

/* Whatever was said of a probe that has no place, it is not known to be so any more. */
static void
stay_received(struct sonde_registry *registry, struct sonde_probe *probe)
{
    if (!is_armed(probe)) {
        struct sonde_probe_state state =
            state_of(SONDE_STATUS_RECEIVED, SONDE_CAUSE_NONE, "%s", "");
        publish(registry, probe, &state);
    }
}

static void
look(struct sonde_registry *registry, struct sonde_probe *probe)
{
    if (has_expired(probe, sonde_clock_wall_ns())) {
        finish(registry, probe, expired(probe));
        return;
    }
    struct sonde_finding finding;
    sonde_finding_init(&finding);
    int rc = registry->adapter->find(registry->adapter->ctx, probe->def, &finding);
    bool is_left = rc == SONDE_E_LATER && finding.failed == SONDE_OK;
    rc = finding.failed != SONDE_OK && (rc == SONDE_OK || rc == SONDE_E_LATER)
             ? finding.failed
             : rc;
    if (is_left && finding.first == NULL) {
        stay_received(registry, probe);
    } else if (!is_left && rc != SONDE_OK) {
        /* What is armed stays and is still true; what is not is in error. */
        if (!is_armed(probe)) {
            finish(registry, probe,
                   state_of(SONDE_STATUS_ERROR, cause_of(rc), "%s: %s",
                            "looking for its places failed", sonde_code_text(rc)));
        }
    } else if (is_armed(probe)) {
        look_further(registry, probe, &finding);
    } else {
        look_first(registry, probe, &finding);
    }
    sonde_finding_fini(&finding);
    if (is_left) {
        probe->is_left = !sonde_probe_state_has_ended(&probe->state);
    } else {
        settle(registry, probe);
    }
}

/* --- Life --------------------------------------------------------------------------------- */

int
sonde_registry_new(struct sonde_registry **out, const struct sonde_adapter *adapter,
                   struct sonde_recorder *recorder)
{
    struct sonde_registry *registry = sonde_calloc(1, sizeof(*registry));
    if (registry == NULL) {
        return SONDE_E_NOMEM;
    }
    registry->adapter = adapter;
    registry->recorder = recorder;
    sonde_lock_init(&registry->lock, SONDE_RANK_REGISTRY);
    *out = registry;
    return SONDE_OK;
}

void
sonde_registry_free(struct sonde_registry *registry)
{
    if (registry == NULL) {
        return;
    }
    for (size_t i = 0; i < registry->count; i++) {
        retire(registry, registry->probes[i]);
    }
    retire(registry, registry->leaving);
    sonde_lock_fini(&registry->lock);
    sonde_free(registry->probes);
    sonde_free(registry);
}

/* By id, then by revision. */
static int
compare_defs(const void *a, const void *b)
{
    const struct sonde_probe_def *one = *(const struct sonde_probe_def *const *)a;
    const struct sonde_probe_def *other = *(const struct sonde_probe_def *const *)b;
    int order = sonde_registry_compare_ids(one->id, other->id);
    return order != 0
               ? order
               : (one->revision > other->revision) - (one->revision < other->revision);
}

/* Sorts and leaves only the newest revision of each id; returns how many remain. */
static size_t
sort_defs(const struct sonde_probe_def **wanted, size_t count)
{
    qsort(wanted, count, sizeof(*wanted), compare_defs);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || !sonde_str_eq(wanted[i]->id, wanted[i + 1]->id)) {
            wanted[kept++] = wanted[i];
        }
    }
    return kept;
}

/* Fills next[] with the probes of wanted[]: the one that is there where its revision is
 * the same, a new one otherwise. Marks those that are kept. */
static int
merge(struct sonde_registry *registry, struct sonde_probe **next,
      const struct sonde_probe_def *const *wanted, size_t count)
{
    for (size_t i = 0; i < registry->count; i++) {
        registry->probes[i]->is_kept = false;
    }
    size_t old = 0;
    for (size_t i = 0; i < count; i++) {
        int order = -1;
        while (old < registry->count &&
               (order = sonde_registry_compare_ids(registry->probes[old]->def->id,
                                                   wanted[i]->id)) < 0) {
            old++;
        }
        struct sonde_probe *same =
            old < registry->count && order == 0 ? registry->probes[old] : NULL;
        if (same != NULL && same->def->revision == wanted[i]->revision) {
            same->is_kept = true;
            next[i] = same;
            continue;
        }
        next[i] = sonde_probe_new(wanted[i], registry->recorder);
        if (next[i] != NULL) {
            next[i]->former = same;
        }
        if (next[i] == NULL) {
            while (i-- > 0) {
                if (!next[i]->is_kept) {
                    sonde_probe_unref(next[i]);
                }
            }
            return SONDE_E_NOMEM;
        }
    }
    return SONDE_OK;
}

/* Puts `next` in the place of the list, whose memory and probes the caller has then. */
static void
swap_list(struct sonde_registry *registry, struct sonde_probe **next, size_t count)
{
    sonde_lock_take(&registry->lock);
    for (size_t i = 0; i < registry->count; i++) {
        if (!registry->probes[i]->is_kept) {
            registry->retired_count += sonde_registry_events(registry->probes[i]);
        }
    }
    registry->probes = next;
    registry->count = count;
    registry->changes++;
    sonde_lock_drop(&registry->lock);
}

/* --- Slices: the VM lock is not held for as long as many probes take ----------------------- */

void
sonde_registry_begin_slice(struct sonde_registry *registry)
{
    registry->slice_end_ns =
        registry->slice_ns == 0 ? 0 : sonde_clock_mono_ns() + registry->slice_ns;
    registry->has_worked = false;
}

void
sonde_registry_set_slice(struct sonde_registry *registry, int64_t slice_ns)
{
    registry->slice_ns = slice_ns;
    sonde_registry_begin_slice(registry);
}

/* Or nothing was done yet: else a machine that is slow enough would never get anywhere. */
static bool
has_time(const struct sonde_registry *registry)
{
    return registry->slice_end_ns == 0 || !registry->has_worked ||
           sonde_clock_mono_ns() < registry->slice_end_ns;
}

static bool
takes_more(struct sonde_registry *registry)
{
    bool is_taken = has_time(registry);
    registry->has_worked = registry->has_worked || is_taken;
    return is_taken;
}

static void
let_go(struct sonde_registry *registry)
{
    while (registry->leaving != NULL && takes_more(registry)) {
        struct sonde_probe *probe = registry->leaving;
        registry->leaving = probe->former;
        probe->former = NULL;
        retire(registry, probe);
    }
}

static bool
is_left(const struct sonde_probe *probe)
{
    return probe->is_left || probe->state.status == SONDE_STATUS_RECEIVED;
}

bool
sonde_registry_has_left(const struct sonde_registry *registry)
{
    size_t i = 0;
    while (i < registry->count && !is_left(registry->probes[i])) {
        i++;
    }
    return i < registry->count || registry->leaving != NULL;
}

int
sonde_registry_apply(struct sonde_registry *registry, const struct sonde_probe_def *defs,
                     size_t count)
{
    const struct sonde_probe_def **wanted = NULL;
    struct sonde_probe **next = NULL;
    int rc = SONDE_OK;
    /* An empty list takes no memory: what is armed can be disarmed when there is none. */
    if (count > 0) {
        wanted = sonde_calloc(count, sizeof(*wanted));
        next = sonde_calloc(count, sizeof(*next));
        rc = wanted == NULL || next == NULL ? SONDE_E_NOMEM : SONDE_OK;
        for (size_t i = 0; i < count && rc == SONDE_OK; i++) {
            wanted[i] = &defs[i];
        }
        count = rc == SONDE_OK ? sort_defs(wanted, count) : 0;
    }
    if (rc == SONDE_OK) {
        rc = merge(registry, next, wanted, count);
    }
    sonde_free(wanted);
    if (rc != SONDE_OK) {
        sonde_free(next);
        return rc;
    }
    struct sonde_probe **former = registry->probes;
    size_t former_count = registry->count;
    swap_list(registry, next, count);
    /* One with a new revision is retired when that was looked for, so that there is no gap. */
    for (size_t i = 0; i < count; i++) {
        if (!next[i]->is_kept && next[i]->former != NULL) {
            next[i]->former->is_kept = true;
        }
    }
    size_t gone = 0;
    for (size_t i = 0; i < former_count; i++) {
        if (!former[i]->is_kept) {
            former[gone++] = former[i];
        }
    }
    for (size_t i = 0; i < gone; i++) {
        leave(registry, former[i]);
    }
    sonde_free(former);
    for (size_t i = 0; i < count; i++) {
        if (next[i]->state.status == SONDE_STATUS_RECEIVED && !next[i]->is_left &&
            takes_more(registry)) {
            look(registry, next[i]);
        }
    }
    let_go(registry);
    recount(registry);
    return SONDE_OK;
}

/* --- What happens to probes --------------------------------------------------------------- */

static struct sonde_probe_state
over_budget(const struct sonde_probe *probe, const struct sonde_recorder *recorder)
{
    uint64_t spent_ns =
        atomic_load_explicit(&probe->budget.spent_ns, memory_order_relaxed);
    uint64_t captured = atomic_load_explicit(&probe->captured, memory_order_relaxed);
    return state_of(
        SONDE_STATUS_ERROR, SONDE_CAUSE_OVER_BUDGET,
        "used %.1f ms of CPU for %llu snapshots, more than its %g %% of a core",
        (double)spent_ns / SONDE_NS_PER_MS, (unsigned long long)captured,
        recorder->cpu_percent * SONDE_PROBE_SHARE_OF_BUDGET);
}

/* For those of which find knows more later: has the runtime find out more, and asks again. */
static void
go_on(struct sonde_registry *registry)
{
    const struct sonde_adapter *vm = registry->adapter;
    bool has_asked = false;
    for (size_t i = 0; i < registry->count; i++) {
        struct sonde_probe *probe = registry->probes[i];
        if (!probe->is_left) {
            continue;
        }
        if (!has_asked && vm->proceed != NULL) {
            registry->has_worked |= sonde_clock_mono_ns() < registry->slice_end_ns;
            vm->proceed(vm->ctx, registry->slice_end_ns);
        }
        has_asked = true;
        if (!takes_more(registry)) {
            return;
        }
        look(registry, probe);
    }
}

void
sonde_registry_tick(struct sonde_registry *registry)
{
    /* Acquire, and before the flags are read: a flag set after our look brings a new tick. */
    atomic_exchange_explicit(&registry->recorder->has_news, false, memory_order_acq_rel);
    int64_t wall_ns = sonde_clock_wall_ns();
    for (size_t i = 0; i < registry->count; i++) {
        struct sonde_probe *probe = registry->probes[i];
        if (sonde_probe_state_has_ended(&probe->state)) {
            continue;
        }
        uint32_t stop = atomic_load_explicit(&probe->stop, memory_order_relaxed);
        if ((stop & SONDE_STOP_HIT_LIMIT) != 0) {
            finish(registry, probe,
                   state_of(SONDE_STATUS_ERROR, SONDE_CAUSE_HIT_LIMIT,
                            "captured %llu snapshots, as many as its limit",
                            (unsigned long long)probe->hit_limit));
        } else if ((stop & SONDE_STOP_OVER_BUDGET) != 0) {
            finish(registry, probe, over_budget(probe, registry->recorder));
        } else if (has_expired(probe, wall_ns)) {
            finish(registry, probe, expired(probe));
        } else if (probe->state.status == SONDE_STATUS_RECEIVED && !probe->is_left &&
                   takes_more(registry)) {
            look(registry, probe);
        }
    }
    go_on(registry);
    let_go(registry);
    recount(registry);
}

/* Whether code of `file` could concern the probe. By the last part of the name alone: which
 * directories are the same is for the adapter to judge. A function's module says nothing
 * certain of its file, so one that waits may be in any. */
static bool
may_concern(const struct sonde_probe *probe, struct sonde_str file)
{
    if (sonde_probe_state_has_ended(&probe->state) || file.len == 0) {
        return !sonde_probe_state_has_ended(&probe->state);
    }
    if (is_armed(probe)) {
        return sonde_str_eq(sonde_path_base_name(probe->sites->file),
                            sonde_path_base_name(file));
    }
    struct sonde_str wanted = probe->def->location.file;
    return wanted.len == 0 ||
           sonde_str_eq(sonde_path_base_name(wanted), sonde_path_base_name(file));
}

bool
sonde_registry_wants(struct sonde_registry *registry, struct sonde_str file)
{
    if (!sonde_registry_is_waiting(registry) &&
        sonde_registry_armed_count(registry) == 0) {
        return false;
    }
    size_t i = 0;
    while (i < registry->count && !may_concern(registry->probes[i], file)) {
        i++;
    }
    return i < registry->count;
}

/* A file without a name: anything may have appeared. */
static bool
concerns(const struct sonde_registry *registry, const struct sonde_probe *probe,
         struct sonde_str file)
{
    const struct sonde_adapter *vm = registry->adapter;
    return may_concern(probe, file) && (file.len == 0 || vm->concerns == NULL ||
                                        vm->concerns(vm->ctx, probe->def, file));
}

void
sonde_registry_look_again(struct sonde_registry *registry, struct sonde_str file)
{
    for (size_t i = 0; i < registry->count; i++) {
        struct sonde_probe *probe = registry->probes[i];
        bool was_left = is_left(probe);
        if (concerns(registry, probe, file)) {
            look(registry, probe);
            /* What was found in that file is armed; the rest is still to be looked for. */
            probe->is_left =
                probe->is_left ||
                (was_left && file.len > 0 && !sonde_probe_state_has_ended(&probe->state));
        }
    }
    recount(registry);
}

void
sonde_registry_look_later(struct sonde_registry *registry)
{
    for (size_t i = 0; i < registry->count; i++) {
        struct sonde_probe *probe = registry->probes[i];
        probe->is_left = !sonde_probe_state_has_ended(&probe->state);
    }
    recount(registry);
}

/* The runtime has let go of these sites: there is nothing to disarm. */
static bool
forget_code(struct sonde_registry *registry, struct sonde_probe *probe, uint64_t code)
{
    bool has_forgotten = false;
    struct sonde_site **link = &probe->sites;
    while (*link != NULL) {
        struct sonde_site *site = *link;
        if (site->place.code != code) {
            link = &site->next;
            continue;
        }
        *link = site->next;
        for (uint32_t lost = forget_site(registry, site); lost > 0; lost--) {
            sonde_probe_drop(probe, SONDE_DROP_ENTRY_LOST);
        }
        has_forgotten = true;
    }
    return has_forgotten;
}

void
sonde_registry_code_vanished(struct sonde_registry *registry, uint64_t code)
{
    if (sonde_registry_armed_count(registry) == 0) {
        return;
    }
    for (struct sonde_probe *one = registry->leaving; one != NULL; one = one->former) {
        forget_code(registry, one, code);
    }
    for (size_t i = 0; i < registry->count; i++) {
        struct sonde_probe *probe = registry->probes[i];
        for (struct sonde_probe *former = probe->former; former != NULL;
             former = former->former) {
            forget_code(registry, former, code);
        }
        if (!forget_code(registry, probe, code)) {
            continue;
        }
        struct sonde_probe_state state = probe->state;
        if (!is_armed(probe)) {
            bool is_line = probe->def->location.line > 0;
            state = state_of(SONDE_STATUS_PENDING,
                             is_line ? SONDE_CAUSE_FILE_NOT_LOADED
                                     : SONDE_CAUSE_MODULE_NOT_LOADED,
                             "its %s was unloaded", is_line ? "file" : "function");
        }
        publish(registry, probe, &state);
    }
    recount(registry);
}

static void
forget_waiting(struct sonde_probe *probe)
{
    for (; probe != NULL; probe = probe->former) {
        for (struct sonde_site *site = probe->sites; site != NULL; site = site->next) {
            atomic_store_explicit(&site->waiting, 0, memory_order_relaxed);
        }
    }
}

void
sonde_registry_after_fork(struct sonde_registry *registry)
{
    sonde_lock_init(&registry->lock, SONDE_RANK_REGISTRY);
    forget_waiting(registry->leaving);
    for (size_t i = 0; i < registry->count; i++) {
        struct sonde_probe *probe = registry->probes[i];
        registry->retired_count += sonde_registry_events(probe);
        sonde_probe_reset(probe);
        forget_waiting(probe);
        /* Limits are per process: what the parent used up, the child has still to use. */
        if (probe->state.cause == SONDE_CAUSE_HIT_LIMIT ||
            probe->state.cause == SONDE_CAUSE_OVER_BUDGET) {
            probe->state = state_of(SONDE_STATUS_RECEIVED, SONDE_CAUSE_NONE, "%s", "");
        }
    }
    registry->changes++;
    recount(registry);
}
