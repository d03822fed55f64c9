/* SPDX-License-Identifier: Apache-2.0
 *
 * Every code object that is alive. With an interpreter that tells of new and dying ones
 * (monitoring/code_index.c), what was there before is found by one walk, at the first question,
 * and no reference is held: an entry leaves when its code dies. With one that does not
 * (rewriting/code_index.c), each safe point that asks walks once, and what was found is held
 * until sonde_py_engine_rest.
 *
 * Ctx: VM lock, unless said otherwise. */
#ifndef SONDE_PY_CODE_INDEX_H
#define SONDE_PY_CODE_INDEX_H

#include "compat/compat.h"
#include <sonde/err.h>

/* Begins to watch. SONDE_E_VM when the interpreter has no watcher left. Never leaves an
 * exception. */
int sonde_py_index_start(struct sonde_err *err);

/* Stops watching and forgets everything. */
void sonde_py_index_stop(void);

/* Calls `visit` for every live code object; it must not run Python code. SONDE_E_NOMEM when
 * the walk could not be finished: what was visited is then not everything. */
int sonde_py_index_each(void (*visit)(PyCodeObject *code, void *arg), void *arg);

/* The code that the agent is being told of: `visit` for each until it says true. False: none said
 * so. Outside of such a moment there is none. */
bool sonde_py_index_arriving_has(bool (*visit)(PyCodeObject *code, void *arg), void *arg);

/* A number that changes whenever code comes or goes. */
uint64_t sonde_py_index_generation(void);

/* Some probe waits for code that is not there: from now on the agent is told in time of all that
 * comes. */
void sonde_py_index_await(void);

/* Somebody wants sonde_py_symbols_note_code to be called from now on. */
void sonde_py_index_watch(void);

/* Whether sonde_py_code_dies will be called when this code object is freed. */
bool sonde_py_index_tells_end(PyCodeObject *code);

/* Tells the agent of code that got its file name late (importlib sets it on code from a .pyc)
 * or stands alone (a code object made from another). */
void sonde_py_index_announce_late(void);

/* True when code was made since the last sonde_py_index_announce_late. Any thread. */
bool sonde_py_index_has_late(void);

/* How many code objects are known. */
size_t sonde_py_index_size(void);

#endif
