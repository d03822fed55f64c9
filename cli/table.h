/* SPDX-License-Identifier: Apache-2.0
 *
 * A table for a terminal: a dim heading, columns two spaces apart, no lines. Cells are given
 * row by row, left to right. A column that is empty in every row is left out.
 *
 * Own: heading texts are borrowed, cells are copied into the arena. */
#ifndef SONDE_TABLE_H
#define SONDE_TABLE_H

#include "cli/pen.h"
#include "core/base/arena.h"

struct sonde_column {
    const char *heading;
    bool is_right; /* numbers */
};

struct sonde_table_cell;

#define SONDE_TABLE_COLUMNS_MAX 12

struct sonde_table {
    struct sonde_arena *arena;
    const struct sonde_column *columns;
    size_t column_count; /* 1 to SONDE_TABLE_COLUMNS_MAX */
    size_t widths[SONDE_TABLE_COLUMNS_MAX];
    struct sonde_table_cell *first, *last;
    size_t cell_count;
    bool has_failed; /* out of memory: print says so through the pen's buffer */
};

void sonde_table_init(struct sonde_table *table, struct sonde_arena *arena,
                      const struct sonde_column *columns, size_t column_count);

/* The next cell; text from outside is welcome. */
void sonde_table_text(struct sonde_table *table, enum sonde_tone tone,
                      struct sonde_str text);
void sonde_table_int(struct sonde_table *table, enum sonde_tone tone, int64_t value);

/* Prints nothing when no cell was given. */
void sonde_table_print(const struct sonde_table *table, struct sonde_pen *pen);

#endif
