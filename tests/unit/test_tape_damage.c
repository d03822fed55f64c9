/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/alloc.h"
#include "core/capture/redact.h"
#include "tests/unit/tape_fixture.h"

/* --- Properties --------------------------------------------------------------------- */

static uint64_t seed;

static uint32_t
random_below(uint32_t bound)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % bound;
}

static struct sonde_str
random_str(void)
{
    static const char *const words[] = {"",
                                        "a",
                                        "int",
                                        "password",
                                        "Order",
                                        "\xff\xfe",
                                        "\xc3\xa9t\xc3\xa9",
                                        "a_rather_long_name_of_a_field"};
    static char big[3000];

    if (random_below(40) > 0)
        return sonde_str_from(words[random_below(8)]);
    memset(big, random_below(2) > 0 ? 'x' : 0xc3, sizeof(big));
    return (struct sonde_str){big, random_below(sizeof(big))};
}

static void
random_text(void)
{
    static unsigned char data[4 * 600];
    size_t units = random_below(random_below(10) == 0 ? 600 : 20);

    for (size_t i = 0; i < 4 * units; i++)
        data[i] = (unsigned char)random_below(random_below(3) == 0 ? 256 : 128);
    sonde_tape_text(&tape, random_str(), (enum sonde_encoding)(1 + random_below(6)), data,
                    units);
}

static void random_members(enum sonde_shape shape);

static void
random_value(void)
{
    enum sonde_shape shape = (enum sonde_shape)(1 + random_below(3));

    switch (random_below(10)) {
    case 8:
        sonde_tape_int(&tape, random_str(), (int64_t)random_below(1000) - 500);
        break;
    case 9:
        sonde_tape_float(&tape, random_str(), random_below(1000) / 7.0);
        break;
    case 0:
        sonde_tape_null(&tape, random_str());
        break;
    case 1:
        sonde_tape_skip(&tape, random_str(), (enum sonde_reason)random_below(9));
        break;
    case 2:
        break; /* could not be had */
    case 3:
    case 4:
        random_text();
        break;
    case 5:
        sonde_tape_number(&tape, random_str(), S("42"));
        break;
    default:
        if (sonde_tape_open(&tape, shape, random_str(),
                            random_below(2) > 0 ? random_below(30)
                                                : SONDE_SIZE_UNKNOWN)) {
            random_members(shape);
            sonde_tape_close(&tape);
        }
    }
}

static void
random_members(enum sonde_shape shape)
{
    for (uint32_t i = random_below(12); i > 0 && sonde_tape_next(&tape); i--) {
        if (shape == SONDE_SHAPE_FIELDS)
            sonde_tape_name(&tape, random_str());
        else if (shape == SONDE_SHAPE_ENTRIES)
            random_value();
        random_value();
    }
}

static void
random_stack(void)
{
    sonde_tape_stack_begin(&tape);
    for (uint32_t i = random_below(30); i > 0; i--)
        if (!sonde_tape_frame(&tape, random_str(), random_str(), random_below(1000)))
            break;
    sonde_tape_stack_end(&tape);
}

static void
random_group(void)
{
    enum sonde_group group = (enum sonde_group)(1 + random_below(4));

    sonde_tape_group_begin(&tape, group);
    if (group == SONDE_GROUP_THROWABLE) {
        sonde_tape_throwable(&tape, random_str());
        random_value();
        random_stack();
        sonde_tape_outcome(&tape, (enum sonde_outcome)random_below(6)); /* not here */
    } else if (group == SONDE_GROUP_RETURN_VALUE) {
        random_value();
    } else {
        for (uint32_t i = random_below(20); i > 0; i--) {
            sonde_tape_name(&tape, random_str());
            random_value();
        }
    }
    sonde_tape_group_end(&tape);
}

static void
random_section(void)
{
    sonde_tape_section_begin(&tape, (enum sonde_section)(1 + random_below(3)));
    if (random_below(2) > 0)
        sonde_tape_outcome(&tape, (enum sonde_outcome)random_below(6));
    for (uint32_t i = random_below(4); i > 0; i--)
        random_group();
    sonde_tape_section_end(&tape);
}

/* Any call, obeying nothing. */
static void
random_call(void)
{
    switch (random_below(14)) {
    case 0:
        sonde_tape_section_begin(&tape, (enum sonde_section)random_below(5));
        break;
    case 1:
        sonde_tape_group_begin(&tape, (enum sonde_group)random_below(6));
        break;
    case 2:
        random_below(6) == 0 ? sonde_tape_section_end(&tape)
                             : sonde_tape_group_end(&tape);
        break;
    case 3:
        random_below(3) == 0 ? sonde_tape_stack_begin(&tape)
                             : sonde_tape_stack_end(&tape);
        break;
    case 4:
        sonde_tape_frame(&tape, random_str(), random_str(), random_below(100));
        break;
    case 5:
        sonde_tape_throwable(&tape, random_str());
        break;
    case 6:
        sonde_tape_open(&tape, (enum sonde_shape)random_below(5), random_str(), 9);
        break;
    case 7:
        sonde_tape_close(&tape);
        break;
    case 8:
    case 9:
        sonde_tape_next(&tape);
        break;
    case 10:
        sonde_tape_thread(&tape, random_below(9), random_str());
        break;
    case 11:
        sonde_tape_name(&tape, random_str());
        break;
    case 12:
        sonde_tape_outcome(&tape, (enum sonde_outcome)random_below(6));
        break;
    default:
        random_value();
    }
}

