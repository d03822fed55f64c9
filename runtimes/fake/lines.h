/* SPDX-License-Identifier: Apache-2.0
 *
 * Which lines can take a probe, and where. In this VM a position is the index of a line in
 * its function's table, or SONDE_FAKE_FUNCTION for the function as a whole.
 *
 * Ctx: with the VM lock. */
#ifndef SONDE_RUNTIMES_FAKE_LINES_H
#define SONDE_RUNTIMES_FAKE_LINES_H

#include "runtimes/fake/entry.h"

#define SONDE_FAKE_FUNCTION UINT64_MAX
#define SONDE_FAKE_NEAREST_MAX 6

/* A look for one line: what it has met so far. */
struct sonde_fake_lines {
    uint32_t wanted;
    uint32_t place_count;
    uint32_t nearest_count;
    uint32_t nearest[SONDE_FAKE_NEAREST_MAX]; /* nearest first */
};

/* Reports every place of lines->wanted in a module. */
int sonde_fake_lines_find(struct sonde_fake_lines *lines, const struct vm_module *module,
                          struct sonde_finding *finding);

#endif
