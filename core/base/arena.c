/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/arena.h"

#include "core/base/alloc.h"

#include <stdalign.h>

#define FIRST_BLOCK_BYTES ((size_t)1024)
#define LARGEST_STEP_BYTES ((size_t)64 * 1024)

struct sonde_arena_block {
    struct sonde_arena_block *next;
    size_t used;
    size_t cap;
    alignas(max_align_t) unsigned char data[];
};

void
sonde_arena_init(struct sonde_arena *arena, size_t max_bytes)
{
    *arena = (struct sonde_arena){.max_bytes = max_bytes};
}

void
sonde_arena_fini(struct sonde_arena *arena)
{
    struct sonde_arena_block *block = arena->head;
    while (block != NULL) {
        struct sonde_arena_block *next = block->next;
        sonde_free(block);
        block = next;
    }
    arena->head = NULL;
    arena->used_bytes = 0;
}

/* Blocks double, so that a long-lived arena makes few, up to a step that wastes little; a
 * bounded arena never takes more from the heap than it may still give out. */
static size_t
next_block_bytes(const struct sonde_arena *arena, size_t need, size_t left)
{
    size_t bytes = FIRST_BLOCK_BYTES;
    if (arena->head != NULL) {
        bytes = arena->head->cap < LARGEST_STEP_BYTES / 2 ? arena->head->cap * 2
                                                          : LARGEST_STEP_BYTES;
    }
    if (bytes > left) {
        bytes = left;
    }
    return bytes < need ? need : bytes;
}

void *
sonde_arena_alloc(struct sonde_arena *arena, size_t bytes)
{
    const size_t align = alignof(max_align_t);
    if (bytes > SIZE_MAX - sizeof(struct sonde_arena_block) - align) {
        return NULL;
    }
    /* Nothing is rounded up to something, so that the pointer is the caller's alone. */
    size_t need = bytes == 0 ? align : (bytes + align - 1) / align * align;
    size_t max = arena->max_bytes == 0 ? SIZE_MAX : arena->max_bytes;
    size_t left = max - arena->used_bytes;
    if (need > left) {
        return NULL;
    }
    struct sonde_arena_block *block = arena->head;
    if (block == NULL || block->cap - block->used < need) {
        size_t cap = next_block_bytes(arena, need, left);
        block = sonde_calloc(1, sizeof(*block) + cap);
        if (block == NULL) {
            return NULL;
        }
        block->cap = cap;
        block->next = arena->head;
        arena->head = block;
    }
    void *memory = block->data + block->used;
    block->used += need;
    arena->used_bytes += need;
    return memory;
}

char *
sonde_arena_strdup(struct sonde_arena *arena, struct sonde_str text)
{
    char *copy = text.len == SIZE_MAX ? NULL : sonde_arena_alloc(arena, text.len + 1);
    if (copy != NULL && text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return copy;
}
