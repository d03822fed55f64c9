/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/alloc.h"
#include "core/capture/redact.h"
#include "core/capture/snapshot.h"
#include "tests/unit/tape_fixture.h"

#define OBSERVED_NS INT64_C(1700000000999999999)

/* What came back of a snapshot that went out. */
static struct {
    struct sonde_buf request, body;
    unsigned logs;
    bool has_trace, has_thread;
    const char *function; /* that it has to name; NULL: "work" */
    const char *outcome;  /* NULL: none */
} got;

static int
got_log(void *arg, const struct sonde_otlp_log *log)
{
    struct sonde_json_writer json;
    struct sonde_str record = log->record;

    (void)arg;
    got.logs++;
    got.has_trace = log->trace_id != NULL;
    if (got.has_trace) {
        assert_int_equal(log->trace_id[15], 0xab);
        assert_int_equal(log->span_id[7], 0xcd);
    }
    assert_true(sonde_str_eq(log->event_name, S("sonde.snapshot")));
    assert_true(log->time_ns == header.timestamp_ns);
#define ATTR_STR(key) sonde_otlp_find_str(record, SONDE_OTLP_RECORD_ATTR, key)
#define ATTR_INT(key) sonde_otlp_find_int(record, SONDE_OTLP_RECORD_ATTR, key, -99)
    assert_true(sonde_str_eq(ATTR_STR("sonde.snapshot.id"), S("id-1")));
    assert_true(sonde_str_eq(ATTR_STR("sonde.probe.id"), S("p1")));
    assert_true(sonde_str_eq(ATTR_STR("code.file.path"), S("app.py")));
    assert_true(
        sonde_str_eq(ATTR_STR("code.function.name"),
                     sonde_str_from(got.function != NULL ? got.function : "work")));
    assert_int_equal(ATTR_INT("sonde.probe.revision"), 7);
    assert_int_equal(ATTR_INT("code.line.number"), 42);
    assert_int_equal(ATTR_INT("sonde.duration_ns"), got.has_trace ? 1234 : -99);
    assert_int_equal(ATTR_INT("sonde.suspended_ns"), got.has_trace ? 1200 : -99);
    assert_true(sonde_str_eq(ATTR_STR("sonde.outcome"),
                             sonde_str_from(got.outcome != NULL ? got.outcome : "")));
    assert_int_equal(ATTR_INT("thread.id"), got.has_thread ? 77 : -99);
    if (got.has_thread)
        assert_true(sonde_str_eq(ATTR_STR("thread.name"), S("Main")));

    sonde_buf_reset(&got.body);
    sonde_json_writer_init(&json, &got.body);
    assert_int_equal(sonde_otlp_any_to_json(&json, log->body), SONDE_OK);
    return 0;
}

static int
encode(struct sonde_str record, struct sonde_buf *out)
{
    struct sonde_otlp_request request;
    int code;

    sonde_buf_reset(out);
    sonde_otlp_request_begin(&request, out, S(""));
    code = sonde_snapshot_encode(&request, record, S("id-1"), OBSERVED_NS);
    sonde_otlp_request_end(&request);
    return code;
}

/* The body of the tape's record as JSON, after the way over the wire. */
static const char *
body_of(struct sonde_str record)
{
    struct sonde_err err = SONDE_ERR_INIT;

    got.logs = 0;
    assert_int_equal(encode(record, &got.request), SONDE_OK);
    assert_int_equal(
        sonde_otlp_logs_read(sonde_buf_view(&got.request), got_log, NULL, &err),
        SONDE_OK);
    assert_int_equal(got.logs, 1);
    return sonde_buf_cstr(&got.body);
}

#define assert_body(expected) \
    assert_string_equal(body_of(sonde_tape_finish(&tape)), expected)

static int
setup_snapshot(void **state)
{
    sonde_buf_init(&got.request, 0);
    sonde_buf_init(&got.body, 0);
    got.has_thread = false;
    got.outcome = NULL;
    return setup(state);
}

static int
teardown_snapshot(void **state)
{
    sonde_buf_fini(&got.request);
    sonde_buf_fini(&got.body);
    return teardown(state);
}

static void
test_nothing(void **state)
{
    (void)state;
    begin(NULL);
    assert_body("{\"captures\":{}}");
}

