/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store/sqlite/symbols_file.h"

#include "collector/store/sqlite/symbols_names.h"
#include "collector/store/sqlite/symbols_sql.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/os.h"
#include "core/base/sha1.h"

#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#define TREE_MAX_BYTES ((size_t)512 * 1024 * 1024)
#define PACK_LEVEL 3
#define SEEN_STEP_S 3600 /* that it was seen is written this often */
#define FORGET_AT_ONCE 500
#define MERGE_PAGES 500
#define MERGE_ALL_NAMES 20000

/* --- Opening ------------------------------------------------------------------------- */

static int
settle_id(struct sonde_symbols_file *file, struct sonde_err *err)
{
    uint64_t random = 0;
    int64_t id = 0;
    sonde_os_random(&random, sizeof(random));
    sqlite3_bind_int64(sonde_symbols_statement_of(file, SONDE_SYMBOLS_MAKE_ID), 1,
                       (int64_t)(random | 1));
    int rc =
        sonde_symbols_run(file, SONDE_SYMBOLS_MAKE_ID, err); /* unless there is one */
    if (rc == SONDE_OK) {
        rc = sonde_symbols_ask(file, SONDE_SYMBOLS_GET_ID, &id, err);
    }
    file->id = (uint64_t)id;
    return rc;
}

void
sonde_symbols_path(char *out, size_t size, const char *dir)
{
    snprintf(out, size, "%s/symbols.db", dir);
}

int
sonde_symbols_file_open(struct sonde_symbols_file *file, const char *dir,
                        struct sonde_err *err)
{
    char path[SONDE_DB_PATH_MAX];
    *file = (struct sonde_symbols_file){0};
    sonde_arena_init(&file->arena, 0);
    sonde_buf_init(&file->text, 0);
    sonde_buf_init(&file->scratch, 0);
    sonde_symbols_path(path, sizeof(path), dir);
    int rc = sonde_db_open(&file->db, path, &sonde_symbols_kind, err);
    for (size_t i = 0; i < SONDE_SYMBOLS_STATEMENTS && rc == SONDE_OK; i++) {
        rc = sonde_db_prepare(&file->db, &file->statements[i], sonde_symbols_sql[i], err);
    }
    if (rc == SONDE_OK) {
        rc = settle_id(file, err);
    }
    if (rc != SONDE_OK) {
        sonde_symbols_file_close(file);
    }
    return rc;
}

static void
drop_pending(struct sonde_symbols_file *file)
{
    sonde_free(file->pending);
    file->pending = NULL;
    file->pending_count = 0;
    file->pending_cap = 0;
    sonde_arena_fini(&file->arena);
    sonde_arena_init(&file->arena, 0);
}

void
sonde_symbols_file_drop(struct sonde_symbols_file *file)
{
    for (size_t i = 0; i < SONDE_SYMBOLS_STATEMENTS; i++) {
        sqlite3_finalize(file->statements[i]);
        file->statements[i] = NULL;
    }
    drop_pending(file);
    sonde_buf_fini(&file->text);
    sonde_buf_fini(&file->scratch);
}

void
sonde_symbols_file_close(struct sonde_symbols_file *file)
{
    sonde_symbols_file_drop(file);
    sonde_db_close(&file->db);
}

/* --- Transactions -------------------------------------------------------------------- */

int
sonde_symbols_file_begin(struct sonde_symbols_file *file, struct sonde_err *err)
{
    drop_pending(file);
    int rc = sonde_symbols_run(file, SONDE_SYMBOLS_BEGIN, err);
    file->is_begun = rc == SONDE_OK;
    return rc;
}

int
sonde_symbols_file_commit(struct sonde_symbols_file *file, struct sonde_err *err)
{
    int rc = sonde_symbols_file_keys(file, err);
    rc = rc == SONDE_OK ? sonde_symbols_run(file, SONDE_SYMBOLS_COMMIT, err) : rc;
    if (rc == SONDE_OK) {
        file->is_begun = false;
        drop_pending(file);
    }
    return rc;
}

