/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/alloc.h"
#include "core/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void
test_appends_of_every_kind(void **state)
{
    (void)state;
    struct sonde_buf buf;
    sonde_buf_init(&buf, 0);
    assert_null(buf.data);
    sonde_buf_append(&buf, NULL, 0);
    sonde_buf_append(&buf, "ab", 2);
    sonde_buf_str(&buf, SONDE_STR("cd"));
    sonde_buf_str(&buf, (struct sonde_str){NULL, 0});
    sonde_buf_byte(&buf, '\0');
    sonde_buf_printf(&buf, "%d-%s", 42, "x");
    sonde_buf_printf(&buf, "%s", "");
    assert_int_equal(buf.failed, SONDE_OK);
    assert_true(sonde_str_eq(sonde_buf_view(&buf), SONDE_STR("abcd\00042-x")));
    sonde_buf_fini(&buf);
    assert_null(buf.data);
}

static void
test_grows_and_keeps(void **state)
{
    (void)state;
    struct sonde_buf buf;
    sonde_buf_init(&buf, 0);
    for (unsigned i = 0; i < 100000; i++) {
        sonde_buf_byte(&buf, (char)(i % 127));
    }
    assert_int_equal(buf.len, 100000);
    for (unsigned i = 0; i < 100000; i++) {
        assert_int_equal(buf.data[i], i % 127);
    }
    sonde_buf_fini(&buf);
}

static void
test_printf_around_the_capacity(void **state)
{
    (void)state;
    /* Every length around the first capacities: what fits, just fits and does not. */
    for (int width = 1; width < 600; width++) {
        struct sonde_buf buf;
        sonde_buf_init(&buf, 0);
        sonde_buf_byte(&buf, '<');
        sonde_buf_printf(&buf, "%*d", width, 7);
        sonde_buf_byte(&buf, '>');
        assert_int_equal(buf.len, width + 2);
        assert_int_equal(buf.data[width], '7');
        assert_int_equal(buf.data[width + 1], '>');
        sonde_buf_fini(&buf);
    }
}

static void
test_bound_is_exact_and_failure_is_sticky(void **state)
{
    (void)state;
    struct sonde_buf buf;
    sonde_buf_init(&buf, 8);
    sonde_buf_append(&buf, "12345678", 8);
    assert_int_equal(buf.failed, SONDE_OK);
    assert_string_equal(sonde_buf_cstr(&buf), "12345678");
    sonde_buf_byte(&buf, '9');
    assert_int_equal(buf.failed, SONDE_E_LIMIT);
    assert_int_equal(buf.len, 8);
    assert_null(sonde_buf_cstr(&buf));
    assert_null(sonde_buf_reserve(&buf, 0));
    sonde_buf_reset(&buf);
    assert_int_equal(buf.failed, SONDE_OK);
    sonde_buf_append(&buf, "1234", 4);
    sonde_buf_printf(&buf, "%s", "56789");
    assert_int_equal(buf.failed, SONDE_E_LIMIT);
    sonde_buf_byte(&buf, 'x'); /* would fit, but comes after the failure */
    sonde_buf_printf(&buf, "y");
    assert_int_equal(buf.len, 4);
    assert_memory_equal(buf.data, "1234", 4);
    sonde_buf_fini(&buf);
}

static void
test_absurd_size_is_over_the_limit(void **state)
{
    (void)state;
    struct sonde_buf buf;
    sonde_buf_init(&buf, 0);
    sonde_buf_byte(&buf, 'a');
    assert_null(sonde_buf_reserve(&buf, SIZE_MAX));
    assert_int_equal(buf.failed, SONDE_E_LIMIT);
    assert_int_equal(buf.len, 1);
    sonde_buf_fini(&buf);
}

static void
test_no_memory_is_sticky(void **state)
{
    (void)state;
    struct sonde_buf buf;
    sonde_buf_init(&buf, 0);
    sonde_buf_str(&buf, SONDE_STR("kept"));
    sonde_alloc_testonly_fail_at(1, false);
    sonde_buf_printf(&buf, "%1000d", 1);
    assert_int_equal(buf.failed, SONDE_E_NOMEM);
    sonde_buf_printf(&buf, "%1000d", 1); /* memory is there again, the failure stays */
    sonde_buf_byte(&buf, 'x');
    assert_int_equal(sonde_alloc_testonly_fail_at(0, false), 1);
    assert_int_equal(buf.failed, SONDE_E_NOMEM);
    assert_true(sonde_str_eq(sonde_buf_view(&buf), SONDE_STR("kept")));
    sonde_buf_reset(&buf);
    sonde_buf_printf(&buf, "%1000d", 1);
    assert_int_equal(buf.failed, SONDE_OK);
    assert_int_equal(buf.len, 1000);
    sonde_buf_fini(&buf);
}

static void
test_reserve_and_cstr(void **state)
{
    (void)state;
    struct sonde_buf buf;
    sonde_buf_init(&buf, 0);
    assert_string_equal(sonde_buf_cstr(&buf), "");
    char *room = sonde_buf_reserve(&buf, 300);
    assert_non_null(room);
    assert_int_equal(buf.len, 0);
    memset(room, 'r', 300);
    buf.len += 300;
    assert_int_equal(strlen(sonde_buf_cstr(&buf)), 300);
    assert_int_equal(buf.len, 300);
    sonde_buf_fini(&buf);
}

static void
test_bounded_capacity_is_not_overshot(void **state)
{
    (void)state;
    struct sonde_buf buf;
    sonde_buf_init(&buf, 300);
    for (int i = 0; i < 300; i++) {
        sonde_buf_byte(&buf, 'x');
    }
    assert_int_equal(buf.failed, SONDE_OK);
    assert_int_equal(buf.cap, 301); /* the NUL of cstr */
    sonde_buf_fini(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_of_every_kind),
        cmocka_unit_test(test_grows_and_keeps),
        cmocka_unit_test(test_printf_around_the_capacity),
        cmocka_unit_test(test_bound_is_exact_and_failure_is_sticky),
        cmocka_unit_test(test_absurd_size_is_over_the_limit),
        cmocka_unit_test(test_no_memory_is_sticky),
        cmocka_unit_test(test_reserve_and_cstr),
        cmocka_unit_test(test_bounded_capacity_is_not_overshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
