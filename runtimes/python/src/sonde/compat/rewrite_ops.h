/* SPDX-License-Identifier: Apache-2.0
 *
 * What rewriting/ops.h declares, for this interpreter. */
#ifndef SONDE_PY_REWRITE_OPS_H
#define SONDE_PY_REWRITE_OPS_H

#if PY_VERSION_HEX >= 0x03090000 && PY_VERSION_HEX < 0x030a0000
#    include "compat/rewrite_3_9.h"
#elif PY_VERSION_HEX >= 0x030a0000 && PY_VERSION_HEX < 0x030b0000
#    include "compat/rewrite_3_10.h"
#elif PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030c0000
#    include "compat/rewrite_3_11.h"
#else
#    error "this CPython needs no rewriting"
#endif

#endif
