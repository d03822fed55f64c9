/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines and instructions of a code object: the location table (Objects/locations.md), which
 * lines can take a probe, and at which instructions a line's execution is told exactly once.
 *
 * A *unit* is the index of a code unit (two bytes); offsets of CPython are twice that.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_LINES_H
#define SONDE_PY_LINES_H

#include "compat/compat.h"
#include <sonde/err.h>

#define SONDE_PY_NO_LINE (-1)

/* A walk through a location table. */
struct sonde_py_line_cursor {
    const uint8_t *at, *end;
    int base;        /* the running line number */
    int start, stop; /* units of the present entry */
    int line;        /* of the present entry, or SONDE_PY_NO_LINE */
};

void sonde_py_line_cursor_init(struct sonde_py_line_cursor *cursor, PyCodeObject *code);
bool sonde_py_line_cursor_next(struct sonde_py_line_cursor *cursor);

/* The line of one unit, or SONDE_PY_NO_LINE. Linear in the table; for stacks. */
int sonde_py_line_of_unit(PyCodeObject *code, int unit);

/* Whether any unit of this code has the line: a cheap first question. */
bool sonde_py_code_has_line(PyCodeObject *code, int line);

/* A code object taken apart. */
struct sonde_py_listing {
    int count;     /* units */
    int first;     /* the first that can be traced: the RESUME on entry */
    int *line;     /* per unit */
    int *arg;      /* per unit: the whole argument, prefixes included */
    int *handler;  /* per unit: where an exception goes, or -1 */
    uint8_t *op;   /* per unit: 0 where no instruction starts */
    uint8_t *mark; /* scratch */
    int *todo;     /* scratch */
    void *memory;
};

/* SONDE_OK, SONDE_E_NOMEM, or SONDE_E_CORRUPT when its tables can not be read. Leaves no
 * exception. Own: sonde_py_listing_fini. */
int sonde_py_listing_init(struct sonde_py_listing *out, PyCodeObject *code);
void sonde_py_listing_fini(struct sonde_py_listing *listing);

/* Writes the units at which one execution of `line` is told exactly once, rising; returns
 * how many there are (it may be more than `most`), 0: this code has nothing of the line
 * that could be told. */
size_t sonde_py_listing_places(struct sonde_py_listing *listing, int line, int *units,
                               size_t most);

/* Whether sonde_py_listing_places would find something. */
bool sonde_py_listing_can_tell(struct sonde_py_listing *listing, int line);

#endif
