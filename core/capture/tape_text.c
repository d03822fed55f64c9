/* SPDX-License-Identifier: Apache-2.0 */
#include "core/capture/tape_text.h"

/* What read_char answers beside code points, above all of them. */
#define ESCAPED_BYTE UINT32_C(0x80000000) /* | the byte: \xNN */
#define ESCAPED_BACKSLASH UINT32_C(0x40000000)

static bool
is_surrogate(uint32_t point)
{
    return point >= 0xd800 && point <= 0xdfff;
}

/* One character of strict UTF-8: no overlong form, no surrogate, nothing past U+10FFFF. A
 * byte that starts none is a character of its own. */
static inline size_t
read_utf8(const unsigned char *from, size_t left, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t lead = from[0], value;
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;

    *point = lead;
    if (lead < 0x80)
        return 1;
    *point = ESCAPED_BYTE | lead;
    if (lead < 0xc2 || lead > 0xf4 || len > left)
        return 1;
    value = lead & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((from[i] & 0xc0) != 0x80)
            return 1;
        value = value << 6 | (from[i] & 0x3fU);
    }
    if (value < least[len] || value > 0x10ffff || is_surrogate(value))
        return 1;
    *point = value;
    return len;
}

static inline size_t
read_ucs2(const unsigned char *from, size_t left, uint32_t *point)
{
    uint16_t high, low;

    memcpy(&high, from, 2);
    *point = high;
    if ((high & 0xfc00) != 0xd800 || left < 2)
        return 1;
    memcpy(&low, from + 2, 2);
    if ((low & 0xfc00) != 0xdc00)
        return 1;
    *point = 0x10000 + ((high & 0x3ffU) << 10 | (low & 0x3ffU));
    return 2;
}

/* Reads the character at `from` (`left` units, not 0); returns its units. */
static inline size_t
read_char(enum sonde_encoding encoding, const unsigned char *from, size_t left,
          uint32_t *point)
{
    switch (encoding) {
    case SONDE_ENCODING_LATIN1:
        *point = from[0];
        return 1;
    case SONDE_ENCODING_UCS2:
        return read_ucs2(from, left, point);
    case SONDE_ENCODING_UCS4:
        memcpy(point, from, 4);
        if (*point > 0x10ffff)
            *point = 0xfffd;
        return 1;
    case SONDE_ENCODING_BYTES:
        *point = from[0];
        if (from[0] == '\\')
            *point = ESCAPED_BACKSLASH;
        else if (from[0] < 0x20 || from[0] > 0x7e)
            *point |= ESCAPED_BYTE;
        return 1;
    default:
        return read_utf8(from, left, point);
    }
}

static void
write_hex(unsigned char *out, uint32_t value, unsigned digits)
{
    while (digits-- > 0) {
        out[digits] = (unsigned char)"0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

/* Writes what has no UTF-8 form, if it fits; returns its bytes or 0. */
static size_t
write_escape(unsigned char *out, size_t room, uint32_t point)
{
    bool is_byte = (point & ESCAPED_BYTE) != 0;
    size_t len = point == ESCAPED_BACKSLASH ? 2 : is_byte ? 4 : 6;

    if (len > room)
        return 0;
    out[0] = '\\';
    out[1] = point == ESCAPED_BACKSLASH ? '\\' : is_byte ? 'x' : 'u';
    write_hex(out + 2, point, (unsigned)len - 2);
    return len;
}

/* Writes what is not ASCII, if it fits; returns its bytes or 0. */
static inline size_t
write_char(unsigned char *out, size_t room, uint32_t point)
{
    size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;

    if (point >= ESCAPED_BACKSLASH || is_surrogate(point))
        return write_escape(out, room, point);
    if (len > room)
        return 0;
    if (len == 2) {
        out[0] = (unsigned char)(0xc0 | point >> 6);
    } else if (len == 3) {
        out[0] = (unsigned char)(0xe0 | point >> 12);
        out[1] = (unsigned char)(0x80 | (point >> 6 & 0x3f));
    } else {
        out[0] = (unsigned char)(0xf0 | point >> 18);
        out[1] = (unsigned char)(0x80 | (point >> 12 & 0x3f));
        out[2] = (unsigned char)(0x80 | (point >> 6 & 0x3f));
    }
    out[len - 1] = (unsigned char)(0x80 | (point & 0x3f));
    return len;
}

/* Eight ASCII characters at once, while there are eight. */
static inline void
copy_words(unsigned char *out, size_t room, const unsigned char *from, size_t units,
           size_t max_chars, struct sonde_tape_text *done)
{
    while (units - done->units >= 8 && max_chars - done->chars >= 8 &&
           room - done->bytes >= 8) {
        uint64_t word;

        memcpy(&word, from + done->units, 8);
        if ((word & SONDE_TAPE_TEXT_HIGH_BITS) != 0)
            return;
        memcpy(out + done->bytes, &word, 8);
        done->bytes += 8;
        done->units += 8;
        done->chars += 8;
    }
}

/* The loop for one encoding; a constant `encoding` makes the compiler fold its switch. */
static inline __attribute__((always_inline)) struct sonde_tape_text
encode_as(enum sonde_encoding encoding, size_t width, unsigned char *out, size_t room,
          const unsigned char *from, size_t units, size_t max_chars)
{
    struct sonde_tape_text done = {0, 0, 0};
    bool has_words = width == 1 && encoding != SONDE_ENCODING_BYTES;

    while (done.units < units && done.chars < max_chars) {
        uint32_t point;
        size_t used, len = 1;

        used = read_char(encoding, from + done.units * width, units - done.units, &point);
        if (point >= 0x80)
            len = write_char(out + done.bytes, room - done.bytes, point);
        else if (done.bytes < room)
            out[done.bytes] = (unsigned char)point;
        else
            len = 0;
        if (len == 0)
            break;
        done.bytes += len;
        done.units += used;
        done.chars++;
        if (has_words && point < 0x80)
            copy_words(out, room, from, units, max_chars, &done);
    }
    return done;
}

struct sonde_tape_text
sonde_tape_text_encode(unsigned char *out, size_t room, enum sonde_encoding encoding,
                       const void *data, size_t units, size_t max_chars)
{
    switch (encoding) {
    case SONDE_ENCODING_LATIN1:
        return encode_as(SONDE_ENCODING_LATIN1, 1, out, room, data, units, max_chars);
    case SONDE_ENCODING_UCS2:
        return encode_as(SONDE_ENCODING_UCS2, 2, out, room, data, units, max_chars);
    case SONDE_ENCODING_UCS4:
        return encode_as(SONDE_ENCODING_UCS4, 4, out, room, data, units, max_chars);
    case SONDE_ENCODING_BYTES:
        return encode_as(SONDE_ENCODING_BYTES, 1, out, room, data, units, max_chars);
    default: /* what claims to be ASCII and is not, is read as UTF-8 */
        return encode_as(SONDE_ENCODING_UTF8, 1, out, room, data, units, max_chars);
    }
}

size_t
sonde_tape_text_str_slow(unsigned char *to, struct sonde_str text, size_t max)
{
    size_t room = sonde_tape_text_str_bound(text, max) - 2;
    size_t width = sonde_tape_text_length_width(room);
    struct sonde_tape_text done = sonde_tape_text_encode(
        to + width, room, SONDE_ENCODING_UTF8, text.ptr, text.len, SIZE_MAX);

    sonde_tape_text_length(to, width, done.bytes);
    return width + done.bytes;
}
