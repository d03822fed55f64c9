/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's life: start, stop, safe points, and what is left afterwards. */
#include "tests/contract/suite.h"

#include <errno.h>
#include <stdlib.h>

/* CORE-09, CORE-17: after stop the application is as it was, and goes on. */
static void
test_stop_restores_everything(void **state)
{
    (void)state;
    probes_clear();
    probes_add_line("line", "LINE_TOTAL", NULL);
    probes_add_function_or_line("exit", 1, "total", "exit", NULL);
    probes_apply();
    suite_call("checkout", 5, 18);
    assert_int_equal(take_all(), 2);
    agent_stop();
    assert_pristine();
    suite_call("checkout", 5, 18);
    assert_int_equal(take_all(), 0);
}

static void
use_stopped_agent(void *wanted)
{
    sonde_agent_stop(suite_agent);
    sonde_agent_safe_point(suite_agent);
    *(bool *)wanted = sonde_agent_wants_code(suite_agent, SONDE_STR("any"));
    sonde_agent_code_ready(suite_agent, SONDE_STR("any"));
    sonde_agent_code_vanished(suite_agent, 1);
    sonde_agent_fault(suite_agent, "part", "after %s", "stop");
}

/* After stop every call does nothing; stop too. */
static void
test_everything_is_harmless_after_stop(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL", NULL);
    bool wants_code = true;
    agent_stop();
    contract_driver.with_lock(use_stopped_agent, &wants_code);
    assert_false(wants_code);
    assert_int_not_equal(probes_try_apply("[]"), SONDE_OK);
    suite_unload("shop");
    suite_load("shop");
    suite_call("checkout", 5, 18);
    assert_pristine();
}

/* Stop comes while a function that is probed runs: its end finds nobody. */
static void
test_stop_while_code_runs(void **state)
{
    (void)state;
    suite_call("set_running", 1, 1);
    probes_clear();
    probes_add_line("line", "LINE_SPIN", NULL);
    probes_add_function_or_line("exit", 1, "spin", "exit", NULL);
    probes_apply();
    struct caller *caller = caller_start("spin", 20, 1);
    while (status_of("line").hits < 10) {
        sleep_ms(1);
    }
    agent_stop();
    assert_pristine();
    suite_call("set_running", 0, 0);
    caller_join(caller);
    assert_int_equal(caller->raised_count, 0);
}

/* A second life of the agent in one process knows nothing of the first. */
static void
test_restart(void **state)
{
    (void)state;
    char first[64], second[64];
    probes_only_line("p", "LINE_TOTAL", NULL);
    suite_call("checkout", 5, 18);
    instance_id(first);
    struct sonde_config config;
    suite_config(&config);
    suite_restart(&config);
    instance_id(second);
    assert_string_not_equal(first, second);
    assert_false(status_of("p").is_there);
    assert_null(take());
    assert_pristine();
    probes_only_line("p", "LINE_TOTAL", NULL);
    suite_call("checkout", 5, 18);
    assert_counts("p", 1, 1);
}

static void
test_switched_off_nothing_starts(void **state)
{
    (void)state;
    struct sonde_config config;
    struct sonde_err err = SONDE_ERR_INIT;
    suite_config(&config);
    contract_driver.stop();
    setenv("SONDE_ENABLED", "off", 1);
    assert_null(contract_driver.start(&config, &err));
    unsetenv("SONDE_ENABLED");
    assert_int_not_equal(err.code, SONDE_OK);
    assert_string_not_equal(err.message, "");
    sonde_config_fini(&config);
    suite_call("checkout", 5, 18);
    assert_pristine();
    suite_config(&config);
    suite_restart(&config);
    probes_only_line("p", "LINE_TOTAL", NULL);
}

/* CORE-03: a safe point that is asked for comes, though every thread blocks in a call. */
static void
test_safe_point_while_all_block(void **state)
{
    (void)state;
    probes_only_line("p", "LINE_TOTAL", ",\"hit_limit\":1");
    struct caller *caller = caller_start("nap", 300000, 1);
    suite_call("checkout", 5, 18);
    int64_t asked_ns = sonde_clock_mono_ns();
    wait_status("p", "error", "hit_limit");
    assert_true(sonde_clock_mono_ns() - asked_ns < 250 * SONDE_NS_PER_MS);
    caller_join(caller);
}

static void
report_fault_twice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        sonde_agent_fault(suite_agent, "inline_values", "does not match %d", 42);
    }
}

/* CORE-17: a part that fails is told of, and everything else goes on. */
static void
test_fault_is_reported(void **state)
{
    (void)state;
    static char report[65536];
    probes_only_line("p", "LINE_TOTAL", NULL);
    contract_driver.with_lock(report_fault_twice, NULL);
    assert_true(sonde_agent_testonly_report(suite_agent, report, sizeof(report)) > 0);
    assert_non_null(strstr(report, "inline_values"));
    assert_non_null(strstr(report, "does not match 42"));
    suite_call("checkout", 5, 18);
    assert_counts("p", 1, 1);
}

/* A hook leaves errno as the application had it. */
static void
test_errno_is_kept(void **state)
{
    (void)state;
    int64_t result = 0;
    probes_only_line("p", "LINE_TOTAL", NULL);
    errno = 0;
    contract_driver.call("shop", "checkout", 5, &result);
    int without = errno;
    errno = ERANGE;
    contract_driver.call("shop", "checkout", 5, &result);
    assert_true(errno == ERANGE || errno == without);
    assert_counts("p", 2, 2);
}

int
contract_suite_life(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_stop_restores_everything),
        SUITE_TEST(test_everything_is_harmless_after_stop),
        SUITE_TEST(test_stop_while_code_runs),
        SUITE_TEST(test_restart),
        SUITE_TEST(test_switched_off_nothing_starts),
        SUITE_TEST(test_safe_point_while_all_block),
        SUITE_TEST(test_fault_is_reported),
        SUITE_TEST(test_errno_is_kept),
    };
    return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
