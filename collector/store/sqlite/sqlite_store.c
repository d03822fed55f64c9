/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store/sqlite/sqlite_store.h"

#include "collector/store/sqlite/catalogue.h"
#include "collector/store/sqlite/data_dir.h"
#include "collector/store/sqlite/day_file.h"
#include "collector/store/sqlite/symbols.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/lock.h"
#include "core/base/log.h"
#include "core/base/os.h"

#include <stdatomic.h>

#define QUEUE_BYTES ((size_t)64 * 1024 * 1024)
/* A group is one commit: large enough that the disk's latency does not count, small
 * enough that whoever waits for it does not wait long. */
#define GROUP_BYTES ((size_t)2 * 1024 * 1024)
#define LOG_MAX_BYTES (16 * 1024 * 1024) /* then it is moved, even under load */
#define IDLE_NS (2 * SONDE_NS_PER_S)     /* then it is moved, whatever its size */
#define RETAIN_NS (600 * SONDE_NS_PER_S)
#define OPEN_DAYS_MAX 3 /* today, and yesterday or tomorrow around midnight */

struct queue {
    struct sonde_write *first;
    struct sonde_write **end;
};

struct sqlite_store {
    struct sonde_store base;
    char *dir;
    int lock_fd;
    int64_t keep_days;
    size_t queue_max_bytes;
    struct sonde_symbols *symbols; /* a file and a thread of their own */

    struct sonde_lock lock;
    struct sonde_cond wake;
    struct queue rows;   /* guarded by lock, like the next three */
    struct queue probes; /* apart, since a change of probes does not wait for snapshots */
    size_t queued_bytes; /* of rows, queued and being written */
    bool is_closing;
    _Atomic int64_t damaged_day; /* a reader found it so; -1: none */

    pthread_t thread;
    /* The writer thread's. */
    struct sonde_catalogue catalogue;
    struct sonde_day_file *days[OPEN_DAYS_MAX]; /* most recently used first */
    size_t day_count;
    int64_t retain_at_ns; /* monotonic */
};

static void
queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->end = &queue->first;
}

static void
queue_add(struct queue *queue, struct sonde_write *write)
{
    write->next = NULL;
    *queue->end = write;
    queue->end = &write->next;
}

/* --- Day files ---------------------------------------------------------------------- */

static void
close_day(struct sqlite_store *store, size_t at)
{
    sonde_day_file_close(store->days[at]);
    sonde_free(store->days[at]);
    store->day_count--;
    for (size_t i = at; i < store->day_count; i++) {
        store->days[i] = store->days[i + 1];
    }
}

static void
set_day_aside(struct sqlite_store *store, int64_t day, const struct sonde_err *why)
{
    struct sonde_db db = {0};
    for (size_t i = 0; i < store->day_count; i++) {
        if (store->days[i]->day == day) {
            sonde_day_file_rollback(store->days[i]);
            sonde_day_file_drop(store->days[i]);
            sonde_db_set_aside(&store->days[i]->db, why);
            close_day(store, i);
            return;
        }
    }
    sonde_day_path(db.path, sizeof(db.path), store->dir, day);
    sonde_db_set_aside(&db, why);
}

/* The file that a snapshot of that time belongs to. It goes by the hit, so that a record
 * which is sent again finds itself; a clock that is far off is not believed. */
static int64_t
day_for(const struct sqlite_store *store, int64_t time_ns, int64_t today)
{
    int64_t day = sonde_day_of(time_ns);
    return day >= today - store->keep_days && day <= today + 1 ? day : today;
}

