/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython 3.10. See ops.h for the list of facts. */
#ifndef SONDE_PY_REWRITE_3_10_H
#define SONDE_PY_REWRITE_3_10_H

#define SONDE_PY_JUMP_SCALE 1
#define SONDE_PY_LINE_FORMAT SONDE_PY_LINES_RANGES

/* Python/ceval.c, RERAISE: sets f_lasti back to where the exception came from. */
#define SONDE_PY_RERAISE_RESTORES 1

#include "compat/rewrite_blocks.h"

/* A generator finds the None that starts it on the stack; GEN_START drops it. */
static inline bool
sonde_py_op_ends_preamble(int opcode)
{
    return opcode == GEN_START;
}

static inline PyObject *
sonde_py_code_lines(PyCodeObject *code)
{
    return code->co_linetable;
}

#endif
