/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static int
disarm(void **state)
{
    (void)state;
    sonde_alloc_testonly_fail_at(0, false);
    return 0;
}

/* Allocates and frees; says whether it was refused. */
static bool
is_refused(void)
{
    void *memory = sonde_alloc(8);
    sonde_free(memory);
    return memory == NULL;
}

static void
test_contracts_of_malloc(void **state)
{
    (void)state;
    unsigned char *zeroed = sonde_calloc(4, 8);
    assert_non_null(zeroed);
    for (int i = 0; i < 32; i++) {
        assert_int_equal(zeroed[i], 0);
    }
    zeroed[31] = 9;
    zeroed = sonde_realloc(zeroed, 4096);
    assert_non_null(zeroed);
    assert_int_equal(zeroed[31], 9);
    sonde_free(zeroed);
    sonde_free(NULL);
}

static void
test_strdup_copies_and_terminates(void **state)
{
    (void)state;
    char *copy = sonde_strdup((struct sonde_str){"abcdef", 3});
    assert_string_equal(copy, "abc");
    sonde_free(copy);
    copy = sonde_strdup((struct sonde_str){NULL, 0});
    assert_string_equal(copy, "");
    sonde_free(copy);
}

static void
test_strdup_keeps_inner_nul(void **state)
{
    (void)state;
    char *copy = sonde_strdup(SONDE_STR("a\0b"));
    assert_memory_equal(copy, "a\0b", 4);
    sonde_free(copy);
}

static void
test_fails_once(void **state)
{
    (void)state;
    sonde_alloc_testonly_fail_at(2, false);
    assert_false(is_refused());
    assert_true(is_refused());
    assert_false(is_refused());
    assert_int_equal(sonde_alloc_testonly_fail_at(0, false), 3);
    assert_false(is_refused());
}

static void
test_fails_from_then_on_when_sticky(void **state)
{
    (void)state;
    sonde_alloc_testonly_fail_at(2, true);
    assert_false(is_refused());
    assert_true(is_refused());
    assert_true(is_refused());
    assert_true(is_refused());
    assert_int_equal(sonde_alloc_testonly_fail_at(1, false), 4);
    assert_true(is_refused());
    assert_false(is_refused());
}

static void
test_every_door_can_fail(void **state)
{
    (void)state;
    char *old = sonde_alloc(4);
    assert_non_null(old);
    old[0] = 'k';
    sonde_alloc_testonly_fail_at(1, true);
    assert_null(sonde_alloc(1));
    assert_null(sonde_calloc(1, 1));
    assert_null(sonde_realloc(old, 64));
    assert_null(sonde_strdup(SONDE_STR("x")));
    assert_int_equal(sonde_alloc_testonly_fail_at(0, false), 4);
    assert_int_equal(old[0], 'k');
    sonde_free(old);
}

static void
test_counts_without_failing(void **state)
{
    (void)state;
    sonde_alloc_testonly_fail_at(UINT64_MAX, false);
    for (int i = 0; i < 5; i++) {
        assert_false(is_refused());
    }
    assert_int_equal(sonde_alloc_testonly_fail_at(0, false), 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contracts_of_malloc),
        cmocka_unit_test(test_strdup_copies_and_terminates),
        cmocka_unit_test(test_strdup_keeps_inner_nul),
        cmocka_unit_test_teardown(test_fails_once, disarm),
        cmocka_unit_test_teardown(test_fails_from_then_on_when_sticky, disarm),
        cmocka_unit_test_teardown(test_every_door_can_fail, disarm),
        cmocka_unit_test_teardown(test_counts_without_failing, disarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
