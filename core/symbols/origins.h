/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of sonde_origins (sonde/symbols.h). */
#ifndef SONDE_SYMBOLS_ORIGINS_H
#define SONDE_SYMBOLS_ORIGINS_H

#include <sonde/symbols.h>

/* Static text of an origin as it is on the wire; "" of none. */
const char *sonde_origin_text(enum sonde_origin origin);

#endif
