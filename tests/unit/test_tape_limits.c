/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/clock.h"
#include "core/capture/redact.h"
#include "tests/unit/tape_fixture.h"

#include <time.h>

/* --- CORE-04: limits and markers ---------------------------------------------------- */

/* Nests `levels` lists and returns how many were opened. */
static unsigned
nest(unsigned levels)
{
    unsigned opened = 0;

    while (opened < levels &&
           sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 1)) {
        opened++;
        assert_true(sonde_tape_next(&tape));
    }
    if (opened == levels)
        integer("0");
    for (unsigned i = 0; i < opened; i++)
        sonde_tape_close(&tape);
    return opened;
}

static void
test_core_04_depth(void **state)
{
    (void)state;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("a"));
    assert_int_equal(nest(3), 3);
    sonde_tape_name(&tape, S("b"));
    assert_int_equal(nest(4), 3);
    assert_locals("a=list[list[list[int:0 ] ] ] b=list[list[list[list!depth#1 ] ] ] ");

    limits.depth = 0;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("a"));
    assert_int_equal(nest(1), 0);
    assert_locals("a=list!depth#1 ");

    limits.depth = 1000; /* clamped */
    begin_locals(NULL);
    sonde_tape_name(&tape, S("a"));
    assert_int_equal(nest(11), 10);
    assert_locals("a=list[list[list[list[list[list[list[list[list[list[list!depth#1 "
                  "] ] ] ] ] ] ] ] ] ] ");
}

static void
test_core_04_elements(void **state)
{
    (void)state;
    limits.elements = 2;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("exact"));
    sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 2);
    for (int i = 0; i < 2 && sonde_tape_next(&tape); i++)
        integer("1");
    sonde_tape_close(&tape);
    sonde_tape_name(&tape, S("known"));
    sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 300);
    while (sonde_tape_next(&tape))
        integer("1");
    integer("2"); /* past the answer: nothing */
    sonde_tape_close(&tape);
    sonde_tape_name(&tape, S("unknown"));
    sonde_tape_open(&tape, SONDE_SHAPE_ENTRIES, S("Hash"), SONDE_SIZE_UNKNOWN);
    while (sonde_tape_next(&tape)) {
        integer("1");
        integer("2");
    }
    sonde_tape_close(&tape);
    assert_locals("exact=list[int:1 int:1 ] known=list[int:1 int:1 ]~collection_size#300 "
                  "unknown=Hash<int:1 int:2 int:1 int:2 >~collection_size ");

    limits.elements = 0;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("l"));
    assert_true(sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 1));
    assert_false(sonde_tape_next(&tape));
    sonde_tape_close(&tape);
    assert_locals("l=list[]~collection_size#1 ");
}

static void
test_core_04_fields(void **state)
{
    (void)state;
    limits.fields = 1;
    limits.elements = 5;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("o"));
    sonde_tape_open(&tape, SONDE_SHAPE_FIELDS, S("Order"), 4);
    while (sonde_tape_next(&tape)) {
        sonde_tape_name(&tape, S("id"));
        integer("1");
    }
    sonde_tape_name(&tape, S("x"));
    integer("2");
    sonde_tape_close(&tape);
    assert_locals("o=Order{id=int:1 }~field_count#4 ");
}

static void
test_core_04_frames(void **state)
{
    (void)state;
    limits.frames = 2;
    begin(NULL);
    sonde_tape_stack_begin(&tape);
    assert_true(sonde_tape_frame(&tape, S("f"), S("a"), 1));
    assert_true(sonde_tape_frame(&tape, S("f"), S("b"), 2));
    assert_false(sonde_tape_frame(&tape, S("f"), S("c"), 3));
    assert_false(sonde_tape_frame(&tape, S("f"), S("d"), 4));
    sonde_tape_stack_end(&tape);
    assert_tape("stack(f:a:1 f:b:2 )~");
    assert_false(sonde_tape_is_full(&tape));
}

