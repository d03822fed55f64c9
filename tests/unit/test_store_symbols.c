/* SPDX-License-Identifier: Apache-2.0
 *
 * The symbols' half of the SQLite store: what time, damage and failing memory do to it.
 * SY-10: what could not be kept is told, and may be sent again. */
#include "collector/store/sqlite/db.h"
#include "collector/store/sqlite/sqlite_store.h"
#include "collector/store/sqlite/symbols_file.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/lock.h"
#include "core/base/log.h"
#include "tests/unit/symbols_kit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SCOPE(name)                                                                   \
    "{\"scope_type\":\"FILE\",\"name\":\"x\",\"scopes\":[{\"scope_type\":\"METHOD\"," \
    "\"name\":\"" name "\",\"qualified\":\"A#" name "\",\"start_line\":3}]}"

struct fixture {
    struct kit kit; /* its directory alone */
    struct sonde_store *store;
};

static void
open_store(struct fixture *f)
{
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_sqlite_options options = {.dir = f->kit.dir, .keep_days = 7};
    if (sonde_sqlite_store_open(&f->store, &options, &err) != SONDE_OK) {
        fail_msg("%s", err.message);
    }
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    sonde_log_set_level(SONDE_LOG_OFF);
    kit_init(&f->kit);
    open_store(f);
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

struct waiting {
    struct sonde_lock lock;
    struct sonde_cond cond;
    bool is_done;
    int code;
};

static void
note_done(struct sonde_write *write, const struct sonde_err *err)
{
    struct waiting *waiting = write->arg;
    sonde_lock_take(&waiting->lock);
    waiting->is_done = true;
    waiting->code = err->code;
    sonde_cond_wake_all(&waiting->cond);
    sonde_lock_drop(&waiting->lock);
}

/* Writes a unit, or a claim to it; returns what came of it. */
static int
put(struct fixture *f, const struct unit *unit, const char *version, bool is_claim,
    bool *is_missing)
{
    struct waiting waiting = {0};
    struct sonde_unit one = {
        .hash = sonde_str_from(unit->hash),
        .file = sonde_str_from(unit->file),
        .origin = SONDE_ORIGIN_USER,
        .parts = 1,
        .scope = sonde_str_from(is_claim ? "" : unit->scope),
    };
    struct sonde_symbol_upload upload = {.service = SONDE_STR("shop"),
                                         .version = sonde_str_from(version),
                                         .units = &one,
                                         .unit_count = 1};
    struct sonde_write write = {.kind = SONDE_WRITE_SYMBOLS,
                                .size_bytes = 100,
                                .upload = &upload,
                                .done = note_done,
                                .arg = &waiting};
    sonde_lock_init(&waiting.lock, SONDE_RANK_STORE);
    sonde_cond_init(&waiting.cond);
    assert_int_equal(sonde_store_write(f->store, &write), SONDE_OK);
    sonde_lock_take(&waiting.lock);
    while (!waiting.is_done) {
        sonde_cond_wait(&waiting.cond, &waiting.lock, -1);
    }
    sonde_lock_drop(&waiting.lock);
    sonde_lock_fini(&waiting.lock);
    sonde_cond_fini(&waiting.cond);
    *is_missing = one.is_missing;
    return waiting.code;
}

static bool
add_name(void *arg, const struct sonde_found *found)
{
    char *names = arg;
    size_t len = strlen(names);
    snprintf(names + len, 256 - len, "%s%.*s:%u", len == 0 ? "" : " ",
             (int)found->name.len, found->name.ptr, found->line);
    return true;
}

static int
search(struct fixture *f, const char *text, char names[256])
{
    bool has_more = false;
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_symbol_query query = {
        .text = sonde_str_from(text), .limit = 10, .kinds = 1u << SONDE_FOUND_FUNCTION};
    names[0] = '\0';
    return sonde_store_search(f->store, &query, &has_more, add_name, names, &err);
}

static int64_t
count(struct fixture *f, const char *sql)
{
    char path[512];
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_db db;
    sqlite3_stmt *statement = NULL;
    sonde_symbols_path(path, sizeof(path), f->kit.dir);
    assert_int_equal(sonde_db_open(&db, path, &sonde_symbols_kind, &err), SONDE_OK);
    assert_int_equal(sonde_db_prepare(&db, &statement, sql, &err), SONDE_OK);
    int step = sqlite3_step(statement);
    int64_t number = step == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    assert_true(step == SQLITE_ROW || step == SQLITE_DONE);
    sqlite3_finalize(statement);
    sonde_db_close(&db);
    return number;
}

/* --- Time ----------------------------------------------------------------------------- */

static void
what_no_version_was_seen_with_goes(void **state)
{
    struct fixture *f = *state;
    char names[256];
    bool is_missing = false;
    struct unit old = kit_unit("/app/a.rb", "user", SCOPE("old_one"));
    struct unit kept = kit_unit("/app/b.rb", "user", SCOPE("kept_one"));
    assert_int_equal(put(f, &old, "1", false, &is_missing), SONDE_OK);
    assert_int_equal(put(f, &kept, "1", false, &is_missing), SONDE_OK);
    assert_int_equal(put(f, &kept, "2", true, &is_missing), SONDE_OK);
    assert_false(is_missing);
    assert_int_equal(search(f, "_one", names), SONDE_OK);
    assert_string_equal(names, "old_one:3 kept_one:3");

    sonde_store_close(f->store);
    count(f, "UPDATE held SET seen_s = 5 WHERE holder = 1"); /* version 1 */
    open_store(f);
    kit_wait_until(search(f, "_one", names) == SONDE_OK && strstr(names, "old") == NULL);
    assert_string_equal(names, "kept_one:3");
    assert_int_equal(put(f, &old, "1", true, &is_missing), SONDE_OK);
    assert_true(is_missing);
    sonde_store_close(f->store);
    assert_int_equal(count(f, "SELECT count(*) FROM unit"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM file"), 1);
    assert_int_equal(count(f, "SELECT units FROM service"), 1);
    assert_int_equal(count(f, "SELECT symbols FROM service"), 2);
    assert_int_equal(count(f, "SELECT count(*) FROM keys WHERE keys MATCH '\"gold\"'"),
                     0);
    open_store(f);
}

static void
what_another_version_has_comes_back(void **state)
{
    struct fixture *f = *state;
    char names[256];
    bool is_missing = false;
    struct unit first = kit_unit("/app/a.rb", "user", SCOPE("same_one"));
    struct unit second = kit_unit(
        "/app/a.rb", "user",
        "{\"scope_type\":\"FILE\",\"scopes\":[{\"scope_type\":\"METHOD\",\"name\":"
        "\"same_one\",\"qualified\":\"A#same_one\",\"start_line\":9}]}");
    assert_int_equal(put(f, &first, "1", false, &is_missing), SONDE_OK);
    assert_int_equal(put(f, &second, "2", false, &is_missing), SONDE_OK);
    assert_int_equal(search(f, "same_one", names), SONDE_OK);
    assert_string_equal(names, "same_one:9");
    sonde_store_close(f->store);
    count(f, "UPDATE held SET seen_s = 5 WHERE holder = 2");
    open_store(f);
    kit_wait_until(search(f, "same_one", names) == SONDE_OK &&
                   strcmp(names, "same_one:3") == 0);
}

static void
a_version_that_is_back_is_what_names_lead_to(void **state)
{
    struct fixture *f = *state;
    char names[256];
    bool is_missing = false;
    struct unit first = kit_unit("/app/a.rb", "user", SCOPE("same_one"));
    struct unit second = kit_unit(
        "/app/a.rb", "user",
        "{\"scope_type\":\"FILE\",\"scopes\":[{\"scope_type\":\"METHOD\",\"name\":"
        "\"same_one\",\"qualified\":\"A#same_one\",\"start_line\":9}]}");
    assert_int_equal(put(f, &first, "1", false, &is_missing), SONDE_OK);
    assert_int_equal(put(f, &second, "2", false, &is_missing), SONDE_OK);
    sonde_store_close(f->store);
    count(f, "UPDATE held SET seen_s = seen_s - 8000");
    open_store(f);
    assert_int_equal(put(f, &first, "1", true, &is_missing), SONDE_OK);
    assert_int_equal(search(f, "same_one", names), SONDE_OK);
    assert_string_equal(names, "same_one:3");
}

/* --- Damage --------------------------------------------------------------------------- */

static void
a_damaged_file_is_set_aside_and_agents_are_told(void **state)
{
    struct fixture *f = *state;
    char path[512];
    char names[256];
    bool is_missing = false;
    struct unit unit = kit_unit("/app/a.rb", "user", SCOPE("some_one"));
    assert_int_equal(put(f, &unit, "1", false, &is_missing), SONDE_OK);
    uint64_t id = sonde_store_symbols_id(f->store);
    sonde_store_close(f->store);
    open_store(f);
    assert_true(id == sonde_store_symbols_id(f->store)); /* the same one */
    sonde_store_close(f->store);
    sonde_symbols_path(path, sizeof(path), f->kit.dir);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    for (int i = 0; i < 4096; i++) {
        assert_int_equal(write(fd, "no database here", 16), 16);
    }
    close(fd);
    open_store(f);
    assert_true(id != sonde_store_symbols_id(f->store)); /* knows nothing */
    assert_int_equal(put(f, &unit, "1", true, &is_missing), SONDE_OK);
    assert_true(is_missing);
    assert_int_equal(put(f, &unit, "1", false, &is_missing), SONDE_OK);
    assert_int_equal(search(f, "some_one", names), SONDE_OK);
    assert_string_equal(names, "some_one:3");
}

/* --- Memory --------------------------------------------------------------------------- */

/* Whichever allocation fails: it is told, nothing is half there, and sending it again helps. */
static void
sy_10_no_failing_allocation_leaves_half_of_it(void **state)
{
    struct fixture *f = *state;
    int failed_count = 0;
    for (uint64_t n = 1; n < 400; n++) {
        char scope[256];
        char names[256];
        char name[32];
        bool is_missing = false;
        snprintf(name, sizeof(name), "name_%d_end", (int)n);
        snprintf(scope, sizeof(scope),
                 "{\"scope_type\":\"FILE\",\"scopes\":[{\"scope_type\":\"METHOD\","
                 "\"name\":\"%s\",\"start_line\":3}]}",
                 name);
        struct unit unit = kit_unit("/app/a.rb", "user", scope);
        sonde_alloc_testonly_fail_at(n, false);
        int rc = put(f, &unit, "1", false, &is_missing);
        int found = search(f, name, names);
        uint64_t made = sonde_alloc_testonly_fail_at(0, false);
        bool is_hit = made >= n;
        assert_true(is_hit || (rc == SONDE_OK && found == SONDE_OK));
        failed_count += rc != SONDE_OK;
        if (rc != SONDE_OK) {
            assert_int_equal(search(f, name, names), SONDE_OK);
            assert_string_equal(names, "");
            assert_int_equal(put(f, &unit, "1", false, &is_missing), SONDE_OK);
        }
        assert_int_equal(search(f, name, names), SONDE_OK);
        assert_non_null(strstr(names, name));
        if (!is_hit) {
            assert_true(failed_count > 3);
            return;
        }
    }
    fail_msg("there was no end of allocations");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_no_version_was_seen_with_goes),
        TEST(what_another_version_has_comes_back),
        TEST(a_version_that_is_back_is_what_names_lead_to),
        TEST(a_damaged_file_is_set_aside_and_agents_are_told),
        TEST(sy_10_no_failing_allocation_leaves_half_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