static void
test_line_with_values_of_every_kind(void **state)
{
    (void)state;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("n"));
    integer("42");
    sonde_tape_name(&tape, S("none"));
    sonde_tape_null(&tape, S("NoneType"));
    sonde_tape_name(&tape, S("o"));
    sonde_tape_open(&tape, SONDE_SHAPE_FIELDS, S("Order"), 1);
    sonde_tape_next(&tape);
    sonde_tape_name(&tape, S("id"));
    integer("1");
    sonde_tape_close(&tape);
    sonde_tape_name(&tape, S("l"));
    sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 0);
    sonde_tape_close(&tape);
    sonde_tape_name(&tape, S("d"));
    sonde_tape_open(&tape, SONDE_SHAPE_ENTRIES, S("dict"), 1);
    sonde_tape_next(&tape);
    ascii("k\"");
    sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 1);
    sonde_tape_next(&tape);
    integer("2");
    sonde_tape_close(&tape);
    sonde_tape_close(&tape);
    sonde_tape_group_end(&tape);
    sonde_tape_group_begin(&tape, SONDE_GROUP_ARGUMENTS);
    sonde_tape_group_end(&tape);
    assert_body(
        "{\"captures\":{\"lines\":{\"42\":{\"locals\":{"
        "\"n\":{\"type\":\"int\",\"value\":\"42\"},"
        "\"none\":{\"type\":\"NoneType\",\"is_null\":true},"
        "\"o\":{\"type\":\"Order\",\"fields\":{\"id\":{\"type\":\"int\",\"value\":\"1\"}}"
        "},"
        "\"l\":{\"type\":\"list\",\"elements\":[]},"
        "\"d\":{\"type\":\"dict\",\"entries\":[{"
        "\"key\":{\"type\":\"str\",\"value\":\"k\\\"\"},"
        "\"value\":{\"type\":\"list\",\"elements\":[{\"type\":\"int\",\"value\":\"2\"}]}"
        "}]}},\"arguments\":{}}}}}");
}

/* CORE-04, CORE-07: what was cut says so, and why. */
static void
test_core_04_markers(void **state)
{
    struct sonde_redactor *redactor;

    (void)state;
    assert_int_equal(sonde_redactor_new(&redactor, NULL, NULL, NULL, NULL), SONDE_OK);
    limits.depth = 1;
    limits.elements = 1;
    limits.length = 2;
    begin_locals(redactor);
    sonde_tape_name(&tape, S("password"));
    ascii("hunter2");
    sonde_tape_name(&tape, S("s"));
    ascii("abc");
    sonde_tape_name(&tape, S("l"));
    sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 9);
    sonde_tape_next(&tape);
    sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), SONDE_SIZE_UNKNOWN);
    sonde_tape_next(&tape);
    sonde_tape_close(&tape);
    assert_body(
        "{\"captures\":{\"lines\":{\"42\":{\"locals\":{"
        "\"password\":{\"type\":\"str\",\"not_captured_reason\":\"redacted\"},"
        "\"s\":{\"type\":\"str\",\"value\":\"ab\",\"truncated\":true,\"size\":3},"
        "\"l\":{\"type\":\"list\",\"elements\":["
        "{\"type\":\"list\",\"not_captured_reason\":\"depth\"}],"
        "\"truncated\":true,\"not_captured_reason\":\"collection_size\",\"size\":9}"
        "}}}}}");
    assert_null(memmem(got.request.data, got.request.len, "hunter2", 7));
    sonde_redactor_free(redactor);
}

static void
test_numbers_become_text_here(void **state)
{
    (void)state;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("least"));
    sonde_tape_int(&tape, S("int"), INT64_MIN);
    sonde_tape_name(&tape, S("most"));
    sonde_tape_int(&tape, S("int"), INT64_MAX);
    sonde_tape_name(&tape, S("price"));
    sonde_tape_float(&tape, S("float"), 4.5);
    assert_body("{\"captures\":{\"lines\":{\"42\":{\"locals\":{"
                "\"least\":{\"type\":\"int\",\"value\":\"-9223372036854775808\"},"
                "\"most\":{\"type\":\"int\",\"value\":\"9223372036854775807\"},"
                "\"price\":{\"type\":\"float\",\"value\":\"4.5\"}}}}}}");
}

static void
test_core_04_a_cut_stack_says_so(void **state)
{
    (void)state;
    limits.frames = 1;
    begin(NULL);
    sonde_tape_stack_begin(&tape);
    assert_true(sonde_tape_frame(&tape, S("a.py"), S("work"), 1));
    assert_false(sonde_tape_frame(&tape, S("a.py"), S("g"), 2));
    sonde_tape_stack_end(&tape);
    assert_body("{\"stack\":[{\"file\":\"a.py\",\"function\":\"work\",\"line\":1}],"
                "\"stack_truncated\":true,\"captures\":{}}");
}

