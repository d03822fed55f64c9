/* SPDX-License-Identifier: Apache-2.0
 *
 * A runtime that can not say at once where a place is: it looks in slices, and what is said of a
 * probe meanwhile is true (CORE-03), without a gap between two revisions and with nothing left
 * armed at the end (CORE-09). */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/probe/definition.h"
#include "core/probe/registry.h"
#include "core/probe/registry_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define ARMED_MAX 16

struct vm {
    struct sonde_adapter adapter;
    uint64_t codes[4]; /* that are loaded, all of /srv/app.rb; 0: none */
    uint64_t early;    /* the one that find knows of before the end; 0: none */
    int slices_left;   /* until it knows all */
    int finds, slices; /* how often it was called */
    int64_t until_ns;  /* that it was told last */
    int find_fails_with;
    int64_t work_ns; /* that a find and a disarm take; a proceed takes what is left */
    int begun_late;  /* for how many probes after the slice's end */
    char worked_for; /* the last probe that something was done for */
    struct {
        struct sonde_place place;
        struct sonde_site *site;
    } armed[ARMED_MAX];
    size_t armed_count;
    char log[512];
    struct sonde_recorder recorder;
    struct sonde_registry *registry;
    char report[4096];
};

/* Takes as long as it is told to, and sees whether there was time for it. */
static void
work(struct vm *vm, char id)
{
    int64_t now_ns = sonde_clock_mono_ns(), end_ns = vm->registry->slice_end_ns;
    vm->begun_late += end_ns != 0 && now_ns >= end_ns && id != vm->worked_for;
    vm->worked_for = id;
    int64_t until_ns = now_ns + vm->work_ns;
    while (sonde_clock_mono_ns() < until_ns) {
    }
}

static int
vm_find(void *ctx, const struct sonde_probe_def *def, struct sonde_finding *finding)
{
    struct vm *vm = ctx;
    bool is_later = vm->slices_left > 0;
    vm->finds++;
    work(vm, def->id.ptr[0]);
    if (vm->find_fails_with != SONDE_OK) {
        return vm->find_fails_with;
    }
    for (size_t i = 0; i < 4; i++) {
        if (vm->codes[i] != 0 && (!is_later || vm->codes[i] == vm->early)) {
            sonde_finding_place(
                finding, (struct sonde_place){vm->codes[i], def->location.line},
                SONDE_STR("/srv/app.rb"), SONDE_STR("f"), def->location.line);
        }
    }
    if (is_later) {
        return SONDE_E_LATER;
    }
    sonde_finding_cause(finding, SONDE_CAUSE_FILE_NOT_LOADED, "waits");
    return SONDE_OK;
}

static void
vm_proceed(void *ctx, int64_t until_ns)
{
    struct vm *vm = ctx;
    vm->until_ns = until_ns;
    vm->slices++;
    while (vm->slices_left > 0 && vm->work_ns != 0 && sonde_clock_mono_ns() < until_ns) {
    }
    vm->slices_left -= vm->slices_left > 0;
}

static void
vm_log(struct vm *vm, char sign, const struct sonde_site *site)
{
    size_t len = strlen(vm->log);
    snprintf(vm->log + len, sizeof(vm->log) - len, "%c%u ", sign,
             sonde_site_def(site)->revision);
}

static int
vm_arm(void *ctx, struct sonde_place place, struct sonde_site *site,
       struct sonde_err *err)
{
    struct vm *vm = ctx;
    (void)err;
    assert_true(vm->armed_count < ARMED_MAX);
    vm->armed[vm->armed_count].place = place;
    vm->armed[vm->armed_count++].site = site;
    vm_log(vm, '+', site);
    return SONDE_OK;
}

