/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/symbols_table.h"

#include "core/base/alloc.h"

#include <stdlib.h>

#define FIRST_UNITS 64

void
sonde_table_init(struct sonde_table *table)
{
    *table = (struct sonde_table){0};
    sonde_arena_init(&table->arena, SONDE_LISTING_MAX_BYTES);
}

void
sonde_table_fini(struct sonde_table *table)
{
    sonde_arena_fini(&table->arena);
    sonde_free(table->units);
    sonde_table_init(table);
}

int
sonde_table_add(struct sonde_table *table, const struct sonde_table_unit *unit)
{
    if (table->count == table->cap) {
        uint32_t cap = table->cap == 0 ? FIRST_UNITS : table->cap * 2;
        struct sonde_table_unit *grown =
            sonde_realloc(table->units, cap * sizeof(*grown));
        if (grown == NULL) {
            return SONDE_E_NOMEM;
        }
        table->units = grown;
        table->cap = cap;
    }
    const char *file =
        table->count > 0 ? table->units[table->count - 1].file : unit->file;
    if (table->count == 0 || strcmp(file, unit->file) != 0) {
        file = sonde_arena_strdup(&table->arena, sonde_str_from(unit->file));
    }
    if (file == NULL) {
        return SONDE_E_NOMEM;
    }
    table->units[table->count] = *unit;
    table->units[table->count++].file = file;
    return SONDE_OK;
}

static int
compare(const void *left, const void *right)
{
    const struct sonde_table_unit *a = (const struct sonde_table_unit *)left;
    const struct sonde_table_unit *b = (const struct sonde_table_unit *)right;
    int order = strcmp(a->file, b->file);
    return order != 0 ? order : (a->part > b->part) - (a->part < b->part);
}

void
sonde_table_sort(struct sonde_table *table)
{
    if (table->count > 1) {
        qsort(table->units, table->count, sizeof(*table->units), compare);
    }
}

struct sonde_table_unit *
sonde_table_find(const struct sonde_table *table, const char *file, uint32_t part)
{
    struct sonde_table_unit wanted = {.file = file, .part = part};
    return table->count == 0
               ? NULL
               : bsearch(&wanted, table->units, table->count, sizeof(wanted), compare);
}
