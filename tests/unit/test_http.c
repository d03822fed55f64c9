/* SPDX-License-Identifier: Apache-2.0
 *
 * Against the server of http_server.c, in this process. */
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/wire/http.h"
#include "tests/unit/http_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#define PATIENCE_NS (20 * SONDE_NS_PER_S) /* a test that waits longer has failed */

/* --- Helpers ------------------------------------------------------------------------ */

static struct sonde_http *
new_client(struct sonde_http_options options)
{
    struct sonde_http *http = NULL;
    struct sonde_err err = SONDE_ERR_INIT;
    char url[128];

    if (options.base_url == NULL) {
        snprintf(url, sizeof(url), "http://127.0.0.1:%d", http_server.port);
        options.base_url = url;
    }
    if (sonde_http_new(&http, &options, &err) != SONDE_OK)
        fail_msg("%s: %s", err.where, err.message);
    return http;
}

struct result {
    int times, code;
    long status;
    int64_t retry_after_ns;
    char body[8192], streamed[256], error[256];
    bool (*on_data)(struct result *result);
    struct sonde_http *http;       /* where the next call goes */
    struct sonde_http_call *other; /* a call to cancel when this one is done */
    int calls_left;
};

static void on_done(void *arg, const struct sonde_http_response *response);

static bool
on_data(void *arg, struct sonde_str data)
{
    struct result *result = arg;

    strncat(result->streamed, data.ptr, data.len);
    return result->on_data == NULL || result->on_data(result);
}

static struct sonde_http_request
get(const char *path, struct result *result)
{
    return (struct sonde_http_request){.method = "GET",
                                       .path = path,
                                       .timeout_ns = PATIENCE_NS,
                                       .done = on_done,
                                       .arg = result};
}

static void
on_done(void *arg, const struct sonde_http_response *response)
{
    struct result *result = arg;
    size_t len = response->body.len < sizeof(result->body) - 1 ? response->body.len
                                                               : sizeof(result->body) - 1;

    result->times++;
    result->code = response->code;
    result->status = response->status;
    result->retry_after_ns = response->retry_after_ns;
    if (len > 0)
        memcpy(result->body, response->body.ptr, len);
    result->body[len] = '\0';
    assert_non_null(response->error);
    snprintf(result->error, sizeof(result->error), "%s", response->error);
    if (result->other != NULL)
        sonde_http_cancel(result->http, result->other);
    if (result->calls_left-- > 0) {
        struct sonde_http_request next = get("/echo", result);

        assert_int_equal(sonde_http_start(result->http, &next, NULL, NULL), SONDE_OK);
    }
}

static void
wait_done(struct sonde_http *http, const struct result *result, int times)
{
    int64_t deadline = sonde_clock_mono_ns() + PATIENCE_NS;

    while (result->times < times && sonde_clock_mono_ns() < deadline)
        sonde_http_poll(http, 100);
    assert_int_equal(result->times, times);
}

static void
run(struct sonde_http *http, const struct sonde_http_request *request)
{
    const struct result *result = request->arg;

    assert_int_equal(sonde_http_start(http, request, NULL, NULL), SONDE_OK);
    wait_done(http, result, 1);
    assert_int_equal(sonde_http_poll(http, 0), 0);
}

static void
fetch(struct sonde_http *http, const char *path, struct result *result)
{
    struct sonde_http_request request = get(path, result);

    run(http, &request);
}

/* --- Plain calls -------------------------------------------------------------------- */

static void
test_get(void **state)
{
    struct sonde_http *http = new_client(
        (struct sonde_http_options){.token = "s3cret=", .user_agent = "sonde/test"});
    struct result result = {0};

    (void)state;
    fetch(http, "/echo?a=b", &result);
    assert_int_equal(result.code, SONDE_OK);
    assert_int_equal(result.status, 200);
    assert_true(result.retry_after_ns == -1);
    assert_string_equal(result.error, "");
    assert_ptr_equal(strstr(result.body, "GET /echo?a=b HTTP/1.1\r\n"), result.body);
    assert_non_null(strstr(result.body, "\r\nAuthorization: Bearer s3cret=\r\n"));
    assert_non_null(strstr(result.body, "\r\nUser-Agent: sonde/test\r\n"));
    assert_non_null(strstr(result.body, "\r\nAccept-Encoding: gzip\r\n"));
    sonde_http_free(http);
}

