/* SPDX-License-Identifier: Apache-2.0
 *
 * When symbols are listed, when they are not, and how that ends.
 * Rows: SY-03 SY-04 SY-05 SY-08 */
#include "tests/unit/agent_kit.h"

#include "core/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define PATIENCE_MS 30000
#define WAIT_NS INT64_C(30000000000)
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
start_with(bool has_symbols, bool is_at_once, int64_t debounce_ms)
{
    struct sonde_config config;
    kit_config(&config, collector.url);
    config.has_symbols = has_symbols;
    config.has_symbols_at_once = is_at_once;
    config.has_libraries = true;
    config.symbols_debounce_ns = debounce_ms * 1000000;
    assert_int_equal(kit_vm_start(&vm, &config), SONDE_OK);
}

static void
start(void)
{
    start_with(true, false, 50);
}

static bool
has(const char *file, const char *text)
{
    struct kit_unit unit;
    return kit_symbols_find(&collector, file, text, &unit);
}

static unsigned
seen(const unsigned *counter)
{
    return kit_collector_read(&collector, counter);
}

static bool
reports(const char *text)
{
    return kit_report_has(&vm, text);
}

/* SY-03: a burst makes one upload. */
static void
test_a_burst_is_one_upload(void **state)
{
    (void)state;
    kit_vm_load_symbols(&vm, "/srv/no/first.rb", 1, 3, true);
    kit_symbols_wish(&collector, "default", 1, "s1");
    start_with(true, false, 1000);
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, WAIT_NS), SONDE_OK);
    unsigned listings = vm.listing_count;
    for (unsigned i = 0; i < 50; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/srv/no/burst%u.rb", i);
        kit_vm_load_symbols(&vm, path, 1, 3, true);
        kit_pause_ms(2);
    }
    assert_true(kit_within(PATIENCE_MS, has("/srv/no/burst49.rb", NULL)));
    assert_true(kit_within(PATIENCE_MS, reports(DONE)));
    assert_int_equal(vm.listing_count, listings + 1);
    assert_true(has("/srv/no/burst0.rb", NULL));
    assert_int_equal(kit_symbols_number(&vm, "uploads"), 2);
}

/* SY-03: and one that does not end is not waited for. */
static void
test_an_endless_burst_is_not_waited_for(void **state)
{
    (void)state;
    kit_vm_load_symbols(&vm, "/srv/no/first.rb", 1, 3, true);
    kit_symbols_wish(&collector, "default", 1, "s1");
    start_with(true, false, 200);
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, WAIT_NS), SONDE_OK);
    bool has_arrived = false;
    for (unsigned i = 0; i < 30000 && !has_arrived; i++) {
        kit_vm_load_symbols(&vm, "/srv/no/hot.rb", i, 3, true);
        kit_pause_ms(1);
        has_arrived = has("/srv/no/hot.rb", NULL);
    }
    assert_true(has_arrived);
}

/* SY-08: without waiting for the debounce window. */
static void
test_the_first_upload_may_be_at_once(void **state)
{
    (void)state;
    kit_vm_load_symbols(&vm, "/srv/no/first.rb", 1, 3, true);
    kit_symbols_wish(&collector, "default", 1, "s1");
    start_with(true, true, 600000);
    assert_true(kit_within(PATIENCE_MS, has("/srv/no/first.rb", NULL)));
}

