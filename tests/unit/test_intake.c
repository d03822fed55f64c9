/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /v1/logs: protobuf and JSON, compressed or not, and all that is wrong with them.
 * CORE-15: snapshots travel as OTLP/HTTP logs. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/wire/gzip.h"
#include "core/wire/otlp.h"
#include "tests/unit/collector_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#define PROTOBUF "Content-Type: application/x-protobuf\r\n"
#define JSON "Content-Type: application/json\r\n"
#define GZIP "Content-Encoding: gzip\r\n"

static int
setup(void **state)
{
    struct kit *kit = calloc(1, sizeof(*kit));
    sonde_log_set_level(SONDE_LOG_OFF);
    kit_init(kit);
    kit_start(kit);
    *state = kit;
    return 0;
}

static int
teardown(void **state)
{
    kit_fini(*state);
    free(*state);
    return 0;
}

static void
send_logs(const struct kit *kit, struct reply *reply, const char *headers,
          struct sonde_str body)
{
    kit_call(kit, reply, "POST", "/v1/logs", headers, body);
}

/* --- What is taken ------------------------------------------------------------------ */

static void
protobuf_is_stored(void **state)
{
    char ids[256];
    kit_store(*state, "a", 3, "p1", "shop", sonde_clock_wall_ns());
    assert_int_equal(kit_list(*state, "", ids, sizeof(ids)), 3);
    assert_string_equal(ids, "a-2 a-1 a-0");
}

static void
gzip_is_stored(void **state)
{
    struct sonde_buf plain;
    struct sonde_buf packed;
    struct reply reply;
    char ids[256];
    sonde_buf_init(&plain, 0);
    sonde_buf_init(&packed, 0);
    kit_logs(&plain, "z", 100, "p1", "shop", sonde_clock_wall_ns());
    assert_int_equal(sonde_gzip_append(&packed, sonde_buf_view(&plain)), SONDE_OK);
    send_logs(*state, &reply, PROTOBUF GZIP, sonde_buf_view(&packed));
    assert_int_equal(reply.status, 200);
    assert_string_equal(kit_reply_header(&reply, "Content-Type"),
                        "application/x-protobuf");
    assert_int_equal(kit_list(*state, "?limit=1000", ids, sizeof(ids)), 100);
    kit_reply_fini(&reply);
    sonde_buf_fini(&plain);
    sonde_buf_fini(&packed);
}

static const char json_logs[] =
    "{\"resourceLogs\":[{\"resource\":{\"attributes\":["
    "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"shop\"}},"
    "{\"key\":\"process.pid\",\"value\":{\"intValue\":\"4242\"}}]},\"someday\":1,"
    "\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":\"1700000000000000000\","
    "\"eventName\":\"sonde.snapshot\",\"traceId\":\"0123456789abcdef0123456789abcdef\","
    "\"spanId\":\"0123456789abcdef\",\"attributes\":["
    "{\"key\":\"sonde.snapshot.id\",\"value\":{\"stringValue\":\"j-1\"}},"
    "{\"key\":\"sonde.probe.id\",\"value\":{\"stringValue\":\"p-j\"}},"
    "{\"key\":\"code.line.number\",\"value\":{\"intValue\":7}}],"
    "\"body\":{\"kvlistValue\":{\"values\":[{\"key\":\"captures\",\"value\":{"
    "\"kvlistValue\":"
    "{\"values\":[{\"key\":\"n\",\"value\":{\"intValue\":\"1\"}}]}}}]}}}]}]}]}";

static void
json_is_stored(void **state)
{
    struct reply reply;
    send_logs(*state, &reply, JSON, sonde_str_from(json_logs));
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body.data, "{}");
    kit_reply_fini(&reply);

    kit_get(*state, &reply, "/api/v1/snapshots/j-1");
    assert_int_equal(reply.status, 200);
    kit_assert_str(reply.json, "probe_id", "p-j");
    kit_assert_str(reply.json, "service", "shop");
    const struct sonde_json *trace = sonde_json_get(reply.json, "trace");
    kit_assert_str(trace, "trace_id", "0123456789abcdef0123456789abcdef");
    kit_assert_str(trace, "span_id", "0123456789abcdef");
    assert_int_equal(sonde_json_get_int(sonde_json_get(reply.json, "runtime"), "pid", 0),
                     4242);
    assert_int_equal(
        sonde_json_get_int(sonde_json_get(reply.json, "location"), "line", 0), 7);
    assert_int_equal(sonde_json_get_int(sonde_json_get(reply.json, "captures"), "n", 0),
                     1);
    assert_int_equal(sonde_json_get(reply.json, "duration_ns")->type, SONDE_JSON_NULL);
    assert_int_equal(sonde_json_get(reply.json, "suspended_ns")->type, SONDE_JSON_NULL);
    assert_int_equal(sonde_json_get(reply.json, "outcome")->type, SONDE_JSON_NULL);
    kit_reply_fini(&reply);
}

