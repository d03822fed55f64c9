/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers on a tape (docs/formats/tape.md). The writer goes on from a place of its own in the tape's memory,
 * not from the tape's length: a byte that is stored could be that length, for all that the
 * compiler knows, which would then be read anew for each. */
#ifndef SONDE_TAPE_BYTES_H
#define SONDE_TAPE_BYTES_H

#include <stddef.h>
#include <stdint.h>

static inline size_t
sonde_tape_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Returns where it goes on, ten bytes further at most. */
static inline unsigned char *
sonde_tape_to_varint(unsigned char *to, uint64_t value)
{
    while (value >= 0x80) {
        *to++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *to++ = (unsigned char)value;
    return to;
}

/* The lowest byte first, byte by byte, which compilers know to be one store. */
static inline void
sonde_tape_to_fixed4(unsigned char *to, uint32_t value)
{
    to[0] = (unsigned char)value;
    to[1] = (unsigned char)(value >> 8);
    to[2] = (unsigned char)(value >> 16);
    to[3] = (unsigned char)(value >> 24);
}

static inline void
sonde_tape_to_fixed8(unsigned char *to, uint64_t value)
{
    sonde_tape_to_fixed4(to, (uint32_t)value);
    sonde_tape_to_fixed4(to + 4, (uint32_t)(value >> 32));
}

#endif
