/* SPDX-License-Identifier: Apache-2.0
 *
 * From what is loaded to the collector, through whatever goes wrong on the way.
 * Rows: SY-01 SY-02 SY-07 SY-10 */
#include "tests/unit/agent_kit.h"

#include "core/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define PATIENCE_MS 30000
#define DONE "\"state\":\"done\""

static struct kit_collector collector;
static struct kit_vm vm;

static int
setup(void **state)
{
    (void)state;
    sonde_log_set_level(SONDE_LOG_OFF);
    kit_collector_start(&collector, 0);
    kit_vm_init(&vm);
    kit_vm_list_symbols(&vm);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    kit_vm_stop(&vm);
    free(vm.files);
    kit_collector_stop(&collector);
    return 0;
}

static void
start(bool has_sources)
{
    struct sonde_config config;
    kit_config(&config, collector.url);
    config.has_symbols = true;
    config.has_libraries = true;
    config.has_sources = has_sources;
    config.symbols_debounce_ns = INT64_C(50000000);
    assert_int_equal(kit_vm_start(&vm, &config), SONDE_OK);
}

/* Everything that is loaded now is with the collector. */
static void
assert_all_sent(void)
{
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, INT64_C(30000000000)), SONDE_OK);
    assert_true(kit_within(PATIENCE_MS, kit_report_has(&vm, DONE)));
    assert_int_equal(kit_collector_read(&collector, &collector.symbols.damaged_count), 0);
}

static bool
has(const char *file, const char *text)
{
    struct kit_unit unit;
    return kit_symbols_find(&collector, file, text, &unit);
}

/* Units that were kept, and how often all of them were. */
static unsigned
kept_times(size_t *units)
{
    unsigned times = 0;
    kit_with(&collector, {
        *units = 0;
        for (size_t i = 0; i < collector.symbols.unit_count; i++) {
            *units += collector.symbols.units[i].scope != NULL;
            times += collector.symbols.units[i].times_kept;
        }
    });
    return times;
}

static void
load_many(unsigned count, unsigned methods)
{
    for (unsigned i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/srv/no/file%u.rb", i);
        kit_vm_load_symbols(&vm, path, 1, methods, true);
    }
}

/* SY-01 */
static void
test_what_is_loaded_is_sent(void **state)
{
    struct kit_unit unit;
    size_t units;
    (void)state;
    kit_vm_load_symbols(&vm, "/srv/no/order.rb", 1, 3, true);
    kit_vm_load_symbols(&vm, "/lib/set.rb", 1, 2, true);
    kit_vm_load_symbols(&vm, "(eval)", 1, 1, true);
    kit_symbols_wish(&collector, "default", 1, "s1");
    start(false);
    assert_all_sent();
    assert_true(kit_symbols_find(&collector, "/srv/no/order.rb", "\"v1_m2\"", &unit));
    assert_string_equal(unit.origin, "user");
    assert_string_equal(unit.file_state, "missing");
    assert_string_equal(unit.file_hash, "");
    assert_int_equal(unit.claims, 1);
    assert_int_equal(unit.times_kept, 1);
    assert_true(kit_symbols_find(&collector, "/lib/set.rb", NULL, &unit));
    assert_string_equal(unit.origin, "library");
    assert_true(kit_symbols_find(&collector, "(eval)", NULL, &unit));
    assert_string_equal(unit.origin, "generated");
    assert_string_equal(unit.file_state, "");
    assert_int_equal(kept_times(&units), 3);
    assert_int_equal(collector.symbols.final_count, 1);
    assert_int_equal(kit_symbols_number(&vm, "units"), 3);
    assert_int_equal(kit_symbols_number(&vm, "scopes"), 3 + 3 + 6);
    assert_int_equal(kit_symbols_number(&vm, "failures"), 0);
    assert_true(kit_symbols_number(&vm, "sent_bytes") > 100);
    assert_true(vm.is_watching);
}

/* SY-02: one file of a hundred. */
static void
test_only_what_changed_is_sent(void **state)
{
    size_t units;
    (void)state;
    load_many(100, 5);
    kit_symbols_wish(&collector, "default", 1, "s1");
    start(false);
    assert_all_sent();
    long sent = kit_symbols_number(&vm, "sent_bytes");
    unsigned listed = vm.listed_files;
    kit_vm_load_symbols(&vm, "/srv/no/file7.rb", 2, 5, true);
    kit_vm_load_symbols(&vm, "/srv/no/new.rb", 1, 5, true);
    assert_true(kit_within(PATIENCE_MS, has("/srv/no/new.rb", "v1_m4")));
    assert_all_sent();
    assert_true(has("/srv/no/file7.rb", "v2_m4"));
    assert_int_equal(kept_times(&units), 102);
    assert_int_equal(units, 102); /* the former text of file7 is kept too */
    assert_int_equal(vm.listed_files - listed, 2);
    assert_int_equal(kit_symbols_number(&vm, "units"), 101);
    assert_true(kit_symbols_number(&vm, "sent_bytes") - sent < sent);
}

