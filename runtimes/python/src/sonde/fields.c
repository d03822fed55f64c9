/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

#include "state.h"
#include "text.h"

#include <structmember.h>

/* The dictionary of an object whose type gives its place as an offset; NULL: none (yet). */
static PyObject *
dict_at_offset(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Py_ssize_t offset = type->tp_dictoffset;
    if (offset == 0 || type->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        return NULL;
    }
    if (offset < 0) {
        /* Counted from the end of an object of variable size; of those only these are known
         * to say how many items they have. */
        size_t count;
        if (PyLong_Check(object)) {
            count = sonde_py_int_size((const PyLongObject *)object);
        } else if (PyTuple_Check(object) || PyBytes_Check(object)) {
            count = (size_t)Py_SIZE(object);
        } else {
            return NULL;
        }
        offset += (Py_ssize_t)_PyObject_VAR_SIZE(type, (Py_ssize_t)count);
    }
    return *(PyObject **)((char *)object + offset);
}

/* A slot that holds an object and has a name of the application's. */
static bool
is_field(const PyMemberDef *member)
{
    return (member->type == T_OBJECT_EX || member->type == T_OBJECT) &&
           member->offset > 0 && member->name[0] != '\0' &&
           (member->name[0] != '_' || member->name[1] != '_');
}

static PyObject *
member_value(PyObject *object, const PyMemberDef *member)
{
    return is_field(member) ? *(PyObject **)((char *)object + member->offset) : NULL;
}

static bool
has_fields(const PyMemberDef *member)
{
    for (; member != NULL && member->name != NULL; member++) {
        if (is_field(member)) {
            return true;
        }
    }
    return false;
}

static void
find_members(struct sonde_py_fields *fields)
{
    PyMemberDef *found[SONDE_PY_BASES_MAX];
    unsigned count = 0;
    PyTypeObject *type = Py_TYPE(fields->object);
    for (; type != NULL && count < SONDE_PY_BASES_MAX; type = type->tp_base) {
        if (has_fields(type->tp_members)) {
            found[count++] = type->tp_members;
        }
    }
    fields->member_levels = count;
    for (unsigned i = 0; i < count; i++) {
        fields->members[i] = found[count - 1 - i];
        for (PyMemberDef *member = fields->members[i]; member->name != NULL; member++) {
            fields->count += member_value(fields->object, member) != NULL;
        }
    }
}

void
sonde_py_fields_init(struct sonde_py_fields *fields, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    fields->object = object;
    fields->count = 0;
    fields->member_level = 0;
    fields->value_at = 0;
    fields->dict_at = 0;
    fields->dict = NULL;
    fields->has_values = false;
    find_members(fields);
    fields->has_any = fields->member_levels > 0 || type->tp_dictoffset != 0;
    if (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        if (!sonde_py_has(SONDE_PY_PART_INLINE_VALUES)) {
            fields->has_any = fields->member_levels > 0;
            return;
        }
        fields->has_any = true;
        fields->has_values = sonde_py_inline_values(object, &fields->values);
        if (fields->has_values) {
            fields->count += fields->values.count;
            return;
        }
        fields->dict = sonde_py_managed_dict(object);
    } else {
        fields->dict = dict_at_offset(object);
    }
    if (fields->dict != NULL && !PyDict_Check(fields->dict)) {
        fields->dict = NULL;
    }
    if (fields->dict != NULL) {
        fields->count += (uint64_t)PyDict_GET_SIZE(fields->dict);
    }
}

static bool
next_member(struct sonde_py_fields *fields, struct sonde_str *name, PyObject **value)
{
    while (fields->member_level < fields->member_levels) {
        PyMemberDef *member = fields->members[fields->member_level]++;
        if (member->name == NULL) {
            fields->member_level++;
            continue;
        }
        *value = member_value(fields->object, member);
        if (*value != NULL) {
            *name = sonde_str_from(member->name);
            return true;
        }
    }
    return false;
}

static bool
next_value(struct sonde_py_fields *fields, struct sonde_str *name, PyObject **value,
           char *buf)
{
    while (fields->has_values && fields->value_at < fields->values.count) {
        PyObject *key = NULL;
        *value = sonde_py_inline_at(&fields->values, fields->value_at++, &key);
        if (*value != NULL) {
            *name = sonde_py_text(key, buf);
            return true;
        }
    }
    return false;
}

bool
sonde_py_fields_next(struct sonde_py_fields *fields, struct sonde_str *name,
                     PyObject **value, char *buf)
{
    if (next_member(fields, name, value) || next_value(fields, name, value, buf)) {
        return true;
    }
    PyObject *key;
    while (fields->dict != NULL &&
           PyDict_Next(fields->dict, &fields->dict_at, &key, value)) {
        if (PyUnicode_Check(key)) {
            *name = sonde_py_text(key, buf);
            return true;
        }
    }
    return false;
}

PyObject *
sonde_py_field(PyObject *object, struct sonde_str name)
{
    char buf[SONDE_PY_TEXT_BYTES];
    struct sonde_py_fields fields;
    struct sonde_str key;
    PyObject *value;
    sonde_py_fields_init(&fields, object);
    while (sonde_py_fields_next(&fields, &key, &value, buf)) {
        if (sonde_str_eq(key, name)) {
            return value;
        }
    }
    return NULL;
}
