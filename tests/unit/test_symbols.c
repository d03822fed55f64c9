/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: SY-01 SY-05 SY-06 SY-07 SY-10 */
#include "core/base/alloc.h"
#include "core/base/sha1.h"
#include "core/symbols/origins.h"
#include "core/symbols/unit.h"
#include "core/wire/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* --- SHA-1 ---------------------------------------------------------------------------------- */

static void
assert_sha1(const char *text, size_t piece, const char *wanted)
{
    struct sonde_sha1 sha1;
    char found[SONDE_SHA1_TEXT_BYTES];
    size_t len = strlen(text);
    sonde_sha1_init(&sha1);
    for (size_t at = 0; at < len; at += piece) {
        size_t left = len - at < piece ? len - at : piece;
        sonde_sha1_add(&sha1, (struct sonde_str){text + at, left});
    }
    sonde_sha1_end_text(&sha1, found);
    assert_string_equal(found, wanted);
}

/* The examples of FIPS 180, whole and in pieces. */
static void
test_sha1_of_known_texts(void **state)
{
    static const struct {
        const char *text, *hash;
    } known[] = {
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        for (size_t piece = 1; piece < 70; piece++) {
            assert_sha1(known[i].text, piece, known[i].hash);
        }
    }
    char *many = malloc(1000001);
    memset(many, 'a', 1000000);
    many[1000000] = '\0';
    assert_sha1(many, 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    assert_sha1(many, 997, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    free(many);
}

/* SY-07: what `git hash-object` prints. */
static void
test_sha1_of_a_file_as_git_has_it(void **state)
{
    struct sonde_sha1 sha1;
    char found[SONDE_SHA1_TEXT_BYTES];
    unsigned char bytes[SONDE_SHA1_BYTES];
    (void)state;
    sonde_sha1_init_blob(&sha1, 0);
    sonde_sha1_end_text(&sha1, found);
    assert_string_equal(found, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    sonde_sha1_init_blob(&sha1, 6);
    sonde_sha1_add(&sha1, SONDE_STR("hello\n"));
    sonde_sha1_end_text(&sha1, found);
    assert_string_equal(found, "ce013625030ba8dba906f756967f9e9ca394464a");
    assert_true(sonde_sha1_from_text(
        SONDE_STR("CE013625030ba8dba906f756967f9e9ca394464a"), bytes));
    sonde_sha1_to_text(bytes, found);
    assert_string_equal(found, "ce013625030ba8dba906f756967f9e9ca394464a");
    assert_false(sonde_sha1_from_text(SONDE_STR("ce01"), bytes));
    assert_false(sonde_sha1_from_text(
        SONDE_STR("ge013625030ba8dba906f756967f9e9ca394464a"), bytes));
}

/* --- Listings ------------------------------------------------------------------------------- */

#define PATH SONDE_STR("/srv/shop/order.rb")

static struct sonde_listing *
new_listing(void)
{
    struct sonde_listing *listing;
    assert_int_equal(sonde_listing_new(&listing, true, true), SONDE_OK);
    sonde_listing_begin_slice(listing, INT64_MAX);
    return listing;
}

static sonde_scope_id
file(struct sonde_listing *listing)
{
    return sonde_listing_file(listing, SONDE_SCOPE_FILE, PATH, PATH, SONDE_ORIGIN_USER);
}

static sonde_scope_id
scope(struct sonde_listing *listing, sonde_scope_id parent, enum sonde_scope_kind kind,
      const char *name, uint32_t first, uint32_t last)
{
    struct sonde_scope what = {.kind = kind,
                               .name = sonde_str_from(name),
                               .first_line = first,
                               .last_line = last};
    return sonde_listing_scope(listing, parent, &what);
}

static void
symbol(struct sonde_listing *listing, sonde_scope_id id, enum sonde_symbol_kind kind,
       const char *name, const char *type, uint32_t line)
{
    struct sonde_symbol what = {.kind = kind,
                                .name = sonde_str_from(name),
                                .type = sonde_str_from(type),
                                .line = line};
    sonde_listing_symbol(listing, id, &what);
}

/* The JSON of one part; own: free. */
static char *
part_text(const struct sonde_listing *listing, sonde_scope_id root, uint32_t part)
{
    struct sonde_buf buf;
    sonde_buf_init(&buf, 0);
    sonde_unit_write(listing, root, part, &buf);
    assert_int_equal(buf.failed, SONDE_OK);
    char *text = strndup(buf.data, buf.len);
    sonde_buf_fini(&buf);
    return text;
}

static void
assert_text(struct sonde_listing *listing, const char *wanted)
{
    char *text = part_text(listing, listing->roots.first, 0);
    assert_string_equal(text, wanted);
    free(text);
    sonde_listing_free(listing);
}

/* SY-01 */
static void
test_a_file_as_json(void **state)
{
    struct sonde_listing *listing = new_listing();
    (void)state;
    sonde_scope_id root = file(listing);
    sonde_scope_id order = scope(listing, root, SONDE_SCOPE_CLASS, "Order", 3, 40);
    struct sonde_scope total = {.kind = SONDE_SCOPE_METHOD,
                                .name = SONDE_STR("total"),
                                .qualified = SONDE_STR("Order#total"),
                                .first_line = 5,
                                .last_line = 9};
    sonde_scope_id method = sonde_listing_scope(listing, order, &total);
    sonde_listing_specific(listing, order, "super_classes", SONDE_STR("Base"));
    sonde_listing_specific(listing, method, "visibility", SONDE_STR("private"));
    symbol(listing, method, SONDE_SYMBOL_LOCAL, "sum", "", 6);
    symbol(listing, method, SONDE_SYMBOL_PARAMETER, "tax", "Float", 0);
    symbol(listing, method, SONDE_SYMBOL_PARAMETER, "by", "", 0);
    symbol(listing, order, SONDE_SYMBOL_FIELD, "@lines", "", 0);
    static const uint32_t lines[] = {9, 6, 7, 6, 5, 12};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        sonde_listing_line(listing, method, lines[i]);
    }
    assert_text(
        listing,
        "{\"scope_type\":\"FILE\",\"name\":\"/srv/shop/order.rb\","
        "\"source_file\":\"/srv/shop/order.rb\",\"scopes\":["
        "{\"scope_type\":\"CLASS\",\"name\":\"Order\",\"start_line\":3,\"end_line\":40,"
        "\"language_specifics\":{\"super_classes\":[\"Base\"]},"
        "\"symbols\":[{\"symbol_type\":\"FIELD\",\"name\":\"@lines\"}],\"scopes\":["
        "{\"scope_type\":\"METHOD\",\"name\":\"total\",\"qualified\":\"Order#total\","
        "\"start_line\":5,\"end_line\":9,\"has_injectible_lines\":true,"
        "\"injectible_lines\":[{\"start\":5,\"end\":7},{\"start\":9,\"end\":9},"
        "{\"start\":12,\"end\":12}],"
        "\"language_specifics\":{\"visibility\":\"private\"},"
        "\"symbols\":[{\"symbol_type\":\"ARG\",\"name\":\"tax\",\"type\":\"Float\"},"
        "{\"symbol_type\":\"ARG\",\"name\":\"by\"},"
        "{\"symbol_type\":\"LOCAL\",\"name\":\"sum\",\"line\":6}]}]}]}");
}

/* SY-10: what comes twice is there once. */
static void
test_what_overlaps_is_merged(void **state)
{
    struct sonde_listing *listing = new_listing();
    (void)state;
    sonde_scope_id root = file(listing);
    assert_int_equal(file(listing), root);
    sonde_scope_id order = scope(listing, root, SONDE_SCOPE_CLASS, "Order", 30, 40);
    /* A class is the same by its name, wherever it is opened again. */
    assert_int_equal(scope(listing, root, SONDE_SCOPE_CLASS, "Order", 3, 9), order);
    assert_int_not_equal(scope(listing, root, SONDE_SCOPE_MODULE, "Order", 3, 9), order);
    sonde_scope_id total = scope(listing, order, SONDE_SCOPE_METHOD, "total", 5, 6);
    assert_int_equal(scope(listing, order, SONDE_SCOPE_METHOD, "total", 5, 8), total);
    /* A method that is defined twice is two. */
    assert_int_not_equal(scope(listing, order, SONDE_SCOPE_METHOD, "total", 31, 33),
                         total);
    symbol(listing, total, SONDE_SYMBOL_LOCAL, "sum", "", 7);
    symbol(listing, total, SONDE_SYMBOL_LOCAL, "sum", "Integer", 6);
    sonde_listing_specific(listing, order, "included_modules", SONDE_STR("A"));
    sonde_listing_specific(listing, order, "included_modules", SONDE_STR("B"));
    sonde_listing_specific(listing, order, "included_modules", SONDE_STR("A"));
    sonde_listing_specific(listing, order, "visibility", SONDE_STR("public"));
    sonde_listing_specific(listing, order, "visibility", SONDE_STR("public"));
    assert_int_equal(listing->root_count, 1);
    assert_text(listing,
                "{\"scope_type\":\"FILE\",\"name\":\"/srv/shop/order.rb\","
                "\"source_file\":\"/srv/shop/order.rb\",\"scopes\":["
                "{\"scope_type\":\"CLASS\",\"name\":\"Order\",\"start_line\":3,"
                "\"end_line\":40,\"language_specifics\":{\"included_modules\":"
                "[\"A\",\"B\"],\"visibility\":\"public\"},\"scopes\":["
                "{\"scope_type\":\"METHOD\",\"name\":\"total\",\"start_line\":5,"
                "\"end_line\":8,\"symbols\":[{\"symbol_type\":\"LOCAL\",\"name\":\"sum\","
                "\"type\":\"Integer\",\"line\":6}]},"
                "{\"scope_type\":\"METHOD\",\"name\":\"total\",\"start_line\":31,"
                "\"end_line\":33}]},"
                "{\"scope_type\":\"MODULE\",\"name\":\"Order\",\"start_line\":3,"
                "\"end_line\":9}]}");
}

/* What is under a scope that is not there is nothing, and hurts nobody. */
static void
test_nothing_hangs_under_nothing(void **state)
{
    struct sonde_listing *listing = new_listing();
    (void)state;
    assert_int_equal(scope(listing, 0, SONDE_SCOPE_CLASS, "Order", 1, 2), 0);
    symbol(listing, 0, SONDE_SYMBOL_LOCAL, "sum", "", 7);
    sonde_listing_line(listing, 0, 3);
    sonde_listing_specific(listing, 0, "visibility", SONDE_STR("public"));
    assert_int_equal(listing->scopes.count, 0);
    assert_int_equal(listing->dropped_count, 0);
    sonde_listing_free(listing);
}

/* SY-06 */
static void
test_libraries_can_be_left_out(void **state)
{
    struct sonde_listing *listing;
    (void)state;
    assert_int_equal(sonde_listing_new(&listing, true, false), SONDE_OK);
    assert_false(sonde_listing_wants(listing, SONDE_ORIGIN_LIBRARY));
    assert_false(sonde_listing_wants(listing, SONDE_ORIGIN_STANDARD));
    assert_true(sonde_listing_wants(listing, SONDE_ORIGIN_USER));
    assert_true(sonde_listing_wants(listing, SONDE_ORIGIN_GENERATED));
    assert_int_equal(sonde_listing_file(listing, SONDE_SCOPE_FILE, SONDE_STR("/lib/a.rb"),
                                        SONDE_STR("/lib/a.rb"), SONDE_ORIGIN_LIBRARY),
                     0);
    assert_int_equal(listing->dropped_count, 0);
    sonde_listing_free(listing);
}

/* --- Names ---------------------------------------------------------------------------------- */

/* `order` of the same facts; the hash of what is written. */
static void
hash_in_order(bool is_reversed, char out[SONDE_SHA1_TEXT_BYTES])
{
    struct sonde_listing *listing = new_listing();
    unsigned char hash[SONDE_SHA1_BYTES];
    sonde_scope_id root = file(listing);
    for (int i = 0; i < 50; i++) {
        int k = is_reversed ? 49 - i : i;
        char name[16];
        snprintf(name, sizeof(name), "m%d", k % 25);
        struct sonde_scope method = {.kind = SONDE_SCOPE_METHOD,
                                     .name = sonde_str_from(name),
                                     .qualified = SONDE_STR("Order#m"),
                                     .first_line = (uint32_t)(k / 25),
                                     .last_line = (uint32_t)k};
        method.qualified = k % 2 == 0 ? method.qualified : SONDE_STR("Order#other");
        sonde_scope_id order = scope(listing, root, SONDE_SCOPE_CLASS, "Order",
                                     (uint32_t)k + 1, (uint32_t)k + 2);
        sonde_scope_id id = sonde_listing_scope(listing, order, &method);
        symbol(listing, id, SONDE_SYMBOL_LOCAL, is_reversed ? "b" : "a", "", 1);
        symbol(listing, id, SONDE_SYMBOL_LOCAL, is_reversed ? "a" : "b", "", 1);
        sonde_listing_line(listing, order, (uint32_t)k * 2 + 1);
    }
    char *text = part_text(listing, root, 0);
    assert_int_equal(sonde_unit_hash(PATH, SONDE_ORIGIN_USER, SONDE_STR(""), 0,
                                     sonde_str_from(text), hash),
                     SONDE_OK);
    sonde_sha1_to_text(hash, out);
    free(text);
    sonde_listing_free(listing);
}

/* SY-05: workers list in the order of their heaps, and say the same. */
static void
test_the_order_of_listing_does_not_matter(void **state)
{
    char a[SONDE_SHA1_TEXT_BYTES], b[SONDE_SHA1_TEXT_BYTES];
    (void)state;
    hash_in_order(false, a);
    hash_in_order(true, b);
    assert_string_equal(a, b);
}

/* docs/formats/symbols.md: file, origin, file_hash and part, a NUL after each, and the scope. */
static void
test_a_unit_is_named_by_its_bytes(void **state)
{
    unsigned char a[SONDE_SHA1_BYTES], b[SONDE_SHA1_BYTES];
    struct sonde_sha1 sha1;
    (void)state;
    assert_int_equal(sonde_unit_hash(SONDE_STR("/a.rb"), SONDE_ORIGIN_LIBRARY,
                                     SONDE_STR("0123"), 7, SONDE_STR("{}"), a),
                     SONDE_OK);
    sonde_sha1_init(&sha1);
    sonde_sha1_add(&sha1, SONDE_STR("/a.rb\0library\0"
                                    "0123\0"
                                    "7\0{}"));
    sonde_sha1_end(&sha1, b);
    assert_memory_equal(a, b, sizeof(a));
    /* As it is written: what is not UTF-8 is U+FFFD on the wire. */
    assert_int_equal(sonde_unit_hash(SONDE_STR("/\xFF"), SONDE_ORIGIN_USER, SONDE_STR(""),
                                     0, SONDE_STR("{}"), a),
                     SONDE_OK);
    assert_int_equal(sonde_unit_hash(SONDE_STR("/\xEF\xBF\xBD"), SONDE_ORIGIN_USER,
                                     SONDE_STR(""), 0, SONDE_STR("{}"), b),
                     SONDE_OK);
    assert_memory_equal(a, b, sizeof(a));
}

/* --- Parts ---------------------------------------------------------------------------------- */

static size_t
count_texts(const char *text, const char *wanted)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++) {
        count++;
    }
    return count;
}

