/* SPDX-License-Identifier: Apache-2.0
 *
 * A borrowed run of bytes, usually UTF-8, with no terminator promised. Passed by value; who
 * lends it keeps it alive for the call unless the function says that it keeps a copy. */
#ifndef SONDE_STR_H
#define SONDE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct sonde_str {
    const char *ptr; /* NULL only when len is 0 */
    size_t len;      /* bytes */
};

/* From a string literal, without counting at run time. */
#define SONDE_STR(literal) ((struct sonde_str){"" literal, sizeof(literal) - 1})

/* From a C string; NULL gives the empty run. */
static inline struct sonde_str
sonde_str_from(const char *text)
{
    return (struct sonde_str){text, text == NULL ? 0 : strlen(text)};
}

static inline bool
sonde_str_eq(struct sonde_str a, struct sonde_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool
sonde_str_ends_with(struct sonde_str text, struct sonde_str tail)
{
    return text.len >= tail.len &&
           (tail.len == 0 ||
            memcmp(text.ptr + text.len - tail.len, tail.ptr, tail.len) == 0);
}

#endif
