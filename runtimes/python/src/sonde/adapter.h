/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract of sonde/adapter.h for CPython: which code objects have probes, and where. How
 * the interpreter is made to tell of them is the engine's business (engine.h).
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

/* One code object with probes in it. No reference is held here. */
struct sonde_py_armed {
    PyCodeObject *code; /* NULL: a free slot of the table */
    struct sonde_py_armed_site *sites;
    uint32_t count, room;
    bool is_told; /* some site waits for the function's end */
    /* The engine's. */
    int events;  /* monitoring: set on the code object now */
    void *patch; /* rewriting: what stands in its place; own: engine */
};

/* Fills sonde_py.adapter. */
void sonde_py_adapter_init(void);

/* What is armed in a code object, or NULL. A few nanoseconds. Valid until the next arm or
 * disarm. */
struct sonde_py_armed *sonde_py_armed_of(const PyCodeObject *code);

/* Goes up whenever what sonde_py_armed_of answered may not be so any more. */
extern uint32_t sonde_py_armed_changes;

/* A code object is being freed. */
void sonde_py_code_dies(PyCodeObject *code);

/* How many code objects have a site that waits for a function's end. */
uint32_t sonde_py_told_count(void);

/* How many code objects have probes. */
size_t sonde_py_armed_count(void);

#endif
