/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /v1/logs: from an OTLP request to rows in the store. The server's thread reads,
 * checks and compresses; the answer leaves when the store says that all of it is on the
 * disk.
 *
 * Ctx: serve on any thread. */
#ifndef SONDE_INTAKE_H
#define SONDE_INTAKE_H

#include "collector/http/exchange.h"
#include "collector/hub/hub.h"
#include "collector/store/store.h"

struct sonde_intake;

/* `store` and `hub` are borrowed. SONDE_OK or SONDE_E_NOMEM. */
int sonde_intake_new(struct sonde_intake **out, struct sonde_store *store,
                     struct sonde_hub *hub);

/* When nothing is under way any more. */
void sonde_intake_free(struct sonde_intake *intake);

/* Answers x, at once or after the commit. */
void sonde_intake_serve(struct sonde_intake *intake, struct sonde_exchange *x);

#endif
