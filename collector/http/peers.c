/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/http/peers.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"

#include <sys/socket.h>

#define HEADER_TIME_NS \
    (10 * SONDE_NS_PER_S) /* from connecting to the first whole header */
#define BODY_TIME_NS (120 * SONDE_NS_PER_S) /* 16 MiB at 140 KB/s */
#define IDLE_TIME_NS (75 * SONDE_NS_PER_S)  /* to the next whole header */
#define LOOK_NS SONDE_NS_PER_S

void
sonde_peers_init(struct sonde_peers *peers, size_t limit)
{
    *peers = (struct sonde_peers){.crowded_count = limit - limit / 8};
    sonde_lock_init(&peers->lock, SONDE_RANK_HUB);
}

void
sonde_peers_fini(struct sonde_peers *peers)
{
    sonde_lock_fini(&peers->lock);
}

/* The connection's own thread notices, as if the other side had closed. */
static void
hang_up(struct sonde_peer *peer)
{
    shutdown(peer->fd, SHUT_RDWR);
    peer->deadline_ns = INT64_MAX;
    peer->state = SONDE_PEER_ANSWERING;
}

static void
drop_longest_idle(struct sonde_peers *peers)
{
    struct sonde_peer *oldest = NULL;
    for (struct sonde_peer *p = peers->first; p != NULL; p = p->next) {
        bool is_older = oldest == NULL || p->deadline_ns < oldest->deadline_ns;
        if (p->state == SONDE_PEER_IDLE && is_older) {
            oldest = p;
        }
    }
    if (oldest != NULL) {
        hang_up(oldest);
    }
}

struct sonde_peer *
sonde_peer_join(struct sonde_peers *peers, int fd)
{
    struct sonde_peer *peer = sonde_calloc(1, sizeof(*peer));
    if (peer == NULL) {
        return NULL;
    }
    peer->fd = fd;
    peer->deadline_ns = sonde_clock_mono_ns() + HEADER_TIME_NS;
    sonde_lock_take(&peers->lock);
    if (peers->count >= peers->crowded_count) {
        drop_longest_idle(peers);
    }
    peer->next = peers->first;
    if (peer->next != NULL) {
        peer->next->prev = peer;
    }
    peers->first = peer;
    peers->count++;
    sonde_lock_drop(&peers->lock);
    return peer;
}

void
sonde_peer_turn(struct sonde_peers *peers, struct sonde_peer *peer,
                enum sonde_peer_state state)
{
    static const int64_t time_ns[] = {
        [SONDE_PEER_IDLE] = IDLE_TIME_NS,
        [SONDE_PEER_SENDING] = BODY_TIME_NS,
    };
    int64_t deadline_ns = INT64_MAX;
    if (state != SONDE_PEER_ANSWERING) {
        deadline_ns = sonde_clock_mono_ns() + time_ns[state];
    }
    sonde_lock_take(&peers->lock);
    peer->state = state;
    peer->deadline_ns = deadline_ns;
    sonde_lock_drop(&peers->lock);
}

void
sonde_peer_leave(struct sonde_peers *peers, struct sonde_peer *peer)
{
    sonde_lock_take(&peers->lock);
    if (peer->next != NULL) {
        peer->next->prev = peer->prev;
    }
    if (peer->prev != NULL) {
        peer->prev->next = peer->next;
    } else {
        peers->first = peer->next;
    }
    peers->count--;
    sonde_lock_drop(&peers->lock);
    sonde_free(peer);
}

int64_t
sonde_peers_tick(struct sonde_peers *peers, int64_t now_ns)
{
    sonde_lock_take(&peers->lock);
    for (struct sonde_peer *p = peers->first; p != NULL; p = p->next) {
        if (p->deadline_ns <= now_ns) {
            hang_up(p);
        }
    }
    sonde_lock_drop(&peers->lock);
    return now_ns + LOOK_NS;
}
