/* SPDX-License-Identifier: Apache-2.0
 *
 * Values: right, bounded, redacted, and read without running anything of the application. */
#include "tests/contract/suite.h"

#include "core/base/alloc.h"

/* The record of one call of a function whose line bears the marker. */
static struct record *
capture(const char *function, const char *marker, const char *more)
{
    probes_only_line("p", marker, more);
    suite_call(function, 5, 5);
    struct record *record = take_only();
    probes_clear();
    probes_apply();
    return record;
}

static void
test_scalars(void **state)
{
    (void)state;
    struct record *record = capture("shapes", "LINE_SHAPES", NULL);
    const struct value *nothing = line_local(record, "nothing");
    assert_int_equal(nothing->kind, VALUE_NULL);
    assert_type(nothing, CONTRACT_NIL);
    assert_text(line_local(record, "yes"), CONTRACT_TRUE, "true");
    assert_text(line_local(record, "no"), CONTRACT_FALSE, "false");
    assert_text(line_local(record, "half"), CONTRACT_FLOAT, "0.5");
    assert_text(line_local(record, "plain"), CONTRACT_TEXT, "plain");
    assert_text(line_local(record, "accents"), CONTRACT_TEXT, "d\xc3\xa9j\xc3\xa0");
    assert_text(line_local(record, "kanji"), CONTRACT_TEXT, "\xe6\x97\xa5\xe6\x9c\xac");
    assert_text(line_local(record, "smile"), CONTRACT_TEXT, "\xf0\x9f\x99\x82");
    assert_text(line_local(record, "raw"), CONTRACT_BYTES, "\\x00A\\xff");
    assert_int(line_argument(record, "n"), 5);
    const struct value *item = line_local(record, "item");
    assert_type(item, CONTRACT_ITEM);
    assert_text(value_field(item, "name"), CONTRACT_TEXT, "pen");
    assert_int(value_field(item, "price"), 3);
    assert_int_equal(item->count, 2);
    assert_false(item->truncated);
    record_free(record);
}

/* CORE-04: the defaults, and a marker wherever something was cut. */
static void
test_default_limits(void **state)
{
    (void)state;
    struct record *record = capture("shapes", "LINE_SHAPES", NULL);
    const struct value *value = line_local(record, "long");
    assert_int_equal(value->text.len, 255);
    assert_true(value->truncated);
    assert_int_equal(value->size, 300);

    value = line_local(record, "wide");
    assert_type(value, CONTRACT_LIST);
    assert_int_equal(value->count, 100);
    assert_int_equal(value_int(value_at(value, 99)), 99);
    assert_true(value->truncated);
    assert_int_equal(value->size, 150);
    assert_int_equal(value->reason, SONDE_REASON_COLLECTION_SIZE);

    value = line_local(record, "pairs");
    assert_type(value, CONTRACT_MAP);
    assert_int_equal(value->count, 100);
    assert_int(value_member(value, "k042"), 42);
    assert_true(value->truncated);
    assert_int_equal(value->size, 150);
    assert_int_equal(value->reason, SONDE_REASON_COLLECTION_SIZE);

    value = line_local(record, "broad");
    assert_int_equal(value->count, 20);
    assert_true(value->truncated);
    assert_int_equal(value->reason, SONDE_REASON_FIELD_COUNT);
    record_free(record);
}

/* How many containers lie one inside another before a marker. */
static uint32_t
depth_of(const struct value *value, enum sonde_reason *reason)
{
    uint32_t depth = 0;
    while (value != NULL && value->kind == VALUE_CONTAINER) {
        depth++;
        value = value->first;
    }
    *reason = value == NULL ? SONDE_REASON_NONE : value->reason;
    return depth;
}

/* CORE-04: depth, also of what holds itself. */
static void
test_depth(void **state)
{
    (void)state;
    enum sonde_reason reason;
    struct record *record = capture("shapes", "LINE_SHAPES", NULL);
    assert_int_equal(depth_of(line_local(record, "deep"), &reason), 3);
    assert_int_equal(reason, SONDE_REASON_DEPTH);
    assert_int_equal(depth_of(line_local(record, "ring"), &reason), 3);
    assert_int_equal(reason, SONDE_REASON_DEPTH);
    record_free(record);

    record = capture("shapes", "LINE_SHAPES", LIMITS("\"depth\":10"));
    assert_int_equal(depth_of(line_local(record, "deep"), &reason), 6);
    assert_int_equal(reason, SONDE_REASON_NONE);
    assert_int_equal(depth_of(line_local(record, "ring"), &reason), 10);
    assert_int_equal(reason, SONDE_REASON_DEPTH);
    record_free(record);

    record = capture("shapes", "LINE_SHAPES", LIMITS("\"depth\":0"));
    assert_int_equal(line_local(record, "wide")->kind, VALUE_SKIP);
    assert_int_equal(line_local(record, "wide")->reason, SONDE_REASON_DEPTH);
    assert_text(line_local(record, "plain"), CONTRACT_TEXT, "plain");
    record_free(record);
}

