/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/http/unpack.h"

#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* zlib's way to say: gzip and nothing else */

/* Deflate reaches 1032:1 on zeros alone. Snapshots that repeat each other every few KiB
 * can not pass 160:1 (258 bytes for a length and a distance of 13 bits), so what is far
 * past that was made to hurt, and is left before it cost the whole of the absolute
 * limit. */
#define RATIO_MAX 256
#define RATIO_FREE_BYTES ((size_t)4 * 1024 * 1024)
#define STEP_MAX_BYTES ((size_t)1024 * 1024)

static int
unpack(z_stream *zip, struct sonde_buf *out, size_t packed_bytes, struct sonde_err *err)
{
    size_t first = out->len;
    size_t step = packed_bytes * 4 + 1024;
    for (;;) {
        size_t room = step < STEP_MAX_BYTES ? step : STEP_MAX_BYTES;
        if (out->max_bytes != 0 && room > out->max_bytes - out->len) {
            room = out->max_bytes - out->len;
        }
        char *to = room == 0 ? NULL : sonde_buf_reserve(out, room);
        if (to == NULL) {
            return sonde_err_set(err, room == 0 ? SONDE_E_LIMIT : out->failed, NULL,
                                 "the body is over %zu bytes when decompressed",
                                 out->max_bytes);
        }
        zip->next_out = (Bytef *)to;
        zip->avail_out = (uInt)room;
        int rc = inflate(zip, Z_NO_FLUSH);
        out->len += room - zip->avail_out;
        size_t made = out->len - first;
        if (made > RATIO_FREE_BYTES && made / RATIO_MAX > packed_bytes) {
            return sonde_err_set(err, SONDE_E_LIMIT, NULL,
                                 "the body decompresses to more than %d times its size",
                                 RATIO_MAX);
        }
        if (rc == Z_STREAM_END) {
            if (zip->avail_in == 0) {
                return SONDE_OK;
            }
            rc = inflateReset(zip); /* another member follows */
        }
        if (rc == Z_MEM_ERROR) {
            return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
        }
        if (rc != Z_OK && (rc != Z_BUF_ERROR || zip->avail_in > 0)) {
            return sonde_err_set(err, SONDE_E_SYNTAX, NULL, "the body is no gzip: %s",
                                 zip->msg == NULL ? "damaged" : zip->msg);
        }
        if (zip->avail_in == 0 && zip->avail_out > 0) {
            return sonde_err_set(err, SONDE_E_SYNTAX, NULL, "the gzip body is cut short");
        }
    }
}

int
sonde_unpack_gzip(struct sonde_buf *out, struct sonde_str packed, struct sonde_err *err)
{
    if (packed.len == 0 || packed.len > UINT32_MAX) {
        return sonde_err_set(err, packed.len == 0 ? SONDE_E_SYNTAX : SONDE_E_LIMIT, NULL,
                             "the gzip body is empty or too large");
    }
    z_stream zip = {.next_in = (Bytef *)packed.ptr, .avail_in = (uInt)packed.len};
    if (inflateInit2(&zip, GZIP_WINDOW) != Z_OK) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    int rc = unpack(&zip, out, packed.len, err);
    inflateEnd(&zip);
    return rc;
}
