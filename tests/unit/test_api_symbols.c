/* SPDX-License-Identifier: Apache-2.0
 *
 * Symbols through the collector's interface: uploads that repeat and overlap, searches and their
 * order, files, sources, services and what agents are told.
 * SY-05 (workers share), SY-09 (search), SY-10 (uploads are merged). */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "tests/unit/symbols_kit.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* A file scope around scopes and symbols of these texts. */
#define FILE_SCOPE(scopes, symbols)                                    \
    "{\"scope_type\":\"FILE\",\"name\":\"x\",\"scopes\":[" scopes "]," \
    "\"symbols\":[" symbols "]}"
#define METHOD(name, qualified, line)                                             \
    "{\"scope_type\":\"METHOD\",\"name\":\"" name "\",\"qualified\":\"" qualified \
    "\",\"start_line\":" line ",\"end_line\":" line                               \
    ",\"injectible_lines\":[{\"start\":" line ",\"end\":" line "}]}"
#define CLASS(name, scopes)                                                 \
    "{\"scope_type\":\"CLASS\",\"name\":\"" name "\",\"qualified\":\"" name \
    "\",\"start_line\":1,\"end_line\":90,\"scopes\":[" scopes "]}"
#define SYMBOL(type, name) \
    "{\"symbol_type\":\"" type "\",\"name\":\"" name "\",\"line\":4}"

static const char orders[] =
    FILE_SCOPE(CLASS("OrdersController",
                     METHOD("show", "OrdersController#show", "3") "," METHOD(
                         "show_all", "OrdersController#show_all",
                         "7") "," METHOD("reorder", "OrdersController#reorder", "9")),
               SYMBOL("STATIC_FIELD", "ORDER_LIMIT") "," SYMBOL("ARG", "hidden_arg"));

/* --- Uploading ------------------------------------------------------------------------ */

static void
what_is_claimed_and_missing_is_asked_for(void **state)
{
    struct unit units[] = {kit_unit("/app/a.rb", "user", orders),
                           kit_unit("/app/b.rb", "user", FILE_SCOPE("", ""))};
    struct reply reply;
    kit_upload_as(*state, &reply, "shop", "1", units, 2, true, "");
    assert_int_equal(reply.status, 200);
    char both[128];
    snprintf(both, sizeof(both), "%s %s", units[0].hash, units[1].hash);
    assert_string_equal(kit_members(&reply, "missing", NULL), both);
    kit_reply_fini(&reply);
    kit_upload(*state, "shop", units, 1);
    kit_upload_as(*state, &reply, "shop", "1", units, 2, true, "");
    assert_string_equal(kit_members(&reply, "missing", NULL), units[1].hash);
    kit_reply_fini(&reply);
}

static int64_t
service_number(const struct kit *kit, const char *service, const char *member)
{
    struct reply reply;
    int64_t number = -1;
    kit_get(kit, &reply, "/api/v1/symbols/services");
    assert_int_equal(reply.status, 200);
    const struct sonde_json *at = sonde_json_get(reply.json, "services")->first;
    for (; at != NULL; at = at->next) {
        if (sonde_str_eq(sonde_json_get_str(at, "service"), sonde_str_from(service))) {
            number = sonde_json_get_int(at, member, -1);
        }
    }
    kit_reply_fini(&reply);
    return number;
}

/* SY-10: the same thing, in whole or in part, at once and again, is there once. */
static void
sy_10_overlapping_and_repeated_uploads_double_nothing(void **state)
{
    struct unit units[] = {
        kit_unit("/app/a.rb", "user", orders),
        kit_unit("/app/b.rb", "user", FILE_SCOPE(METHOD("b", "B#b", "2"), "")),
        kit_unit("/app/c.rb", "library", FILE_SCOPE(METHOD("c", "C#c", "2"), ""))};
    kit_upload(*state, "shop", units, 2);
    kit_upload(*state, "shop", units + 1, 2);
    kit_upload(*state, "shop", units, 3);
    kit_upload(*state, "shop", units, 3);
    assert_string_equal(kit_search(*state, "q=show"), "show show_all");
    assert_int_equal(service_number(*state, "shop", "units"), 3);
    assert_int_equal(service_number(*state, "shop", "files"), 3);
    assert_int_equal(service_number(*state, "shop", "user_files"), 2);
    /* a.rb: itself, a class, three methods, a constant; two more files with a method each. */
    assert_int_equal(service_number(*state, "shop", "symbols"), 6 + 2 + 2);
}

