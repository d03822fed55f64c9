/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/gzip.h"

#include "core/base/alloc.h"

#include <limits.h>
#include <zlib.h>

#define WINDOW_BITS_GZIP (15 + 16) /* the largest window, in a gzip wrapper */
#define MEMORY_LEVEL 8             /* zlib's own default */

static void *
take(void *opaque, uInt count, uInt bytes)
{
    (void)opaque;
    return sonde_calloc(count, bytes);
}

static void
give(void *opaque, void *memory)
{
    (void)opaque;
    sonde_free(memory);
}

int
sonde_gzip_append(struct sonde_buf *out, struct sonde_str data)
{
    z_stream stream = {.zalloc = take, .zfree = give};
    uLong bound;
    char *room;
    int code = SONDE_OK;

    if (data.len > UINT_MAX)
        return SONDE_E_LIMIT;
    /* The application's CPU is dearer than the network: snapshots shrink well even so. */
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS_GZIP, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return SONDE_E_NOMEM;
    bound = deflateBound(&stream, (uLong)data.len);
    room = bound > UINT_MAX ? NULL : sonde_buf_reserve(out, bound);
    if (room == NULL) {
        code = out->failed != SONDE_OK ? out->failed : SONDE_E_LIMIT;
        goto out;
    }
    stream.next_in = (z_const Bytef *)data.ptr;
    stream.avail_in = (uInt)data.len;
    stream.next_out = (Bytef *)room;
    stream.avail_out = (uInt)bound;
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        code = SONDE_E_BUG; /* the bound promised that it fits */
        goto out;
    }
    out->len += bound - stream.avail_out;
out:
    deflateEnd(&stream);
    return code;
}
