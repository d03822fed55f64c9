/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP server: libmicrohttpd with two epoll threads behind a router. The only folder
 * that knows the library is this one.
 *
 * Bounds: 2,000 connections, 64 KiB of request line and headers, the route's body sizes,
 * 256 MiB of bodies and 512 MiB of answers at a time in all (then 503), 10 s for the
 * first header, 120 s for a body. What is not HTTP at all is answered by the library, in
 * its own words. */
#ifndef SONDE_SERVER_H
#define SONDE_SERVER_H

#include "collector/http/router.h"

struct sonde_server;

/* Nothing runs yet; `router` is borrowed. NULL when out of memory. Own:
 * sonde_server_free. */
struct sonde_server *sonde_server_new(const struct sonde_router *router);

/* Serves what comes to `fd` from now on. SONDE_E_IO. Own: on success fd is the
 * server's. */
int sonde_server_start(struct sonde_server *server, int fd, struct sonde_err *err);

/* From the return on every request is answered 503 without a handler. */
void sonde_server_close(struct sonde_server *server);

/* Waits until every held request was answered and every pause ended, which is what the
 * caller has set going between close and this; gives what is being sent one second more;
 * then ends the threads. */
void sonde_server_stop(struct sonde_server *server);

/* NULL is allowed; not while it runs. */
void sonde_server_free(struct sonde_server *server);

/* Ends connections past their time. Returns when to call again (monotonic). Any
 * thread. */
int64_t sonde_server_tick(struct sonde_server *server);

#endif
