/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store/sqlite/symbols.h"

#include "collector/store/sqlite/symbols_file.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/lock.h"
#include "core/base/log.h"
#include "core/base/os.h"

#include <stdatomic.h>

#define QUEUE_BYTES ((size_t)64 * 1024 * 1024)
#define GROUP_BYTES ((size_t)2 * 1024 * 1024)
#define LOG_MAX_BYTES (16 * 1024 * 1024)
#define IDLE_NS (2 * SONDE_NS_PER_S)
#define RETAIN_NS (600 * SONDE_NS_PER_S)
#define DAY_S INT64_C(86400)
#define READERS_KEPT 2 /* as many as the pool has threads */

struct sonde_symbols {
    const char *dir;
    int64_t keep_days;
    size_t queue_max_bytes;
    _Atomic uint64_t id;

    struct sonde_lock lock;
    struct sonde_cond wake;
    struct sonde_write *first; /* guarded by lock, like all up to the thread */
    struct sonde_write **end;
    size_t queued_bytes; /* those that are being written too */
    bool is_closing;
    bool is_damaged;                      /* a reader found it so */
    uint64_t epoch;                       /* of the file: readers of another are old */
    struct sonde_symbols_reader *readers; /* idle ones */
    size_t reader_count;

    pthread_t thread;
    /* The writer thread's. */
    struct sonde_symbols_file file;
    bool is_open;
    enum { TIDY, UNTIDY, TIDYING } tidiness;
    int64_t retain_at_ns; /* monotonic */
};

/* --- The file ------------------------------------------------------------------------- */

/* Opens it, a new one in the place of one that is damaged. */
static int
open_file(struct sonde_symbols *symbols, struct sonde_err *err)
{
    int rc = SONDE_E_CORRUPT;
    for (int attempt = 0; attempt < 2 && rc == SONDE_E_CORRUPT; attempt++) {
        struct sonde_err why = SONDE_ERR_INIT;
        rc = sonde_symbols_file_open(&symbols->file, symbols->dir, &why);
        if (rc == SONDE_E_CORRUPT && attempt == 0) {
            sonde_symbols_path(symbols->file.db.path, sizeof(symbols->file.db.path),
                               symbols->dir);
            sonde_db_set_aside(&symbols->file.db, &why);
        } else if (rc != SONDE_OK) {
            sonde_err_set(err, rc, "data", "%s", why.message);
        }
    }
    symbols->is_open = rc == SONDE_OK;
    if (rc == SONDE_OK) {
        atomic_store(&symbols->id, symbols->file.id);
    }
    return rc;
}

static void
set_aside(struct sonde_symbols *symbols, const struct sonde_err *why)
{
    if (symbols->is_open) {
        sonde_symbols_file_rollback(&symbols->file);
        sonde_symbols_file_drop(&symbols->file);
    } else {
        sonde_symbols_path(symbols->file.db.path, sizeof(symbols->file.db.path),
                           symbols->dir);
    }
    sonde_db_set_aside(&symbols->file.db, why);
    symbols->is_open = false;
    sonde_lock_take(&symbols->lock);
    symbols->epoch++;
    sonde_lock_drop(&symbols->lock);
}

/* --- Writing -------------------------------------------------------------------------- */

static int
try_write(struct sonde_symbols *symbols, struct sonde_write *write, struct sonde_err *err)
{
    write->err = (struct sonde_err)SONDE_ERR_INIT;
    int rc = write->kind == SONDE_WRITE_SYMBOLS
                 ? sonde_symbols_file_upload(&symbols->file, write->upload,
                                             sonde_clock_wall_ns(), err)
                 : sonde_symbols_file_set(&symbols->file, write->setting, err);
    if (rc == SONDE_E_LIMIT) { /* of this one alone */
        write->err = *err;
        *err = (struct sonde_err)SONDE_ERR_INIT;
        rc = SONDE_OK;
    }
    return rc;
}

static int
try_group(struct sonde_symbols *symbols, struct sonde_write *group, struct sonde_err *err)
{
    int rc = symbols->is_open ? SONDE_OK : open_file(symbols, err);
    if (rc == SONDE_OK) {
        rc = sonde_symbols_file_begin(&symbols->file, err);
    }
    for (struct sonde_write *w = group; w != NULL && rc == SONDE_OK; w = w->next) {
        rc = try_write(symbols, w, err);
    }
    if (rc == SONDE_OK) {
        rc = sonde_symbols_file_commit(&symbols->file, err);
    }
    if (rc != SONDE_OK && symbols->is_open) {
        sonde_symbols_file_rollback(&symbols->file);
    }
    return rc;
}

