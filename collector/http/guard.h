/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may ask: a page in somebody's browser must not set probes, whether it comes from
 * another site (Origin, Sec-Fetch-Site) or has its name rebound to our address (Host).
 *
 * Ctx: any thread; all of it is pure. */
#ifndef SONDE_GUARD_H
#define SONDE_GUARD_H

#include <sonde/str.h>

/* True for localhost, 127.x.y.z and ::1, also in brackets; `host` has no port. */
bool sonde_guard_is_loopback(struct sonde_str host);

/* The host of "host:port", "[::1]:port" or "host". Empty for what is none of these. */
struct sonde_str sonde_guard_host_of(struct sonde_str authority);

/* `header` is a Host header's value; `listen_host` the address that we listen at. */
bool sonde_guard_allows_host(struct sonde_str header, struct sonde_str listen_host);

/* `origin` is an Origin header's value: nothing, or the page's own "http://" + Host. */
bool sonde_guard_allows_origin(struct sonde_str origin, struct sonde_str host_header);

/* `header` is "Bearer TOKEN". Takes as long for a wrong token as for the right one. */
bool sonde_guard_allows_token(struct sonde_str header, struct sonde_str token);

#endif