/* SY-08 */
static void
test_waiting_for_all_to_be_sent(void **state)
{
    (void)state;
    start_with(true, false, 600000);
    /* There is a collector, but it takes none. */
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, WAIT_NS), SONDE_E_UNSUPPORTED);
    assert_int_equal(seen(&collector.symbols.call_count), 0);
    assert_int_equal(vm.listing_count, 0);
    kit_symbols_wish(&collector, "default", 1, "s1");
    assert_true(kit_eventually(!reports("\"state\":\"off\"")));
    kit_vm_load_symbols(&vm, "/srv/no/first.rb", 1, 3, true);
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, WAIT_NS), SONDE_OK);
    assert_true(has("/srv/no/first.rb", NULL));
    kit_with(&collector, collector.symbols.status = 500);
    kit_vm_load_symbols(&vm, "/srv/no/second.rb", 1, 3, true);
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, 300000000), SONDE_E_TIMEOUT);
    kit_with(&collector, collector.symbols.status = 200);
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, WAIT_NS), SONDE_OK);
    assert_true(has("/srv/no/second.rb", NULL));
    assert_int_equal(sonde_agent_symbols_wait(NULL, 0), SONDE_E_UNSUPPORTED);
}

/* SY-08: on, off and anew, from the collector. */
static void
test_the_collector_switches(void **state)
{
    (void)state;
    kit_vm_load_symbols(&vm, "/srv/no/first.rb", 1, 3, true);
    kit_symbols_wish(&collector, "default", 4, "s1");
    start_with(false, false, 50);
    assert_true(kit_within(PATIENCE_MS, reports("\"state\":\"off\"")));
    assert_true(kit_within(PATIENCE_MS, seen(&collector.poll_count) >= 2));
    assert_int_equal(vm.listing_count, 0);
    assert_false(vm.is_watching);
    kit_symbols_wish(&collector, "on", 4, "s1");
    assert_true(kit_within(PATIENCE_MS, has("/srv/no/first.rb", NULL)));
    assert_true(kit_within(PATIENCE_MS, reports(DONE)));
    assert_true(vm.is_watching);
    /* A round that was not seen: all of it, although nothing changed. */
    unsigned whole = vm.whole_count;
    kit_symbols_wish(&collector, "on", 5, "s1");
    assert_true(kit_within(PATIENCE_MS, reports("\"rounds\":[5]")));
    assert_int_equal(vm.whole_count, whole + 1);
    kit_symbols_wish(&collector, "off", 5, "s1");
    assert_true(kit_within(PATIENCE_MS, !vm.is_watching));
    assert_true(kit_within(PATIENCE_MS, reports("\"state\":\"off\"")));
    unsigned calls = seen(&collector.symbols.call_count);
    kit_vm_load_symbols(&vm, "/srv/no/second.rb", 1, 3, true);
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, WAIT_NS), SONDE_E_UNSUPPORTED);
    assert_int_equal(seen(&collector.symbols.call_count), calls);
    kit_symbols_wish(&collector, "on", 5, "s1");
    assert_true(kit_within(PATIENCE_MS, has("/srv/no/second.rb", NULL)));
}

/* The collector says no in the middle of it. */
static void
test_switched_off_while_it_is_sent(void **state)
{
    (void)state;
    kit_vm_load_symbols(&vm, "/srv/no/first.rb", 1, 3, true);
    kit_symbols_wish(&collector, "on", 1, "s1");
    kit_with(&collector, collector.symbols.status = 500);
    start();
    assert_true(kit_within(PATIENCE_MS, reports("\"state\":\"sending\"")));
    kit_symbols_wish(&collector, "off", 1, "s1");
    assert_true(kit_within(PATIENCE_MS, reports("\"state\":\"off\"")));
    kit_with(&collector, collector.symbols.status = 200);
    kit_symbols_wish(&collector, "on", 1, "s1");
    assert_true(kit_within(PATIENCE_MS, !reports("\"state\":\"off\"")));
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, WAIT_NS), SONDE_OK);
    assert_true(has("/srv/no/first.rb", NULL));
}

