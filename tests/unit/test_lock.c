/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/clock.h"
#include "core/base/lock.h"
#include "core/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREAD_COUNT 4
#define ROUNDS 20000

struct shared {
    struct sonde_lock lock;
    struct sonde_cond cond;
    int value; /* guarded by lock */
};

static void
shared_init(struct shared *shared)
{
    sonde_lock_init(&shared->lock, SONDE_RANK_STORE);
    sonde_cond_init(&shared->cond);
    shared->value = 0;
}

static void
shared_fini(struct shared *shared)
{
    sonde_cond_fini(&shared->cond);
    sonde_lock_fini(&shared->lock);
}

static void *
count_up(void *arg)
{
    struct shared *shared = arg;
    for (int i = 0; i < ROUNDS; i++) {
        sonde_lock_take(&shared->lock);
        shared->value++;
        sonde_lock_drop(&shared->lock);
    }
    return NULL;
}

static void
test_lock_excludes(void **state)
{
    (void)state;
    struct shared shared;
    shared_init(&shared);
    pthread_t threads[THREAD_COUNT];
    for (int i = 0; i < THREAD_COUNT; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &shared), 0);
    }
    for (int i = 0; i < THREAD_COUNT; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(shared.value, THREAD_COUNT * ROUNDS);
    shared_fini(&shared);
}

static void *
answer(void *arg)
{
    struct shared *shared = arg;
    sonde_lock_take(&shared->lock);
    while (shared->value != 1) {
        sonde_cond_wait(&shared->cond, &shared->lock, -1);
    }
    shared->value = 2;
    sonde_cond_wake_all(&shared->cond);
    sonde_lock_drop(&shared->lock);
    return NULL;
}

static void
test_cond_wakes(void **state)
{
    (void)state;
    struct shared shared;
    shared_init(&shared);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer, &shared), 0);
    int64_t deadline = sonde_clock_mono_ns() + 30 * SONDE_NS_PER_S;
    sonde_lock_take(&shared.lock);
    shared.value = 1;
    sonde_cond_wake_all(&shared.cond);
    while (shared.value != 2 && sonde_clock_mono_ns() < deadline) {
        sonde_cond_wait(&shared.cond, &shared.lock, deadline);
    }
    assert_int_equal(shared.value, 2);
    sonde_lock_drop(&shared.lock);
    pthread_join(thread, NULL);
    shared_fini(&shared);
}

static void
test_cond_wait_ends_at_its_deadline(void **state)
{
    (void)state;
    struct shared shared;
    shared_init(&shared);
    sonde_lock_take(&shared.lock);
    sonde_cond_wait(&shared.cond, &shared.lock, 0); /* long past: returns */
    int64_t deadline = sonde_clock_mono_ns() + 30 * SONDE_NS_PER_MS;
    int rounds = 0;
    while (sonde_clock_mono_ns() < deadline) {
        sonde_cond_wait(&shared.cond, &shared.lock, deadline);
        assert_true(++rounds < 1000); /* it waits, it does not spin */
    }
    sonde_lock_drop(&shared.lock);
    shared_fini(&shared);
}

/* Runs `misuse` in a child and says whether it was reported (or the child aborted, as
 * test builds do). */
static bool
is_reported(void (*misuse)(struct sonde_lock *low, struct sonde_lock *high))
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL); /* cmocka catches it */
        sonde_log_set_level(SONDE_LOG_ERROR);
        struct sonde_lock low, high;
        sonde_lock_init(&low, SONDE_RANK_AGENT);
        sonde_lock_init(&high, SONDE_RANK_LOG);
        misuse(&low, &high);
        _exit(0);
    }
    close(fds[1]);
    char text[16384]; /* TSan may have much to say of its own */
    size_t len = 0;
    ssize_t got;
    while ((got = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0) {
        len += (size_t)got;
    }
    text[len] = '\0';
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
#ifdef SONDE_TESTING
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
#else
    assert_true(WIFEXITED(status)); /* not with 0 where TSan finds the misuse too */
    return strstr(text, "lock order") != NULL;
#endif
}

static void
rising(struct sonde_lock *low, struct sonde_lock *high)
{
    for (int i = 0; i < 100; i++) {
        sonde_lock_take(low);
        sonde_lock_take(high);
        sonde_lock_drop(low); /* dropping in any order is fine */
        sonde_lock_drop(high);
    }
}

static void
falling(struct sonde_lock *low, struct sonde_lock *high)
{
    sonde_lock_take(high);
    sonde_lock_take(low);
    sonde_lock_drop(low);
    sonde_lock_drop(high);
}

static void
same_rank(struct sonde_lock *low, struct sonde_lock *high)
{
    sonde_lock_init(high, SONDE_RANK_AGENT);
    sonde_lock_take(low);
    sonde_lock_take(high);
    sonde_lock_drop(high);
    sonde_lock_drop(low);
}

static void
wait_under_a_higher_one(struct sonde_lock *low, struct sonde_lock *high)
{
    struct sonde_cond cond;
    sonde_cond_init(&cond);
    sonde_lock_take(low);
    sonde_lock_take(high);
    sonde_cond_wait(&cond, low, 0);
    sonde_lock_drop(high);
    sonde_lock_drop(low);
}

static void
renewed_while_held(struct sonde_lock *low, struct sonde_lock *high)
{
    sonde_lock_take(high);
    sonde_lock_init(high, SONDE_RANK_LOG); /* as a forked child does */
    sonde_lock_take(low);
    sonde_lock_take(high);
    sonde_lock_drop(high);
    sonde_lock_drop(low);
}

static void
test_right_order_is_silent(void **state)
{
    (void)state;
    assert_false(is_reported(rising));
    assert_false(is_reported(renewed_while_held));
}

static void
test_wrong_order_is_reported(void **state)
{
    (void)state;
#ifndef SONDE_DEBUG
    skip();
#endif
    assert_true(is_reported(falling));
    assert_true(is_reported(same_rank));
    assert_true(is_reported(wait_under_a_higher_one));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lock_excludes),
        cmocka_unit_test(test_cond_wakes),
        cmocka_unit_test(test_cond_wait_ends_at_its_deadline),
        cmocka_unit_test(test_right_order_is_silent),
        cmocka_unit_test(test_wrong_order_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
