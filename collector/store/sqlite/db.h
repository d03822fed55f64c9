/* SPDX-License-Identifier: Apache-2.0
 *
 * One SQLite file: opening it as ours, errors in our terms, setting it aside.
 *
 * Ctx: one thread at a time per file. */
#ifndef SONDE_DB_H
#define SONDE_DB_H

#include <sonde/err.h>
#include <sonde/str.h>
#include <sqlite3.h>

#define SONDE_DB_PATH_MAX 4096

/* What a file holds. `application_id` tells ours from others' and one kind from
 * another. */
struct sonde_db_kind {
    int application_id;
    int version; /* of the schema; a higher one is not ours to touch */
    int page_bytes;
    int cache_kib;
    const char *schema; /* of version `version` */
};

struct sonde_db {
    sqlite3 *handle; /* NULL: not open */
    char path[SONDE_DB_PATH_MAX];
    int wal_pages; /* in the log after the last commit */
};

/* Opens for writing, and makes the file when it is missing. SONDE_E_CORRUPT: damaged, or
 * not ours; SONDE_E_UNSUPPORTED: of a newer version; SONDE_E_IO, SONDE_E_NOMEM. The path
 * is in err. On failure nothing is open. */
int sonde_db_open(struct sonde_db *db, const char *path, const struct sonde_db_kind *kind,
                  struct sonde_err *err);

/* Opens for reading. SONDE_E_NOTFOUND: no such file, or nothing in it yet. */
int sonde_db_open_to_read(struct sonde_db *db, const char *path,
                          const struct sonde_db_kind *kind, struct sonde_err *err);
void sonde_db_close(struct sonde_db *db);

/* The last failure of `db` as a code, with its path and SQLite's words in err. */
int sonde_db_fault(const struct sonde_db *db, struct sonde_err *err);

int sonde_db_exec(struct sonde_db *db, const char *sql, struct sonde_err *err);
int sonde_db_prepare(struct sonde_db *db, sqlite3_stmt **out, const char *sql,
                     struct sonde_err *err);

/* Moves the log into the file, as far as readers let it. Failing costs nothing: the log
 * stays. */
void sonde_db_checkpoint(struct sonde_db *db);

/* Renames the file (and its log) to *.damaged-N and closes it; logs both names. */
void sonde_db_set_aside(struct sonde_db *db, const struct sonde_err *why);

static inline void
sonde_db_bind_text(sqlite3_stmt *statement, int at, struct sonde_str text)
{
    /* A NULL pointer would bind NULL. */
    sqlite3_bind_text64(statement, at, text.len == 0 ? "" : text.ptr, text.len,
                        SQLITE_STATIC, SQLITE_UTF8);
}

static inline void
sonde_db_bind_blob(sqlite3_stmt *statement, int at, struct sonde_str bytes)
{
    sqlite3_bind_blob64(statement, at, bytes.len == 0 ? "" : bytes.ptr, bytes.len,
                        SQLITE_STATIC);
}

static inline struct sonde_str
sonde_db_column(sqlite3_stmt *statement, int at)
{
    const void *bytes = sqlite3_column_blob(statement, at);
    return (struct sonde_str){bytes, (size_t)sqlite3_column_bytes(statement, at)};
}

#endif
