/* SPDX-License-Identifier: Apache-2.0
 *
 * Generators that are closed. Some releases of CPython (SONDE_PY_CLOSES_UNTOLD_BEFORE; gh-140373)
 * clear the frame of one that waits outside of any `try` without a word: no PY_THROW, no PY_UNWIND,
 * and the entry that was taken of it would wait for ever. They know such a place by a bit of its
 * RESUME, which nothing else looks at. Without the bit the frame is unwound, as other releases do
 * where a tool listens.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_CLOSING_H
#define SONDE_PY_CLOSING_H

#include "adapter.h"

/* Has the closing of this code's frames told as long as the ends of its calls are waited for, and
 * untold again afterwards. co_code stays what it was. */
void sonde_py_closing_settle(const struct sonde_py_armed *armed);

#endif
