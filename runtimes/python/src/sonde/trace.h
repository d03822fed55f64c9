/* SPDX-License-Identifier: Apache-2.0
 *
 * The active trace of the running thread or task, where OpenTelemetry or ddtrace keeps one.
 * Nothing is imported and nothing of theirs is called: both keep it in a context variable,
 * which CPython reads out in C; the ids are read from the object in it. */
#ifndef SONDE_PY_TRACE_H
#define SONDE_PY_TRACE_H

#include <sonde/tape.h>
#include <stdbool.h>

/* False, with nothing written: no tracer is loaded or no span is active. OpenTelemetry's
 * goes first. Ctx: a hook. */
bool sonde_py_trace(unsigned char trace_id[16], unsigned char span_id[8]);

/* The same onto a tape, where there is one. Ctx: a hook. */
void sonde_py_write_trace(struct sonde_tape *tape);

/* Since version 4 ddtrace's spans are made in Rust. Where the ids stand in them is found by
 * making two and looking. Does nothing where that is not loaded, or done.
 * Ctx: VM lock, a thread of ours, no exception set. */
void sonde_py_trace_look(void);

#endif
