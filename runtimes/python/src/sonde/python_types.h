/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects of the standard library's own classes that have one text: UUID, path, pattern,
 * time zone, and Decimal where it is written in Python.
 *
 * Ctx: a hook. Never leaves an exception. */
#ifndef SONDE_PY_PYTHON_TYPES_H
#define SONDE_PY_PYTHON_TYPES_H

#include "compat/compat.h"
#include <sonde/tape.h>

/* False: none of them, or its text is not stored: a path that nobody asked for its own. */
bool sonde_py_try_write_standard(struct sonde_tape *tape, struct sonde_str type,
                                 PyTypeObject *base, PyObject *value);

#endif