static void
test_core_04_length(void **state)
{
    (void)state;
    limits.length = 3;
    begin_locals(NULL);
    text(SONDE_ENCODING_ASCII, "abc", 3);
    text(SONDE_ENCODING_ASCII, "abcd", 4);
    text(SONDE_ENCODING_UTF8, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9);
    text(SONDE_ENCODING_UTF8, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z", 10);
    text(SONDE_ENCODING_LATIN1, "\xe9\xe9\xe9\xe9", 4);
    text(SONDE_ENCODING_UCS2, (const uint16_t[]){'a', 0x20ac, 'b', 'c'}, 4);
    text(SONDE_ENCODING_UCS4, (const uint32_t[]){'a', 0x1f600, 'b', 'c'}, 4);
    text(SONDE_ENCODING_BYTES, "\x00\xff\\z", 4);
    sonde_tape_name(&tape, S("n"));
    integer("12345");
    assert_locals("s=str:abc s=str:abc~#4 s=str:\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 "
                  "s=str:\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80~#10 "
                  "s=str:\xc3\xa9\xc3\xa9\xc3\xa9~#4 s=str:a\xe2\x82\xac"
                  "b~#4 s=str:a\xf0\x9f\x98\x80"
                  "b~#4 s=str:\\x00\\xff\\\\~#4 n=int:123~#5 ");

    limits.length = 0;
    begin_locals(NULL);
    text(SONDE_ENCODING_ASCII, "", 0);
    text(SONDE_ENCODING_ASCII, NULL, 0);
    text(SONDE_ENCODING_UCS2, "a", 1);
    assert_locals("s=str: s=str: s=str:~#1 ");
}

/* --- CORE-06: bounds in time, bytes and nodes --------------------------------------- */

static void
test_core_06_bytes(void **state)
{
    static char big[60000];
    const char *text_at;

    (void)state;
    memset(big, 'x', sizeof(big));
    limits.bytes = 4096;
    limits.length = 65536;
    begin_locals(NULL);
    text(SONDE_ENCODING_ASCII, big, sizeof(big));
    assert_true(sonde_tape_is_full(&tape));
    sonde_tape_name(&tape, S("later"));
    assert_false(sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 7));
    sonde_tape_name(&tape, S("last"));
    ascii("abc");
    text_at = dump_of(sonde_tape_finish(&tape));
    /* The text was kept as far as it fits, and what follows is still named. */
    assert_memory_equal(text_at, "line{locals{s=str:xxxx", 22);
    assert_true(dump.len > 3000);
    assert_non_null(strstr(text_at, "x~#60000 later=list!budget#7 last=str!budget#3 }}"));
}

static void
test_core_06_closers_say_budget(void **state)
{
    const char *end;
    int kept = 0;

    (void)state;
    limits.bytes = 4096;
    limits.elements = 10000;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("rows"));
    assert_true(sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 10000));
    for (; kept < 10000 && sonde_tape_next(&tape); kept++) {
        if (!sonde_tape_open(&tape, SONDE_SHAPE_FIELDS, S("Row"), 1))
            continue;
        if (sonde_tape_next(&tape)) {
            sonde_tape_name(&tape, S("value"));
            ascii("0123456789");
        }
        sonde_tape_close(&tape);
    }
    sonde_tape_close(&tape);
    assert_true(kept > 100 && kept < 400);
    end = strrchr(dump_of(sonde_tape_finish(&tape)), ']');
    assert_string_equal(end, "]~budget#10000 }}");
    assert_non_null(strstr(dump.data, "!budget"));
}

/* With many nodes of nothing the record ends all the same: each takes bytes. */
static void
test_core_06_nodes(void **state)
{
    unsigned nodes = 0;

    (void)state;
    limits.elements = 10000;
    begin_locals(NULL);
    for (unsigned i = 0; i < 100; i++) {
        sonde_tape_name(&tape, S("l"));
        if (!sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S(""), 10000))
            continue;
        for (; sonde_tape_next(&tape); nodes++)
            sonde_tape_null(&tape, S(""));
        sonde_tape_close(&tape);
    }
    assert_true(sonde_tape_is_full(&tape));
    assert_true(nodes < SONDE_TAPE_MAX_BYTES / 2);
    dump_of(sonde_tape_finish(&tape));
}

