/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <stdio.h>

struct sonde_table_cell {
    struct sonde_str text;
    enum sonde_tone tone;
    size_t width;
    struct sonde_table_cell *next;
};

void
sonde_table_init(struct sonde_table *table, struct sonde_arena *arena,
                 const struct sonde_column *columns, size_t column_count)
{
    *table = (struct sonde_table){
        .arena = arena,
        .columns = columns,
        .column_count = column_count,
    };
}

void
sonde_table_text(struct sonde_table *table, enum sonde_tone tone, struct sonde_str text)
{
    struct sonde_buf escaped;
    sonde_buf_init(&escaped, 0);
    size_t width = sonde_escape(&escaped, text, SONDE_ESCAPE_BARE);
    struct sonde_table_cell *cell = sonde_arena_alloc(table->arena, sizeof(*cell));
    char *copy = sonde_arena_strdup(table->arena, sonde_buf_view(&escaped));
    if (cell == NULL || copy == NULL || escaped.failed != SONDE_OK) {
        table->has_failed = true;
        sonde_buf_fini(&escaped);
        return;
    }
    *cell = (struct sonde_table_cell){
        .text = {copy, escaped.len},
        .tone = tone,
        .width = width,
    };
    sonde_buf_fini(&escaped);
    size_t column = table->cell_count++ % table->column_count;
    if (width > table->widths[column]) {
        table->widths[column] = width;
    }
    if (table->last == NULL) {
        table->first = cell;
    } else {
        table->last->next = cell;
    }
    table->last = cell;
}

void
sonde_table_int(struct sonde_table *table, enum sonde_tone tone, int64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    sonde_table_text(table, tone, sonde_str_from(text));
}

/* One cell with its padding; spaces that nothing follows are not written. */
static void
print_cell(const struct sonde_table *table, struct sonde_pen *pen, size_t column,
           const struct sonde_table_cell *cell, size_t *owed)
{
    if (table->widths[column] == 0) {
        return;
    }
    size_t wanted = table->widths[column];
    const char *heading = table->columns[column].heading;
    if (strlen(heading) > wanted) {
        wanted = strlen(heading);
    }
    size_t padding = wanted - cell->width;
    if (table->columns[column].is_right) {
        *owed += padding;
        padding = 0;
    }
    if (cell->width > 0) {
        sonde_pen_indent(pen, *owed);
        sonde_pen_text(pen, cell->tone, cell->text);
        *owed = 0;
    }
    *owed += padding + 2;
}

void
sonde_table_print(const struct sonde_table *table, struct sonde_pen *pen)
{
    if (table->has_failed) {
        pen->out->failed = SONDE_E_NOMEM;
        return;
    }
    if (table->first == NULL) {
        return;
    }
    size_t owed = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        struct sonde_str heading = sonde_str_from(table->columns[i].heading);
        struct sonde_table_cell cell = {heading, SONDE_TONE_DIM, heading.len, NULL};
        print_cell(table, pen, i, &cell, &owed);
    }
    sonde_pen_end(pen);
    size_t column = 0;
    owed = 0;
    for (const struct sonde_table_cell *cell = table->first; cell != NULL;
         cell = cell->next) {
        print_cell(table, pen, column, cell, &owed);
        if (++column == table->column_count) {
            sonde_pen_end(pen);
            column = 0;
            owed = 0;
        }
    }
}
