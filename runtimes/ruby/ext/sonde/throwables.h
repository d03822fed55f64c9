/* SPDX-License-Identifier: Apache-2.0
 *
 * An exception that leaves a frame: its class, its message and where it was raised, all as it keeps them,
 * without asking it.
 *
 * Ctx: a hook. Never raises, allocates no object. */
#ifndef SONDE_RB_THROWABLES_H
#define SONDE_RB_THROWABLES_H

#include "compat/compat.h"
#include <sonde/tape.h>

/* Learns how CRuby keeps a backtrace. May raise. Ctx: at load. */
void sonde_rb_throwables_init(void);

/* Writes the group THROWABLE. `frame` is the one that it is about to leave. */
void sonde_rb_write_throwable(struct sonde_tape *tape, VALUE exception,
                              const struct sonde_rb_frame *frame, bool with_stack);

#endif
