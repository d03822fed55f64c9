/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: CORE-17 */
#include "tests/unit/agent_kit.h"

#include "core/agent/agent_private.h"
#include "core/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define LINE_10 "[{\"id\":\"p1\",\"revision\":1,\"location\":\"app.py:10\"}]"

static struct kit_vm vm;

/* Without a server there is no thread and no network: what most of these tests need. */
static int
setup(void **state)
{
    (void)state;
    sonde_log_set_level(SONDE_LOG_OFF);
    unsetenv("SONDE_ENABLED");
    kit_vm_start_at(&vm, "");
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    kit_vm_stop(&vm);
    return 0;
}

static int
apply(const char *definitions, struct sonde_err *err)
{
    pthread_mutex_lock(&vm.lock);
    int rc = sonde_agent_testonly_apply(vm.agent, sonde_str_from(definitions), err);
    pthread_mutex_unlock(&vm.lock);
    return rc;
}

static void
test_probe_without_a_server(void **state)
{
    char record[4096];
    (void)state;
    assert_false(vm.agent->has_thread);
    assert_int_equal(sonde_agent_testonly_take(vm.agent, record, sizeof(record)), 0);
    assert_int_equal(apply(LINE_10, NULL), SONDE_OK);
    assert_int_equal(vm.place_count, 1);
    assert_int_equal(kit_vm_execute(&vm, 10), 1);
    assert_true(sonde_agent_testonly_take(vm.agent, record, sizeof(record)) > 16);
    assert_int_equal(sonde_agent_testonly_take(vm.agent, record, sizeof(record)), 0);
    assert_true(kit_report_has(&vm, "\"status\":\"emitting\""));
    assert_int_equal(kit_report_number(&vm, "armed"), 1);
    assert_int_equal(apply("[]", NULL), SONDE_OK);
    assert_int_equal(vm.place_count, 0);
}

static void
test_unreadable_definition_is_told_to_who_applies_it(void **state)
{
    struct sonde_err err = SONDE_ERR_INIT;
    (void)state;
    assert_int_equal(apply("[{\"id\":\"odd\",\"location\":5},"
                           "{\"id\":\"p1\",\"location\":\"app.py:10\"}]",
                           &err),
                     SONDE_E_INVAL);
    assert_string_equal(err.where, "odd");
    assert_int_equal(vm.place_count, 1);
    assert_true(
        kit_report_has(&vm, "\"probe_id\":\"odd\",\"revision\":1,\"status\":\"error\""));
    assert_true(kit_report_has(&vm, "\"probe_id\":\"p1\""));
    assert_int_equal(apply("{", NULL), SONDE_E_SYNTAX);
    assert_int_equal(apply("{}", NULL), SONDE_E_SYNTAX);
    assert_int_equal(vm.place_count, 1);
}

static void
test_report_is_cut_and_terminated(void **state)
{
    char text[8];
    (void)state;
    assert_true(sonde_agent_testonly_report(vm.agent, text, sizeof(text)) > sizeof(text));
    assert_int_equal(strlen(text), sizeof(text) - 1);
    assert_true(sonde_agent_testonly_report(vm.agent, NULL, 0) > 0);
}

static void
test_code_that_appears_is_found_at_the_next_safe_point(void **state)
{
    (void)state;
    assert_int_equal(apply("[{\"id\":\"p1\",\"location\":\"late.py:3\"}]", NULL),
                     SONDE_OK);
    assert_true(kit_report_has(&vm, "\"status\":\"pending\""));
    pthread_mutex_lock(&vm.lock);
    assert_true(sonde_agent_wants_code(vm.agent, SONDE_STR("/srv/late.py")));
    assert_false(sonde_agent_wants_code(vm.agent, SONDE_STR("/srv/other.py")));
    vm.is_file_loaded = true;
    sonde_agent_safe_point(vm.agent);
    pthread_mutex_unlock(&vm.lock);
    assert_true(kit_report_has(&vm, "\"status\":\"installed\""));
    pthread_mutex_lock(&vm.lock);
    vm.place_count = 0; /* the VM freed it */
    sonde_agent_code_vanished(vm.agent, 2);
    pthread_mutex_unlock(&vm.lock);
    assert_true(kit_report_has(&vm, "\"status\":\"pending\""));
}

static void
test_CORE_17_failed_parts_are_counted_and_visible(void **state)
{
    (void)state;
    sonde_agent_fault(vm.agent, "inline_values", "at %d", 1);
    sonde_agent_fault(vm.agent, "inline_values", "at %d", 2);
    assert_true(kit_report_has(
        &vm, "{\"part\":\"inline_values\",\"message\":\"at 2\",\"count\":2}"));
    for (int i = 0; i < 100; i++) {
        char part[16];
        snprintf(part, sizeof(part), "part%d", i);
        sonde_agent_fault(vm.agent, part, "broken");
    }
    assert_int_equal(vm.agent->faults.count, SONDE_FAULTS_MAX);
    assert_true(kit_report_has(&vm, "\"part\":\"other\""));
    assert_false(kit_report_has(&vm, "\"part\":\"part14\""));
    sonde_agent_fault(NULL, "nobody", "listens");
}

