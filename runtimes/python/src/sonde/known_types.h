/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of C modules whose objects we read by their layout: learned when their module is
 * loaded, by making an object of our own and reading it. Nothing is imported for it. */
#ifndef SONDE_PY_KNOWN_TYPES_H
#define SONDE_PY_KNOWN_TYPES_H

#include "compat/compat.h"

enum sonde_py_known {
    SONDE_PY_KNOWN_NONE,
    SONDE_PY_KNOWN_ORDERED_DICT,
    SONDE_PY_KNOWN_DEQUE,
    SONDE_PY_KNOWN_DECIMAL,
    SONDE_PY_KNOWN_ARRAY,
    SONDE_PY_KNOWN_NDARRAY,
    SONDE_PY_KNOWN_NUMPY_SCALAR,
};

struct sonde_py_known_type {
    PyTypeObject *type; /* strong */
    enum sonde_py_known kind;
    unsigned char number; /* of a numpy scalar: its dtype's */
};

/* Looks for what is loaded by now and not learned yet. It makes objects of those types.
 * Ctx: VM lock, a thread of ours, no exception set. */
void sonde_py_known_look(void);

/* What is known of a type that no class statement made; NULL: nothing. Asks for another look
 * when the type is one that could be learned. Ctx: a hook. */
const struct sonde_py_known_type *sonde_py_known(PyTypeObject *native);

/* The type from which instances get their storage: the first that no class statement made.
 * Ctx: a hook. */
PyTypeObject *sonde_py_native_base(PyTypeObject *type);

#endif