/* CORE-04: each probe may ask for other limits; what is out of range is clamped and told. */
static void
test_limits_of_a_probe(void **state)
{
    (void)state;
    struct record *record = capture("shapes", "LINE_SHAPES",
                                    LIMITS("\"elements\":3,\"length\":4,\"fields\":2"));
    assert_int_equal(line_local(record, "wide")->count, 3);
    assert_int_equal(line_local(record, "pairs")->count, 3);
    assert_int_equal(line_local(record, "broad")->count, 2);
    assert_text(line_local(record, "plain"), CONTRACT_TEXT, "plai");
    assert_true(line_local(record, "plain")->truncated);
    assert_false(line_local(record, "accents")->truncated);
    record_free(record);

    probes_only_line("p", "LINE_SHAPES", LIMITS("\"depth\":99,\"fields\":50"));
    assert_non_null(strstr(status_of("p").clamped, "depth"));
    assert_null(strstr(status_of("p").clamped, "fields"));
    suite_call("shapes", 5, 5);
    record = take_only();
    assert_int_equal(line_local(record, "broad")->count, 30);
    assert_false(line_local(record, "broad")->truncated);
    record_free(record);
}

/* CORE-04: frames of the stack. */
static void
test_stack_is_bounded(void **state)
{
    (void)state;
    const char *const mores[] = {NULL, LIMITS("\"frames\":5")};
    const uint32_t counts[] = {64, 5};
    for (size_t i = 0; i < COUNT_OF(mores); i++) {
        probes_only_line("p", "LINE_RECURSION", mores[i]);
        suite_call("sum_to", 100, 5050);
        struct record *record = NULL;
        for (int deep = 0; deep < 100; deep++) {
            record_free(record);
            record = take();
        }
        assert_non_null(record);
        assert_null(take());
        assert_int_equal(record->stack.count, counts[i]);
        assert_true(record->stack.truncated);
        record_free(record);
        probes_clear();
        probes_apply();
    }
}

static bool
has_reason(const struct value *value, enum sonde_reason reason)
{
    for (; value != NULL; value = value->next) {
        if (value->reason == reason || has_reason(value->first, reason)) {
            return true;
        }
    }
    return false;
}

/* CORE-06: past the bound in bytes the record is whole, readable, and says where it ends. */
static void
test_bytes_are_bounded(void **state)
{
    (void)state;
    struct record *record = capture("shapes", "LINE_SHAPES",
                                    ",\"limits\":{\"bytes\":4096,\"length\":65536,"
                                    "\"elements\":10000,\"fields\":1000}");
    assert_true(record->bytes.len <= 4096);
    assert_true(record->bytes.len > 2048);
    const struct section *section = &record->sections[SONDE_SECTION_LINE];
    assert_true(
        has_reason(section->group[SONDE_GROUP_LOCALS].first, SONDE_REASON_BUDGET));
    assert_int(line_argument(record, "n"), 5);
    record_free(record);
}

/* CORE-06: ninety thousand numbers at 100 µs or 64 KiB, whichever comes first. */
static void
test_time_is_bounded(void **state)
{
    (void)state;
    probes_only_line(
        "p", "LINE_HUGE",
        ",\"limits\":{\"time_us\":100,\"elements\":10000,\"depth\":5,\"bytes\":65536}");
    suite_call("huge", 5, 5);
    struct record *record = take_only();
    const struct value *grid = line_local(record, "grid");
    assert_true(grid->truncated);
    assert_true(grid->reason == SONDE_REASON_TIMEOUT ||
                grid->reason == SONDE_REASON_BUDGET);
    assert_true(grid->count < 300);
    record_free(record);
}

