/* SPDX-License-Identifier: Apache-2.0
 *
 * Before 3.12 nobody tells of new code objects, and the garbage collector does not know them. The
 * ones that matter hang on functions, generators and frames, and on each other: every question
 * walks those. What a walk found is held until the safe point is over, and then let go.
 *
 * The same walk notes who holds each of them: functions, and code with it among its constants.
 * Those are borrowed, so the collector rests until they are forgotten; what it would finalise
 * meanwhile is no business of ours anyway. */
#include "code_index.h"

#include "compat/functions.h"
#include "engine.h"
#include "rewriting/code_note.h"
#include "rewriting/evaluation.h"
#include "rewriting/index.h"
#include "rewriting/stand_ins.h"
#include "state.h"
#include "symbols.h"
#include "text.h"

#include <errno.h>

#define ENTRIES_FIRST 1024
#define NONE UINT32_MAX

struct entry {
    PyCodeObject *code; /* strong */
    PyObject
        *qualname; /* strong; NULL: not known. Only where code does not know it itself. */
    uint32_t first_holder; /* NONE */
};

struct holder {
    PyObject *object; /* a function or a code object; borrowed */
    uint32_t next;    /* of the same code; NONE */
};

static struct {
    struct entry *list;
    size_t count, room;
    uint32_t *slots; /* place in the list + 1; 0: free. Open addressing */
    size_t mask;     /* number of slots - 1, of which at most half are in use */
    struct holder *holders;
    size_t holder_count, holder_room;
    bool is_walked;
    bool collects;          /* the collector has to be switched on again */
    int failed;             /* SONDE_E_NOMEM: some are missing */
    size_t size_before;     /* what the last walk had found */
    uint64_t generation;    /* of the list */
    bool is_hooked;         /* the audit hook is there, for good */
    PyCodeObject *arriving; /* about to run for the first time; borrowed */
} walk;

/* --- The set -------------------------------------------------------------------------------- */

