/* SPDX-License-Identifier: Apache-2.0
 *
 * The SQLite store behind its interface: durable, once, by day, and honest about
 * damage. */
#include "collector/store/sqlite/day_file.h"
#include "collector/store/sqlite/sqlite_store.h"
#include "core/base/clock.h"
#include "core/base/lock.h"
#include "core/base/log.h"
#include "tests/unit/collector_kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_NS (86400 * SONDE_NS_PER_S)

struct fixture {
    struct kit kit; /* its directory alone */
    struct sonde_store *store;
};

static void
open_store(struct fixture *f, size_t queue_bytes)
{
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_sqlite_options options = {
        .dir = f->kit.dir, .keep_days = 7, .queue_bytes = queue_bytes};
    if (sonde_sqlite_store_open(&f->store, &options, &err) != SONDE_OK) {
        fail_msg("%s", err.message);
    }
}

static void
reopen(struct fixture *f)
{
    sonde_store_close(f->store);
    open_store(f, 0);
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    sonde_log_set_level(SONDE_LOG_OFF);
    kit_init(&f->kit);
    open_store(f, 0);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    sonde_store_close(f->store);
    kit_fini(&f->kit);
    free(f);
    return 0;
}

/* --- Writing and waiting ------------------------------------------------------------ */

struct waiting {
    struct sonde_lock lock;
    struct sonde_cond cond;
    bool is_done;
    struct sonde_err err;
    struct sonde_stored_probe probe;
};

static void
note_done(struct sonde_write *write, const struct sonde_err *err)
{
    struct waiting *waiting = write->arg;
    sonde_lock_take(&waiting->lock);
    waiting->is_done = true;
    waiting->err = *err;
    waiting->probe = write->probe;
    sonde_cond_wake_all(&waiting->cond);
    sonde_lock_drop(&waiting->lock);
}

static struct waiting
write_and_wait(struct fixture *f, struct sonde_write *write)
{
    struct waiting waiting = {0};
    sonde_lock_init(&waiting.lock, SONDE_RANK_STORE);
    sonde_cond_init(&waiting.cond);
    write->done = note_done;
    write->arg = &waiting;
    assert_int_equal(sonde_store_write(f->store, write), SONDE_OK);
    sonde_lock_take(&waiting.lock);
    while (!waiting.is_done) {
        sonde_cond_wait(&waiting.cond, &waiting.lock, -1);
    }
    sonde_lock_drop(&waiting.lock);
    sonde_lock_fini(&waiting.lock);
    sonde_cond_fini(&waiting.cond);
    return waiting;
}

static struct sonde_row
row_of(const char *id, const char *probe, const char *service, int64_t time_ns)
{
    return (struct sonde_row){
        .id = sonde_str_from(id),
        .probe_id = sonde_str_from(probe),
        .service = sonde_str_from(service),
        .time_ns = time_ns,
        .resource = SONDE_STR("the resource"),
        .packed = SONDE_STR("the record"),
    };
}

/* Returns whether it was new. */
static bool
put(struct fixture *f, const char *id, const char *probe, const char *service,
    int64_t time_ns)
{
    struct sonde_row row = row_of(id, probe, service, time_ns);
    bool is_new = false;
    struct sonde_write write = {.kind = SONDE_WRITE_ROWS,
                                .rows = &row,
                                .is_new = &is_new,
                                .row_count = 1,
                                .size_bytes = 100};
    struct waiting waiting = write_and_wait(f, &write);
    if (waiting.err.code != SONDE_OK) {
        fail_msg("%s", waiting.err.message);
    }
    return is_new;
}

struct list {
    char ids[1024];
    size_t len;
};

static bool
note_row(void *arg, const struct sonde_row *row)
{
    struct list *list = arg;
    assert_true(sonde_str_eq(row->resource, SONDE_STR("the resource")));
    assert_true(sonde_str_eq(row->packed, SONDE_STR("the record")));
    list->len +=
        (size_t)snprintf(list->ids + list->len, sizeof(list->ids) - list->len, "%s%.*s",
                         list->len == 0 ? "" : " ", (int)row->id.len, row->id.ptr);
    return true;
}

static const char *
list_before(struct fixture *f, const char *probe, const char *service, size_t limit,
            const char *before)
{
    static struct list list;
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_query query = {.probe_id = sonde_str_from(probe),
                                .service = sonde_str_from(service),
                                .limit = limit,
                                .before = sonde_str_from(before)};
    list = (struct list){.len = 0};
    if (sonde_store_list(f->store, &query, note_row, &list, &err) != SONDE_OK) {
        snprintf(list.ids, sizeof(list.ids), "error %s: %s", err.where, err.message);
    }
    return list.ids;
}

