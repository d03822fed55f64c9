/* SPDX-License-Identifier: Apache-2.0
 *
 * The life cycle of probes (CORE-03), with a runtime that is a table of places. CORE-09:
 * whatever ends a probe leaves nothing armed.
 *
 * Rows: CORE-02 CORE-04 CORE-08 CORE-13 */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/probe/definition.h"
#include "core/probe/registry.h"
#include "core/probe/registry_report.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define CODE_MAX 8
#define ARMED_MAX 32
#define LOG_BYTES 4096

/* One piece of loaded code: it answers to a file's name and to a function's. */
struct code {
    uint64_t id; /* 0: not loaded */
    const char *file, *function;
    uint32_t first_line, last_line;
};

struct vm {
    struct sonde_adapter adapter;
    struct code codes[CODE_MAX];
    struct {
        struct sonde_place place;
        struct sonde_site *site;
    } armed[ARMED_MAX];
    size_t armed_count;
    char log[LOG_BYTES]; /* "+p1 " armed, "-p1 " disarmed: id and revision */
    int arm_fails_with;  /* and after how many successes */
    int arms_until_failure;
    int find_fails_with;
    struct sonde_recorder recorder;
    struct sonde_registry *registry;
    char report[8192];
};

static bool
matches(const struct code *code, const struct sonde_probe_def *def)
{
    if (code->id == 0) {
        return false;
    }
    if (def->location.line > 0) {
        return sonde_str_ends_with(sonde_str_from(code->file), def->location.file);
    }
    return sonde_str_eq(sonde_str_from(code->function), def->location.function);
}

static int
vm_find(void *ctx, const struct sonde_probe_def *def, struct sonde_finding *finding)
{
    struct vm *vm = ctx;
    if (vm->find_fails_with != SONDE_OK) {
        return vm->find_fails_with;
    }
    const uint32_t line = def->location.line;
    sonde_finding_cause(
        finding, line > 0 ? SONDE_CAUSE_FILE_NOT_LOADED : SONDE_CAUSE_MODULE_NOT_LOADED,
        "%.*s is not loaded", (int)def->location.text.len, def->location.text.ptr);
    for (size_t i = 0; i < CODE_MAX; i++) {
        const struct code *code = &vm->codes[i];
        if (!matches(code, def)) {
            continue;
        }
        if (line == 0 || (line >= code->first_line && line <= code->last_line)) {
            sonde_finding_place(
                finding, (struct sonde_place){code->id, line}, sonde_str_from(code->file),
                sonde_str_from(code->function), line > 0 ? line : code->first_line);
        } else {
            sonde_finding_cause(finding, SONDE_CAUSE_LINE_NOT_EXECUTABLE,
                                "line %u has no code", line);
            sonde_finding_nearest(finding, code->first_line);
            sonde_finding_nearest(finding, code->last_line);
        }
    }
    return SONDE_OK;
}

static void
vm_log(struct vm *vm, char sign, const struct sonde_site *site)
{
    const struct sonde_probe_def *def = sonde_site_def(site);
    size_t len = strlen(vm->log);
    snprintf(vm->log + len, sizeof(vm->log) - len, "%c%.*s%u ", sign, (int)def->id.len,
             def->id.ptr, def->revision);
}

static int
vm_arm(void *ctx, struct sonde_place place, struct sonde_site *site,
       struct sonde_err *err)
{
    struct vm *vm = ctx;
    if (vm->arm_fails_with != SONDE_OK && vm->arms_until_failure-- == 0) {
        return sonde_err_set(err, vm->arm_fails_with, NULL, "taken by another debugger");
    }
    assert_true(vm->armed_count < ARMED_MAX);
    vm->armed[vm->armed_count].place = place;
    vm->armed[vm->armed_count].site = site;
    vm->armed_count++;
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
    assert_true(i < vm->armed_count); /* never disarmed twice, or without being armed */
    assert_true(vm->armed[i].place.code == place.code &&
                vm->armed[i].place.position == place.position);
    vm->armed[i] = vm->armed[--vm->armed_count];
    vm_log(vm, '-', site);
}

static void
vm_request_safe_point(void *ctx)
{
    (void)ctx;
}

