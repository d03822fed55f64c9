/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the collector share: a collector inside the test's process, on a free
 * port and in a directory of its own, and a client on raw sockets, which can
 * misbehave. */
#ifndef SONDE_TEST_COLLECTOR_KIT_H
#define SONDE_TEST_COLLECTOR_KIT_H

#include "collector/collector.h"
#include "core/base/buf.h"
#include "core/wire/json.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

struct kit {
    char dir[64];
    int port;
    const char *token; /* before kit_start */
    const char *listen;
    size_t queue_bytes;
    const struct sonde_page *page;
    struct sonde_collector *collector;
};

/* Makes the directory; starts in it; stops; removes the directory. */
void kit_init(struct kit *kit);
void kit_start(struct kit *kit);
void kit_stop(struct kit *kit);
void kit_fini(struct kit *kit);

/* An answer; lives until kit_reply_fini. */
struct reply {
    int status;
    struct sonde_buf head; /* terminated */
    struct sonde_buf body; /* terminated */
    struct sonde_arena arena;
    const struct sonde_json *json; /* the body, when it is JSON */
};
void kit_reply_fini(struct reply *reply);

/* A header's value in the answer, or NULL; in a buffer of its own until the next call. */
const char *kit_reply_header(const struct reply *reply, const char *name);

int kit_connect(const struct kit *kit);
void kit_send(int fd, const void *data, size_t len);
/* Reads one answer with a Content-Length. False when the connection ends before it. */
bool kit_receive(int fd, struct reply *out);

/* One call on a connection of its own. `headers` are whole lines ending in \r\n, or
 * NULL. */
void kit_call(const struct kit *kit, struct reply *out, const char *method,
              const char *path, const char *headers, struct sonde_str body);

void kit_get(const struct kit *kit, struct reply *out, const char *path);
/* With Content-Type: application/json. */
void kit_post(const struct kit *kit, struct reply *out, const char *path,
              const char *json);
void kit_delete(const struct kit *kit, struct reply *out, const char *path);

/* The answer is an error of that status and code; field NULL: has none. */
void kit_assert_error(const struct reply *reply, int status, const char *code,
                      const char *field);
void kit_assert_str(const struct sonde_json *object, const char *key,
                    const char *expected);

/* An OTLP request of `count` snapshots "PREFIX-0", "PREFIX-1", …, one millisecond apart,
 * the newest last. */
void kit_logs(struct sonde_buf *out, const char *prefix, int count, const char *probe_id,
              const char *service, int64_t time_ns);
/* Sends it; fails the test unless it is acknowledged. */
void kit_store(const struct kit *kit, const char *prefix, int count, const char *probe_id,
               const char *service, int64_t time_ns);

/* How many snapshots the list has, and its ids as "a b c" (at most `size`). */
size_t kit_list(const struct kit *kit, const char *query, char *ids, size_t size);

/* Polls until `condition` holds; fails the test after 10 s. */
#define kit_wait_until(condition)                                            \
    do {                                                                     \
        int64_t kit_deadline_ = sonde_clock_mono_ns() + 10 * SONDE_NS_PER_S; \
        while (!(condition)) {                                               \
            assert_true(sonde_clock_mono_ns() < kit_deadline_);              \
            usleep(2000);                                                    \
        }                                                                    \
    } while (0)

#endif
