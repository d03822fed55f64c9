/* SPDX-License-Identifier: Apache-2.0
 *
 * The instructions of CPython 3.11, by what lines.c asks of them. */
#ifndef SONDE_PY_OPS_3_11_H
#define SONDE_PY_OPS_3_11_H

#include <opcode.h>

/* --- Instructions, by what lines.c asks of them (Python/ceval.c) -------------------------- */

/* Jump forward when taken; X(opcode). */
#define SONDE_PY_JUMPS_FORWARD(X)   \
    X(JUMP_FORWARD)                 \
    X(POP_JUMP_FORWARD_IF_FALSE)    \
    X(POP_JUMP_FORWARD_IF_TRUE)     \
    X(POP_JUMP_FORWARD_IF_NONE)     \
    X(POP_JUMP_FORWARD_IF_NOT_NONE) \
    X(JUMP_IF_FALSE_OR_POP)         \
    X(JUMP_IF_TRUE_OR_POP)          \
    X(FOR_ITER)                     \
    X(SEND)

#define SONDE_PY_JUMPS_BACKWARD(X) \
    X(JUMP_BACKWARD)               \
    X(JUMP_BACKWARD_NO_INTERRUPT)  \
    X(POP_JUMP_BACKWARD_IF_FALSE)  \
    X(POP_JUMP_BACKWARD_IF_TRUE)   \
    X(POP_JUMP_BACKWARD_IF_NONE)   \
    X(POP_JUMP_BACKWARD_IF_NOT_NONE)

#define SONDE_PY_JUMPS_ABSOLUTE(X)

/* A jump's argument counts units. */
#define SONDE_PY_JUMP_STEPS_PER_UNIT 1

/* Control never goes on to the next instruction. */
#define SONDE_PY_LEAVES(X)        \
    X(JUMP_FORWARD)               \
    X(JUMP_BACKWARD)              \
    X(JUMP_BACKWARD_NO_INTERRUPT) \
    X(RETURN_VALUE)               \
    X(RAISE_VARARGS)              \
    X(RERAISE)

/* There are no blocks at run time. */
#define SONDE_PY_SETS_BLOCK(X)

#define SONDE_PY_POPS_BLOCK(X)

/* A lone return of a constant, which needs nothing from the stack: there is none. */
#define SONDE_PY_RETURNS_CONST(X)

/* Take nothing from the stack. */
#define SONDE_PY_PRODUCERS(X) \
    X(NOP)                    \
    X(LOAD_CONST)             \
    X(LOAD_FAST)              \
    X(LOAD_NAME)              \
    X(LOAD_GLOBAL)            \
    X(LOAD_DEREF)             \
    X(LOAD_CLOSURE)           \
    X(LOAD_CLASSDEREF)        \
    X(LOAD_BUILD_CLASS)       \
    X(LOAD_ASSERTION_ERROR)   \
    X(SETUP_ANNOTATIONS)      \
    X(DELETE_FAST)            \
    X(DELETE_NAME)            \
    X(DELETE_GLOBAL)          \
    X(DELETE_DEREF)           \
    X(EXTENDED_ARG)           \
    X(PUSH_NULL)              \
    X(KW_NAMES)               \
    X(RESUME)

/* Take exactly what their stack effect says: they push nothing. */
#define SONDE_PY_CONSUMERS(X)        \
    X(STORE_FAST)                    \
    X(STORE_NAME)                    \
    X(STORE_GLOBAL)                  \
    X(STORE_DEREF)                   \
    X(STORE_ATTR)                    \
    X(STORE_SUBSCR)                  \
    X(DELETE_ATTR)                   \
    X(DELETE_SUBSCR)                 \
    X(POP_TOP)                       \
    X(IMPORT_STAR)                   \
    X(PRINT_EXPR)                    \
    X(POP_JUMP_FORWARD_IF_FALSE)     \
    X(POP_JUMP_FORWARD_IF_TRUE)      \
    X(POP_JUMP_FORWARD_IF_NONE)      \
    X(POP_JUMP_FORWARD_IF_NOT_NONE)  \
    X(POP_JUMP_BACKWARD_IF_FALSE)    \
    X(POP_JUMP_BACKWARD_IF_TRUE)     \
    X(POP_JUMP_BACKWARD_IF_NONE)     \
    X(POP_JUMP_BACKWARD_IF_NOT_NONE) \
    X(JUMP_IF_FALSE_OR_POP)          \
    X(JUMP_IF_TRUE_OR_POP)           \
    X(RETURN_VALUE)                  \
    X(RAISE_VARARGS)                 \
    X(END_ASYNC_FOR)

/* Take as many as their argument says. */
#define SONDE_PY_BUILDERS(X) \
    X(BUILD_TUPLE)           \
    X(BUILD_LIST)            \
    X(BUILD_SET)             \
    X(BUILD_STRING)          \
    X(BUILD_MAP)             \
    X(COPY)                  \
    X(SWAP)

/* Use what lies below as many as their argument says. */
#define SONDE_PY_PEEKERS(X) \
    X(LIST_APPEND)          \
    X(SET_ADD)              \
    X(MAP_ADD)              \
    X(LIST_EXTEND)          \
    X(SET_UPDATE)           \
    X(DICT_UPDATE)          \
    X(DICT_MERGE)

/* Use what was put deep into the stack for them. */
#define SONDE_PY_DIGGERS(X) \
    X(WITH_EXCEPT_START)    \
    X(POP_EXCEPT)           \
    X(RERAISE)

/* Use more of the stack than their effect tells: X(opcode, how many). */
#define SONDE_PY_REACHES(X) \
    X(MATCH_KEYS, 2)        \
    X(CHECK_EXC_MATCH, 2)   \
    X(CHECK_EG_MATCH, 2)

/* Never where a statement begins, though control may come from another line: the turn of a
 * loop, the inside of an await, the clean-up after an exception. */
#define SONDE_PY_NEVER_STARTS(X) \
    X(FOR_ITER)                  \
    X(GET_ANEXT)                 \
    X(END_ASYNC_FOR)             \
    X(SEND)                      \
    X(RESUME)                    \
    X(ASYNC_GEN_WRAP)            \
    X(KW_NAMES)                  \
    X(PRECALL)                   \
    X(CALL)                      \
    X(JUMP_FORWARD)              \
    X(JUMP_BACKWARD)             \
    X(JUMP_BACKWARD_NO_INTERRUPT)

/* No call may be put before these. */
#define SONDE_PY_NO_EVENTS(X) X(RESUME)

/* Nothing may be put between these and the next instruction. */
#define SONDE_PY_BINDS_NEXT(X) \
    X(EXTENDED_ARG)            \
    X(KW_NAMES)                \
    X(PRECALL)

/* A handler's first instruction: takes the exception that was put there for it. */
#define SONDE_PY_HANDLER_STARTS(X) X(PUSH_EXC_INFO)

/* Jump to the next `except` where an exception is none of theirs. */
#define SONDE_PY_CATCHES(X)

/* 1: what ends a block has the line of the statement that is last in it. */
#define SONDE_PY_LINES_RUN_ON 0

/* --- Tables ------------------------------------------------------------------------------ */

/* Objects/locations.md: the form of the line table, by the version that brought it. */
#define SONDE_PY_LINE_TABLE 311
#define SONDE_PY_HAS_EXCEPTION_TABLE 1

#endif
