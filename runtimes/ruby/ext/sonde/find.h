/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a location is among the code that is loaded.
 *
 * A line is found in every sequence that can still run and has an event of its own there. Each
 * sequence's execution of the line is one hit: where a method or a block stands in one line with
 * what makes or calls it, both hit. A line without a :line event that ends a method or a block, or is
 * all of an empty method, hits when that returns.
 *
 * The top level of a file and the bodies of its classes run once. They are found only while they may
 * still: when the file is just being loaded, or on a thread's stack. */
#ifndef SONDE_RB_FIND_H
#define SONDE_RB_FIND_H

#include <sonde/adapter.h>

/* The adapter's find(). */
int sonde_rb_find(void *ctx, const struct sonde_probe_def *def,
                  struct sonde_finding *finding);

#endif
