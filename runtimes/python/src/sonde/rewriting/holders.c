/* SPDX-License-Identifier: Apache-2.0 */
#include "rewriting/holders.h"

#include "code_index.h"
#include "compat/functions.h"
#include "rewriting/stand_ins.h"
#include "state.h"

#define SLOTS_FIRST 1024
#define NESTING_MAX 200
#define NONE UINT32_MAX

/* One function, or one code object with it among its constants; borrowed. */
struct holder {
    PyObject *object;
    uint32_t next; /* of the same code; NONE */
};

/* By the address of a code object. Only originals have holders. */
struct slot {
    PyCodeObject *code; /* NULL: free; borrowed */
    uint32_t first;
    bool is_scanned; /* its constants were looked through */
};

static struct {
    struct slot *slots;
    size_t mask, count;
    struct holder *holders;
    size_t holder_count, holder_room;
    bool is_complete, has_failed;
    bool is_walking;
    bool collects; /* the collector has to be switched on again */
} found;

/* --- The table ------------------------------------------------------------------------------ */

static struct slot *
find_slot(struct slot *slots, size_t mask, const PyCodeObject *code)
{
    size_t i =
        (size_t)(((uintptr_t)code >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20) & mask;
    while (slots[i].code != NULL && slots[i].code != code) {
        i = (i + 1) & mask;
    }
    return &slots[i];
}

static bool
grow(void)
{
    size_t count = found.slots == NULL ? SLOTS_FIRST : (found.mask + 1) * 2;
    struct slot *slots = PyMem_RawCalloc(count, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; found.slots != NULL && i <= found.mask; i++) {
        if (found.slots[i].code != NULL) {
            *find_slot(slots, count - 1, found.slots[i].code) = found.slots[i];
        }
    }
    PyMem_RawFree(found.slots);
    found.slots = slots;
    found.mask = count - 1;
    return true;
}

/* The slot of a code object, made where there is none; NULL when out of memory. */
static struct slot *
slot_for(PyCodeObject *code)
{
    if ((found.slots == NULL || (found.count + 1) * 4 > (found.mask + 1) * 3) &&
        !grow()) {
        found.has_failed = true;
        return NULL;
    }
    struct slot *slot = find_slot(found.slots, found.mask, code);
    if (slot->code == NULL) {
        *slot = (struct slot){.code = code, .first = NONE};
        found.count++;
    }
    return slot;
}

static void
add_holder(PyCodeObject *original, PyObject *object)
{
    struct slot *slot = slot_for(original);
    if (slot == NULL) {
        return;
    }
    if (found.holder_count == found.holder_room) {
        size_t room = found.holder_room == 0 ? SLOTS_FIRST : found.holder_room * 2;
        struct holder *holders =
            room < NONE ? PyMem_RawRealloc(found.holders, room * sizeof(*holders)) : NULL;
        if (holders == NULL) {
            found.has_failed = true;
            return;
        }
        found.holders = holders;
        found.holder_room = room;
    }
    found.holders[found.holder_count] =
        (struct holder){.object = object, .next = slot->first};
    slot->first = (uint32_t)found.holder_count++;
}

/* --- The walk ------------------------------------------------------------------------------- */

/* What stands in the constants of `code`, and in theirs. */
static void
scan(PyCodeObject *code, int nesting)
{
    struct slot *slot = slot_for(code);
    if (slot == NULL || slot->is_scanned || nesting == NESTING_MAX) {
        return;
    }
    slot->is_scanned = true;
    PyObject *constants = code->co_consts;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(constants); i++) {
        PyObject *item = PyTuple_GET_ITEM(constants, i);
        if (PyCode_Check(item)) {
            PyCodeObject *original = sonde_py_original_of((PyCodeObject *)item);
            add_holder(original, (PyObject *)code);
            scan((PyCodeObject *)item, nesting + 1);
            scan(original, nesting + 1);
        }
    }
}

static int
visit_object(PyObject *object, void *unused)
{
    (void)unused;
    if (PyFunction_Check(object)) {
        PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(object);
        add_holder(sonde_py_original_of(code), object);
        scan(code, 0);
    } else {
        PyCodeObject *code = sonde_py_generator_code(object);
        if (code != NULL) {
            scan(code, 0);
        }
    }
    return !found.has_failed;
}

static void
visit_frames(void)
{
    PyThreadState *thread = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; thread != NULL; thread = PyThreadState_Next(thread)) {
        sonde_py_frame *frame = sonde_py_thread_frame(thread);
        for (; frame != NULL; frame = sonde_py_frame_back(frame)) {
            PyCodeObject *code = sonde_py_frame_code(frame);
            if (code != NULL) {
                scan(code, 0);
            }
        }
    }
}

static void
visit_stand_in(struct sonde_py_stand_in *stand_in, void *unused)
{
    (void)unused;
    scan(stand_in->code, 0);
    scan(stand_in->original, 0);
}

static void
visit_code(PyCodeObject *code, void *unused)
{
    (void)unused;
    scan(code, 0);
}

bool
sonde_py_holders_find(void)
{
    if (found.is_complete) {
        return true;
    }
    sonde_py_holders_rest();
    /* From here on nothing may be freed. What it would finalise is no business of ours anyway. */
    found.collects = PyGC_Disable();
    found.is_walking = true;
    /* Code that nothing runs and no function has yet: a module that is being loaded. */
    found.has_failed = sonde_py_index_each(visit_code, NULL) != SONDE_OK;
    sonde_py_visit_objects(visit_object, NULL);
    if (sonde_py_has(SONDE_PY_PART_FRAMES)) {
        visit_frames();
    }
    sonde_py_stand_ins_each(visit_stand_in, NULL);
    found.is_complete = !found.has_failed;
    if (!found.is_complete) {
        sonde_py_holders_rest();
    }
    return found.is_complete;
}

bool
sonde_py_holders_add(PyCodeObject *code)
{
    scan(code, 0);
    return !found.has_failed;
}

void
sonde_py_holders_rest(void)
{
    PyMem_RawFree(found.slots);
    PyMem_RawFree(found.holders);
    if (found.is_walking && found.collects) {
        PyGC_Enable();
    }
    memset(&found, 0, sizeof(found));
}

/* --- Replacing ------------------------------------------------------------------------------ */

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

void
sonde_py_holders_replace(PyCodeObject *original, PyCodeObject *code)
{
    const struct slot *slot = find_slot(found.slots, found.mask, original);
    uint32_t at = slot->code != NULL ? slot->first : NONE;
    for (; at != NONE; at = found.holders[at].next) {
        PyObject *object = found.holders[at].object;
        if (PyFunction_Check(object)) {
            replace_in_function((PyFunctionObject *)object, original, code);
        } else {
            replace_in_constants(((PyCodeObject *)object)->co_consts, original, code);
        }
    }
}
