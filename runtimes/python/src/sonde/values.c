/* SPDX-License-Identifier: Apache-2.0
 *
 * A value is read by what its type is made of: the flags and bases that the interpreter
 * itself goes by, never by what an object says of itself. An instance of a subclass is read
 * from the storage of its built-in base. */
#include "values.h"

#include "containers.h"
#include "decimals.h"
#include "fields.h"
#include "known_types.h"
#include "ndarrays.h"
#include "python_types.h"
#include "scalars.h"
#include "state.h"
#include "text.h"

#include <structmember.h> /* PyMemberDef; Python.h has it since 3.12 */

#define FIELDS_ASKED 32

/* --- Containers ----------------------------------------------------------------------------- */

static void
write_sequence(struct sonde_tape *tape, struct sonde_str type, PyObject *const *items,
               Py_ssize_t count)
{
    if (!sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, type, (uint64_t)count)) {
        return;
    }
    for (Py_ssize_t i = 0; i < count && sonde_tape_next(tape); i++) {
        sonde_py_write_value(tape, items[i]);
    }
    sonde_tape_close(tape);
}

/* The names of a named tuple, which its class keeps; NULL: it is a plain one. */
static PyObject *
tuple_fields(PyTypeObject *type, Py_ssize_t count)
{
    for (; type != NULL && type != &PyTuple_Type && type->tp_flags & Py_TPFLAGS_HEAPTYPE;
         type = type->tp_base) {
        PyObject *fields = sonde_py_dict_find(type->tp_dict, SONDE_STR("_fields"));
        if (fields != NULL) {
            return PyTuple_CheckExact(fields) && PyTuple_GET_SIZE(fields) == count
                       ? fields
                       : NULL;
        }
    }
    return NULL;
}

/* The name of an item of what C calls a struct sequence: its members stand where a tuple's
 * items do. NULL: it has none. */
static const char *
item_name(PyTypeObject *type, Py_ssize_t i)
{
    const PyMemberDef *member = type->tp_members;
    Py_ssize_t wanted =
        (Py_ssize_t)offsetof(PyTupleObject, ob_item) + i * (Py_ssize_t)sizeof(PyObject *);
    for (; member != NULL && member->name != NULL; member++) {
        if (member->offset == wanted) {
            return member->name;
        }
    }
    return NULL;
}

static bool
has_item_names(PyTypeObject *type, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        if (item_name(type, i) == NULL) {
            return false;
        }
    }
    return count > 0;
}

static void
write_tuple(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    char buf[SONDE_PY_TEXT_BYTES];
    PyTypeObject *made_of = Py_TYPE(value);
    PyObject *const *items = ((PyTupleObject *)value)->ob_item;
    Py_ssize_t count = PyTuple_GET_SIZE(value);
    PyObject *names = made_of == &PyTuple_Type ? NULL : tuple_fields(made_of, count);
    if (names == NULL && (made_of == &PyTuple_Type || !has_item_names(made_of, count))) {
        write_sequence(tape, type, items, count);
        return;
    }
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, (uint64_t)count)) {
        return;
    }
    for (Py_ssize_t i = 0; i < count && sonde_tape_next(tape); i++) {
        sonde_tape_name(tape, names != NULL
                                  ? sonde_py_text(PyTuple_GET_ITEM(names, i), buf)
                                  : sonde_str_from(item_name(made_of, i)));
        sonde_py_write_value(tape, items[i]);
    }
    sonde_tape_close(tape);
}

static void
write_dict(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    PyObject *key, *item;
    Py_ssize_t at = 0;
    uint64_t count = (uint64_t)PyDict_GET_SIZE(value);
    if (!sonde_tape_open(tape, SONDE_SHAPE_ENTRIES, type, count)) {
        return;
    }
    while (PyDict_Next(value, &at, &key, &item) && sonde_tape_next(tape)) {
        sonde_py_write_value(tape, key);
        sonde_py_write_value(tape, item);
    }
    sonde_tape_close(tape);
}

/* The keys or the values of a dictionary. */
static void
write_half(struct sonde_tape *tape, struct sonde_str type, PyObject *dict, bool is_keys)
{
    PyObject *key, *item;
    Py_ssize_t at = 0;
    if (!sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, type,
                         (uint64_t)PyDict_GET_SIZE(dict))) {
        return;
    }
    while (PyDict_Next(dict, &at, &key, &item) && sonde_tape_next(tape)) {
        sonde_py_write_value(tape, is_keys ? key : item);
    }
    sonde_tape_close(tape);
}

