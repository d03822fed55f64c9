/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /v1/symbols: what is wrong with a call is named, and nothing of it is kept.
 * SY-10: large ones are refused by size, so that they are split. */
#include "core/base/log.h"
#include "tests/unit/symbols_kit.h"

#include <stdlib.h>
#include <unistd.h>

#define EMPTY "{\"scope_type\":\"FILE\",\"name\":\"x\"}"

static int
setup(void **state)
{
    struct kit *kit = calloc(1, sizeof(*kit));
    sonde_log_set_level(SONDE_LOG_OFF);
    kit_init(kit);
    kit_start(kit);
    *state = kit;
    return 0;
}

static int
teardown(void **state)
{
    kit_fini(*state);
    free(*state);
    return 0;
}

/* One bad unit refuses the whole call: its good neighbour is still missing after it. */
static void
expect_refusal(const struct kit *kit, const struct unit *bad, const char *field)
{
    struct unit both[] = {kit_unit("/app/good.rb", "user", EMPTY), *bad};
    struct reply reply;
    kit_upload_as(kit, &reply, "shop", "1", both, 2, false, "");
    if (reply.status != 400) {
        fail_msg("%s: %d %s", field, reply.status, reply.body.data);
    }
    kit_assert_error(&reply, 400, "invalid_argument", field);
    kit_reply_fini(&reply);
    kit_upload_as(kit, &reply, "shop", "1", both, 1, true, "");
    assert_string_equal(kit_members(&reply, "missing", NULL), both[0].hash);
    kit_reply_fini(&reply);
}

static void
a_wrong_hash_refuses_the_call(void **state)
{
    struct unit unit = kit_unit("/app/a.rb", "user", EMPTY);
    unit.hash[3] = unit.hash[3] == '0' ? '1' : '0';
    expect_refusal(*state, &unit, "units[1].hash");
    unit = kit_unit("/app/a.rb", "user", EMPTY);
    unit.origin = "library"; /* other bytes than those that were hashed */
    expect_refusal(*state, &unit, "units[1].hash");
    memset(unit.hash, 'A', 40);
    expect_refusal(*state, &unit, "units[1].hash");
    unit.hash[0] = '\0';
    expect_refusal(*state, &unit, "units[1].hash");
}

static void
a_wrong_scope_is_named(void **state)
{
    const struct {
        const char *scope, *field;
    } all[] = {
        {"[]", "units[1].scope"},
        {"{}", "units[1].scope.scope_type"},
        {"{\"scope_type\":\"CLASS\"}", "units[1].scope.scope_type"},
        {"{\"scope_type\":\"FILE\",\"start_line\":-1}", "units[1].scope.start_line"},
        {"{\"scope_type\":\"FILE\",\"name\":3}", "units[1].scope.name"},
        {"{\"scope_type\":\"FILE\",\"scopes\":{}}", "units[1].scope.scopes"},
        {"{\"scope_type\":\"FILE\",\"scopes\":[{\"scope_type\":\"CLASS\",\"name\":\"A\"},"
         "{\"scope_type\":\"FILE\"}]}",
         "units[1].scope.scopes[1].scope_type"},
        {"{\"scope_type\":\"FILE\",\"symbols\":[{\"symbol_type\":\"ARG\"}]}",
         "units[1].scope.symbols"},
        {"{\"scope_type\":\"FILE\",\"injectible_lines\":[{\"start\":5,\"end\":4}]}",
         "units[1].scope.injectible_lines"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct unit unit = kit_unit("/app/a.rb", "user", all[i].scope);
        expect_refusal(*state, &unit, all[i].field);
    }
}

static void
deep_scopes_are_refused(void **state)
{
    struct sonde_buf scope;
    sonde_buf_init(&scope, 0);
    sonde_buf_str(&scope, SONDE_STR("{\"scope_type\":\"FILE\""));
    for (int i = 0; i < 110; i++) {
        sonde_buf_str(&scope,
                      SONDE_STR(",\"scopes\":[{\"scope_type\":\"CLASS\",\"name\":\"A\""));
    }
    for (int i = 0; i < 110; i++) {
        sonde_buf_str(&scope, SONDE_STR("}]"));
    }
    sonde_buf_byte(&scope, '}');
    struct unit unit = kit_unit("/app/a.rb", "user", sonde_buf_cstr(&scope));
    struct reply reply;
    kit_upload_as(*state, &reply, "shop", "1", &unit, 1, false, "");
    assert_int_equal(reply.status, 400);
    kit_reply_fini(&reply);
    sonde_buf_fini(&scope);
}

static void
members_of_a_call_are_checked(void **state)
{
    const struct {
        const char *body, *field;
        int status;
    } all[] = {
        {"{", NULL, 400},
        {"[]", NULL, 400},
        {"{\"service\":\"s\"}", "schema_version", 400},
        {"{\"schema_version\":1}", "service", 400},
        {"{\"schema_version\":1,\"service\":7}", "service", 400},
        {"{\"schema_version\":1,\"service\":\"s\",\"units\":{}}", "units", 400},
        {"{\"schema_version\":1,\"service\":\"s\",\"units\":[1]}", "units", 400},
        {"{\"schema_version\":1,\"service\":\"s\",\"units\":[{}]}", "units[0].hash", 400},
        {"{\"schema_version\":1,\"service\":\"s\",\"sources\":[{\"file_hash\":"
         "\"0123456789012345678901234567890123456789\",\"text\":\"x\"}]}",
         "sources[0].file_hash", 400},
        {"{\"schema_version\":1,\"service\":\"s\",\"sources\":[{\"file_hash\":\"0\"}]}",
         "sources[0].file_hash", 400},
        {"{\"schema_version\":1,\"service\":\"s\"}", NULL, 200},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct reply reply;
        kit_post(*state, &reply, "/v1/symbols", all[i].body);
        if (reply.status != all[i].status) {
            fail_msg("%s: %d %s", all[i].body, reply.status, reply.body.data);
        }
        if (all[i].status != 200) {
            kit_assert_error(&reply, all[i].status, "invalid_argument", all[i].field);
        }
        kit_reply_fini(&reply);
    }
}

static void
too_much_is_refused_by_its_size(void **state)
{
    struct sonde_buf body;
    struct reply reply;
    sonde_buf_init(&body, 0);
    sonde_buf_str(&body,
                  SONDE_STR("{\"schema_version\":1,\"service\":\"s\",\"units\":["));
    for (int i = 0; i < 2001; i++) {
        sonde_buf_str(&body, i == 0 ? SONDE_STR("{}") : SONDE_STR(",{}"));
    }
    sonde_buf_str(&body, SONDE_STR("]}"));
    kit_post(*state, &reply, "/v1/symbols", sonde_buf_cstr(&body));
    kit_assert_error(&reply, 413, "too_large", "units");
    kit_reply_fini(&reply);
    while (body.len <= (size_t)4 * 1024 * 1024) {
        sonde_buf_str(&body, SONDE_STR("                                            "));
    }
    kit_post(*state, &reply, "/v1/symbols", sonde_buf_cstr(&body));
    assert_int_equal(reply.status, 413);
    kit_reply_fini(&reply);
    sonde_buf_fini(&body);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_wrong_hash_refuses_the_call),   TEST(a_wrong_scope_is_named),
        TEST(deep_scopes_are_refused),         TEST(members_of_a_call_are_checked),
        TEST(too_much_is_refused_by_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
