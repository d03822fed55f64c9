/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: NX-04. `make unit` runs this with os_linux.c and again with os_generic.c. */
#include "core/base/clock.h"
#include "core/base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct seen {
    uint64_t thread_id;
    bool every_signal_blocked;
    size_t stack_bytes;
    char name[32];
    pthread_mutex_t gate; /* the thread ends when it gets it */
};

static void *
look_around(void *arg)
{
    struct seen *seen = arg;
    seen->thread_id = sonde_os_thread_id();
    sonde_os_thread_name("sonde-test-long-name");
    sonde_os_thread_name_get(seen->name, sizeof(seen->name));

    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seen->every_signal_blocked = true;
    const int signals[] = {SIGINT,  SIGTERM, SIGPROF, SIGVTALRM,
                           SIGUSR1, SIGCHLD, SIGPIPE};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        seen->every_signal_blocked &= sigismember(&mask, signals[i]) == 1;
    }

    pthread_attr_t attr;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstacksize(&attr, &seen->stack_bytes);
        pthread_attr_destroy(&attr);
    }
    pthread_mutex_lock(&seen->gate);
    pthread_mutex_unlock(&seen->gate);
    return NULL;
}

static void
test_thread_is_small_named_and_deaf(void **state)
{
    (void)state;
    struct seen seen = {.gate = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(sonde_os_thread_start(&thread, look_around, &seen), SONDE_OK);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    int64_t deadline = sonde_clock_mono_ns() + 60 * SONDE_NS_PER_S;
    assert_int_equal(sonde_os_thread_join(thread, deadline), SONDE_OK);

    for (int number = 1; number < NSIG; number++) {
        assert_int_equal(sigismember(&after, number), sigismember(&before, number));
    }
    assert_true(seen.every_signal_blocked);
    assert_true(seen.thread_id != sonde_os_thread_id());
    assert_true(seen.stack_bytes < 2 * 1024 * 1024);
    /* Cut by Linux, nothing where there are no names. */
    assert_true(strcmp(seen.name, "sonde-test-long") == 0 || seen.name[0] == '\0');
}

static void
test_thread_id_is_stable(void **state)
{
    (void)state;
    assert_true(sonde_os_thread_id() != 0);
    assert_true(sonde_os_thread_id() == sonde_os_thread_id());
}

static void
test_name_fits_the_room_given(void **state)
{
    (void)state;
    sonde_os_thread_name("abcdef");
    char name[4] = "zzz";
    sonde_os_thread_name_get(name, 3);
    assert_true(strcmp(name, "ab") == 0 || name[0] == '\0');
    assert_int_equal(name[3], '\0');
    sonde_os_thread_name_get(NULL, 0);
}

static void
test_join_times_out_and_can_be_repeated(void **state)
{
    (void)state;
    if (sonde_os_thread_id() != (uint64_t)getpid()) {
        skip(); /* os_generic has no timed join */
    }
    struct seen seen = {.gate = PTHREAD_MUTEX_INITIALIZER};
    pthread_mutex_lock(&seen.gate);
    pthread_t thread;
    assert_int_equal(sonde_os_thread_start(&thread, look_around, &seen), SONDE_OK);
    int64_t start = sonde_clock_mono_ns();
    int64_t deadline = start + 150 * SONDE_NS_PER_MS; /* more than one slice */
    assert_int_equal(sonde_os_thread_join(thread, deadline), SONDE_E_TIMEOUT);
    assert_true(sonde_clock_mono_ns() >= deadline);
    assert_int_equal(sonde_os_thread_join(thread, INT64_MIN), SONDE_E_TIMEOUT);
    pthread_mutex_unlock(&seen.gate);
    assert_int_equal(sonde_os_thread_join(thread, INT64_MAX), SONDE_OK);
}

static void
test_random_fills_all_of_it(void **state)
{
    (void)state;
    sonde_os_random(NULL, 0);
    static unsigned char bytes[1001], other[1001];
    sonde_os_random(bytes, 1000);
    sonde_os_random(other, 1000);
    assert_memory_not_equal(bytes, other, 1000);
    assert_int_equal(bytes[1000], 0);
    size_t at[256] = {0};
    for (size_t i = 0; i < 1000; i++) {
        at[bytes[i]]++;
    }
    for (size_t i = 0; i < 256; i++) {
        assert_true(at[i] < 40); /* 4 expected */
    }
    static const unsigned char zero[64];
    assert_memory_not_equal(bytes + 936, zero, 64);
}

static void
test_hostname_is_cut_and_terminated(void **state)
{
    (void)state;
    char name[256], cut[3] = "zz";
    sonde_os_hostname(name, sizeof(name));
    assert_true(name[0] != '\0');
    sonde_os_hostname(cut, 2);
    assert_int_equal(cut[0], name[0]);
    assert_int_equal(cut[1], '\0');
    sonde_os_hostname(NULL, 0);
}

static void
test_socket_is_closed_on_exec(void **state)
{
    (void)state;
    int fd = sonde_os_socket_cloexec(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(fd);
    assert_int_equal(sonde_os_socket_cloexec(-1, SOCK_STREAM, 0), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thread_is_small_named_and_deaf),
        cmocka_unit_test(test_thread_id_is_stable),
        cmocka_unit_test(test_name_fits_the_room_given),
        cmocka_unit_test(test_join_times_out_and_can_be_repeated),
        cmocka_unit_test(test_random_fills_all_of_it),
        cmocka_unit_test(test_hostname_is_cut_and_terminated),
        cmocka_unit_test(test_socket_is_closed_on_exec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