static void
write_set(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    const PySetObject *set = (const PySetObject *)value;
    if (!sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, type, (uint64_t)set->used)) {
        return;
    }
    for (Py_ssize_t i = 0; i <= set->mask; i++) {
        const setentry *entry = &set->table[i];
        if (entry->key == NULL || entry->hash == -1) {
            continue; /* free, or given up */
        }
        if (!sonde_tape_next(tape)) {
            break;
        }
        sonde_py_write_value(tape, entry->key);
    }
    sonde_tape_close(tape);
}

/* --- Objects -------------------------------------------------------------------------------- */

static void
write_field(struct sonde_tape *tape, struct sonde_str name, PyObject *value)
{
    sonde_tape_name(tape, name);
    sonde_py_write_value(tape, value);
}

static void
write_fields(struct sonde_tape *tape, struct sonde_py_fields *fields)
{
    char buf[SONDE_PY_TEXT_BYTES];
    struct sonde_str name;
    PyObject *value;
    while (sonde_py_fields_next(fields, &name, &value, buf)) {
        if (!sonde_tape_next(tape)) {
            break;
        }
        write_field(tape, name, value);
    }
}

static void
write_object(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    struct sonde_py_fields fields;
    sonde_py_fields_init(&fields, value);
    if (!fields.has_any) {
        sonde_py_write_opaque(tape, type, value);
        return;
    }
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, fields.count)) {
        return;
    }
    write_fields(tape, &fields);
    sonde_tape_close(tape);
}

/* A class made by enum's metaclass, whatever else it derives from. */
static bool
is_enum(PyTypeObject *type)
{
    PyTypeObject *meta = Py_TYPE(type);
    if (meta == &PyType_Type) {
        return false;
    }
    for (; meta != NULL && meta != &PyType_Type; meta = meta->tp_base) {
        PyObject *name = meta->tp_flags & Py_TPFLAGS_HEAPTYPE
                             ? ((PyHeapTypeObject *)meta)->ht_name
                             : NULL;
        if (sonde_py_text_is(name, SONDE_STR("EnumType")) ||
            sonde_py_text_is(name, SONDE_STR("EnumMeta"))) { /* before 3.11 */
            return true;
        }
    }
    return false;
}

/* False: it has not what a member of an enumeration has. */
static bool
try_write_enum(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    PyObject *name = sonde_py_field(value, SONDE_STR("_name_"));
    PyObject *inner = sonde_py_field(value, SONDE_STR("_value_"));
    /* Before 3.11 a member that is made of several flags has no name. */
    if (name == NULL || inner == NULL || !(PyUnicode_Check(name) || name == Py_None)) {
        return false;
    }
    if (sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, 2)) {
        if (sonde_tape_next(tape)) {
            write_field(tape, SONDE_STR("name"), name);
        }
        if (sonde_tape_next(tape)) {
            write_field(tape, SONDE_STR("value"), inner);
        }
        sonde_tape_close(tape);
    }
    return true;
}

static void
write_exception(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    struct sonde_py_fields fields;
    sonde_py_fields_init(&fields, value);
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, fields.count + 1)) {
        return;
    }
    if (sonde_tape_next(tape)) {
        write_field(tape, SONDE_STR("args"), ((PyBaseExceptionObject *)value)->args);
    }
    write_fields(tape, &fields);
    sonde_tape_close(tape);
}

/* --- Any value ------------------------------------------------------------------------------ */

/* A dictionary, in its own order. */
static void
write_mapping(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    if (Py_TYPE(value) != &PyDict_Type) {
        const struct sonde_py_known_type *known =
            sonde_py_known(sonde_py_native_base(Py_TYPE(value)));
        if (known != NULL && known->kind == SONDE_PY_KNOWN_ORDERED_DICT) {
            sonde_py_write_ordered_dict(tape, type, value);
            return;
        }
    }
    write_dict(tape, type, value);
}

