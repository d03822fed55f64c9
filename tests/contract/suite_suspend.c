/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that wait in their middle (generators, coroutines): PY-05, the time that they wait is told
 * apart, and being closed or cancelled is no failure; PY-04, what is known of a frame is the
 * frame's. The program's `waits(n)` gives n, works for 5 ms, gives n + 1, and returns 2n; of 10 and
 * more it begins the one of n - 10 first. */
#include "tests/contract/suite.h"

#define ENTRY SONDE_SECTION_ENTRY
#define RETURN SONDE_SECTION_RETURN
#define ARGUMENTS SONDE_GROUP_ARGUMENTS
#define RETURN_VALUE SONDE_GROUP_RETURN_VALUE
#define THROWABLE SONDE_GROUP_THROWABLE
#define WORKS_NS (4 * SONDE_NS_PER_MS) /* for that long at least: sleeps may end early */

/* The oldest record, which has to be of waits(n). */
static struct record *
take_of(int64_t n)
{
    struct record *record = take();
    assert_non_null(record);
    assert_int(record_value(record, ENTRY, ARGUMENTS, "n"), n);
    assert_true(record->header.suspended_ns >= -1);
    assert_true(record->header.suspended_ns <= record->header.duration_ns);
    return record;
}

static void
assert_returned(const struct record *record, int64_t n)
{
    assert_int_equal(record->sections[RETURN].outcome, SONDE_OUTCOME_RETURNED);
    assert_int(record_single(record, RETURN, RETURN_VALUE), 2 * n);
    assert_false(record->sections[RETURN].has_group[THROWABLE]);
}

static int64_t
running_ns(const struct record *record)
{
    return record->header.duration_ns - record->header.suspended_ns;
}

/* Begins it, has it wait for `ms`, and brings it to its end. */
static void
run_through(int64_t n, int ms)
{
    suite_call("wait_begin", n, n);
    sleep_ms(ms);
    suite_call("wait_go_on", n, n + 1);
    suite_call("wait_go_on", n, 2 * n);
}

static void
test_PY_05_time_that_it_waits(void **state)
{
    (void)state;
    probes_only_function("p", "waits", "exit", NULL);
    int64_t before_ns = sonde_clock_mono_ns();
    run_through(1, 20);
    int64_t took_ns = sonde_clock_mono_ns() - before_ns;
    struct record *record = take_of(1);
    assert_returned(record, 1);
    assert_true(record->header.duration_ns <= took_ns);
    assert_true(record->header.suspended_ns >= 19 * SONDE_NS_PER_MS);
    assert_true(running_ns(record) >= WORKS_NS);
    assert_true(running_ns(record) <= took_ns - 19 * SONDE_NS_PER_MS);
    record_free(record);
    assert_null(take());
    assert_counts("p", 1, 1);
}

/* PY-05: what never waits is not said to have waited for no time. */
static void
test_PY_05_functions_that_never_wait(void **state)
{
    (void)state;
    probes_only_function("p", "slow", "exit", NULL);
    suite_call("slow", 1, 1);
    struct record *record = take_only();
    assert_int_equal(record->header.suspended_ns, -1);
    assert_int_equal(record->sections[RETURN].outcome, SONDE_OUTCOME_RETURNED);
    record_free(record);
    probes_only_function("q", "fail", "exit", NULL);
    suite_call("guarded", 5, 6);
    record = take_only();
    assert_int_equal(record->header.suspended_ns, -1);
    assert_int_equal(record->sections[RETURN].outcome, SONDE_OUTCOME_RAISED);
    assert_true(record->sections[RETURN].has_group[THROWABLE]);
    record_free(record);
}

