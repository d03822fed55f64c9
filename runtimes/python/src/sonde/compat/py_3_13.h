/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython 3.13. See compat.h for the list of facts. */
#ifndef SONDE_PY_3_13_H
#define SONDE_PY_3_13_H

#include "internal/pycore_code.h"
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_object.h"
#include <opcode.h>

#define SONDE_PY_SERIES "3.13"

/* Python/flowgraph.c: pairs are joined by the compiler and are instructions of their own. */
#define SONDE_PY_HAS_QUICKENED_PAIRS 0

/* Include/cpython/pystate.h. */
static inline struct _PyInterpreterFrame *
sonde_py_thread_frame(PyThreadState *tstate)
{
    return tstate->current_frame;
}

/* Include/internal/pycore_frame.h, _PyFrame_IsIncomplete: frames that are still being made,
 * the entry frame of each C call, and those whose f_executable is no code. */
static inline PyCodeObject *
sonde_py_frame_code(const struct _PyInterpreterFrame *frame)
{
    if (frame->owner == FRAME_OWNED_BY_CSTACK || !PyCode_Check(frame->f_executable)) {
        return NULL;
    }
    PyCodeObject *code = (PyCodeObject *)frame->f_executable;
    if (frame->owner != FRAME_OWNED_BY_GENERATOR &&
        frame->instr_ptr < _PyCode_CODE(code) + code->_co_firsttraceable)
        return NULL;
    return code;
}

/* pycore_frame.h: instr_ptr is the instruction that runs; in a caller, its call. */
static inline int
sonde_py_frame_unit(const struct _PyInterpreterFrame *frame, PyCodeObject *code)
{
    return (int)(frame->instr_ptr - _PyCode_CODE(code));
}

/* pycore_frame.h, struct _frame. */
static inline PyCodeObject *
sonde_py_frame_object_code(PyFrameObject *frame)
{
    return (PyCodeObject *)frame->f_frame->f_executable;
}

static inline _Py_CODEUNIT *
sonde_py_code_units(PyCodeObject *code)
{
    return _PyCode_CODE(code);
}

/* pycore_object.h, _PyObject_InlineValues: the values follow the object's head and are good
 * while `valid`; pycore_dict.h: behind them stands the order in which they were set. The
 * dictionary, once made, shares them or takes them over: then it is the one to read. */
static inline bool
sonde_py_inline_values(PyObject *object, struct sonde_py_inline *out)
{
    PyTypeObject *type = Py_TYPE(object);
    const unsigned long both = Py_TPFLAGS_INLINE_VALUES | Py_TPFLAGS_MANAGED_DICT;
    if ((type->tp_flags & both) != both ||
        _PyObject_ManagedDictPointer(object)->dict != NULL)
        return false;
    PyDictValues *values = _PyObject_InlineValues(object);
    PyDictKeysObject *keys = ((PyHeapTypeObject *)type)->ht_cached_keys;
    if (!values->valid || keys == NULL || keys->dk_kind != DICT_KEYS_SPLIT) {
        return false;
    }
    out->values = values->values;
    out->order = get_insertion_order_array(values);
    out->order_step = 1;
    out->count = values->size;
    out->keys = &DK_UNICODE_ENTRIES(keys)->me_key;
    out->key_count = keys->dk_nentries;
    return out->count <= SHARED_KEYS_MAX_SIZE;
}

static inline PyObject *
sonde_py_managed_dict(PyObject *object)
{
    return (PyObject *)_PyObject_ManagedDictPointer(object)->dict;
}

/* Include/cpython/longintrepr.h, _PyLongValue: the number of digits above three bits of which
 * two tell the sign (0 positive, 1 zero, 2 negative). */
static inline size_t
sonde_py_int_size(const PyLongObject *number)
{
    return (size_t)(number->long_value.lv_tag >> _PyLong_NON_SIZE_BITS);
}

static inline bool
sonde_py_int_is_negative(const PyLongObject *number)
{
    return (number->long_value.lv_tag & _PyLong_SIGN_MASK) == 2;
}

/* pycore_code.h: the counter stands in the first unit of the cache. */
static inline void
sonde_py_warm_up(_Py_CODEUNIT *first_cache)
{
    first_cache->counter = adaptive_counter_warmup();
}

/* None are joined at run time. */
static inline uint8_t
sonde_py_joined_pair(uint8_t first, uint8_t second)
{
    (void)first;
    (void)second;
    return 0;
}

/* What stands under INSTRUMENTED_LINE at a unit. The table (Include/cpython/code.h,
 * _PyCoLineInstrumentationData) was two bytes for each unit up to 3.13.2 or so; since then its first
 * byte is the size of an entry, 2 to 5. Told apart at run time, since one build serves all
 * patch releases: the older table begins with the first instruction's opcode, and none of
 * those is the first of any code. */