static void
write_group(struct sonde_symbols *symbols, struct sonde_write *group)
{
    struct sonde_err err = SONDE_ERR_INIT;
    int rc = try_group(symbols, group, &err);
    if (rc == SONDE_E_CORRUPT) {
        set_aside(symbols, &err);
        err = (struct sonde_err)SONDE_ERR_INIT;
        rc = try_group(symbols, group, &err);
    }
    if (rc != SONDE_OK) {
        sonde_log(SONDE_LOG_ERROR, "symbols were not stored: %s", err.message);
    }
    symbols->tidiness = UNTIDY;
    while (group != NULL) {
        struct sonde_write *next = group->next; /* done() may free it */
        sonde_lock_take(&symbols->lock);
        symbols->queued_bytes -= group->size_bytes;
        sonde_lock_drop(&symbols->lock);
        if (rc != SONDE_OK) {
            group->err = err;
        }
        group->done(group, &group->err);
        group = next;
    }
}

/* Nothing was sent for a while: some of what later calls and questions would otherwise wait for.
 * True: there is more. */
static bool
tidy(struct sonde_symbols *symbols)
{
    if (!symbols->is_open || symbols->tidiness == TIDY) {
        return false;
    }
    bool has_more = sonde_symbols_file_tidy(&symbols->file);
    symbols->tidiness = has_more ? TIDYING : TIDY;
    if (!has_more ||
        symbols->file.db.wal_pages > LOG_MAX_BYTES / sonde_symbols_kind.page_bytes) {
        sonde_db_checkpoint(&symbols->file.db);
    }
    return has_more;
}

static void
forget_old(struct sonde_symbols *symbols)
{
    struct sonde_err err = SONDE_ERR_INIT;
    bool is_done = false;
    int64_t oldest_s =
        sonde_clock_wall_ns() / SONDE_NS_PER_S - symbols->keep_days * DAY_S;
    int rc = sonde_symbols_file_begin(&symbols->file, &err);
    if (rc == SONDE_OK) {
        rc = sonde_symbols_file_forget(&symbols->file, oldest_s, &is_done, &err);
    }
    if (rc == SONDE_OK) {
        rc = sonde_symbols_file_commit(&symbols->file, &err);
    }
    if (rc == SONDE_E_CORRUPT) {
        set_aside(symbols, &err);
    } else if (rc != SONDE_OK) {
        sonde_symbols_file_rollback(&symbols->file);
        sonde_log(SONDE_LOG_ERROR, "old symbols were not removed: %s", err.message);
    }
    bool goes_on = rc == SONDE_OK && !is_done;
    symbols->retain_at_ns = goes_on ? 0 : sonde_clock_mono_ns() + RETAIN_NS;
}

static void
keep_house(struct sonde_symbols *symbols)
{
    sonde_lock_take(&symbols->lock);
    bool is_damaged = symbols->is_damaged;
    symbols->is_damaged = false;
    sonde_lock_drop(&symbols->lock);
    struct sonde_err err = SONDE_ERR_INIT;
    if (is_damaged) {
        sonde_err_set(&err, SONDE_E_CORRUPT, NULL, "found when it was read");
        set_aside(symbols, &err);
        err = (struct sonde_err)SONDE_ERR_INIT;
    }
    if (!symbols->is_open && open_file(symbols, &err) != SONDE_OK) {
        sonde_log(SONDE_LOG_ERROR, "%s", err.message);
    }
    if (symbols->is_open && sonde_clock_mono_ns() >= symbols->retain_at_ns) {
        forget_old(symbols);
    }
}

/* Takes a group off the queue; NULL: nothing came in time. */
static struct sonde_write *
take_group(struct sonde_symbols *symbols, int64_t deadline_ns, bool *is_over)
{
    size_t bytes = 0;
    sonde_lock_take(&symbols->lock);
    while (symbols->first == NULL && !symbols->is_closing && !symbols->is_damaged &&
           sonde_clock_mono_ns() < deadline_ns) {
        sonde_cond_wait(&symbols->wake, &symbols->lock, deadline_ns);
    }
    struct sonde_write *group = symbols->first;
    struct sonde_write **rest = &symbols->first;
    while (*rest != NULL && bytes < GROUP_BYTES) {
        bytes += (*rest)->size_bytes;
        rest = &(*rest)->next;
    }
    if (group != NULL) {
        symbols->first = *rest;
        *rest = NULL;
    }
    if (symbols->first == NULL) {
        symbols->end = &symbols->first;
    }
    *is_over = group == NULL && symbols->is_closing;
    sonde_lock_drop(&symbols->lock);
    return group;
}

static void *
run_writer(void *arg)
{
    struct sonde_symbols *symbols = arg;
    bool is_over = false;
    sonde_os_thread_name("sonde-symbols");
    while (!is_over) {
        keep_house(symbols);
        int64_t now_ns = sonde_clock_mono_ns();
        int64_t until_ns = symbols->tidiness == TIDY     ? now_ns + RETAIN_NS
                           : symbols->tidiness == UNTIDY ? now_ns + IDLE_NS
                                                         : now_ns;
        until_ns = symbols->retain_at_ns < until_ns ? symbols->retain_at_ns : until_ns;
        struct sonde_write *group = take_group(symbols, until_ns, &is_over);
        if (group == NULL) {
            if (!is_over) {
                (void)tidy(symbols);
            }
            continue;
        }
        write_group(symbols, group);
        if (symbols->is_open &&
            symbols->file.db.wal_pages > LOG_MAX_BYTES / sonde_symbols_kind.page_bytes) {
            sonde_db_checkpoint(&symbols->file.db);
        }
    }
    if (symbols->is_open) {
        sonde_symbols_file_close(&symbols->file);
    }
    return NULL;
}