static void
use_cpu(int64_t ns)
{
    int64_t until_ns = sonde_clock_thread_cpu_ns() + ns;

    while (sonde_clock_thread_cpu_ns() < until_ns)
        ;
}

/* What a thread waits for a core is not the capture's, up to ten times the limit. */
static void
test_core_06_waiting_is_not_capturing(void **state)
{
    (void)state;
    is_timed = true;
    limits.time_us = 100000;
    limits.elements = 1000;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("l"));
    assert_true(sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 999));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL), 0);
        for (int n = 0; n < 32 && sonde_tape_next(&tape); n++)
            sonde_tape_null(&tape, S("None"));
    }
    assert_false(sonde_tape_is_full(&tape));
    tape.clock.deadline_ns = sonde_clock_mono_ns() - 1;
    for (int n = 0; n < 32 && sonde_tape_next(&tape); n++)
        sonde_tape_null(&tape, S("None"));
    assert_true(sonde_tape_is_full(&tape));
    sonde_tape_close(&tape);
    sonde_tape_group_end(&tape);
    assert_non_null(strstr(dump_of(sonde_tape_finish(&tape)), "timeout"));
}

static void
test_core_06_time(void **state)
{
    unsigned writes = 0;

    (void)state;
    is_timed = true;
    limits.time_us = 100;
    begin_locals(NULL);
    sonde_tape_name(&tape, S("l"));
    assert_true(sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 99));
    assert_true(sonde_tape_next(&tape));
    integer("1");
    use_cpu(100 * SONDE_NS_PER_US);
    for (unsigned i = 0; i < 32 && sonde_tape_next(&tape);
         i++) /* has its CPU time watched */
        sonde_tape_null(&tape, S("None"));
    use_cpu(100 * SONDE_NS_PER_US);
    while (sonde_tape_next(&tape)) {
        sonde_tape_null(&tape, S("None"));
        writes++;
    }
    assert_true(sonde_tape_is_full(&tape));
    assert_true(writes <= 32);
    sonde_tape_close(&tape);
    sonde_tape_name(&tape, S("later"));
    integer("5");
    sonde_tape_group_end(&tape);
    sonde_tape_group_begin(&tape, SONDE_GROUP_RETURN_VALUE);
    integer("6");
    const char *end = strrchr(dump_of(sonde_tape_finish(&tape)), ']');
    assert_string_equal(end, "]~timeout#99 later=int!timeout#1 }value{int!timeout#1 }}");
    assert_non_null(strstr(dump.data, "None!timeout ]"));
}

/* Costly frames and containers make the clock be looked at sooner than values do. */
static void
test_core_06_time_in_frames(void **state)
{
    unsigned frames = 0;

    (void)state;
    begin(NULL);
    tape.clock.deadline_ns = 0;
    sonde_tape_stack_begin(&tape);
    while (sonde_tape_frame(&tape, S("f"), S("a"), 1))
        frames++;
    sonde_tape_stack_end(&tape);
    assert_true(sonde_tape_is_full(&tape));
    assert_true(frames <= 8);
    assert_non_null(strstr(dump_of(sonde_tape_finish(&tape)), ")~"));
}

