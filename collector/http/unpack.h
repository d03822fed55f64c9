/* SPDX-License-Identifier: Apache-2.0
 *
 * Decompression of what came in, bounded. Ctx: any thread. */
#ifndef SONDE_UNPACK_H
#define SONDE_UNPACK_H

#include "core/base/buf.h"

/* Appends the contents of one or more gzip members to `out`. SONDE_E_SYNTAX: damaged or
 * cut short. SONDE_E_LIMIT: past out->max_bytes, or a bomb (see unpack.c).
 * SONDE_E_NOMEM. */
int sonde_unpack_gzip(struct sonde_buf *out, struct sonde_str packed,
                      struct sonde_err *err);

#endif
