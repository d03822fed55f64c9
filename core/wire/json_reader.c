/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/json.h"

#include "core/wire/number.h"
#include "core/wire/utf8.h"

#include <math.h>
#include <stdio.h>

struct reader {
    const char *begin, *at, *end;
    struct sonde_arena *arena;
    struct sonde_err *err;
    unsigned int depth; /* arrays and objects open */
};

/* Says where `at` is, in lines and in characters, as an editor counts them. */
static int
fault(const struct reader *reader, const char *at, int code, const char *message)
{
    unsigned long line = 1, column = 1;
    char where[64];

    for (const char *p = reader->begin; p < at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*p & 0xC0) != 0x80) {
            column++;
        }
    }
    snprintf(where, sizeof(where), "line %lu column %lu", line, column);
    return sonde_err_set(reader->err, code, where, "%s", message);
}

static int
no_memory(const struct reader *reader)
{
    return fault(reader, reader->at, SONDE_E_NOMEM, "too much JSON to keep");
}

static void
skip_space(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
                                        *reader->at == '\n' || *reader->at == '\r'))
        reader->at++;
}

/* The next byte, or -1 at the end. */
static int
peek(const struct reader *reader)
{
    return reader->at < reader->end ? (unsigned char)*reader->at : -1;
}

/* --- Strings ------------------------------------------------------------------------ */

/* The four digits of a \u escape. */
static bool
read_hex4(struct reader *reader, uint32_t *out)
{
    uint32_t value = 0;

    if (reader->end - reader->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = reader->at[i];
        uint32_t digit;

        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = (uint32_t)(c - 'A') + 10;
        else
            return false;
        value = value << 4 | digit;
    }
    reader->at += 4;
    *out = value;
    return true;
}

/* After "\u": one code point, from a surrogate pair when it is one. */
static int
read_unicode_escape(struct reader *reader, char **out)
{
    const char *start = reader->at - 2;
    uint32_t high, low;

    if (!read_hex4(reader, &high))
        return fault(reader, start, SONDE_E_SYNTAX, "\\u needs four hexadecimal digits");
    if (high >= 0xDC00 && high <= 0xDFFF)
        return fault(reader, start, SONDE_E_SYNTAX,
                     "second half of a surrogate pair alone");
    if (high >= 0xD800 && high <= 0xDBFF) {
        if (reader->end - reader->at < 2 || reader->at[0] != '\\' || reader->at[1] != 'u')
            return fault(reader, start, SONDE_E_SYNTAX,
                         "first half of a surrogate pair alone");
        reader->at += 2;
        if (!read_hex4(reader, &low) || low < 0xDC00 || low > 0xDFFF)
            return fault(reader, start, SONDE_E_SYNTAX,
                         "first half of a surrogate pair alone");
        high = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    }
    *out += sonde_utf8_encode(*out, high);
    return SONDE_OK;
}

/* At a backslash. */
static int
read_escape(struct reader *reader, char **out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *start = reader->at++;
    int letter = peek(reader);
    const char *known;

    if (letter == 'u') {
        reader->at++;
        return read_unicode_escape(reader, out);
    }
    known = letter <= 0 ? NULL : strchr(from, letter);
    if (known == NULL)
        return fault(reader, start, SONDE_E_SYNTAX, "unknown escape in a string");
    reader->at++;
    *(*out)++ = to[known - from];
    return SONDE_OK;
}

/* The quote that ends the string which starts at `at`, or the input's end. */
static const char *
string_end(const struct reader *reader)
{
    const char *p = reader->at;

    while (p < reader->end && *p != '"')
        p += *p == '\\' && reader->end - p > 1 ? 2 : 1;
    return p;
}

