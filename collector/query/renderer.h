/* SPDX-License-Identifier: Apache-2.0
 *
 * From a stored row to the JSON of docs/formats/snapshot.md. A renderer keeps what it
 * needs from one row to the next.
 *
 * Ctx: one thread at a time. */
#ifndef SONDE_RENDERER_H
#define SONDE_RENDERER_H

#include "collector/store/store.h"
#include "core/wire/json.h"

struct sonde_renderer {
    void *unpacker; /* ZSTD_DCtx; made on first use */
    struct sonde_buf record;
    struct sonde_buf body;
};

void sonde_renderer_init(struct sonde_renderer *renderer);
void sonde_renderer_fini(struct sonde_renderer *renderer);

/* Appends one object. SONDE_E_CORRUPT: the row is damaged, SONDE_E_NOMEM; then nothing
 * was appended. */
int sonde_renderer_write(struct sonde_renderer *renderer, struct sonde_json_writer *out,
                         const struct sonde_row *row, struct sonde_err *err);

#endif
