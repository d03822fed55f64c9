/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether what compat.h knows of this interpreter holds in this process. */
#ifndef SONDE_PY_COMPAT_VERIFY_H
#define SONDE_PY_COMPAT_VERIFY_H

#include "compat/compat.h"

/* The parts (bits 1 << enum sonde_py_part) that hold of those that no engine checks for itself;
 * never those in `forced` (tests: "say that it fails"). Leaves no exception. Ctx: VM lock. */
unsigned sonde_py_verify(unsigned forced);

/* Code of ours to try things on: a dict of functions and objects; NULL without an exception when
 * it could not be made. */
PyObject *sonde_py_make_samples(void);
void sonde_py_free_samples(PyObject *names); /* leaves no exception */
PyCodeObject *sonde_py_sample_code(PyObject *names, const char *name); /* borrowed */

#endif