static int
read_string(struct reader *reader, struct sonde_str *out)
{
    const char *open = reader->at++;
    const char *close = string_end(reader);
    char *text, *to;

    if (close == reader->end)
        return fault(reader, open, SONDE_E_SYNTAX, "string without an end");
    /* No escape is shorter than what it stands for. */
    text = to = sonde_arena_alloc(reader->arena, (size_t)(close - reader->at) + 1);
    if (text == NULL)
        return no_memory(reader);
    while (reader->at < close) {
        const char *from = reader->at;
        size_t valid;

        while (reader->at < close && *reader->at != '\\') {
            if ((unsigned char)*reader->at < 0x20)
                return fault(reader, reader->at, SONDE_E_SYNTAX,
                             "control character in a string");
            reader->at++;
        }
        valid =
            sonde_utf8_valid_bytes((struct sonde_str){from, (size_t)(reader->at - from)});
        if (from + valid != reader->at)
            return fault(reader, from + valid, SONDE_E_SYNTAX, "not UTF-8");
        memcpy(to, from, valid);
        to += valid;
        if (reader->at < close) {
            int code = read_escape(reader, &to);

            if (code != SONDE_OK)
                return code;
        }
    }
    reader->at = close + 1;
    *out = (struct sonde_str){text, (size_t)(to - text)}; /* the arena's zeroes end it */
    return SONDE_OK;
}

/* --- Numbers ------------------------------------------------------------------------ */

static bool
skip_digits(struct reader *reader)
{
    const char *start = reader->at;

    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
        reader->at++;
    return reader->at > start;
}

/* Moves over a number by the grammar; false when it is none. */
static bool
skip_number(struct reader *reader, bool *whole)
{
    *whole = true;
    if (peek(reader) == '-')
        reader->at++;
    if (peek(reader) == '0')
        reader->at++;
    else if (!skip_digits(reader))
        return false;
    if (peek(reader) == '.') {
        *whole = false;
        reader->at++;
        if (!skip_digits(reader))
            return false;
    }
    if (peek(reader) == 'e' || peek(reader) == 'E') {
        *whole = false;
        reader->at++;
        if (peek(reader) == '+' || peek(reader) == '-')
            reader->at++;
        if (!skip_digits(reader))
            return false;
    }
    return true;
}

static int
read_number(struct reader *reader, struct sonde_json *node)
{
    const char *start = reader->at;
    char small[64];
    char *copy = small;
    struct sonde_str text;
    bool whole;

    if (!skip_number(reader, &whole))
        return fault(reader, reader->at, SONDE_E_SYNTAX, "malformed number");
    text = (struct sonde_str){start, (size_t)(reader->at - start)};
    node->type = SONDE_JSON_NUMBER;
    node->is_integer = whole && sonde_number_read_int(text, &node->integer);
    /* strtod wants an end that the input does not have. */
    if (text.len >= sizeof(small)) {
        copy = sonde_arena_strdup(reader->arena, text);
        if (copy == NULL)
            return no_memory(reader);
    } else {
        memcpy(small, text.ptr, text.len);
        small[text.len] = '\0';
    }
    if (!sonde_number_read_double(copy, &node->number) || !isfinite(node->number))
        return fault(reader, start, SONDE_E_SYNTAX, "number out of range");
    return SONDE_OK;
}

/* --- Values ------------------------------------------------------------------------- */

static int read_value(struct reader *reader, struct sonde_json *node);

static int
read_word(struct reader *reader, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        return fault(reader, reader->at, SONDE_E_SYNTAX, "expected a value");
    reader->at += len;
    return SONDE_OK;
}

static int
read_key(struct reader *reader, struct sonde_json *member)
{
    int code;

    if (peek(reader) != '"')
        return fault(reader, reader->at, SONDE_E_SYNTAX,
                     "expected a key in double quotes");
    code = read_string(reader, &member->key);
    if (code != SONDE_OK)
        return code;
    skip_space(reader);
    if (peek(reader) != ':')
        return fault(reader, reader->at, SONDE_E_SYNTAX, "expected ':'");
    reader->at++;
    skip_space(reader);
    return SONDE_OK;
}

