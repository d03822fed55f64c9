/* SPDX-License-Identifier: Apache-2.0
 *
 * What may have changed since the last listing: files whose code was loaded, as the hooks tell, and what is
 * found by looking, docs/decisions/0015-python-symbol-changes.md. */
#include "symbols_listing.h"

#include "code_index.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/path.h"
#include "names.h"
#include "state.h"
#include "text.h"

#define NOTES_MAX 1024  /* files that wait to be looked at */
#define FILES_MAX 16384 /* that may have changed; more: all of them */
#define LOOK_NS ((int64_t)3 * 1000 * 1000)
#define CLOCK_EVERY 128

static struct {
    PyObject *notes[NOTES_MAX]; /* file names; strong */
    unsigned note_count;
    bool is_over; /* more than there was room for: everything may have changed */
    struct sonde_py_map files;   /* by their paths */
    struct sonde_py_map current; /* of the listing under way */
    bool current_is_over;
} changes;

/* --- The hook's side ----------------------------------------------------------------------------- */

void
sonde_py_symbols_note_code(PyCodeObject *code)
{
    PyObject *file = code->co_filename;
    if (!sonde_py_symbols_known.is_watching) {
        return;
    }
    if (!PyUnicode_CheckExact(file) || PyUnicode_GET_LENGTH(file) == 0 ||
        PyUnicode_READ_CHAR(file, 0) == '<') {
        return; /* what has no file: its classes are found by looking */
    }
    if (changes.note_count == 0 || changes.notes[changes.note_count - 1] != file) {
        if (changes.note_count < NOTES_MAX) {
            changes.notes[changes.note_count++] = Py_NewRef(file);
        } else {
            changes.is_over = true;
        }
    }
    sonde_agent_symbols_changed(sonde_py.agent);
}

/* --- Files --------------------------------------------------------------------------------------- */

static uint64_t
key_of(struct sonde_str path)
{
    char buf[SONDE_PATH_BYTES];
    return sonde_py_hash_text(4, sonde_path_plain(path, buf));
}

static void
note_path(struct sonde_str path)
{
    if (changes.files.count >= FILES_MAX ||
        sonde_py_map_put(&changes.files, key_of(path), NULL) == NULL) {
        changes.is_over = true;
    }
}

static void
take_notes(void)
{
    char buf[SONDE_PY_TEXT_BYTES];
    for (unsigned i = 0; i < changes.note_count; i++) {
        note_path(sonde_py_text(changes.notes[i], buf));
        Py_DECREF(changes.notes[i]);
    }
    changes.note_count = 0;
}

bool
sonde_py_changes_have(struct sonde_str path)
{
    return changes.current_is_over ||
           sonde_py_map_get(&changes.current, key_of(path)) != NULL;
}

void
sonde_py_changes_begin(struct sonde_py_symbols *symbols)
{
    (void)symbols;
    take_notes();
    sonde_py_map_fini(&changes.current);
    changes.current = changes.files;
    changes.current_is_over = changes.is_over;
    changes.files = (struct sonde_py_map){0};
    changes.is_over = false;
}

/* What the listing did not get to waits for the next one. */
static void
put_back(void)
{
    changes.is_over |= changes.current_is_over;
    for (size_t i = 0; changes.current.slots != NULL && i <= changes.current.mask; i++) {
        uint64_t key = changes.current.slots[i].key;
        if (key != 0 && sonde_py_map_put(&changes.files, key, NULL) == NULL) {
            changes.is_over = true;
        }
    }
}

void
sonde_py_changes_end(struct sonde_py_symbols *symbols, bool is_well)
{
    struct sonde_py_symbols_known *known = &sonde_py_symbols_known;
    if (!is_well) {
        put_back();
    } else {
        sonde_py_modules_free(&known->modules);
        sonde_py_map_fini(&known->module_by_name);
        sonde_py_map_fini(&known->types);
        known->modules = symbols->modules;
        known->module_by_name = symbols->module_by_name;
        known->types = symbols->listed_types;
        symbols->modules = (struct sonde_py_pile){0};
        symbols->module_by_name = (struct sonde_py_map){0};
        symbols->listed_types = (struct sonde_py_map){0};
        known->is_listed = true;
    }
    sonde_py_map_fini(&changes.current);
    changes.current_is_over = false;
}

