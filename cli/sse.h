/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a stream of server-sent events (text/event-stream, as HTML has it): lines ending in
 * LF, CR or CRLF, in pieces of any size. `id` and `retry` are ignored.
 *
 * Ctx: one thread. */
#ifndef SONDE_SSE_H
#define SONDE_SSE_H

#include "core/base/buf.h"

/* One event; `name` is "message" when the stream gave none. Both are borrowed for the call.
 * False ends the reading. */
typedef bool sonde_sse_event_fn(void *arg, struct sonde_str name, struct sonde_str data);

struct sonde_sse {
    struct sonde_buf line; /* the line that is not finished */
    struct sonde_buf data; /* data lines so far, each with a newline at its end */
    char name[32];
    bool was_cr;    /* a LF that follows is no line of its own */
    bool has_begun; /* past the place for a byte order mark */
    bool has_ended; /* the event function said so */
    sonde_sse_event_fn *event;
    void *arg;
};

/* `max_bytes` bounds a line and an event's data. */
void sonde_sse_init(struct sonde_sse *sse, size_t max_bytes, sonde_sse_event_fn *event,
                    void *arg);
void sonde_sse_fini(struct sonde_sse *sse);

/* Forgets what is unfinished: a new connection begins. */
void sonde_sse_reset(struct sonde_sse *sse);

/* SONDE_OK; SONDE_E_CLOSED once `event` has returned false; SONDE_E_LIMIT or SONDE_E_NOMEM
 * when an event is too big. After an error only reset and fini may be called. */
int sonde_sse_feed(struct sonde_sse *sse, struct sonde_str piece);

#endif
