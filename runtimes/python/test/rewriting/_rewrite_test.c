/* SPDX-License-Identifier: Apache-2.0
 *
 * The rewriter as a Python module, for its test:
 *     rewrite(code, [(unit, hook), ...], {"entry": hook, ...}, fail_at=0, turns=()) -> code
 *     Hook(callable) -> hook
 *     call_soon(callable): called where the interpreter next asks whether a signal waits
 * raises ValueError(code's name, message); with fail_at the Nth allocation fails; `turns` are the
 * jumps (from, to) that lead past the spots. */
#include "rewriting/rewrite.h"

#include <structmember.h>

/* --- Hooks ---------------------------------------------------------------------------------- */

/* Calls a callable: in order to be told of, which the agent's hooks have no need of. */
struct hook {
    PyObject head;
    PyObject *callable;
};

static int
tell(PyObject *self, PyObject *value)
{
    PyObject *callable = ((struct hook *)self)->callable;
    PyObject *result = value == self ? PyObject_CallNoArgs(callable)
                                     : PyObject_CallOneArg(callable, value);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static PyObject *
make_hook(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *callable;
    (void)names;
    if (!PyArg_ParseTuple(args, "O", &callable)) {
        return NULL;
    }
    struct hook *hook = (struct hook *)type->tp_alloc(type, 0);
    if (hook != NULL) {
        Py_INCREF(callable);
        hook->callable = callable;
    }
    return (PyObject *)hook;
}

static void
drop_hook(PyObject *self)
{
    Py_DECREF(((struct hook *)self)->callable);
    Py_TYPE(self)->tp_free(self);
}

static PySequenceMethods as_sequence = {.sq_contains = tell};

static PyTypeObject hook_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_rewrite_test.Hook",
    .tp_basicsize = sizeof(struct hook),
    .tp_new = make_hook,
    .tp_dealloc = drop_hook,
    .tp_as_sequence = &as_sequence,
    .tp_flags = Py_TPFLAGS_DEFAULT,
};

/* --- Allocations that fail ------------------------------------------------------------------ */

static PyMemAllocatorEx real[3];
static Py_ssize_t
    allocations_left; /* 0: do not fail; 1: the next one fails, and all after */

static bool
fails(void)
{
    if (allocations_left > 1) {
        allocations_left--;
        return false;
    }
    return allocations_left == 1;
}

static void *
failing_malloc(void *context, size_t size)
{
    const PyMemAllocatorEx *allocator = context;
    return fails() ? NULL : allocator->malloc(allocator->ctx, size);
}

static void *
failing_calloc(void *context, size_t count, size_t size)
{
    const PyMemAllocatorEx *allocator = context;
    return fails() ? NULL : allocator->calloc(allocator->ctx, count, size);
}

static void *
failing_realloc(void *context, void *old, size_t size)
{
    const PyMemAllocatorEx *allocator = context;
    return fails() ? NULL : allocator->realloc(allocator->ctx, old, size);
}

static void
passing_free(void *context, void *memory)
{
    const PyMemAllocatorEx *allocator = context;
    allocator->free(allocator->ctx, memory);
}

static const PyMemAllocatorDomain domains[] = {PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};

static void
start_failing(Py_ssize_t fail_at)
{
    for (int i = 0; fail_at > 0 && i < 2; i++) {
        PyMem_GetAllocator(domains[i], &real[i]);
        PyMemAllocatorEx failing = {.ctx = &real[i],
                                    .malloc = failing_malloc,
                                    .calloc = failing_calloc,
                                    .realloc = failing_realloc,
                                    .free = passing_free};
        PyMem_SetAllocator(domains[i], &failing);
    }
    allocations_left = fail_at;
}

static void
stop_failing(Py_ssize_t fail_at)
{
    allocations_left = 0;
    for (int i = 0; fail_at > 0 && i < 2; i++) {
        PyMem_SetAllocator(domains[i], &real[i]);
    }
}

/* --- Rewriting ------------------------------------------------------------------------------ */

static bool
is_among(void *ctx, int from, int to)
{
    PyObject *turns = ctx;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(turns); i++) {
        PyObject *turn = PyTuple_GET_ITEM(turns, i);
        if (PyLong_AsLong(PyTuple_GetItem(turn, 0)) == from &&
            PyLong_AsLong(PyTuple_GetItem(turn, 1)) == to) {
            return true;
        }
    }
    return false;
}

static bool
read_spots(PyObject *list, struct sonde_py_rewrite_spot *spots)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        if (!PyArg_ParseTuple(PyList_GET_ITEM(list, i), "iO", &spots[i].unit,
                              &spots[i].hook)) {
            return false;
        }
    }
    return true;
}

static PyObject *
rewrite(PyObject *module, PyObject *args)
{
    PyObject *code, *list, *wrap, *turns = NULL;
    Py_ssize_t fail_at = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!O!|nO!", &PyCode_Type, &code, &PyList_Type, &list,
                          &PyDict_Type, &wrap, &fail_at, &PyTuple_Type, &turns)) {
        return NULL;
    }
    size_t count = (size_t)PyList_GET_SIZE(list);
    struct sonde_py_rewrite_spot *spots = PyMem_Calloc(count + 1, sizeof(*spots));
    struct sonde_err err = SONDE_ERR_INIT;
    PyObject *made = NULL;
    if (spots != NULL && read_spots(list, spots)) {
        struct sonde_py_rewrite_plan plan = {
            .spots = spots,
            .spot_count = count,
            .wrap = {.on_entry = PyDict_GetItemString(wrap, "entry"),
                     .on_return = PyDict_GetItemString(wrap, "return"),
                     .on_unwind = PyDict_GetItemString(wrap, "unwind"),
                     .on_suspend = PyDict_GetItemString(wrap, "suspend"),
                     .on_resume = PyDict_GetItemString(wrap, "resume")},
            .leads_past = turns != NULL ? is_among : NULL,
            .ctx = turns,
        };
        start_failing(fail_at);
        made = sonde_py_rewrite((PyCodeObject *)code, &plan, &err);
        stop_failing(fail_at);
        if (made == NULL && !PyErr_Occurred()) {
            PyObject *what = Py_BuildValue("(is)", err.code, err.message);
            PyErr_SetObject(PyExc_ValueError, what);
            Py_XDECREF(what);
        }
    }
    PyMem_Free(spots);
    return made;
}

static int
call_now(void *callable)
{
    PyObject *result = PyObject_CallNoArgs(callable);
    Py_XDECREF(result);
    Py_DECREF((PyObject *)callable);
    return result == NULL ? -1 : 0;
}

static PyObject *
call_soon(PyObject *module, PyObject *callable)
{
    (void)module;
    Py_INCREF(callable);
    if (Py_AddPendingCall(call_now, callable) != 0) {
        Py_DECREF(callable);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"call_soon", call_soon, METH_O, "Calls it as a signal's handler is called."},
    {"rewrite", rewrite, METH_VARARGS, "A copy of a code object that tells hooks."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_rewrite_test",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__rewrite_test(void);
PyMODINIT_FUNC
PyInit__rewrite_test(void)
{
    PyObject *module =
        PyType_Ready(&hook_type) == 0 ? PyModule_Create(&definition) : NULL;
    if (module != NULL && PyModule_AddType(module, &hook_type) != 0) {
        Py_CLEAR(module);
    }
    return module;
}