static int
open_day(struct sqlite_store *store, int64_t day, struct sonde_err *err)
{
    if (store->day_count == OPEN_DAYS_MAX) {
        /* Its part of this group becomes durable a little early, which harms nobody. */
        struct sonde_day_file *last = store->days[OPEN_DAYS_MAX - 1];
        int rc = last->is_begun ? sonde_day_file_commit(last, err) : SONDE_OK;
        if (rc != SONDE_OK) {
            return rc;
        }
        close_day(store, OPEN_DAYS_MAX - 1);
    }
    struct sonde_day_file *file = sonde_alloc(sizeof(*file));
    if (file == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    int rc = sonde_day_file_open(file, store->dir, day, err);
    if (rc != SONDE_OK) {
        sonde_free(file);
        return rc;
    }
    store->days[store->day_count++] = file;
    return SONDE_OK;
}

/* Brings the file of that day to the front of store->days, with a transaction begun. */
static int
use_day(struct sqlite_store *store, int64_t day, struct sonde_err *err)
{
    size_t at = 0;
    while (at < store->day_count && store->days[at]->day != day) {
        at++;
    }
    if (at == store->day_count) {
        int rc = open_day(store, day, err);
        if (rc != SONDE_OK) {
            return rc;
        }
        at = store->day_count - 1;
    }
    struct sonde_day_file *used = store->days[at];
    for (; at > 0; at--) {
        store->days[at] = store->days[at - 1];
    }
    store->days[0] = used;
    return used->is_begun ? SONDE_OK : sonde_day_file_begin(used, err);
}

/* --- Writing a group ---------------------------------------------------------------- */

static int
add_rows(struct sqlite_store *store, struct sonde_write *write, int64_t today,
         int64_t *failed_day, struct sonde_err *err)
{
    for (size_t i = 0; i < write->row_count; i++) {
        int64_t day = day_for(store, write->rows[i].time_ns, today);
        *failed_day = day;
        int rc = SONDE_OK;
        if (store->day_count == 0 || store->days[0]->day != day ||
            !store->days[0]->is_begun) {
            rc = use_day(store, day, err);
        }
        if (rc == SONDE_OK) {
            rc = sonde_day_file_add(store->days[0], &write->rows[i], &write->is_new[i],
                                    err);
        }
        if (rc != SONDE_OK) {
            return rc;
        }
    }
    return SONDE_OK;
}

static int
commit_days(struct sqlite_store *store, int64_t *failed_day, struct sonde_err *err)
{
    for (size_t i = 0; i < store->day_count; i++) {
        struct sonde_day_file *file = store->days[i];
        *failed_day = file->day;
        int rc = file->is_begun ? sonde_day_file_commit(file, err) : SONDE_OK;
        if (rc != SONDE_OK) {
            return rc;
        }
    }
    return SONDE_OK;
}

static int
try_rows(struct sqlite_store *store, struct queue *group, int64_t *failed_day,
         struct sonde_err *err)
{
    int64_t today = sonde_day_of(sonde_clock_wall_ns());
    int rc = SONDE_OK;
    for (struct sonde_write *w = group->first; w != NULL && rc == SONDE_OK; w = w->next) {
        rc = add_rows(store, w, today, failed_day, err);
    }
    if (rc == SONDE_OK) {
        rc = commit_days(store, failed_day, err);
    }
    for (size_t i = 0; i < store->day_count && rc != SONDE_OK; i++) {
        sonde_day_file_rollback(store->days[i]);
    }
    return rc;
}

static void
write_rows(struct sqlite_store *store, struct queue *group)
{
    struct sonde_err err = SONDE_ERR_INIT;
    int64_t failed_day = 0;
    /* A damaged file is set aside, and all goes into a new one; the second failure
     * counts. */
    int rc = try_rows(store, group, &failed_day, &err);
    if (rc == SONDE_E_CORRUPT) {
        set_day_aside(store, failed_day, &err);
        err = (struct sonde_err)SONDE_ERR_INIT;
        rc = try_rows(store, group, &failed_day, &err);
    }
    if (rc != SONDE_OK) {
        sonde_log(SONDE_LOG_ERROR, "snapshots were not stored: %s", err.message);
    }
    for (struct sonde_write *w = group->first; w != NULL; w = w->next) {
        w->err = err;
    }
}

static void
write_probes(struct sqlite_store *store, struct queue *group)
{
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_catalogue *catalogue = &store->catalogue;
    int rc = sonde_db_exec(&catalogue->db, "BEGIN IMMEDIATE", &err);
    for (struct sonde_write *w = group->first; w != NULL && rc == SONDE_OK; w = w->next) {
        w->err = (struct sonde_err)SONDE_ERR_INIT;
        if (w->kind == SONDE_WRITE_PROBE) {
            rc = sonde_catalogue_put(catalogue, &w->probe, &err);
            continue;
        }
        rc = sonde_catalogue_remove(catalogue, w->probe.id, &err);
        if (rc == SONDE_E_NOTFOUND) { /* of this one alone */
            rc = SONDE_OK;
            sonde_err_set(&w->err, SONDE_E_NOTFOUND, NULL, "there is no such probe");
        }
    }
    if (rc == SONDE_OK) {
        rc = sonde_db_exec(&catalogue->db, "COMMIT", &err);
    }
    if (rc == SONDE_OK) {
        return;
    }
    (void)sonde_db_exec(&catalogue->db, "ROLLBACK", NULL);
    sonde_log(SONDE_LOG_ERROR, "probes were not stored: %s", err.message);
    for (struct sonde_write *w = group->first; w != NULL; w = w->next) {
        w->err = err;
    }
}

static void
finish(struct sqlite_store *store, struct queue *group)
{
    for (struct sonde_write *w = group->first; w != NULL;) {
        struct sonde_write *next = w->next; /* done() may free it */
        sonde_lock_take(&store->lock);
        store->queued_bytes -= w->kind == SONDE_WRITE_ROWS ? w->size_bytes : 0;
        sonde_lock_drop(&store->lock);
        w->done(w, &w->err);
        w = next;
    }
}

/* --- The writer's thread ------------------------------------------------------------ */

static bool
has_writes(const struct sqlite_store *store)
{
    return store->rows.first != NULL || store->probes.first != NULL;
}

/* Moves the first writes of `from` to `to`, as long as those before have under `most`
 * bytes. */
static void
queue_move(struct queue *to, struct queue *from, size_t most)
{
    size_t bytes = 0;
    queue_init(to);
    while (from->first != NULL && bytes < most) {
        struct sonde_write *write = from->first;
        from->first = write->next;
        bytes += write->size_bytes;
        queue_add(to, write);
    }
    if (from->first == NULL) {
        from->end = &from->first;
    }
}

/* Takes the changes of probes and a group of rows. False: nothing came until
 * `deadline_ns`, or the store closes, or a file has to be seen to. */
static bool
take_group(struct sqlite_store *store, int64_t deadline_ns, struct queue *rows,
           struct queue *probes)
{
    sonde_lock_take(&store->lock);
    while (!has_writes(store) && !store->is_closing &&
           atomic_load(&store->damaged_day) < 0 && sonde_clock_mono_ns() < deadline_ns) {
        sonde_cond_wait(&store->wake, &store->lock, deadline_ns);
    }
    queue_move(probes, &store->probes, SIZE_MAX);
    queue_move(rows, &store->rows, GROUP_BYTES);
    sonde_lock_drop(&store->lock);
    return rows->first != NULL || probes->first != NULL;
}

static void
move_logs(struct sqlite_store *store, int least_pages)
{
    for (size_t i = 0; i < store->day_count; i++) {
        if (store->days[i]->db.wal_pages > least_pages) {
            sonde_db_checkpoint(&store->days[i]->db);
        }
    }
    if (store->catalogue.db.wal_pages > least_pages) {
        sonde_db_checkpoint(&store->catalogue.db);
    }
}

static void
keep_house(struct sqlite_store *store)
{
    int64_t damaged = atomic_exchange(&store->damaged_day, -1);
    if (damaged >= 0) {
        struct sonde_err why = SONDE_ERR_INIT;
        sonde_err_set(&why, SONDE_E_CORRUPT, NULL, "found when it was read");
        set_day_aside(store, damaged, &why);
    }
    int64_t now_ns = sonde_clock_mono_ns();
    if (now_ns >= store->retain_at_ns) {
        int64_t oldest = sonde_day_of(sonde_clock_wall_ns()) - store->keep_days;
        for (size_t i = store->day_count; i-- > 0;) {
            if (store->days[i]->day < oldest) {
                close_day(store, i);
            }
        }
        sonde_data_dir_forget(store->dir, oldest);
        store->retain_at_ns = now_ns + RETAIN_NS;
    }
}

static bool
is_over(struct sqlite_store *store)
{
    sonde_lock_take(&store->lock);
    bool is_over = store->is_closing && !has_writes(store);
    sonde_lock_drop(&store->lock);
    return is_over;
}

static void *
run_writer(void *arg)
{
    struct sqlite_store *store = arg;
    struct queue rows;
    struct queue probes;
    bool is_busy = false;
    sonde_os_thread_name("sonde-store");
    while (!is_over(store)) {
        int64_t wait_ns = is_busy ? IDLE_NS : RETAIN_NS;
        keep_house(store);
        is_busy = take_group(store, sonde_clock_mono_ns() + wait_ns, &rows, &probes);
        if (probes.first != NULL) {
            write_probes(store, &probes);
            finish(store, &probes);
        }
        if (rows.first != NULL) {
            write_rows(store, &rows);
            finish(store, &rows);
        }
        move_logs(store, is_busy ? LOG_MAX_BYTES / sonde_day_file_kind.page_bytes : 0);
    }
    while (store->day_count > 0) {
        close_day(store, store->day_count - 1);
    }
    sonde_catalogue_close(&store->catalogue);
    return NULL;
}

/* --- The interface ------------------------------------------------------------------ */

static int
store_write(struct sonde_store *base, struct sonde_write *write)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    bool is_rows = write->kind == SONDE_WRITE_ROWS;
    int rc = SONDE_OK;
    if (write->kind == SONDE_WRITE_SYMBOLS || write->kind == SONDE_WRITE_SERVICE) {
        return sonde_symbols_write(store->symbols, write);
    }
    sonde_lock_take(&store->lock);
    /* What is large alone is taken whatever its size, or it would never be. */
    bool is_full = store->queued_bytes > 0 &&
                   (store->queued_bytes >= store->queue_max_bytes ||
                    write->size_bytes > store->queue_max_bytes - store->queued_bytes);
    if (store->is_closing) {
        rc = SONDE_E_CLOSED;
    } else if (is_rows && is_full) {
        rc = SONDE_E_BUSY;
    } else {
        store->queued_bytes += is_rows ? write->size_bytes : 0;
        queue_add(is_rows ? &store->rows : &store->probes, write);
        sonde_cond_wake_all(&store->wake);
    }
    sonde_lock_drop(&store->lock);
    return rc;
}

