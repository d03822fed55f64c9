/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of a hit, with a runtime whose hooks the tests call themselves. CORE-03: counts;
 * CORE-08: limits; CORE-10: no capture inside a capture; CORE-11: what is dropped is
 * counted; CORE-13: fork.
 *
 * Rows: CORE-09 */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/capture/tape_reader.h"
#include "core/probe/definition.h"
#include "core/probe/inflight.h"
#include "core/probe/registry.h"
#include "core/probe/site.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* A runtime that finds `place_count` places for whatever it is asked. */
struct vm {
    struct sonde_adapter adapter;
    uint32_t place_count;
    struct sonde_site *sites[8]; /* armed last, by place */
    struct sonde_recorder recorder;
    struct sonde_registry *registry;
    _Atomic int wakes;
};

static int
vm_find(void *ctx, const struct sonde_probe_def *def, struct sonde_finding *finding)
{
    struct vm *vm = ctx;
    (void)def;
    for (uint32_t i = 0; i < vm->place_count; i++) {
        sonde_finding_place(finding, (struct sonde_place){1, i}, SONDE_STR("/srv/a.py"),
                            SONDE_STR("work"), 10 + i);
    }
    return SONDE_OK;
}

static int
vm_arm(void *ctx, struct sonde_place place, struct sonde_site *site,
       struct sonde_err *err)
{
    (void)err;
    ((struct vm *)ctx)->sites[place.position] = site;
    return SONDE_OK;
}

static void
vm_disarm(void *ctx, struct sonde_place place, struct sonde_site *site)
{
    struct vm *vm = ctx;
    if (vm->sites[place.position] == site) {
        vm->sites[place.position] = NULL;
    }
}

static void
vm_wake(void *ctx)
{
    atomic_fetch_add(&((struct vm *)ctx)->wakes, 1);
}

static int
setup(void **state)
{
    struct vm *vm = test_calloc(1, sizeof(*vm));
    *vm = (struct vm){
        .adapter = {.size = sizeof(struct sonde_adapter),
                    .abi = SONDE_ADAPTER_ABI,
                    .language = "test",
                    .runtime_version = "1",
                    .ctx = vm,
                    .find = vm_find,
                    .arm = vm_arm,
                    .disarm = vm_disarm,
                    .request_safe_point = vm_wake},
        .place_count = 1,
    };
    const struct sonde_recorder_options options = {
        .queue_bytes = 1 << 20,
        .snapshots_per_second = 1e6,
        .cpu_percent = 100000, /* no budget, unless a test sets one */
        .wake = vm_wake,
        .wake_arg = vm,
    };
    assert_int_equal(sonde_recorder_init(&vm->recorder, &options, NULL), SONDE_OK);
    assert_int_equal(sonde_registry_new(&vm->registry, &vm->adapter, &vm->recorder),
                     SONDE_OK);
    *state = vm;
    return 0;
}

static int
teardown(void **state)
{
    struct vm *vm = *state;
    sonde_registry_free(vm->registry);
    sonde_recorder_fini(&vm->recorder);
    test_free(vm);
    return 0;
}

static struct sonde_probe_def
def_at(enum sonde_probe_at at)
{
    struct sonde_probe_def def;
    sonde_probe_def_init(&def);
    def.id = SONDE_STR("p");
    def.at = at;
    def.rate = 1e6; /* no rate, unless a test sets one */
    def.location.text = at == SONDE_AT_LINE ? SONDE_STR("a.py:10") : SONDE_STR("a.work");
    def.location.line = at == SONDE_AT_LINE ? 10 : 0;
    return def;
}

static struct sonde_probe *
install(struct vm *vm, const struct sonde_probe_def *def)
{
    assert_int_equal(sonde_registry_apply(vm->registry, def, 1), SONDE_OK);
    assert_non_null(vm->sites[0]);
    return vm->sites[0]->probe;
}

static struct sonde_probe *
install_at(struct vm *vm, enum sonde_probe_at at, uint64_t hit_limit)
{
    struct sonde_probe_def def = def_at(at);
    def.hit_limit = hit_limit;
    return install(vm, &def);
}

