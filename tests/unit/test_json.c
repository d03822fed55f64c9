/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/alloc.h"
#include "core/wire/json.h"
#include "core/wire/utf8.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

/* Reads from an exact heap copy, so that the address sanitizer sees a step too far. */
static int
read_copy(struct sonde_str input, struct sonde_arena *arena,
          const struct sonde_json **out, struct sonde_err *err)
{
    static char *copy; /* values point into it until the next one */

    free(copy);
    copy = malloc(input.len == 0 ? 1 : input.len);
    if (input.len > 0)
        memcpy(copy, input.ptr, input.len);
    return sonde_json_read(out, arena, (struct sonde_str){copy, input.len}, err);
}

/* --- Accepting and refusing --------------------------------------------------------- */

static const struct sonde_str good[] = {
    SONDE_STR("null"),
    SONDE_STR(" \t\r\n true \n"),
    SONDE_STR("false"),
    SONDE_STR("0"),
    SONDE_STR("-0"),
    SONDE_STR("-0.0e-0"),
    SONDE_STR("10.25E+2"),
    SONDE_STR("1e-400"), /* too small is zero, not an error */
    SONDE_STR("\"\""),
    SONDE_STR("\"\\u0000\\b\\f\\n\\r\\t\\\\\\/\\\"\""),
    SONDE_STR("\"\\uD83D\\uDE00\""),
    SONDE_STR("\"\x7f\xC2\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\""),
    SONDE_STR("[]"),
    SONDE_STR("[ ]"),
    SONDE_STR("{}"),
    SONDE_STR("{\"\":{\"a\":[1,[2,{}],3]}}"),
    SONDE_STR("{\"a\":1,\"a\":2}"),
    SONDE_STR("[1 , 2\n,3]"),
};

static void
test_accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const struct sonde_json *json = NULL;
        struct sonde_err err = SONDE_ERR_INIT;
        struct sonde_arena arena;

        sonde_arena_init(&arena, 0);
        if (read_copy(good[i], &arena, &json, &err) != SONDE_OK)
            fail_msg("%.*s: %s: %s", (int)good[i].len, good[i].ptr, err.where,
                     err.message);
        assert_non_null(json);
        sonde_arena_fini(&arena);
    }
}

