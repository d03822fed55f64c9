/* SPDX-License-Identifier: Apache-2.0
 *
 * What Python code says to and asks of the listing of symbols. */
#include "symbols_listing.h"

#include "state.h"

#include <math.h>
#include <time.h>

#define TESTONLY_BYTES ((size_t)32 * 1024 * 1024)
#define SECONDS_MAX 1e8
#define PAUSE_NS 1000000

static enum sonde_origin
origin_by_text(const char *text)
{
#define SAME(name, word)            \
    if (strcmp(text, word) == 0) {  \
        return SONDE_ORIGIN_##name; \
    }
    SONDE_ORIGIN_LIST(SAME)
#undef SAME
    return SONDE_ORIGIN_NONE;
}

PyObject *
sonde_py_set_origins(PyObject *module, PyObject *list)
{
    (void)module;
    struct sonde_origins *origins;
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "a list of pairs is wanted");
        return NULL;
    }
    if (sonde_origins_new(&origins) != SONDE_OK) {
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        const char *directory, *text;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(list, i), "ss", &directory, &text)) {
            sonde_origins_free(origins);
            return NULL;
        }
        enum sonde_origin origin = origin_by_text(text);
        if (origin != SONDE_ORIGIN_NONE) {
            /* What is no absolute path names no directory of packages. */
            sonde_origins_add(origins, sonde_str_from(directory), origin);
        }
    }
    sonde_origins_free(sonde_py_symbols_known.origins);
    sonde_py_symbols_known.origins = origins;
    Py_RETURN_NONE;
}

PyObject *
sonde_py_wait_for_symbols(PyObject *module, PyObject *seconds)
{
    (void)module;
    double timeout = PyFloat_AsDouble(seconds);
    if (timeout == -1.0 && PyErr_Occurred() != NULL) {
        return NULL;
    }
    if (!sonde_py_is_running()) {
        Py_RETURN_FALSE;
    }
    timeout = isnan(timeout) || timeout < 0 ? 0
              : timeout < SECONDS_MAX       ? timeout
                                            : SECONDS_MAX;
    int result;
    Py_BEGIN_ALLOW_THREADS result =
        sonde_agent_symbols_wait(sonde_py.agent, (int64_t)(timeout * 1e9));
    Py_END_ALLOW_THREADS return PyBool_FromLong(result == SONDE_OK);
}

/* The VM thread, which is to read files, may be waiting for the lock. */
static void
pause_without_lock(void)
{
    PyThreadState *thread = PyEval_SaveThread();
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    PyEval_RestoreThread(thread);
}

PyObject *
sonde_py_symbols_testonly(PyObject *module, PyObject *is_whole)
{
    (void)module;
    sonde_agent_testonly_pause = pause_without_lock;
    for (size_t size = TESTONLY_BYTES;;) {
        char *text = PyMem_RawMalloc(size);
        if (text == NULL) {
            return PyErr_NoMemory();
        }
        size_t needed =
            sonde_agent_testonly_symbols(sonde_py.agent, is_whole == Py_True, text, size);
        PyObject *result = needed < size
                               ? PyUnicode_DecodeUTF8(text, (Py_ssize_t)needed, "replace")
                               : NULL;
        PyMem_RawFree(text);
        if (needed < size) {
            return result;
        }
        size = needed + needed / 2;
    }
}

PyObject *
sonde_py_symbols_changed_testonly(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyBool_FromLong(sonde_py_have_symbols_changed(NULL));
}

PyObject *
sonde_py_watch_symbols_testonly(PyObject *module, PyObject *on)
{
    (void)module;
    sonde_py_watch_symbols(NULL, on == Py_True);
    Py_RETURN_NONE;
}
