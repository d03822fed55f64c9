/* SPDX-License-Identifier: Apache-2.0 */
#include "core/symbols/listing.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"

int
sonde_listing_new(struct sonde_listing **out, bool is_whole, bool wants_libraries)
{
    struct sonde_listing *listing = sonde_calloc(1, sizeof(*listing));
    if (listing == NULL) {
        return SONDE_E_NOMEM;
    }
    listing->is_whole = is_whole;
    listing->wants_libraries = wants_libraries;
    listing->max_scopes = SONDE_LISTING_MAX_SCOPES;
    listing->budget.max_bytes = SONDE_LISTING_MAX_BYTES;
    sonde_strings_init(&listing->strings);
    sonde_items_init(&listing->scopes, sizeof(struct sonde_listed_scope));
    sonde_items_init(&listing->symbols, sizeof(struct sonde_listed_symbol));
    sonde_items_init(&listing->lines, sizeof(struct sonde_listed_lines));
    sonde_items_init(&listing->specifics, sizeof(struct sonde_listed_specific));
    *out = listing;
    return SONDE_OK;
}

void
sonde_listing_free(struct sonde_listing *listing)
{
    if (listing == NULL) {
        return;
    }
    sonde_strings_fini(&listing->strings);
    sonde_items_fini(&listing->scopes);
    sonde_items_fini(&listing->symbols);
    sonde_items_fini(&listing->lines);
    sonde_items_fini(&listing->specifics);
    sonde_index_fini(&listing->scope_index);
    sonde_index_fini(&listing->symbol_index);
    sonde_free(listing);
}

void
sonde_listing_begin_slice(struct sonde_listing *listing, int64_t until_ns)
{
    listing->slice_until_ns = until_ns;
    listing->slice_count++;
}

/* --- What the runtime asks ---------------------------------------------------------------- */

bool
sonde_listing_is_whole(const struct sonde_listing *listing)
{
    return listing->is_whole;
}

bool
sonde_listing_is_first(const struct sonde_listing *listing)
{
    return listing->slice_count <= 1;
}

bool
sonde_listing_wants(const struct sonde_listing *listing, enum sonde_origin origin)
{
    return listing->wants_libraries ||
           (origin != SONDE_ORIGIN_LIBRARY && origin != SONDE_ORIGIN_STANDARD);
}

bool
sonde_listing_is_due(const struct sonde_listing *listing)
{
    return listing->slice_until_ns != INT64_MAX &&
           sonde_clock_mono_ns() >= listing->slice_until_ns;
}

/* --- Scopes ------------------------------------------------------------------------------- */

static struct sonde_listed_scope *
scope_at(const struct sonde_listing *listing, uint32_t id)
{
    return (struct sonde_listed_scope *)sonde_items_at(&listing->scopes, id);
}

/* What makes a scope the same as another. */
struct scope_key {
    uint32_t parent, kind, name, line;
};

static bool
is_same_scope(const void *ctx, uint32_t id, const void *key)
{
    const struct sonde_listed_scope *scope = sonde_listing_at(ctx, id);
    const struct scope_key *wanted = (const struct scope_key *)key;
    if (scope->parent != wanted->parent) {
        return false;
    }
    if (scope->parent == 0) {
        return scope->qualified == wanted->name;
    }
    return scope->kind == wanted->kind && scope->name == wanted->name &&
           (wanted->line == 0 || scope->first_line == wanted->line);
}

static uint32_t
find_scope(const struct sonde_listing *listing, const struct scope_key *key,
           uint32_t *hash)
{
    *hash = sonde_hash_bytes(1, key, sizeof(*key));
    return sonde_index_find(&listing->scope_index, *hash, is_same_scope, listing, key);
}

/* Puts an item that was added at the end of a list of its like. */
#define APPEND(items, list, member_type)                                        \
    do {                                                                        \
        uint32_t added_id = (items)->count;                                     \
        if ((list)->last == 0) {                                                \
            (list)->first = added_id;                                           \
        } else {                                                                \
            ((struct member_type *)sonde_items_at(items, (list)->last))->next = \
                added_id;                                                       \
        }                                                                       \
        (list)->last = added_id;                                                \
    } while (0)