/* SY-10: a large file goes in parts, each scope in one of them. */
static void
test_a_large_file_is_dealt_out(void **state)
{
    struct sonde_listing *listing = new_listing();
    (void)state;
    sonde_scope_id root = file(listing);
    symbol(listing, root, SONDE_SYMBOL_CONSTANT, "LIMIT", "", 1);
    for (uint32_t i = 0; i < 30; i++) {
        char name[32];
        snprintf(name, sizeof(name), "Class%u", i);
        sonde_scope_id class_id =
            scope(listing, root, SONDE_SCOPE_CLASS, name, 1 + i * 1000, 0);
        for (uint32_t k = 0; k < 499; k++) {
            snprintf(name, sizeof(name), "m%u", k);
            scope(listing, class_id, SONDE_SCOPE_METHOD, name, 2 + i * 1000 + k, 0);
        }
    }
    uint32_t parts;
    assert_int_equal(sonde_unit_count_scopes(listing, root), 15001);
    assert_int_equal(sonde_unit_count_parts(listing, root, &parts), SONDE_OK);
    assert_int_equal(
        parts, 5); /* seven classes of 500 in each: eight and the file are too many */
    size_t classes = 0, constants = 0, methods = 0;
    for (uint32_t part = 0; part < parts; part++) {
        char *text = part_text(listing, root, part);
        classes += count_texts(text, "\"CLASS\"");
        methods += count_texts(text, "\"METHOD\"");
        constants += count_texts(text, "\"LIMIT\"");
        assert_int_equal(count_texts(text, "\"source_file\""), 1);
        assert_true(count_texts(text, "\"scope_type\"") <= SONDE_UNIT_MAX_SCOPES);
        free(text);
    }
    assert_int_equal(classes, 30);
    assert_int_equal(methods, 30 * 499);
    assert_int_equal(constants, 1);
    sonde_listing_free(listing);
}

