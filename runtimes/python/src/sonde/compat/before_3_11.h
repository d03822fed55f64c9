/* SPDX-License-Identifier: Apache-2.0
 *
 * What CPython 3.9 and 3.10 have in common; the place of an instruction in a frame is in
 * py_3_9.h and py_3_10.h. See compat.h for the list of facts. */
#ifndef SONDE_PY_BEFORE_3_11_H
#define SONDE_PY_BEFORE_3_11_H

#include <frameobject.h>
#include <longintrepr.h>

#include "compat/before_3_12.h"

/* A code object does not know its qualified name; before_3_11.c finds it elsewhere. */
#define SONDE_PY_HAS_CODE_QUALNAME 0

/* Every object with fields has its dictionary from the start, at the place that its type gives. */
#define Py_TPFLAGS_MANAGED_DICT 0ul

/* Include/cpython/frameobject.h. */
typedef PyFrameObject sonde_py_frame;

/* Include/cpython/pystate.h. */
static inline sonde_py_frame *
sonde_py_thread_frame(PyThreadState *tstate)
{
    return tstate->frame;
}

/* Every frame is one of the application's, whole when it is first seen. */
static inline PyCodeObject *
sonde_py_frame_code(const sonde_py_frame *frame)
{
    return frame->f_code;
}

static inline sonde_py_frame *
sonde_py_frame_back(const sonde_py_frame *frame)
{
    return frame->f_back;
}

/* Objects/frameobject.c: in f_localsplus stand the variables of co_varnames, then the cells of
 * co_cellvars, then those of co_freevars. An argument that is a cell has left its place among
 * the first (Python/ceval.c, _PyEval_MakeFrameVector); it is shown there all the same. */
static inline PyObject *
sonde_py_frame_variable(const sonde_py_frame *frame, const PyCodeObject *code, int i)
{
    PyObject *value = frame->f_localsplus[i];
    int cells = (int)PyTuple_GET_SIZE(code->co_cellvars);
    if (i >= code->co_nlocals) {
        int cell = i - code->co_nlocals;
        bool is_argument = cell < cells && code->co_cell2arg != NULL &&
                           code->co_cell2arg[cell] != CO_CELL_NOT_AN_ARG;
        bool is_shown = value != NULL && PyCell_Check(value) && !is_argument;
        return is_shown ? PyCell_GET(value) : NULL;
    }
    if (value == NULL && code->co_cell2arg != NULL) {
        for (int cell = 0; cell < cells; cell++) {
            if (code->co_cell2arg[cell] == i) {
                value = frame->f_localsplus[code->co_nlocals + cell];
                return value != NULL && PyCell_Check(value) ? PyCell_GET(value) : NULL;
            }
        }
    }
    return value;
}

static inline PyObject *
sonde_py_frame_namespace(const sonde_py_frame *frame)
{
    return frame->f_locals;
}

static inline int
sonde_py_code_variable_count(const PyCodeObject *code)
{
    return code->co_nlocals + (int)PyTuple_GET_SIZE(code->co_cellvars) +
           (int)PyTuple_GET_SIZE(code->co_freevars);
}

static inline PyObject *
sonde_py_code_variable_name(const PyCodeObject *code, int i)
{
    int cells = (int)PyTuple_GET_SIZE(code->co_cellvars);
    if (i < code->co_nlocals) {
        return PyTuple_GET_ITEM(code->co_varnames, i);
    }
    i -= code->co_nlocals;
    return i < cells ? PyTuple_GET_ITEM(code->co_cellvars, i)
                     : PyTuple_GET_ITEM(code->co_freevars, i - cells);
}

PyObject *sonde_py_code_qualname(const PyCodeObject *code);
PyObject *sonde_py_frame_qualname(const sonde_py_frame *frame, PyCodeObject *code);
void sonde_py_keep_qualname(PyCodeObject *code);

static inline PyCodeObject *
sonde_py_frame_object_code(PyFrameObject *frame)
{
    return frame->f_code;
}

static inline PyObject *
sonde_py_frame_object_qualname(PyFrameObject *frame)
{
    return sonde_py_frame_qualname(frame, frame->f_code);
}

static inline bool
sonde_py_inline_values(PyObject *object, struct sonde_py_inline *out)
{
    (void)object;
    (void)out;
    return false;
}

static inline PyObject *
sonde_py_managed_dict(PyObject *object)
{
    (void)object;
    return NULL;
}

#endif
