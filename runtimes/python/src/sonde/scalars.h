/* SPDX-License-Identifier: Apache-2.0
 *
 * Values that are shown as one text: numbers, dates, and things that have a name.
 *
 * Ctx: a hook. Never leaves an exception. */
#ifndef SONDE_PY_SCALARS_H
#define SONDE_PY_SCALARS_H

#include "compat/compat.h"
#include <sonde/tape.h>

/* An int or an instance of a subclass, of any size: decimal up to about 300 digits, then
 * hexadecimal. */
void sonde_py_write_int(struct sonde_tape *tape, struct sonde_str type, PyObject *value);

/* An int that is not negative as `size` bytes (at most 16), the highest first. False: it is
 * none or does not fit. */
bool sonde_py_int_bytes(PyObject *value, unsigned char *out, size_t size);

/* As repr() writes it. */
void sonde_py_write_complex(struct sonde_tape *tape, struct sonde_str type,
                            Py_complex value);

/* Whether instances of this built-in type are shown by their qualified name. */
bool sonde_py_is_qualified(PyTypeObject *base);

/* A function, method, class, module, generator or code object, by that name. */
void sonde_py_write_qualified(struct sonde_tape *tape, struct sonde_str type,
                              PyObject *value);

/* One of datetime's, as ISO 8601. False: `base` is none of them. */
bool sonde_py_try_write_date(struct sonde_tape *tape, struct sonde_str type,
                             PyTypeObject *base, PyObject *value);

/* "<Type at 0x…>". */
void sonde_py_write_opaque(struct sonde_tape *tape, struct sonde_str type,
                           PyObject *value);

#endif
