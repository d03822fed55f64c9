/* SPDX-License-Identifier: Apache-2.0
 *
 * Arming through sys.monitoring. A line is an INSTRUCTION event at the few instructions where it
 * begins; a function is PY_START, PY_RETURN, PY_YIELD and PY_RESUME on its code object, with
 * PY_UNWIND and PY_THROW, which can be had for the whole interpreter only, while some function's
 * end is waited for. */
#include "engine.h"

#include "catalogue.h"
#include "monitoring/closing.h"
#include "monitoring/hooks.h"
#include "monitoring/trim.h"
#include "monitoring/turns.h"
#include "monitoring/verify_events.h"
#include "state.h"

const char *const sonde_py_engine_name = "monitoring";

static bool hears_unwind; /* the global events are set */

/* Calls one of the functions of sys.monitoring; false when it raised. */
static bool
call_monitoring(PyObject *function, PyObject *code, int events)
{
    PyObject *tool = PyLong_FromLong(sonde_py.tool);
    PyObject *set = PyLong_FromLong(events);
    PyObject *args[3] = {tool, code != NULL ? code : set, set};
    PyObject *result = NULL;
    if (tool != NULL && set != NULL) {
        result = PyObject_Vectorcall(function, args, code != NULL ? 3 : 2, NULL);
    }
    Py_XDECREF(tool);
    Py_XDECREF(set);
    bool is_done = result != NULL;
    Py_XDECREF(result);
    sonde_py_clear_error();
    return is_done;
}

static bool
set_local_events(struct sonde_py_armed *armed, int events)
{
    if (!sonde_py_trim_prepare(armed->code) ||
        !call_monitoring(sonde_py.set_local_events, (PyObject *)armed->code, events)) {
        return false;
    }
    armed->events = events;
    return true;
}

static bool
hear_unwind(bool wanted)
{
    if (hears_unwind == wanted) {
        return true;
    }
    int events = wanted ? SONDE_PY_EVENT_UNWIND | SONDE_PY_EVENT_THROW : 0;
    if (!call_monitoring(sonde_py.set_events, NULL, events)) {
        return false;
    }
    hears_unwind = wanted;
    return true;
}

static int
events_for(const struct sonde_py_armed *armed)
{
    int events = 0;
    for (uint32_t i = 0; i < armed->count; i++) {
        if (armed->sites[i].position != SONDE_PY_WHOLE) {
            events |= SONDE_PY_EVENT_INSTRUCTION;
        } else if (sonde_site_def(armed->sites[i].site)->at == SONDE_AT_ENTRY) {
            events |= SONDE_PY_EVENT_START;
        } else {
            events |= SONDE_PY_EVENT_START | SONDE_PY_EVENT_RETURN;
        }
    }
    if (armed->is_told && sonde_py_code_suspends(armed->code)) {
        events |= SONDE_PY_EVENT_YIELD | SONDE_PY_EVENT_RESUME;
    }
    if (events & SONDE_PY_EVENT_INSTRUCTION) {
        events |= sonde_py_turns_events(armed);
    }
    return events;
}

static bool
settle(struct sonde_py_armed *armed)
{
    int events = events_for(armed);
    if (!hear_unwind(sonde_py_told_count() > 0)) {
        return false;
    }
    /* Setting the same events again changes nothing, so units that were switched off stay
     * off: off with all of them, then on again. The VM lock is held all the while. */
    if (armed->events & SONDE_PY_EVENT_INSTRUCTION &&
        !set_local_events(armed, armed->events & ~SONDE_PY_EVENT_INSTRUCTION)) {
        return false;
    }
    if (armed->events != events && !set_local_events(armed, events)) {
        return false;
    }
    sonde_py_trim(armed);
    sonde_py_closing_settle(armed);
    return sonde_py_trim_prepare(armed->code);
}

/* --- The contract --------------------------------------------------------------------------- */

int
sonde_py_engine_settle(struct sonde_py_armed *armed, struct sonde_err *err)
{
    if (settle(armed)) {
        return SONDE_OK;
    }
    return sonde_err_set(err, SONDE_E_VM, "sys.monitoring", "refused the events");
}

int
sonde_py_engine_prepare(struct sonde_err *err)
{
    return sonde_py_hooks_take_tool(err);
}

int
sonde_py_engine_start(struct sonde_err *err)
{
    PyObject *monitoring = PySys_GetObject("monitoring"); /* borrowed */
    if (monitoring != NULL && sonde_py.monitoring == NULL) {
        sonde_py.set_local_events =
            PyObject_GetAttrString(monitoring, "set_local_events");
        sonde_py.set_events = PyObject_GetAttrString(monitoring, "set_events");
        sonde_py.disable = PyObject_GetAttrString(monitoring, "DISABLE");
        if (sonde_py.set_local_events != NULL && sonde_py.set_events != NULL &&
            sonde_py.disable != NULL) {
            sonde_py.monitoring = Py_NewRef(monitoring);
        }
    }
    sonde_py_clear_error();
    if (sonde_py.monitoring == NULL) {
        return sonde_err_set(err, SONDE_E_UNSUPPORTED, "sys.monitoring", "is not there");
    }
    return SONDE_OK;
}

/* What needs events is checked with a tool id that is given back: nothing is held as long as
 * there are no probes. Where none is free, it is not known to hold. */
unsigned
sonde_py_engine_verify(unsigned forced, unsigned *checked)
{
    unsigned parts = 0;
    *checked = 0;
    if (sonde_py_hooks_take_tool(NULL) == SONDE_OK) {
        *checked = 1u << SONDE_PY_PART_TRIM | 1u << SONDE_PY_PART_PAIRS;
        parts = sonde_py_verify_events(sonde_py.tool, forced);
        sonde_py_hooks_leave_tool();
    }
    return parts;
}

void
sonde_py_engine_rest(void)
{
    sonde_py_catalogue_rest();
}

void
sonde_py_engine_stop(void)
{
    hear_unwind(false);
    sonde_py_hooks_leave_tool();
}
