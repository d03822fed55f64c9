/* SPDX-License-Identifier: Apache-2.0 */
#include "rewriting/holders.h"

#include "compat/functions.h"
#include "rewriting/index.h"
#include "rewriting/stand_ins.h"

/* What is let go of may be a holder itself: it lives until the safe point is over. */
static void
let_go(PyObject *code)
{
    struct sonde_py_stand_in *stand_in = sonde_py_stand_in_of((PyCodeObject *)code);
    if (stand_in != NULL) {
        sonde_py_stand_in_bury(stand_in);
    }
    Py_DECREF(code); /* an original is kept by its stand-ins */
}

static void
replace_in_function(PyFunctionObject *function, const PyCodeObject *original,
                    PyCodeObject *code)
{
    PyCodeObject *held = (PyCodeObject *)function->func_code;
    if (held != code && sonde_py_original_of(held) == original) {
        let_go(sonde_py_function_swap_code(function, (PyObject *)code));
    }
}

static void
replace_in_constants(PyObject *constants, const PyCodeObject *original,
                     PyCodeObject *code)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(constants); i++) {
        PyObject *item = PyTuple_GET_ITEM(constants, i);
        if (PyCode_Check(item) && item != (PyObject *)code &&
            sonde_py_original_of((PyCodeObject *)item) == original) {
            Py_INCREF(code);
            PyTuple_SET_ITEM(constants, i, (PyObject *)code);
            let_go(item);
        }
    }
}

struct change {
    const PyCodeObject *original;
    PyCodeObject *code;
};

static void
replace_in(PyObject *object, void *arg)
{
    const struct change *change = arg;
    if (PyFunction_Check(object)) {
        replace_in_function((PyFunctionObject *)object, change->original, change->code);
    } else {
        replace_in_constants(((PyCodeObject *)object)->co_consts, change->original,
                             change->code);
    }
}

void
sonde_py_holders_replace(PyCodeObject *original, PyCodeObject *code)
{
    struct change change = {original, code};
    sonde_py_index_each_holder(original, replace_in, &change);
}
