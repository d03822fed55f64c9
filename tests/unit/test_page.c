/* SPDX-License-Identifier: Apache-2.0
 *
 * How the page is handed out (docs/formats/api.md, "The page"). The page is the test's
 * own: neither node nor a build of the real one is needed. */
#include "collector/page/page.h"
#include "core/base/log.h"
#include "core/wire/gzip.h"
#include "tests/unit/collector_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define HTML "<!doctype html><title>Sonde</title>"
#define SCRIPT "console.log('as long as it takes to be smaller packed, packed, packed')"
#define ICON "\x89PNG\0\r\n"

static struct sonde_page_file files[] = {
    {"index.html", "text/html; charset=utf-8", "W/\"h1\"", {HTML, sizeof(HTML) - 1}, {0}},
    {"assets/main-1a.js",
     "text/javascript",
     "W/\"j1\"",
     {SCRIPT, sizeof(SCRIPT) - 1},
     {0}},
    {"assets/icon.png", "image/png", "W/\"i1\"", {ICON, sizeof(ICON) - 1}, {0}},
};
static const struct sonde_page page = {files, sizeof(files) / sizeof(files[0])};

static struct sonde_buf packed[2];

/* The packed forms that the table of a real page has from its build. */
static int
pack_page(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        sonde_buf_init(&packed[i], 0);
        if (sonde_gzip_append(&packed[i], files[i].plain) != SONDE_OK) {
            return -1;
        }
        files[i].packed = sonde_buf_view(&packed[i]);
    }
    return 0;
}

static int
free_page(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        sonde_buf_fini(&packed[i]);
    }
    return 0;
}

static int
start(void **state, const struct sonde_page *shown, const char *token)
{
    struct kit *kit = calloc(1, sizeof(*kit));
    sonde_log_set_level(SONDE_LOG_OFF);
    kit_init(kit);
    kit->page = shown;
    kit->token = token;
    kit_start(kit);
    *state = kit;
    return 0;
}

static int
setup(void **state)
{
    return start(state, &page, NULL);
}

static int
setup_with_token(void **state)
{
    return start(state, &page, "s3cret");
}

static int
setup_without_page(void **state)
{
    return start(state, NULL, NULL);
}

static int
teardown(void **state)
{
    kit_fini(*state);
    free(*state);
    return 0;
}

/* --- Asking ------------------------------------------------------------------------- */

static void
get_with(const struct kit *kit, struct reply *out, const char *path, const char *headers)
{
    kit_call(kit, out, "GET", path, headers, SONDE_STR(""));
}

static int
status_of(const struct kit *kit, const char *path, const char *headers)
{
    struct reply reply;
    get_with(kit, &reply, path, headers);
    int status = reply.status;
    kit_reply_fini(&reply);
    return status;
}

static void
assert_header(const struct reply *reply, const char *name, const char *value)
{
    const char *found = kit_reply_header(reply, name);
    if (value == NULL) {
        assert_null(found);
    } else if (found == NULL || strcmp(found, value) != 0) {
        fail_msg("%s is %s, not %s", name, found == NULL ? "not there" : found, value);
    }
}

static void
assert_guarded(const struct reply *reply)
{
    const char *policy = kit_reply_header(reply, "Content-Security-Policy");
    assert_non_null(policy);
    assert_memory_equal(policy, "default-src 'none'; ", 20);
    assert_non_null(strstr(policy, "script-src 'self';"));
    assert_non_null(strstr(policy, "connect-src 'self';"));
    assert_non_null(strstr(policy, "frame-ancestors 'none'"));
    assert_null(strstr(policy, "unsafe"));
    assert_header(reply, "X-Content-Type-Options", "nosniff");
    assert_header(reply, "Referrer-Policy", "no-referrer");
    assert_header(reply, "Cross-Origin-Opener-Policy", "same-origin");
}

static void
assert_body(const struct reply *reply, struct sonde_str body)
{
    assert_int_equal(reply->body.len, body.len);
    assert_memory_equal(reply->body.data, body.ptr, body.len);
}