void
sonde_symbols_file_rollback(struct sonde_symbols_file *file)
{
    if (file->is_begun) {
        (void)sonde_symbols_run(file, SONDE_SYMBOLS_ROLLBACK,
                                NULL); /* some errors have done so */
        file->is_begun = false;
    }
    drop_pending(file);
}

bool
sonde_symbols_file_tidy(struct sonde_symbols_file *file)
{
    /* As FTS5's documentation has it: a negative number begins to make one of all segments, which is
     * worth it after many names; positive ones go on, or join where there are several of a size. One
     * that found something to do changes two rows or more. */
    int before = sqlite3_total_changes(file->db.handle);
    bool is_worth = file->added_count >= MERGE_ALL_NAMES;
    sqlite3_bind_int(sonde_symbols_statement_of(file, SONDE_SYMBOLS_MERGE), 1,
                     is_worth ? -MERGE_PAGES : MERGE_PAGES);
    file->added_count = is_worth ? 0 : file->added_count;
    return sonde_symbols_run(file, SONDE_SYMBOLS_MERGE, NULL) == SONDE_OK &&
           sqlite3_total_changes(file->db.handle) - before >= 2;
}

/* --- Units --------------------------------------------------------------------------- */

int
sonde_symbols_unpack(struct sonde_buf *out, struct sonde_str packed)
{
    unsigned long long len = ZSTD_getFrameContentSize(packed.ptr, packed.len);
    sonde_buf_reset(out);
    if (len == ZSTD_CONTENTSIZE_UNKNOWN || len == ZSTD_CONTENTSIZE_ERROR ||
        len > TREE_MAX_BYTES) {
        return SONDE_E_CORRUPT;
    }
    char *to = sonde_buf_reserve(out, (size_t)len + 1);
    if (to == NULL) {
        return SONDE_E_NOMEM;
    }
    size_t got = ZSTD_decompress(to, (size_t)len, packed.ptr, packed.len);
    out->len = ZSTD_isError(got) ? 0 : got;
    return got == len ? SONDE_OK : SONDE_E_CORRUPT;
}

static int
pack(struct sonde_symbols_file *file, struct sonde_str text, struct sonde_err *err)
{
    size_t bound = ZSTD_compressBound(text.len);
    sonde_buf_reset(&file->scratch);
    char *to = sonde_buf_reserve(&file->scratch, bound);
    size_t len =
        to == NULL ? 0 : ZSTD_compress(to, bound, text.ptr, text.len, PACK_LEVEL);
    if (to == NULL || ZSTD_isError(len)) {
        return sonde_symbols_no_memory(err);
    }
    file->scratch.len = len;
    return SONDE_OK;
}

/* Reads a kept unit: `held` (but its service) and, into file->text, its scope. */
static int
load_unit(struct sonde_symbols_file *file, struct sonde_symbols_held *held,
          struct sonde_err *err)
{
    sqlite3_stmt *load = sonde_symbols_statement_of(file, SONDE_SYMBOLS_LOAD_UNIT);
    sqlite3_bind_int64(load, 1, held->unit);
    int rc = SONDE_OK;
    if (sqlite3_step(load) == SQLITE_ROW) {
        struct sonde_str path = sonde_db_column(load, 3);
        held->file = sqlite3_column_int64(load, 0);
        held->origin = (enum sonde_origin)sqlite3_column_int(load, 1);
        held->part = (uint32_t)sqlite3_column_int64(load, 2);
        held->path = (struct sonde_str){sonde_arena_strdup(&file->arena, path), path.len};
        rc = held->path.ptr == NULL
                 ? SONDE_E_NOMEM
                 : sonde_symbols_unpack(&file->text, sonde_db_column(load, 4));
        if (rc != SONDE_OK) {
            sonde_err_set(err, rc, NULL, "%s: a unit can not be read", file->db.path);
        }
    } else {
        rc = sonde_db_fault(&file->db, err);
    }
    sqlite3_reset(load);
    return rc;
}

static int
index_unit(struct sonde_symbols_file *file, int64_t service, int64_t unit,
           struct sonde_err *err)
{
    struct sonde_symbols_held held = {.service = service, .unit = unit};
    int rc = load_unit(file, &held, err);
    return rc == SONDE_OK
               ? sonde_symbols_put_names(file, &held, sonde_buf_view(&file->text), err)
               : rc;
}