/* Neither the stack nor the arguments can take the room of what comes after them. */
static void
test_core_06_every_part_has_room(void **state)
{
    static char big[4000];
    struct sonde_str record;

    (void)state;
    memset(big, 'x', sizeof(big));
    limits.bytes = 4096;
    limits.length = 65536;
    begin(NULL);
    sonde_tape_stack_begin(&tape);
    while (sonde_tape_frame(&tape, (struct sonde_str){big, 300}, S("f"), 1))
        ;
    sonde_tape_stack_end(&tape);
    assert_false(sonde_tape_is_full(&tape));
    sonde_tape_section_begin(&tape, SONDE_SECTION_ENTRY);
    sonde_tape_group_begin(&tape, SONDE_GROUP_ARGUMENTS);
    text(SONDE_ENCODING_ASCII, big, sizeof(big));
    sonde_tape_group_end(&tape);
    sonde_tape_section_end(&tape);
    record = sonde_tape_finish(&tape);
    assert_int_equal(sonde_tape_resume(&tape, record, &limits, NULL), SONDE_OK);
    sonde_tape_section_begin(&tape, SONDE_SECTION_RETURN);
    sonde_tape_group_begin(&tape, SONDE_GROUP_RETURN_VALUE);
    ascii("this is what the function returned");
    sonde_tape_group_end(&tape);
    sonde_tape_section_end(&tape);
    assert_non_null(
        strstr(dump_of(sonde_tape_finish(&tape)),
               "x~#4000 }}return{value{str:this is what the function returned }}"));
}

/* --- CORE-07: redaction ------------------------------------------------------------- */

static void
dict_entry(enum sonde_encoding encoding, const void *key, size_t units)
{
    if (!sonde_tape_next(&tape))
        return;
    sonde_tape_text(&tape, S("str"), encoding, key, units);
    ascii("hunter2");
}

static void
test_core_07_names_and_keys(void **state)
{
    struct sonde_redactor *redactor;

    (void)state;
    assert_int_equal(sonde_redactor_new(&redactor, NULL, NULL, NULL, NULL), SONDE_OK);
    limits.length = 4; /* a key that is cut is judged whole */
    begin_locals(redactor);
    sonde_tape_name(&tape, S("password"));
    ascii("hunter2");
    sonde_tape_name(&tape, S("db_password"));
    assert_false(sonde_tape_open(&tape, SONDE_SHAPE_ELEMENTS, S("list"), 1));
    sonde_tape_name(&tape, S("api_key"));
    sonde_tape_null(&tape, S("None"));
    sonde_tape_name(&tape, S("fine"));
    integer("1");
    sonde_tape_name(&tape, S("o"));
    sonde_tape_open(&tape, SONDE_SHAPE_FIELDS, S("User"), 2);
    sonde_tape_next(&tape);
    sonde_tape_name(&tape, S("@token"));
    ascii("hunter2");
    sonde_tape_next(&tape);
    sonde_tape_name(&tape, S("name"));
    ascii("Ada");
    sonde_tape_close(&tape);
    sonde_tape_name(&tape, S("d"));
    sonde_tape_open(&tape, SONDE_SHAPE_ENTRIES, S("dict"), 5);
    dict_entry(SONDE_ENCODING_ASCII, "Authorization", 13);
    dict_entry(SONDE_ENCODING_UCS2,
               (const uint16_t[]){0x20ac, 's', 'e', 'c', 'r', 'e', 't'}, 7);
    dict_entry(SONDE_ENCODING_UCS4, (const uint32_t[]){'p', 'i', 'n'}, 3);
    dict_entry(SONDE_ENCODING_BYTES, "ssn", 3);
    dict_entry(SONDE_ENCODING_ASCII, "ok", 2);
    sonde_tape_close(&tape);
    assert_locals("password=str!redacted db_password=list!redacted api_key=None!redacted "
                  "fine=int:1 o=User{@token=str!redacted name=str:Ada } "
                  "d=dict<str:Auth~#13 str!redacted str:\xe2\x82\xacsec~#7 str!redacted "
                  "str:pin str!redacted str:ssn str!redacted str:ok str:hunt~#7 > ");
    sonde_redactor_free(redactor);
}

