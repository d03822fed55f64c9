/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks.h"

#include "adapter.h"
#include "frames.h"
#include "state.h"
#include "trim.h"
#include "values.h"

#include <errno.h>

/* --- Captures ------------------------------------------------------------------------------- */

static uint64_t
frame_id(const struct _PyInterpreterFrame *frame)
{
    return (uint64_t)(uintptr_t)frame;
}

/* Thread, and the stack where it is wanted. `line` 0: look it up. */
static void
write_head(struct sonde_hit *hit, struct _PyInterpreterFrame *frame, uint32_t line)
{
    sonde_py_write_thread(hit->tape);
    if (hit->def->captures_stack) {
        sonde_py_write_stack(hit->tape, frame, line);
    }
}

static void
capture_line(struct sonde_hit *hit, PyCodeObject *code)
{
    struct _PyInterpreterFrame *frame = sonde_py_frame_of(code);
    if (frame == NULL) {
        sonde_hit_abandon(hit);
        return;
    }
    write_head(hit, frame, hit->def->location.line);
    sonde_tape_section_begin(hit->tape, SONDE_SECTION_LINE);
    if (hit->def->captures_arguments) {
        sonde_py_write_arguments(hit->tape, frame, code);
    }
    if (hit->def->captures_locals) {
        sonde_py_write_locals(hit->tape, frame, code);
    }
    sonde_tape_section_end(hit->tape);
    sonde_hit_commit(hit);
}

static void
capture_entry(struct sonde_hit *hit, struct _PyInterpreterFrame *frame,
              PyCodeObject *code)
{
    write_head(hit, frame, 0);
    sonde_tape_section_begin(hit->tape, SONDE_SECTION_ENTRY);
    if (hit->def->captures_arguments) {
        sonde_py_write_arguments(hit->tape, frame, code);
    }
    sonde_tape_section_end(hit->tape);
    sonde_hit_commit(hit);
}

/* One of `value` and `exception` is NULL. */
static void
capture_exit(struct sonde_hit *hit, struct _PyInterpreterFrame *frame, PyCodeObject *code,
             PyObject *value, PyObject *exception)
{
    sonde_tape_section_begin(hit->tape, SONDE_SECTION_RETURN);
    if (hit->def->captures_locals) {
        sonde_py_write_locals(hit->tape, frame, code);
    }
    if (exception != NULL) {
        sonde_py_write_throwable(hit->tape, exception, frame, hit->def->captures_stack);
    } else if (hit->def->captures_return) {
        sonde_tape_group_begin(hit->tape, SONDE_GROUP_RETURN_VALUE);
        sonde_py_write_value(hit->tape, value);
        sonde_tape_group_end(hit->tape);
    }
    sonde_tape_section_end(hit->tape);
    sonde_hit_commit(hit);
}

/* --- Callbacks ------------------------------------------------------------------------------ */

/* What is armed in this code, for a callback. */
static struct sonde_py_armed *
armed_now(const PyCodeObject *code)
{
    struct sonde_py_armed *armed = sonde_py_armed_of(code);
    if (armed == NULL || !sonde_agent_is_stale(sonde_py.agent)) {
        return armed;
    }
    int saved_errno = errno;
    sonde_py_look_for_fork();
    errno = saved_errno;
    return sonde_py_armed_of(code);
}

/* (code, offset) of an instruction that is about to run. */
static PyObject *
on_instruction(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    PyCodeObject *code = (PyCodeObject *)args[0];
    struct sonde_py_armed *armed = count == 2 ? armed_now(code) : NULL;
    bool is_armed = false;
    if (armed != NULL) {
        uint32_t unit =
            (uint32_t)PyUnstable_Long_CompactValue((const PyLongObject *)args[1]) / 2;
        for (uint32_t i = 0; i < armed->count; i++) {
            if (armed->sites[i].position != unit) {
                continue;
            }
            is_armed = true;
            struct sonde_hit hit;
            if (sonde_hit_begin_line(&hit, armed->sites[i].site)) {
                int saved_errno = errno;
                capture_line(&hit, code);
                errno = saved_errno;
            }
        }
    }
    if (is_armed) {
        Py_RETURN_NONE;
    }
    if (armed != NULL) {
        sonde_py_trim(armed); /* another tool restarted all events */
    }
    return Py_NewRef(sonde_py.disable);
}

/* (code, offset) of a function that begins. */
static PyObject *
on_start(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    PyCodeObject *code = (PyCodeObject *)args[0];
    struct sonde_py_armed *armed = count == 2 ? armed_now(code) : NULL;
    if (armed == NULL) {
        Py_RETURN_NONE;
    }
    struct _PyInterpreterFrame *frame = sonde_py_frame_of(code);
    for (uint32_t i = 0; frame != NULL && i < armed->count; i++) {
        struct sonde_hit hit;
        if (armed->sites[i].position == SONDE_PY_WHOLE &&
            sonde_hit_begin_entry(&hit, armed->sites[i].site, frame_id(frame))) {
            int saved_errno = errno;
            capture_entry(&hit, frame, code);
            errno = saved_errno;
        }
    }
    Py_RETURN_NONE;
}

static void
leave(PyCodeObject *code, PyObject *value, PyObject *exception)
{
    struct sonde_py_armed *armed = armed_now(code);
    if (armed == NULL || !armed->is_told) {
        return;
    }
    struct _PyInterpreterFrame *frame = NULL;
    for (uint32_t i = 0; i < armed->count; i++) {
        struct sonde_site *site = armed->sites[i].site;
        struct sonde_hit hit;
        if (armed->sites[i].position != SONDE_PY_WHOLE || !sonde_site_has_waiting(site)) {
            continue;
        }
        if (frame == NULL && (frame = sonde_py_frame_of(code)) == NULL) {
            return;
        }
        if (sonde_hit_begin_exit(&hit, site, frame_id(frame))) {
            int saved_errno = errno;
            capture_exit(&hit, frame, code, value, exception);
            errno = saved_errno;
        }
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

/* --- The tool ------------------------------------------------------------------------------- */

#define FASTCALL(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef callbacks[] = {
    {"sonde_on_instruction", FASTCALL(on_instruction), METH_FASTCALL, NULL},
    {"sonde_on_start", FASTCALL(on_start), METH_FASTCALL, NULL},
    {"sonde_on_return", FASTCALL(on_return), METH_FASTCALL, NULL},
    {"sonde_on_unwind", FASTCALL(on_unwind), METH_FASTCALL, NULL},
};
static const int callback_events[] = {
    SONDE_PY_EVENT_INSTRUCTION,
    SONDE_PY_EVENT_START,
    SONDE_PY_EVENT_RETURN,
    SONDE_PY_EVENT_UNWIND,
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
