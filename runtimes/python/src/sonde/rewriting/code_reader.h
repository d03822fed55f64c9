/* SPDX-License-Identifier: Apache-2.0
 *
 * A code object's instructions, taken apart: one struct per instruction, prefixes
 * (EXTENDED_ARG) and inline caches folded in, jumps pointing at instructions.
 *
 * Ctx: VM lock. Own: what a function fills is released by its _fini; zeroed memory is valid. */
#ifndef SONDE_PY_CODE_READER_H
#define SONDE_PY_CODE_READER_H

#include "rewriting/ops.h"

#include <sonde/err.h>

/* No code object that a compiler makes is near this many units; all arithmetic on units and
 * bytes stays within an int. */
#define SONDE_PY_UNITS_MAX (1 << 24)

struct sonde_py_op {
    int unit;   /* first unit, prefixes included */
    int target; /* index of the instruction that it jumps to; -1: no jump */
    uint32_t arg;
    uint8_t opcode;
    uint8_t prefixes; /* 0 to 3 */
    uint8_t caches;
};

struct sonde_py_source {
    struct sonde_py_op *ops;
    int *op_at; /* by unit: index of the instruction that it belongs to */
    int count;
    int units;
    int body; /* index of the first instruction after the preamble */
};

/* The units that an instruction takes. */
static inline int
sonde_py_op_units(const struct sonde_py_op *op)
{
    return op->prefixes + 1 + op->caches;
}

/* Index of the instruction that starts at `unit` or whose prefixes do; -1: none. */
int sonde_py_source_find(const struct sonde_py_source *source, int unit);

/* SONDE_E_NOMEM, SONDE_E_LIMIT, SONDE_E_CORRUPT. `source` is released by _fini in any case. */
int sonde_py_source_init(struct sonde_py_source *source, PyObject *bytes,
                         struct sonde_err *err);
void sonde_py_source_fini(struct sonde_py_source *source);

/* How many blocks are open at once at most; SONDE_E_NOMEM. Always 0 where a table guards. */
int sonde_py_source_block_depth(const struct sonde_py_source *source);

#endif
