/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers by 64-bit hashes of whatever they belong to; two things with one hash are taken for one.
 *
 * Ctx: one thread at a time. */
#ifndef SONDE_PY_SYMBOLS_MAP_H
#define SONDE_PY_SYMBOLS_MAP_H

#include <sonde/str.h>

#include <stdint.h>

struct sonde_py_map {
    struct sonde_py_map_slot {
        uint64_t key; /* 0: free */
        uint32_t value;
    } * slots;
    size_t mask, count;
};

/* All zero is an empty one. */
void sonde_py_map_fini(struct sonde_py_map *map);

/* Forgets all of it and keeps the room. */
void sonde_py_map_clear(struct sonde_py_map *map);

/* NULL: not there. Good until the next put. */
uint32_t *sonde_py_map_get(const struct sonde_py_map *map, uint64_t key);

/* The value's place, 0 where it is new (*is_new, may be NULL). NULL: out of memory. */
uint32_t *sonde_py_map_put(struct sonde_py_map *map, uint64_t key, bool *is_new);

/* Never 0. */
uint64_t sonde_py_hash_mix(uint64_t a, uint64_t b);
uint64_t sonde_py_hash_text(uint64_t seed, struct sonde_str text);

#endif
