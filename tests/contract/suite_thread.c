/* SPDX-License-Identifier: Apache-2.0
 *
 * Probes that change while threads run the very code. */
#include "tests/contract/suite.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define SPINS_MAX 4096

/* Which of `spin`'s executions were seen, by their number. */
struct seen {
    uint8_t times[SPINS_MAX];
    int64_t last;
};

static void
see_records(struct seen *seen)
{
    struct record *record;
    while ((record = take()) != NULL) {
        int64_t i = value_int(line_local(record, "i"));
        assert_in_range(i, 0, SPINS_MAX - 1);
        seen->times[i]++;
        seen->last = i > seen->last ? i : seen->last;
        record_free(record);
    }
}

/* CORE-03: a new revision takes over without a gap: each execution hits at least one. */
static void
test_new_revision_has_no_gap(void **state)
{
    (void)state;
    static struct seen seen;
    memset(&seen, 0, sizeof(seen));
    char location[256];
    snprintf(location, sizeof(location), "%s:%u", suite_file("shop"),
             suite_line("LINE_SPIN"));
    uint32_t revision = 1;
    probes_clear();
    probes_add("p", revision, location, "line", NULL);
    probes_apply();
    suite_call("set_running", 1, 1);
    struct caller *caller = caller_start("spin", 400, 1);
    int64_t began_ns = sonde_clock_mono_ns(), passed_ns = 0;
    while (seen.last < SPINS_MAX / 2 &&
           (passed_ns < 500 * SONDE_NS_PER_MS ||
            ((revision <= 10 || seen.last <= 20) && passed_ns < PATIENCE_NS))) {
        passed_ns = sonde_clock_mono_ns() - began_ns;
        probes_clear();
        probes_add("p", ++revision, location, "line", NULL);
        probes_apply();
        see_records(&seen);
        sleep_ms(1); /* or this thread would have the VM lock nearly all the time */
    }
    assert_int_equal(status_of("p").revision, revision);
    suite_call("set_running", 0, 0);
    caller_join(caller);
    see_records(&seen);
    assert_int_equal(dropped("no_tape"), 0);
    assert_int_equal(dropped("queue_full"), 0);
    assert_true(revision > 10);
    assert_true(caller->sum > 20);
    assert_int_equal(seen.last, caller->sum - 1);
    for (int64_t i = 0; i < caller->sum; i++) {
        if (seen.times[i] == 0) {
            fail_msg("execution %d of %d hit no revision", (int)i, (int)caller->sum);
        }
    }
}

/* CORE-03: a line in a frame that runs already is armed like any other, or else from the next
 * call on. */
static void
test_armed_in_a_running_frame(void **state)
{
    (void)state;
    suite_call("set_running", 1, 1);
    struct caller *caller = caller_start("spin", 100, 1);
    sleep_ms(5);
    probes_only_line("p", "LINE_SPIN", NULL);
    if (!contract_driver.arms_running_frames) {
        suite_call("set_running", 0, 0);
        caller_join(caller);
        suite_call("set_running", 1, 1);
        caller = caller_start("spin", 100, 1);
    }
    int64_t until_ns = sonde_clock_mono_ns() + PATIENCE_NS;
    while (status_of("p").hits < 5 && sonde_clock_mono_ns() < until_ns) {
        sleep_ms(1);
    }
    assert_true(status_of("p").hits >= 5);
    probes_clear();
    probes_apply();
    suite_call("set_running", 0, 0);
    caller_join(caller);
}

/* Lists to change between: each probe of the program there or not, by the bits. */
static void
apply_some(unsigned bits, uint32_t revision)
{
    static const char *const markers[] = {"LINE_TOTAL", "LINE_TAX", "LINE_LOOP"};
    static const char *const functions[] = {"total", "sum_to", "fail", "turns"};
    char id[16];
    probes_clear();
    for (size_t i = 0; i < COUNT_OF(markers); i++, bits >>= 1) {
        char location[256];
        snprintf(id, sizeof(id), "line%u", (unsigned)i);
        snprintf(location, sizeof(location), "%s:%u", suite_file("shop"),
                 suite_line(markers[i]));
        if ((bits & 1) != 0) {
            probes_add(id, revision, location, "line", ",\"hit_limit\":500");
        }
    }
    for (size_t i = 0; i < COUNT_OF(functions); i++, bits >>= 1) {
        snprintf(id, sizeof(id), "function%u", (unsigned)i);
        if ((bits & 1) != 0) {
            probes_add_function_or_line(id, revision, functions[i],
                                        i % 2 == 0 ? "exit" : "entry", NULL);
        }
    }
    probes_apply();
}

/* CORE-17: eight threads run what is probed while probes come and go, for two seconds. */
static void
test_hammer(void **state)
{
    (void)state;
    static const struct {
        const char *function;
        int64_t argument;
        uint32_t times;
        int64_t result;
    } jobs[8] = {
        {"checkout", 5, 2000, 18}, {"checkout", 7, 2000, 24},   {"sum_to", 20, 500, 210},
        {"loop", 100, 300, 100},   {"guarded", 5, 2000, 6},     {"turns", 3, 1000, 6},
        {"catches", 5, 2000, 6},   {"add_to_cart", 5, 2000, 7},
    };
    int64_t until_ns = sonde_clock_mono_ns() + 2 * SONDE_NS_PER_S;
    uint32_t revision = 1, rounds = 0;
    while (sonde_clock_mono_ns() < until_ns || rounds == 0) {
        struct caller *callers[COUNT_OF(jobs)];
        for (size_t i = 0; i < COUNT_OF(jobs); i++) {
            callers[i] =
                caller_start(jobs[i].function, jobs[i].argument, jobs[i].times / 20);
        }
        for (unsigned i = 0; i < 20; i++) {
            apply_some((revision * 37) & 0x7f, revision);
            revision++;
            take_all();
        }
        for (size_t i = 0; i < COUNT_OF(jobs); i++) {
            caller_join(callers[i]);
            assert_int_equal(callers[i]->raised_count, 0);
            assert_int_equal(callers[i]->sum, jobs[i].result * (jobs[i].times / 20));
        }
        callers_forget();
        rounds++;
    }
    probes_clear();
    probes_apply();
    assert_pristine();
    take_all();
    probes_only_line("after", "LINE_TOTAL", NULL);
    suite_call("checkout", 5, 18);
    assert_counts("after", 1, 1);
}

int
contract_suite_thread(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_new_revision_has_no_gap),
        SUITE_TEST(test_armed_in_a_running_frame),
        SUITE_TEST(test_hammer),
    };
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
