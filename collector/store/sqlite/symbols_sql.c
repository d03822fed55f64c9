/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store/sqlite/symbols_sql.h"

#include "collector/store/sqlite/symbols_file.h"

/* Ids of names are their order in lists (symbols_file.h), so that the index, which gives ids in
 * their order, can be left as soon as enough are found. Of a unit's row the tree comes last: what
 * only wants the rest does not read its pages. */
static const char schema[] =
    "CREATE TABLE store (id INTEGER PRIMARY KEY, number INTEGER NOT NULL) STRICT;"
    "CREATE TABLE service (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    "  upload INTEGER NOT NULL DEFAULT 0, round INTEGER NOT NULL DEFAULT 0,"
    "  units INTEGER NOT NULL DEFAULT 0, symbols INTEGER NOT NULL DEFAULT 0,"
    "  files INTEGER NOT NULL DEFAULT 0, user_files INTEGER NOT NULL DEFAULT 0,"
    "  seen_at_ns INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE holder (id INTEGER PRIMARY KEY, service INTEGER NOT NULL,"
    "  env TEXT NOT NULL, version TEXT NOT NULL, UNIQUE (service, env, version)) STRICT;"
    "CREATE TABLE file (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE unit (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE,"
    "  file INTEGER NOT NULL, part INTEGER NOT NULL, parts INTEGER NOT NULL,"
    "  origin INTEGER NOT NULL, language TEXT NOT NULL, file_hash BLOB,"
    "  file_state TEXT NOT NULL, scope BLOB NOT NULL) STRICT;"
    "CREATE INDEX unit_by_file ON unit (file);"
    "CREATE TABLE held (unit INTEGER NOT NULL, holder INTEGER NOT NULL,"
    "  seen_s INTEGER NOT NULL, PRIMARY KEY (unit, holder)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE name (id INTEGER PRIMARY KEY, unit INTEGER NOT NULL,"
    "  kind INTEGER NOT NULL, type INTEGER NOT NULL, line INTEGER NOT NULL,"
    "  end_line INTEGER NOT NULL, probe_line INTEGER NOT NULL,"
    "  ordinal INTEGER NOT NULL, sum INTEGER NOT NULL, name TEXT NOT NULL,"
    "  qualified TEXT NOT NULL) STRICT;"
    "CREATE INDEX name_by_sum ON name (sum);"
    "CREATE VIRTUAL TABLE keys USING fts5 (doc, content = '', detail = none,"
    "  columnsize = 0, tokenize = \"ascii tokenchars '-_.'\");"
    "INSERT INTO keys (keys, rank) VALUES ('hashsize', 16777216);"
    "CREATE TABLE source (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE,"
    "  text BLOB NOT NULL) STRICT;";

const struct sonde_db_kind sonde_symbols_kind = {
    .application_id = 0x536f5379, /* "SoSy" */
    .version = 1,
    .page_bytes = 4096,
    .cache_kib = 32768,
    .schema = schema,
};

const char *const sonde_symbols_sql[] = {
#define SQL_ROW(name, sql) sql,
    SONDE_SYMBOLS_SQL_LIST(SQL_ROW)
#undef SQL_ROW
};

_Static_assert(SONDE_SYMBOLS_STATEMENTS <= SONDE_SYMBOLS_STATEMENTS_MAX,
               "room for every statement");

void
sonde_symbols_read_service(struct sonde_symbol_service *out, sqlite3_stmt *row)
{
    *out = (struct sonde_symbol_service){
        .upload = (enum sonde_uploading)sqlite3_column_int(row, 0),
        .round = sqlite3_column_int64(row, 1),
        .unit_count = sqlite3_column_int64(row, 2),
        .symbol_count = sqlite3_column_int64(row, 3),
        .file_count = sqlite3_column_int64(row, 4),
        .user_file_count = sqlite3_column_int64(row, 5),
        .seen_at_ns = sqlite3_column_int64(row, 6),
        .name = sonde_db_column(row, 7),
    };
}

sqlite3_stmt *
sonde_symbols_statement_of(struct sonde_symbols_file *file,
                           enum sonde_symbols_statement which)
{
    return file->statements[which];
}

int
sonde_symbols_run(struct sonde_symbols_file *file, enum sonde_symbols_statement which,
                  struct sonde_err *err)
{
    sqlite3_stmt *statement = sonde_symbols_statement_of(file, which);
    int rc = sqlite3_step(statement) == SQLITE_DONE ? SONDE_OK
                                                    : sonde_db_fault(&file->db, err);
    sqlite3_reset(statement);
    return rc;
}

int
sonde_symbols_ask(struct sonde_symbols_file *file, enum sonde_symbols_statement which,
                  int64_t *out, struct sonde_err *err)
{
    sqlite3_stmt *statement = sonde_symbols_statement_of(file, which);
    int step = sqlite3_step(statement);
    *out = step == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    int rc = step == SQLITE_ROW || step == SQLITE_DONE ? SONDE_OK
                                                       : sonde_db_fault(&file->db, err);
    sqlite3_reset(statement);
    return rc;
}

int
sonde_symbols_no_memory(struct sonde_err *err)
{
    return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
}