static size_t
slot_of(const PyCodeObject *code)
{
    size_t i = (size_t)(((uintptr_t)code >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20);
    for (i &= walk.mask; walk.slots[i] != 0; i = (i + 1) & walk.mask) {
        if (walk.list[walk.slots[i] - 1].code == code) {
            break;
        }
    }
    return i;
}

static bool
grow(void)
{
    size_t room = walk.room == 0 ? ENTRIES_FIRST : walk.room * 2;
    while (walk.room == 0 && room < walk.size_before) {
        room *= 2; /* as many as the last time, at once */
    }
    struct entry *list = PyMem_RawRealloc(walk.list, room * sizeof(*list));
    if (list == NULL) {
        return false;
    }
    walk.list = list;
    uint32_t *slots = PyMem_RawCalloc(room * 2, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    PyMem_RawFree(walk.slots);
    walk.slots = slots;
    walk.mask = room * 2 - 1;
    walk.room = room;
    for (size_t i = 0; i < walk.count; i++) {
        walk.slots[slot_of(walk.list[i].code)] = (uint32_t)(i + 1);
    }
    return true;
}

static struct entry *
find(const PyCodeObject *code)
{
    if (walk.count == 0) {
        return NULL;
    }
    uint32_t place = walk.slots[slot_of(code)];
    return place != 0 ? &walk.list[place - 1] : NULL;
}

/* The entry of what this stands for, made where there is none. NULL: no code object, or out of
 * memory. */
static struct entry *
add(PyObject *object)
{
    if (object == NULL || !PyCode_Check(object)) {
        return NULL;
    }
    PyCodeObject *code = sonde_py_original_of((PyCodeObject *)object);
    struct entry *entry = find(code);
    if (entry != NULL) {
        return entry;
    }
    if (walk.count == walk.room && !grow()) {
        walk.failed = SONDE_E_NOMEM;
        return NULL;
    }
    Py_INCREF(code);
    walk.generation++;
    entry = &walk.list[walk.count++];
    *entry = (struct entry){.code = code, .first_holder = NONE};
    walk.slots[slot_of(code)] = (uint32_t)walk.count;
    return entry;
}

/* As add; and `object` holds it. */
static struct entry *
add_held(PyObject *code, PyObject *object)
{
    struct entry *entry = add(code);
    if (entry == NULL) {
        return NULL;
    }
    if (walk.holder_count == walk.holder_room) {
        size_t room = walk.holder_room == 0 ? ENTRIES_FIRST : walk.holder_room * 2;
        struct holder *holders =
            room < NONE ? PyMem_RawRealloc(walk.holders, room * sizeof(*holders)) : NULL;
        if (holders == NULL) {
            walk.failed = SONDE_E_NOMEM;
            return NULL;
        }
        walk.holders = holders;
        walk.holder_room = room;
    }
    walk.holders[walk.holder_count] =
        (struct holder){.object = object, .next = entry->first_holder};
    entry->first_holder = (uint32_t)walk.holder_count++;
    return entry;
}

/* --- Names ---------------------------------------------------------------------------------- */

/* functools.wraps gives a function the name of another. */
static bool
is_name_of(PyObject *qualname, const PyCodeObject *code)
{
    char name_buf[SONDE_PY_TEXT_BYTES], buf[SONDE_PY_TEXT_BYTES];
    struct sonde_str name = sonde_py_text(code->co_name, name_buf);
    struct sonde_str whole = sonde_py_text(qualname, buf);
    return sonde_str_ends_with(whole, name) &&
           (whole.len == name.len || whole.ptr[whole.len - name.len - 1] == '.');
}

bool
sonde_py_is_qualname_of(PyObject *qualname, const PyCodeObject *code)
{
    return qualname != NULL && PyUnicode_Check(qualname) && is_name_of(qualname, code);
}

PyObject *
sonde_py_nested_qualname(const PyCodeObject *outer, PyObject *outer_name,
                         const PyCodeObject *code)
{
    PyObject *name;
    if (outer->co_flags & CO_OPTIMIZED) {
        name = PyUnicode_FromFormat("%U.<locals>.%U", outer_name, code->co_name);
    } else if (sonde_py_text_is(outer->co_name, SONDE_STR("<module>"))) {
        name = Py_NewRef(code->co_name);
    } else {
        name = PyUnicode_FromFormat("%U.%U", outer_name, code->co_name);
    }
    if (name == NULL) {
        sonde_py_clear_error();
    }
    return name;
}

static void
set_qualname(struct entry *entry, PyObject *qualname)
{
    if (entry->qualname == NULL && sonde_py_is_qualname_of(qualname, entry->code)) {
        entry->qualname = Py_NewRef(qualname);
    }
}

/* Names what the code object holds after it, and on. */
static void
name_nested(const struct entry *outer)
{
    PyObject *consts = outer->code->co_consts;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(consts); i++) {
        PyObject *item = PyTuple_GET_ITEM(consts, i);
        if (!PyCode_Check(item)) {
            continue;
        }
        struct entry *inner = find(sonde_py_original_of((PyCodeObject *)item));
        if (inner != NULL && inner->qualname == NULL) {
            inner->qualname =
                sonde_py_nested_qualname(outer->code, outer->qualname, inner->code);
            if (inner->qualname != NULL) {
                name_nested(inner);
            }
        }
    }
}

/* Those that no function was found for: nothing is added any more, so that entries stay. */
static void
name_rest(void)
{
    for (size_t i = 0; i < walk.count; i++) {
        struct entry *entry = &walk.list[i];
        if (entry->qualname == NULL &&
            sonde_py_text_is(entry->code->co_name, SONDE_STR("<module>"))) {
            entry->qualname = Py_NewRef(entry->code->co_name);
        }
        if (entry->qualname != NULL) {
            name_nested(entry);
        }
    }
}

PyObject *
sonde_py_index_qualname(const PyCodeObject *code)
{
    const struct entry *entry = find(code);
    return entry != NULL ? entry->qualname : NULL;
}

/* --- The walk ------------------------------------------------------------------------------- */

static int
visit_object(PyObject *object, void *unused)
{
    (void)unused;
    struct entry *entry;
    PyObject *qualname;
    if (PyFunction_Check(object)) {
        entry = add_held(PyFunction_GET_CODE(object), object);
        qualname = ((const PyFunctionObject *)object)->func_qualname;
    } else {
        PyCodeObject *code = sonde_py_generator_code(object);
        if (code == NULL) {
            return 1;
        }
        entry = add((PyObject *)code);
        qualname = ((const PyGenObject *)object)->gi_qualname;
    }
    if (!SONDE_PY_HAS_CODE_QUALNAME && entry != NULL) {
        set_qualname(entry, qualname);
    }
    return walk.failed == SONDE_OK;
}

void
sonde_py_visit_objects(int (*visit)(PyObject *object, void *arg), void *arg)
{
    sonde_py_visit_rings(visit, arg);
}

static void
add_frames(void)
{
    PyThreadState *thread = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; thread != NULL; thread = PyThreadState_Next(thread)) {
        sonde_py_frame *frame = sonde_py_thread_frame(thread);
        for (; frame != NULL; frame = sonde_py_frame_back(frame)) {
            add((PyObject *)sonde_py_frame_code(frame));
        }
    }
}