/* --- Modules, by what is in them ------------------------------------------------------------------ */

void
sonde_py_modules_free(struct sonde_py_pile *modules)
{
    for (size_t i = 0; i < modules->count; i++) {
        struct sonde_py_symbol_module *module = sonde_py_pile_at(modules, i);
        Py_XDECREF(module->name);
    }
    sonde_py_pile_fini(modules);
}

PyObject *
sonde_py_loaded_module(PyObject *name, Py_ssize_t at, bool names_are_plain)
{
    PyObject *modules = PyImport_GetModuleDict(), *key = NULL, *module = NULL;
    if (modules == NULL || !PyDict_Check(modules)) {
        return NULL;
    }
    /* Most often it is where it was. */
    if (at < 0 || !PyDict_Next(modules, &at, &key, &module) || key != name) {
        /* Among plain strings nothing of the application's compares them. */
        module = names_are_plain ? PyDict_GetItemWithError(modules, name) : NULL;
    }
    return module != NULL && PyModule_Check(module) ? PyModule_GetDict(module) : NULL;
}

uint32_t
sonde_py_count_defs(PyObject *dict)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    uint32_t count = 0;
    while (PyDict_Next(dict, &at, &key, &value)) {
        count += PyFunction_Check(value) || PyType_Check(value);
    }
    return count;
}

static bool
is_wanted(struct sonde_str path)
{
    const struct sonde_py_symbols_known *known = &sonde_py_symbols_known;
    enum sonde_origin origin = known->origins != NULL
                                   ? sonde_origins_of(known->origins, path)
                                   : SONDE_ORIGIN_USER;
    return path.len > 0 && known->wants[origin];
}

/* True: a listing is worth while. */
static bool
note_module_file(PyObject *dict, bool is_main)
{
    char buf[SONDE_PY_TEXT_BYTES];
    struct sonde_str path = sonde_py_text(sonde_py_dict_file(dict, is_main), buf);
    if (!is_wanted(path)) {
        return false;
    }
    note_path(path);
    return true;
}

/* One that was not there, or is another one now. */
static bool
look_at_new(PyObject *name, PyObject *dict, uint32_t *place)
{
    char buf[SONDE_PY_TEXT_BYTES];
    struct sonde_py_pile *modules = &sonde_py_symbols_known.modules;
    struct sonde_str text = sonde_py_text(name, buf);
    struct sonde_py_symbol_module *module;
    if (*place != 0) {
        module = sonde_py_pile_at(modules, *place - 1);
    } else {
        module = sonde_py_pile_add(modules, sizeof(*module));
        if (module == NULL) {
            return false;
        }
        module->name = Py_NewRef(name);
        *place = (uint32_t)modules->count;
    }
    module->dict = dict;
    module->used = PyDict_GET_SIZE(dict);
    module->defs = sonde_py_count_defs(dict);
    return note_module_file(dict, sonde_str_eq(text, SONDE_STR("__main__")));
}

/* A module that is still being imported has got more names since, and so has a main program. */
static bool
look_at_known(struct sonde_py_symbol_module *module, PyObject *dict)
{
    char buf[SONDE_PY_TEXT_BYTES];
    if (module->used == PyDict_GET_SIZE(dict)) {
        return false;
    }
    uint32_t defs = sonde_py_count_defs(dict);
    bool has_changed = defs != module->defs;
    module->used = PyDict_GET_SIZE(dict);
    module->defs = defs;
    return has_changed &&
           note_module_file(dict, sonde_str_eq(sonde_py_text(module->name, buf),
                                               SONDE_STR("__main__")));
}

