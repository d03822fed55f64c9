/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/http.h"

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/os.h"
#include "core/wire/compat_curl.h"
#include "core/wire/gzip.h"
#include "core/wire/number.h"

#include <curl/curl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define DEFAULT_RESPONSE_BYTES ((size_t)16 * 1024 * 1024)
#define CONNECT_TIMEOUT_MS 2000L
#define KEEPALIVE_IDLE_S 30L
#define KEEPALIVE_INTERVAL_S 15L
#define BUFFER_BYTES 16384L     /* each way, per call under way */
#define MAX_CONNECTIONS 8L      /* at once */
#define MAX_IDLE_CONNECTIONS 3L /* kept for the next call */
#define MAX_SOCKETS 32          /* connecting tries IPv6 and IPv4 side by side */
#define MAX_RETRY_AFTER_S 86400

struct sonde_http_call {
    struct sonde_http *http;
    struct sonde_http_call *prev, *next; /* in http->calls */
    CURL *easy;
    struct curl_slist *headers;
    struct sonde_buf sent;     /* the request's body: curl does not copy it */
    struct sonde_buf received; /* the answer's, as far as it is collected */
    int stopped;               /* why a callback of ours gave up; SONDE_OK: none did */
    char error[CURL_ERROR_SIZE];
    sonde_http_done_fn *done;
    sonde_http_data_fn *data;
    void *arg;
};

struct sonde_http {
    CURLM *multi;
    CURL *spare; /* an easy handle of a finished call, or NULL */
    struct sonde_http_call *calls;
    int call_count;
    bool closing;
    char *base_url; /* without a slash at its end */
    char *authorization, *user_agent;
    char *proxy, *no_proxy; /* as curl takes them */
    size_t max_response_bytes;

    /* Open sockets as fd + 1, 0 for a free slot. Written by the one thread, read in a
     * forked child: atomic so that a fork in between sees either state. */
    _Atomic int sockets[MAX_SOCKETS];

    struct sonde_buf now_body; /* of sonde_http_call_now */
    struct sonde_err now_error;
};

/* --- libcurl, once per process ------------------------------------------------------ */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready = CURLE_FAILED_INIT;

/* Never undone: the application or another library may use libcurl too. */
static void
init_curl(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int
sonde_http_prepare(void)
{
    pthread_once(&curl_once, init_curl);
    return curl_ready == CURLE_OK ? SONDE_OK : SONDE_E_IO;
}

/* --- Sockets ------------------------------------------------------------------------ */

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct sonde_http *http = arg;
    int fd =
        sonde_os_socket_cloexec(address->family, address->socktype, address->protocol);

    (void)purpose;
    if (fd < 0)
        return CURL_SOCKET_BAD;
    for (size_t i = 0; i < MAX_SOCKETS; i++) {
        if (http->sockets[i] == 0) {
            http->sockets[i] = fd + 1;
            return fd;
        }
    }
    close(fd);
    return CURL_SOCKET_BAD;
}

static int
close_socket(void *arg, curl_socket_t fd)
{
    struct sonde_http *http = arg;

    /* Forgotten first: a child forked in between may keep this socket, but must not close
     * another file that got its number. */
    for (size_t i = 0; i < MAX_SOCKETS; i++) {
        if (http->sockets[i] == fd + 1)
            http->sockets[i] = 0;
    }
    return close(fd);
}

void
sonde_http_forget(struct sonde_http *http)
{
    if (http == NULL)
        return;
    for (size_t i = 0; i < MAX_SOCKETS; i++) {
        int fd = http->sockets[i] - 1;

        http->sockets[i] = 0;
        if (fd >= 0)
            close(fd);
    }
}

/* --- Making and freeing ------------------------------------------------------------- */

/* Printable ASCII without spaces: what may stand in a URL or a header without meaning
 * more than it should. */
static bool
is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text >= 0x7F)
            return false;
    }
    return true;
}

static bool
is_loopback(const char *host)
{
    struct sonde_str name = sonde_str_from(host);

    return strcasecmp(host, "localhost") == 0 ||
           sonde_str_ends_with(name, SONDE_STR(".localhost")) ||
           strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0;
}

static char *
dup_first_env(const char *const *names)
{
    for (; *names != NULL; names++) {
        const char *value = getenv(*names);

        if (value != NULL && *value != '\0')
            return sonde_strdup(sonde_str_from(value));
    }
    return sonde_strdup(SONDE_STR(""));
}

