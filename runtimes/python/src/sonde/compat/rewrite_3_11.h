/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython 3.11. See ops.h for the list of facts. */
#ifndef SONDE_PY_REWRITE_3_11_H
#define SONDE_PY_REWRITE_3_11_H

#include "internal/pycore_code.h"

#define SONDE_PY_JUMP_SCALE 1
#define SONDE_PY_LINE_FORMAT SONDE_PY_LINES_LOCATIONS

#define SONDE_PY_OP_GUARD 0
#define SONDE_PY_OP_UNGUARD 0

#define SONDE_PY_OP_RESUME RESUME
#define SONDE_PY_OP_SEND SEND
#define SONDE_PY_OP_YIELD YIELD_VALUE
#define SONDE_PY_OP_JUMP_BACK JUMP_BACKWARD_NO_INTERRUPT
#define SONDE_PY_OP_JUMP_AHEAD JUMP_FORWARD
#define SONDE_PY_OP_HANDLER_START PUSH_EXC_INFO

/* The handler finds where the exception came from, and the exception. */
#define SONDE_PY_STACK_UNWIND 4

static const struct sonde_py_step sonde_py_tell_steps[] = {
    {LOAD_CONST, 0}, {COPY, 1}, {CONTAINS_OP, 0}, {POP_TOP, 0}};

static const struct sonde_py_step sonde_py_return_steps[] = {
    {COPY, 1}, {LOAD_CONST, 0}, {CONTAINS_OP, 0}, {POP_TOP, 0}};

/* Nothing here can fail, so the exception is not made the current one (PUSH_EXC_INFO) in
 * between. RERAISE 1 takes from the stack where it came from. */
static const struct sonde_py_step sonde_py_unwind_steps[] = {
    {COPY, 1}, {LOAD_CONST, 0}, {CONTAINS_OP, 0}, {POP_TOP, 0}, {RERAISE, 1}};

static inline int
sonde_py_op_caches(int opcode)
{
    switch (opcode) {
    case BINARY_SUBSCR:
        return INLINE_CACHE_ENTRIES_BINARY_SUBSCR;
    case STORE_SUBSCR:
        return INLINE_CACHE_ENTRIES_STORE_SUBSCR;
    case UNPACK_SEQUENCE:
        return INLINE_CACHE_ENTRIES_UNPACK_SEQUENCE;
    case STORE_ATTR:
        return INLINE_CACHE_ENTRIES_STORE_ATTR;
    case LOAD_ATTR:
        return INLINE_CACHE_ENTRIES_LOAD_ATTR;
    case COMPARE_OP:
        return INLINE_CACHE_ENTRIES_COMPARE_OP;
    case LOAD_GLOBAL:
        return INLINE_CACHE_ENTRIES_LOAD_GLOBAL;
    case BINARY_OP:
        return INLINE_CACHE_ENTRIES_BINARY_OP;
    case LOAD_METHOD:
        return INLINE_CACHE_ENTRIES_LOAD_METHOD;
    case PRECALL:
        return INLINE_CACHE_ENTRIES_PRECALL;
    case CALL:
        return INLINE_CACHE_ENTRIES_CALL;
    default:
        return 0;
    }
}

static inline enum sonde_py_jump
sonde_py_op_jump(int opcode)
{
    switch (opcode) {
    case FOR_ITER:
    case JUMP_FORWARD:
    case JUMP_IF_FALSE_OR_POP:
    case JUMP_IF_TRUE_OR_POP:
    case POP_JUMP_FORWARD_IF_FALSE:
    case POP_JUMP_FORWARD_IF_TRUE:
    case POP_JUMP_FORWARD_IF_NOT_NONE:
    case POP_JUMP_FORWARD_IF_NONE:
    case SEND:
        return SONDE_PY_JUMP_FORWARD;
    case JUMP_BACKWARD:
    case JUMP_BACKWARD_NO_INTERRUPT:
    case POP_JUMP_BACKWARD_IF_NOT_NONE:
    case POP_JUMP_BACKWARD_IF_NONE:
    case POP_JUMP_BACKWARD_IF_FALSE:
    case POP_JUMP_BACKWARD_IF_TRUE:
        return SONDE_PY_JUMP_BACKWARD;
    default:
        return SONDE_PY_JUMP_NONE;
    }
}

static inline int
sonde_py_op_blocks(int opcode)
{
    (void)opcode;
    return 0;
}

static inline bool
sonde_py_op_is_last(int opcode)
{
    return opcode == RETURN_VALUE || opcode == RERAISE || opcode == RAISE_VARARGS ||
           opcode == JUMP_FORWARD || opcode == JUMP_BACKWARD ||
           opcode == JUMP_BACKWARD_NO_INTERRUPT;
}

/* KW_NAMES leaves its names in a variable of the interpreter's until CALL, and a specialized
 * PRECALL does the work of the CALL and leaps over it. Objects/genobject.c looks for RESUME
 * after the instruction that yields (_PyGen_yf) and for SEND before it (_gen_throw). Before
 * SEND: what is thought of as one await is one instruction less than a loop. */
static inline bool
sonde_py_op_is_glued(int before, int opcode)
{
    return before == KW_NAMES || (before == PRECALL && opcode == CALL) ||
           (before == YIELD_VALUE && opcode == RESUME) ||
           (before == SEND && opcode == YIELD_VALUE) ||
           (before == LOAD_CONST && opcode == SEND);
}

/* Cells, the copy of the free variables, the making of a generator: all before RESUME. */
static inline bool
sonde_py_op_ends_preamble(int opcode)
{
    return opcode == RESUME;
}

/* New reference. The live instructions are specialized; these are as they were compiled. */
static inline PyObject *
sonde_py_code_bytes(PyCodeObject *code)
{
    return PyCode_GetCode(code);
}

static inline PyObject *
sonde_py_code_lines(PyCodeObject *code)
{
    return code->co_linetable;
}

static inline PyObject *
sonde_py_code_regions(PyCodeObject *code)
{
    return code->co_exceptiontable;
}

static inline PyObject *
sonde_py_code_make(PyCodeObject *code, const struct sonde_py_parts *parts)
{
    struct _PyCodeConstructor made = {
        .filename = code->co_filename,
        .name = code->co_name,
        .qualname = code->co_qualname,
        .flags = code->co_flags,
        .code = parts->bytes,
        .firstlineno = code->co_firstlineno,
        .linetable = parts->lines,
        .consts = parts->consts,
        .names = code->co_names,
        .localsplusnames = code->co_localsplusnames,
        .localspluskinds = code->co_localspluskinds,
        .argcount = code->co_argcount,
        .posonlyargcount = code->co_posonlyargcount,
        .kwonlyargcount = code->co_kwonlyargcount,
        .stacksize = parts->stack_size,
        .exceptiontable = parts->regions,
    };
    return (PyObject *)_PyCode_New(&made);
}

#endif
