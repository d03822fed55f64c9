/* SPDX-License-Identifier: Apache-2.0 */
#include "core/symbols/pool.h"

#include "core/base/alloc.h"

#define CHUNK_ITEMS 1024
#define BLOCK_BYTES ((size_t)64 * 1024)
#define FIRST_SLOTS 8
#define FIRST_POINTERS 64

/* Takes zeroed bytes off the budget. */
static void *
budget_take(struct sonde_room *budget, size_t bytes)
{
    if (bytes > budget->max_bytes - budget->used_bytes) {
        return NULL;
    }
    void *memory = sonde_calloc(1, bytes);
    budget->used_bytes += memory == NULL ? 0 : bytes;
    return memory;
}

/* Appends a pointer to a growing table of them. */
static bool
append_pointer(char ***table, uint32_t *count, uint32_t *cap, char *pointer)
{
    if (*count == *cap) {
        uint32_t more = *cap == 0 ? FIRST_POINTERS : *cap * 2;
        char **grown = sonde_realloc(*table, more * sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        *table = grown;
        *cap = more;
    }
    (*table)[(*count)++] = pointer;
    return true;
}

static void
free_pointers(char **table, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        sonde_free(table[i]);
    }
    sonde_free(table);
}

/* --- Items -------------------------------------------------------------------------------- */

void
sonde_items_init(struct sonde_items *items, size_t item_bytes)
{
    *items = (struct sonde_items){.item_bytes = item_bytes};
}

void
sonde_items_fini(struct sonde_items *items)
{
    free_pointers(items->chunks, items->chunk_count);
    sonde_items_init(items, items->item_bytes);
}

void *
sonde_items_add(struct sonde_items *items, struct sonde_room *budget)
{
    if (items->count == items->chunk_count * CHUNK_ITEMS) {
        char *chunk = items->count >= UINT32_MAX - CHUNK_ITEMS
                          ? NULL
                          : budget_take(budget, CHUNK_ITEMS * items->item_bytes);
        if (chunk == NULL) {
            return NULL;
        }
        if (!append_pointer(&items->chunks, &items->chunk_count, &items->chunk_cap,
                            chunk)) {
            sonde_free(chunk);
            return NULL;
        }
    }
    return sonde_items_at(items, ++items->count);
}

void *
sonde_items_at(const struct sonde_items *items, uint32_t id)
{
    uint32_t at = id - 1;
    return items->chunks[at / CHUNK_ITEMS] + at % CHUNK_ITEMS * items->item_bytes;
}

/* --- Index -------------------------------------------------------------------------------- */

void
sonde_index_fini(struct sonde_index *index)
{
    for (uint32_t i = 0; i < SONDE_INDEX_PARTS; i++) {
        sonde_free(index->parts[i].slots);
        index->parts[i] = (struct sonde_index_part){0};
    }
}

/* The upper bits choose the part, the lower ones the slot in it. */
static uint32_t
part_of(uint32_t hash)
{
    return hash >> 22;
}

uint32_t
sonde_index_find(const struct sonde_index *index, uint32_t hash,
                 sonde_index_same_fn *is_same, const void *ctx, const void *key)
{
    const struct sonde_index_part *part = &index->parts[part_of(hash)];
    if (part->cap == 0) {
        return 0;
    }
    for (uint32_t at = hash;; at++) {
        const struct sonde_index_slot *slot = &part->slots[at & (part->cap - 1)];
        if (slot->id == 0) {
            return 0;
        }
        if (slot->hash == hash && is_same(ctx, slot->id, key)) {
            return slot->id;
        }
    }
}

static void
put_slot(struct sonde_index_part *part, struct sonde_index_slot slot)
{
    uint32_t at = slot.hash;
    while (part->slots[at & (part->cap - 1)].id != 0) {
        at++;
    }
    part->slots[at & (part->cap - 1)] = slot;
}

static bool
grow_part(struct sonde_index_part *part, struct sonde_room *budget)
{
    struct sonde_index_part grown = {
        .cap = part->cap == 0 ? FIRST_SLOTS : part->cap * 2,
        .count = part->count,
    };
    grown.slots = budget_take(budget, grown.cap * sizeof(*grown.slots));
    if (grown.slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < part->cap; i++) {
        if (part->slots[i].id != 0) {
            put_slot(&grown, part->slots[i]);
        }
    }
    budget->used_bytes -= part->cap * sizeof(*part->slots);
    sonde_free(part->slots);
    *part = grown;
    return true;
}

bool
sonde_index_add(struct sonde_index *index, struct sonde_room *budget, uint32_t hash,
                uint32_t id)
{
    struct sonde_index_part *part = &index->parts[part_of(hash)];
    if (part->count >= part->cap - part->cap / 4 && !grow_part(part, budget)) {
        return false;
    }
    put_slot(part, (struct sonde_index_slot){hash, id});
    part->count++;
    return true;
}

uint32_t
sonde_hash_bytes(uint32_t seed, const void *data, size_t len)
{
    const unsigned char *at = data;
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ seed;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    hash ^= hash >> 29; /* the last bytes have to reach the upper bits too */
    hash *= UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(hash >> 32);
}

/* --- Strings ------------------------------------------------------------------------------ */

void
sonde_strings_init(struct sonde_strings *strings)
{
    memset(strings, 0, sizeof(*strings));
    sonde_items_init(&strings->items, sizeof(struct sonde_str));
}

void
sonde_strings_fini(struct sonde_strings *strings)
{
    sonde_items_fini(&strings->items);
    sonde_index_fini(&strings->index);
    free_pointers(strings->blocks, strings->block_count);
    sonde_strings_init(strings);
}

static bool
is_same_text(const void *ctx, uint32_t id, const void *key)
{
    return sonde_str_eq(sonde_strings_get(ctx, id), *(const struct sonde_str *)key);
}

static char *
copy_text(struct sonde_strings *strings, struct sonde_room *budget, struct sonde_str text)
{
    if (text.len > strings->room_bytes) {
        char *block = budget_take(budget, BLOCK_BYTES);
        if (block == NULL || !append_pointer(&strings->blocks, &strings->block_count,
                                             &strings->block_cap, block)) {
            sonde_free(block);
            return NULL;
        }
        strings->room = block;
        strings->room_bytes = BLOCK_BYTES;
    }
    char *copy = strings->room;
    memcpy(copy, text.ptr, text.len);
    strings->room += text.len;
    strings->room_bytes -= text.len;
    return copy;
}

uint32_t
sonde_strings_put(struct sonde_strings *strings, struct sonde_room *budget,
                  struct sonde_str text)
{
    if (text.len == 0) {
        return 0;
    }
    text.len = text.len < SONDE_STRING_MAX ? text.len : SONDE_STRING_MAX;
    uint32_t hash = sonde_hash_bytes(0, text.ptr, text.len);
    uint32_t id = sonde_index_find(&strings->index, hash, is_same_text, strings, &text);
    if (id != 0) {
        return id;
    }
    char *copy = copy_text(strings, budget, text);
    struct sonde_str *item =
        copy == NULL ? NULL : sonde_items_add(&strings->items, budget);
    if (item == NULL) {
        return 0;
    }
    *item = (struct sonde_str){copy, text.len};
    id = strings->items.count;
    return sonde_index_add(&strings->index, budget, hash, id) ? id : 0;
}

struct sonde_str
sonde_strings_get(const struct sonde_strings *strings, uint32_t id)
{
    return id == 0 ? (struct sonde_str){NULL, 0}
                   : *(const struct sonde_str *)sonde_items_at(&strings->items, id);
}
