/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-1 (RFC 3174): a name for contents, as git gives them. It keeps nobody out: who wants two
 * texts of one name can make them.
 *
 * Ctx: any thread. Nothing is allocated. */
#ifndef SONDE_CORE_BASE_SHA1_H
#define SONDE_CORE_BASE_SHA1_H

#include <sonde/str.h>

#include <stdint.h>

#define SONDE_SHA1_BYTES 20
#define SONDE_SHA1_TEXT_BYTES 41 /* lower-case hex digits and a NUL */

struct sonde_sha1 {
    uint32_t state[5];
    uint64_t len; /* bytes so far */
    unsigned char block[64];
};

void sonde_sha1_init(struct sonde_sha1 *sha1);
void sonde_sha1_add(struct sonde_sha1 *sha1, struct sonde_str data);

/* Ends it; `sha1` may be initialised anew. */
void sonde_sha1_end(struct sonde_sha1 *sha1, unsigned char out[SONDE_SHA1_BYTES]);

/* The same as text. */
void sonde_sha1_end_text(struct sonde_sha1 *sha1, char out[SONDE_SHA1_TEXT_BYTES]);

/* Begins what git calls a file of `len` bytes: its bytes follow with sonde_sha1_add. */
void sonde_sha1_init_blob(struct sonde_sha1 *sha1, uint64_t len);

void sonde_sha1_to_text(const unsigned char hash[SONDE_SHA1_BYTES],
                        char out[SONDE_SHA1_TEXT_BYTES]);

/* Reads 40 hex digits; false: they are no such. */
bool sonde_sha1_from_text(struct sonde_str text, unsigned char out[SONDE_SHA1_BYTES]);

#endif