static void
load(struct vm *vm, uint64_t id, const char *file, const char *function,
     uint32_t first_line, uint32_t last_line)
{
    size_t i = 0;
    while (vm->codes[i].id != 0) {
        i++;
    }
    vm->codes[i] = (struct code){id, file, function, first_line, last_line};
}

/* Frees code as a runtime does: its sites are gone with it. */
static void
unload(struct vm *vm, uint64_t id)
{
    for (size_t i = 0; i < CODE_MAX; i++) {
        if (vm->codes[i].id == id) {
            vm->codes[i].id = 0;
        }
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

static struct sonde_probe_def
make_def(const char *id, uint32_t revision, const char *location)
{
    struct sonde_probe_def def;
    sonde_probe_def_init(&def);
    def.id = sonde_str_from(id);
    def.revision = revision;
    assert_int_equal(sonde_location_read(&def.location, sonde_str_from(location), NULL),
                     SONDE_OK);
    def.at = def.location.line > 0 ? SONDE_AT_LINE : SONDE_AT_EXIT;
    def.rate = 1e6;
    return def;
}

static void
apply_one(struct vm *vm, const char *id, uint32_t revision, const char *location)
{
    struct sonde_probe_def def = make_def(id, revision, location);
    assert_int_equal(sonde_registry_apply(vm->registry, &def, 1), SONDE_OK);
}

static const char *
report(struct vm *vm)
{
    struct sonde_buf buf;
    struct sonde_json_writer writer;
    sonde_buf_init(&buf, 0);
    sonde_json_writer_init(&writer, &buf);
    sonde_registry_report(vm->registry, &writer);
    snprintf(vm->report, sizeof(vm->report), "%s", sonde_buf_cstr(&buf));
    sonde_buf_fini(&buf);
    return vm->report;
}

static void
assert_reports(struct vm *vm, const char *expected)
{
    if (strstr(report(vm), expected) == NULL) {
        fail_msg("no %s in %s", expected, vm->report);
    }
}

static void
assert_status(struct vm *vm, const char *status, const char *cause)
{
    char expected[128];
    snprintf(expected, sizeof(expected), "\"status\":\"%s\",\"cause\":\"%s\"", status,
             cause);
    assert_reports(vm, expected);
}

static bool
hit_line(struct sonde_site *site)
{
    struct sonde_hit hit;
    if (!sonde_hit_begin_line(&hit, site)) {
        return false;
    }
    sonde_hit_commit(&hit);
    return true;
}

/* --- From received to the end ------------------------------------------------------------- */

static void
test_CORE_03_installed_then_emitting(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/srv/app.py", "f", 10, 20);
    apply_one(vm, "p", 3, "app.py:12");
    assert_string_equal(report(vm),
                        "[{\"probe_id\":\"p\",\"revision\":3,\"status\":\"installed\","
                        "\"cause\":\"\",\"message\":\"\",\"nearest_lines\":[],\"hits\":0,"
                        "\"captured\":0,\"dropped\":{},\"places\":1}]");
    assert_int_equal(vm->armed_count, 1);
    assert_int_equal(sonde_registry_armed_count(vm->registry), 1);
    assert_false(sonde_registry_is_waiting(vm->registry));

    assert_true(hit_line(vm->armed[0].site));
    sonde_registry_dropped(vm->registry, SONDE_STR("p"), SONDE_DROP_REFUSED);
    sonde_registry_dropped(vm->registry, SONDE_STR("q"), SONDE_DROP_REFUSED);
    assert_status(vm, "emitting", "");
    assert_reports(vm, "\"hits\":1,\"captured\":1,\"dropped\":{\"refused\":1}");
}

static void
test_CORE_03_pending_until_its_code_is_there(void **state)
{
    struct vm *vm = *state;
    apply_one(vm, "p", 1, "shop/app.py:12");
    assert_status(vm, "pending", "file_not_loaded");
    assert_reports(vm, "shop/app.py:12 is not loaded");
    assert_true(sonde_registry_is_waiting(vm->registry));
    assert_true(sonde_registry_wants(vm->registry, SONDE_STR("/srv/shop/app.py")));
    assert_false(sonde_registry_wants(vm->registry, SONDE_STR("/srv/shop/other.py")));

    sonde_registry_look_again(vm->registry, SONDE_STR("/srv/shop/app.py"));
    assert_status(vm, "pending", "file_not_loaded");
    load(vm, 1, "/srv/shop/app.py", "f", 10, 20);
    sonde_registry_look_again(vm->registry, SONDE_STR("/srv/shop/other.py"));
    assert_status(vm, "pending", "file_not_loaded");
    sonde_registry_look_again(vm->registry, SONDE_STR("/srv/shop/app.py"));
    assert_status(vm, "installed", "");
    assert_false(sonde_registry_is_waiting(vm->registry));
    /* A reload of the same file concerns it still. */
    assert_true(sonde_registry_wants(vm->registry, SONDE_STR("/srv/shop/app.py")));
    assert_false(sonde_registry_wants(vm->registry, SONDE_STR("/srv/shop/other.py")));
}

static void
test_CORE_03_function_waits_for_any_file(void **state)
{
    struct vm *vm = *state;
    assert_false(sonde_registry_wants(vm->registry, SONDE_STR("/srv/x.py")));
    apply_one(vm, "p", 1, "shop.total");
    assert_status(vm, "pending", "module_not_loaded");
    assert_true(sonde_registry_wants(vm->registry, SONDE_STR("/srv/x.py")));
    load(vm, 1, "/srv/x.py", "shop.total", 10, 20);
    sonde_registry_look_again(vm->registry, SONDE_STR("/srv/x.py"));
    assert_status(vm, "installed", "");
}

static void
test_CORE_03_line_not_executable_names_the_nearest(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/srv/app.py", "f", 10, 20);
    apply_one(vm, "p", 1, "app.py:99");
    assert_status(vm, "error", "line_not_executable");
    assert_reports(vm, "\"nearest_lines\":[10,20]");
    assert_int_equal(vm->armed_count, 0);
    /* New code can mend it. */
    assert_true(sonde_registry_wants(vm->registry, SONDE_STR("/srv/app.py")));
    load(vm, 2, "/srv/app.py", "g", 90, 100);
    sonde_registry_look_again(vm->registry, SONDE_STR(""));
    assert_status(vm, "installed", "");
    assert_reports(vm, "\"nearest_lines\":[]");
}

static void
test_CORE_03_ambiguous_lists_the_files(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    load(vm, 2, "/b/app.py", "f", 1, 9);
    load(vm, 3, "/a/app.py", "g", 1, 9);
    apply_one(vm, "p", 1, "app.py:5");
    assert_status(vm, "error", "ambiguous");
    assert_reports(vm, "matches 2 files, name more of the path: /a/app.py, /b/app.py\"");
    assert_int_equal(vm->armed_count, 0);
    unload(vm, 2);
    sonde_registry_look_again(vm->registry, SONDE_STR(""));
    assert_status(vm, "installed", "");
    assert_reports(vm, "\"places\":2");
}

static void
test_CORE_03_further_places_are_armed_once(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    apply_one(vm, "p", 1, "app.py:5");
    load(vm, 2, "/a/app.py", "f", 1, 9); /* loaded again */
    sonde_registry_look_again(vm->registry, SONDE_STR("/a/app.py"));
    sonde_registry_look_again(vm->registry, SONDE_STR(""));
    assert_reports(vm, "\"places\":2");
    assert_int_equal(vm->armed_count, 2);

    load(vm, 3, "/b/app.py", "f", 1, 9); /* somebody else's */
    sonde_registry_look_again(vm->registry, SONDE_STR("/b/app.py"));
    assert_status(vm, "installed", "");
    assert_reports(vm, "only in /a/app.py; it matches elsewhere by now: /b/app.py");
    assert_int_equal(vm->armed_count, 2);
}

static void
test_CORE_03_arming_is_all_or_nothing(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    load(vm, 2, "/a/app.py", "f", 1, 9);
    vm->arm_fails_with = SONDE_E_BUSY;
    vm->arms_until_failure = 1;
    apply_one(vm, "p", 1, "app.py:5");
    assert_status(vm, "error", "tool_conflict");
    assert_reports(vm, "/a/app.py:5: taken by another debugger");
    assert_reports(vm, "\"places\":0");
    assert_int_equal(vm->armed_count, 0);
    assert_string_equal(vm->log, "+p1 -p1 ");

    vm->arm_fails_with = SONDE_E_VM;
    vm->arms_until_failure = 0;
    apply_one(vm, "p", 2, "app.py:5");
    assert_status(vm, "error", "internal");

    vm->arm_fails_with = SONDE_OK;
    vm->find_fails_with = SONDE_E_UNSUPPORTED;
    apply_one(vm, "p", 3, "app.py:5");
    assert_status(vm, "error", "unsupported");
    vm->find_fails_with = SONDE_OK;
}

/* --- Revisions and removal ---------------------------------------------------------------- */

static void
test_CORE_03_new_revision_has_no_gap(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    apply_one(vm, "p", 1, "app.py:5");
    assert_true(hit_line(vm->armed[0].site));
    vm->log[0] = '\0';
    apply_one(vm, "p", 2, "app.py:5");
    assert_string_equal(vm->log, "+p2 -p1 ");
    assert_reports(vm, "\"revision\":2,\"status\":\"installed\"");
    assert_reports(vm, "\"hits\":0,\"captured\":0");

    vm->log[0] = '\0';
    struct sonde_site *site = vm->armed[0].site;
    apply_one(vm, "p", 2, "app.py:5"); /* the same again: left as it is */
    assert_string_equal(vm->log, "");
    assert_ptr_equal(vm->armed[0].site, site);
}

static void
test_CORE_03_corrected_probe_keeps_its_id(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    apply_one(vm, "p", 1, "app.py:50");
    assert_status(vm, "error", "line_not_executable");
    apply_one(vm, "p", 2, "app.py:5");
    assert_status(vm, "installed", "");
    apply_one(vm, "p", 3, "app.py:50"); /* and the other way round */
    assert_status(vm, "error", "line_not_executable");
    assert_int_equal(vm->armed_count, 0);
}

static void
test_CORE_03_list_replaces_list(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    struct sonde_probe_def first[] = {
        make_def("c", 1, "app.py:3"),
        make_def("a", 1, "app.py:1"),
        make_def("b", 1, "app.py:2"),
    };
    assert_int_equal(sonde_registry_apply(vm->registry, first, 3), SONDE_OK);
    assert_int_equal(sonde_registry_armed_count(vm->registry), 3);
    vm->log[0] = '\0';
    struct sonde_probe_def second[] = {
        make_def("d", 1, "app.py:4"),
        make_def("b", 2, "app.py:2"),
        make_def("b", 1, "app.py:2"), /* older than the one before: not the truth */
        make_def("a", 1, "app.py:1"),
    };
    assert_int_equal(sonde_registry_apply(vm->registry, second, 4), SONDE_OK);
    assert_string_equal(vm->log, "+b2 -b1 +d1 -c1 ");
    assert_int_equal(sonde_registry_armed_count(vm->registry), 3);
    assert_int_equal(vm->armed_count, 3);
    sonde_registry_dropped(vm->registry, SONDE_STR("b"), SONDE_DROP_UNSENT);
    assert_reports(vm, "\"dropped\":{\"unsent\":1}");
    assert_int_equal(sonde_registry_apply(vm->registry, NULL, 0), SONDE_OK);
    assert_int_equal(vm->armed_count, 0);
    assert_string_equal(report(vm), "[]");
}

static void
test_CORE_03_without_memory_the_former_probes_stand(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    apply_one(vm, "a", 1, "app.py:1");
    struct sonde_probe_def defs[] = {
        make_def("a", 1, "app.py:1"),
        make_def("b", 1, "app.py:2"),
        make_def("c", 1, "app.py:3"),
    };
    for (uint64_t nth = 1;; nth++) {
        sonde_alloc_testonly_fail_at(nth, true);
        int rc = sonde_registry_apply(vm->registry, defs, 3);
        sonde_alloc_testonly_fail_at(0, false);
        if (rc == SONDE_OK) {
            assert_true(nth > 1);
            break;
        }
        assert_int_equal(rc, SONDE_E_NOMEM);
        assert_int_equal(vm->armed_count, 1);
        assert_int_equal(sonde_registry_armed_count(vm->registry), 1);
    }
    /* Taken, but there was no memory to arm them: that is an error, and nothing is armed. */
    assert_status(vm, "error", "internal");
    assert_int_equal(vm->armed_count, 1);
}

/* --- Ends --------------------------------------------------------------------------------- */

static void
test_CORE_09_expiry_disarms(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    assert_int_equal(sonde_registry_next_expiry_ns(vm->registry), INT64_MAX);
    struct sonde_probe_def defs[] = {
        make_def("a", 1, "app.py:1"),
        make_def("b", 1, "app.py:2"),
        make_def("c", 1, "nowhere.py:2"),
    };
    const int64_t now_ns = sonde_clock_wall_ns();
    defs[0].expires_at_ns = 1;
    defs[1].expires_at_ns = now_ns + 20 * SONDE_NS_PER_MS;
    defs[2].expires_at_ns = now_ns + 3600 * SONDE_NS_PER_S;
    assert_int_equal(sonde_registry_apply(vm->registry, defs, 3), SONDE_OK);
    assert_reports(
        vm, "\"cause\":\"expired\",\"message\":\"expired at 1970-01-01T00:00:00Z\"");
    assert_int_equal(vm->armed_count, 1); /* the first never was */
    assert_int_equal(sonde_registry_next_expiry_ns(vm->registry), defs[1].expires_at_ns);
    while (sonde_clock_wall_ns() < defs[1].expires_at_ns) {
    }
    sonde_registry_tick(vm->registry);
    assert_int_equal(vm->armed_count, 0);
    assert_int_equal(sonde_registry_armed_count(vm->registry), 0);
    assert_int_equal(sonde_registry_next_expiry_ns(vm->registry), defs[2].expires_at_ns);
    sonde_registry_look_again(vm->registry, SONDE_STR("")); /* ended is ended */
    assert_int_equal(vm->armed_count, 0);
}

static void
test_CORE_09_waiting_probes_expire_too(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe_def def = make_def("a", 1, "nowhere.py:1");
    def.expires_at_ns = sonde_clock_wall_ns() + 5 * SONDE_NS_PER_MS;
    assert_int_equal(sonde_registry_apply(vm->registry, &def, 1), SONDE_OK);
    assert_status(vm, "pending", "file_not_loaded");
    while (sonde_clock_wall_ns() < def.expires_at_ns) {
    }
    sonde_registry_tick(vm->registry);
    assert_status(vm, "error", "expired");
    assert_false(sonde_registry_is_waiting(vm->registry));
    assert_int_equal(sonde_registry_next_expiry_ns(vm->registry), INT64_MAX);
}

static void
test_CORE_09_hit_limit_disarms(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    struct sonde_probe_def def = make_def("p", 1, "app.py:5");
    def.hit_limit = 2;
    assert_int_equal(sonde_registry_apply(vm->registry, &def, 1), SONDE_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(hit_line(vm->armed[0].site), i < 2);
    }
    assert_true(atomic_load(&vm->recorder.has_news));
    sonde_registry_tick(vm->registry);
    assert_false(atomic_load(&vm->recorder.has_news));
    assert_status(vm, "error", "hit_limit");
    assert_reports(vm, "captured 2 snapshots, as many as its limit");
    assert_reports(vm, "\"hits\":5,\"captured\":2");
    assert_int_equal(vm->armed_count, 0);
    sonde_registry_tick(vm->registry);
    assert_status(vm, "error", "hit_limit");
    def.revision = 2;
    assert_int_equal(sonde_registry_apply(vm->registry, &def, 1), SONDE_OK);
    assert_status(vm, "installed", "");
}

static void
test_CORE_08_over_budget_disarms_and_says_the_figure(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    vm->recorder.cpu_percent = 2;
    struct sonde_probe_def def = make_def("p", 1, "app.py:5");
    def.limits.time_us = 100000;
    assert_int_equal(sonde_registry_apply(vm->registry, &def, 1), SONDE_OK);
    struct sonde_hit hit;
    assert_true(sonde_hit_begin_line(&hit, vm->armed[0].site));
    hit.began_ns -= SONDE_NS_PER_S; /* it took the whole of its 100 ms */
    sonde_hit_commit(&hit);
    sonde_registry_tick(vm->registry);
    assert_status(vm, "error", "over_budget");
    assert_reports(vm,
                   "used 100.0 ms of CPU for 1 snapshots, more than its 1 % of a core");
    assert_int_equal(vm->armed_count, 0);
}

static void
test_CORE_08_process_limits_are_said(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    apply_one(vm, "p", 1, "app.py:5");
    sonde_limiter_init(&vm->recorder.rate, 1, 1);
    assert_true(hit_line(vm->armed[0].site));
    assert_false(hit_line(vm->armed[0].site));
    assert_status(vm, "emitting", "");
    assert_reports(vm, "1 hits were refused by the limits of the whole process");
}

static void
test_CORE_03_code_that_vanishes_makes_it_pending(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    load(vm, 2, "/a/app.py", "f", 1, 9);
    apply_one(vm, "p", 1, "app.py:5");
    assert_int_equal(vm->armed_count, 2);
    vm->log[0] = '\0';
    unload(vm, 1);
    assert_status(vm, "installed", "");
    assert_reports(vm, "\"places\":1");
    unload(vm, 77);
    unload(vm, 2);
    assert_status(vm, "pending", "file_not_loaded");
    assert_reports(vm, "its file was unloaded");
    assert_string_equal(vm->log, ""); /* there was nothing left to disarm */
    assert_true(sonde_registry_is_waiting(vm->registry));
    assert_int_equal(sonde_registry_armed_count(vm->registry), 0);
    load(vm, 3, "/a/app.py", "f", 1, 9);
    sonde_registry_look_again(vm->registry, SONDE_STR("/a/app.py"));
    assert_status(vm, "installed", "");
}

static void
test_CORE_03_entries_of_vanished_code_are_counted(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "shop.total", 1, 9);
    apply_one(vm, "p", 1, "shop.total");
    for (uint64_t frame = 1; frame <= 3; frame++) {
        struct sonde_hit hit;
        assert_true(sonde_hit_begin_entry(&hit, vm->armed[0].site, frame));
        sonde_hit_commit(&hit);
    }
    unload(vm, 1);
    assert_status(vm, "pending", "module_not_loaded");
    assert_reports(vm, "\"dropped\":{\"entry_lost\":3}");
}

/* --- What others see ---------------------------------------------------------------------- */

static void
test_CORE_03_version_moves_with_every_report(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    uint64_t version = sonde_registry_version(vm->registry);
    apply_one(vm, "p", 1, "app.py:5");
    assert_true(sonde_registry_version(vm->registry) > version);
    version = sonde_registry_version(vm->registry);
    sonde_registry_tick(vm->registry);
    sonde_registry_look_again(vm->registry, SONDE_STR(""));
    assert_int_equal(sonde_registry_version(vm->registry), version); /* nothing new */
    (void)hit_line(vm->armed[0].site);
    assert_true(sonde_registry_version(vm->registry) > version);
    version = sonde_registry_version(vm->registry);
    assert_int_equal(sonde_registry_apply(vm->registry, NULL, 0), SONDE_OK);
    assert_true(sonde_registry_version(vm->registry) > version);
}

static void
test_CORE_04_clamping_is_reported(void **state)
{
    struct vm *vm = *state;
    struct sonde_probe_def def = make_def("p", 1, "app.py:5");
    def.clamped = SONDE_STR("depth 50 → 10");
    assert_int_equal(sonde_registry_apply(vm->registry, &def, 1), SONDE_OK);
    assert_reports(vm, "\"clamped\":\"depth 50 → 10\"");
}

static void
test_CORE_13_limits_are_per_process(void **state)
{
    struct vm *vm = *state;
    load(vm, 1, "/a/app.py", "f", 1, 9);
    struct sonde_probe_def defs[] = {
        make_def("a", 1, "app.py:1"),
        make_def("b", 1, "app.py:2"),
    };
    defs[0].hit_limit = 1;
    assert_int_equal(sonde_registry_apply(vm->registry, defs, 2), SONDE_OK);
    assert_true(hit_line(vm->armed[0].site));
    assert_true(hit_line(vm->armed[1].site));
    sonde_registry_tick(vm->registry);
    assert_int_equal(vm->armed_count, 1);

    sonde_registry_after_fork(vm->registry);
    assert_int_equal(sonde_recorder_after_fork(&vm->recorder), SONDE_OK);
    assert_int_equal(vm->armed_count, 1); /* what is armed stays armed */
    assert_reports(vm, "\"probe_id\":\"a\",\"revision\":1,\"status\":\"received\"");
    assert_reports(vm, "\"probe_id\":\"b\",\"revision\":1,\"status\":\"installed\"");
    sonde_registry_tick(vm->registry);
    assert_int_equal(vm->armed_count, 2);
    assert_true(hit_line(vm->armed[1].site));
}

static void *
report_until_told(void *arg)
{
    struct vm *vm = ((void **)arg)[0];
    _Atomic bool *is_over = ((void **)arg)[1];
    while (!atomic_load(is_over)) {
        struct sonde_buf buf;
        struct sonde_json_writer writer;
        sonde_buf_init(&buf, 0);
        sonde_json_writer_init(&writer, &buf);
        sonde_registry_report(vm->registry, &writer);
        sonde_buf_fini(&buf);
        (void)sonde_registry_version(vm->registry);
        (void)sonde_registry_next_expiry_ns(vm->registry);
        sonde_registry_dropped(vm->registry, SONDE_STR("p"), SONDE_DROP_REFUSED);
    }
    return NULL;
}

static void
test_CORE_03_reports_run_beside_changes(void **state)
{
    struct vm *vm = *state;
    _Atomic bool is_over = false;
    void *arg[] = {vm, &is_over};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, report_until_told, arg), 0);
    load(vm, 1, "/a/app.py", "f", 1, 9);
    for (uint32_t round = 1; round <= 500; round++) {
        apply_one(vm, "p", round, round % 3 == 0 ? "app.py:50" : "app.py:5");
        sonde_registry_look_again(vm->registry, SONDE_STR(""));
        if (round % 7 == 0) {
            unload(vm, 1);
            load(vm, 1, "/a/app.py", "f", 1, 9);
        }
        sonde_registry_tick(vm->registry);
        vm->log[0] = '\0';
    }
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
}