/* Tells the writer, which alone renames files. */
static int
report_damage(struct sqlite_store *store, int64_t day, int rc)
{
    if (rc == SONDE_E_CORRUPT) {
        sonde_lock_take(&store->lock);
        atomic_store(&store->damaged_day, day);
        sonde_cond_wake_all(&store->wake);
        sonde_lock_drop(&store->lock);
    }
    return rc;
}

/* Where the row of that id stands: in the file days->day[*at], at *place. */
static int
find_row(struct sqlite_store *store, const struct sonde_days *days, struct sonde_str id,
         size_t *at, struct sonde_day_place *place, struct sonde_err *err)
{
    for (size_t i = 0; i < days->count; i++) {
        int rc = sonde_day_file_find(store->dir, days->day[i], id, place, err);
        if (rc == SONDE_OK) {
            *at = i;
        }
        if (rc != SONDE_E_NOTFOUND) {
            return report_damage(store, days->day[i], rc);
        }
    }
    return sonde_err_set(err, SONDE_E_NOTFOUND, "before", "there is no such snapshot");
}

static int
store_list(struct sonde_store *base, const struct sonde_query *query, sonde_row_fn *fn,
           void *arg, struct sonde_err *err)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    struct sonde_days days;
    struct sonde_day_listing listing = {.query = query,
                                        .before = SONDE_DAY_PLACE_END,
                                        .fn = fn,
                                        .arg = arg,
                                        .goes_on = true};
    size_t at = 0;
    int rc = sonde_data_dir_days(&days, store->dir, err);
    if (rc == SONDE_OK && query->before.len > 0) {
        rc = find_row(store, &days, query->before, &at, &listing.before, err);
    }
    for (; at < days.count && rc == SONDE_OK; at++) {
        if (listing.found >= query->limit || !listing.goes_on) {
            break;
        }
        rc = sonde_day_file_list(store->dir, days.day[at], &listing, err);
        rc = rc == SONDE_E_NOTFOUND ? SONDE_OK : report_damage(store, days.day[at], rc);
        listing.before = SONDE_DAY_PLACE_END; /* of the files of older days: all */
    }
    return rc;
}

