/* SPDX-License-Identifier: Apache-2.0
 *
 * docs/formats/api.md as people and scripts see it: every call, every error, who may
 * ask. */
#include "collector/http/guard.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/wire/gzip.h"
#include "tests/unit/collector_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
setup_with_token(void **state)
{
    struct kit *kit = calloc(1, sizeof(*kit));
    sonde_log_set_level(SONDE_LOG_OFF);
    kit_init(kit);
    kit->token = "s3cret";
    kit->listen = "0.0.0.0:0";
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

/* --- Probes ------------------------------------------------------------------------- */

static void
health_is_told(void **state)
{
    struct reply reply;
    kit_get(*state, &reply, "/healthz");
    assert_int_equal(reply.status, 200);
    kit_assert_str(reply.json, "status", "ok");
    kit_assert_str(reply.json, "version", SONDE_VERSION);
    kit_reply_fini(&reply);
}

/* CORE-02: one definition, with defaults for all but the location. */
static void
probe_is_made_with_an_id(void **state)
{
    struct reply reply;
    kit_post(*state, &reply, "/api/v1/probes", "{\"location\":\"app.py:42\"}");
    assert_int_equal(reply.status, 201);
    struct sonde_str id = sonde_json_get_str(reply.json, "id");
    assert_int_equal(id.len, 10);
    assert_memory_equal(id.ptr, "p-", 2);
    for (size_t i = 2; i < id.len; i++) {
        assert_non_null(memchr("0123456789abcdefghjkmnpqrstvwxyz", id.ptr[i], 32));
    }
    assert_int_equal(sonde_json_get_int(reply.json, "revision", 0), 1);
    kit_assert_str(reply.json, "location", "app.py:42");
    kit_assert_str(reply.json, "at", "line");
    assert_int_equal(sonde_json_get_int(sonde_json_get(reply.json, "limits"), "depth", 0),
                     3);
    assert_true(sonde_json_get_int(reply.json, "created_at_ns", 0) > 0);
    assert_null(sonde_json_get(reply.json, "clamped"));
    assert_int_equal(sonde_json_get(reply.json, "instances")->count, 0);
    kit_reply_fini(&reply);
}

/* CORE-04: out-of-range values are clamped and reported. */
static void
clamping_is_told(void **state)
{
    struct reply reply;
    kit_post(*state, &reply, "/api/v1/probes",
             "{\"location\":\"a.py:1\",\"limits\":{\"depth\":99},\"rate\":1e9}");
    assert_int_equal(reply.status, 201);
    assert_int_equal(sonde_json_get_int(sonde_json_get(reply.json, "limits"), "depth", 0),
                     10);
    assert_non_null(strstr(reply.body.data, "\"clamped\":\"depth 99"));
    kit_reply_fini(&reply);
}

static void
existing_id_makes_the_next_revision(void **state)
{
    struct reply reply;
    kit_post(*state, &reply, "/api/v1/probes", "{\"id\":\"a\",\"location\":\"a.py:1\"}");
    assert_int_equal(reply.status, 201);
    int64_t created_at_ns = sonde_json_get_int(reply.json, "created_at_ns", 0);
    kit_reply_fini(&reply);
    kit_post(*state, &reply, "/api/v1/probes", "{\"id\":\"a\",\"location\":\"a.py:2\"}");
    assert_int_equal(reply.status, 201);
    assert_int_equal(sonde_json_get_int(reply.json, "revision", 0), 2);
    assert_int_equal(sonde_json_get_int(reply.json, "created_at_ns", 0), created_at_ns);
    kit_reply_fini(&reply);
    kit_get(*state, &reply, "/api/v1/probes");
    assert_int_equal(sonde_json_get(reply.json, "probes")->count, 1);
    kit_reply_fini(&reply);
}

static void
probes_are_listed_newest_first_and_removed(void **state)
{
    struct reply reply;
    for (int i = 0; i < 3; i++) {
        char body[64];
        snprintf(body, sizeof(body), "{\"id\":\"p%d\",\"location\":\"a.py:1\"}", i);
        kit_post(*state, &reply, "/api/v1/probes", body);
        kit_reply_fini(&reply);
    }
    kit_get(*state, &reply, "/api/v1/probes");
    const struct sonde_json *list = sonde_json_get(reply.json, "probes");
    assert_int_equal(list->count, 3);
    kit_assert_str(list->first, "id", "p2");
    kit_assert_str(list->first->next->next, "id", "p0");
    kit_reply_fini(&reply);

    kit_delete(*state, &reply, "/api/v1/probes/p1");
    assert_int_equal(reply.status, 200);
    kit_assert_str(reply.json, "id", "p1");
    kit_reply_fini(&reply);
    kit_delete(*state, &reply, "/api/v1/probes/p1");
    kit_assert_error(&reply, 404, "not_found", NULL);
    kit_reply_fini(&reply);
    kit_get(*state, &reply, "/api/v1/probes/p1");
    kit_assert_error(&reply, 404, "not_found", NULL);
    kit_reply_fini(&reply);
}

static void
bad_definitions_name_the_field(void **state)
{
    static const struct {
        const char *body, *field;
    } cases[] = {
        {"{}", "location"},
        {"{\"location\":7}", "location"},
        {"{\"location\":\"\"}", "location"},
        {"{\"location\":\"a.py:0\"}", "location"},
        {"{\"location\":\"a.py:1\",\"id\":\"a b\"}", "id"},
        {"{\"location\":\"a.py:1\",\"at\":\"never\"}", "at"},
        {"{\"location\":\"a.py:1\",\"rate\":\"fast\"}", "rate"},
        {"{\"location\":\"a.py:1\",\"rate\":0}", "rate"},
        {"{\"location\":\"a.py:1\",\"hit_limit\":-1}", "hit_limit"},
        {"{\"location\":\"a.py:1\",\"hit_limit\":1.5}", "hit_limit"},
        {"{\"location\":\"a.py:1\",\"service\":1}", "service"},
        {"{\"location\":\"a.py:1\",\"env\":[]}", "env"},
        {"{\"location\":\"a.py:1\",\"limits\":7}", "limits"},
        {"{\"location\":\"a.py:1\",\"limits\":{\"bytes\":null}}", "limits.bytes"},
        {"{\"location\":\"a.py:1\",\"limits\":{\"depth\":\"x\"}}", "limits.depth"},
        {"{\"location\":\"a.py:1\",\"tags\":[]}", "tags"},
        {"{\"location\":\"a.py:1\",\"capture\":{\"stack\":1}}", "capture.stack"},
        {"{\"location\":\"a.py:1\",\"expires_at_ns\":-1}", "expires_at_ns"},
        {"{\"location\":\"a.py:1\",\"expires_in_s\":0}", "expires_in_s"},
        {"{\"location\":\"a.py:1\",\"expires_in_s\":\"1h\"}", "expires_in_s"},
        {"{\"location\":\"a.py:1\",\"expires_in_s\":1e99}", "expires_in_s"},
        {"{\"location\":\"a.py:1\",\"expires_in_s\":1,\"expires_at_ns\":1}",
         "expires_in_s"},
        {"[]", NULL},
        {"", NULL},
        {"{\"location\":\"a.py:1\"} x", NULL},
        {"{\"location\":\"\xff\"}", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reply reply;
        kit_post(*state, &reply, "/api/v1/probes", cases[i].body);
        kit_assert_error(&reply, 400, "invalid_argument", cases[i].field);
        kit_reply_fini(&reply);
    }
}

static void
probes_are_bounded(void **state)
{
    struct reply reply;
    char body[128];
    for (int i = 0; i < 2000; i++) {
        snprintf(body, sizeof(body), "{\"id\":\"p%d\",\"location\":\"a.py:1\"}", i);
        kit_post(*state, &reply, "/api/v1/probes", body);
        assert_int_equal(reply.status, 201);
        kit_reply_fini(&reply);
    }
    kit_post(*state, &reply, "/api/v1/probes", "{\"location\":\"a.py:1\"}");
    kit_assert_error(&reply, 409, "conflict", NULL);
    kit_reply_fini(&reply);
    kit_post(*state, &reply, "/api/v1/probes", "{\"id\":\"p7\",\"location\":\"a.py:2\"}");
    assert_int_equal(reply.status, 201); /* the next revision of one that is there */
    kit_reply_fini(&reply);
}

/* --- Snapshots ---------------------------------------------------------------------- */

static void
snapshot_is_shown_whole(void **state)
{
    struct reply reply;
    int64_t now_ns = sonde_clock_wall_ns();
    kit_store(*state, "a", 1, "p1", "shop", now_ns);
    kit_get(*state, &reply, "/api/v1/snapshots/a-0");
    assert_int_equal(reply.status, 200);
    const struct sonde_json *json = reply.json;
    kit_assert_str(json, "id", "a-0");
    kit_assert_str(json, "probe_id", "p1");
    assert_int_equal(sonde_json_get_int(json, "probe_revision", 0), 3);
    kit_assert_str(json, "service", "shop");
    kit_assert_str(json, "env", "test");
    assert_int_equal(sonde_json_get_int(json, "timestamp_ns", 0), now_ns);
    assert_int_equal(sonde_json_get_int(json, "duration_ns", 0), 1234);
    assert_int_equal(sonde_json_get_int(json, "suspended_ns", 0), 1200); /* PY-05 */
    kit_assert_str(json, "outcome", "closed");
    const struct sonde_json *location = sonde_json_get(json, "location");
    kit_assert_str(location, "file", "/srv/app.py");
    kit_assert_str(location, "function", "f");
    assert_int_equal(sonde_json_get_int(location, "line", 0), 42);
    const struct sonde_json *runtime = sonde_json_get(json, "runtime");
    kit_assert_str(runtime, "language", "python");
    assert_int_equal(sonde_json_get_int(runtime, "pid", 0), 77);
    const struct sonde_json *thread = sonde_json_get(json, "thread");
    assert_int_equal(sonde_json_get_int(thread, "id", 0), 9);
    kit_assert_str(thread, "name", "main");
    const struct sonde_json *trace = sonde_json_get(json, "trace");
    kit_assert_str(trace, "trace_id", "ab010000000000000000000000000000");
    kit_assert_str(trace, "span_id", "cd02000000000000");
    assert_int_equal(sonde_json_get(json, "stack")->type, SONDE_JSON_ARRAY);
    kit_assert_str(sonde_json_get(json, "captures"), "entry", "a-0");
    kit_reply_fini(&reply);
    kit_get(*state, &reply, "/api/v1/snapshots/none");
    kit_assert_error(&reply, 404, "not_found", NULL);
    kit_reply_fini(&reply);
}

static void
snapshots_are_filtered_and_limited(void **state)
{
    char ids[512];
    int64_t now_ns = sonde_clock_wall_ns();
    kit_store(*state, "a", 30, "p1", "shop", now_ns);
    kit_store(*state, "b", 2, "p2", "my blog", now_ns - SONDE_NS_PER_S);
    assert_int_equal(kit_list(*state, "", ids, sizeof(ids)), 20);
    assert_int_equal(kit_list(*state, "?limit=1000", ids, sizeof(ids)), 32);
    assert_int_equal(kit_list(*state, "?limit=2&probe=p1", ids, sizeof(ids)), 2);
    assert_string_equal(ids, "a-29 a-28");
    kit_list(*state, "?probe=p2", ids, sizeof(ids));
    assert_string_equal(ids, "b-1 b-0");
    kit_list(*state, "?service=my%20blog", ids, sizeof(ids));
    assert_string_equal(ids, "b-1 b-0");
    kit_list(*state, "?service=my+blog&probe=p2&other=1", ids, sizeof(ids));
    assert_string_equal(ids, "b-1 b-0");
    assert_int_equal(kit_list(*state, "?service=shop&probe=p2", ids, sizeof(ids)), 0);
}

/* What a page shows while one scrolls: each snapshot once, whatever comes meanwhile. */
static void
snapshots_before_one_follow_it(void **state)
{
    char ids[512];
    char path[64];
    struct reply reply;
    int64_t now_ns = sonde_clock_wall_ns();
    kit_store(*state, "a", 5, "p1", "shop", now_ns);
    kit_store(*state, "old", 2, "p2", "my blog", now_ns - INT64_C(86400000000000));
    kit_list(*state, "?limit=2", ids, sizeof(ids));
    assert_string_equal(ids, "a-4 a-3");
    kit_store(*state, "new", 1, "p1", "shop", now_ns + SONDE_NS_PER_S);
    kit_list(*state, "?limit=2&before=a-3", ids, sizeof(ids));
    assert_string_equal(ids, "a-2 a-1");
    kit_list(*state, "?limit=3&before=a-1", ids, sizeof(ids));
    assert_string_equal(ids, "a-0 old-1 old-0");
    kit_list(*state, "?before=a-2&probe=p2&service=my+blog&limit=1", ids, sizeof(ids));
    assert_string_equal(ids, "old-1");
    assert_int_equal(kit_list(*state, "?before=old-0", ids, sizeof(ids)), 0);
    assert_int_equal(kit_list(*state, "?before=", ids, sizeof(ids)), 8);
    static const char *const unknown[] = {"none", "a-9", "a-3%20", "%27--"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        snprintf(path, sizeof(path), "/api/v1/snapshots?before=%s", unknown[i]);
        kit_get(*state, &reply, path);
        kit_assert_error(&reply, 404, "not_found", "before");
        kit_reply_fini(&reply);
    }
}

static void
bad_limits_are_refused(void **state)
{
    static const char *const limits[] = {"0", "1001", "-1",
                                         "x", "1.5",  "99999999999999999999"};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        char path[128];
        struct reply reply;
        snprintf(path, sizeof(path), "/api/v1/snapshots?limit=%s", limits[i]);
        kit_get(*state, &reply, path);
        kit_assert_error(&reply, 400, "invalid_argument", "limit");
        kit_reply_fini(&reply);
        snprintf(path, sizeof(path), "/api/v1/probes/a?wait_ms=%s",
                 i == 0 ? "60001" : limits[i]);
        if (i != 1) {
            kit_get(*state, &reply, path);
            kit_assert_error(&reply, 400, "invalid_argument", "wait_ms");
            kit_reply_fini(&reply);
        }
    }
}

/* --- Paths, methods, types ---------------------------------------------------------- */

static void
unknown_paths_are_not_found(void **state)
{
    static const char *const paths[] = {"/",
                                        "/api",
                                        "/api/v1/probes/",
                                        "/api/v1/probes/a/b",
                                        "/api/v1/snapshots/",
                                        "/healthz/",
                                        "/../../etc/passwd",
                                        "//healthz",
                                        "/%2e%2e/"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct reply reply;
        kit_get(*state, &reply, paths[i]);
        kit_assert_error(&reply, 404, "not_found", NULL);
        kit_reply_fini(&reply);
    }
}

static void
malformed_targets_are_refused(void **state)
{
    static const char *const paths[] = {"/healthz%", "/healthz%2", "/%zz", "/healthz%00x",
                                        "/healthz?a=%0"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct reply reply;
        kit_get(*state, &reply, paths[i]);
        kit_assert_error(&reply, 400, "invalid_argument", NULL);
        kit_reply_fini(&reply);
    }
}

static void
other_methods_are_refused(void **state)
{
    static const struct {
        const char *method, *path, *allow;
    } cases[] = {
        {"DELETE", "/healthz", "GET"},
        {"PUT", "/api/v1/probes", "GET, POST"},
        {"BREW", "/api/v1/probes", "GET, POST"},
        {"POST", "/api/v1/probes/a", "GET, DELETE"},
        {"GET", "/api/v1/agent/poll", "POST"},
        {"POST", "/api/v1/snapshots", "GET"},
        {"OPTIONS", "/api/v1/tail", "GET"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reply reply;
        kit_call(*state, &reply, cases[i].method, cases[i].path, NULL, SONDE_STR(""));
        kit_assert_error(&reply, 405, "method_not_allowed", NULL);
        assert_string_equal(kit_reply_header(&reply, "Allow"), cases[i].allow);
        kit_reply_fini(&reply);
    }
}

static void
other_types_are_refused(void **state)
{
    struct reply reply;
    struct sonde_str body = SONDE_STR("{\"location\":\"a.py:1\"}");
    kit_call(*state, &reply, "POST", "/api/v1/probes",
             "Content-Type: application/x-www-form-urlencoded\r\n", body);
    kit_assert_error(&reply, 415, "unsupported_media_type", NULL);
    kit_reply_fini(&reply);
    kit_call(*state, &reply, "POST", "/api/v1/probes",
             "Content-Type: application/json\r\nContent-Encoding: br\r\n", body);
    kit_assert_error(&reply, 415, "unsupported_media_type", NULL);
    kit_reply_fini(&reply);
    kit_call(*state, &reply, "POST", "/api/v1/probes",
             "Content-Type: Application/JSON; charset=utf-8\r\n", body);
    assert_int_equal(reply.status, 201);
    kit_reply_fini(&reply);
}

static void
large_bodies_are_refused(void **state)
{
    struct reply reply;
    struct sonde_buf body;
    struct sonde_buf packed;
    sonde_buf_init(&body, 0);
    sonde_buf_init(&packed, 0);
    char *room = sonde_buf_reserve(&body, 2 << 20);
    assert_non_null(room);
    memset(room, ' ', 2 << 20);
    body.len = (1 << 20) + 1;
    kit_call(*state, &reply, "POST", "/api/v1/probes",
             "Content-Type: application/json\r\n", sonde_buf_view(&body));
    kit_assert_error(&reply, 413, "too_large", NULL);
    kit_reply_fini(&reply);
    assert_int_equal(sonde_gzip_append(&packed, sonde_buf_view(&body)), SONDE_OK);
    kit_call(*state, &reply, "POST", "/api/v1/probes",
             "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
             sonde_buf_view(&packed));
    kit_assert_error(&reply, 413, "too_large", NULL);
    kit_reply_fini(&reply);
    sonde_buf_fini(&body);
    sonde_buf_fini(&packed);
}

/* --- Who may ask -------------------------------------------------------------------- */

static int
status_with(const struct kit *kit, const char *headers)
{
    struct reply reply;
    kit_call(kit, &reply, "GET", "/api/v1/processes", headers, SONDE_STR(""));
    int status = reply.status;
    if (status == 401) {
        kit_assert_error(&reply, 401, "unauthorized", NULL);
        assert_string_equal(kit_reply_header(&reply, "WWW-Authenticate"), "Bearer");
    } else if (status == 403) {
        kit_assert_error(&reply, 403, "forbidden", NULL);
    }
    kit_reply_fini(&reply);
    return status;
}

/* A name of an attacker's that was made to point at us (DNS rebinding). */
static void
foreign_hosts_are_refused(void **state)
{
    assert_int_equal(status_with(*state, "Host: evil.example\r\n"), 403);
    assert_int_equal(status_with(*state, "Host: evil.example:7077\r\n"), 403);
    assert_int_equal(status_with(*state, "Host: localhost.evil.example\r\n"), 403);
    assert_int_equal(status_with(*state, "Host: 127.0.0.1.evil.example\r\n"), 403);
    assert_int_equal(status_with(*state, "Host: 10.0.0.1\r\n"), 403);
    assert_int_equal(status_with(*state, "Host: localhost\r\n"), 200);
    assert_int_equal(status_with(*state, "Host: LOCALHOST:1\r\n"), 200);
    assert_int_equal(status_with(*state, "Host: [::1]:7077\r\n"), 200);
    assert_int_equal(status_with(*state, "Host: 127.0.0.1\r\n"), 200);
}

static void
foreign_origins_are_refused(void **state)
{
    assert_int_equal(
        status_with(*state, "Host: localhost:1\r\nOrigin: http://evil.example\r\n"), 403);
    assert_int_equal(status_with(*state, "Host: localhost:1\r\nOrigin: null\r\n"), 403);
    assert_int_equal(
        status_with(*state, "Host: localhost:1\r\nOrigin: http://localhost:2\r\n"), 403);
    assert_int_equal(
        status_with(*state, "Host: localhost:1\r\nOrigin: http://localhost:1\r\n"), 200);
    assert_int_equal(status_with(*state, "Sec-Fetch-Site: cross-site\r\n"), 403);
    assert_int_equal(status_with(*state, "Sec-Fetch-Site: same-site\r\n"), 403);
    assert_int_equal(status_with(*state, "Sec-Fetch-Site: same-origin\r\n"), 200);
    assert_int_equal(status_with(*state, "Sec-Fetch-Site: none\r\n"), 200);
}

static void
token_is_asked_for(void **state)
{
    assert_int_equal(status_with(*state, NULL), 401);
    assert_int_equal(status_with(*state, "Authorization: Bearer wrong\r\n"), 401);
    assert_int_equal(status_with(*state, "Authorization: Bearer s3cre\r\n"), 401);
    assert_int_equal(status_with(*state, "Authorization: Bearer s3crets3cret\r\n"), 401);
    assert_int_equal(status_with(*state, "Authorization: Bearer \r\n"), 401);
    assert_int_equal(status_with(*state, "Authorization: Basic s3cret\r\n"), 401);
    assert_int_equal(status_with(*state, "Authorization: Bearer s3cret\r\n"), 200);
    /* With a token any name will do, but still no other origin. */
    assert_int_equal(status_with(*state, "Host: collector.example\r\n"
                                         "Authorization: Bearer s3cret\r\n"),
                     200);
    assert_int_equal(status_with(*state, "Origin: http://evil.example\r\n"
                                         "Authorization: Bearer s3cret\r\n"),
                     403);
    struct reply reply;
    kit_call(*state, &reply, "POST", "/v1/logs", "Content-Type: application/json\r\n",
             SONDE_STR("{}"));
    assert_int_equal(reply.status, 401);
    assert_int_equal(sonde_json_get_int(reply.json, "code", 0), 16);
    kit_reply_fini(&reply);
}

/* What looks after the collector from outside has no token, or an old one. */
static void
health_needs_no_token(void **state)
{
    static const char *const headers[] = {NULL, "Authorization: Bearer wrong\r\n",
                                          "Host: collector.example\r\n"};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct reply reply;
        kit_call(*state, &reply, "GET", "/healthz", headers[i], SONDE_STR(""));
        assert_int_equal(reply.status, 200);
        kit_assert_str(reply.json, "status", "ok");
        kit_reply_fini(&reply);
    }
}

static void
authorities_are_taken_apart(void **state)
{
    static const struct {
        const char *authority, *host;
    } cases[] = {
        {"localhost", "localhost"},
        {"localhost:7077", "localhost"},
        {"[::1]:7077", "[::1]"},
        {"[::1]", "[::1]"},
        {"::1", ""},
        {"[::1", ""},
        {"a:b", ""},
        {"", ""},
        {"[::1]x", ""},
        {":80", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sonde_str host = sonde_guard_host_of(sonde_str_from(cases[i].authority));
        assert_true(sonde_str_eq(host, sonde_str_from(cases[i].host)));
    }
    assert_true(sonde_guard_is_loopback(SONDE_STR("127.9.9.9")));
    assert_false(sonde_guard_is_loopback(SONDE_STR("0.0.0.0")));
    assert_false(sonde_guard_is_loopback(SONDE_STR("128.0.0.1")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(health_is_told),
        TEST(probe_is_made_with_an_id),
        TEST(clamping_is_told),
        TEST(existing_id_makes_the_next_revision),
        TEST(probes_are_listed_newest_first_and_removed),
        TEST(bad_definitions_name_the_field),
        TEST(probes_are_bounded),
        TEST(snapshot_is_shown_whole),
        TEST(snapshots_are_filtered_and_limited),
        TEST(snapshots_before_one_follow_it),
        TEST(bad_limits_are_refused),
        TEST(unknown_paths_are_not_found),
        TEST(malformed_targets_are_refused),
        TEST(other_methods_are_refused),
        TEST(other_types_are_refused),
        TEST(large_bodies_are_refused),
        TEST(foreign_hosts_are_refused),
        TEST(foreign_origins_are_refused),
        cmocka_unit_test_setup_teardown(token_is_asked_for, setup_with_token, teardown),
        cmocka_unit_test_setup_teardown(health_needs_no_token, setup_with_token,
                                        teardown),
        cmocka_unit_test(authorities_are_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
