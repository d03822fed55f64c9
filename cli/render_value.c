/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/render.h"

#include <stdio.h>

#define INDENT 2

/* How a value's text is to be read. What is neither known to be a number nor known to be
 * text is quoted with its type beside it: "42" and 42 must never look alike. */
static const char *const BARE_TYPES[] = {
    "int",   "float",     "bool",       "complex",  "Decimal", "Integer",
    "Float", "TrueClass", "FalseClass", "Rational", "Complex", "BigDecimal",
};

/* Types that the shape of their value says already: left out on one line. */
static const char *const OBVIOUS_TYPES[] = {
    "int",   "float",  "bool",  "str",  "list",      "dict",       "NoneType", "Integer",
    "Float", "String", "Array", "Hash", "TrueClass", "FalseClass", "NilClass", "Symbol",
};

#define IS_ONE_OF(table, text) \
    is_one_of((table), sizeof(table) / sizeof((table)[0]), (text))

static bool
is_one_of(const char *const *table, size_t count, struct sonde_str text)
{
    for (size_t i = 0; i < count; i++) {
        if (sonde_str_eq(text, sonde_str_from(table[i]))) {
            return true;
        }
    }
    return false;
}

/* int8 … uint64, float32: what numpy calls its own. */
static bool
is_sized_number(struct sonde_str type)
{
    static const char *const STEMS[] = {"int", "uint", "float"};
    size_t stem = 0;
    while (stem < type.len && type.ptr[stem] >= 'a' && type.ptr[stem] <= 'z') {
        stem++;
    }
    for (size_t i = stem; i < type.len; i++) {
        if (type.ptr[i] < '0' || type.ptr[i] > '9') {
            return false;
        }
    }
    return stem < type.len && IS_ONE_OF(STEMS, ((struct sonde_str){type.ptr, stem}));
}

static bool
is_bare(struct sonde_str type, struct sonde_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7F || text.ptr[i] == '"') {
            return false;
        }
    }
    return text.len > 0 && (IS_ONE_OF(BARE_TYPES, type) || is_sized_number(type));
}

/* "<Order at 0x7f9cc606d1c0>": what stands for a value that only its address tells apart.
 * It names the type itself. */
static bool
is_opaque(struct sonde_str type, struct sonde_str text)
{
    static const char HEX[] = "0123456789abcdef";
    struct sonde_str at = SONDE_STR(" at 0x");
    size_t digits = 1 + type.len + at.len;
    if (text.len < digits + 2 || text.ptr[0] != '<' || text.ptr[text.len - 1] != '>' ||
        type.len == 0 || memcmp(text.ptr + 1, type.ptr, type.len) != 0 ||
        memcmp(text.ptr + 1 + type.len, at.ptr, at.len) != 0) {
        return false;
    }
    while (digits + 1 < text.len && memchr(HEX, text.ptr[digits], 16) != NULL) {
        digits++;
    }
    return digits + 1 == text.len;
}

static bool
is_bytes(struct sonde_str type)
{
    return sonde_str_eq(type, SONDE_STR("bytes")) ||
           sonde_str_eq(type, SONDE_STR("bytearray"));
}

/* Whether Ruby would write a symbol of this text without quotes. */
static bool
is_word(struct sonde_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool is_digit = c >= '0' && c <= '9';
        bool is_ending = i + 1 == text.len && (c == '?' || c == '!' || c == '=');
        if (!is_letter && (i == 0 || (!is_digit && !is_ending))) {
            return false;
        }
    }
    return text.len > 0;
}

static const char *
null_text(struct sonde_str type)
{
    if (sonde_str_eq(type, SONDE_STR("NoneType"))) {
        return "None";
    }
    return sonde_str_eq(type, SONDE_STR("NilClass")) ? "nil" : "null";
}

static bool
is_true(const struct sonde_json *value, const char *key)
{
    const struct sonde_json *member = sonde_json_get(value, key);
    return member != NULL && member->type == SONDE_JSON_BOOL && member->boolean;
}

