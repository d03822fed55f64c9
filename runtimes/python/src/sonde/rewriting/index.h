/* SPDX-License-Identifier: Apache-2.0
 *
 * What rewriting/code_index.c offers beyond code_index.h.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_REWRITING_INDEX_H
#define SONDE_PY_REWRITING_INDEX_H

#include "compat/compat.h"

/* Lets go of what the last walk found. For sonde_py_engine_rest(). */
void sonde_py_index_rest(void);

/* Walks, unless that was done in this safe point: who holds what. False: out of memory. */
bool sonde_py_index_find_holders(void);

/* A code object was made since then. False: out of memory. */
bool sonde_py_index_add_holder(PyCodeObject *code);

/* Calls `visit` with each function that has the code, or one that stands in its place, and each
 * code object with such a one among its constants; as they were found, borrowed. */
void sonde_py_index_each_holder(const PyCodeObject *original,
                                void (*visit)(PyObject *object, void *arg), void *arg);

/* The code object that is about to run for the first time, while the agent is told of it;
 * borrowed. NULL at any other time. */
PyCodeObject *sonde_py_index_arriving(void);

/* The qualified name that the walk found; borrowed until it is let go. NULL: not known. */
PyObject *sonde_py_index_qualname(const PyCodeObject *code);

/* Whether a function's __qualname__ (NULL is allowed) can be that of its code. */
bool sonde_py_is_qualname_of(PyObject *qualname, const PyCodeObject *code);

/* The qualified name of what stands in the constants of `outer`. New; NULL: out of memory. Leaves
 * no exception. */
PyObject *sonde_py_nested_qualname(const PyCodeObject *outer, PyObject *outer_name,
                                   const PyCodeObject *code);

#endif