/* --- Bounds --------------------------------------------------------------------------------- */

static void
test_scopes_are_bounded(void **state)
{
    struct sonde_listing *listing = new_listing();
    (void)state;
    listing->max_scopes = 11;
    sonde_scope_id root = file(listing);
    sonde_scope_id last = 0;
    for (uint32_t i = 1; i <= 20; i++) {
        sonde_scope_id id = scope(listing, root, SONDE_SCOPE_METHOD, "m", i, i);
        last = id == 0 ? last : id;
        assert_int_equal(id == 0, i > 10);
    }
    assert_int_equal(listing->dropped_count, 10);
    assert_int_not_equal(scope(listing, root, SONDE_SCOPE_METHOD, "m", 3, 9), 0);
    char *text = part_text(listing, root, 0);
    assert_int_equal(count_texts(text, "\"METHOD\""), 10);
    free(text);
    sonde_listing_free(listing);
}

static void
test_memory_is_bounded(void **state)
{
    struct sonde_listing *listing = new_listing();
    (void)state;
    listing->budget.max_bytes = 1024 * 1024;
    sonde_scope_id root = file(listing);
    for (uint32_t i = 0; i < 100000; i++) {
        char name[64];
        snprintf(name, sizeof(name), "a_name_that_takes_some_room_%u", i);
        sonde_scope_id id = scope(listing, root, SONDE_SCOPE_METHOD, name, i, i);
        symbol(listing, id, SONDE_SYMBOL_PARAMETER, name, "", 0);
        sonde_listing_line(listing, id, i);
        sonde_listing_specific(listing, id, "visibility", sonde_str_from(name));
    }
    assert_true(listing->budget.used_bytes <= listing->budget.max_bytes);
    assert_true(listing->dropped_count > 1000);
    assert_true(sonde_unit_count_scopes(listing, root) > 1000);
    sonde_listing_free(listing);
}

