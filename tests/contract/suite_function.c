/* SPDX-License-Identifier: Apache-2.0
 *
 * Function probes: what goes in, what comes out, and that both are of one activation. */
#include "tests/contract/suite.h"

#define ENTRY SONDE_SECTION_ENTRY
#define RETURN SONDE_SECTION_RETURN
#define ARGUMENTS SONDE_GROUP_ARGUMENTS
#define LOCALS SONDE_GROUP_LOCALS
#define RETURN_VALUE SONDE_GROUP_RETURN_VALUE
#define THROWABLE SONDE_GROUP_THROWABLE

static void
test_entry_shows_the_arguments(void **state)
{
    (void)state;
    probes_only_function("p", "total", "entry", NULL);
    suite_call("checkout", 5, 18);
    struct record *record = take_only();
    assert_int_equal(record->header.at, SONDE_AT_ENTRY);
    assert_int_equal(record->header.duration_ns, -1);
    assert_true(str_is(record->header.function, contract_driver.place_name("total")));
    assert_int(record_value(record, ENTRY, ARGUMENTS, "tax"), 1);
    assert_int(value_member(record_value(record, ENTRY, ARGUMENTS, "order"), "price"), 5);
    assert_false(record->sections[RETURN].is_there);
    assert_true(
        str_is(record->stack.frames[0].function, contract_driver.frame_name("total")));
    assert_true(
        str_is(record->stack.frames[1].function, contract_driver.frame_name("checkout")));
    record_free(record);
    assert_counts("p", 1, 1);
}

/* One record for the whole call: the arguments as they came, the rest as it ended. */
static void
test_exit_shows_both_ends(void **state)
{
    (void)state;
    probes_only_function("p", "rebind", "exit", NULL);
    suite_call("rebind", 7, 107);
    struct record *record = take_only();
    assert_int_equal(record->header.at, SONDE_AT_EXIT);
    assert_int(record_value(record, ENTRY, ARGUMENTS, "n"), 7);
    assert_int(record_value(record, RETURN, LOCALS, "copy"), 107);
    assert_int(record_single(record, RETURN, RETURN_VALUE), 107);
    assert_false(record->sections[RETURN].has_group[THROWABLE]);
    assert_true(record->header.duration_ns >= 0);
    assert_true(record->header.duration_ns < PATIENCE_NS);
    assert_true(record->has_stack);
    record_free(record);
    assert_counts("p", 1, 1);
}

/* PY-09: names hold for the entry's arguments and for the locals at the end. */
static void
test_only_the_names_that_are_asked_for(void **state)
{
    (void)state;
    probes_only_function("p", "rebind", "exit",
                         ",\"capture\":{\"arguments\":[\"n\"],\"locals\":[\"nothing\"]}");
    suite_call("rebind", 7, 107);
    struct record *record = take_only();
    assert_int_equal(record->sections[ENTRY].group[ARGUMENTS].count, 1);
    assert_int(record_value(record, ENTRY, ARGUMENTS, "n"), 7);
    assert_int_equal(record->sections[RETURN].group[LOCALS].count, 0);
    assert_int(record_single(record, RETURN, RETURN_VALUE), 107);
    record_free(record);
}

static void
test_duration_is_the_functions(void **state)
{
    (void)state;
    probes_only_function("p", "slow", "exit", NULL);
    int64_t before_ns = sonde_clock_mono_ns();
    suite_call("slow", 1, 1);
    int64_t took_ns = sonde_clock_mono_ns() - before_ns;
    struct record *record = take_only();
    assert_true(record->header.duration_ns >= 19 * SONDE_NS_PER_MS);
    assert_true(record->header.duration_ns <= took_ns);
    record_free(record);
}