static void
empty_request_is_fine(void **state)
{
    struct reply reply;
    send_logs(*state, &reply, PROTOBUF, SONDE_STR(""));
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.len, 0);
    kit_reply_fini(&reply);
    send_logs(*state, &reply, JSON, SONDE_STR("{}"));
    assert_int_equal(reply.status, 200);
    kit_reply_fini(&reply);
}

/* CORE-12: agents send again what was not acknowledged; nothing is kept twice. */
static void
repeated_snapshots_are_kept_once(void **state)
{
    char ids[256];
    int64_t now_ns = sonde_clock_wall_ns();
    kit_store(*state, "a", 2, "p", "s", now_ns);
    kit_store(*state, "a", 3, "p", "s", now_ns);
    assert_int_equal(kit_list(*state, "", ids, sizeof(ids)), 3);
    kit_stop(*state);
    kit_start(*state);
    kit_store(*state, "a", 3, "p", "s", now_ns);
    assert_int_equal(kit_list(*state, "", ids, sizeof(ids)), 3);
    assert_string_equal(ids, "a-2 a-1 a-0");
}

/* --- What is not, and counted ------------------------------------------------------- */

static uint64_t
rejected_of(const struct reply *reply, struct sonde_str *message)
{
    struct sonde_pb_reader reader;
    struct sonde_pb_field partial;
    struct sonde_pb_field field;
    uint64_t count = 0;
    sonde_pb_reader_init(&reader, sonde_buf_view(&reply->body));
    assert_int_equal(sonde_pb_next(&reader, &partial), 1);
    assert_int_equal(partial.number, 1);
    sonde_pb_reader_init(&reader, partial.bytes);
    while (sonde_pb_next(&reader, &field) == 1) {
        count = field.number == 1 ? field.value : count;
        *message = field.number == 2 ? field.bytes : *message;
    }
    return count;
}

static void
other_records_are_counted(void **state)
{
    struct sonde_buf body;
    struct reply reply;
    struct sonde_str message = {NULL, 0};
    struct sonde_otlp_request request;
    char ids[64];
    sonde_buf_init(&body, 0);
    kit_logs(&body, "good", 1, "p", "s", sonde_clock_wall_ns());
    sonde_otlp_request_begin(&request, &body, SONDE_STR("")); /* a second ResourceLogs */
    sonde_otlp_record_end(&request,
                          sonde_otlp_record_begin(&request, 1, 1, "app.log", NULL, NULL));
    sonde_otlp_record_end(
        &request,
        sonde_otlp_record_begin(&request, 1, 1, SONDE_OTLP_EVENT_SNAPSHOT, NULL, NULL));
    sonde_otlp_request_end(&request);
    send_logs(*state, &reply, PROTOBUF, sonde_buf_view(&body));
    assert_int_equal(reply.status, 200);
    assert_int_equal(rejected_of(&reply, &message), 2);
    assert_true(message.len > 0);
    assert_int_equal(kit_list(*state, "", ids, sizeof(ids)), 1);
    kit_reply_fini(&reply);
    sonde_buf_fini(&body);

    send_logs(*state, &reply, JSON,
              SONDE_STR("{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{}]}]}]}"));
    const struct sonde_json *partial = sonde_json_get(reply.json, "partialSuccess");
    kit_assert_str(partial, "rejectedLogRecords", "1");
    kit_reply_fini(&reply);
}

