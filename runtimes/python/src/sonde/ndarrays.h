/* SPDX-License-Identifier: Apache-2.0
 *
 * numpy's arrays and scalars by their memory, which numpy's headers publish. numpy is never
 * imported or called while something is captured.
 *
 * Ctx: a hook, but for sonde_py_verify_…: VM lock, a thread of ours. */
#ifndef SONDE_PY_NDARRAYS_H
#define SONDE_PY_NDARRAYS_H

#include "compat/compat.h"
#include <sonde/tape.h>

bool sonde_py_verify_ndarray(PyTypeObject *type, unsigned unused);
bool sonde_py_verify_numpy_scalar(PyTypeObject *type, unsigned number);

/* dtype, shape, and the first elements where a dtype has simple ones. */
void sonde_py_write_ndarray(struct sonde_tape *tape, struct sonde_str type,
                            PyObject *value);

/* `number`: of the scalar's dtype. */
void sonde_py_write_numpy_scalar(struct sonde_tape *tape, struct sonde_str type,
                                 unsigned number, PyObject *value);

#endif
