/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter.h"

#include "find.h"
#include "frames.h"
#include "hooks.h"
#include "state.h"
#include "trim.h"
#include "vm_thread.h"

#define SLOTS_FIRST 64

/* Code object → what is armed in it. Linear probing; deletion closes the gap. */
static struct {
    struct sonde_py_armed *slots;
    size_t mask;
    size_t count;
    uint32_t told_count; /* entries that want PY_UNWIND */
    bool hears_unwind;   /* PY_UNWIND is set for the interpreter */
} table;

static size_t
home_of(const PyCodeObject *code, size_t mask)
{
    return (size_t)(((uintptr_t)code >> 4) ^ ((uintptr_t)code >> 12)) & mask;
}

static size_t
slot_of(const struct sonde_py_armed *slots, size_t mask, const PyCodeObject *code)
{
    size_t i = home_of(code, mask);
    while (slots[i].code != NULL && slots[i].code != code) {
        i = (i + 1) & mask;
    }
    return i;
}

struct sonde_py_armed *
sonde_py_armed_of(const PyCodeObject *code)
{
    if (table.count == 0) {
        return NULL;
    }
    struct sonde_py_armed *armed = &table.slots[slot_of(table.slots, table.mask, code)];
    return armed->code != NULL ? armed : NULL;
}

size_t
sonde_py_armed_count(void)
{
    return table.count;
}

static bool
grow(void)
{
    size_t count = table.slots == NULL ? SLOTS_FIRST : (table.mask + 1) * 2;
    struct sonde_py_armed *slots = PyMem_RawCalloc(count, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; table.slots != NULL && i <= table.mask; i++) {
        if (table.slots[i].code != NULL) {
            slots[slot_of(slots, count - 1, table.slots[i].code)] = table.slots[i];
        }
    }
    PyMem_RawFree(table.slots);
    table.slots = slots;
    table.mask = count - 1;
    return true;
}

/* The entry of `code`, made where there is none; NULL when out of memory. */
static struct sonde_py_armed *
entry_for(PyCodeObject *code)
{
    if ((table.slots == NULL || (table.count + 1) * 2 > table.mask + 1) && !grow()) {
        return NULL;
    }
    struct sonde_py_armed *armed = &table.slots[slot_of(table.slots, table.mask, code)];
    if (armed->code == NULL) {
        *armed = (struct sonde_py_armed){.code = code};
        table.count++;
    }
    return armed;
}

static void
drop_entry(struct sonde_py_armed *armed)
{
    struct sonde_py_armed *slots = table.slots;
    size_t mask = table.mask;
    size_t hole = (size_t)(armed - slots);
    PyMem_RawFree(armed->sites);
    table.count--;
    for (size_t i = (hole + 1) & mask; slots[i].code != NULL; i = (i + 1) & mask) {
        size_t home = home_of(slots[i].code, mask);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            slots[hole] = slots[i];
            hole = i;
        }
    }
    slots[hole].code = NULL;
    slots[hole].sites = NULL;
}

/* --- Events --------------------------------------------------------------------------------- */

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
    if (table.hears_unwind == wanted) {
        return true;
    }
    if (!call_monitoring(sonde_py.set_events, NULL, wanted ? SONDE_PY_EVENT_UNWIND : 0)) {
        return false;
    }
    table.hears_unwind = wanted;
    return true;
}

static void
count_told(struct sonde_py_armed *armed, bool is_told)
{
    if (armed->is_told != is_told) {
        armed->is_told = is_told;
        table.told_count = is_told ? table.told_count + 1 : table.told_count - 1;
    }
}

/* Makes the code object's events what its sites need, with instruction events on the armed
 * units alone. */