/* What a container holds, or NULL when it is none. */
static const struct sonde_json *
members_of(const struct sonde_json *value)
{
    static const char *const KEYS[] = {"elements", "entries", "fields"};
    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
        const struct sonde_json *members = sonde_json_get(value, KEYS[i]);
        if (members != NULL &&
            (members->type == SONDE_JSON_ARRAY || members->type == SONDE_JSON_OBJECT)) {
            return members;
        }
    }
    return NULL;
}

static bool
has_entries(const struct sonde_json *members)
{
    return sonde_str_eq(members->key, SONDE_STR("entries"));
}

static bool
has_fields(const struct sonde_json *members)
{
    return sonde_str_eq(members->key, SONDE_STR("fields"));
}

/* "‹depth›", "‹depth, 20 inside›" */
static void
put_reason(struct sonde_pen *pen, const struct sonde_json *value)
{
    struct sonde_str reason = sonde_json_get_str(value, "not_captured_reason");
    int64_t size = sonde_json_get_int(value, "size", -1);
    sonde_pen_put(pen, SONDE_TONE_WARN, "‹");
    sonde_pen_text(pen, SONDE_TONE_WARN, reason.len > 0 ? reason : SONDE_STR("nothing"));
    if (size >= 0) {
        sonde_pen_printf(pen, SONDE_TONE_WARN, ", %lld inside", (long long)size);
    }
    sonde_pen_put(pen, SONDE_TONE_WARN, "›");
}

static bool
is_cut(const struct sonde_json *value)
{
    return is_true(value, "truncated") ||
           sonde_json_get_str(value, "not_captured_reason").len > 0;
}

/* After the members that were kept: "… 80 more of 100", "… more ‹timeout›". */
static void
put_rest(struct sonde_pen *pen, const struct sonde_json *value, size_t kept)
{
    int64_t size = sonde_json_get_int(value, "size", -1);
    struct sonde_str reason = sonde_json_get_str(value, "not_captured_reason");
    if (size > (int64_t)kept) {
        sonde_pen_printf(pen, SONDE_TONE_WARN, "… %lld more of %lld",
                         (long long)(size - (int64_t)kept), (long long)size);
    } else {
        sonde_pen_put(pen, SONDE_TONE_WARN, "… more");
    }
    if (reason.len > 0 && !sonde_str_eq(reason, SONDE_STR("collection_size")) &&
        !sonde_str_eq(reason, SONDE_STR("field_count"))) {
        sonde_pen_put(pen, SONDE_TONE_WARN, " ‹");
        sonde_pen_text(pen, SONDE_TONE_WARN, reason);
        sonde_pen_put(pen, SONDE_TONE_WARN, "›");
    }
}

/* A value that holds no others. */
static void
put_scalar(struct sonde_pen *pen, const struct sonde_json *value)
{
    struct sonde_str type = sonde_json_get_str(value, "type");
    const struct sonde_json *text = sonde_json_get(value, "value");
    if (text == NULL || text->type != SONDE_JSON_STRING) {
        if (is_true(value, "is_null")) {
            sonde_pen_put(pen, SONDE_TONE_PLAIN, null_text(type));
        } else {
            put_reason(pen, value);
        }
        return;
    }
    bool is_symbol = sonde_str_eq(type, SONDE_STR("Symbol"));
    if (is_symbol) {
        sonde_pen_put(pen, SONDE_TONE_PLAIN, ":");
    }
    if (is_opaque(type, text->string)) {
        sonde_pen_text(pen, SONDE_TONE_DIM, text->string);
    } else if (is_bare(type, text->string) || (is_symbol && is_word(text->string))) {
        sonde_pen_text(pen, SONDE_TONE_PLAIN, text->string);
    } else {
        sonde_pen_quoted(pen, SONDE_TONE_PLAIN, text->string,
                         is_bytes(type) ? SONDE_ESCAPE_BYTES : SONDE_ESCAPE_QUOTED);
    }
    if (is_cut(value)) {
        int64_t size = sonde_json_get_int(value, "size", -1);
        if (size >= 0) {
            /* Ruby's strings know their bytes; to count characters would mean reading on. */
            bool is_ruby = sonde_str_eq(type, SONDE_STR("String"));
            sonde_pen_printf(pen, SONDE_TONE_WARN, "… (%lld %sin all)", (long long)size,
                             is_ruby ? "bytes " : "");
        } else {
            sonde_pen_put(pen, SONDE_TONE_WARN, "… (cut)");
        }
    }
}

