/* SPDX-License-Identifier: Apache-2.0
 *
 * CORE-17: the Nth call of what the system and the libraries may refuse fails, for every N:
 * threads, memory maps, sockets, names, randomness, libcurl's handles, zlib. The linker puts
 * the functions below in the way (fault.mk). What libraries call inside themselves is not met. */
#include "tests/fault/fault.h"

#include "core/base/os.h"
#include "tests/unit/agent_kit.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

/* --- What is in the way ----------------------------------------------------------------------- */

/* X(function, type, value when it fails, errno then, parameters, arguments) */
#define CALL_LIST(X)                                                                     \
    X(pthread_create, int, EAGAIN, 0,                                                    \
      (pthread_t * thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg), \
      (thread, attr, run, arg))                                                          \
    X(mmap, void *, MAP_FAILED, ENOMEM,                                                  \
      (void *at, size_t len, int protection, int flags, int fd, off_t offset),           \
      (at, len, protection, flags, fd, offset))                                          \
    X(socket, int, -1, EMFILE, (int domain, int type, int protocol),                     \
      (domain, type, protocol))                                                          \
    X(getentropy, int, -1, ENOSYS, (void *out, size_t size), (out, size))                \
    X(gethostname, int, -1, EPERM, (char *out, size_t size), (out, size))                \
    X(pthread_attr_init, int, ENOMEM, 0, (pthread_attr_t * attr), (attr))                \
    X(curl_multi_init, CURLM *, NULL, 0, (void), ())                                     \
    X(curl_easy_init, CURL *, NULL, 0, (void), ())                                       \
    X(curl_multi_add_handle, CURLMcode, CURLM_OUT_OF_MEMORY, 0,                          \
      (CURLM * multi, CURL * easy), (multi, easy))                                       \
    X(curl_multi_poll, CURLMcode, CURLM_UNRECOVERABLE_POLL, 0,                           \
      (CURLM * multi, struct curl_waitfd * fds, unsigned count, int ms, int *ready),     \
      (multi, fds, count, ms, ready))                                                    \
    X(curl_slist_append, struct curl_slist *, NULL, 0,                                   \
      (struct curl_slist * list, const char *text), (list, text))                        \
    X(curl_url, CURLU *, NULL, 0, (void), ())                                            \
    X(deflateInit2_, int, Z_MEM_ERROR, 0,                                                \
      (z_streamp stream, int level, int method, int bits, int memory, int strategy,      \
       const char *version, int size),                                                   \
      (stream, level, method, bits, memory, strategy, version, size))

enum call {
#define CALL_ENUM(function, type, failure, error, parameters, arguments) CALL_##function,
    CALL_LIST(CALL_ENUM)
#undef CALL_ENUM
        CALL_COUNT
};

static const char *const call_names[] = {
#define CALL_NAME(function, type, failure, error, parameters, arguments) #function,
    CALL_LIST(CALL_NAME)
#undef CALL_NAME
};

static atomic_int armed_call = -1;
static _Atomic uint64_t fail_at, made_count;
static atomic_bool fails_on;
static pthread_t main_thread;

/* The collector of the tests runs in this process too, and is to be left alone. */
static bool
is_of_the_agent(void)
{
    char name[32];
    if (pthread_equal(pthread_self(), main_thread)) {
        return true;
    }
    sonde_os_thread_name_get(name, sizeof(name));
    return strncmp(name, "sonde", 5) == 0;
}

static bool
must_fail(enum call call)
{
    if (atomic_load(&armed_call) != (int)call || !is_of_the_agent()) {
        return false;
    }
    uint64_t nth = atomic_fetch_add(&made_count, 1) + 1;
    uint64_t at = atomic_load(&fail_at);
    return nth == at || (nth > at && atomic_load(&fails_on));
}

