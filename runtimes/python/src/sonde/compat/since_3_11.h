/* SPDX-License-Identifier: Apache-2.0
 *
 * What has been the same since CPython 3.11; included by the version's own header, behind what
 * that knows of its frames. */
#ifndef SONDE_PY_SINCE_3_11_H
#define SONDE_PY_SINCE_3_11_H

#define SONDE_PY_HAS_CODE_QUALNAME 1

static inline sonde_py_frame *
sonde_py_frame_back(const sonde_py_frame *frame)
{
    return frame->previous;
}

/* Include/cpython/code.h (3.11: pycore_code.h): variables of some kinds are cells once the
 * prologue has run. */
static inline PyObject *
sonde_py_frame_variable(const sonde_py_frame *frame, const PyCodeObject *code, int i)
{
    PyObject *value = sonde_py_frame_slot(frame, i);
    char kind = PyBytes_AS_STRING(code->co_localspluskinds)[i];
    if (value != NULL && kind & (CO_FAST_CELL | CO_FAST_FREE) && PyCell_Check(value)) {
        value = PyCell_GET(value);
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
    return code->co_nlocalsplus;
}

static inline PyObject *
sonde_py_code_variable_name(const PyCodeObject *code, int i)
{
    return PyTuple_GET_ITEM(code->co_localsplusnames, i);
}

static inline PyObject *
sonde_py_code_qualname(const PyCodeObject *code)
{
    return code->co_qualname;
}

static inline int
sonde_py_code_first(const PyCodeObject *code)
{
    return code->_co_firsttraceable;
}

#endif
