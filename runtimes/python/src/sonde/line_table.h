/* SPDX-License-Identifier: Apache-2.0
 *
 * The line table of a code object, in whichever form this version has it.
 *
 * A *unit* is the index of a code unit (two bytes); offsets of CPython are twice that.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_LINE_TABLE_H
#define SONDE_PY_LINE_TABLE_H

#include "compat/compat.h"

#define SONDE_PY_NO_LINE (-1)

/* A walk through a line table. */
struct sonde_py_line_cursor {
    const uint8_t *at, *end;
    int base;        /* the running line number */
    int start, stop; /* units of the present entry; never empty */
    int line;        /* of the present entry, or SONDE_PY_NO_LINE */
    int count;       /* units of the code where the table does not say its end, or 0 */
};

void sonde_py_line_cursor_init(struct sonde_py_line_cursor *cursor, PyCodeObject *code);
bool sonde_py_line_cursor_next(struct sonde_py_line_cursor *cursor);

/* The line of one unit, or SONDE_PY_NO_LINE. Linear in the table; for stacks. */
int sonde_py_line_of_unit(PyCodeObject *code, int unit);

/* Whether any unit of this code has the line: a cheap first question. */
bool sonde_py_code_has_line(PyCodeObject *code, int line);

#endif
