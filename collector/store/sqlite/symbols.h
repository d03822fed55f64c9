/* SPDX-License-Identifier: Apache-2.0
 *
 * The symbols' half of the store: one thread that writes symbols.db as the other one writes
 * snapshots (docs/decisions/0004), and readers that are kept.
 *
 * Ctx: any thread, except new and free. */
#ifndef SONDE_SQLITE_SYMBOLS_H
#define SONDE_SQLITE_SYMBOLS_H

#include "collector/store/sqlite/symbols_reader.h"

struct sonde_symbols;

/* `dir` is borrowed. A damaged file is set aside. Own: sonde_symbols_free. */
int sonde_symbols_new(struct sonde_symbols **out, const char *dir, int64_t keep_days,
                      size_t queue_bytes, struct sonde_err *err);

/* Ends every queued write. NULL is allowed. */
void sonde_symbols_free(struct sonde_symbols *symbols);

/* As sonde_store_write. */
int sonde_symbols_write(struct sonde_symbols *symbols, struct sonde_write *write);

uint64_t sonde_symbols_id(const struct sonde_symbols *symbols);

/* A reader for one question; give it back with what the question ended with. */
int sonde_symbols_take_reader(struct sonde_symbols *symbols,
                              struct sonde_symbols_reader **out, struct sonde_err *err);
int sonde_symbols_give_reader(struct sonde_symbols *symbols,
                              struct sonde_symbols_reader *reader, int rc);

#endif
