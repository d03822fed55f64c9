/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SONDE_PY_VERIFY_EVENTS_H
#define SONDE_PY_VERIFY_EVENTS_H

#include "compat/compat.h"

/* The parts (bits 1 << enum sonde_py_part) TRIM and PAIRS, as far as they hold; never those in
 * `forced`. Needs our tool id of sys.monitoring with its callbacks in place. Leaves no
 * exception. Ctx: VM lock. */
unsigned sonde_py_verify_events(int tool, unsigned forced);

#endif
