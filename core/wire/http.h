/* SPDX-License-Identifier: Apache-2.0
 *
 * An HTTP client over libcurl's multi interface: several requests under way on one
 * thread, with a wake-up from any other.
 *
 *     sonde_http_new(&http, &options, &err);
 *     sonde_http_start(http, &request, &err);           // any number
 *     while (running) sonde_http_poll(http, 1000);   // calls request.done on this thread
 *
 * Threads: one at a time, normally the one that made the client, except sonde_http_wake,
 * which any thread may call until sonde_http_free begins. After fork the child calls
 * sonde_http_forget on the parent's client and makes its own: nothing of libcurl's is
 * touched, only the sockets are closed in the child, without a byte on the wire.
 *
 * No signal is raised or taken, the application's proxies are not used for loopback, and
 * a redirect is not followed. */
#ifndef SONDE_HTTP_H
#define SONDE_HTTP_H

#include <sonde/err.h>
#include <sonde/str.h>
#include <stdint.h>

struct sonde_http;
struct sonde_http_call;

struct sonde_http_options {
    const char *base_url; /* "http://127.0.0.1:7077"; a path prefix is kept */
    const char *token;    /* NULL, or sent as "Authorization: Bearer …" */
    const char *user_agent;
    size_t max_response_bytes; /* 0: 16 MiB; past it the call fails with SONDE_E_LIMIT */
};

struct sonde_http_response {
    /* SONDE_OK: an answer came, whatever its status; or SONDE_E_IO, _TIMEOUT, _LIMIT,
     * _NOMEM, _CLOSED (given up by sonde_http_free, _cancel or the data callback). */
    int code;
    long status;            /* HTTP status, 0 without an answer */
    struct sonde_str body;  /* borrowed for the call of done; decoded when gzip */
    int64_t retry_after_ns; /* -1: the server did not say; a day at most */
    size_t sent_bytes;      /* the request's body, as it was sent */
    const char *error;      /* one line for people when code != SONDE_OK; never NULL */
};

/* May start and cancel calls, not free the client. */
typedef void sonde_http_done_fn(void *arg, const struct sonde_http_response *response);

/* Called as body bytes arrive, for streams; false gives the call up. The body of an
 * answer that is not 2xx is kept for done instead: it is a reason, not part of the
 * stream. Must not start or cancel calls. */
typedef bool sonde_http_data_fn(void *arg, struct sonde_str data);

struct sonde_http_request {
    const char *method; /* "GET", "POST", "PUT", "DELETE" */
    const char *path;   /* "/v1/logs?x=y", appended to the base URL */
    const char *content_type;
    struct sonde_str body;    /* copied */
    bool gzip;                /* compress the body */
    int64_t timeout_ns;       /* of the whole call; 0: none (streams) */
    sonde_http_done_fn *done; /* exactly once per started call */
    sonde_http_data_fn *data; /* NULL: the body is collected for done */
    void *arg;
};

/* Sets libcurl up for this process, which takes locks and milliseconds once: call it before there are
 * threads or forks that a first use could meet. SONDE_E_IO when libcurl can not be used. */
int sonde_http_prepare(void);

int sonde_http_new(struct sonde_http **out, const struct sonde_http_options *options,
                   struct sonde_err *err);

/* Gives up what is under way (done is called with SONDE_E_CLOSED) and frees. */
void sonde_http_free(struct sonde_http *http);

/* Starts a call; `call` may be NULL. SONDE_E_INVAL (URL), SONDE_E_NOMEM: done is not
 * called. */
int sonde_http_start(struct sonde_http *http, const struct sonde_http_request *request,
                     struct sonde_http_call **call, struct sonde_err *err);

/* Gives one call up: done is called with SONDE_E_CLOSED before this returns. `call` is
 * gone as soon as its done was called, for whatever reason. */
void sonde_http_cancel(struct sonde_http *http, struct sonde_http_call *call);

/* Moves everything on, waiting at most `timeout_ms` for something to happen. Returns the
 * number of calls still under way. */
int sonde_http_poll(struct sonde_http *http, int timeout_ms);

/* Ends a poll early. Ctx: any thread. */
void sonde_http_wake(struct sonde_http *http);

/* In a forked child: closes the parent's sockets here and forgets the client (its memory
 * is given up, on purpose: libcurl may not be called on it). */
void sonde_http_forget(struct sonde_http *http);

/* One whole call, made and awaited here: for the command line. request->done is not
 * called, request->data is. The response's body and error live until `http` is freed or
 * used again. Returns response->code. */
int sonde_http_call_now(struct sonde_http *http, const struct sonde_http_request *request,
                        struct sonde_http_response *response);

#endif
