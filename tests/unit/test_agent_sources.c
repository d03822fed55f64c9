/* SPDX-License-Identifier: Apache-2.0
 *
 * SY-07: a probe that was set on one version of a file is armed on no other. */
#include "tests/unit/agent_kit.h"

#include "core/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define PATIENCE_MS 30000
#define HELLO "ce013625030ba8dba906f756967f9e9ca394464a" /* "hello\n" */
#define WORLD "4b5fa63702dd96796042e92787f464e28f09f17d" /* "hello, world\n" */

static struct kit_collector collector;
static struct kit_vm vm;
static char dir[64], path[80];

static int
setup(void **state)
{
    (void)state;
    sonde_log_set_level(SONDE_LOG_OFF);
    snprintf(dir, sizeof(dir), "/tmp/sonde_sources_XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/app.py", dir);
    kit_collector_start(&collector, 0);
    kit_vm_init(&vm);
    vm.app_path = path;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    kit_vm_stop(&vm);
    kit_collector_stop(&collector);
    unlink(path);
    rmdir(dir);
    return 0;
}

static void
start(void)
{
    struct sonde_config config;
    kit_config(&config, collector.url);
    assert_int_equal(kit_vm_start(&vm, &config), SONDE_OK);
}

static void
write_app(const char *text)
{
    kit_pause_ms(50); /* apart from what was before, by any file system's clock */
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    kit_pause_ms(50);
}

static void
publish(unsigned revision, const char *hash)
{
    char list[512];
    snprintf(list, sizeof(list),
             "[{\"id\":\"p1\",\"revision\":%u,\"location\":\"app.py:10\",\"source_hash\":"
             "\"%s\"}]",
             revision, hash);
    kit_collector_publish(&collector, list);
}

static bool
eventually(const char *text)
{
    return kit_within(PATIENCE_MS, kit_report_has(&vm, text));
}

/* Loaded after the process began, at a time that the agent knows. */
static void
test_the_same_version_is_armed(void **state)
{
    (void)state;
    start();
    write_app("hello\n");
    publish(1, HELLO);
    /* Written to since the process began: what was loaded can not be known. */
    assert_true(
        eventually("\"revision\":1,\"status\":\"error\",\"cause\":\"other_version\""));
    assert_true(kit_report_has(&vm, "can not be told"));
    kit_vm_reload_app(&vm);
    assert_true(eventually("\"revision\":1,\"status\":\"installed\""));
    assert_int_equal(kit_vm_execute(&vm, 10), 1);
}

static void
test_another_version_is_refused_and_both_are_named(void **state)
{
    (void)state;
    start();
    write_app("hello\n");
    publish(1, WORLD);
    assert_true(eventually("\"cause\":\"other_version\""));
    kit_vm_reload_app(&vm);
    assert_true(eventually("set on version " WORLD));
    assert_true(eventually("loaded is " HELLO));
    assert_true(kit_report_has(&vm, "\"cause\":\"other_version\""));
    assert_int_equal(kit_vm_execute(&vm, 10), 0);
    /* A revision for what is loaded. */
    publish(2, HELLO);
    assert_true(eventually("\"revision\":2,\"status\":\"installed\""));
}

static void
test_loading_another_version_ends_it(void **state)
{
    (void)state;
    start();
    write_app("hello\n");
    publish(1, HELLO);
    assert_true(eventually("\"cause\":\"other_version\""));
    kit_vm_reload_app(&vm);
    assert_true(eventually("\"status\":\"installed\""));
    write_app("hello, world\n");
    kit_vm_reload_app(&vm);
    assert_true(eventually("loaded is " WORLD));
    assert_int_equal(kit_vm_execute(&vm, 10), 0);
    /* And it is armed again where its own version comes back. */
    write_app("hello\n");
    kit_vm_reload_app(&vm);
    assert_true(eventually("\"status\":\"installed\""));
    assert_int_equal(kit_vm_execute(&vm, 10), 1);
}

static void
test_what_is_no_file_has_no_version(void **state)
{
    (void)state;
    start();
    publish(1, HELLO);
    assert_true(eventually("can not be told"));
    assert_int_equal(kit_vm_execute(&vm, 10), 0);
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_the_same_version_is_armed),
        TEST(test_another_version_is_refused_and_both_are_named),
        TEST(test_loading_another_version_ends_it),
        TEST(test_what_is_no_file_has_no_version),
    };
    return cmocka_run_group_tests_name("agent sources", tests, NULL, NULL);
}
