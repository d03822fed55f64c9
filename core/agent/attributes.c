/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/attributes.h"

#include "core/wire/utf8.h"

static int
hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    int lower = digit | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static struct sonde_str
trim(struct sonde_str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 &&
           (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* Appends `text` decoded; false on half an escape. */
static bool
decode(struct sonde_buf *out, struct sonde_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '%') {
            sonde_buf_byte(out, text.ptr[i]);
            continue;
        }
        if (text.len - i < 3) {
            return false;
        }
        int high = hex_digit(text.ptr[i + 1]);
        int low = hex_digit(text.ptr[i + 2]);
        if (high < 0 || low < 0) {
            return false;
        }
        sonde_buf_byte(out, (char)(high << 4 | low));
        i += 2;
    }
    return true;
}

/* Everything up to the next comma, which is taken too. */
static struct sonde_str
take_piece(struct sonde_str *rest)
{
    struct sonde_str piece = *rest;
    const char *comma = memchr(rest->ptr, ',', rest->len);
    if (comma == NULL) {
        *rest = (struct sonde_str){NULL, 0};
        return piece;
    }
    piece.len = (size_t)(comma - piece.ptr);
    rest->ptr += piece.len + 1;
    rest->len -= piece.len + 1;
    return piece;
}

int
sonde_attributes_next(struct sonde_str *rest, struct sonde_buf *scratch,
                      struct sonde_str *key, struct sonde_str *value)
{
    struct sonde_str piece = {NULL, 0};
    while (piece.len == 0) { /* a comma too many does no harm */
        if (rest->len == 0) {
            return 0;
        }
        piece = trim(take_piece(rest));
    }
    const char *equals = memchr(piece.ptr, '=', piece.len);
    if (equals == NULL) {
        return SONDE_E_SYNTAX;
    }
    size_t key_len = (size_t)(equals - piece.ptr);
    sonde_buf_reset(scratch);
    bool is_whole = decode(scratch, trim((struct sonde_str){piece.ptr, key_len}));
    size_t split = scratch->len;
    is_whole =
        is_whole &&
        decode(scratch, trim((struct sonde_str){equals + 1, piece.len - key_len - 1}));
    if (scratch->failed != SONDE_OK) {
        return scratch->failed;
    }
    if (!is_whole || split == 0) {
        return SONDE_E_SYNTAX;
    }
    *key = (struct sonde_str){scratch->data, split};
    *value = (struct sonde_str){scratch->data + split, scratch->len - split};
    return sonde_utf8_is_valid(*key) && sonde_utf8_is_valid(*value) ? 1 : SONDE_E_SYNTAX;
}
