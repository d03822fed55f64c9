/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/pb.h"

#define VARINT_BYTES 10
#define MAX_FIELD_NUMBER ((UINT32_C(1) << 29) - 1)

static size_t
put_varint(unsigned char out[VARINT_BYTES], uint64_t value)
{
    size_t len = 0;

    while (value >= 0x80) {
        out[len++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (unsigned char)value;
    return len;
}

static void
append_varint(struct sonde_buf *out, uint64_t value)
{
    unsigned char bytes[VARINT_BYTES];

    sonde_buf_append(out, bytes, put_varint(bytes, value));
}

static void
append_tag(struct sonde_buf *out, uint32_t field, enum sonde_pb_type type)
{
    append_varint(out, (uint64_t)field << 3 | (uint64_t)type);
}

/* Little endian on every machine. */
static void
append_fixed(struct sonde_buf *out, uint64_t value, size_t bytes)
{
    unsigned char raw[8];

    for (size_t i = 0; i < bytes; i++)
        raw[i] = (unsigned char)(value >> (8 * i));
    sonde_buf_append(out, raw, bytes);
}

void
sonde_pb_varint(struct sonde_buf *out, uint32_t field, uint64_t value)
{
    append_tag(out, field, SONDE_PB_VARINT);
    append_varint(out, value);
}

void
sonde_pb_fixed64(struct sonde_buf *out, uint32_t field, uint64_t value)
{
    append_tag(out, field, SONDE_PB_FIXED64);
    append_fixed(out, value, 8);
}

void
sonde_pb_fixed32(struct sonde_buf *out, uint32_t field, uint32_t value)
{
    append_tag(out, field, SONDE_PB_FIXED32);
    append_fixed(out, value, 4);
}

void
sonde_pb_double(struct sonde_buf *out, uint32_t field, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    sonde_pb_fixed64(out, field, bits);
}

void
sonde_pb_bytes(struct sonde_buf *out, uint32_t field, struct sonde_str bytes)
{
    append_tag(out, field, SONDE_PB_LEN);
    append_varint(out, bytes.len);
    sonde_buf_str(out, bytes);
}

size_t
sonde_pb_open(struct sonde_buf *out, uint32_t field)
{
    append_tag(out, field, SONDE_PB_LEN);
    sonde_buf_byte(out, 0);
    return out->len;
}

void
sonde_pb_close(struct sonde_buf *out, size_t start)
{
    unsigned char bytes[VARINT_BYTES];
    size_t len, more;

    /* A failed buffer may never have got the byte that open() reserves. */
    if (out->failed != SONDE_OK)
        return;
    len = out->len - start;
    more = put_varint(bytes, len) - 1;
    if (more > 0) {
        if (sonde_buf_reserve(out, more) == NULL)
            return;
        memmove(out->data + start + more, out->data + start, len);
        out->len += more;
    }
    memcpy(out->data + start - 1, bytes, more + 1);
}

void
sonde_pb_reader_init(struct sonde_pb_reader *reader, struct sonde_str input)
{
    static const unsigned char nothing;

    /* Never a null pointer: `at` is moved and subtracted from, which C allows only inside
     * an object. */
    reader->at = input.ptr == NULL ? &nothing : (const unsigned char *)input.ptr;
    reader->end = reader->at + input.len;
}

static bool
get_varint(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned int i = 0; i < VARINT_BYTES && *at < end; i++) {
        unsigned char byte = *(*at)++;

        /* The tenth byte holds the 64th bit and nothing else. */
        if (i == VARINT_BYTES - 1 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool
get_fixed(const unsigned char **at, const unsigned char *end, size_t bytes, uint64_t *out)
{
    uint64_t value = 0;

    if ((size_t)(end - *at) < bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)(*at)[i] << (8 * i);
    *at += bytes;
    *out = value;
    return true;
}

int
sonde_pb_next(struct sonde_pb_reader *reader, struct sonde_pb_field *out)
{
    const unsigned char *at = reader->at;
    struct sonde_pb_field field = {0};
    uint64_t tag;
    bool whole;

    if (at == reader->end)
        return 0;
    if (!get_varint(&at, reader->end, &tag) || tag >> 3 == 0 ||
        tag >> 3 > MAX_FIELD_NUMBER)
        return SONDE_E_SYNTAX;
    field.number = (uint32_t)(tag >> 3);
    field.type = (enum sonde_pb_type)(tag & 7);
    switch (tag & 7) {
    case SONDE_PB_VARINT:
        whole = get_varint(&at, reader->end, &field.value);
        break;
    case SONDE_PB_FIXED64:
        whole = get_fixed(&at, reader->end, 8, &field.value);
        break;
    case SONDE_PB_FIXED32:
        whole = get_fixed(&at, reader->end, 4, &field.value);
        break;
    case SONDE_PB_LEN:
        whole = get_varint(&at, reader->end, &field.value) &&
                field.value <= (uint64_t)(reader->end - at);
        if (whole) {
            field.bytes = (struct sonde_str){(const char *)at, (size_t)field.value};
            field.value = 0;
            at += field.bytes.len;
        }
        break;
    default: /* groups are long gone from the format; 6 and 7 never were in it */
        whole = false;
    }
    if (!whole)
        return SONDE_E_SYNTAX;
    reader->at = at;
    *out = field;
    return 1;
}
