/* SPDX-License-Identifier: Apache-2.0
 *
 * The module sonde._native: what sonde/auto.py calls. Started once in a process, in its main
 * interpreter, and never unloaded. */
#include "adapter.h"
#include "code_index.h"
#include "compat/compat_verify.h"
#include "core/base/os.h"
#include "engine.h"
#include "known_types.h"
#include "state.h"
#include "symbols.h"
#include "test_support.h"
#include "trace.h"
#include "vm_thread.h"

#include <unistd.h>

struct sonde_py_state sonde_py = {.tool = SONDE_PY_NO_TOOL, .watcher = -1};

static void
tell_faults(void)
{
    for (int part = 0; part < SONDE_PY_PART_COUNT; part++) {
        if (sonde_py.checked & 1u << part && !sonde_py_has((enum sonde_py_part)part)) {
            sonde_agent_fault(
                sonde_py.agent, sonde_py_part_name((enum sonde_py_part)part),
                "not as known from CPython %s; switched off", SONDE_PY_SERIES);
        }
    }
}

static void
verify(void)
{
    int collects =
        PyGC_Disable(); /* what it would finalise is no business of this thread */
    unsigned engine_checked;
    sonde_py.parts = sonde_py_verify(sonde_py.forced);
    sonde_py.parts |= sonde_py_engine_verify(sonde_py.forced, &engine_checked);
    sonde_py.checked = SONDE_PY_PARTS_SHARED | engine_checked;
    sonde_py_known_look();
    sonde_py_trace_look();
    if (collects) {
        PyGC_Enable();
    }
}

void
sonde_py_look_for_fork(void)
{
    if (sonde_agent_is_stale(sonde_py.agent)) {
        sonde_py_symbols_after_fork();
        sonde_py_vm_thread_after_fork();
        sonde_agent_after_fork_child(sonde_py.agent);
    }
}

/* --- Start and stop ------------------------------------------------------------------------- */

static int
start_agent(struct sonde_err *err)
{
    struct sonde_config config;
    int result = sonde_config_init(&config, "python", err);
    if (result != SONDE_OK) {
        return result;
    }
    sonde_py_adapter_init();
    result = sonde_agent_start(&sonde_py.agent, &sonde_py.adapter, &config, err);
    sonde_config_fini(&config);
    return result;
}

static int
start_all(struct sonde_err *err)
{
    const char *version = Py_GetVersion();
    snprintf(sonde_py.version, sizeof(sonde_py.version), "%.*s",
             (int)strcspn(version, " "), version);
    int result = sonde_py_engine_start(err);
    if (result == SONDE_OK) {
        result = sonde_py_vm_thread_start(err);
    }
    if (result == SONDE_OK) {
        sonde_py_vm_thread_call(verify);
        result = sonde_py_index_start(err);
    }
    if (result == SONDE_OK) {
        /* Safe points come from now on; the first finds the agent there, since it needs the
         * VM lock that we hold. */
        atomic_store(&sonde_py.is_running, true);
        result = start_agent(err);
    }
    if (result != SONDE_OK) {
        atomic_store(&sonde_py.is_running, false);
        sonde_py_vm_thread_stop();
        sonde_py_index_stop();
        return result;
    }
    tell_faults();
    return SONDE_OK;
}

static PyObject *
start(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    struct sonde_err err = SONDE_ERR_INIT;
    if (sonde_py_is_running()) {
        Py_RETURN_NONE;
    }
    if (sonde_py.agent != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the agent was stopped in this process");
        return NULL;
    }
    int result = start_all(&err);
    if (result != SONDE_OK) {
        return PyErr_Format(PyExc_RuntimeError, "%s%s%s", err.where,
                            err.where[0] != '\0' ? ": " : "",
                            err.code != SONDE_OK ? err.message : sonde_code_text(result));
    }
    Py_RETURN_NONE;
}

