/* SPDX-License-Identifier: Apache-2.0
 *
 * The units of what is loaded, without their scopes: what is kept between uploads, and where an upload
 * stands. Sorted by file and part.
 *
 * Ctx: the agent thread. */
#ifndef SONDE_SYMBOLS_TABLE_H
#define SONDE_SYMBOLS_TABLE_H

#include "core/agent/symbols_files.h"
#include "core/base/arena.h"
#include "core/symbols/listing.h"

struct sonde_table_unit {
    const char *file; /* in the table's arena */
    struct sonde_file_facts facts;
    sonde_scope_id root; /* in the listing at hand; 0: it is not in it */
    uint32_t part, parts;
    uint32_t scopes; /* of the whole file, at its first part */
    uint8_t origin;
    bool is_acked;     /* the collector has it, for this process */
    bool is_missing;   /* it said that it has not */
    bool is_refused;   /* it will not take it */
    bool wants_source; /* it lacks the text */
    unsigned char hash[SONDE_SHA1_BYTES];
};

struct sonde_table {
    struct sonde_arena arena;
    struct sonde_table_unit *units;
    uint32_t count, cap;
};

void sonde_table_init(struct sonde_table *table);
void sonde_table_fini(struct sonde_table *table);

/* Appends a copy; `file` is copied too, or taken over when it is the last one's. SONDE_E_NOMEM. */
int sonde_table_add(struct sonde_table *table, const struct sonde_table_unit *unit);

void sonde_table_sort(struct sonde_table *table);

/* The unit, or NULL. The table is sorted. */
struct sonde_table_unit *sonde_table_find(const struct sonde_table *table,
                                          const char *file, uint32_t part);

#endif