static void
odd_ids_are_rejected(void **state)
{
    static const char *const prefixes[] = {"a/b", "a b", "a\"b"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        struct sonde_buf body;
        struct reply reply;
        struct sonde_str message;
        sonde_buf_init(&body, 0);
        kit_logs(&body, prefixes[i], 1, "p", "s", 1);
        send_logs(*state, &reply, PROTOBUF, sonde_buf_view(&body));
        assert_int_equal(rejected_of(&reply, &message), 1);
        kit_reply_fini(&reply);
        sonde_buf_fini(&body);
    }
}

/* --- Errors ------------------------------------------------------------------------- */

/* google.rpc.Status in the request's own content type. */
static void
assert_status(const struct reply *reply, int status, uint64_t grpc)
{
    const char *type = kit_reply_header(reply, "Content-Type");
    if (reply->status != status) {
        fail_msg("%d, not %d: %s", reply->status, status, reply->body.data);
    }
    assert_non_null(type);
    if (strcmp(type, "application/json") == 0) {
        assert_int_equal(sonde_json_get_int(reply->json, "code", -1), (int64_t)grpc);
        assert_true(sonde_json_get_str(reply->json, "message").len > 0);
        return;
    }
    struct sonde_pb_reader reader;
    struct sonde_pb_field field;
    assert_string_equal(type, "application/x-protobuf");
    sonde_pb_reader_init(&reader, sonde_buf_view(&reply->body));
    assert_int_equal(sonde_pb_next(&reader, &field), 1);
    assert_int_equal(field.number, 1);
    assert_int_equal(field.value, grpc);
    assert_int_equal(sonde_pb_next(&reader, &field), 1);
    assert_int_equal(field.number, 2);
    assert_true(field.bytes.len > 0);
}

static void
assert_refused(const struct kit *kit, const char *headers, struct sonde_str body,
               int status, uint64_t grpc)
{
    struct reply reply;
    send_logs(kit, &reply, headers, body);
    assert_status(&reply, status, grpc);
    kit_reply_fini(&reply);
}

static void
malformed_bodies_are_refused(void **state)
{
    struct sonde_buf body;
    sonde_buf_init(&body, 0);
    kit_logs(&body, "t", 5, "p", "s", 1);
    assert_refused(*state, PROTOBUF, SONDE_STR("\xff\xff\xff\xff"), 400, 3);
    assert_refused(*state, PROTOBUF, (struct sonde_str){body.data, body.len - 3}, 400, 3);
    assert_refused(*state, JSON, SONDE_STR("{\"resourceLogs\":"), 400, 3);
    assert_refused(*state, JSON, SONDE_STR("{\"resourceLogs\":7}"), 400, 3);
    assert_refused(*state, JSON, SONDE_STR("\xff"), 400, 3);
    assert_refused(*state, "Content-Type: text/plain\r\n", SONDE_STR("x"), 415, 3);
    assert_refused(*state, "", SONDE_STR("x"), 415, 3);
    assert_refused(*state, PROTOBUF "Content-Encoding: br\r\n", SONDE_STR("x"), 415, 3);
    assert_refused(*state, JSON "Content-Encoding: br\r\n", SONDE_STR("x"), 415, 3);
    char ids[64];
    assert_int_equal(kit_list(*state, "", ids, sizeof(ids)), 0);
    sonde_buf_fini(&body);
}

static void
deep_nesting_is_refused(void **state)
{
    struct sonde_buf body;
    sonde_buf_init(&body, 0);
    for (int i = 0; i < 100000; i++) {
        sonde_buf_byte(&body, '[');
    }
    assert_refused(*state, JSON, sonde_buf_view(&body), 413, 3);
    sonde_buf_fini(&body);
}

static void
damaged_gzip_is_refused(void **state)
{
    struct sonde_buf plain;
    struct sonde_buf packed;
    sonde_buf_init(&plain, 0);
    sonde_buf_init(&packed, 0);
    kit_logs(&plain, "t", 50, "p", "s", 1);
    assert_int_equal(sonde_gzip_append(&packed, sonde_buf_view(&plain)), SONDE_OK);
    assert_refused(*state, PROTOBUF GZIP, (struct sonde_str){packed.data, packed.len / 2},
                   400, 3);
    assert_refused(*state, PROTOBUF GZIP, (struct sonde_str){packed.data, packed.len - 1},
                   400, 3);
    assert_refused(*state, PROTOBUF GZIP, (struct sonde_str){packed.data, 5}, 400, 3);
    packed.data[packed.len / 2] ^= 0x55;
    assert_refused(*state, PROTOBUF GZIP, sonde_buf_view(&packed), 400, 3);
    assert_refused(*state, PROTOBUF GZIP, SONDE_STR(""), 400, 3);
    assert_refused(*state, PROTOBUF GZIP, SONDE_STR("not gzip at all"), 400, 3);
    sonde_buf_fini(&plain);
    sonde_buf_fini(&packed);
}

