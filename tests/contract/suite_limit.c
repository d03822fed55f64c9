/* SPDX-License-Identifier: Apache-2.0
 *
 * What holds a probe back, and that it says so: hit limit, expiry, rates, budget. */
#include "tests/contract/suite.h"

#include <stdio.h>

/* CORE-08, CORE-09: exactly as many records as the limit, then the place is as it was; and
 * the safe point for that comes by itself, though no thread runs code. */
static void
test_hit_limit_is_exact(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL", ",\"hit_limit\":5");
    suite_call_times(5, "checkout", 5, 18);
    wait_status("p", "error", "hit_limit");
    assert_counts("p", 5, 5);
    assert_pristine();
    suite_call_times(5, "checkout", 5, 18);
    assert_counts("p", 5, 5);
    assert_int_equal(take_all(), 5);
}

/* CORE-08: a hit limit counts pairs of function probes, not halves. */
static void
test_hit_limit_of_exits(void **state)
{
    (void)state;
    SUITE_NEEDS_FUNCTIONS();
    probes_only_function("p", "sum_to", "exit", ",\"hit_limit\":4");
    suite_call("sum_to", 10, 55);
    wait_status("p", "error", "hit_limit");
    assert_int_equal(status_of("p").captured, 4);
    assert_int_equal(take_all(), 4);
    assert_pristine();
}

/* CORE-08: as many threads as there may be: never one more. */
static void
test_hit_limit_under_threads(void **state)
{
    (void)state;
    enum { THREADS = 6, TIMES = 100 };
    struct caller *callers[THREADS];
    probes_only_line("p", "LINE_TOTAL", ",\"hit_limit\":50");
    callers_hold();
    for (int i = 0; i < THREADS; i++) {
        callers[i] = caller_start("checkout", 5, TIMES);
    }
    callers_release();
    for (int i = 0; i < THREADS; i++) {
        caller_join(callers[i]);
        assert_int_equal(callers[i]->sum, 18 * TIMES);
    }
    wait_status("p", "error", "hit_limit");
    assert_int_equal(status_of("p").captured, 50);
    assert_int_equal(take_all(), 50);
    assert_pristine();
}

/* CORE-09: the limit takes effect while the line goes on being executed. */
static void
test_hit_limit_ends_under_load(void **state)
{
    (void)state;
    suite_call("set_running", 1, 1);
    /* Before the caller: not every VM reaches into a frame that runs. */
    probes_only_line("p", "LINE_SPIN", ",\"hit_limit\":3");
    struct caller *caller = caller_start("spin", 50, 1);
    wait_status("p", "error", "hit_limit");
    assert_pristine();
    suite_call("set_running", 0, 0);
    caller_join(caller);
    assert_int_equal(take_all(), 3);
}

/* CORE-03: an expired probe is gone from its place and says why. */
static void
test_expiry(void **state)
{
    (void)state;
    char more[64];
    snprintf(more, sizeof(more), ",\"expires_at_ns\":%lld",
             (long long)(sonde_clock_wall_ns() + 100 * SONDE_NS_PER_MS));
    probes_only_line("p", "LINE_TOTAL", more);
    suite_call("checkout", 5, 18);
    assert_counts("p", 1, 1);
    sleep_ms(120);
    settle();
    assert_status("p", "error", "expired");
    assert_pristine();
    suite_call("checkout", 5, 18);
    assert_counts("p", 1, 1);

    snprintf(more, sizeof(more), ",\"expires_at_ns\":%lld",
             (long long)(sonde_clock_wall_ns() - 1));
    probes_clear();
    probes_add_line("late", "LINE_TOTAL", more);
    probes_apply();
    assert_status("late", "error", "expired");
    assert_pristine();
}