static PyObject *
stop(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (!sonde_py_is_running()) {
        Py_RETURN_NONE;
    }
    /* First the thread, which could otherwise come in between. */
    sonde_py_vm_thread_stop();
    sonde_agent_stop(sonde_py.agent);
    atomic_store(&sonde_py.is_running, false);
    sonde_py_engine_stop();
    sonde_py_index_stop();
    Py_RETURN_NONE;
}

static PyObject *
before_fork(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (sonde_py_is_running() && !sonde_agent_is_stale(sonde_py.agent)) {
        sonde_py_vm_thread_before_fork();
        sonde_agent_before_fork(sonde_py.agent);
    }
    Py_RETURN_NONE;
}

static int
go_on_after_fork(void *unused)
{
    (void)unused;
    if (sonde_py_is_running() && !sonde_agent_is_stale(sonde_py.agent)) {
        sonde_agent_after_fork_parent(sonde_py.agent);
        sonde_py_vm_thread_after_fork_parent();
    }
    return 0;
}

/* 3.13 counts threads, to warn the application of forking with them, after this hook: so the
 * main thread goes on only when it is back in the interpreter. From any other thread the
 * warning is due in any case, and the main thread may sleep for long. */
static PyObject *
after_fork_parent(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    bool is_main_thread = sonde_os_thread_id() == (uint64_t)getpid();
    if (!is_main_thread || Py_AddPendingCall(go_on_after_fork, NULL) != 0) {
        go_on_after_fork(NULL);
    }
    Py_RETURN_NONE;
}

static PyObject *
after_fork_child(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (sonde_py_is_running()) {
        sonde_py_look_for_fork();
    }
    Py_RETURN_NONE;
}

/* --- Inspection ----------------------------------------------------------------------------- */

static PyObject *
status(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return Py_BuildValue("{s:O,s:s,s:n,s:n}", "running",
                         sonde_py_is_running() ? Py_True : Py_False, "version",
                         SONDE_VERSION, "armed", (Py_ssize_t)sonde_py_armed_count(),
                         "codes", (Py_ssize_t)sonde_py_index_size());
}

static PyObject *
report(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (sonde_py.agent == NULL) {
        return PyUnicode_FromString("{}");
    }
    size_t size = sonde_agent_testonly_report(sonde_py.agent, NULL, 0) + 1;
    for (;;) {
        char *text = PyMem_Malloc(size);
        if (text == NULL) {
            return PyErr_NoMemory();
        }
        size_t needed = sonde_agent_testonly_report(sonde_py.agent, text, size);
        PyObject *result = needed < size
                               ? PyUnicode_DecodeUTF8(text, (Py_ssize_t)needed, "replace")
                               : NULL;
        PyMem_Free(text);
        if (needed < size) {
            return result;
        }
        size = needed + 1; /* it grew meanwhile */
    }
}

/* --- The module ----------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"start", start, METH_NOARGS, "Start the agent; RuntimeError says why not."},
    {"stop", stop, METH_NOARGS, "Send what waits, and end."},
    {"before_fork", before_fork, METH_NOARGS, "Before a fork."},
    {"after_fork_parent", after_fork_parent, METH_NOARGS, "In the parent of a fork."},
    {"after_fork_child", after_fork_child, METH_NOARGS, "In a forked child."},
    {"status", status, METH_NOARGS, "What runs, as a dict."},
    {"report", report, METH_NOARGS, "What the collector is told, as JSON."},
    SONDE_PY_SYMBOL_METHODS,
    SONDE_PY_TEST_METHODS,
    {NULL, NULL, 0, NULL},
};

static int
exec_module(PyObject *module)
{
    (void)module;
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError,
                        "sonde is not supported in sub-interpreters yet");
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, exec_module},
    SONDE_PY_SLOT_INTERPRETERS,
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "sonde._native",
    .m_doc = "The native part of Sonde's agent.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void);

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
