/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store/sqlite/day_file.h"

#include "core/base/clock.h"

#include <stdio.h>
#include <time.h>

#define DAY_NS (86400 * SONDE_NS_PER_S)

/* `seq` is the order of arrival and joins heads and bodies, both of which only ever grow
 * at their end. Listing reads heads and indexes; bodies only for what is shown. */
static const char schema[] =
    "CREATE TABLE resource (id INTEGER PRIMARY KEY, message BLOB NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE head (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    "  time_ns INTEGER NOT NULL, probe TEXT NOT NULL, service TEXT NOT NULL,"
    "  resource INTEGER NOT NULL, trace_id BLOB, span_id BLOB) STRICT;"
    "CREATE INDEX head_by_time ON head (time_ns);"
    "CREATE INDEX head_by_probe ON head (probe, time_ns);"
    "CREATE INDEX head_by_service ON head (service, time_ns);"
    "CREATE TABLE body (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;";

const struct sonde_db_kind sonde_day_file_kind = {
    .application_id = 0x536f4461, /* "SoDa" */
    .version = 1,
    /* Smaller ones hold too few records, larger ones write too much for a lone
     * snapshot. */
    .page_bytes = 8192,
    .cache_kib = 16384,
    .schema = schema,
};

/* --- Names -------------------------------------------------------------------------- */

int64_t
sonde_day_of(int64_t time_ns)
{
    return time_ns >= 0 ? time_ns / DAY_NS : -1;
}

void
sonde_day_path(char *out, size_t size, const char *dir, int64_t day)
{
    time_t seconds = (time_t)(day * 86400);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    snprintf(out, size, "%s/day-%04d%02d%02d.db", dir, utc.tm_year + 1900, utc.tm_mon + 1,
             utc.tm_mday);
}

bool
sonde_day_of_name(int64_t *out, const char *name)
{
    int year = 0;
    int month = 0;
    int day = 0;
    int end = 0;
    if (sscanf(name, "day-%4d%2d%2d.db%n", &year, &month, &day, &end) != 3 || end != 15 ||
        name[end] != '\0') {
        return false;
    }
    struct tm utc = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    *out = timegm(&utc) / 86400;
    return true;
}

/* --- Writing ------------------------------------------------------------------------ */

int
sonde_day_file_open(struct sonde_day_file *file, const char *dir, int64_t day,
                    struct sonde_err *err)
{
    char path[SONDE_DB_PATH_MAX];
    *file = (struct sonde_day_file){.day = day};
    sonde_day_path(path, sizeof(path), dir, day);
    int rc = sonde_db_open(&file->db, path, &sonde_day_file_kind, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&file->begin, "BEGIN IMMEDIATE"},
        {&file->commit, "COMMIT"},
        {&file->rollback, "ROLLBACK"},
        {&file->add_head, "INSERT OR IGNORE INTO head"
                          " (id, time_ns, probe, service, resource, trace_id, span_id)"
                          " VALUES (?, ?, ?, ?, ?, ?, ?)"},
        {&file->add_body, "INSERT INTO body (seq, record) VALUES (?, ?)"},
        {&file->add_resource, "INSERT INTO resource (message) VALUES (?)"},
        {&file->find_resource, "SELECT id FROM resource WHERE message = ?"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && rc == SONDE_OK; i++) {
        rc = sonde_db_prepare(&file->db, all[i].statement, all[i].sql, err);
    }
    if (rc != SONDE_OK) {
        sonde_day_file_close(file);
    }
    return rc;
}

void
sonde_day_file_drop(struct sonde_day_file *file)
{
    sqlite3_stmt **all[] = {&file->begin,        &file->commit,   &file->rollback,
                            &file->add_head,     &file->add_body, &file->add_resource,
                            &file->find_resource};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        sqlite3_finalize(*all[i]);
        *all[i] = NULL;
    }
}

void
sonde_day_file_close(struct sonde_day_file *file)
{
    sonde_day_file_drop(file);
    sonde_db_close(&file->db);
}

/* Runs a statement that gives no row. */
static int
run(struct sonde_day_file *file, sqlite3_stmt *statement, struct sonde_err *err)
{
    int rc = sqlite3_step(statement) == SQLITE_DONE ? SONDE_OK
                                                    : sonde_db_fault(&file->db, err);
    sqlite3_reset(statement);
    return rc;
}