/* The kinds that a flag of their type tells. False: none of them. */
static bool
try_write_flagged(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    unsigned long flags = Py_TYPE(value)->tp_flags;
    if (flags & Py_TPFLAGS_LONG_SUBCLASS) {
        sonde_py_write_int(tape, type, value);
    } else if (flags & Py_TPFLAGS_UNICODE_SUBCLASS) {
        sonde_tape_text(tape, type, sonde_py_text_encoding(value), PyUnicode_DATA(value),
                        (size_t)PyUnicode_GET_LENGTH(value));
    } else if (flags & Py_TPFLAGS_LIST_SUBCLASS) {
        write_sequence(tape, type, ((PyListObject *)value)->ob_item,
                       PyList_GET_SIZE(value));
    } else if (flags & Py_TPFLAGS_DICT_SUBCLASS) {
        write_mapping(tape, type, value);
    } else if (flags & Py_TPFLAGS_TUPLE_SUBCLASS) {
        write_tuple(tape, type, value);
    } else if (flags & Py_TPFLAGS_BYTES_SUBCLASS) {
        sonde_tape_text(tape, type, SONDE_ENCODING_BYTES, PyBytes_AS_STRING(value),
                        (size_t)PyBytes_GET_SIZE(value));
    } else if (flags & Py_TPFLAGS_BASE_EXC_SUBCLASS) {
        write_exception(tape, type, value);
    } else if (flags & Py_TPFLAGS_TYPE_SUBCLASS) {
        sonde_py_write_qualified(tape, type, value);
    } else {
        return false;
    }
    return true;
}

/* What is read by a layout that was learned. False: nothing of the kind. */
static bool
try_write_known(struct sonde_tape *tape, struct sonde_str type, PyTypeObject *base,
                PyObject *value)
{
    const struct sonde_py_known_type *known = sonde_py_known(base);
    switch (known != NULL ? known->kind : SONDE_PY_KNOWN_NONE) {
    case SONDE_PY_KNOWN_DEQUE:
        sonde_py_write_deque(tape, type, value);
        return true;
    case SONDE_PY_KNOWN_DECIMAL:
        sonde_py_write_decimal(tape, type, value);
        return true;
    case SONDE_PY_KNOWN_ARRAY:
        sonde_py_write_array(tape, type, base, value);
        return true;
    case SONDE_PY_KNOWN_NDARRAY:
        sonde_py_write_ndarray(tape, type, value);
        return true;
    case SONDE_PY_KNOWN_NUMPY_SCALAR:
        sonde_py_write_numpy_scalar(tape, type, known->number, value);
        return true;
    default:
        return false;
    }
}

/* Views of a dictionary. */
static bool
try_write_view(struct sonde_tape *tape, struct sonde_str type, PyTypeObject *base,
               PyObject *value)
{
    PyObject *dict = sonde_py_viewed_dict(base, value);
    if (dict == NULL) {
        return false;
    }
    if (base == &PyDictKeys_Type || base == &PyDictValues_Type) {
        write_half(tape, type, dict, base == &PyDictKeys_Type);
    } else {
        write_mapping(tape, type, dict);
    }
    return true;
}

static void
write_other(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    PyTypeObject *base = sonde_py_native_base(Py_TYPE(value));
    if (base == &PyFloat_Type) {
        sonde_tape_float(tape, type, PyFloat_AS_DOUBLE(value));
    } else if (base == &PyComplex_Type) {
        sonde_py_write_complex(tape, type, ((PyComplexObject *)value)->cval);
    } else if (base == &PySet_Type || base == &PyFrozenSet_Type) {
        write_set(tape, type, value);
    } else if (base == &PyByteArray_Type) {
        sonde_tape_text(tape, type, SONDE_ENCODING_BYTES, PyByteArray_AS_STRING(value),
                        (size_t)PyByteArray_GET_SIZE(value));
    } else if (base == &PyMemoryView_Type) {
        sonde_py_write_memoryview(tape, type, value);
    } else if (sonde_py_is_qualified(base)) {
        sonde_py_write_qualified(tape, type, value);
    } else if (!sonde_py_try_write_standard(tape, type, base, value) &&
               (base == &PyBaseObject_Type ||
                (!sonde_py_try_write_date(tape, type, base, value) &&
                 !try_write_known(tape, type, base, value) &&
                 !try_write_view(tape, type, base, value)))) {
        write_object(tape, type, value);
    }
}

