/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a finished tape record, event by event, without allocating. A damaged record gives
 * SONDE_E_CORRUPT at the damage, never a read outside it; every event before it was sound.
 *
 * Ctx: one thread at a time. Own: strings point into the record. */
#ifndef SONDE_TAPE_READER_H
#define SONDE_TAPE_READER_H

#include "core/capture/tape_writer.h"
#include "core/wire/number.h"

enum sonde_tape_event_kind {
    SONDE_TAPE_END = 0, /* the record is over, properly */
    SONDE_TAPE_THREAD,
    SONDE_TAPE_TRACE,
    SONDE_TAPE_STACK_BEGIN,
    SONDE_TAPE_FRAME,
    SONDE_TAPE_STACK_END,
    SONDE_TAPE_SECTION_BEGIN,
    SONDE_TAPE_SECTION_END,
    SONDE_TAPE_GROUP_BEGIN,
    SONDE_TAPE_GROUP_END,
    SONDE_TAPE_THROWABLE,
    SONDE_TAPE_NAME,
    SONDE_TAPE_NULL,
    SONDE_TAPE_TEXT, /* numbers too; of an INT or FLOAT valid until the next event */
    SONDE_TAPE_SKIP, /* a marker in place of a value: reason */
    SONDE_TAPE_OPEN,
    SONDE_TAPE_CLOSE, /* of a container: truncated, size, reason */
    SONDE_TAPE_OUTCOME = 19,
};

struct sonde_tape_event {
    enum sonde_tape_event_kind kind;
    enum sonde_section section;
    enum sonde_group group;
    enum sonde_outcome outcome;
    enum sonde_shape shape;
    enum sonde_reason reason;
    bool truncated;
    uint64_t size;                 /* SONDE_SIZE_UNKNOWN: not said */
    struct sonde_str type;         /* NULL, TEXT, SKIP, OPEN, THROWABLE */
    struct sonde_str text;         /* NAME, TEXT; THREAD: its name; FRAME: function */
    struct sonde_str file;         /* FRAME */
    uint32_t line;                 /* FRAME */
    uint64_t id;                   /* THREAD */
    const unsigned char *trace_id; /* TRACE: 16 bytes */
    const unsigned char *span_id;  /* TRACE: 8 bytes */
};

struct sonde_tape_reader {
    char number[SONDE_NUMBER_TEXT_BYTES]; /* the text of an INT or FLOAT */
    struct sonde_str record;
    size_t at;
    struct sonde_tape_header header;
    uint32_t level;
    uint8_t open[SONDE_TAPE_MAX_DEPTH + 1];
};

/* Reads the header. SONDE_OK or SONDE_E_CORRUPT. */
int sonde_tape_reader_init(struct sonde_tape_reader *reader, struct sonde_str record);

/* The next event. SONDE_OK (also for END, again and again) or SONDE_E_CORRUPT. Nesting is
 * checked: begins and ends match, at most SONDE_TAPE_MAX_DEPTH deep. */
int sonde_tape_reader_next(struct sonde_tape_reader *reader,
                           struct sonde_tape_event *event);

#endif
