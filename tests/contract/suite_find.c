/* SPDX-License-Identifier: Apache-2.0
 *
 * From a definition to a place: what is found, what is said when it is not, and code that
 * comes and goes. */
#include "tests/contract/suite.h"

#include <stdio.h>

/* Applies one probe, whatever becomes of it, as a revision that the agent does not know. */
static void
apply_one(const char *id, const char *location, const char *at)
{
    static uint32_t revision;
    probes_clear();
    probes_add(id, ++revision, location, at, NULL);
    probes_apply();
}

static void
apply_line(const char *file, uint32_t line)
{
    char location[1024];
    snprintf(location, sizeof(location), "%s:%u", file, line);
    apply_one("p", location, "line");
}

/* A file is named by its path or by any suffix of it at a directory boundary. */
static void
test_file_is_found_by_path_and_suffix(void **state)
{
    (void)state;
    const char *path = contract_driver.source("shop");
    uint32_t line = suite_line("LINE_TOTAL");
    char suffix[256];
    snprintf(suffix, sizeof(suffix), "programs/%s", suite_file("shop"));
    const char *const names[] = {path, suffix, suite_file("shop")};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        apply_line(names[i], line);
        assert_status("p", "installed", "");
        suite_call("checkout", 5, 18);
        struct record *record = take_only();
        assert_int_equal(record->header.line, line);
        assert_true(
            sonde_str_ends_with(record->header.file, sonde_str_from(suite_file("shop"))));
        record_free(record);
    }
    /* Not at a boundary: "op.py" is not "shop.py". */
    apply_line(suite_file("shop") + 2, line);
    assert_status("p", "pending", "file_not_loaded");
}

/* CORE-03: code that is not loaded is waited for, and armed before it runs at all. */
static void
test_pending_is_armed_before_the_first_execution(void **state)
{
    (void)state;
    probes_clear();
    probes_add_line("module", "LINE_MODULE", NULL);
    probes_add_line("line", "LINE_TOTAL", NULL);
    probes_add_function_or_line("function", 1, "total", "exit", NULL);
    probes_apply();
    assert_status("module", "pending", "file_not_loaded");
    assert_status("line", "pending", "file_not_loaded");
    assert_status("function", "pending", function_or_line_pending());
    suite_load("shop");
    /* The code of a module itself may be gone once it has run. */
    assert_counts("module", 1, 1);
    assert_string_not_equal(status_of("module").status, "error");
    struct record *record = take_only();
    assert_int_equal(record->header.line, suite_line("LINE_MODULE"));
    record_free(record);
    assert_status("line", "installed", "");
    assert_status("function", "installed", "");
    assert_int_equal(status_of("line").places, 1);
    assert_int_equal(status_of("function").places, 1); /* armed once, not twice */
    suite_call("checkout", 5, 18);
    assert_counts("line", 1, 1);
    assert_counts("function", 1, 1);
    assert_int_equal(take_all(), 2);
}

static bool
is_nearest(const struct status *status, uint32_t line)
{
    uint32_t i = 0;
    while (i < status->nearest_count && status->nearest[i] != line) {
        i++;
    }
    return i < status->nearest_count;
}

/* A line on which nothing runs, between two on which something does. */
static void
check_dead_line(uint32_t line, uint32_t before, uint32_t after)
{
    apply_line(suite_file("shop"), line);
    assert_status("p", "error", "line_not_executable");
    struct status status = status_of("p");
    assert_true(status.nearest_count >= 2);
    assert_true(status.nearest[0] == before || status.nearest[0] == after);
    assert_true(is_nearest(&status, before));
    assert_true(is_nearest(&status, after));
    suite_call("checkout", 5, 18);
    assert_counts("p", 0, 0);
    assert_int_equal(take_all(), 0);
    /* Each that is offered takes a probe. */
    for (uint32_t i = 0; i < status.nearest_count; i++) {
        apply_line(suite_file("shop"), status.nearest[i]);
        assert_status("p", "installed", "");
    }
}

/* CORE-03: never "installed" on a dead line; the nearest that are alive are named. */
static void
test_dead_lines_name_the_nearest(void **state)
{
    (void)state;
    check_dead_line(suite_line("LINE_COMMENT"), suite_line("LINE_FEE"),
                    suite_line("LINE_TOTAL"));
    check_dead_line(suite_line("LINE_BEFORE_BLANK") + 1, suite_line("LINE_TOTAL"),
                    suite_line("LINE_TAX"));
}

static void
test_line_past_the_end(void **state)
{
    (void)state;
    apply_line(suite_file("shop"), 99999);
    assert_status("p", "error", "line_not_executable");
    assert_true(status_of("p").nearest_count > 0);
    assert_pristine();
}

/* CORE-03: what may still come is waited for; what can not is an error. */
static void
test_unknown_places(void **state)
{
    (void)state;
    apply_line("nowhere/else.src", 3);
    assert_status("p", "pending", "file_not_loaded");
    apply_line("/nowhere/at/all/else.src", 3);
    assert_status("p", "error", "file_not_found");
    assert_pristine();
    suite_call("checkout", 5, 18);
    assert_int_equal(take_all(), 0);
}