static const struct {
    struct sonde_str text;
    const char *where;
} bad[] = {
    {SONDE_STR(""), "line 1 column 1"},
    {SONDE_STR("  "), "line 1 column 3"},
    {SONDE_STR("nul"), "line 1 column 1"},
    {SONDE_STR("True"), "line 1 column 1"},
    {SONDE_STR("nullx"), "line 1 column 5"},
    {SONDE_STR("1 2"), "line 1 column 3"},
    {SONDE_STR("\xEF\xBB\xBFnull"), "line 1 column 1"}, /* a byte order mark */
    {SONDE_STR("01"), "line 1 column 2"},
    {SONDE_STR("+1"), "line 1 column 1"},
    {SONDE_STR("-"), "line 1 column 2"},
    {SONDE_STR("-x"), "line 1 column 2"},
    {SONDE_STR(".5"), "line 1 column 1"},
    {SONDE_STR("1."), "line 1 column 3"},
    {SONDE_STR("1.e1"), "line 1 column 3"},
    {SONDE_STR("1e"), "line 1 column 3"},
    {SONDE_STR("1e+"), "line 1 column 4"},
    {SONDE_STR("0x10"), "line 1 column 2"},
    {SONDE_STR("NaN"), "line 1 column 1"},
    {SONDE_STR("-Infinity"), "line 1 column 2"},
    {SONDE_STR("1e999"), "line 1 column 1"},
    {SONDE_STR("\""), "line 1 column 1"},
    {SONDE_STR("\"\\"), "line 1 column 1"},
    {SONDE_STR("\"\\\""), "line 1 column 1"},
    {SONDE_STR("\"a\nb\""), "line 1 column 3"},
    {SONDE_STR("\"a\0b\""), "line 1 column 3"},
    {SONDE_STR("\"\\x41\""), "line 1 column 2"},
    {SONDE_STR("\"\\\0\""), "line 1 column 2"},
    {SONDE_STR("\"\\u12\""), "line 1 column 2"},
    {SONDE_STR("\"\\u12G4\""), "line 1 column 2"},
    {SONDE_STR("\"\\uD800\""), "line 1 column 2"},
    {SONDE_STR("\"\\uD800x\""), "line 1 column 2"},
    {SONDE_STR("\"\\uD800\\u0041\""), "line 1 column 2"},
    {SONDE_STR("\"\\uD800\\uD800\""), "line 1 column 2"},
    {SONDE_STR("\"\\uDC00\""), "line 1 column 2"},
    {SONDE_STR("\"\xFF\""), "line 1 column 2"},
    {SONDE_STR("\"ab\xC3\""), "line 1 column 4"},           /* cut short */
    {SONDE_STR("\"\xC0\xAF\""), "line 1 column 2"},         /* overlong */
    {SONDE_STR("\"\xE0\x9F\xBF\""), "line 1 column 2"},     /* overlong */
    {SONDE_STR("\"\xED\xA0\x80\""), "line 1 column 2"},     /* surrogate */
    {SONDE_STR("\"\xF0\x8F\xBF\xBF\""), "line 1 column 2"}, /* overlong */
    {SONDE_STR("\"\xF4\x90\x80\x80\""), "line 1 column 2"}, /* above U+10FFFF */
    {SONDE_STR("'a'"), "line 1 column 1"},
    {SONDE_STR("["), "line 1 column 2"},
    {SONDE_STR("[1,]"), "line 1 column 4"},
    {SONDE_STR("[,1]"), "line 1 column 2"},
    {SONDE_STR("[1 2]"), "line 1 column 4"},
    {SONDE_STR("[1}"), "line 1 column 3"},
    {SONDE_STR("]"), "line 1 column 1"},
    {SONDE_STR("{"), "line 1 column 2"},
    {SONDE_STR("{a:1}"), "line 1 column 2"},
    {SONDE_STR("{\"a\"}"), "line 1 column 5"},
    {SONDE_STR("{\"a\":}"), "line 1 column 6"},
    {SONDE_STR("{\"a\":1,}"), "line 1 column 8"},
    {SONDE_STR("{\"a\":1]"), "line 1 column 7"},
    {SONDE_STR("{1:2}"), "line 1 column 2"},
    {SONDE_STR("[1,\n 2,\r\n  oops]"), "line 3 column 3"},
    {SONDE_STR("[\"\xC3\xA9\xE2\x82\xAC\",x]"),
     "line 1 column 7"}, /* characters, not bytes */
    {SONDE_STR("/* c */ 1"), "line 1 column 1"},
    {SONDE_STR("1\f"), "line 1 column 2"},
    {SONDE_STR("1\0"), "line 1 column 2"},
};

static void
test_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct sonde_json *json = NULL;
        struct sonde_err err = SONDE_ERR_INIT;
        struct sonde_arena arena;

        sonde_arena_init(&arena, 0);
        if (read_copy(bad[i].text, &arena, &json, &err) != SONDE_E_SYNTAX)
            fail_msg("read: %.*s", (int)bad[i].text.len, bad[i].text.ptr);
        assert_null(json);
        if (strcmp(err.where, bad[i].where) != 0)
            fail_msg("%.*s: at %s, not %s", (int)bad[i].text.len, bad[i].text.ptr,
                     err.where, bad[i].where);
        assert_int_not_equal(err.message[0], '\0');
        sonde_arena_fini(&arena);
    }
}

static void
test_every_cut_is_refused(void **state)
{
    struct sonde_str whole = SONDE_STR(
        "{\"k\":[1.5e3,\"a\\n\\uD83D\\uDE00\xE2\x82\xAC\",true,false,null,{\"x\":[]}]}");

    (void)state;
    for (size_t len = 0; len <= whole.len; len++) {
        const struct sonde_json *json;
        struct sonde_arena arena;

        sonde_arena_init(&arena, 0);
        assert_int_equal(
            read_copy((struct sonde_str){whole.ptr, len}, &arena, &json, NULL),
            len < whole.len ? SONDE_E_SYNTAX : SONDE_OK);
        sonde_arena_fini(&arena);
    }
}

