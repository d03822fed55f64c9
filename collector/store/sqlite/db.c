/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store/sqlite/db.h"

#include "core/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUSY_TIME_MS 2000
#define LOG_KEPT_BYTES (16 * 1024 * 1024)

int
sonde_db_fault(const struct sonde_db *db, struct sonde_err *err)
{
    int code = SONDE_E_IO;
    switch (sqlite3_errcode(db->handle)) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        code = SONDE_E_CORRUPT;
        break;
    case SQLITE_NOMEM:
        code = SONDE_E_NOMEM;
        break;
    case SQLITE_BUSY:
        code = SONDE_E_BUSY;
        break;
    default:
        break;
    }
    return sonde_err_set(err, code, NULL, "%s: %s", db->path, sqlite3_errmsg(db->handle));
}

int
sonde_db_exec(struct sonde_db *db, const char *sql, struct sonde_err *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return sonde_db_fault(db, err);
    }
    return SONDE_OK;
}

int
sonde_db_prepare(struct sonde_db *db, sqlite3_stmt **out, const char *sql,
                 struct sonde_err *err)
{
    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) !=
        SQLITE_OK) {
        return sonde_db_fault(db, err);
    }
    return SONDE_OK;
}

static int
read_int(struct sonde_db *db, const char *sql, int *out, struct sonde_err *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sonde_db_prepare(db, &statement, sql, err);
    if (rc == SONDE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        *out = sqlite3_column_int(statement, 0);
    } else if (rc == SONDE_OK) {
        rc = sonde_db_fault(db, err);
    }
    sqlite3_finalize(statement);
    return rc;
}

/* All as of one moment: another connection may be making the file right now. On an error the
 * transaction is left open, for the caller to close the connection. */
static int
read_kind(struct sonde_db *db, int *id, int *version, int *tables, struct sonde_err *err)
{
    int rc = sonde_db_exec(db, "BEGIN", err);
    if (rc == SONDE_OK) {
        rc = read_int(db, "PRAGMA application_id", id, err);
    }
    if (rc == SONDE_OK) {
        rc = read_int(db, "PRAGMA user_version", version, err);
    }
    if (rc == SONDE_OK) {
        rc = read_int(db, "SELECT count(*) FROM sqlite_schema", tables, err);
    }
    return rc == SONDE_OK ? sonde_db_exec(db, "COMMIT", err) : rc;
}

/* Whose file it is; *version 0: nothing is in it. */
static int
check_kind(struct sonde_db *db, const struct sonde_db_kind *kind, int *version,
           struct sonde_err *err)
{
    int id = 0;
    int tables = 0;
    int rc = read_kind(db, &id, version, &tables, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    if (id == 0 && *version == 0 && tables == 0) {
        return SONDE_OK;
    }
    if (id != kind->application_id) {
        return sonde_err_set(err, SONDE_E_CORRUPT, NULL, "%s: is no file of this store",
                             db->path);
    }
    if (*version > kind->version) {
        return sonde_err_set(
            err, SONDE_E_UNSUPPORTED, NULL,
            "%s: was made by a newer version (schema %d, this one knows %d)", db->path,
            *version, kind->version);
    }
    return SONDE_OK;
}

static int
open_handle(struct sonde_db *db, const char *path, int flags, struct sonde_err *err)
{
    db->handle = NULL;
    db->wal_pages = 0;
    if (strlen(path) + 1 > sizeof(db->path)) {
        return sonde_err_set(err, SONDE_E_LIMIT, NULL, "%s: the path is too long", path);
    }
    memcpy(db->path, path, strlen(path) + 1);
    if (sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        int rc = sonde_err_set(err, SONDE_E_IO, NULL, "%s: %s", path,
                               sqlite3_errmsg(db->handle));
        sonde_db_close(db);
        return rc;
    }
    sqlite3_busy_timeout(db->handle, BUSY_TIME_MS);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return SONDE_OK;
}

/* SQLite makes files for everybody to read; the values of a program's variables are not.
 * Its log and its index take the file's mode. */
static int
make_private(const char *path, struct sonde_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return sonde_err_set(err, SONDE_E_IO, NULL, "%s: %s", path, strerror(errno));
    }
    close(fd);
    return SONDE_OK;
}

static int
count_log(void *arg, sqlite3 *handle, const char *name, int pages)
{
    struct sonde_db *db = arg;
    (void)handle, (void)name;
    db->wal_pages = pages;
    return SQLITE_OK;
}

/* The schema comes in one transaction with the version: a file has all of it or
 * nothing. */
