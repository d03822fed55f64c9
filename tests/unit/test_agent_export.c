/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: CORE-11 CORE-12 CORE-15 CORE-17 */
#include "tests/unit/agent_kit.h"

#include "core/agent/agent_private.h"
#include "core/base/log.h"
#include "core/capture/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define FAST_PROBE \
    "{\"id\":\"p%u\",\"revision\":1,\"location\":\"app.py:10\",\"rate\":5000}"

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

static unsigned
seen(const unsigned *counter)
{
    return kit_collector_read(&collector, counter);
}

/* Probes at line 10 that are as fast as probes may be. */
static void
apply_fast_probes(unsigned count)
{
    char definitions[8192] = "[";
    for (unsigned i = 0; i < count; i++) {
        size_t len = strlen(definitions);
        snprintf(definitions + len, sizeof(definitions) - len, "%s" FAST_PROBE,
                 i > 0 ? "," : "", i);
    }
    strcat(definitions, "]");
    kit_collector_publish(&collector, definitions);
    char told[32];
    snprintf(told, sizeof(told), "\"armed\":%u", count);
    assert_true(kit_eventually(kit_collector_was_told(&collector, told)));
    assert_int_equal(vm.place_count, count);
}

static void
start(const char *server, unsigned probe_count)
{
    kit_vm_start_at(&vm, server);
    apply_fast_probes(probe_count);
}

/* Executes until `count` snapshots were recorded. */
static void
record(unsigned count)
{
    unsigned recorded = 0;
    assert_true(kit_eventually((recorded += kit_vm_execute(&vm, 10)) >= count));
    assert_int_equal(recorded, count);
}

static bool
resource_says(const char *key, const char *value)
{
    struct sonde_str resource = {collector.last_resource, collector.last_resource_len};
    return sonde_str_eq(sonde_otlp_find_str(resource, SONDE_OTLP_RESOURCE_ATTR, key),
                        sonde_str_from(value));
}

static void
test_CORE_15_snapshots_arrive_as_otlp_logs(void **state)
{
    (void)state;
    start(collector.url, 1);
    record(3);
    assert_true(kit_eventually(kit_collector_snapshots(&collector) == 3));
    assert_int_equal(seen(&collector.damaged_count), 0);
    assert_int_equal(kit_collector_repeated(&collector), 0);
    assert_string_equal(collector.snapshots[0].probe, "p0");
    assert_true(resource_says("service.name", "kit"));
    assert_true(resource_says("service.version", "1.2.3"));
    assert_true(resource_says("deployment.environment.name", "test"));
    assert_true(resource_says("deployment.environment", "test"));
    assert_true(resource_says("telemetry.sdk.name", "sonde"));
    assert_true(resource_says("telemetry.sdk.language", "kit"));
    assert_true(resource_says("process.runtime.version", "0.1"));
    assert_true(resource_says("team", "blue sky"));
    assert_true(resource_says("service.instance.id", vm.agent->identity.instance_id));
    assert_true(kit_eventually(kit_collector_was_told(&collector, "\"captured\":3")));
}

static void
test_large_batches_are_compressed_and_split(void **state)
{
    (void)state;
    start(collector.url, 20);
    kit_with(&collector, collector.logs_mood = KIT_HANGS);
    record(20);
    assert_true(kit_eventually(seen(&collector.failed_logs_count) == 1));
    record(480);
    kit_with(&collector, collector.logs_mood = KIT_ANSWERS);
    assert_true(kit_eventually(kit_collector_snapshots(&collector) == 500));
    assert_true(collector.logs_were_gzip);
    assert_true(seen(&collector.logs_count) >= 4); /* 200 records at most, each */
    assert_int_equal(kit_collector_repeated(&collector), 0);
}

/* Records snapshots, and waits until a request with all of them has failed. */
static void
record_and_fail(unsigned count)
{
    record(count);
    unsigned failed = seen(&collector.failed_logs_count);
    assert_true(kit_eventually(seen(&collector.failed_logs_count) >= failed + 2));
}

/* What arrived are those that failed before, each once. */
static void
assert_same_ids_arrived(unsigned count)
{
    assert_true(kit_eventually(kit_collector_snapshots(&collector) >= count));
    assert_int_equal(kit_collector_snapshots(&collector), count);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(strstr(collector.failed_ids, collector.snapshots[i].id));
        assert_int_equal(collector.snapshots[i].times, 1);
    }
}

static void
test_CORE_12_retry_after_503_keeps_the_ids(void **state)
{
    (void)state;
    kit_with(&collector, collector.logs_status = 503);
    start(collector.url, 1);
    record_and_fail(5);
    kit_with(&collector, collector.logs_status = 200);
    assert_same_ids_arrived(5);
}

static void
test_CORE_12_retry_after_a_lost_connection_keeps_the_ids(void **state)
{
    (void)state;
    kit_with(&collector, collector.logs_mood = KIT_HANGS_UP);
    start(collector.url, 1);
    record_and_fail(5);
    kit_with(&collector, collector.logs_mood = KIT_ANSWERS);
    assert_same_ids_arrived(5);
}

