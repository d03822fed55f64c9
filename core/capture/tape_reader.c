/* SPDX-License-Identifier: Apache-2.0 */
#include "core/capture/tape_reader.h"

#include "core/capture/tape_format.h"

#include <inttypes.h>
#include <stdio.h>

/* --- Bytes -------------------------------------------------------------------------- */

/* Reads forward in a record; the first read past its end, or other damage, sticks. */
struct cursor {
    const unsigned char *at;
    const unsigned char *end;
    bool is_damaged;
};

static uint64_t
get_fixed(const unsigned char *from, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

static const unsigned char *
get_bytes(struct cursor *cursor, uint64_t len)
{
    const unsigned char *bytes = cursor->at;

    if (cursor->is_damaged || len > (size_t)(cursor->end - cursor->at)) {
        cursor->is_damaged = true;
        return NULL;
    }
    cursor->at += len;
    return bytes;
}

static unsigned
get_byte(struct cursor *cursor)
{
    const unsigned char *byte = get_bytes(cursor, 1);

    return byte == NULL ? 0 : *byte;
}

/* A varint of at most `max`. */
static uint64_t
get_varint(struct cursor *cursor, uint64_t max)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = get_byte(cursor);

        if (shift == 63 && byte > 1)
            break;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (value > max)
                break;
            return value;
        }
    }
    cursor->is_damaged = true;
    return 0;
}

static struct sonde_str
get_str(struct cursor *cursor)
{
    uint64_t len = get_varint(cursor, SONDE_TAPE_MAX_BYTES);
    const unsigned char *bytes = get_bytes(cursor, len);

    return (struct sonde_str){(const char *)bytes, bytes == NULL ? 0 : (size_t)len};
}

/* A number from 1 to `most`. */
static unsigned
get_number(struct cursor *cursor, unsigned most)
{
    unsigned number = get_byte(cursor);

    if (number == 0 || number > most)
        cursor->is_damaged = true;
    return number;
}

int
sonde_tape_reader_init(struct sonde_tape_reader *reader, struct sonde_str record)
{
    const unsigned char *bytes = (const unsigned char *)record.ptr;
    struct sonde_tape_header header;
    struct cursor cursor;

    if (record.len < SONDE_TAPE_FIXED_BYTES || record.len > SONDE_TAPE_MAX_BYTES ||
        memcmp(bytes, SONDE_TAPE_MAGIC, SONDE_TAPE_MAGIC_BYTES) != 0 ||
        get_fixed(bytes + SONDE_TAPE_AT_LENGTH, 4) != record.len)
        return SONDE_E_CORRUPT;
    cursor = (struct cursor){bytes + SONDE_TAPE_FIXED_BYTES, bytes + record.len, false};
    header.revision = (uint32_t)get_fixed(bytes + SONDE_TAPE_AT_REVISION, 4);
    header.line = (uint32_t)get_fixed(bytes + SONDE_TAPE_AT_LINE, 4);
    header.timestamp_ns = (int64_t)get_fixed(bytes + SONDE_TAPE_AT_TIMESTAMP, 8);
    header.duration_ns = (int64_t)get_fixed(bytes + SONDE_TAPE_AT_DURATION, 8);
    header.suspended_ns = (int64_t)get_fixed(bytes + SONDE_TAPE_AT_SUSPENDED, 8);
    header.began_ns = 0; /* is not on the tape */
    header.at = bytes[SONDE_TAPE_AT_AT];
    header.probe_id = get_str(&cursor);
    header.file = get_str(&cursor);
    header.function = get_str(&cursor);
    /* What was not suspended has -1, as has what has no duration. */
    if (cursor.is_damaged || header.timestamp_ns < 0 || header.duration_ns < -1 ||
        header.suspended_ns < -1 || header.suspended_ns > header.duration_ns)
        return SONDE_E_CORRUPT;
    *reader = (struct sonde_tape_reader){
        .record = record,
        .at = (size_t)(cursor.at - bytes),
        .header = header,
    };
    return SONDE_OK;
}

/* --- Nesting ------------------------------------------------------------------------ */

