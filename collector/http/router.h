/* SPDX-License-Identifier: Apache-2.0
 *
 * From a request to its handler: who may ask, which handler, what its body may be. Knows
 * nothing of sockets, so that the fuzzer enters here. */
#ifndef SONDE_ROUTER_H
#define SONDE_ROUTER_H

#include "collector/http/exchange.h"

/* Bodies, before and after decompression. */
#define SONDE_BODY_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define SONDE_BODY_MAX_UNPACKED_BYTES ((size_t)64 * 1024 * 1024)
#define SONDE_BODY_MAX_API_BYTES ((size_t)1024 * 1024)

struct sonde_route {
    const char *method;
    const char *path;  /* the whole path; ending in '/', a prefix that an id follows */
    size_t body_bytes; /* as it travels; 0: none is looked at */
    size_t unpacked_bytes;
    void (*serve)(void *arg, struct sonde_exchange *x);
};

struct sonde_router {
    const struct sonde_route *routes;
    size_t route_count;
    void *arg;         /* first argument of every handler */
    const char *token; /* NULL: nobody is asked for one */
    const char *host;  /* the listen address, as typed, without port or brackets */
};

/* Once the headers are known: settles x->route, or answers with an error. */
void sonde_router_admit(const struct sonde_router *router, struct sonde_exchange *x);

/* Once the body is complete: decompresses it and calls the handler. Not when admit has
 * answered. */
void sonde_router_serve(const struct sonde_router *router, struct sonde_exchange *x);

#endif