static void
test_depth_is_bounded(void **state)
{
    struct sonde_listing *listing = new_listing();
    (void)state;
    sonde_scope_id root = file(listing), id = root;
    for (uint32_t i = 1; i <= 300; i++) {
        id = scope(listing, id, SONDE_SCOPE_CLOSURE, "<lambda>", i, i);
    }
    assert_int_equal(id, 0);
    assert_int_equal(listing->dropped_count, 1); /* the others hang under nothing */
    char *text = part_text(listing, root, 0);
    struct sonde_arena arena;
    const struct sonde_json *json;
    sonde_arena_init(&arena, 0);
    assert_int_equal(sonde_json_read(&json, &arena, sonde_str_from(text), NULL),
                     SONDE_OK);
    sonde_arena_fini(&arena);
    free(text);
    sonde_listing_free(listing);
}

/* A listing of some size; its JSON, or false. */
static bool
list_something(void)
{
    struct sonde_listing *listing;
    struct sonde_buf buf;
    uint32_t parts;
    unsigned char hash[SONDE_SHA1_BYTES];
    if (sonde_listing_new(&listing, true, true) != SONDE_OK) {
        return false;
    }
    sonde_scope_id root = file(listing);
    for (uint32_t i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "method%u", i);
        sonde_scope_id id = scope(listing, root, SONDE_SCOPE_METHOD, name, i + 1, i + 2);
        symbol(listing, id, SONDE_SYMBOL_PARAMETER, name, "String", 0);
        sonde_listing_line(listing, id, i + 2);
        sonde_listing_specific(listing, id, "visibility", SONDE_STR("private"));
    }
    bool is_whole = root != 0 && listing->dropped_count == 0;
    sonde_buf_init(&buf, 0);
    if (root != 0) {
        is_whole = sonde_unit_count_parts(listing, root, &parts) == SONDE_OK && is_whole;
        sonde_unit_write(listing, root, 0, &buf);
        is_whole = buf.failed == SONDE_OK && is_whole &&
                   sonde_unit_hash(PATH, SONDE_ORIGIN_USER, SONDE_STR(""), 0,
                                   sonde_buf_view(&buf), hash) == SONDE_OK;
    }
    sonde_buf_fini(&buf);
    sonde_listing_free(listing);
    return is_whole;
}