static void
test_CORE_12_retry_after_is_honoured(void **state)
{
    (void)state;
    kit_with(&collector, {
        collector.logs_status = 429;
        collector.retry_after_s = 1;
    });
    start(collector.url, 1);
    record(1);
    assert_true(kit_eventually(seen(&collector.logs_count) == 1));
    kit_with(&collector, collector.logs_status = 200);
    assert_false(kit_within(900, seen(&collector.logs_count) > 1));
    assert_true(kit_within(2000, kit_collector_snapshots(&collector) == 1));
}

static void
test_refused_snapshots_are_dropped_and_counted(void **state)
{
    (void)state;
    kit_with(&collector, collector.logs_status = 400);
    start(collector.url, 1);
    record(4);
    assert_true(kit_eventually(kit_report_number(&vm, "refused") == 4));
    assert_true(kit_eventually(kit_collector_was_told(&collector, "\"refused\":4")));
    kit_with(&collector, collector.logs_status = 200);
    record(1);
    assert_true(kit_eventually(kit_collector_snapshots(&collector) == 1));
}

static void
test_too_large_batches_are_halved(void **state)
{
    (void)state;
    kit_with(&collector, {
        collector.most_records = 2;
        collector.logs_mood = KIT_HANGS; /* until there is enough for one batch */
    });
    start(collector.url, 4);
    record(4);
    assert_true(kit_eventually(seen(&collector.failed_logs_count) == 1));
    record(20);
    kit_with(&collector, collector.logs_mood = KIT_ANSWERS);
    assert_true(kit_eventually(kit_collector_snapshots(&collector) == 24));
    assert_int_equal(kit_report_number(&vm, "refused"), -1);
    assert_int_equal(kit_collector_repeated(&collector), 0);
}

static void
test_CORE_17_damaged_record_is_counted_and_passed_over(void **state)
{
    (void)state;
    kit_with(&collector, collector.logs_status = 503);
    start(collector.url, 1);
    record(1);
    assert_true(kit_eventually(seen(&collector.failed_logs_count) >= 1));
    sonde_ring_push(&vm.agent->recorder.ring, "rubbish", 7);
    sonde_ring_push(&vm.agent->recorder.ring, "more", 4);
    record(1);
    kit_with(&collector, collector.logs_status = 200);
    assert_true(kit_eventually(kit_collector_snapshots(&collector) == 2));
    assert_int_equal(kit_report_number(&vm, "unencodable"), 2);
    assert_true(kit_report_has(&vm, "\"part\":\"exporter\""));
}

static void
test_odd_answers_do_not_block_the_queue_for_ever(void **state)
{
    (void)state;
    kit_with(&collector, collector.logs_status = 500);
    start(collector.url, 1);
    record(1);
    assert_true(kit_within(30000, kit_report_number(&vm, "refused") == 1));
    assert_int_equal(seen(&collector.logs_count), 5);
}

static void
test_partial_success_counts_what_was_rejected(void **state)
{
    (void)state;
    kit_with(&collector, collector.rejects = true);
    start(collector.url, 1);
    record(2);
    assert_true(kit_eventually(kit_report_number(&vm, "refused") > 0));
}

/* 100,000 snapshots in a queue that holds a few hundred. */
static void
test_CORE_11_CORE_12_flood_with_the_collector_away_stays_bounded(void **state)
{
    struct sonde_config config;
    unsigned recorded = 0;
    uint16_t port = collector.port;
    (void)state;
    kit_collector_stop(&collector);
    kit_config(&config, collector.url);
    config.queue_bytes = (size_t)64 * 1024;
    kit_vm_init(&vm);
    assert_int_equal(kit_vm_start(&vm, &config), SONDE_OK);
    kit_collector_start(&collector, port); /* to take the probes */
    kit_with(&collector, collector.logs_status = 503);
    apply_fast_probes(60);
    kit_collector_stop(&collector);
    int64_t began_ms = kit_now_ms();
    assert_true(kit_within(60000, (recorded += kit_vm_execute(&vm, 10)) >= 100000));
    int64_t took_ms = kit_now_ms() - began_ms;
    size_t used = sonde_ring_used(&vm.agent->recorder.ring);
    long dropped = kit_report_number(&vm, "queue_full");
    print_message("%u recorded in %d ms, %ld dropped, %zu bytes wait\n", recorded,
                  (int)took_ms, dropped, used);
    assert_true(used <= (size_t)64 * 1024);
    assert_true(dropped > 90000);

    /* It comes back: what is in the queue arrives by itself, and the count of the rest. */
    kit_collector_start(&collector, port);
    size_t queued = recorded - (size_t)dropped;
    assert_true(kit_within(60000, kit_collector_snapshots(&collector) == queued));
    assert_int_equal(kit_collector_repeated(&collector), 0);
    assert_int_equal(kit_report_number(&vm, "queue_full"), dropped);
    char text[64];
    snprintf(text, sizeof(text), "\"queue_full\":%ld", dropped);
    assert_true(kit_eventually(kit_collector_was_told(&collector, text)));
}

