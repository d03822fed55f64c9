/* SPDX-License-Identifier: Apache-2.0
 *
 * Classes are reached from `object`: so those that stand in functions, in other classes or nowhere by name
 * are found as well. What a class has is read from its own dictionary. */
#include "symbols_listing.h"

#include "state.h"
#include "text.h"

#define SUPER_MAX 32

/* --- Which there are -------------------------------------------------------------------------- */

static bool
is_made_by_statement(const PyTypeObject *type)
{
    return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0;
}

/* Puts a weak reference or a static type by, once. */
static void
push_type(struct sonde_py_symbols *symbols, PyTypeObject *type, PyObject *item)
{
    bool is_new;
    uint64_t key = sonde_py_hash_mix((uint64_t)(uintptr_t)type, 5);
    if (sonde_py_map_put(&symbols->seen_types, key, &is_new) == NULL) {
        symbols->failed = SONDE_E_NOMEM;
        return;
    }
    if (!is_new) {
        return;
    }
    PyObject **place = sonde_py_pile_add(&symbols->types, sizeof(*place));
    if (place == NULL) {
        symbols->failed = SONDE_E_NOMEM;
        return;
    }
    *place = Py_NewRef(item);
}

static void
push_subclasses_of_static(struct sonde_py_symbols *symbols, PyTypeObject *type)
{
    PyObject *list = sonde_py_list_subclasses(type);
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++) {
        PyTypeObject *subclass = (PyTypeObject *)PyList_GET_ITEM(list, i);
        if (!is_made_by_statement(subclass)) {
            push_type(symbols, subclass, (PyObject *)subclass);
            continue;
        }
        PyObject *reference = PyWeakref_NewRef((PyObject *)subclass, NULL);
        if (reference != NULL) {
            push_type(symbols, subclass, reference);
            Py_DECREF(reference);
        }
    }
    Py_XDECREF(list);
}

static void
push_subclasses(struct sonde_py_symbols *symbols, PyTypeObject *type)
{
    if (!is_made_by_statement(type)) {
        push_subclasses_of_static(symbols, type);
        return;
    }
    PyObject *subclasses = sonde_py_subclasses(type), *key, *reference;
    Py_ssize_t at = 0;
    while (subclasses != NULL && PyDict_Next(subclasses, &at, &key, &reference)) {
        PyObject *subclass =
            PyWeakref_CheckRefExact(reference) ? sonde_py_weakref_get(reference) : NULL;
        if (subclass != NULL) {
            push_type(symbols, (PyTypeObject *)subclass, reference);
            Py_DECREF(subclass);
        }
    }
}

/* --- What a class is ---------------------------------------------------------------------------- */

/* The function in a value as it stands in a class; NULL: none. */
static PyObject *
unwrapped(PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PyStaticMethod_Type || type == &PyClassMethod_Type ||
        type == &PyProperty_Type) {
        value = sonde_py_wrapped_words(value)[0];
    }
    return value != NULL && PyFunction_Check(value) ? value : NULL;
}

/* A method of the class's own, as its author wrote it. */
static PyObject *
first_method(PyTypeObject *type)
{
    char buf[SONDE_PY_TEXT_BYTES], own_buf[SONDE_PY_TEXT_BYTES];
    struct sonde_str own =
        sonde_py_text(((PyHeapTypeObject *)type)->ht_qualname, own_buf);
    PyObject *key, *value;
    Py_ssize_t at = 0;
    for (int n = 0; n < 64 && PyDict_Next(type->tp_dict, &at, &key, &value); n++) {
        PyObject *function = unwrapped(value);
        if (function == NULL) {
            continue;
        }
        struct sonde_str name = sonde_py_text(sonde_py_function_says(function), buf);
        if (name.len > own.len && memcmp(name.ptr, own.ptr, own.len) == 0 &&
            name.ptr[own.len] == '.' && PyCode_Check(PyFunction_GET_CODE(function))) {
            return function;
        }
    }
    return NULL;
}

/* The file of the module that the class says it is of, unless its methods were compiled from another (a
 * package that presents its classes as its own). */
