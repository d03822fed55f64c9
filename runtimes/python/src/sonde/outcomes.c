/* SPDX-License-Identifier: Apache-2.0 */
#include "outcomes.h"

#include "text.h"

#define FLAGS_SUSPENDS (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)

/* asyncio.CancelledError, where asyncio is loaded; borrowed. Kept once it is known: looking is
 * a walk through all modules. */
static PyTypeObject *
cancelled_error(void)
{
    static PyObject *known;
    if (known == NULL) {
        PyObject *module =
            sonde_py_dict_find(PyImport_GetModuleDict(), SONDE_STR("asyncio.exceptions"));
        PyObject *type = module != NULL && PyModule_Check(module)
                             ? sonde_py_dict_find(PyModule_GetDict(module),
                                                  SONDE_STR("CancelledError"))
                             : NULL;
        if (type != NULL && PyType_Check(type)) {
            known = Py_NewRef(type);
        }
    }
    return (PyTypeObject *)known;
}

enum sonde_outcome
sonde_py_outcome(const PyCodeObject *code, PyObject *exception)
{
    if (exception == NULL) {
        return SONDE_OUTCOME_RETURNED;
    }
    PyTypeObject *type = Py_TYPE(exception);
    if (code->co_flags & FLAGS_SUSPENDS &&
        PyType_IsSubtype(type, (PyTypeObject *)PyExc_GeneratorExit)) {
        return SONDE_OUTCOME_CLOSED;
    }
    if (code->co_flags & FLAGS_SUSPENDS) { /* a plain generator may be an __await__ */
        PyTypeObject *cancelled = cancelled_error();
        if (cancelled != NULL && PyType_IsSubtype(type, cancelled)) {
            return SONDE_OUTCOME_CANCELLED;
        }
    }
    return SONDE_OUTCOME_RAISED;
}