int
sonde_day_file_begin(struct sonde_day_file *file, struct sonde_err *err)
{
    int rc = run(file, file->begin, err);
    file->is_begun = rc == SONDE_OK;
    file->resource = (struct sonde_str){NULL, 0};
    return rc;
}

int
sonde_day_file_commit(struct sonde_day_file *file, struct sonde_err *err)
{
    int rc = run(file, file->commit, err);
    if (rc == SONDE_OK) {
        file->is_begun = false;
    }
    return rc;
}

void
sonde_day_file_rollback(struct sonde_day_file *file)
{
    if (file->is_begun) {
        /* Some errors have rolled back by themselves; then this one fails, and may. */
        (void)run(file, file->rollback, NULL);
        file->is_begun = false;
    }
}

/* Records of one request share their resource, so the last one is nearly always right. */
static int
settle_resource(struct sonde_day_file *file, struct sonde_str message,
                struct sonde_err *err)
{
    if (file->resource.ptr != NULL && file->resource.ptr == message.ptr &&
        file->resource.len == message.len) {
        return SONDE_OK;
    }
    int rc = SONDE_OK;
    sonde_db_bind_blob(file->find_resource, 1, message);
    int step = sqlite3_step(file->find_resource);
    if (step == SQLITE_ROW) {
        file->resource_id = sqlite3_column_int64(file->find_resource, 0);
    } else if (step != SQLITE_DONE) {
        rc = sonde_db_fault(&file->db, err);
    }
    sqlite3_reset(file->find_resource);
    if (step == SQLITE_DONE) {
        sonde_db_bind_blob(file->add_resource, 1, message);
        rc = run(file, file->add_resource, err);
        file->resource_id = sqlite3_last_insert_rowid(file->db.handle);
    }
    if (rc == SONDE_OK) {
        file->resource = message;
    }
    return rc;
}

static void
bind_id(sqlite3_stmt *statement, int at, struct sonde_str id)
{
    if (id.len == 0) {
        sqlite3_bind_null(statement, at);
    } else {
        sonde_db_bind_blob(statement, at, id);
    }
}

