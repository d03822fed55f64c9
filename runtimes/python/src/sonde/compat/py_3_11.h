/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython 3.11. See compat.h for the list of facts. */
#ifndef SONDE_PY_3_11_H
#define SONDE_PY_3_11_H

#include "internal/pycore_code.h"
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_object.h"
#include "compat/before_3_12.h"
#include "compat/ops_3_11.h"

#define SONDE_PY_SERIES "3.11"

/* Include/cpython/pystate.h: the current frame hangs on a struct of the C stack. */
typedef struct _PyInterpreterFrame sonde_py_frame;

/* A thread that is just beginning is in the list of threads before it has one: it is put there without
 * the GIL. */
static inline sonde_py_frame *
sonde_py_thread_frame(PyThreadState *tstate)
{
    return tstate->cframe != NULL ? tstate->cframe->current_frame : NULL;
}

/* Include/internal/pycore_frame.h, _PyFrame_IsIncomplete: frames that are still being made. */
static inline PyCodeObject *
sonde_py_frame_code(const sonde_py_frame *frame)
{
    PyCodeObject *code = frame->f_code;
    if (frame->owner != FRAME_OWNED_BY_GENERATOR &&
        frame->prev_instr < _PyCode_CODE(code) + code->_co_firsttraceable) {
        return NULL;
    }
    return code;
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

/* pycore_object.h: the word four before the object is the address of its values, as long as
 * there is no dictionary, which stands in the word after. pycore_dict.h: before the values
 * stand their number and, going down, the order in which they were set; the keys are shared by
 * the class. */
static inline bool
sonde_py_inline_values(PyObject *object, struct sonde_py_inline *out)
{
    PyTypeObject *type = Py_TYPE(object);
    if (!(type->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
        return false;
    }
    PyDictValues *values = *_PyObject_ValuesPointer(object);
    PyDictKeysObject *keys = ((PyHeapTypeObject *)type)->ht_cached_keys;
    if (values == NULL || keys == NULL || keys->dk_kind != DICT_KEYS_SPLIT) {
        return false;
    }
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
    return *_PyObject_ManagedDictPointer(object);
}

#include "compat/since_3_11.h"

#endif
