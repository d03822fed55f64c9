/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: CORE-12 CORE-13 CORE-17 NX-05 */
#include "tests/unit/agent_kit.h"

#include "core/agent/agent_private.h"
#include "core/base/log.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#define FAST_10 \
    "[{\"id\":\"p1\",\"revision\":1,\"location\":\"app.py:10\",\"rate\":5000}]"

static struct kit_collector collector;
static struct kit_vm vm;

static int
setup(void **state)
{
    (void)state;
    sonde_log_set_level(SONDE_LOG_OFF);
    kit_collector_start(&collector, 0);
    kit_vm_start_at(&vm, collector.url);
    kit_collector_publish(&collector, FAST_10);
    return kit_eventually(kit_collector_was_told(&collector, "\"installed\"")) ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    kit_vm_stop(&vm);
    kit_collector_stop(&collector);
    return 0;
}

/* How many snapshots came from that instance. */
static size_t
count_from(const char *instance)
{
    size_t count = 0;
    kit_with(
        &collector, for (size_t i = 0; i < collector.snapshot_count; i++) {
            count += strcmp(collector.snapshots[i].instance, instance) == 0;
        });
    return count;
}

static unsigned
count_threads(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(tasks);
    return count;
}

static void
test_CORE_13_child_has_an_agent_of_its_own(void **state)
{
    (void)state;
    const char *parent_id = vm.agent->identity.instance_id;
    assert_true(kit_eventually(kit_vm_execute(&vm, 10) == 1));
    pid_t child = kit_vm_fork(&vm, true);
    if (child == 0) {
        char report[64];
        snprintf(report, sizeof(report), "\"hits\":0");
        bool is_content = kit_report_has(&vm, report) && vm.agent->has_thread &&
                          vm.agent->identity.pid == getpid() && vm.place_count == 1;
        for (int i = 0; i < 5; i++) {
            is_content = is_content && kit_eventually(kit_vm_execute(&vm, 10) == 1);
        }
        /* Sent, so its thread has registered it as well. */
        is_content =
            is_content && kit_eventually(sonde_ring_used(&vm.agent->recorder.ring) == 0);
        kit_vm_stop_agent(&vm);
        kit_child_exit(is_content && kit_report_number(&vm, "unsent") == -1);
    }
    assert_true(kit_child_was_content(child));
    assert_true(kit_eventually(kit_collector_snapshots(&collector) == 6));
    assert_int_equal(count_from(parent_id), 1);
    assert_int_equal(kit_collector_repeated(&collector), 0);
    assert_int_equal(kit_collector_read(&collector, &collector.bye_count), 1);
    assert_null(strstr(collector.bye_body, parent_id)); /* the child's, not ours */
    assert_true(kit_eventually(kit_vm_execute(&vm, 10) == 1));
    assert_true(kit_eventually(count_from(parent_id) == 2));
}

/* What the parent had queued and under way is the parent's to send. */
static void
test_CORE_13_nothing_of_the_parent_is_sent_twice(void **state)
{
    (void)state;
    kit_with(&collector, collector.logs_mood = KIT_HANGS);
    assert_true(kit_eventually(kit_vm_execute(&vm, 10) == 1));
    unsigned *failed = &collector.failed_logs_count;
    assert_true(kit_eventually(kit_collector_read(&collector, failed) == 1));
    for (int i = 0; i < 50; i++) {
        assert_true(kit_eventually(kit_vm_execute(&vm, 10) == 1));
    }
    pid_t child = kit_vm_fork(&vm, true);
    if (child == 0) {
        bool is_content = sonde_ring_used(&vm.agent->recorder.ring) == 0;
        kit_vm_stop_agent(&vm);
        kit_child_exit(is_content);
    }
    kit_with(&collector, collector.logs_mood = KIT_ANSWERS);
    assert_true(kit_child_was_content(child));
    assert_true(kit_eventually(kit_collector_snapshots(&collector) == 51));
    kit_vm_stop_agent(&vm);
    assert_int_equal(kit_collector_snapshots(&collector), 51);
    assert_int_equal(kit_collector_repeated(&collector), 0);
    assert_int_equal(count_from(vm.agent->identity.instance_id), 51);
}

/* The parent's long poll goes on over its own connection, whatever the child closes. */
static void
test_NX_05_connections_of_the_parent_survive_its_children(void **state)
{
    (void)state;
    unsigned polls = kit_collector_read(&collector, &collector.poll_count);
    for (int i = 0; i < 5; i++) {
        pid_t child = kit_vm_fork(&vm, true);
        if (child == 0) {
            kit_vm_stop_agent(&vm);
            kit_child_exit(true);
        }
        assert_true(kit_child_was_content(child));
    }
    kit_collector_publish(&collector, "[]");
    assert_true(kit_within(500, vm.disarm_count == 1));
    /* One answer for us; the children's polls all asked for the whole list. */
    unsigned fresh = kit_collector_read(&collector, &collector.fresh_poll_count);
    assert_in_range(kit_collector_read(&collector, &collector.poll_count), polls,
                    polls + fresh + 10);
}

