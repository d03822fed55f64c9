/* SPDX-License-Identifier: Apache-2.0
 *
 * What rewritten code tells (rewrite.h): an object of a type of ours that knows its stand-in and
 * place. */
#ifndef SONDE_PY_HOOKS_H
#define SONDE_PY_HOOKS_H

#include "rewriting/stand_ins.h"

enum sonde_py_hook_kind {
    SONDE_PY_HOOK_LINE,
    SONDE_PY_HOOK_ENTRY,
    SONDE_PY_HOOK_RETURN,
    SONDE_PY_HOOK_UNWIND,
    SONDE_PY_HOOK_SUSPEND,
    SONDE_PY_HOOK_RESUME,
};

bool sonde_py_hooks_init(void);

/* New, with a reference to the stand-in; NULL without an exception when out of memory. */
PyObject *sonde_py_hook_new(enum sonde_py_hook_kind kind, uint32_t unit,
                            struct sonde_py_stand_in *stand_in);

/* The stand-in of a hook; NULL for any other object. Borrowed. */
struct sonde_py_stand_in *sonde_py_hook_stand_in(PyObject *object);

#endif
