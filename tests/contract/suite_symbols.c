/* SPDX-License-Identifier: Apache-2.0
 *
 * What a runtime lists of what is loaded (sonde/symbols.h), and that a probe can be set on what it says.
 * Rows: SY-01 SY-02 SY-04 SY-05 */
#include "tests/contract/suite.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_BYTES ((size_t)256 * 1024 * 1024) /* a runtime lists its own library, too */

#define SUITE_NEEDS_SYMBOLS()                     \
    do {                                          \
        if (!contract_driver.lists_symbols) {     \
            suite_leave_out(__func__, "symbols"); \
            skip();                               \
        }                                         \
    } while (0)

/* --- A listing ------------------------------------------------------------------------------ */

static char *text; /* of the last listing; untouched pages cost nothing */
static struct sonde_arena arena;
static const struct sonde_json *listing;

struct listing_job {
    bool is_whole;
    size_t len;
};

static void
listing_job(void *arg)
{
    struct listing_job *job = arg;
    job->len = sonde_agent_testonly_symbols(suite_agent, job->is_whole, text, TEXT_BYTES);
}

static void
list(bool is_whole)
{
    struct listing_job job = {.is_whole = is_whole};
    text = text == NULL ? malloc(TEXT_BYTES) : text;
    assert_non_null(text);
    /* A thread of the runtime that the listing needs may wait for the lock. */
    for (int tries = 0; tries < 5 && job.len == 0; tries++) {
        contract_driver.with_lock(listing_job, &job);
        sleep_ms(job.len == 0 ? 100 : 0);
    }
    assert_true(job.len > 0 && job.len < TEXT_BYTES);
    sonde_arena_fini(&arena);
    sonde_arena_init(&arena, 0);
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_str json = {text, job.len};
    if (sonde_json_read(&listing, &arena, json, &err) != SONDE_OK) {
        fail_msg("%s: %s", err.where, err.message);
    }
    assert_int_equal(sonde_json_get_int(listing, "dropped", -1), 0);
}

/* The unit of a program's source, which is in one part; NULL: it was not listed. */
static const struct sonde_json *
unit_of(const char *program)
{
    struct sonde_str path = sonde_str_from(contract_driver.source(program));
    const struct sonde_json *units = sonde_json_get(listing, "units"), *found = NULL;
    for (const struct sonde_json *unit = units->first; unit != NULL; unit = unit->next) {
        if (sonde_str_eq(sonde_json_get_str(unit, "file"), path)) {
            assert_null(found);
            found = unit;
        }
    }
    return found;
}

static bool
is_function(const struct sonde_json *scope)
{
    struct sonde_str type = sonde_json_get_str(scope, "scope_type");
    return sonde_str_eq(type, SONDE_STR("FUNCTION")) ||
           sonde_str_eq(type, SONDE_STR("METHOD"));
}