static void
test_CORE_13_child_that_nobody_told_notices_by_itself(void **state)
{
    (void)state;
    pid_t child = kit_vm_fork(&vm, false);
    if (child == 0) {
        bool is_content = sonde_agent_is_stale(vm.agent) && count_threads() == 2;
        /* What may come before: nothing of it waits for a lock or starts a thread. */
        sonde_agent_fault(vm.agent, "early", "in a stale child");
        pthread_mutex_lock(&vm.lock);
        is_content = is_content && !sonde_agent_wants_code(vm.agent, SONDE_STR("/x.py"));
        sonde_agent_code_vanished(vm.agent, 99);
        pthread_mutex_unlock(&vm.lock);
        is_content = is_content && sonde_agent_is_stale(vm.agent) && count_threads() == 2;
        is_content = is_content && kit_eventually(kit_vm_execute(&vm, 10) == 1);
        is_content =
            is_content && !sonde_agent_is_stale(vm.agent) && count_threads() == 3;
        kit_vm_stop_agent(&vm);
        kit_child_exit(is_content);
    }
    assert_true(kit_child_was_content(child));
    assert_true(kit_eventually(kit_collector_snapshots(&collector) == 1));
}

static void
test_CORE_13_stale_child_can_stop_at_once(void **state)
{
    (void)state;
    unsigned byes = kit_collector_read(&collector, &collector.bye_count);
    pid_t child = kit_vm_fork(&vm, false);
    if (child == 0) {
        int64_t took_ms = kit_vm_stop_agent(&vm);
        pthread_mutex_lock(&vm.lock);
        sonde_agent_after_fork_child(vm.agent);
        sonde_agent_stop(vm.agent);
        pthread_mutex_unlock(&vm.lock);
        kit_child_exit(took_ms < 100 && vm.place_count == 0 && count_threads() == 2);
    }
    assert_true(kit_child_was_content(child));
    assert_int_equal(kit_collector_read(&collector, &collector.bye_count), byes);
}

static void
test_CORE_13_grandchildren_too(void **state)
{
    (void)state;
    pid_t child = kit_vm_fork(&vm, true);
    if (child == 0) {
        pid_t grandchild = kit_vm_fork(&vm, true);
        if (grandchild == 0) {
            bool has_hit = kit_eventually(kit_vm_execute(&vm, 10) == 1);
            kit_vm_stop_agent(&vm);
            kit_child_exit(has_hit);
        }
        bool is_content = kit_child_was_content(grandchild);
        is_content = is_content && kit_eventually(kit_vm_execute(&vm, 10) == 1);
        kit_vm_stop_agent(&vm);
        kit_child_exit(is_content);
    }
    assert_true(kit_child_was_content(child));
    assert_true(kit_eventually(kit_collector_snapshots(&collector) == 2));
    assert_string_not_equal(collector.snapshots[0].instance,
                            collector.snapshots[1].instance);
}

static void
test_CORE_13_child_of_an_agent_without_a_thread_gets_none(void **state)
{
    static struct kit_vm quiet;
    (void)state;
    kit_vm_start_at(&quiet, "");
    pid_t child = kit_vm_fork(&quiet, true);
    if (child == 0) {
        kit_child_exit(!quiet.agent->has_thread && count_threads() == 2);
    }
    assert_true(kit_child_was_content(child));
    kit_vm_stop(&quiet);
}

static void
test_CORE_17_child_without_memory_is_disarmed(void **state)
{
    (void)state;
    if (KIT_HAS_ASAN) {
        skip(); /* it needs memory of its own */
    }
    pid_t child = kit_vm_fork(&vm, false);
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_AS, &none); /* no queue */
        pthread_mutex_lock(&vm.lock);
        sonde_agent_after_fork_child(vm.agent);
        pthread_mutex_unlock(&vm.lock);
        kit_child_exit(vm.place_count == 0 && vm.agent->faults.count > 0 &&
                       strcmp(vm.agent->faults.list[0].part, "queue") == 0 &&
                       !atomic_load(&vm.agent->recorder.is_open));
    }
    assert_true(kit_child_was_content(child));
}

/* --- Announced forks ---------------------------------------------------------------------- */

static bool
has_agent_thread(void)
{
    bool is_there = false;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char path[300], name[32] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            is_there = (fgets(name, sizeof(name), file) != NULL &&
                        strcmp(name, "sonde-agent\n") == 0) ||
                       is_there;
            fclose(file);
        }
    }
    closedir(tasks);
    return is_there;
}

static void
before_fork(void)
{
    pthread_mutex_lock(&vm.lock);
    sonde_agent_before_fork(vm.agent);
    pthread_mutex_unlock(&vm.lock);
}

static void
after_fork_parent(void)
{
    pthread_mutex_lock(&vm.lock);
    sonde_agent_after_fork_parent(vm.agent);
    pthread_mutex_unlock(&vm.lock);
}