static bool
settle(struct sonde_py_armed *armed)
{
    int events = 0;
    bool is_told = false;
    for (uint32_t i = 0; i < armed->count; i++) {
        if (armed->sites[i].position != SONDE_PY_WHOLE) {
            events |= SONDE_PY_EVENT_INSTRUCTION;
        } else if (sonde_site_def(armed->sites[i].site)->at == SONDE_AT_ENTRY) {
            events |= SONDE_PY_EVENT_START;
        } else {
            events |= SONDE_PY_EVENT_START | SONDE_PY_EVENT_RETURN;
            is_told = true;
        }
    }
    count_told(armed, is_told);
    if (!hear_unwind(table.told_count > 0)) {
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
    return sonde_py_trim_prepare(armed->code);
}

/* --- The contract --------------------------------------------------------------------------- */

static bool
add_site(struct sonde_py_armed *armed, uint32_t position, struct sonde_site *site)
{
    if (armed->count == armed->room) {
        uint32_t room = armed->room == 0 ? 2 : armed->room * 2;
        void *sites = PyMem_RawRealloc(armed->sites, room * sizeof(*armed->sites));
        if (sites == NULL) {
            return false;
        }
        armed->sites = sites;
        armed->room = room;
    }
    armed->sites[armed->count++] =
        (struct sonde_py_armed_site){.position = position, .site = site};
    return true;
}

static void
remove_site(struct sonde_py_armed *armed, uint32_t position,
            const struct sonde_site *site)
{
    for (uint32_t i = 0; i < armed->count; i++) {
        if (armed->sites[i].site == site && armed->sites[i].position == position) {
            memmove(&armed->sites[i], &armed->sites[i + 1],
                    (armed->count - i - 1) * sizeof(*armed->sites));
            armed->count--;
            return;
        }
    }
}

static int
arm(void *ctx, struct sonde_place place, struct sonde_site *site, struct sonde_err *err)
{
    (void)ctx;
    PyCodeObject *code = (PyCodeObject *)(uintptr_t)place.code;
    uint32_t position = (uint32_t)place.position;
    int result = sonde_py_hooks_take_tool(err);
    if (result != SONDE_OK) {
        return result;
    }
    struct sonde_py_armed *armed = entry_for(code);
    if (armed == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    bool is_added = add_site(armed, position, site);
    if (is_added && settle(armed)) {
        return SONDE_OK;
    }
    if (is_added) {
        remove_site(armed, position, site);
        settle(armed);
    }
    if (armed->count == 0) {
        drop_entry(armed);
    }
    return sonde_err_set(err, SONDE_E_VM, "sys.monitoring", "refused the events");
}

static void
disarm(void *ctx, struct sonde_place place, struct sonde_site *site)
{
    (void)ctx;
    struct sonde_py_armed *armed =
        sonde_py_armed_of((PyCodeObject *)(uintptr_t)place.code);
    if (armed == NULL) {
        return;
    }
    remove_site(armed, (uint32_t)place.position, site);
    if (!settle(armed)) {
        /* The hook finds no site and switches each place off as it comes by. */
        sonde_agent_fault(sonde_py.agent, "disarm", "events could not be taken off");
    }
    if (armed->count == 0) {
        drop_entry(armed);
    }
}

void
sonde_py_code_dies(PyCodeObject *code)
{
    sonde_py_frames_forget(code);
    struct sonde_py_armed *armed = sonde_py_armed_of(code);
    if (armed != NULL) {
        count_told(armed, false);
        drop_entry(armed);
        sonde_agent_code_vanished(sonde_py.agent, (uint64_t)(uintptr_t)code);
    }
}

void
sonde_py_adapter_init(void)
{
    sonde_py.adapter = (struct sonde_adapter){
        .size = sizeof(struct sonde_adapter),
        .abi = SONDE_ADAPTER_ABI,
        .language = "python",
        .runtime_version = sonde_py.version,
        .find = sonde_py_find,
        .arm = arm,
        .disarm = disarm,
        .request_safe_point = sonde_py_vm_thread_ask,
    };
}

void
sonde_py_adapter_stop(void)
{
    hear_unwind(false);
    sonde_py_hooks_leave_tool();
}
