/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests call; every name ends in _testonly. */
#ifndef SONDE_PY_TEST_SUPPORT_H
#define SONDE_PY_TEST_SUPPORT_H

#include "compat/compat.h"

/* apply_testonly(json): replaces the probes at once. */
PyObject *sonde_py_apply_testonly(PyObject *module, PyObject *json);

/* take_testonly(): the oldest record as a dict, None when there is none. */
PyObject *sonde_py_take_testonly(PyObject *module, PyObject *unused);

/* discard_testonly(): takes all records; how many there were. */
PyObject *sonde_py_discard_testonly(PyObject *module, PyObject *unused);

/* safe_point_testonly(): here and now. */
PyObject *sonde_py_safe_point_testonly(PyObject *module, PyObject *unused);

/* places_testonly(code, line): byte offsets at which the line would be armed. */
PyObject *sonde_py_places_testonly(PyObject *module, PyObject *args);

/* is_turn_testonly(code, from, to): whether this jump, in byte offsets, goes on with a line. */
PyObject *sonde_py_is_turn_testonly(PyObject *module, PyObject *args);

/* fail_testonly(name): before start, says that a part of compat does not hold. */
PyObject *sonde_py_fail_testonly(PyObject *module, PyObject *name);

/* armed_testonly(code): how many sites the code object has. */
PyObject *sonde_py_armed_testonly(PyObject *module, PyObject *code);

#define SONDE_PY_TEST_METHODS                                                     \
    {"apply_testonly", sonde_py_apply_testonly, METH_O, NULL},                    \
        {"take_testonly", sonde_py_take_testonly, METH_NOARGS, NULL},             \
        {"discard_testonly", sonde_py_discard_testonly, METH_NOARGS, NULL},       \
        {"safe_point_testonly", sonde_py_safe_point_testonly, METH_NOARGS, NULL}, \
        {"places_testonly", sonde_py_places_testonly, METH_VARARGS, NULL},        \
        {"is_turn_testonly", sonde_py_is_turn_testonly, METH_VARARGS, NULL},      \
        {"fail_testonly", sonde_py_fail_testonly, METH_O, NULL},                  \
    {                                                                             \
        "armed_testonly", sonde_py_armed_testonly, METH_O, NULL                   \
    }

#endif