static bool
is_redacted(const struct value *value)
{
    return value != NULL && value->kind == VALUE_SKIP &&
           value->reason == SONDE_REASON_REDACTED;
}

/* CORE-07: sensitive names of locals, fields and keys; none of their values is anywhere in
 * the record. */
static void
test_redaction_by_default(void **state)
{
    (void)state;
    struct record *record = capture("secrets", "LINE_SECRETS", NULL);
    assert_true(is_redacted(line_local(record, "password")));
    assert_true(is_redacted(line_local(record, "api_key")));
    assert_true(is_redacted(line_local(record, "session")));
    assert_true(is_redacted(value_member(line_local(record, "config"), "auth-token")));
    assert_text(value_member(line_local(record, "config"), "plain"), CONTRACT_TEXT,
                "visible-entry");
    assert_true(is_redacted(value_field(line_local(record, "account"), "password")));
    assert_text(value_field(line_local(record, "account"), "city"), CONTRACT_TEXT,
                "visible-city");
    assert_text(line_local(record, "nickname"), CONTRACT_TEXT, "hunter2-nick");
    static const char *const hidden[] = {"hunter2-local", "hunter2-key", "hunter2-entry",
                                         "hunter2-field", "visible-session"};
    for (size_t i = 0; i < COUNT_OF(hidden); i++) {
        assert_false(str_has(record->bytes, hidden[i]));
    }
    record_free(record);
}

static void
replace(char **member, const char *text)
{
    sonde_free(*member);
    *member = sonde_strdup(sonde_str_from(text));
    assert_non_null(*member);
}

/* CORE-07: users add names and types, and take names out. */
static void
test_redaction_by_the_user(void **state)
{
    (void)state;
    struct sonde_config config;
    suite_config(&config);
    replace(&config.redact_names, "Nick_Name");
    replace(&config.redact_types, contract_driver.types[CONTRACT_SEALED]);
    replace(&config.redact_excluded, "session");
    suite_restart(&config);
    struct record *record = capture("secrets", "LINE_SECRETS", NULL);
    assert_true(is_redacted(line_local(record, "nickname")));
    assert_true(is_redacted(value_field(line_local(record, "account"), "nickname")));
    assert_true(is_redacted(line_local(record, "sealed")));
    assert_true(is_redacted(line_local(record, "password")));
    assert_text(line_local(record, "session"), CONTRACT_TEXT, "visible-session");
    assert_false(str_has(record->bytes, "hunter2"));
    record_free(record);
}

/* CORE-05: objects whose every method is a trap are captured, and none goes off. */
static void
test_tripwires_are_captured(void **state)
{
    (void)state;
    struct record *record = capture("snares", "LINE_SNARES", LIMITS("\"depth\":8"));
    const struct value *trap = line_local(record, "trap");
    assert_type(trap, CONTRACT_TRIPWIRE);
    assert_int(value_field(trap, "armed"), 7);
    const struct value *traps = line_local(record, "traps");
    assert_int_equal(traps->count, 2);
    assert_int(value_field(value_at(traps, 0), "armed"), 7);
    assert_int(value_field(value_member(value_at(traps, 1), "trap"), "armed"), 7);
    record_free(record);
    suite_call("tripwire_count", 0, 0);
}

/* CORE-05: nor where a function begins or ends. */
static void
test_tripwires_at_a_functions_ends(void **state)
{
    (void)state;
    SUITE_NEEDS_FUNCTIONS();
    probes_only_function("p", "snares", "exit", NULL);
    suite_call("snares", 5, 5);
    struct record *record = take_only();
    const struct value *trap =
        record_value(record, SONDE_SECTION_RETURN, SONDE_GROUP_LOCALS, "trap");
    assert_int(value_field(trap, "armed"), 7);
    record_free(record);
    suite_call("tripwire_count", 0, 0);
}

int
contract_suite_value(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_scalars),
        SUITE_TEST(test_default_limits),
        SUITE_TEST(test_depth),
        SUITE_TEST(test_limits_of_a_probe),
        SUITE_TEST(test_stack_is_bounded),
        SUITE_TEST(test_bytes_are_bounded),
        SUITE_TEST(test_time_is_bounded),
        SUITE_TEST(test_redaction_by_default),
        SUITE_TEST(test_redaction_by_the_user),
        SUITE_TEST(test_tripwires_are_captured),
        SUITE_TEST(test_tripwires_at_a_functions_ends),
    };
    return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
