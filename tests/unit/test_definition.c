/* SPDX-License-Identifier: Apache-2.0
 *
 * CORE-02: one definition serves every runtime. CORE-04: what is out of range is clamped and
 * noted. */
#include "core/base/alloc.h"
#include "core/probe/definition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static void
assert_str(struct sonde_str actual, const char *expected)
{
    assert_int_equal(actual.len, strlen(expected));
    assert_true(sonde_str_eq(actual, sonde_str_from(expected)));
}

/* --- Locations ---------------------------------------------------------------------------- */

static const struct {
    const char *text, *file;
    uint32_t line;
    const char *module, *function;
} good[] = {
    {"app.py:42", "app.py", 42, "", ""},
    {"/srv/shop/app.py:1", "/srv/shop/app.py", 1, "", ""},
    {"lib/a b.rb:007", "lib/a b.rb", 7, "", ""},
    {"weird:name.py:3", "weird:name.py", 3, "", ""},
    {"shop.cart.total", "", 0, "", "shop.cart.total"},
    {"shop.cart:Cart.total", "", 0, "shop.cart", "Cart.total"},
    {"__main__:main", "", 0, "__main__", "main"},
    {"shop:outer.<locals>.inner", "", 0, "shop", "outer.<locals>.inner"},
    {"Cart#total", "", 0, "", "Cart#total"},
    {"Shop::Cart#total", "", 0, "", "Shop::Cart#total"},
    {"Shop::Cart.total!", "", 0, "", "Shop::Cart.total!"},
    {"Vector#/", "", 0, "", "Vector#/"},
    {"Vector#[]=", "", 0, "", "Vector#[]="},
    {"größe.länge", "", 0, "", "größe.länge"},
};

static const char *const bad[] = {
    "",
    ":",
    ":42",
    "app.py:0",
    "app.py:4294967338",
    "app.py",
    "app.py:",
    "app.py:x",
    "a/b.rb:f",
    "app.py:42 ",
    "app.py:42x",
    "name",
    "Shop::Cart",
    "a..b",
    ".a.b",
    "a.b.",
    "mod:",
    "mod:.f",
    "mod:1f",
    "a:b:c",
    "mod:A#f",
    "#total",
    "Cart#",
    "A#b#c",
    "a b.c",
    "a.b\n",
    "a.b\x7f",
    "src/cart.total",
};

static void
test_CORE_02_location_grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct sonde_location location;
        struct sonde_err err = SONDE_ERR_INIT;
        int rc = sonde_location_read(&location, sonde_str_from(good[i].text), &err);
        if (rc != SONDE_OK) {
            fail_msg("\"%s\": %s", good[i].text, err.message);
        }
        assert_str(location.text, good[i].text);
        assert_str(location.file, good[i].file);
        assert_int_equal(location.line, good[i].line);
        assert_str(location.module, good[i].module);
        assert_str(location.function, good[i].function);
    }
}

static void
test_CORE_02_location_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sonde_location location = {.line = 77};
        struct sonde_err err = SONDE_ERR_INIT;
        if (sonde_location_read(&location, sonde_str_from(bad[i]), &err) !=
            SONDE_E_INVAL) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
        assert_string_equal(err.where, "location");
        assert_true(err.message[0] != '\0');
        assert_int_equal(location.line, 77); /* out-parameters only on success */
    }
    static char huge[5000];
    memset(huge, 'a', sizeof(huge));
    memcpy(huge + sizeof(huge) - 2, ":1", 2);
    struct sonde_location location;
    assert_int_equal(
        sonde_location_read(&location, (struct sonde_str){huge, sizeof(huge)}, NULL),
        SONDE_E_INVAL);
}

/* --- Definitions -------------------------------------------------------------------------- */

struct fixture {
    struct sonde_arena arena;
    struct sonde_err err;
};

static int
setup(void **state)
{
    static struct fixture fixture;
    sonde_arena_init(&fixture.arena, 0);
    *state = &fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fixture = *state;
    sonde_arena_fini(&fixture->arena);
    return 0;
}