/* Of a collector that has ended: then all is in the file. */
static int64_t
stored_bytes(const struct kit *kit)
{
    char path[128];
    struct stat file;
    snprintf(path, sizeof(path), "%s/symbols.db", kit->dir);
    assert_int_equal(stat(path, &file), 0);
    return (int64_t)file.st_size;
}

/* SY-05: what eight forked workers have in common is kept once. */
static void
sy_05_eight_workers_add_less_than_two_percent(void **state)
{
    enum { COUNT = 200 };
    static struct unit units[COUNT];
    static char files[COUNT][32];
    static char scopes[COUNT][1024];
    for (int i = 0; i < COUNT; i++) {
        snprintf(files[i], sizeof(files[i]), "/app/f%d.rb", i);
        snprintf(scopes[i], sizeof(scopes[i]),
                 FILE_SCOPE(METHOD("m%d", "M%d#m%d", "5"), ""), i, i, i);
        units[i] = kit_unit(files[i], "user", scopes[i]);
    }
    kit_upload(*state, "shop", units, COUNT);
    kit_stop(*state);
    int64_t alone = stored_bytes(*state);
    kit_start(*state);
    for (int worker = 0; worker < 8; worker++) {
        struct reply reply;
        kit_upload_as(*state, &reply, "shop", "1", units, COUNT, worker % 2 == 0, "");
        assert_int_equal(reply.status, 200);
        assert_string_equal(kit_members(&reply, "missing", NULL), "");
        kit_reply_fini(&reply);
    }
    kit_stop(*state);
    int64_t all = stored_bytes(*state);
    kit_start(*state);
    assert_true(all * 100 < alone * 102);
    assert_int_equal(service_number(*state, "shop", "units"), COUNT);
}

static void
newest_version_of_a_file_is_the_one_that_is_found(void **state)
{
    struct unit old =
        kit_unit("/app/a.rb", "user", FILE_SCOPE(METHOD("pay", "A#pay", "3"), ""));
    struct unit new =
        kit_unit("/app/a.rb", "user", FILE_SCOPE(METHOD("pay", "A#pay", "8"), ""));
    struct reply reply;
    kit_upload(*state, "shop", &old, 1);
    kit_upload_as(*state, &reply, "shop", "2", &new, 1, false, "");
    kit_reply_fini(&reply);
    kit_get(*state, &reply, "/api/v1/symbols/search?q=pay&service=shop");
    assert_string_equal(kit_members(&reply, "symbols", "unit"), new.hash);
    assert_int_equal(
        sonde_json_get_int(sonde_json_get(reply.json, "symbols")->first, "line", 0), 8);
    kit_reply_fini(&reply);
}

/* --- Searching ------------------------------------------------------------------------ */

static void
kit_names(const struct kit *kit, const char *service, const char *origin,
          const char *const *names, size_t count)
{
    struct sonde_buf scope;
    char file[64];
    snprintf(file, sizeof(file), "/app/%s.rb", origin);
    sonde_buf_init(&scope, 0);
    sonde_buf_str(&scope,
                  SONDE_STR("{\"scope_type\":\"FILE\",\"name\":\"x\",\"scopes\":["));
    for (size_t i = 0; i < count; i++) {
        sonde_buf_printf(
            &scope, "%s{\"scope_type\":\"METHOD\",\"name\":\"%s\",\"start_line\":%zu}",
            i == 0 ? "" : ",", names[i], i + 1);
    }
    sonde_buf_str(&scope, SONDE_STR("]}"));
    struct unit unit = kit_unit(file, origin, sonde_buf_cstr(&scope));
    kit_upload(kit, service, &unit, 1);
    sonde_buf_fini(&scope);
}