static void
test_CORE_13_announced_fork_meets_no_thread(void **state)
{
    (void)state;
    kit_with(&collector, collector.logs_mood = KIT_HANGS);
    assert_true(kit_eventually(kit_vm_execute(&vm, 10) == 1));
    unsigned *failed = &collector.failed_logs_count;
    assert_true(kit_eventually(kit_collector_read(&collector, failed) == 1));
    assert_true(has_agent_thread());
    before_fork();
    before_fork(); /* they nest */
    assert_false(has_agent_thread());
    pid_t child = kit_vm_fork(&vm, true);
    if (child == 0) {
        bool is_content = kit_eventually(has_agent_thread()) &&
                          sonde_ring_used(&vm.agent->recorder.ring) == 0;
        kit_vm_stop_agent(&vm);
        kit_child_exit(is_content);
    }
    after_fork_parent();
    assert_false(has_agent_thread());
    after_fork_parent();
    assert_true(kit_eventually(has_agent_thread()));
    /* What was under way goes on: the poll and the batch. */
    unsigned polls = kit_collector_read(&collector, &collector.fresh_poll_count);
    kit_with(&collector, collector.logs_mood = KIT_ANSWERS);
    assert_true(kit_eventually(kit_collector_snapshots(&collector) == 1));
    kit_collector_publish(&collector, "[]");
    assert_true(kit_within(500, vm.disarm_count == 1));
    assert_true(kit_child_was_content(child));
    assert_true(kit_collector_read(&collector, &collector.fresh_poll_count) <= polls + 1);
    assert_int_equal(kit_collector_repeated(&collector), 0);
    after_fork_parent(); /* one too many does no harm */
}

static void
test_CORE_12_agent_that_rests_can_stop(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_true(kit_eventually(kit_vm_execute(&vm, 10) == 1));
    }
    before_fork();
    assert_true(kit_eventually(kit_vm_execute(&vm, 10) == 1));
    assert_true(kit_vm_stop_agent(&vm) < 1000);
    assert_int_equal(kit_collector_snapshots(&collector), 11);
    assert_int_equal(kit_collector_read(&collector, &collector.bye_count), 1);
    assert_true(kit_collector_was_told(&collector, "\"captured\":11"));
    after_fork_parent();
    assert_false(has_agent_thread());
}

/* --- Storm -------------------------------------------------------------------------------- */

static atomic_bool storm_is_over;

static void *
keep_busy(void *arg)
{
    (void)arg;
    while (!storm_is_over) {
        kit_vm_execute(&vm, 10);
        kit_pause_ms(1);
    }
    return NULL;
}

/* The thread is sending and reporting all the time while 200 children are made. */
static void
test_CORE_13_NX_05_fork_storm_with_a_busy_agent(void **state)
{
    enum { CHILDREN = 200, AT_ONCE = 8 };
    pid_t children[AT_ONCE] = {0};
    pthread_t busy;
    unsigned discontent = 0;
    (void)state;
    if (KIT_HAS_ASAN) {
        skip(); /* its own list of threads is locked in a child now and then */
    }
    storm_is_over = false;
    assert_int_equal(pthread_create(&busy, NULL, keep_busy, NULL), 0);
    for (int i = 0; i < CHILDREN + AT_ONCE; i++) {
        pid_t *slot = &children[i % AT_ONCE];
        if (*slot > 0) {
            discontent += !kit_child_was_content(*slot);
        }
        *slot = 0;
        if (i >= CHILDREN) {
            continue;
        }
        *slot = kit_vm_fork(&vm, i % 2 == 0);
        if (*slot == 0) {
            bool has_hit = kit_eventually(kit_vm_execute(&vm, 10) == 1);
            kit_vm_stop_agent(&vm);
            kit_child_exit(has_hit && kit_report_number(&vm, "unsent") == -1);
        }
    }
    storm_is_over = true;
    pthread_join(busy, NULL);
    assert_int_equal(discontent, 0);
    kit_vm_stop_agent(&vm);
    size_t own = count_from(vm.agent->identity.instance_id);
    assert_int_equal(kit_collector_snapshots(&collector) - own, CHILDREN);
    assert_int_equal(kit_collector_repeated(&collector), 0);
    print_message("%d children, %zu snapshots of the parent meanwhile\n", CHILDREN, own);
}

int
main(void)
{
    if (KIT_HAS_TSAN) {
        print_message("skipped: TSan starts no threads in a forked child\n");
        return 0;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_CORE_13_child_has_an_agent_of_its_own),
        TEST(test_CORE_13_nothing_of_the_parent_is_sent_twice),
        TEST(test_NX_05_connections_of_the_parent_survive_its_children),
        TEST(test_CORE_13_child_that_nobody_told_notices_by_itself),
        TEST(test_CORE_13_stale_child_can_stop_at_once),
        TEST(test_CORE_13_grandchildren_too),
        TEST(test_CORE_13_child_of_an_agent_without_a_thread_gets_none),
        TEST(test_CORE_17_child_without_memory_is_disarmed),
        TEST(test_CORE_13_announced_fork_meets_no_thread),
        TEST(test_CORE_12_agent_that_rests_can_stop),
        TEST(test_CORE_13_NX_05_fork_storm_with_a_busy_agent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