static inline uint8_t
sonde_py_line_opcode(const _PyCoMonitoringData *data, size_t unit)
{
    const uint8_t *bytes = (const uint8_t *)data->lines;
    bool is_sized = bytes[0] >= 2 && bytes[0] <= 5;
    return is_sized ? bytes[1 + unit * bytes[0]] : bytes[2 * unit];
}

/* Python/instrumentation.c, events; the numbers of sys.monitoring.events. */
enum {
    SONDE_PY_EVENT_START = 1 << 0,
    SONDE_PY_EVENT_RETURN = 1 << 2,
    SONDE_PY_EVENT_INSTRUCTION_INDEX = 6,
    SONDE_PY_EVENT_INSTRUCTION = 1 << SONDE_PY_EVENT_INSTRUCTION_INDEX,
    SONDE_PY_EVENT_UNWIND = 1 << 12,
};

/* --- Instructions, by what lines.c asks of them (Python/bytecodes.c) ---------------------- */

/* Jump forward when taken; X(opcode). */
#define SONDE_PY_JUMPS_FORWARD(X) \
    X(JUMP_FORWARD)               \
    X(POP_JUMP_IF_FALSE)          \
    X(POP_JUMP_IF_TRUE)           \
    X(POP_JUMP_IF_NONE)           \
    X(POP_JUMP_IF_NOT_NONE)       \
    X(FOR_ITER)                   \
    X(SEND)

#define SONDE_PY_JUMPS_BACKWARD(X) \
    X(JUMP_BACKWARD)               \
    X(JUMP_BACKWARD_NO_INTERRUPT)

/* Control never goes on to the next instruction. */
#define SONDE_PY_LEAVES(X)        \
    X(JUMP_FORWARD)               \
    X(JUMP_BACKWARD)              \
    X(JUMP_BACKWARD_NO_INTERRUPT) \
    X(RETURN_VALUE)               \
    X(RETURN_CONST)               \
    X(RAISE_VARARGS)              \
    X(RERAISE)                    \
    X(INTERPRETER_EXIT)

/* A lone return of a constant, which needs nothing from the stack. */
#define SONDE_PY_RETURNS_CONST(X) X(RETURN_CONST)

/* Take nothing from the stack. */
#define SONDE_PY_PRODUCERS(X) \
    X(NOP)                    \
    X(PUSH_NULL)              \
    X(LOAD_CONST)             \
    X(LOAD_FAST)              \
    X(LOAD_FAST_LOAD_FAST)    \
    X(LOAD_FAST_CHECK)        \
    X(LOAD_FAST_AND_CLEAR)    \
    X(LOAD_NAME)              \
    X(LOAD_GLOBAL)            \
    X(LOAD_DEREF)             \
    X(LOAD_LOCALS)            \
    X(LOAD_BUILD_CLASS)       \
    X(LOAD_ASSERTION_ERROR)   \
    X(SETUP_ANNOTATIONS)      \
    X(DELETE_FAST)            \
    X(DELETE_NAME)            \
    X(DELETE_GLOBAL)          \
    X(DELETE_DEREF)           \
    X(RETURN_CONST)           \
    X(EXTENDED_ARG)           \
    X(RESUME)

/* Take exactly what their stack effect says: they push nothing. */
#define SONDE_PY_CONSUMERS(X) \
    X(STORE_FAST)             \
    X(STORE_FAST_STORE_FAST)  \
    X(STORE_NAME)             \
    X(STORE_GLOBAL)           \
    X(STORE_DEREF)            \
    X(STORE_ATTR)             \
    X(STORE_SUBSCR)           \
    X(STORE_SLICE)            \
    X(DELETE_ATTR)            \
    X(DELETE_SUBSCR)          \
    X(POP_TOP)                \
    X(POP_JUMP_IF_FALSE)      \
    X(POP_JUMP_IF_TRUE)       \
    X(POP_JUMP_IF_NONE)       \
    X(POP_JUMP_IF_NOT_NONE)   \
    X(RETURN_VALUE)           \
    X(RAISE_VARARGS)

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

/* Never where a statement begins, though control may come from another line: the turn of a
 * loop, the inside of an await, the clean-up after an exception. */
#define SONDE_PY_NEVER_STARTS(X) \
    X(FOR_ITER)                  \
    X(END_FOR)                   \
    X(GET_ANEXT)                 \
    X(END_ASYNC_FOR)             \
    X(SEND)                      \
    X(END_SEND)                  \
    X(CLEANUP_THROW)             \
    X(RESUME)                    \
    X(JUMP_FORWARD)              \
    X(JUMP_BACKWARD)             \
    X(JUMP_BACKWARD_NO_INTERRUPT)

/* No event ever comes from these (Python/instrumentation.c, _Py_Instrument). */
#define SONDE_PY_NO_EVENTS(X) \
    X(RESUME)                 \
    X(END_FOR)

/* A handler's first instruction: takes the exception that was put there for it. */
#define SONDE_PY_HANDLER_START PUSH_EXC_INFO

#endif