static void
test_post_and_delete(void **state)
{
    struct sonde_http *http = new_client((struct sonde_http_options){0});
    char *body = malloc(30000);
    struct result posted = {0}, empty = {0}, deleted = {0};
    struct sonde_http_request request = get("/echo", &posted);

    (void)state;
    memset(body, 'x', 30000);
    request.method = "POST";
    request.content_type = "text/x";
    request.body = (struct sonde_str){body, 30000};
    assert_int_equal(sonde_http_start(http, &request, NULL, NULL), SONDE_OK);
    memset(body, 'y', 30000); /* it was copied */
    free(body);
    wait_done(http, &posted, 1);
    assert_int_equal(posted.status, 200);
    assert_non_null(strstr(posted.body, "POST /echo"));
    assert_non_null(strstr(posted.body, "\r\nContent-Length: 30000\r\n"));
    assert_non_null(strstr(posted.body, "\r\nContent-Type: text/x\r\n"));
    assert_null(strstr(posted.body, "Expect"));
    assert_non_null(strstr(posted.body, "\r\n\r\nxxxxxxxxxx"));

    request = get("/echo", &empty);
    request.method = "POST";
    run(http, &request);
    assert_non_null(strstr(empty.body, "\r\nContent-Length: 0\r\n"));

    request = get("/echo", &deleted);
    request.method = "DELETE";
    run(http, &request);
    assert_non_null(strstr(deleted.body, "DELETE /echo"));
    assert_null(strstr(deleted.body, "Content-"));
    sonde_http_free(http);
}

static void
test_gzip_body(void **state)
{
    struct sonde_http *http = new_client((struct sonde_http_options){0});
    struct result result = {0};
    struct sonde_http_request request = get("/echo", &result);
    char plain[5000], back[sizeof(plain) + 1];
    z_stream stream = {0};
    char *sent;

    (void)state;
    memset(plain, 'z', sizeof(plain));
    request.method = "POST";
    request.body = (struct sonde_str){plain, sizeof(plain)};
    request.gzip = true;
    run(http, &request);
    assert_non_null(strstr(result.body, "\r\nContent-Encoding: gzip\r\n"));
    sent = strstr(result.body, "\r\n\r\n") + 4;
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    stream.next_in = (Bytef *)sent;
    stream.avail_in = (uInt)(result.body + sizeof(result.body) - sent);
    stream.next_out = (Bytef *)back;
    stream.avail_out = sizeof(back);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, sizeof(plain));
    assert_memory_equal(back, plain, sizeof(plain));
    inflateEnd(&stream);
    sonde_http_free(http);
}

static void
test_one_connection_is_kept(void **state)
{
    struct sonde_http *http = new_client((struct sonde_http_options){0});
    struct result first = {0}, result = {.http = http, .calls_left = 9};
    struct sonde_http_request request = get("/echo", &first);
    int before;

    (void)state;
    /* Counted once the first is answered: until then the server may still be accepting
     * what other tests have left. */
    run(http, &request);
    before = http_server.connections;
    /* Each done starts the next. */
    request.arg = &result;
    assert_int_equal(sonde_http_start(http, &request, NULL, NULL), SONDE_OK);
    wait_done(http, &result, 10);
    assert_int_equal(result.status, 200);
    assert_int_equal(http_server.connections, before);
    sonde_http_free(http);
}

static void
test_several_at_once(void **state)
{
    struct sonde_http *http = new_client((struct sonde_http_options){0});
    struct result results[20] = {0};
    int64_t deadline = sonde_clock_mono_ns() + PATIENCE_NS;

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct sonde_http_request request = get(i % 2 ? "/echo" : "/denied", &results[i]);

        assert_int_equal(sonde_http_start(http, &request, NULL, NULL), SONDE_OK);
    }
    while (sonde_http_poll(http, 100) > 0)
        assert_true(sonde_clock_mono_ns() < deadline);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(results[i].times, 1);
        assert_int_equal(results[i].status, i % 2 ? 200 : 401);
    }
    sonde_http_free(http);
}

