/* SPDX-License-Identifier: Apache-2.0
 *
 * For symbols alone: what it knows of classes, functions and instructions, with the place in CPython's
 * sources that each fact was read from. Nothing here runs code of the application.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_SYMBOL_FACTS_H
#define SONDE_PY_SYMBOL_FACTS_H

#include "compat/compat.h"

#include <frameobject.h>
#include <structmember.h>

#if !SONDE_PY_HAS_MONITORING
#    include "rewriting/stand_ins.h"
#endif

/* The code object that was compiled: while probes are set before 3.12, another stands in its place. */
static inline PyCodeObject *
sonde_py_compiled(PyObject *code)
{
#if SONDE_PY_HAS_MONITORING
    return (PyCodeObject *)code;
#else
    return sonde_py_original_of((PyCodeObject *)code);
#endif
}

/* Whether a variable stands in a function further out. 3.11 and later: pycore_code.h, CO_FAST_FREE;
 * before: co_freevars come last. */
static inline bool
sonde_py_variable_is_free(const PyCodeObject *code, int i)
{
#if SONDE_PY_HAS_CODE_QUALNAME
    return (PyBytes_AS_STRING(code->co_localspluskinds)[i] & CO_FAST_FREE) != 0;
#else
    return i >= code->co_nlocals + (int)PyTuple_GET_SIZE(code->co_cellvars);
#endif
}

/* Objects/typeobject.c, add_subclass: addresses to weak references, of a type that is no static one of
 * the interpreter's; NULL: it has none. Borrowed. */
static inline PyObject *
sonde_py_subclasses(const PyTypeObject *type)
{
    PyObject *dict = (PyObject *)type->tp_subclasses;
    return dict != NULL && PyDict_CheckExact(dict) ? dict : NULL;
}

/* New; NULL when it is gone, or going. */
static inline PyObject *
sonde_py_weakref_get(PyObject *reference)
{
    PyObject *object = NULL;
#if PY_VERSION_HEX >= 0x030d0000
    return PyWeakref_GetRef(reference, &object) == 1 ? object : NULL;
#else
    object = PyWeakref_GET_OBJECT(reference);
    return object == Py_None ? NULL : Py_NewRef(object);
#endif
}

/* Where a function says that it stands: by its code, which nobody renames, where that knows. Borrowed. */
static inline PyObject *
sonde_py_function_says(PyObject *function)
{
#if SONDE_PY_HAS_CODE_QUALNAME
    PyObject *code = PyFunction_GET_CODE(function);
    return code != NULL && PyCode_Check(code) ? ((PyCodeObject *)code)->co_qualname
                                              : NULL;
#else
    return ((PyFunctionObject *)function)->func_qualname;
#endif
}

/* How many units it has. 3.11: Include/cpython/code.h, the size of the object itself. */
static inline Py_ssize_t
sonde_py_code_unit_count(const PyCodeObject *code)
{
#if SONDE_PY_HAS_CODE_QUALNAME
    return Py_SIZE(code);
#else
    return PyBytes_GET_SIZE(code->co_code) / 2;
#endif
}

/* A dictionary's own table: when this or the number of its entries changes, a place in it means nothing
 * any more (Include/cpython/dictobject.h). */
static inline const void *
sonde_py_dict_table(PyObject *dict)
{
    return ((PyDictObject *)dict)->ma_keys;
}

/* The variable that is on top of the stack after this instruction, or -1. `is_cell`: it is looked for
 * behind a cell, and before 3.11 is counted among cells. */
static inline int
sonde_py_loaded_variable(uint8_t op, int arg, bool *is_cell)
{
    *is_cell = op == LOAD_DEREF;
    switch (op) {
    case LOAD_FAST:
    case LOAD_DEREF:
#ifdef LOAD_FAST_CHECK
    case LOAD_FAST_CHECK:
#endif
#ifdef LOAD_FAST_BORROW
    case LOAD_FAST_BORROW:
#endif
        return arg;
#if PY_VERSION_HEX >= 0x030d0000
    /* Python/flowgraph.c: two in one, four bits each. */
    case LOAD_FAST_LOAD_FAST:
    case STORE_FAST_LOAD_FAST:
#    ifdef LOAD_FAST_BORROW_LOAD_FAST_BORROW
    case LOAD_FAST_BORROW_LOAD_FAST_BORROW:
#    endif
        return arg & 15;
#endif
    default:
        return -1;
    }
}

/* The name of a variable that was loaded; borrowed, NULL: out of range. */
static inline PyObject *
sonde_py_loaded_name(const PyCodeObject *code, int i, bool is_cell)
{
#if !SONDE_PY_HAS_CODE_QUALNAME
    i += is_cell ? code->co_nlocals : 0;
#endif
    (void)is_cell;
    return i < sonde_py_code_variable_count(code) ? sonde_py_code_variable_name(code, i)
                                                  : NULL;
}

/* Objects/funcobject.c and Objects/descrobject.c: what is wrapped stands behind the object's head, in
 * static and class methods the callable, in properties getter, setter and deleter. */
static inline PyObject *const *
sonde_py_wrapped_words(PyObject *object)
{
    return (PyObject *const *)(object + 1);
}

#endif