/* The place says "work"; the stack knows whose it is. */
static void
test_function_is_named_as_in_the_stack(void **state)
{
    (void)state;
    begin(NULL);
    sonde_tape_stack_begin(&tape);
    sonde_tape_frame(&tape, S("app.rb"), S("Cart#work"), 42);
    sonde_tape_stack_end(&tape);
    got.function = "Cart#work";
    assert_body(
        "{\"stack\":[{\"file\":\"app.rb\",\"function\":\"Cart#work\",\"line\":42}],"
        "\"captures\":{}}");
    got.function = NULL;
}

static void
test_function_with_everything(void **state)
{
    unsigned char trace_id[16] = {[15] = 0xab}, span_id[8] = {[7] = 0xcd};
    struct sonde_str record;

    (void)state;
    begin(NULL);
    sonde_tape_section_begin(&tape, SONDE_SECTION_ENTRY);
    sonde_tape_group_begin(&tape, SONDE_GROUP_ARGUMENTS);
    sonde_tape_name(&tape, S("a"));
    integer("1");
    sonde_tape_group_end(&tape);
    sonde_tape_section_end(&tape);
    record = sonde_tape_finish(&tape);
    assert_int_equal(sonde_tape_resume(&tape, record, &limits, NULL), SONDE_OK);
    sonde_tape_set_times(&tape, 1234, 1200);
    sonde_tape_thread(&tape, 77, S("Main"));
    sonde_tape_trace(&tape, trace_id, span_id);
    sonde_tape_stack_begin(&tape); /* after a section: still the body's first member */
    sonde_tape_frame(&tape, S("app.py"), S("work"), 42);
    sonde_tape_frame(&tape, S("main.py"), S("<module>"), 7);
    sonde_tape_stack_end(&tape);
    sonde_tape_section_begin(&tape, SONDE_SECTION_RETURN);
    sonde_tape_group_begin(&tape, SONDE_GROUP_RETURN_VALUE);
    sonde_tape_number(&tape, S("bool"), S("true"));
    sonde_tape_group_end(&tape);
    sonde_tape_outcome(&tape, SONDE_OUTCOME_RETURNED);
    sonde_tape_section_end(&tape);
    got.has_thread = true;
    got.outcome = "returned";
    assert_body("{\"stack\":[{\"file\":\"app.py\",\"function\":\"work\",\"line\":42},"
                "{\"file\":\"main.py\",\"function\":\"<module>\",\"line\":7}],"
                "\"captures\":{\"entry\":{\"arguments\":{\"a\":{\"type\":\"int\","
                "\"value\":\"1\"}}},"
                "\"return\":{\"return_value\":{\"type\":\"bool\",\"value\":\"true\"}}}}");
}

static void
test_throwable(void **state)
{
    (void)state;
    begin(NULL);
    sonde_tape_section_begin(&tape, SONDE_SECTION_RETURN);
    sonde_tape_group_begin(&tape, SONDE_GROUP_RETURN_VALUE); /* there is none */
    sonde_tape_group_end(&tape);
    sonde_tape_group_begin(&tape, SONDE_GROUP_THROWABLE);
    sonde_tape_throwable(&tape, S("KeyError"));
    ascii("no such key");
    sonde_tape_stack_begin(&tape);
    sonde_tape_frame(&tape, S("db.py"), S("get"), 5);
    sonde_tape_stack_end(&tape);
    sonde_tape_group_end(&tape);
    sonde_tape_section_end(&tape);
    assert_body("{\"captures\":{\"return\":{\"throwable\":{\"type\":\"KeyError\","
                "\"message\":{\"type\":\"str\",\"value\":\"no such key\"},"
                "\"stack\":[{\"file\":\"db.py\",\"function\":\"get\",\"line\":5}]}}}}");

    begin(NULL);
    sonde_tape_section_begin(&tape, SONDE_SECTION_RETURN);
    sonde_tape_group_begin(&tape, SONDE_GROUP_THROWABLE);
    sonde_tape_group_end(&tape);
    sonde_tape_group_begin(&tape, SONDE_GROUP_THROWABLE);
    sonde_tape_throwable(&tape, S("KeyError"));
    sonde_tape_group_end(&tape);
    sonde_tape_section_end(&tape);
    assert_body("{\"captures\":{\"return\":{\"throwable\":{\"type\":\"KeyError\"}}}}");
}

