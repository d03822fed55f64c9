/* SPDX-License-Identifier: Apache-2.0 */
#include "code_index.h"

#include "adapter.h"
#include "compat/frozen.h"
#include "engine.h"
#include "names.h"
#include "state.h"
#include "symbols.h"
#include "text.h"
#include "vm_thread.h"

#define SLOTS_FIRST 1024

/* Open addressing with linear probing; deletion closes the gap. */
struct slot {
    PyCodeObject *code; /* NULL: free */
    PyObject
        *announced_file; /* the co_filename that the agent was told of; only compared */
};

static struct {
    struct slot *slots;
    size_t mask; /* number of slots - 1 */
    size_t count;
    bool is_complete;      /* what was there before the start has been walked */
    _Atomic bool has_late; /* relaxed: a hint for the VM thread */
    uint64_t generation;
    const PyCodeObject *root; /* being announced, with all that it holds; NULL: no such */
    /* Or a file's code that nobody was told of. */
    PyCodeObject **late;
    size_t late_count;
} index_;

static size_t
home_of(const PyCodeObject *code, size_t mask)
{
    return (size_t)(((uintptr_t)code >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20) & mask;
}

static struct slot *
find_slot(struct slot *slots, size_t mask, const PyCodeObject *code)
{
    size_t i = home_of(code, mask);
    while (slots[i].code != NULL && slots[i].code != code) {
        i = (i + 1) & mask;
    }
    return &slots[i];
}

static bool
grow(void)
{
    size_t count = index_.slots == NULL ? SLOTS_FIRST : (index_.mask + 1) * 2;
    struct slot *slots = PyMem_RawCalloc(count, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; index_.slots != NULL && i <= index_.mask; i++) {
        if (index_.slots[i].code != NULL) {
            *find_slot(slots, count - 1, index_.slots[i].code) = index_.slots[i];
        }
    }
    PyMem_RawFree(index_.slots);
    index_.slots = slots;
    index_.mask = count - 1;
    return true;
}

/* False: out of memory, and the index is known to be incomplete. */
static bool
add(PyCodeObject *code, PyObject *announced_file)
{
    if ((index_.slots == NULL || (index_.count + 1) * 4 > (index_.mask + 1) * 3) &&
        !grow()) {
        index_.is_complete = false;
        return false;
    }
    struct slot *slot = find_slot(index_.slots, index_.mask, code);
    if (slot->code == NULL) {
        slot->code = code;
        slot->announced_file = announced_file;
        index_.count++;
        index_.generation++;
    }
    return true;
}

static void
drop(const PyCodeObject *code)
{
    if (index_.slots == NULL) {
        return;
    }
    struct slot *slots = index_.slots;
    size_t mask = index_.mask;
    size_t hole = (size_t)(find_slot(slots, mask, code) - slots);
    if (slots[hole].code == NULL) {
        return;
    }
    index_.count--;
    index_.generation++;
    for (size_t i = (hole + 1) & mask; slots[i].code != NULL; i = (i + 1) & mask) {
        /* What would be found from its home without the hole may move into it. */
        size_t home = home_of(slots[i].code, mask);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            slots[hole] = slots[i];
            hole = i;
        }
    }
    slots[hole].code = NULL;
}

/* --- What the watcher tells ---------------------------------------------------------------- */

/* The agent may arm code of this file at once, before it runs for the first time. */
static void
announce(PyObject *file)
{
    char buf[SONDE_PY_TEXT_BYTES];
    struct sonde_str name = sonde_py_text(file, buf);
    sonde_py_look_for_fork();
    if (!sonde_agent_wants_code(sonde_py.agent, name)) {
        return;
    }
    struct sonde_py_stash stash;
    sonde_py_stash_error(&stash);
    sonde_agent_code_ready(sonde_py.agent, name);
    sonde_py_clear_error();
    sonde_py_restore_error(&stash);
}