/* PY-03: an exception that leaves the function is its throwable. */
static void
test_exception_that_leaves(void **state)
{
    (void)state;
    probes_only_function("p", "fail", "exit", NULL);
    suite_call("guarded", 5, 6);
    struct record *record = take_only();
    const struct section *section = &record->sections[RETURN];
    assert_true(section->has_group[THROWABLE]);
    assert_false(section->has_group[RETURN_VALUE]);
    assert_true(str_is(section->throwable_type, contract_driver.types[CONTRACT_ERROR]));
    const struct value *message = record_single(record, RETURN, THROWABLE);
    assert_non_null(message);
    assert_true(str_is(message->text, "no item today"));
    const struct stack *stack = &section->throwable_stack;
    assert_true(stack->count >= 1);
    assert_true(str_is(stack->frames[0].function, contract_driver.frame_name("fail")));
    assert_int_equal(stack->frames[0].line, suite_line("LINE_RAISE"));
    assert_int(record_value(record, ENTRY, ARGUMENTS, "n"), 5);
    record_free(record);
    assert_counts("p", 1, 1);
}

/* PY-03: one that is caught inside, or comes from a callee and is caught, is not. */
static void
test_exception_that_is_caught(void **state)
{
    (void)state;
    static const char *const functions[] = {"catches", "guarded"};
    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        probes_only_function("p", functions[i], "exit", NULL);
        suite_call(functions[i], 5, 6);
        struct record *record = take_only();
        assert_false(record->sections[RETURN].has_group[THROWABLE]);
        assert_int(record_single(record, RETURN, RETURN_VALUE), 6);
        record_free(record);
        probes_clear();
        probes_apply();
    }
}

/* An exception goes on to the application as if nobody had looked. */
static void
test_exception_is_not_swallowed(void **state)
{
    (void)state;
    probes_only_function("p", "fail", "exit", NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(suite_try_call("fail", 1), INT64_MIN);
    }
    assert_counts("p", 3, 3);
}

/* Identity is the frame's: each end of a recursive call meets its own beginning. */
static void
test_recursion(void **state)
{
    (void)state;
    probes_only_function("p", "sum_to", "exit", NULL);
    suite_call("sum_to", 30, 465);
    assert_counts("p", 31, 31);
    for (int64_t n = 0; n <= 30; n++) { /* innermost ends first */
        struct record *record = take();
        assert_non_null(record);
        assert_int(record_value(record, ENTRY, ARGUMENTS, "n"), n);
        assert_int(record_single(record, RETURN, RETURN_VALUE), n * (n + 1) / 2);
        record_free(record);
    }
    assert_null(take());
}

/* As above, with activations of one function on several threads that take turns. */
static void
test_interleaved_threads(void **state)
{
    (void)state;
    enum { THREADS = 4, TIMES = 50 };
    struct caller *callers[THREADS];
    probes_only_function("p", "turns", "exit", NULL);
    callers_hold(); /* so that none is done before another begins */
    for (int i = 0; i < THREADS; i++) {
        callers[i] = caller_start("turns", i + 1, TIMES);
    }
    callers_release();
    for (int i = 0; i < THREADS; i++) {
        caller_join(callers[i]);
        assert_int_equal(callers[i]->sum, 2 * (i + 1) * TIMES);
    }
    assert_counts("p", THREADS * TIMES, THREADS * TIMES);
    uint32_t of_argument[THREADS] = {0};
    uint64_t thread_of[THREADS] = {0};
    struct record *record;
    while ((record = take()) != NULL) {
        int64_t n = value_int(record_value(record, ENTRY, ARGUMENTS, "n"));
        assert_in_range(n, 1, THREADS);
        assert_int(record_single(record, RETURN, RETURN_VALUE), 2 * n);
        assert_int(record_value(record, RETURN, LOCALS, "first"), n);
        uint64_t *thread = &thread_of[n - 1];
        assert_true(*thread == 0 || *thread == record->thread_id);
        *thread = record->thread_id;
        of_argument[n - 1]++;
        record_free(record);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(of_argument[i], TIMES);
    }
}

static void
test_method_knows_its_object(void **state)
{
    (void)state;
    probes_only_function("p", "Cart.add", "exit", NULL);
    suite_call("add_to_cart", 5, 7);
    struct record *record = take_only();
    assert_true(str_is(record->header.function, contract_driver.place_name("Cart.add")));
    assert_int(record_value(record, ENTRY, ARGUMENTS, "n"), 5);
    assert_int(record_single(record, RETURN, RETURN_VALUE), 7);
    record_free(record);
}

