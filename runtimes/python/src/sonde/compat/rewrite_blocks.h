/* SPDX-License-Identifier: Apache-2.0
 *
 * What CPython 3.9 and 3.10 have in common: guarded parts are blocks, opened by SETUP_FINALLY
 * and its like, and a code object keeps its instructions in a bytes object. See ops.h. */
#ifndef SONDE_PY_REWRITE_BLOCKS_H
#define SONDE_PY_REWRITE_BLOCKS_H

#define SONDE_PY_OP_GUARD SETUP_FINALLY
#define SONDE_PY_OP_UNGUARD POP_BLOCK

/* YIELD_FROM stands for the whole of an await: there is no loop to take apart. */
#define SONDE_PY_OP_RESUME 0
#define SONDE_PY_OP_SEND 0
#define SONDE_PY_OP_YIELD 0
#define SONDE_PY_OP_JUMP_BACK 0
#define SONDE_PY_OP_JUMP_AHEAD JUMP_FORWARD
#define SONDE_PY_OP_HANDLER_START 0

/* The handler finds six values: the exception that was current before, and this one. */
#define SONDE_PY_STACK_UNWIND 8

static const struct sonde_py_step sonde_py_tell_steps[] = {
    {LOAD_CONST, 0}, {DUP_TOP, 0}, {CONTAINS_OP, 0}, {POP_TOP, 0}};

static const struct sonde_py_step sonde_py_return_steps[] = {
    {DUP_TOP, 0}, {LOAD_CONST, 0}, {CONTAINS_OP, 0}, {POP_TOP, 0}};

/* On the stack are traceback, value, type (on top). RERAISE leaves out what adds a line to
 * the traceback (Python/ceval.c, exception_unwind). */
static const struct sonde_py_step sonde_py_unwind_steps[] = {
    {DUP_TOP_TWO, 0}, {POP_TOP, 0}, {LOAD_CONST, 0},
    {CONTAINS_OP, 0}, {POP_TOP, 0}, {RERAISE, SONDE_PY_RERAISE_RESTORES}};

static inline int
sonde_py_op_caches(int opcode)
{
    (void)opcode;
    return 0;
}

static inline enum sonde_py_jump
sonde_py_op_jump(int opcode)
{
    switch (opcode) {
    case FOR_ITER:
    case JUMP_FORWARD:
    case SETUP_FINALLY:
    case SETUP_WITH:
    case SETUP_ASYNC_WITH:
        return SONDE_PY_JUMP_FORWARD;
    case JUMP_IF_FALSE_OR_POP:
    case JUMP_IF_TRUE_OR_POP:
    case JUMP_ABSOLUTE:
    case POP_JUMP_IF_FALSE:
    case POP_JUMP_IF_TRUE:
    case JUMP_IF_NOT_EXC_MATCH:
        return SONDE_PY_JUMP_ABSOLUTE;
    default:
        return SONDE_PY_JUMP_NONE;
    }
}

/* An exception takes the block away and puts one for the handler in its place, which
 * POP_EXCEPT or END_ASYNC_FOR takes away. */
static inline int
sonde_py_op_blocks(int opcode)
{
    switch (opcode) {
    case SETUP_FINALLY:
    case SETUP_WITH:
    case SETUP_ASYNC_WITH:
        return 1;
    case POP_BLOCK:
    case POP_EXCEPT:
    case END_ASYNC_FOR:
        return -1;
    default:
        return 0;
    }
}

static inline bool
sonde_py_op_is_last(int opcode)
{
    return opcode == RETURN_VALUE || opcode == RERAISE || opcode == RAISE_VARARGS ||
           opcode == JUMP_FORWARD || opcode == JUMP_ABSOLUTE;
}

/* GET_AWAITABLE words its error after what stands before it. */
static inline bool
sonde_py_op_is_glued(int before, int opcode)
{
    return opcode == GET_AWAITABLE &&
           (before == BEFORE_ASYNC_WITH || before == WITH_EXCEPT_START);
}

/* New reference. */
static inline PyObject *
sonde_py_code_bytes(PyCodeObject *code)
{
    Py_INCREF(code->co_code);
    return code->co_code;
}

static inline PyObject *
sonde_py_code_regions(PyCodeObject *code)
{
    (void)code;
    return NULL;
}

static inline PyObject *
sonde_py_code_make(PyCodeObject *code, const struct sonde_py_parts *parts)
{
    return (PyObject *)PyCode_NewWithPosOnlyArgs(
        code->co_argcount, code->co_posonlyargcount, code->co_kwonlyargcount,
        code->co_nlocals, parts->stack_size, code->co_flags, parts->bytes, parts->consts,
        code->co_names, code->co_varnames, code->co_freevars, code->co_cellvars,
        code->co_filename, code->co_name, code->co_firstlineno, parts->lines);
}

#endif