static int
store_get(struct sonde_store *base, struct sonde_str id, sonde_row_fn *fn, void *arg,
          struct sonde_err *err)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    struct sonde_days days;
    int rc = sonde_data_dir_days(&days, store->dir, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    for (size_t i = 0; i < days.count; i++) {
        rc = sonde_day_file_get(store->dir, days.day[i], id, fn, arg, err);
        if (rc != SONDE_E_NOTFOUND) {
            return report_damage(store, days.day[i], rc);
        }
    }
    return sonde_err_set(err, SONDE_E_NOTFOUND, NULL, "there is no such snapshot");
}

static int
store_probes(struct sonde_store *base, sonde_stored_probe_fn *fn, void *arg,
             struct sonde_err *err)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    return sonde_catalogue_probes(&store->catalogue, fn, arg, err);
}

/* --- Symbols ------------------------------------------------------------------------ */

static int
store_search(struct sonde_store *base, const struct sonde_symbol_query *query,
             bool *has_more, sonde_found_fn *fn, void *arg, struct sonde_err *err)
{
    struct sonde_symbols *symbols = ((struct sqlite_store *)base)->symbols;
    struct sonde_symbols_reader *reader = NULL;
    int rc = sonde_symbols_take_reader(symbols, &reader, err);
    if (rc == SONDE_OK) {
        rc = sonde_symbols_search(reader, query, has_more, fn, arg, err);
        rc = sonde_symbols_give_reader(symbols, reader, rc);
    }
    return rc;
}

