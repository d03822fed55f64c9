/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store/symbol_words.h"

#include <inttypes.h>
#include <stdio.h>

#define WORDS_MAX 32
#define INITIALS_MAX 8
#define PART_BYTES 3        /* of a text that a key of its inside holds */
#define PARTS_ASKED 6       /* of a query, at most */
#define SEPARATORS ".:#/\\" /* between the parts of a qualified name */

/* Of beginnings that keys hold: a query uses the longest that is not longer than itself. */
static const size_t start_bytes[] = {1, 2, 3, 5, 8};
#define STARTS (sizeof(start_bytes) / sizeof(start_bytes[0]))

static const char kind_letters[SONDE_FOUND_KINDS] = {'f', 'c', 'u', 'n'};

static char
fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool
is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool
is_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_word(char c)
{
    return is_upper(c) || is_lower(c) || is_digit(c);
}

uint64_t
sonde_words_hash(uint64_t seed, struct sonde_str text, bool is_folded)
{
    uint64_t sum = seed ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++) {
        char c = is_folded ? fold(text.ptr[i]) : text.ptr[i];
        sum = (sum ^ (unsigned char)c) * UINT64_C(0x100000001b3);
    }
    sum = (sum ^ (sum >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    sum = (sum ^ (sum >> 27)) * UINT64_C(0x94d049bb133111eb);
    return sum ^ (sum >> 31);
}

/* --- Texts -------------------------------------------------------------------------- */

static bool
begins(struct sonde_str text, size_t at, struct sonde_str with)
{
    if (with.len > text.len - at) {
        return false;
    }
    for (size_t i = 0; i < with.len; i++) {
        if (fold(text.ptr[at + i]) != fold(with.ptr[i])) {
            return false;
        }
    }
    return true;
}

static bool
contains(struct sonde_str text, struct sonde_str part)
{
    for (size_t at = 0; at + part.len <= text.len; at++) {
        if (begins(text, at, part)) {
            return true;
        }
    }
    return false;
}

static bool
starts_word(struct sonde_str text, size_t at)
{
    char c = text.ptr[at];
    if (!is_word(c)) {
        return false;
    }
    if (at == 0) {
        return true;
    }
    char before = text.ptr[at - 1];
    if (!is_word(before)) {
        return true;
    }
    /* "orderLine": L. "HTTPServer": S, which a small letter follows. */
    bool is_hump = is_upper(c) && !is_upper(before);
    bool ends_run = is_upper(c) && is_upper(before) && at + 1 < text.len &&
                    is_lower(text.ptr[at + 1]);
    return is_hump || ends_run;
}

/* Where its words begin. */
static size_t
find_words(size_t at[WORDS_MAX], struct sonde_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len && count < WORDS_MAX; i++) {
        if (starts_word(text, i)) {
            at[count++] = i;
        }
    }
    return count;
}

/* The words that a query is made of, when it is one of humps: "ordCon" has two, "oC" too. */
static size_t
find_humps(struct sonde_str humps[WORDS_MAX], struct sonde_str text)
{
    size_t at[WORDS_MAX];
    size_t count = find_words(at, text);
    bool has_small = false;
    for (size_t i = 0; i < text.len; i++) {
        has_small |= is_lower(text.ptr[i]);
        if (!is_word(text.ptr[i]) && text.ptr[i] != '_' && text.ptr[i] != ' ') {
            return 0;
        }
    }
    if (count < 2 || !has_small) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        size_t end = i + 1 < count ? at[i + 1] : text.len;
        while (end > at[i] && !is_word(text.ptr[end - 1])) {
            end--;
        }
        humps[i] = (struct sonde_str){text.ptr + at[i], end - at[i]};
    }
    return count;
}

static bool
has_humps(struct sonde_str name, struct sonde_str text)
{
    struct sonde_str humps[WORDS_MAX];
    size_t words[WORDS_MAX];
    size_t hump_count = find_humps(humps, text);
    size_t word_count = find_words(words, name);
    size_t found = 0;
    for (size_t i = 0; i < word_count && found < hump_count; i++) {
        found += begins(name, words[i], humps[found]);
    }
    return hump_count > 0 && found == hump_count;
}

static size_t
write_initials(char out[INITIALS_MAX], struct sonde_str name)
{
    size_t words[WORDS_MAX];
    size_t count = find_words(words, name);
    count = count > INITIALS_MAX ? INITIALS_MAX : count;
    for (size_t i = 0; i < count; i++) {
        out[i] = fold(name.ptr[words[i]]);
    }
    return count;
}

/* --- Keys --------------------------------------------------------------------------- */

/* A byte as it stands in a key: no byte's text begins another's, so that what begins alike has
 * keys that begin alike. */
