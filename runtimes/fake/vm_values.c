/* SPDX-License-Identifier: Apache-2.0 */
#include "runtimes/fake/vm_private.h"

#include <stdio.h>
#include <stdlib.h>

/* In front of every block of a thread's garbage. No collector: calls are short. */
struct vm_garbage {
    struct vm_garbage *next;
};

void *
vm_must_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (memory == NULL) {
        fputs("vm: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static void *
garbage_new(struct vm_thread *thread, size_t bytes)
{
    struct vm_garbage *block = vm_must_alloc(sizeof(*block) + bytes);
    block->next = thread->garbage;
    thread->garbage = block;
    return block + 1;
}

void
vm_garbage_free(struct vm_garbage *newest)
{
    while (newest != NULL) {
        struct vm_garbage *next = newest->next;
        free(newest);
        newest = next;
    }
}

struct vm_list *
vm_list_new(struct vm_thread *thread, size_t count)
{
    struct vm_list *list =
        garbage_new(thread, sizeof(*list) + count * sizeof(list->items[0]));
    list->count = count;
    return list;
}

struct vm_map *
vm_map_new(struct vm_thread *thread, size_t count)
{
    struct vm_map *map =
        garbage_new(thread, sizeof(*map) + count * sizeof(map->pairs[0]));
    map->count = count;
    return map;
}

struct vm_object *
vm_object_new(struct vm_thread *thread, const struct vm_type *type)
{
    struct vm_object *object = garbage_new(
        thread, sizeof(*object) + type->field_count * sizeof(object->fields[0]));
    object->type = type;
    return object;
}

struct vm_value
vm_text_new(struct vm_thread *thread, enum vm_encoding encoding, const void *data,
            size_t units)
{
    struct vm_text *text = garbage_new(thread, sizeof(*text));
    *text = (struct vm_text){encoding, data, units};
    return (struct vm_value){.kind = VM_TEXT, .text = text};
}