/* Inside an array or object, after its bracket: the members and the closing `bracket`. */
static int
read_members(struct reader *reader, struct sonde_json *node, char bracket)
{
    struct sonde_json **tail = &node->first;

    skip_space(reader);
    if (peek(reader) == bracket) {
        reader->at++;
        return SONDE_OK;
    }
    for (;;) {
        struct sonde_json *member = sonde_arena_alloc(reader->arena, sizeof(*member));
        int code;

        if (member == NULL)
            return no_memory(reader);
        code = node->type == SONDE_JSON_OBJECT ? read_key(reader, member) : SONDE_OK;
        if (code == SONDE_OK)
            code = read_value(reader, member);
        if (code != SONDE_OK)
            return code;
        *tail = member;
        tail = &member->next;
        node->count++;
        skip_space(reader);
        if (peek(reader) == bracket) {
            reader->at++;
            return SONDE_OK;
        }
        if (peek(reader) != ',')
            return fault(reader, reader->at, SONDE_E_SYNTAX,
                         bracket == ']' ? "expected ',' or ']'" : "expected ',' or '}'");
        reader->at++;
        skip_space(reader);
    }
}

static int
read_container(struct reader *reader, struct sonde_json *node)
{
    char bracket = *reader->at == '{' ? '}' : ']';
    int code;

    if (reader->depth == SONDE_JSON_MAX_DEPTH)
        return fault(reader, reader->at, SONDE_E_LIMIT, "nested too deep");
    node->type = *reader->at == '{' ? SONDE_JSON_OBJECT : SONDE_JSON_ARRAY;
    reader->at++;
    reader->depth++;
    code = read_members(reader, node, bracket);
    reader->depth--;
    return code;
}

static int
read_value(struct reader *reader, struct sonde_json *node)
{
    const char *start = reader->at;
    int code;

    switch (peek(reader)) {
    case '{':
    case '[':
        code = read_container(reader, node);
        break;
    case '"':
        node->type = SONDE_JSON_STRING;
        code = read_string(reader, &node->string);
        break;
    case 't':
    case 'f':
        node->type = SONDE_JSON_BOOL;
        node->boolean = *start == 't';
        code = read_word(reader, node->boolean ? "true" : "false");
        break;
    case 'n':
        node->type = SONDE_JSON_NULL;
        code = read_word(reader, "null");
        break;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        code = read_number(reader, node);
        break;
    case -1:
        return fault(reader, start, SONDE_E_SYNTAX, "ends where a value is expected");
    default:
        return fault(reader, start, SONDE_E_SYNTAX, "expected a value");
    }
    if (code == SONDE_OK)
        node->source = (struct sonde_str){start, (size_t)(reader->at - start)};
    return code;
}

int
sonde_json_read(const struct sonde_json **out, struct sonde_arena *arena,
                struct sonde_str input, struct sonde_err *err)
{
    const char *begin = input.ptr == NULL ? "" : input.ptr;
    struct reader reader = {begin, begin, begin + input.len, arena, err, 0};
    struct sonde_json *root = sonde_arena_alloc(arena, sizeof(*root));
    int code;

    if (root == NULL)
        return no_memory(&reader);
    skip_space(&reader);
    code = read_value(&reader, root);
    if (code != SONDE_OK)
        return code;
    skip_space(&reader);
    if (reader.at != reader.end)
        return fault(&reader, reader.at, SONDE_E_SYNTAX, "more text after the value");
    *out = root;
    return SONDE_OK;
}

/* --- Looking up --------------------------------------------------------------------- */

const struct sonde_json *
sonde_json_get(const struct sonde_json *object, const char *key)
{
    struct sonde_str wanted = sonde_str_from(key);
    const struct sonde_json *found = NULL;

    if (object == NULL || object->type != SONDE_JSON_OBJECT)
        return NULL;
    for (const struct sonde_json *member = object->first; member != NULL;
         member = member->next) {
        if (sonde_str_eq(member->key, wanted))
            found = member;
    }
    return found;
}

struct sonde_str
sonde_json_get_str(const struct sonde_json *object, const char *key)
{
    const struct sonde_json *member = sonde_json_get(object, key);

    if (member == NULL || member->type != SONDE_JSON_STRING)
        return (struct sonde_str){0};
    return member->string;
}

int64_t
sonde_json_get_int(const struct sonde_json *object, const char *key, int64_t fallback)
{
    const struct sonde_json *member = sonde_json_get(object, key);

    return member != NULL && member->is_integer ? member->integer : fallback;
}
