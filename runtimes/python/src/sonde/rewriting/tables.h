/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables that go with instructions: lines, and what is guarded by which handler. Both
 * are rewritten entry by entry; an entry whose length stays as it was is copied as it is.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_TABLES_H
#define SONDE_PY_TABLES_H

#include "rewriting/assemble.h"

/* Where an instruction of the original is in the new list: indices into the assembly. */
struct sonde_py_place {
    int first; /* the hook that is first of all in a body, else as label */
    int label; /* what jumps to the instruction lead to: the hooks before it */
    int past;  /* behind those of its spots */
    int leave; /* RETURN_VALUE: what is done before leaving; -1: nothing */
    int self;  /* the instruction itself */
};

struct sonde_py_layout {
    const struct sonde_py_source *source;
    const struct sonde_py_assembly *assembly;
    const struct sonde_py_place *places; /* one more than instructions: the end */
    int handler;                         /* index of the handler around all; -1: none */
};

/* The new unit of a unit of the original. What stands before an instruction belongs to it;
 * `with_prologue` says whether that is true of the body's prologue too. */
int sonde_py_layout_unit(const struct sonde_py_layout *layout, int unit,
                         bool with_prologue);

/* Bytes that grow. */
struct sonde_py_buffer {
    uint8_t *data;
    size_t size;
    size_t room;
    bool is_out; /* of memory */
};

void sonde_py_buffer_add(struct sonde_py_buffer *buffer, const uint8_t *data,
                         size_t size);
void sonde_py_buffer_add_byte(struct sonde_py_buffer *buffer, int byte);

/* New: a bytes object, or NULL: out of memory. Releases the buffer. */
PyObject *sonde_py_buffer_take(struct sonde_py_buffer *buffer);

/* New: the line table, or NULL: SONDE_E_NOMEM, SONDE_E_CORRUPT. */
PyObject *sonde_py_lines_rewrite(PyObject *table, const struct sonde_py_layout *layout,
                                 struct sonde_err *err);

/* New: the exception table with the handler around all, or NULL: SONDE_E_NOMEM,
 * SONDE_E_CORRUPT. */
PyObject *sonde_py_regions_rewrite(PyObject *table, const struct sonde_py_layout *layout,
                                   struct sonde_err *err);

/* Sets `is_target` (by instruction) for what the exception table leads to. */
int sonde_py_regions_mark(PyObject *table, const struct sonde_py_source *source,
                          uint8_t *is_target, struct sonde_err *err);

#endif