/* SY-04: a slice is short, and others get the lock between two. */
static void
test_listing_goes_in_slices(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/srv/no/file%u.rb", i);
        kit_vm_load_symbols(&vm, path, 1, 3, true);
    }
    vm.work_us = 200;
    kit_symbols_wish(&collector, "default", 1, "s1");
    start();
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, WAIT_NS), SONDE_OK);
    /* 40 ms of work in slices of 3. */
    assert_true(vm.slice_count >= 200 * 200 / 3500);
    assert_int_equal(vm.listing_count, 1);
    assert_true(kit_symbols_number(&vm, "cpu_us") > 0);
    assert_true(kit_symbols_number(&vm, "longest_hold_us") > 0);
    assert_true(has("/srv/no/file0.rb", NULL));
    assert_true(has("/srv/no/file199.rb", NULL));
}

/* A runtime that can not list says so, and is asked again. */
static void
test_a_listing_that_fails(void **state)
{
    (void)state;
    kit_vm_load_symbols(&vm, "/srv/no/first.rb", 1, 3, true);
    vm.list_failure = SONDE_E_VM;
    kit_symbols_wish(&collector, "default", 1, "s1");
    start();
    assert_true(kit_within(PATIENCE_MS, reports("\"part\":\"symbols\"")));
    assert_true(kit_within(PATIENCE_MS, reports("\"state\":\"waiting\"")));
    pthread_mutex_lock(&vm.lock);
    vm.list_failure = SONDE_OK;
    pthread_mutex_unlock(&vm.lock);
    assert_true(kit_within(60000, has("/srv/no/first.rb", NULL)));
}

/* SY-08: the hooks go before anything else, whatever is under way. */
static void
test_stop_in_the_middle(void **state)
{
    (void)state;
    kit_vm_load_symbols(&vm, "/srv/no/first.rb", 1, 3, true);
    kit_symbols_wish(&collector, "default", 1, "s1");
    kit_with(&collector, collector.symbols.status = 500);
    start();
    assert_true(kit_within(PATIENCE_MS, reports("\"state\":\"sending\"")));
    assert_true(vm.is_watching);
    kit_vm_stop_agent(&vm);
    assert_false(vm.is_watching);
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, WAIT_NS), SONDE_E_UNSUPPORTED);
    sonde_agent_symbols_changed(vm.agent);
}

static void *
wait_for_symbols(void *arg)
{
    *(int *)arg = sonde_agent_symbols_wait(vm.agent, 60 * INT64_C(1000000000));
    return NULL;
}

static void
test_stop_ends_those_who_wait(void **state)
{
    pthread_t thread;
    int rc = SONDE_OK;
    (void)state;
    kit_symbols_wish(&collector, "default", 1, "s1");
    kit_with(&collector, collector.symbols.status = 500);
    kit_vm_load_symbols(&vm, "/srv/no/first.rb", 1, 3, true);
    start();
    assert_true(kit_within(PATIENCE_MS, reports("\"state\":\"sending\"")));
    pthread_create(&thread, NULL, wait_for_symbols, &rc);
    kit_vm_stop_agent(&vm);
    pthread_join(thread, NULL);
    assert_int_equal(rc, SONDE_E_UNSUPPORTED);
}

/* --- Forks ------------------------------------------------------------------------------------ */

static unsigned
total_kept(void)
{
    unsigned times = 0;
    kit_with(&collector, {
        for (size_t i = 0; i < collector.symbols.unit_count; i++) {
            times += collector.symbols.units[i].times_kept;
        }
    });
    return times;
}

