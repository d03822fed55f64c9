/* SPDX-License-Identifier: Apache-2.0
 *
 * CORE-08: rates and CPU budgets, on a clock of the test's own. */
#include "core/base/clock.h"
#include "core/probe/limiter.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define START_NS (INT64_C(86400) * SONDE_NS_PER_S)

/* Hits every `step_ns` for `seconds`; returns how many are let through. */
static uint64_t
let_through(struct sonde_limiter *limiter, int64_t from_ns, int64_t step_ns, int seconds)
{
    uint64_t count = 0;
    for (int64_t at = from_ns; at < from_ns + seconds * SONDE_NS_PER_S; at += step_ns) {
        count += sonde_limiter_try_take(limiter, at);
    }
    return count;
}

static void
test_CORE_08_one_a_second(void **state)
{
    (void)state;
    struct sonde_limiter limiter;
    sonde_limiter_init(&limiter, 1, 0.1);
    assert_true(sonde_limiter_try_take(&limiter, START_NS));
    assert_false(sonde_limiter_try_take(&limiter, START_NS));
    assert_false(sonde_limiter_try_take(&limiter, START_NS + SONDE_NS_PER_S - 1));
    assert_true(sonde_limiter_try_take(&limiter, START_NS + SONDE_NS_PER_S));
    assert_int_equal(
        let_through(&limiter, START_NS + 10 * SONDE_NS_PER_S, SONDE_NS_PER_MS, 10), 10);
}

static void
test_CORE_08_rates_hold_over_time_whatever_the_burst(void **state)
{
    (void)state;
    const double rates[] = {0.001, 0.5, 1, 7, 100, 5000};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct sonde_limiter limiter;
        sonde_limiter_init(&limiter, rates[i], 1);
        const int seconds = 20;
        uint64_t count = let_through(&limiter, START_NS, 20 * SONDE_NS_PER_US, seconds);
        double burst = rates[i] > 1 ? rates[i] : 1;
        assert_true((double)count <= rates[i] * seconds + burst);
        assert_true((double)count >= rates[i] * seconds - 1);
    }
}

static void
test_CORE_08_burst_is_bounded_after_any_pause(void **state)
{
    (void)state;
    struct sonde_limiter limiter;
    sonde_limiter_init(&limiter, 100, 0.1);
    for (int round = 0; round < 3; round++) {
        int64_t now_ns = START_NS + round * 3600 * SONDE_NS_PER_S;
        int count = 0;
        while (sonde_limiter_try_take(&limiter, now_ns)) {
            count++;
        }
        assert_int_equal(count, 10);
    }
}

static void
test_CORE_08_a_token_given_back_can_be_taken_again(void **state)
{
    (void)state;
    struct sonde_limiter limiter;
    sonde_limiter_init(&limiter, 1, 0.1);
    for (int i = 0; i < 100; i++) {
        assert_true(sonde_limiter_try_take(&limiter, START_NS));
        assert_false(sonde_limiter_try_take(&limiter, START_NS));
        sonde_limiter_give_back(&limiter);
    }
    /* Never more than there were. */
    sonde_limiter_give_back(&limiter);
    assert_true(sonde_limiter_try_take(&limiter, START_NS));
    assert_false(sonde_limiter_try_take(&limiter, START_NS));
}

#define THREADS 4
#define TRIES 20000

static void *
hammer(void *arg)
{
    uintptr_t taken = 0;
    for (int i = 0; i < TRIES; i++) {
        taken += sonde_limiter_try_take(arg, START_NS);
    }
    return (void *)taken;
}

static void
test_CORE_08_threads_share_one_bucket_exactly(void **state)
{
    (void)state;
    struct sonde_limiter limiter;
    sonde_limiter_init(&limiter, 5000, 1);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &limiter), 0);
    }
    uintptr_t taken = 0;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        taken += (uintptr_t)result;
    }
    assert_int_equal(taken, 5000);
}

static void
test_CORE_08_budget_is_a_share_of_a_core(void **state)
{
    (void)state;
    struct sonde_budget budget;
    sonde_budget_init(&budget, 2); /* 20 ms a second */
    /* 19 ms a second can go on for ever. */
    int64_t now_ns = START_NS;
    for (int i = 0; i < 1000; i++) {
        now_ns += SONDE_NS_PER_S / 19;
        assert_true(sonde_budget_spend(&budget, now_ns, SONDE_NS_PER_MS));
    }
    assert_int_equal(budget.spent_ns, 1000 * SONDE_NS_PER_MS);

    /* 25 ms a second can not: what was saved lasts four seconds. */
    sonde_budget_init(&budget, 2);
    int spent = 0;
    while (sonde_budget_spend(&budget, now_ns, SONDE_NS_PER_MS) && spent < 1000) {
        now_ns += SONDE_NS_PER_S / 25;
        spent++;
    }
    assert_in_range(spent, 90, 110);
}

static void
test_CORE_08_budget_saves_up_one_second_and_recovers(void **state)
{
    (void)state;
    struct sonde_budget budget;
    sonde_budget_init(&budget, 1);
    assert_true(sonde_budget_has_room(&budget, START_NS));
    assert_true(sonde_budget_spend(&budget, START_NS, 10 * SONDE_NS_PER_MS));
    assert_true(sonde_budget_has_room(&budget, START_NS));
    assert_false(sonde_budget_spend(&budget, START_NS, 5 * SONDE_NS_PER_MS));
    assert_false(sonde_budget_has_room(&budget, START_NS));
    assert_true(sonde_budget_has_room(&budget, START_NS + SONDE_NS_PER_S));

    /* Costs that no hit has must not wrap anything round. */
    assert_false(sonde_budget_spend(&budget, START_NS, INT64_MAX));
    assert_false(sonde_budget_has_room(&budget, START_NS));
    sonde_budget_init(&budget, 1);
    assert_true(sonde_budget_spend(&budget, START_NS, -5));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_CORE_08_one_a_second),
        cmocka_unit_test(test_CORE_08_rates_hold_over_time_whatever_the_burst),
        cmocka_unit_test(test_CORE_08_burst_is_bounded_after_any_pause),
        cmocka_unit_test(test_CORE_08_a_token_given_back_can_be_taken_again),
        cmocka_unit_test(test_CORE_08_threads_share_one_bucket_exactly),
        cmocka_unit_test(test_CORE_08_budget_is_a_share_of_a_core),
        cmocka_unit_test(test_CORE_08_budget_saves_up_one_second_and_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
