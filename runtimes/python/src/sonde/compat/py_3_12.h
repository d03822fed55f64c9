/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython 3.12. See compat.h for the list of facts. */
#ifndef SONDE_PY_3_12_H
#define SONDE_PY_3_12_H

#include "internal/pycore_code.h"
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_object.h"
#include <opcode.h>

#define SONDE_PY_SERIES "3.12"

/* Python/specialize.c, _PyCode_Quicken: pairs are joined when a code object is made.
 * Python/instrumentation.c, _Py_Instrument: and parted for good when its events change. */
#define SONDE_PY_HAS_QUICKENED_PAIRS 1

/* Include/cpython/pystate.h: the current frame hangs on a struct of the C stack. */
static inline struct _PyInterpreterFrame *
sonde_py_thread_frame(PyThreadState *tstate)
{
    return tstate->cframe->current_frame;
}

/* Include/internal/pycore_frame.h, _PyFrame_IsIncomplete: frames that are still being made,
 * and the entry frame of each C call (whose f_code is a trampoline). */
static inline PyCodeObject *
sonde_py_frame_code(const struct _PyInterpreterFrame *frame)
{
    if (frame->owner == FRAME_OWNED_BY_CSTACK) {
        return NULL;
    }
    if (frame->owner != FRAME_OWNED_BY_GENERATOR &&
        frame->prev_instr <
            _PyCode_CODE(frame->f_code) + frame->f_code->_co_firsttraceable)
        return NULL;
    return frame->f_code;
}

/* pycore_frame.h: prev_instr is the last unit of the instruction that ran. */
static inline int
sonde_py_frame_unit(const struct _PyInterpreterFrame *frame, PyCodeObject *code)
{
    return (int)(frame->prev_instr - _PyCode_CODE(code));
}

/* pycore_frame.h, struct _frame. */
static inline PyCodeObject *
sonde_py_frame_object_code(PyFrameObject *frame)
{
    return frame->f_frame->f_code;
}

static inline _Py_CODEUNIT *
sonde_py_code_units(PyCodeObject *code)
{
    return _PyCode_CODE(code);
}

/* pycore_object.h, PyDictOrValues: the word three before the object is a dictionary, or,
 * with its lowest bit set, one less than the address of the values. pycore_dict.h: before
 * the values stand their number and, going down, the order in which they were set; the keys
 * are shared by the class. */
static inline bool
sonde_py_inline_values(PyObject *object, struct sonde_py_inline *out)
{
    PyTypeObject *type = Py_TYPE(object);
    if (!(type->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
        return false;
    }
    PyDictOrValues word = *_PyObject_DictOrValuesPointer(object);
    if (!_PyDictOrValues_IsValues(word)) {
        return false;
    }
    PyDictKeysObject *keys = ((PyHeapTypeObject *)type)->ht_cached_keys;
    if (keys == NULL || keys->dk_kind != DICT_KEYS_SPLIT) {
        return false;
    }
    PyDictValues *values = _PyDictOrValues_GetValues(word);
    out->values = values->values;
    out->order = (const uint8_t *)values - 3;
    out->order_step = -1;
    out->count = ((const uint8_t *)values)[-2];
    out->keys = &DK_UNICODE_ENTRIES(keys)->me_key;
    out->key_count = keys->dk_nentries;
    return out->count <= SHARED_KEYS_MAX_SIZE;
}

static inline PyObject *
sonde_py_managed_dict(PyObject *object)
{
    PyDictOrValues word = *_PyObject_DictOrValuesPointer(object);
    return _PyDictOrValues_IsValues(word) ? NULL : word.dict;
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
    first_cache->cache = adaptive_counter_warmup();
}

/* Python/specialize.c, _PyCode_Quicken: what `first` becomes when `second` follows it at
 * once; 0: nothing. */
static inline uint8_t
sonde_py_joined_pair(uint8_t first, uint8_t second)
{
    switch (first << 8 | second) {
    case LOAD_CONST << 8 | LOAD_FAST:
        return LOAD_CONST__LOAD_FAST;
    case LOAD_FAST << 8 | LOAD_CONST:
        return LOAD_FAST__LOAD_CONST;
    case LOAD_FAST << 8 | LOAD_FAST:
        return LOAD_FAST__LOAD_FAST;
    case STORE_FAST << 8 | LOAD_FAST:
        return STORE_FAST__LOAD_FAST;
    case STORE_FAST << 8 | STORE_FAST:
        return STORE_FAST__STORE_FAST;
    default:
        return 0;
    }
}

/* What stands under INSTRUMENTED_LINE at a unit (Include/cpython/code.h,
 * _PyCoLineInstrumentationData). */
static inline uint8_t
sonde_py_line_opcode(const _PyCoMonitoringData *data, size_t unit)
{
    return data->lines[unit].original_opcode;
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
    X(LOAD_FAST_CHECK)        \
    X(LOAD_FAST_AND_CLEAR)    \
    X(LOAD_NAME)              \
    X(LOAD_GLOBAL)            \
    X(LOAD_DEREF)             \
    X(LOAD_CLOSURE)           \
    X(LOAD_LOCALS)            \
    X(LOAD_BUILD_CLASS)       \
    X(LOAD_ASSERTION_ERROR)   \
    X(SETUP_ANNOTATIONS)      \
    X(DELETE_FAST)            \
    X(DELETE_NAME)            \
    X(DELETE_GLOBAL)          \
    X(DELETE_DEREF)           \
    X(RETURN_CONST)           \
    X(KW_NAMES)               \
    X(EXTENDED_ARG)           \
    X(RESUME)

/* Take exactly what their stack effect says: they push nothing. */
#define SONDE_PY_CONSUMERS(X) \
    X(STORE_FAST)             \
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
    X(KW_NAMES)                  \
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