/* SY-09: the name, what begins with it, a word, humps, any part; user code first, then short. */
static void
sy_09_results_stand_as_a_person_expects(void **state)
{
    static const char *const user[] = {
        "preorder", "order_lines",      "show_order", "Order",       "order",
        "ordCon",   "OrdersController", "orders",     "reorderable", "OldRodeoCounter"};
    static const char *const library[] = {"order", "ordering", "OrdinalConverter"};
    kit_names(*state, "shop", "library", library, 3);
    kit_names(*state, "shop", "user", user, 10);
    assert_string_equal(kit_search(*state, "q=order&kind=function"),
                        "order order Order orders order_lines OrdersController ordering "
                        "show_order preorder reorderable");
    assert_string_equal(kit_search(*state, "q=ORDER&kind=function&limit=3"),
                        "Order order order");
    assert_string_equal(kit_search(*state, "q=ordCon"),
                        "ordCon OrdersController OrdinalConverter");
    assert_string_equal(kit_search(*state, "q=ocon&service=shop"), "");
    assert_string_equal(kit_search(*state, "q=oc&kind=function&origin=user"),
                        "ordCon OrdersController OldRodeoCounter");
    assert_string_equal(kit_search(*state, "q=sh_or"), "show_order");
    assert_string_equal(kit_search(*state, "q=order&origin=library"), "order ordering");
    assert_string_equal(kit_search(*state, "q=order&service=other"), "");
}

static void
qualified_names_are_found_by_their_parts(void **state)
{
    struct unit unit = kit_unit("/app/orders_controller.rb", "user", orders);
    kit_upload(*state, "shop", &unit, 1);
    assert_string_equal(kit_search(*state, "q=OrdersController%23show"), "show show_all");
    assert_string_equal(kit_search(*state, "q=controller%23re"), "reorder");
    assert_string_equal(kit_search(*state, "q=%23show"), "show show_all");
    assert_string_equal(kit_search(*state, "q=OrdersController&kind=class"),
                        "OrdersController");
    assert_string_equal(kit_search(*state, "q=order_limit&kind=name"), "ORDER_LIMIT");
    assert_string_equal(kit_search(*state, "q=orders_con&kind=file"),
                        "orders_controller.rb");
    assert_string_equal(kit_search(*state, "q=hidden_arg"), "");
}

/* SY-09: nothing that can be typed is anything but a text that is looked for. */
static void
sy_09_strange_queries_are_texts(void **state)
{
    static const char *const names[] = {"___",         "a%b",    "it's", "say \\\"hi\\\"",
                                        "naïve_größe", "日本語", "a*b",  "<=>",
                                        "[]",          "x y"};
    kit_names(*state, "shop", "user", names, 10);
    const struct {
        const char *query, *found;
    } all[] = {
        {"q=___", "___"},
        {"q=__", "___"},
        {"q=%25", "a%b"},
        {"q=a%25", "a%b"},
        {"q=%27", "it's"},
        {"q=%22", "say \"hi\""},
        {"q=gr%C3%B6", "naïve_größe"},
        {"q=%C3%B6", "naïve_größe"},
        {"q=%E6%9C%AC", "日本語"},
        {"q=*", "a*b"},
        {"q=a*", "a*b"},
        {"q=%3C%3D", "<=>"},
        {"q=%5B%5D", "[]"},
        {"q=x+y", "x y"},
        {"q=a_%25", ""},
        {"q=AND", ""},
        {"q=%22+OR+%22", ""},
        {"q=NEAR(a+b)", ""},
        {"q=%28", ""},
        {"q=%5E", ""},
        {"q=%FF%FE", ""},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(kit_search(*state, all[i].query), all[i].found) != 0) {
            fail_msg("%s: %s", all[i].query, kit_search(*state, all[i].query));
        }
    }
}

