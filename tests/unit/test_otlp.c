/* SPDX-License-Identifier: Apache-2.0
 *
 * `test_otlp --emit` writes a request to standard output instead, for
 * tests/unit/otlp_oracle.py. */
#include "core/base/alloc.h"
#include "core/wire/otlp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define TIME_NS INT64_C(1700000000123456789)

static const unsigned char trace_id[] = "0123456789abcdef";
static const unsigned char span_id[] = "ABCDEFGH";

/* --- Building requests -------------------------------------------------------------- */

/* A body with all that a snapshot's has. */
static void
put_body(struct sonde_buf *out)
{
    struct sonde_otlp_nest body = sonde_otlp_kvlist_begin(out, SONDE_OTLP_RECORD_BODY);
    struct sonde_otlp_nest stack, frame;
    size_t member;

    member = sonde_otlp_member_begin(out, SONDE_STR("stack"));
    stack = sonde_otlp_array_begin(out, SONDE_OTLP_MEMBER_VALUE);
    frame = sonde_otlp_kvlist_begin(out, SONDE_OTLP_ARRAY_VALUE);
    {
        size_t line = sonde_otlp_member_begin(out, SONDE_STR("line"));

        sonde_otlp_any_int(out, SONDE_OTLP_MEMBER_VALUE, -42);
        sonde_otlp_member_end(out, line);
    }
    sonde_otlp_nest_end(out, frame);
    sonde_otlp_any_str(out, SONDE_OTLP_ARRAY_VALUE, SONDE_STR("second"));
    sonde_otlp_nest_end(out, stack);
    sonde_otlp_member_end(out, member);
    member = sonde_otlp_member_begin(out, SONDE_STR("bad \xFF key"));
    sonde_otlp_any_bool(out, SONDE_OTLP_MEMBER_VALUE, true);
    sonde_otlp_member_end(out, member);
    member = sonde_otlp_member_begin(out, SONDE_STR("text"));
    sonde_otlp_any_str(out, SONDE_OTLP_MEMBER_VALUE, SONDE_STR("\xE2\x82\xAC \xE2\x82"));
    sonde_otlp_member_end(out, member);
    sonde_otlp_nest_end(out, body);
}

static void
put_request(struct sonde_buf *out)
{
    struct sonde_otlp_request request;
    struct sonde_buf attributes;
    size_t record;

    sonde_buf_init(&attributes, 0);
    sonde_otlp_attr_str(&attributes, SONDE_OTLP_RESOURCE_ATTR, "service.name",
                        SONDE_STR("shop"));
    sonde_otlp_attr_int(&attributes, SONDE_OTLP_RESOURCE_ATTR, "process.pid", 4711);
    sonde_otlp_request_begin(&request, out, sonde_buf_view(&attributes));

    record = sonde_otlp_record_begin(&request, TIME_NS, TIME_NS + 5,
                                     SONDE_OTLP_EVENT_SNAPSHOT, trace_id, span_id);
    sonde_otlp_attr_str(out, SONDE_OTLP_RECORD_ATTR, "sonde.probe.id", SONDE_STR("p1"));
    sonde_otlp_attr_int(out, SONDE_OTLP_RECORD_ATTR, "code.line.number", INT64_MIN);
    put_body(out);
    sonde_otlp_record_end(&request, record);

    record = sonde_otlp_record_begin(&request, 0, TIME_NS, NULL, NULL, NULL);
    sonde_otlp_any_str(out, SONDE_OTLP_RECORD_BODY, SONDE_STR(""));
    sonde_otlp_record_end(&request, record);
    sonde_otlp_request_end(&request);
    sonde_buf_fini(&attributes);
}

/* Builds deep values by hand: `depth` AnyValues, each in an array in the one before. */
static void
put_deep_body(struct sonde_buf *out, int depth)
{
    struct sonde_otlp_nest nests[100];

    for (int i = 0; i < depth - 1; i++)
        nests[i] = sonde_otlp_array_begin(out, i == 0 ? SONDE_OTLP_RECORD_BODY
                                                      : SONDE_OTLP_ARRAY_VALUE);
    sonde_otlp_any_int(out, depth == 1 ? SONDE_OTLP_RECORD_BODY : SONDE_OTLP_ARRAY_VALUE,
                       1);
    for (int i = depth - 2; i >= 0; i--)
        sonde_otlp_nest_end(out, nests[i]);
}

