/* SPDX-License-Identifier: Apache-2.0
 *
 * Who holds a code object, so that another can be put in its place: functions, and code in
 * whose constants it stands. Found by one walk of the heap that all changes of a safe point
 * share; meanwhile the collector rests, so that nothing which was found dies.
 *
 * Ctx: VM lock, which must not be given up between the walk and sonde_py_holders_rest. */
#ifndef SONDE_PY_HOLDERS_H
#define SONDE_PY_HOLDERS_H

#include "compat/compat.h"

/* Walks, unless that is done. False: out of memory. */
bool sonde_py_holders_find(void);

/* A code object was made since the walk. False: out of memory. */
bool sonde_py_holders_add(PyCodeObject *code);

/* Wherever `original` or a code object that stands in its place is held, `code` is from now on.
 * Allocates and frees nothing that the application could notice; never fails. The references
 * that were held are given back by sonde_py_holders_rest. */
void sonde_py_holders_replace(PyCodeObject *original, PyCodeObject *code);

/* Forgets all. */
void sonde_py_holders_rest(void);

#endif