/* A row of that text, made when it is not there. */
static int
settle_text(struct sonde_symbols_file *file, enum sonde_symbols_statement find,
            enum sonde_symbols_statement add, struct sonde_str text, int64_t *out,
            struct sonde_err *err)
{
    sonde_db_bind_text(sonde_symbols_statement_of(file, find), 1, text);
    int rc = sonde_symbols_ask(file, find, out, err);
    if (rc == SONDE_OK && *out == 0) {
        sonde_db_bind_text(sonde_symbols_statement_of(file, add), 1, text);
        rc = sonde_symbols_run(file, add, err);
        *out = sqlite3_last_insert_rowid(file->db.handle);
    }
    return rc;
}

static void
bind_hash(sqlite3_stmt *to, int at, struct sonde_str text,
          unsigned char space[SONDE_SHA1_BYTES])
{
    if (sonde_sha1_from_text(text, space)) {
        sqlite3_bind_blob(to, at, space, SONDE_SHA1_BYTES, SQLITE_STATIC);
    } else {
        sqlite3_bind_null(to, at);
    }
}

static int
add_unit(struct sonde_symbols_file *file, const struct sonde_unit *unit, int64_t *out,
         struct sonde_err *err)
{
    unsigned char hash[SONDE_SHA1_BYTES];
    unsigned char file_hash[SONDE_SHA1_BYTES];
    int64_t path = 0;
    int rc = settle_text(file, SONDE_SYMBOLS_FIND_FILE, SONDE_SYMBOLS_ADD_FILE,
                         unit->file, &path, err);
    rc = rc == SONDE_OK ? pack(file, unit->scope, err) : rc;
    if (rc != SONDE_OK) {
        return rc;
    }
    sqlite3_stmt *add = sonde_symbols_statement_of(file, SONDE_SYMBOLS_ADD_UNIT);
    bind_hash(add, 1, unit->hash, hash);
    sqlite3_bind_int64(add, 2, path);
    sqlite3_bind_int64(add, 3, unit->part);
    sqlite3_bind_int64(add, 4, unit->parts);
    sqlite3_bind_int(add, 5, (int)unit->origin);
    sonde_db_bind_text(add, 6, unit->language);
    bind_hash(add, 7, unit->file_hash, file_hash);
    sonde_db_bind_text(add, 8, unit->file_state);
    sonde_db_bind_blob(add, 9, sonde_buf_view(&file->scratch));
    rc = sonde_symbols_run(file, SONDE_SYMBOLS_ADD_UNIT, err);
    *out = sqlite3_last_insert_rowid(file->db.handle);
    return rc;
}

/* Whether a newer version of its part of the file was last seen long ago: then this one, which is
 * seen again, is what names lead to. */
static int
is_back(struct sonde_symbols_file *file, int64_t service, int64_t unit, int64_t now_s,
        bool *out, struct sonde_err *err)
{
    int64_t newer = 0;
    sqlite3_stmt *find = sonde_symbols_statement_of(file, SONDE_SYMBOLS_FIND_STALE);
    sqlite3_bind_int64(find, 1, unit);
    sqlite3_bind_int64(find, 2, service);
    sqlite3_bind_int64(find, 3, now_s - SEEN_STEP_S);
    int rc = sonde_symbols_ask(file, SONDE_SYMBOLS_FIND_STALE, &newer, err);
    *out = newer != 0;
    return rc;
}

struct holder {
    int64_t service, id, now_s;
};

