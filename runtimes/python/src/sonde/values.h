/* SPDX-License-Identifier: Apache-2.0
 *
 * Any Python value onto a tape, by its exact type and from its own storage: no method, no
 * property, no comparison of the application is ever called, nothing about the object
 * changes, no Python object is made.
 *
 * Ctx: a hook. Never leaves an exception. */
#ifndef SONDE_PY_VALUES_H
#define SONDE_PY_VALUES_H

#include "compat/compat.h"
#include <sonde/tape.h>

/* `value` may be NULL: a marker says that it could not be read. */
void sonde_py_write_value(struct sonde_tape *tape, PyObject *value);

/* What a person would call an exception's message, as one value: what is in its args, or the
 * fields of its own where these are empty; nothing when there is none. */
void sonde_py_write_message(struct sonde_tape *tape, PyObject *exception);

#endif
