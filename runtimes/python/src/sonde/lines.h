/* SPDX-License-Identifier: Apache-2.0
 *
 * Which lines can take a probe, and at which instructions a line's execution is told exactly
 * once. What is asked for is told whichever way control gets to such an instruction, before it
 * runs; a call may be put in front of it.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_LINES_H
#define SONDE_PY_LINES_H

#include "listing.h"

/* Writes the units at which one execution of `line` is told exactly once, rising; returns
 * how many there are (it may be more than `most`), 0: this code has nothing of the line
 * that could be told. */
size_t sonde_py_listing_places(struct sonde_py_listing *listing, int line, int *units,
                               size_t most);

/* Whether sonde_py_listing_places would find something. */
bool sonde_py_listing_can_tell(struct sonde_py_listing *listing, int line);

/* Sets told[line - first] for each line below first + count for which sonde_py_listing_can_tell would say
 * so, in one pass. */
void sonde_py_listing_tell_lines(struct sonde_py_listing *listing, int first, int count,
                                 bool *told);

/* Whether the jump at unit `from` to unit `to` is the turn of a loop that stands on one line with
 * its body: the line is executed once, and this way to `to` is not to be told. */
bool sonde_py_listing_is_turn(const struct sonde_py_listing *listing, int from, int to);

#endif