static void
test_CORE_12_stop_flushes_what_is_queued(void **state)
{
    (void)state;
    start(collector.url, 1);
    kit_with(&collector, collector.logs_status = 503);
    record(50);
    assert_true(kit_eventually(seen(&collector.failed_logs_count) >= 1));
    kit_with(&collector, collector.logs_status = 200);
    int64_t took_ms = kit_vm_stop_agent(&vm);
    assert_int_equal(kit_collector_snapshots(&collector), 50);
    assert_int_equal(kit_collector_repeated(&collector), 0);
    assert_int_equal(kit_report_number(&vm, "unsent"), -1);
    assert_true(took_ms < 1000);
}

static void
test_CORE_12_stop_keeps_its_deadline_when_the_collector_hangs(void **state)
{
    struct sonde_config config;
    (void)state;
    kit_config(&config, collector.url);
    config.flush_timeout_ns = INT64_C(600000000);
    kit_vm_init(&vm);
    assert_int_equal(kit_vm_start(&vm, &config), SONDE_OK);
    apply_fast_probes(1);
    assert_true(kit_eventually(seen(&collector.status_count) > 0));
    kit_with(&collector, collector.mood = KIT_HANGS);
    record(10);
    int64_t took_ms = kit_vm_stop_agent(&vm);
    print_message("stopped in %d ms of 600\n", (int)took_ms);
    assert_in_range(took_ms, 300, 800);
    assert_int_equal(kit_report_number(&vm, "unsent"), 10);
    assert_int_equal(sonde_ring_used(&vm.agent->recorder.ring), 0);
}

static void
test_stop_without_a_collector_is_quick_and_counts(void **state)
{
    (void)state;
    start(collector.url, 1);
    kit_collector_stop(&collector);
    record(10);
    int64_t took_ms = kit_vm_stop_agent(&vm);
    assert_true(took_ms < 500);
    assert_int_equal(kit_report_number(&vm, "unsent"), 10);
    kit_collector_start(&collector, 0); /* for the teardown */
}

static void
test_last_report_says_what_was_not_sent(void **state)
{
    struct sonde_config config;
    (void)state;
    kit_config(&config, collector.url);
    config.flush_timeout_ns = INT64_C(800000000);
    kit_vm_init(&vm);
    assert_int_equal(kit_vm_start(&vm, &config), SONDE_OK);
    apply_fast_probes(1);
    kit_with(&collector, collector.logs_status = 503);
    record(10);
    kit_vm_stop_agent(&vm);
    assert_true(kit_collector_was_told(&collector, "\"unsent\":10"));
    assert_int_equal(seen(&collector.bye_count), 1);
}

static void
test_snapshots_may_go_to_another_server(void **state)
{
    static struct kit_collector other;
    struct sonde_config config;
    (void)state;
    kit_collector_start(&other, 0);
    kit_config(&config, collector.url);
    config.snapshot_server = other.url;
    config.token = (char *)"s3cret";
    kit_vm_init(&vm);
    assert_int_equal(kit_vm_start(&vm, &config), SONDE_OK);
    apply_fast_probes(1);
    record(3);
    assert_true(kit_eventually(kit_collector_snapshots(&other) == 3));
    kit_with(&other, assert_string_equal(other.authorization, ""));
    assert_int_equal(seen(&collector.logs_count), 0);
    record(2);
    kit_vm_stop_agent(&vm);
    assert_int_equal(kit_collector_snapshots(&other), 5);
    assert_int_equal(seen(&collector.bye_count), 1);
    assert_int_equal(kit_collector_read(&other, &other.poll_count), 0);
    kit_collector_stop(&other);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_CORE_15_snapshots_arrive_as_otlp_logs),
        TEST(test_large_batches_are_compressed_and_split),
        TEST(test_CORE_12_retry_after_503_keeps_the_ids),
        TEST(test_CORE_12_retry_after_a_lost_connection_keeps_the_ids),
        TEST(test_CORE_12_retry_after_is_honoured),
        TEST(test_refused_snapshots_are_dropped_and_counted),
        TEST(test_too_large_batches_are_halved),
        TEST(test_CORE_17_damaged_record_is_counted_and_passed_over),
        TEST(test_odd_answers_do_not_block_the_queue_for_ever),
        TEST(test_partial_success_counts_what_was_rejected),
        TEST(test_CORE_11_CORE_12_flood_with_the_collector_away_stays_bounded),
        TEST(test_CORE_12_stop_flushes_what_is_queued),
        TEST(test_CORE_12_stop_keeps_its_deadline_when_the_collector_hangs),
        TEST(test_stop_without_a_collector_is_quick_and_counts),
        TEST(test_last_report_says_what_was_not_sent),
        TEST(test_snapshots_may_go_to_another_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
