/* SPDX-License-Identifier: Apache-2.0
 *
 * symbols.db: reading, on a connection of its own that is kept from one question to the next: a
 * search asks some dozens of pages, which opening would cost as well.
 *
 * Ctx: one thread at a time per reader. */
#ifndef SONDE_SYMBOLS_READER_H
#define SONDE_SYMBOLS_READER_H

#include "collector/store/sqlite/db.h"
#include "collector/store/store.h"

#define SONDE_SYMBOLS_READS_MAX 12

struct sonde_symbols_reader {
    struct sonde_symbols_reader *next; /* its keeper's */
    uint64_t epoch;                    /* its keeper's */
    struct sonde_db db;
    sqlite3_stmt *statements[SONDE_SYMBOLS_READS_MAX];
};

/* Own: sonde_symbols_reader_free. Errors of sonde_db_open_to_read. */
int sonde_symbols_reader_new(struct sonde_symbols_reader **out, const char *dir,
                             struct sonde_err *err);
void sonde_symbols_reader_free(struct sonde_symbols_reader *reader);

/* As their namesakes in store.h. SONDE_E_CORRUPT: the file is damaged. */
int sonde_symbols_search(struct sonde_symbols_reader *reader,
                         const struct sonde_symbol_query *query, bool *has_more,
                         sonde_found_fn *fn, void *arg, struct sonde_err *err);
int sonde_symbols_file_units(struct sonde_symbols_reader *reader, struct sonde_str path,
                             struct sonde_str service, sonde_text_fn *fn, void *arg,
                             struct sonde_err *err);
int sonde_symbols_unit(struct sonde_symbols_reader *reader, struct sonde_str hash,
                       sonde_unit_fn *fn, void *arg, struct sonde_err *err);
int sonde_symbols_source(struct sonde_symbols_reader *reader, struct sonde_str hash,
                         sonde_text_fn *fn, void *arg, struct sonde_err *err);
int sonde_symbols_services(struct sonde_symbols_reader *reader, sonde_service_fn *fn,
                           void *arg, struct sonde_err *err);

#endif
