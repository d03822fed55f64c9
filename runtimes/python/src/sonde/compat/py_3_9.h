/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython 3.9. See compat.h for the list of facts. */
#ifndef SONDE_PY_3_9_H
#define SONDE_PY_3_9_H

#include "compat/before_3_11.h"
#include "compat/ops_3_9.h"

#define SONDE_PY_SERIES "3.9"

/* Include/cpython/frameobject.h: f_lasti counts bytes; -1: nothing ran yet. */
static inline int
sonde_py_frame_unit(const sonde_py_frame *frame, PyCodeObject *code)
{
    (void)code;
    return frame->f_lasti < 0 ? -1 : frame->f_lasti / 2;
}

/* The body begins at once. */
static inline int
sonde_py_code_first(const PyCodeObject *code)
{
    (void)code;
    return 0;
}

#endif
