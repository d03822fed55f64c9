/* SPDX-License-Identifier: Apache-2.0 */
#include "core/symbols/unit.h"

#include "core/base/alloc.h"
#include "core/symbols/origins.h"
#include "core/wire/json.h"
#include "core/wire/utf8.h"

#include <stdio.h>
#include <stdlib.h>

static const char *
scope_text(unsigned kind)
{
    static const char *const texts[] = {"",
#define SCOPE_TEXT(name, text) text,
                                        SONDE_SCOPE_LIST(SCOPE_TEXT)
#undef SCOPE_TEXT
    };
    return kind < sizeof(texts) / sizeof(texts[0]) ? texts[kind] : "";
}

static const char *
symbol_text(unsigned kind)
{
    static const char *const texts[] = {"",
#define SYMBOL_TEXT(name, text) text,
                                        SONDE_SYMBOL_LIST(SYMBOL_TEXT)
#undef SYMBOL_TEXT
    };
    return kind < sizeof(texts) / sizeof(texts[0]) ? texts[kind] : "";
}

/* --- Order -------------------------------------------------------------------------------- */

/* What is sorted: a reference with all that its order follows from. */
struct entry {
    uint32_t id;
    uint32_t line;      /* lines: the first one */
    uint32_t last_line; /* of lines */
    uint32_t kind;
    uint32_t place; /* in the order as listed */
    struct sonde_str name;
};