static const char *
list_of(struct fixture *f, const char *probe, const char *service, size_t limit)
{
    return list_before(f, probe, service, limit, "");
}

static size_t
count_files(const struct fixture *f, const char *part)
{
    size_t count = 0;
    DIR *dir = opendir(f->kit.dir);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        count += strstr(entry->d_name, part) != NULL;
    }
    closedir(dir);
    return count;
}

static void
path_of_day(const struct fixture *f, int64_t time_ns, char *out, size_t size)
{
    sonde_day_path(out, size, f->kit.dir, sonde_day_of(time_ns));
}

/* --- Rows --------------------------------------------------------------------------- */

static void
newest_come_first_across_days(void **state)
{
    struct fixture *f = *state;
    int64_t now_ns = sonde_clock_wall_ns();
    put(f, "b", "p1", "s1", now_ns - DAY_NS);
    put(f, "d", "p1", "s2", now_ns);
    put(f, "c", "p2", "s1", now_ns - 5);
    put(f, "a", "p2", "s1", now_ns - 2 * DAY_NS);
    /* Three days, the catalogue and the symbols. */
    assert_int_equal(count_files(f, ".db-wal"), 5);
    assert_string_equal(list_of(f, "", "", 10), "d c b a");
    assert_string_equal(list_of(f, "", "", 3), "d c b");
    assert_string_equal(list_of(f, "p1", "", 10), "d b");
    assert_string_equal(list_of(f, "", "s1", 10), "c b a");
    assert_string_equal(list_of(f, "", "s1", 2), "c b");
    assert_string_equal(list_of(f, "p2", "s1", 10), "c a");
    assert_string_equal(list_of(f, "p2", "s2", 10), "");
    assert_string_equal(list_of(f, "nobody", "", 10), "");
}

/* A reader turns the pages of a list that goes on growing at its front. */
static void
pages_go_on_where_the_last_one_ended(void **state)
{
    struct fixture *f = *state;
    int64_t now_ns = sonde_clock_wall_ns();
    int64_t old_ns = now_ns - DAY_NS;
    put(f, "a", "p1", "s1", old_ns);
    put(f, "b", "p2", "s1", old_ns); /* at the same time, but later */
    put(f, "c", "p1", "s2", old_ns);
    put(f, "d", "p1", "s1", now_ns);
    put(f, "e", "p1", "s1", now_ns);
    assert_string_equal(list_of(f, "", "", 10), "e d c b a");
    assert_string_equal(list_of(f, "", "", 2), "e d");
    put(f, "new", "p1", "s1", now_ns + 1);
    assert_string_equal(list_before(f, "", "", 2, "d"), "c b");
    assert_string_equal(list_before(f, "", "", 2, "b"), "a");
    assert_string_equal(list_before(f, "", "", 2, "a"), "");
    assert_string_equal(list_before(f, "", "", 1, "e"), "d");
    assert_string_equal(list_before(f, "", "", 10, "e"), "d c b a");
    assert_string_equal(list_before(f, "", "", 10, "new"), "e d c b a");
    /* The place counts, whether or not its row would be shown. */
    assert_string_equal(list_before(f, "p1", "", 10, "b"), "a");
    assert_string_equal(list_before(f, "p2", "", 10, "e"), "b");
    assert_string_equal(list_before(f, "", "s1", 10, "c"), "b a");
    assert_string_equal(list_before(f, "p1", "s1", 10, "d"), "a");
    assert_string_equal(list_before(f, "p1", "s1", 10, "none"),
                        "error before: there is no such snapshot");
}

/* What a clock that is far off dates is filed under the day on which it came; pages
 * still reach everything once. */
static void
pages_hold_rows_whose_time_is_far_off(void **state)
{
    struct fixture *f = *state;
    int64_t now_ns = sonde_clock_wall_ns();
    put(f, "old", "p", "s", now_ns - DAY_NS);
    put(f, "past", "p", "s", 1);
    put(f, "before-1970", "p", "s", -5);
    put(f, "now", "p", "s", now_ns);
    put(f, "last", "p", "s", INT64_MAX);
    assert_string_equal(list_of(f, "", "", 10), "last now past before-1970 old");
    assert_string_equal(list_before(f, "", "", 1, "last"), "now");
    assert_string_equal(list_before(f, "", "", 1, "now"), "past");
    assert_string_equal(list_before(f, "", "", 1, "past"), "before-1970");
    assert_string_equal(list_before(f, "", "", 1, "before-1970"), "old");
    assert_string_equal(list_before(f, "", "", 1, "old"), "");
}