static void
write_byte(struct sonde_buf *out, char byte)
{
    char c = fold(byte);
    if ((c >= 'a' && c <= 'z') || is_digit(c) || c == '.') {
        sonde_buf_byte(out, c);
    } else if (c == '_') {
        sonde_buf_byte(out, '-');
    } else {
        static const char hex[] = "0123456789abcdef";
        unsigned char value = (unsigned char)c;
        char text[3] = {'_', hex[value >> 4], hex[value & 15]};
        sonde_buf_append(out, text, sizeof(text));
    }
}

static void
write_bytes(struct sonde_buf *out, char letter, const char *bytes, size_t len)
{
    sonde_buf_byte(out, letter);
    for (size_t i = 0; i < len; i++) {
        write_byte(out, bytes[i]);
    }
}

static void
write_hash(struct sonde_buf *out, char letter, struct sonde_str text, bool is_folded)
{
    uint64_t sum = sonde_words_hash(0, text, is_folded);
    sonde_buf_printf(out, "%c%010" PRIx64, letter, sum & UINT64_C(0xffffffffff));
}

static void
add_key(struct sonde_buf *out, char letter, const char *bytes, size_t len)
{
    write_bytes(out, letter, bytes, len);
    sonde_buf_byte(out, ' ');
}

static void
add_starts(struct sonde_buf *out, char letter, struct sonde_str text, size_t at)
{
    for (size_t i = 0; i < STARTS && at + start_bytes[i] <= text.len; i++) {
        add_key(out, letter, text.ptr + at, start_bytes[i]);
    }
}

static void
add_parts(struct sonde_buf *out, struct sonde_str text)
{
    bool has_byte[256] = {false};
    for (size_t i = 0; i < text.len; i++) {
        size_t len = text.len - i < PART_BYTES ? text.len - i : PART_BYTES;
        unsigned char byte = (unsigned char)fold(text.ptr[i]);
        if (!has_byte[byte]) {
            has_byte[byte] = true;
            add_key(out, 'g', text.ptr + i, 1);
        }
        for (size_t n = 2; n <= len; n++) {
            add_key(out, 'g', text.ptr + i, n);
        }
    }
}

void
sonde_words_keys(struct sonde_buf *out, enum sonde_found_kind kind, struct sonde_str name,
                 struct sonde_str qualified)
{
    size_t words[WORDS_MAX];
    char initials[INITIALS_MAX];
    bool has_other = qualified.len > 0 && !sonde_str_eq(name, qualified);
    sonde_buf_byte(out, 'k');
    sonde_buf_byte(out, kind_letters[kind]);
    sonde_buf_byte(out, ' ');
    write_hash(out, 'y', name, false);
    sonde_buf_byte(out, ' ');
    write_hash(out, 'x', name, true);
    sonde_buf_byte(out, ' ');
    add_starts(out, 'p', name, 0);
    if (has_other) {
        write_hash(out, 'y', qualified, false);
        sonde_buf_byte(out, ' ');
        write_hash(out, 'x', qualified, true);
        sonde_buf_byte(out, ' ');
        add_starts(out, 'q', qualified, 0);
    }
    size_t count = find_words(words, name);
    for (size_t i = 0; i < count; i++) {
        add_starts(out, 'w', name, words[i]);
    }
    count = write_initials(initials, name);
    if (count > 1) {
        add_key(out, 'i', initials, count);
    }
    add_parts(out, has_other ? qualified : name);
    if (has_other && !sonde_str_ends_with(qualified, name)) {
        add_parts(out, name);
    }
}

/* --- Queries ------------------------------------------------------------------------ */

