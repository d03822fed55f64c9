/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of a unit, as a service has them: put into symbols.db, and taken out; private to this
 * folder.
 *
 * Ctx: the writer's thread, in a transaction. */
#ifndef SONDE_SYMBOLS_NAMES_H
#define SONDE_SYMBOLS_NAMES_H

#include "collector/store/sqlite/symbols_file.h"

/* A unit of a service. */
struct sonde_symbols_held {
    int64_t service, unit, file;
    enum sonde_origin origin;
    uint32_t part;
    struct sonde_str path;
    int symbol_count, file_count, user_file_count; /* come, less those gone */
};

/* Puts the names of `scope`, the unit's tree; those that the service has of another version of the file
 * lead to this unit from now on. */
int sonde_symbols_put_names(struct sonde_symbols_file *file,
                            struct sonde_symbols_held *held, struct sonde_str scope,
                            struct sonde_err *err);

/* Takes out those that lead to this unit. */
int sonde_symbols_take_names(struct sonde_symbols_file *file,
                             struct sonde_symbols_held *held, struct sonde_str scope,
                             struct sonde_err *err);

/* Brings the index up to date with what was put and taken. Before the commit. */
int sonde_symbols_file_keys(struct sonde_symbols_file *file, struct sonde_err *err);

#endif