static bool
look_at_module(PyObject *name, PyObject *object, size_t hint)
{
    char buf[SONDE_PY_TEXT_BYTES];
    struct sonde_py_symbols_known *known = &sonde_py_symbols_known;
    PyObject *dict = PyModule_GetDict(object);
    struct sonde_py_symbol_module *module =
        hint < known->modules.count ? sonde_py_pile_at(&known->modules, hint) : NULL;
    if (module != NULL && module->name == name) {
        if (module->dict == NULL) {
            return false; /* by another name */
        }
        if (module->dict == dict) {
            return look_at_known(module, dict);
        }
    }
    uint32_t *place = sonde_py_map_put(
        &known->module_by_name, sonde_py_hash_text(2, sonde_py_text(name, buf)), NULL);
    if (place == NULL) {
        return false;
    }
    module = *place != 0 ? sonde_py_pile_at(&known->modules, *place - 1) : NULL;
    if (module != NULL && module->dict == dict) {
        return look_at_known(module, dict);
    }
    return look_at_new(name, dict, place);
}

static bool
look_at_modules(void)
{
    PyObject *modules = PyImport_GetModuleDict(), *name, *module;
    Py_ssize_t at = 0;
    size_t hint = 0;
    bool has_changed = false;
    while (modules != NULL && PyDict_Next(modules, &at, &name, &module)) {
        if (PyUnicode_CheckExact(name) && PyModule_Check(module)) {
            has_changed |= look_at_module(name, module, hint++);
        }
    }
    return has_changed;
}

PyObject *
sonde_py_list_subclasses(PyTypeObject *type)
{
    static PyObject
        *method; /* of `type` itself, whatever a metaclass makes of it; kept */
    if (method == NULL) {
        method = PyObject_GetAttrString((PyObject *)&PyType_Type, "__subclasses__");
    }
    PyObject *list = method != NULL
                         ? PyObject_CallFunctionObjArgs(method, (PyObject *)type, NULL)
                         : NULL;
    if (list != NULL && !PyList_CheckExact(list)) {
        Py_CLEAR(list);
    }
    sonde_py_clear_error();
    return list;
}

/* --- Classes --------------------------------------------------------------------------------------- */

static uint64_t
name_hash(PyObject *name)
{
    /* Kept in the string. */
    Py_hash_t hash = name != NULL && PyUnicode_CheckExact(name) ? PyObject_Hash(name) : 0;
    return (uint64_t)hash;
}

uint64_t
sonde_py_type_look(PyTypeObject *type)
{
    PyObject *module = sonde_py_dict_find(type->tp_dict, SONDE_STR("__module__"));
    uint64_t names = sonde_py_hash_mix(
        name_hash(module), name_hash(((PyHeapTypeObject *)type)->ht_qualname));
    return sonde_py_hash_mix(names, (uint64_t)PyDict_GET_SIZE(type->tp_dict));
}

/* The files in which a class is listed. */
static bool
note_type(PyTypeObject *type)
{
    char buf[SONDE_PY_TEXT_BYTES];
    bool has_changed = false;
    PyObject *name = sonde_py_dict_find(type->tp_dict, SONDE_STR("__module__")), *value;
    Py_ssize_t at = 0;
    if (name != NULL && PyUnicode_CheckExact(name)) {
        PyObject *dict = sonde_py_loaded_module(name, -1, true);
        has_changed = dict != NULL && note_module_file(dict, false);
    }
    while (PyDict_Next(type->tp_dict, &at, &name, &value)) {
        if (PyFunction_Check(value) && PyCode_Check(PyFunction_GET_CODE(value))) {
            struct sonde_str path = sonde_py_text(
                ((PyCodeObject *)PyFunction_GET_CODE(value))->co_filename, buf);
            if (path.len > 0 && path.ptr[0] == '/' && is_wanted(path)) {
                note_path(path);
                has_changed = true;
            }
            break;
        }
    }
    return has_changed;
}

struct type_look {
    struct sonde_py_map seen;   /* addresses */
    struct sonde_py_pile types; /* PyTypeObject *: borrowed, nothing is freed meanwhile */
    int64_t until_ns;
    unsigned count;
    bool is_late, has_changed;
    Py_ssize_t next; /* where the next look begins among the subclasses of `object` */
};

static struct type_look look;

static void
push_type(PyTypeObject *type)
{
    bool is_new = false;
    if (sonde_py_map_put(&look.seen, sonde_py_hash_mix((uint64_t)(uintptr_t)type, 5),
                         &is_new) != NULL &&
        is_new) {
        PyTypeObject **place = sonde_py_pile_add(&look.types, sizeof(*place));
        if (place != NULL) {
            *place = type;
        }
    }
}

