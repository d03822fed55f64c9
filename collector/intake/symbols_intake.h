/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /v1/symbols (docs/formats/symbols.md): from a request to units in the store. A thread of the
 * pool reads and checks all of it, so that one bad unit refuses the whole call; the answer leaves
 * when the store says that what was kept is on the disk.
 *
 * Ctx: serve on any thread. */
#ifndef SONDE_SYMBOLS_INTAKE_H
#define SONDE_SYMBOLS_INTAKE_H

#include "collector/http/exchange.h"
#include "collector/query/pool.h"
#include "collector/store/store.h"

#define SONDE_SYMBOLS_BODY_MAX_BYTES ((size_t)4 * 1024 * 1024) /* before compression */
#define SONDE_SYMBOLS_UNITS_MAX 2000

/* Answers x, later. `store` and `pool` have to outlive that. */
void sonde_symbols_intake_serve(struct sonde_store *store, struct sonde_pool *pool,
                                struct sonde_exchange *x);

/* What a body says. Strings live in the tree and, scopes, in the text that it was read from.
 * SONDE_E_INVAL naming the member ("units[3].hash"); SONDE_E_LIMIT: more units than may be;
 * SONDE_E_NOMEM. */
int sonde_symbols_read(struct sonde_symbol_upload *out, struct sonde_arena *arena,
                       const struct sonde_json *json, struct sonde_err *err);

#endif
