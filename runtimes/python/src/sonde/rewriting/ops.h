/* SPDX-License-Identifier: Apache-2.0
 *
 * What the rewriter has to know of one version of CPython's instructions. One compat/rewrite_3_N.h is
 * included; each defines this same list, so that no other file here asks for a version:
 *
 *   SONDE_PY_JUMP_SCALE            what a jump's argument counts: units (1) or bytes (2)
 *   SONDE_PY_LINE_FORMAT           enum sonde_py_line_format
 *   SONDE_PY_OP_GUARD, _UNGUARD    what opens and closes a guarded block; 0: a table does it
 *   SONDE_PY_OP_RESUME, _SEND, _YIELD, _JUMP_BACK, _HANDLER_START
 *                                  instructions around a suspension; 0: not in this version
 *   SONDE_PY_STACK_UNWIND          stack that a handler takes, from an empty one
 *   sonde_py_tell_steps            hook in hook; two places on the stack, as the next one
 *   sonde_py_return_steps          (value on top of the stack) in hook
 *   sonde_py_unwind_steps          a whole handler: exception in hook, and raise it again
 *   sonde_py_op_jump(opcode)       enum sonde_py_jump
 *   sonde_py_op_caches(opcode)     units of inline cache that follow
 *   sonde_py_op_blocks(opcode)     block stack: 1 one more, -1 one less, 0 as it was
 *   sonde_py_op_is_last(opcode)    control never goes on to the next instruction
 *   sonde_py_op_is_glued(a, b)     nothing may stand between a and b that follows it
 *   sonde_py_op_ends_preamble(op)  the last instruction before which nothing may stand
 *   sonde_py_code_...              a code object's parts, and a new one made of them */
#ifndef SONDE_PY_OPS_H
#define SONDE_PY_OPS_H

#ifndef PY_SSIZE_T_CLEAN
#    define PY_SSIZE_T_CLEAN
#endif
#ifndef Py_BUILD_CORE
#    define Py_BUILD_CORE 1
#endif
#include <Python.h>
#include <opcode.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sonde_py_jump {
    SONDE_PY_JUMP_NONE,
    SONDE_PY_JUMP_FORWARD,  /* from the unit after the instruction */
    SONDE_PY_JUMP_BACKWARD, /* likewise, towards lower units */
    SONDE_PY_JUMP_ABSOLUTE,
};

enum sonde_py_line_format {
    SONDE_PY_LINES_LNOTAB,    /* 3.9: Objects/lnotab_notes.txt */
    SONDE_PY_LINES_RANGES,    /* 3.10: Objects/lnotab_notes.txt */
    SONDE_PY_LINES_LOCATIONS, /* 3.11: Objects/locations.md */
};

/* One instruction of a sequence. */
struct sonde_py_step {
    uint8_t opcode;
    uint8_t arg; /* without meaning for LOAD_CONST: that loads the hook */
};

/* What differs between a code object and its copy. */
struct sonde_py_parts {
    PyObject *bytes;
    PyObject *consts;
    PyObject *lines;
    PyObject *regions; /* exception table; NULL where there is none */
    int stack_size;
};

#include "compat/rewrite_ops.h"

#endif