static void
random_limits(void)
{
#define RANDOM_LIMIT(member, name, value, least, most) \
    limits.member = random_below((most) + 1);
    SONDE_LIMIT_LIST(RANDOM_LIMIT)
#undef RANDOM_LIMIT
    limits.time_us = 100000;
    limits.length = random_below(700);
    limits.elements = random_below(12);
    if (random_below(2) > 0)
        limits.bytes = 4096 + random_below(3000);
}

/* CORE-04, CORE-06: whatever an adapter writes, its record is whole and in its bytes. */
static void
test_core_06_random_calls_give_whole_records(void **state)
{
    struct sonde_redactor *redactor;
    unsigned full = 0;

    (void)state;
    assert_int_equal(sonde_redactor_new(&redactor, NULL, "Order", NULL, NULL), SONDE_OK);
    for (seed = 1; seed < 6000; seed++) {
        uint64_t run = seed;
        struct sonde_str record;
        bool obeys = random_below(2) > 0;

        random_limits();
        begin(redactor);
        if (random_below(8) == 0)
            tape.clock.deadline_ns = 0;
        for (uint32_t i = random_below(obeys ? 5 : 300); i > 0; i--) {
            if (!obeys)
                random_call();
            else if (random_below(3) > 0)
                random_section();
            else
                random_stack();
        }
        full += sonde_tape_is_full(&tape);
        record = sonde_tape_finish(&tape);
        dump_of(record);
        if (random_below(3) == 0) {
            assert_int_equal(sonde_tape_resume(&tape, record, &limits, redactor),
                             SONDE_OK);
            random_section();
            dump_of(sonde_tape_finish(&tape));
        }
        seed = run;
    }
    assert_true(full > 400);
    sonde_redactor_free(redactor);
}

/* A record with any one byte changed, or cut anywhere, is read without reading outside it
 * (under ASan: it is in a block of its very size) and says where it is damaged. */
static void
test_damaged_records_are_refused_safely(void **state)
{
    (void)state;
    for (seed = 1; seed < 40; seed++) {
        uint64_t run = seed;
        struct sonde_str record;
        char *copy;

        random_limits();
        limits.bytes = 4096;
        begin(NULL);
        random_stack();
        random_section();
        record = sonde_tape_finish(&tape);
        for (size_t at = 0; at<record.len; at += record.len> 1000 ? 13 : 1) {
            unsigned len;

            copy = sonde_alloc(record.len);
            assert_non_null(copy);
            memcpy(copy, record.ptr, record.len);
            copy[at] = (char)(copy[at] ^ (int)(1 + random_below(255)));
            dump_record(&dump, (struct sonde_str){copy, record.len});
            sonde_buf_reset(&dump);
            sonde_free(copy);

            copy = sonde_alloc(at + 1);
            assert_non_null(copy);
            memcpy(copy, record.ptr, at + 1);
            if (at + 1 < record.len)
                assert_int_equal(dump_record(&dump, (struct sonde_str){copy, at + 1}),
                                 SONDE_E_CORRUPT);
            /* With a length that agrees, too. */
            len = (unsigned)at + 1;
            if (at >= 8)
                for (size_t i = 0; i < 4; i++)
                    copy[4 + i] = (char)(len >> (8 * i));
            dump_record(&dump, (struct sonde_str){copy, at + 1});
            sonde_buf_reset(&dump);
            sonde_free(copy);
        }
        seed = run;
    }
}

