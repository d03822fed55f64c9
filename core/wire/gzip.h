/* SPDX-License-Identifier: Apache-2.0
 *
 * Compression of what is sent. */
#ifndef SONDE_GZIP_H
#define SONDE_GZIP_H

#include "core/base/buf.h"

/* Appends `data` as one gzip member. SONDE_E_NOMEM or SONDE_E_LIMIT (the buffer's bound,
 * or more than 4 GiB of data). Ctx: any thread; takes about 256 KiB while it runs. */
int sonde_gzip_append(struct sonde_buf *out, struct sonde_str data);

#endif