static int
store_file_units(struct sonde_store *base, struct sonde_str file,
                 struct sonde_str service, sonde_text_fn *fn, void *arg,
                 struct sonde_err *err)
{
    struct sonde_symbols *symbols = ((struct sqlite_store *)base)->symbols;
    struct sonde_symbols_reader *reader = NULL;
    int rc = sonde_symbols_take_reader(symbols, &reader, err);
    if (rc == SONDE_OK) {
        rc = sonde_symbols_file_units(reader, file, service, fn, arg, err);
        rc = sonde_symbols_give_reader(symbols, reader, rc);
    }
    return rc;
}

static int
store_unit(struct sonde_store *base, struct sonde_str hash, sonde_unit_fn *fn, void *arg,
           struct sonde_err *err)
{
    struct sonde_symbols *symbols = ((struct sqlite_store *)base)->symbols;
    struct sonde_symbols_reader *reader = NULL;
    int rc = sonde_symbols_take_reader(symbols, &reader, err);
    if (rc == SONDE_OK) {
        rc = sonde_symbols_unit(reader, hash, fn, arg, err);
        rc = sonde_symbols_give_reader(symbols, reader, rc);
    }
    return rc;
}

static int
store_source(struct sonde_store *base, struct sonde_str hash, sonde_text_fn *fn,
             void *arg, struct sonde_err *err)
{
    struct sonde_symbols *symbols = ((struct sqlite_store *)base)->symbols;
    struct sonde_symbols_reader *reader = NULL;
    int rc = sonde_symbols_take_reader(symbols, &reader, err);
    if (rc == SONDE_OK) {
        rc = sonde_symbols_source(reader, hash, fn, arg, err);
        rc = sonde_symbols_give_reader(symbols, reader, rc);
    }
    return rc;
}

