/* SPDX-License-Identifier: Apache-2.0 */
#include "code_reader.h"

static int
corrupt(struct sonde_err *err, const char *what, int unit)
{
    return sonde_err_set(err, SONDE_E_CORRUPT, "bytecode", "%s at unit %d", what, unit);
}

/* Reads the instruction at `unit` with its prefixes. */
static int
read_op(const uint8_t *bytes, int units, int unit, struct sonde_py_op *op,
        struct sonde_err *err)
{
    *op = (struct sonde_py_op){.unit = unit, .target = -1};
    while (bytes[2 * unit] == EXTENDED_ARG) {
        op->arg = op->arg << 8 | bytes[2 * unit + 1];
        unit++;
        op->prefixes++;
        if (op->prefixes > 3 || unit == units) {
            return corrupt(err, "prefixes without end", unit);
        }
    }
    op->arg = op->arg << 8 | bytes[2 * unit + 1];
    op->opcode = bytes[2 * unit];
    op->caches = (uint8_t)sonde_py_op_caches(op->opcode);
    if (sonde_py_op_units(op) > units - op->unit) {
        return corrupt(err, "half an instruction", unit);
    }
    return SONDE_OK;
}

int
sonde_py_source_find(const struct sonde_py_source *source, int unit)
{
    if (unit < 0 || unit >= source->units) {
        return -1;
    }
    int index = source->op_at[unit];
    const struct sonde_py_op *op = &source->ops[index];
    return unit <= op->unit + op->prefixes ? index : -1;
}

/* The unit that a jump leads to; may be out of all bounds. */
static int64_t
jump_unit(const struct sonde_py_op *op)
{
    int64_t distance = op->arg / SONDE_PY_JUMP_SCALE;
    int64_t after = op->unit + op->prefixes + 1;
    switch (sonde_py_op_jump(op->opcode)) {
    case SONDE_PY_JUMP_FORWARD:
        return after + distance;
    case SONDE_PY_JUMP_BACKWARD:
        return after - distance;
    default:
        return distance;
    }
}

static int
resolve_jumps(struct sonde_py_source *source, struct sonde_err *err)
{
    for (int i = 0; i < source->count; i++) {
        struct sonde_py_op *op = &source->ops[i];
        if (sonde_py_op_jump(op->opcode) == SONDE_PY_JUMP_NONE) {
            continue;
        }
        int64_t unit = jump_unit(op);
        if (unit < 0 || unit >= source->units || op->arg % SONDE_PY_JUMP_SCALE != 0 ||
            source->ops[source->op_at[unit]].unit != unit) {
            return corrupt(err, "a jump to no instruction", op->unit);
        }
        op->target = source->op_at[unit];
    }
    return SONDE_OK;
}

/* The body starts after the first instruction that ends a preamble, if there is one. */
static void
find_body(struct sonde_py_source *source)
{
    for (int i = 0; i < source->count; i++) {
        if (sonde_py_op_ends_preamble(source->ops[i].opcode)) {
            source->body = i + 1;
            return;
        }
    }
    source->body = 0;
}

int
sonde_py_source_init(struct sonde_py_source *source, PyObject *bytes,
                     struct sonde_err *err)
{
    *source = (struct sonde_py_source){0};
    Py_ssize_t size = PyBytes_GET_SIZE(bytes);
    if (size == 0 || size % 2 != 0) {
        return corrupt(err, "no whole instruction", 0);
    }
    if (size / 2 > SONDE_PY_UNITS_MAX) {
        return sonde_err_set(err, SONDE_E_LIMIT, "bytecode", "more than %d units",
                             SONDE_PY_UNITS_MAX);
    }
    source->units = (int)(size / 2);
    source->ops = PyMem_Malloc((size_t)source->units * sizeof(*source->ops));
    source->op_at = PyMem_Malloc((size_t)source->units * sizeof(*source->op_at));
    if (source->ops == NULL || source->op_at == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "no memory for %d units",
                             source->units);
    }
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(bytes);
    for (int unit = 0; unit < source->units;) {
        struct sonde_py_op *op = &source->ops[source->count];
        int result = read_op(data, source->units, unit, op, err);
        if (result != SONDE_OK) {
            return result;
        }
        for (int end = unit + sonde_py_op_units(op); unit < end; unit++) {
            source->op_at[unit] = source->count;
        }
        source->count++;
    }
    find_body(source);
    if (source->body == source->count) {
        return corrupt(err, "no body", source->units);
    }
    return resolve_jumps(source, err);
}

void
sonde_py_source_fini(struct sonde_py_source *source)
{
    PyMem_Free(source->ops);
    PyMem_Free(source->op_at);
    *source = (struct sonde_py_source){0};
}

/* The walk over all ways that control can take. */
struct walk {
    int *depth_at; /* by instruction; -1: not seen yet */
    int *open;     /* instructions still to be followed */
    int open_count;
    int deepest;
};

static void
visit(struct walk *walk, int index, int depth)
{
    if (walk->depth_at[index] < 0) {
        walk->depth_at[index] = depth;
        walk->open[walk->open_count++] = index;
    }
}

static void
follow(struct walk *walk, const struct sonde_py_source *source, int index)
{
    const struct sonde_py_op *op = &source->ops[index];
    int change = sonde_py_op_blocks(op->opcode);
    int before = walk->depth_at[index];
    int after = before + change < 0 ? 0 : before + change;
    if (after > walk->deepest) {
        walk->deepest = after;
    }
    if (op->target >= 0) {
        /* In its handler an exception's block stands for the one that it took away. */
        visit(walk, op->target, after);
    }
    if (!sonde_py_op_is_last(op->opcode) && index + 1 < source->count) {
        visit(walk, index + 1, after);
    }
}

int
sonde_py_source_block_depth(const struct sonde_py_source *source)
{
    if (SONDE_PY_OP_GUARD == 0) {
        return 0;
    }
    size_t bytes = (size_t)source->count * sizeof(int);
    struct walk walk = {.depth_at = PyMem_Malloc(bytes), .open = PyMem_Malloc(bytes)};
    int result = SONDE_E_NOMEM;
    if (walk.depth_at == NULL || walk.open == NULL) {
        goto out;
    }
    for (int i = 0; i < source->count; i++) {
        walk.depth_at[i] = -1;
    }
    visit(&walk, 0, 0);
    while (walk.open_count > 0) {
        follow(&walk, source, walk.open[--walk.open_count]);
    }
    result = walk.deepest;
out:
    PyMem_Free(walk.depth_at);
    PyMem_Free(walk.open);
    return result;
}
