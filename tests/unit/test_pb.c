/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/alloc.h"
#include "core/wire/pb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static struct sonde_pb_field
next_ok(struct sonde_pb_reader *reader)
{
    struct sonde_pb_field field;

    assert_int_equal(sonde_pb_next(reader, &field), 1);
    return field;
}

static void
test_round_trip(void **state)
{
    static const uint64_t values[] = {0,   1,          127,       128,
                                      300, UINT32_MAX, INT64_MAX, UINT64_MAX};
    struct sonde_buf out;
    struct sonde_pb_reader reader;
    struct sonde_pb_field field;
    double half = 0.5, got;

    (void)state;
    sonde_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        sonde_pb_varint(&out, (uint32_t)i + 1, values[i]);
    sonde_pb_fixed64(&out, 15, UINT64_C(0x0102030405060708));
    sonde_pb_fixed32(&out, 16, UINT32_C(0xFFFFFFFF));
    sonde_pb_double(&out, 2047, half);
    sonde_pb_bytes(&out, (1 << 29) - 1, SONDE_STR("a\0b"));
    sonde_pb_bytes(&out, 1, (struct sonde_str){0});
    assert_int_equal(out.failed, SONDE_OK);

    sonde_pb_reader_init(&reader, sonde_buf_view(&out));
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        field = next_ok(&reader);
        assert_int_equal(field.number, i + 1);
        assert_int_equal(field.type, SONDE_PB_VARINT);
        assert_true(field.value == values[i]);
    }
    field = next_ok(&reader);
    assert_int_equal(field.type, SONDE_PB_FIXED64);
    assert_true(field.value == UINT64_C(0x0102030405060708));
    field = next_ok(&reader);
    assert_int_equal(field.number, 16);
    assert_int_equal(field.type, SONDE_PB_FIXED32);
    assert_true(field.value == UINT32_MAX);
    field = next_ok(&reader);
    assert_int_equal(field.number, 2047);
    memcpy(&got, &field.value, sizeof(got));
    assert_true(got == half);
    field = next_ok(&reader);
    assert_int_equal(field.number, (1 << 29) - 1);
    assert_true(sonde_str_eq(field.bytes, SONDE_STR("a\0b")));
    field = next_ok(&reader);
    assert_int_equal(field.type, SONDE_PB_LEN);
    assert_int_equal(field.bytes.len, 0);
    assert_int_equal(sonde_pb_next(&reader, &field), 0);
    assert_int_equal(sonde_pb_next(&reader, &field), 0);
    sonde_buf_fini(&out);
}

/* The bytes that protobuf's own documentation gives for 150 and for "testing". */
static void
test_known_bytes(void **state)
{
    struct sonde_buf out;

    (void)state;
    sonde_buf_init(&out, 0);
    sonde_pb_varint(&out, 1, 150);
    sonde_pb_bytes(&out, 2, SONDE_STR("testing"));
    sonde_pb_fixed32(&out, 3, 1);
    assert_true(sonde_str_eq(sonde_buf_view(&out), SONDE_STR("\x08\x96\x01"
                                                             "\x12\x07testing"
                                                             "\x1d\x01\0\0\0")));
    sonde_buf_fini(&out);
}

static void
test_nested_lengths_are_canonical(void **state)
{
    static const size_t sizes[] = {0,     1,     125,   126,   127,    128,
                                   16381, 16382, 16383, 16384, 3000000};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *text = calloc(1, sizes[i] + 1);
        struct sonde_str content = {text, sizes[i]};
        struct sonde_buf nested, flat, inner;
        size_t outer_start, start;

        memset(text, 'x', sizes[i]);
        sonde_buf_init(&nested, 0);
        sonde_buf_init(&flat, 0);
        sonde_buf_init(&inner, 0);
        outer_start = sonde_pb_open(&nested, 1);
        start = sonde_pb_open(&nested, 2);
        sonde_pb_bytes(&nested, 3, content);
        sonde_pb_close(&nested, start);
        sonde_pb_varint(&nested, 4, 9);
        sonde_pb_close(&nested, outer_start);

        sonde_pb_bytes(&inner, 3, content);
        sonde_pb_bytes(&flat, 2, sonde_buf_view(&inner));
        sonde_pb_varint(&flat, 4, 9);
        sonde_buf_reset(&inner);
        sonde_pb_bytes(&inner, 1, sonde_buf_view(&flat));
        assert_int_equal(nested.failed, SONDE_OK);
        assert_true(sonde_str_eq(sonde_buf_view(&nested), sonde_buf_view(&inner)));
        sonde_buf_fini(&nested);
        sonde_buf_fini(&flat);
        sonde_buf_fini(&inner);
        free(text);
    }
}

