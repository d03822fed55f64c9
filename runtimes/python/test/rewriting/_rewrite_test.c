/* SPDX-License-Identifier: Apache-2.0
 *
 * The rewriter as a Python module, for its test:
 *     rewrite(code, [(unit, hook), ...], {"entry": hook, ...}, fail_at=0) -> code
 * raises ValueError(code's name, message); with fail_at the Nth allocation fails. */
#include "rewriting/rewrite.h"

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
    PyObject *code, *list, *wrap;
    Py_ssize_t fail_at = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!O!|n", &PyCode_Type, &code, &PyList_Type, &list,
                          &PyDict_Type, &wrap, &fail_at)) {
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

static PyMethodDef methods[] = {
    {"rewrite", rewrite, METH_VARARGS, "A copy of a code object that calls hooks."},
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
    return PyModule_Create(&definition);
}
