/* SPDX-License-Identifier: Apache-2.0 */
#include "assemble.h"

static uint8_t
prefixes_for(uint32_t arg)
{
    return (uint8_t)((arg > 0xff) + (arg > 0xffff) + (arg > 0xffffff));
}

int
sonde_py_assembly_add(struct sonde_py_assembly *assembly, int opcode, uint32_t arg,
                      int target)
{
    if (assembly->count == assembly->room) {
        int room = assembly->room < 64 ? 64 : assembly->room * 2;
        struct sonde_py_op *ops = NULL;
        if (room <= SONDE_PY_UNITS_MAX) {
            ops = PyMem_Realloc(assembly->ops, (size_t)room * sizeof(*ops));
        }
        if (ops == NULL) {
            assembly->is_out = true;
            return 0;
        }
        assembly->ops = ops;
        assembly->room = room;
    }
    assembly->ops[assembly->count] = (struct sonde_py_op){
        .target = target,
        .arg = arg,
        .opcode = (uint8_t)opcode,
        .prefixes = prefixes_for(arg),
        .caches = (uint8_t)sonde_py_op_caches(opcode),
    };
    return assembly->count++;
}

void
sonde_py_assembly_add_steps(struct sonde_py_assembly *assembly,
                            const struct sonde_py_step *steps, size_t count,
                            uint32_t hook)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t arg = steps[i].opcode == LOAD_CONST ? hook : steps[i].arg;
        sonde_py_assembly_add(assembly, steps[i].opcode, arg, -1);
    }
}

int
sonde_py_assembly_unit(const struct sonde_py_assembly *assembly, int index)
{
    return index < assembly->count ? assembly->ops[index].unit : assembly->units;
}

/* False: too long. */
static bool
place_ops(struct sonde_py_assembly *assembly)
{
    int unit = 0;
    for (int i = 0; i < assembly->count; i++) {
        assembly->ops[i].unit = unit;
        unit += sonde_py_op_units(&assembly->ops[i]);
        if (unit > SONDE_PY_UNITS_MAX) {
            return false;
        }
    }
    assembly->units = unit;
    return true;
}

/* A jump's argument as things stand; negative: it would lead the wrong way. */
static int64_t
jump_arg(const struct sonde_py_assembly *assembly, const struct sonde_py_op *op)
{
    int64_t target = assembly->ops[op->target].unit;
    int64_t after = op->unit + op->prefixes + 1;
    switch (sonde_py_op_jump(op->opcode)) {
    case SONDE_PY_JUMP_FORWARD:
        return (target - after) * SONDE_PY_JUMP_SCALE;
    case SONDE_PY_JUMP_BACKWARD:
        return (after - target) * SONDE_PY_JUMP_SCALE;
    default:
        return target * SONDE_PY_JUMP_SCALE;
    }
}

/* Sets what jumps' arguments are now. Prefixes are added where they have become too few and
 * never taken away, so that this comes to an end: true as long as one was added. */
static bool
set_jumps(struct sonde_py_assembly *assembly)
{
    bool has_grown = false;
    for (int i = 0; i < assembly->count; i++) {
        struct sonde_py_op *op = &assembly->ops[i];
        if (op->target < 0) {
            continue;
        }
        int64_t arg = jump_arg(assembly, op);
        op->arg = arg < 0 ? 0 : (uint32_t)arg;
        if (prefixes_for(op->arg) > op->prefixes) {
            op->prefixes = prefixes_for(op->arg);
            has_grown = true;
        }
    }
    return has_grown;
}

static int
check_jumps(const struct sonde_py_assembly *assembly, struct sonde_err *err)
{
    for (int i = 0; i < assembly->count; i++) {
        const struct sonde_py_op *op = &assembly->ops[i];
        if (op->target >= 0 && jump_arg(assembly, op) != op->arg) {
            return sonde_err_set(err, SONDE_E_CORRUPT, "bytecode",
                                 "a jump the wrong way");
        }
        /* Whoever throws into an await looks at the one unit before the yield. */
        if (SONDE_PY_OP_SEND != 0 && op->opcode == SONDE_PY_OP_SEND && op->prefixes > 0) {
            return sonde_err_set(err, SONDE_E_LIMIT, "bytecode",
                                 "too many calls in one await");
        }
    }
    return SONDE_OK;
}

int
sonde_py_assembly_layout(struct sonde_py_assembly *assembly, struct sonde_err *err)
{
    if (assembly->is_out) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "no memory for the instructions");
    }
    do {
        if (!place_ops(assembly)) {
            return sonde_err_set(err, SONDE_E_LIMIT, "bytecode", "more than %d units",
                                 SONDE_PY_UNITS_MAX);
        }
    } while (set_jumps(assembly));
    return check_jumps(assembly, err);
}

PyObject *
sonde_py_assembly_bytes(const struct sonde_py_assembly *assembly)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, 2 * (Py_ssize_t)assembly->units);
    if (bytes == NULL) {
        return NULL;
    }
    uint8_t *out = (uint8_t *)PyBytes_AS_STRING(bytes);
    for (int i = 0; i < assembly->count; i++) {
        const struct sonde_py_op *op = &assembly->ops[i];
        for (int prefix = op->prefixes; prefix > 0; prefix--) {
            *out++ = EXTENDED_ARG;
            *out++ = (uint8_t)(op->arg >> (8 * prefix));
        }
        *out++ = op->opcode;
        *out++ = (uint8_t)op->arg;
        for (int cache = 0; cache < 2 * op->caches; cache++) {
            *out++ = 0;
        }
    }
    return bytes;
}

void
sonde_py_assembly_fini(struct sonde_py_assembly *assembly)
{
    PyMem_Free(assembly->ops);
    *assembly = (struct sonde_py_assembly){0};
}