static void
test_malformed(void **state)
{
    static const struct sonde_str inputs[] = {
        SONDE_STR("\x80"),               /* tag cut short */
        SONDE_STR("\x08"),               /* no value */
        SONDE_STR("\x08\xff"),           /* varint cut short */
        SONDE_STR("\x00\x01"),           /* field 0 */
        SONDE_STR("\x0b"),               /* group */
        SONDE_STR("\x0c"),               /* its end */
        SONDE_STR("\x0e\x01"),           /* wire type 6 */
        SONDE_STR("\x0f\x01"),           /* wire type 7 */
        SONDE_STR("\x09\1\2\3\4\5\6\7"), /* fixed64 of 7 bytes */
        SONDE_STR("\x0d\1\2\3"),         /* fixed32 of 3 bytes */
        SONDE_STR("\x0a\x02x"),          /* length past the end */
        SONDE_STR("\x0a"),               /* no length */
        SONDE_STR("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01xx"), /* length 2^64-1 */
        SONDE_STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),   /* over 64 bits */
        SONDE_STR("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\0"), /* 11 bytes */
        SONDE_STR("\x80\x80\x80\x80\x10\x00"),                       /* field 2^29 */
        SONDE_STR("\x88\x80\x80\x80\x80\x80\x80\x80\x80\x01\x01"), /* tag over 32 bits */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        /* On the heap and of the exact size, for the address sanitizer to watch. */
        char *copy = malloc(inputs[i].len);
        struct sonde_pb_reader reader;
        struct sonde_pb_field field = {.number = 77};

        memcpy(copy, inputs[i].ptr, inputs[i].len);
        sonde_pb_reader_init(&reader, (struct sonde_str){copy, inputs[i].len});
        assert_int_equal(sonde_pb_next(&reader, &field), SONDE_E_SYNTAX);
        assert_int_equal(field.number, 77);
        assert_int_equal(sonde_pb_next(&reader, &field), SONDE_E_SYNTAX);
        free(copy);
    }
}

static void
test_good_then_bad(void **state)
{
    struct sonde_pb_reader reader;
    struct sonde_pb_field field;

    (void)state;
    sonde_pb_reader_init(&reader, SONDE_STR("\x08\x01\x0b"));
    assert_int_equal(next_ok(&reader).value, 1);
    assert_int_equal(sonde_pb_next(&reader, &field), SONDE_E_SYNTAX);
    sonde_pb_reader_init(&reader, (struct sonde_str){0});
    assert_int_equal(sonde_pb_next(&reader, &field), 0);
}

/* A length may be written longer than it has to be. */
static void
test_long_varints_are_read(void **state)
{
    struct sonde_pb_reader reader;

    (void)state;
    sonde_pb_reader_init(
        &reader, SONDE_STR("\x0a\x81\x00z\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    assert_true(sonde_str_eq(next_ok(&reader).bytes, SONDE_STR("z")));
    assert_true(next_ok(&reader).value == UINT64_MAX);
}

static void
test_failure_is_sticky_and_safe(void **state)
{
    (void)state;
    for (size_t max = 1; max < 200; max++) {
        struct sonde_buf out;
        size_t outer, inner;

        sonde_buf_init(&out, max);
        outer = sonde_pb_open(&out, 1);
        inner = sonde_pb_open(&out, 1);
        for (int i = 0; i < 130; i++)
            sonde_pb_varint(&out, 1, 1);
        sonde_pb_close(&out, inner);
        sonde_pb_close(&out, outer);
        assert_int_equal(out.failed, SONDE_E_LIMIT);
        assert_true(out.len <= max);
        sonde_buf_fini(&out);
    }
}

static void
test_no_memory(void **state)
{
    struct sonde_buf out;
    size_t start;

    (void)state;
    sonde_buf_init(&out, 0);
    sonde_alloc_testonly_fail_at(1, true);
    start = sonde_pb_open(&out, 1);
    sonde_pb_bytes(&out, 1, SONDE_STR("text"));
    sonde_pb_close(&out, start);
    sonde_alloc_testonly_fail_at(0, false);
    assert_int_equal(out.failed, SONDE_E_NOMEM);
    sonde_buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_known_bytes),
        cmocka_unit_test(test_nested_lengths_are_canonical),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_good_then_bad),
        cmocka_unit_test(test_long_varints_are_read),
        cmocka_unit_test(test_failure_is_sticky_and_safe),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