static void
vm_disarm(void *ctx, struct sonde_place place, struct sonde_site *site)
{
    struct vm *vm = ctx;
    size_t i = 0;
    work(vm, sonde_site_def(site)->id.ptr[0]);
    while (i < vm->armed_count && vm->armed[i].site != site) {
        i++;
    }
    assert_true(i < vm->armed_count && vm->armed[i].place.code == place.code);
    vm_log(vm, '-', site);
    vm->armed[i] = vm->armed[--vm->armed_count];
}

static void
vm_request_safe_point(void *ctx)
{
    (void)ctx;
}

static void
unload(struct vm *vm, uint64_t id)
{
    for (size_t i = 0; i < 4; i++) {
        vm->codes[i] = vm->codes[i] == id ? 0 : vm->codes[i];
    }
    for (size_t i = vm->armed_count; i-- > 0;) {
        if (vm->armed[i].place.code == id) {
            vm->armed[i] = vm->armed[--vm->armed_count];
        }
    }
    sonde_registry_code_vanished(vm->registry, id);
}

static int
setup(void **state)
{
    struct vm *vm = test_calloc(1, sizeof(*vm));
    vm->adapter = (struct sonde_adapter){
        .size = sizeof(struct sonde_adapter),
        .abi = SONDE_ADAPTER_ABI,
        .language = "test",
        .runtime_version = "1",
        .ctx = vm,
        .find = vm_find,
        .arm = vm_arm,
        .disarm = vm_disarm,
        .request_safe_point = vm_request_safe_point,
        .proceed = vm_proceed,
    };
    const struct sonde_recorder_options options = {
        .queue_bytes = 1 << 20,
        .snapshots_per_second = 1e6,
        .cpu_percent = 100000,
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
    assert_int_equal(vm->armed_count, 0); /* CORE-09, after every test */
    sonde_recorder_fini(&vm->recorder);
    test_free(vm);
    return 0;
}

static void
apply(struct vm *vm, uint32_t revision, int count)
{
    struct sonde_probe_def defs[8];
    static const char *const ids[8] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (int i = 0; i < count; i++) {
        sonde_probe_def_init(&defs[i]);
        defs[i].id = sonde_str_from(ids[i]);
        defs[i].revision = revision;
        assert_int_equal(
            sonde_location_read(&defs[i].location, SONDE_STR("app.rb:5"), NULL),
            SONDE_OK);
        defs[i].at = SONDE_AT_LINE;
        defs[i].rate = 1e6;
    }
    assert_int_equal(sonde_registry_apply(vm->registry, defs, (size_t)count), SONDE_OK);
}

static void
assert_reports(struct vm *vm, const char *expected)
{
    struct sonde_buf buf;
    struct sonde_json_writer writer;
    sonde_buf_init(&buf, 0);
    sonde_json_writer_init(&writer, &buf);
    sonde_registry_report(vm->registry, &writer);
    snprintf(vm->report, sizeof(vm->report), "%s", sonde_buf_cstr(&buf));
    sonde_buf_fini(&buf);
    if (strstr(vm->report, expected) == NULL) {
        fail_msg("no %s in %s", expected, vm->report);
    }
}

static void
test_CORE_03_stays_received_until_all_is_known(void **state)
{
    struct vm *vm = *state;
    vm->codes[0] = 1;
    vm->slices_left = 3;
    apply(vm, 1, 2);
    for (int i = 0; i < 3; i++) {
        assert_reports(vm, "\"status\":\"received\"");
        assert_true(sonde_registry_has_left(vm->registry));
        assert_int_equal(vm->armed_count, 0);
        sonde_registry_tick(vm->registry);
        assert_int_equal(vm->slices, i + 1); /* one for all probes */
    }
    assert_reports(vm, "\"status\":\"installed\"");
    assert_int_equal(vm->armed_count, 2);
    assert_false(sonde_registry_has_left(vm->registry));
    int finds = vm->finds;
    sonde_registry_tick(vm->registry);
    assert_int_equal(vm->finds, finds);
    assert_int_equal(vm->slices, 3);
}

/* Where code appears while it is looked for, it is armed before it runs. */
static void
test_CORE_03_what_is_found_early_is_armed_early(void **state)
{
    struct vm *vm = *state;
    vm->codes[0] = 1;
    vm->slices_left = 2;
    apply(vm, 1, 1);
    assert_true(sonde_registry_wants(vm->registry, SONDE_STR("/srv/app.rb")));
    vm->codes[1] = vm->early = 2;
    sonde_registry_look_again(vm->registry, SONDE_STR("/srv/app.rb"));
    assert_reports(vm, "\"status\":\"installed\"");
    assert_int_equal(vm->armed_count, 1);
    assert_true(sonde_registry_has_left(vm->registry));
    sonde_registry_tick(vm->registry);
    sonde_registry_tick(vm->registry);
    assert_false(sonde_registry_has_left(vm->registry));
    assert_reports(vm, "\"places\":2");
}

/* One that nobody looked for yet: the appearance of code answers for that code alone. */
static void
test_CORE_03_one_file_is_no_answer_to_what_is_left(void **state)
{
    struct vm *vm = *state;
    sonde_registry_set_slice(vm->registry, 1); /* one probe each */
    vm->codes[0] = vm->early = 1;
    vm->slices_left = 1;
    apply(vm, 1, 1);
    sonde_registry_look_again(vm->registry, SONDE_STR("/srv/app.rb"));
    vm->slices_left = 0;
    vm->codes[1] = 2;
    assert_true(sonde_registry_has_left(vm->registry));
    sonde_registry_begin_slice(vm->registry);
    sonde_registry_tick(vm->registry);
    assert_reports(vm, "\"places\":2");
    assert_false(sonde_registry_has_left(vm->registry));
}

static void
test_CORE_03_a_new_revision_that_is_looked_for_has_no_gap(void **state)
{
    struct vm *vm = *state;
    vm->codes[0] = 1;
    apply(vm, 1, 1);
    vm->slices_left = 2;
    vm->log[0] = '\0';
    apply(vm, 2, 1);
    assert_reports(vm, "\"revision\":2,\"status\":\"received\"");
    apply(vm, 3, 1);
    assert_string_equal(vm->log, "");
    assert_int_equal(sonde_registry_armed_count(vm->registry), 1);
    sonde_registry_after_fork(vm->registry);
    sonde_registry_tick(vm->registry);
    assert_string_equal(vm->log, "");
    sonde_registry_tick(vm->registry);
    assert_string_equal(vm->log, "+3 -1 ");
    assert_reports(vm, "\"revision\":3,\"status\":\"installed\"");
}

static void
test_CORE_09_the_former_revision_goes_with_its_successor(void **state)
{
    struct vm *vm = *state;
    vm->codes[0] = 1;
    apply(vm, 1, 1);
    vm->slices_left = 2;
    apply(vm, 2, 1);
    apply(vm, 2, 0);
    assert_int_equal(vm->armed_count, 0);

    vm->slices_left = 0;
    apply(vm, 3, 1);
    vm->slices_left = 2;
    apply(vm, 4, 1);
    vm->find_fails_with = SONDE_E_VM;
    sonde_registry_tick(vm->registry);
    assert_reports(vm, "\"status\":\"error\",\"cause\":\"internal\"");
    assert_int_equal(vm->armed_count, 0);
    assert_false(sonde_registry_has_left(vm->registry));
}

static void
test_CORE_03_code_of_the_former_revision_may_vanish(void **state)
{
    struct vm *vm = *state;
    vm->codes[0] = 1;
    vm->codes[1] = 2;
    apply(vm, 1, 1);
    vm->slices_left = 2;
    apply(vm, 2, 1);
    unload(vm, 1); /* its site is gone with it, and not disarmed */
    assert_int_equal(vm->armed_count, 1);
    unload(vm, 2);
    assert_int_equal(sonde_registry_armed_count(vm->registry), 0);
    sonde_registry_tick(vm->registry);
    sonde_registry_tick(vm->registry);
    assert_reports(vm, "\"status\":\"pending\"");
}

/* "Its file was unloaded" is not said while that is being looked up. */
static void
test_CORE_03_what_vanished_is_looked_for_as_received(void **state)
{
    struct vm *vm = *state;
    vm->codes[0] = 1;
    apply(vm, 1, 1);
    vm->slices_left = 1;
    unload(vm, 1);
    sonde_registry_look_again(vm->registry, SONDE_STR("/srv/app.rb"));
    assert_reports(vm, "\"status\":\"received\"");
    sonde_registry_tick(vm->registry);
    assert_reports(vm, "\"status\":\"pending\",\"cause\":\"file_not_loaded\"");
}

/* --- Slices --------------------------------------------------------------------------------- */

static void
begin_slice(struct vm *vm)
{
    vm->begun_late = 0;
    vm->worked_for = '\0';
    sonde_registry_begin_slice(vm->registry);
}

/* Whether the slice went past its end by one piece of work at most: the first, or one before which the clock
 * went on between the question for time and the work itself. */
static void
assert_keeps_to_slice(const struct vm *vm)
{
    assert_true(vm->begun_late <= 1);
}

/* Slices until nothing is left; how many. */
static int
finish_in_slices(struct vm *vm)
{
    int slices = 0;
    while (sonde_registry_has_left(vm->registry)) {
        begin_slice(vm);
        sonde_registry_tick(vm->registry);
        assert_keeps_to_slice(vm);
        assert_true(++slices < 1000); /* each gets somewhere */
    }
    return slices;
}

/* No pause is longer than a slice and one probe's work, however many probes come, change and go at once:
 * apply and tick share the slice of their safe point, and so does the looking between. */
static void
test_CORE_03_no_batch_goes_past_the_slice_by_more_than_one_probe(void **state)
{
    struct vm *vm = *state;
    vm->codes[0] = 1;
    vm->work_ns = SONDE_NS_PER_MS;
    vm->slices_left = 2;
    sonde_registry_set_slice(vm->registry, 3 * SONDE_NS_PER_MS);
    for (uint32_t revision = 1; revision <= 3; revision++) {
        int count = revision < 3 ? 8 : 0;
        begin_slice(vm);
        apply(vm, revision, count);
        sonde_registry_tick(vm->registry); /* in the same safe point */
        assert_keeps_to_slice(vm);
        assert_true(sonde_registry_has_left(vm->registry));
        assert_true(finish_in_slices(vm) > 1);
        assert_int_equal(vm->armed_count, count);
    }
}

/* One piece of work in each, and everything is done in the end. */
static void
test_CORE_03_a_slice_of_no_length_gets_somewhere(void **state)
{
    struct vm *vm = *state;
    vm->codes[0] = 1;
    vm->slices_left = 3;
    sonde_registry_set_slice(vm->registry, 1);
    vm->work_ns = 1000; /* longer than that */
    apply(vm, 1, 4);
    finish_in_slices(vm);
    assert_int_equal(vm->armed_count, 4);
    begin_slice(vm);
    apply(vm, 2, 0);
    finish_in_slices(vm);
    assert_int_equal(vm->armed_count, 0);
}

static void
test_CORE_03_what_proceeds_is_told_the_end(void **state)
{
    struct vm *vm = *state;
    vm->codes[0] = 1;
    vm->slices_left = 2;
    sonde_registry_set_slice(vm->registry, SONDE_NS_PER_S);
    apply(vm, 1, 1);
    sonde_registry_tick(vm->registry);
    assert_true(vm->until_ns != 0);
    assert_true(vm->until_ns == vm->registry->slice_end_ns);
    sonde_registry_set_slice(vm->registry, 0);
    sonde_registry_tick(vm->registry);
    assert_true(vm->until_ns == 0);
    assert_int_equal(vm->armed_count, 1);
}

/* All of app.rb:5, armed; removed in a slice in which nothing but the first is disarmed. */
static void
arm_and_remove(struct vm *vm, int count)
{
    vm->codes[0] = 1;
    apply(vm, 1, count);
    assert_int_equal(vm->armed_count, count);
    vm->work_ns = 1000;
    sonde_registry_set_slice(vm->registry, 1);
    apply(vm, 2, 0);
    assert_int_equal(vm->armed_count, count - 1);
    assert_true(sonde_registry_has_left(vm->registry));
    assert_reports(vm, "[]");
}

static void
test_CORE_09_what_is_removed_and_armed_still_captures_nothing(void **state)
{
    struct vm *vm = *state;
    arm_and_remove(vm, 3);
    assert_int_equal(sonde_registry_armed_count(vm->registry), 2);
    for (size_t i = 0; i < vm->armed_count; i++) {
        struct sonde_hit hit;
        assert_false(sonde_hit_begin_line(&hit, vm->armed[i].site));
    }
    sonde_registry_set_slice(vm->registry, 0);
    apply(vm, 3, 2); /* the same ids again */
    assert_int_equal(vm->armed_count, 2);
    assert_false(sonde_registry_has_left(vm->registry));
    struct sonde_hit hit;
    assert_true(sonde_hit_begin_line(&hit, vm->armed[0].site));
    sonde_hit_abandon(&hit);
}

static void
test_CORE_09_code_may_vanish_before_it_is_disarmed(void **state)
{
    struct vm *vm = *state;
    arm_and_remove(vm, 3);
    unload(vm, 1);
    assert_int_equal(sonde_registry_armed_count(vm->registry), 0);
    finish_in_slices(vm);
    assert_int_equal(vm->armed_count, 0);
}

/* The teardown asserts that nothing is armed. */
static void
test_CORE_09_what_was_left_goes_with_the_registry(void **state)
{
    struct vm *vm = *state;
    arm_and_remove(vm, 4);
    sonde_registry_after_fork(vm->registry);
    assert_true(sonde_registry_has_left(vm->registry));
}

static void
test_CORE_03_all_is_looked_for_again_in_slices(void **state)
{
    struct vm *vm = *state;
    apply(vm, 1, 4);
    assert_reports(vm, "\"status\":\"pending\"");
    vm->codes[0] = 1;
    vm->work_ns = 1000;
    sonde_registry_set_slice(vm->registry, 1);
    sonde_registry_look_later(vm->registry);
    assert_true(sonde_registry_has_left(vm->registry));
    assert_reports(vm, "\"status\":\"pending\"");
    assert_true(finish_in_slices(vm) >= 4);
    assert_int_equal(vm->armed_count, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_CORE_03_stays_received_until_all_is_known),
        TEST(test_CORE_03_what_is_found_early_is_armed_early),
        TEST(test_CORE_03_one_file_is_no_answer_to_what_is_left),
        TEST(test_CORE_03_a_new_revision_that_is_looked_for_has_no_gap),
        TEST(test_CORE_09_the_former_revision_goes_with_its_successor),
        TEST(test_CORE_03_code_of_the_former_revision_may_vanish),
        TEST(test_CORE_03_what_vanished_is_looked_for_as_received),
        TEST(test_CORE_03_no_batch_goes_past_the_slice_by_more_than_one_probe),
        TEST(test_CORE_03_a_slice_of_no_length_gets_somewhere),
        TEST(test_CORE_03_what_proceeds_is_told_the_end),
        TEST(test_CORE_09_what_is_removed_and_armed_still_captures_nothing),
        TEST(test_CORE_09_code_may_vanish_before_it_is_disarmed),
        TEST(test_CORE_09_what_was_left_goes_with_the_registry),
        TEST(test_CORE_03_all_is_looked_for_again_in_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
