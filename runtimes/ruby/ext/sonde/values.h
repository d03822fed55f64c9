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

/* The same with a remark after its type: "String" and " (before type cast)". */
void sonde_rb_write_noted(struct sonde_tape *tape, VALUE value, struct sonde_str note);

/* What this and the files that it uses have to look at or to name once. Never raises; what can not be had is
 * not looked for. Ctx: VM lock, at load, after sonde_rb_verify(). */
void sonde_rb_values_init(void);

/* The message that an exception was made with, as one value, without asking it; nothing when
 * there is none. */
void sonde_rb_write_message(struct sonde_tape *tape, VALUE exception);

#endif