/* CORE-17: the Nth allocation fails, for every N, once and from there on. */
static void
test_memory_may_end_anywhere(void **state)
{
    (void)state;
    sonde_alloc_testonly_fail_at(UINT64_MAX, false);
    assert_true(list_something());
    uint64_t count = sonde_alloc_testonly_fail_at(0, false);
    for (uint64_t n = 1; n <= count; n += n < 50 ? 1 : 97) {
        for (int sticky = 0; sticky < 2; sticky++) {
            sonde_alloc_testonly_fail_at(n, sticky == 1);
            bool is_whole = list_something();
            sonde_alloc_testonly_fail_at(0, false);
            assert_false(is_whole);
        }
    }
}

/* --- Slices --------------------------------------------------------------------------------- */

/* SY-04 */
static void
test_a_slice_ends_when_its_time_is_over(void **state)
{
    struct sonde_listing *listing;
    (void)state;
    assert_int_equal(sonde_listing_new(&listing, false, true), SONDE_OK);
    sonde_listing_begin_slice(listing, 1);
    assert_true(sonde_listing_is_due(listing));
    assert_true(sonde_listing_is_first(listing));
    assert_false(sonde_listing_is_whole(listing));
    sonde_scope_id root = file(listing);
    sonde_listing_begin_slice(listing, INT64_MAX);
    assert_false(sonde_listing_is_due(listing));
    assert_false(sonde_listing_is_first(listing));
    assert_int_equal(file(listing), root); /* ids stay */
    sonde_listing_free(listing);
}

