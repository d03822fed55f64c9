/* SPDX-License-Identifier: Apache-2.0
 *
 * What gc.freeze put aside, from CPython 3.12 on: PyUnstable_GC_VisitObjects leaves it out (3.12,
 * 3.13.0) or not (later ones); seeing it twice does no harm. */
#ifndef SONDE_PY_FROZEN_H
#define SONDE_PY_FROZEN_H

#include "compat/compat.h"

#include "internal/pycore_gc.h"
#include "internal/pycore_interp.h"

/* Include/internal/pycore_gc.h: a ring, as for each other generation. */
static inline void
sonde_py_visit_frozen(int (*visit)(PyObject *object, void *arg), void *arg)
{
    PyGC_Head *ring = &PyInterpreterState_Get()->gc.permanent_generation.head;
    PyGC_Head *at = _PyGCHead_NEXT(ring);
    while (at != ring && visit((PyObject *)(at + 1), arg)) {
        at = _PyGCHead_NEXT(at);
    }
}

#endif