static int
make_schema(struct sonde_db *db, const struct sonde_db_kind *kind, struct sonde_err *err)
{
    char stamp[96];
    snprintf(stamp, sizeof(stamp),
             "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             kind->application_id, kind->version);
    int rc = sonde_db_exec(db, "BEGIN IMMEDIATE", err);
    if (rc == SONDE_OK) {
        rc = sonde_db_exec(db, kind->schema, err);
    }
    return rc == SONDE_OK ? sonde_db_exec(db, stamp, err) : rc;
}

int
sonde_db_open(struct sonde_db *db, const char *path, const struct sonde_db_kind *kind,
              struct sonde_err *err)
{
    char settings[256];
    int version = 0;
    /* The page size counts only for a new file, and before it has a log. FULL: a commit
     * has reached the disk. The log is moved by sonde_db_checkpoint alone. */
    snprintf(
        settings, sizeof(settings),
        "PRAGMA page_size = %d; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -%d;"
        "PRAGMA journal_size_limit = %d; PRAGMA cell_size_check = 1",
        kind->page_bytes, kind->cache_kib, LOG_KEPT_BYTES);
    int rc = make_private(path, err);
    if (rc == SONDE_OK) {
        rc = open_handle(db, path, SQLITE_OPEN_READWRITE, err);
    }
    if (rc != SONDE_OK) {
        return rc;
    }
    rc = sonde_db_exec(db, settings, err);
    if (rc == SONDE_OK) {
        rc = check_kind(db, kind, &version, err);
    }
    if (rc == SONDE_OK && version == 0) {
        rc = make_schema(db, kind, err);
    }
    if (rc != SONDE_OK) {
        sonde_db_close(db);
        return rc;
    }
    sqlite3_wal_hook(db->handle, count_log, db);
    return SONDE_OK;
}

int
sonde_db_open_to_read(struct sonde_db *db, const char *path,
                      const struct sonde_db_kind *kind, struct sonde_err *err)
{
    int version = 0;
    if (access(path, F_OK) != 0) {
        return SONDE_E_NOTFOUND;
    }
    /* Not read-only: a log without its writer has to be recovered by whoever comes
     * first. */
    int rc = open_handle(db, path, SQLITE_OPEN_READWRITE, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    rc = sonde_db_exec(db, "PRAGMA query_only = 1; PRAGMA cell_size_check = 1", err);
    if (rc == SONDE_OK) {
        rc = check_kind(db, kind, &version, err);
    }
    if (rc == SONDE_OK && version == 0) {
        rc = SONDE_E_NOTFOUND;
    }
    if (rc != SONDE_OK) {
        sonde_db_close(db);
    }
    return rc;
}

void
sonde_db_close(struct sonde_db *db)
{
    sqlite3_close_v2(db->handle);
    db->handle = NULL;
}

void
sonde_db_checkpoint(struct sonde_db *db)
{
    int in_log = 0;
    int moved = 0;
    int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE,
                                       &in_log, &moved);
    if (rc == SQLITE_OK && in_log == moved) {
        db->wal_pages = 0;
    }
    if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
        sonde_log(SONDE_LOG_WARNING, "%s: the log could not be moved into the file: %s",
                  db->path, sqlite3_errmsg(db->handle));
    }
}

static void
rename_beside(const char *path, const char *to, const char *ending)
{
    char old_path[SONDE_DB_PATH_MAX + 8];
    char new_path[SONDE_DB_PATH_MAX + 40];
    snprintf(old_path, sizeof(old_path), "%s%s", path, ending);
    snprintf(new_path, sizeof(new_path), "%s%s", to, ending);
    if (rename(old_path, new_path) != 0 && errno != ENOENT) {
        sonde_log(SONDE_LOG_ERROR, "%s: can not be renamed: %s", old_path,
                  strerror(errno));
    }
}

void
sonde_db_set_aside(struct sonde_db *db, const struct sonde_err *why)
{
    char to[SONDE_DB_PATH_MAX + 32];
    int n = 1;
    do {
        snprintf(to, sizeof(to), "%s.damaged-%d", db->path, n);
    } while (access(to, F_OK) == 0 && n++ < 10000);
    rename_beside(db->path, to, "");
    rename_beside(db->path, to, "-wal");
    rename_beside(db->path, to, "-shm");
    if (db->handle != NULL) {
        /* The log stays beside the file as it is: both may be wanted by who mends it. */
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sonde_db_close(db);
    }
    sonde_log(SONDE_LOG_ERROR,
              "damaged, and set aside as %s (sqlite3's .recover may mend it): %s", to,
              why->message);
}