/* --- Reading what was written ------------------------------------------------------- */

struct seen {
    int count, stop_after;
    struct sonde_otlp_log logs[8];
};

static int
take_log(void *arg, const struct sonde_otlp_log *log)
{
    struct seen *seen = arg;

    assert_true(seen->count < 8);
    seen->logs[seen->count++] = *log;
    return seen->count == seen->stop_after ? 99 : 0;
}

static const char *
json_of(struct sonde_buf *out, struct sonde_str any)
{
    struct sonde_json_writer json;

    sonde_buf_reset(out);
    sonde_json_writer_init(&json, out);
    assert_int_equal(sonde_otlp_any_to_json(&json, any), SONDE_OK);
    return sonde_buf_cstr(out);
}

static void
test_round_trip(void **state)
{
    struct seen seen = {0};
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_buf out, json;
    const struct sonde_otlp_log *log;

    (void)state;
    sonde_buf_init(&out, 0);
    sonde_buf_init(&json, 0);
    put_request(&out);
    assert_int_equal(out.failed, SONDE_OK);
    assert_int_equal(sonde_otlp_logs_read(sonde_buf_view(&out), take_log, &seen, &err),
                     SONDE_OK);
    assert_int_equal(seen.count, 2);

    log = &seen.logs[0];
    assert_true(log->time_ns == TIME_NS);
    assert_true(sonde_str_eq(log->event_name, SONDE_STR("sonde.snapshot")));
    assert_memory_equal(log->trace_id, trace_id, 16);
    assert_memory_equal(log->span_id, span_id, 8);
    assert_true(sonde_str_eq(
        sonde_otlp_find_str(log->resource, SONDE_OTLP_RESOURCE_ATTR, "service.name"),
        SONDE_STR("shop")));
    assert_int_equal(
        sonde_otlp_find_int(log->resource, SONDE_OTLP_RESOURCE_ATTR, "process.pid", -1),
        4711);
    assert_true(sonde_str_eq(
        sonde_otlp_find_str(log->record, SONDE_OTLP_RECORD_ATTR, "sonde.probe.id"),
        SONDE_STR("p1")));
    assert_true(sonde_otlp_find_int(log->record, SONDE_OTLP_RECORD_ATTR,
                                    "code.line.number", -1) == INT64_MIN);
    assert_string_equal(
        json_of(&json, log->body),
        "{\"stack\":[{\"line\":-42},\"second\"],\"bad \xEF\xBF\xBD key\":true,"
        "\"text\":\"\xE2\x82\xAC \xEF\xBF\xBD\xEF\xBF\xBD\"}");

    log = &seen.logs[1];
    assert_true(log->time_ns == TIME_NS); /* of its observation */
    assert_int_equal(log->event_name.len, 0);
    assert_null(log->trace_id);
    assert_null(log->span_id);
    assert_string_equal(json_of(&json, log->body), "\"\"");

    seen = (struct seen){.stop_after = 1};
    assert_int_equal(sonde_otlp_logs_read(sonde_buf_view(&out), take_log, &seen, &err),
                     99);
    assert_int_equal(seen.count, 1);
    sonde_buf_fini(&json);
    sonde_buf_fini(&out);
}

static void
test_find(void **state)
{
    struct sonde_buf out;

    (void)state;
    sonde_buf_init(&out, 0);
    sonde_otlp_attr_str(&out, 6, "k", SONDE_STR("first"));
    sonde_otlp_attr_str(&out, 6, "k", SONDE_STR("last"));
    sonde_otlp_attr_int(&out, 6, "n", -3);
    sonde_otlp_attr_str(&out, 1, "other", SONDE_STR("field"));
    assert_true(sonde_str_eq(sonde_otlp_find_str(sonde_buf_view(&out), 6, "k"),
                             SONDE_STR("last")));
    assert_int_equal(sonde_otlp_find_int(sonde_buf_view(&out), 6, "n", 0), -3);
    assert_int_equal(sonde_otlp_find_int(sonde_buf_view(&out), 6, "k", 8), 8);
    assert_int_equal(sonde_otlp_find_str(sonde_buf_view(&out), 6, "n").len, 0);
    assert_int_equal(sonde_otlp_find_str(sonde_buf_view(&out), 6, "other").len, 0);
    assert_int_equal(sonde_otlp_find_str((struct sonde_str){0}, 6, "k").len, 0);
    assert_int_equal(sonde_otlp_find_int(SONDE_STR("\x0b\xff"), 6, "k", 5), 5);
    sonde_buf_fini(&out);
}

