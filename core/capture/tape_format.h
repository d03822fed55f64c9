/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers of the tape's byte format, shared by its writer and its reader; the format
 * itself is described in docs/formats/tape.md. */
#ifndef SONDE_TAPE_FORMAT_H
#define SONDE_TAPE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* The fixed part of the header; all integers little-endian. */
#define SONDE_TAPE_MAGIC "STP\x02" /* the last byte is the version */
#define SONDE_TAPE_MAGIC_BYTES 4
#define SONDE_TAPE_AT_LENGTH 4     /* u32, of the whole record */
#define SONDE_TAPE_AT_REVISION 8   /* u32 */
#define SONDE_TAPE_AT_LINE 12      /* u32 */
#define SONDE_TAPE_AT_TIMESTAMP 16 /* i64 */
#define SONDE_TAPE_AT_DURATION 24  /* i64 */
#define SONDE_TAPE_AT_SUSPENDED 32 /* i64 */
#define SONDE_TAPE_AT_AT 40        /* u8 */
#define SONDE_TAPE_FIXED_BYTES 41

/* A tag byte is an op and flags; the top bit is 0. */
enum sonde_tape_op {
    SONDE_TAPE_OP_THREAD = 1,
    SONDE_TAPE_OP_TRACE,
    SONDE_TAPE_OP_STACK_BEGIN,
    SONDE_TAPE_OP_FRAME,
    SONDE_TAPE_OP_STACK_END,
    SONDE_TAPE_OP_SECTION_BEGIN,
    SONDE_TAPE_OP_SECTION_END,
    SONDE_TAPE_OP_GROUP_BEGIN,
    SONDE_TAPE_OP_GROUP_END,
    SONDE_TAPE_OP_THROWABLE,
    SONDE_TAPE_OP_NAME,
    SONDE_TAPE_OP_NULL,
    SONDE_TAPE_OP_TEXT,
    SONDE_TAPE_OP_SKIP,
    SONDE_TAPE_OP_OPEN,
    SONDE_TAPE_OP_CLOSE,
    SONDE_TAPE_OP_INT,
    SONDE_TAPE_OP_FLOAT,
    SONDE_TAPE_OP_OUTCOME,
};
#define SONDE_TAPE_OP_MASK 0x1f
#define SONDE_TAPE_FLAG_SIZE 0x20
#define SONDE_TAPE_FLAG_TRUNCATED 0x40

/* What can be open. The first three are enum sonde_shape. */
enum sonde_tape_kind {
    SONDE_TAPE_KIND_TOP = 0, /* nothing is open */
    SONDE_TAPE_KIND_ELEMENTS,
    SONDE_TAPE_KIND_ENTRIES,
    SONDE_TAPE_KIND_FIELDS,
    SONDE_TAPE_KIND_NAMED,     /* groups ARGUMENTS and LOCALS */
    SONDE_TAPE_KIND_RETURN,    /* group RETURN_VALUE */
    SONDE_TAPE_KIND_THROWABLE, /* group THROWABLE */
    SONDE_TAPE_KIND_SECTION,
    SONDE_TAPE_KIND_STACK,
};

/* What may come next in what is open, besides its end. Values may come from KEY on. */
enum sonde_tape_slot {
    SONDE_TAPE_SLOT_NONE = 0,
    SONDE_TAPE_SLOT_TYPE,    /* the throwable's type */
    SONDE_TAPE_SLOT_STACK,   /* the throwable's stack */
    SONDE_TAPE_SLOT_OUTCOME, /* the section RETURN's outcome */
    SONDE_TAPE_SLOT_NAME,
    SONDE_TAPE_SLOT_KEY,   /* a value that is an entry's key */
    SONDE_TAPE_SLOT_VALUE, /* a value, or none */
    SONDE_TAPE_SLOT_OWED,  /* a value, which a name or a key awaits: no end before it */
};

static inline enum sonde_tape_slot
sonde_tape_first_slot(enum sonde_tape_kind kind)
{
    switch (kind) {
    case SONDE_TAPE_KIND_ELEMENTS:
    case SONDE_TAPE_KIND_RETURN:
        return SONDE_TAPE_SLOT_VALUE;
    case SONDE_TAPE_KIND_ENTRIES:
        return SONDE_TAPE_SLOT_KEY;
    case SONDE_TAPE_KIND_FIELDS:
    case SONDE_TAPE_KIND_NAMED:
        return SONDE_TAPE_SLOT_NAME;
    case SONDE_TAPE_KIND_THROWABLE:
        return SONDE_TAPE_SLOT_TYPE;
    default:
        return SONDE_TAPE_SLOT_NONE;
    }
}

#endif