static int
compare_numbers(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int
compare_texts(struct sonde_str a, struct sonde_str b)
{
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least == 0 ? 0 : memcmp(a.ptr, b.ptr, least);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int
compare_scopes(const void *left, const void *right)
{
    const struct entry *a = (const struct entry *)left;
    const struct entry *b = (const struct entry *)right;
    int order = compare_numbers(a->line, b->line);
    order = order != 0 ? order : strcmp(scope_text(a->kind), scope_text(b->kind));
    return order != 0 ? order : compare_texts(a->name, b->name);
}

static int
compare_symbols(const void *left, const void *right)
{
    const struct entry *a = (const struct entry *)left;
    const struct entry *b = (const struct entry *)right;
    int order = compare_numbers(a->kind, b->kind);
    if (order == 0 && a->kind == SONDE_SYMBOL_PARAMETER) {
        return compare_numbers(a->place, b->place);
    }
    order = order != 0 ? order : compare_numbers(a->line, b->line);
    return order != 0 ? order : compare_texts(a->name, b->name);
}

static int
compare_lines(const void *left, const void *right)
{
    const struct entry *a = (const struct entry *)left;
    const struct entry *b = (const struct entry *)right;
    int order = compare_numbers(a->line, b->line);
    return order != 0 ? order : compare_numbers(a->last_line, b->last_line);
}

static int
compare_specifics(const void *left, const void *right)
{
    const struct entry *a = (const struct entry *)left;
    const struct entry *b = (const struct entry *)right;
    int order = compare_texts(a->name, b->name);
    return order != 0 ? order : compare_numbers(a->place, b->place);
}

struct entries {
    struct entry *list;
    uint32_t count, cap;
    bool has_failed;
};

static struct entry *
add_entry(struct entries *entries, uint32_t id)
{
    if (entries->count == entries->cap) {
        uint32_t cap = entries->cap == 0 ? 16 : entries->cap * 2;
        struct entry *grown = sonde_realloc(entries->list, cap * sizeof(*entries->list));
        if (grown == NULL) {
            entries->has_failed = true;
            return NULL;
        }
        entries->list = grown;
        entries->cap = cap;
    }
    struct entry *entry = &entries->list[entries->count];
    *entry = (struct entry){.id = id, .place = entries->count};
    entries->count++;
    return entry;
}

static void
sort(struct entries *entries, int (*compare)(const void *, const void *))
{
    if (entries->count > 1) {
        qsort(entries->list, entries->count, sizeof(*entries->list), compare);
    }
}

/* The scopes in a scope, in their order. Own: free entries->list. */
static void
sort_scopes(const struct sonde_listing *listing, const struct sonde_listed_scope *parent,
            struct entries *entries)
{
    for (uint32_t id = parent->scopes.first; id != 0;) {
        const struct sonde_listed_scope *scope = sonde_listing_at(listing, id);
        struct entry *entry = add_entry(entries, id);
        if (entry == NULL) {
            return;
        }
        entry->line = scope->first_line;
        entry->kind = scope->kind;
        entry->name = sonde_listing_text(listing, scope->name);
        id = scope->next;
    }
    sort(entries, compare_scopes);
}

/* --- Parts -------------------------------------------------------------------------------- */

/* Goes as deep as scopes may be nested (SONDE_LISTING_MAX_DEPTH). */
uint32_t
sonde_unit_count_scopes(const struct sonde_listing *listing, sonde_scope_id root)
{
    uint32_t count = 1;
    for (uint32_t id = sonde_listing_at(listing, root)->scopes.first; id != 0;
         id = sonde_listing_at(listing, id)->next) {
        count += sonde_unit_count_scopes(listing, id);
    }
    return count;
}

/* Deals the top-level scopes out in their order: a part is full where the next one would take it
 * over the bound. Returns the number of parts, and where part `part` begins and ends. */
static uint32_t
deal(const struct sonde_listing *listing, const struct entries *entries, uint32_t part,
     uint32_t *from, uint32_t *to)
{
    uint32_t at_part = 0, held = 0;
    *from = *to = 0;
    for (uint32_t i = 0; i < entries->count; i++) {
        uint32_t count = sonde_unit_count_scopes(listing, entries->list[i].id);
        if (held > 0 && held + count > SONDE_UNIT_MAX_SCOPES - 1) {
            at_part++;
            held = 0;
        }
        if (at_part == part) {
            *from = *from == *to ? i : *from;
            *to = i + 1;
        }
        held += count;
    }
    return at_part + 1;
}

int
sonde_unit_count_parts(const struct sonde_listing *listing, sonde_scope_id root,
                       uint32_t *parts)
{
    *parts = 1;
    if (sonde_unit_count_scopes(listing, root) <= SONDE_UNIT_MAX_SCOPES) {
        return SONDE_OK;
    }
    struct entries entries = {0};
    uint32_t from, to;
    sort_scopes(listing, sonde_listing_at(listing, root), &entries);
    if (!entries.has_failed) {
        *parts = deal(listing, &entries, 0, &from, &to);
    }
    sonde_free(entries.list);
    return entries.has_failed ? SONDE_E_NOMEM : SONDE_OK;
}

/* --- Writing ------------------------------------------------------------------------------ */

static void
write_text(struct sonde_json_writer *out, const char *key, struct sonde_str text)
{
    if (text.len > 0) {
        sonde_json_key(out, key);
        sonde_json_string(out, text);
    }
}

static void
write_number(struct sonde_json_writer *out, const char *key, uint32_t number)
{
    if (number > 0) {
        sonde_json_key(out, key);
        sonde_json_uint(out, number);
    }
}

static void
fail(struct sonde_json_writer *out)
{
    if (out->out->failed == SONDE_OK) {
        out->out->failed = SONDE_E_NOMEM;
    }
}

/* As closed ranges that neither overlap nor touch. */
static void
write_ranges(struct sonde_json_writer *out, const struct entries *entries)
{
    sonde_json_key(out, "has_injectible_lines");
    sonde_json_bool(out, true);
    sonde_json_key(out, "injectible_lines");
    sonde_json_array_begin(out);
    for (uint32_t i = 0; i < entries->count;) {
        uint32_t first = entries->list[i].line, last = entries->list[i].last_line;
        for (i++; i < entries->count &&
                  (entries->list[i].line <= last || entries->list[i].line - last == 1);
             i++) {
            last = entries->list[i].last_line > last ? entries->list[i].last_line : last;
        }
        sonde_json_object_begin(out);
        sonde_json_key(out, "start");
        sonde_json_uint(out, first);
        sonde_json_key(out, "end");
        sonde_json_uint(out, last);
        sonde_json_object_end(out);
    }
    sonde_json_array_end(out);
}

static void
write_lines(struct sonde_json_writer *out, const struct sonde_listing *listing,
            const struct sonde_listed_scope *scope)
{
    struct entries entries = {0};
    for (uint32_t id = scope->lines.first; id != 0;) {
        const struct sonde_listed_lines *lines = sonde_items_at(&listing->lines, id);
        struct entry *entry = add_entry(&entries, id);
        if (entry == NULL) {
            break;
        }
        entry->line = lines->first;
        entry->last_line = lines->last;
        id = lines->next;
    }
    sort(&entries, compare_lines);
    if (entries.has_failed) {
        fail(out);
    } else if (entries.count > 0) {
        write_ranges(out, &entries);
    }
    sonde_free(entries.list);
}

static void
write_specific_values(struct sonde_json_writer *out, const struct sonde_listing *listing,
                      const struct entries *entries)
{
    sonde_json_key(out, "language_specifics");
    sonde_json_object_begin(out);
    for (uint32_t i = 0; i < entries->count;) {
        struct sonde_str key = entries->list[i].name;
        uint32_t end = i + 1;
        while (end < entries->count && sonde_str_eq(entries->list[end].name, key)) {
            end++;
        }
        bool is_list = end - i > 1 || sonde_str_ends_with(key, SONDE_STR("s"));
        sonde_json_key_str(out, key);
        if (is_list) {
            sonde_json_array_begin(out);
        }
        for (; i < end; i++) {
            const struct sonde_listed_specific *specific =
                sonde_items_at(&listing->specifics, entries->list[i].id);
            sonde_json_string(out, sonde_listing_text(listing, specific->value));
        }
        if (is_list) {
            sonde_json_array_end(out);
        }
    }
    sonde_json_object_end(out);
}

static void
write_specifics(struct sonde_json_writer *out, const struct sonde_listing *listing,
                const struct sonde_listed_scope *scope)
{
    struct entries entries = {0};
    for (uint32_t id = scope->specifics.first; id != 0;) {
        const struct sonde_listed_specific *specific =
            sonde_items_at(&listing->specifics, id);
        struct entry *entry = add_entry(&entries, id);
        if (entry == NULL) {
            break;
        }
        entry->name = sonde_str_from(specific->key);
        id = specific->next;
    }
    sort(&entries, compare_specifics);
    if (entries.has_failed) {
        fail(out);
    } else if (entries.count > 0) {
        write_specific_values(out, listing, &entries);
    }
    sonde_free(entries.list);
}

static void
write_symbols(struct sonde_json_writer *out, const struct sonde_listing *listing,
              const struct sonde_listed_scope *scope)
{
    struct entries entries = {0};
    for (uint32_t id = scope->symbols.first; id != 0;) {
        const struct sonde_listed_symbol *symbol = sonde_items_at(&listing->symbols, id);
        struct entry *entry = add_entry(&entries, id);
        if (entry == NULL) {
            break;
        }
        entry->line = symbol->line;
        entry->kind = symbol->kind;
        entry->name = sonde_listing_text(listing, symbol->name);
        id = symbol->next;
    }
    sort(&entries, compare_symbols);
    if (entries.has_failed) {
        fail(out);
    } else if (entries.count > 0) {
        sonde_json_key(out, "symbols");
        sonde_json_array_begin(out);
        for (uint32_t i = 0; i < entries.count; i++) {
            const struct sonde_listed_symbol *symbol =
                sonde_items_at(&listing->symbols, entries.list[i].id);
            sonde_json_object_begin(out);
            write_text(out, "symbol_type", sonde_str_from(symbol_text(symbol->kind)));
            write_text(out, "name", entries.list[i].name);
            write_text(out, "type", sonde_listing_text(listing, symbol->type));
            write_number(out, "line", symbol->line);
            sonde_json_object_end(out);
        }
        sonde_json_array_end(out);
    }
    sonde_free(entries.list);
}

/* Of a root, what only its first part has, and the scopes of that part alone. `part` UINT32_MAX: all. */
static void
write_scope(struct sonde_json_writer *out, const struct sonde_listing *listing,
            sonde_scope_id id, uint32_t part)
{
    const struct sonde_listed_scope *scope = sonde_listing_at(listing, id);
    bool is_root = scope->parent == 0;
    sonde_json_object_begin(out);
    write_text(out, "scope_type", sonde_str_from(scope_text(scope->kind)));
    write_text(out, "name", sonde_listing_text(listing, scope->name));
    write_text(out, is_root ? "source_file" : "qualified",
               sonde_listing_text(listing, scope->qualified));
    write_number(out, "start_line", scope->first_line);
    write_number(out, "end_line", scope->last_line);
    if (part == 0 || part == UINT32_MAX) {
        write_lines(out, listing, scope);
        write_specifics(out, listing, scope);
        write_symbols(out, listing, scope);
    }
    struct entries entries = {0};
    sort_scopes(listing, scope, &entries);
    uint32_t from = 0, to = entries.count;
    if (entries.has_failed) {
        fail(out);
        to = 0;
    } else if (part != UINT32_MAX) {
        deal(listing, &entries, part, &from, &to);
    }
    if (from < to) {
        sonde_json_key(out, "scopes");
        sonde_json_array_begin(out);
        for (uint32_t i = from; i < to && out->out->failed == SONDE_OK; i++) {
            write_scope(out, listing, entries.list[i].id, UINT32_MAX);
        }
        sonde_json_array_end(out);
    }
    sonde_free(entries.list);
    sonde_json_object_end(out);
}

void
sonde_unit_write(const struct sonde_listing *listing, sonde_scope_id root, uint32_t part,
                 struct sonde_buf *out)
{
    struct sonde_json_writer writer;
    sonde_json_writer_init(&writer, out);
    write_scope(&writer, listing, root, part);
}

int
sonde_unit_hash(struct sonde_str file, enum sonde_origin origin,
                struct sonde_str file_hash, uint32_t part, struct sonde_str scope,
                unsigned char out[SONDE_SHA1_BYTES])
{
    char number[16];
    int number_len = snprintf(number, sizeof(number), "%u", (unsigned)part);
    struct sonde_buf plain;
    sonde_buf_init(&plain, 0);
    sonde_utf8_append(&plain, file);
    int rc = plain.failed;
    if (rc == SONDE_OK) {
        const struct sonde_str heads[] = {
            sonde_buf_view(&plain),
            sonde_str_from(sonde_origin_text(origin)),
            file_hash,
            {number, (size_t)number_len},
        };
        struct sonde_sha1 sha1;
        sonde_sha1_init(&sha1);
        for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
            sonde_sha1_add(&sha1, heads[i]);
            sonde_sha1_add(&sha1, (struct sonde_str){"", 1});
        }
        sonde_sha1_add(&sha1, scope);
        sonde_sha1_end(&sha1, out);
    }
    sonde_buf_fini(&plain);
    return rc;
}
