/* SPDX-License-Identifier: Apache-2.0
 *
 * CORE-13: a forked child has a working agent of its own, and the parent's does not notice.
 *
 * In the child no check of cmocka's may fail (it would go on with the parent's tests), so a
 * child returns the number of the line whose condition did not hold. */
#include "tests/contract/suite.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_CHECK(condition) \
    do {                       \
        if (!(condition)) {    \
            return __LINE__;   \
        }                      \
    } while (0)

static char parent_id[64];

/* What the child's check gave; -1 while it has not. Shared between the two. */
static int *verdict;

/* Killed rather than exited: nothing of the parent's runs at its end, and no tool looks for
 * leaks. What other threads of the parent were in the middle of can not be freed here. */
static void
end_child(int result)
{
    *verdict = result;
    kill(getpid(), SIGKILL);
    _exit(1);
}

/* Its VM may want to hear of signals. */
static pid_t
wait_for(pid_t pid, int *status)
{
    pid_t waited;
    do {
        waited = waitpid(pid, status, 0);
    } while (waited < 0 && errno == EINTR);
    return waited;
}

/* Forks, has the child run `check` and end, and fails the test unless that gave 0. */
static void
fork_and_check(bool tells, int (*check)(void))
{
    instance_id(parent_id);
    fflush(NULL);
    *verdict = -1;
    pid_t pid = contract_driver.fork(tells);
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL); /* whatever the VM made of it */
        alarm(20);                /* a child that hangs must not hang the suite */
        end_child(check());
    }
    assert_true(pid > 0);
    int status;
    assert_int_equal(wait_for(pid, &status), pid);
    if (*verdict != 0) {
        fail_msg("the child says %d (-1: nothing; else a line), its status is %#x",
                 *verdict, status);
    }
}

/* Takes one record without cmocka; NULL when there is none or it is damaged. */
static struct record *
child_take(void)
{
    static char bytes[SONDE_TAPE_MAX_BYTES];
    size_t len = sonde_agent_testonly_take(suite_agent, bytes, sizeof(bytes));
    return len == 0 ? NULL : record_read((struct sonde_str){bytes, len});
}

static int
check_child(void)
{
    char id[64];
    CHILD_CHECK(suite_try_call("checkout", 6) == 21);
    CHILD_CHECK(!sonde_agent_is_stale(suite_agent));
    instance_id(id);
    CHILD_CHECK(id[0] != '\0' && strcmp(id, parent_id) != 0);
    /* Zero counts but for our own hit; nothing of the parent's in the queue. */
    CHILD_CHECK(status_of("p").hits == 1);
    CHILD_CHECK(status_of("p").captured == 1);
    CHILD_CHECK(strcmp(status_of("p").status, "emitting") == 0);
    struct record *record = child_take();
    CHILD_CHECK(record != NULL);
    CHILD_CHECK(value_int(record_value(record, SONDE_SECTION_LINE, SONDE_GROUP_LOCALS,
                                       "price")) == 6);
    record_free(record);
    CHILD_CHECK(child_take() == NULL);
    return 0;
}

static void
test_child_has_its_own_agent(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL", NULL);
    suite_call_times(3, "checkout", 5, 18);
    fork_and_check(true, check_child);
    /* The parent is where it was. */
    char id[64];
    instance_id(id);
    assert_string_equal(id, parent_id);
    suite_call("checkout", 5, 18);
    assert_counts("p", 4, 4);
    assert_int_equal(take_all(), 4);
}

/* What waited in the parent goes on in the child as if nobody had looked. */
static int
check_child_of_waiting(void)
{
    CHILD_CHECK(suite_try_call("wait_go_on", 1) == 2);
    CHILD_CHECK(suite_try_call("wait_begin", 2) == 2);
    CHILD_CHECK(suite_try_call("wait_go_on", 1) == 2);
    CHILD_CHECK(suite_try_call("wait_go_on", 2) == 3);
    CHILD_CHECK(suite_try_call("wait_go_on", 2) == 4);
    CHILD_CHECK(status_of("p").hits == 1 && status_of("p").captured == 1);
    struct record *record = child_take();
    CHILD_CHECK(record != NULL && record->header.suspended_ns >= 0);
    CHILD_CHECK(value_int(record_value(record, SONDE_SECTION_ENTRY, SONDE_GROUP_ARGUMENTS,
                                       "n")) == 2);
    record_free(record);
    CHILD_CHECK(child_take() == NULL);
    return 0;
}

static void
fork_while_it_waits(bool tells)
{
    probes_only_function("p", "waits", "exit", NULL);
    suite_call("wait_begin", 1, 1);
    fork_and_check(tells, check_child_of_waiting);
    suite_call("wait_go_on", 1, 2);
    suite_call("wait_go_on", 1, 2);
    struct record *record = take_only();
    assert_true(record->header.suspended_ns > 0);
    record_free(record);
}

static void
test_PY_05_fork_while_it_waits(void **state)
{
    (void)state;
    SUITE_NEEDS_WAITING();
    fork_while_it_waits(true);
}

static void
test_PY_05_fork_while_it_waits_that_nobody_told_of(void **state)
{
    (void)state;
    SUITE_NEEDS_WAITING();
    fork_while_it_waits(false);
}

/* Somebody forked and told nobody: the first hit sees it. */
static void
test_child_that_nobody_told_of(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL", NULL);
    suite_call_times(3, "checkout", 5, 18);
    fork_and_check(false, check_child);
    assert_counts("p", 3, 3);
    assert_int_equal(take_all(), 3);
}

static int
check_child_settles(void)
{
    settle();
    return check_child();
}