/* --- Tests -------------------------------------------------------------------------- */

static void
root_is_the_page(void **state)
{
    struct reply reply;
    kit_get(*state, &reply, "/");
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Type", "text/html; charset=utf-8");
    assert_header(&reply, "Cache-Control", "no-cache");
    assert_header(&reply, "ETag", "W/\"h1\"");
    assert_header(&reply, "Vary", "Accept-Encoding");
    assert_header(&reply, "Content-Encoding", NULL);
    assert_guarded(&reply);
    assert_body(&reply, files[0].plain);
    kit_reply_fini(&reply);
    assert_int_equal(status_of(*state, "/?from=a%20link", NULL), 200);
}

static void
assets_are_cached_for_ever(void **state)
{
    struct reply reply;
    kit_get(*state, &reply, "/assets/main-1a.js");
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Type", "text/javascript");
    assert_header(&reply, "Cache-Control", "public, max-age=31536000, immutable");
    assert_header(&reply, "ETag", "W/\"j1\"");
    assert_guarded(&reply);
    assert_body(&reply, files[1].plain);
    kit_reply_fini(&reply);
}

static void
only_files_of_the_page_are_there(void **state)
{
    static const char *const paths[] = {"/assets/",
                                        "/assets",
                                        "/assets/main-1a.j",
                                        "/assets/main-1a.jsx",
                                        "/assets/../index.html",
                                        "/assets/%2e%2e%2findex.html",
                                        "/assets/index.html",
                                        "/assets//main-1a.js",
                                        "/assets/x/main-1a.js",
                                        "/index.html",
                                        "/main-1a.js",
                                        "//",
                                        "/probes",
                                        "/favicon.ico"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct reply reply;
        kit_get(*state, &reply, paths[i]);
        kit_assert_error(&reply, 404, "not_found", NULL);
        assert_header(&reply, "Cache-Control", "no-store");
        assert_header(&reply, "ETag", NULL);
        kit_reply_fini(&reply);
    }
    struct reply reply;
    kit_get(*state, &reply, "/assets/none.js");
    assert_guarded(&reply);
    kit_reply_fini(&reply);
}

