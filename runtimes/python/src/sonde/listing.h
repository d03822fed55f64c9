/* SPDX-License-Identifier: Apache-2.0
 *
 * A code object taken apart: its instructions, where control goes from each, and their lines.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_LISTING_H
#define SONDE_PY_LISTING_H

#include "line_table.h"
#include "op_flags.h"
#include <sonde/err.h>

struct sonde_py_listing {
    int count;     /* units */
    int last_line; /* of what stands before the last two units, live or not */
    int entry;     /* the body's first instruction, behind the making of the frame */
    int *line;     /* per unit; none before the entry and where control never gets */
    int *arg;      /* per unit: the whole argument, prefixes included */
    int *handler;  /* per unit: where an exception goes, or -1 */
    uint8_t *op;   /* per unit: 0 where no instruction starts */
    bool *is_live; /* per unit: control may get there */
    uint8_t *mark; /* scratch */
    int *todo;     /* scratch */
    void *memory;
};

/* SONDE_OK, SONDE_E_NOMEM, or SONDE_E_CORRUPT when its tables can not be read. Leaves no
 * exception. Own: sonde_py_listing_fini. */
int sonde_py_listing_init(struct sonde_py_listing *out, PyCodeObject *code);
void sonde_py_listing_fini(struct sonde_py_listing *listing);

/* The instruction behind `i` (count: none) and the one before it (-1: none). A prefix is an
 * instruction here. */
static inline int
sonde_py_listing_next(const struct sonde_py_listing *listing, int i)
{
    do {
        i++;
    } while (i < listing->count && listing->op[i] == 0);
    return i;
}
int sonde_py_listing_previous(const struct sonde_py_listing *listing, int i);

/* Where the argument of `i` leads, a jump's or a block's, or -1. */
int sonde_py_listing_target(const struct sonde_py_listing *listing, int i);

/* Where control may go after `i`, its handler included: at most three units, in `to`. */
int sonde_py_listing_successors(const struct sonde_py_listing *listing, int i, int to[3]);

#endif
