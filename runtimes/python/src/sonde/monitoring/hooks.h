/* SPDX-License-Identifier: Apache-2.0
 *
 * The callbacks of sys.monitoring. They never raise and never run Python code. */
#ifndef SONDE_PY_HOOKS_H
#define SONDE_PY_HOOKS_H

#include "compat/compat.h"
#include <sonde/err.h>

/* Takes a tool id and registers the callbacks, unless that is done. SONDE_E_BUSY when other
 * tools have all the ids we may use; SONDE_E_VM. Never leaves an exception. */
int sonde_py_hooks_take_tool(struct sonde_err *err);

/* Unregisters and gives the id back. */
void sonde_py_hooks_leave_tool(void);

#endif
