/* SPDX-License-Identifier: Apache-2.0 */
#include "monitoring/hooks.h"

#include "frames.h"
#include "hits.h"
#include "monitoring/trim.h"
#include "monitoring/turns.h"
#include "state.h"

/* --- Callbacks ------------------------------------------------------------------------------ */

/* (code, offset) of an instruction that is about to run. */
static PyObject *
on_instruction(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    PyCodeObject *code = (PyCodeObject *)args[0];
    struct sonde_py_armed *armed = count == 2 ? sonde_py_hit_armed(code) : NULL;
    if (armed != NULL) {
        uint32_t unit =
            (uint32_t)PyUnstable_Long_CompactValue((const PyLongObject *)args[1]) / 2;
        if (sonde_py_turns_took(code, (int)unit) ||
            sonde_py_hit_line(armed, code, unit)) {
            Py_RETURN_NONE;
        }
        sonde_py_trim(armed); /* another tool restarted all events */
    }
    return Py_NewRef(sonde_py.disable);
}

/* (code, offset, destination) of a jump in a code object with a loop on one line. */
static PyObject *
on_jump(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    if (count == 3 && sonde_py_hit_armed((PyCodeObject *)args[0]) != NULL) {
        Py_ssize_t from = PyUnstable_Long_CompactValue((const PyLongObject *)args[1]);
        Py_ssize_t to = PyUnstable_Long_CompactValue((const PyLongObject *)args[2]);
        if (sonde_py_turns_jump((PyCodeObject *)args[0], (int)from / 2, (int)to / 2)) {
            Py_RETURN_NONE;
        }
    }
    return Py_NewRef(sonde_py.disable);
}

/* (code, offset) of a function that begins. */
static PyObject *
on_start(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    PyCodeObject *code = (PyCodeObject *)args[0];
    struct sonde_py_armed *armed = count == 2 ? sonde_py_hit_armed(code) : NULL;
    if (armed != NULL) {
        sonde_py_hit_entry(armed, code);
    }
    Py_RETURN_NONE;
}

static void
leave(PyCodeObject *code, PyObject *value, PyObject *exception)
{
    struct sonde_py_armed *armed = sonde_py_hit_armed(code);
    if (armed != NULL) {
        sonde_py_hit_exit(armed, code, value, exception);
    }
}

/* (code, offset, value) of a function that returns. */
static PyObject *
on_return(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    if (count == 3) {
        leave((PyCodeObject *)args[0], args[2], NULL);
    }
    Py_RETURN_NONE;
}

/* (code, offset, exception) of any function in the interpreter that an exception leaves.
 * sys.exc_info() does not know it here. */
static PyObject *
on_unwind(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    if (count == 3) {
        leave((PyCodeObject *)args[0], NULL, args[2]);
    }
    Py_RETURN_NONE; /* never DISABLE: this event can not be, and the application would see */
}

/* (code, offset, value) of a frame that is about to give its thread away. */
static PyObject *
on_yield(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    PyCodeObject *code = (PyCodeObject *)args[0];
    struct sonde_py_armed *armed = count == 3 ? sonde_py_hit_armed(code) : NULL;
    if (armed != NULL) {
        sonde_py_hit_suspend(armed, sonde_py_frame_of(code));
    }
    Py_RETURN_NONE;
}

/* (code, offset) of a frame that goes on; (code, offset, exception) of any in the interpreter
 * into which one is thrown. */
static PyObject *
on_resume(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    PyCodeObject *code = (PyCodeObject *)args[0];
    struct sonde_py_armed *armed = count >= 2 ? sonde_py_hit_armed(code) : NULL;
    if (armed != NULL) {
        sonde_py_hit_resume(armed, sonde_py_frame_of(code));
    }
    Py_RETURN_NONE;
}

/* --- The tool ------------------------------------------------------------------------------- */