static void
test_retry_after(void **state)
{
    struct sonde_http *http = new_client((struct sonde_http_options){0});
    static const struct {
        const char *path;
        int64_t least_s, most_s;
    } cases[] = {
        {"/retry-seconds", 7, 7}, {"/retry-now", 0, 0},     {"/retry-huge", 86400, 86400},
        {"/retry-past", 0, 0},    {"/retry-date", 80, 100}, {"/retry-junk", -1, -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct result result = {0};

        fetch(http, cases[i].path, &result);
        assert_int_equal(result.code, SONDE_OK);
        if (cases[i].least_s < 0)
            assert_true(result.retry_after_ns == -1);
        else
            assert_in_range(result.retry_after_ns, cases[i].least_s * SONDE_NS_PER_S,
                            cases[i].most_s * SONDE_NS_PER_S);
    }
    sonde_http_free(http);
}

static void
test_redirect_is_not_followed(void **state)
{
    struct sonde_http *http = new_client((struct sonde_http_options){0});
    struct result result = {0};

    (void)state;
    fetch(http, "/redirect", &result);
    assert_int_equal(result.status, 302);
    sonde_http_free(http);
}

static void
test_base_url_prefix(void **state)
{
    char url[128];
    struct sonde_http *http;
    struct result result = {0};

    (void)state;
    snprintf(url, sizeof(url), "http://localhost:%d/pre/fix//", http_server.port);
    http = new_client((struct sonde_http_options){.base_url = url});
    fetch(http, "/echo", &result);
    assert_ptr_equal(strstr(result.body, "GET /pre/fix/echo HTTP/1.1"), result.body);
    sonde_http_free(http);
}

/* --- Failures ----------------------------------------------------------------------- */

static void
test_refused(void **state)
{
    char url[64];
    int port;
    int fd =
        http_server_bind(&port); /* bound, not listening: nobody else gets it meanwhile */
    struct sonde_http *http;
    struct result result = {0};

    (void)state;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
    http = new_client((struct sonde_http_options){.base_url = url});
    fetch(http, "/", &result);
    assert_int_equal(result.code, SONDE_E_IO);
    assert_int_equal(result.status, 0);
    assert_int_not_equal(result.error[0], '\0');
    assert_true(result.retry_after_ns == -1);
    sonde_http_free(http);
    close(fd);
}

static void
test_broken_answers(void **state)
{
    static const char *const paths[] = {"/cut", "/junk"};
    struct sonde_http *http = new_client((struct sonde_http_options){0});

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct result result = {0};

        fetch(http, paths[i], &result);
        assert_int_equal(result.code, SONDE_E_IO);
        assert_int_not_equal(result.error[0], '\0');
    }
    sonde_http_free(http);
}

static void
test_timeout(void **state)
{
    struct sonde_http *http = new_client((struct sonde_http_options){0});
    struct result result = {0};
    struct sonde_http_request request = get("/silent", &result);
    int64_t start = sonde_clock_mono_ns();

    (void)state;
    request.timeout_ns = 50 * SONDE_NS_PER_MS;
    run(http, &request);
    assert_int_equal(result.code, SONDE_E_TIMEOUT);
    assert_true(sonde_clock_mono_ns() - start >= 50 * SONDE_NS_PER_MS);
    sonde_http_free(http);
}

static void
test_too_long(void **state)
{
    static const char *const paths[] = {"/large",
                                        "/zipped"}; /* 100 kB, and 3 MB as 3 kB */
    struct sonde_http *http =
        new_client((struct sonde_http_options){.max_response_bytes = 99999});

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct result result = {0};
        struct sonde_http_request request = get(paths[i], &result);

        run(http, &request);
        assert_int_equal(result.code, SONDE_E_LIMIT);
        assert_int_equal(result.body[0], '\0');
    }
    sonde_http_free(http);
    http = new_client((struct sonde_http_options){.max_response_bytes = 100000});
    {
        struct result result = {0};
        struct sonde_http_request request = get("/large", &result);

        run(http, &request);
        assert_int_equal(result.code, SONDE_OK);
    }
    sonde_http_free(http);
}