static int
read_def(struct fixture *fixture, struct sonde_probe_def *def, const char *text,
         bool needs_id)
{
    const struct sonde_json *json;
    fixture->err = (struct sonde_err)SONDE_ERR_INIT;
    assert_int_equal(
        sonde_json_read(&json, &fixture->arena, sonde_str_from(text), &fixture->err),
        SONDE_OK);
    return sonde_probe_def_read(def, &fixture->arena, json, needs_id, &fixture->err);
}

static void
test_CORE_02_defaults(void **state)
{
    struct sonde_probe_def def;
    assert_int_equal(
        read_def(*state, &def, "{\"location\":\"a.py:3\",\"new\":[1]}", false), SONDE_OK);
    assert_int_equal(def.id.len, 0);
    assert_int_equal(def.revision, 1);
    assert_int_equal(def.at, SONDE_AT_LINE);
    assert_true(def.rate > 0.999 && def.rate < 1.001); /* CORE-08: one a second */
    assert_int_equal(def.hit_limit, 0);
    assert_int_equal(def.expires_at_ns, 0);
    assert_true(def.captures_arguments && def.captures_locals && def.captures_return &&
                def.captures_stack);
    assert_int_equal(def.clamped.len, 0);
    const struct sonde_limits limits = SONDE_LIMITS_INIT; /* CORE-04 */
    assert_memory_equal(&def.limits, &limits, sizeof(limits));

    assert_int_equal(read_def(*state, &def, "{\"location\":\"A#f\"}", false), SONDE_OK);
    assert_int_equal(def.at, SONDE_AT_EXIT);
}

static const char full[] =
    "{\"id\":\"Probe_1.a-b\",\"revision\":4294967295,\"location\":\"shop:Cart.total\","
    "\"at\":\"entry\",\"service\":\"sh\\u00f6p\",\"env\":\"prod\","
    "\"source_hash\":\"ce013625030ba8dba906f756967f9e9ca394464a\",\"limits\":{\"depth\":"
    "10,"
    "\"elements\":0,\"length\":65536,\"fields\":7,\"frames\":256,\"time_us\":100,"
    "\"bytes\":4096},\"rate\":0.25,\"hit_limit\":9223372036854775807,"
    "\"expires_at_ns\":1800000000000000001,\"capture\":{\"arguments\":false,"
    "\"locals\":false,\"return\":false,\"stack\":false},\"tags\":{\"by\": [\"me\"]}}";

static void
assert_full(const struct sonde_probe_def *def)
{
    assert_str(def->id, "Probe_1.a-b");
    assert_int_equal(def->revision, UINT32_MAX);
    assert_str(def->location.text, "shop:Cart.total");
    assert_str(def->location.module, "shop");
    assert_str(def->location.function, "Cart.total");
    assert_int_equal(def->at, SONDE_AT_ENTRY);
    assert_str(def->service, "shöp");
    assert_str(def->env, "prod");
    assert_str(def->source_hash, "ce013625030ba8dba906f756967f9e9ca394464a"); /* SY-07 */
    assert_int_equal(def->limits.depth, 10);
    assert_int_equal(def->limits.elements, 0);
    assert_int_equal(def->limits.length, 65536);
    assert_int_equal(def->limits.fields, 7);
    assert_int_equal(def->limits.frames, 256);
    assert_int_equal(def->limits.time_us, 100);
    assert_int_equal(def->limits.bytes, 4096);
    assert_true(def->rate > 0.2499 && def->rate < 0.2501);
    assert_int_equal(def->hit_limit, INT64_MAX);
    assert_int_equal(def->expires_at_ns, INT64_C(1800000000000000001));
    assert_false(def->captures_arguments || def->captures_locals ||
                 def->captures_return || def->captures_stack);
    assert_str(def->tags, "{\"by\": [\"me\"]}");
    assert_int_equal(def->clamped.len, 0);
}

static void
test_CORE_02_whole_definition_survives_writing_and_copying(void **state)
{
    struct sonde_probe_def def, again;
    assert_int_equal(read_def(*state, &def, full, true), SONDE_OK);
    assert_full(&def);

    struct sonde_buf buf;
    struct sonde_json_writer writer;
    sonde_buf_init(&buf, 0);
    sonde_json_writer_init(&writer, &buf);
    sonde_probe_def_write(&writer, &def);
    assert_int_equal(read_def(*state, &again, sonde_buf_cstr(&buf), true), SONDE_OK);
    assert_full(&again);

    struct sonde_probe_def *copy = sonde_probe_def_dup(&again);
    memset(buf.data, 'x', buf.len);
    sonde_buf_fini(&buf);
    teardown(state); /* the copy stands on its own */
    setup(state);
    assert_full(copy);
    sonde_free(copy);
}

