/* SPDX-License-Identifier: Apache-2.0
 *
 * Units (docs/formats/symbols.md): a file of a listing as canonical JSON, in one part or several, and
 * the name that follows from it. Processes that have listed the same write the same bytes, in whatever
 * order it was listed.
 *
 * Ctx: the thread that has the listing. */
#ifndef SONDE_SYMBOLS_UNIT_H
#define SONDE_SYMBOLS_UNIT_H

#include "core/base/buf.h"
#include "core/base/sha1.h"
#include "core/symbols/listing.h"

#define SONDE_UNIT_MAX_SCOPES 4000

/* Into how many parts a file goes: at least one. SONDE_E_NOMEM. */
int sonde_unit_count_parts(const struct sonde_listing *listing, sonde_scope_id root,
                           uint32_t *parts);

/* Appends the scope of one part. Failure is the buffer's. */
void sonde_unit_write(const struct sonde_listing *listing, sonde_scope_id root,
                      uint32_t part, struct sonde_buf *out);

/* How many scopes a file has, itself included. */
uint32_t sonde_unit_count_scopes(const struct sonde_listing *listing,
                                 sonde_scope_id root);

/* A unit's name. `file_hash` is empty where there is none; `file` counts as it is written: each byte
 * that is not UTF-8 as U+FFFD. SONDE_E_NOMEM. */
int sonde_unit_hash(struct sonde_str file, enum sonde_origin origin,
                    struct sonde_str file_hash, uint32_t part, struct sonde_str scope,
                    unsigned char out[SONDE_SHA1_BYTES]);

#endif