/* Left alone, curl reads the environment for every connection, while the application may
 * be changing it on another thread; so it is read here, once. HTTP_PROXY in capitals is
 * what a CGI server makes from a client's "Proxy:" header, and is not trusted. */
static int
choose_proxy(struct sonde_http *http, const char *scheme, const char *host)
{
    static const char *const for_http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const for_https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy",
                                            "ALL_PROXY", NULL};
    static const char *const exceptions[] = {"no_proxy", "NO_PROXY", NULL};

    if (is_loopback(host)) {
        http->proxy = sonde_strdup(SONDE_STR(""));
        http->no_proxy = sonde_strdup(SONDE_STR("*"));
    } else {
        http->proxy = dup_first_env(strcmp(scheme, "https") == 0 ? for_https : for_http);
        http->no_proxy = dup_first_env(exceptions);
    }
    return http->proxy != NULL && http->no_proxy != NULL ? SONDE_OK : SONDE_E_NOMEM;
}

static int
set_base_url(struct sonde_http *http, const char *base_url, struct sonde_err *err)
{
    char *scheme = NULL, *host = NULL, *extra = NULL;
    struct sonde_str text = sonde_str_from(base_url);
    CURLU *url = curl_url();
    int code;

    if (url == NULL) {
        code = sonde_err_set(err, SONDE_E_NOMEM, base_url, "out of memory");
        goto out;
    }
    if (text.len == 0 || !is_plain(base_url) ||
        curl_url_set(url, CURLUPART_URL, base_url, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        code = sonde_err_set(err, SONDE_E_INVAL, base_url, "not an http or https URL");
        goto out;
    }
    if (curl_url_get(url, CURLUPART_QUERY, &extra, 0) == CURLUE_OK ||
        curl_url_get(url, CURLUPART_FRAGMENT, &extra, 0) == CURLUE_OK) {
        code = sonde_err_set(err, SONDE_E_INVAL, base_url,
                             "a base URL has no query and no fragment");
        goto out;
    }
    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    http->base_url = sonde_strdup(text);
    code = http->base_url == NULL ? SONDE_E_NOMEM : choose_proxy(http, scheme, host);
    if (code != SONDE_OK)
        sonde_err_set(err, code, base_url, "out of memory");
out:
    curl_free(scheme);
    curl_free(host);
    curl_free(extra);
    curl_url_cleanup(url);
    return code;
}

/* The header line, or NULL when there is no memory for it. */
static char *
dup_authorization(const char *token)
{
    struct sonde_buf line;
    char *copy = NULL;

    sonde_buf_init(&line, 0);
    sonde_buf_printf(&line, "Authorization: Bearer %s", token);
    if (line.failed == SONDE_OK)
        copy = sonde_strdup(sonde_buf_view(&line));
    sonde_buf_fini(&line);
    return copy;
}

/* Everything but the URL. */
static int
set_options(struct sonde_http *http, const struct sonde_http_options *options,
            struct sonde_err *err)
{
    if (options->token != NULL) {
        if (options->token[0] == '\0' || !is_plain(options->token))
            return sonde_err_set(err, SONDE_E_INVAL, "token", "not a bearer token");
        http->authorization = dup_authorization(options->token);
    }
    if (options->user_agent != NULL)
        http->user_agent = sonde_strdup(sonde_str_from(options->user_agent));
    http->max_response_bytes = options->max_response_bytes == 0
                                   ? DEFAULT_RESPONSE_BYTES
                                   : options->max_response_bytes;
    http->multi = curl_multi_init();
    if ((options->token != NULL && http->authorization == NULL) ||
        (options->user_agent != NULL && http->user_agent == NULL) || http->multi == NULL)
        return sonde_err_set(err, SONDE_E_NOMEM, "http", "out of memory");
    curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, MAX_CONNECTIONS);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, MAX_IDLE_CONNECTIONS);
    return SONDE_OK;
}

int
sonde_http_new(struct sonde_http **out, const struct sonde_http_options *options,
               struct sonde_err *err)
{
    struct sonde_http *http;
    int code;

    if (sonde_http_prepare() != SONDE_OK)
        return sonde_err_set(err, SONDE_E_IO, "libcurl", "%s",
                             curl_easy_strerror(curl_ready));
    http = sonde_calloc(1, sizeof(*http));
    if (http == NULL)
        return sonde_err_set(err, SONDE_E_NOMEM, "http", "out of memory");
    code = set_base_url(http, options->base_url, err);
    if (code == SONDE_OK)
        code = set_options(http, options, err);
    if (code != SONDE_OK) {
        sonde_http_free(http);
        return code;
    }
    *out = http;
    return SONDE_OK;
}

