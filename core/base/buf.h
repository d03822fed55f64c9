/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing byte buffer with a sticky failure: writers append without checking and look
 * once, at the end, at `failed`. Bounded by `max_bytes` (0: unbounded); past it, or out of
 * memory, `failed` holds the SONDE_E_* code, later appends do nothing and `len` stays.
 *
 * Ctx: one thread at a time. */
#ifndef SONDE_BUF_H
#define SONDE_BUF_H

#include <sonde/err.h>
#include <sonde/str.h>
#include <stdint.h>

struct sonde_buf {
    char *data; /* NULL while nothing was appended; not terminated */
    size_t len;
    size_t cap;
    size_t max_bytes;
    int failed; /* SONDE_OK, SONDE_E_NOMEM or SONDE_E_LIMIT */
};

void sonde_buf_init(struct sonde_buf *buf, size_t max_bytes);
void sonde_buf_fini(struct sonde_buf *buf);

/* Empties it and forgets the failure; keeps the memory. */
void sonde_buf_reset(struct sonde_buf *buf);

void sonde_buf_append(struct sonde_buf *buf, const void *data, size_t len);
void sonde_buf_str(struct sonde_buf *buf, struct sonde_str text);
void sonde_buf_byte(struct sonde_buf *buf, char byte);
void sonde_buf_printf(struct sonde_buf *buf, const char *format, ...) SONDE_PRINTF(2, 3);

/* Room for `len` more bytes at data + len, or NULL after setting `failed`; the caller writes
 * there and adds to len what it used. */
char *sonde_buf_reserve(struct sonde_buf *buf, size_t len);

/* Appends a NUL that `len` does not count and returns data, or NULL when failed. */
const char *sonde_buf_cstr(struct sonde_buf *buf);

static inline struct sonde_str
sonde_buf_view(const struct sonde_buf *buf)
{
    return (struct sonde_str){buf->data, buf->len};
}

#endif
