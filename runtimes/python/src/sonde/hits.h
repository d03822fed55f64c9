/* SPDX-License-Identifier: Apache-2.0
 *
 * From an engine's hook to the core: which sites are meant, and what is written down of the
 * frame. `code` is what the frame runs (for the rewriting engine: the code object that stands
 * in the place of the armed one). It must be the innermost visible frame of the thread.
 *
 * Ctx: a hook. Nothing raises, blocks or runs Python code; errno is kept. */
#ifndef SONDE_PY_HITS_H
#define SONDE_PY_HITS_H

#include "adapter.h"

/* What is armed in this code, for a hook: NULL: nothing. In a forked child that nobody told of
 * the fork, the agent is set up anew first. */
struct sonde_py_armed *sonde_py_hit_armed(const PyCodeObject *code);

/* An armed unit is about to run. False: no site is there. */
bool sonde_py_hit_line(struct sonde_py_armed *armed, PyCodeObject *code, uint32_t unit);

/* A function begins. */
void sonde_py_hit_entry(struct sonde_py_armed *armed, PyCodeObject *code);

/* It ends: one of `value` and `exception` is NULL. */
void sonde_py_hit_exit(struct sonde_py_armed *armed, PyCodeObject *code, PyObject *value,
                       PyObject *exception);

/* A frame is about to be suspended, or goes on. Where none waits: a few loads. NULL is allowed for
 * a frame that could not be told. */
void sonde_py_hit_suspend(struct sonde_py_armed *armed, sonde_py_frame *frame);
void sonde_py_hit_resume(struct sonde_py_armed *armed, sonde_py_frame *frame);

#endif