/* SY-05: a child lists for itself, and what is the same in both is claimed, not sent. */
static void
fork_and_list(bool is_announced, bool tells)
{
    kit_vm_load_symbols(&vm, "/srv/no/first.rb", 1, 3, true);
    kit_vm_load_symbols(&vm, "/srv/no/second.rb", 1, 3, true);
    kit_symbols_wish(&collector, "default", 1, "s1");
    start();
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, WAIT_NS), SONDE_OK);
    assert_int_equal(total_kept(), 2);
    if (KIT_HAS_TSAN) {
        return;
    }
    if (is_announced) {
        pthread_mutex_lock(&vm.lock);
        sonde_agent_before_fork(vm.agent);
        pthread_mutex_unlock(&vm.lock);
    }
    unsigned whole = vm.whole_count;
    pid_t child = kit_vm_fork(&vm, tells);
    if (child == 0) {
        kit_vm_load_symbols(&vm, "/srv/no/child.rb", 1, 3, true);
        if (!tells) {
            pthread_mutex_lock(&vm.lock);
            sonde_agent_after_fork_child(vm.agent);
            pthread_mutex_unlock(&vm.lock);
        }
        bool is_sent = sonde_agent_symbols_wait(vm.agent, WAIT_NS) == SONDE_OK;
        kit_child_exit(is_sent && vm.whole_count == whole + 1);
    }
    if (is_announced) {
        pthread_mutex_lock(&vm.lock);
        sonde_agent_after_fork_parent(vm.agent);
        pthread_mutex_unlock(&vm.lock);
    }
    assert_true(kit_child_was_content(child));
    assert_true(has("/srv/no/child.rb", NULL));
    assert_int_equal(total_kept(), 3);
    /* The parent goes on with what it knows. */
    kit_vm_load_symbols(&vm, "/srv/no/third.rb", 1, 3, true);
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, WAIT_NS), SONDE_OK);
    assert_int_equal(total_kept(), 4);
    assert_int_equal(vm.whole_count, whole);
}

static void
test_fork_that_is_announced(void **state)
{
    (void)state;
    fork_and_list(true, true);
}

static void
test_fork_that_is_told_of_afterwards(void **state)
{
    (void)state;
    fork_and_list(false, true);
}

static void
test_fork_that_nobody_tells_of(void **state)
{
    (void)state;
    fork_and_list(false, false);
}

/* SY-05: in the middle of sending, the child begins anew and the parent goes on. */
static void
test_fork_while_it_is_sent(void **state)
{
    (void)state;
    kit_vm_load_symbols(&vm, "/srv/no/first.rb", 1, 3, true);
    kit_symbols_wish(&collector, "default", 1, "s1");
    kit_with(&collector, collector.symbols.status = 500);
    start();
    assert_true(kit_within(PATIENCE_MS, reports("\"state\":\"sending\"")));
    if (KIT_HAS_TSAN) {
        return;
    }
    pthread_mutex_lock(&vm.lock);
    sonde_agent_before_fork(vm.agent);
    pthread_mutex_unlock(&vm.lock);
    pid_t child = kit_vm_fork(&vm, true);
    if (child == 0) {
        kit_child_exit(sonde_agent_symbols_wait(vm.agent, WAIT_NS) == SONDE_OK);
    }
    pthread_mutex_lock(&vm.lock);
    sonde_agent_after_fork_parent(vm.agent);
    pthread_mutex_unlock(&vm.lock);
    kit_with(&collector, collector.symbols.status = 200);
    assert_true(kit_child_was_content(child));
    assert_int_equal(sonde_agent_symbols_wait(vm.agent, WAIT_NS), SONDE_OK);
    assert_true(has("/srv/no/first.rb", NULL));
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_burst_is_one_upload),
        TEST(test_an_endless_burst_is_not_waited_for),
        TEST(test_the_first_upload_may_be_at_once),
        TEST(test_waiting_for_all_to_be_sent),
        TEST(test_the_collector_switches),
        TEST(test_switched_off_while_it_is_sent),
        TEST(test_listing_goes_in_slices),
        TEST(test_a_listing_that_fails),
        TEST(test_stop_in_the_middle),
        TEST(test_stop_ends_those_who_wait),
        TEST(test_fork_that_is_announced),
        TEST(test_fork_that_is_told_of_afterwards),
        TEST(test_fork_that_nobody_tells_of),
        TEST(test_fork_while_it_is_sent),
    };
    return cmocka_run_group_tests_name("agent symbols life", tests, NULL, NULL);
}