#define CALL_WRAP(function, type, failure, error, parameters, arguments) \
    type __real_##function parameters;                                   \
    type __wrap_##function parameters;                                   \
    type __wrap_##function parameters                                    \
    {                                                                    \
        if (must_fail(CALL_##function)) {                                \
            if ((error) != 0) {                                          \
                errno = (error);                                         \
            }                                                            \
            return failure;                                              \
        }                                                                \
        return __real_##function arguments;                              \
    }
CALL_LIST(CALL_WRAP)
#undef CALL_WRAP

/* --- Switching ---------------------------------------------------------------------------------- */

static enum call chosen;

static void
calls_on(uint64_t n, bool sticky)
{
    atomic_store(&made_count, 0);
    atomic_store(&fail_at, n);
    atomic_store(&fails_on, sticky);
    atomic_store(&armed_call, (int)chosen);
}

static uint64_t
calls_off(void)
{
    atomic_store(&armed_call, -1);
    return atomic_load(&made_count);
}

/* --- A life with a collector ---------------------------------------------------------------------- */

#define ONLINE_NS \
    (150 * SONDE_NS_PER_MS) /* with faults on, unless all goes well before */

static struct kit_collector collector;

static void
prepare_online(void)
{
    kit_collector_start(&collector, 0);
    kit_collector_publish(&collector, world_list(1));
}

static int
run_online(void)
{
    int rc = world_start(collector.url);
    if (rc != SONDE_OK) {
        return rc;
    }
    int64_t until_ns = sonde_clock_mono_ns() + ONLINE_NS;
    bool runs = true;
    while (runs && kit_collector_snapshots(&collector) == 0 &&
           sonde_clock_mono_ns() < until_ns) {
        runs = world_runs();
        sleep_ms(2);
    }
    return runs ? SONDE_OK : SONDE_E_VM;
}

static void
nothing(void *arg)
{
    (void)arg;
}

/* The failures are over: either the agent tells that its thread gave up, and nothing is armed,
 * or it takes new revisions of all probes (those that met no memory stay in error until
 * then) and sends what they see. */
static void
check_recovery(bool is_hit)
{
    kit_collector_publish(&collector, world_list(2));
    size_t before = kit_collector_snapshots(&collector);
    bool has_given_up = false, is_back = false;
    int64_t until_ns = sonde_clock_mono_ns() + PATIENCE_NS;
    while (!has_given_up && !is_back && sonde_clock_mono_ns() < until_ns) {
        FAULT_CHECK(world_runs());
        sleep_ms(5);
        bool is_revised = status_of("line").revision == 2;
        if (!is_revised) {
            before = kit_collector_snapshots(&collector);
        }
        is_back = is_revised && kit_collector_snapshots(&collector) > before;
        has_given_up = has_fault("thread") && contract_driver.is_pristine();
    }
    FAULT_CHECK(is_back || (is_hit && has_given_up));
    if (is_back) {
        /* The safe point that brings the revision may be half way through the list. */
        contract_driver.with_lock(nothing, NULL);
        world_check_statuses(2, true);
    }
}

static void
check_online(int rc, bool is_hit)
{
    FAULT_CHECK(rc != SONDE_E_VM);
    FAULT_CHECK(world_runs());
    if (suite_agent != NULL) {
        check_recovery(is_hit);
        world_stop();
    }
    kit_collector_stop(&collector);
    FAULT_CHECK(contract_driver.is_pristine());
    FAULT_CHECK(world_runs());
}

static const struct act online = {"online", true, prepare_online, run_online,
                                  check_online};

/* --- A life without --------------------------------------------------------------------------------- */

static const char *list;

static void
prepare_offline(void)
{
    list = world_list(1);
}

static int
run_offline(void)
{
    int rc = world_start(NULL);
    if (rc != SONDE_OK) {
        return rc;
    }
    rc = fault_apply(list);
    return world_runs() ? rc : SONDE_E_VM;
}

static void
check_offline(int rc, bool is_hit)
{
    FAULT_CHECK(rc != SONDE_E_VM);
    FAULT_CHECK((rc == SONDE_OK) == (suite_agent != NULL));
    if (suite_agent != NULL) {
        world_check_statuses(1, !is_hit);
    } else {
        FAULT_CHECK(contract_driver.is_pristine());
    }
    FAULT_CHECK(world_runs());
}

static const struct act offline = {"offline", true, prepare_offline, run_offline,
                                   check_offline};

/* --- The child of a fork ------------------------------------------------------------------------------ */

/* What the runtime or the agent could not make anew is told of; the rest goes on. */
static int
child(const char *part, bool stays_armed)
{
    bool runs = world_runs();
    calls_off();
    bool is_told = has_fault(part);
    bool is_armed = !contract_driver.is_pristine();
    contract_driver.stop();
    bool is_left = contract_driver.is_pristine() && world_runs();
    return runs && is_told && is_armed == stays_armed && is_left ? 0 : 1;
}

static void
check_fork(enum call call, const char *part, bool stays_armed)
{
    if (HAS_TSAN) {
        skip();
    }
    snprintf(fault_where, sizeof(fault_where), "fork, %s", call_names[call]);
    FAULT_CHECK(contract_driver.open());
    FAULT_CHECK(contract_driver.load("shop"));
    FAULT_CHECK(contract_driver.load("north"));
    FAULT_CHECK(contract_driver.load("south"));
    FAULT_CHECK(world_start(NULL) == SONDE_OK);
    FAULT_CHECK(probes_try_apply(world_list(1)) == SONDE_OK);
    fflush(NULL);
    chosen = call;
    calls_on(1, true);
    pid_t pid = contract_driver.fork(true);
    if (pid == 0) {
        alarm(20);
        _exit(child(part, stays_armed));
    }
    calls_off();
    int status = -1;
    FAULT_CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    FAULT_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    world_check_statuses(1, true);
    world_stop();
    contract_driver.close();
}

static void
test_fork_without_a_queue(void **state)
{
    (void)state;
    check_fork(CALL_mmap, "queue", false);
}

static void
test_fork_without_a_thread(void **state)
{
    (void)state;
    check_fork(CALL_pthread_create, "safe_points", true);
}

/* --- All ------------------------------------------------------------------------------------------------ */

/* A call that is made again and again in a time that the clock ends has no last N. */
#define N_MAX 12

static void
test_call(void **state)
{
    chosen = (enum call)(uintptr_t)*state;
    struct fault_kind kind = {call_names[chosen], calls_on, calls_off};
    fault_run_all(&offline, &kind, UINT64_MAX);
    fault_run_all(&online, &kind, N_MAX);
}

static void
test_allocations_online(void **state)
{
    (void)state;
    fault_run_all(&online, &fault_allocations, UINT64_MAX);
}

int
fault_suite_call(void)
{
    main_thread = pthread_self();
    struct CMUnitTest tests[CALL_COUNT + 3];
    for (size_t i = 0; i < CALL_COUNT; i++) {
        tests[i] = (struct CMUnitTest){call_names[i], test_call, NULL, NULL, (void *)i};
    }
    tests[CALL_COUNT] = (struct CMUnitTest)cmocka_unit_test(test_fork_without_a_queue);
    tests[CALL_COUNT + 1] =
        (struct CMUnitTest)cmocka_unit_test(test_fork_without_a_thread);
    tests[CALL_COUNT + 2] = (struct CMUnitTest)cmocka_unit_test(test_allocations_online);
    return cmocka_run_group_tests_name("call", tests, NULL, NULL);
}
