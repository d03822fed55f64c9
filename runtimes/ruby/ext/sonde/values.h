/* SPDX-License-Identifier: Apache-2.0
 *
 * Any Ruby value onto a tape, by its internal type and from its own storage: no method of the
 * application is ever called (no `inspect`, `class`, `hash`, `==`, `each`, `method_missing`), nothing
 * about the object changes, no object is allocated.
 *
 * Ctx: a hook. Never raises. */
#ifndef SONDE_RB_VALUES_H
#define SONDE_RB_VALUES_H

#include "compat/compat.h"
#include <sonde/tape.h>

void sonde_rb_write_value(struct sonde_tape *tape, VALUE value);

/* The message that an exception was made with, as one value, without asking it; nothing when
 * there is none. */
void sonde_rb_write_message(struct sonde_tape *tape, VALUE exception);

#endif
