/* SPDX-License-Identifier: Apache-2.0
 *
 * The statements that write symbols.db, and what its readers share with its writer; private to this
 * folder. */
#ifndef SONDE_SYMBOLS_SQL_H
#define SONDE_SYMBOLS_SQL_H

#include "collector/store/sqlite/db.h"
#include "collector/store/symbols.h"
#include "core/base/buf.h"

/* X(NAME, SQL). */
#define SONDE_SYMBOLS_SQL_LIST(X)                                                        \
    X(BEGIN, "BEGIN IMMEDIATE")                                                          \
    X(COMMIT, "COMMIT")                                                                  \
    X(ROLLBACK, "ROLLBACK")                                                              \
    X(MAKE_ID, "INSERT OR IGNORE INTO store VALUES (1, ?1)")                             \
    X(GET_ID, "SELECT number FROM store")                                                \
    X(FIND_SERVICE, "SELECT id FROM service WHERE name = ?1")                            \
    X(ADD_SERVICE, "INSERT INTO service (id, name) VALUES"                               \
                   " (iif(NOT EXISTS (SELECT 1 FROM service WHERE id = 1), 1,"           \
                   "   (SELECT min(id) + 1 FROM service s WHERE NOT EXISTS"              \
                   "     (SELECT 1 FROM service t WHERE t.id = s.id + 1))), ?1)")        \
    X(DROP_SERVICE, "DELETE FROM service WHERE id = ?1")                                 \
    X(SEE_SERVICE, "UPDATE service SET seen_at_ns = ?2 WHERE id = ?1")                   \
    X(SET_SERVICE, "UPDATE service SET upload = iif(?2 < 0, upload, ?2),"                \
                   " round = round + ?3 WHERE id = ?1 RETURNING " SONDE_SERVICE_COLUMNS) \
    X(COUNT_UNIT, "UPDATE service SET units = units + ?2 WHERE id = ?1")                 \
    X(COUNT_NAMES, "UPDATE service SET symbols = symbols + ?2, files = files + ?3,"      \
                   " user_files = user_files + ?4 WHERE id = ?1")                        \
    X(ADD_HOLDER,                                                                        \
      "INSERT OR IGNORE INTO holder (service, env, version) VALUES (?1, ?2, ?3)")        \
    X(FIND_HOLDER,                                                                       \
      "SELECT id FROM holder WHERE service = ?1 AND env = ?2 AND version = ?3")          \
    X(FIND_FILE, "SELECT id FROM file WHERE path = ?1")                                  \
    X(ADD_FILE, "INSERT INTO file (path) VALUES (?1)")                                   \
    X(FIND_UNIT, "SELECT id FROM unit WHERE hash = ?1")                                  \
    X(ADD_UNIT,                                                                          \
      "INSERT INTO unit (hash, file, part, parts, origin, language, file_hash,"          \
      " file_state, scope) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")                 \
    X(LOAD_UNIT, "SELECT u.file, u.origin, u.part, f.path, u.scope FROM unit u"          \
                 " JOIN file f ON f.id = u.file WHERE u.id = ?1")                        \
    X(IS_HELD, "SELECT 1 FROM held h JOIN holder o ON o.id = h.holder"                   \
               " WHERE h.unit = ?1 AND o.service = ?2 LIMIT 1")                          \
    X(SEE, "INSERT INTO held VALUES (?1, ?2, ?3) ON CONFLICT (unit, holder)"             \
           " DO UPDATE SET seen_s = excluded.seen_s WHERE seen_s < ?4")                  \
    X(LOSE, "DELETE FROM held WHERE unit = ?1 AND holder = ?2")                          \
    X(FIND_STALE, "SELECT count(*) FROM unit u"                                          \
                  " JOIN unit n ON n.file = u.file AND n.part = u.part AND n.id <> u.id" \
                  " JOIN held h ON h.unit = n.id"                                        \
                  " JOIN holder o ON o.id = h.holder AND o.service = ?2"                 \
                  " WHERE u.id = ?1 HAVING max(h.seen_s) < ?3")                          \
    X(FIND_NAME,                                                                         \
      "SELECT n.id, n.unit, n.kind, n.type, n.ordinal, n.name, n.qualified, u.file"      \
      " FROM name n JOIN unit u ON u.id = n.unit"                                        \
      " WHERE n.sum = ?1 AND n.id BETWEEN ?2 AND ?3")                                    \
    X(LAST_NAME, "SELECT max(id) FROM name WHERE id BETWEEN ?1 AND ?2")                  \
    X(ADD_NAME, "INSERT INTO name (id, unit, line, end_line, probe_line, kind, type,"    \
                " ordinal, name, qualified, sum) VALUES"                                 \
                " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")                       \
    X(MOVE_NAME, "UPDATE name SET unit = ?2, line = ?3, end_line = ?4, probe_line = ?5"  \
                 " WHERE id = ?1")                                                       \
    X(DROP_NAME, "DELETE FROM name WHERE id = ?1")                                       \
    X(ADD_KEYS, "INSERT INTO keys (rowid, doc) VALUES (?1, ?2)")                         \
    X(DROP_KEYS, "INSERT INTO keys (keys, rowid, doc) VALUES ('delete', ?1, ?2)")        \
    X(MERGE, "INSERT INTO keys (keys, rank) VALUES ('merge', ?1)")                       \
    X(HAS_SOURCE, "SELECT 1 FROM source WHERE hash = ?1")                                \
    X(ADD_SOURCE, "INSERT OR IGNORE INTO source (hash, text) VALUES (?1, ?2)")           \
    X(LIST_OTHERS, "SELECT u.id FROM unit u WHERE u.file = ?1 AND EXISTS"                \
                   " (SELECT 1 FROM held h JOIN holder o ON o.id = h.holder"             \
                   "  WHERE h.unit = u.id AND o.service = ?2) ORDER BY u.id DESC")       \
    X(LIST_OLD, "SELECT h.unit, h.holder, o.service FROM held h"                         \
                " JOIN holder o ON o.id = h.holder WHERE h.seen_s < ?1 LIMIT ?2")        \
    X(SWEEP_UNITS,                                                                       \
      "DELETE FROM unit WHERE NOT EXISTS (SELECT 1 FROM held WHERE unit = unit.id)")     \
    X(SWEEP_FILES,                                                                       \
      "DELETE FROM file WHERE NOT EXISTS (SELECT 1 FROM unit WHERE file = file.id)")     \
    X(SWEEP_SOURCES, "DELETE FROM source WHERE hash NOT IN"                              \
                     " (SELECT file_hash FROM unit WHERE file_hash IS NOT NULL)")        \
    X(SWEEP_HOLDERS, "DELETE FROM holder WHERE id NOT IN (SELECT holder FROM held)")     \
    X(SWEEP_SERVICES,                                                                    \
      "DELETE FROM service WHERE units = 0 AND upload = 0 AND NOT EXISTS"                \
      " (SELECT 1 FROM holder WHERE service = service.id)")