/* A new scope, in its parent's list and in the index; NULL when a bound is reached. */
static struct sonde_listed_scope *
add_scope(struct sonde_listing *listing, const struct scope_key *key, uint32_t hash)
{
    struct sonde_listed_scope *scope =
        listing->scopes.count >= listing->max_scopes
            ? NULL
            : sonde_items_add(&listing->scopes, &listing->budget);
    if (scope == NULL) {
        return NULL;
    }
    uint32_t id = listing->scopes.count;
    scope->parent = key->parent;
    if (!sonde_index_add(&listing->scope_index, &listing->budget, hash, id)) {
        scope->parent = id; /* it is in no list, and nobody finds it */
        return NULL;
    }
    struct sonde_list *list = &listing->roots;
    if (key->parent != 0) {
        struct sonde_listed_scope *parent = scope_at(listing, key->parent);
        list = &parent->scopes;
        scope->depth = (uint8_t)(parent->depth + 1);
        scope->origin = parent->origin;
    } else {
        listing->root_count++;
    }
    APPEND(&listing->scopes, list, sonde_listed_scope);
    return scope;
}

static sonde_scope_id
lost(struct sonde_listing *listing)
{
    listing->dropped_count++;
    return 0;
}

sonde_scope_id
sonde_listing_file(struct sonde_listing *listing, enum sonde_scope_kind kind,
                   struct sonde_str path, struct sonde_str name, enum sonde_origin origin)
{
    if (!sonde_listing_wants(listing, origin) || path.len == 0) {
        return 0;
    }
    if (path.len > SONDE_STRING_MAX) {
        return lost(listing);
    }
    uint32_t hash;
    struct scope_key key = {
        .name = sonde_strings_put(&listing->strings, &listing->budget, path)};
    if (key.name == 0) {
        return lost(listing);
    }
    sonde_scope_id id = find_scope(listing, &key, &hash);
    if (id != 0) {
        return id;
    }
    uint32_t name_id = sonde_strings_put(&listing->strings, &listing->budget,
                                         name.len == 0 ? path : name);
    struct sonde_listed_scope *root =
        name_id == 0 ? NULL : add_scope(listing, &key, hash);
    if (root == NULL) {
        return lost(listing);
    }
    root->kind = (uint8_t)kind;
    root->origin = (uint8_t)origin;
    root->name = name_id;
    root->qualified = key.name;
    return listing->scopes.count;
}

/* The lines of a scope that is mentioned once more. */
static void
widen(struct sonde_listed_scope *scope, uint32_t first_line, uint32_t last_line)
{
    if (first_line != 0 && (scope->first_line == 0 || first_line < scope->first_line)) {
        scope->first_line = first_line;
    }
    if (last_line > scope->last_line) {
        scope->last_line = last_line;
    }
}

/* Of two names for one thing, the same one in whatever order they come: processes list in the order
 * of their heaps, and should say the same. */
static void
prefer_name(const struct sonde_listing *listing, uint32_t *name, uint32_t other)
{
    struct sonde_str a = sonde_listing_text(listing, *name);
    struct sonde_str b = sonde_listing_text(listing, other);
    if (b.len == 0 || *name == other) {
        return;
    }
    if (a.len == 0 || b.len < a.len ||
        (b.len == a.len && memcmp(b.ptr, a.ptr, a.len) < 0)) {
        *name = other;
    }
}

sonde_scope_id
sonde_listing_scope(struct sonde_listing *listing, sonde_scope_id parent,
                    const struct sonde_scope *scope)
{
    if (parent == 0) {
        return 0; /* what it stands in was counted */
    }
    bool is_named_place = scope->kind == SONDE_SCOPE_FILE ||
                          scope->kind == SONDE_SCOPE_MODULE ||
                          scope->kind == SONDE_SCOPE_CLASS;
    struct scope_key key = {
        .parent = parent,
        .kind = scope->kind,
        .name = sonde_strings_put(&listing->strings, &listing->budget, scope->name),
        .line = is_named_place ? 0 : scope->first_line,
    };
    uint32_t qualified =
        sonde_strings_put(&listing->strings, &listing->budget, scope->qualified);
    if ((key.name == 0 && scope->name.len > 0) ||
        (qualified == 0 && scope->qualified.len > 0) ||
        scope_at(listing, parent)->depth >= SONDE_LISTING_MAX_DEPTH) {
        return lost(listing);
    }
    uint32_t hash;
    sonde_scope_id id = find_scope(listing, &key, &hash);
    if (id != 0) {
        struct sonde_listed_scope *known = scope_at(listing, id);
        widen(known, scope->first_line, scope->last_line);
        prefer_name(listing, &known->qualified, qualified);
        return id;
    }
    struct sonde_listed_scope *added = add_scope(listing, &key, hash);
    if (added == NULL) {
        return lost(listing);
    }
    added->kind = (uint8_t)scope->kind;
    added->name = key.name;
    added->qualified = qualified;
    widen(added, scope->first_line, scope->last_line);
    return listing->scopes.count;
}

