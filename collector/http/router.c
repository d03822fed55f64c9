/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/http/router.h"

#include "collector/http/guard.h"
#include "collector/http/unpack.h"

#include <strings.h>

/* Errors of OTLP paths are google.rpc.Status. One path beside them is ours. */
static const struct sonde_str otlp_prefix = {"/v1/", 4};
static const char symbols_path[] = "/v1/symbols";

static bool
equals(struct sonde_str a, const char *b)
{
    return sonde_str_eq(a, sonde_str_from(b));
}

/* The media type of a Content-Type, without its parameters. */
static struct sonde_str
media_type(struct sonde_exchange *x)
{
    struct sonde_str type = x->transport->header(x, "Content-Type");
    size_t len = 0;
    while (len < type.len && type.ptr[len] != ';' && type.ptr[len] != ' ') {
        len++;
    }
    type.len = len;
    return type;
}

static bool
is_media_type(struct sonde_exchange *x, const char *wanted)
{
    struct sonde_str type = media_type(x);
    return type.len == strlen(wanted) && strncasecmp(type.ptr, wanted, type.len) == 0;
}

/* A link that a person followed to here, from wherever it stood. The page that shows it
 * can not look into what opens. */
static bool
is_followed_link(struct sonde_exchange *x)
{
    return equals(x->transport->header(x, "Sec-Fetch-Mode"), "navigate") &&
           equals(x->transport->header(x, "Sec-Fetch-Dest"), "document");
}

/* False: answered. `is_open`: see struct sonde_route. */
static bool
admit_peer(const struct sonde_router *router, struct sonde_exchange *x, bool is_open)
{
    struct sonde_str host = x->transport->header(x, "Host");
    struct sonde_str token = sonde_str_from(router->token);
    if (token.len == 0 && !sonde_guard_allows_host(host, sonde_str_from(router->host))) {
        sonde_exchange_fail(x, SONDE_PROBLEM_FORBIDDEN, NULL,
                            "this Host is not one that the collector listens at");
        return false;
    }
    struct sonde_str site = x->transport->header(x, "Sec-Fetch-Site");
    bool is_foreign = site.len > 0 && !equals(site, "same-origin") &&
                      !equals(site, "none") && !(is_open && is_followed_link(x));
    if (is_foreign ||
        !sonde_guard_allows_origin(x->transport->header(x, "Origin"), host)) {
        sonde_exchange_fail(x, SONDE_PROBLEM_FORBIDDEN, NULL,
                            "pages of another origin may not ask here");
        return false;
    }
    struct sonde_str authorization = x->transport->header(x, "Authorization");
    if (token.len > 0 && !is_open && !sonde_guard_allows_token(authorization, token)) {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAUTHORIZED, NULL,
                            "this collector asks for \"Authorization: Bearer TOKEN\"");
        return false;
    }
    return true;
}

static bool
matches(const struct sonde_route *route, struct sonde_str path, struct sonde_str *tail)
{
    size_t len = strlen(route->path);
    bool has_any_tail = route->path[len - 1] == '*';
    len -= has_any_tail;
    bool is_prefix = len > 1 && route->path[len - 1] == '/';
    if (!is_prefix) {
        return equals(path, route->path);
    }
    if (path.len <= len || memcmp(path.ptr, route->path, len) != 0 ||
        (!has_any_tail && memchr(path.ptr + len, '/', path.len - len) != NULL)) {
        return false;
    }
    *tail = (struct sonde_str){path.ptr + len, path.len - len};
    return true;
}

/* "GET" and "POST" make "GET, POST". */
static void
allow_method(struct sonde_exchange *x, const char *method)
{
    size_t before = x->allow == NULL ? 0 : strlen(x->allow);
    size_t len = strlen(method);
    char *all = before == 0 ? NULL : sonde_arena_alloc(&x->arena, before + len + 3);
    if (all == NULL) {
        x->allow = x->allow == NULL ? method : x->allow; /* no memory: one must do */
        return;
    }
    memcpy(all, x->allow, before);
    memcpy(all + before, ", ", 2);
    memcpy(all + before + 2, method, len + 1);
    x->allow = all;
}

/* Finds the route; a path that has only other methods says which in x->allow. */
static void
find_route(const struct sonde_router *router, struct sonde_exchange *x)
{
    for (size_t s = 0; s < SONDE_ROUTE_SETS_MAX; s++) {
        const struct sonde_route_set *set = &router->sets[s];
        for (size_t i = 0; i < set->count; i++) {
            const struct sonde_route *route = &set->routes[i];
            if (!matches(route, x->path, &x->tail)) {
                continue;
            }
            if (equals(x->method, route->method)) {
                x->route = route;
                x->route_arg = set->arg;
                x->allow = NULL;
                return;
            }
            allow_method(x, route->method);
        }
    }
}

void
sonde_router_admit(const struct sonde_router *router, struct sonde_exchange *x)
{
    x->is_otlp = x->path.len >= otlp_prefix.len &&
                 memcmp(x->path.ptr, otlp_prefix.ptr, otlp_prefix.len) == 0 &&
                 !equals(x->path, symbols_path);
    x->is_protobuf = is_media_type(x, SONDE_TYPE_PROTOBUF);
    if (!x->is_malformed) {
        find_route(router, x);
    }
    if (!admit_peer(router, x, x->route != NULL && x->route->is_open)) {
        x->allow = NULL;
        return;
    }
    if (x->is_malformed) {
        sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, NULL,
                            "the path or query is not well formed");
        return;
    }
    if (x->route == NULL) {
        if (x->allow != NULL) {
            sonde_exchange_fail(x, SONDE_PROBLEM_METHOD_NOT_ALLOWED, NULL,
                                "this path does not take that method");
        } else {
            sonde_exchange_fail(x, SONDE_PROBLEM_NOT_FOUND, NULL,
                                "there is nothing here");
        }
        return;
    }
    if (x->route->body_bytes == 0) {
        return;
    }
    /* Of the API's calls only JSON is asked for, and a type is not insisted on: what a
     * form or a script of another page could send without one is refused by its
     * Origin. */
    bool is_json = is_media_type(x, SONDE_TYPE_JSON);
    if (x->is_otlp ? !is_json && !x->is_protobuf : !is_json && media_type(x).len > 0) {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL,
                            x->is_otlp
                                ? "Content-Type has to be application/x-protobuf or "
                                  "application/json"
                                : "Content-Type has to be application/json");
    }
}

/* Puts the decompressed body in the place of the packed one. False: answered. */
static bool
unpack_body(struct sonde_exchange *x)
{
    struct sonde_str encoding = x->transport->header(x, "Content-Encoding");
    if (encoding.len == 0 || equals(encoding, "identity")) {
        return true;
    }
    if (!equals(encoding, "gzip")) {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL,
                            "Content-Encoding has to be gzip or none");
        return false;
    }
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_buf plain;
    sonde_buf_init(&plain, x->route->unpacked_bytes);
    if (sonde_unpack_gzip(&plain, sonde_buf_view(&x->body), &err) != SONDE_OK) {
        sonde_buf_fini(&plain);
        sonde_exchange_fail_err(x, &err);
        return false;
    }
    sonde_buf_fini(&x->body);
    x->body = plain;
    return true;
}

void
sonde_router_serve(struct sonde_exchange *x)
{
    if (x->route->body_bytes == 0 || unpack_body(x)) {
        x->route->serve(x->route_arg, x);
    }
}