static void finish(struct sonde_http_call *call, int code, const char *error);

void
sonde_http_free(struct sonde_http *http)
{
    if (http == NULL)
        return;
    http->closing = true; /* a done that starts the next call must not keep us here */
    while (http->calls != NULL)
        finish(http->calls, SONDE_E_CLOSED, "given up: the client is closing");
    if (http->spare != NULL)
        curl_easy_cleanup(http->spare);
    if (http->multi != NULL)
        curl_multi_cleanup(http->multi); /* comes back to close_socket */
    sonde_buf_fini(&http->now_body);
    sonde_free(http->base_url);
    sonde_free(http->authorization);
    sonde_free(http->user_agent);
    sonde_free(http->proxy);
    sonde_free(http->no_proxy);
    sonde_free(http);
}

/* --- One call ----------------------------------------------------------------------- */

/* curl's callback for the answer's body. Anything but `size` ends the transfer. */
static size_t
take_body(char *bytes, size_t one, size_t size, void *arg)
{
    struct sonde_http_call *call = arg;
    long status = 0;

    (void)one; /* always 1 */
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    /* What comes with a refusal is a reason for done, not part of the stream. */
    if (call->data != NULL && status >= 200 && status < 300) {
        if (call->data(call->arg, (struct sonde_str){bytes, size}))
            return size;
        call->stopped = SONDE_E_CLOSED;
        return 0;
    }
    sonde_buf_append(&call->received, bytes, size);
    call->stopped = call->received.failed;
    return call->stopped == SONDE_OK ? size : 0;
}

/* "Retry-After: 120" or a date; -1 when it is missing or neither. */
static int64_t
retry_after_ns(CURL *easy)
{
    char buf[32];
    const char *text = sonde_curl_retry_after(easy, buf, sizeof(buf));
    uint64_t seconds;
    time_t then;
    int64_t wait_s;

    if (text == NULL)
        return -1;
    if (sonde_number_read_uint(sonde_str_from(text), &seconds)) {
        wait_s = seconds > MAX_RETRY_AFTER_S ? MAX_RETRY_AFTER_S : (int64_t)seconds;
    } else {
        then = curl_getdate(text, NULL);
        if (then == (time_t)-1)
            return -1;
        wait_s = (int64_t)then - sonde_clock_wall_ns() / SONDE_NS_PER_S;
        if (wait_s < 0)
            wait_s = 0;
        if (wait_s > MAX_RETRY_AFTER_S)
            wait_s = MAX_RETRY_AFTER_S;
    }
    return wait_s * SONDE_NS_PER_S;
}

static void
free_call(struct sonde_http_call *call)
{
    struct sonde_http *http = call->http;

    if (call->easy != NULL && http->spare == NULL && !http->closing) {
        curl_easy_reset(call->easy);
        http->spare = call->easy;
    } else {
        curl_easy_cleanup(call->easy);
    }
    curl_slist_free_all(call->headers);
    sonde_buf_fini(&call->sent);
    sonde_buf_fini(&call->received);
    sonde_free(call);
}

/* The one way out for a started call. It is off every list before done is called, so that
 * done may start and cancel others. */
static void
finish(struct sonde_http_call *call, int code, const char *error)
{
    struct sonde_http *http = call->http;
    struct sonde_http_response response = {
        .code = code,
        .retry_after_ns = -1,
        .error = "",
        .sent_bytes = call->sent.len,
    };

    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &response.status);
    if (code == SONDE_OK) {
        response.body = sonde_buf_view(&call->received);
        response.retry_after_ns = retry_after_ns(call->easy);
    } else {
        response.error = error;
    }
    curl_multi_remove_handle(http->multi, call->easy);
    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        http->calls = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    http->call_count--;
    call->done(call->arg, &response);
    free_call(call);
}

static int
add_header(struct sonde_http_call *call, const char *line)
{
    struct curl_slist *longer = curl_slist_append(call->headers, line);

    if (longer == NULL)
        return SONDE_E_NOMEM;
    call->headers = longer;
    return SONDE_OK;
}