static void
add_constants(PyCodeObject *code)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++) {
        add_held(PyTuple_GET_ITEM(code->co_consts, i), (PyObject *)code);
    }
}

static void
add_stand_in(struct sonde_py_stand_in *stand_in, void *unused)
{
    (void)unused;
    add((PyObject *)stand_in->original);
    add_constants(stand_in->code);
}

/* What the entries from this one on hold, and what that holds. */
static void
add_nested(size_t from)
{
    for (size_t i = from; i < walk.count; i++) {
        add_constants(walk.list[i].code);
    }
    if (!SONDE_PY_HAS_CODE_QUALNAME) {
        name_rest();
    }
}

/* What was borrowed may die from here on. */
static void
forget_holders(void)
{
    PyMem_RawFree(walk.holders);
    walk.holders = NULL;
    walk.holder_count = walk.holder_room = 0;
    for (size_t i = 0; i < walk.count; i++) {
        walk.list[i].first_holder = NONE;
    }
    if (walk.collects) {
        walk.collects = false;
        PyGC_Enable();
    }
}

static void
walk_all(void)
{
    walk.failed = SONDE_OK;
    walk.collects = PyGC_Disable();
    sonde_py_visit_rings(visit_object, NULL);
    if (sonde_py_has(SONDE_PY_PART_FRAMES)) {
        add_frames();
    }
    add((PyObject *)walk.arriving);
    sonde_py_stand_ins_each(add_stand_in, NULL);
    add_nested(0);
    walk.is_walked = walk.failed == SONDE_OK;
    walk.size_before = walk.count;
    if (!walk.is_walked) {
        forget_holders();
    }
}

bool
sonde_py_index_find_holders(void)
{
    if (!walk.is_walked) {
        walk_all();
    }
    return walk.is_walked;
}

bool
sonde_py_index_add_holder(PyCodeObject *code)
{
    int failed = walk.failed;
    walk.failed = SONDE_OK;
    add_constants(code);
    bool is_added = walk.failed == SONDE_OK;
    walk.failed = failed;
    return is_added;
}

void
sonde_py_index_each_holder(const PyCodeObject *original,
                           void (*visit)(PyObject *object, void *arg), void *arg)
{
    const struct entry *entry = find(original);
    uint32_t at = entry != NULL ? entry->first_holder : NONE;
    for (; at != NONE; at = walk.holders[at].next) {
        visit(walk.holders[at].object, arg);
    }
}

void
sonde_py_index_rest(void)
{
    forget_holders();
    /* What is let go here may be the last of its kind: first forgotten, then freed. */
    struct entry *list = walk.list;
    size_t count = walk.count;
    PyMem_RawFree(walk.slots);
    walk.generation++;
    walk.list = NULL;
    walk.slots = NULL;
    walk.count = walk.room = walk.mask = 0;
    walk.is_walked = false;
    for (size_t i = 0; i < count; i++) {
        Py_DECREF(list[i].code);
        Py_XDECREF(list[i].qualname);
    }
    PyMem_RawFree(list);
}

PyCodeObject *
sonde_py_index_arriving(void)
{
    return walk.arriving;
}

