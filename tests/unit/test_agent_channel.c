/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: CORE-01 CORE-12 CORE-17 */
#include "tests/unit/agent_kit.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define LINE_10 "[{\"id\":\"p1\",\"revision\":1,\"location\":\"app.py:10\"}]"
#define INSTALLED "\"probe_id\":\"p1\",\"revision\":1,\"status\":\"installed\""

static struct kit_collector collector;
static struct kit_vm vm;

static int
setup(void **state)
{
    (void)state;
    sonde_log_set_level(SONDE_LOG_OFF);
    kit_collector_start(&collector, 0);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    kit_vm_stop(&vm);
    kit_collector_stop(&collector);
    return 0;
}

static bool
was_told(const char *text)
{
    return kit_collector_was_told(&collector, text);
}

static unsigned
seen(const unsigned *counter)
{
    return kit_collector_read(&collector, counter);
}

static void
test_registration_names_the_process(void **state)
{
    static const char *const members[] = {
        "\"service\":\"kit\"",
        "\"env\":\"test\"",
        "\"version\":\"1.2.3\"",
        "\"language\":\"kit\"",
        "\"runtime_version\":\"0.1\"",
        "\"agent_version\":\"",
        "\"host\":\"",
        "\"pid\":",
        "\"started_at_ns\":",
        "\"generation\":\"\"",
        "\"wait_ms\":10000",
        "\"instance_id\":\"",
    };
    char body[4096];
    (void)state;
    kit_with(&collector, collector.generation = 0); /* "g0": answered at once, too */
    kit_vm_start_at(&vm, collector.url);
    assert_true(kit_eventually(seen(&collector.poll_count) == 1));
    kit_with(&collector, strcpy(body, collector.poll_body));
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        assert_non_null(strstr(body, members[i]));
    }
    /* A UUID of version 4. */
    const char *id = strstr(body, "\"instance_id\":\"") + 15;
    assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
    assert_int_equal(id[14], '4');
    assert_non_null(strchr("89ab", id[19]));
    assert_true(kit_eventually(was_told("\"armed\":0")));
    kit_with(&collector, assert_string_equal(collector.authorization, ""));
}

static void
test_token_is_sent(void **state)
{
    struct sonde_config config;
    (void)state;
    kit_config(&config, collector.url);
    config.token = (char *)"s3cret";
    kit_vm_init(&vm);
    assert_int_equal(kit_vm_start(&vm, &config), SONDE_OK);
    assert_true(kit_eventually(seen(&collector.status_count) > 0));
    kit_with(&collector, assert_string_equal(collector.authorization, "Bearer s3cret"));
}

static void
test_CORE_01_a_probe_is_armed_within_milliseconds(void **state)
{
    int64_t worst_ms = 0;
    (void)state;
    kit_vm_start_at(&vm, collector.url);
    assert_true(kit_eventually(seen(&collector.status_count) > 0));
    for (unsigned i = 1; i <= 20; i++) {
        char definitions[128];
        snprintf(definitions, sizeof(definitions),
                 "[{\"id\":\"p1\",\"revision\":%u,\"location\":\"app.py:10\"}]", i);
        kit_pause_ms(25);
        int64_t began_ms = kit_now_ms();
        kit_collector_publish(&collector, definitions);
        snprintf(definitions, sizeof(definitions),
                 "\"revision\":%u,\"status\":\"installed\"", i);
        assert_true(kit_eventually(was_told(definitions)));
        int64_t took_ms = kit_now_ms() - began_ms;
        worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
    }
    print_message("published to reported as installed: at worst %d ms\n", (int)worst_ms);
    assert_true(worst_ms < 200);
    assert_int_equal(vm.place_count, 1);
}

