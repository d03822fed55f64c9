/* SPDX-License-Identifier: Apache-2.0
 *
 * A runtime that can not say at once where a place is: it looks in slices, and what is said of a
 * probe meanwhile is true (CORE-03), without a gap between two revisions and with nothing left
 * armed at the end (CORE-09). */
#include "core/base/alloc.h"
#include "core/probe/definition.h"
#include "core/probe/registry.h"
#include "core/probe/registry_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define ARMED_MAX 8

struct vm {
    struct sonde_adapter adapter;
    uint64_t codes[4]; /* that are loaded, all of /srv/app.rb; 0: none */
    uint64_t early;    /* the one that find knows of before the end; 0: none */
    int slices_left;   /* until it knows all */
    int finds, slices; /* how often it was called */
    int find_fails_with;
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

static int
vm_find(void *ctx, const struct sonde_probe_def *def, struct sonde_finding *finding)
{
    struct vm *vm = ctx;
    bool is_later = vm->slices_left > 0;
    vm->finds++;
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
vm_proceed(void *ctx)
{
    struct vm *vm = ctx;
    vm->slices++;
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
    sonde_registry_set_slice(vm->registry, 1); /* the first eight alone */
    vm->codes[0] = vm->early = 1;
    vm->slices_left = 1;
    apply(vm, 1, 1);
    sonde_registry_look_again(vm->registry, SONDE_STR("/srv/app.rb"));
    vm->slices_left = 0;
    vm->codes[1] = 2;
    assert_true(sonde_registry_has_left(vm->registry));
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
