/* SPDX-License-Identifier: Apache-2.0 */
#include "op_flags.h"

struct sonde_py_op_table sonde_py_op_table;

void
sonde_py_op_table_fill(void)
{
    uint32_t *op_flags = sonde_py_op_table.flags;
#define X(name) op_flags[name] |= SONDE_PY_OP_JUMPS_FORWARD;
    SONDE_PY_JUMPS_FORWARD(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_JUMPS_BACKWARD;
    SONDE_PY_JUMPS_BACKWARD(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_JUMPS_TO;
    SONDE_PY_JUMPS_ABSOLUTE(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_LEAVES;
    SONDE_PY_LEAVES(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_SETS_BLOCK;
    SONDE_PY_SETS_BLOCK(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_POPS_BLOCK;
    SONDE_PY_POPS_BLOCK(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_PRODUCES;
    SONDE_PY_PRODUCERS(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_CONSUMES;
    SONDE_PY_CONSUMERS(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_BUILDS;
    SONDE_PY_BUILDERS(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_PEEKS;
    SONDE_PY_PEEKERS(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_DIGS;
    SONDE_PY_DIGGERS(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_NEVER_STARTS;
    SONDE_PY_NEVER_STARTS(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_NO_EVENTS;
    SONDE_PY_NO_EVENTS(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_RETURNS_CONST;
    SONDE_PY_RETURNS_CONST(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_BINDS_NEXT;
    SONDE_PY_BINDS_NEXT(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_TAKES_EXCEPTION;
    SONDE_PY_HANDLER_STARTS(X)
#undef X
#define X(name) op_flags[name] |= SONDE_PY_OP_CATCHES;
    SONDE_PY_CATCHES(X)
#undef X
    sonde_py_op_table.is_filled = true;
}

int
sonde_py_op_reach(uint8_t op)
{
#define X(name, count)  \
    if (op == (name)) { \
        return count;   \
    }
    SONDE_PY_REACHES(X)
#undef X
    (void)op;
    return 0;
}
