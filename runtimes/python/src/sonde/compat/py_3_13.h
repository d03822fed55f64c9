/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython 3.13. See compat.h for the list of facts. */
#ifndef SONDE_PY_3_13_H
#define SONDE_PY_3_13_H

#include "internal/pycore_code.h"
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_object.h"
#include "compat/ops_3_13.h"

#define SONDE_PY_SERIES "3.13"

/* Python/flowgraph.c: pairs are joined by the compiler and are instructions of their own. */
#define SONDE_PY_HAS_QUICKENED_PAIRS 0

/* Include/cpython/pystate.h. */
typedef struct _PyInterpreterFrame sonde_py_frame;

static inline sonde_py_frame *
sonde_py_thread_frame(PyThreadState *tstate)
{
    return tstate->current_frame;
}

/* Include/internal/pycore_frame.h, _PyFrame_IsIncomplete: frames that are still being made,
 * the entry frame of each C call, and those whose f_executable is no code. */
static inline PyCodeObject *
sonde_py_frame_code(const sonde_py_frame *frame)
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
sonde_py_frame_unit(const sonde_py_frame *frame, PyCodeObject *code)
{
    return (int)(frame->instr_ptr - _PyCode_CODE(code));
}

/* pycore_frame.h: the variables stand first in localsplus, in the order of co_localsplusnames. */
static inline PyObject *
sonde_py_frame_slot(const sonde_py_frame *frame, int i)
{
    return frame->localsplus[i];
}

/* pycore_frame.h, struct _frame. */
static inline PyCodeObject *
sonde_py_frame_object_code(PyFrameObject *frame)
{
    return (PyCodeObject *)frame->f_frame->f_executable;
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
        _PyObject_ManagedDictPointer(object)->dict != NULL) {
        return false;
    }
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
    SONDE_PY_EVENT_RESUME = 1 << 1,
    SONDE_PY_EVENT_RETURN = 1 << 2,
    SONDE_PY_EVENT_YIELD = 1 << 3,
    SONDE_PY_EVENT_INSTRUCTION_INDEX = 6,
    SONDE_PY_EVENT_INSTRUCTION = 1 << SONDE_PY_EVENT_INSTRUCTION_INDEX,
    SONDE_PY_EVENT_JUMP = 1 << 7,
    SONDE_PY_EVENT_UNWIND = 1 << 12,
    SONDE_PY_EVENT_THROW = 1 << 13,
};

#include "compat/since_3_12.h"

#endif