/* --- Whose code ----------------------------------------------------------------------------- */

static enum sonde_origin
origin_of(const struct sonde_origins *origins, const char *path)
{
    return sonde_origins_of(origins, sonde_str_from(path));
}

/* SY-06: the longest directory that holds a path decides, and no part of a name does. */
static void
test_origins_by_directories(void **state)
{
    struct sonde_origins *origins;
    (void)state;
    assert_int_equal(sonde_origins_new(&origins), SONDE_OK);
    assert_int_equal(
        sonde_origins_add(origins, SONDE_STR("/no/lib/ruby"), SONDE_ORIGIN_STANDARD),
        SONDE_OK);
    assert_int_equal(
        sonde_origins_add(origins, SONDE_STR("/no/lib/ruby/gems/"), SONDE_ORIGIN_LIBRARY),
        SONDE_OK);
    assert_int_equal(sonde_origins_add(origins, SONDE_STR("/no/lib/ruby/gems/shop"),
                                       SONDE_ORIGIN_USER),
                     SONDE_OK);
    assert_int_equal(origin_of(origins, "/no/lib/ruby/set.rb"), SONDE_ORIGIN_STANDARD);
    assert_int_equal(origin_of(origins, "/no/lib/ruby/gems/a/a.rb"),
                     SONDE_ORIGIN_LIBRARY);
    assert_int_equal(origin_of(origins, "/no/lib/ruby/gems/shop/a.rb"),
                     SONDE_ORIGIN_USER);
    assert_int_equal(origin_of(origins, "/no/lib/rubyx/a.rb"), SONDE_ORIGIN_USER);
    assert_int_equal(origin_of(origins, "/home/me/site-packages/a.rb"),
                     SONDE_ORIGIN_USER);
    assert_int_equal(origin_of(origins, "(eval)"), SONDE_ORIGIN_GENERATED);
    assert_int_equal(origin_of(origins, ""), SONDE_ORIGIN_GENERATED);
    assert_int_equal(sonde_origins_add(origins, SONDE_STR("lib"), SONDE_ORIGIN_LIBRARY),
                     SONDE_E_INVAL);
    assert_int_equal(sonde_origins_add(origins, SONDE_STR(""), SONDE_ORIGIN_LIBRARY),
                     SONDE_E_INVAL);
    sonde_origins_free(origins);
}

