/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions by their name: "module:Class.method", "package.module.function". */
#ifndef SONDE_PY_FIND_FUNCTION_H
#define SONDE_PY_FIND_FUNCTION_H

#include "compat/compat.h"
#include <sonde/adapter.h>

/* find() for a location that names a function. */
int sonde_py_find_function(const struct sonde_probe_def *def,
                           struct sonde_finding *finding);

/* Reports one place of a code object (find.c). */
int sonde_py_find_report(struct sonde_finding *finding, PyCodeObject *code,
                         uint32_t position, uint32_t line);

#endif
