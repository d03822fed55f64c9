/* SPDX-License-Identifier: Apache-2.0 */
#include "characters.h"

#include "text.h"

/* Those that have a fixed index: encindex.h. */
enum { INDEX_BINARY = 0, INDEX_UTF8 = 1, INDEX_ASCII = 2 };

#define TURNED_MAX \
    4096 /* units that are put into another form here; longer ones stay bytes */
#define LOOKED_AT_BYTES_MAX 65536 /* for anything but ASCII */

/* What stands for 0x80 to 0x9f; 0: nothing, as in Ruby. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
    0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017d, 0,
    0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
    0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

static bool
is_little_endian(void)
{
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
}

static void
write_as(struct sonde_tape *tape, struct sonde_str type, enum sonde_encoding encoding,
         struct sonde_str bytes)
{
    sonde_tape_text(tape, type, encoding, bytes.ptr, bytes.len);
}

/* --- By character -------------------------------------------------------------------------------- */

/* False: one of them is no character. */
static bool
try_write_windows(struct sonde_tape *tape, struct sonde_str type, struct sonde_str bytes)
{
    uint16_t units[TURNED_MAX];
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.ptr[i];
        units[i] = byte >= 0x80 && byte < 0xa0 ? windows_1252[byte - 0x80] : byte;
        if (units[i] == 0 && byte != 0) {
            return false;
        }
    }
    sonde_tape_text(tape, type, SONDE_ENCODING_UCS2, units, bytes.len);
    return true;
}

/* ISO-8859-1 but for eight. */
static void
write_latin9(struct sonde_tape *tape, struct sonde_str type, struct sonde_str bytes)
{
    static const struct {
        unsigned char byte;
        uint16_t unit;
    } others[] = {{0xa4, 0x20ac}, {0xa6, 0x0160}, {0xa8, 0x0161}, {0xb4, 0x017d},
                  {0xb8, 0x017e}, {0xbc, 0x0152}, {0xbd, 0x0153}, {0xbe, 0x0178}};
    uint16_t units[TURNED_MAX];
    for (size_t i = 0; i < bytes.len; i++) {
        units[i] = (unsigned char)bytes.ptr[i];
        for (size_t j = 0; units[i] >= 0xa4 && j < sizeof(others) / sizeof(others[0]);
             j++) {
            if ((unsigned char)bytes.ptr[i] == others[j].byte) {
                units[i] = others[j].unit;
            }
        }
    }
    sonde_tape_text(tape, type, SONDE_ENCODING_UCS2, units, bytes.len);
}

/* --- By units of 2 or 4 bytes ------------------------------------------------------------------------ */

/* False: too many of them. */
static bool
try_write_turned(struct sonde_tape *tape, struct sonde_str type, struct sonde_str bytes,
                 size_t unit)
{
    char turned[TURNED_MAX * 4];
    if (bytes.len > TURNED_MAX * unit) {
        return false;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        turned[i] = bytes.ptr[i - i % unit + (unit - 1 - i % unit)];
    }
    sonde_tape_text(tape, type, unit == 2 ? SONDE_ENCODING_UCS2 : SONDE_ENCODING_UCS4,
                    turned, bytes.len / unit);
    return true;
}

static bool
try_write_wide(struct sonde_tape *tape, struct sonde_str type, struct sonde_str bytes,
               size_t unit, bool is_little)
{
    if (bytes.len % unit != 0) {
        return false; /* broken off in a character */
    }
    if (is_little != is_little_endian()) {
        return try_write_turned(tape, type, bytes, unit);
    }
    sonde_tape_text(tape, type, unit == 2 ? SONDE_ENCODING_UCS2 : SONDE_ENCODING_UCS4,
                    bytes.ptr, bytes.len / unit);
    return true;
}

/* --- Any ------------------------------------------------------------------------------------------ */

static bool
is_known_ascii(VALUE string)
{
    return (RBASIC(string)->flags & RUBY_ENC_CODERANGE_MASK) ==
           (VALUE)RUBY_ENC_CODERANGE_7BIT;
}

/* In an encoding whose first 128 characters are ASCII's. */
static bool
is_ascii(struct sonde_str bytes)
{
    if (bytes.len > LOOKED_AT_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        if ((unsigned char)bytes.ptr[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static bool
try_write_named(struct sonde_tape *tape, struct sonde_str type, const char *name,
                struct sonde_str bytes)
{
    bool is_short = bytes.len <= TURNED_MAX;
    if (strcmp(name, "ISO-8859-1") == 0) {
        write_as(tape, type, SONDE_ENCODING_LATIN1, bytes);
        return true;
    }
    if (strcmp(name, "UTF8-MAC") == 0) {
        write_as(tape, type, SONDE_ENCODING_UTF8, bytes);
        return true;
    }
    if (strcmp(name, "ISO-8859-15") == 0 && is_short) {
        write_latin9(tape, type, bytes);
        return true;
    }
    if (strcmp(name, "Windows-1252") == 0 && is_short) {
        return try_write_windows(tape, type, bytes);
    }
    if (strcmp(name, "UTF-16LE") == 0 || strcmp(name, "UTF-16BE") == 0) {
        return try_write_wide(tape, type, bytes, 2, name[6] == 'L');
    }
    if (strcmp(name, "UTF-32LE") == 0 || strcmp(name, "UTF-32BE") == 0) {
        return try_write_wide(tape, type, bytes, 4, name[6] == 'L');
    }
    return false;
}

void
sonde_rb_write_string(struct sonde_tape *tape, struct sonde_str type, VALUE string)
{
    struct sonde_str bytes = sonde_rb_text(string);
    if (!RB_TYPE_P(string, T_STRING)) {
        write_as(tape, type, SONDE_ENCODING_UTF8, bytes); /* a symbol without a name */
        return;
    }
    int index = RB_ENCODING_GET_INLINED(string);
    if (index == INDEX_UTF8 || index == INDEX_ASCII) {
        write_as(tape, type,
                 is_known_ascii(string) ? SONDE_ENCODING_ASCII : SONDE_ENCODING_UTF8,
                 bytes);
        return;
    }
    rb_encoding *encoding = index != INDEX_BINARY && index != RUBY_ENCODING_INLINE_MAX
                                ? rb_enc_from_index(index)
                                : NULL;
    if (encoding == NULL) {
        write_as(tape, type, SONDE_ENCODING_BYTES, bytes);
    } else if (rb_enc_asciicompat(encoding) && is_ascii(bytes)) {
        write_as(tape, type, SONDE_ENCODING_ASCII, bytes);
    } else if (!try_write_named(tape, type, encoding->name, bytes)) {
        write_as(tape, type, SONDE_ENCODING_BYTES, bytes);
    }
}