/* The body as it is sent, and the headers. */
static int
prepare(struct sonde_http_call *call, const struct sonde_http_request *request)
{
    struct sonde_buf line;
    int code = SONDE_OK;

    if (request->gzip && request->body.len > 0)
        code = sonde_gzip_append(&call->sent, request->body);
    else
        sonde_buf_str(&call->sent, request->body);
    if (code == SONDE_OK)
        code = call->sent.failed;
    /* Without this curl holds a large body back for a second, to be asked for it. */
    if (code == SONDE_OK)
        code = add_header(call, "Expect:");
    if (code == SONDE_OK && call->http->authorization != NULL)
        code = add_header(call, call->http->authorization);
    if (code == SONDE_OK && request->gzip && request->body.len > 0)
        code = add_header(call, "Content-Encoding: gzip");
    if (code == SONDE_OK && request->content_type != NULL) {
        sonde_buf_init(&line, 0);
        sonde_buf_printf(&line, "Content-Type: %s", request->content_type);
        code =
            sonde_buf_cstr(&line) == NULL ? SONDE_E_NOMEM : add_header(call, line.data);
        sonde_buf_fini(&line);
    }
    return code;
}

/* What is the same for every call. Returns 0, or what any of them failed with. */
static int
set_transport(struct sonde_http_call *call)
{
    struct sonde_http *http = call->http;
    CURL *easy = call->easy;
    int failed = 0;

    failed |= (int)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, http);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    failed |= sonde_curl_set_common(easy);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    /* HTTP/2 would keep windows and tables for streams that we do not have. */
    failed |=
        (int)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_PROXY, http->proxy);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_NOPROXY, http->no_proxy);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    failed |= (int)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_USERAGENT, http->user_agent);
    return failed;
}

static int
set_request(struct sonde_http_call *call, const struct sonde_http_request *request)
{
    CURL *easy = call->easy;
    struct sonde_buf url;
    int failed = 0;

    sonde_buf_init(&url, 0);
    sonde_buf_printf(&url, "%s%s", call->http->base_url, request->path);
    if (sonde_buf_cstr(&url) == NULL)
        failed = 1;
    else
        failed |= (int)curl_easy_setopt(easy, CURLOPT_URL, url.data);
    sonde_buf_fini(&url);
    failed |= (int)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    if (call->sent.len > 0 || strcmp(request->method, "POST") == 0) {
        failed |= (int)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        failed |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                        (curl_off_t)call->sent.len);
        failed |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                                        call->sent.len > 0 ? call->sent.data : "");
    }
    failed |= (int)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->timeout_ns > 0)
        failed |= (int)curl_easy_setopt(
            easy, CURLOPT_TIMEOUT_MS,
            (long)((request->timeout_ns - 1) / SONDE_NS_PER_MS + 1));
    return failed;
}

static int
check_request(const struct sonde_http_request *request, struct sonde_err *err)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
    bool known = false;

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        known = known || strcmp(request->method, methods[i]) == 0;
    if (!known)
        return sonde_err_set(err, SONDE_E_INVAL, request->method, "unknown HTTP method");
    if (request->path[0] != '/' || !is_plain(request->path))
        return sonde_err_set(err, SONDE_E_INVAL, request->path, "not a path of a URL");
    return SONDE_OK;
}

int
sonde_http_start(struct sonde_http *http, const struct sonde_http_request *request,
                 struct sonde_http_call **out, struct sonde_err *err)
{
    struct sonde_http_call *call;
    int code = check_request(request, err);

    if (code != SONDE_OK)
        return code;
    if (http->closing)
        return sonde_err_set(err, SONDE_E_CLOSED, request->path, "the client is closing");
    call = sonde_calloc(1, sizeof(*call));
    if (call == NULL)
        return sonde_err_set(err, SONDE_E_NOMEM, request->path, "out of memory");
    call->http = http;
    call->done = request->done;
    call->data = request->data;
    call->arg = request->arg;
    sonde_buf_init(&call->sent, 0);
    sonde_buf_init(&call->received, http->max_response_bytes);
    call->easy = http->spare != NULL ? http->spare : curl_easy_init();
    http->spare = NULL;
    code = call->easy == NULL ? SONDE_E_NOMEM : prepare(call, request);
    if (code == SONDE_OK &&
        (set_transport(call) != 0 || set_request(call, request) != 0 ||
         curl_multi_add_handle(http->multi, call->easy) != CURLM_OK))
        code = SONDE_E_NOMEM;
    if (code != SONDE_OK) {
        free_call(call);
        return sonde_err_set(err, code, request->path, "%s", sonde_code_text(code));
    }
    call->next = http->calls;
    if (call->next != NULL)
        call->next->prev = call;
    http->calls = call;
    http->call_count++;
    if (out != NULL)
        *out = call;
    return SONDE_OK;
}

void
sonde_http_cancel(struct sonde_http *http, struct sonde_http_call *call)
{
    (void)http;
    finish(call, SONDE_E_CLOSED, "given up");
}