static uint32_t
file_of_class(struct sonde_py_symbols *symbols, PyTypeObject *type)
{
    char buf[SONDE_PY_TEXT_BYTES];
    PyObject *module = sonde_py_dict_find(type->tp_dict, SONDE_STR("__module__"));
    uint32_t file =
        module != NULL && PyUnicode_Check(module)
            ? sonde_py_symbols_module_file(symbols, sonde_py_text(module, buf))
            : SONDE_PY_NO_FILE;
    PyObject *method = first_method(type);
    if (method != NULL) {
        uint32_t other = sonde_py_symbols_file_of(
            symbols, sonde_py_compiled(PyFunction_GET_CODE(method)));
        if (other != SONDE_PY_NO_FILE &&
            sonde_py_symbols_file(symbols, other)->path.ptr[0] == '/') {
            file = other;
        }
    }
    return file;
}

static void
list_supers(struct sonde_py_symbols *symbols, sonde_scope_id scope, PyTypeObject *type)
{
    char buf[SONDE_PY_TEXT_BYTES];
    PyObject *bases = type->tp_bases;
    for (Py_ssize_t i = 0; bases != NULL && i < PyTuple_GET_SIZE(bases) && i < SUPER_MAX;
         i++) {
        PyObject *base = PyTuple_GET_ITEM(bases, i);
        if (PyType_Check(base) && base != (PyObject *)&PyBaseObject_Type) {
            sonde_listing_specific(symbols->listing, scope, "super_classes",
                                   sonde_py_type_name((PyTypeObject *)base, buf));
        }
    }
}

/* `name: type` in the class's body. */
static void
list_annotated(struct sonde_py_symbols *symbols, sonde_scope_id scope, PyTypeObject *type)
{
    char buf[SONDE_PY_TEXT_BYTES], type_buf[SONDE_PY_TEXT_BYTES];
    PyObject *all = sonde_py_dict_find(type->tp_dict, SONDE_STR("__annotations__"));
    if (all == NULL) {
        all = sonde_py_dict_find(type->tp_dict, SONDE_STR("__annotations_cache__"));
    }
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (all != NULL && PyDict_CheckExact(all) && PyDict_Next(all, &at, &key, &value)) {
        struct sonde_str text = sonde_py_annotation_text(value, type_buf);
        if (PyUnicode_Check(key)) {
            sonde_listing_symbol(symbols->listing, scope,
                                 &(struct sonde_symbol){.kind = SONDE_SYMBOL_FIELD,
                                                        .name = sonde_py_text(key, buf),
                                                        .type = text});
        }
    }
}

/* 3.13 and later. */
static uint32_t
own_first_line(PyTypeObject *type)
{
    PyObject *line = sonde_py_dict_find(type->tp_dict, SONDE_STR("__firstlineno__"));
    long number = line != NULL && PyLong_CheckExact(line) ? PyLong_AsLong(line) : 0;
    sonde_py_clear_error();
    return number > 0 && number < INT32_MAX ? (uint32_t)number : 0;
}

/* Whether its module has the class by its qualified name. */
static bool
is_reached(PyTypeObject *type, struct sonde_str qualname)
{
    PyObject *module = sonde_py_dict_find(type->tp_dict, SONDE_STR("__module__"));
    PyObject *names = module != NULL && PyUnicode_CheckExact(module)
                          ? sonde_py_loaded_module(module, -1, true)
                          : NULL;
    PyObject *found = NULL;
    for (size_t from = 0; names != NULL && from < qualname.len;) {
        size_t end = from;
        while (end < qualname.len && qualname.ptr[end] != '.') {
            end++;
        }
        found = sonde_py_dict_find(names,
                                   (struct sonde_str){qualname.ptr + from, end - from});
        names = found != NULL && PyType_Check(found) ? ((PyTypeObject *)found)->tp_dict
                                                     : NULL;
        from = end + 1;
    }
    return found == (PyObject *)type;
}

/* --- What stands in it -------------------------------------------------------------------------- */

bool
sonde_py_symbols_is_constant(PyObject *value)
{
    return !PyFunction_Check(value) && !PyType_Check(value) && !PyModule_Check(value) &&
           !PyCFunction_Check(value) && !Py_IS_TYPE(value, &PyMethodDescr_Type) &&
           !Py_IS_TYPE(value, &PyClassMethodDescr_Type) &&
           !Py_IS_TYPE(value, &PyWrapperDescr_Type) &&
           !Py_IS_TYPE(value, &PyGetSetDescr_Type) &&
           !Py_IS_TYPE(value, &PyMemberDescr_Type);
}