static void
queries_are_refused_by_name(void **state)
{
    static char longest[10200];
    struct reply reply;
    size_t len = (size_t)snprintf(longest, sizeof(longest), "/api/v1/symbols/search?q=");
    memset(longest + len, 'a', 10000);
    const struct {
        const char *path, *field;
    } all[] = {
        {longest, "q"},
        {"/api/v1/symbols/search", "q"},
        {"/api/v1/symbols/search?q=+", "q"},
        {"/api/v1/symbols/search?q=a&kind=method", "kind"},
        {"/api/v1/symbols/search?q=a&origin=mine", "origin"},
        {"/api/v1/symbols/search?q=a&limit=201", "limit"},
        {"/api/v1/symbols/search?q=a&limit=0", "limit"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        kit_get(*state, &reply, all[i].path);
        kit_assert_error(&reply, 400, "invalid_argument", all[i].field);
        kit_reply_fini(&reply);
    }
    kit_get(*state, &reply,
            "/api/v1/symbols/units/0000000000000000000000000000000000000000");
    kit_assert_error(&reply, 404, "not_found", NULL);
    kit_reply_fini(&reply);
    kit_get(*state, &reply, "/api/v1/symbols/source/nonsense");
    kit_assert_error(&reply, 404, "not_found", NULL);
    kit_reply_fini(&reply);
}

static void
a_limit_says_that_there_is_more(void **state)
{
    static const char *const names[] = {"total_a", "total_b", "total_c"};
    struct reply reply;
    kit_names(*state, "shop", "user", names, 3);
    kit_get(*state, &reply, "/api/v1/symbols/search?q=total&limit=2");
    assert_true(sonde_json_get(reply.json, "total_is_more")->boolean);
    assert_int_equal(sonde_json_get(reply.json, "symbols")->count, 2);
    kit_reply_fini(&reply);
    kit_get(*state, &reply, "/api/v1/symbols/search?q=total&limit=3");
    assert_false(sonde_json_get(reply.json, "total_is_more")->boolean);
    kit_reply_fini(&reply);
}

static void
services_share_and_are_told_apart(void **state)
{
    struct unit both =
        kit_unit("/gem/a.rb", "library", FILE_SCOPE(METHOD("both", "A#both", "3"), ""));
    struct unit one = kit_unit("/app/b.rb", "user",
                               FILE_SCOPE(METHOD("both_one", "B#both_one", "3"), ""));
    struct reply reply;
    kit_upload(*state, "shop", &both, 1);
    kit_upload(*state, "blog", &both, 1);
    kit_upload(*state, "blog", &one, 1);
    kit_get(*state, &reply, "/api/v1/symbols/search?q=both");
    assert_string_equal(kit_members(&reply, "symbols", "name"), "both both_one");
    const struct sonde_json *first = sonde_json_get(reply.json, "symbols")->first;
    assert_int_equal(sonde_json_get(first, "services")->count, 2);
    assert_int_equal(sonde_json_get(first->next, "services")->count, 1);
    kit_reply_fini(&reply);
    assert_string_equal(kit_search(*state, "q=both&service=shop"), "both");
}

/* --- Files, units, sources ------------------------------------------------------------- */

static void
files_lead_to_units_and_sources(void **state)
{
    static const char text[] = "def pay\\n  1\\nend\\n";
    static const char plain[] = "def pay\n  1\nend\n";
    char file_hash[SONDE_SHA1_TEXT_BYTES];
    char more[256];
    char path[256];
    struct sonde_sha1 sha1;
    struct reply reply;
    sonde_sha1_init_blob(&sha1, strlen(plain));
    sonde_sha1_add(&sha1, sonde_str_from(plain));
    sonde_sha1_end_text(&sha1, file_hash);
    struct unit unit = {"/app/models/pay.rb", "user", file_hash, orders, ""};
    kit_hash(&unit);
    kit_upload_as(*state, &reply, "shop", "1", &unit, 1, false, "");
    assert_string_equal(kit_members(&reply, "missing_sources", NULL), file_hash);
    kit_reply_fini(&reply);
    snprintf(more, sizeof(more), "\"sources\":[{\"file_hash\":\"%s\",\"text\":\"%s\"}],",
             file_hash, text);
    kit_upload_as(*state, &reply, "shop", "1", &unit, 1, true, more);
    assert_string_equal(kit_members(&reply, "missing_sources", NULL), "");
    kit_reply_fini(&reply);

    kit_get(*state, &reply, "/api/v1/symbols/files?q=models&service=shop");
    assert_string_equal(kit_members(&reply, "files", "file"), unit.file);
    const struct sonde_json *file = sonde_json_get(reply.json, "files")->first;
    kit_assert_str(file, "file_hash", file_hash);
    struct sonde_str hash = sonde_json_get(file, "units")->first->string;
    assert_string_equal(hash.ptr, unit.hash);
    kit_reply_fini(&reply);

    snprintf(path, sizeof(path), "/api/v1/symbols/units/%s", unit.hash);
    kit_get(*state, &reply, path);
    assert_int_equal(reply.status, 200);
    kit_assert_str(reply.json, "file", unit.file);
    assert_true(sonde_str_eq(sonde_json_get(reply.json, "scope")->source,
                             sonde_str_from(orders)));
    kit_reply_fini(&reply);

    snprintf(path, sizeof(path), "/api/v1/symbols/source/%s", file_hash);
    kit_get(*state, &reply, path);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body.data, plain);
    assert_string_equal(kit_reply_header(&reply, "Content-Type"),
                        "text/plain; charset=utf-8");
    kit_reply_fini(&reply);
}