/* A probe that comes while the function runs sees no end without a beginning. */
static void
test_armed_while_the_function_runs(void **state)
{
    (void)state;
    suite_call("set_running", 1, 1);
    probes_only_line("seen", "LINE_SPIN", NULL);
    struct caller *caller = caller_start("spin", 100, 1);
    int64_t until_ns = sonde_clock_mono_ns() + PATIENCE_NS;
    while (status_of("seen").hits == 0 && sonde_clock_mono_ns() < until_ns) {
        sleep_ms(1);
    }
    probes_clear();
    probes_apply();
    take_all();
    probes_only_function("p", "spin", "exit", NULL);
    suite_call("set_running", 0, 0);
    caller_join(caller);
    assert_null(take());
    suite_call("spin", 100, 0);
    struct record *record = take_only();
    assert_int(record_value(record, ENTRY, ARGUMENTS, "n"), 100);
    assert_int(record_single(record, RETURN, RETURN_VALUE), 0);
    record_free(record);
}

/* PY-08: a probe that goes while its function runs leaves nothing behind. */
static void
test_removed_while_the_function_runs(void **state)
{
    (void)state;
    suite_call("set_running", 1, 1);
    probes_only_function("p", "spin", "exit", NULL);
    struct caller *caller = caller_start("spin", 100, 1);
    while (status_of("p").hits == 0) {
        sleep_ms(1);
    }
    probes_clear();
    probes_apply();
    assert_pristine();
    suite_call("set_running", 0, 0);
    caller_join(caller);
    assert_null(take());
    /* Nor does one that comes after it find what it left. */
    probes_only_function("p", "spin", "exit", NULL);
    caller_join(caller_start("spin", 77, 1));
    struct record *record = take_only();
    assert_int(record_value(record, ENTRY, ARGUMENTS, "n"), 77);
    record_free(record);
}

/* CORE-03: what the runtime can not do yet it says, in words, and is never "installed". */
static void
test_functions_are_refused(void **state)
{
    (void)state;
    static const char *const places[][2] = {
        {"shop", "total"},        {"shop", "sum_to"}, {"shop", "Cart.add"},
        {"shop", "native_floor"}, {"shop", "totla"},  {"nowhere", "total"},
    };
    static const char *const ends[] = {"entry", "exit"};
    uint32_t revision = 0;
    for (size_t i = 0; i < COUNT_OF(places) * COUNT_OF(ends); i++) {
        const char *const *place = places[i / COUNT_OF(ends)];
        probes_clear();
        probes_add("p", ++revision, contract_driver.location(place[0], place[1]),
                   ends[i % COUNT_OF(ends)], NULL);
        probes_add_line("line", "LINE_TOTAL", NULL);
        probes_apply();
        assert_status("p", "error", "unsupported");
        assert_string_not_equal(status_of("p").message, "");
        assert_int_equal(status_of("p").places, 0);
        suite_call("checkout", 5, 18);
        assert_counts("p", 0, 0);
        assert_counts("line", i + 1, i + 1); /* others are as they were */
    }
    assert_int_equal(take_all(), revision);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(test_entry_shows_the_arguments),
    SUITE_TEST(test_exit_shows_both_ends),
    SUITE_TEST(test_only_the_names_that_are_asked_for),
    SUITE_TEST(test_duration_is_the_functions),
    SUITE_TEST(test_exception_that_leaves),
    SUITE_TEST(test_exception_that_is_caught),
    SUITE_TEST(test_exception_is_not_swallowed),
    SUITE_TEST(test_recursion),
    SUITE_TEST(test_interleaved_threads),
    SUITE_TEST(test_method_knows_its_object),
    SUITE_TEST(test_armed_while_the_function_runs),
    SUITE_TEST(test_removed_while_the_function_runs),
};

int
contract_suite_function(void)
{
    const struct CMUnitTest refused[] = {SUITE_TEST(test_functions_are_refused)};
    if (contract_driver.probes_functions) {
        return cmocka_run_group_tests_name("function", tests, NULL, NULL);
    }
    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        suite_leave_out(tests[i].name, "function probes");
    }
    return cmocka_run_group_tests_name("function", refused, NULL, NULL);
}
