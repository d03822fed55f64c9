/* SPDX-License-Identifier: Apache-2.0
 *
 * symbols.db: writing (docs/formats/store.md). Everything happens in a transaction that the caller
 * begins and ends. Names go into the full-text index at its end, in the order of their ids: that is
 * how FTS5 takes many at once.
 *
 * Ctx: the writer's thread. */
#ifndef SONDE_SYMBOLS_FILE_H
#define SONDE_SYMBOLS_FILE_H

#include "collector/store/sqlite/db.h"
#include "collector/store/store.h"
#include "core/base/buf.h"

/* An id of a name says where it stands in a list: service, origin, length, and then a number. Such
 * numbers lie close together, which keeps the index small. */
#define SONDE_NAME_NUMBER_BITS 41
#define SONDE_NAME_LENGTH_BITS 8
#define SONDE_NAME_ORIGIN_SHIFT (SONDE_NAME_NUMBER_BITS + SONDE_NAME_LENGTH_BITS)
#define SONDE_NAME_SERVICE_SHIFT (SONDE_NAME_ORIGIN_SHIFT + 2)

#define SONDE_SYMBOLS_STATEMENTS_MAX 48

/* A name whose keys are to be filed, or taken out. */
struct sonde_symbols_pending {
    int64_t id;
    struct sonde_str name, qualified; /* in the arena */
    enum sonde_found_kind kind;
    bool is_gone;
};

struct sonde_symbols_file {
    struct sonde_db db;
    sqlite3_stmt *statements[SONDE_SYMBOLS_STATEMENTS_MAX];
    bool is_begun;
    size_t added_count; /* names, since all segments were made one */
    uint64_t id;        /* of the store */
    struct sonde_arena arena;
    struct sonde_symbols_pending *pending;
    size_t pending_count, pending_cap;
    struct sonde_buf text;    /* a scope, unpacked */
    struct sonde_buf scratch; /* keys, packed bytes */
};

extern const struct sonde_db_kind sonde_symbols_kind;

void sonde_symbols_path(char *out, size_t size, const char *dir);

/* Errors of sonde_db_open. */
int sonde_symbols_file_open(struct sonde_symbols_file *file, const char *dir,
                            struct sonde_err *err);
void sonde_symbols_file_close(struct sonde_symbols_file *file);

/* Drops what is prepared and pending, so that db can be set aside. */
void sonde_symbols_file_drop(struct sonde_symbols_file *file);

int sonde_symbols_file_begin(struct sonde_symbols_file *file, struct sonde_err *err);
int sonde_symbols_file_commit(struct sonde_symbols_file *file, struct sonde_err *err);
void sonde_symbols_file_rollback(struct sonde_symbols_file *file);

/* SONDE_E_LIMIT: there are too many services; nothing was written. */
int sonde_symbols_file_upload(struct sonde_symbols_file *file,
                              struct sonde_symbol_upload *upload, int64_t now_ns,
                              struct sonde_err *err);
int sonde_symbols_file_set(struct sonde_symbols_file *file,
                           struct sonde_symbol_setting *setting, struct sonde_err *err);

/* Forgets units that were not seen since `oldest_s` (seconds since 1970), some of them: *is_done when
 * none is left. */
int sonde_symbols_file_forget(struct sonde_symbols_file *file, int64_t oldest_s,
                              bool *is_done, struct sonde_err *err);

/* Joins some of the index's segments; true when there was something to do: then go on. */
bool sonde_symbols_file_tidy(struct sonde_symbols_file *file);

#endif
