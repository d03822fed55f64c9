/* SPDX-License-Identifier: Apache-2.0
 *
 * Qualified names on CPython 3.9 and 3.10, where functions have them and code objects do not. A
 * name that was found is kept with its code object (rewriting/code_note.h). For a frame whose
 * code has none, the function is looked for once, where functions are: in the class of its first
 * argument, then in the module that it belongs to. Nothing of the application is called. */
#include "compat/compat.h"

#if !SONDE_PY_HAS_CODE_QUALNAME

#    include "rewriting/code_note.h"
#    include "rewriting/index.h"
#    include "rewriting/stand_ins.h"
#    include "text.h"

#    define LOOKS_MAX 6000 /* some ten microseconds, once for each code object */
#    define CLASS_DEPTH_MAX 3
#    define WRAP_DEPTH_MAX 6
#    define NEST_DEPTH_MAX 8

struct look {
    const PyCodeObject *code; /* whose name is wanted */
    PyObject *found;          /* strong */
    int looks_left;           /* so that no module is too large */
};

static bool
is_over(struct look *look)
{
    return look->found != NULL || look->looks_left-- <= 0;
}

/* Down to the code whose name is wanted; path[] gets what is on the way to it, itself last. The
 * number of these, 0: it is not there. */
static int
find_nested(struct look *look, PyCodeObject *code, PyCodeObject **path, int depth)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++) {
        PyObject *item = PyTuple_GET_ITEM(code->co_consts, i);
        if (!PyCode_Check(item) || is_over(look)) {
            continue;
        }
        path[depth] = sonde_py_original_of((PyCodeObject *)item);
        if (path[depth] == look->code) {
            return depth + 1;
        }
        int count = depth + 1 < NEST_DEPTH_MAX
                        ? find_nested(look, path[depth], path, depth + 1)
                        : 0;
        if (count > 0) {
            return count;
        }
    }
    return 0;
}

static void
look_in_code(struct look *look, PyCodeObject *code, PyObject *qualname)
{
    PyCodeObject *path[NEST_DEPTH_MAX];
    int count = code != look->code ? find_nested(look, code, path, 0) : 0;
    if (code != look->code && count == 0) {
        return;
    }
    PyObject *name = Py_NewRef(qualname);
    for (int i = 0; i < count && name != NULL; i++) {
        PyObject *inner =
            sonde_py_nested_qualname(i == 0 ? code : path[i - 1], name, path[i]);
        Py_DECREF(name);
        name = inner;
    }
    look->found = name;
}

/* What is wrapped by static and class methods (Objects/funcobject.c: the callable comes first)
 * and by properties (Objects/descrobject.c: getter, setter, deleter). */
static int
wrapped_count(PyObject *object)
{
    if (Py_IS_TYPE(object, &PyStaticMethod_Type) ||
        Py_IS_TYPE(object, &PyClassMethod_Type)) {
        return 1;
    }
    return Py_IS_TYPE(object, &PyProperty_Type) ? 3 : 0;
}

static void
look_in_value(struct look *look, PyObject *value, int depth)
{
    if (value == NULL || depth > WRAP_DEPTH_MAX || is_over(look)) {
        return;
    }
    if (!PyFunction_Check(value)) {
        int count = wrapped_count(value);
        PyObject **wrapped = (PyObject **)(value + 1);
        for (int i = 0; i < count; i++) {
            look_in_value(look, wrapped[i], depth + 1);
        }
        return;
    }
    PyFunctionObject *function = (PyFunctionObject *)value;
    PyCodeObject *code = sonde_py_original_of((PyCodeObject *)function->func_code);
    if (sonde_py_is_qualname_of(function->func_qualname, code)) {
        look_in_code(look, code, function->func_qualname);
    }
    /* A decorator keeps the function that it took in a cell. */
    PyObject *closure = function->func_closure;
    for (Py_ssize_t i = 0; closure != NULL && i < PyTuple_GET_SIZE(closure); i++) {
        PyObject *cell = PyTuple_GET_ITEM(closure, i);
        PyObject *inside = PyCell_Check(cell) ? PyCell_GET(cell) : NULL;
        if (inside != NULL && (PyFunction_Check(inside) || wrapped_count(inside) > 0)) {
            look_in_value(look, inside, depth + 1);
        }
    }
}

