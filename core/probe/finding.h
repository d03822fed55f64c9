/* SPDX-License-Identifier: Apache-2.0
 *
 * What an adapter's find() found, as the registry reads it. Filled with the sonde_finding_*
 * functions of sonde/adapter.h.
 *
 * Ctx: safe point. Own: the finding owns its copies of what it was told. */
#ifndef SONDE_FINDING_H
#define SONDE_FINDING_H

#include "core/base/arena.h"
#include <sonde/adapter.h>

#define SONDE_FINDING_MAX_PLACES 1000
#define SONDE_FINDING_MAX_NEAREST 6
#define SONDE_PROBE_MESSAGE_BYTES 512

struct sonde_finding_entry {
    struct sonde_finding_entry *next;
    struct sonde_place place;
    struct sonde_str file;
    struct sonde_str function;
    uint32_t line;
};

struct sonde_finding {
    struct sonde_arena arena;
    struct sonde_finding_entry *first;
    struct sonde_finding_entry **end; /* where the next entry is linked */
    uint32_t count;
    int failed; /* SONDE_OK, or why a place could not be kept: it is not the whole truth then */
    enum sonde_cause cause;
    char message[SONDE_PROBE_MESSAGE_BYTES];
    uint32_t nearest[SONDE_FINDING_MAX_NEAREST];
    uint32_t nearest_count;
};

void sonde_finding_init(struct sonde_finding *finding);
void sonde_finding_fini(struct sonde_finding *finding);

/* "a.py, b.py, and 3 more" of all its files but `except` (NULL: all), as many as have room; how many there are. */
uint32_t sonde_finding_files(const struct sonde_finding *finding,
                             const struct sonde_str *except, char *out, size_t size);

#endif