static void
test_core_07_a_key_hides_one_value(void **state)
{
    struct sonde_redactor *redactor;

    (void)state;
    assert_int_equal(sonde_redactor_new(&redactor, NULL, NULL, NULL, NULL), SONDE_OK);
    begin_locals(redactor);
    sonde_tape_name(&tape, S("d"));
    sonde_tape_open(&tape, SONDE_SHAPE_ENTRIES, S("dict"), 2);
    sonde_tape_next(&tape);
    ascii("token"); /* the adapter could not give the value */
    sonde_tape_next(&tape);
    ascii("a");
    ascii("token"); /* a value, not a key */
    sonde_tape_close(&tape);
    sonde_tape_name(&tape, S("secret")); /* no value either */
    sonde_tape_name(&tape, S("b"));
    integer("1");
    assert_locals("d=dict<str:token !unreadable str:a str:token > secret=!unreadable "
                  "b=int:1 ");
    sonde_redactor_free(redactor);
}

static void
test_core_07_types(void **state)
{
    struct sonde_redactor *redactor;

    (void)state;
    assert_int_equal(sonde_redactor_new(&redactor, NULL, "Secret,Vault", NULL, NULL),
                     SONDE_OK);
    begin_locals(redactor);
    sonde_tape_name(&tape, S("a"));
    assert_false(sonde_tape_open(&tape, SONDE_SHAPE_FIELDS, S("Vault"), 2));
    sonde_tape_name(&tape, S("b"));
    sonde_tape_text(&tape, S("Secret"), SONDE_ENCODING_ASCII, "x", 1);
    sonde_tape_name(&tape, S("c"));
    sonde_tape_text(&tape, S("secret"), SONDE_ENCODING_ASCII, "x", 1);
    sonde_tape_group_end(&tape);
    sonde_tape_group_begin(&tape, SONDE_GROUP_RETURN_VALUE);
    sonde_tape_number(&tape, S("Secret"), S("1"));
    assert_tape("line{locals{a=Vault!redacted b=Secret!redacted c=secret:x }"
                "value{Secret!redacted }}");
    sonde_redactor_free(redactor);
}

/* Redaction holds when the budget is used up as well. */
static void
test_core_07_nothing_leaks_when_full(void **state)
{
    struct sonde_redactor *redactor;
    struct sonde_str record;

    (void)state;
    assert_int_equal(sonde_redactor_new(&redactor, NULL, NULL, NULL, NULL), SONDE_OK);
    limits.bytes = 4096;
    for (int padding = 0; padding < 4096; padding++) {
        static char big[4096];

        memset(big, 'x', sizeof(big));
        limits.length = 65536;
        begin_locals(redactor);
        text(SONDE_ENCODING_ASCII, big, (size_t)padding);
        sonde_tape_name(&tape, S("d"));
        if (sonde_tape_open(&tape, SONDE_SHAPE_ENTRIES, S("dict"), 2)) {
            dict_entry(SONDE_ENCODING_ASCII, "password", 8);
            dict_entry(SONDE_ENCODING_ASCII, "token", 5);
            sonde_tape_close(&tape);
        }
        sonde_tape_name(&tape, S("secret"));
        ascii("hunter2");
        record = sonde_tape_finish(&tape);
        assert_null(memmem(record.ptr, record.len, "hunter2", 7));
        dump_of(record);
    }
    sonde_redactor_free(redactor);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TAPE_TEST(test_core_04_depth),
        TAPE_TEST(test_core_04_elements),
        TAPE_TEST(test_core_04_fields),
        TAPE_TEST(test_core_04_frames),
        TAPE_TEST(test_core_04_length),
        TAPE_TEST(test_core_06_bytes),
        TAPE_TEST(test_core_06_closers_say_budget),
        TAPE_TEST(test_core_06_nodes),
        TAPE_TEST(test_core_06_time),
        TAPE_TEST(test_core_06_waiting_is_not_capturing),
        TAPE_TEST(test_core_06_time_in_frames),
        TAPE_TEST(test_core_06_every_part_has_room),
        TAPE_TEST(test_core_07_names_and_keys),
        TAPE_TEST(test_core_07_a_key_hides_one_value),
        TAPE_TEST(test_core_07_types),
        TAPE_TEST(test_core_07_nothing_leaks_when_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