/* PY-05: an end that is no failure has its name, and nothing else. */
static void
test_py_05_outcomes(void **state)
{
    static const char *const names[] = {"",       "returned",  "raised",
                                        "closed", "cancelled", "left"};

    (void)state;
    for (int i = SONDE_OUTCOME_RETURNED; i <= SONDE_OUTCOME_LEFT; i++) {
        begin(NULL);
        sonde_tape_section_begin(&tape, SONDE_SECTION_RETURN);
        sonde_tape_outcome(&tape, (enum sonde_outcome)i);
        sonde_tape_group_begin(&tape, SONDE_GROUP_LOCALS);
        sonde_tape_group_end(&tape);
        sonde_tape_section_end(&tape);
        got.outcome = names[i];
        assert_body("{\"captures\":{\"return\":{\"locals\":{}}}}");
    }
}

/* The deepest that limits allow passes through the wire's own bound on nesting. */
static void
test_deepest_value_is_accepted(void **state)
{
    unsigned opened = 0;

    (void)state;
    limits.depth = 10;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("d"));
    while (sonde_tape_open(&tape, SONDE_SHAPE_ENTRIES, S("dict"), 1)) {
        opened++;
        sonde_tape_next(&tape);
        integer("1");
    }
    while (opened-- > 0)
        sonde_tape_close(&tape);
    assert_non_null(strstr(body_of(sonde_tape_finish(&tape)), "\"depth\""));
}

static void
test_damaged_record_appends_nothing(void **state)
{
    struct sonde_buf good, other;
    struct sonde_str record;
    char *copy;

    (void)state;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("n"));
    integer("42");
    record = sonde_tape_finish(&tape);
    copy = sonde_alloc(record.len);
    assert_non_null(copy);
    sonde_buf_init(&good, 0);
    sonde_buf_init(&other, 0);
    assert_int_equal(encode(record, &good), SONDE_OK);
    for (size_t at = 0; at < record.len; at++) {
        struct sonde_otlp_request request;
        size_t len;

        memcpy(copy, record.ptr, record.len);
        copy[at] = (char)(copy[at] ^ 0x55);
        sonde_buf_reset(&other);
        sonde_otlp_request_begin(&request, &other, S(""));
        len = other.len;
        if (sonde_snapshot_encode(&request, (struct sonde_str){copy, record.len},
                                  S("id-1"), OBSERVED_NS) != SONDE_OK)
            assert_int_equal(other.len, len);
        else
            assert_true(other.len > len);
        assert_int_equal(other.failed, SONDE_OK);
        /* A sound record after the damaged one is encoded as if nothing had been. */
        if (other.len == len) {
            assert_int_equal(
                sonde_snapshot_encode(&request, record, S("id-1"), OBSERVED_NS),
                SONDE_OK);
            sonde_otlp_request_end(&request);
            assert_true(sonde_str_eq(sonde_buf_view(&other), sonde_buf_view(&good)));
        }
    }
    sonde_buf_fini(&good);
    sonde_buf_fini(&other);
    sonde_free(copy);
}

static void
test_no_memory_is_the_buffers_matter(void **state)
{
    (void)state;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("n"));
    integer("42");
    struct sonde_str record = sonde_tape_finish(&tape);

    for (size_t most = 1; most < 300; most++) {
        struct sonde_buf out;

        sonde_buf_init(&out, most);
        assert_int_equal(encode(record, &out), SONDE_OK);
        assert_int_equal(out.failed, SONDE_E_LIMIT);
        sonde_buf_fini(&out);
    }
}

#define SNAPSHOT_TEST(name) \
    cmocka_unit_test_setup_teardown(name, setup_snapshot, teardown_snapshot)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(test_nothing),
        SNAPSHOT_TEST(test_line_with_values_of_every_kind),
        SNAPSHOT_TEST(test_core_04_markers),
        SNAPSHOT_TEST(test_numbers_become_text_here),
        SNAPSHOT_TEST(test_core_04_a_cut_stack_says_so),
        SNAPSHOT_TEST(test_function_is_named_as_in_the_stack),
        SNAPSHOT_TEST(test_function_with_everything),
        SNAPSHOT_TEST(test_throwable),
        SNAPSHOT_TEST(test_py_05_outcomes),
        SNAPSHOT_TEST(test_deepest_value_is_accepted),
        SNAPSHOT_TEST(test_damaged_record_appends_nothing),
        SNAPSHOT_TEST(test_no_memory_is_the_buffers_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