static void
test_depth(void **state)
{
    static const char *const pairs[] = {"[", "]", "{\"a\":", "}"};

    (void)state;
    for (int kind = 0; kind < 4; kind += 2) {
        for (int depth = SONDE_JSON_MAX_DEPTH; depth <= SONDE_JSON_MAX_DEPTH + 1;
             depth++) {
            const struct sonde_json *json;
            struct sonde_err err = SONDE_ERR_INIT;
            struct sonde_arena arena;
            struct sonde_buf text;

            sonde_arena_init(&arena, 0);
            sonde_buf_init(&text, 0);
            for (int i = 0; i < depth; i++)
                sonde_buf_str(&text, sonde_str_from(pairs[kind]));
            sonde_buf_byte(&text, '1');
            for (int i = 0; i < depth; i++)
                sonde_buf_str(&text, sonde_str_from(pairs[kind + 1]));
            assert_int_equal(read_copy(sonde_buf_view(&text), &arena, &json, &err),
                             depth == SONDE_JSON_MAX_DEPTH ? SONDE_OK : SONDE_E_LIMIT);
            sonde_buf_fini(&text);
            sonde_arena_fini(&arena);
        }
    }
}

/* A million open brackets must cost no more than the limit. */
static void
test_endless_nesting(void **state)
{
    const size_t len = 1000000;
    char *text = malloc(len);
    const struct sonde_json *json;
    struct sonde_arena arena;

    (void)state;
    memset(text, '[', len);
    sonde_arena_init(&arena, 0);
    assert_int_equal(sonde_json_read(&json, &arena, (struct sonde_str){text, len}, NULL),
                     SONDE_E_LIMIT);
    sonde_arena_fini(&arena);
    free(text);
}

/* --- What is read ------------------------------------------------------------------- */

static const struct sonde_json *
read_ok(struct sonde_arena *arena, struct sonde_str text)
{
    const struct sonde_json *json = NULL;

    assert_int_equal(sonde_json_read(&json, arena, text, NULL), SONDE_OK);
    return json;
}

static const struct {
    struct sonde_str text;
    bool is_integer;
    int64_t integer;
    double number;
} numbers[] = {
    {SONDE_STR("0"), true, 0, 0},
    {SONDE_STR("-12"), true, -12, -12},
    {SONDE_STR("9007199254740993"), true, 9007199254740993, 9007199254740992.0},
    {SONDE_STR("9223372036854775807"), true, INT64_MAX, 9223372036854775807.0},
    {SONDE_STR("-9223372036854775808"), true, INT64_MIN, -9223372036854775808.0},
    {SONDE_STR("9223372036854775808"), false, 0, 9223372036854775808.0},
    {SONDE_STR("-9223372036854775809"), false, 0, -9223372036854775808.0},
    {SONDE_STR("1.0"), false, 0, 1},
    {SONDE_STR("1e3"), false, 0, 1000},
    {SONDE_STR("0.1"), false, 0, 0.1},
    {SONDE_STR("2.2250738585072011e-308"), false, 0, 2.2250738585072011e-308},
    {SONDE_STR("1.7976931348623157e308"), false, 0, 1.7976931348623157e308},
    {SONDE_STR("0."
               "000000000000000000000000000000000000000000000000000000000000000000000"
               "00001"),
     false, 0, 1e-74},
    {SONDE_STR("100000000000000000000000000000000000000000000000000000000000000000000"
               "000000"),
     false, 0, 1e74},
};

static void
test_numbers(void **state)
{
    struct sonde_arena arena;

    (void)state;
    sonde_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const struct sonde_json *json = read_ok(&arena, numbers[i].text);

        assert_int_equal(json->type, SONDE_JSON_NUMBER);
        assert_int_equal(json->is_integer, numbers[i].is_integer);
        assert_true(json->number == numbers[i].number);
        if (json->is_integer)
            assert_true(json->integer == numbers[i].integer);
    }
    sonde_arena_fini(&arena);
}

