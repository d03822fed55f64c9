/* SPDX-License-Identifier: Apache-2.0
 *
 * The fields of an object, from where the interpreter keeps them: its slots, its inline
 * values, its dictionary where one exists.
 *
 * Ctx: a hook. Nothing is made or changed. */
#ifndef SONDE_PY_FIELDS_H
#define SONDE_PY_FIELDS_H

#include "compat/compat.h"
#include <sonde/str.h>

#define SONDE_PY_BASES_MAX 16

/* A walk over an object's fields; the object must not change meanwhile. */
struct sonde_py_fields {
    PyObject *object;
    uint64_t count; /* of fields that are set */
    bool has_any;   /* the type has a place for fields at all */

    PyMemberDef *members[SONDE_PY_BASES_MAX]; /* slots, the base's first */
    unsigned member_level, member_levels;
    struct sonde_py_inline values;
    bool has_values;
    unsigned value_at;
    PyObject *dict; /* borrowed */
    Py_ssize_t dict_at;
};

void sonde_py_fields_init(struct sonde_py_fields *fields, PyObject *object);

/* The next field that is set: its name (maybe in `buf`) and its value, borrowed. */
bool sonde_py_fields_next(struct sonde_py_fields *fields, struct sonde_str *name,
                          PyObject **value, char *buf);

/* The value of a field, by its name in ASCII; borrowed, NULL when it is not set. */
PyObject *sonde_py_field(PyObject *object, struct sonde_str name);

#endif
