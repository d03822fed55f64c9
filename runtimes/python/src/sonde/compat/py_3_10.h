/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython 3.10. See compat.h for the list of facts. */
#ifndef SONDE_PY_3_10_H
#define SONDE_PY_3_10_H

#include "compat/before_3_11.h"
#include "compat/ops_3_10.h"

#define SONDE_PY_SERIES "3.10"

/* Include/cpython/frameobject.h: f_lasti counts units; -1: nothing ran yet. */
static inline int
sonde_py_frame_unit(const sonde_py_frame *frame, PyCodeObject *code)
{
    (void)code;
    return frame->f_lasti;
}

/* Python/compile.c: generators and coroutines begin with GEN_START, which takes what is sent
 * to the new frame. */
static inline int
sonde_py_code_first(const PyCodeObject *code)
{
    const uint8_t *bytes = (const uint8_t *)PyBytes_AS_STRING(code->co_code);
    return PyBytes_GET_SIZE(code->co_code) > 1 && bytes[0] == GEN_START ? 1 : 0;
}

#endif
