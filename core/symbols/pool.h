/* SPDX-License-Identifier: Apache-2.0
 *
 * What a listing is kept in: items in chunks, strings that are there once, and an index over
 * either. Nothing is ever moved or rehashed as a whole, so that no call is longer than the
 * others: they run under the VM lock. All of it draws on one budget of bytes.
 *
 * Ids count from 1; 0 is none. Ctx: one thread at a time. */
#ifndef SONDE_SYMBOLS_POOL_H
#define SONDE_SYMBOLS_POOL_H

#include <sonde/str.h>

#include <stdint.h>

struct sonde_room {
    size_t used_bytes, max_bytes;
};

struct sonde_items {
    size_t item_bytes;
    char **chunks;
    uint32_t chunk_count, chunk_cap;
    uint32_t count;
};

void sonde_items_init(struct sonde_items *items, size_t item_bytes);
void sonde_items_fini(struct sonde_items *items);

/* A zeroed item behind the others; its id is then items->count. NULL: no memory. */
void *sonde_items_add(struct sonde_items *items, struct sonde_room *budget);

/* `id` is one that was given out. */
void *sonde_items_at(const struct sonde_items *items, uint32_t id);

#define SONDE_INDEX_PARTS 1024

struct sonde_index_part {
    struct sonde_index_slot {
        uint32_t hash, id;
    } * slots;
    uint32_t cap, count;
};

struct sonde_index {
    struct sonde_index_part parts[SONDE_INDEX_PARTS];
};

void sonde_index_fini(struct sonde_index *index);

typedef bool sonde_index_same_fn(const void *ctx, uint32_t id, const void *key);

/* The id of that hash for which is_same says so, or 0. */
uint32_t sonde_index_find(const struct sonde_index *index, uint32_t hash,
                          sonde_index_same_fn *is_same, const void *ctx, const void *key);

/* False: no memory. */
bool sonde_index_add(struct sonde_index *index, struct sonde_room *budget, uint32_t hash,
                     uint32_t id);

uint32_t sonde_hash_bytes(uint32_t seed, const void *data, size_t len);

struct sonde_strings {
    struct sonde_items items; /* of struct sonde_str */
    struct sonde_index index;
    char **blocks;
    uint32_t block_count, block_cap;
    char *room;
    size_t room_bytes;
};

void sonde_strings_init(struct sonde_strings *strings);
void sonde_strings_fini(struct sonde_strings *strings);

/* The id of that text, which is copied when it is new; SONDE_STRING_MAX bytes of it. The empty one is 0, as
 * is none for want of memory. */
#define SONDE_STRING_MAX 8192
uint32_t sonde_strings_put(struct sonde_strings *strings, struct sonde_room *budget,
                           struct sonde_str text);

/* 0 gives the empty one. */
struct sonde_str sonde_strings_get(const struct sonde_strings *strings, uint32_t id);

#endif