int
sonde_day_file_add(struct sonde_day_file *file, const struct sonde_row *row, bool *is_new,
                   struct sonde_err *err)
{
    int rc = settle_resource(file, row->resource, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    sqlite3_stmt *head = file->add_head;
    sonde_db_bind_text(head, 1, row->id);
    sqlite3_bind_int64(head, 2, row->time_ns);
    sonde_db_bind_text(head, 3, row->probe_id);
    sonde_db_bind_text(head, 4, row->service);
    sqlite3_bind_int64(head, 5, file->resource_id);
    bind_id(head, 6, row->trace_id);
    bind_id(head, 7, row->span_id);
    rc = run(file, head, err);
    *is_new = rc == SONDE_OK && sqlite3_changes(file->db.handle) > 0;
    if (!*is_new) {
        return rc;
    }
    sqlite3_bind_int64(file->add_body, 1, sqlite3_last_insert_rowid(file->db.handle));
    sonde_db_bind_blob(file->add_body, 2, row->packed);
    return run(file, file->add_body, err);
}

/* --- Reading ------------------------------------------------------------------------ */

#define SELECT_ROW                                                                   \
    "SELECT h.id, h.probe, h.service, h.time_ns, h.trace_id, h.span_id, r.message, " \
    "b.record"                                                                       \
    " FROM head h JOIN body b ON b.seq = h.seq JOIN resource r ON r.id = h.resource "

static void
read_row(struct sonde_row *row, sqlite3_stmt *statement)
{
    *row = (struct sonde_row){
        .id = sonde_db_column(statement, 0),
        .probe_id = sonde_db_column(statement, 1),
        .service = sonde_db_column(statement, 2),
        .time_ns = sqlite3_column_int64(statement, 3),
        .trace_id = sonde_db_column(statement, 4),
        .span_id = sonde_db_column(statement, 5),
        .resource = sonde_db_column(statement, 6),
        .packed = sonde_db_column(statement, 7),
    };
}

static int
read_rows(struct sonde_db *db, sqlite3_stmt *statement, struct sonde_day_listing *listing,
          struct sonde_err *err)
{
    int step = SQLITE_DONE;
    while (listing->goes_on && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        struct sonde_row row;
        read_row(&row, statement);
        listing->goes_on = listing->fn(listing->arg, &row);
        listing->found++;
    }
    return step == SQLITE_DONE || step == SQLITE_ROW ? SONDE_OK : sonde_db_fault(db, err);
}

/* Opens the file of that day and prepares one statement for it. */
static int
open_to_read(struct sonde_db *db, sqlite3_stmt **statement, const char *dir, int64_t day,
             const char *sql, struct sonde_err *err)
{
    char path[SONDE_DB_PATH_MAX];
    sonde_day_path(path, sizeof(path), dir, day);
    int rc = sonde_db_open_to_read(db, path, &sonde_day_file_kind, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    rc = sonde_db_prepare(db, statement, sql, err);
    if (rc != SONDE_OK) {
        sonde_db_close(db);
    }
    return rc;
}

/* The bound is there without a place too: then it is behind every row. */
#define IN_FRONT                    \
    "(h.time_ns, h.seq) < (?4, ?5)" \
    " ORDER BY h.time_ns DESC, h.seq DESC LIMIT ?3"

int
sonde_day_file_list(const char *dir, int64_t day, struct sonde_day_listing *listing,
                    struct sonde_err *err)
{
    /* One text per set of filters, so that each gets the index that fits. */
    static const char *const texts[2][2] = {
        {SELECT_ROW "WHERE " IN_FRONT, SELECT_ROW "WHERE h.service = ?2 AND " IN_FRONT},
        {SELECT_ROW "WHERE h.probe = ?1 AND " IN_FRONT,
         SELECT_ROW "WHERE h.probe = ?1 AND +h.service = ?2 AND " IN_FRONT},
    };
    const struct sonde_query *query = listing->query;
    struct sonde_db db;
    sqlite3_stmt *statement = NULL;
    int rc = open_to_read(&db, &statement, dir, day,
                          texts[query->probe_id.len > 0][query->service.len > 0], err);
    if (rc != SONDE_OK) {
        return rc;
    }
    sonde_db_bind_text(statement, 1, query->probe_id);
    sonde_db_bind_text(statement, 2, query->service);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)(query->limit - listing->found));
    sqlite3_bind_int64(statement, 4, listing->before.time_ns);
    sqlite3_bind_int64(statement, 5, listing->before.seq);
    rc = read_rows(&db, statement, listing, err);
    sqlite3_finalize(statement);
    sonde_db_close(&db);
    return rc;
}

int
sonde_day_file_find(const char *dir, int64_t day, struct sonde_str id,
                    struct sonde_day_place *out, struct sonde_err *err)
{
    struct sonde_db db;
    sqlite3_stmt *statement = NULL;
    int rc = open_to_read(&db, &statement, dir, day,
                          "SELECT time_ns, seq FROM head WHERE id = ?1", err);
    if (rc != SONDE_OK) {
        return rc;
    }
    sonde_db_bind_text(statement, 1, id);
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW) {
        *out = (struct sonde_day_place){sqlite3_column_int64(statement, 0),
                                        sqlite3_column_int64(statement, 1)};
    } else {
        rc = step == SQLITE_DONE ? SONDE_E_NOTFOUND : sonde_db_fault(&db, err);
    }
    sqlite3_finalize(statement);
    sonde_db_close(&db);
    return rc;
}

int
sonde_day_file_get(const char *dir, int64_t day, struct sonde_str id, sonde_row_fn *fn,
                   void *arg, struct sonde_err *err)
{
    struct sonde_db db;
    sqlite3_stmt *statement = NULL;
    struct sonde_day_listing one = {.fn = fn, .arg = arg, .goes_on = true};
    int rc = open_to_read(&db, &statement, dir, day, SELECT_ROW "WHERE h.id = ?1", err);
    if (rc != SONDE_OK) {
        return rc;
    }
    sonde_db_bind_text(statement, 1, id);
    rc = read_rows(&db, statement, &one, err);
    sqlite3_finalize(statement);
    sonde_db_close(&db);
    return rc == SONDE_OK && one.found == 0 ? SONDE_E_NOTFOUND : rc;
}
