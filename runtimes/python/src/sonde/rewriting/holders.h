/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts another code object in the place of one, with whoever holds it (index.h): functions, and
 * code in whose constants it stands.
 *
 * Ctx: VM lock, which must not be given up between the walk and sonde_py_index_rest. */
#ifndef SONDE_PY_HOLDERS_H
#define SONDE_PY_HOLDERS_H

#include "compat/compat.h"

/* Wherever `original` or a code object that stands in its place is held, `code` is from now on.
 * After sonde_py_index_find_holders. Allocates and frees nothing that the application could
 * notice; never fails. The references that were held are given back by sonde_py_stand_ins_rest. */
void sonde_py_holders_replace(PyCodeObject *original, PyCodeObject *code);

#endif
