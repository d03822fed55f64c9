/* SPDX-License-Identifier: Apache-2.0
 *
 * What the instructions of this version do, as far as lines are concerned: the lists of
 * compat/ops_3_NN.h as flags of each opcode.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_OP_FLAGS_H
#define SONDE_PY_OP_FLAGS_H

#include "compat/compat.h"

enum {
    SONDE_PY_OP_JUMPS_FORWARD = 1 << 0,
    SONDE_PY_OP_JUMPS_BACKWARD = 1 << 1,
    SONDE_PY_OP_JUMPS_TO = 1 << 2, /* counted from the beginning of the code */
    SONDE_PY_OP_JUMPS = 7,
    SONDE_PY_OP_LEAVES = 1 << 3,
    SONDE_PY_OP_SETS_BLOCK = 1 << 4, /* the argument says where its exceptions go */
    SONDE_PY_OP_POPS_BLOCK = 1 << 5,
    SONDE_PY_OP_PRODUCES = 1 << 6,
    SONDE_PY_OP_CONSUMES = 1 << 7,
    SONDE_PY_OP_BUILDS = 1 << 8,
    SONDE_PY_OP_PEEKS = 1 << 9,
    SONDE_PY_OP_DIGS = 1 << 10,
    SONDE_PY_OP_NEVER_STARTS = 1 << 11,
    SONDE_PY_OP_NO_EVENTS = 1 << 12,
    SONDE_PY_OP_RETURNS_CONST = 1 << 13,
    SONDE_PY_OP_BINDS_NEXT = 1 << 14, /* nothing may be put between it and the next */
    SONDE_PY_OP_TAKES_EXCEPTION = 1 << 15, /* a handler's first instruction */
    SONDE_PY_OP_CATCHES = 1 << 16, /* jumps to where an exception is looked at again */
};

/* Filled when first asked, from the lists of the version. */
extern struct sonde_py_op_table {
    bool is_filled;
    uint32_t flags[256];
} sonde_py_op_table;
void sonde_py_op_table_fill(void);

static inline unsigned
sonde_py_op_flags(uint8_t op)
{
    if (!sonde_py_op_table.is_filled) {
        sonde_py_op_table_fill();
    }
    return sonde_py_op_table.flags[op];
}

/* How many values from the top of the stack an instruction uses at least, where neither its
 * flags nor its effect tell; 0: they do. */
int sonde_py_op_reach(uint8_t op);

#endif
