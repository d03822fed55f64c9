/* SPDX-License-Identifier: Apache-2.0
 *
 * CORE-17: the Nth allocation fails, for every N, in each part of the agent's life. */
#include "tests/fault/fault.h"

#include "core/base/alloc.h"
#include "core/capture/snapshot.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void
allocations_on(uint64_t n, bool sticky)
{
    sonde_alloc_testonly_fail_at(n, sticky);
}

static uint64_t
allocations_off(void)
{
    return sonde_alloc_testonly_fail_at(0, false);
}

const struct fault_kind fault_allocations = {"allocation", allocations_on,
                                             allocations_off};

/* What acts hand from prepare to run; made while faults are off. */
static const char *list;

struct apply_job {
    const char *json;
    int rc;
};

static void
apply_job(void *arg)
{
    struct apply_job *job = arg;
    job->rc = sonde_agent_testonly_apply(suite_agent, sonde_str_from(job->json), NULL);
}

int
fault_apply(const char *json)
{
    struct apply_job job = {.json = json};
    contract_driver.with_lock(apply_job, &job);
    return job.rc;
}

static void
prepare_probes(void)
{
    FAULT_CHECK(probes_try_apply(world_list(1)) == SONDE_OK);
    world_check_statuses(1, true);
}

/* --- The parts of a life --------------------------------------------------------------------- */

static int
run_start(void)
{
    return world_start(NULL);
}

static void
check_start(int rc, bool is_hit)
{
    (void)is_hit;
    FAULT_CHECK((rc == SONDE_OK) == (suite_agent != NULL));
    FAULT_CHECK(rc == SONDE_OK || rc == SONDE_E_NOMEM);
    FAULT_CHECK(contract_driver.is_pristine());
    FAULT_CHECK(world_runs());
}

static void
prepare_apply(void)
{
    list = world_list(1);
}

static int
run_apply(void)
{
    return fault_apply(list);
}

static void
check_apply(int rc, bool is_hit)
{
    if (rc == SONDE_OK) {
        world_check_statuses(1, !is_hit);
    } else {
        FAULT_CHECK(rc == SONDE_E_NOMEM);
        FAULT_CHECK(contract_driver.is_pristine());
        FAULT_CHECK(!status_of("line").is_there);
        FAULT_CHECK(world_runs());
    }
}

static void
prepare_revise(void)
{
    prepare_probes();
    list = world_list(2);
}

static void
check_revise(int rc, bool is_hit)
{
    /* Either all are of the new revision, or the former stand as they were. */
    if (rc == SONDE_OK) {
        world_check_statuses(2, !is_hit);
    } else {
        FAULT_CHECK(rc == SONDE_E_NOMEM);
        world_check_statuses(1, true);
    }
}

static int
run_remove(void)
{
    return fault_apply("[]");
}

static void
check_remove(int rc, bool is_hit)
{
    (void)is_hit;
    if (rc == SONDE_OK) {
        FAULT_CHECK(contract_driver.is_pristine());
        FAULT_CHECK(!status_of("line").is_there);
    } else {
        world_check_statuses(1, true);
    }
    FAULT_CHECK(world_runs());
}

static void
prepare_load(void)
{
    FAULT_CHECK(contract_driver.unload("shop"));
    FAULT_CHECK(probes_try_apply(world_list(1)) == SONDE_OK);
}

static int
run_load(void)
{
    return contract_driver.load("shop") ? SONDE_OK : SONDE_E_VM;
}

static void
check_load(int rc, bool is_hit)
{
    FAULT_CHECK(rc == SONDE_OK); /* whatever failed, the application's code is loaded */
    world_check_statuses(1, !is_hit);
}

static int
run_reload(void)
{
    return contract_driver.unload("shop") ? run_load() : SONDE_E_VM;
}

static int
run_hits(void)
{
    return world_runs() && world_runs() ? SONDE_OK : SONDE_E_VM;
}

static void
check_hits(int rc, bool is_hit)
{
    static const char *const ids[] = {"line", "exit", "entry", "throw", "method"};
    uint64_t lost = 0;
    FAULT_CHECK(rc == SONDE_OK);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct status status = status_of(ids[i]);
        FAULT_CHECK(status.hits == status.captured + status.dropped);
        lost += status.dropped;
    }
    FAULT_CHECK(lost == dropped("no_memory"));
    FAULT_CHECK((lost > 0) == is_hit);
    world_check_statuses(1, true);
}