/* What does not fit the grammar is refused at the place, and again and again. */
static void
test_reader_checks_nesting(void **state)
{
    static const struct {
        const char *ops;
        size_t len;
        unsigned sound; /* events before the damage */
    } cases[] = {
        {"\x07", 1, 0}, /* ends what is not open */
        {"\x10", 1, 0},
        {"\x06\x03", 2, 1},                     /* never ends */
        {"\x06\x04", 2, 0},                     /* no such section */
        {"\x06\x03\x08\x05", 4, 1},             /* no such group */
        {"\x06\x03\x06\x03", 4, 1},             /* section in section */
        {"\x06\x03\x08\x02\x0c\x00", 6, 2},     /* a value without a name */
        {"\x06\x03\x08\x02\x0b\x00\x09", 7, 3}, /* a name without a value */
        {"\x06\x03\x08\x02\x0b\x00\x0b\x00", 8, 3},
        {"\x06\x03\x08\x03\x0c\x00\x0c\x00", 8, 3},          /* two return values */
        {"\x06\x03\x08\x03\x0f\x02\x00\x0c\x00\x10", 10, 4}, /* a key without a value */
        {"\x06\x03\x08\x04\x03", 5, 2},         /* a stack before its throwable */
        {"\x06\x03\x08\x03\x0f\x04\x00", 7, 2}, /* no such shape */
        {"\x06\x03\x08\x03\x0e\x08\x00", 7, 2}, /* no such reason */
        {"\x06\x03\x08\x03\x2c\x00", 6, 2},     /* a flag that NULL has not */
        {"\x8c", 1, 0},
        {"\x00", 1, 0},
        {"\x31\x00\x00", 3, 0}, /* nor has INT */
        {"\x13\x01", 2, 0},     /* an outcome of nothing */
        {"\x06\x01\x13\x01", 4, 1},
        {"\x06\x03\x13\x01", 4, 1},
        {"\x06\x02\x13\x00", 4, 1}, /* no such outcome */
        {"\x06\x02\x13\x06", 4, 1},
        {"\x06\x02\x13\xff", 4, 1},
        {"\x06\x02\x33\x01", 4, 1},
        {"\x06\x02\x13", 3, 1},
        {"\x06\x02\x13\x01\x13\x01", 6, 2}, /* two of them */
        {"\x06\x02\x08\x03\x13\x01", 6, 2}, /* in a group */
        {"\x06\x02\x08\x03\x09\x13\x04\x13\x04", 9, 4},
        {"\x14\x00", 2, 0},
        {"\x11", 1, 0},
        {"\x03\x04\x80\x80\x80\x80\x10", 7, 1}, /* a line past 32 bits */
        {"\x03\x04\x01\x05\x61", 5, 1},         /* a string past the end */
        {"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00", 12, 0}, /* past 64 bits */
    };
    struct sonde_tape_event event;
    struct sonde_tape_reader reader;
    char record[200];
    size_t empty;

    (void)state;
    begin(NULL);
    empty = sonde_tape_finish(&tape).len;
    memcpy(record, tape.bytes, empty);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(record + empty, cases[i].ops, cases[i].len);
        record[4] = (char)(empty + cases[i].len);
        assert_int_equal(sonde_tape_reader_init(
                             &reader, (struct sonde_str){record, empty + cases[i].len}),
                         SONDE_OK);
        for (unsigned sound = 0; sound < cases[i].sound; sound++)
            assert_int_equal(sonde_tape_reader_next(&reader, &event), SONDE_OK);
        assert_int_equal(sonde_tape_reader_next(&reader, &event), SONDE_E_CORRUPT);
        assert_int_equal(sonde_tape_reader_next(&reader, &event), SONDE_E_CORRUPT);
    }
}

/* PY-05: times that can not be. */
static void
test_py_05_reader_checks_times(void **state)
{
    static const struct {
        int64_t duration_ns, suspended_ns;
        bool is_sound;
    } cases[] = {
        {-1, -1, true},         {0, -1, true},         {0, 0, true},
        {5, 5, true},           {INT64_MAX, 7, true},  {-1, 0, false},
        {5, 6, false},          {-2, -1, false},       {5, -2, false},
        {INT64_MIN, -1, false}, {5, INT64_MIN, false},
    };
    struct sonde_tape_reader reader;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(NULL);
        sonde_tape_set_times(&tape, cases[i].duration_ns, cases[i].suspended_ns);
        assert_int_equal(sonde_tape_reader_init(&reader, sonde_tape_finish(&tape)),
                         cases[i].is_sound ? SONDE_OK : SONDE_E_CORRUPT);
    }
}

static void
test_reader_bounds_depth(void **state)
{
    struct sonde_tape_event event;
    struct sonde_tape_reader reader;
    char record[200];
    size_t len;
    unsigned opened = 0;

    (void)state;
    begin(NULL);
    len = sonde_tape_finish(&tape).len;
    memcpy(record, tape.bytes, len);
    memcpy(record + len, "\x06\x03\x08\x03", 4);
    len += 4;
    for (unsigned i = 0; i < 20; i++, len += 3)
        memcpy(record + len, "\x0f\x01\x00", 3);
    record[4] = (char)len;
    assert_int_equal(sonde_tape_reader_init(&reader, (struct sonde_str){record, len}),
                     SONDE_OK);
    while (sonde_tape_reader_next(&reader, &event) == SONDE_OK)
        opened++;
    assert_int_equal(opened, SONDE_TAPE_MAX_DEPTH);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TAPE_TEST(test_core_06_random_calls_give_whole_records),
        TAPE_TEST(test_damaged_records_are_refused_safely),
        TAPE_TEST(test_reader_checks_nesting),
        TAPE_TEST(test_py_05_reader_checks_times),
        TAPE_TEST(test_reader_bounds_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