static void
test_PY_04_two_that_take_turns(void **state)
{
    (void)state;
    probes_only_function("p", "waits", "exit", NULL);
    suite_call("wait_begin", 1, 1);
    suite_call("wait_begin", 2, 2);
    sleep_ms(10);
    suite_call("wait_go_on", 1, 2);
    suite_call("wait_go_on", 2, 3);
    suite_call("wait_go_on", 1, 2); /* the end of the first */
    sleep_ms(20);
    suite_call("wait_go_on", 2, 4);
    struct record *first = take_of(1), *second = take_of(2);
    assert_returned(first, 1);
    assert_returned(second, 2);
    assert_true(first->header.suspended_ns >= 9 * SONDE_NS_PER_MS);
    assert_true(running_ns(first) >= WORKS_NS);
    assert_true(second->header.suspended_ns >= 29 * SONDE_NS_PER_MS + WORKS_NS);
    assert_true(running_ns(second) >= WORKS_NS);
    record_free(first);
    record_free(second);
    assert_counts("p", 2, 2);
}

/* PY-04: one that is begun inside another, of the same function, and outlives it. */
static void
test_PY_04_recursion(void **state)
{
    (void)state;
    probes_only_function("p", "waits", "exit", NULL);
    suite_call("wait_begin", 21, 21); /* and in it 11, and in that 1 */
    sleep_ms(20);
    suite_call("wait_go_on", 21, 22);
    suite_call("wait_go_on", 1, 2);
    suite_call("wait_go_on", 21, 42);
    suite_call("wait_go_on", 11, 12);
    suite_call("wait_go_on", 11, 22);
    suite_call("wait_go_on", 1, 2);
    static const int64_t ends[] = {21, 11, 1};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct record *record = take_of(ends[i]);
        assert_returned(record, ends[i]);
        assert_true(record->header.suspended_ns >= 19 * SONDE_NS_PER_MS);
        assert_true(running_ns(record) >= WORKS_NS);
        record_free(record);
    }
    assert_null(take());
}

/* PY-04: begun on this thread, gone on with on another, ended on a third. */
static void
test_PY_04_each_turn_on_another_thread(void **state)
{
    (void)state;
    probes_only_function("p", "waits", "exit", NULL);
    suite_call("wait_begin", 1, 1);
    for (int i = 0; i < 2; i++) {
        sleep_ms(10);
        struct caller *caller = caller_start("wait_go_on", 1, 1);
        caller_join(caller);
        assert_int_equal(caller->sum, 2);
    }
    struct record *record = take_of(1);
    assert_returned(record, 1);
    assert_true(record->header.suspended_ns >= 18 * SONDE_NS_PER_MS);
    assert_true(running_ns(record) >= WORKS_NS);
    record_free(record);
    assert_counts("p", 1, 1);
}

/* What ended by being closed or cancelled: no value, no throwable, no failure. */
static void
assert_ended(int64_t n, enum sonde_outcome outcome)
{
    struct record *record = take_of(n);
    assert_int_equal(record->sections[RETURN].outcome, outcome);
    assert_false(record->sections[RETURN].has_group[THROWABLE]);
    assert_false(record->sections[RETURN].has_group[RETURN_VALUE]);
    assert_true(record->header.suspended_ns >= 9 * SONDE_NS_PER_MS);
    record_free(record);
}

static void
test_PY_05_closed_and_cancelled_are_no_failures(void **state)
{
    (void)state;
    probes_only_function("p", "waits", "exit", NULL);
    suite_call("wait_begin", 1, 1);
    sleep_ms(10);
    suite_call("wait_close", 1, 1); /* it ends while it waits */
    assert_ended(1, SONDE_OUTCOME_CLOSED);
    suite_call("wait_begin", 2, 2);
    sleep_ms(10);
    suite_call("wait_cancel", 2, 2);
    assert_ended(2, SONDE_OUTCOME_CANCELLED);
    assert_counts("p", 2, 2);
}

