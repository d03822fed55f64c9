/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython 3.9. See ops.h for the list of facts. */
#ifndef SONDE_PY_REWRITE_3_9_H
#define SONDE_PY_REWRITE_3_9_H

#define SONDE_PY_JUMP_SCALE 2
#define SONDE_PY_LINE_FORMAT SONDE_PY_LINES_LNOTAB

/* RERAISE takes no argument: f_lasti of a frame that is left stays at the handler. */
#define SONDE_PY_RERAISE_RESTORES 0

#include "compat/rewrite_blocks.h"

/* Nothing is there before the body. */
static inline bool
sonde_py_op_ends_preamble(int opcode)
{
    (void)opcode;
    return false;
}

static inline PyObject *
sonde_py_code_lines(PyCodeObject *code)
{
    return code->co_lnotab;
}

#endif