static void
test_statuses_say_what_became_of_each_probe(void **state)
{
    (void)state;
    kit_vm_start_at(&vm, collector.url);
    kit_collector_publish(
        &collector, "[{\"id\":\"good\",\"revision\":1,\"location\":\"app.py:10\"},"
                    "{\"id\":\"later\",\"revision\":1,\"location\":\"late.py:5\"},"
                    "{\"id\":\"dead\",\"revision\":3,\"location\":\"app.py:500\"}]");
    assert_true(
        kit_eventually(was_told("\"good\",\"revision\":1,\"status\":\"installed\"")));
    assert_true(was_told("\"later\",\"revision\":1,\"status\":\"pending\","
                         "\"cause\":\"file_not_loaded\""));
    assert_true(was_told("\"dead\",\"revision\":3,\"status\":\"error\","
                         "\"cause\":\"line_not_executable\""));
    assert_true(was_told("\"nearest_lines\":[99]"));
    assert_true(was_told("\"armed\":1"));
    kit_vm_load_late_file(&vm);
    assert_true(
        kit_within(500, was_told("\"later\",\"revision\":1,\"status\":\"installed\"")));
    kit_vm_execute(&vm, 10);
    assert_true(
        kit_eventually(was_told("\"good\",\"revision\":1,\"status\":\"emitting\"")));
}

static void
test_list_replaces_what_was_there(void **state)
{
    (void)state;
    kit_vm_start_at(&vm, collector.url);
    kit_collector_publish(&collector, LINE_10);
    assert_true(kit_eventually(was_told(INSTALLED)));
    kit_collector_publish(&collector, "[]");
    assert_true(kit_eventually(was_told("\"statuses\":[]")));
    assert_int_equal(vm.place_count, 0);
    assert_int_equal(vm.disarm_count, 1);
}

static void
test_CORE_17_unreadable_definition_hurts_no_other(void **state)
{
    (void)state;
    kit_vm_start_at(&vm, collector.url);
    kit_collector_publish(
        &collector,
        "[{\"id\":\"odd\",\"revision\":7,\"location\":\"app.py:10\",\"at\":\"noon\"},"
        "{\"id\":\"p1\",\"revision\":1,\"location\":\"app.py:10\"},"
        "{\"location\":\"app.py:3\"}, 5]");
    assert_true(kit_eventually(was_told(INSTALLED)));
    assert_true(was_told("\"odd\",\"revision\":7,\"status\":\"error\","
                         "\"cause\":\"unsupported\",\"message\":\"at: "));
    kit_collector_publish(&collector, LINE_10);
    assert_true(kit_eventually(!was_told("\"odd\"")));
    assert_true(was_told(INSTALLED));
    assert_int_equal(vm.arm_count, 1);
}

static void
test_malformed_answer_leaves_the_probes(void **state)
{
    static const char *const bad[] = {"[{", "\"text\"", "[]}{", "{}"};
    (void)state;
    kit_vm_start_at(&vm, collector.url);
    kit_collector_publish(&collector, LINE_10);
    assert_true(kit_eventually(was_told(INSTALLED)));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unsigned polls = seen(&collector.poll_count);
        kit_collector_publish(&collector, bad[i]);
        assert_true(kit_eventually(seen(&collector.poll_count) >= polls + 2));
        assert_int_equal(vm.place_count, 1);
        kit_collector_publish(&collector, LINE_10); /* ends the back-off */
        polls = seen(&collector.poll_count);
        assert_true(kit_eventually(seen(&collector.poll_count) > polls));
    }
    assert_true(kit_eventually(was_told("\"part\":\"channel\"")));
    kit_collector_publish(&collector, "[]");
    assert_true(kit_eventually(vm.disarm_count == 1));
}

/* The collector was restarted and has forgotten everybody. */
static void
test_CORE_12_unknown_process_registers_again(void **state)
{
    (void)state;
    kit_vm_start_at(&vm, collector.url);
    kit_collector_publish(&collector, LINE_10);
    assert_true(kit_eventually(was_told(INSTALLED)));
    kit_with(&collector, {
        collector.knows_nobody = true;
        collector.status_body[0] = '\0';
        strcpy(collector.definitions,
               "[{\"id\":\"p1\",\"revision\":1,\"location\":\"app.py:10\"},"
               "{\"id\":\"p2\",\"revision\":1,\"location\":\"app.py:11\"}]");
    });
    unsigned fresh = seen(&collector.fresh_poll_count);
    kit_vm_execute(&vm, 10); /* news, so that it reports */
    assert_true(kit_eventually(seen(&collector.fresh_poll_count) > fresh));
    assert_true(
        kit_eventually(was_told("\"p2\",\"revision\":1,\"status\":\"installed\"")));
    assert_int_equal(vm.arm_count, 2); /* p1 was left as it was */
}