/* Armed, but not hit yet: the first hits allocate what they need. */
static void
prepare_hits(void)
{
    FAULT_CHECK(probes_try_apply(world_list(1)) == SONDE_OK);
}

static void
nothing(void *arg)
{
    (void)arg;
}

static void
prepare_tick(void)
{
    prepare_probes();
    contract_driver.with_lock(nothing,
                              NULL); /* so that no safe point comes before ours */
    probes_clear();
    probes_add_line("ending", "LINE_TOTAL", ",\"hit_limit\":1");
    probes_apply();
}

static int
run_tick(void)
{
    int64_t result = suite_try_call("checkout", 5);
    settle();
    return result == 18 ? SONDE_OK : SONDE_E_VM;
}

static void
check_tick(int rc, bool is_hit)
{
    FAULT_CHECK(rc == SONDE_OK);
    struct status status = status_of("ending");
    FAULT_CHECK(is_hit || strcmp(status.cause, "hit_limit") == 0);
    /* A hit that was lost does not use the limit up. */
    FAULT_CHECK(status.captured + status.dropped == 1);
    FAULT_CHECK((status.captured == 1) == contract_driver.is_pristine());
}

static char report[65536];

static int
run_report(void)
{
    size_t len = sonde_agent_testonly_report(suite_agent, report, sizeof(report));
    return len > 0 ? SONDE_OK : SONDE_E_NOMEM;
}

static void
check_report(int rc, bool is_hit)
{
    (void)is_hit;
    FAULT_CHECK(rc == SONDE_OK || report[0] == '\0'); /* whole or not at all */
    FAULT_CHECK(run_report() == SONDE_OK);
    world_check_statuses(1, true);
}

static void
prepare_stop(void)
{
    prepare_probes();
    FAULT_CHECK(world_runs());
}

static int
run_stop(void)
{
    world_stop();
    return SONDE_OK;
}

static void
check_stop(int rc, bool is_hit)
{
    (void)rc;
    (void)is_hit;
    FAULT_CHECK(contract_driver.is_pristine());
    FAULT_CHECK(world_runs());
}

/* All of it in one go, as nobody stops to ask between the parts. */
static int
run_life(void)
{
    if (world_start(NULL) != SONDE_OK) {
        return world_runs() ? SONDE_E_NOMEM : SONDE_E_VM;
    }
    int rc = fault_apply(list);
    bool runs = world_runs();
    rc = rc == SONDE_OK ? run_reload() : rc;
    runs = runs && world_runs();
    run_report();
    int removed = fault_apply("[]");
    runs = runs && world_runs();
    rc = rc == SONDE_OK ? removed : rc;
    return runs ? rc : SONDE_E_VM;
}

static void
check_life(int rc, bool is_hit)
{
    (void)is_hit;
    FAULT_CHECK(rc != SONDE_E_VM);
    FAULT_CHECK(world_runs());
    if (suite_agent != NULL && rc == SONDE_OK) {
        FAULT_CHECK(contract_driver.is_pristine());
    }
}

static const struct act acts[] = {
    {"start", true, NULL, run_start, check_start},
    {"apply", false, prepare_apply, run_apply, check_apply},
    {"revise", false, prepare_revise, run_apply, check_revise},
    {"remove", false, prepare_probes, run_remove, check_remove},
    {"load", false, prepare_load, run_load, check_load},
    {"reload", false, prepare_probes, run_reload, check_load},
    {"hits", false, prepare_hits, run_hits, check_hits},
    {"tick", false, prepare_tick, run_tick, check_tick},
    {"report", false, prepare_probes, run_report, check_report},
    {"stop", false, prepare_stop, run_stop, check_stop},
    {"life", true, prepare_apply, run_life, check_life},
};

static void
test_act(void **state)
{
    fault_run_all(*state, &fault_allocations, UINT64_MAX);
}

/* --- Encoding --------------------------------------------------------------------------------- */

static char record[SONDE_TAPE_MAX_BYTES];
static size_t record_len;

static int
encode(struct sonde_buf *out)
{
    struct sonde_otlp_request request;
    struct sonde_str bytes = {record, record_len};
    sonde_otlp_request_begin(&request, out, SONDE_STR(""));
    int rc = sonde_snapshot_encode(&request, bytes, SONDE_STR("id-1"), 1);
    sonde_otlp_request_end(&request);
    return rc != SONDE_OK ? rc : out->failed;
}