static void
test_invalid_options(void **state)
{
    static const char *const urls[] = {"",
                                       "127.0.0.1:80",
                                       "ftp://host",
                                       "file:///etc/passwd",
                                       "http://",
                                       "http://host?query",
                                       "http://host/#fragment",
                                       "http://ho st",
                                       "http://host:99999",
                                       "http://host/\r\nX: y"};

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct sonde_http *http = NULL;
        struct sonde_http_options options = {.base_url = urls[i]};
        struct sonde_err err = SONDE_ERR_INIT;

        if (sonde_http_new(&http, &options, &err) != SONDE_E_INVAL)
            fail_msg("taken: %s", urls[i]);
        assert_null(http);
        assert_int_equal(err.code, SONDE_E_INVAL);
    }
    {
        struct sonde_http *http = NULL;
        struct sonde_http_options options = {.base_url = "http://host",
                                             .token = "a\r\nX: y"};

        assert_int_equal(sonde_http_new(&http, &options, NULL), SONDE_E_INVAL);
        options.token = "";
        assert_int_equal(sonde_http_new(&http, &options, NULL), SONDE_E_INVAL);
    }
    sonde_http_free(NULL);
}

static void
test_invalid_requests(void **state)
{
    static const char *const paths[] = {"", "echo", "/a b", "/a\r\nX: y", "/\xC3\xA9"};
    struct sonde_http *http = new_client((struct sonde_http_options){0});
    struct result result = {0};
    struct sonde_http_request request = get("/echo", &result);

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        request.path = paths[i];
        assert_int_equal(sonde_http_start(http, &request, NULL, NULL), SONDE_E_INVAL);
    }
    request.path = "/echo";
    request.method = "get";
    assert_int_equal(sonde_http_start(http, &request, NULL, NULL), SONDE_E_INVAL);
    assert_int_equal(sonde_http_poll(http, 0), 0);
    assert_int_equal(result.times, 0);
    sonde_http_free(http);
}

/* --- Streams ------------------------------------------------------------------------ */

static bool
end_stream(struct result *result)
{
    (void)result;
    http_server.may_end_stream = true;
    return true;
}

static bool
give_up(struct result *result)
{
    (void)result;
    return false;
}

static void
test_stream(void **state)
{
    struct sonde_http *http =
        new_client((struct sonde_http_options){.max_response_bytes = 4});
    struct result result = {.on_data = end_stream};
    struct sonde_http_request request = get("/stream", &result);

    (void)state;
    /* The server sends the second part only once the first has arrived. */
    http_server.may_end_stream = false;
    request.data = on_data;
    request.timeout_ns = 0;
    run(http, &request);
    assert_int_equal(result.code, SONDE_OK);
    assert_string_equal(result.streamed, "firstsecond");
    assert_string_equal(result.body, "");
    sonde_http_free(http);
}

static void
test_stream_refused(void **state)
{
    struct sonde_http *http = new_client((struct sonde_http_options){0});
    struct result result = {0};
    struct sonde_http_request request = get("/denied", &result);

    (void)state;
    request.data = on_data;
    run(http, &request);
    assert_int_equal(result.status, 401);
    assert_string_equal(result.streamed, "");
    assert_string_equal(result.body, "reason");
    sonde_http_free(http);
}

static void
test_stream_given_up(void **state)
{
    struct sonde_http *http = new_client((struct sonde_http_options){0});
    struct result result = {.on_data = give_up};
    struct sonde_http_request request = get("/stream", &result);

    (void)state;
    http_server.may_end_stream = false;
    request.data = on_data;
    run(http, &request);
    assert_int_equal(result.code, SONDE_E_CLOSED);
    assert_string_equal(result.streamed, "first");
    http_server.may_end_stream = true;
    sonde_http_free(http);
}

/* --- Giving up, waking -------------------------------------------------------------- */

