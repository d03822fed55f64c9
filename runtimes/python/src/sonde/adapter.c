/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter.h"

#include "code_index.h"
#include "engine.h"
#include "find.h"
#include "frames.h"
#include "state.h"
#include "symbols.h"
#include "vm_thread.h"

#define SLOTS_FIRST 64

/* Code object → what is armed in it. Linear probing; deletion closes the gap. */
static struct {
    struct sonde_py_armed *slots;
    size_t mask;
    size_t count;
    uint32_t told_count; /* entries that wait for a function's end */
} table;

uint32_t sonde_py_armed_changes;

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
    sonde_py_armed_changes++;
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
    sonde_py_armed_changes++;
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

/* --- The contract --------------------------------------------------------------------------- */

static void
count_told(struct sonde_py_armed *armed)
{
    bool is_told = false;
    for (uint32_t i = 0; i < armed->count; i++) {
        is_told |= armed->sites[i].position == SONDE_PY_WHOLE &&
                   sonde_site_def(armed->sites[i].site)->at != SONDE_AT_ENTRY;
    }
    if (armed->is_told != is_told) {
        armed->is_told = is_told;
        table.told_count = is_told ? table.told_count + 1 : table.told_count - 1;
    }
}

uint32_t
sonde_py_told_count(void)
{
    return table.told_count;
}

static int
settle(struct sonde_py_armed *armed, struct sonde_err *err)
{
    count_told(armed);
    return sonde_py_engine_settle(armed, err);
}

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
    int result = sonde_py_engine_prepare(err);
    if (result != SONDE_OK) {
        return result;
    }
    struct sonde_py_armed *armed = entry_for(code);
    if (armed == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    bool is_added = add_site(armed, position, site);
    result = is_added ? settle(armed, err)
                      : sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    if (result == SONDE_OK) {
        return SONDE_OK;
    }
    if (is_added) {
        remove_site(armed, position, site);
        settle(armed, NULL);
    }
    if (armed->count == 0) {
        drop_entry(armed);
    }
    return result;
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
    if (settle(armed, NULL) != SONDE_OK) {
        /* The hooks find no site and do nothing. */
        sonde_agent_fault(sonde_py.agent, "disarm", "hooks could not be taken out");
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
        armed->count = 0;
        count_told(armed);
        drop_entry(armed);
        sonde_agent_code_vanished(sonde_py.agent, (uint64_t)(uintptr_t)code);
        /* Perhaps for a copy that somebody made of it (types.coroutine does). */
        sonde_py_index_await();
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
        .concerns = sonde_py_concerns,
        .list_symbols = sonde_py_list_symbols,
        .watch_symbols = sonde_py_watch_symbols,
        .have_symbols_changed = sonde_py_have_symbols_changed,
    };
}