/* open[level] is a kind in the low half and a slot in the high half. */
static inline enum sonde_tape_kind
kind_of(const struct sonde_tape_reader *reader)
{
    return (enum sonde_tape_kind)(reader->open[reader->level] & 0x0f);
}

static inline enum sonde_tape_slot
slot_of(const struct sonde_tape_reader *reader)
{
    return (enum sonde_tape_slot)(reader->open[reader->level] >> 4);
}

static inline void
set_slot(struct sonde_tape_reader *reader, enum sonde_tape_slot slot)
{
    reader->open[reader->level] =
        (uint8_t)((unsigned)kind_of(reader) | (unsigned)slot << 4);
}

/* Whether a value may stand here; goes on after it. */
static bool
take_value(struct sonde_tape_reader *reader)
{
    enum sonde_tape_kind kind = kind_of(reader);

    switch (slot_of(reader)) {
    case SONDE_TAPE_SLOT_KEY:
        set_slot(reader, SONDE_TAPE_SLOT_OWED);
        return true;
    case SONDE_TAPE_SLOT_VALUE:
    case SONDE_TAPE_SLOT_OWED:
        set_slot(reader, kind == SONDE_TAPE_KIND_RETURN ? SONDE_TAPE_SLOT_NONE
                         : kind == SONDE_TAPE_KIND_THROWABLE
                             ? SONDE_TAPE_SLOT_STACK
                             : sonde_tape_first_slot(kind));
        return true;
    default:
        return false;
    }
}

static bool
push(struct sonde_tape_reader *reader, enum sonde_tape_kind kind)
{
    if (reader->level == SONDE_TAPE_MAX_DEPTH)
        return false;
    reader->open[++reader->level] = (uint8_t)kind;
    set_slot(reader, sonde_tape_first_slot(kind));
    return true;
}

/* Whether what is open may end here; ends it. */
static bool
pop(struct sonde_tape_reader *reader)
{
    if (slot_of(reader) == SONDE_TAPE_SLOT_OWED)
        return false;
    reader->level--;
    return true;
}

static bool
take_slot(struct sonde_tape_reader *reader, enum sonde_tape_slot slot,
          enum sonde_tape_slot next)
{
    if (slot_of(reader) != slot)
        return false;
    set_slot(reader, next);
    return true;
}

static bool
push_stack(struct sonde_tape_reader *reader)
{
    if (kind_of(reader) != SONDE_TAPE_KIND_TOP) {
        bool is_before = kind_of(reader) == SONDE_TAPE_KIND_THROWABLE &&
                         (slot_of(reader) == SONDE_TAPE_SLOT_VALUE ||
                          slot_of(reader) == SONDE_TAPE_SLOT_STACK);

        if (!is_before)
            return false;
        set_slot(reader, SONDE_TAPE_SLOT_NONE);
    }
    return push(reader, SONDE_TAPE_KIND_STACK);
}

static bool
push_group(struct sonde_tape_reader *reader, enum sonde_group group)
{
    return kind_of(reader) == SONDE_TAPE_KIND_SECTION &&
           push(reader, group == SONDE_GROUP_RETURN_VALUE ? SONDE_TAPE_KIND_RETURN
                        : group == SONDE_GROUP_THROWABLE  ? SONDE_TAPE_KIND_THROWABLE
                                                          : SONDE_TAPE_KIND_NAMED);
}

