/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as text: the shortest digits that read back, laid out for people. */
#include "core/wire/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void
assert_float(double value, const char *expected)
{
    char text[SONDE_NUMBER_TEXT_BYTES];

    sonde_number_write_float(text, value);
    assert_string_equal(text, expected);
}

/* What CPython's repr() says of the same numbers. */
static void
test_float_layout(void **state)
{
    (void)state;
    assert_float(0.0, "0.0");
    assert_float(-0.0, "-0.0");
    assert_float(1.0, "1.0");
    assert_float(-1.5, "-1.5");
    assert_float(0.1, "0.1");
    assert_float(1.0 / 3, "0.3333333333333333");
    assert_float(20 / 3.0, "6.666666666666667");
    assert_float(100.0, "100.0");
    assert_float(123456789.125, "123456789.125");
    assert_float(0.0001, "0.0001");
    assert_float(0.00012345, "0.00012345");
    assert_float(0.00001, "1e-05");
    assert_float(1.25e-7, "1.25e-07");
    assert_float(1e15, "1000000000000000.0");
    assert_float(9007199254740993.0, "9007199254740992.0");
    assert_float(1e16, "1e+16");
    assert_float(1.5e300, "1.5e+300");
    assert_float(1.7976931348623157e308, "1.7976931348623157e+308");
    assert_float(5e-324, "5e-324");
    assert_float(0x1p-24, "5.960464477539063e-08"); /* a power of two: the next text up */
    assert_float(0x1p-44, "5.684341886080802e-14");
    assert_float(-2.2250738585072014e-308, "-2.2250738585072014e-308");
    assert_float(INFINITY, "inf");
    assert_float(-INFINITY, "-inf");
    assert_float(NAN, "nan");
    assert_float(-NAN, "nan");
}

static void
test_float_reads_back(void **state)
{
    char text[SONDE_NUMBER_TEXT_BYTES];
    uint64_t bits = 88172645463325252;
    double value, back;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        sonde_number_write_float(text, value);
        assert_true(sonde_number_read_double(text, &back));
        assert_memory_equal(&back, &value, sizeof(value));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float_layout),
        cmocka_unit_test(test_float_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
