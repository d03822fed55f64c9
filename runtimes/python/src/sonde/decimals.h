/* SPDX-License-Identifier: Apache-2.0
 *
 * decimal.Decimal, of the C module and of the one in Python, as str() writes it. */
#ifndef SONDE_PY_DECIMALS_H
#define SONDE_PY_DECIMALS_H

#include "compat/compat.h"
#include <sonde/tape.h>

/* Ctx: VM lock, a thread of ours. */
bool sonde_py_verify_decimal(PyTypeObject *type, unsigned unused);

/* Ctx: a hook. */
void sonde_py_write_decimal(struct sonde_tape *tape, struct sonde_str type,
                            PyObject *value);

/* False: it has not the fields of _pydecimal's. Ctx: a hook. */
bool sonde_py_try_write_pydecimal(struct sonde_tape *tape, struct sonde_str type,
                                  PyObject *value);

#endif