static bool
hit_line(struct sonde_site *site)
{
    struct sonde_hit hit;
    if (!sonde_hit_begin_line(&hit, site)) {
        return false;
    }
    sonde_tape_section_begin(hit.tape, SONDE_SECTION_LINE);
    sonde_tape_section_end(hit.tape);
    sonde_hit_commit(&hit);
    return true;
}

static bool
enter(struct sonde_site *site, uint64_t frame)
{
    struct sonde_hit hit;
    if (!sonde_hit_begin_entry(&hit, site, frame)) {
        return false;
    }
    sonde_tape_section_begin(hit.tape, SONDE_SECTION_ENTRY);
    sonde_tape_section_end(hit.tape);
    sonde_hit_commit(&hit);
    return true;
}

static bool
leave(struct sonde_site *site, uint64_t frame)
{
    struct sonde_hit hit;
    if (!sonde_hit_begin_exit(&hit, site, frame)) {
        return false;
    }
    sonde_tape_section_begin(hit.tape, SONDE_SECTION_RETURN);
    sonde_tape_section_end(hit.tape);
    sonde_hit_commit(&hit);
    return true;
}

/* Takes the oldest record out of the queue: its header, and how many sections it has. */
static bool
take(struct vm *vm, struct sonde_tape_header *header, int *sections)
{
    static unsigned char copy[SONDE_TAPE_MAX_BYTES]; /* the header's strings point here */
    uint64_t cursor = sonde_ring_cursor(&vm->recorder.ring);
    size_t len;
    const void *data = sonde_ring_peek(&vm->recorder.ring, &cursor, &len);
    if (data == NULL) {
        return false;
    }
    memcpy(copy, data, len);
    sonde_ring_release(&vm->recorder.ring, cursor);
    struct sonde_tape_reader reader;
    struct sonde_str record = {(const char *)copy, len};
    assert_int_equal(sonde_tape_reader_init(&reader, record), SONDE_OK);
    *header = reader.header;
    *sections = 0;
    struct sonde_tape_event event;
    do {
        assert_int_equal(sonde_tape_reader_next(&reader, &event), SONDE_OK);
        *sections += event.kind == SONDE_TAPE_SECTION_BEGIN;
    } while (event.kind != SONDE_TAPE_END);
    return true;
}

static uint64_t
take_all(struct vm *vm)
{
    struct sonde_tape_header header;
    int sections;
    uint64_t count = 0;
    while (take(vm, &header, &sections)) {
        count++;
    }
    return count;
}

static uint64_t
lost(const struct sonde_probe *probe, enum sonde_drop drop)
{
    return sonde_drops_get(&probe->drops, drop);
}

/* --- Lines and entries -------------------------------------------------------------------- */

static void
test_CORE_03_line_hit_becomes_a_record(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe_def def = def_at(SONDE_AT_LINE);
    def.revision = 7;
    struct sonde_probe *probe = install(vm, &def);
    int64_t before_ns = sonde_clock_wall_ns();
    errno = EDOM;
    assert_true(hit_line(vm->sites[0]));
    assert_int_equal(errno, EDOM);

    struct sonde_tape_header header;
    int sections;
    assert_true(take(vm, &header, &sections));
    assert_true(sonde_str_eq(header.probe_id, SONDE_STR("p")));
    assert_int_equal(header.revision, 7);
    assert_int_equal(header.at, SONDE_AT_LINE);
    assert_true(sonde_str_eq(header.file, SONDE_STR("/srv/a.py")));
    assert_true(sonde_str_eq(header.function, SONDE_STR("work")));
    assert_int_equal(header.line, 10);
    assert_int_equal(header.duration_ns, -1);
    assert_true(header.timestamp_ns >= before_ns);
    assert_true(header.timestamp_ns <= sonde_clock_wall_ns());
    assert_int_equal(sections, 1);
    assert_false(take(vm, &header, &sections));
    assert_int_equal(probe->hits, 1);
    assert_int_equal(probe->captured, 1);
}

