/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /api/v1/tail: what arrives while one listens, and what happens to slow
 * listeners. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "tests/unit/collector_kit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
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
teardown(void **state)
{
    kit_fini(*state);
    free(*state);
    return 0;
}

/* --- A listener --------------------------------------------------------------------- */

/* The stream without its chunk sizes; grows as it is read. */
struct stream {
    int fd;
    struct sonde_buf raw;  /* as it came */
    struct sonde_buf text; /* of the chunks, terminated */
    size_t raw_at;         /* in raw: moved into text so far */
    size_t at;             /* in text: read so far by next_event */
};

/* Takes the whole chunks out of raw. */
static void
unchunk(struct stream *stream)
{
    for (;;) {
        const char *at = stream->raw.data + stream->raw_at;
        size_t left = stream->raw.len - stream->raw_at;
        if (stream->raw_at == 0) { /* the head */
            const char *end = strstr(at, "\r\n\r\n");
            if (end == NULL) {
                return;
            }
            stream->raw_at = (size_t)(end + 4 - at);
            continue;
        }
        char *end = NULL;
        size_t len = isxdigit((unsigned char)*at) ? strtoul(at, &end, 16) : 0;
        if (len == 0 || (size_t)(end - at) + len + 4 > left) {
            break;
        }
        sonde_buf_append(&stream->text, end + 2, len);
        stream->raw_at += (size_t)(end - at) + len + 4;
    }
    sonde_buf_cstr(&stream->text);
}

/* Reads once; false at the end of the stream or when nothing comes for 10 s. */
static bool
read_more(struct stream *stream)
{
    char *room = sonde_buf_reserve(&stream->raw, 65536);
    ssize_t got = recv(stream->fd, room, 65536, 0);
    if (got <= 0) {
        return false;
    }
    stream->raw.len += (size_t)got;
    sonde_buf_cstr(&stream->raw);
    unchunk(stream);
    return true;
}

/* Connects and waits for the first comment, after which nothing is missed. */
static void
listen_to(const struct kit *kit, struct stream *stream, const char *query,
          int buffer_bytes)
{
    char head[256];
    *stream = (struct stream){.fd = kit_connect(kit)};
    sonde_buf_init(&stream->raw, 0);
    sonde_buf_init(&stream->text, 0);
    if (buffer_bytes > 0) {
        setsockopt(stream->fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes,
                   sizeof(buffer_bytes));
    }
    snprintf(head, sizeof(head), "GET /api/v1/tail%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
             query);
    kit_send(stream->fd, head, strlen(head));
    while (stream->text.len == 0) {
        assert_true(read_more(stream));
    }
    assert_non_null(strstr(stream->raw.data, "200 OK"));
    assert_non_null(strstr(stream->raw.data, "text/event-stream"));
    assert_string_equal(stream->text.data, ":\n\n");
    stream->at = 3;
}

static void
leave(struct stream *stream)
{
    close(stream->fd);
    sonde_buf_fini(&stream->raw);
    sonde_buf_fini(&stream->text);
}

/* The next event as "name data", in a buffer until the next call; NULL at the end. */
static const char *
next_event(struct stream *stream)
{
    static char event[65536];
    for (;;) {
        const char *at = stream->text.data + stream->at;
        const char *end = strstr(at, "\n\n");
        if (end == NULL) {
            if (!read_more(stream)) {
                return NULL;
            }
            continue;
        }
        stream->at += (size_t)(end + 2 - at);
        if (at[0] == ':') {
            continue;
        }
        const char *data = strstr(at, "\ndata: ");
        assert_memory_equal(at, "event: ", 7);
        assert_true(data != NULL && data < end);
        snprintf(event, sizeof(event), "%.*s %.*s", (int)(data - at - 7), at + 7,
                 (int)(end - data - 7), data + 7);
        return event;
    }
}

static void
assert_snapshot(struct stream *stream, const char *id)
{
    char wanted[64];
    const char *event = next_event(stream);
    assert_non_null(event);
    snprintf(wanted, sizeof(wanted), "snapshot {\"id\":\"%s\"", id);
    if (strncmp(event, wanted, strlen(wanted)) != 0) {
        fail_msg("not %s: %.80s", wanted, event);
    }
}

/* --- Tests -------------------------------------------------------------------------- */