static void
packed_goes_to_who_takes_it(void **state)
{
    static const struct {
        const char *accepted;
        bool is_packed;
    } cases[] = {
        {"gzip", true},
        {"gzip, deflate, br, zstd", true},
        {"br;q=1.0, GZIP;q=0.8, *;q=0.1", true},
        {"deflate,\tgzip ; q=0.001", true},
        {"identity", false},
        {"br", false},
        {"gzip;q=0", false},
        {"gzip; q=0.000, identity", false},
        {"xgzip, gzipx", false},
        {",,;;,", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char headers[128];
        struct reply reply;
        snprintf(headers, sizeof(headers), "Accept-Encoding: %s\r\n", cases[i].accepted);
        get_with(*state, &reply, "/assets/main-1a.js", headers);
        assert_int_equal(reply.status, 200);
        assert_header(&reply, "Vary", "Accept-Encoding");
        assert_header(&reply, "Content-Encoding", cases[i].is_packed ? "gzip" : NULL);
        assert_body(&reply, cases[i].is_packed ? files[1].packed : files[1].plain);
        kit_reply_fini(&reply);
    }
    struct reply reply;
    get_with(*state, &reply, "/assets/icon.png", "Accept-Encoding: gzip\r\n");
    assert_header(&reply, "Content-Encoding", NULL);
    assert_header(&reply, "Vary", NULL);
    assert_body(&reply, files[2].plain);
    kit_reply_fini(&reply);
}

static void
known_files_are_not_sent_again(void **state)
{
    static const struct {
        const char *etags;
        bool is_known;
    } cases[] = {{"W/\"h1\"", true},
                 {"\"h1\"", true},
                 {"*", true},
                 {"\"a\", W/\"b\",W/\"h1\"", true},
                 {"W/\"h2\"", false},
                 {"h1", false},
                 {"\"h1", false},
                 {"W/", false},
                 {"W/\"h1\" W/\"x\"", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char headers[128];
        struct reply reply;
        snprintf(headers, sizeof(headers),
                 "If-None-Match: %s\r\nAccept-Encoding: gzip\r\n", cases[i].etags);
        get_with(*state, &reply, "/", headers);
        assert_int_equal(reply.status, cases[i].is_known ? 304 : 200);
        assert_header(&reply, "ETag", "W/\"h1\"");
        assert_header(&reply, "Cache-Control", "no-cache");
        assert_header(&reply, "Vary", "Accept-Encoding");
        assert_guarded(&reply);
        if (cases[i].is_known) {
            char length[32];
            snprintf(length, sizeof(length), "%zu", files[0].packed.len);
            assert_int_equal(reply.body.len, 0);
            assert_header(&reply, "Content-Length", length);
            assert_header(&reply, "Content-Type", NULL);
            assert_header(&reply, "Content-Encoding", NULL);
        }
        kit_reply_fini(&reply);
    }
}

/* The connection goes on right behind the header: a 304 has a length, but no body. */
static void
known_file_leaves_the_connection_in_order(void **state)
{
    int fd = kit_connect(*state);
    for (int i = 0; i < 3; i++) {
        struct reply reply;
        const char *const request = "GET / HTTP/1.1\r\nHost: localhost\r\n"
                                    "If-None-Match: *\r\n\r\n";
        kit_send(fd, request, strlen(request));
        assert_true(kit_receive(fd, &reply));
        assert_int_equal(reply.status, 304);
        kit_reply_fini(&reply);
    }
    close(fd);
}

/* Everything of a GET but the body; and the connection goes on. */
static void
head_has_no_body(void **state)
{
    char text[4096];
    size_t len = 0;
    int fd = kit_connect(*state);
    const char *const request = "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"
                                "HEAD /assets/none HTTP/1.1\r\nHost: localhost\r\n"
                                "Connection: close\r\n\r\n";
    kit_send(fd, request, strlen(request));
    for (ssize_t got = 1; got > 0 && len < sizeof(text) - 1; len += (size_t)got) {
        got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
        assert_true(got >= 0);
    }
    text[len] = '\0';
    close(fd);
    assert_memory_equal(text, "HTTP/1.1 200 OK\r\n", 17);
    char length[64];
    snprintf(length, sizeof(length), "Content-Length: %zu\r\n", sizeof(HTML) - 1);
    assert_non_null(strstr(text, length));
    const char *second = strstr(text, "\r\n\r\n") + 4;
    assert_memory_equal(second, "HTTP/1.1 404 Not Found\r\n", 24);
    assert_string_equal(strstr(second, "\r\n\r\n"), "\r\n\r\n");
}

static void
other_methods_are_refused(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct reply reply;
        kit_call(*state, &reply, methods[i], i % 2 == 0 ? "/" : "/assets/main-1a.js",
                 NULL, SONDE_STR(""));
        kit_assert_error(&reply, 405, "method_not_allowed", NULL);
        assert_header(&reply, "Allow", "GET, HEAD");
        kit_reply_fini(&reply);
    }
}

/* The page holds no data; what it asks for does. */
static void
page_needs_no_token(void **state)
{
    assert_int_equal(status_of(*state, "/", NULL), 200);
    assert_int_equal(status_of(*state, "/assets/main-1a.js", NULL), 200);
    assert_int_equal(status_of(*state, "/assets/none", NULL), 404);
    assert_int_equal(status_of(*state, "/", "Authorization: Bearer wrong\r\n"), 200);
    static const char *const others[] = {"/api/v1/probes",    "/api/v1/tail",
                                         "/api/v1/snapshots", "/none",
                                         "/index.html",       "/%zz"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(status_of(*state, others[i], NULL), 401);
    }
    struct reply reply;
    kit_call(*state, &reply, "POST", "/", NULL, SONDE_STR(""));
    assert_int_equal(reply.status, 401);
    assert_header(&reply, "Allow", NULL);
    kit_reply_fini(&reply);
}

/* A link in somebody's issue tracker leads to the page, or to what holds no data either;
 * nothing else of another site gets anywhere. */
static void
other_sites_may_link_and_no_more(void **state)
{
    const char *const link = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
                             "Sec-Fetch-Dest: document\r\n";
    assert_int_equal(status_of(*state, "/", link), 200);
    assert_int_equal(status_of(*state, "/api/v1/probes", link), 403);
    assert_int_equal(status_of(*state, "/api/v1/snapshots", link), 403);
    assert_int_equal(status_of(*state, "/healthz", link), 200);
    static const char *const refused[] = {
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"
        "Sec-Fetch-Dest: script\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
        "Sec-Fetch-Dest: iframe\r\n",
        "Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n"
        "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
        "Host: evil.example\r\n",
        "Host: evil.example\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n"
        "Sec-Fetch-Dest: document\r\n",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(status_of(*state, "/", refused[i]), 403);
        assert_int_equal(status_of(*state, "/assets/main-1a.js", refused[i]), 403);
    }
    const char *const own = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\n"
                            "Sec-Fetch-Dest: script\r\n";
    assert_int_equal(status_of(*state, "/assets/main-1a.js", own), 200);
}

/* What a script of the page sends, the headers as Chromium writes them. */
static void
own_page_may_change_things(void **state)
{
    const struct kit *kit = *state;
    struct reply reply;
    char headers[512];
    snprintf(headers, sizeof(headers),
             "Host: localhost:%d\r\nOrigin: http://localhost:%d\r\n"
             "Content-Type: application/json\r\nSec-Fetch-Site: same-origin\r\n"
             "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n",
             kit->port, kit->port);
    kit_call(kit, &reply, "POST", "/api/v1/probes", headers,
             SONDE_STR("{\"id\":\"a\",\"location\":\"a.py:1\"}"));
    assert_int_equal(reply.status, 201);
    kit_reply_fini(&reply);
    kit_call(kit, &reply, "DELETE", "/api/v1/probes/a", headers, SONDE_STR(""));
    assert_int_equal(reply.status, 200);
    kit_reply_fini(&reply);
    kit_call(kit, &reply, "DELETE", "/api/v1/probes/a",
             "Host: localhost:7077\r\nOrigin: http://localhost:7078\r\n"
             "Sec-Fetch-Site: same-site\r\n",
             SONDE_STR(""));
    assert_int_equal(reply.status, 403);
    kit_reply_fini(&reply);
}

/* `make WEB=no` */
static void
binary_without_page_says_so(void **state)
{
    static const char *const paths[] = {"/", "/assets/main-1a.js"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct reply reply;
        kit_get(*state, &reply, paths[i]);
        kit_assert_error(&reply, 404, "not_found", NULL);
        assert_non_null(strstr(reply.body.data, "built without the page"));
        assert_guarded(&reply);
        kit_reply_fini(&reply);
    }
    assert_int_equal(status_of(*state, "/api/v1/probes", NULL), 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_IN(name, with) cmocka_unit_test_setup_teardown(name, with, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(root_is_the_page),
        TEST(assets_are_cached_for_ever),
        TEST(only_files_of_the_page_are_there),
        TEST(packed_goes_to_who_takes_it),
        TEST(known_files_are_not_sent_again),
        TEST(known_file_leaves_the_connection_in_order),
        TEST(head_has_no_body),
        TEST(other_methods_are_refused),
        TEST_IN(page_needs_no_token, setup_with_token),
        TEST(other_sites_may_link_and_no_more),
        TEST(own_page_may_change_things),
        TEST_IN(binary_without_page_says_so, setup_without_page),
    };
    return cmocka_run_group_tests(tests, pack_page, free_page);
}
