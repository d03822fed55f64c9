/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether what compat.h knows of this interpreter holds in this process. */
#ifndef SONDE_PY_COMPAT_VERIFY_H
#define SONDE_PY_COMPAT_VERIFY_H

#include "compat/compat.h"

/* Both return the bits (1 << enum sonde_py_part) that hold, never those in `forced` (tests:
 * "say that it fails"), and never leave an exception. Ctx: VM lock. */

/* Everything but events. */
unsigned sonde_py_verify(unsigned forced);

/* TRIM and PAIRS, with our tool id of sys.monitoring and its callbacks in place. */
unsigned sonde_py_verify_events(int tool, unsigned forced);

#endif
