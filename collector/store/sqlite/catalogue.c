/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store/sqlite/catalogue.h"

#include "core/base/clock.h"

#include <stdio.h>

#define REMOVED_KEPT_NS (86400 * SONDE_NS_PER_S)

static const struct sonde_db_kind kind = {
    .application_id = 0x536f4361, /* "SoCa" */
    .version = 1,
    .page_bytes = 4096,
    .cache_kib = 2048,
    .schema = "CREATE TABLE probe (id TEXT PRIMARY KEY, revision INTEGER NOT NULL,"
              "  definition TEXT NOT NULL, clamped TEXT NOT NULL,"
              "  created_at_ns INTEGER NOT NULL, removed_at_ns INTEGER NOT NULL)"
              " STRICT, WITHOUT ROWID;",
};

static int
prepare(struct sonde_catalogue *catalogue, struct sonde_err *err)
{
    char forget[128];
    snprintf(forget, sizeof(forget),
             "DELETE FROM probe WHERE removed_at_ns BETWEEN 1 AND %lld",
             (long long)(sonde_clock_wall_ns() - REMOVED_KEPT_NS));
    int rc = sonde_db_exec(&catalogue->db, forget, err);
    if (rc == SONDE_OK) {
        rc = sonde_db_prepare(
            &catalogue->db, &catalogue->put,
            "INSERT INTO probe VALUES (?1, 1, ?2, ?3, ?4, 0)"
            " ON CONFLICT (id) DO UPDATE SET revision = revision + 1,"
            " definition = excluded.definition, clamped = excluded.clamped,"
            " created_at_ns = iif(removed_at_ns = 0, created_at_ns, "
            "excluded.created_at_ns),"
            " removed_at_ns = 0 RETURNING revision, created_at_ns",
            err);
    }
    if (rc == SONDE_OK) {
        rc = sonde_db_prepare(
            &catalogue->db, &catalogue->remove,
            "UPDATE probe SET removed_at_ns = ?2 WHERE id = ?1 AND removed_at_ns = 0",
            err);
    }
    return rc;
}

int
sonde_catalogue_open(struct sonde_catalogue *catalogue, const char *dir,
                     struct sonde_err *err)
{
    char path[SONDE_DB_PATH_MAX];
    snprintf(path, sizeof(path), "%s/catalogue.db", dir);
    int rc = SONDE_E_CORRUPT;
    for (int attempt = 0; attempt < 2 && rc == SONDE_E_CORRUPT; attempt++) {
        struct sonde_err why = SONDE_ERR_INIT;
        *catalogue = (struct sonde_catalogue){0};
        rc = sonde_db_open(&catalogue->db, path, &kind, &why);
        if (rc == SONDE_OK) {
            rc = prepare(catalogue, &why);
        }
        if (rc == SONDE_E_CORRUPT) {
            sqlite3_finalize(catalogue->put);
            sqlite3_finalize(catalogue->remove);
            sonde_db_set_aside(&catalogue->db, &why);
        }
        if (rc != SONDE_OK) {
            sonde_catalogue_close(catalogue);
            if (attempt > 0 || rc != SONDE_E_CORRUPT) {
                sonde_err_set(err, rc, "data", "%s", why.message);
            }
        }
    }
    return rc;
}

void
sonde_catalogue_close(struct sonde_catalogue *catalogue)
{
    sqlite3_finalize(catalogue->put);
    sqlite3_finalize(catalogue->remove);
    sonde_db_close(&catalogue->db);
    *catalogue = (struct sonde_catalogue){0};
}

int
sonde_catalogue_probes(struct sonde_catalogue *catalogue, sonde_stored_probe_fn *fn,
                       void *arg, struct sonde_err *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sonde_db_prepare(&catalogue->db, &statement,
                              "SELECT id, definition, clamped, revision, created_at_ns"
                              " FROM probe WHERE removed_at_ns = 0",
                              err);
    int step = SQLITE_DONE;
    while (rc == SONDE_OK && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        struct sonde_stored_probe probe = {
            .id = sonde_db_column(statement, 0),
            .definition = sonde_db_column(statement, 1),
            .clamped = sonde_db_column(statement, 2),
            .revision = (uint32_t)sqlite3_column_int64(statement, 3),
            .created_at_ns = sqlite3_column_int64(statement, 4),
        };
        fn(arg, &probe);
    }
    if (rc == SONDE_OK && step != SQLITE_DONE) {
        rc = sonde_db_fault(&catalogue->db, err);
    }
    sqlite3_finalize(statement);
    return rc;
}

int
sonde_catalogue_put(struct sonde_catalogue *catalogue, struct sonde_stored_probe *probe,
                    struct sonde_err *err)
{
    sqlite3_stmt *put = catalogue->put;
    int rc = SONDE_OK;
    sonde_db_bind_text(put, 1, probe->id);
    sonde_db_bind_text(put, 2, probe->definition);
    sonde_db_bind_text(put, 3, probe->clamped);
    sqlite3_bind_int64(put, 4, sonde_clock_wall_ns());
    if (sqlite3_step(put) == SQLITE_ROW) {
        probe->revision = (uint32_t)sqlite3_column_int64(put, 0);
        probe->created_at_ns = sqlite3_column_int64(put, 1);
    } else {
        rc = sonde_db_fault(&catalogue->db, err);
    }
    sqlite3_reset(put);
    return rc;
}

int
sonde_catalogue_remove(struct sonde_catalogue *catalogue, struct sonde_str id,
                       struct sonde_err *err)
{
    sqlite3_stmt *remove = catalogue->remove;
    sonde_db_bind_text(remove, 1, id);
    sqlite3_bind_int64(remove, 2, sonde_clock_wall_ns());
    int rc = sqlite3_step(remove) == SQLITE_DONE ? SONDE_OK
                                                 : sonde_db_fault(&catalogue->db, err);
    sqlite3_reset(remove);
    if (rc == SONDE_OK && sqlite3_changes(catalogue->db.handle) == 0) {
        rc = SONDE_E_NOTFOUND;
    }
    return rc;
}