static void
test_CORE_12_probes_stay_armed_while_the_collector_is_away(void **state)
{
    uint16_t port;
    (void)state;
    kit_vm_start_at(&vm, collector.url);
    kit_collector_publish(&collector, LINE_10);
    assert_true(kit_eventually(was_told(INSTALLED)));
    port = collector.port;
    kit_collector_stop(&collector);
    kit_pause_ms(300);
    assert_int_equal(vm.place_count, 1);
    kit_collector_start(&collector, port);
    kit_with(&collector, {
        strcpy(collector.definitions, LINE_10);
        collector.knows_nobody = true;
    });
    kit_collector_publish(&collector, LINE_10);
    assert_true(kit_eventually(was_told("\"probe_id\":\"p1\"")));
    assert_int_equal(vm.arm_count, 1);
    assert_int_equal(vm.disarm_count, 0);
}

static void
test_CORE_12_collector_that_comes_late_is_found(void **state)
{
    uint16_t port = collector.port;
    char url[64];
    (void)state;
    strcpy(url, collector.url);
    kit_collector_stop(&collector);
    kit_vm_start_at(&vm, url);
    kit_pause_ms(300);
    kit_collector_start(&collector, port);
    kit_collector_publish(&collector, LINE_10);
    assert_true(kit_eventually(was_told(INSTALLED)));
}

static void
test_refused_registration_is_tried_again(void **state)
{
    (void)state;
    kit_with(&collector, collector.poll_status = 401);
    kit_vm_start_at(&vm, collector.url);
    assert_true(kit_eventually(seen(&collector.poll_count) >= 2));
    assert_int_equal(seen(&collector.status_count), 0);
    kit_with(&collector, collector.poll_status = 200);
    assert_true(kit_eventually(seen(&collector.status_count) > 0));
}

static void
test_expired_probe_is_disarmed_in_time(void **state)
{
    char definitions[256];
    (void)state;
    kit_vm_start_at(&vm, collector.url);
    snprintf(definitions, sizeof(definitions),
             "[{\"id\":\"p1\",\"revision\":1,\"location\":\"app.py:10\","
             "\"expires_at_ns\":%lld}]",
             (long long)(sonde_clock_wall_ns() + 400 * SONDE_NS_PER_MS));
    kit_collector_publish(&collector, definitions);
    assert_true(kit_within(350, was_told(INSTALLED)));
    assert_true(kit_within(1500, was_told("\"cause\":\"expired\"")));
    assert_int_equal(vm.disarm_count, 1);
}

static void
test_hit_limit_ends_the_probe_and_is_told(void **state)
{
    (void)state;
    kit_vm_start_at(&vm, collector.url);
    kit_collector_publish(&collector,
                          "[{\"id\":\"p1\",\"revision\":1,\"location\":\"app.py:10\","
                          "\"hit_limit\":1}]");
    assert_true(kit_eventually(was_told(INSTALLED)));
    assert_int_equal(kit_vm_execute(&vm, 10), 1);
    assert_true(kit_within(500, was_told("\"cause\":\"hit_limit\"")));
    assert_int_equal(vm.disarm_count, 1);
    assert_true(kit_eventually(kit_collector_snapshots(&collector) == 1));
}

static void
test_moving_counters_are_told_once_a_second(void **state)
{
    (void)state;
    kit_vm_start_at(&vm, collector.url);
    kit_collector_publish(&collector, LINE_10);
    assert_true(kit_eventually(was_told(INSTALLED)));
    unsigned before = seen(&collector.status_count);
    int64_t until_ms = kit_now_ms() + 1500;
    while (kit_now_ms() < until_ms) {
        kit_vm_execute(&vm, 10);
        kit_pause_ms(5);
    }
    unsigned sent = seen(&collector.status_count) - before;
    assert_in_range(sent, 1, 2);
}