/* --- Refusing ----------------------------------------------------------------------- */

/* Wraps `record` as the only LogRecord of a request. */
static void
wrap_record(struct sonde_buf *out, struct sonde_str record)
{
    size_t resource_logs = sonde_pb_open(out, 1);
    size_t scope_logs = sonde_pb_open(out, 2);

    sonde_pb_bytes(out, 2, record);
    sonde_pb_close(out, scope_logs);
    sonde_pb_close(out, resource_logs);
}

static int
read_record(struct sonde_str record, struct seen *seen, struct sonde_err *err)
{
    struct sonde_buf out;
    char *copy;
    int code;

    sonde_buf_init(&out, 0);
    wrap_record(&out, record);
    copy = malloc(out.len); /* of the exact size, for the address sanitizer */
    memcpy(copy, out.data, out.len);
    code = sonde_otlp_logs_read((struct sonde_str){copy, out.len}, take_log, seen, err);
    free(copy);
    sonde_buf_fini(&out);
    return code;
}

static void
test_refuses(void **state)
{
    static const struct {
        struct sonde_str record;
        const char *part;
    } cases[] = {
        {SONDE_STR("\x0a"), ""},                    /* cut short */
        {SONDE_STR("\x08\x01"), ".time_unix_nano"}, /* a varint, not fixed64 */
        {SONDE_STR("\x09\0\0\0\0\0\0\0\x80"), ".time_unix_nano"},
        {SONDE_STR("\x59\0\0\0\0\0\0\0\x80"), ".observed_time_unix_nano"},
        {SONDE_STR("\x12\x01x"), ".severity_number"},
        {SONDE_STR("\x1a\x01\xff"), ".severity_text"},
        {SONDE_STR("\x2a\x01\x0a"), ".body"},
        {SONDE_STR("\x2a\x03\x0a\x01\xff"), ".body"}, /* a string, not UTF-8 */
        {SONDE_STR("\x2a\x02\x08\x01"), ".body"},     /* a string of a varint */
        {SONDE_STR("\x2a\x06\x2a\x04\x0a\x02\x0a\x05"), ".body"}, /* in an array */
        {SONDE_STR("\x2a\x07\x32\x05\x0a\x03\x0a\x01\xff"),
         ".body"}, /* a key, not UTF-8 */
        {SONDE_STR("\x32\x03\x0a\x01\xff"), ".attributes"},
        {SONDE_STR("\x38\x80"), ""},
        {SONDE_STR("\x40\x01"), ".flags"},
        {SONDE_STR("\x4a\x03xyz"), ".trace_id"},
        {SONDE_STR("\x52\x10"
                   "0123456789abcdef"),
         ".span_id"},
        {SONDE_STR("\x62\x01\xc3"), ".event_name"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen = {0};
        struct sonde_err err = SONDE_ERR_INIT;
        char where[128] = "resource_logs[0].scope_logs[0].log_records[0]";

        strcat(where, cases[i].part);
        where[sizeof(err.where) - 1] = '\0'; /* where it is cut */
        assert_int_equal(read_record(cases[i].record, &seen, &err), SONDE_E_SYNTAX);
        assert_string_equal(err.where, where);
        assert_int_not_equal(err.message[0], '\0');
        assert_int_equal(seen.count, 0);
    }
}

static void
test_refuses_everywhere(void **state)
{
    static const struct {
        struct sonde_str request;
        const char *where;
    } cases[] = {
        {SONDE_STR("\x0b"), "request"},
        {SONDE_STR("\x08\x01"), "resource_logs[0]"},
        {SONDE_STR("\x0a\x00\x0a\x02\x08\x01"), "resource_logs[1].resource"},
        {SONDE_STR("\x0a\x05\x0a\x03\x0a\x01\x0a"), "resource_logs[0].resource"},
        {SONDE_STR("\x0a\x03\x1a\x01\xff"), "resource_logs[0].schema_url"},
        {SONDE_STR("\x0a\x04\x12\x02\x0a\x05"), "resource_logs[0].scope_logs[0]"},
        {SONDE_STR("\x0a\x07\x12\x05\x0a\x03\x0a\x01\xff"),
         "resource_logs[0].scope_logs[0].scope"},
        {SONDE_STR("\x0a\x06\x12\x00\x12\x02\x10\x01"),
         "resource_logs[0].scope_logs[1].log_records[0]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen = {0};
        struct sonde_err err = SONDE_ERR_INIT;

        assert_int_equal(sonde_otlp_logs_read(cases[i].request, take_log, &seen, &err),
                         SONDE_E_SYNTAX);
        assert_string_equal(err.where, cases[i].where);
    }
}

/* All or nothing: the good record before a bad one is not delivered. */
static void
test_nothing_of_a_bad_request(void **state)
{
    struct seen seen = {0};
    struct sonde_buf out;

    (void)state;
    sonde_buf_init(&out, 0);
    put_request(&out);
    wrap_record(&out, SONDE_STR("\x4a\x01x"));
    assert_int_equal(sonde_otlp_logs_read(sonde_buf_view(&out), take_log, &seen, NULL),
                     SONDE_E_SYNTAX);
    assert_int_equal(seen.count, 0);
    sonde_buf_fini(&out);
}

static void
test_depth(void **state)
{
    (void)state;
    for (int depth = SONDE_OTLP_MAX_DEPTH; depth <= SONDE_OTLP_MAX_DEPTH + 1; depth++) {
        int wanted = depth == SONDE_OTLP_MAX_DEPTH ? SONDE_OK : SONDE_E_LIMIT;
        struct sonde_err err = SONDE_ERR_INIT;
        struct seen seen = {0};
        struct sonde_pb_reader reader;
        struct sonde_pb_field body;
        struct sonde_json_writer json;
        struct sonde_buf out, text;

        sonde_buf_init(&out, 0);
        sonde_buf_init(&text, 0);
        put_deep_body(&out, depth);
        assert_int_equal(read_record(sonde_buf_view(&out), &seen, &err), wanted);
        sonde_pb_reader_init(&reader, sonde_buf_view(&out));
        assert_int_equal(sonde_pb_next(&reader, &body), 1);
        sonde_json_writer_init(&json, &text);
        assert_int_equal(sonde_otlp_any_to_json(&json, body.bytes), wanted);
        sonde_buf_fini(&text);
        sonde_buf_fini(&out);
    }
}

static void
test_every_cut_and_every_flip(void **state)
{
    struct sonde_buf out;

    (void)state;
    sonde_buf_init(&out, 0);
    put_request(&out);
    for (size_t len = 0; len < out.len; len++) {
        struct seen seen = {0};
        char *copy = malloc(len + 1);

        memcpy(copy, out.data, len);
        /* Cut anywhere but at nothing, the outermost length is a lie. */
        assert_int_equal(
            sonde_otlp_logs_read((struct sonde_str){copy, len}, take_log, &seen, NULL),
            len == 0 ? SONDE_OK : SONDE_E_SYNTAX);
        free(copy);
    }
    for (size_t bit = 0; bit < out.len * 8; bit++) {
        struct seen seen = {0};
        struct sonde_buf json;

        out.data[bit / 8] = (char)(out.data[bit / 8] ^ 1 << bit % 8);
        sonde_buf_init(&json, 0);
        if (sonde_otlp_logs_read(sonde_buf_view(&out), take_log, &seen, NULL) ==
            SONDE_OK) {
            for (int i = 0; i < seen.count; i++)
                json_of(&json, seen.logs[i].body);
        }
        out.data[bit / 8] = (char)(out.data[bit / 8] ^ 1 << bit % 8);
        sonde_buf_fini(&json);
    }
    sonde_buf_fini(&out);
}

/* --- What other writers may do ------------------------------------------------------ */

static void
test_order_and_repeats(void **state)
{
    struct seen seen = {0};
    struct sonde_buf out, record, resource, json;
    size_t resource_logs, scope_logs;

    (void)state;
    sonde_buf_init(&out, 0);
    sonde_buf_init(&record, 0);
    sonde_buf_init(&resource, 0);
    sonde_buf_init(&json, 0);
    sonde_pb_bytes(&record, 99, SONDE_STR("from a later version \xff"));
    sonde_otlp_any_int(&record, SONDE_OTLP_RECORD_BODY, 1);
    sonde_otlp_any_int(&record, SONDE_OTLP_RECORD_BODY, 2);
    sonde_pb_bytes(&record, 9, SONDE_STR("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    sonde_pb_bytes(&record, 10, (struct sonde_str){0});
    sonde_otlp_attr_str(&resource, SONDE_OTLP_RESOURCE_ATTR, "a", SONDE_STR("b"));
    resource_logs = sonde_pb_open(&out, 1);
    scope_logs = sonde_pb_open(&out, 2);
    sonde_pb_bytes(&out, 2, sonde_buf_view(&record));
    sonde_pb_close(&out, scope_logs);
    sonde_pb_bytes(&out, 1, SONDE_STR(""));
    sonde_pb_bytes(&out, 1, sonde_buf_view(&resource)); /* after its logs, and twice */
    sonde_pb_close(&out, resource_logs);

    assert_int_equal(sonde_otlp_logs_read(sonde_buf_view(&out), take_log, &seen, NULL),
                     SONDE_OK);
    assert_int_equal(seen.count, 1);
    assert_string_equal(json_of(&json, seen.logs[0].body), "2");
    assert_null(seen.logs[0].trace_id);
    assert_null(seen.logs[0].span_id);
    assert_true(
        sonde_str_eq(sonde_otlp_find_str(seen.logs[0].resource, 1, "a"), SONDE_STR("b")));
    sonde_buf_fini(&out);
    sonde_buf_fini(&record);
    sonde_buf_fini(&resource);
    sonde_buf_fini(&json);
}

static void
test_any_to_json(void **state)
{
    static const struct {
        struct sonde_str any;
        const char *json;
    } cases[] = {
        {SONDE_STR(""), "null"},
        {SONDE_STR("\x0a\x02hi"), "\"hi\""},
        {SONDE_STR("\x10\x00"), "false"},
        {SONDE_STR("\x10\x02"), "true"},
        {SONDE_STR("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "-1"},
        {SONDE_STR("\x21\0\0\0\0\0\0\xf8\x3f"), "1.5"},
        {SONDE_STR("\x21\0\0\0\0\0\0\xf8\x7f"), "\"NaN\""},
        {SONDE_STR("\x21\0\0\0\0\0\0\xf0\x7f"), "\"Infinity\""},
        {SONDE_STR("\x21\0\0\0\0\0\0\xf0\xff"), "\"-Infinity\""},
        {SONDE_STR("\x2a\x00"), "[]"},
        {SONDE_STR("\x32\x00"), "{}"},
        {SONDE_STR("\x2a\x06\x0a\x02\x18\x01\x0a\x00"), "[1,null]"},
        {SONDE_STR("\x32\x05\x0a\x03\x0a\x01k"), "{\"k\":null}"},
        {SONDE_STR("\x3a\x00"), "\"\""},
        {SONDE_STR("\x3a\x01\xff"), "\"/w==\""},
        {SONDE_STR("\x3a\x02\xff\xfe"), "\"//4=\""},
        {SONDE_STR("\x3a\x03\xff\xfe\xfd"), "\"//79\""},
        {SONDE_STR("\x3a\x04"
                   "abcd"),
         "\"YWJjZA==\""},
        {SONDE_STR("\x18\x01\x0a\x01x"), "\"x\""}, /* two: the last one */
    };
    static const struct sonde_str malformed[] = {
        SONDE_STR("\x0a"),
        SONDE_STR("\x08\x01"),
        SONDE_STR("\x2a\x02\x08\x01"),
        SONDE_STR("\x32\x02\x08\x01"),
        SONDE_STR("\x32\x03\x0a\x01\x0a"),
        SONDE_STR("\x2a\x03\x0a\x01\x0a"),
    };
    struct sonde_json_writer json;
    struct sonde_buf out;

    (void)state;
    sonde_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(json_of(&out, cases[i].any), cases[i].json);
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        sonde_buf_reset(&out);
        sonde_json_writer_init(&json, &out);
        assert_int_equal(sonde_otlp_any_to_json(&json, malformed[i]), SONDE_E_SYNTAX);
    }
    sonde_buf_fini(&out);
}

/* --- OTLP/JSON ---------------------------------------------------------------------- */

static int
from_json(struct sonde_buf *out, const char *text, struct sonde_err *err)
{
    const struct sonde_json *json = NULL;
    struct sonde_arena arena;
    int code;

    sonde_arena_init(&arena, 0);
    assert_int_equal(sonde_json_read(&json, &arena, sonde_str_from(text), NULL),
                     SONDE_OK);
    code = sonde_otlp_logs_from_json(out, json, err);
    sonde_arena_fini(&arena);
    return code;
}

static void
test_from_json(void **state)
{
    static const char text[] =
        "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
        "\"value\":"
        "{\"stringValue\":\"shop\"}}],\"droppedAttributesCount\":1},\"schemaUrl\":\"s\","
        "\"scopeLogs\":[{\"scope\":{\"name\":\"n\",\"version\":\"v\",\"attributes\":[]},"
        "\"unknown\":{\"anything\":[1]},\"logRecords\":["
        "{\"timeUnixNano\":\"1700000000123456789\",\"severityNumber\":9,\"severityText\":"
        "\"INFO\","
        "\"traceId\":\"0123456789abcdefABCDEF0123456789\",\"spanId\":"
        "\"00000000000000ff\","
        "\"flags\":1,\"eventName\":\"sonde.snapshot\",\"droppedAttributesCount\":0,"
        "\"attributes\":[{\"key\":\"n\",\"value\":{\"intValue\":\"-7\"}}],"
        "\"body\":{\"kvlistValue\":{\"values\":["
        "{\"key\":\"i\",\"value\":{\"intValue\":12}},"
        "{\"key\":\"e\",\"value\":{\"intValue\":1e3}},"
        "{\"key\":\"d\",\"value\":{\"doubleValue\":1}},"
        "{\"key\":\"ds\",\"value\":{\"doubleValue\":\"2.5\"}},"
        "{\"key\":\"nan\",\"value\":{\"doubleValue\":\"NaN\"}},"
        "{\"key\":\"b\",\"value\":{\"boolValue\":true}},"
        "{\"key\":\"bytes\",\"value\":{\"bytesValue\":\"//79\"}},"
        "{\"key\":\"url\",\"value\":{\"bytesValue\":\"__4\"}},"
        "{\"key\":\"a\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":"
        "\"\\u20ac\"},{}]}}},"
        "{\"key\":\"empty\",\"value\":{\"arrayValue\":{}}},"
        "{\"key\":\"unset\",\"value\":{\"stringValue\":null}},"
        "{\"key\":\"none\"}]}}},"
        "{\"observedTimeUnixNano\":5,\"traceId\":\"\",\"body\":null}]}]}]}";
    struct seen seen = {0};
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_buf out, json;
    const struct sonde_otlp_log *log;

    (void)state;
    sonde_buf_init(&out, 0);
    sonde_buf_init(&json, 0);
    assert_int_equal(from_json(&out, text, &err), SONDE_OK);
    assert_int_equal(sonde_otlp_logs_read(sonde_buf_view(&out), take_log, &seen, &err),
                     SONDE_OK);
    assert_int_equal(seen.count, 2);
    log = &seen.logs[0];
    assert_true(log->time_ns == TIME_NS);
    assert_memory_equal(
        log->trace_id, "\x01\x23\x45\x67\x89\xab\xcd\xef\xAB\xCD\xEF\x01\x23\x45\x67\x89",
        16);
    assert_memory_equal(log->span_id, "\0\0\0\0\0\0\0\xff", 8);
    assert_true(sonde_str_eq(log->event_name, SONDE_STR("sonde.snapshot")));
    assert_true(sonde_str_eq(sonde_otlp_find_str(log->resource, 1, "service.name"),
                             SONDE_STR("shop")));
    assert_int_equal(sonde_otlp_find_int(log->record, 6, "n", 0), -7);
    assert_string_equal(
        json_of(&json, log->body),
        "{\"i\":12,\"e\":1000,\"d\":1.0,\"ds\":2.5,\"nan\":\"NaN\",\"b\":true,"
        "\"bytes\":\"//79\",\"url\":\"//4=\",\"a\":[\"\xE2\x82\xAC\",null],"
        "\"empty\":[],\"unset\":null,\"none\":null}");
    log = &seen.logs[1];
    assert_int_equal(log->time_ns, 5);
    assert_null(log->trace_id);
    assert_int_equal(log->body.len, 0);
    sonde_buf_fini(&json);
    sonde_buf_fini(&out);
}

static void
test_from_json_empty(void **state)
{
    static const char *const texts[] = {
        "{}", "{\"resourceLogs\":null}", "{\"resourceLogs\":[]}",
        "{\"resourceLogs\":[{}]}", "{\"resourceLogs\":[{\"scopeLogs\":[{}]}]}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct seen seen = {0};
        struct sonde_buf out;

        sonde_buf_init(&out, 0);
        assert_int_equal(from_json(&out, texts[i], NULL), SONDE_OK);
        assert_int_equal(
            sonde_otlp_logs_read(sonde_buf_view(&out), take_log, &seen, NULL), SONDE_OK);
        assert_int_equal(seen.count, 0);
        sonde_buf_fini(&out);
    }
}

/* Each stands for a whole LogRecord. */
static const struct {
    const char *record, *part;
} bad_records[] = {
    {"1", ""},
    {"null", ""},
    {"{\"timeUnixNano\":-1}", ".timeUnixNano"},
    {"{\"timeUnixNano\":\"1x\"}", ".timeUnixNano"},
    {"{\"timeUnixNano\":\"\"}", ".timeUnixNano"},
    {"{\"timeUnixNano\":\"9223372036854775808\"}", ".timeUnixNano"},
    {"{\"timeUnixNano\":1.5}", ".timeUnixNano"},
    {"{\"observedTimeUnixNano\":[]}", ".observedTimeUnixNano"},
    {"{\"severityNumber\":\"INFO\"}", ".severityNumber"},
    {"{\"flags\":4294967296}", ".flags"},
    {"{\"severityText\":1}", ".severityText"},
    {"{\"traceId\":\"00\"}", ".traceId"},
    {"{\"traceId\":\"0123456789abcdef0123456789abcdeg\"}", ".traceId"},
    {"{\"spanId\":7}", ".spanId"},
    {"{\"body\":\"text\"}", ".body"},
    {"{\"body\":{\"stringValue\":1}}", ".body"},
    {"{\"body\":{\"boolValue\":\"true\"}}", ".body"},
    {"{\"body\":{\"intValue\":1.5}}", ".body"},
    {"{\"body\":{\"intValue\":1e300}}", ".body"},
    {"{\"body\":{\"intValue\":true}}", ".body"},
    {"{\"body\":{\"doubleValue\":\"0x1p3\"}}", ".body"},
    {"{\"body\":{\"doubleValue\":\"1\\u00002\"}}", ".body"},
    {"{\"body\":{\"doubleValue\":\"\"}}", ".body"},
    {"{\"body\":{\"doubleValue\":true}}", ".body"},
    {"{\"body\":{\"bytesValue\":\"a\"}}", ".body"},
    {"{\"body\":{\"bytesValue\":\"a=bc\"}}", ".body"},
    {"{\"body\":{\"bytesValue\":1}}", ".body"},
    {"{\"body\":{\"arrayValue\":[]}}", ".body"},
    {"{\"body\":{\"arrayValue\":{\"values\":{}}}}", ".body"},
    {"{\"body\":{\"arrayValue\":{\"values\":[1]}}}", ".body"},
    {"{\"body\":{\"kvlistValue\":{\"values\":[1]}}}", ".body"},
    {"{\"body\":{\"kvlistValue\":{\"values\":[{\"key\":1}]}}}", ".body"},
    {"{\"body\":{\"intValue\":1,\"stringValue\":\"x\"}}", ".body"},
    {"{\"attributes\":{}}", ".attributes"},
    {"{\"attributes\":[1]}", ".attributes"},
    {"{\"attributes\":[{\"key\":\"k\",\"value\":1}]}", ".attributes"},
};

static const struct {
    const char *request, *where;
} bad_requests[] = {
    {"[]", "request"},
    {"{\"resourceLogs\":{}}", "resourceLogs"},
    {"{\"resourceLogs\":[{},1]}", "resourceLogs[1]"},
    {"{\"resourceLogs\":[{\"resource\":[]}]}", "resourceLogs[0].resource"},
    {"{\"resourceLogs\":[{\"resource\":{\"attributes\":1}}]}",
     "resourceLogs[0].resource"},
    {"{\"resourceLogs\":[{\"schemaUrl\":1}]}", "resourceLogs[0].schemaUrl"},
    {"{\"resourceLogs\":[{\"scopeLogs\":[{\"scope\":{\"name\":1}}]}]}",
     "resourceLogs[0].scopeLogs[0].scope"},
    {"{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":\"\"}]}]}",
     "resourceLogs[0].scopeLogs[0].logRecords"},
};

static void
test_from_json_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_records) / sizeof(bad_records[0]); i++) {
        char text[256], where[64];
        struct sonde_err err = SONDE_ERR_INIT;
        struct sonde_buf out;

        sonde_buf_init(&out, 0);
        snprintf(text, sizeof(text),
                 "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[%s]}]}]}",
                 bad_records[i].record);
        snprintf(where, sizeof(where), "resourceLogs[0].scopeLogs[0].logRecords[0]%s",
                 bad_records[i].part);
        if (from_json(&out, text, &err) != SONDE_E_SYNTAX ||
            strcmp(err.where, where) != 0)
            fail_msg("%s: %s: %s", bad_records[i].record, err.where, err.message);
        sonde_buf_fini(&out);
    }
    for (size_t i = 0; i < sizeof(bad_requests) / sizeof(bad_requests[0]); i++) {
        struct sonde_err err = SONDE_ERR_INIT;
        struct sonde_buf out;

        sonde_buf_init(&out, 0);
        if (from_json(&out, bad_requests[i].request, &err) != SONDE_E_SYNTAX ||
            strcmp(err.where, bad_requests[i].where) != 0)
            fail_msg("%s: %s: %s", bad_requests[i].request, err.where, err.message);
        sonde_buf_fini(&out);
    }
}

static void
test_full_buffer(void **state)
{
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_buf out;

    (void)state;
    sonde_buf_init(&out, 4);
    assert_int_equal(
        from_json(&out, "{\"resourceLogs\":[{\"schemaUrl\":\"long\"}]}", &err),
        SONDE_E_LIMIT);
    assert_int_equal(err.code, SONDE_E_LIMIT);
    sonde_buf_fini(&out);

    sonde_buf_init(&out, 0);
    sonde_alloc_testonly_fail_at(2, true);
    put_request(&out);
    sonde_alloc_testonly_fail_at(0, false);
    assert_int_equal(out.failed, SONDE_E_NOMEM);
    sonde_buf_fini(&out);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_refuses_everywhere),
        cmocka_unit_test(test_nothing_of_a_bad_request),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_every_cut_and_every_flip),
        cmocka_unit_test(test_order_and_repeats),
        cmocka_unit_test(test_any_to_json),
        cmocka_unit_test(test_from_json),
        cmocka_unit_test(test_from_json_empty),
        cmocka_unit_test(test_from_json_refuses),
        cmocka_unit_test(test_full_buffer),
    };

    if (argc == 2 && strcmp(argv[1], "--emit") == 0) {
        struct sonde_buf out;

        sonde_buf_init(&out, 0);
        put_request(&out);
        fwrite(out.data, 1, out.len, stdout);
        sonde_buf_fini(&out);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
