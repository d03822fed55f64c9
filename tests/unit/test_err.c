/* SPDX-License-Identifier: Apache-2.0 */
#include <sonde/err.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static void
test_first_error_wins(void **state)
{
    (void)state;
    struct sonde_err err = SONDE_ERR_INIT;
    assert_int_equal(sonde_err_set(&err, SONDE_E_IO, "file", "disk %d", 7), SONDE_E_IO);
    assert_int_equal(sonde_err_set(&err, SONDE_E_VM, "vm", "later"), SONDE_E_VM);
    assert_int_equal(err.code, SONDE_E_IO);
    assert_string_equal(err.where, "file");
    assert_string_equal(err.message, "disk 7");
}

static void
test_null_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(sonde_err_set(NULL, SONDE_E_BUSY, "x", "y"), SONDE_E_BUSY);
    struct sonde_err err = SONDE_ERR_INIT;
    sonde_err_set(&err, SONDE_E_BUSY, NULL, "y");
    assert_string_equal(err.where, "");
}

/* Fills the message with `lead` plain bytes and then copies of `point`; returns its
 * length. */
static size_t
cut_length(size_t lead, const char *point)
{
    char text[600];
    memset(text, 'a', lead);
    text[lead] = '\0';
    while (strlen(text) < 500) {
        strcat(text, point);
    }
    struct sonde_err err = SONDE_ERR_INIT;
    sonde_err_set(&err, SONDE_E_INVAL, text, "%s", text);
    assert_memory_equal(err.message, text, strlen(err.message));
    assert_memory_equal(err.where, text, strlen(err.where));
    return strlen(err.message);
}

static void
test_long_text_is_cut_at_a_code_point(void **state)
{
    (void)state;
    assert_int_equal(cut_length(0, "b"), 255);
    assert_int_equal(cut_length(1, "\xC3\xA9"), 255); /* 1 + 127 * 2, whole */
    assert_int_equal(cut_length(0, "\xC3\xA9"), 254);
    assert_int_equal(cut_length(0, "\xE2\x82\xAC"), 255); /* 85 * 3, whole */
    assert_int_equal(cut_length(1, "\xE2\x82\xAC"), 253);
    assert_int_equal(cut_length(2, "\xE2\x82\xAC"), 254);
    assert_int_equal(cut_length(0, "\xF0\x9F\x98\x80"), 252);
    assert_int_equal(cut_length(1, "\xF0\x9F\x98\x80"), 253);
    assert_int_equal(cut_length(2, "\xF0\x9F\x98\x80"), 254);
    assert_int_equal(cut_length(3, "\xF0\x9F\x98\x80"), 255);
}

static void
test_text_that_just_fits_is_whole(void **state)
{
    (void)state;
    char where[64];
    memset(where, 'w', 63);
    memcpy(where + 61, "\xC3\xA9", 3);
    struct sonde_err err = SONDE_ERR_INIT;
    sonde_err_set(&err, SONDE_E_INVAL, where, "m");
    assert_string_equal(err.where, where);
}

static void
test_codes_have_name_text_and_status(void **state)
{
    (void)state;
#define CHECK(name, number, status, text)                     \
    assert_string_equal(sonde_code_text(number), text);       \
    assert_int_equal(sonde_code_http_status(number), status); \
    assert_string_not_equal(sonde_code_name(number), "unknown");
    SONDE_ERR_LIST(CHECK)
#undef CHECK
    assert_string_equal(sonde_code_name(SONDE_OK), "ok");
    assert_string_equal(sonde_code_name(SONDE_E_NOMEM), "nomem");
    assert_string_equal(sonde_code_name(SONDE_E_BUG), "bug");
}

static void
test_foreign_codes_are_answered(void **state)
{
    (void)state;
    assert_string_equal(sonde_code_name(1), "unknown");
    assert_string_equal(sonde_code_name(-999), "unknown");
    assert_string_equal(sonde_code_text(-999), "unknown error");
    assert_int_equal(sonde_code_http_status(-999), 500);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_error_wins),
        cmocka_unit_test(test_null_is_allowed),
        cmocka_unit_test(test_long_text_is_cut_at_a_code_point),
        cmocka_unit_test(test_text_that_just_fits_is_whole),
        cmocka_unit_test(test_codes_have_name_text_and_status),
        cmocka_unit_test(test_foreign_codes_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
