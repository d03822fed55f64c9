/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/http/exchange.h"

#include "core/wire/pb.h"

#include <stdarg.h>
#include <stdio.h>

/* A target is bounded by the server's header memory; this bounds what a request may make
 * us keep in all, the tree of a JSON body included. */
#define ARENA_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define ANSWER_MAX_BYTES ((size_t)128 * 1024 * 1024)

static const struct {
    unsigned status;
    unsigned grpc;
    const char *text;
} problems[] = {
#define PROBLEM_ROW(name, status, grpc, text) {status, grpc, text},
    SONDE_PROBLEM_LIST(PROBLEM_ROW)
#undef PROBLEM_ROW
};

/* --- The request -------------------------------------------------------------------- */

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %XX (and + where `plus_is_space`) in place of a copy. A NUL is refused: nothing
 * of ours has one in its name, and C strings end there. */
static int
decode(struct sonde_str *out, struct sonde_exchange *x, struct sonde_str text,
       bool plus_is_space)
{
    char *copy = sonde_arena_alloc(&x->arena, text.len + 1);
    if (copy == NULL) {
        return SONDE_E_NOMEM;
    }
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            int high = text.len - i > 2 ? hex_digit(text.ptr[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_digit(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                x->is_malformed = true;
                break;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0') {
            x->is_malformed = true;
            break;
        }
        copy[len++] = c;
    }
    copy[len] = '\0';
    *out = (struct sonde_str){copy, len};
    return SONDE_OK;
}

static struct sonde_str
cut(struct sonde_str *rest, char at)
{
    const char *found = rest->len == 0 ? NULL : memchr(rest->ptr, at, rest->len);
    struct sonde_str head = *rest;
    if (found == NULL) {
        *rest = (struct sonde_str){NULL, 0};
        return head;
    }
    head.len = (size_t)(found - rest->ptr);
    rest->len -= head.len + 1;
    rest->ptr = found + 1;
    return head;
}

int
sonde_exchange_init(struct sonde_exchange *x, const struct sonde_transport *transport,
                    void *peer, struct sonde_str method, struct sonde_str target)
{
    *x = (struct sonde_exchange){.transport = transport, .peer = peer, .method = method};
    sonde_arena_init(&x->arena, ARENA_MAX_BYTES);
    sonde_buf_init(&x->body, 0);
    sonde_buf_init(&x->answer, ANSWER_MAX_BYTES);
    struct sonde_str query = target;
    struct sonde_str path = cut(&query, '?');
    if (decode(&x->path, x, path, false) != SONDE_OK) {
        return SONDE_E_NOMEM;
    }
    while (query.len > 0 && x->param_count < SONDE_EXCHANGE_PARAMS_MAX) {
        struct sonde_str value = cut(&query, '&');
        struct sonde_str name = cut(&value, '=');
        struct sonde_exchange_param *param = &x->params[x->param_count];
        if (decode(&param->name, x, name, true) != SONDE_OK ||
            decode(&param->value, x, value, true) != SONDE_OK) {
            return SONDE_E_NOMEM;
        }
        x->param_count++;
    }
    return SONDE_OK;
}

void
sonde_exchange_fini(struct sonde_exchange *x)
{
    sonde_buf_fini(&x->body);
    sonde_buf_fini(&x->answer);
    sonde_arena_fini(&x->arena);
}

struct sonde_str
sonde_exchange_param(const struct sonde_exchange *x, const char *name)
{
    for (size_t i = 0; i < x->param_count; i++) {
        if (sonde_str_eq(x->params[i].name, sonde_str_from(name))) {
            return x->params[i].value;
        }
    }
    return (struct sonde_str){NULL, 0};
}

bool
sonde_exchange_param_int(struct sonde_exchange *x, const char *name, int64_t least,
                         int64_t most, int64_t fallback, int64_t *out)
{
    struct sonde_str text = sonde_exchange_param(x, name);
    int64_t value = 0;
    bool is_number = text.len > 0 && text.len <= 18;
    for (size_t i = 0; i < text.len && is_number; i++) {
        is_number = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        value = value * 10 + (text.ptr[i] - '0');
    }
    if (text.len == 0) {
        *out = fallback;
        return true;
    }
    if (!is_number || value < least || value > most) {
        sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, name,
                            "%s has to be a whole number from %lld to %lld", name,
                            (long long)least, (long long)most);
        return false;
    }
    *out = value;
    return true;
}

const struct sonde_json *
sonde_exchange_json(struct sonde_exchange *x)
{
    struct sonde_err err = SONDE_ERR_INIT;
    const struct sonde_json *json = NULL;
    int rc = sonde_json_read(&json, &x->arena, sonde_buf_view(&x->body), &err);
    if (rc == SONDE_E_NOMEM) {
        sonde_exchange_fail(x, SONDE_PROBLEM_TOO_LARGE, NULL,
                            "the body has too many values");
        return NULL;
    }
    if (rc != SONDE_OK) {
        sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, NULL,
                            "the body is no JSON: %s, %s", err.where, err.message);
        return NULL;
    }
    if (json->type != SONDE_JSON_OBJECT) {
        sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, NULL,
                            "the body has to be a JSON object");
        return NULL;
    }
    return json;
}