static void
test_CORE_08_rejected_hits_are_counted_and_leave_nothing(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe_def def = def_at(SONDE_AT_LINE);
    def.rate = 0.001;
    struct sonde_probe *probe = install(vm, &def);
    int captured = 0;
    for (int i = 0; i < 1000; i++) {
        captured += hit_line(vm->sites[0]);
    }
    assert_int_equal(captured, 1);
    assert_int_equal(take_all(vm), 1);
    assert_int_equal(probe->hits, 1000);
    assert_int_equal(probe->captured, 1);
}

static void
test_CORE_08_process_limits_hold_and_give_the_token_back(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe_def def = def_at(SONDE_AT_LINE);
    def.rate = 0.001; /* one token: it must survive every refusal by the process */
    struct sonde_probe *probe = install(vm, &def);
    sonde_limiter_init(&vm->recorder.rate, 0.001, 1);
    assert_true(sonde_limiter_try_take(&vm->recorder.rate, sonde_clock_mono_ns()));
    for (int i = 0; i < 10; i++) {
        assert_false(hit_line(vm->sites[0]));
    }
    assert_int_equal(probe->throttled, 10);

    sonde_limiter_init(&vm->recorder.rate, 1000, 1);
    sonde_budget_init(&vm->recorder.budget, 1);
    sonde_budget_spend(&vm->recorder.budget, sonde_clock_mono_ns(), SONDE_NS_PER_S);
    assert_false(hit_line(vm->sites[0]));
    assert_int_equal(probe->throttled, 11);

    sonde_budget_init(&vm->recorder.budget, 100);
    assert_true(hit_line(vm->sites[0]));
}

static void
test_CORE_08_overdrawn_cpu_budget_stops_the_probe(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe_def def = def_at(SONDE_AT_LINE);
    def.limits.time_us = 100000;
    struct sonde_probe *probe = install(vm, &def);
    sonde_budget_init(&probe->budget, 0.001); /* 10 µs a second */
    int captured = 0;
    while (captured < 100000 && hit_line(vm->sites[0])) {
        captured++;
        (void)take_all(vm);
    }
    assert_in_range(captured, 1, 99999);
    assert_int_equal(probe->stop, SONDE_STOP_OVER_BUDGET);
    assert_int_equal(vm->wakes, 1);
    assert_true(atomic_load(&vm->recorder.has_news));
    assert_false(hit_line(vm->sites[0]));
}

static void
test_CORE_08_waiting_for_a_core_is_not_booked(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe_def def = def_at(SONDE_AT_LINE);
    def.limits.time_us = 100;
    struct sonde_probe *probe = install(vm, &def);
    struct sonde_hit hit;
    assert_true(sonde_hit_begin_line(&hit, vm->sites[0]));
    hit.began_ns -= SONDE_NS_PER_S;
    sonde_hit_commit(&hit);
    assert_int_equal(probe->budget.spent_ns, 100 * SONDE_NS_PER_US);
}

static void
test_CORE_10_no_capture_inside_a_capture(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe *probe = install_at(vm, SONDE_AT_LINE, 0);
    struct sonde_hit hit;
    for (int round = 0; round < 2; round++) {
        assert_true(sonde_hit_begin_line(&hit, vm->sites[0]));
        assert_false(hit_line(vm->sites[0]));
        round == 0 ? sonde_hit_commit(&hit) : sonde_hit_abandon(&hit);
        assert_true(hit_line(vm->sites[0])); /* over: the thread is free again */
    }
    assert_int_equal(probe->hits, 6); /* the inner ones were executions too */
    assert_int_equal(probe->captured, 3);
    assert_int_equal(lost(probe, SONDE_DROP_ABANDONED), 1);
    assert_int_equal(sonde_drops_get(&vm->recorder.drops, SONDE_DROP_ABANDONED), 1);
    assert_int_equal(probe->throttled, 0);
}

static void
test_CORE_03_hooks_of_another_kind_are_no_hits(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe_def def = def_at(SONDE_AT_LINE);
    struct sonde_probe *probe = install(vm, &def);
    assert_false(enter(vm->sites[0], 1));
    assert_false(leave(vm->sites[0], 1));
    assert_int_equal(probe->hits, 0);
    def = def_at(SONDE_AT_ENTRY);
    def.revision = 2;
    probe = install(vm, &def);
    assert_false(hit_line(vm->sites[0]));
    assert_int_equal(probe->hits, 0);
    assert_true(enter(vm->sites[0], 1));
    assert_false(leave(vm->sites[0], 1)); /* ENTRY has its one snapshot already */
    assert_int_equal(probe->hits, 1);
    assert_int_equal(take_all(vm), 1);
}

