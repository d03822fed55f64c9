/* SPDX-License-Identifier: Apache-2.0
 *
 * The interpreter's function that evaluates a frame (PEP 523), ours for as long as there is
 * something that rewriting alone can not do:
 *
 * - The body of a module is evaluated at once by whoever compiled it, so nothing can be put in
 *   its place. Between the audit event that tells of it and the frame, ours is there.
 * - 3.9 and 3.10: how long a generator's frame is suspended, while a probe wants to know.
 *
 * A function that another tool has set is called by ours, and is there again afterwards.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_EVALUATION_H
#define SONDE_PY_EVALUATION_H

#include "compat/compat.h"

/* The audit event "exec": this thread is about to evaluate `original`. What is armed in it by now
 * will be told of. Cheap where nothing is. */
void sonde_py_evaluation_expect(PyCodeObject *original);

/* Whether suspensions of frames are to be told. */
void sonde_py_evaluation_tell_suspensions(bool wanted);

void sonde_py_evaluation_stop(void);

/* Whether ours is the interpreter's function now. */
bool sonde_py_evaluation_is_ours(void);

#endif
