/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/http/server.h"

#include "collector/http/peers.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define THREAD_COUNT 2u
#define CONNECTION_MAX 2000u
#define CONNECTION_MEMORY_BYTES ((size_t)64 * 1024)
#define SILENCE_TIME_S 65u /* also of a reader that takes nothing of its answer */
#define BODIES_MAX_BYTES ((size_t)256 * 1024 * 1024)
#define ANSWERS_MAX_BYTES ((size_t)512 * 1024 * 1024)
#define LAST_ANSWERS_NS SONDE_NS_PER_S /* for what is on its way when the server stops */
#define STREAM_BLOCK_BYTES ((size_t)16 * 1024)

struct sonde_server {
    struct MHD_Daemon *daemon;
    const struct sonde_router *router;
    struct sonde_peers peers;
    _Atomic size_t bodies_bytes;  /* of all requests that are here */
    _Atomic size_t answers_bytes; /* of all answers that are being sent */
    struct sonde_lock lock;
    struct sonde_cond all_answered;
    bool is_closed;         /* guarded by lock, like the next two */
    size_t busy_count;      /* handlers that run, and connections set aside */
    size_t answering_count; /* served, and the answer is not all sent yet */
};

/* A request of libmicrohttpd's; its context pointer. */
struct request {
    struct sonde_exchange x; /* first: an exchange of ours is a request */
    struct sonde_server *server;
    struct MHD_Connection *connection;
    struct sonde_peer *peer;
    size_t booked_bytes; /* of server->bodies_bytes */
    size_t answer_bytes; /* of server->answers_bytes */
    bool has_header;     /* admit has seen it */
    bool was_served;     /* the handler has seen it */
};

/* --- The transport ------------------------------------------------------------------ */

static struct sonde_str
get_header(struct sonde_exchange *x, const char *name)
{
    const char *value = NULL;
    size_t len = 0;
    struct request *request = (struct request *)x;
    (void)MHD_lookup_connection_value_n(request->connection, MHD_HEADER_KIND, name,
                                        strlen(name), &value, &len);
    return (struct sonde_str){value, value == NULL ? 0 : len};
}

static void
enter(struct sonde_server *server)
{
    sonde_lock_take(&server->lock);
    server->busy_count++;
    sonde_lock_drop(&server->lock);
}

static void
leave(struct sonde_server *server)
{
    sonde_lock_take(&server->lock);
    if (--server->busy_count == 0 && server->is_closed) {
        sonde_cond_wake_all(&server->all_answered);
    }
    sonde_lock_drop(&server->lock);
}

static void
suspend(struct sonde_exchange *x)
{
    struct request *request = (struct request *)x;
    enter(request->server);
    MHD_suspend_connection(request->connection);
}

static void
resume(struct sonde_exchange *x)
{
    /* The request may be over and freed as soon as it is resumed. */
    struct request *request = (struct request *)x;
    struct sonde_server *server = request->server;
    MHD_resume_connection(request->connection);
    leave(server);
}

static const struct sonde_transport transport = {get_header, suspend, resume};

/* --- The answer --------------------------------------------------------------------- */

static ssize_t
read_stream(void *arg, uint64_t position, char *out, size_t size)
{
    struct sonde_exchange *x = arg;
    (void)position;
    int64_t len = x->stream.read(x->stream.arg, out, size);
    return len < 0 ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)len;
}

static struct MHD_Response *
make_response(struct request *request)
{
    struct sonde_exchange *x = &request->x;
    struct MHD_Response *response;
    char number[16];
    if (x->stream.read != NULL) {
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES,
                                                     read_stream, x, NULL);
    } else {
        /* Persistent: the exchange keeps the text until the request is over. */
        response = MHD_create_response_from_buffer(x->answer.len, x->answer.data,
                                                   MHD_RESPMEM_PERSISTENT);
    }
    if (response == NULL) {
        return NULL;
    }
    if (x->content_type != NULL) {
        (void)MHD_add_response_header(response, "Content-Type", x->content_type);
    }
    (void)MHD_add_response_header(response, "Cache-Control",
                                  x->cache_control == NULL ? "no-store"
                                                           : x->cache_control);
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    for (size_t i = 0; i < x->header_count; i++) {
        (void)MHD_add_response_header(response, x->headers[i].name, x->headers[i].value);
    }
    if (x->allow != NULL) {
        (void)MHD_add_response_header(response, "Allow", x->allow);
    }
    if (x->status == MHD_HTTP_UNAUTHORIZED) {
        (void)MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    }
    if (x->retry_after_s > 0) {
        snprintf(number, sizeof(number), "%u", x->retry_after_s);
        (void)MHD_add_response_header(response, "Retry-After", number);
    }
    return response;
}

