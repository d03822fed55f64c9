/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP request and its answer, apart from how they travel: the server fills one from
 * libmicrohttpd, the fuzzer from its input. A handler gives exactly one answer, in one of
 * three ways:
 *
 *     at once     write into x->answer, sonde_exchange_answer(x, 200, SONDE_TYPE_JSON)
 *     held        sonde_exchange_hold(x); later, from any thread, the same
 *     for long    sonde_exchange_stream(x, &stream)
 *
 * Threads: before hold only the server's thread touches it; after hold only whoever it
 * was handed to, until the answer. After the answer nobody but the server. */
#ifndef SONDE_EXCHANGE_H
#define SONDE_EXCHANGE_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/wire/json.h"

#define SONDE_TYPE_JSON "application/json"
#define SONDE_TYPE_PROTOBUF "application/x-protobuf"
#define SONDE_TYPE_EVENTS "text/event-stream"

#define SONDE_EXCHANGE_PARAMS_MAX 16
#define SONDE_EXCHANGE_HEADERS_MAX 12
#define SONDE_RETRY_AFTER_S 1 /* what 429 and 503 say */

/* X(NAME, HTTP status, gRPC code, wire text). gRPC's code goes into google.rpc.Status. */
#define SONDE_PROBLEM_LIST(X)                                   \
    X(INVALID_ARGUMENT, 400, 3, "invalid_argument")             \
    X(UNAUTHORIZED, 401, 16, "unauthorized")                    \
    X(FORBIDDEN, 403, 7, "forbidden")                           \
    X(NOT_FOUND, 404, 5, "not_found")                           \
    X(METHOD_NOT_ALLOWED, 405, 12, "method_not_allowed")        \
    X(CONFLICT, 409, 10, "conflict")                            \
    X(TOO_LARGE, 413, 3, "too_large")                           \
    X(UNSUPPORTED_MEDIA_TYPE, 415, 3, "unsupported_media_type") \
    X(TOO_MANY_REQUESTS, 429, 8, "too_many_requests")           \
    X(INTERNAL, 500, 13, "internal")                            \
    X(UNAVAILABLE, 503, 14, "unavailable")

enum sonde_problem {
#define SONDE_PROBLEM_ENUM(name, status, grpc, text) SONDE_PROBLEM_##name,
    SONDE_PROBLEM_LIST(SONDE_PROBLEM_ENUM)
#undef SONDE_PROBLEM_ENUM
};

struct sonde_exchange;

/* How a request came and how its answer leaves. */
struct sonde_transport {
    /* A header's value, the empty run when absent. Only before hold. */
    struct sonde_str (*header)(struct sonde_exchange *x, const char *name);
    /* Sets the connection aside; and goes on with it. Resume: any thread. */
    void (*suspend)(struct sonde_exchange *x);
    void (*resume)(struct sonde_exchange *x);
};

/* An answer without an end. */
struct sonde_stream {
    /* Writes at most `size` bytes: how many, 0 after sonde_exchange_pause (nothing now),
     * or -1 at the end. Server's thread. */
    int64_t (*read)(void *arg, char *out, size_t size);
    /* The connection is gone; `arg` is not used after it. Server's thread. */
    void (*close)(void *arg);
    void *arg;
};

struct sonde_exchange_param {
    struct sonde_str name, value;
};

struct sonde_exchange_header {
    const char *name, *value;
};

struct sonde_route;

struct sonde_exchange {
    const struct sonde_transport *transport;
    void *peer; /* the transport's own */
    struct sonde_arena arena;

    /* The request. */
    struct sonde_str method;
    struct sonde_str path; /* decoded */
    struct sonde_exchange_param params[SONDE_EXCHANGE_PARAMS_MAX];
    size_t param_count;
    bool is_malformed; /* the target could not be decoded */
    bool is_otlp;      /* errors are google.rpc.Status … */
    bool is_protobuf;  /* … in protobuf */
    const struct sonde_route *route;
    void *route_arg;       /* first argument of the route's handler */
    struct sonde_str tail; /* what follows the route's prefix: an id */
    struct sonde_buf body; /* decompressed once the handler sees it */

    /* The answer. */
    bool is_answered; /* is published by transport->resume when the exchange is held */
    bool is_held;
    unsigned status;
    const char *content_type;  /* NULL: none, as of a 304 */
    const char *cache_control; /* NULL: "no-store" */
    const char *allow;         /* NULL, or the Allow header of a 405 */
    unsigned retry_after_s;    /* 0: none */
    struct sonde_exchange_header headers[SONDE_EXCHANGE_HEADERS_MAX]; /* more of them */
    size_t header_count;
    struct sonde_buf answer;
    struct sonde_stream stream; /* read is NULL: no stream */
};

/* Takes the request line apart: `target` is "/path?query" as it was sent, and is copied
 * into x's arena; `method` is borrowed. SONDE_OK or SONDE_E_NOMEM. Own:
 * sonde_exchange_fini. */
int sonde_exchange_init(struct sonde_exchange *x, const struct sonde_transport *transport,
                        void *peer, struct sonde_str method, struct sonde_str target);
void sonde_exchange_fini(struct sonde_exchange *x);

/* A query parameter's value, or the empty run. */
struct sonde_str sonde_exchange_param(const struct sonde_exchange *x, const char *name);

/* Reads the whole number of a query parameter; `fallback` when it is absent. Outside
 * least…most or no number: answers 400 and returns false. */
bool sonde_exchange_param_int(struct sonde_exchange *x, const char *name, int64_t least,
                              int64_t most, int64_t fallback, int64_t *out);

/* Reads the body as one JSON object into x's arena; otherwise answers and returns
 * NULL. */
const struct sonde_json *sonde_exchange_json(struct sonde_exchange *x);

/* Adds a header to the answer; an error takes those before it away. At most
 * SONDE_EXCHANGE_HEADERS_MAX, more are left out. Both strings have to live as long as
 * x. */
void sonde_exchange_add_header(struct sonde_exchange *x, const char *name,
                               const char *value);

/* Sets the connection aside. From then on the handler hands x over and forgets it. */
void sonde_exchange_hold(struct sonde_exchange *x);

/* x->answer is complete. */
void sonde_exchange_answer(struct sonde_exchange *x, unsigned status,
                           const char *content_type);

/* Answers with an error; `field` may be NULL. What stood in x->answer is thrown away. */
void sonde_exchange_fail(struct sonde_exchange *x, enum sonde_problem problem,
                         const char *field, const char *format, ...) SONDE_PRINTF(4, 5);

/* The same from a code: the message and field of `err` and the problem nearest to it. */
void sonde_exchange_fail_err(struct sonde_exchange *x, const struct sonde_err *err);

void sonde_exchange_stream(struct sonde_exchange *x, const struct sonde_stream *stream);

/* In stream.read, before it returns 0; and the end of that pause, from any thread. */
void sonde_exchange_pause(struct sonde_exchange *x);
void sonde_exchange_unpause(struct sonde_exchange *x);

#endif