/* --- The answer --------------------------------------------------------------------- */

void
sonde_exchange_add_header(struct sonde_exchange *x, const char *name, const char *value)
{
    if (x->header_count < SONDE_EXCHANGE_HEADERS_MAX) {
        x->headers[x->header_count++] = (struct sonde_exchange_header){name, value};
    }
}

void
sonde_exchange_hold(struct sonde_exchange *x)
{
    x->is_held = true;
    x->transport->suspend(x);
}

/* The last touch of x by a handler: a held one may be gone once it is resumed. */
static void
finish(struct sonde_exchange *x)
{
    x->is_answered = true;
    if (x->is_held) {
        x->transport->resume(x);
    }
}

void
sonde_exchange_answer(struct sonde_exchange *x, unsigned status, const char *content_type)
{
    if (x->answer.failed == SONDE_E_LIMIT) {
        sonde_exchange_fail(x, SONDE_PROBLEM_TOO_LARGE, NULL,
                            "the answer is larger than %zu MiB: ask for less",
                            ANSWER_MAX_BYTES >> 20);
        return;
    }
    if (x->answer.failed != SONDE_OK) {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL, "out of memory");
        return;
    }
    x->status = status;
    x->content_type = content_type;
    finish(x);
}

static void
write_status(struct sonde_exchange *x, unsigned grpc, struct sonde_str message)
{
    if (x->is_protobuf) { /* google.rpc.Status: code = 1, message = 2 */
        sonde_pb_varint(&x->answer, 1, grpc);
        sonde_pb_bytes(&x->answer, 2, message);
        return;
    }
    struct sonde_json_writer json;
    sonde_json_writer_init(&json, &x->answer);
    sonde_json_object_begin(&json);
    sonde_json_key(&json, "code");
    sonde_json_uint(&json, grpc);
    sonde_json_key(&json, "message");
    sonde_json_string(&json, message);
    sonde_json_object_end(&json);
}

static void
write_error(struct sonde_exchange *x, const char *code, const char *field,
            struct sonde_str message)
{
    struct sonde_json_writer json;
    sonde_json_writer_init(&json, &x->answer);
    sonde_json_object_begin(&json);
    sonde_json_key(&json, "error");
    sonde_json_object_begin(&json);
    sonde_json_key(&json, "code");
    sonde_json_string(&json, sonde_str_from(code));
    sonde_json_key(&json, "message");
    sonde_json_string(&json, message);
    if (field != NULL && field[0] != '\0') {
        sonde_json_key(&json, "field");
        sonde_json_string(&json, sonde_str_from(field));
    }
    sonde_json_object_end(&json);
    sonde_json_object_end(&json);
}

void
sonde_exchange_fail(struct sonde_exchange *x, enum sonde_problem problem,
                    const char *field, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct sonde_str message = sonde_str_from(text);

    sonde_buf_reset(&x->answer);
    if (x->is_otlp) {
        write_status(x, problems[problem].grpc, message);
    } else {
        write_error(x, problems[problem].text, field, message);
    }
    if (x->answer.failed != SONDE_OK) { /* no memory for the words: the status must do */
        sonde_buf_reset(&x->answer);
    }
    x->status = problems[problem].status;
    x->cache_control = NULL;
    x->header_count = 0;
    x->content_type =
        x->is_otlp && x->is_protobuf ? SONDE_TYPE_PROTOBUF : SONDE_TYPE_JSON;
    x->retry_after_s = x->status == 429 || x->status == 503 ? SONDE_RETRY_AFTER_S : 0;
    finish(x);
}

void
sonde_exchange_fail_err(struct sonde_exchange *x, const struct sonde_err *err)
{
    unsigned status = (unsigned)sonde_code_http_status(err->code);
    enum sonde_problem problem = SONDE_PROBLEM_INTERNAL;
    for (unsigned i = 0; i < sizeof(problems) / sizeof(problems[0]); i++) {
        if (problems[i].status == status) {
            problem = (enum sonde_problem)i;
        }
    }
    const char *message =
        err->message[0] != '\0' ? err->message : sonde_code_text(err->code);
    sonde_exchange_fail(x, problem, err->where, "%s", message);
}

void
sonde_exchange_stream(struct sonde_exchange *x, const struct sonde_stream *stream)
{
    x->stream = *stream;
    sonde_exchange_answer(x, 200, SONDE_TYPE_EVENTS);
}

void
sonde_exchange_pause(struct sonde_exchange *x)
{
    x->transport->suspend(x);
}

void
sonde_exchange_unpause(struct sonde_exchange *x)
{
    x->transport->resume(x);
}
