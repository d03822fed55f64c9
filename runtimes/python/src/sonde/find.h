/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a location is among the code that is loaded. */
#ifndef SONDE_PY_FIND_H
#define SONDE_PY_FIND_H

#include <sonde/adapter.h>

/* The adapter's find(). */
int sonde_py_find(void *ctx, const struct sonde_probe_def *def,
                  struct sonde_finding *finding);

/* The adapter's concerns(): whether the code that is arriving could matter for `def`. */
bool sonde_py_concerns(void *ctx, const struct sonde_probe_def *def,
                       struct sonde_str file);

#endif