static void put_inline(struct sonde_pen *pen, const struct sonde_json *value,
                       bool names_type);

static void
put_inline_members(struct sonde_pen *pen, const struct sonde_json *value,
                   const struct sonde_json *members)
{
    bool is_first = true;
    const struct sonde_json *member = members->first;
    for (; member != NULL && pen->column <= pen->width; member = member->next) {
        if (!is_first) {
            sonde_pen_put(pen, SONDE_TONE_PLAIN, ", ");
        }
        is_first = false;
        if (has_entries(members)) {
            put_inline(pen, sonde_json_get(member, "key"), true);
            sonde_pen_put(pen, SONDE_TONE_PLAIN, ": ");
            put_inline(pen, sonde_json_get(member, "value"), true);
        } else {
            if (has_fields(members)) {
                sonde_pen_text(pen, SONDE_TONE_PLAIN, member->key);
                sonde_pen_put(pen, SONDE_TONE_PLAIN, "=");
            }
            put_inline(pen, member, true);
        }
    }
    if (is_cut(value)) {
        sonde_pen_put(pen, SONDE_TONE_PLAIN, is_first ? "" : ", ");
        put_rest(pen, value, members->count);
    }
}

/* The whole value on this line; it may run past the width, which the caller looks at. */
static void
put_inline(struct sonde_pen *pen, const struct sonde_json *value, bool names_type)
{
    struct sonde_str type = sonde_json_get_str(value, "type");
    const struct sonde_json *members = members_of(value);
    bool is_said = is_opaque(type, sonde_json_get_str(value, "value"));
    if (names_type && !is_said && !IS_ONE_OF(OBVIOUS_TYPES, type)) {
        sonde_pen_text(pen, SONDE_TONE_DIM, type);
        if (members == NULL) {
            sonde_pen_put(pen, SONDE_TONE_PLAIN, " ");
        }
    }
    if (members == NULL) {
        put_scalar(pen, value);
        return;
    }
    const char *brackets = has_fields(members)    ? "()"
                           : has_entries(members) ? "{}"
                                                  : "[]";
    sonde_pen_printf(pen, SONDE_TONE_PLAIN, "%c", brackets[0]);
    put_inline_members(pen, value, members);
    sonde_pen_printf(pen, SONDE_TONE_PLAIN, "%c", brackets[1]);
}

/* On this line when it fits; otherwise nothing is written. Scalars always fit. */
static bool
try_inline(struct sonde_pen *pen, const struct sonde_json *value)
{
    struct sonde_pen_mark before = sonde_pen_mark(pen);
    put_inline(pen, value, false);
    if (pen->column <= pen->width || members_of(value) == NULL) {
        return true;
    }
    sonde_pen_undo(pen, before);
    return false;
}

static size_t
inline_width(struct sonde_pen *pen, const struct sonde_json *value)
{
    struct sonde_pen_mark before = sonde_pen_mark(pen);
    put_inline(pen, value, true);
    size_t width = pen->column - before.column;
    sonde_pen_undo(pen, before);
    return width;
}

/* An entry's key as the name of a line; one that is long is named by its type. */
static void
put_key(struct sonde_pen *pen, const struct sonde_json *key)
{
    struct sonde_pen_mark before = sonde_pen_mark(pen);
    put_inline(pen, key, true);
    if (members_of(key) != NULL && pen->column > pen->width / 2) {
        sonde_pen_undo(pen, before);
        sonde_pen_text(pen, SONDE_TONE_PLAIN, sonde_json_get_str(key, "type"));
        sonde_pen_put(pen, SONDE_TONE_PLAIN, " …");
    }
}