static void
test_CORE_11_full_queue_drops_and_counts(void **state)
{
    struct vm *vm = *state;
    sonde_ring_fini(&vm->recorder.ring);
    assert_int_equal(sonde_ring_init(&vm->recorder.ring, 4096), SONDE_OK);
    struct sonde_probe *probe = install_at(vm, SONDE_AT_LINE, 1000);
    for (int i = 0; i < 200; i++) {
        assert_true(hit_line(vm->sites[0]));
    }
    uint64_t queued = take_all(vm);
    assert_in_range(queued, 1, 199);
    assert_int_equal(probe->captured, queued);
    assert_int_equal(probe->reserved, queued); /* a lost one does not use up the limit */
    assert_int_equal(lost(probe, SONDE_DROP_QUEUE_FULL), 200 - queued);
}

static void
test_CORE_11_lack_of_tapes_and_memory_is_counted(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe *probe = install_at(vm, SONDE_AT_LINE, 5);
    sonde_alloc_testonly_fail_at(1, true);
    assert_false(hit_line(vm->sites[0]));
    sonde_alloc_testonly_fail_at(0, false);
    assert_int_equal(lost(probe, SONDE_DROP_NO_MEMORY), 1);
    assert_true(hit_line(vm->sites[0])); /* the tape without memory was put back */

    struct sonde_tape *tapes[SONDE_RECORDER_TAPES];
    enum sonde_drop why;
    for (int i = 0; i < SONDE_RECORDER_TAPES; i++) {
        tapes[i] = sonde_recorder_try_take_tape(&vm->recorder, &why);
        assert_non_null(tapes[i]);
    }
    assert_false(hit_line(vm->sites[0]));
    assert_int_equal(lost(probe, SONDE_DROP_NO_TAPE), 1);
    for (int i = 0; i < SONDE_RECORDER_TAPES; i++) {
        sonde_recorder_return_tape(&vm->recorder, tapes[i]);
    }
    assert_true(hit_line(vm->sites[0]));
    assert_int_equal(probe->reserved, 2);
}

static void
test_CORE_08_closed_recorder_refuses(void **state)
{
    struct vm *vm = *state;
    (void)install_at(vm, SONDE_AT_EXIT, 0);
    assert_true(enter(vm->sites[0], 1));
    atomic_store(&vm->recorder.is_open, false);
    assert_false(enter(vm->sites[0], 2));
    assert_false(leave(vm->sites[0], 1));
    assert_int_equal(take_all(vm), 0);
}

/* --- Hit limit ---------------------------------------------------------------------------- */

#define THREADS 4
#define HITS_EACH 5000

struct hammer {
    struct sonde_site *site;
    uint64_t first_frame;
};

static void *
hammer_line(void *arg)
{
    for (int i = 0; i < HITS_EACH; i++) {
        hit_line(((struct hammer *)arg)->site);
    }
    return NULL;
}

static void *
hammer_function(void *arg)
{
    const struct hammer *hammer = arg;
    for (uint64_t i = 0; i < HITS_EACH; i++) {
        enter(hammer->site, hammer->first_frame + i % 3);
        leave(hammer->site, hammer->first_frame + i % 3);
    }
    return NULL;
}