/* --- What a scope holds ------------------------------------------------------------------- */

struct symbol_key {
    uint32_t scope, kind, name;
};

static bool
is_same_symbol(const void *ctx, uint32_t id, const void *key)
{
    const struct sonde_listing *listing = (const struct sonde_listing *)ctx;
    const struct symbol_key *wanted = (const struct symbol_key *)key;
    const struct sonde_listed_symbol *symbol =
        (const struct sonde_listed_symbol *)sonde_items_at(&listing->symbols, id);
    return symbol->scope == wanted->scope && symbol->kind == wanted->kind &&
           symbol->name == wanted->name;
}

void
sonde_listing_symbol(struct sonde_listing *listing, sonde_scope_id scope,
                     const struct sonde_symbol *symbol)
{
    if (scope == 0 || symbol->name.len == 0) {
        return;
    }
    struct symbol_key key = {
        .scope = scope,
        .kind = symbol->kind,
        .name = sonde_strings_put(&listing->strings, &listing->budget, symbol->name),
    };
    uint32_t type = sonde_strings_put(&listing->strings, &listing->budget, symbol->type);
    uint32_t hash = sonde_hash_bytes(2, &key, sizeof(key));
    listing->dropped_count += type == 0 && symbol->type.len > 0;
    if (key.name == 0) {
        listing->dropped_count++;
        return;
    }
    uint32_t id =
        sonde_index_find(&listing->symbol_index, hash, is_same_symbol, listing, &key);
    if (id != 0) {
        struct sonde_listed_symbol *known = sonde_items_at(&listing->symbols, id);
        prefer_name(listing, &known->type, type);
        if (symbol->line != 0 && (known->line == 0 || symbol->line < known->line)) {
            known->line = symbol->line;
        }
        return;
    }
    struct sonde_listed_symbol *added =
        sonde_items_add(&listing->symbols, &listing->budget);
    if (added == NULL || !sonde_index_add(&listing->symbol_index, &listing->budget, hash,
                                          listing->symbols.count)) {
        listing->dropped_count++;
        return;
    }
    added->scope = scope;
    added->kind = (uint8_t)symbol->kind;
    added->name = key.name;
    added->type = type;
    added->line = symbol->line;
    APPEND(&listing->symbols, &scope_at(listing, scope)->symbols, sonde_listed_symbol);
}

void
sonde_listing_line(struct sonde_listing *listing, sonde_scope_id scope, uint32_t line)
{
    if (scope == 0 || line == 0) {
        return;
    }
    struct sonde_list *list = &scope_at(listing, scope)->lines;
    if (list->last != 0) {
        struct sonde_listed_lines *last = sonde_items_at(&listing->lines, list->last);
        if (line >= last->first && line <= last->last) {
            return;
        }
        if (line == last->last + 1) {
            last->last = line;
            return;
        }
    }
    struct sonde_listed_lines *added = sonde_items_add(&listing->lines, &listing->budget);
    if (added == NULL) {
        listing->dropped_count++;
        return;
    }
    added->first = added->last = line;
    APPEND(&listing->lines, list, sonde_listed_lines);
}

void
sonde_listing_specific(struct sonde_listing *listing, sonde_scope_id scope,
                       const char *key, struct sonde_str value)
{
    if (scope == 0) {
        return;
    }
    uint32_t string = sonde_strings_put(&listing->strings, &listing->budget, value);
    struct sonde_list *list = &scope_at(listing, scope)->specifics;
    /* A scope that is mentioned twice says its facts twice. */
    for (uint32_t id = list->first; id != 0;) {
        const struct sonde_listed_specific *known =
            sonde_items_at(&listing->specifics, id);
        if (known->value == string && strcmp(known->key, key) == 0) {
            return;
        }
        id = known->next;
    }
    struct sonde_listed_specific *added =
        string == 0 && value.len > 0
            ? NULL
            : sonde_items_add(&listing->specifics, &listing->budget);
    if (added == NULL) {
        listing->dropped_count++;
        return;
    }
    added->key = key;
    added->value = string;
    APPEND(&listing->specifics, list, sonde_listed_specific);
}
