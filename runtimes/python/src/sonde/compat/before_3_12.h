/* SPDX-License-Identifier: Apache-2.0
 *
 * What CPython 3.9, 3.10 and 3.11 have in common. See compat.h for the list of facts. */
#ifndef SONDE_PY_BEFORE_3_12_H
#define SONDE_PY_BEFORE_3_12_H

#include "internal/pycore_gc.h"
#include "internal/pycore_interp.h"

#include <structmember.h>

/* Include/longintrepr.h: the sign is that of the object's size. */
static inline size_t
sonde_py_int_size(const PyLongObject *number)
{
    Py_ssize_t size = Py_SIZE(number);
    return (size_t)(size < 0 ? -size : size);
}

static inline bool
sonde_py_int_is_negative(const PyLongObject *number)
{
    return Py_SIZE(number) < 0;
}

static inline const digit *
sonde_py_int_digits(const PyLongObject *number)
{
    return number->ob_digit;
}

/* pycore_gc.h: a ring for each generation, and one for what gc.freeze put aside. While a
 * collection runs code of the application, only garbage is in no ring. */
static inline bool
sonde_py_visit_ring(PyGC_Head *ring, int (*visit)(PyObject *object, void *arg), void *arg)
{
    for (PyGC_Head *at = _PyGCHead_NEXT(ring); at != ring; at = _PyGCHead_NEXT(at)) {
        if (!visit((PyObject *)(at + 1), arg)) {
            return false;
        }
    }
    return true;
}

static inline void
sonde_py_visit_rings(int (*visit)(PyObject *object, void *arg), void *arg)
{
    struct _gc_runtime_state *gc = &PyInterpreterState_Get()->gc;
    bool goes_on = true;
    for (int i = 0; i < NUM_GENERATIONS && goes_on; i++) {
        goes_on = sonde_py_visit_ring(&gc->generations[i].head, visit, arg);
    }
    if (goes_on) {
        sonde_py_visit_ring(&gc->permanent_generation.head, visit, arg);
    }
}

#if PY_VERSION_HEX < 0x030a0000
static inline int
PyGC_Disable(void)
{
    struct _gc_runtime_state *gc = &PyInterpreterState_Get()->gc;
    int was_enabled = gc->enabled;
    gc->enabled = 0;
    return was_enabled;
}

static inline int
PyGC_Enable(void)
{
    struct _gc_runtime_state *gc = &PyInterpreterState_Get()->gc;
    int was_enabled = gc->enabled;
    gc->enabled = 1;
    return was_enabled;
}
#endif

#endif