int
sonde_symbols_write(struct sonde_symbols *symbols, struct sonde_write *write)
{
    int rc = SONDE_OK;
    sonde_lock_take(&symbols->lock);
    bool is_full = symbols->queued_bytes > 0 &&
                   (symbols->queued_bytes >= symbols->queue_max_bytes ||
                    write->size_bytes > symbols->queue_max_bytes - symbols->queued_bytes);
    if (symbols->is_closing) {
        rc = SONDE_E_CLOSED;
    } else if (is_full && write->kind == SONDE_WRITE_SYMBOLS) {
        rc = SONDE_E_BUSY;
    } else {
        symbols->queued_bytes += write->size_bytes;
        write->next = NULL;
        *symbols->end = write;
        symbols->end = &write->next;
        sonde_cond_wake_all(&symbols->wake);
    }
    sonde_lock_drop(&symbols->lock);
    return rc;
}

uint64_t
sonde_symbols_id(const struct sonde_symbols *symbols)
{
    return atomic_load(&symbols->id);
}

/* --- Reading -------------------------------------------------------------------------- */

int
sonde_symbols_take_reader(struct sonde_symbols *symbols,
                          struct sonde_symbols_reader **out, struct sonde_err *err)
{
    sonde_lock_take(&symbols->lock);
    uint64_t epoch = symbols->epoch;
    struct sonde_symbols_reader *reader = symbols->readers;
    if (reader != NULL) {
        symbols->readers = reader->next;
        symbols->reader_count--;
    }
    sonde_lock_drop(&symbols->lock);
    if (reader != NULL && reader->epoch == epoch) {
        *out = reader;
        return SONDE_OK;
    }
    sonde_symbols_reader_free(reader);
    int rc = sonde_symbols_reader_new(out, symbols->dir, err);
    if (rc == SONDE_OK) {
        (*out)->epoch = epoch;
    }
    return rc;
}

int
sonde_symbols_give_reader(struct sonde_symbols *symbols,
                          struct sonde_symbols_reader *reader, int rc)
{
    sonde_lock_take(&symbols->lock);
    bool is_kept = rc != SONDE_E_CORRUPT && rc != SONDE_E_IO &&
                   reader->epoch == symbols->epoch &&
                   symbols->reader_count < READERS_KEPT;
    if (is_kept) {
        reader->next = symbols->readers;
        symbols->readers = reader;
        symbols->reader_count++;
    }
    if (rc == SONDE_E_CORRUPT && reader->epoch == symbols->epoch) {
        symbols->is_damaged = true; /* the writer alone renames files */
        sonde_cond_wake_all(&symbols->wake);
    }
    sonde_lock_drop(&symbols->lock);
    if (!is_kept) {
        sonde_symbols_reader_free(reader);
    }
    return rc;
}

/* --- Life ----------------------------------------------------------------------------- */

static void
free_symbols(struct sonde_symbols *symbols)
{
    while (symbols->readers != NULL) {
        struct sonde_symbols_reader *reader = symbols->readers;
        symbols->readers = reader->next;
        sonde_symbols_reader_free(reader);
    }
    sonde_cond_fini(&symbols->wake);
    sonde_lock_fini(&symbols->lock);
    sonde_free(symbols);
}

int
sonde_symbols_new(struct sonde_symbols **out, const char *dir, int64_t keep_days,
                  size_t queue_bytes, struct sonde_err *err)
{
    struct sonde_symbols *symbols = sonde_calloc(1, sizeof(*symbols));
    if (symbols == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, "data", "out of memory");
    }
    symbols->dir = dir;
    symbols->keep_days = keep_days;
    symbols->queue_max_bytes = queue_bytes == 0 ? QUEUE_BYTES : queue_bytes;
    symbols->end = &symbols->first;
    atomic_init(&symbols->id, 0);
    sonde_lock_init(&symbols->lock, SONDE_RANK_STORE); /* never held with another */
    sonde_cond_init(&symbols->wake);
    int rc = open_file(symbols, err);
    if (rc == SONDE_OK) {
        rc = sonde_os_thread_start(&symbols->thread, run_writer, symbols);
        if (rc != SONDE_OK) {
            sonde_symbols_file_close(&symbols->file);
            sonde_err_set(err, rc, "data", "no thread for the symbols");
        }
    }
    if (rc != SONDE_OK) {
        free_symbols(symbols);
        return rc;
    }
    *out = symbols;
    return SONDE_OK;
}

void
sonde_symbols_free(struct sonde_symbols *symbols)
{
    if (symbols == NULL) {
        return;
    }
    sonde_lock_take(&symbols->lock);
    symbols->is_closing = true;
    sonde_cond_wake_all(&symbols->wake);
    sonde_lock_drop(&symbols->lock);
    pthread_join(symbols->thread, NULL);
    free_symbols(symbols);
}
