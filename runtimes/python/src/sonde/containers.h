/* SPDX-License-Identifier: Apache-2.0
 *
 * Containers of C modules: ordered dictionaries, deques, arrays, views. Each is read from
 * its own storage.
 *
 * Ctx: a hook, but for sonde_py_verify_…: VM lock, a thread of ours. */
#ifndef SONDE_PY_CONTAINERS_H
#define SONDE_PY_CONTAINERS_H

#include "compat/compat.h"
#include <sonde/tape.h>

bool sonde_py_verify_ordered_dict(PyTypeObject *type, unsigned unused);
bool sonde_py_verify_deque(PyTypeObject *type, unsigned unused);
bool sonde_py_verify_array(PyTypeObject *type, unsigned unused);

/* In the order in which it would be gone through, which is not that of the dictionary
 * inside once something was moved. */
void sonde_py_write_ordered_dict(struct sonde_tape *tape, struct sonde_str type,
                                 PyObject *value);

void sonde_py_write_deque(struct sonde_tape *tape, struct sonde_str type,
                          PyObject *value);
void sonde_py_write_array(struct sonde_tape *tape, struct sonde_str type,
                          PyTypeObject *base, PyObject *value);

/* format, itemsize, shape, nbytes, readonly; nothing of what it looks at. */
void sonde_py_write_memoryview(struct sonde_tape *tape, struct sonde_str type,
                               PyObject *value);

/* The dictionary behind a view of a dictionary or a mappingproxy; NULL: it is none of these,
 * or what is behind it is no dictionary. Borrowed. */
PyObject *sonde_py_viewed_dict(PyTypeObject *base, PyObject *value);

/* One number of a C array by its struct-module code. False: not such a code. */
bool sonde_py_try_write_number(struct sonde_tape *tape, char code, const char *at);

#endif