/* --- Moving on ---------------------------------------------------------------------- */

static int
code_of(CURLcode result)
{
    switch (result) {
    case CURLE_OK:
        return SONDE_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return SONDE_E_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return SONDE_E_NOMEM;
    default:
        return SONDE_E_IO;
    }
}

static void
finish_with(struct sonde_http_call *call, CURLcode result)
{
    if (call->stopped == SONDE_E_LIMIT)
        finish(call, SONDE_E_LIMIT, "the answer is too long");
    else if (call->stopped == SONDE_E_CLOSED)
        finish(call, SONDE_E_CLOSED, "given up");
    else if (call->stopped != SONDE_OK)
        finish(call, call->stopped, sonde_code_text(call->stopped));
    else
        finish(call, code_of(result),
               call->error[0] != '\0' ? call->error : curl_easy_strerror(result));
}

/* Moves the transfers as far as they go without waiting; true when a call was
 * finished. */
static bool
advance(struct sonde_http *http)
{
    bool any = false;
    CURLMsg *message;
    int count;

    curl_multi_perform(http->multi, &count);
    while ((message = curl_multi_info_read(http->multi, &count)) != NULL) {
        struct sonde_http_call *call = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        finish_with(call, message->data.result);
        any = true;
    }
    return any;
}

int
sonde_http_poll(struct sonde_http *http, int timeout_ms)
{
    if (!advance(http)) {
        /* Should curl have no way to wait (no memory), not to spin is the least. */
        if (curl_multi_poll(http->multi, NULL, 0, timeout_ms, NULL) != CURLM_OK)
            poll(NULL, 0, timeout_ms < 100 ? timeout_ms : 100);
        advance(http);
    }
    return http->call_count;
}

void
sonde_http_wake(struct sonde_http *http)
{
    curl_multi_wakeup(http->multi);
}

/* --- One call, awaited -------------------------------------------------------------- */

struct now {
    struct sonde_http *http;
    const struct sonde_http_request *request;
    struct sonde_http_response *response;
    bool ended;
};

static void
now_done(void *arg, const struct sonde_http_response *response)
{
    struct now *now = arg;
    struct sonde_http *http = now->http;

    *now->response = *response;
    sonde_buf_str(&http->now_body, response->body);
    if (http->now_body.failed != SONDE_OK)
        now->response->code = http->now_body.failed;
    if (now->response->code != SONDE_OK)
        sonde_err_set(&http->now_error, now->response->code, now->request->path, "%s",
                      response->error[0] != '\0' ? response->error
                                                 : sonde_code_text(now->response->code));
    now->ended = true;
}

static bool
now_data(void *arg, struct sonde_str data)
{
    struct now *now = arg;

    return now->request->data(now->request->arg, data);
}

/* Keeps a SIGPIPE that older TLS libraries may raise from the caller: blocked, then taken
 * off. The handler stays as it is: it is the process's, not ours. */
static bool
hold_sigpipe(sigset_t *sigpipe, sigset_t *before)
{
    sigset_t pending;

    sigemptyset(sigpipe);
    sigaddset(sigpipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, sigpipe, before);
    return sigismember(&pending, SIGPIPE) == 1;
}

static void
release_sigpipe(const sigset_t *sigpipe, const sigset_t *before, bool was_pending)
{
    sigset_t pending;
    int taken;

    sigpending(&pending);
    if (!was_pending && sigismember(&pending, SIGPIPE) == 1)
        sigwait(sigpipe, &taken);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

int
sonde_http_call_now(struct sonde_http *http, const struct sonde_http_request *request,
                    struct sonde_http_response *response)
{
    struct now now = {.http = http, .request = request, .response = response};
    struct sonde_http_request copy = *request;
    sigset_t sigpipe, before;
    bool was_pending;
    int code;

    copy.done = now_done;
    copy.data = request->data == NULL ? NULL : now_data;
    copy.arg = &now;
    sonde_buf_reset(&http->now_body);
    http->now_error = (struct sonde_err)SONDE_ERR_INIT;
    was_pending = hold_sigpipe(&sigpipe, &before);
    code = sonde_http_start(http, &copy, NULL, &http->now_error);
    if (code != SONDE_OK)
        *response = (struct sonde_http_response){.code = code, .retry_after_ns = -1};
    else
        while (!now.ended)
            sonde_http_poll(http, 1000);
    release_sigpipe(&sigpipe, &before, was_pending);
    response->body = sonde_buf_view(&http->now_body);
    response->error = http->now_error.message;
    return response->code;
}