static void
all_files_are_listed_without_a_query(void **state)
{
    struct unit units[] = {kit_unit("/lib/deep/z.rb", "library", FILE_SCOPE("", "")),
                           kit_unit("/app/models/long.rb", "user", FILE_SCOPE("", "")),
                           kit_unit("/app/a.rb", "user", FILE_SCOPE("", ""))};
    struct reply reply;
    kit_upload(*state, "shop", units, 3);
    kit_get(*state, &reply, "/api/v1/symbols/files?service=shop");
    assert_string_equal(kit_members(&reply, "files", "file"),
                        "/app/a.rb /app/models/long.rb /lib/deep/z.rb");
    kit_reply_fini(&reply);
}

/* --- Settings and agents ---------------------------------------------------------------- */

static void
poll(const struct kit *kit, struct reply *reply, const char *generation)
{
    char body[512];
    snprintf(body, sizeof(body),
             "{\"instance_id\":\"i1\",\"service\":\"my shop\",\"generation\":\"%s\","
             "\"wait_ms\":%d}",
             generation, generation[0] == '\0' ? 0 : 50);
    kit_post(kit, reply, "/api/v1/agent/poll", body);
    assert_int_equal(reply->status, 200);
}

static void
put_setting(const struct kit *kit, struct reply *reply, const char *json)
{
    kit_call(kit, reply, "PUT", "/api/v1/symbols/services/my%20shop",
             "Content-Type: application/json\r\n", sonde_str_from(json));
}

