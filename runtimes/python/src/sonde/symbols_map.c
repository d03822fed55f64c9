/* SPDX-License-Identifier: Apache-2.0 */
#include "symbols_map.h"

#include "core/base/alloc.h"

#define SLOTS_FIRST 256

void
sonde_py_map_fini(struct sonde_py_map *map)
{
    sonde_free(map->slots);
    *map = (struct sonde_py_map){0};
}

void
sonde_py_map_clear(struct sonde_py_map *map)
{
    if (map->slots != NULL) {
        memset(map->slots, 0, (map->mask + 1) * sizeof(map->slots[0]));
    }
    map->count = 0;
}

static struct sonde_py_map_slot *
slot_of(const struct sonde_py_map *map, uint64_t key)
{
    size_t i = (size_t)(key >> 20) & map->mask;
    while (map->slots[i].key != 0 && map->slots[i].key != key) {
        i = (i + 1) & map->mask;
    }
    return &map->slots[i];
}

uint32_t *
sonde_py_map_get(const struct sonde_py_map *map, uint64_t key)
{
    if (map->count == 0) {
        return NULL;
    }
    struct sonde_py_map_slot *slot = slot_of(map, key);
    return slot->key != 0 ? &slot->value : NULL;
}

static bool
grow(struct sonde_py_map *map)
{
    struct sonde_py_map larger = {.mask = map->slots == NULL ? SLOTS_FIRST - 1
                                                             : map->mask * 4 + 3,
                                  .count = map->count};
    larger.slots = sonde_calloc(larger.mask + 1, sizeof(larger.slots[0]));
    if (larger.slots == NULL) {
        return false;
    }
    for (size_t i = 0; map->slots != NULL && i <= map->mask; i++) {
        if (map->slots[i].key != 0) {
            *slot_of(&larger, map->slots[i].key) = map->slots[i];
        }
    }
    sonde_free(map->slots);
    *map = larger;
    return true;
}

uint32_t *
sonde_py_map_put(struct sonde_py_map *map, uint64_t key, bool *is_new)
{
    if ((map->slots == NULL || (map->count + 1) * 4 > (map->mask + 1) * 3) &&
        !grow(map)) {
        return NULL;
    }
    struct sonde_py_map_slot *slot = slot_of(map, key);
    if (is_new != NULL) {
        *is_new = slot->key == 0;
    }
    if (slot->key == 0) {
        slot->key = key;
        slot->value = 0;
        map->count++;
    }
    return &slot->value;
}

uint64_t
sonde_py_hash_mix(uint64_t a, uint64_t b)
{
    uint64_t hash = (a ^ b * UINT64_C(0xD6E8FEB86659FD93)) * UINT64_C(0x9E3779B97F4A7C15);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xD6E8FEB86659FD93);
    hash ^= hash >> 29;
    return hash != 0 ? hash : 1;
}

/* Eight bytes at a time: paths are long. */
uint64_t
sonde_py_hash_text(uint64_t seed, struct sonde_str text)
{
    uint64_t hash = seed ^ text.len;
    size_t at = 0;
    for (; at + 8 <= text.len; at += 8) {
        uint64_t word;
        memcpy(&word, text.ptr + at, 8);
        hash = sonde_py_hash_mix(hash, word);
    }
    uint64_t rest = 0;
    if (at < text.len) {
        memcpy(&rest, text.ptr + at, text.len - at);
    }
    return sonde_py_hash_mix(hash, rest);
}