/* Whether the event may stand where it does; enters or leaves what it begins or ends. */
static bool
follow(struct sonde_tape_reader *reader, const struct sonde_tape_event *event)
{
    enum sonde_tape_kind kind = kind_of(reader);

    switch (event->kind) {
    case SONDE_TAPE_THREAD:
    case SONDE_TAPE_TRACE:
        return kind == SONDE_TAPE_KIND_TOP;
    case SONDE_TAPE_STACK_BEGIN:
        return push_stack(reader);
    case SONDE_TAPE_FRAME:
        return kind == SONDE_TAPE_KIND_STACK;
    case SONDE_TAPE_STACK_END:
        return kind == SONDE_TAPE_KIND_STACK && pop(reader);
    case SONDE_TAPE_SECTION_BEGIN:
        if (kind != SONDE_TAPE_KIND_TOP || !push(reader, SONDE_TAPE_KIND_SECTION))
            return false;
        if (event->section == SONDE_SECTION_RETURN)
            set_slot(reader, SONDE_TAPE_SLOT_OUTCOME);
        return true;
    case SONDE_TAPE_OUTCOME:
        return take_slot(reader, SONDE_TAPE_SLOT_OUTCOME, SONDE_TAPE_SLOT_NONE);
    case SONDE_TAPE_SECTION_END:
        return kind == SONDE_TAPE_KIND_SECTION && pop(reader);
    case SONDE_TAPE_GROUP_BEGIN:
        return push_group(reader, event->group);
    case SONDE_TAPE_GROUP_END:
        return kind >= SONDE_TAPE_KIND_NAMED && kind <= SONDE_TAPE_KIND_THROWABLE &&
               pop(reader);
    case SONDE_TAPE_THROWABLE:
        return take_slot(reader, SONDE_TAPE_SLOT_TYPE, SONDE_TAPE_SLOT_VALUE);
    case SONDE_TAPE_NAME:
        return take_slot(reader, SONDE_TAPE_SLOT_NAME, SONDE_TAPE_SLOT_OWED);
    case SONDE_TAPE_NULL:
    case SONDE_TAPE_TEXT:
    case SONDE_TAPE_SKIP:
        return take_value(reader);
    case SONDE_TAPE_OPEN:
        return take_value(reader) && push(reader, (enum sonde_tape_kind)event->shape);
    case SONDE_TAPE_CLOSE:
        return kind >= SONDE_TAPE_KIND_ELEMENTS && kind <= SONDE_TAPE_KIND_FIELDS &&
               pop(reader);
    default:
        return false;
    }
}

/* --- Events ------------------------------------------------------------------------- */

static void
read_size(struct cursor *cursor, unsigned tag, struct sonde_tape_event *event)
{
    if ((tag & SONDE_TAPE_FLAG_SIZE) != 0)
        event->size = get_varint(cursor, INT64_MAX);
}

/* Reads what follows the tag of an op that belongs to a value. */
static void
read_value(struct cursor *cursor, unsigned tag, struct sonde_tape_event *event)
{
    switch (event->kind) {
    case SONDE_TAPE_NAME:
        event->text = get_str(cursor);
        break;
    case SONDE_TAPE_TEXT:
        event->type = get_str(cursor);
        event->text = get_str(cursor);
        read_size(cursor, tag, event);
        break;
    case SONDE_TAPE_SKIP:
        event->reason = (enum sonde_reason)get_number(cursor, SONDE_REASON_UNREADABLE);
        event->type = get_str(cursor);
        read_size(cursor, tag, event);
        break;
    case SONDE_TAPE_OPEN:
        event->shape = (enum sonde_shape)get_number(cursor, SONDE_SHAPE_FIELDS);
        event->type = get_str(cursor);
        break;
    case SONDE_TAPE_CLOSE:
        if (event->truncated)
            event->reason =
                (enum sonde_reason)get_number(cursor, SONDE_REASON_UNREADABLE);
        read_size(cursor, tag, event);
        break;
    default: /* NULL, THROWABLE */
        event->type = get_str(cursor);
    }
}

static void
read_event(struct cursor *cursor, unsigned tag, struct sonde_tape_event *event)
{
    switch (event->kind) {
    case SONDE_TAPE_THREAD:
        event->id = get_varint(cursor, UINT64_MAX);
        event->text = get_str(cursor);
        break;
    case SONDE_TAPE_TRACE:
        event->trace_id = get_bytes(cursor, 16);
        event->span_id = get_bytes(cursor, 8);
        break;
    case SONDE_TAPE_FRAME:
        event->line = (uint32_t)get_varint(cursor, UINT32_MAX);
        event->file = get_str(cursor);
        event->text = get_str(cursor);
        break;
    case SONDE_TAPE_SECTION_BEGIN:
        event->section = (enum sonde_section)get_number(cursor, SONDE_SECTION_LINE);
        break;
    case SONDE_TAPE_OUTCOME:
        event->outcome = (enum sonde_outcome)get_number(cursor, SONDE_OUTCOME_LEFT);
        break;
    case SONDE_TAPE_GROUP_BEGIN:
        event->group = (enum sonde_group)get_number(cursor, SONDE_GROUP_THROWABLE);
        break;
    case SONDE_TAPE_STACK_BEGIN:
    case SONDE_TAPE_STACK_END:
    case SONDE_TAPE_SECTION_END:
    case SONDE_TAPE_GROUP_END:
        break;
    default:
        read_value(cursor, tag, event);
    }
}