static void
test_stopped_agent_does_nothing(void **state)
{
    (void)state;
    assert_int_equal(apply(LINE_10, NULL), SONDE_OK);
    assert_true(kit_vm_stop_agent(&vm) < 100);
    assert_int_equal(vm.place_count, 0);
    assert_int_equal(vm.disarm_count, 1);
    pthread_mutex_lock(&vm.lock);
    sonde_agent_stop(vm.agent);
    sonde_agent_stop(NULL);
    sonde_agent_safe_point(vm.agent);
    sonde_agent_safe_point(NULL);
    sonde_agent_code_ready(vm.agent, SONDE_STR("/srv/app.py"));
    sonde_agent_code_vanished(vm.agent, 1);
    sonde_agent_after_fork_child(vm.agent);
    assert_false(sonde_agent_wants_code(vm.agent, SONDE_STR("/srv/app.py")));
    assert_false(sonde_agent_is_stale(vm.agent));
    assert_false(sonde_agent_is_stale(NULL));
    sonde_agent_fault(vm.agent, "late", "after the end");
    pthread_mutex_unlock(&vm.lock);
    assert_int_equal(apply(LINE_10, NULL), SONDE_E_CLOSED);
    assert_int_equal(vm.place_count, 0);
}

static void
test_hit_on_a_site_kept_beyond_stop_is_refused(void **state)
{
    (void)state;
    assert_int_equal(apply(LINE_10, NULL), SONDE_OK);
    atomic_store(&vm.agent->recorder.is_open, false);
    assert_int_equal(kit_vm_execute(&vm, 10), 0);
}

static void
test_start_refuses_what_it_can_not_use(void **state)
{
    struct sonde_config config;
    struct sonde_agent *agent = vm.agent;
    struct sonde_adapter adapter = vm.adapter;
    struct sonde_err err = SONDE_ERR_INIT;
    (void)state;
    kit_config(&config, "");
    adapter.arm = NULL;
    assert_int_equal(sonde_agent_start(&agent, &adapter, &config, &err), SONDE_E_INVAL);
    assert_null(agent);
    assert_string_equal(err.where, "arm");
    adapter = vm.adapter;
    adapter.abi++;
    assert_int_equal(sonde_agent_start(&agent, &adapter, &config, NULL),
                     SONDE_E_UNSUPPORTED);
    setenv("SONDE_ENABLED", "0", 1);
    assert_int_equal(sonde_agent_start(&agent, &vm.adapter, &config, NULL),
                     SONDE_E_UNSUPPORTED);
    assert_null(agent);
}

static void
test_bad_configuration_is_visible(void **state)
{
    struct sonde_config config;
    (void)state;
    kit_vm_stop(&vm);
    kit_config(&config, "");
    config.complaints = (char *)"SONDE_MAX_RATE: not a number";
    kit_vm_init(&vm);
    assert_int_equal(kit_vm_start(&vm, &config), SONDE_OK);
    assert_true(
        kit_report_has(&vm, "{\"part\":\"config\",\"message\":\"SONDE_MAX_RATE: "));
}

/* A server that libcurl can not take makes the thread give up: nothing may stay armed. */
static void
test_CORE_17_thread_that_can_not_work_disarms(void **state)
{
    struct sonde_config config;
    (void)state;
    kit_vm_stop(&vm);
    kit_config(&config, "http://[::bad");
    kit_vm_init(&vm);
    assert_int_equal(kit_vm_start(&vm, &config), SONDE_OK);
    apply(LINE_10, NULL); /* before or after the thread found out */
    assert_true(kit_eventually(vm.safe_point_count > 0));
    pthread_mutex_lock(&vm.lock);
    sonde_agent_safe_point(vm.agent);
    pthread_mutex_unlock(&vm.lock);
    assert_int_equal(vm.place_count, 0);
    assert_true(kit_report_has(&vm, "\"part\":\"thread\""));
}

/* --- Weight ------------------------------------------------------------------------------- */

static long
resident_kib(void)
{
    char line[128];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) {
            break;
        }
    }
    fclose(file);
    return kib;
}

static void
test_agent_is_light_at_rest(void **state)
{
    char url[64];
    (void)state;
    if (KIT_HAS_TSAN) {
        skip();
    }
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", kit_dead_port());
    pid_t child = fork();
    if (child == 0) {
        static struct kit_vm own;
        long before = resident_kib();
        kit_vm_start_at(&own, url);
        kit_pause_ms(500); /* some polls that fail */
        kit_pause_ms(500);
        long after = resident_kib();
        int64_t took_ms = kit_vm_stop_agent(&own);
        print_message(
            "resident: %ld KiB before, %ld KiB with an agent; stopped in %d ms\n", before,
            after, (int)took_ms);
        kit_child_exit(took_ms < 500 && (KIT_HAS_ASAN || after - before < 8 * 1024));
    }
    assert_true(kit_child_was_content(child));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_probe_without_a_server),
        TEST(test_unreadable_definition_is_told_to_who_applies_it),
        TEST(test_report_is_cut_and_terminated),
        TEST(test_code_that_appears_is_found_at_the_next_safe_point),
        TEST(test_CORE_17_failed_parts_are_counted_and_visible),
        TEST(test_stopped_agent_does_nothing),
        TEST(test_hit_on_a_site_kept_beyond_stop_is_refused),
        TEST(test_start_refuses_what_it_can_not_use),
        TEST(test_bad_configuration_is_visible),
        TEST(test_CORE_17_thread_that_can_not_work_disarms),
        TEST(test_agent_is_light_at_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