/* A small body that would be gigabytes of zeros, and one that is over the limit
 * honestly. */
static void
bombs_are_refused(void **state)
{
    struct sonde_buf zeros;
    struct sonde_buf packed;
    sonde_buf_init(&zeros, 0);
    sonde_buf_init(&packed, 0);
    char *room = sonde_buf_reserve(&zeros, (size_t)128 << 20);
    assert_non_null(room);
    memset(room, 0, (size_t)128 << 20);
    zeros.len = (size_t)128 << 20;
    assert_int_equal(sonde_gzip_append(&packed, sonde_buf_view(&zeros)), SONDE_OK);
    assert_refused(*state, PROTOBUF GZIP, sonde_buf_view(&packed), 413, 3);

    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < zeros.len; i++) { /* about 50:1, so under the ratio's bound */
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        zeros.data[i] = i % 128 == 0 ? (char)random : 0;
    }
    sonde_buf_reset(&packed);
    assert_int_equal(sonde_gzip_append(&packed, sonde_buf_view(&zeros)), SONDE_OK);
    assert_true(packed.len < (16u << 20));
    assert_refused(*state, PROTOBUF GZIP, sonde_buf_view(&packed), 413, 3);
    sonde_buf_fini(&zeros);
    sonde_buf_fini(&packed);
}

static void
oversized_bodies_are_refused(void **state)
{
    struct sonde_buf body;
    struct reply reply;
    sonde_buf_init(&body, 0);
    char *room = sonde_buf_reserve(&body, (size_t)17 << 20);
    assert_non_null(room);
    memset(room, 'x', (size_t)17 << 20);
    body.len = (size_t)17 << 20;

    /* Refused by its header, without a byte of the body. */
    int fd = kit_connect(*state);
    const char head[] = "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\n" PROTOBUF
                        "Content-Length: 99999999999\r\n\r\n";
    kit_send(fd, head, strlen(head));
    assert_true(kit_receive(fd, &reply));
    assert_status(&reply, 413, 3);
    kit_reply_fini(&reply);
    close(fd);

    /* Nobody says how long it is: read as far as it may be, then refused. */
    char chunk[64];
    fd = kit_connect(*state);
    const char chunked[] = "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\n" PROTOBUF
                           "Transfer-Encoding: chunked\r\n\r\n";
    kit_send(fd, chunked, strlen(chunked));
    size_t len = ((size_t)16 << 20) + 1000;
    snprintf(chunk, sizeof(chunk), "%zx\r\n", len);
    kit_send(fd, chunk, strlen(chunk));
    kit_send(fd, body.data, len);
    kit_send(fd, "\r\n0\r\n\r\n", 7);
    assert_true(kit_receive(fd, &reply));
    assert_status(&reply, 413, 3);
    kit_reply_fini(&reply);
    close(fd);

    /* And one without an end is cut off. */
    fd = kit_connect(*state);
    kit_send(fd, chunked, strlen(chunked));
    for (int i = 0; i < 3; i++) {
        snprintf(chunk, sizeof(chunk), "%zx\r\n", body.len);
        kit_send(fd, chunk, strlen(chunk));
        kit_send(fd, body.data, body.len);
        kit_send(fd, "\r\n", 2);
    }
    assert_false(kit_receive(fd, &reply));
    kit_reply_fini(&reply);
    close(fd);
    sonde_buf_fini(&body);
}

static void
other_methods_are_refused(void **state)
{
    struct reply reply;
    kit_call(*state, &reply, "GET", "/v1/logs", NULL, SONDE_STR(""));
    assert_status(&reply, 405, 12);
    assert_string_equal(kit_reply_header(&reply, "Allow"), "POST");
    kit_reply_fini(&reply);
    kit_call(*state, &reply, "POST", "/v1/traces", PROTOBUF, SONDE_STR(""));
    assert_status(&reply, 404, 5);
    kit_reply_fini(&reply);
}

