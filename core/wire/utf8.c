/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/utf8.h"

/* The length of the character at `at`, 0 when it is not valid. `left` is at least 1. The
 * second byte alone decides about overlong forms, surrogates and the upper end. */
static size_t
character_bytes(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0];
    unsigned char least = 0x80, most = 0xBF;
    size_t len;

    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    len = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (lead == 0xE0)
        least = 0xA0;
    else if (lead == 0xED)
        most = 0x9F;
    else if (lead == 0xF0)
        least = 0x90;
    else if (lead == 0xF4)
        most = 0x8F;
    if (left < len || at[1] < least || at[1] > most)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (at[i] < 0x80 || at[i] > 0xBF)
            return 0;
    }
    return len;
}

size_t
sonde_utf8_valid_bytes(struct sonde_str text)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    size_t at = 0;

    while (at < text.len) {
        uint64_t eight;
        size_t len;

        /* Most text is ASCII: eight bytes in one look. */
        if (text.len - at >= sizeof(eight)) {
            memcpy(&eight, bytes + at, sizeof(eight));
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(eight);
                continue;
            }
        }
        len = character_bytes(bytes + at, text.len - at);
        if (len == 0)
            break;
        at += len;
    }
    return at;
}

size_t
sonde_utf8_encode(char out[4], uint32_t code_point)
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xC0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xE0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code_point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code_point & 0x3F));
    return 4;
}

void
sonde_utf8_append(struct sonde_buf *out, struct sonde_str text)
{
    while (text.len > 0) {
        size_t valid = sonde_utf8_valid_bytes(text);

        sonde_buf_append(out, text.ptr, valid);
        text.ptr += valid;
        text.len -= valid;
        if (text.len > 0) {
            sonde_buf_str(out, SONDE_UTF8_REPLACEMENT);
            text.ptr++;
            text.len--;
        }
    }
}
