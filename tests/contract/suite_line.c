/* SPDX-License-Identifier: Apache-2.0
 *
 * Line probes: each execution once, with the values of that moment. */
#include "tests/contract/suite.h"

#include <stdio.h>

/* CORE-10: the frames are the application's alone, innermost first. */
static void
check_total_stack(const struct record *record, uint32_t line)
{
    assert_true(record->has_stack);
    assert_int_equal(record->stack.count, 2 + contract_driver.base_frame_count);
    const struct frame *frames = record->stack.frames;
    assert_true(str_is(frames[0].function, contract_driver.frame_name("total")));
    assert_int_equal(frames[0].line, line);
    assert_true(str_is(frames[1].function, contract_driver.frame_name("checkout")));
    assert_int_equal(frames[1].line, suite_line("LINE_CHECKOUT"));
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(
            sonde_str_ends_with(frames[i].file, sonde_str_from(suite_file("shop"))));
    }
}

/* CORE-10: hits are counted exactly, one record each, right values. */
static void
test_line_shows_the_values(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL", NULL);
    int64_t before_ns = sonde_clock_wall_ns();
    for (int64_t n = 1; n <= 20; n++) {
        suite_call("checkout", n, 3 * n + 3);
    }
    assert_status("p", "emitting", "");
    assert_counts("p", 20, 20);
    uint32_t line = suite_line("LINE_TOTAL");
    for (int64_t n = 1; n <= 20; n++) {
        struct record *record = take();
        assert_non_null(record);
        assert_true(str_is(record->header.probe_id, "p"));
        assert_int_equal(record->header.revision, 1);
        assert_int_equal(record->header.at, SONDE_AT_LINE);
        assert_int_equal(record->header.line, line);
        assert_int_equal(record->header.duration_ns, -1);
        assert_true(str_is(record->header.function, contract_driver.place_name("total")));
        assert_true(record->header.timestamp_ns >= before_ns);
        assert_true(record->header.timestamp_ns <= sonde_clock_wall_ns());
        before_ns = record->header.timestamp_ns;

        const struct value *order = line_argument(record, "order");
        assert_type(order, CONTRACT_MAP);
        assert_int_equal(order->count, 2);
        assert_int(value_member(order, "price"), n);
        assert_int(value_member(order, "count"), 3);
        assert_int(line_argument(record, "tax"), 1);
        assert_int(line_local(record, "price"), n);
        assert_int(line_local(record, "base"), 3 * n);
        assert_int(line_local(record, "fee"), 2);
        check_total_stack(record, line);
        record_free(record);
    }
    assert_null(take());
}

/* Arguments and locals are told apart, and what is not assigned yet has no value. */
static void
test_arguments_are_no_locals(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL", NULL);
    suite_call("checkout", 5, 18);
    struct record *record = take_only();
    static const char *const arguments[] = {"order", "tax"};
    static const char *const locals[] = {"price", "count", "base", "fee"};
    for (size_t i = 0; i < COUNT_OF(arguments); i++) {
        assert_null(
            record_value(record, SONDE_SECTION_LINE, SONDE_GROUP_LOCALS, arguments[i]));
    }
    for (size_t i = 0; i < COUNT_OF(locals); i++) {
        assert_null(
            record_value(record, SONDE_SECTION_LINE, SONDE_GROUP_ARGUMENTS, locals[i]));
    }
    const struct value *result =
        record_value(record, SONDE_SECTION_LINE, SONDE_GROUP_LOCALS, "result");
    assert_true(result == NULL || result->kind == VALUE_NULL);
    record_free(record);
}

/* The values are those before the line runs. */
static void
test_line_is_seen_before_it_runs(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TAX", NULL);
    suite_call("checkout", 5, 18);
    struct record *record = take_only();
    assert_int(line_local(record, "result"), 17);
    record_free(record);
}

static void
test_only_what_is_asked_for(void **state)
{
    (void)state;
    probes_only_line(
        "p", "LINE_TOTAL",
        ",\"capture\":{\"arguments\":false,\"locals\":true,\"stack\":false}");
    suite_call("checkout", 5, 18);
    struct record *record = take_only();
    const struct section *section = &record->sections[SONDE_SECTION_LINE];
    assert_int_equal(section->group[SONDE_GROUP_ARGUMENTS].count, 0);
    assert_int_equal(record->stack.count, 0);
    assert_int(line_local(record, "base"), 15);
    record_free(record);
}