static void
test_origins_know_both_names_of_a_link(void **state)
{
    char base[] = "/tmp/sonde_origins_XXXXXX", real[64], link_path[64], text[128];
    struct sonde_origins *origins;
    (void)state;
    assert_non_null(mkdtemp(base));
    snprintf(real, sizeof(real), "%s/real", base);
    snprintf(link_path, sizeof(link_path), "%s/link", base);
    snprintf(text, sizeof(text), "mkdir %s", real);
    assert_int_equal(system(text), 0);
    assert_int_equal(symlink(real, link_path), 0);
    assert_int_equal(sonde_origins_new(&origins), SONDE_OK);
    assert_int_equal(
        sonde_origins_add(origins, sonde_str_from(link_path), SONDE_ORIGIN_LIBRARY),
        SONDE_OK);
    snprintf(text, sizeof(text), "%s/a.py", real);
    assert_int_equal(origin_of(origins, text), SONDE_ORIGIN_LIBRARY);
    snprintf(text, sizeof(text), "%s/a.py", link_path);
    assert_int_equal(origin_of(origins, text), SONDE_ORIGIN_LIBRARY);
    sonde_origins_free(origins);
    snprintf(text, sizeof(text), "rm -r %s", base);
    assert_int_equal(system(text), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha1_of_known_texts),
        cmocka_unit_test(test_sha1_of_a_file_as_git_has_it),
        cmocka_unit_test(test_a_file_as_json),
        cmocka_unit_test(test_what_overlaps_is_merged),
        cmocka_unit_test(test_nothing_hangs_under_nothing),
        cmocka_unit_test(test_libraries_can_be_left_out),
        cmocka_unit_test(test_the_order_of_listing_does_not_matter),
        cmocka_unit_test(test_a_unit_is_named_by_its_bytes),
        cmocka_unit_test(test_a_large_file_is_dealt_out),
        cmocka_unit_test(test_scopes_are_bounded),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_memory_may_end_anywhere),
        cmocka_unit_test(test_a_slice_ends_when_its_time_is_over),
        cmocka_unit_test(test_origins_by_directories),
        cmocka_unit_test(test_origins_know_both_names_of_a_link),
    };
    return cmocka_run_group_tests_name("symbols", tests, NULL, NULL);
}
