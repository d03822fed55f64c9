/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of any encoding to UTF-8, bounded in characters and in bytes, one pass. What has
 * no UTF-8 form is escaped (see sonde/tape.h), so the output is always valid.
 *
 * Ctx: a hook; no allocation, no system call. */
#ifndef SONDE_TAPE_TEXT_H
#define SONDE_TAPE_TEXT_H

#include <sonde/tape.h>
#include <stdint.h>

/* The most bytes that one character of any encoding becomes: \udc80. */
#define SONDE_TAPE_TEXT_MAX_CHAR 6

struct sonde_tape_text {
    size_t bytes; /* written */
    size_t units; /* read */
    size_t chars;
};

/* Writes what fits of `units` units at `data` into `room` bytes at `out`, `max_chars`
 * characters at most, and never a part of a character. */
struct sonde_tape_text sonde_tape_text_encode(unsigned char *out, size_t room,
                                              enum sonde_encoding encoding,
                                              const void *data, size_t units,
                                              size_t max_chars);

#define SONDE_TAPE_TEXT_HIGH_BITS UINT64_C(0x8080808080808080)

/* Copies `len` bytes if all of them are ASCII; if not, answers false and leaves rubbish
 * in out[0…len). Most strings on a tape are shorter than two words, where a call of
 * memcpy would cost more than the copy; hence the overlapping words. */
static inline bool
sonde_tape_text_copy_ascii(unsigned char *out, const void *data, size_t len)
{
    const unsigned char *from = data;
    uint64_t head, tail;

    if (len >= 8) {
        uint64_t bits = 0;

        for (size_t at = 0; at + 8 < len; at += 8) {
            memcpy(&head, from + at, 8);
            memcpy(out + at, &head, 8);
            bits |= head;
        }
        memcpy(&tail, from + len - 8, 8);
        memcpy(out + len - 8, &tail, 8);
        return ((bits | tail) & SONDE_TAPE_TEXT_HIGH_BITS) == 0;
    }
    if (len >= 4) {
        uint32_t low, high;

        memcpy(&low, from, 4);
        memcpy(&high, from + len - 4, 4);
        memcpy(out, &low, 4);
        memcpy(out + len - 4, &high, 4);
        return ((low | high) & UINT32_C(0x80808080)) == 0;
    }
    if (len == 0)
        return true;
    out[0] = from[0];
    out[len / 2] = from[len / 2];
    out[len - 1] = from[len - 1];
    return ((from[0] | from[len / 2] | from[len - 1]) & 0x80) == 0;
}

/* --- With the length before the text ------------------------------------------------ */

/* The length is written after the text is, when its value is known: as a varint padded to
 * the width that the greatest possible length needs, which leaves nothing to move. */
static inline size_t
sonde_tape_text_length_width(size_t max)
{
    return max < 0x80 ? 1 : max < 0x4000 ? 2 : 3;
}

static inline void
sonde_tape_text_length(unsigned char *to, size_t width, size_t len)
{
    for (size_t i = 0; i + 1 < width; i++) {
        to[i] = (unsigned char)(0x80 | (len & 0x7f));
        len >>= 7;
    }
    to[width - 1] = (unsigned char)len;
}

/* Most bytes that sonde_tape_text_str may write. */
static inline size_t
sonde_tape_text_str_bound(struct sonde_str text, size_t max)
{
    return 2 + (text.len < max / 4 ? text.len * 4 : max);
}

size_t sonde_tape_text_str_slow(unsigned char *to, struct sonde_str text, size_t max);

/* Writes a name: a length and `max` bytes of it at most (127 ≤ max < 0x4000), as UTF-8
 * with what is not UTF-8 escaped. Returns the bytes written. */
static inline size_t
sonde_tape_text_str(unsigned char *to, struct sonde_str text, size_t max)
{
    if (text.len < 0x80 && sonde_tape_text_copy_ascii(to + 1, text.ptr, text.len)) {
        to[0] = (unsigned char)text.len;
        return 1 + text.len;
    }
    return sonde_tape_text_str_slow(to, text, max);
}

#endif