static void
assert_names(struct sonde_str names, const char *expected, size_t len)
{
    assert_int_equal(names.len, len);
    assert_memory_equal(names.ptr, expected, len);
}

/* Arguments and locals: all, none, or by name. */
static void
test_PY_09_wanted_names_survive_writing_and_copying(void **state)
{
    static const char json[] =
        "{\"location\":\"a.py:3\",\"capture\":{\"arguments\":[\"a\",\"pr\\u00efce\"],"
        "\"locals\":[]}}";
    struct sonde_probe_def def, again;
    assert_int_equal(read_def(*state, &def, json, false), SONDE_OK);
    assert_true(def.captures_arguments && def.captures_return && def.captures_stack);
    assert_false(def.captures_locals);
    assert_names(def.wanted_arguments, "a\0pr\303\257ce", 9);
    assert_int_equal(def.wanted_locals.len, 0);

    struct sonde_buf buf;
    struct sonde_json_writer writer;
    sonde_buf_init(&buf, 0);
    sonde_json_writer_init(&writer, &buf);
    sonde_probe_def_write(&writer, &def);
    assert_non_null(strstr(sonde_buf_cstr(&buf),
                           "\"capture\":{\"arguments\":[\"a\",\"pr\303\257ce\"],"
                           "\"locals\":false,\"return\":true,\"stack\":true}"));
    assert_int_equal(read_def(*state, &again, sonde_buf_cstr(&buf), false), SONDE_OK);
    sonde_buf_fini(&buf);
    struct sonde_probe_def *copy = sonde_probe_def_dup(&again);
    teardown(state); /* the copy stands on its own */
    setup(state);
    assert_non_null(copy);
    assert_names(copy->wanted_arguments, "a\0pr\303\257ce", 9);
    assert_false(copy->captures_locals);
    sonde_free(copy);
}

static void
test_CORE_04_out_of_range_is_clamped_and_noted(void **state)
{
    struct sonde_probe_def def;
    assert_int_equal(
        read_def(*state, &def,
                 "{\"location\":\"a.py:3\",\"rate\":9000,\"limits\":{\"depth\":50,"
                 "\"elements\":-1,\"time_us\":1,\"bytes\":9223372036854775807}}",
                 false),
        SONDE_OK);
    assert_int_equal(def.limits.depth, 10);
    assert_int_equal(def.limits.elements, 0);
    assert_int_equal(def.limits.time_us, 100);
    assert_int_equal(def.limits.bytes, 65536);
    assert_true(def.rate > 4999 && def.rate < 5001);
    assert_str(def.clamped, "depth 50 → 10, elements -1 → 0, time_us 1 → 100, "
                            "bytes 9223372036854775807 → 65536, rate 9000 → 5000");

    assert_int_equal(
        read_def(*state, &def, "{\"location\":\"a.py:3\",\"rate\":1e-9}", false),
        SONDE_OK);
    assert_str(def.clamped, "rate 1e-09 → 0.001");
}

static const struct {
    const char *json, *where;
} wrong[] = {
    {"[]", ""},
    {"{}", "id"},
    {"{\"id\":7}", "id"},
    {"{\"id\":\"\"}", "id"},
    {"{\"id\":\"a/b\"}", "id"},
    {"{\"id\":\"a123456789b123456789c123456789d123456789e123456789f123456789g123\"}",
     "id"},
    {"{\"id\":\"p\"}", "location"},
    {"{\"id\":\"p\",\"location\":null}", "location"},
    {"{\"id\":\"p\",\"location\":\"nowhere\"}", "location"},
};

