/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/sha1.h"

#include <inttypes.h>
#include <stdio.h>

#define BLOCK_BYTES 64

static uint32_t
turn(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

/* One round: the four quarters differ in their mixing and their constant alone. */
#define ROUND(mix, constant)                                       \
    do {                                                           \
        uint32_t sum = turn(a, 5) + (mix) + e + (constant) + w[i]; \
        e = d;                                                     \
        d = c;                                                     \
        c = turn(b, 30);                                           \
        b = a;                                                     \
        a = sum;                                                   \
    } while (0)

static void
take_block(uint32_t state[5], const unsigned char *block)
{
    uint32_t w[80];
    for (int i = 0; i < 16; i++) {
        const unsigned char *at = block + 4 * i;
        w[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
               (uint32_t)at[3];
    }
    for (int i = 16; i < 80; i++) {
        w[i] = turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    int i = 0;
    for (; i < 20; i++) {
        ROUND((b & c) | (~b & d), UINT32_C(0x5A827999));
    }
    for (; i < 40; i++) {
        ROUND(b ^ c ^ d, UINT32_C(0x6ED9EBA1));
    }
    for (; i < 60; i++) {
        ROUND((b & c) | (b & d) | (c & d), UINT32_C(0x8F1BBCDC));
    }
    for (; i < 80; i++) {
        ROUND(b ^ c ^ d, UINT32_C(0xCA62C1D6));
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

void
sonde_sha1_init(struct sonde_sha1 *sha1)
{
    sha1->state[0] = UINT32_C(0x67452301);
    sha1->state[1] = UINT32_C(0xEFCDAB89);
    sha1->state[2] = UINT32_C(0x98BADCFE);
    sha1->state[3] = UINT32_C(0x10325476);
    sha1->state[4] = UINT32_C(0xC3D2E1F0);
    sha1->len = 0;
}

void
sonde_sha1_add(struct sonde_sha1 *sha1, struct sonde_str data)
{
    const unsigned char *at = (const unsigned char *)data.ptr;
    size_t left = data.len;
    size_t held = (size_t)(sha1->len % BLOCK_BYTES);
    if (left == 0) {
        return;
    }
    sha1->len += left;
    if (held > 0) {
        size_t taken = BLOCK_BYTES - held < left ? BLOCK_BYTES - held : left;
        memcpy(sha1->block + held, at, taken);
        at += taken;
        left -= taken;
        if (held + taken < BLOCK_BYTES) {
            return;
        }
        take_block(sha1->state, sha1->block);
    }
    for (; left >= BLOCK_BYTES; at += BLOCK_BYTES, left -= BLOCK_BYTES) {
        take_block(sha1->state, at);
    }
    memcpy(sha1->block, at, left);
}

void
sonde_sha1_end(struct sonde_sha1 *sha1, unsigned char out[SONDE_SHA1_BYTES])
{
    static const char zeros[BLOCK_BYTES];
    uint64_t bits = sha1->len * 8;
    char tail[8];
    for (int i = 0; i < 8; i++) {
        tail[i] = (char)(bits >> (56 - 8 * i));
    }
    sonde_sha1_add(sha1, SONDE_STR("\x80"));
    size_t held = (size_t)(sha1->len % BLOCK_BYTES);
    size_t gap = held <= 56 ? 56 - held : 56 + BLOCK_BYTES - held;
    sonde_sha1_add(sha1, (struct sonde_str){zeros, gap});
    sonde_sha1_add(sha1, (struct sonde_str){tail, sizeof(tail)});
    for (int i = 0; i < SONDE_SHA1_BYTES; i++) {
        out[i] = (unsigned char)(sha1->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

void
sonde_sha1_end_text(struct sonde_sha1 *sha1, char out[SONDE_SHA1_TEXT_BYTES])
{
    unsigned char hash[SONDE_SHA1_BYTES];
    sonde_sha1_end(sha1, hash);
    sonde_sha1_to_text(hash, out);
}

void
sonde_sha1_init_blob(struct sonde_sha1 *sha1, uint64_t len)
{
    char head[32];
    int head_len = snprintf(head, sizeof(head), "blob %" PRIu64, len);
    sonde_sha1_init(sha1);
    sonde_sha1_add(sha1, (struct sonde_str){head, (size_t)head_len + 1});
}

void
sonde_sha1_to_text(const unsigned char hash[SONDE_SHA1_BYTES],
                   char out[SONDE_SHA1_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SONDE_SHA1_BYTES; i++) {
        *out++ = digits[hash[i] >> 4];
        *out++ = digits[hash[i] & 15];
    }
    *out = '\0';
}

static int
digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

bool
sonde_sha1_from_text(struct sonde_str text, unsigned char out[SONDE_SHA1_BYTES])
{
    unsigned char hash[SONDE_SHA1_BYTES];
    if (text.len != 2 * SONDE_SHA1_BYTES) {
        return false;
    }
    for (size_t i = 0; i < SONDE_SHA1_BYTES; i++) {
        int high = digit_value(text.ptr[2 * i]), low = digit_value(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        hash[i] = (unsigned char)(high << 4 | low);
    }
    memcpy(out, hash, sizeof(hash));
    return true;
}