static void
test_tree(void **state)
{
    struct sonde_str text =
        SONDE_STR(" {\"a\\u00e9\": [1, \"x\\ud83d\\ude00\\u0000y\"], \"n\": -5,"
                  "\"s\": \"one\", \"s\": \"two\", \"t\": true, \"z\": null} ");
    struct sonde_arena arena;
    const struct sonde_json *json, *list;

    (void)state;
    sonde_arena_init(&arena, 0);
    json = read_ok(&arena, text);
    assert_int_equal(json->type, SONDE_JSON_OBJECT);
    assert_int_equal(json->count, 6);
    assert_true(
        sonde_str_eq(json->source, (struct sonde_str){text.ptr + 1, text.len - 2}));
    list = sonde_json_get(json, "a\xC3\xA9");
    assert_non_null(list);
    assert_int_equal(list->type, SONDE_JSON_ARRAY);
    assert_int_equal(list->count, 2);
    assert_true(sonde_str_eq(list->first->source, SONDE_STR("1")));
    assert_true(
        sonde_str_eq(list->first->next->string, SONDE_STR("x\xF0\x9F\x98\x80\0y")));
    assert_int_equal(list->first->next->string.ptr[list->first->next->string.len], '\0');
    assert_null(list->first->next->next);
    assert_true(sonde_str_eq(sonde_json_get_str(json, "s"), SONDE_STR("two")));
    assert_int_equal(sonde_json_get_int(json, "n", 7), -5);
    assert_int_equal(sonde_json_get_int(json, "s", 7), 7);
    assert_int_equal(sonde_json_get_int(json, "missing", 7), 7);
    assert_int_equal(sonde_json_get_str(json, "n").len, 0);
    assert_true(sonde_json_get(json, "t")->boolean);
    assert_int_equal(sonde_json_get(json, "z")->type, SONDE_JSON_NULL);
    assert_null(sonde_json_get(NULL, "a"));
    assert_null(sonde_json_get(list, "a"));
    sonde_arena_fini(&arena);
}

static void
test_bounded_memory(void **state)
{
    struct sonde_str text =
        SONDE_STR("[{\"key\":\"some text that takes room\"},[1,2,3,4,5]]");
    const struct sonde_json *json;
    bool enough = false;

    (void)state;
    for (size_t max = 1; !enough; max += 16) {
        struct sonde_arena arena;
        int code;

        sonde_arena_init(&arena, max);
        code = sonde_json_read(&json, &arena, text, NULL);
        assert_true(code == SONDE_OK || code == SONDE_E_NOMEM);
        enough = code == SONDE_OK;
        sonde_arena_fini(&arena);
        assert_true(max < 100000);
    }
}

/* --- Writing ------------------------------------------------------------------------ */

static void
test_writes(void **state)
{
    struct sonde_json_writer json;
    struct sonde_buf out;

    (void)state;
    sonde_buf_init(&out, 0);
    sonde_json_writer_init(&json, &out);
    sonde_json_object_begin(&json);
    sonde_json_key(&json, "a");
    sonde_json_array_begin(&json);
    sonde_json_int(&json, INT64_MIN);
    sonde_json_uint(&json, UINT64_MAX);
    sonde_json_object_begin(&json);
    sonde_json_object_end(&json);
    sonde_json_array_begin(&json);
    sonde_json_array_end(&json);
    sonde_json_bool(&json, true);
    sonde_json_bool(&json, false);
    sonde_json_null(&json);
    sonde_json_array_end(&json);
    sonde_json_key_str(&json, SONDE_STR("q\"\\"));
    sonde_json_string(&json, SONDE_STR("\b\f\n\r\t\x01\x0b\x1f/\x7f\xC3\xA9"));
    sonde_json_key(&json, "raw");
    sonde_json_raw(&json, SONDE_STR("[1, 2]"));
    sonde_json_key(&json, "e");
    sonde_json_string(&json, (struct sonde_str){0});
    sonde_json_object_end(&json);
    assert_string_equal(
        sonde_buf_cstr(&out),
        "{\"a\":[-9223372036854775808,18446744073709551615,{},[],true,false,"
        "null],\"q\\\"\\\\\":\"\\b\\f\\n\\r\\t\\u0001\\u000b\\u001f/\x7f\xC3\xA9\","
        "\"raw\":[1, 2],\"e\":\"\"}");
    sonde_buf_fini(&out);
}

