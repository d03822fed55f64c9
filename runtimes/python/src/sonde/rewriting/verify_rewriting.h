/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SONDE_PY_VERIFY_REWRITING_H
#define SONDE_PY_VERIFY_REWRITING_H

#include "compat/compat.h"

/* The part REWRITING (1 << enum sonde_py_part) where code of ours, rewritten, does what it
 * did and calls what was put in; 0 where it does not, or `forced` has it. Leaves no
 * exception. Ctx: VM lock; runs Python code of ours. */
unsigned sonde_py_verify_rewriting(unsigned forced);

#endif
