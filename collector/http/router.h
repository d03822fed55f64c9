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
    const char *path;  /* the whole path; longer than "/" and ending in '/', a prefix that
                         an id follows; ending in "/ *" (without the blank), one that a name
                         follows which may have slashes in it */
    size_t body_bytes; /* as it travels; 0: none is looked at */
    size_t unpacked_bytes;
    bool is_open; /* holds no data: nobody is asked for a token, and links of other pages
                     may lead here */
    void (*serve)(void *arg, struct sonde_exchange *x);
};

/* Routes of one part of the collector. */
struct sonde_route_set {
    const struct sonde_route *routes;
    size_t count;
    void *arg; /* first argument of their handlers */
};

#define SONDE_ROUTE_SETS_MAX 2

struct sonde_router {
    struct sonde_route_set sets[SONDE_ROUTE_SETS_MAX];
    const char *token; /* NULL: nobody is asked for one */
    const char *host;  /* the listen address, as typed, without port or brackets */
};

/* Once the headers are known: settles x->route, or answers with an error. */
void sonde_router_admit(const struct sonde_router *router, struct sonde_exchange *x);

/* Once the body is complete: decompresses it and calls the handler. Not when admit has
 * answered. */
void sonde_router_serve(struct sonde_exchange *x);

#endif
