/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract of sonde/adapter.h for CPython: arming through sys.monitoring. A line is an
 * INSTRUCTION event at the few instructions where it begins; a function is PY_START and
 * PY_RETURN on its code object, with PY_UNWIND for the whole interpreter only while some
 * function's end is waited for.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_ADAPTER_H
#define SONDE_PY_ADAPTER_H

#include "compat/compat.h"
#include <sonde/agent.h>

struct sonde_py_armed_site {
    uint32_t position; /* a unit, or SONDE_PY_WHOLE */
    struct sonde_site *site;
};

/* One code object with probes in it. No reference is held. */
struct sonde_py_armed {
    PyCodeObject *code; /* NULL: a free slot of the table */
    struct sonde_py_armed_site *sites;
    uint32_t count, room;
    int events;   /* set on the code object now */
    bool is_told; /* PY_UNWIND is of interest: some site waits for the function's end */
};

/* Fills sonde_py.adapter. */
void sonde_py_adapter_init(void);

/* Gives back what arming needed, tool id included. */
void sonde_py_adapter_stop(void);

/* What is armed in a code object, or NULL. A few nanoseconds. Valid until the next arm or
 * disarm. */
struct sonde_py_armed *sonde_py_armed_of(const PyCodeObject *code);

/* A code object is being freed. */
void sonde_py_code_dies(PyCodeObject *code);

/* How many code objects have probes. */
size_t sonde_py_armed_count(void);

#endif
