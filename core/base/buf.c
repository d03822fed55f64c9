/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/buf.h"

#include "core/base/alloc.h"

#include <stdarg.h>
#include <stdio.h>

#define FIRST_CAP_BYTES ((size_t)256)

void
sonde_buf_init(struct sonde_buf *buf, size_t max_bytes)
{
    *buf = (struct sonde_buf){.max_bytes = max_bytes};
}

void
sonde_buf_fini(struct sonde_buf *buf)
{
    sonde_free(buf->data);
    sonde_buf_init(buf, buf->max_bytes);
}

void
sonde_buf_reset(struct sonde_buf *buf)
{
    buf->len = 0;
    buf->failed = SONDE_OK;
}

/* Room is always made for one byte more than asked, for the NUL of printf and cstr; that
 * byte is outside max_bytes, which bounds the contents. */
char *
sonde_buf_reserve(struct sonde_buf *buf, size_t len)
{
    if (buf->failed != SONDE_OK) {
        return NULL;
    }
    size_t max = buf->max_bytes == 0 ? SIZE_MAX - 1 : buf->max_bytes;
    if (buf->len > max || len > max - buf->len) {
        buf->failed = SONDE_E_LIMIT;
        return NULL;
    }
    size_t need = buf->len + len + 1;
    if (need <= buf->cap) {
        return buf->data + buf->len;
    }
    size_t cap = buf->cap <= SIZE_MAX / 2 ? buf->cap * 2 : SIZE_MAX;
    if (cap < FIRST_CAP_BYTES) {
        cap = FIRST_CAP_BYTES;
    }
    if (cap - 1 > max) {
        cap = max + 1;
    }
    if (cap < need) {
        cap = need;
    }
    char *data = sonde_realloc(buf->data, cap);
    if (data == NULL) {
        buf->failed = SONDE_E_NOMEM;
        return NULL;
    }
    buf->data = data;
    buf->cap = cap;
    return data + buf->len;
}

void
sonde_buf_append(struct sonde_buf *buf, const void *data, size_t len)
{
    if (len == 0) {
        return;
    }
    char *room = sonde_buf_reserve(buf, len);
    if (room != NULL) {
        memcpy(room, data, len);
        buf->len += len;
    }
}

void
sonde_buf_str(struct sonde_buf *buf, struct sonde_str text)
{
    sonde_buf_append(buf, text.ptr, text.len);
}

void
sonde_buf_byte(struct sonde_buf *buf, char byte)
{
    sonde_buf_append(buf, &byte, 1);
}

void
sonde_buf_printf(struct sonde_buf *buf, const char *format, ...)
{
    if (buf->failed != SONDE_OK) {
        return;
    }
    /* Most text fits in what is there, so it is formatted once; otherwise the first round
     * has measured it. */
    va_list args;
    va_start(args, format);
    size_t room = buf->cap - buf->len;
    int wanted = vsnprintf(room == 0 ? NULL : buf->data + buf->len, room, format, args);
    va_end(args);
    if (wanted < 0) {
        buf->failed = SONDE_E_LIMIT; /* longer than INT_MAX is its only cause here */
        return;
    }
    char *out = sonde_buf_reserve(buf, (size_t)wanted);
    if (out == NULL) {
        return;
    }
    if ((size_t)wanted >= room) {
        va_start(args, format);
        vsnprintf(out, (size_t)wanted + 1, format, args);
        va_end(args);
    }
    buf->len += (size_t)wanted;
}

const char *
sonde_buf_cstr(struct sonde_buf *buf)
{
    char *end = sonde_buf_reserve(buf, 0);
    if (end == NULL) {
        return NULL;
    }
    *end = '\0';
    return buf->data;
}