/* Beside a good id and FILE:LINE. */
static const struct {
    const char *members, *where;
} wrong_member[] = {
    {"\"revision\":0", "revision"},
    {"\"revision\":4294967296", "revision"},
    {"\"revision\":1.5", "revision"},
    {"\"revision\":\"1\"", "revision"},
    {"\"at\":\"entry\"", "at"},
    {"\"at\":\"exit\"", "at"},
    {"\"at\":\"return\"", "at"},
    {"\"at\":1", "at"},
    {"\"service\":null", "service"},
    {"\"env\":{}", "env"},
    {"\"source_hash\":7", "source_hash"},
    {"\"source_hash\":\"ce01\"", "source_hash"},
    {"\"source_hash\":\"xe013625030ba8dba906f756967f9e9ca394464a\"", "source_hash"},
    {"\"limits\":[]", "limits"},
    {"\"limits\":{\"depth\":\"3\"}", "limits.depth"},
    {"\"limits\":{\"bytes\":1e300}", "limits.bytes"},
    {"\"limits\":{\"time_us\":100.5}", "limits.time_us"},
    {"\"rate\":0", "rate"},
    {"\"rate\":-1", "rate"},
    {"\"rate\":\"1\"", "rate"},
    {"\"hit_limit\":-1", "hit_limit"},
    {"\"hit_limit\":true", "hit_limit"},
    {"\"expires_at_ns\":-5", "expires_at_ns"},
    {"\"expires_at_ns\":\"soon\"", "expires_at_ns"},
    {"\"capture\":true", "capture"},
    {"\"capture\":{\"stack\":1}", "capture.stack"},
    {"\"capture\":{\"stack\":[\"a\"]}", "capture.stack"},
    {"\"capture\":{\"arguments\":\"a\"}", "capture.arguments"},
    {"\"capture\":{\"arguments\":[\"a\",1]}", "capture.arguments"},
    {"\"capture\":{\"locals\":[\"\"]}", "capture.locals"},
    {"\"capture\":{\"locals\":[\"a\\u0000b\"]}", "capture.locals"},
    {"\"tags\":\"a\"", "tags"},
};

static void
assert_refused(void **state, const char *json, const char *where)
{
    struct fixture *fixture = *state;
    struct sonde_probe_def def = {.revision = 77};
    if (read_def(fixture, &def, json, true) != SONDE_E_INVAL) {
        fail_msg("%s was taken", json);
    }
    assert_string_equal(fixture->err.where, where);
    assert_true(fixture->err.message[0] != '\0');
    assert_int_equal(def.revision, 77);
}

static void
test_CORE_02_wrong_members_are_named(void **state)
{
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_refused(state, wrong[i].json, wrong[i].where);
    }
    for (size_t i = 0; i < sizeof(wrong_member) / sizeof(wrong_member[0]); i++) {
        char json[256];
        snprintf(json, sizeof(json), "{\"id\":\"p\",\"location\":\"a.py:3\",%s}",
                 wrong_member[i].members);
        assert_refused(state, json, wrong_member[i].where);
    }
    assert_refused(state, "{\"id\":\"p\",\"location\":\"A#f\",\"at\":\"line\"}", "at");
}

static void
test_CORE_02_out_of_memory_is_said(void **state)
{
    struct fixture *fixture = *state;
    struct sonde_probe_def def = {.revision = 77};
    const struct sonde_json *json;
    assert_int_equal(
        sonde_json_read(&json, &fixture->arena, sonde_str_from(full), &fixture->err),
        SONDE_OK);
    struct sonde_arena small;
    sonde_arena_init(&small, 8);
    assert_int_equal(sonde_probe_def_read(&def, &small, json, true, &fixture->err),
                     SONDE_E_NOMEM);
    assert_int_equal(def.revision, 77);
    sonde_arena_fini(&small);

    sonde_probe_def_init(&def);
    sonde_alloc_testonly_fail_at(1, false);
    assert_null(sonde_probe_def_dup(&def));
    sonde_alloc_testonly_fail_at(0, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_CORE_02_location_grammar),
        cmocka_unit_test(test_CORE_02_location_refused),
        cmocka_unit_test_setup_teardown(test_CORE_02_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_CORE_02_whole_definition_survives_writing_and_copying, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_PY_09_wanted_names_survive_writing_and_copying, setup, teardown),
        cmocka_unit_test_setup_teardown(test_CORE_04_out_of_range_is_clamped_and_noted,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_CORE_02_wrong_members_are_named, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_CORE_02_out_of_memory_is_said, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