void
sonde_py_write_value(struct sonde_tape *tape, PyObject *value)
{
    char buf[SONDE_PY_TEXT_BYTES];
    if (value == NULL) {
        sonde_tape_skip(tape, SONDE_STR(""), SONDE_REASON_UNREADABLE);
        return;
    }
    if (value == Py_None) {
        sonde_tape_null(tape, SONDE_STR("NoneType"));
        return;
    }
    if (Py_IS_TYPE(value, &PyBool_Type)) {
        sonde_tape_number(tape, SONDE_STR("bool"),
                          value == Py_True ? SONDE_STR("true") : SONDE_STR("false"));
        return;
    }
    struct sonde_str type = sonde_py_type_name(Py_TYPE(value), buf);
    if (is_enum(Py_TYPE(value)) && try_write_enum(tape, type, value)) {
        return;
    }
    if (!try_write_flagged(tape, type, value)) {
        write_other(tape, type, value);
    }
}

/* --- The message of an exception ------------------------------------------------------------ */

/* "[Errno 2] No such file or directory: '/x'", as OSError says it. */
static bool
try_write_os_error(struct sonde_tape *tape, PyObject *exception)
{
    if (!PyType_IsSubtype(Py_TYPE(exception), (PyTypeObject *)PyExc_OSError)) {
        return false;
    }
    const PyOSErrorObject *error = (const PyOSErrorObject *)exception;
    char text[3 * SONDE_PY_TEXT_BYTES], what[SONDE_PY_TEXT_BYTES],
        file[SONDE_PY_TEXT_BYTES];
    if (error->myerrno == NULL || !PyLong_CheckExact(error->myerrno) ||
        error->strerror == NULL || !PyUnicode_CheckExact(error->strerror)) {
        return false;
    }
    struct sonde_str name = sonde_py_text(error->filename, file);
    struct sonde_str reason = sonde_py_text(error->strerror, what);
    int overflow;
    int len = snprintf(text, sizeof(text), "[Errno %ld] %.*s%s%.*s%s",
                       PyLong_AsLongAndOverflow(error->myerrno, &overflow),
                       (int)reason.len, reason.ptr, name.len > 0 ? ": '" : "",
                       (int)name.len, name.ptr, name.len > 0 ? "'" : "");
    if (len <= 0) {
        return false;
    }
    sonde_tape_text(tape, SONDE_STR("str"), SONDE_ENCODING_UTF8, text,
                    (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
    return true;
}

/* Whether a field is more than None: StopIteration() has one that is not. Only the first few
 * are asked. */
static bool
says_something(PyObject *exception)
{
    char buf[SONDE_PY_TEXT_BYTES];
    struct sonde_py_fields fields;
    struct sonde_str name;
    PyObject *value;
    sonde_py_fields_init(&fields, exception);
    for (int i = 0; i < FIELDS_ASKED && sonde_py_fields_next(&fields, &name, &value, buf);
         i++) {
        if (value != Py_None) {
            return true;
        }
    }
    return false;
}

static bool
has_text(PyObject *args)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        if (PyUnicode_Check(PyTuple_GET_ITEM(args, i))) {
            return true;
        }
    }
    return false;
}

/* An exception that was made with keywords, as FastAPI's HTTPException, or whose class keeps
 * nothing in args, as werkzeug's, has its message in its fields. */
static bool
is_told_by_fields(PyObject *exception, PyObject *args)
{
    bool is_of_python = Py_TYPE(exception)->tp_flags & Py_TPFLAGS_HEAPTYPE;
    return (PyTuple_GET_SIZE(args) == 0 || (is_of_python && !has_text(args))) &&
           says_something(exception);
}

void
sonde_py_write_message(struct sonde_tape *tape, PyObject *exception)
{
    char buf[SONDE_PY_TEXT_BYTES];
    if (!PyExceptionInstance_Check(exception)) {
        return;
    }
    PyObject *args = ((PyBaseExceptionObject *)exception)->args;
    if (try_write_os_error(tape, exception) || args == NULL ||
        !PyTuple_CheckExact(args)) {
        return;
    }
    if (is_told_by_fields(exception, args)) {
        write_object(tape, sonde_py_type_name(Py_TYPE(exception), buf), exception);
        return;
    }
    if (PyTuple_GET_SIZE(args) == 0) {
        return;
    }
    bool is_syntax =
        PyType_IsSubtype(Py_TYPE(exception), (PyTypeObject *)PyExc_SyntaxError);
    if (PyTuple_GET_SIZE(args) == 1 || is_syntax) {
        sonde_py_write_value(tape, PyTuple_GET_ITEM(args, 0));
    } else {
        sonde_py_write_value(tape, args);
    }
}