static void
test_writes_valid_utf8(void **state)
{
    struct sonde_json_writer json;
    struct sonde_buf out;

    (void)state;
    sonde_buf_init(&out, 0);
    sonde_json_writer_init(&json, &out);
    sonde_json_string(&json, SONDE_STR("a\xFF\"\xED\xA0\x80\xC3\xA9\xC3"));
    assert_string_equal(sonde_buf_cstr(&out),
                        "\"a\xEF\xBF\xBD\\\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
                        "\xC3\xA9\xEF\xBF\xBD\"");
    sonde_buf_fini(&out);
}

static const char *
written_double(struct sonde_buf *out, double value)
{
    struct sonde_json_writer json;

    sonde_buf_reset(out);
    sonde_json_writer_init(&json, out);
    sonde_json_double(&json, value);
    return sonde_buf_cstr(out);
}

static void
test_doubles(void **state)
{
    static const double exact[] = {0.1,           1.0 / 3,
                                   5e-324,        1.7976931348623157e308,
                                   123456789.125, 9007199254740993.0,
                                   -2.5e-7};
    struct sonde_arena arena;
    struct sonde_buf out;

    (void)state;
    sonde_buf_init(&out, 0);
    sonde_arena_init(&arena, 0);
    assert_string_equal(written_double(&out, 0.1), "0.1");
    assert_string_equal(written_double(&out, 5), "5.0");
    assert_string_equal(written_double(&out, -0.0), "-0.0");
    assert_string_equal(written_double(&out, 1e21), "1e+21");
    assert_string_equal(written_double(&out, (double)NAN), "null");
    assert_string_equal(written_double(&out, -(double)INFINITY), "null");
    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++) {
        written_double(&out, exact[i]);
        assert_true(read_ok(&arena, sonde_buf_view(&out))->number == exact[i]);
    }
    sonde_arena_fini(&arena);
    sonde_buf_fini(&out);
}

/* An application may have called setlocale: the point stays a point. */
static void
test_any_locale(void **state)
{
    static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "ps_AF"};
    struct sonde_arena arena;
    struct sonde_buf out;
    bool found = false;

    (void)state;
    for (size_t i = 0; i < sizeof(commas) / sizeof(commas[0]) && !found; i++)
        found = setlocale(LC_ALL, commas[i]) != NULL;
    if (!found)
        skip(); /* none is installed here */
    sonde_buf_init(&out, 0);
    sonde_arena_init(&arena, 0);
    assert_string_equal(written_double(&out, 2.5), "2.5");
    assert_true(read_ok(&arena, SONDE_STR("2.5"))->number == 2.5);
    assert_string_not_equal(localeconv()->decimal_point, "."); /* the thread's is back */
    setlocale(LC_ALL, "C");
    sonde_arena_fini(&arena);
    sonde_buf_fini(&out);
}

static void
test_utf8_prefix(void **state)
{
    char text[32];

    (void)state;
    /* Every byte position relative to the eight-byte step. */
    for (size_t at = 0; at < sizeof(text); at++) {
        memset(text, 'a', sizeof(text));
        text[at] = (char)0xFF;
        assert_int_equal(sonde_utf8_valid_bytes((struct sonde_str){text, sizeof(text)}),
                         at);
    }
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        size_t len;

        if (code == 0xD800)
            code = 0xE000;
        len = sonde_utf8_encode(text, code);
        assert_int_equal(sonde_utf8_valid_bytes((struct sonde_str){text, len}), len);
        if (len > 1)
            assert_int_equal(sonde_utf8_valid_bytes((struct sonde_str){text, len - 1}),
                             0);
    }
}

static void
test_no_memory(void **state)
{
    const struct sonde_json *json;
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_arena arena;

    (void)state;
    sonde_arena_init(&arena, 0);
    sonde_alloc_testonly_fail_at(1, true);
    assert_int_equal(sonde_json_read(&json, &arena, SONDE_STR("[]"), &err),
                     SONDE_E_NOMEM);
    sonde_alloc_testonly_fail_at(0, false);
    assert_int_equal(err.code, SONDE_E_NOMEM);
    sonde_arena_fini(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_endless_nesting),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_bounded_memory),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_writes_valid_utf8),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_any_locale),
        cmocka_unit_test(test_utf8_prefix),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