static void
look_in_dict(struct look *look, PyObject *dict, int depth)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (dict == NULL || !PyDict_Check(dict)) {
        return;
    }
    while (PyDict_Next(dict, &at, &key, &value) && !is_over(look)) {
        look_in_value(look, value, 0);
        if (depth < CLASS_DEPTH_MAX && PyType_Check(value) &&
            ((PyTypeObject *)value)->tp_flags & Py_TPFLAGS_HEAPTYPE) {
            look_in_dict(look, ((PyTypeObject *)value)->tp_dict, depth + 1);
        }
    }
}

static void
look_in_class(struct look *look, PyTypeObject *type)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro != NULL && i < PyTuple_GET_SIZE(mro); i++) {
        PyObject *base = PyTuple_GET_ITEM(mro, i);
        if (PyType_Check(base) &&
            ((PyTypeObject *)base)->tp_flags & Py_TPFLAGS_HEAPTYPE) {
            look_in_dict(look, ((PyTypeObject *)base)->tp_dict, CLASS_DEPTH_MAX);
        }
    }
}

/* New, or NULL. */
static PyObject *
look_for(const sonde_py_frame *frame, const PyCodeObject *code)
{
    struct look look = {.code = code, .looks_left = LOOKS_MAX};
    if (!(code->co_flags & CO_OPTIMIZED)) {
        /* The body of a class begins with setting this. */
        PyObject *name = sonde_py_dict_find(frame->f_locals, SONDE_STR("__qualname__"));
        return sonde_py_is_qualname_of(name, code) ? Py_NewRef(name) : NULL;
    }
    if (frame->f_gen != NULL) {
        PyObject *name = ((PyGenObject *)frame->f_gen)->gi_qualname;
        if (sonde_py_is_qualname_of(name, code)) {
            return Py_NewRef(name);
        }
    }
    PyObject *first =
        code->co_argcount > 0 ? sonde_py_frame_variable(frame, code, 0) : NULL;
    if (first != NULL) {
        look_in_class(&look,
                      PyType_Check(first) ? (PyTypeObject *)first : Py_TYPE(first));
    }
    look.looks_left = LOOKS_MAX;
    look_in_dict(&look, frame->f_globals, 0);
    return look.found;
}

PyObject *
sonde_py_code_qualname(const PyCodeObject *code)
{
    const struct sonde_py_note *note = sonde_py_note_of(code);
    PyObject *name = note != NULL ? note->qualname : NULL;
    if (name == NULL) {
        name = sonde_py_index_qualname(code);
    }
    return name != NULL ? name : code->co_name;
}

PyObject *
sonde_py_frame_qualname(const sonde_py_frame *frame, PyCodeObject *code)
{
    struct sonde_py_note *note = sonde_py_note_make(code);
    if (note == NULL) {
        return code->co_name;
    }
    if (note->qualname == NULL && !note->is_looked_for) {
        PyCodeObject *original = sonde_py_original_of(code);
        const struct sonde_py_note *known = sonde_py_note_of(original);
        note->is_looked_for = true;
        note->qualname = known != NULL && known->qualname != NULL
                             ? Py_NewRef(known->qualname)
                             : look_for(frame, original);
    }
    return note->qualname != NULL ? note->qualname : code->co_name;
}

void
sonde_py_keep_qualname(PyCodeObject *code)
{
    PyObject *name = sonde_py_index_qualname(code);
    struct sonde_py_note *note = name != NULL ? sonde_py_note_make(code) : NULL;
    if (note != NULL && note->qualname == NULL) {
        note->qualname = Py_NewRef(name);
    }
}

#endif