/* The function of that name whose holder, if it is named, has that one. */
static const struct sonde_json *
find_function(const struct sonde_json *scope, struct sonde_str holder,
              struct sonde_str name)
{
    const struct sonde_json *scopes = sonde_json_get(scope, "scopes");
    bool is_holder =
        holder.len == 0 || sonde_str_eq(sonde_json_get_str(scope, "name"), holder);
    const struct sonde_json *inner = scopes == NULL ? NULL : scopes->first;
    for (; inner != NULL; inner = inner->next) {
        if (is_holder && is_function(inner) &&
            sonde_str_eq(sonde_json_get_str(inner, "name"), name)) {
            return inner;
        }
        const struct sonde_json *found = find_function(inner, holder, name);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

/* A function of a program ("total", "Cart.add"), which has to be there. */
static const struct sonde_json *
function_of(const char *program, const char *function)
{
    const struct sonde_json *unit = unit_of(program);
    if (unit == NULL) {
        fail_msg("%s was not listed", program);
    }
    const char *dot = strchr(function, '.');
    struct sonde_str holder = {function, dot == NULL ? 0 : (size_t)(dot - function)};
    const struct sonde_json *found =
        find_function(sonde_json_get(unit, "scope"), holder,
                      sonde_str_from(dot == NULL ? function : dot + 1));
    if (found == NULL) {
        fail_msg("%s of %s was not listed", function, program);
    }
    return found;
}

/* In the scope itself or in what stands in it: a loop's body may be a block. */
static bool
has_line(const struct sonde_json *scope, uint32_t line)
{
    const struct sonde_json *ranges = sonde_json_get(scope, "injectible_lines");
    const struct sonde_json *range = ranges == NULL ? NULL : ranges->first;
    for (; range != NULL; range = range->next) {
        if (sonde_json_get_int(range, "start", 0) <= line &&
            sonde_json_get_int(range, "end", 0) >= line) {
            return true;
        }
    }
    const struct sonde_json *scopes = sonde_json_get(scope, "scopes");
    const struct sonde_json *inner = scopes == NULL ? NULL : scopes->first;
    for (; inner != NULL; inner = inner->next) {
        if (has_line(inner, line)) {
            return true;
        }
    }
    return false;
}

static bool
has_symbol(const struct sonde_json *scope, const char *type, const char *name)
{
    const struct sonde_json *symbols = sonde_json_get(scope, "symbols");
    const struct sonde_json *symbol = symbols == NULL ? NULL : symbols->first;
    for (; symbol != NULL; symbol = symbol->next) {
        if (sonde_str_eq(sonde_json_get_str(symbol, "name"), sonde_str_from(name)) &&
            sonde_str_eq(sonde_json_get_str(symbol, "symbol_type"),
                         sonde_str_from(type))) {
            return true;
        }
    }
    return false;
}

/* --- What is in it -------------------------------------------------------------------------- */

/* SY-01: each function of the program, with its names and lines. */
static void
test_functions_are_listed(void **state)
{
    static const char *const functions[] = {
        "total",   "checkout", "add_to_cart", "rebind", "slow", "fail", "guarded",
        "catches", "sum_to",   "turns",       "loop",   "spin", "nap",  "Cart.add",
    };
    (void)state;
    SUITE_NEEDS_SYMBOLS();
    list(true);
    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        const struct sonde_json *function = function_of("shop", functions[i]);
        assert_true(sonde_json_get_int(function, "start_line", 0) > 0);
        assert_true(sonde_json_get_int(function, "end_line", 0) >=
                    sonde_json_get_int(function, "start_line", 0));
    }
    const struct sonde_json *total = function_of("shop", "total");
    assert_true(has_symbol(total, "ARG", "order"));
    assert_true(has_symbol(total, "ARG", "tax"));
    assert_true(has_symbol(total, "LOCAL", "price"));
    assert_true(has_symbol(total, "LOCAL", "result"));
    assert_false(has_symbol(total, "LOCAL", "tax"));
    assert_true(has_symbol(function_of("shop", "Cart.add"), "LOCAL", "whole"));
}

/* SY-01: the lines that can take a probe, and no others. */
static void
test_lines_are_listed(void **state)
{
    (void)state;
    SUITE_NEEDS_SYMBOLS();
    list(true);
    const struct sonde_json *total = function_of("shop", "total");
    assert_true(has_line(total, suite_line("LINE_FEE")));
    assert_true(has_line(total, suite_line("LINE_TOTAL")));
    assert_true(has_line(total, suite_line("LINE_TAX")));
    assert_false(has_line(total, suite_line("LINE_COMMENT")));
    assert_false(has_line(total, suite_line("LINE_BEFORE_BLANK") + 1));
    assert_false(has_line(total, suite_line("LINE_CHECKOUT")));
    assert_true(has_line(function_of("shop", "checkout"), suite_line("LINE_CHECKOUT")));
    assert_true(has_line(function_of("shop", "sum_to"), suite_line("LINE_RECURSION")));
}

/* Applies one line probe; whether it was armed. */
static bool
line_can_be_armed(uint32_t line)
{
    static uint32_t revision;
    char location[1024];
    snprintf(location, sizeof(location), "%s:%u", contract_driver.source("shop"), line);
    probes_clear();
    probes_add("line", ++revision, location, "line", NULL);
    probes_apply();
    return strcmp(status_of("line").status, "installed") == 0;
}

static uint32_t checked_lines;

static void
check_lines_of(const struct sonde_json *scope)
{
    const struct sonde_json *ranges = sonde_json_get(scope, "injectible_lines");
    const struct sonde_json *range = ranges == NULL ? NULL : ranges->first;
    for (; range != NULL; range = range->next) {
        int64_t end = sonde_json_get_int(range, "end", 0);
        for (int64_t line = sonde_json_get_int(range, "start", 0); line <= end; line++) {
            if (!line_can_be_armed((uint32_t)line)) {
                fail_msg("line %d of %.*s takes no probe", (int)line,
                         (int)sonde_json_get_str(scope, "name").len,
                         sonde_json_get_str(scope, "name").ptr);
            }
            checked_lines++;
        }
    }
}

static void
check_functions_in(const struct sonde_json *scope)
{
    if (is_function(scope)) {
        check_lines_of(scope);
    }
    const struct sonde_json *scopes = sonde_json_get(scope, "scopes");
    const struct sonde_json *inner = scopes == NULL ? NULL : scopes->first;
    for (; inner != NULL; inner = inner->next) {
        check_functions_in(inner);
    }
}

/* SY-01: what is listed as such does take one. */
static void
test_every_listed_line_takes_a_probe(void **state)
{
    (void)state;
    SUITE_NEEDS_SYMBOLS();
    list(true);
    checked_lines = 0;
    check_functions_in(sonde_json_get(unit_of("shop"), "scope"));
    assert_true(checked_lines > 50);
}

/* SY-01: the qualified name is what a person types. */
static void
test_the_qualified_name_takes_a_probe(void **state)
{
    static const char *const functions[] = {"total", "checkout", "Cart.add"};
    (void)state;
    SUITE_NEEDS_SYMBOLS();
    SUITE_NEEDS_FUNCTIONS();
    list(true);
    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        char location[512];
        struct sonde_str qualified =
            sonde_json_get_str(function_of("shop", functions[i]), "qualified");
        snprintf(location, sizeof(location), "%.*s", (int)qualified.len, qualified.ptr);
        probes_clear();
        probes_add("p", (uint32_t)i + 1, location, "entry", NULL);
        probes_apply();
        struct status status = status_of("p");
        if (strcmp(status.status, "installed") != 0) {
            fail_msg("\"%s\": %s: %s", location, status.status, status.message);
        }
    }
}

