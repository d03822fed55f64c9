/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/alloc.h"
#include "tests/unit/tape_fixture.h"

#include <stdio.h>

/* --- What is written is read -------------------------------------------------------- */

static void
test_header_round_trip(void **state)
{
    struct sonde_tape_reader reader;
    struct sonde_str record;

    (void)state;
    begin(NULL);
    record = sonde_tape_finish(&tape);
    assert_int_equal(sonde_tape_reader_init(&reader, record), SONDE_OK);
    assert_true(sonde_str_eq(reader.header.probe_id, header.probe_id));
    assert_true(sonde_str_eq(reader.header.file, header.file));
    assert_true(sonde_str_eq(reader.header.function, header.function));
    assert_int_equal(reader.header.revision, 7);
    assert_int_equal(reader.header.at, 2);
    assert_int_equal(reader.header.line, 42);
    assert_true(reader.header.timestamp_ns == header.timestamp_ns);
    assert_true(reader.header.duration_ns == -1);
    assert_true(reader.header.suspended_ns == -1);
    assert_string_equal(dump_of(record), "");
}

static void
test_a_clock_before_1970_is_no_damage(void **state)
{
    struct sonde_tape_header early = header;
    struct sonde_tape_reader reader;

    (void)state;
    early.timestamp_ns = -5;
    sonde_tape_begin(&tape, &early, &limits, NULL);
    assert_int_equal(sonde_tape_reader_init(&reader, sonde_tape_finish(&tape)), SONDE_OK);
    assert_true(reader.header.timestamp_ns == 0);
}

/* The worked example of docs/formats/tape.md, byte for byte. */
static void
test_documented_example(void **state)
{
    static const char expected[] = "STP\x02"
                                   "\x5c\0\0\0"
                                   "\x07\0\0\0"
                                   "\x2a\0\0\0"
                                   "\x15\xcd\x85\x3d\xfe\x9c\x97\x17"
                                   "\xff\xff\xff\xff\xff\xff\xff\xff"
                                   "\xff\xff\xff\xff\xff\xff\xff\xff"
                                   "\x02"
                                   "\x02p1\x06"
                                   "app.py\x04work"
                                   "\x06\x03\x08\x02"
                                   "\x0b\x05order\x0f\x03\x05Order"
                                   "\x0b\x02id\x0d\x03int\x02\x34\x32"
                                   "\x70\x03\x03\x09\x07";
    struct sonde_str record;

    (void)state;
    limits.fields = 1;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("order"));
    assert_true(sonde_tape_open(&tape, SONDE_SHAPE_FIELDS, S("Order"), 3));
    assert_true(sonde_tape_next(&tape));
    sonde_tape_name(&tape, S("id"));
    integer("42");
    assert_false(sonde_tape_next(&tape));
    sonde_tape_close(&tape);
    sonde_tape_group_end(&tape);
    sonde_tape_section_end(&tape);
    record = sonde_tape_finish(&tape);
    assert_int_equal(record.len, sizeof(expected) - 1);
    assert_memory_equal(record.ptr, expected, record.len);
}

static void
test_every_call_round_trip(void **state)
{
    unsigned char trace_id[16] = {0xab}, span_id[8] = {0xcd};

    (void)state;
    begin(NULL);
    sonde_tape_thread(&tape, UINT64_MAX, S("Main"));
    sonde_tape_trace(&tape, trace_id, span_id);
    sonde_tape_stack_begin(&tape);
    assert_true(sonde_tape_frame(&tape, S("a.py"), S("f"), 3));
    assert_true(sonde_tape_frame(&tape, S("b.py"), S(""), UINT32_MAX));
    sonde_tape_stack_end(&tape);
    sonde_tape_section_begin(&tape, SONDE_SECTION_RETURN);
    sonde_tape_group_begin(&tape, SONDE_GROUP_LOCALS);
    sonde_tape_name(&tape, S("d"));
    assert_true(sonde_tape_open(&tape, SONDE_SHAPE_ENTRIES, S("dict"), 1));
    assert_true(sonde_tape_next(&tape));
    assert_true(sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("tuple"), 1));
    assert_true(sonde_tape_next(&tape));
    integer("1");
    sonde_tape_close(&tape);
    sonde_tape_null(&tape, S("NoneType"));
    sonde_tape_close(&tape);
    sonde_tape_name(&tape, S("u"));
    sonde_tape_skip(&tape, S("Lazy"), SONDE_REASON_UNREADABLE);
    sonde_tape_group_end(&tape);
    sonde_tape_group_begin(&tape, SONDE_GROUP_RETURN_VALUE);
    integer("5");
    sonde_tape_group_end(&tape);
    sonde_tape_group_begin(&tape, SONDE_GROUP_THROWABLE);
    sonde_tape_throwable(&tape, S("KeyError"));
    ascii("k");
    sonde_tape_stack_begin(&tape);
    assert_true(sonde_tape_frame(&tape, S("c.py"), S("g"), 1));
    sonde_tape_stack_end(&tape);
    sonde_tape_group_end(&tape);
    sonde_tape_section_end(&tape);
    assert_tape("thread(18446744073709551615 Main)trace(ab cd)"
                "stack(a.py:f:3 b.py::4294967295 )"
                "return{locals{d=dict<tuple[int:1 ] NoneType:null > u=Lazy!unreadable }"
                "value{int:5 }"
                "throwable{KeyError str:k stack(c.py:g:1 )}}");
}

