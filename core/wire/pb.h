/* SPDX-License-Identifier: Apache-2.0
 *
 * Protocol buffers, the wire rules only: a writer into a sonde_buf and a bounded pull
 * reader. Schemas stand with their users.
 *
 * Ctx: one thread at a time. Own: the reader's slices point into its input. */
#ifndef SONDE_PB_H
#define SONDE_PB_H

#include "core/base/buf.h"

/* --- Writing. Failure is the buffer's sticky one. ----------------------------------- */

void sonde_pb_varint(struct sonde_buf *out, uint32_t field, uint64_t value);
void sonde_pb_fixed64(struct sonde_buf *out, uint32_t field, uint64_t value);
void sonde_pb_fixed32(struct sonde_buf *out, uint32_t field, uint32_t value);
void sonde_pb_double(struct sonde_buf *out, uint32_t field, double value);
void sonde_pb_bytes(struct sonde_buf *out, uint32_t field, struct sonde_str bytes);

/* Opens a nested message and returns where it starts; sonde_pb_close writes its length
 * (shifting it when more than one byte is needed, so the encoding is canonical). */
size_t sonde_pb_open(struct sonde_buf *out, uint32_t field);
void sonde_pb_close(struct sonde_buf *out, size_t start);

/* --- Reading ------------------------------------------------------------------------ */

enum sonde_pb_type {
    SONDE_PB_VARINT = 0,
    SONDE_PB_FIXED64 = 1,
    SONDE_PB_LEN = 2,
    SONDE_PB_FIXED32 = 5,
};

struct sonde_pb_reader {
    const unsigned char *at;
    const unsigned char *end;
};

struct sonde_pb_field {
    uint32_t number;
    enum sonde_pb_type type;
    uint64_t value;         /* VARINT, FIXED64, FIXED32 */
    struct sonde_str bytes; /* LEN */
};

void sonde_pb_reader_init(struct sonde_pb_reader *reader, struct sonde_str input);

/* The next field: 1 and *out set; 0 at the end; SONDE_E_SYNTAX on anything malformed
 * (field number 0, groups, varint over 10 bytes, length past the end). Unknown fields are
 * simply returned: skipping is ignoring. */
int sonde_pb_next(struct sonde_pb_reader *reader, struct sonde_pb_field *out);

#endif
