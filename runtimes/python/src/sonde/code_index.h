/* SPDX-License-Identifier: Apache-2.0
 *
 * Every code object that is alive. A watcher of the interpreter tells of new and dying ones;
 * what was there before is found by one walk, at the first question.
 *
 * No reference is held: an entry leaves when its code dies.
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

/* Tells the agent of code that got its file name late (importlib sets it on code from a .pyc)
 * or stands alone (a code object made from another). */
void sonde_py_index_announce_late(void);

/* True when code was made since the last sonde_py_index_announce_late. Any thread. */
bool sonde_py_index_has_late(void);

/* How many code objects are known. */
size_t sonde_py_index_size(void);

#endif