static void
test_cancel(void **state)
{
    struct sonde_http *http = new_client((struct sonde_http_options){0});
    struct result kept = {0}, cancelled = {0}, cancels = {.http = http};
    struct sonde_http_request request = get("/silent", &cancelled);
    struct sonde_http_call *call = NULL;

    (void)state;
    assert_int_equal(sonde_http_start(http, &request, &call, NULL), SONDE_OK);
    request = get("/silent", &kept);
    assert_int_equal(sonde_http_start(http, &request, NULL, NULL), SONDE_OK);
    assert_int_equal(sonde_http_poll(http, 10), 2);
    sonde_http_cancel(http, call);
    assert_int_equal(cancelled.times, 1);
    assert_int_equal(cancelled.code, SONDE_E_CLOSED);
    assert_int_not_equal(cancelled.error[0], '\0');
    assert_int_equal(sonde_http_poll(http, 10), 1);

    /* From another call's done. */
    cancelled = (struct result){0};
    request = get("/silent", &cancelled);
    assert_int_equal(sonde_http_start(http, &request, &cancels.other, NULL), SONDE_OK);
    request = get("/echo", &cancels);
    assert_int_equal(sonde_http_start(http, &request, NULL, NULL), SONDE_OK);
    wait_done(http, &cancels, 1);
    assert_int_equal(cancelled.times, 1);
    assert_int_equal(cancelled.code, SONDE_E_CLOSED);

    /* What is left is given up with the client; its done may ask for more, in vain. */
    assert_int_equal(kept.times, 0);
    sonde_http_free(http);
    assert_int_equal(kept.times, 1);
    assert_int_equal(kept.code, SONDE_E_CLOSED);
    assert_int_equal(cancelled.times, 1);
}

static void *
wake_client(void *arg)
{
    sonde_http_wake(arg);
    return NULL;
}

static void
test_wake(void **state)
{
    struct sonde_http *http = new_client((struct sonde_http_options){0});
    struct result result = {0};
    struct sonde_http_request request = get("/silent", &result);
    int64_t start = sonde_clock_mono_ns();
    pthread_t thread;

    (void)state;
    /* Without a call under way, and with one. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&thread, NULL, wake_client, http), 0);
        sonde_http_poll(http, 60 * 1000);
        pthread_join(thread, NULL);
        if (i == 0)
            assert_int_equal(sonde_http_start(http, &request, NULL, NULL), SONDE_OK);
    }
    assert_true(sonde_clock_mono_ns() - start < PATIENCE_NS);
    sonde_http_free(http);
}

/* --- Fork --------------------------------------------------------------------------- */

/* How many open files of this process are connections to the server. None of them may
 * stay open in what the application execs. */
static int
count_connections(void)
{
    int count = 0;

    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);

        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && len == sizeof(peer) &&
            peer.sin_family == AF_INET && ntohs(peer.sin_port) == http_server.port) {
            assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
            count++;
        }
    }
    return count;
}

static void
test_fork(void **state)
{
    static struct sonde_http *http; /* given up in the child, which is no leak */
    struct result first = {0}, second = {0};
    struct sonde_http_request request = get("/echo", &first);
    int before, status;
    pid_t child;

    (void)state;
    http = new_client((struct sonde_http_options){0});
    run(http, &request);
    before = http_server.connections;
    assert_int_equal(count_connections(), 1);
    child = fork();
    if (child == 0) {
        struct sonde_http *own;
        struct sonde_http_response response;
        struct sonde_http_request again = get("/echo", NULL);

        sonde_http_forget(http);
        if (count_connections() != 0)
            _exit(1);
        own = new_client((struct sonde_http_options){0});
        if (sonde_http_call_now(own, &again, &response) != SONDE_OK ||
            response.status != 200)
            _exit(2);
        sonde_http_free(own);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);

    /* The parent's connection is as good as before; the other one was the child's. */
    request = get("/echo", &second);
    run(http, &request);
    assert_int_equal(second.status, 200);
    assert_int_equal(http_server.connections, before + 1);
    sonde_http_free(http);
}

/* --- One call, awaited -------------------------------------------------------------- */