static int
store_services(struct sonde_store *base, sonde_service_fn *fn, void *arg,
               struct sonde_err *err)
{
    struct sonde_symbols *symbols = ((struct sqlite_store *)base)->symbols;
    struct sonde_symbols_reader *reader = NULL;
    int rc = sonde_symbols_take_reader(symbols, &reader, err);
    if (rc == SONDE_OK) {
        rc = sonde_symbols_services(reader, fn, arg, err);
        rc = sonde_symbols_give_reader(symbols, reader, rc);
    }
    return rc;
}

static uint64_t
store_symbols_id(struct sonde_store *base)
{
    return sonde_symbols_id(((struct sqlite_store *)base)->symbols);
}

/* --- Life --------------------------------------------------------------------------- */

static void
free_store(struct sqlite_store *store)
{
    sonde_symbols_free(store->symbols);
    sonde_data_dir_unlock(store->lock_fd);
    sonde_cond_fini(&store->wake);
    sonde_lock_fini(&store->lock);
    sonde_free(store->dir);
    sonde_free(store);
}

static void
store_close(struct sonde_store *base)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    sonde_lock_take(&store->lock);
    store->is_closing = true;
    sonde_cond_wake_all(&store->wake);
    sonde_lock_drop(&store->lock);
    pthread_join(store->thread, NULL);
    free_store(store);
}

static const struct sonde_store_ops ops = {
    .write = store_write,
    .list = store_list,
    .get = store_get,
    .probes = store_probes,
    .search = store_search,
    .file_units = store_file_units,
    .unit = store_unit,
    .source = store_source,
    .services = store_services,
    .symbols_id = store_symbols_id,
    .close = store_close,
};

int
sonde_sqlite_store_open(struct sonde_store **out,
                        const struct sonde_sqlite_options *options, struct sonde_err *err)
{
    struct sqlite_store *store = sonde_calloc(1, sizeof(*store));
    if (store == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, "data", "out of memory");
    }
    store->base.ops = &ops;
    store->lock_fd = -1;
    store->keep_days = options->keep_days;
    store->queue_max_bytes =
        options->queue_bytes == 0 ? QUEUE_BYTES : options->queue_bytes;
    atomic_init(&store->damaged_day, -1);
    queue_init(&store->rows);
    queue_init(&store->probes);
    sonde_lock_init(&store->lock, SONDE_RANK_STORE);
    sonde_cond_init(&store->wake);
    store->dir = sonde_strdup(sonde_str_from(options->dir));
    int rc = store->dir == NULL
                 ? sonde_err_set(err, SONDE_E_NOMEM, "data", "out of memory")
                 : sonde_data_dir_lock(&store->lock_fd, store->dir, err);
    if (rc == SONDE_OK) {
        rc = sonde_catalogue_open(&store->catalogue, store->dir, err);
    }
    if (rc == SONDE_OK) {
        rc = sonde_symbols_new(&store->symbols, store->dir, store->keep_days,
                               options->queue_bytes, err);
        if (rc != SONDE_OK) {
            sonde_catalogue_close(&store->catalogue);
        }
    }
    if (rc == SONDE_OK) {
        rc = sonde_os_thread_start(&store->thread, run_writer, store);
        if (rc != SONDE_OK) {
            sonde_catalogue_close(&store->catalogue);
            sonde_err_set(err, rc, "data", "no thread for the store");
        }
    }
    if (rc != SONDE_OK) {
        free_store(store);
        return rc;
    }
    *out = &store->base;
    return SONDE_OK;
}