static bool
any_nested(PyCodeObject *code, bool (*visit)(PyCodeObject *code, void *arg), void *arg)
{
    if (visit(code, arg)) {
        return true;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++) {
        PyObject *item = PyTuple_GET_ITEM(code->co_consts, i);
        if (PyCode_Check(item) &&
            any_nested(sonde_py_original_of((PyCodeObject *)item), visit, arg)) {
            return true;
        }
    }
    return false;
}

bool
sonde_py_index_arriving_has(bool (*visit)(PyCodeObject *code, void *arg), void *arg)
{
    return walk.arriving != NULL && any_nested(walk.arriving, visit, arg);
}

uint64_t
sonde_py_index_generation(void)
{
    return walk.generation;
}

/* --- Code that is about to run -------------------------------------------------------------- */

static void
announce(PyCodeObject *code)
{
    char buf[SONDE_PY_TEXT_BYTES];
    struct sonde_str name = sonde_py_text(code->co_filename, buf);
    sonde_py_look_for_fork();
    if (!sonde_agent_wants_code(sonde_py.agent, name)) {
        return;
    }
    struct sonde_py_stash stash;
    PyCodeObject *outer = walk.arriving;
    bool was_walked = walk.is_walked;
    sonde_py_stash_error(&stash);
    walk.arriving = code;
    if (was_walked) {
        size_t from = walk.count;
        add((PyObject *)code);
        add_nested(from);
    }
    sonde_agent_code_ready(sonde_py.agent, name);
    walk.arriving = outer;
    if (!was_walked) {
        sonde_py_engine_rest(); /* as after a safe point */
    }
    sonde_py_clear_error();
    sonde_py_restore_error(&stash);
}

/* Every event of every interpreter comes here, for as long as the process lives. */
static int
on_audit(const char *event, PyObject *args, void *unused)
{
    (void)unused;
    if (event[0] != 'e' || event[1] != 'x' || strcmp(event, "exec") != 0 ||
        !sonde_py_is_running() || PyInterpreterState_Get() != PyInterpreterState_Main()) {
        return 0;
    }
    if (args != NULL && PyTuple_Check(args) && PyTuple_GET_SIZE(args) == 1 &&
        PyCode_Check(PyTuple_GET_ITEM(args, 0))) {
        int saved_errno = errno;
        sonde_py_symbols_note_code((PyCodeObject *)PyTuple_GET_ITEM(args, 0));
        announce((PyCodeObject *)PyTuple_GET_ITEM(args, 0));
        sonde_py_evaluation_expect((PyCodeObject *)PyTuple_GET_ITEM(args, 0));
        errno = saved_errno;
    }
    return 0;
}

/* Not before there is a probe, or symbols are wanted: with a hook of anybody's, each event costs the making of its
 * arguments. It comes in time, since what ran before it is found by the walk. */
static void
hook(void)
{
    if (!walk.is_hooked) {
        /* Hooks of others may refuse it, which is no error here: code that comes later is then
         * found at the next look. */
        walk.is_hooked = PySys_AddAuditHook(on_audit, NULL) == 0;
        sonde_py_clear_error();
    }
}

/* --- The contract --------------------------------------------------------------------------- */

int
sonde_py_index_each(void (*visit)(PyCodeObject *code, void *arg), void *arg)
{
    hook();
    if (!walk.is_walked) {
        walk_all();
    }
    for (size_t i = 0; i < walk.count; i++) {
        visit(walk.list[i].code, arg);
    }
    return walk.failed;
}

bool
sonde_py_index_tells_end(PyCodeObject *code)
{
    return sonde_py_note_make(code) != NULL;
}

void
sonde_py_index_await(void)
{
}

void
sonde_py_index_watch(void)
{
    hook();
}

void
sonde_py_index_announce_late(void)
{
}

bool
sonde_py_index_has_late(void)
{
    return false; /* the event comes when the file name is final */
}

size_t
sonde_py_index_size(void)
{
    return walk.is_walked ? walk.count : walk.size_before;
}

int
sonde_py_index_start(struct sonde_err *err)
{
    (void)err;
    sonde_py_notes_start();
    return SONDE_OK;
}

void
sonde_py_index_stop(void)
{
    sonde_py_index_rest();
    walk.size_before = 0;
}
