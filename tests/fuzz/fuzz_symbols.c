/* SPDX-License-Identifier: Apache-2.0
 *
 * The input is a query, a newline and JSON: an upload, or the tree of a unit. Both are read or
 * refused. Of a tree that is good every name is filed under keys, and whichever tier the query puts
 * a name in, the name has the keys that the tier's search asks for: else it would not be found. */
#include "collector/intake/symbols_intake.h"
#include "collector/store/symbol_names.h"
#include "collector/store/symbol_words.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

/* Whether `keys` has `key`; or, of a prefix, one that begins with it. */
static bool
has_key(struct sonde_str keys, struct sonde_str key, bool is_prefix)
{
    size_t at = 0;
    while (at + key.len <= keys.len) {
        const char *end = memchr(keys.ptr + at, ' ', keys.len - at);
        size_t len = end == NULL ? keys.len - at : (size_t)(end - keys.ptr) - at;
        if ((len == key.len || (is_prefix && len > key.len)) &&
            memcmp(keys.ptr + at, key.ptr, key.len) == 0) {
            return true;
        }
        at += len + 1;
    }
    return false;
}

/* All quoted words of an expression, or one of them when it is an OR. */
static bool
fits_expression(struct sonde_str keys, struct sonde_str expression)
{
    bool is_or = expression.ptr[0] == '(';
    bool has_all = true;
    bool has_one = false;
    size_t at = 0;
    while (at < expression.len) {
        if (expression.ptr[at++] != '"') {
            continue;
        }
        const char *end = memchr(expression.ptr + at, '"', expression.len - at);
        MUST(end != NULL);
        struct sonde_str key = {expression.ptr + at, (size_t)(end - expression.ptr) - at};
        at += key.len + 1;
        for (size_t i = 0; i < key.len; i++) {
            MUST(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", key.ptr[i]) != NULL);
        }
        bool is_prefix = at + 1 < expression.len && expression.ptr[at + 1] == '*';
        bool has = has_key(keys, key, is_prefix);
        has_all &= has;
        has_one |= has;
    }
    return is_or ? has_one : has_all;
}

static int
take_name(void *arg, const struct sonde_name *name)
{
    struct sonde_str query = *(struct sonde_str *)arg;
    struct sonde_buf keys;
    struct sonde_buf match;
    sonde_buf_init(&keys, 0);
    sonde_buf_init(&match, 0);
    MUST(name->name.len > 0);
    sonde_words_keys(&keys, name->kind, name->name, name->qualified);
    MUST(sonde_words_tier(query, name->name, name->qualified) < SONDE_TIERS);
    for (int tier = 0; tier < SONDE_TIERS && query.len > 0; tier++) {
        sonde_buf_reset(&match);
        bool can = sonde_words_match(&match, (enum sonde_tier)tier, query, 0);
        if (can &&
            sonde_words_fit((enum sonde_tier)tier, query, name->name, name->qualified)) {
            MUST(fits_expression(sonde_buf_view(&keys), sonde_buf_view(&match)));
        }
    }
    sonde_buf_fini(&keys);
    sonde_buf_fini(&match);
    return SONDE_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sonde_str input = {(const char *)data, size};
    const char *end = size == 0 ? NULL : memchr(input.ptr, '\n', size);
    struct sonde_str query = {input.ptr, end == NULL ? 0 : (size_t)(end - input.ptr)};
    const struct sonde_json *json = NULL;
    struct sonde_symbol_upload upload;
    struct sonde_arena arena;
    struct sonde_err err = SONDE_ERR_INIT;
    if (end == NULL || query.len > SONDE_SYMBOL_QUERY_MAX_BYTES) {
        return 0;
    }
    input = (struct sonde_str){end + 1, size - query.len - 1};
    sonde_arena_init(&arena, 0);
    if (sonde_json_read(&json, &arena, input, &err) == SONDE_OK) {
        if (sonde_symbols_read(&upload, &arena, json, &err) == SONDE_OK) {
            MUST(upload.service.len > 0);
        }
        err = (struct sonde_err)SONDE_ERR_INIT;
        int rc = sonde_names_check(json, &err);
        MUST(rc == SONDE_OK || err.message[0] != '\0');
        if (rc == SONDE_OK) {
            MUST(sonde_names_each(json, SONDE_STR("/srv/shop/app/OrdersView.rb"),
                                  take_name, &query) == SONDE_OK);
        }
    }
    sonde_arena_fini(&arena);
    return 0;
}
