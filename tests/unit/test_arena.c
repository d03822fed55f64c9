/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/alloc.h"
#include "core/base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdalign.h>

static void
test_memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct sonde_arena arena;
    sonde_arena_init(&arena, 0);
    unsigned char *given[400];
    for (size_t i = 0; i < 400; i++) {
        given[i] = sonde_arena_alloc(&arena, i);
        assert_non_null(given[i]);
        assert_int_equal((uintptr_t)given[i] % alignof(max_align_t), 0);
        for (size_t j = 0; j < i; j++) {
            assert_int_equal(given[i][j], 0);
        }
        memset(given[i], (int)(i % 251), i);
    }
    for (size_t i = 0; i < 400; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_equal(given[i][j], i % 251);
        }
    }
    assert_true(arena.used_bytes >= 399 * 400 / 2);
    sonde_arena_fini(&arena);
}

static void
test_large_allocation_gets_its_room(void **state)
{
    (void)state;
    struct sonde_arena arena;
    sonde_arena_init(&arena, 0);
    assert_non_null(sonde_arena_alloc(&arena, 10));
    unsigned char *large = sonde_arena_alloc(&arena, 1000 * 1000);
    assert_non_null(large);
    large[1000 * 1000 - 1] = 1;
    assert_non_null(sonde_arena_alloc(&arena, 10));
    sonde_arena_fini(&arena);
}

static void
test_bound_is_exact(void **state)
{
    (void)state;
    struct sonde_arena arena;
    sonde_arena_init(&arena, 4096);
    size_t total = 0;
    while (sonde_arena_alloc(&arena, 64) != NULL) {
        total += 64;
    }
    assert_int_equal(total, 4096);
    assert_int_equal(arena.used_bytes, 4096);
    assert_null(sonde_arena_alloc(&arena, 1));
    assert_null(sonde_arena_alloc(&arena, 0));
    assert_null(sonde_arena_strdup(&arena, SONDE_STR("x")));
    assert_int_equal(arena.used_bytes, 4096);
    sonde_arena_fini(&arena);
}

static void
test_refusal_leaves_room_for_less(void **state)
{
    (void)state;
    struct sonde_arena arena;
    sonde_arena_init(&arena, 256);
    assert_null(sonde_arena_alloc(&arena, 257));
    assert_null(sonde_arena_alloc(&arena, SIZE_MAX));
    assert_null(sonde_arena_alloc(&arena, SIZE_MAX - 64));
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(sonde_arena_alloc(&arena, 256));
    sonde_arena_fini(&arena);
}

static void
test_no_memory_is_null_and_passes(void **state)
{
    (void)state;
    struct sonde_arena arena;
    sonde_arena_init(&arena, 0);
    sonde_alloc_testonly_fail_at(1, false);
    assert_null(sonde_arena_alloc(&arena, 16));
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(sonde_arena_alloc(&arena, 16));
    sonde_alloc_testonly_fail_at(0, false);
    sonde_arena_fini(&arena);
}

static void
test_strdup_terminates(void **state)
{
    (void)state;
    struct sonde_arena arena;
    sonde_arena_init(&arena, 0);
    assert_string_equal(sonde_arena_strdup(&arena, (struct sonde_str){"hello", 4}),
                        "hell");
    assert_string_equal(sonde_arena_strdup(&arena, (struct sonde_str){NULL, 0}), "");
    sonde_arena_fini(&arena);
}

static void
test_fini_twice_and_reuse(void **state)
{
    (void)state;
    struct sonde_arena arena;
    sonde_arena_init(&arena, 64);
    assert_non_null(sonde_arena_alloc(&arena, 64));
    sonde_arena_fini(&arena);
    sonde_arena_fini(&arena);
    assert_non_null(sonde_arena_alloc(&arena, 64));
    assert_null(sonde_arena_alloc(&arena, 1));
    sonde_arena_fini(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(test_large_allocation_gets_its_room),
        cmocka_unit_test(test_bound_is_exact),
        cmocka_unit_test(test_refusal_leaves_room_for_less),
        cmocka_unit_test(test_no_memory_is_null_and_passes),
        cmocka_unit_test(test_strdup_terminates),
        cmocka_unit_test(test_fini_twice_and_reuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