/* SY-02: what no hook tells of is found by looking. */
static void
test_what_no_hook_told_of_is_found(void **state)
{
    (void)state;
    kit_vm_load_symbols(&vm, "/srv/no/order.rb", 1, 3, true);
    kit_symbols_wish(&collector, "default", 1, "s1");
    start(false);
    assert_all_sent();
    kit_vm_load_symbols(&vm, "/srv/no/quiet.rb", 1, 3, false);
    assert_true(kit_within(PATIENCE_MS, has("/srv/no/quiet.rb", "v1_m2")));
    /* Whoever waits need not wait for the next look. */
    kit_vm_load_symbols(&vm, "/srv/no/quiet.rb", 2, 3, false);
    assert_all_sent();
    assert_true(has("/srv/no/quiet.rb", "v2_m2"));
}

/* --- Files ------------------------------------------------------------------------------------ */

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Until what was written is older than what comes now, whatever the file system's clock. */
static void
let_time_pass(void)
{
    kit_pause_ms(50);
}

/* SY-07: the hash that git has, and the text where it is wanted. */
static void
test_a_files_hash_and_text(void **state)
{
    char dir[] = "/tmp/sonde_symbols_XXXXXX", path[64], link_path[64], command[80];
    struct kit_unit unit;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/hello.rb", dir);
    snprintf(link_path, sizeof(link_path), "%s/fifo.rb", dir);
    snprintf(command, sizeof(command), "mkfifo %s", link_path);
    assert_int_equal(system(command), 0);
    kit_vm_load_symbols(&vm, "/srv/no/other.rb", 1, 1, true);
    kit_symbols_wish(&collector, "default", 1, "s1");
    start(true);
    assert_all_sent();
    write_file(path, "hello\n");
    let_time_pass();
    kit_vm_load_symbols(&vm, path, 1, 1, true);
    kit_vm_load_symbols(&vm, link_path, 1, 1, true);
    kit_vm_load_symbols(&vm, "/dev/zero", 1, 1, true);
    assert_all_sent();
    assert_true(kit_symbols_find(&collector, path, NULL, &unit));
    assert_string_equal(unit.file_hash, "ce013625030ba8dba906f756967f9e9ca394464a");
    assert_string_equal(unit.file_state, "");
    assert_int_equal(collector.symbols.source_count, 1);
    assert_string_equal(collector.symbols.sources[0].file_hash, unit.file_hash);
    assert_non_null(strstr(collector.symbols.sources[0].text, "hello\\n"));
    /* What is no regular file is not read. */
    assert_true(kit_symbols_find(&collector, link_path, NULL, &unit));
    assert_string_equal(unit.file_hash, "");
    assert_true(kit_symbols_find(&collector, "/dev/zero", NULL, &unit));
    assert_string_equal(unit.file_hash, "");

    /* Written to, and not loaded anew: nobody knows what was loaded. Everything is asked for. */
    let_time_pass();
    write_file(path, "hello, world\n");
    kit_symbols_wish(&collector, "default", 2, "s1");
    assert_true(kit_within(PATIENCE_MS, kit_report_has(&vm, "\"rounds\":[2]")));
    bool is_told = false;
    kit_with(&collector, {
        for (size_t i = 0; i < collector.symbols.unit_count; i++) {
            is_told = is_told ||
                      (strcmp(collector.symbols.units[i].file, path) == 0 &&
                       strcmp(collector.symbols.units[i].file_state, "changed") == 0);
        }
    });
    assert_true(is_told);

    /* Loaded anew it has a hash again. */
    let_time_pass();
    kit_vm_load_symbols(&vm, path, 2, 1, true);
    assert_all_sent();
    assert_true(kit_symbols_find(&collector, path, "v2_m0", &unit));
    assert_string_equal(unit.file_hash, "4b5fa63702dd96796042e92787f464e28f09f17d");
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

static void
test_no_text_without_being_asked(void **state)
{
    char path[] = "/tmp/sonde_symbols_XXXXXX";
    (void)state;
    int file = mkstemp(path);
    close(file);
    write_file(path, "secret\n");
    let_time_pass();
    kit_symbols_wish(&collector, "default", 1, "s1");
    start(false);
    assert_all_sent();
    kit_vm_load_symbols(&vm, path, 1, 1, true);
    assert_all_sent();
    assert_true(has(path, NULL));
    assert_int_equal(collector.symbols.source_count, 0);
    unlink(path);
}

/* --- What goes wrong -------------------------------------------------------------------------- */

/* SY-10: a collector that fails, is away, and comes back. Nothing is lost, nothing is doubled. */
static void
test_failed_uploads_are_tried_again(void **state)
{
    size_t units;
    (void)state;
    load_many(40, 5);
    kit_symbols_wish(&collector, "default", 1, "s1");
    kit_with(&collector, collector.symbols.status = 500);
    start(false);
    assert_true(
        kit_within(PATIENCE_MS,
                   kit_collector_read(&collector, &collector.symbols.failed_count) >= 2));
    assert_true(kit_within(PATIENCE_MS, kit_report_has(&vm, "HTTP 500")));
    /* The claims get through, and what was missing does not. */
    kit_with(&collector, {
        collector.symbols.status = 200;
        collector.symbols.status_of_scopes = 503;
        collector.symbols.retry_after_s = 1;
    });
    unsigned failed = kit_collector_read(&collector, &collector.symbols.failed_count);
    assert_true(kit_within(
        PATIENCE_MS,
        kit_collector_read(&collector, &collector.symbols.failed_count) > failed));
    uint16_t port = collector.port;
    kit_collector_stop(&collector);
    kit_pause_ms(300);
    kit_collector_start(&collector, port); /* with nothing in it, and another store */
    kit_symbols_wish(&collector, "default", 1, "s2");
    assert_all_sent();
    assert_int_equal(kept_times(&units), 40);
    assert_int_equal(units, 40);
    assert_true(kit_symbols_number(&vm, "failures") >= 3);
    assert_int_equal(kit_symbols_number(&vm, "dropped"), 0);
}

/* SY-10: another store knows nothing of what the former one kept. */
static void
test_another_store_gets_everything(void **state)
{
    size_t units;
    (void)state;
    load_many(30, 5);
    kit_symbols_wish(&collector, "default", 1, "s1");
    start(false);
    assert_all_sent();
    unsigned listings = vm.listing_count;
    /* The same store after a while: it is asked, and nothing is listed. */
    kit_symbols_wish(&collector, "default", 1, "s2");
    assert_true(
        kit_within(PATIENCE_MS,
                   kit_collector_read(&collector, &collector.symbols.final_count) == 2));
    assert_int_equal(vm.listing_count, listings);
    assert_int_equal(kept_times(&units), 30);
    kit_symbols_forget(&collector);
    kit_symbols_wish(&collector, "default", 1, "s3");
    assert_true(kit_within(PATIENCE_MS, kept_times(&units) == 30));
    assert_int_equal(vm.listing_count, listings + 1);
    assert_all_sent();
}

/* SY-10: large uploads are split until they fit. */
static void
test_what_is_too_large_is_split(void **state)
{
    size_t units;
    (void)state;
    load_many(100, 5);
    kit_symbols_wish(&collector, "default", 1, "s1");
    kit_with(&collector, collector.symbols.most_units = 7);
    start(false);
    assert_all_sent();
    assert_int_equal(kept_times(&units), 100);
    assert_int_equal(units, 100);
    assert_int_equal(kit_symbols_number(&vm, "dropped"), 0);
    assert_true(collector.symbols.failed_count > 0);
}

/* SY-10: one unit that the collector will never take hurts no other, and is told. */
static void
test_a_unit_that_is_too_large_is_dropped_and_told(void **state)
{
    size_t units;
    (void)state;
    load_many(20, 5);
    kit_vm_load_symbols(&vm, "/srv/no/huge.rb", 1, 500, true);
    kit_symbols_wish(&collector, "default", 1, "s1");
    kit_with(&collector, collector.symbols.most_unit_bytes = 10000);
    start(false);
    assert_all_sent();
    assert_int_equal(kept_times(&units), 20);
    assert_int_equal(units, 20);
    assert_int_equal(kit_symbols_number(&vm, "dropped"), 502);
    assert_true(kit_report_has(&vm, "huge.rb was refused (HTTP 413)"));
    /* It is not tried again as long as it is the same. */
    unsigned calls = collector.symbols.failed_count;
    kit_vm_load_symbols(&vm, "/srv/no/huge.rb", 1, 500, true);
    assert_all_sent();
    assert_int_equal(collector.symbols.failed_count, calls);
}

/* SY-10: a file in parts, and more units than one call takes. */
static void
test_many_units(void **state)
{
    size_t units;
    (void)state;
    load_many(2500, 2);
    kit_vm_load_symbols(&vm, "/srv/no/parts.rb", 1, 9000, true);
    kit_symbols_wish(&collector, "default", 1, "s1");
    start(false);
    assert_all_sent();
    unsigned times = kept_times(&units);
    assert_int_equal(times, units);
    assert_true(units > 2502);
    assert_true(has("/srv/no/parts.rb", "\"v1_m8999\""));
    assert_int_equal(kit_symbols_number(&vm, "units"), units);
    assert_int_equal(kit_symbols_number(&vm, "failures"), 0);
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_loaded_is_sent),
        TEST(test_only_what_changed_is_sent),
        TEST(test_what_no_hook_told_of_is_found),
        TEST(test_a_files_hash_and_text),
        TEST(test_no_text_without_being_asked),
        TEST(test_failed_uploads_are_tried_again),
        TEST(test_another_store_gets_everything),
        TEST(test_what_is_too_large_is_split),
        TEST(test_a_unit_that_is_too_large_is_dropped_and_told),
        TEST(test_many_units),
    };
    return cmocka_run_group_tests_name("agent symbols", tests, NULL, NULL);
}