/* Told of, with all that it holds. */
static void
set_announced(const PyCodeObject *code, PyObject *file)
{
    struct slot *slot = find_slot(index_.slots, index_.mask, code);
    if (slot->code == code) {
        slot->announced_file = file;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++) {
        PyObject *item = PyTuple_GET_ITEM(code->co_consts, i);
        if (PyCode_Check(item) && ((PyCodeObject *)item)->co_filename == file) {
            set_announced((PyCodeObject *)item, file);
        }
    }
}

static bool
any_nested(const PyCodeObject *code, bool (*visit)(PyCodeObject *code, void *arg),
           void *arg)
{
    if (visit((PyCodeObject *)code, arg)) {
        return true;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++) {
        PyObject *item = PyTuple_GET_ITEM(code->co_consts, i);
        if (PyCode_Check(item) && any_nested((PyCodeObject *)item, visit, arg)) {
            return true;
        }
    }
    return false;
}

bool
sonde_py_index_arriving_has(bool (*visit)(PyCodeObject *code, void *arg), void *arg)
{
    if (index_.root != NULL) {
        return any_nested(index_.root, visit, arg);
    }
    for (size_t i = 0; i < index_.late_count; i++) {
        if (visit(index_.late[i], arg)) {
            return true;
        }
    }
    return false;
}

uint64_t
sonde_py_index_generation(void)
{
    return index_.generation;
}

static int
on_code_event(PyCodeEvent event, PyCodeObject *code)
{
    if (!sonde_py_is_running()) {
        return 0;
    }
    if (event == PY_CODE_EVENT_DESTROY) {
        drop(code);
        sonde_py_code_dies(code);
        return 0;
    }
    if (!add(code, NULL)) {
        return 0;
    }
    atomic_store_explicit(&index_.has_late, true, memory_order_relaxed);
    if (sonde_py_text_is(code->co_name, SONDE_STR("<module>"))) {
        /* The root of a module: all that it defines is there by now, and nothing ran yet. */
        const PyCodeObject *outer = index_.root;
        sonde_py_symbols_note_code(code);
        set_announced(code, code->co_filename);
        index_.root = code;
        announce(code->co_filename);
        index_.root = outer;
        sonde_py_engine_rest(); /* as after a safe point */
    }
    return 0;
}

bool
sonde_py_index_has_late(void)
{
    return atomic_load_explicit(&index_.has_late, memory_order_relaxed);
}

static void
collect_late(struct sonde_py_codes *late)
{
    for (size_t i = 0; index_.slots != NULL && i <= index_.mask; i++) {
        PyCodeObject *code = index_.slots[i].code;
        if (code != NULL && index_.slots[i].announced_file != code->co_filename) {
            index_.slots[i].announced_file = code->co_filename;
            sonde_py_codes_add(late, code);
        }
    }
}

static int
compare_files(const void *a, const void *b)
{
    uintptr_t one = (uintptr_t)(*(PyCodeObject *const *)a)->co_filename;
    uintptr_t other = (uintptr_t)(*(PyCodeObject *const *)b)->co_filename;
    return (one > other) - (one < other);
}

/* Each file once. Nothing makes or frees code meanwhile: the VM lock is held, and no Python
 * code runs. */
void
sonde_py_index_announce_late(void)
{
    struct sonde_py_codes late = {0};
    atomic_store_explicit(&index_.has_late, false, memory_order_relaxed);
    collect_late(&late);
    if (late.count > 1) {
        qsort(late.list, late.count, sizeof(late.list[0]), compare_files);
    }
    for (size_t i = 0, n; i < late.count; i += n) {
        PyObject *file = late.list[i]->co_filename;
        for (n = 1; i + n < late.count && late.list[i + n]->co_filename == file; n++) {
        }
        index_.late = &late.list[i];
        index_.late_count = n;
        announce(file);
        index_.late_count = 0;
    }
    sonde_py_codes_fini(&late);
}

/* --- What was there before ----------------------------------------------------------------- */