#define FASTCALL(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef callbacks[] = {
    {"sonde_on_instruction", FASTCALL(on_instruction), METH_FASTCALL, NULL},
    {"sonde_on_jump", FASTCALL(on_jump), METH_FASTCALL, NULL},
    {"sonde_on_start", FASTCALL(on_start), METH_FASTCALL, NULL},
    {"sonde_on_return", FASTCALL(on_return), METH_FASTCALL, NULL},
    {"sonde_on_unwind", FASTCALL(on_unwind), METH_FASTCALL, NULL},
    {"sonde_on_yield", FASTCALL(on_yield), METH_FASTCALL, NULL},
    {"sonde_on_resume", FASTCALL(on_resume), METH_FASTCALL, NULL},
    {"sonde_on_throw", FASTCALL(on_resume), METH_FASTCALL, NULL},
};
static const int callback_events[] = {
    SONDE_PY_EVENT_INSTRUCTION, SONDE_PY_EVENT_JUMP,   SONDE_PY_EVENT_START,
    SONDE_PY_EVENT_RETURN,      SONDE_PY_EVENT_UNWIND, SONDE_PY_EVENT_YIELD,
    SONDE_PY_EVENT_RESUME,      SONDE_PY_EVENT_THROW,
};
enum { CALLBACK_COUNT = sizeof(callbacks) / sizeof(callbacks[0]) };

/* 0 and 1 belong to debuggers and coverage; 2 and 5 have other uses too, so they come last. */
static const int tools[] = {3, 4, 5, 2};
enum { TOOL_COUNT = sizeof(tools) / sizeof(tools[0]) };

/* Returns false when the call raised. */
static bool
is_done(PyObject *result)
{
    Py_XDECREF(result);
    sonde_py_clear_error();
    return result != NULL;
}

static bool
register_callbacks(bool wanted)
{
    bool is_whole = true;
    for (int i = 0; i < CALLBACK_COUNT; i++) {
        PyObject *callback = Py_NewRef(Py_None);
        if (wanted) {
            Py_DECREF(callback);
            callback = PyCFunction_New(&callbacks[i], NULL);
        }
        is_whole =
            is_whole && callback != NULL &&
            is_done(PyObject_CallMethod(sonde_py.monitoring, "register_callback", "iiO",
                                        sonde_py.tool, callback_events[i], callback));
        Py_XDECREF(callback);
        sonde_py_clear_error();
    }
    return is_whole;
}

/* Who has the ids, for a person: "3 'coverage', 4 'x'". */
static void
list_tools(char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (int i = 0; i < TOOL_COUNT && len < size; i++) {
        PyObject *name =
            PyObject_CallMethod(sonde_py.monitoring, "get_tool", "i", tools[i]);
        const char *text =
            name != NULL && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : "?";
        int wanted = snprintf(out + len, size - len, "%s%d '%s'", i > 0 ? ", " : "",
                              tools[i], text != NULL ? text : "?");
        len += wanted > 0 ? (size_t)wanted : 0;
        Py_XDECREF(name);
        sonde_py_clear_error();
    }
}

int
sonde_py_hooks_take_tool(struct sonde_err *err)
{
    if (sonde_py.tool != SONDE_PY_NO_TOOL) {
        return SONDE_OK;
    }
    for (int i = 0; i < TOOL_COUNT; i++) {
        PyObject *name =
            PyObject_CallMethod(sonde_py.monitoring, "get_tool", "i", tools[i]);
        bool is_free = name == Py_None;
        Py_XDECREF(name);
        sonde_py_clear_error();
        if (!is_free || !is_done(PyObject_CallMethod(sonde_py.monitoring, "use_tool_id",
                                                     "is", tools[i], "sonde"))) {
            continue;
        }
        sonde_py.tool = tools[i];
        if (register_callbacks(true)) {
            return SONDE_OK;
        }
        sonde_py_hooks_leave_tool();
        return sonde_err_set(err, SONDE_E_VM, "sys.monitoring", "refused our callbacks");
    }
    char others[160];
    list_tools(others, sizeof(others));
    return sonde_err_set(err, SONDE_E_BUSY, "sys.monitoring",
                         "other tools hold every id that may be used: %s", others);
}

void
sonde_py_hooks_leave_tool(void)
{
    if (sonde_py.tool == SONDE_PY_NO_TOOL) {
        return;
    }
    register_callbacks(false);
    is_done(PyObject_CallMethod(sonde_py.monitoring, "free_tool_id", "i", sonde_py.tool));
    sonde_py.tool = SONDE_PY_NO_TOOL;
}