/* Readers may take their time over large answers, but not all of them at once. */
static void
book_answer(struct request *request)
{
    struct sonde_exchange *x = &request->x;
    struct sonde_server *server = request->server;
    size_t len = x->answer.len;
    size_t all =
        atomic_fetch_add_explicit(&server->answers_bytes, len, memory_order_relaxed);
    if (all + len > ANSWERS_MAX_BYTES) {
        atomic_fetch_sub_explicit(&server->answers_bytes, len, memory_order_relaxed);
        sonde_buf_fini(&x->answer);
        x->is_held = false; /* it is here again: nothing to resume */
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL,
                            "too many large answers are under way");
        return;
    }
    request->answer_bytes = len;
}

static enum MHD_Result
send_answer(struct request *request)
{
    book_answer(request);
    struct MHD_Response *response = make_response(request);
    if (response == NULL) {
        return MHD_NO;
    }
    enum MHD_Result rc =
        MHD_queue_response(request->connection, request->x.status, response);
    MHD_destroy_response(response);
    return rc;
}

/* --- The request -------------------------------------------------------------------- */

static struct sonde_peer *
peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

/* libmicrohttpd tells the raw target here and nowhere else, before it tells the
 * method. */
static void *
begin(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct sonde_server *server = arg;
    struct request *request = sonde_calloc(1, sizeof(*request));
    if (request == NULL) {
        return NULL;
    }
    request->server = server;
    request->connection = connection;
    request->peer = peer_of(connection);
    if (sonde_exchange_init(&request->x, &transport, request, SONDE_STR(""),
                            sonde_str_from(target)) != SONDE_OK) {
        sonde_exchange_fini(&request->x);
        sonde_free(request);
        return NULL;
    }
    return request;
}

static void
turn(struct request *request, enum sonde_peer_state state)
{
    if (request->peer != NULL) {
        sonde_peer_turn(&request->server->peers, request->peer, state);
    }
}

/* True when the length that the header promises is over what the route takes. */
static bool
promises_too_much(struct request *request)
{
    struct sonde_str length = get_header(&request->x, "Content-Length");
    size_t limit = request->x.route->body_bytes;
    size_t value = 0;
    for (size_t i = 0; i < length.len && value <= SONDE_BODY_MAX_BYTES; i++) {
        value = value * 10 + (size_t)(length.ptr[i] - '0'); /* the library checked it */
    }
    return value > (limit == 0 ? SONDE_BODY_MAX_API_BYTES : limit);
}

static void
refuse_size(struct request *request)
{
    sonde_exchange_fail(&request->x, SONDE_PROBLEM_TOO_LARGE, NULL,
                        "the body is over %zu bytes", request->x.route->body_bytes);
}

static enum MHD_Result
take_header(struct request *request, const char *method)
{
    struct sonde_exchange *x = &request->x;
    request->has_header = true;
    turn(request, SONDE_PEER_SENDING);
    x->method =
        sonde_str_from(method); /* the connection's, as long as the request lives */
    sonde_router_admit(request->server->router, x);
    bool is_refused = x->is_answered;
    bool is_too_much = !is_refused && promises_too_much(request);
    if (is_too_much) {
        refuse_size(request);
    }
    /* An answer before the body ends the connection. It is for bodies that are too long
     * to be read for nothing, and for whoever asked before sending one. */
    bool has_asked = get_header(x, "Expect").len > 0;
    return is_too_much || (is_refused && has_asked) ? send_answer(request) : MHD_YES;
}

/* A body that is refused is read on, so that its sender gets to read why; past the
 * largest size that anything here takes, it is not worth that any more. */
static enum MHD_Result
take_body(struct request *request, const char *data, size_t len)
{
    struct sonde_exchange *x = &request->x;
    struct sonde_server *server = request->server;
    size_t limit = x->route == NULL ? 0 : x->route->body_bytes;
    size_t before = request->booked_bytes;
    request->booked_bytes += len;
    if (request->booked_bytes > SONDE_BODY_MAX_BYTES + SONDE_BODY_MAX_API_BYTES) {
        request->booked_bytes = before;
        return MHD_NO;
    }
    size_t all =
        atomic_fetch_add_explicit(&server->bodies_bytes, len, memory_order_relaxed);
    if (x->is_answered || limit == 0) {
        return MHD_YES;
    }
    if (x->body.len + len > limit) {
        refuse_size(request);
    } else if (all + len > BODIES_MAX_BYTES) {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL,
                            "too many requests are under way");
    } else {
        sonde_buf_append(&x->body, data, len);
        if (x->body.failed != SONDE_OK) {
            sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL, "out of memory");
        }
    }
    if (x->is_answered) {
        sonde_buf_fini(&x->body);
    }
    return MHD_YES;
}

static enum MHD_Result
serve(struct request *request)
{
    struct sonde_exchange *x = &request->x;
    struct sonde_server *server = request->server;
    request->was_served = true;
    turn(request, SONDE_PEER_ANSWERING);
    sonde_lock_take(&server->lock);
    bool is_closed = server->is_closed;
    server->busy_count += !is_closed;
    server->answering_count++;
    sonde_lock_drop(&server->lock);
    if (is_closed) {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL,
                            "the collector is ending");
        return send_answer(request);
    }
    sonde_router_serve(x);
    /* A held one is whoever's it was handed to: it may be answered by now, but resuming
     * goes through this very thread, so it is still there. */
    enum MHD_Result rc = x->is_held ? MHD_YES : send_answer(request);
    leave(server);
    return rc;
}