static bool
has_separator(struct sonde_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (strchr(SEPARATORS, text.ptr[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static void
quote_key(struct sonde_buf *out, char letter, const char *bytes, size_t len)
{
    sonde_buf_byte(out, '"');
    write_bytes(out, letter, bytes, len);
    sonde_buf_str(out, SONDE_STR("\" "));
}

static void
quote_start(struct sonde_buf *out, char letter, struct sonde_str text)
{
    size_t i = STARTS - 1;
    while (start_bytes[i] > text.len) {
        i--;
    }
    quote_key(out, letter, text.ptr, start_bytes[i]);
}

/* Some of the three bytes in a row that are in it, from end to end: each costs a pass over all names
 * that have it, and what more of them would tell, the text tells too. */
static void
quote_parts(struct sonde_buf *out, struct sonde_str text)
{
    size_t last = text.len - PART_BYTES;
    size_t count = last + 1 < PARTS_ASKED ? last + 1 : PARTS_ASKED;
    for (size_t i = 0; i < count; i++) {
        size_t at = count == 1 ? 0 : i * last / (count - 1);
        quote_key(out, 'g', text.ptr + at, PART_BYTES);
    }
}

static bool
match_any(struct sonde_buf *out, struct sonde_str text)
{
    if (text.len >= PART_BYTES) {
        quote_parts(out, text);
    } else {
        quote_key(out, 'g', text.ptr, text.len);
    }
    return true;
}

static bool
match_humps(struct sonde_buf *out, struct sonde_str text)
{
    struct sonde_str humps[WORDS_MAX];
    size_t count = find_humps(humps, text);
    for (size_t i = 0; i < count; i++) {
        quote_start(out, 'w', humps[i]);
    }
    return count > 0;
}

/* Letters alone, all of one case: "oc", "OC". */
static bool
match_initials(struct sonde_buf *out, struct sonde_str text)
{
    bool has_small = false;
    bool has_large = false;
    for (size_t i = 0; i < text.len; i++) {
        has_small |= is_lower(text.ptr[i]);
        has_large |= is_upper(text.ptr[i]);
        if (!is_word(text.ptr[i])) {
            return false;
        }
    }
    if (text.len < 2 || text.len > INITIALS_MAX || has_small == has_large) {
        return false;
    }
    quote_key(out, 'i', text.ptr, text.len);
    sonde_buf_str(out, SONDE_STR("* "));
    return true;
}

static bool
match_keys(struct sonde_buf *out, enum sonde_tier tier, struct sonde_str text)
{
    switch (tier) {
    case SONDE_TIER_EXACT:
    case SONDE_TIER_FOLDED:
        sonde_buf_byte(out, '"');
        write_hash(out, tier == SONDE_TIER_EXACT ? 'y' : 'x', text,
                   tier == SONDE_TIER_FOLDED);
        sonde_buf_str(out, SONDE_STR("\" "));
        return true;
    case SONDE_TIER_PREFIX:
    case SONDE_TIER_WORD:
        if (tier == SONDE_TIER_WORD && !is_word(text.ptr[0])) {
            return false;
        }
        if (tier == SONDE_TIER_PREFIX && has_separator(text)) {
            sonde_buf_byte(out, '(');
            quote_start(out, 'p', text);
            sonde_buf_str(out, SONDE_STR("OR "));
            quote_start(out, 'q', text);
            sonde_buf_str(out, SONDE_STR(") "));
        } else {
            quote_start(out, tier == SONDE_TIER_PREFIX ? 'p' : 'w', text);
        }
        return true;
    case SONDE_TIER_HUMPS:
        return match_humps(out, text);
    case SONDE_TIER_INITIALS:
        return match_initials(out, text);
    default:
        return match_any(out, text);
    }
}

bool
sonde_words_match(struct sonde_buf *out, enum sonde_tier tier, struct sonde_str text,
                  unsigned kinds)
{
    const unsigned all = (1u << SONDE_FOUND_KINDS) - 1;
    kinds &= all;
    if (text.len > 0 && !match_keys(out, tier, text)) {
        return false;
    }
    kinds = text.len == 0 && kinds == 0 ? all : kinds;
    if (text.len == 0 || (kinds != 0 && kinds != all)) {
        const char *before = text.len == 0 ? "(" : "AND (";
        for (unsigned i = 0; i < SONDE_FOUND_KINDS; i++) {
            if ((kinds >> i & 1) != 0) {
                sonde_buf_printf(out, "%s\"k%c\"", before, kind_letters[i]);
                before = " OR ";
            }
        }
        sonde_buf_byte(out, ')');
    }
    return true;
}

bool
sonde_words_fit(enum sonde_tier tier, struct sonde_str text, struct sonde_str name,
                struct sonde_str qualified)
{
    size_t words[WORDS_MAX];
    char initials[INITIALS_MAX];
    size_t count = 0;
    if (text.len == 0) {
        return true;
    }
    switch (tier) {
    case SONDE_TIER_EXACT:
        return sonde_str_eq(text, name) || sonde_str_eq(text, qualified);
    case SONDE_TIER_FOLDED:
        return (text.len == name.len && begins(name, 0, text)) ||
               (text.len == qualified.len && begins(qualified, 0, text));
    case SONDE_TIER_PREFIX:
        return begins(name, 0, text) ||
               (has_separator(text) && begins(qualified, 0, text));
    case SONDE_TIER_WORD:
        count = find_words(words, name);
        for (size_t i = 0; i < count; i++) {
            if (begins(name, words[i], text)) {
                return true;
            }
        }
        return false;
    case SONDE_TIER_HUMPS:
        return has_humps(name, text);
    case SONDE_TIER_INITIALS:
        count = write_initials(initials, name);
        return begins((struct sonde_str){initials, count}, 0, text);
    default:
        return contains(qualified, text) || contains(name, text);
    }
}

enum sonde_tier
sonde_words_tier(struct sonde_str text, struct sonde_str name, struct sonde_str qualified)
{
    int tier = SONDE_TIER_EXACT;
    while (tier < SONDE_TIER_ANY &&
           !sonde_words_fit((enum sonde_tier)tier, text, name, qualified)) {
        tier++;
    }
    return (enum sonde_tier)tier;
}