struct pusher {
    const struct kit *kit;
    int number;
    int taken, refused;
};

static void *
push(void *arg)
{
    struct pusher *pusher = arg;
    for (int i = 0; i < 30; i++) {
        char prefix[32];
        struct sonde_buf body;
        struct reply reply;
        snprintf(prefix, sizeof(prefix), "p%d-%d", pusher->number, i);
        sonde_buf_init(&body, 0);
        kit_logs(&body, prefix, 1, "p", "s", sonde_clock_wall_ns());
        send_logs(pusher->kit, &reply, PROTOBUF, sonde_buf_view(&body));
        pusher->taken += reply.status == 200;
        if (reply.status != 200) {
            pusher->refused++;
            assert_status(&reply, 429, 8);
            assert_string_equal(kit_reply_header(&reply, "Retry-After"), "1");
        }
        kit_reply_fini(&reply);
        sonde_buf_fini(&body);
    }
    return NULL;
}

/* What may wait for the disk is bounded; who finds no room is told to come again, and
 * what was acknowledged is there. */
static void
full_queue_asks_to_come_again(void **state)
{
    enum { PUSHERS = 8 };
    struct kit *kit = *state;
    struct pusher pushers[PUSHERS];
    pthread_t threads[PUSHERS];
    char ids[64];
    int taken = 0;
    int refused = 0;
    kit_stop(kit);
    kit->queue_bytes = 1; /* one at a time */
    kit_start(kit);
    for (int i = 0; i < PUSHERS; i++) {
        pushers[i] = (struct pusher){.kit = kit, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, push, &pushers[i]), 0);
    }
    for (int i = 0; i < PUSHERS; i++) {
        pthread_join(threads[i], NULL);
        taken += pushers[i].taken;
        refused += pushers[i].refused;
    }
    assert_true(taken > 0 && refused > 0);
    assert_int_equal(kit_list(kit, "?limit=1000", ids, sizeof(ids)), taken);
}

/* A connection goes on after an error, and several requests may share it. */
static void
connection_survives_a_refusal(void **state)
{
    struct reply reply;
    int fd = kit_connect(*state);
    const char bad[] = "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\n" PROTOBUF
                       "Content-Length: 4\r\n\r\n\xff\xff\xff\xff";
    const char good[] = "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\n" PROTOBUF
                        "Content-Length: 0\r\n\r\n";
    for (int i = 0; i < 3; i++) {
        kit_send(fd, bad, sizeof(bad) - 1);
        assert_true(kit_receive(fd, &reply));
        assert_int_equal(reply.status, 400);
        kit_reply_fini(&reply);
        kit_send(fd, good, sizeof(good) - 1);
        assert_true(kit_receive(fd, &reply));
        assert_int_equal(reply.status, 200);
        kit_reply_fini(&reply);
    }
    close(fd);
}

static void
expectation_is_answered_before_the_body(void **state)
{
    struct reply reply;
    char text[64] = "";
    int fd = kit_connect(*state);
    const char head[] = "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\n" PROTOBUF
                        "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    kit_send(fd, head, strlen(head));
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    assert_non_null(strstr(text, "100 Continue"));
    kit_send(fd, "\xff\xff\xff\xff", 4);
    assert_true(kit_receive(fd, &reply));
    assert_int_equal(reply.status, 400);
    kit_reply_fini(&reply);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(protobuf_is_stored),
        TEST(gzip_is_stored),
        TEST(json_is_stored),
        TEST(empty_request_is_fine),
        TEST(repeated_snapshots_are_kept_once),
        TEST(other_records_are_counted),
        TEST(odd_ids_are_rejected),
        TEST(malformed_bodies_are_refused),
        TEST(deep_nesting_is_refused),
        TEST(damaged_gzip_is_refused),
        TEST(bombs_are_refused),
        TEST(oversized_bodies_are_refused),
        TEST(other_methods_are_refused),
        TEST(full_queue_asks_to_come_again),
        TEST(connection_survives_a_refusal),
        TEST(expectation_is_answered_before_the_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