static void
snapshots_arrive_as_they_are_stored(void **state)
{
    struct stream stream;
    struct sonde_arena arena;
    const struct sonde_json *json;
    int64_t now_ns = sonde_clock_wall_ns();
    kit_store(*state, "before", 1, "p", "s", now_ns);
    listen_to(*state, &stream, "", 0);
    kit_store(*state, "a", 2, "p", "s", now_ns);
    assert_snapshot(&stream, "a-0");
    const char *event = next_event(&stream);
    sonde_arena_init(&arena, 0);
    assert_int_equal(
        sonde_json_read(&json, &arena, sonde_str_from(event + strlen("snapshot ")), NULL),
        0);
    kit_assert_str(json, "id", "a-1");
    kit_assert_str(sonde_json_get(json, "captures"), "entry", "a-1");
    sonde_arena_fini(&arena);
    leave(&stream);
}

static void
filters_apply(void **state)
{
    struct stream of_probe;
    struct stream of_service;
    int64_t now_ns = sonde_clock_wall_ns();
    listen_to(*state, &of_probe, "?probe=p2", 0);
    listen_to(*state, &of_service, "?service=s2&probe=p1", 0);
    kit_store(*state, "a", 1, "p1", "s1", now_ns);
    kit_store(*state, "b", 1, "p2", "s1", now_ns);
    kit_store(*state, "c", 1, "p1", "s2", now_ns);
    kit_store(*state, "d", 1, "p2", "s2", now_ns);
    assert_snapshot(&of_probe, "b-0");
    assert_snapshot(&of_probe, "d-0");
    assert_snapshot(&of_service, "c-0");
    leave(&of_probe);
    leave(&of_service);
}

static void
repeated_snapshots_are_not_shown_twice(void **state)
{
    struct stream stream;
    int64_t now_ns = sonde_clock_wall_ns();
    listen_to(*state, &stream, "", 0);
    kit_store(*state, "a", 1, "p", "s", now_ns);
    kit_store(*state, "a", 1, "p", "s", now_ns);
    kit_store(*state, "b", 1, "p", "s", now_ns);
    assert_snapshot(&stream, "a-0");
    assert_snapshot(&stream, "b-0");
    leave(&stream);
}

/* One that does not read costs its own stream, told with the number lost, and nobody
 * else. */
static void
slow_reader_is_told_what_it_missed(void **state)
{
    struct stream slow;
    struct stream quick;
    enum { BATCHES = 30, EACH = 1000 }; /* more than queue and socket buffers hold */
    int64_t now_ns = sonde_clock_wall_ns();
    listen_to(*state, &slow, "", 256 * 1024);
    listen_to(*state, &quick, "?probe=last", 0);
    int64_t start_ns = sonde_clock_mono_ns();
    for (int i = 0; i < BATCHES; i++) {
        char prefix[16];
        snprintf(prefix, sizeof(prefix), "n%d", i);
        kit_store(*state, prefix, EACH, "p", "s", now_ns);
    }
    kit_store(*state, "z", 1, "last", "s", now_ns);
    assert_snapshot(&quick, "z-0");
    assert_true(sonde_clock_mono_ns() - start_ns < 90 * SONDE_NS_PER_S);

    long seen = 0;
    long lost = 0;
    while (seen + lost < BATCHES * EACH + 1) {
        const char *event = next_event(&slow);
        assert_non_null(event);
        if (strncmp(event, "lagged {\"count\":", 16) == 0) {
            lost += atol(event + 16);
        } else {
            assert_memory_equal(event, "snapshot ", 9);
            seen++;
        }
    }
    assert_int_equal(seen + lost, BATCHES * EACH + 1);
    assert_true(seen > 0 && lost > 0);
    leave(&slow);
    leave(&quick);
}

static void
listener_that_left_is_forgotten(void **state)
{
    struct stream stream;
    int64_t now_ns = sonde_clock_wall_ns();
    for (int i = 0; i < 20; i++) {
        listen_to(*state, &stream, "", 0);
        leave(&stream);
    }
    kit_store(*state, "a", 5, "p", "s", now_ns);
    kit_store(*state, "b", 5, "p", "s", now_ns);
    listen_to(*state, &stream, "", 0);
    kit_store(*state, "c", 1, "p", "s", now_ns);
    assert_snapshot(&stream, "c-0");
    leave(&stream);
}

static void
stop_ends_the_stream(void **state)
{
    struct stream stream;
    listen_to(*state, &stream, "", 0);
    int64_t start_ns = sonde_clock_mono_ns();
    kit_stop(*state);
    assert_true(sonde_clock_mono_ns() - start_ns < 2 * SONDE_NS_PER_S);
    assert_null(next_event(&stream));
    leave(&stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(snapshots_arrive_as_they_are_stored),
        TEST(filters_apply),
        TEST(repeated_snapshots_are_not_shown_twice),
        TEST(slow_reader_is_told_what_it_missed),
        TEST(listener_that_left_is_forgotten),
        TEST(stop_ends_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
