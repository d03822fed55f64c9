/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

static void
test_mono_never_goes_back(void **state)
{
    (void)state;
    int64_t before = sonde_clock_mono_ns();
    for (int i = 0; i < 100000; i++) {
        int64_t now = sonde_clock_mono_ns();
        assert_true(now >= before);
        before = now;
    }
}

static void
test_coarse_is_the_same_clock_and_moves(void **state)
{
    (void)state;
    int64_t start = sonde_clock_mono_ns();
    int64_t first = sonde_clock_coarse_ns();
    assert_true(first <= sonde_clock_mono_ns());
    assert_true(first >= start - 20 * SONDE_NS_PER_MS);
    while (sonde_clock_coarse_ns() == first) {
        assert_true(sonde_clock_mono_ns() - start < SONDE_NS_PER_S);
    }
}

static void
test_wall_is_the_time_of_day(void **state)
{
    (void)state;
    int64_t difference_s = sonde_clock_wall_ns() / SONDE_NS_PER_S - (int64_t)time(NULL);
    assert_true(difference_s >= -2 && difference_s <= 2);
}

static void
test_thread_cpu_counts_work_not_sleep(void **state)
{
    (void)state;
    int64_t cpu = sonde_clock_thread_cpu_ns();
    nanosleep(&(struct timespec){.tv_nsec = 200 * SONDE_NS_PER_MS}, NULL);
    assert_true(sonde_clock_thread_cpu_ns() - cpu < 100 * SONDE_NS_PER_MS);

    cpu = sonde_clock_thread_cpu_ns();
    int64_t deadline = sonde_clock_mono_ns() + 60 * SONDE_NS_PER_S;
    while (sonde_clock_thread_cpu_ns() - cpu < 5 * SONDE_NS_PER_MS) {
        assert_true(sonde_clock_mono_ns() < deadline);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mono_never_goes_back),
        cmocka_unit_test(test_coarse_is_the_same_clock_and_moves),
        cmocka_unit_test(test_wall_is_the_time_of_day),
        cmocka_unit_test(test_thread_cpu_counts_work_not_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
