/* SPDX-License-Identifier: Apache-2.0
 *
 * A listing under way or finished (sonde/symbols.h): what the runtime says, merged as it comes.
 * Ids are positions in it, so they stay good over all slices.
 *
 * Ctx: one thread at a time: under the VM lock until it ends, then whoever it was given to. */
#ifndef SONDE_SYMBOLS_LISTING_H
#define SONDE_SYMBOLS_LISTING_H

#include "core/symbols/pool.h"

#include <sonde/symbols.h>

#define SONDE_LISTING_MAX_SCOPES UINT32_C(2000000)
#define SONDE_LISTING_MAX_BYTES ((size_t)256 * 1024 * 1024)
#define SONDE_LISTING_MAX_DEPTH 100 /* readers of JSON have limits */

/* Items hang in lists by id: 0 ends one. */
struct sonde_list {
    uint32_t first, last;
};

struct sonde_listed_scope {
    uint32_t parent, next;    /* next: the parent's next scope, or the next root */
    uint32_t name, qualified; /* strings; of a root `qualified` is its path */
    uint32_t first_line, last_line;
    struct sonde_list scopes, symbols, lines, specifics;
    uint8_t kind, origin, depth;
};

struct sonde_listed_symbol {
    uint32_t next, scope;
    uint32_t name, type;
    uint32_t line;
    uint8_t kind;
};

/* Lines from first to last, as they came: they may overlap with others of the list. */
struct sonde_listed_lines {
    uint32_t next;
    uint32_t first, last;
};

struct sonde_listed_specific {
    const char *key;
    uint32_t next, value;
};

struct sonde_listing {
    bool is_whole, wants_libraries;
    int64_t slice_until_ns; /* monotonic */
    uint32_t slice_count;
    uint64_t
        dropped_count; /* scopes and names that a bound cost, without what is under them */
    uint32_t max_scopes;
    struct sonde_room budget;
    struct sonde_strings strings;
    struct sonde_items scopes, symbols, lines, specifics;
    struct sonde_index scope_index, symbol_index;
    struct sonde_list roots;
    uint32_t root_count;
};

/* SONDE_E_NOMEM. Own: sonde_listing_free. */
int sonde_listing_new(struct sonde_listing **out, bool is_whole, bool wants_libraries);
void sonde_listing_free(struct sonde_listing *listing);

/* Begins a slice, which is due at that time (monotonic; INT64_MAX: never). */
void sonde_listing_begin_slice(struct sonde_listing *listing, int64_t until_ns);

static inline const struct sonde_listed_scope *
sonde_listing_at(const struct sonde_listing *listing, uint32_t id)
{
    return (const struct sonde_listed_scope *)sonde_items_at(&listing->scopes, id);
}

static inline struct sonde_str
sonde_listing_text(const struct sonde_listing *listing, uint32_t string)
{
    return sonde_strings_get(&listing->strings, string);
}

#endif
