/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython 3.9 gives what ends a block the line of the statement that happened to be last: the
 * leaving of a `with` or `try`, the clean-up of `except … as name`, the return at the end of a
 * function. None of it is an execution of that line. And of a `break` or `continue` it may leave
 * a jump that only some executions pass: such a line is better refused than told too rarely.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_LEFTOVERS_H
#define SONDE_PY_LEFTOVERS_H

#include "listing.h"

/* Whether what begins at instruction `i` has its line by such an accident only. Always false
 * where the compiler keeps lines apart (SONDE_PY_LINES_RUN_ON is 0). */
bool sonde_py_listing_is_leftover(const struct sonde_py_listing *listing, int i);

#endif
