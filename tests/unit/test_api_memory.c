/* SPDX-License-Identifier: Apache-2.0
 *
 * Every allocation that serving a request makes fails once, in turn: the sender gets an
 * answer or a closed connection, and the next request is served as if nothing had
 * been. */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/wire/gzip.h"
#include "tests/unit/collector_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ALLOCATIONS_MAX 400

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

/* Sends the request and returns the status, 0 for none, without allocating anything
 * here. */
static int
ask(const struct kit *kit, struct sonde_str request)
{
    static char answer[65536];
    size_t len = 0;
    ssize_t got;
    int fd = kit_connect(kit);
    kit_send(fd, request.ptr, request.len);
    while (len < sizeof(answer) - 1 &&
           (got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0) {
        len += (size_t)got;
    }
    close(fd);
    answer[len] = '\0';
    return len < 12 ? 0 : atoi(answer + 9);
}

static struct sonde_str
compose(struct sonde_buf *out, const char *method, const char *target,
        const char *headers, struct sonde_str body)
{
    sonde_buf_reset(out);
    sonde_buf_printf(out,
                     "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s"
                     "Content-Length: %zu\r\n\r\n",
                     method, target, headers, body.len);
    sonde_buf_str(out, body);
    return sonde_buf_view(out);
}

static void
fail_each(const struct kit *kit, struct sonde_str request, int status)
{
    assert_int_equal(ask(kit, request), status);
    int failed = 0;
    for (uint64_t n = 1; n < ALLOCATIONS_MAX; n++) {
        sonde_alloc_testonly_fail_at(n, false);
        int got = ask(kit, request);
        uint64_t made = sonde_alloc_testonly_fail_at(0, false);
        assert_true(got == 0 || got == status || got == 503 || got == 413 || got == 429);
        assert_int_equal(ask(kit, request), status);
        if (made < n) {
            break; /* there is no such allocation */
        }
        failed++;
    }
    assert_true(failed > 0 && failed < ALLOCATIONS_MAX - 1);
}

static void
each_allocation_may_fail(void **state)
{
    static const char json[] = "Content-Type: application/json\r\n";
    static const char poll[] =
        "{\"instance_id\":\"i\",\"service\":\"s\",\"wait_ms\":0,\"pid\":1}";
    static const char report[] =
        "{\"instance_id\":\"i\",\"statuses\":[{\"probe_id\":\"a\",\"revision\":1,"
        "\"status\":\"error\",\"cause\":\"ambiguous\",\"message\":\"two\","
        "\"nearest_lines\":[1],\"dropped\":{\"no_tape\":1}}],\"armed\":1,"
        "\"dropped\":{\"no_tape\":1},\"disarmed\":[{\"part\":\"p\"}]}";
    static const char probe[] =
        "{\"id\":\"a\",\"location\":\"a.py:1\",\"tags\":{\"k\":1}}";
    const struct kit *kit = *state;
    struct sonde_buf request;
    struct sonde_buf logs;
    struct sonde_buf packed;
    sonde_buf_init(&request, 0);
    sonde_buf_init(&logs, 0);
    sonde_buf_init(&packed, 0);
    kit_logs(&logs, "a", 3, "p", "s", sonde_clock_wall_ns());
    assert_int_equal(sonde_gzip_append(&packed, sonde_buf_view(&logs)), SONDE_OK);
    kit_store(kit, "b", 3, "p", "s", sonde_clock_wall_ns());

    const struct {
        const char *method, *target, *headers;
        struct sonde_str body;
        int status;
    } requests[] = {
        {"GET", "/healthz?a=b&c", "", SONDE_STR(""), 200},
        {"POST", "/api/v1/agent/poll", json, sonde_str_from(poll), 200},
        {"POST", "/api/v1/agent/status", json, sonde_str_from(report), 200},
        {"POST", "/api/v1/probes", json, sonde_str_from(probe), 201},
        {"POST", "/api/v1/agent/poll", json, sonde_str_from(poll), 200},
        {"GET", "/api/v1/probes", "", SONDE_STR(""), 200},
        {"GET", "/api/v1/probes/a?wait_ms=1", "", SONDE_STR(""), 200},
        {"GET", "/api/v1/processes", "", SONDE_STR(""), 200},
        {"POST", "/v1/logs", "Content-Type: application/x-protobuf\r\n",
         sonde_buf_view(&logs), 200},
        {"POST", "/v1/logs",
         "Content-Type: application/x-protobuf\r\nContent-Encoding: gzip\r\n",
         sonde_buf_view(&packed), 200},
        {"GET", "/api/v1/snapshots", "", SONDE_STR(""), 200},
        {"GET", "/api/v1/snapshots/b-1", "", SONDE_STR(""), 200},
        {"GET", "/api/v1/probes/none", "", SONDE_STR(""), 404},
        {"POST", "/api/v1/agent/bye", json, sonde_str_from(poll), 200},
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct sonde_str text = compose(&request, requests[i].method, requests[i].target,
                                        requests[i].headers, requests[i].body);
        fail_each(kit, text, requests[i].status);
    }
    sonde_buf_fini(&request);
    sonde_buf_fini(&logs);
    sonde_buf_fini(&packed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_allocation_may_fail, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