/* PY-09: of the arguments and the locals those that are named; names match whole. */
static void
test_only_the_names_that_are_asked_for(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL",
                     ",\"capture\":{\"arguments\":[\"ta\",\"tax\",\"no\"],\"locals\":["
                     "\"base\",\"price\"]}");
    suite_call("checkout", 5, 18);
    struct record *record = take_only();
    const struct section *section = &record->sections[SONDE_SECTION_LINE];
    assert_int_equal(section->group[SONDE_GROUP_ARGUMENTS].count, 1);
    assert_int(record_value(record, SONDE_SECTION_LINE, SONDE_GROUP_ARGUMENTS, "tax"), 1);
    assert_int_equal(section->group[SONDE_GROUP_LOCALS].count, 2);
    assert_int(line_local(record, "base"), 15);
    record_free(record);
}

/* Once for each execution, in a loop too. */
static void
test_line_in_a_loop(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_LOOP", NULL);
    suite_call("loop", 1000, 1000);
    assert_int_equal(status_of("p").hits, 1000);
    suite_call("loop", 0, 0);
    assert_int_equal(status_of("p").hits, 1000);
    struct record *record = take();
    for (int64_t i = 0; record != NULL && i < 400; i++) {
        assert_int(line_local(record, "i"), i);
        record_free(record);
        record = take();
    }
    record_free(record);
}

/* Each thread has an id of its own, as the runtime counts threads, and keeps it. */
static void
test_thread_is_told(void **state)
{
    (void)state;
    uint64_t ids[4];
    probes_only_line("p", "LINE_TOTAL", NULL);
    suite_call_times(2, "checkout", 5, 18);
    caller_join(caller_start("checkout", 5, 2));
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct record *record = take();
        assert_non_null(record);
        assert_true(record->has_thread);
        ids[i] = record->thread_id;
        record_free(record);
    }
    assert_int_equal(ids[0], ids[1]);
    assert_int_equal(ids[2], ids[3]);
    assert_int_not_equal(ids[0], ids[2]);
}

/* PY-08: several probes on one line, and on the function around it, do not know each other. */
static void
test_probes_share_a_line(void **state)
{
    (void)state;
    probes_clear();
    probes_add_line("a", "LINE_TOTAL", NULL);
    probes_add_line("b", "LINE_TOTAL", NULL);
    probes_add_line("c", "LINE_TAX", NULL);
    probes_add_function_or_line("d", 1, "total", "exit", NULL);
    probes_add_function_or_line("e", 1, "total", "entry", NULL);
    probes_apply();
    suite_call_times(3, "checkout", 5, 18);
    static const char *const all[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        assert_counts(all[i], 3, 3);
    }
    assert_int_equal(take_all(), 15);

    probes_clear();
    probes_add_line("b", "LINE_TOTAL", NULL);
    probes_add_function_or_line("d", 1, "total", "exit", NULL);
    probes_apply();
    suite_call("checkout", 5, 18);
    assert_counts("b", 4, 4);
    assert_counts("d", 4, 4);
    assert_false(status_of("a").is_there);
    assert_int_equal(take_all(), 2);

    probes_clear();
    probes_add_function_or_line("d", 1, "total", "exit", NULL);
    probes_apply();
    suite_call("checkout", 5, 18);
    assert_counts("d", 5, 5);
    probes_clear();
    probes_apply();
    assert_pristine();
    suite_call("checkout", 5, 18);
    assert_int_equal(take_all(), 1);
}

/* CORE-09: what was removed is not hit any more, and nothing of it is left behind. */
static void
test_removal_restores_the_place(void **state)
{
    (void)state;
    assert_pristine();
    for (int round = 0; round < 3; round++) {
        probes_only_line("p", "LINE_TOTAL", NULL);
        assert_false(contract_driver.is_pristine());
        suite_call("checkout", 5, 18);
        assert_counts("p", 1, 1);
        probes_clear();
        probes_apply();
        assert_pristine();
        suite_call("checkout", 5, 18);
        assert_int_equal(take_all(), 1);
        assert_false(status_of("p").is_there);
    }
}

/* CORE-08: a hit that is rejected is counted and leaves no record. */
static void
test_rejected_hits_are_counted(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_LOOP", ",\"rate\":1");
    suite_call("loop", 1000, 1000);
    struct status status = status_of("p");
    assert_int_equal(status.hits, 1000);
    assert_true(status.captured >= 1 && status.captured <= 3);
    assert_int_equal(take_all(), status.captured);
}

int
contract_suite_line(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_line_shows_the_values),
        SUITE_TEST(test_arguments_are_no_locals),
        SUITE_TEST(test_line_is_seen_before_it_runs),
        SUITE_TEST(test_only_what_is_asked_for),
        SUITE_TEST(test_only_the_names_that_are_asked_for),
        SUITE_TEST(test_line_in_a_loop),
        SUITE_TEST(test_thread_is_told),
        SUITE_TEST(test_probes_share_a_line),
        SUITE_TEST(test_removal_restores_the_place),
        SUITE_TEST(test_rejected_hits_are_counted),
    };
    return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