static void
add_with_nested(PyCodeObject *code)
{
    if (index_.slots != NULL &&
        find_slot(index_.slots, index_.mask, code)->code == code) {
        return;
    }
    if (!add(code, code->co_filename)) {
        return;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++) {
        PyObject *item = PyTuple_GET_ITEM(code->co_consts, i);
        if (PyCode_Check(item)) {
            add_with_nested((PyCodeObject *)item);
        }
    }
}

static int
visit_object(PyObject *object, void *unused)
{
    (void)unused;
    if (PyFunction_Check(object)) {
        add_with_nested((PyCodeObject *)PyFunction_GET_CODE(object));
    } else if (PyGen_CheckExact(object)) {
        PyCodeObject *code = PyGen_GetCode((PyGenObject *)object);
        add_with_nested(code);
        Py_DECREF(code);
    }
    return 1;
}

struct visiting {
    int (*visit)(PyObject *object, void *arg);
    void *arg;
    bool goes_on;
};

static int
visit_one(PyObject *object, void *arg)
{
    struct visiting *visiting = arg;
    visiting->goes_on = visiting->visit(object, visiting->arg) != 0;
    return visiting->goes_on;
}

void
sonde_py_visit_objects(int (*visit)(PyObject *object, void *arg), void *arg)
{
    struct visiting visiting = {.visit = visit, .arg = arg, .goes_on = true};
    PyUnstable_GC_VisitObjects(visit_one, &visiting);
    if (visiting.goes_on) {
        sonde_py_visit_frozen(visit, arg);
    }
}

static void
visit_frames(void)
{
    PyInterpreterState *interpreter = PyInterpreterState_Get();
    PyThreadState *thread = PyInterpreterState_ThreadHead(interpreter);
    for (; thread != NULL; thread = PyThreadState_Next(thread)) {
        sonde_py_frame *frame = sonde_py_thread_frame(thread);
        for (; frame != NULL; frame = sonde_py_frame_back(frame)) {
            PyCodeObject *code = sonde_py_frame_code(frame);
            if (code != NULL) {
                add_with_nested(code);
            }
        }
    }
}

int
sonde_py_index_each(void (*visit)(PyCodeObject *code, void *arg), void *arg)
{
    if (!index_.is_complete) {
        index_.is_complete = true; /* add() takes it back when memory runs out */
        sonde_py_visit_objects(visit_object, NULL);
        if (sonde_py_has(SONDE_PY_PART_FRAMES)) {
            visit_frames();
        }
    }
    for (size_t i = 0; index_.slots != NULL && i <= index_.mask; i++) {
        if (index_.slots[i].code != NULL) {
            visit(index_.slots[i].code, arg);
        }
    }
    return index_.is_complete ? SONDE_OK : SONDE_E_NOMEM;
}

bool
sonde_py_index_tells_end(PyCodeObject *code)
{
    (void)code;
    return sonde_py.watcher >= 0;
}

void
sonde_py_index_await(void)
{
    sonde_py_vm_thread_watch_late();
}

void
sonde_py_index_watch(void)
{
    /* the watcher is there from the start */
}

size_t
sonde_py_index_size(void)
{
    return index_.count;
}

int
sonde_py_index_start(struct sonde_err *err)
{
    if (!grow()) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    sonde_py.watcher = PyCode_AddWatcher(on_code_event);
    if (sonde_py.watcher < 0) {
        sonde_py_clear_error();
        return sonde_err_set(err, SONDE_E_VM, "PyCode_AddWatcher",
                             "no watcher of code objects is free");
    }
    return SONDE_OK;
}

void
sonde_py_index_stop(void)
{
    if (sonde_py.watcher >= 0 && PyCode_ClearWatcher(sonde_py.watcher) < 0) {
        sonde_py_clear_error();
    }
    sonde_py.watcher = -1;
    PyMem_RawFree(index_.slots);
    index_.slots = NULL;
    index_.count = index_.mask = 0;
    index_.is_complete = false;
}
