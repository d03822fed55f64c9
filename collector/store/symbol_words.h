/* SPDX-License-Identifier: Apache-2.0
 *
 * How a name is found. Each name is filed under *keys*; a search looks, tier by tier, for the names
 * that have all keys of the tier and then judges each by its text, so that keys may promise too much
 * but never too little. Keys are short words of [a-z0-9._-], so that they can stand in a full-text
 * index:
 *
 *     y…  the name's hash          x…  the same, ASCII letters folded
 *     p…  how it begins            w…  how each word in it does   q…  how the qualified one does
 *     i…  its words' initials      g…  each byte, two and three bytes in a row that are in it
 *
 * Only ASCII letters fold. A name's *words* begin after what is no letter or digit and at humps.
 *
 * Ctx: any thread; nothing is kept. */
#ifndef SONDE_SYMBOL_WORDS_H
#define SONDE_SYMBOL_WORDS_H

#include "collector/store/symbols.h"
#include "core/base/buf.h"

/* The best first. */
enum sonde_tier {
    SONDE_TIER_EXACT,    /* the name itself */
    SONDE_TIER_FOLDED,   /* but for its case */
    SONDE_TIER_PREFIX,   /* the name, or the qualified one, begins with it */
    SONDE_TIER_WORD,     /* a word of the name does */
    SONDE_TIER_HUMPS,    /* "ordCon", "sh_al": its words begin words, in this order */
    SONDE_TIER_INITIALS, /* "oc" */
    SONDE_TIER_ANY,      /* it is in the name, or the qualified one */
    SONDE_TIERS,
};

/* The keys of a name, a space between two. */
void sonde_words_keys(struct sonde_buf *out, enum sonde_found_kind kind,
                      struct sonde_str name, struct sonde_str qualified);

/* Appends the expression of SQLite's FTS5 for a tier. False: nothing can be in this tier.
 * `text` empty: all names of those kinds, in tier ANY. `kinds` as in struct sonde_symbol_query. */
bool sonde_words_match(struct sonde_buf *out, enum sonde_tier tier, struct sonde_str text,
                       unsigned kinds);

bool sonde_words_fit(enum sonde_tier tier, struct sonde_str text, struct sonde_str name,
                     struct sonde_str qualified);

/* The first tier that it fits, ANY if none. */
enum sonde_tier sonde_words_tier(struct sonde_str text, struct sonde_str name,
                                 struct sonde_str qualified);

/* A number for a text, the same in every life. */
uint64_t sonde_words_hash(uint64_t seed, struct sonde_str text, bool is_folded);

#endif