static void
far_pages_are_right_with_every_filter(void **state)
{
    static const char *const filters[][2] = {{"", ""}, {"p", ""}, {"", "s"}, {"p", "s"}};
    struct fixture *f = *state;
    int64_t now_ns = sonde_clock_wall_ns();
    enum { COUNT = 2000 };
    for (int i = 0; i < COUNT; i += 500) {
        struct sonde_row rows[500];
        bool is_new[500];
        char ids[500][16];
        for (int n = 0; n < 500; n++) {
            snprintf(ids[n], sizeof(ids[n]), "r%d", i + n);
            rows[n] = row_of(ids[n], "p", "s", now_ns - i - n);
        }
        struct sonde_write write = {.kind = SONDE_WRITE_ROWS,
                                    .rows = rows,
                                    .is_new = is_new,
                                    .row_count = 500,
                                    .size_bytes = 100};
        assert_int_equal(write_and_wait(f, &write).err.code, SONDE_OK);
    }
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        assert_string_equal(list_before(f, filters[i][0], filters[i][1], 2, "r1997"),
                            "r1998 r1999");
    }
}

static void
row_is_found_by_its_id(void **state)
{
    struct fixture *f = *state;
    struct list list = {.len = 0};
    struct sonde_err err = SONDE_ERR_INIT;
    put(f, "old", "p", "s", sonde_clock_wall_ns() - 3 * DAY_NS);
    assert_int_equal(sonde_store_get(f->store, SONDE_STR("old"), note_row, &list, &err),
                     0);
    assert_string_equal(list.ids, "old");
    assert_int_equal(sonde_store_get(f->store, SONDE_STR("none"), note_row, &list, &err),
                     SONDE_E_NOTFOUND);
}

/* Senders send again what was not acknowledged in time, perhaps on the next day. */
static void
row_is_kept_once(void **state)
{
    struct fixture *f = *state;
    int64_t hit_ns = sonde_clock_wall_ns() - DAY_NS;
    assert_true(put(f, "a", "p", "s", hit_ns));
    assert_false(put(f, "a", "p", "s", hit_ns));
    reopen(f);
    assert_false(put(f, "a", "p", "s", hit_ns));
    assert_string_equal(list_of(f, "", "", 10), "a");
}

static void
rows_outlive_the_store(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "p", "s", sonde_clock_wall_ns());
    reopen(f);
    assert_string_equal(list_of(f, "", "", 10), "a");
}

/* A clock that is years off must not make files that retention never, or at once,
 * removes. */
static void
time_far_off_goes_to_today(void **state)
{
    struct fixture *f = *state;
    put(f, "past", "p", "s", 1);
    put(f, "future", "p", "s", sonde_clock_wall_ns() + 400 * DAY_NS);
    put(f, "least", "p", "s", INT64_MAX);
    assert_int_equal(count_files(f, ".db-wal"), 3);
    assert_string_equal(list_of(f, "", "", 10), "least future past");
}

static void
old_days_are_unlinked(void **state)
{
    struct fixture *f = *state;
    char kept[256];
    char gone[256];
    path_of_day(f, sonde_clock_wall_ns() - 7 * DAY_NS, kept, sizeof(kept));
    path_of_day(f, sonde_clock_wall_ns() - 8 * DAY_NS, gone, sizeof(gone));
    sonde_store_close(f->store);
    close(open(kept, O_CREAT | O_WRONLY, 0600));
    close(open(gone, O_CREAT | O_WRONLY, 0600));
    open_store(f, 0);
    kit_wait_until(access(gone, F_OK) != 0);
    assert_int_equal(access(kept, F_OK), 0);
}

static void
files_are_private(void **state)
{
    struct fixture *f = *state;
    char path[256];
    struct stat is;
    put(f, "a", "p", "s", sonde_clock_wall_ns());
    path_of_day(f, sonde_clock_wall_ns(), path, sizeof(path));
    assert_int_equal(stat(path, &is), 0);
    assert_int_equal(is.st_mode & 0077, 0);
}

/* --- Damage ------------------------------------------------------------------------- */

static void
overwrite(const char *path, off_t at, size_t len)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(pwrite(fd, "\xa5", 1, at + (off_t)i), 1);
    }
    close(fd);
}