static unsigned
allowed_flags(enum sonde_tape_event_kind kind)
{
    switch (kind) {
    case SONDE_TAPE_TEXT:
    case SONDE_TAPE_CLOSE:
        return SONDE_TAPE_FLAG_SIZE | SONDE_TAPE_FLAG_TRUNCATED;
    case SONDE_TAPE_SKIP:
        return SONDE_TAPE_FLAG_SIZE;
    case SONDE_TAPE_STACK_END:
        return SONDE_TAPE_FLAG_TRUNCATED;
    default:
        return 0;
    }
}

/* INT and FLOAT: a text that is made here. */
static struct sonde_str
read_number(struct cursor *cursor, unsigned op, char out[SONDE_NUMBER_TEXT_BYTES])
{
    uint64_t bits;
    double value;

    if (op == SONDE_TAPE_OP_INT) {
        bits = get_varint(cursor, UINT64_MAX);
        snprintf(out, SONDE_NUMBER_TEXT_BYTES, "%" PRId64,
                 (int64_t)(bits >> 1 ^ (0 - (bits & 1))));
    } else {
        const unsigned char *bytes = get_bytes(cursor, sizeof(bits));

        bits = bytes == NULL ? 0 : get_fixed(bytes, sizeof(bits));
        memcpy(&value, &bits, sizeof(value));
        sonde_number_write_float(out, value);
    }
    return sonde_str_from(out);
}

/* The events are numbered as the ops are; between them stand the two that are texts. */
_Static_assert((int)SONDE_TAPE_CLOSE == (int)SONDE_TAPE_OP_CLOSE &&
                   (int)SONDE_TAPE_THREAD == (int)SONDE_TAPE_OP_THREAD &&
                   (int)SONDE_TAPE_OUTCOME == (int)SONDE_TAPE_OP_OUTCOME,
               "event kinds and ops are the same numbers");

static bool
is_kind(enum sonde_tape_event_kind kind)
{
    return (kind >= SONDE_TAPE_THREAD && kind <= SONDE_TAPE_CLOSE) ||
           kind == SONDE_TAPE_OUTCOME;
}

int
sonde_tape_reader_next(struct sonde_tape_reader *reader, struct sonde_tape_event *event)
{
    const unsigned char *bytes = (const unsigned char *)reader->record.ptr;
    struct cursor cursor = {bytes + reader->at, bytes + reader->record.len, false};
    struct sonde_tape_reader next = *reader;
    struct sonde_tape_event read = {.size = SONDE_SIZE_UNKNOWN};
    unsigned tag;
    bool is_number;

    if (cursor.at == cursor.end) {
        if (reader->level > 0)
            return SONDE_E_CORRUPT;
        *event = read;
        return SONDE_OK;
    }
    tag = get_byte(&cursor);
    is_number = tag == SONDE_TAPE_OP_INT || tag == SONDE_TAPE_OP_FLOAT;
    read.kind = is_number ? SONDE_TAPE_TEXT
                          : (enum sonde_tape_event_kind)(tag & SONDE_TAPE_OP_MASK);
    read.truncated = (tag & SONDE_TAPE_FLAG_TRUNCATED) != 0;
    if (is_number) {
        read.type = get_str(&cursor);
        read.text = read_number(&cursor, tag, next.number);
    } else if (!is_kind(read.kind) ||
               (tag & ~(SONDE_TAPE_OP_MASK | allowed_flags(read.kind))) != 0) {
        return SONDE_E_CORRUPT;
    } else {
        read_event(&cursor, tag, &read);
    }
    if (cursor.is_damaged || !follow(&next, &read))
        return SONDE_E_CORRUPT;
    next.at = (size_t)(cursor.at - bytes);
    *reader = next;
    if (is_number)
        read.text.ptr = reader->number;
    *event = read;
    return SONDE_OK;
}
