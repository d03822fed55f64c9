/* SPDX-License-Identifier: Apache-2.0
 *
 * An arena: many small allocations with one life, freed together. Bounded: past `max_bytes`
 * it behaves as out of memory.
 *
 * Ctx: one thread at a time. Own: the arena owns all that it gave out. */
#ifndef SONDE_ARENA_H
#define SONDE_ARENA_H

#include <sonde/str.h>

struct sonde_arena_block;

struct sonde_arena {
    struct sonde_arena_block *head; /* newest first */
    size_t used_bytes;              /* given out so far, all blocks */
    size_t max_bytes;               /* 0: unbounded */
};

void sonde_arena_init(struct sonde_arena *arena, size_t max_bytes);
void sonde_arena_fini(struct sonde_arena *arena);

/* `bytes` zeroed bytes aligned for any type, or NULL (no memory, or over max_bytes). */
void *sonde_arena_alloc(struct sonde_arena *arena, size_t bytes);

/* A NUL-terminated copy, or NULL. */
char *sonde_arena_strdup(struct sonde_arena *arena, struct sonde_str text);

#endif