/* A snapshot is encoded whole, or its buffer says that it is not. */
static void
test_encode(void **state)
{
    (void)state;
    struct sonde_buf whole, buf;
    FAULT_CHECK(contract_driver.open());
    FAULT_CHECK(contract_driver.load("shop"));
    FAULT_CHECK(world_start(NULL) == SONDE_OK);
    probes_clear();
    probes_add_line("p", "LINE_SHAPES", NULL);
    probes_apply();
    suite_call("shapes", 5, 5);
    record_len = sonde_agent_testonly_take(suite_agent, record, sizeof(record));
    FAULT_CHECK(record_len > 0);
    world_stop();
    contract_driver.close();
    sonde_buf_init(&whole, 0);
    FAULT_CHECK(encode(&whole) == SONDE_OK);
    for (int sticky = 0; sticky < 2; sticky++) {
        uint64_t n = 0, made;
        do {
            n++;
            snprintf(fault_where, sizeof(fault_where), "encode, allocation %u%s",
                     (unsigned)n, sticky == 1 ? ", sticky" : "");
            sonde_buf_init(&buf, 0);
            allocations_on(n, sticky == 1);
            int rc = encode(&buf);
            made = allocations_off();
            FAULT_CHECK(rc == (made >= n ? SONDE_E_NOMEM : SONDE_OK));
            FAULT_CHECK(rc != SONDE_OK ||
                        sonde_str_eq(sonde_buf_view(&buf), sonde_buf_view(&whole)));
            sonde_buf_fini(&buf);
        } while (made >= n);
        printf("    encode%s: %u\n", sticky == 1 ? ", sticky" : "", (unsigned)n - 1);
    }
    sonde_buf_fini(&whole);
}

/* --- Fork ---------------------------------------------------------------------------------------- */

enum { CHILD_IS_DONE = 100, CHILD_IS_WRONG };

/* In the child, which may only say with its exit status how it went. The failure was armed
 * before the fork. */
static int
child(uint64_t n)
{
    bool runs = world_runs();
    bool is_hit = allocations_off() >= n;
    struct status status = status_of("line");
    bool is_right = runs && world_runs() && strcmp(status.status, "emitting") == 0 &&
                    status_of("line").hits == 2;
    contract_driver.stop();
    if (!is_right || !contract_driver.is_pristine() || !world_runs()) {
        return CHILD_IS_WRONG;
    }
    return is_hit ? 0 : CHILD_IS_DONE;
}

/* The child of a fork rebuilds its agent with nothing to spare. */
static void
test_fork(void **state)
{
    (void)state;
    if (HAS_TSAN) {
        skip();
    }
    snprintf(fault_where, sizeof(fault_where), "fork");
    FAULT_CHECK(contract_driver.open());
    FAULT_CHECK(contract_driver.load("shop"));
    FAULT_CHECK(contract_driver.load("north"));
    FAULT_CHECK(contract_driver.load("south"));
    FAULT_CHECK(world_start(NULL) == SONDE_OK);
    prepare_probes();
    for (int sticky = 0; sticky < 2; sticky++) {
        int code = 0;
        uint64_t n = 0;
        while (code != CHILD_IS_DONE) {
            n++;
            snprintf(fault_where, sizeof(fault_where), "fork, allocation %u%s",
                     (unsigned)n, sticky == 1 ? ", sticky" : "");
            fflush(NULL);
            allocations_on(n, sticky == 1);
            pid_t pid = contract_driver.fork(n % 2 == 0);
            if (pid == 0) {
                alarm(20);
                _exit(child(n));
            }
            allocations_off();
            int status = -1;
            FAULT_CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
            FAULT_CHECK(WIFEXITED(status));
            code = WEXITSTATUS(status);
            FAULT_CHECK(code == 0 || code == CHILD_IS_DONE);
        }
        printf("    fork%s: %u\n", sticky == 1 ? ", sticky" : "", (unsigned)n - 1);
    }
    world_check_statuses(1, true);
    world_stop();
    contract_driver.close();
}

int
fault_suite_allocation(void)
{
    struct CMUnitTest tests[COUNT_OF(acts) + 2];
    for (size_t i = 0; i < COUNT_OF(acts); i++) {
        tests[i] = (struct CMUnitTest){acts[i].name, test_act, NULL, NULL,
                                       (void *)(uintptr_t)&acts[i]};
    }
    tests[COUNT_OF(acts)] = (struct CMUnitTest)cmocka_unit_test(test_encode);
    tests[COUNT_OF(acts) + 1] = (struct CMUnitTest)cmocka_unit_test(test_fork);
    return cmocka_run_group_tests_name("allocation", tests, NULL, NULL);
}
