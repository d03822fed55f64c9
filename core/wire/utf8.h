/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing above U+10FFFF.
 *
 * Ctx: any thread. */
#ifndef SONDE_UTF8_H
#define SONDE_UTF8_H

#include "core/base/buf.h"
#include <stdint.h>

#define SONDE_UTF8_REPLACEMENT SONDE_STR("\xEF\xBF\xBD") /* U+FFFD */

/* How many bytes at the start of `text` are whole, valid characters. */
size_t sonde_utf8_valid_bytes(struct sonde_str text);

static inline bool
sonde_utf8_is_valid(struct sonde_str text)
{
    return sonde_utf8_valid_bytes(text) == text.len;
}

/* Writes a code point (a surrogate or one above U+10FFFF is the caller's mistake) into
 * `out` and returns its length, 1 to 4 bytes. */
size_t sonde_utf8_encode(char out[4], uint32_t code_point);

/* Appends `text` with each byte that is not part of a valid character as U+FFFD. */
void sonde_utf8_append(struct sonde_buf *out, struct sonde_str text);

#endif