static void
damaged_day_is_set_aside_when_written(void **state)
{
    struct fixture *f = *state;
    char path[256];
    int64_t now_ns = sonde_clock_wall_ns();
    put(f, "a", "p", "s", now_ns);
    sonde_store_close(f->store);
    path_of_day(f, now_ns, path, sizeof(path));
    overwrite(path, 0, 100);
    open_store(f, 0);
    assert_true(put(f, "b", "p", "s", now_ns)); /* acknowledged, into a new file */
    assert_int_equal(count_files(f, ".damaged-1"), 1);
    assert_string_equal(list_of(f, "", "", 10), "b");
}

static void
damaged_day_is_named_when_read(void **state)
{
    struct fixture *f = *state;
    char path[256];
    int64_t now_ns = sonde_clock_wall_ns();
    put(f, "a", "p", "s", now_ns - DAY_NS);
    put(f, "b", "p", "s", now_ns);
    sonde_store_close(f->store);
    path_of_day(f, now_ns - DAY_NS, path, sizeof(path));
    overwrite(path, 8192, 8192 * 6);
    open_store(f, 0);
    assert_non_null(strstr(list_of(f, "", "", 10), path));
    kit_wait_until(count_files(f, ".damaged-1") > 0);
    assert_string_equal(list_of(f, "", "", 10), "b");
}

static void
cut_off_file_is_set_aside(void **state)
{
    struct fixture *f = *state;
    char path[256];
    int64_t now_ns = sonde_clock_wall_ns();
    put(f, "a", "p", "s", now_ns);
    sonde_store_close(f->store);
    path_of_day(f, now_ns, path, sizeof(path));
    assert_int_equal(truncate(path, 8192 * 3 + 17), 0);
    open_store(f, 0);
    assert_true(put(f, "b", "p", "s", now_ns));
    assert_true(count_files(f, ".damaged-1") > 0);
}

static void
damaged_catalogue_is_set_aside(void **state)
{
    struct fixture *f = *state;
    char path[256];
    snprintf(path, sizeof(path), "%s/catalogue.db", f->kit.dir);
    sonde_store_close(f->store);
    overwrite(path, 0, 4096);
    open_store(f, 0);
    assert_int_equal(count_files(f, "catalogue.db.damaged-1"), 1);
}

static int
open_fails(struct fixture *f, struct sonde_err *err)
{
    struct sonde_store *second = NULL;
    struct sonde_sqlite_options options = {.dir = f->kit.dir, .keep_days = 7};
    *err = (struct sonde_err)SONDE_ERR_INIT;
    int rc = sonde_sqlite_store_open(&second, &options, err);
    assert_null(second);
    return rc;
}

static void
file_of_newer_version_is_refused(void **state)
{
    struct fixture *f = *state;
    struct sonde_err err;
    char path[256];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/catalogue.db", f->kit.dir);
    sonde_store_close(f->store);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), 0);
    assert_int_equal(open_fails(f, &err), SONDE_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "catalogue.db"));
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL, NULL), 0);
    sqlite3_close(db);
    open_store(f, 0);
}

static void
directory_has_one_collector(void **state)
{
    struct fixture *f = *state;
    struct sonde_err err;
    assert_int_equal(open_fails(f, &err), SONDE_E_BUSY);
    assert_string_equal(err.where, "data");
    assert_non_null(strstr(err.message, f->kit.dir));
}

static void
unusable_directory_is_named(void **state)
{
    struct fixture *f = *state;
    char path[256];
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_store *store = NULL;
    snprintf(path, sizeof(path), "%s/lock/below", f->kit.dir); /* lock is a file */
    struct sonde_sqlite_options options = {.dir = path, .keep_days = 7};
    assert_int_equal(sonde_sqlite_store_open(&store, &options, &err), SONDE_E_IO);
    assert_non_null(strstr(err.message, "/lock"));
}

/* --- The queue ---------------------------------------------------------------------- */

#define FLOOD 64

struct flood {
    struct sonde_write write;
    struct sonde_row row;
    bool is_new;
    char id[16];
};

static void
count_done(struct sonde_write *write, const struct sonde_err *err)
{
    assert_int_equal(err->code, SONDE_OK);
    (*(_Atomic int *)write->arg)++;
}

