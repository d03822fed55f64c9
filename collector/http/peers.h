/* SPDX-License-Identifier: Apache-2.0
 *
 * The open connections and how long each may stay as it is. libmicrohttpd ends those that
 * say nothing; this ends those that say a byte now and then (a header or a body that
 * never gets whole), and makes room for newcomers at the cost of the longest idle.
 *
 * Ctx: any thread. A peer belongs to its connection, from sonde_peer_join to _leave. */
#ifndef SONDE_PEERS_H
#define SONDE_PEERS_H

#include "core/base/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sonde_peer_state {
    SONDE_PEER_IDLE,      /* nothing, or a part of a header, came */
    SONDE_PEER_SENDING,   /* the header is whole, the body is not */
    SONDE_PEER_ANSWERING, /* it is our turn: no deadline */
};

struct sonde_peer {
    struct sonde_peer *next, *prev;
    int fd;
    enum sonde_peer_state state;
    int64_t deadline_ns; /* monotonic */
};

struct sonde_peers {
    struct sonde_lock lock; /* guards all below, and that no fd is closed meanwhile */
    struct sonde_peer *first;
    size_t count;
    size_t crowded_count; /* from here on an idle one goes for each that comes */
};

void sonde_peers_init(struct sonde_peers *peers, size_t limit);
void sonde_peers_fini(struct sonde_peers *peers);

/* A connection came: NULL when out of memory. */
struct sonde_peer *sonde_peer_join(struct sonde_peers *peers, int fd);
void sonde_peer_turn(struct sonde_peers *peers, struct sonde_peer *peer,
                     enum sonde_peer_state state);
/* Its socket is about to be closed; frees `peer`. */
void sonde_peer_leave(struct sonde_peers *peers, struct sonde_peer *peer);

/* Hangs up on those past their deadline. Returns when to look again (monotonic). */
int64_t sonde_peers_tick(struct sonde_peers *peers, int64_t now_ns);

#endif