static int
hold(struct sonde_symbols_file *file, const struct holder *holder, int64_t unit,
     struct sonde_err *err)
{
    int64_t was_held = 0;
    bool must_index = false;
    sqlite3_stmt *is_held = sonde_symbols_statement_of(file, SONDE_SYMBOLS_IS_HELD);
    sqlite3_bind_int64(is_held, 1, unit);
    sqlite3_bind_int64(is_held, 2, holder->service);
    int rc = sonde_symbols_ask(file, SONDE_SYMBOLS_IS_HELD, &was_held, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    sqlite3_stmt *see = sonde_symbols_statement_of(file, SONDE_SYMBOLS_SEE);
    sqlite3_bind_int64(see, 1, unit);
    sqlite3_bind_int64(see, 2, holder->id);
    sqlite3_bind_int64(see, 3, holder->now_s);
    sqlite3_bind_int64(see, 4, holder->now_s - SEEN_STEP_S);
    rc = sonde_symbols_run(file, SONDE_SYMBOLS_SEE, err);
    bool is_news = sqlite3_changes(file->db.handle) > 0;
    if (rc == SONDE_OK && was_held == 0) {
        must_index = true;
        sqlite3_bind_int64(sonde_symbols_statement_of(file, SONDE_SYMBOLS_COUNT_UNIT), 1,
                           holder->service);
        sqlite3_bind_int(sonde_symbols_statement_of(file, SONDE_SYMBOLS_COUNT_UNIT), 2,
                         1);
        rc = sonde_symbols_run(file, SONDE_SYMBOLS_COUNT_UNIT, err);
    } else if (rc == SONDE_OK && is_news) {
        rc = is_back(file, holder->service, unit, holder->now_s, &must_index, err);
    }
    return rc == SONDE_OK && must_index ? index_unit(file, holder->service, unit, err)
                                        : rc;
}

static int
take_unit(struct sonde_symbols_file *file, const struct holder *holder,
          struct sonde_unit *unit, struct sonde_err *err)
{
    unsigned char hash[SONDE_SHA1_BYTES];
    int64_t id = 0;
    bind_hash(sonde_symbols_statement_of(file, SONDE_SYMBOLS_FIND_UNIT), 1, unit->hash,
              hash);
    int rc = sonde_symbols_ask(file, SONDE_SYMBOLS_FIND_UNIT, &id, err);
    unit->is_missing = rc == SONDE_OK && id == 0 && unit->scope.len == 0;
    if (rc == SONDE_OK && id == 0 && !unit->is_missing) {
        rc = add_unit(file, unit, &id, err);
    }
    if (rc == SONDE_OK && id != 0) {
        rc = hold(file, holder, id, err);
    }
    return rc;
}

static int
take_source(struct sonde_symbols_file *file, const struct sonde_source *source,
            struct sonde_err *err)
{
    unsigned char hash[SONDE_SHA1_BYTES];
    int rc = pack(file, source->text, err);
    if (rc == SONDE_OK) {
        sqlite3_stmt *add = sonde_symbols_statement_of(file, SONDE_SYMBOLS_ADD_SOURCE);
        bind_hash(add, 1, source->hash, hash);
        sonde_db_bind_blob(add, 2, sonde_buf_view(&file->scratch));
        rc = sonde_symbols_run(file, SONDE_SYMBOLS_ADD_SOURCE, err);
    }
    return rc;
}

static int
settle_service(struct sonde_symbols_file *file, struct sonde_str name, int64_t *out,
               struct sonde_err *err)
{
    int rc = settle_text(file, SONDE_SYMBOLS_FIND_SERVICE, SONDE_SYMBOLS_ADD_SERVICE,
                         name, out, err);
    if (rc == SONDE_OK && *out > SONDE_SERVICES_MAX) {
        sqlite3_bind_int64(sonde_symbols_statement_of(file, SONDE_SYMBOLS_DROP_SERVICE),
                           1, *out);
        rc = sonde_symbols_run(file, SONDE_SYMBOLS_DROP_SERVICE, err);
        rc = rc != SONDE_OK
                 ? rc
                 : sonde_err_set(err, SONDE_E_LIMIT, "service",
                                 "there are %d services already", SONDE_SERVICES_MAX);
    }
    return rc;
}

static int
settle_holder(struct sonde_symbols_file *file, const struct sonde_symbol_upload *upload,
              struct holder *holder, struct sonde_err *err)
{
    const enum sonde_symbols_statement both[] = {SONDE_SYMBOLS_ADD_HOLDER,
                                                 SONDE_SYMBOLS_FIND_HOLDER};
    int rc = SONDE_OK;
    for (size_t i = 0; i < 2 && rc == SONDE_OK; i++) {
        sqlite3_stmt *statement = sonde_symbols_statement_of(file, both[i]);
        sqlite3_bind_int64(statement, 1, holder->service);
        sonde_db_bind_text(statement, 2, upload->env);
        sonde_db_bind_text(statement, 3, upload->version);
        rc = i == 0 ? sonde_symbols_run(file, both[i], err)
                    : sonde_symbols_ask(file, both[i], &holder->id, err);
    }
    return rc;
}

int
sonde_symbols_file_upload(struct sonde_symbols_file *file,
                          struct sonde_symbol_upload *upload, int64_t now_ns,
                          struct sonde_err *err)
{
    struct holder holder = {.now_s = now_ns / SONDE_NS_PER_S};
    unsigned char hash[SONDE_SHA1_BYTES];
    int rc = settle_service(file, upload->service, &holder.service, err);
    rc = rc == SONDE_OK ? settle_holder(file, upload, &holder, err) : rc;
    for (size_t i = 0; i < upload->unit_count && rc == SONDE_OK; i++) {
        rc = take_unit(file, &holder, &upload->units[i], err);
    }
    for (size_t i = 0; i < upload->source_count && rc == SONDE_OK; i++) {
        rc = take_source(file, &upload->sources[i], err);
    }
    for (size_t i = 0; i < upload->unit_count && rc == SONDE_OK; i++) {
        struct sonde_unit *unit = &upload->units[i];
        int64_t has = 1;
        if (unit->origin == SONDE_ORIGIN_USER && unit->file_hash.len > 0) {
            bind_hash(sonde_symbols_statement_of(file, SONDE_SYMBOLS_HAS_SOURCE), 1,
                      unit->file_hash, hash);
            rc = sonde_symbols_ask(file, SONDE_SYMBOLS_HAS_SOURCE, &has, err);
        }
        unit->lacks_source = has == 0;
    }
    if (rc == SONDE_OK) {
        sqlite3_bind_int64(sonde_symbols_statement_of(file, SONDE_SYMBOLS_SEE_SERVICE), 1,
                           holder.service);
        sqlite3_bind_int64(sonde_symbols_statement_of(file, SONDE_SYMBOLS_SEE_SERVICE), 2,
                           now_ns);
        rc = sonde_symbols_run(file, SONDE_SYMBOLS_SEE_SERVICE, err);
    }
    return rc;
}

int
sonde_symbols_file_set(struct sonde_symbols_file *file,
                       struct sonde_symbol_setting *setting, struct sonde_err *err)
{
    int64_t service = 0;
    int rc = settle_service(file, setting->service, &service, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    sqlite3_stmt *set = sonde_symbols_statement_of(file, SONDE_SYMBOLS_SET_SERVICE);
    sqlite3_bind_int64(set, 1, service);
    sqlite3_bind_int(set, 2, setting->sets_upload ? (int)setting->upload : -1);
    sqlite3_bind_int(set, 3, setting->asks_anew);
    if (sqlite3_step(set) == SQLITE_ROW) {
        sonde_symbols_read_service(&setting->out, set);
        setting->out.name = setting->service;
    } else {
        rc = sonde_db_fault(&file->db, err);
    }
    sqlite3_reset(set);
    return rc;
}

/* --- Forgetting ---------------------------------------------------------------------- */

/* Names that the service has of other versions of that file come back. */
static int
index_others(struct sonde_symbols_file *file, const struct sonde_symbols_held *gone,
             struct sonde_err *err)
{
    int64_t units[64];
    size_t count = 0;
    sqlite3_stmt *list = sonde_symbols_statement_of(file, SONDE_SYMBOLS_LIST_OTHERS);
    sqlite3_bind_int64(list, 1, gone->file);
    sqlite3_bind_int64(list, 2, gone->service);
    int step = SQLITE_DONE;
    while (count < 64 && (step = sqlite3_step(list)) == SQLITE_ROW) {
        units[count++] = sqlite3_column_int64(list, 0);
    }
    int rc = step == SQLITE_ROW || step == SQLITE_DONE ? SONDE_OK
                                                       : sonde_db_fault(&file->db, err);
    sqlite3_reset(list);
    while (count > 0 && rc == SONDE_OK) { /* newest first in the list, and so last here */
        rc = index_unit(file, gone->service, units[--count], err);
    }
    return rc;
}

/* The service has this unit no more. */
static int
forget_names(struct sonde_symbols_file *file, int64_t service, int64_t unit,
             struct sonde_err *err)
{
    struct sonde_symbols_held held = {.service = service, .unit = unit};
    int rc = load_unit(file, &held, err);
    if (rc == SONDE_OK) {
        rc = sonde_symbols_take_names(file, &held, sonde_buf_view(&file->text), err);
    }
    if (rc == SONDE_OK) {
        sqlite3_bind_int64(sonde_symbols_statement_of(file, SONDE_SYMBOLS_COUNT_UNIT), 1,
                           service);
        sqlite3_bind_int(sonde_symbols_statement_of(file, SONDE_SYMBOLS_COUNT_UNIT), 2,
                         -1);
        rc = sonde_symbols_run(file, SONDE_SYMBOLS_COUNT_UNIT, err);
    }
    return rc == SONDE_OK ? index_others(file, &held, err) : rc;
}

int
sonde_symbols_file_forget(struct sonde_symbols_file *file, int64_t oldest_s,
                          bool *is_done, struct sonde_err *err)
{
    struct {
        int64_t unit, holder, service;
    } all[FORGET_AT_ONCE];
    size_t count = 0;
    int step = SQLITE_DONE;
    sqlite3_stmt *list = sonde_symbols_statement_of(file, SONDE_SYMBOLS_LIST_OLD);
    sqlite3_bind_int64(list, 1, oldest_s);
    sqlite3_bind_int(list, 2, FORGET_AT_ONCE);
    while (count < FORGET_AT_ONCE && (step = sqlite3_step(list)) == SQLITE_ROW) {
        all[count].unit = sqlite3_column_int64(list, 0);
        all[count].holder = sqlite3_column_int64(list, 1);
        all[count++].service = sqlite3_column_int64(list, 2);
    }
    int rc = step == SQLITE_ROW || step == SQLITE_DONE ? SONDE_OK
                                                       : sonde_db_fault(&file->db, err);
    sqlite3_reset(list);
    for (size_t i = 0; i < count && rc == SONDE_OK; i++) {
        int64_t is_held = 0;
        sqlite3_bind_int64(sonde_symbols_statement_of(file, SONDE_SYMBOLS_LOSE), 1,
                           all[i].unit);
        sqlite3_bind_int64(sonde_symbols_statement_of(file, SONDE_SYMBOLS_LOSE), 2,
                           all[i].holder);
        rc = sonde_symbols_run(file, SONDE_SYMBOLS_LOSE, err);
        if (rc == SONDE_OK) {
            sqlite3_bind_int64(sonde_symbols_statement_of(file, SONDE_SYMBOLS_IS_HELD), 1,
                               all[i].unit);
            sqlite3_bind_int64(sonde_symbols_statement_of(file, SONDE_SYMBOLS_IS_HELD), 2,
                               all[i].service);
            rc = sonde_symbols_ask(file, SONDE_SYMBOLS_IS_HELD, &is_held, err);
        }
        if (rc == SONDE_OK && is_held == 0) {
            rc = forget_names(file, all[i].service, all[i].unit, err);
        }
    }
    const enum sonde_symbols_statement sweeps[] = {
        SONDE_SYMBOLS_SWEEP_UNITS, SONDE_SYMBOLS_SWEEP_FILES, SONDE_SYMBOLS_SWEEP_SOURCES,
        SONDE_SYMBOLS_SWEEP_HOLDERS, SONDE_SYMBOLS_SWEEP_SERVICES};
    *is_done = count < FORGET_AT_ONCE;
    for (size_t i = 0; i < sizeof(sweeps) / sizeof(sweeps[0]); i++) {
        rc = rc == SONDE_OK && count > 0 ? sonde_symbols_run(file, sweeps[i], err) : rc;
    }
    return rc;
}