/* … or the first safe point. */
static void
test_child_that_a_safe_point_finds(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL", NULL);
    suite_call("checkout", 5, 18);
    fork_and_check(false, check_child_settles);
}

static int
check_child_changes_probes(void)
{
    CHILD_CHECK(probes_try_apply("[]") == SONDE_OK);
    CHILD_CHECK(contract_driver.is_pristine());
    CHILD_CHECK(suite_try_call("checkout", 6) == 21);
    CHILD_CHECK(child_take() == NULL);
    CHILD_CHECK(probes_try_apply(probes_json()) == SONDE_OK);
    CHILD_CHECK(suite_try_call("checkout", 6) == 21);
    CHILD_CHECK(child_take() != NULL);
    /* Limits are the child's own, and safe points come by themselves here too. */
    for (int i = 0; i < 5; i++) {
        CHILD_CHECK(suite_try_call("checkout", 6) == 21);
    }
    int64_t until_ns = sonde_clock_mono_ns() + PATIENCE_NS;
    while (strcmp(status_of("p").cause, "hit_limit") != 0) {
        CHILD_CHECK(sonde_clock_mono_ns() < until_ns);
        sleep_ms(1);
    }
    CHILD_CHECK(contract_driver.is_pristine());
    CHILD_CHECK(contract_driver.unload("shop"));
    CHILD_CHECK(contract_driver.load("shop"));
    contract_driver.stop();
    CHILD_CHECK(contract_driver.is_pristine());
    CHILD_CHECK(suite_try_call("checkout", 6) == 21);
    return 0;
}

static void
test_child_has_a_life_of_its_own(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL", ",\"hit_limit\":3");
    suite_call("checkout", 5, 18);
    fork_and_check(true, check_child_changes_probes);
    suite_call("checkout", 5, 18);
    assert_counts("p", 2, 2);
}

static int
check_child_begins_anew(void)
{
    /* The parent disarmed it: it is looked for anew, which may take several safe points. */
    int64_t until_ns = sonde_clock_mono_ns() + PATIENCE_NS;
    do {
        CHILD_CHECK(sonde_clock_mono_ns() < until_ns);
        settle();
    } while (strcmp(status_of("p").status, "received") == 0);
    CHILD_CHECK(strcmp(status_of("p").status, "installed") == 0);
    CHILD_CHECK(suite_try_call("checkout", 6) == 21);
    CHILD_CHECK(status_of("p").captured == 1);
    return 0;
}

/* What the parent has used up, the child has still to use. */
static void
test_limit_of_the_parent_is_not_the_childs(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL", ",\"hit_limit\":2");
    suite_call_times(2, "checkout", 5, 18);
    wait_status("p", "error", "hit_limit");
    fork_and_check(true, check_child_begins_anew);
}

static int
check_child_ends_nothing(void)
{
    CHILD_CHECK(suite_try_call("sum_to", 3) == 6);
    int count = 0;
    struct record *record;
    while ((record = child_take()) != NULL) {
        CHILD_CHECK(record->sections[SONDE_SECTION_ENTRY].is_there ||
                    !contract_driver.probes_functions);
        record_free(record);
        count++;
    }
    CHILD_CHECK(count == (contract_driver.probes_functions ? 4 : 3));
    return 0;
}

/* While other threads of the parent are in the middle of anything: no lock of theirs is
 * waited on, and none of their entries is taken for the child's. */
static void
test_fork_storm_under_load(void **state)
{
    (void)state;
    probes_clear();
    probes_add_function_or_line("p", 1, "sum_to", "exit", NULL);
    probes_add_function_or_line("q", 1, "spin", "exit", NULL);
    probes_apply();
    suite_call("set_running", 1, 1);
    struct caller *callers[4];
    for (int i = 0; i < 3; i++) {
        callers[i] = caller_start("sum_to", 10, 2000);
    }
    callers[3] = caller_start("spin", 100, 1);
    for (int i = 0; i < 10; i++) {
        fork_and_check(true, check_child_ends_nothing);
        take_all();
    }
    suite_call("set_running", 0, 0);
    for (int i = 0; i < 4; i++) {
        caller_join(callers[i]);
        assert_int_equal(callers[i]->raised_count, 0);
    }
}

static int
check_grandchild(void)
{
    CHILD_CHECK(suite_try_call("checkout", 6) == 21);
    instance_id(parent_id);
    *verdict = -1;
    pid_t pid = contract_driver.fork(true);
    if (pid == 0) {
        end_child(check_child());
    }
    CHILD_CHECK(pid > 0 && wait_for(pid, NULL) == pid);
    return *verdict;
}

/* A daemonised process: the child's child. */
static void
test_grandchild(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL", NULL);
    fork_and_check(true, check_grandchild);
    assert_counts("p", 0, 0);
}

int
contract_suite_fork(void)
{
    if (HAS_TSAN) {
        printf("[  SKIPPED ] fork: not under the thread sanitizer\n");
        return 0;
    }
    verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_child_has_its_own_agent),
        SUITE_TEST(test_child_that_nobody_told_of),
        SUITE_TEST(test_child_that_a_safe_point_finds),
        SUITE_TEST(test_child_has_a_life_of_its_own),
        SUITE_TEST(test_limit_of_the_parent_is_not_the_childs),
        SUITE_TEST(test_fork_storm_under_load),
        SUITE_TEST(test_grandchild),
        SUITE_TEST(test_PY_05_fork_while_it_waits),
        SUITE_TEST(test_PY_05_fork_while_it_waits_that_nobody_told_of),
    };
    int failed = cmocka_run_group_tests_name("fork", tests, NULL, NULL);
    munmap(verdict, sizeof(*verdict));
    return failed;
}