static void
run_threads(struct vm *vm, void *(*run)(void *))
{
    pthread_t threads[THREADS];
    struct hammer hammers[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        hammers[i] = (struct hammer){vm->sites[0], i * 100};
        assert_int_equal(pthread_create(&threads[i], NULL, run, &hammers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void
assert_limit_is_exact(struct vm *vm, enum sonde_probe_at at, void *(*run)(void *))
{
    struct sonde_probe *probe = install_at(vm, at, 250);
    run_threads(vm, run);
    assert_int_equal(probe->hits, THREADS * HITS_EACH);
    assert_int_equal(probe->captured, 250);
    assert_int_equal(take_all(vm), 250);
    assert_int_equal(probe->stop, SONDE_STOP_HIT_LIMIT);
    assert_int_equal(vm->wakes, 1);
    sonde_registry_tick(vm->registry);
    assert_null(vm->sites[0]);
    assert_int_equal(probe->state.cause, SONDE_CAUSE_HIT_LIMIT);
}

static void
test_CORE_08_hit_limit_is_exact_among_threads(void **state)
{
    assert_limit_is_exact(*state, SONDE_AT_LINE, hammer_line);
}

static void
test_CORE_08_hit_limit_is_exact_for_function_exits(void **state)
{
    assert_limit_is_exact(*state, SONDE_AT_EXIT, hammer_function);
}

static void
test_CORE_08_hit_limit_is_not_used_up_by_frames_that_never_end(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe *probe = install_at(vm, SONDE_AT_EXIT, 1);
    assert_true(enter(vm->sites[0], 1)); /* runs for ever */
    assert_true(enter(vm->sites[0], 2));
    assert_true(leave(vm->sites[0], 2));
    assert_int_equal(probe->captured, 1);
    assert_false(leave(vm->sites[0], 1));
    assert_int_equal(take_all(vm), 1);
}

/* --- Functions ---------------------------------------------------------------------------- */

static void
test_CORE_03_exit_joins_its_entry(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe *probe = install_at(vm, SONDE_AT_EXIT, 0);
    struct sonde_site *site = vm->sites[0];
    assert_false(leave(site, 1)); /* entered before it was armed */
    assert_true(enter(site, 1));
    assert_true(enter(site, 2)); /* recursion */
    assert_int_equal(take_all(vm), 0);
    assert_true(sonde_site_has_waiting(site));
    assert_false(leave(site, 3));

    int64_t before_ns = sonde_clock_mono_ns();
    while (sonde_clock_mono_ns() < before_ns + 2 * SONDE_NS_PER_MS) {
    }
    assert_true(leave(site, 2));
    struct sonde_tape_header header;
    int sections;
    assert_true(take(vm, &header, &sections));
    assert_int_equal(sections, 2); /* entry and return in one record */
    assert_int_equal(header.at, SONDE_AT_EXIT);
    assert_true(header.duration_ns >= 2 * SONDE_NS_PER_MS);
    assert_true(header.duration_ns < 60 * SONDE_NS_PER_S);

    assert_false(leave(site, 2));
    assert_true(leave(site, 1));
    assert_false(sonde_site_has_waiting(site));
    assert_int_equal(probe->hits, 2); /* entries only */
    assert_int_equal(probe->captured, 2);
    uint32_t count;
    size_t bytes;
    sonde_inflight_size(vm->recorder.inflight, &count, &bytes);
    assert_int_equal(count, 0);
    assert_int_equal(bytes, 0);
}

static void
test_CORE_03_exit_on_another_thread(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe *probe = install_at(vm, SONDE_AT_EXIT, 0);
    assert_true(enter(vm->sites[0], 0));
    pthread_t thread;
    struct hammer hammer = {vm->sites[0], 0};
    assert_int_equal(pthread_create(&thread, NULL, hammer_function, &hammer), 0);
    pthread_join(thread, NULL); /* its first enter replaces ours: same frame number */
    assert_int_equal(probe->captured + lost(probe, SONDE_DROP_QUEUE_FULL), HITS_EACH);
    assert_int_equal(lost(probe, SONDE_DROP_ENTRY_LOST), 1);
}

static void
test_CORE_03_stale_frames_never_meet_another_activation(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe *probe = install_at(vm, SONDE_AT_EXIT, 0);
    struct sonde_site *site = vm->sites[0];
    assert_true(enter(site, 1)); /* its end is never told */
    assert_true(enter(site, 1));
    assert_int_equal(lost(probe, SONDE_DROP_ENTRY_LOST), 1);
    assert_true(leave(site, 1));
    assert_false(leave(site, 1));
    assert_int_equal(take_all(vm), 1);

    /* Also when the new activation is rejected. */
    assert_true(enter(site, 1));
    sonde_limiter_init(&vm->recorder.rate, 0.001, 1);
    assert_true(sonde_limiter_try_take(&vm->recorder.rate, sonde_clock_mono_ns()));
    assert_false(enter(site, 1));
    assert_false(leave(site, 1));
    assert_int_equal(lost(probe, SONDE_DROP_ENTRY_LOST), 2);
    assert_int_equal(take_all(vm), 0);
}

static void
test_CORE_11_damaged_entry_is_counted(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe *probe = install_at(vm, SONDE_AT_EXIT, 1);
    struct sonde_site *site = vm->sites[0];
    assert_int_equal(
        sonde_inflight_put(vm->recorder.inflight, site, 1, 5, SONDE_STR("not a record")),
        SONDE_OK);
    assert_false(leave(site, 1));
    assert_int_equal(lost(probe, SONDE_DROP_UNENCODABLE), 1);
    assert_true(enter(site, 1)); /* thread, tape and limit are free again */
    assert_true(leave(site, 1));
}

/* --- Removal and fork --------------------------------------------------------------------- */

static void
test_CORE_09_removal_while_in_flight(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe_def def = def_at(SONDE_AT_EXIT);
    (void)install(vm, &def);
    struct sonde_site *site = vm->sites[0];
    assert_true(enter(site, 1));
    assert_true(enter(site, 2));
    struct sonde_hit in_entry, in_exit;
    assert_true(sonde_hit_begin_entry(&in_entry, site, 3));

    assert_int_equal(sonde_registry_apply(vm->registry, NULL, 0), SONDE_OK);
    assert_null(vm->sites[0]);
    uint32_t count;
    size_t bytes;
    sonde_inflight_size(vm->recorder.inflight, &count, &bytes);
    assert_int_equal(count, 0);
    /* The hit under way holds its site; its entry finds nobody to wait for. */
    assert_true(in_entry.def->at == SONDE_AT_EXIT);
    sonde_hit_commit(&in_entry);
    sonde_inflight_size(vm->recorder.inflight, &count, &bytes);
    assert_int_equal(count, 0);

    def.revision = 2;
    (void)install(vm, &def);
    site = vm->sites[0];
    assert_true(enter(site, 1));
    assert_true(sonde_hit_begin_exit(&in_exit, site, 1));
    assert_int_equal(sonde_registry_apply(vm->registry, NULL, 0), SONDE_OK);
    sonde_hit_commit(&in_exit); /* was admitted, is recorded */
    assert_int_equal(take_all(vm), 1);
}

struct remover {
    struct vm *vm;
    _Atomic bool is_armed, is_left;
};

static void *
hold_a_hit(void *arg)
{
    struct remover *remover = arg;
    struct sonde_hit hit;
    bool is_begun = sonde_hit_begin_line(&hit, remover->vm->sites[0]);
    atomic_store(&remover->is_armed, true);
    while (!atomic_load(&remover->is_left)) {
    }
    if (is_begun) {
        sonde_hit_commit(&hit);
    }
    return NULL;
}

static void
test_CORE_09_removal_under_a_hit_on_another_thread(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe_def def = def_at(SONDE_AT_LINE);
    for (uint32_t round = 1; round <= 20; round++) {
        def.revision = round;
        (void)install(vm, &def);
        struct remover remover = {.vm = vm};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, hold_a_hit, &remover), 0);
        while (!atomic_load(&remover.is_armed)) {
        }
        if (round % 2 == 0) {
            atomic_store(&remover.is_left, true); /* race with the removal */
        }
        assert_int_equal(sonde_registry_apply(vm->registry, NULL, 0), SONDE_OK);
        atomic_store(&remover.is_left, true);
        pthread_join(thread, NULL);
    }
    assert_int_equal(take_all(vm), 20);
}

static void
test_CORE_13_fork_starts_anew(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe *probe = install_at(vm, SONDE_AT_EXIT, 1);
    struct sonde_site *site = vm->sites[0];
    assert_true(enter(site, 1));
    assert_true(enter(site, 2));
    assert_true(leave(site, 2));
    sonde_probe_drop(probe, SONDE_DROP_REFUSED);
    assert_int_equal(probe->captured, 1);
    struct sonde_inflight_entry *waiting =
        sonde_inflight_take(vm->recorder.inflight, site, 1);
    assert_non_null(waiting); /* so that the test itself leaks nothing */
    sonde_free(waiting);
    atomic_store(&site->waiting, 1);

    sonde_registry_after_fork(vm->registry);
    assert_int_equal(sonde_recorder_after_fork(&vm->recorder), SONDE_OK);

    assert_int_equal(take_all(vm), 0);
    assert_int_equal(probe->hits, 0);
    assert_int_equal(probe->captured, 0);
    assert_int_equal(lost(probe, SONDE_DROP_REFUSED), 0);
    assert_int_equal(sonde_drops_get(&vm->recorder.drops, SONDE_DROP_REFUSED), 0);
    assert_false(leave(site, 1));
    assert_ptr_equal(vm->sites[0], site); /* still armed */
    assert_true(enter(site, 1));
    assert_true(leave(site, 1));
    assert_int_equal(take_all(vm), 1);
}

static void *
hammer_until_told(void *arg)
{
    struct remover *remover = arg;
    atomic_store(&remover->is_armed, true);
    for (uint64_t frame = 0; !atomic_load(&remover->is_left); frame++) {
        enter(remover->vm->sites[0], frame % 50);
        leave(remover->vm->sites[0], frame % 70);
    }
    return NULL;
}

/* 0, or the line of what is wrong. */
static int
live_as_child(struct vm *vm)
{
    const struct sonde_probe *probe = vm->sites[0]->probe;
    alarm(20); /* a lock that is waited on ends here */
    sonde_registry_after_fork(vm->registry);
    if (sonde_recorder_after_fork(&vm->recorder) != SONDE_OK) {
        return __LINE__ % 256;
    }
    if (probe->hits != 0 || sonde_site_has_waiting(vm->sites[0])) {
        return __LINE__ % 256;
    }
    if (!enter(vm->sites[0], 1) || !leave(vm->sites[0], 1) || take_all(vm) != 1) {
        return __LINE__ % 256;
    }
    return sonde_registry_apply(vm->registry, NULL, 0) == SONDE_OK ? 0 : __LINE__ % 256;
}

static void
test_CORE_13_fork_under_hits_waits_for_no_lock(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe_def def = def_at(SONDE_AT_EXIT);
    def.rate = 1e9;
    (void)install(vm, &def);
    sonde_limiter_init(&vm->recorder.rate, 1e9, 1);
    struct remover hammer = {.vm = vm};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, hammer_until_told, &hammer), 0);
    while (!atomic_load(&hammer.is_armed)) {
    }
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        if (child == 0) {
            _exit(live_as_child(vm));
        }
        assert_true(child > 0);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&hammer.is_left, true);
    pthread_join(thread, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_CORE_03_line_hit_becomes_a_record),
        TEST(test_CORE_08_rejected_hits_are_counted_and_leave_nothing),
        TEST(test_CORE_08_process_limits_hold_and_give_the_token_back),
        TEST(test_CORE_08_overdrawn_cpu_budget_stops_the_probe),
        TEST(test_CORE_08_waiting_for_a_core_is_not_booked),
        TEST(test_CORE_10_no_capture_inside_a_capture),
        TEST(test_CORE_03_hooks_of_another_kind_are_no_hits),
        TEST(test_CORE_11_full_queue_drops_and_counts),
        TEST(test_CORE_11_lack_of_tapes_and_memory_is_counted),
        TEST(test_CORE_08_closed_recorder_refuses),
        TEST(test_CORE_08_hit_limit_is_exact_among_threads),
        TEST(test_CORE_08_hit_limit_is_exact_for_function_exits),
        TEST(test_CORE_08_hit_limit_is_not_used_up_by_frames_that_never_end),
        TEST(test_CORE_03_exit_joins_its_entry),
        TEST(test_CORE_03_exit_on_another_thread),
        TEST(test_CORE_03_stale_frames_never_meet_another_activation),
        TEST(test_CORE_11_damaged_entry_is_counted),
        TEST(test_CORE_09_removal_while_in_flight),
        TEST(test_CORE_09_removal_under_a_hit_on_another_thread),
        TEST(test_CORE_13_fork_starts_anew),
        TEST(test_CORE_13_fork_under_hits_waits_for_no_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