static void
test_call_now(void **state)
{
    struct sonde_http *http =
        new_client((struct sonde_http_options){.max_response_bytes = 5000});
    struct result result = {.on_data = end_stream};
    struct sonde_http_request request = get("/denied", NULL);
    struct sonde_http_response response;

    (void)state;
    request.done = NULL;
    assert_int_equal(sonde_http_call_now(http, &request, &response), SONDE_OK);
    assert_int_equal(response.status, 401);
    assert_true(sonde_str_eq(response.body, SONDE_STR("reason")));
    assert_string_equal(response.error, "");

    request.path = "/retry-seconds";
    assert_int_equal(sonde_http_call_now(http, &request, &response), SONDE_OK);
    assert_true(response.retry_after_ns == 7 * SONDE_NS_PER_S);
    assert_true(sonde_str_eq(response.body, SONDE_STR("later")));

    request.path = "/large";
    assert_int_equal(sonde_http_call_now(http, &request, &response), SONDE_E_LIMIT);
    assert_int_equal(response.body.len, 0);
    assert_int_not_equal(response.error[0], '\0');

    request.path = "no path";
    assert_int_equal(sonde_http_call_now(http, &request, &response), SONDE_E_INVAL);
    assert_int_equal(response.status, 0);
    assert_int_not_equal(response.error[0], '\0');

    http_server.may_end_stream = false;
    request.path = "/stream";
    request.data = on_data;
    request.arg = &result;
    assert_int_equal(sonde_http_call_now(http, &request, &response), SONDE_OK);
    assert_string_equal(result.streamed, "firstsecond");
    assert_int_equal(result.times, 0);
    sonde_http_free(http);
}

/* --- Proxies ------------------------------------------------------------------------ */

static void
test_proxies(void **state)
{
    char proxy[64];
    struct sonde_http *http;
    struct sonde_http_request request = get("/echo", NULL);
    struct sonde_http_response response;

    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* nobody there */
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    http = new_client((struct sonde_http_options){0});
    assert_int_equal(sonde_http_call_now(http, &request, &response), SONDE_OK);
    assert_int_equal(response.status, 200);
    sonde_http_free(http);

    /* Elsewhere it is used, as the environment was when the client was made. */
    snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", http_server.port);
    setenv("http_proxy", proxy, 1);
    http = new_client((struct sonde_http_options){.base_url = "http://sonde.invalid"});
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_int_equal(sonde_http_call_now(http, &request, &response), SONDE_OK);
    assert_memory_equal(response.body.ptr, "GET http://sonde.invalid/echo HTTP/1.1\r\n",
                        40);
    sonde_http_free(http);
}

/* --- No memory ---------------------------------------------------------------------- */

static void
test_no_memory(void **state)
{
    char url[64];
    struct sonde_http_options options = {
        .base_url = url, .token = "t", .user_agent = "u"};
    bool passed = false;

    (void)state;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", http_server.port);
    for (uint64_t n = 1; !passed; n++) {
        struct sonde_http *http = NULL;
        struct sonde_http_request request = get("/echo", NULL);
        struct sonde_http_response response;
        int code;

        request.method = "POST";
        request.body = SONDE_STR("some text");
        request.content_type = "text/plain";
        request.gzip = true;
        sonde_alloc_testonly_fail_at(n, false);
        code = sonde_http_new(&http, &options, NULL);
        if (code == SONDE_OK)
            code = sonde_http_call_now(http, &request, &response);
        /* Fewer than n allocations were made: the failure was never reached. */
        passed = sonde_alloc_testonly_fail_at(0, false) < n;
        assert_int_equal(code, passed ? SONDE_OK : SONDE_E_NOMEM);
        sonde_http_free(http);
        assert_true(n < 1000);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_post_and_delete),
        cmocka_unit_test(test_gzip_body),
        cmocka_unit_test(test_one_connection_is_kept),
        cmocka_unit_test(test_several_at_once),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_redirect_is_not_followed),
        cmocka_unit_test(test_base_url_prefix),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_broken_answers),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_invalid_options),
        cmocka_unit_test(test_invalid_requests),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_stream_refused),
        cmocka_unit_test(test_stream_given_up),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_wake),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_call_now),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, http_server_start, http_server_stop);
}