/* --- At rest ------------------------------------------------------------------------------ */

/* Voluntary context switches of the thread `sonde-agent`: each is one sleep. */
static long
count_sleeps(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    long sleeps = -1;
    while (sleeps < 0 && (entry = readdir(tasks)) != NULL) {
        char path[300], line[128];
        bool is_ours = false;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
        FILE *file = fopen(path, "r");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
            is_ours = is_ours || strcmp(line, "Name:\tsonde-agent\n") == 0;
            if (is_ours && sscanf(line, "voluntary_ctxt_switches: %ld", &sleeps) == 1) {
                break;
            }
        }
        if (file != NULL) {
            fclose(file);
        }
    }
    closedir(tasks);
    return sleeps;
}

static void
test_idle_thread_sleeps_in_its_poll(void **state)
{
    (void)state;
    kit_vm_start_at(&vm, collector.url);
    assert_true(kit_eventually(seen(&collector.status_count) > 0));
    kit_pause_ms(300);
    long before = count_sleeps();
    for (int i = 0; i < 20; i++) {
        kit_pause_ms(100);
    }
    long idle = count_sleeps() - before;
    kit_collector_publish(&collector, LINE_10);
    assert_true(kit_eventually(was_told(INSTALLED)));
    kit_pause_ms(200);
    before = count_sleeps();
    for (int i = 0; i < 10; i++) {
        kit_pause_ms(100);
    }
    long armed = count_sleeps() - before;
    print_message("sleeps: %ld in 2 s idle, %ld in 1 s armed\n", idle, armed);
    assert_in_range(idle, 0, 2);
    assert_in_range(armed, 5, 15);
}

static void
test_collector_that_never_holds_a_poll_is_not_hammered(void **state)
{
    (void)state;
    kit_with(&collector, strcpy(collector.definitions, "null"));
    kit_vm_start_at(&vm, collector.url);
    assert_true(kit_eventually(seen(&collector.status_count) > 0));
    int64_t until_ms = kit_now_ms() + 500;
    unsigned before = seen(&collector.poll_count);
    while (kit_now_ms() < until_ms) {
        kit_with(&collector, collector.generation++);
    }
    assert_true(seen(&collector.poll_count) - before <= 30);
}

static void
test_goodbye_comes_after_the_last_report(void **state)
{
    (void)state;
    kit_vm_start_at(&vm, collector.url);
    kit_collector_publish(&collector, LINE_10);
    assert_true(kit_eventually(was_told(INSTALLED)));
    kit_vm_execute(&vm, 10);
    int64_t took_ms = kit_vm_stop_agent(&vm);
    assert_true(took_ms < 1000);
    assert_int_equal(seen(&collector.bye_count), 1);
    assert_non_null(strstr(collector.bye_body, "\"instance_id\":\""));
    assert_true(was_told("\"armed\":0"));
    assert_true(was_told("\"captured\":1"));
    assert_int_equal(vm.place_count, 0);
    kit_vm_stop_agent(&vm);
    assert_int_equal(seen(&collector.bye_count), 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_registration_names_the_process),
        TEST(test_token_is_sent),
        TEST(test_CORE_01_a_probe_is_armed_within_milliseconds),
        TEST(test_statuses_say_what_became_of_each_probe),
        TEST(test_list_replaces_what_was_there),
        TEST(test_CORE_17_unreadable_definition_hurts_no_other),
        TEST(test_malformed_answer_leaves_the_probes),
        TEST(test_CORE_12_unknown_process_registers_again),
        TEST(test_CORE_12_probes_stay_armed_while_the_collector_is_away),
        TEST(test_CORE_12_collector_that_comes_late_is_found),
        TEST(test_refused_registration_is_tried_again),
        TEST(test_expired_probe_is_disarmed_in_time),
        TEST(test_hit_limit_ends_the_probe_and_is_told),
        TEST(test_moving_counters_are_told_once_a_second),
        TEST(test_idle_thread_sleeps_in_its_poll),
        TEST(test_collector_that_never_holds_a_poll_is_not_hammered),
        TEST(test_goodbye_comes_after_the_last_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