/* What kind of method it is, by what wraps it; *words: how many words behind its head may be functions. NULL:
 * nothing of the sort. */
static const char *
method_type_of(PyObject *value, unsigned *words)
{
    char buf[SONDE_PY_TEXT_BYTES];
    PyTypeObject *type = Py_TYPE(value);
    *words = 0;
    if (PyType_IsSubtype(type, &PyStaticMethod_Type)) {
        *words = 1;
        return "static";
    }
    if (PyType_IsSubtype(type, &PyClassMethod_Type)) {
        *words = 1;
        return "class";
    }
    if (PyType_IsSubtype(type, &PyProperty_Type)) {
        *words = 3;
        return "property";
    }
    struct sonde_str name = sonde_py_type_name(type, buf);
    if (sonde_str_ends_with(name, SONDE_STR("cached_property"))) {
        return "cached_property";
    }
    return sonde_str_eq(name, SONDE_STR("partialmethod")) ? "partial" : NULL;
}

static unsigned
list_wrapped(struct sonde_py_symbols *symbols, PyObject *value, unsigned words,
             struct sonde_py_symbol_use use)
{
    unsigned found = 0;
    PyObject *const *wrapped = sonde_py_wrapped_words(value);
    for (unsigned i = 0; i < words; i++) {
        if (wrapped[i] != NULL && PyFunction_Check(wrapped[i])) {
            sonde_py_symbols_function(symbols, wrapped[i], use);
            found++;
        } else if (wrapped[i] != NULL) {
            found += sonde_py_symbols_inside(symbols, wrapped[i], use);
        }
    }
    return found;
}

static void
list_member(struct sonde_py_symbols *symbols, PyObject *key, PyObject *value, void *arg)
{
    (void)arg;
    char buf[SONDE_PY_TEXT_BYTES], type_buf[SONDE_PY_TEXT_BYTES];
    struct sonde_py_symbol_use use = {.in_class = symbols->type_class, .name = key};
    if (!PyUnicode_Check(key)) {
        return;
    }
    if (PyFunction_Check(value)) {
        sonde_py_symbols_function(symbols, value, use);
        return;
    }
    unsigned words, found;
    use.method_type = method_type_of(value, &words);
    found = words > 0 ? list_wrapped(symbols, value, words, use)
                      : sonde_py_symbols_inside(symbols, value, use);
    if (use.method_type != NULL && found > 0) {
        return;
    }
    struct sonde_str name = sonde_py_text(key, buf);
    bool is_special = name.len > 4 && name.ptr[0] == '_' && name.ptr[1] == '_' &&
                      name.ptr[name.len - 1] == '_' && name.ptr[name.len - 2] == '_';
    bool is_field = Py_IS_TYPE(value, &PyMemberDescr_Type);
    if (is_special || (!is_field && !sonde_py_symbols_is_constant(value)) ||
        sonde_str_eq(name, SONDE_STR("_abc_impl"))) {
        return;
    }
    sonde_listing_symbol(
        symbols->listing, sonde_py_symbols_class_at(symbols, symbols->type_class)->scope,
        &(struct sonde_symbol){
            .kind = is_field ? SONDE_SYMBOL_FIELD : SONDE_SYMBOL_CONSTANT,
            .name = name,
            .type = is_field ? (struct sonde_str){"", 0}
                             : sonde_py_type_name(Py_TYPE(value), type_buf)});
}

static bool
is_local_name(struct sonde_str qualname)
{
    for (size_t i = 0; i + 8 <= qualname.len; i++) {
        if (memcmp(qualname.ptr + i, "<locals>", 8) == 0) {
            return true;
        }
    }
    return false;
}

/* What the next look will not find new. A class that came since the last listing, and whose file this one is not
 * about, stays news. False: out of memory. */
static bool
note_listed(struct sonde_py_symbols *symbols, PyTypeObject *type, bool is_listed)
{
    uint64_t key = sonde_py_type_look(type);
    if (!is_listed && !sonde_listing_is_whole(symbols->listing) &&
        sonde_py_map_get(&sonde_py_symbols_known.types, key) == NULL) {
        return true;
    }
    return sonde_py_map_put(&symbols->listed_types, key, NULL) != NULL;
}

