/* SPDX-License-Identifier: Apache-2.0
 *
 * For each code object with probes, one that stands in its place (stand_ins.h). Whoever holds the
 * original gets the other: functions, and constants from which functions and classes are yet
 * to be made. Frames that run already go on with what they have.
 *
 * We hold neither beyond a safe point, so both end with the last of the application's that does.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_PATCHES_H
#define SONDE_PY_PATCHES_H

#include "adapter.h"

/* Puts a code object in place that tells of exactly what is armed; of nothing: the original. On
 * failure all is as it was, and err says why. */
int sonde_py_patch_settle(struct sonde_py_armed *armed, struct sonde_err *err);

/* The code that stands for this original now (new), made where nobody holds one; NULL: nothing is
 * armed, or out of memory. */
PyCodeObject *sonde_py_patch_code(PyCodeObject *original);

/* The safe point is over. */
void sonde_py_patches_rest(void);

#endif
