/* SPDX-License-Identifier: Apache-2.0
 *
 * How an activation ended: a generator that is closed and a task that is cancelled are no
 * failures, though an exception leaves them.
 *
 * Ctx: a hook. */
#ifndef SONDE_PY_OUTCOMES_H
#define SONDE_PY_OUTCOMES_H

#include "compat/compat.h"
#include <sonde/tape.h>

/* `exception` leaves a frame that runs `code`; NULL: it returns. */
enum sonde_outcome sonde_py_outcome(const PyCodeObject *code, PyObject *exception);

#endif