static void
a_setting_reaches_agents_and_stays(void **state)
{
    struct reply reply;
    char generation[64];
    char store[64];
    poll(*state, &reply, "");
    const struct sonde_json *symbols = sonde_json_get(reply.json, "symbols");
    kit_assert_str(symbols, "upload", "default");
    assert_int_equal(sonde_json_get_int(symbols, "round", -1), 0);
    snprintf(store, sizeof(store), "%s", sonde_json_get_str(symbols, "store").ptr);
    snprintf(generation, sizeof(generation), "%s",
             sonde_json_get_str(reply.json, "generation").ptr);
    kit_reply_fini(&reply);

    put_setting(*state, &reply, "{\"upload\":\"on\",\"now\":true}");
    assert_int_equal(reply.status, 200);
    kit_assert_str(reply.json, "service", "my shop");
    kit_assert_str(reply.json, "upload", "on");
    assert_int_equal(sonde_json_get_int(reply.json, "round", 0), 1);
    kit_reply_fini(&reply);

    poll(*state, &reply, generation);
    symbols = sonde_json_get(reply.json, "symbols");
    kit_assert_str(symbols, "upload", "on");
    assert_int_equal(sonde_json_get_int(symbols, "round", -1), 1);
    assert_string_not_equal(sonde_json_get_str(reply.json, "generation").ptr, generation);
    kit_reply_fini(&reply);

    kit_stop(*state);
    kit_start(*state);
    poll(*state, &reply, "");
    symbols = sonde_json_get(reply.json, "symbols");
    kit_assert_str(symbols, "upload", "on");
    kit_assert_str(symbols, "store", store);
    kit_reply_fini(&reply);

    kit_call(*state, &reply, "PUT", "/api/v1/symbols/services/team%2Fshop",
             "Content-Type: application/json\r\n", SONDE_STR("{\"upload\":\"off\"}"));
    kit_assert_str(reply.json, "service", "team/shop");
    kit_reply_fini(&reply);

    put_setting(*state, &reply, "{\"upload\":\"perhaps\"}");
    kit_assert_error(&reply, 400, "invalid_argument", "upload");
    kit_reply_fini(&reply);
    put_setting(*state, &reply, "{\"now\":1}");
    kit_assert_error(&reply, 400, "invalid_argument", "now");
    kit_reply_fini(&reply);
}

static void
what_a_process_says_of_its_symbols_is_shown(void **state)
{
    struct reply reply;
    poll(*state, &reply, "");
    kit_reply_fini(&reply);
    kit_post(*state, &reply, "/api/v1/agent/status",
             "{\"instance_id\":\"i1\",\"statuses\":[],\"symbols\":{\"state\":\"done\","
             "\"units\":3,\"rounds\":[1,2],\"message\":\"m\",\"unknown\":{}}}");
    assert_int_equal(reply.status, 200);
    kit_reply_fini(&reply);
    kit_get(*state, &reply, "/api/v1/processes");
    const struct sonde_json *symbols =
        sonde_json_get(sonde_json_get(reply.json, "processes")->first, "symbols");
    kit_assert_str(symbols, "state", "done");
    kit_assert_str(symbols, "message", "m");
    assert_int_equal(sonde_json_get_int(symbols, "units", 0), 3);
    assert_int_equal(sonde_json_get(symbols, "rounds")->count, 2);
    assert_null(sonde_json_get(symbols, "unknown"));
    kit_reply_fini(&reply);
    kit_post(*state, &reply, "/api/v1/agent/status",
             "{\"instance_id\":\"i1\",\"symbols\":[]}");
    kit_assert_error(&reply, 400, "invalid_argument", "symbols");
    kit_reply_fini(&reply);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_claimed_and_missing_is_asked_for),
        TEST(sy_10_overlapping_and_repeated_uploads_double_nothing),
        TEST(sy_05_eight_workers_add_less_than_two_percent),
        TEST(newest_version_of_a_file_is_the_one_that_is_found),
        TEST(sy_09_results_stand_as_a_person_expects),
        TEST(qualified_names_are_found_by_their_parts),
        TEST(sy_09_strange_queries_are_texts),
        TEST(queries_are_refused_by_name),
        TEST(a_limit_says_that_there_is_more),
        TEST(services_share_and_are_told_apart),
        TEST(files_lead_to_units_and_sources),
        TEST(all_files_are_listed_without_a_query),
        TEST(a_setting_reaches_agents_and_stays),
        TEST(what_a_process_says_of_its_symbols_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