/* --- Text --------------------------------------------------------------------------- */

/* Every length around the widths of the copied words and of the length's varint. */
static void
test_text_of_every_length(void **state)
{
    static char data[20000];
    struct sonde_tape_reader reader;
    struct sonde_tape_event event;

    (void)state;
    limits.length = 65536;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)('!' + i % 90);
    for (int encoding = SONDE_ENCODING_ASCII; encoding <= SONDE_ENCODING_UTF8; encoding++)
        for (size_t len = 0; len < sizeof(data); len += len < 600 ? 1 : 1531) {
            begin_locals(NULL);
            text((enum sonde_encoding)encoding, data, len);
            assert_int_equal(sonde_tape_reader_init(&reader, sonde_tape_finish(&tape)),
                             SONDE_OK);
            do
                assert_int_equal(sonde_tape_reader_next(&reader, &event), SONDE_OK);
            while (event.kind != SONDE_TAPE_TEXT);
            assert_false(event.truncated);
            assert_int_equal(event.text.len, len);
            assert_memory_equal(event.text.ptr, data, len);
        }
}

static void
test_text_escapes(void **state)
{
    static const struct {
        const char *bytes, *expected;
    } utf8[] = {
        {"plain \\ text", "plain \\ text"},
        {"\xff", "\\xff"},
        {"a\x80z", "a\\x80z"},
        {"\xc3", "\\xc3"}, /* ends early */
        {"\xe2\x82", "\\xe2\\x82"},
        {"\xe2\x82z", "\\xe2\\x82z"},
        {"\xc0\xaf", "\\xc0\\xaf"}, /* overlong */
        {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},
        {"\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* past U+10FFFF */
        {"\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80"},
        {"\xf4\x8f\xbf\xbf\xef\xbf\xbf\xed\x9f\xbf",
         "\xf4\x8f\xbf\xbf\xef\xbf\xbf\xed\x9f\xbf"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(utf8) / sizeof(utf8[0]); i++) {
        /* What claims to be ASCII, and names and types, are treated alike. */
        begin_locals(NULL);
        sonde_tape_name(&tape, sonde_str_from(utf8[i].bytes));
        sonde_tape_text(&tape, sonde_str_from(utf8[i].bytes), SONDE_ENCODING_UTF8,
                        utf8[i].bytes, strlen(utf8[i].bytes));
        text(SONDE_ENCODING_ASCII, utf8[i].bytes, strlen(utf8[i].bytes));
        dump_of(sonde_tape_finish(&tape));
        char expected[256];
        snprintf(expected, sizeof(expected), "line{locals{%s=%s:%s s=str:%s }}",
                 utf8[i].expected, utf8[i].expected, utf8[i].expected, utf8[i].expected);
        assert_string_equal(dump.data, expected);
    }
    begin_locals(NULL);
    text(SONDE_ENCODING_UCS2, (const uint16_t[]){0xdc80, 'a', 0xd83d, 0xde00, 0xd83d}, 5);
    text(SONDE_ENCODING_UCS4, (const uint32_t[]){0xdcff, 0xd800, 0xdc00, 0x110000}, 4);
    text(SONDE_ENCODING_LATIN1, "\x7f\x80\xff", 3);
    text(SONDE_ENCODING_BYTES, "a\\\n~\x7f", 5);
    assert_locals("s=str:\\udc80a\xf0\x9f\x98\x80\\ud83d "
                  "s=str:\\udcff\\ud800\\udc00\xef\xbf\xbd "
                  "s=str:\x7f\xc2\x80\xc3\xbf s=str:a\\\\\\x0a~\\x7f ");
}

static void
test_long_names_are_cut_at_a_character(void **state)
{
    struct sonde_tape_reader reader;
    struct sonde_tape_event event;
    char name[4000];

    (void)state;
    for (size_t i = 0; i < sizeof(name); i += 2)
        memcpy(name + i, "\xc3\xa9", 2);
    begin_locals(NULL);
    sonde_tape_name(&tape, (struct sonde_str){name, sizeof(name)});
    sonde_tape_null(&tape, (struct sonde_str){name, sizeof(name)});
    sonde_tape_reader_init(&reader, sonde_tape_finish(&tape));
    do
        assert_int_equal(sonde_tape_reader_next(&reader, &event), SONDE_OK);
    while (event.kind != SONDE_TAPE_NAME);
    assert_int_equal(event.text.len, 254);
    assert_int_equal(sonde_tape_reader_next(&reader, &event), SONDE_OK);
    assert_int_equal(event.kind, SONDE_TAPE_NULL);
    assert_int_equal(event.type.len, 254);
}

/* --- Resuming ----------------------------------------------------------------------- */

static void
test_resume(void **state)
{
    struct sonde_tape_reader reader;
    struct sonde_str record;
    char copy[1000];

    (void)state;
    begin(NULL);
    sonde_tape_section_begin(&tape, SONDE_SECTION_ENTRY);
    sonde_tape_group_begin(&tape, SONDE_GROUP_ARGUMENTS);
    sonde_tape_name(&tape, S("a"));
    integer("1");
    record = sonde_tape_finish(&tape); /* ends what is open */
    assert_true(record.len < sizeof(copy));
    memcpy(copy, record.ptr, record.len);
    record.ptr = copy;

    begin(NULL); /* another hit used the tape in between */
    sonde_tape_thread(&tape, 1, S("other"));
    sonde_tape_finish(&tape);

    assert_int_equal(sonde_tape_resume(&tape, record, &limits, NULL), SONDE_OK);
    sonde_tape_set_times(&tape, 1234, 1200);
    sonde_tape_section_begin(&tape, SONDE_SECTION_RETURN);
    sonde_tape_group_begin(&tape, SONDE_GROUP_RETURN_VALUE);
    integer("2");
    sonde_tape_group_end(&tape);
    sonde_tape_section_end(&tape);
    record = sonde_tape_finish(&tape);
    assert_string_equal(dump_of(record),
                        "entry{arguments{a=int:1 }}return{value{int:2 }}");
    assert_int_equal(sonde_tape_reader_init(&reader, record), SONDE_OK);
    assert_true(reader.header.duration_ns == 1234);
    assert_true(reader.header.suspended_ns == 1200);
}

/* PY-05: how a function ended stands in its section RETURN, once. */
static void
test_py_05_outcome(void **state)
{
    (void)state;
    begin(NULL);
    sonde_tape_outcome(&tape, SONDE_OUTCOME_RAISED); /* nowhere */
    sonde_tape_section_begin(&tape, SONDE_SECTION_ENTRY);
    sonde_tape_outcome(&tape, SONDE_OUTCOME_RAISED);
    sonde_tape_section_end(&tape);
    sonde_tape_section_begin(&tape, SONDE_SECTION_RETURN);
    sonde_tape_outcome(&tape, (enum sonde_outcome)0);
    sonde_tape_outcome(&tape, (enum sonde_outcome)6);
    sonde_tape_group_begin(&tape, SONDE_GROUP_LOCALS);
    sonde_tape_outcome(&tape, SONDE_OUTCOME_RAISED);
    sonde_tape_group_end(&tape);
    sonde_tape_outcome(&tape, SONDE_OUTCOME_CANCELLED); /* after a group as well */
    sonde_tape_outcome(&tape, SONDE_OUTCOME_CLOSED);
    sonde_tape_section_end(&tape);
    sonde_tape_section_begin(&tape, SONDE_SECTION_RETURN);
    sonde_tape_outcome(&tape, SONDE_OUTCOME_CLOSED);
    sonde_tape_group_begin(&tape, SONDE_GROUP_RETURN_VALUE);
    sonde_tape_group_end(&tape);
    assert_tape("entry{}return{locals{}cancelled }return{closed value{}}");
}

/* Whatever the arguments and locals took, there is room for it. */
static void
test_py_05_outcome_has_its_room(void **state)
{
    static const char filling[] = "Eighty characters, more or less, are enough that some "
                                  "forty of them fill a tape.";

    (void)state;
    limits.bytes = 4096;
    for (size_t pad = 0; pad < 80; pad++) { /* wherever the end falls */
        begin(NULL);
        sonde_tape_section_begin(&tape, SONDE_SECTION_RETURN);
        sonde_tape_group_begin(&tape, SONDE_GROUP_LOCALS);
        text(SONDE_ENCODING_ASCII, filling, pad);
        for (int i = 0; i < 100; i++)
            text(SONDE_ENCODING_ASCII, filling, sizeof(filling) - 1);
        sonde_tape_group_end(&tape);
        assert_true(sonde_tape_is_full(&tape));
        for (int i = 0; i < 300; i++) { /* to the last byte */
            sonde_tape_group_begin(&tape, SONDE_GROUP_LOCALS);
            sonde_tape_group_end(&tape);
        }
        sonde_tape_outcome(&tape, SONDE_OUTCOME_CANCELLED);
        sonde_tape_section_end(&tape);
        assert_non_null(strstr(dump_of(sonde_tape_finish(&tape)), "}cancelled }"));
    }
}

static void
test_resume_refuses_what_is_not_ours(void **state)
{
    struct sonde_str record;
    char copy[200];

    (void)state;
    begin(NULL);
    record = sonde_tape_finish(&tape);
    memcpy(copy, record.ptr, record.len);
    for (size_t len = 0; len < record.len; len++)
        assert_int_equal(
            sonde_tape_resume(&tape, (struct sonde_str){copy, len}, &limits, NULL),
            SONDE_E_CORRUPT);
    copy[3] = 3; /* a version to come */
    assert_int_equal(
        sonde_tape_resume(&tape, (struct sonde_str){copy, record.len}, &limits, NULL),
        SONDE_E_CORRUPT);
}

/* --- Adapters that err -------------------------------------------------------------- */

static void
test_misuse_is_harmless(void **state)
{
    (void)state;
    begin(NULL);
    integer("1"); /* no place for a value */
    sonde_tape_close(&tape);
    sonde_tape_group_end(&tape);
    sonde_tape_section_end(&tape);
    assert_false(sonde_tape_next(&tape));
    assert_false(sonde_tape_frame(&tape, S("f"), S("f"), 1));
    sonde_tape_group_begin(&tape, SONDE_GROUP_LOCALS); /* outside a section */
    sonde_tape_name(&tape, S("a"));
    integer("1");
    sonde_tape_group_end(&tape);
    sonde_tape_section_begin(&tape, SONDE_SECTION_LINE);
    sonde_tape_section_begin(&tape, SONDE_SECTION_LINE); /* inside one */
    sonde_tape_section_end(&tape);
    sonde_tape_group_begin(&tape, SONDE_GROUP_LOCALS);
    integer("1"); /* no name */
    sonde_tape_name(&tape, S("a"));
    assert_true(sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 2));
    integer("1"); /* no sonde_tape_next */
    assert_true(sonde_tape_next(&tape));
    assert_true(sonde_tape_next(&tape));
    integer("2");
    sonde_tape_throwable(&tape, S("E"));
    assert_false(sonde_tape_open(&tape, (enum sonde_shape)9, S("list"), 2));
    assert_true(sonde_tape_next(&tape));
    assert_false(sonde_tape_open(&tape, (enum sonde_shape)9, S("list"), 2));
    sonde_tape_section_end(&tape); /* two levels are still open */
    assert_tape("line{locals{a=list[int:2 list!unreadable#2 ] }}");

    integer("1"); /* after the end */
    sonde_tape_thread(&tape, 1, S("t"));
    sonde_tape_section_begin(&tape, SONDE_SECTION_LINE);
    assert_int_equal(tape.len, sonde_tape_finish(&tape).len);
}

static void
test_finish_closes_what_is_open(void **state)
{
    (void)state;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("a"));
    sonde_tape_open(&tape, SONDE_SHAPE_FIELDS, S("O"), 2);
    sonde_tape_next(&tape);
    sonde_tape_name(&tape, S("x"));
    assert_locals("a=O{x=!unreadable }~unreadable#2 ");
}

static void
test_out_of_memory(void **state)
{
    struct sonde_tape other;

    (void)state;
    sonde_alloc_testonly_fail_at(1, false);
    assert_int_equal(sonde_tape_init(&other), SONDE_E_NOMEM);
    sonde_alloc_testonly_fail_at(0, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TAPE_TEST(test_header_round_trip),
        TAPE_TEST(test_a_clock_before_1970_is_no_damage),
        TAPE_TEST(test_documented_example),
        TAPE_TEST(test_every_call_round_trip),
        TAPE_TEST(test_text_of_every_length),
        TAPE_TEST(test_text_escapes),
        TAPE_TEST(test_long_names_are_cut_at_a_character),
        TAPE_TEST(test_resume),
        TAPE_TEST(test_py_05_outcome),
        TAPE_TEST(test_py_05_outcome_has_its_room),
        TAPE_TEST(test_resume_refuses_what_is_not_ours),
        TAPE_TEST(test_misuse_is_harmless),
        TAPE_TEST(test_finish_closes_what_is_open),
        TAPE_TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
