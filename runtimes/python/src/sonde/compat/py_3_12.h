/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython 3.12. See compat.h for the list of facts. */
#ifndef SONDE_PY_3_12_H
#define SONDE_PY_3_12_H

#include "internal/pycore_code.h"
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_object.h"
#include "compat/ops_3_12.h"

#define SONDE_PY_SERIES "3.12"

/* Python/specialize.c, _PyCode_Quicken: pairs are joined when a code object is made.
 * Python/instrumentation.c, _Py_Instrument: and parted for good when its events change. */
#define SONDE_PY_HAS_QUICKENED_PAIRS 1

/* Include/cpython/pystate.h: the current frame hangs on a struct of the C stack. */
typedef struct _PyInterpreterFrame sonde_py_frame;

/* A thread that is just beginning is in the list of threads before it has one: it is put there without
 * the GIL. */
static inline sonde_py_frame *
sonde_py_thread_frame(PyThreadState *tstate)
{
    return tstate->cframe != NULL ? tstate->cframe->current_frame : NULL;
}

/* Include/internal/pycore_frame.h, _PyFrame_IsIncomplete: frames that are still being made,
 * and the entry frame of each C call (whose f_code is a trampoline). */
static inline PyCodeObject *
sonde_py_frame_code(const sonde_py_frame *frame)
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
sonde_py_frame_unit(const sonde_py_frame *frame, PyCodeObject *code)
{
    return (int)(frame->prev_instr - _PyCode_CODE(code));
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
    return frame->f_frame->f_code;
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
