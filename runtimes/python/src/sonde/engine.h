/* SPDX-License-Identifier: Apache-2.0
 *
 * How this interpreter is made to tell that a place is executed. One engine is compiled in:
 *
 *   monitoring/   3.12 and later: sys.monitoring
 *   rewriting/    3.9 to 3.11: code objects with calls in them take the place of the original
 *
 * adapter.c keeps what is armed and asks the engine to make it so; the engine's hooks call
 * hits.h. Which code is loaded (code_index.h) is its business too.
 *
 * Ctx: VM lock. No function leaves an exception. */
#ifndef SONDE_PY_ENGINE_H
#define SONDE_PY_ENGINE_H

#include "adapter.h"

/* "monitoring" or "rewriting". */
extern const char *const sonde_py_engine_name;

/* Before anything else. SONDE_E_UNSUPPORTED, SONDE_E_VM, SONDE_E_NOMEM. */
int sonde_py_engine_start(struct sonde_err *err);

/* Gives back whatever it took; nothing is armed any more. */
void sonde_py_engine_stop(void);

/* Checks the parts that are the engine's own against the live interpreter: those that hold, and
 * in *checked those that could be looked at. Runs Python code of ours. */
unsigned sonde_py_engine_verify(unsigned forced, unsigned *checked);

/* Something is about to be armed. SONDE_E_BUSY: another tool is in the way, err says which. */
int sonde_py_engine_prepare(struct sonde_err *err);

/* Makes the interpreter tell of exactly the sites in `armed`; of none: the code is as it was.
 * May be called with the same sites again. On failure (err set) the caller takes the last change
 * of the sites back and calls again. */
int sonde_py_engine_settle(struct sonde_py_armed *armed, struct sonde_err *err);

/* A safe point is over: what was kept for it alone may go. */
void sonde_py_engine_rest(void);

#endif
