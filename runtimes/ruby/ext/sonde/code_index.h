/* SPDX-License-Identifier: Apache-2.0
 *
 * Which instruction sequences are alive. Nothing is pinned and no table is kept: a question is
 * answered by a walk of the object space in C (0.4 ms for 100,000 slots), whose result is good for as
 * long as no collection ran and nothing was compiled, and is dropped at the end of a safe
 * point. What the walk can not tell by itself, that a whole-file sequence is the one that ran and
 * not one that somebody compiled to look at, is noted on the sequence when :script_compiled
 * tells of it (docs/decisions/0008-ruby-code-by-walking.md).
 *
 * Ctx: VM lock. */
#ifndef SONDE_RB_CODE_INDEX_H
#define SONDE_RB_CODE_INDEX_H

#include "compat/compat.h"
#include <sonde/err.h>

/* Begins to listen to :script_compiled, then walks once. SONDE_E_VM, SONDE_E_NOMEM. A failure
 * of the walk alone is reported as a fault ("code_walk") and is no error. Never raises. */
int sonde_rb_index_start(struct sonde_err *err);
void sonde_rb_index_stop(void);

/* Drops the result of the last walk. */
void sonde_rb_index_forget(void);

/* How many sequences the last walk found; 0 before the first. */
size_t sonde_rb_index_size(void);

#endif