static void
test_CORE_02_adapter_is_checked(void **state)
{
    struct vm *vm = *state;
    struct sonde_err err = SONDE_ERR_INIT;
    assert_int_equal(sonde_adapter_check(&vm->adapter, &err), SONDE_OK);
    struct sonde_adapter broken = vm->adapter;
    broken.disarm = NULL;
    assert_int_equal(sonde_adapter_check(&broken, &err), SONDE_E_INVAL);
    assert_string_equal(err.where, "disarm");
    broken = vm->adapter;
    broken.abi++;
    assert_int_equal(sonde_adapter_check(&broken, NULL), SONDE_E_UNSUPPORTED);
    broken = vm->adapter;
    broken.size--;
    assert_int_equal(sonde_adapter_check(&broken, NULL), SONDE_E_UNSUPPORTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_CORE_03_installed_then_emitting),
        TEST(test_CORE_03_pending_until_its_code_is_there),
        TEST(test_CORE_03_function_waits_for_any_file),
        TEST(test_CORE_03_line_not_executable_names_the_nearest),
        TEST(test_CORE_03_ambiguous_lists_the_files),
        TEST(test_CORE_03_further_places_are_armed_once),
        TEST(test_CORE_03_arming_is_all_or_nothing),
        TEST(test_CORE_03_new_revision_has_no_gap),
        TEST(test_CORE_03_corrected_probe_keeps_its_id),
        TEST(test_CORE_03_list_replaces_list),
        TEST(test_CORE_03_without_memory_the_former_probes_stand),
        TEST(test_CORE_09_expiry_disarms),
        TEST(test_CORE_09_waiting_probes_expire_too),
        TEST(test_CORE_09_hit_limit_disarms),
        TEST(test_CORE_08_over_budget_disarms_and_says_the_figure),
        TEST(test_CORE_08_process_limits_are_said),
        TEST(test_CORE_03_code_that_vanishes_makes_it_pending),
        TEST(test_CORE_03_entries_of_vanished_code_are_counted),
        TEST(test_CORE_03_version_moves_with_every_report),
        TEST(test_CORE_04_clamping_is_reported),
        TEST(test_CORE_13_limits_are_per_process),
        TEST(test_CORE_03_reports_run_beside_changes),
        TEST(test_CORE_02_adapter_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
