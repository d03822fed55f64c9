/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a location is among the code that is loaded. */
#ifndef SONDE_RB_FIND_H
#define SONDE_RB_FIND_H

#include <sonde/adapter.h>

/* The adapter's find(). */
int sonde_rb_find(void *ctx, const struct sonde_probe_def *def,
                  struct sonde_finding *finding);

#endif