/* In the order in which sonde_symbols_read_service takes them. */
#define SONDE_SERVICE_COLUMNS \
    "upload, round, units, symbols, files, user_files, seen_at_ns, name, id"

enum sonde_symbols_statement {
#define SONDE_SYMBOLS_ENUM(name, sql) SONDE_SYMBOLS_##name,
    SONDE_SYMBOLS_SQL_LIST(SONDE_SYMBOLS_ENUM)
#undef SONDE_SYMBOLS_ENUM
        SONDE_SYMBOLS_STATEMENTS,
};

extern const char *const sonde_symbols_sql[];

/* From a row of SONDE_SERVICE_COLUMNS; the name lives as long as the row. */
void sonde_symbols_read_service(struct sonde_symbol_service *out, sqlite3_stmt *row);

struct sonde_symbols_file;

sqlite3_stmt *sonde_symbols_statement_of(struct sonde_symbols_file *file,
                                         enum sonde_symbols_statement which);

/* Runs a statement that gives no row. */
int sonde_symbols_run(struct sonde_symbols_file *file, enum sonde_symbols_statement which,
                      struct sonde_err *err);

/* Runs one that gives a number or nothing; then *out is 0. */
int sonde_symbols_ask(struct sonde_symbols_file *file, enum sonde_symbols_statement which,
                      int64_t *out, struct sonde_err *err);

/* Says so; SONDE_E_NOMEM. */
int sonde_symbols_no_memory(struct sonde_err *err);

/* From a zstd frame, into `out`, which is emptied. SONDE_E_CORRUPT, SONDE_E_NOMEM. */
int sonde_symbols_unpack(struct sonde_buf *out, struct sonde_str packed);

#endif
