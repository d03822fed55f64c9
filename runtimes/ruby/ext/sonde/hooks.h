/* SPDX-License-Identifier: Apache-2.0
 *
 * The callback of the targeted TracePoints. It never raises, allocates no object and calls no
 * Ruby method. */
#ifndef SONDE_RB_HOOKS_H
#define SONDE_RB_HOOKS_H

#include "compat/compat.h"
#include <sonde/hit.h>

/* A line is about to run (or a method or block whose last line bears the probe returns).
 * `data` is the struct sonde_rb_armed of adapter.c, whose first member is the site. Ctx: a TracePoint
 * callback. */
void sonde_rb_on_line(VALUE tracepoint, void *data);

#endif
