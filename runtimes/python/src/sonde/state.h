/* SPDX-License-Identifier: Apache-2.0
 *
 * What the extension's files share: one agent in one interpreter of one process. Everything
 * here is guarded by the VM lock unless it says otherwise. */
#ifndef SONDE_PY_STATE_H
#define SONDE_PY_STATE_H

#include "compat/compat.h"
#include <sonde/agent.h>
#include <stdatomic.h>

#define SONDE_PY_WHOLE UINT32_MAX /* position of a function, as opposed to a unit of it */
#define SONDE_PY_NO_TOOL (-1)

struct sonde_py_state {
    struct sonde_agent *agent; /* NULL until started; kept after the stop */
    _Atomic bool
        is_running; /* between start and stop; relaxed: a late look does no harm */
    struct sonde_adapter adapter;
    char version[32];     /* "3.12.1" */
    unsigned parts;       /* 1 << enum sonde_py_part: what was found to hold */
    unsigned checked;     /* of those: could be looked at */
    unsigned forced;      /* of those: said to fail, by a test */
    int tool;             /* our id in sys.monitoring, or SONDE_PY_NO_TOOL */
    int watcher;          /* of code objects, or -1 */
    PyObject *monitoring; /* the module sys.monitoring; strong */
    PyObject *set_local_events, *set_events; /* its functions; strong */
    PyObject *disable;                       /* sys.monitoring.DISABLE; strong */
};

extern struct sonde_py_state sonde_py;

/* In a child that nobody told of its fork: a thread and an agent of its own. Costs one load
 * anywhere else. */
void sonde_py_look_for_fork(void);

static inline bool
sonde_py_has(enum sonde_py_part part)
{
    return (sonde_py.parts & 1u << part) != 0;
}

static inline bool
sonde_py_is_running(void)
{
    return atomic_load_explicit(&sonde_py.is_running, memory_order_relaxed);
}

/* Forgets the exception that a call of ours left. */
static inline void
sonde_py_clear_error(void)
{
    if (PyErr_Occurred() != NULL) {
        PyErr_Clear();
    }
}

#endif