static void
look_at_type(PyTypeObject *type)
{
    if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
        bool is_new = false;
        if (type->tp_dict != NULL && PyDict_Check(type->tp_dict) &&
            sonde_py_map_put(&sonde_py_symbols_known.types, sonde_py_type_look(type),
                             &is_new) != NULL &&
            is_new) {
            look.has_changed |= note_type(type);
        }
        PyObject *subclasses = sonde_py_subclasses(type), *key, *reference;
        Py_ssize_t at = 0;
        while (subclasses != NULL && PyDict_Next(subclasses, &at, &key, &reference)) {
            PyObject *subclass = PyWeakref_CheckRefExact(reference)
                                     ? sonde_py_weakref_get(reference)
                                     : NULL;
            if (subclass != NULL) {
                push_type((PyTypeObject *)subclass);
                Py_DECREF(subclass);
            }
        }
        return;
    }
    PyObject *list = type != &PyBaseObject_Type ? sonde_py_list_subclasses(type) : NULL;
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++) {
        push_type((PyTypeObject *)PyList_GET_ITEM(list, i));
    }
    Py_XDECREF(list);
}

static bool
is_late(void)
{
    if (++look.count % CLOCK_EVERY == 0 && sonde_clock_mono_ns() >= look.until_ns) {
        look.is_late = true;
    }
    return look.is_late;
}

/* As many as there is time for; the next look goes on behind them. */
static bool
look_at_types(int64_t until_ns)
{
    PyObject *list = sonde_py_list_subclasses(&PyBaseObject_Type);
    Py_ssize_t count = list != NULL ? PyList_GET_SIZE(list) : 0;
    look.until_ns = until_ns;
    look.is_late = look.has_changed = false;
    sonde_py_map_clear(&look.seen);
    look.next = look.next < count ? look.next : 0;
    for (Py_ssize_t i = 0; i < count && !is_late(); i++) {
        push_type((PyTypeObject *)PyList_GET_ITEM(list, (look.next + i) % count));
        while (look.types.count > 0 && !is_late()) {
            look_at_type(
                *(PyTypeObject **)sonde_py_pile_at(&look.types, --look.types.count));
        }
        if (look.is_late) {
            look.next += i + 1;
        }
    }
    look.types.count = 0;
    Py_XDECREF(list);
    return look.has_changed;
}

bool
sonde_py_have_symbols_changed(void *ctx)
{
    (void)ctx;
    if (!sonde_py_symbols_known.is_listed) {
        return false; /* the first listing finds it */
    }
    int64_t until_ns = sonde_clock_mono_ns() + LOOK_NS;
    int collects = PyGC_Disable(); /* what it would finalise is not ours to run */
    bool has_changed = look_at_modules();
    has_changed |= look_at_types(until_ns);
    if (collects) {
        PyGC_Enable();
    }
    return has_changed || changes.note_count > 0 || changes.is_over;
}

/* --- On and off ------------------------------------------------------------------------------------ */

static void
forget_known(void)
{
    struct sonde_py_symbols_known *known = &sonde_py_symbols_known;
    sonde_py_modules_free(&known->modules);
    sonde_py_map_fini(&known->module_by_name);
    sonde_py_map_fini(&known->types);
    known->is_listed = false;
    for (unsigned i = 0; i < changes.note_count; i++) {
        Py_DECREF(changes.notes[i]);
    }
    changes.note_count = 0;
    changes.is_over = false;
    sonde_py_map_fini(&changes.files);
    sonde_py_map_fini(&look.seen);
    sonde_py_pile_fini(&look.types);
}

void
sonde_py_watch_symbols(void *ctx, bool on)
{
    (void)ctx;
    sonde_py_symbols_known.is_watching = on;
    if (on) {
        sonde_py_index_watch();
    } else {
        sonde_py_symbols_drop();
        forget_known();
    }
}

void
sonde_py_symbols_after_fork(void)
{
    sonde_py_symbols_drop();
    sonde_py_class_lines_after_fork();
}