/* CORE-03: the same for functions. */
static void
test_unknown_functions(void **state)
{
    (void)state;
    SUITE_NEEDS_FUNCTIONS();
    apply_one("q", contract_driver.location("nowhere", "total"), "exit");
    assert_status("q", "pending", "module_not_loaded");
    apply_one("q", contract_driver.location("shop", "totla"), "exit");
    assert_status("q", "error", "function_not_found");
    apply_one("q", contract_driver.location("shop", "Cart.remove"), "entry");
    assert_status("q", "error", "function_not_found");
    assert_pristine();
    suite_call("checkout", 5, 18);
    assert_int_equal(take_all(), 0);
}

/* CORE-03: what has no lines and no locals is never "installed". */
static void
test_native_function_is_refused(void **state)
{
    (void)state;
    apply_one("p", contract_driver.location("shop", "native_floor"), "exit");
    struct status status = status_of("p");
    assert_string_equal(status.status, "error");
    assert_string_not_equal(status.message, "");
    assert_int_equal(status.places, 0);
    assert_pristine();
}

/* CORE-03: several matches are listed, and a longer suffix decides. */
static void
test_ambiguous_suffix_lists_the_files(void **state)
{
    (void)state;
    int64_t result;
    uint32_t line = suite_line_of("north", "LINE_STOCK");
    suite_load("north");
    suite_load("south");
    apply_line(suite_file("north"), line);
    assert_status("p", "error", "ambiguous");
    struct status status = status_of("p");
    assert_non_null(strstr(status.message, "north/"));
    assert_non_null(strstr(status.message, "south/"));
    assert_pristine();

    char location[256];
    snprintf(location, sizeof(location), "north/%s:%u", suite_file("north"), line);
    apply_one("p", location, "line");
    assert_status("p", "installed", "");
    assert_true(contract_driver.call("south", "stock", 4, &result));
    assert_counts("p", 0, 0);
    assert_true(contract_driver.call("north", "stock", 4, &result));
    assert_int_equal(result, 4);
    assert_counts("p", 1, 1);
}

/* CORE-03: a corrected probe with a failed one's id is accepted. */
static void
test_corrected_probe_is_accepted(void **state)
{
    (void)state;
    char location[256];
    snprintf(location, sizeof(location), "%s:%u", suite_file("shop"),
             suite_line("LINE_COMMENT"));
    apply_one("p", location, "line");
    assert_status("p", "error", "line_not_executable");
    uint32_t revision = status_of("p").revision;
    snprintf(location, sizeof(location), "%s:%u", suite_file("shop"),
             suite_line("LINE_TOTAL"));
    apply_one("p", location, "line");
    assert_status("p", "installed", "");
    assert_int_equal(status_of("p").revision, revision + 1);
    assert_int_equal(status_of("p").nearest_count, 0);
    suite_call("checkout", 5, 18);
    struct record *record = take_only();
    assert_int_equal(record->header.revision, revision + 1);
    record_free(record);
}

/* CORE-03: code that is unloaded takes its places along; loaded again it is armed again. */
static void
test_unloaded_code_is_waited_for_again(void **state)
{
    (void)state;
    probes_clear();
    probes_add_line("line", "LINE_TOTAL", NULL);
    probes_add_function_or_line("exit", 1, "total", "exit", NULL);
    probes_apply();
    for (uint32_t round = 1; round <= 3; round++) {
        assert_status("line", round == 1 ? "installed" : "emitting", "");
        suite_call("checkout", 5, 18);
        assert_counts("line", round, round);
        assert_counts("exit", round, round);
        assert_int_equal(take_all(), 2);
        suite_unload("shop");
        /* A collector may not be able to tell before it is done. */
        wait_status("line", "pending", "file_not_loaded");
        wait_status("exit", "pending", function_or_line_pending());
        suite_load("shop");
    }
    assert_status("exit", "emitting", "");
}

/* CORE-03: a list that says the same again changes nothing. */
static void
test_same_revision_is_left_alone(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL", NULL);
    suite_call("checkout", 5, 18);
    probes_apply();
    assert_status("p", "emitting", "");
    suite_call("checkout", 5, 18);
    assert_counts("p", 2, 2);
}

/* A definition that can not be read is refused by itself. */
static void
test_broken_definition_spoils_no_other(void **state)
{
    (void)state;
    probes_clear();
    probes_add("broken", 1, "no place at all:0", "line", NULL);
    probes_add_line("whole", "LINE_TOTAL", NULL);
    assert_int_not_equal(probes_try_apply(probes_json()), SONDE_OK);
    assert_status("whole", "installed", "");
    assert_string_equal(status_of("broken").status, "error");
    assert_string_not_equal(status_of("broken").message, "");
}

int
contract_suite_find(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_file_is_found_by_path_and_suffix),
        SUITE_TEST_BARE(test_pending_is_armed_before_the_first_execution),
        SUITE_TEST(test_dead_lines_name_the_nearest),
        SUITE_TEST(test_line_past_the_end),
        SUITE_TEST(test_unknown_places),
        SUITE_TEST(test_unknown_functions),
        SUITE_TEST(test_native_function_is_refused),
        SUITE_TEST(test_ambiguous_suffix_lists_the_files),
        SUITE_TEST(test_corrected_probe_is_accepted),
        SUITE_TEST(test_unloaded_code_is_waited_for_again),
        SUITE_TEST(test_same_revision_is_left_alone),
        SUITE_TEST(test_broken_definition_spoils_no_other),
    };
    return cmocka_run_group_tests_name("find", tests, NULL, NULL);
}