static void
queue_is_bounded_in_bytes(void **state)
{
    struct fixture *f = *state;
    struct flood *flood = calloc(FLOOD, sizeof(*flood));
    _Atomic int done = 0;
    int taken = 0;
    int64_t now_ns = sonde_clock_wall_ns();
    sonde_store_close(f->store);
    open_store(f, 1000);
    for (int i = 0; i < FLOOD; i++) {
        struct flood *at = &flood[i];
        snprintf(at->id, sizeof(at->id), "f%d", i);
        at->row = row_of(at->id, "p", "s", now_ns);
        at->write = (struct sonde_write){.kind = SONDE_WRITE_ROWS,
                                         .size_bytes = 400,
                                         .rows = &at->row,
                                         .is_new = &at->is_new,
                                         .row_count = 1,
                                         .done = count_done,
                                         .arg = &done};
        int rc = sonde_store_write(f->store, &at->write);
        assert_true(rc == SONDE_OK || rc == SONDE_E_BUSY);
        taken += rc == SONDE_OK;
    }
    assert_true(taken >= 2 &&
                taken < FLOOD); /* a commit takes far longer than this loop */
    reopen(f);                  /* ends what was taken */
    assert_int_equal(done, taken);
    free(flood);
}

/* --- Probes ------------------------------------------------------------------------- */

static struct waiting
change_probe(struct fixture *f, enum sonde_write_kind kind, const char *id)
{
    struct sonde_write write = {.kind = kind,
                                .probe = {.id = sonde_str_from(id),
                                          .definition = SONDE_STR("{}"),
                                          .clamped = SONDE_STR("")}};
    return write_and_wait(f, &write);
}

static void
count_probe(void *arg, const struct sonde_stored_probe *probe)
{
    *(uint32_t *)arg += probe->revision * 100 + 1;
}

static void
revisions_rise_even_after_a_removal(void **state)
{
    struct fixture *f = *state;
    struct waiting first = change_probe(f, SONDE_WRITE_PROBE, "p");
    struct waiting second = change_probe(f, SONDE_WRITE_PROBE, "p");
    assert_int_equal(first.probe.revision, 1);
    assert_int_equal(second.probe.revision, 2);
    assert_int_equal(second.probe.created_at_ns, first.probe.created_at_ns);
    assert_int_equal(change_probe(f, SONDE_WRITE_REMOVE, "p").err.code, SONDE_OK);
    assert_int_equal(change_probe(f, SONDE_WRITE_REMOVE, "p").err.code, SONDE_E_NOTFOUND);
    reopen(f);
    struct waiting third = change_probe(f, SONDE_WRITE_PROBE, "p");
    assert_int_equal(third.probe.revision, 3);
    assert_true(third.probe.created_at_ns > first.probe.created_at_ns);
}

static void
probes_outlive_the_store(void **state)
{
    struct fixture *f = *state;
    uint32_t sum = 0;
    change_probe(f, SONDE_WRITE_PROBE, "a");
    change_probe(f, SONDE_WRITE_PROBE, "b");
    change_probe(f, SONDE_WRITE_PROBE, "b");
    change_probe(f, SONDE_WRITE_PROBE, "c");
    change_probe(f, SONDE_WRITE_REMOVE, "c");
    reopen(f);
    assert_int_equal(sonde_store_probes(f->store, count_probe, &sum, NULL), SONDE_OK);
    assert_int_equal(sum, 101 + 201);
}

static void
day_names_are_read_strictly(void **state)
{
    int64_t day = 0;
    char path[64];
    (void)state;
    assert_true(sonde_day_of_name(&day, "day-20260102.db"));
    sonde_day_path(path, sizeof(path), "", day);
    assert_string_equal(path, "/day-20260102.db");
    assert_false(sonde_day_of_name(&day, "day-20260102.db-wal"));
    assert_false(sonde_day_of_name(&day, "day-20260102.db.damaged-1"));
    assert_false(sonde_day_of_name(&day, "day-2026010.db"));
    assert_false(sonde_day_of_name(&day, "catalogue.db"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(newest_come_first_across_days),
        TEST(pages_go_on_where_the_last_one_ended),
        TEST(pages_hold_rows_whose_time_is_far_off),
        TEST(far_pages_are_right_with_every_filter),
        TEST(row_is_found_by_its_id),
        TEST(row_is_kept_once),
        TEST(rows_outlive_the_store),
        TEST(time_far_off_goes_to_today),
        TEST(old_days_are_unlinked),
        TEST(files_are_private),
        TEST(damaged_day_is_set_aside_when_written),
        TEST(damaged_day_is_named_when_read),
        TEST(cut_off_file_is_set_aside),
        TEST(damaged_catalogue_is_set_aside),
        TEST(file_of_newer_version_is_refused),
        TEST(directory_has_one_collector),
        TEST(unusable_directory_is_named),
        TEST(queue_is_bounded_in_bytes),
        TEST(revisions_rise_even_after_a_removal),
        TEST(probes_outlive_the_store),
        cmocka_unit_test(day_names_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
