/* SPDX-License-Identifier: Apache-2.0
 *
 * The live tail: who listens for new snapshots. What is stored is offered to each
 * listener's own bounded queue and never waits; what finds no room is counted, and the
 * listener is told how many it missed as soon as it reads on. Rendering is done by who
 * reads.
 *
 * Ctx: any thread, one lock. */
#ifndef SONDE_HUB_H
#define SONDE_HUB_H

#include "collector/http/exchange.h"
#include "collector/store/store.h"

struct sonde_hub;

int sonde_hub_new(struct sonde_hub **out);

/* After the last listener has gone. */
void sonde_hub_free(struct sonde_hub *hub);

/* Ends every stream, and new ones at once. */
void sonde_hub_close(struct sonde_hub *hub);

/* Offers a row that has just been stored. Copies what it needs; nothing when nobody
 * listens. */
void sonde_hub_push(struct sonde_hub *hub, const struct sonde_row *row);

/* Makes x a stream of what is pushed from now on, of that probe and service (empty:
 * any). */
void sonde_hub_tail(struct sonde_hub *hub, struct sonde_exchange *x,
                    struct sonde_str probe_id, struct sonde_str service);

/* Sends the comments that keep connections alive. Returns when to call again
 * (monotonic). */
int64_t sonde_hub_tick(struct sonde_hub *hub);

#endif
