/* SPDX-License-Identifier: Apache-2.0
 *
 * The new code object's instructions: a list that grows, in which jumps point at instructions
 * until all are there; then every one gets its units, and every jump its argument.
 *
 * Ctx: VM lock. Own: _fini releases; zeroed memory is an empty list. */
#ifndef SONDE_PY_ASSEMBLE_H
#define SONDE_PY_ASSEMBLE_H

#include "rewriting/code_reader.h"

struct sonde_py_assembly {
    struct sonde_py_op *ops;
    int count;
    int room;
    int units;   /* after _layout */
    bool is_out; /* of memory: what was added since is not there */
};

/* Adds an instruction; what a failure leaves out _layout reports. Gives back its index. */
int sonde_py_assembly_add(struct sonde_py_assembly *assembly, int opcode, uint32_t arg,
                          int target);

/* Adds a sequence whose LOAD_CONST loads the constant `hook`. */
void sonde_py_assembly_add_steps(struct sonde_py_assembly *assembly,
                                 const struct sonde_py_step *steps, size_t count,
                                 uint32_t hook);

/* Gives every instruction its place and every jump its argument. SONDE_E_NOMEM (from an
 * _add), SONDE_E_LIMIT, SONDE_E_CORRUPT. */
int sonde_py_assembly_layout(struct sonde_py_assembly *assembly, struct sonde_err *err);

/* The unit of an instruction; of the index after the last one: where the code ends. */
int sonde_py_assembly_unit(const struct sonde_py_assembly *assembly, int index);

/* New: the instructions as bytes, inline caches zero; NULL: out of memory. */
PyObject *sonde_py_assembly_bytes(const struct sonde_py_assembly *assembly);

void sonde_py_assembly_fini(struct sonde_py_assembly *assembly);

#endif