/* CORE-08: every hit is counted, few are captured, and others are not held back. */
static void
test_rate_of_a_probe(void **state)
{
    (void)state;
    probes_clear();
    probes_add_line("slow", "LINE_LOOP", ",\"rate\":10");
    probes_add_line("fast", "LINE_TOTAL", NULL);
    probes_apply();
    int64_t before_ns = sonde_clock_mono_ns();
    while (sonde_clock_mono_ns() - before_ns < 500 * SONDE_NS_PER_MS) {
        suite_call("loop", 50, 50);
        sleep_ms(1);
    }
    double seconds = (double)(sonde_clock_mono_ns() - before_ns) / SONDE_NS_PER_S;
    struct status status = status_of("slow");
    assert_true(status.hits >= 50);
    assert_true((double)status.captured <= 10 * seconds + 2);
    assert_true(status.captured >= 3);
    assert_int_equal(take_all(), status.captured);
    suite_call("checkout", 5, 18);
    assert_counts("fast", 1, 1);
}

/* CORE-08: all probes together stay under the process's rate. */
static void
test_rate_of_the_process(void **state)
{
    (void)state;
    struct sonde_config config;
    suite_config(&config);
    config.snapshots_per_second = 5;
    suite_restart(&config);
    probes_clear();
    probes_add_line("a", "LINE_LOOP", NULL);
    probes_add_line("b", "LINE_TOTAL", NULL);
    probes_apply();
    suite_call("loop", 200, 200);
    suite_call_times(20, "checkout", 5, 18);
    assert_int_equal(status_of("a").hits, 200);
    assert_int_equal(status_of("b").hits, 20);
    uint64_t captured = status_of("a").captured + status_of("b").captured;
    assert_true(captured >= 1 && captured <= 10);
    assert_int_equal(take_all(), captured);
}

/* CORE-08: over its CPU budget a probe is suspended, and says so. */
static void
test_over_budget(void **state)
{
    (void)state;
    struct sonde_config config;
    suite_config(&config);
    config.cpu_percent = 0.01;
    suite_restart(&config);
    probes_only_line("p", "LINE_HUGE", LIMITS("\"elements\":1000"));
    int64_t until_ns = sonde_clock_mono_ns() + PATIENCE_NS;
    while (strcmp(status_of("p").status, "error") != 0 &&
           sonde_clock_mono_ns() < until_ns) {
        suite_call("huge", 1, 1);
    }
    wait_status("p", "error", "over_budget");
    assert_pristine();
    uint64_t hits = status_of("p").hits;
    suite_call("huge", 1, 1);
    assert_int_equal(status_of("p").hits, hits);
}

/* CORE-11: a full queue loses records, never more than that, and counts them. */
static void
test_full_queue_is_counted(void **state)
{
    (void)state;
    struct sonde_config config;
    suite_config(&config);
    config.queue_bytes = 256 * 1024; /* the least there may be */
    suite_restart(&config);
    probes_only_line("p", "LINE_LOOP", NULL);
    suite_call_times(10, "loop", 50, 50);
    while (dropped("queue_full") == 0 && status_of("p").hits < 100000) {
        suite_call("loop", 100, 100);
        sleep_ms(5);
    }
    assert_true(dropped("queue_full") > 0);
    struct status status = status_of("p");
    assert_int_equal(take_all(), status.captured);
    /* There is room again, and soon a token of the rate too. */
    int64_t until_ns = sonde_clock_mono_ns() + PATIENCE_NS;
    uint32_t count = 0;
    while (count == 0 && sonde_clock_mono_ns() < until_ns) {
        suite_call("loop", 1, 1);
        count = take_all();
    }
    assert_int_equal(count, 1);
}

int
contract_suite_limit(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_hit_limit_is_exact),
        SUITE_TEST(test_hit_limit_of_exits),
        SUITE_TEST(test_hit_limit_under_threads),
        SUITE_TEST(test_hit_limit_ends_under_load),
        SUITE_TEST(test_expiry),
        SUITE_TEST(test_rate_of_a_probe),
        SUITE_TEST(test_rate_of_the_process),
        SUITE_TEST(test_over_budget),
        SUITE_TEST(test_full_queue_is_counted),
    };
    return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