/* SY-05: who has loaded the same says the same. */
static void
test_two_listings_are_the_same(void **state)
{
    char hash[64];
    (void)state;
    SUITE_NEEDS_SYMBOLS();
    list(true);
    snprintf(hash, sizeof(hash), "%.*s", 40,
             sonde_json_get_str(unit_of("shop"), "hash").ptr);
    suite_call("checkout", 5, 18);
    list(true);
    assert_true(
        sonde_str_eq(sonde_json_get_str(unit_of("shop"), "hash"), sonde_str_from(hash)));
}

/* A probe changes nothing of what is listed. */
static void
test_probes_are_not_listed(void **state)
{
    char hash[64];
    (void)state;
    SUITE_NEEDS_SYMBOLS();
    list(true);
    snprintf(hash, sizeof(hash), "%.*s", 40,
             sonde_json_get_str(unit_of("shop"), "hash").ptr);
    probes_clear();
    probes_add_line("line", "LINE_TOTAL", NULL);
    probes_add_function_or_line("function", 1, "checkout", "exit", NULL);
    probes_apply();
    suite_call("checkout", 5, 18);
    take_all();
    list(true);
    assert_true(
        sonde_str_eq(sonde_json_get_str(unit_of("shop"), "hash"), sonde_str_from(hash)));
}

/* SY-02: what is loaded later is in the listing of changes. */
static void
test_what_is_loaded_later_is_listed(void **state)
{
    (void)state;
    SUITE_NEEDS_SYMBOLS();
    list(true);
    assert_null(unit_of("north"));
    suite_load("north");
    list(false);
    assert_non_null(unit_of("north"));
    list(true);
    assert_non_null(unit_of("north"));
    assert_non_null(unit_of("shop"));
}

int
contract_suite_symbols(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_functions_are_listed),
        SUITE_TEST(test_lines_are_listed),
        SUITE_TEST(test_every_listed_line_takes_a_probe),
        SUITE_TEST(test_the_qualified_name_takes_a_probe),
        SUITE_TEST(test_two_listings_are_the_same),
        SUITE_TEST(test_probes_are_not_listed),
        SUITE_TEST(test_what_is_loaded_later_is_listed),
    };
    int failed = cmocka_run_group_tests_name("symbols", tests, NULL, NULL);
    sonde_arena_fini(&arena);
    free(text);
    text = NULL;
    return failed;
}