/* Called for the header, for each piece of the body, at its end, and after each
 * resume. */
static enum MHD_Result
step(void *arg, struct MHD_Connection *connection, const char *target, const char *method,
     const char *version, const char *data, size_t *data_len, void **context)
{
    struct request *request = *context;
    (void)arg, (void)connection, (void)target, (void)version;
    if (request == NULL) {
        return MHD_NO; /* no memory: the connection is closed */
    }
    if (!request->has_header) {
        return take_header(request, method);
    }
    if (*data_len > 0) {
        enum MHD_Result rc = take_body(request, data, *data_len);
        *data_len = 0;
        return rc;
    }
    if (!request->was_served && !request->x.is_answered) {
        return serve(request);
    }
    return send_answer(request);
}

static void
end(void *arg, struct MHD_Connection *connection, void **context,
    enum MHD_RequestTerminationCode why)
{
    struct request *request = *context;
    (void)arg, (void)connection, (void)why;
    if (request == NULL) {
        return;
    }
    if (request->x.stream.close != NULL) {
        request->x.stream.close(request->x.stream.arg);
    }
    atomic_fetch_sub_explicit(&request->server->bodies_bytes, request->booked_bytes,
                              memory_order_relaxed);
    atomic_fetch_sub_explicit(&request->server->answers_bytes, request->answer_bytes,
                              memory_order_relaxed);
    if (request->was_served) {
        struct sonde_server *server = request->server;
        sonde_lock_take(&server->lock);
        if (--server->answering_count == 0 && server->is_closed) {
            sonde_cond_wake_all(&server->all_answered);
        }
        sonde_lock_drop(&server->lock);
    }
    turn(request, SONDE_PEER_IDLE);
    sonde_exchange_fini(&request->x);
    sonde_free(request);
    *context = NULL;
}

static void
notice_connection(void *arg, struct MHD_Connection *connection, void **context,
                  enum MHD_ConnectionNotificationCode code)
{
    struct sonde_server *server = arg;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*context != NULL) {
            sonde_peer_leave(&server->peers, *context);
            *context = NULL;
        }
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *context = info == NULL ? NULL : sonde_peer_join(&server->peers, info->connect_fd);
}

/* --- Life --------------------------------------------------------------------------- */

SONDE_PRINTF(2, 0)
static void
log_line(void *arg, const char *format, va_list args)
{
    char line[256];
    (void)arg;
    vsnprintf(line, sizeof(line), format, args);
    line[strcspn(line, "\n")] = '\0';
    sonde_log(SONDE_LOG_DEBUG, "http: %s", line);
}

struct sonde_server *
sonde_server_new(const struct sonde_router *router)
{
    struct sonde_server *server = sonde_calloc(1, sizeof(*server));
    if (server != NULL) {
        server->router = router;
        sonde_peers_init(&server->peers, CONNECTION_MAX);
        sonde_lock_init(&server->lock, SONDE_RANK_LOG);
        sonde_cond_init(&server->all_answered);
    }
    return server;
}

int
sonde_server_start(struct sonde_server *server, int fd, struct sonde_err *err)
{
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, step, server, MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, THREAD_COUNT,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTION_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_MEMORY_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, SILENCE_TIME_S,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, begin, server,
        MHD_OPTION_NOTIFY_COMPLETED, end, server, MHD_OPTION_NOTIFY_CONNECTION,
        notice_connection, server, MHD_OPTION_END);
    if (server->daemon == NULL) {
        return sonde_err_set(err, SONDE_E_IO, "listen", "the HTTP server did not start");
    }
    return SONDE_OK;
}

void
sonde_server_close(struct sonde_server *server)
{
    sonde_lock_take(&server->lock);
    server->is_closed = true;
    sonde_lock_drop(&server->lock);
}

void
sonde_server_stop(struct sonde_server *server)
{
    sonde_lock_take(&server->lock);
    while (server->busy_count > 0) {
        sonde_cond_wait(&server->all_answered, &server->lock, -1);
    }
    int64_t deadline_ns = sonde_clock_mono_ns() + LAST_ANSWERS_NS;
    while (server->answering_count > 0 && sonde_clock_mono_ns() < deadline_ns) {
        sonde_cond_wait(&server->all_answered, &server->lock, deadline_ns);
    }
    sonde_lock_drop(&server->lock);
    if (server->daemon != NULL) {
        MHD_stop_daemon(server->daemon); /* closes the listening socket too */
        server->daemon = NULL;
    }
}

void
sonde_server_free(struct sonde_server *server)
{
    if (server != NULL) {
        sonde_peers_fini(&server->peers);
        sonde_cond_fini(&server->all_answered);
        sonde_lock_fini(&server->lock);
        sonde_free(server);
    }
}

int64_t
sonde_server_tick(struct sonde_server *server)
{
    return sonde_peers_tick(&server->peers, sonde_clock_mono_ns());
}