static void
test_PY_05_an_error_that_is_thrown_in_is_one(void **state)
{
    (void)state;
    probes_only_function("p", "waits", "exit", NULL);
    suite_call("wait_begin", 1, 1);
    sleep_ms(10);
    assert_int_equal(suite_try_call("wait_throw", 1), INT64_MIN);
    struct record *record = take_of(1);
    const struct section *section = &record->sections[RETURN];
    assert_int_equal(section->outcome, SONDE_OUTCOME_RAISED);
    assert_true(section->has_group[THROWABLE]);
    assert_true(str_is(section->throwable_type, contract_driver.types[CONTRACT_ERROR]));
    assert_true(str_is(record_single(record, RETURN, THROWABLE)->text, "thrown in"));
    const struct stack *stack = &section->throwable_stack;
    assert_true(str_is(stack->frames[0].function, contract_driver.frame_name("waits")));
    assert_int_equal(stack->frames[0].line, suite_line("LINE_WAIT"));
    assert_true(record->header.suspended_ns >= 9 * SONDE_NS_PER_MS);
    record_free(record);
}

/* Going on with what was begun before the probe came tells nothing, and harms nothing. */
static void
test_PY_05_armed_while_it_waits(void **state)
{
    (void)state;
    suite_call("wait_begin", 1, 1);
    probes_only_function("p", "waits", "exit", NULL);
    suite_call("wait_begin", 2, 2);
    suite_call("wait_go_on", 1, 2);
    suite_call("wait_go_on", 1, 2);
    assert_null(take());
    suite_call("wait_go_on", 2, 3);
    suite_call("wait_go_on", 2, 4);
    struct record *record = take_of(2);
    assert_returned(record, 2);
    record_free(record);
}

/* PY-08: a probe that goes while its function waits leaves nothing behind. */
static void
test_PY_08_removed_while_it_waits(void **state)
{
    (void)state;
    probes_only_function("p", "waits", "exit", NULL);
    suite_call("wait_begin", 1, 1);
    suite_call("wait_begin", 2, 2);
    probes_clear();
    probes_apply();
    assert_pristine();
    suite_call("wait_go_on", 1, 2);
    probes_only_function("p", "waits", "exit", NULL);
    suite_call("wait_go_on", 1, 2);
    suite_call("wait_close", 2, 2);
    assert_null(take());
    run_through(3, 10);
    struct record *record = take_of(3);
    assert_returned(record, 3);
    assert_true(record->header.suspended_ns >= 9 * SONDE_NS_PER_MS);
    record_free(record);
    assert_null(take());
}

/* Whoever looks at lines of it is not in the way. */
static void
test_PY_05_a_line_probe_beside_it(void **state)
{
    (void)state;
    probes_clear();
    probes_add_line("line", "LINE_WAIT", NULL);
    probes_add_function("p", "waits", "exit", NULL);
    probes_add_function("in", "waits", "entry", NULL);
    probes_apply();
    run_through(1, 10);
    assert_counts("p", 1, 1);
    assert_counts("in", 1, 1);
    assert_counts("line", 1, 1);
    uint32_t exits = 0;
    struct record *record;
    while ((record = take()) != NULL) {
        bool is_exit = record->header.at == SONDE_AT_EXIT;
        assert_true((record->header.suspended_ns >= 9 * SONDE_NS_PER_MS) == is_exit);
        assert_int_equal(record->sections[RETURN].outcome,
                         is_exit ? SONDE_OUTCOME_RETURNED : 0);
        exits += is_exit;
        record_free(record);
    }
    assert_int_equal(exits, 1);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(test_PY_05_time_that_it_waits),
    SUITE_TEST(test_PY_05_functions_that_never_wait),
    SUITE_TEST(test_PY_04_two_that_take_turns),
    SUITE_TEST(test_PY_04_recursion),
    SUITE_TEST(test_PY_04_each_turn_on_another_thread),
    SUITE_TEST(test_PY_05_closed_and_cancelled_are_no_failures),
    SUITE_TEST(test_PY_05_an_error_that_is_thrown_in_is_one),
    SUITE_TEST(test_PY_05_armed_while_it_waits),
    SUITE_TEST(test_PY_08_removed_while_it_waits),
    SUITE_TEST(test_PY_05_a_line_probe_beside_it),
};

int
contract_suite_suspend(void)
{
    if (contract_driver.tells_suspension) {
        return cmocka_run_group_tests_name("suspend", tests, NULL, NULL);
    }
    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        suite_leave_out(tests[i].name, "functions that wait");
    }
    return 0;
}
