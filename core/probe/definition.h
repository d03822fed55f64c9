/* SPDX-License-Identifier: Apache-2.0
 *
 * Probe definitions from and to JSON, and locations from what a person typed. Used by the
 * agent (what came over the control channel) and by the collector (what came over the API),
 * so that both judge alike. The JSON form is in docs/formats/api.md. */
#ifndef SONDE_DEFINITION_H
#define SONDE_DEFINITION_H

#include "core/wire/json.h"
#include <sonde/probe.h>

/* Reads a location as typed. SONDE_E_INVAL with what is wrong with it. Own: parts point
 * into `text`. */
int sonde_location_read(struct sonde_location *out, struct sonde_str text,
                        struct sonde_err *err);

/* Fills *out with the defaults (no id, no location). */
void sonde_probe_def_init(struct sonde_probe_def *out);

/* Reads a definition. Unknown members are ignored; a wrong one gives SONDE_E_INVAL with the
 * member's name in err->where; what is out of range is clamped and noted in out->clamped.
 * `id` may be absent only when `needs_id` is false. Own: strings live in `arena` or in the
 * tree. */
int sonde_probe_def_read(struct sonde_probe_def *out, struct sonde_arena *arena,
                         const struct sonde_json *json, bool needs_id,
                         struct sonde_err *err);

/* Writes the same form. */
void sonde_probe_def_write(struct sonde_json_writer *out,
                           const struct sonde_probe_def *def);

/* A deep copy in one heap block; NULL when out of memory. Own: sonde_free. */
struct sonde_probe_def *sonde_probe_def_dup(const struct sonde_probe_def *def);

#endif