/* Whether the elements are short scalars, to be set as running text. */
static bool
can_flow(struct sonde_pen *pen, const struct sonde_json *members)
{
    if (has_entries(members) || has_fields(members) || members->first == NULL) {
        return false;
    }
    for (const struct sonde_json *member = members->first; member != NULL;
         member = member->next) {
        if (members_of(member) != NULL || inline_width(pen, member) > pen->width / 4) {
            return false;
        }
    }
    return true;
}

/* As many elements on a line as fit, each line opened by its first one's index. */
static void
put_flow(struct sonde_pen *pen, size_t indent, const struct sonde_json *value,
         const struct sonde_json *members)
{
    int digits = snprintf(NULL, 0, "%zu", members->count - 1);
    size_t index = 0;
    for (const struct sonde_json *member = members->first; member != NULL;
         member = member->next, index++) {
        if (index > 0 && pen->column + inline_width(pen, member) + 2 > pen->width) {
            sonde_pen_end(pen);
        }
        if (pen->column == 0) {
            sonde_pen_indent(pen, indent);
            sonde_pen_printf(pen, SONDE_TONE_DIM, "%*zu: ", digits, index);
        } else {
            sonde_pen_put(pen, SONDE_TONE_PLAIN, " ");
        }
        put_inline(pen, member, true);
        sonde_pen_put(pen, SONDE_TONE_PLAIN, member->next == NULL ? "" : ",");
    }
    sonde_pen_end(pen);
    if (is_cut(value)) {
        sonde_pen_indent(pen, indent);
        put_rest(pen, value, members->count);
        sonde_pen_end(pen);
    }
}

static void put_members(struct sonde_pen *pen, size_t indent,
                        const struct sonde_json *value);

/* After the name: ": type = value", and members below. A null's type says nothing more. */
static void
put_typed(struct sonde_pen *pen, size_t indent, const struct sonde_json *value)
{
    struct sonde_str type = sonde_json_get_str(value, "type");
    bool is_plain_null =
        is_true(value, "is_null") && strcmp(null_text(type), "null") != 0;
    if (type.len > 0 && !is_plain_null) {
        sonde_pen_put(pen, SONDE_TONE_DIM, ": ");
        sonde_pen_text(pen, SONDE_TONE_DIM, type);
    }
    sonde_render_contents(pen, indent, " = ", value);
}

void
sonde_render_contents(struct sonde_pen *pen, size_t indent, const char *before_it,
                      const struct sonde_json *value)
{
    struct sonde_pen_mark before = sonde_pen_mark(pen);
    sonde_pen_put(pen, SONDE_TONE_DIM, before_it);
    if (try_inline(pen, value)) {
        sonde_pen_end(pen);
        return;
    }
    sonde_pen_undo(pen, before);
    sonde_pen_end(pen);
    if (can_flow(pen, members_of(value))) {
        put_flow(pen, indent + INDENT, value, members_of(value));
    } else {
        put_members(pen, indent + INDENT, value);
    }
}

static void
put_members(struct sonde_pen *pen, size_t indent, const struct sonde_json *value)
{
    const struct sonde_json *members = members_of(value);
    size_t index = 0;
    for (const struct sonde_json *member = members->first; member != NULL;
         member = member->next) {
        if (has_fields(members)) {
            sonde_render_value(pen, indent, member->key, member);
            continue;
        }
        sonde_pen_indent(pen, indent);
        if (has_entries(members)) {
            put_key(pen, sonde_json_get(member, "key"));
            put_typed(pen, indent, sonde_json_get(member, "value"));
        } else {
            sonde_pen_printf(pen, SONDE_TONE_DIM, "%zu", index++);
            put_typed(pen, indent, member);
        }
    }
    if (is_cut(value)) {
        sonde_pen_indent(pen, indent);
        put_rest(pen, value, members->count);
        sonde_pen_end(pen);
    }
}

void
sonde_render_value(struct sonde_pen *pen, size_t indent, struct sonde_str name,
                   const struct sonde_json *value)
{
    sonde_pen_indent(pen, indent);
    sonde_pen_text(pen, SONDE_TONE_PLAIN, name);
    put_typed(pen, indent, value);
}