/* Begins a class: true: its names are to be walked through. */
static bool
begin_type(struct sonde_py_symbols *symbols, PyTypeObject *type, PyObject *reference)
{
    char buf[SONDE_PY_TEXT_BYTES];
    bool is_local_phase = symbols->phase == SONDE_PY_SYMBOLS_LOCAL_TYPES;
    if (!is_made_by_statement(type) || type->tp_dict == NULL ||
        !PyDict_Check(type->tp_dict)) {
        return false;
    }
    struct sonde_str qualname =
        sonde_py_text(((PyHeapTypeObject *)type)->ht_qualname, buf);
    uint32_t file = file_of_class(symbols, type);
    bool is_listed = file != SONDE_PY_NO_FILE && qualname.len > 0 &&
                     sonde_py_symbols_file(symbols, file)->is_wanted;
    if (!is_local_phase && !note_listed(symbols, type, is_listed)) {
        symbols->failed = SONDE_E_NOMEM;
    }
    if (!is_listed) {
        return false;
    }
    if (!is_local_phase && is_local_name(qualname)) {
        PyObject **place = sonde_py_pile_add(&symbols->local_types, sizeof(*place));
        if (place != NULL) {
            *place = Py_NewRef(reference);
        }
        return false; /* the function that it stands in comes first */
    }
    uint32_t class =
        sonde_py_symbols_class(symbols, file, qualname, 0, SONDE_PY_NO_CLASS);
    if (class == SONDE_PY_NO_CLASS) {
        return false;
    }
    uint32_t line = own_first_line(type);
    struct sonde_py_symbol_class *known = sonde_py_symbols_class_at(symbols, class);
    /* One that was replaced (a module was reloaded) may live on for long. */
    if (line != 0 && line != known->first_line &&
        (known->first_line == 0 || is_reached(type, qualname))) {
        known->first_line = line;
    }
    list_supers(symbols, known->scope, type);
    list_annotated(symbols, known->scope, type);
    symbols->type_class = class;
    return true;
}

/* Goes on with the class that is walked through. */
static int
walk_type(struct sonde_py_symbols *symbols)
{
    int result = SONDE_OK;
    PyTypeObject *type = (PyTypeObject *)sonde_py_weakref_get(symbols->type);
    if (type != NULL) {
        result = sonde_py_symbols_walk(symbols, type->tp_dict, list_member, NULL);
        Py_DECREF(type);
    } else {
        symbols->walk = (struct sonde_py_dict_walk){0};
    }
    if (result == SONDE_OK) {
        Py_CLEAR(symbols->type);
    }
    return result;
}

/* Takes what is on top of the pile; with `goes_down`, puts what is derived from it there. */
static int
list_pile(struct sonde_py_symbols *symbols, struct sonde_py_pile *pile, bool goes_down)
{
    for (;;) {
        int result =
            symbols->type != NULL ? walk_type(symbols) : sonde_py_symbols_drain(symbols);
        if (result != SONDE_OK || pile->count == 0) {
            return result;
        }
        if (sonde_py_symbols_is_due(symbols)) {
            return SONDE_E_LATER;
        }
        PyObject *item = *(PyObject **)sonde_py_pile_at(pile, --pile->count);
        PyObject *type =
            PyType_Check(item) ? Py_NewRef(item) : sonde_py_weakref_get(item);
        if (type != NULL) {
            if (goes_down) {
                push_subclasses(symbols, (PyTypeObject *)type);
            }
            if (begin_type(symbols, (PyTypeObject *)type, item)) {
                symbols->type = Py_NewRef(item);
            }
            Py_DECREF(type);
        }
        Py_DECREF(item);
    }
}

int
sonde_py_symbols_types(struct sonde_py_symbols *symbols)
{
    if (symbols->at == 0) {
        symbols->at = 1;
        push_type(symbols, &PyBaseObject_Type, (PyObject *)&PyBaseObject_Type);
    }
    return list_pile(symbols, &symbols->types, true);
}

int
sonde_py_symbols_local_types(struct sonde_py_symbols *symbols)
{
    return list_pile(symbols, &symbols->local_types, false);
}
