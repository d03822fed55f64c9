/* SPDX-License-Identifier: Apache-2.0 */
#include "core/capture/tape_writer.h"

#include "core/base/alloc.h"
#include "core/capture/redact.h"
#include "core/capture/tape_bytes.h"
#include "core/capture/tape_format.h"
#include "core/capture/tape_reader.h"
#include "core/capture/tape_text.h"

/* How it stays bounded. Whatever is written is checked against limit_bytes first, and
 * what will have to be written later is taken off limit_bytes beforehand: the ending of
 * each level when the level begins, and SLACK for the time after the budget, when values
 * are still noted by name with a marker each. So an ending needs no check and can not
 * fail. */
#define SLACK_BYTES 512
#define MARKER_BYTES 3 /* the smallest marker: tag, reason, empty type */
#define SIZE_BYTES 9   /* the longest varint of a size */
#define ENDING_BYTES 1
#define OUTCOME_BYTES 2
/* A container may be an entry's key, which must leave room for the value's marker. */
#define CLOSE_BYTES (2 + SIZE_BYTES + MARKER_BYTES)

#define NAME_BYTES 255 /* most bytes of a name or a type */
#define PATH_BYTES 1023
/* A text that can not keep as many characters, for want of room, becomes a marker. */
#define MIN_TEXT_CHARS 16

#define TRY_ASCII_BYTES \
    64 /* UTF-8 no longer than this is first taken for ASCII: most is */
#define CLOCK_WRITES 32
/* A container and a frame cost the adapter more than a plain value does. */
#define CLOCK_WEIGHT 4

/* --- Bytes -------------------------------------------------------------------------- */

static inline bool
fits(const struct sonde_tape *tape, size_t bytes)
{
    return tape->len + bytes <= tape->limit_bytes;
}

static inline void
put_byte(struct sonde_tape *tape, unsigned byte)
{
    tape->bytes[tape->len++] = (unsigned char)byte;
}

/* For what was written from tape->bytes + tape->len on. */
static inline void
to_end(struct sonde_tape *tape, const unsigned char *to)
{
    tape->len = (size_t)(to - tape->bytes);
}

static inline void
put_varint(struct sonde_tape *tape, uint64_t value)
{
    to_end(tape, sonde_tape_to_varint(tape->bytes + tape->len, value));
}

/* Most bytes that put_str may write for `text`; the caller has made sure of them. */
static inline size_t
str_bound(struct sonde_str text, size_t max)
{
    return sonde_tape_text_str_bound(text, max);
}

/* A tag, and a name or type behind it. Returns where it goes on. */
static inline unsigned char *
to_tag(struct sonde_tape *tape, enum sonde_tape_op op, struct sonde_str text)
{
    unsigned char *to = tape->bytes + tape->len;

    *to++ = (unsigned char)op;
    return to + sonde_tape_text_str(to, text, NAME_BYTES);
}

static inline void
put_str(struct sonde_tape *tape, struct sonde_str text, size_t max)
{
    tape->len += sonde_tape_text_str(tape->bytes + tape->len, text, max);
}

/* --- Budgets ------------------------------------------------------------------------ */

static void
fill(struct sonde_tape *tape, enum sonde_reason reason)
{
    if (tape->full != SONDE_REASON_NONE)
        return;
    tape->full = (uint8_t)reason;
    tape->limit_bytes += SLACK_BYTES;
}

static __attribute__((noinline)) void
look_at_clock(struct sonde_tape *tape)
{
    tape->until_clock = CLOCK_WRITES;
    if (tape->full == SONDE_REASON_NONE &&
        sonde_tape_clock_is_over(&tape->clock, &tape->limits))
        fill(tape, SONDE_REASON_TIMEOUT);
}

static inline void
tick(struct sonde_tape *tape, uint32_t weight)
{
    if (tape->until_clock > weight)
        tape->until_clock -= weight;
    else
        look_at_clock(tape);
}

/* --- Levels ------------------------------------------------------------------------- */

static inline struct sonde_tape_level *
top(struct sonde_tape *tape)
{
    return &tape->levels[tape->level];
}

static inline bool
is_container(const struct sonde_tape_level *level)
{
    return level->kind >= SONDE_TAPE_KIND_ELEMENTS &&
           level->kind <= SONDE_TAPE_KIND_FIELDS;
}

static inline struct sonde_tape_level *
push(struct sonde_tape *tape, enum sonde_tape_kind kind, size_t reserve_bytes)
{
    struct sonde_tape_level *level = &tape->levels[++tape->level];

    level->kind = (uint8_t)kind;
    level->slot = level->after = SONDE_TAPE_SLOT_NONE;
    level->first = (uint8_t)sonde_tape_first_slot(kind);
    level->reason = SONDE_REASON_NONE;
    level->truncated = false;
    level->count = level->limit = 0;
    level->reserve_bytes = (uint32_t)reserve_bytes;
    level->size = SONDE_SIZE_UNKNOWN;
    tape->limit_bytes -= reserve_bytes;
    return level;
}

/* Goes on after a value, whatever stands for it. */
static inline void
advance(struct sonde_tape *tape, struct sonde_tape_level *level)
{
    level->slot =
        level->slot == SONDE_TAPE_SLOT_KEY ? SONDE_TAPE_SLOT_OWED : level->after;
    tape->redact_next = false;
}

/* What must stay free behind a value at this place. */
static inline size_t
room_after(const struct sonde_tape_level *level)
{
    return level->slot == SONDE_TAPE_SLOT_KEY ? MARKER_BYTES : 0;
}

/* Writes a marker in the place of a value: with its type and size if they fit, without if
 * not, and not at all if even that is too much (which never happens to a value that is
 * owed). */
static __attribute__((noinline)) void
mark(struct sonde_tape *tape, struct sonde_str type, enum sonde_reason reason,
     uint64_t size)
{
    struct sonde_tape_level *level = top(tape);
    size_t after = room_after(level);

    if (!fits(tape, 2 + str_bound(type, NAME_BYTES) + SIZE_BYTES + after)) {
        fill(tape, SONDE_REASON_BUDGET);
        if (!fits(tape, 2 + str_bound(type, NAME_BYTES) + SIZE_BYTES + after)) {
            type = (struct sonde_str){NULL, 0};
            size = SONDE_SIZE_UNKNOWN;
        }
        if (!fits(tape, MARKER_BYTES + after)) {
            level->slot = level->after;
            return;
        }
    }
    put_byte(tape, size > INT64_MAX ? SONDE_TAPE_OP_SKIP
                                    : SONDE_TAPE_OP_SKIP | SONDE_TAPE_FLAG_SIZE);
    put_byte(tape, reason);
    put_str(tape, type, NAME_BYTES);
    if (size <= INT64_MAX)
        put_varint(tape, size);
    advance(tape, level);
}

/* Why something is missing that the adapter began and did not bring to its end. */
static enum sonde_reason
reason_or_unreadable(const struct sonde_tape *tape)
{
    return tape->full != SONDE_REASON_NONE ? tape->full : SONDE_REASON_UNREADABLE;
}

/* Pays what a name or a key is owed and did not get. */
static void
settle(struct sonde_tape *tape)
{
    if (top(tape)->slot == SONDE_TAPE_SLOT_OWED)
        mark(tape, SONDE_STR(""), reason_or_unreadable(tape), SONDE_SIZE_UNKNOWN);
}

static void
cut(struct sonde_tape_level *level, enum sonde_reason reason)
{
    if (level->truncated)
        return;
    level->truncated = true;
    level->reason = (uint8_t)reason;
}

static void
put_close(struct sonde_tape *tape, const struct sonde_tape_level *level)
{
    bool has_size = level->truncated && level->size <= INT64_MAX;

    put_byte(tape, SONDE_TAPE_OP_CLOSE |
                       (level->truncated ? SONDE_TAPE_FLAG_TRUNCATED : 0U) |
                       (has_size ? SONDE_TAPE_FLAG_SIZE : 0U));
    if (level->truncated)
        put_byte(tape, level->reason);
    if (has_size)
        put_varint(tape, level->size);
}

static void
end_top(struct sonde_tape *tape)
{
    struct sonde_tape_level *level = top(tape);

    settle(tape);
    tape->limit_bytes += level->reserve_bytes;
    switch (level->kind) {
    case SONDE_TAPE_KIND_SECTION:
        put_byte(tape, SONDE_TAPE_OP_SECTION_END);
        break;
    case SONDE_TAPE_KIND_STACK:
        put_byte(tape, SONDE_TAPE_OP_STACK_END |
                           (level->truncated ? SONDE_TAPE_FLAG_TRUNCATED : 0U));
        break;
    case SONDE_TAPE_KIND_NAMED:
    case SONDE_TAPE_KIND_RETURN:
    case SONDE_TAPE_KIND_THROWABLE:
        put_byte(tape, SONDE_TAPE_OP_GROUP_END);
        break;
    default:
        put_close(tape, level);
        tape->depth_open--;
    }
    tape->level--;
}

/* Ends all above `level`, containers that the adapter left open included. */
static void
end_above(struct sonde_tape *tape, uint32_t level)
{
    while (tape->level > level) {
        if (is_container(top(tape)) && top(tape)->count < top(tape)->size)
            cut(top(tape), reason_or_unreadable(tape));
        end_top(tape);
    }
}

/* Begins something at `level`; if it has no place there or no room it is muted: it and
 * all that begins within it is passed over until its end. */
static bool
admit_begin(struct sonde_tape *tape, bool has_place)
{
    if (tape->muted == 0 && has_place && fits(tape, 2 + ENDING_BYTES))
        return true;
    tape->muted++;
    return false;
}

static bool
unmute(struct sonde_tape *tape)
{
    if (tape->muted == 0)
        return false;
    tape->muted--;
    return true;
}

/* The ending of something that may use no more than half of the room that is left,
 * because the rest of the snapshot matters as much. */
static size_t
half_reserve(const struct sonde_tape *tape)
{
    return ENDING_BYTES + (tape->limit_bytes - ENDING_BYTES - tape->len) / 2;
}

/* --- Life --------------------------------------------------------------------------- */

int
sonde_tape_init(struct sonde_tape *tape)
{
    unsigned char *bytes = sonde_alloc(SONDE_TAPE_MAX_BYTES);

    if (bytes == NULL)
        return SONDE_E_NOMEM;
    *tape = (struct sonde_tape){.bytes = bytes};
    return SONDE_OK;
}

void
sonde_tape_fini(struct sonde_tape *tape)
{
    sonde_free(tape->bytes);
    *tape = (struct sonde_tape){0};
}

static uint32_t
clamp(uint32_t value, uint32_t least, uint32_t most)
{
    return value < least ? least : value > most ? most : value;
}

static void
start(struct sonde_tape *tape, const struct sonde_limits *limits,
      const struct sonde_redactor *redactor, int64_t began_ns)
{
#define CLAMP(member, name, value, least, most) \
    tape->limits.member = clamp(limits->member, least, most);
    SONDE_LIMIT_LIST(CLAMP)
#undef CLAMP
    tape->limit_bytes = tape->limits.bytes - SLACK_BYTES;
    tape->redactor = redactor;
    sonde_tape_clock_start(&tape->clock, &tape->limits, began_ns);
    tape->until_clock = CLOCK_WRITES;
    tape->full = SONDE_REASON_NONE;
    tape->redact_next = false;
    tape->redacts_types = redactor != NULL && sonde_redactor_has_types(redactor);
    tape->depth_open = 0;
    tape->muted = 0;
    tape->level = 0;
    tape->levels[0] = (struct sonde_tape_level){.kind = SONDE_TAPE_KIND_TOP};
}

void
sonde_tape_begin(struct sonde_tape *tape, const struct sonde_tape_header *header,
                 const struct sonde_limits *limits, const struct sonde_redactor *redactor)
{
    /* OTLP knows no time before 1970, whatever the machine's clock says. */
    int64_t timestamp_ns = header->timestamp_ns > 0 ? header->timestamp_ns : 0;
    unsigned char *bytes = tape->bytes;

    start(tape, limits, redactor, header->began_ns);
    memcpy(bytes, SONDE_TAPE_MAGIC, SONDE_TAPE_MAGIC_BYTES);
    sonde_tape_to_fixed4(bytes + SONDE_TAPE_AT_LENGTH, 0);
    sonde_tape_to_fixed4(bytes + SONDE_TAPE_AT_REVISION, header->revision);
    sonde_tape_to_fixed4(bytes + SONDE_TAPE_AT_LINE, header->line);
    sonde_tape_to_fixed8(bytes + SONDE_TAPE_AT_TIMESTAMP, (uint64_t)timestamp_ns);
    sonde_tape_set_times(tape, header->duration_ns, header->suspended_ns);
    bytes[SONDE_TAPE_AT_AT] = header->at;
    tape->len = SONDE_TAPE_FIXED_BYTES;
    /* These fit: together they are shorter than the least that limits.bytes can be. */
    put_str(tape, header->probe_id, NAME_BYTES);
    put_str(tape, header->file, PATH_BYTES);
    put_str(tape, header->function, NAME_BYTES);
}

int
sonde_tape_resume(struct sonde_tape *tape, struct sonde_str record,
                  const struct sonde_limits *limits,
                  const struct sonde_redactor *redactor)
{
    struct sonde_tape_reader reader;
    int code = sonde_tape_reader_init(&reader, record);

    if (code != SONDE_OK)
        return code;
    start(tape, limits, redactor, 0);
    memmove(tape->bytes, record.ptr, record.len);
    tape->len = record.len;
    return SONDE_OK;
}

void
sonde_tape_set_times(struct sonde_tape *tape, int64_t duration_ns, int64_t suspended_ns)
{
    sonde_tape_to_fixed8(tape->bytes + SONDE_TAPE_AT_DURATION, (uint64_t)duration_ns);
    sonde_tape_to_fixed8(tape->bytes + SONDE_TAPE_AT_SUSPENDED, (uint64_t)suspended_ns);
}

struct sonde_str
sonde_tape_finish(struct sonde_tape *tape)
{
    end_above(tape, 0);
    sonde_tape_to_fixed4(tape->bytes + SONDE_TAPE_AT_LENGTH, (uint32_t)tape->len);
    tape->limit_bytes = 0; /* what comes before the next begin does nothing */
    return (struct sonde_str){(const char *)tape->bytes, tape->len};
}

bool
sonde_tape_is_full(const struct sonde_tape *tape)
{
    return tape->full != SONDE_REASON_NONE;
}

/* --- The frame of a snapshot -------------------------------------------------------- */

void
sonde_tape_thread(struct sonde_tape *tape, uint64_t id, struct sonde_str name)
{
    if (tape->level != 0 || tape->muted > 0 ||
        !fits(tape, 11 + str_bound(name, NAME_BYTES)))
        return;
    put_byte(tape, SONDE_TAPE_OP_THREAD);
    put_varint(tape, id);
    put_str(tape, name, NAME_BYTES);
}

void
sonde_tape_trace(struct sonde_tape *tape, const unsigned char trace_id[16],
                 const unsigned char span_id[8])
{
    if (tape->level != 0 || tape->muted > 0 || !fits(tape, 1 + 16 + 8))
        return;
    put_byte(tape, SONDE_TAPE_OP_TRACE);
    memcpy(tape->bytes + tape->len, trace_id, 16);
    memcpy(tape->bytes + tape->len + 16, span_id, 8);
    tape->len += 16 + 8;
}

void
sonde_tape_stack_begin(struct sonde_tape *tape)
{
    struct sonde_tape_level *level = top(tape);
    bool is_throwable =
        level->kind == SONDE_TAPE_KIND_THROWABLE &&
        (level->slot == SONDE_TAPE_SLOT_VALUE || level->slot == SONDE_TAPE_SLOT_STACK);

    if (!admit_begin(tape, tape->level == 0 || is_throwable))
        return;
    level->slot = SONDE_TAPE_SLOT_NONE;
    put_byte(tape, SONDE_TAPE_OP_STACK_BEGIN);
    push(tape, SONDE_TAPE_KIND_STACK, half_reserve(tape))->limit = tape->limits.frames;
}

bool
sonde_tape_frame(struct sonde_tape *tape, struct sonde_str file,
                 struct sonde_str function, uint32_t line)
{
    struct sonde_tape_level *level = top(tape);

    if (level->kind != SONDE_TAPE_KIND_STACK || tape->muted > 0)
        return false;
    tick(tape, CLOCK_WEIGHT);
    if (tape->full != SONDE_REASON_NONE || level->count >= level->limit ||
        !fits(tape,
              1 + 5 + str_bound(file, PATH_BYTES) + str_bound(function, NAME_BYTES))) {
        cut(level, SONDE_REASON_NONE);
        level->limit = 0; /* no later frame either, that would hide the gap */
        return false;
    }
    level->count++;
    put_byte(tape, SONDE_TAPE_OP_FRAME);
    put_varint(tape, line);
    put_str(tape, file, PATH_BYTES);
    put_str(tape, function, NAME_BYTES);
    return true;
}

void
sonde_tape_stack_end(struct sonde_tape *tape)
{
    if (!unmute(tape) && top(tape)->kind == SONDE_TAPE_KIND_STACK)
        end_top(tape);
}

void
sonde_tape_section_begin(struct sonde_tape *tape, enum sonde_section section)
{
    bool is_known = section >= SONDE_SECTION_ENTRY && section <= SONDE_SECTION_LINE;
    size_t reserve;

    if (!admit_begin(tape, is_known && tape->level == 0))
        return;
    put_byte(tape, SONDE_TAPE_OP_SECTION_BEGIN);
    put_byte(tape, section);
    /* The arguments must not crowd out what the function returns. */
    reserve = section == SONDE_SECTION_ENTRY    ? half_reserve(tape)
              : section == SONDE_SECTION_RETURN ? ENDING_BYTES + OUTCOME_BYTES
                                                : ENDING_BYTES;
    push(tape, SONDE_TAPE_KIND_SECTION, reserve)->slot =
        section == SONDE_SECTION_RETURN ? SONDE_TAPE_SLOT_OUTCOME : SONDE_TAPE_SLOT_NONE;
}

void
sonde_tape_outcome(struct sonde_tape *tape, enum sonde_outcome outcome)
{
    struct sonde_tape_level *level = top(tape);

    if (tape->muted > 0 || level->slot != SONDE_TAPE_SLOT_OUTCOME ||
        outcome < SONDE_OUTCOME_RETURNED || outcome > SONDE_OUTCOME_LEFT)
        return;
    level->slot = SONDE_TAPE_SLOT_NONE;
    level->reserve_bytes -= OUTCOME_BYTES;
    tape->limit_bytes += OUTCOME_BYTES;
    if (!fits(tape, OUTCOME_BYTES))
        return; /* the section itself came into the last few bytes */
    put_byte(tape, SONDE_TAPE_OP_OUTCOME);
    put_byte(tape, outcome);
}

void
sonde_tape_section_end(struct sonde_tape *tape)
{
    if (!unmute(tape))
        end_above(tape, 0);
}

void
sonde_tape_group_begin(struct sonde_tape *tape, enum sonde_group group)
{
    static const uint8_t kinds[] = {
        [SONDE_GROUP_ARGUMENTS] = SONDE_TAPE_KIND_NAMED,
        [SONDE_GROUP_LOCALS] = SONDE_TAPE_KIND_NAMED,
        [SONDE_GROUP_RETURN_VALUE] = SONDE_TAPE_KIND_RETURN,
        [SONDE_GROUP_THROWABLE] = SONDE_TAPE_KIND_THROWABLE,
    };
    bool is_known = group >= SONDE_GROUP_ARGUMENTS && group <= SONDE_GROUP_THROWABLE;
    struct sonde_tape_level *level;

    if (!admit_begin(tape, is_known && top(tape)->kind == SONDE_TAPE_KIND_SECTION))
        return;
    put_byte(tape, SONDE_TAPE_OP_GROUP_BEGIN);
    put_byte(tape, group);
    level = push(tape, kinds[group], ENDING_BYTES);
    level->slot = level->first;
    if (level->kind == SONDE_TAPE_KIND_NAMED)
        level->after = SONDE_TAPE_SLOT_NAME;
    else if (level->kind == SONDE_TAPE_KIND_THROWABLE)
        level->after = SONDE_TAPE_SLOT_STACK;
}

void
sonde_tape_group_end(struct sonde_tape *tape)
{
    if (!unmute(tape) && tape->levels[1].kind == SONDE_TAPE_KIND_SECTION)
        end_above(tape, 1);
}

void
sonde_tape_throwable(struct sonde_tape *tape, struct sonde_str type)
{
    struct sonde_tape_level *level = top(tape);

    if (level->slot != SONDE_TAPE_SLOT_TYPE)
        return;
    if (!fits(tape, 1 + str_bound(type, NAME_BYTES))) {
        fill(tape, SONDE_REASON_BUDGET);
        if (!fits(tape, 1 + str_bound(type, NAME_BYTES)))
            return;
    }
    to_end(tape, to_tag(tape, SONDE_TAPE_OP_THROWABLE, type));
    level->slot = SONDE_TAPE_SLOT_VALUE;
}

/* --- Values ------------------------------------------------------------------------- */

void
sonde_tape_name(struct sonde_tape *tape, struct sonde_str name)
{
    struct sonde_tape_level *level = top(tape);
    size_t bytes = 1 + str_bound(name, NAME_BYTES) + MARKER_BYTES;

    settle(tape);
    if (level->slot != SONDE_TAPE_SLOT_NAME)
        return;
    if (!fits(tape, bytes)) {
        fill(tape, SONDE_REASON_BUDGET);
        if (!fits(tape, bytes))
            return;
    }
    to_end(tape, to_tag(tape, SONDE_TAPE_OP_NAME, name));
    level->slot = SONDE_TAPE_SLOT_OWED;
    tape->redact_next =
        tape->redactor != NULL && sonde_redactor_hides_name(tape->redactor, name);
}

/* Where something may stand in the way of a value: a name or a type that is hidden, a budget that
 * is used up. Whether nothing does. */
static __attribute__((noinline)) bool
admit_closely(struct sonde_tape *tape, struct sonde_str type, uint64_t size)
{
    if (tape->redact_next ||
        (tape->redacts_types && sonde_redactor_hides_type(tape->redactor, type))) {
        mark(tape, type, SONDE_REASON_REDACTED, SONDE_SIZE_UNKNOWN);
        return false;
    }
    if (tape->full != SONDE_REASON_NONE) {
        mark(tape, type, tape->full, size);
        return false;
    }
    return true;
}

/* Whether a value may be written here. If not, a marker stands for it already, wherever
 * one has a place. A hidden value's size would tell of it, so that is not kept. */
static inline bool
admit(struct sonde_tape *tape, struct sonde_str type, uint64_t size, uint32_t weight)
{
    if (top(tape)->slot < SONDE_TAPE_SLOT_KEY)
        return false;
    tick(tape, weight);
    if (!(tape->redact_next | tape->redacts_types | (tape->full != SONDE_REASON_NONE)))
        return true;
    return admit_closely(tape, type, size);
}

/* Whether a value of that many bytes fits; if not, a marker stands for it already. */
static inline bool
admit_bytes(struct sonde_tape *tape, struct sonde_str type, size_t bytes, uint64_t size)
{
    if (fits(tape, bytes + room_after(top(tape))))
        return true;
    fill(tape, SONDE_REASON_BUDGET);
    mark(tape, type, SONDE_REASON_BUDGET, size);
    return false;
}

void
sonde_tape_null(struct sonde_tape *tape, struct sonde_str type)
{
    size_t bytes = 1 + str_bound(type, NAME_BYTES);

    if (!admit(tape, type, SONDE_SIZE_UNKNOWN, 1) ||
        !admit_bytes(tape, type, bytes, SONDE_SIZE_UNKNOWN))
        return;
    to_end(tape, to_tag(tape, SONDE_TAPE_OP_NULL, type));
    advance(tape, top(tape));
}

static inline void
put_text(struct sonde_tape *tape, struct sonde_str type, enum sonde_encoding encoding,
         const void *data, size_t units)
{
    size_t max_chars = tape->limits.length, chars = sonde_tape_min(units, max_chars);
    size_t fixed = 1 + str_bound(type, NAME_BYTES) + 3 + SIZE_BYTES;
    size_t tag_at = tape->len, room, bound, width;
    struct sonde_tape_text done;
    unsigned char *to;

    if (!admit_bytes(tape, type, fixed + sonde_tape_min(chars, MIN_TEXT_CHARS), units))
        return;
    room = tape->limit_bytes - tag_at - fixed - room_after(top(tape));
    to = to_tag(tape, SONDE_TAPE_OP_TEXT, type);
    width = sonde_tape_text_length_width(chars);
    if ((encoding == SONDE_ENCODING_ASCII ||
         (encoding == SONDE_ENCODING_UTF8 && units <= TRY_ASCII_BYTES)) &&
        chars <= room && sonde_tape_text_copy_ascii(to + width, data, chars)) {
        done = (struct sonde_tape_text){chars, chars, chars};
    } else {
        bound = sonde_tape_min(room, chars * SONDE_TAPE_TEXT_MAX_CHAR);
        width = sonde_tape_text_length_width(bound);
        done =
            sonde_tape_text_encode(to + width, bound, encoding, data, units, max_chars);
    }
    sonde_tape_text_length(to, width, done.bytes);
    to_end(tape, to + width + done.bytes);
    if (done.units < units) {
        tape->bytes[tag_at] |= SONDE_TAPE_FLAG_TRUNCATED | SONDE_TAPE_FLAG_SIZE;
        put_varint(tape, units);
        if (done.chars < max_chars)
            fill(tape, SONDE_REASON_BUDGET);
    }
    advance(tape, top(tape));
}

void
sonde_tape_text(struct sonde_tape *tape, struct sonde_str type,
                enum sonde_encoding encoding, const void *data, size_t units)
{
    struct sonde_tape_level *level = top(tape);
    bool is_key = level->slot == SONDE_TAPE_SLOT_KEY;

    if (admit(tape, type, units, 1))
        put_text(tape, type, encoding, data, units);
    if (is_key && level->slot == SONDE_TAPE_SLOT_OWED)
        tape->redact_next = /* of what the adapter gave: on the tape it may be cut */
            tape->redactor != NULL && units > 0 &&
            sonde_redactor_hides_text(tape->redactor, encoding, data, units);
}

void
sonde_tape_number(struct sonde_tape *tape, struct sonde_str type, struct sonde_str digits)
{
    sonde_tape_text(tape, type, SONDE_ENCODING_ASCII, digits.ptr, digits.len);
}

void
sonde_tape_int(struct sonde_tape *tape, struct sonde_str type, int64_t value)
{
    size_t bytes = 1 + str_bound(type, NAME_BYTES) + 10;

    if (!admit(tape, type, SONDE_SIZE_UNKNOWN, 1) ||
        !admit_bytes(tape, type, bytes, SONDE_SIZE_UNKNOWN))
        return;
    to_end(tape,
           sonde_tape_to_varint(to_tag(tape, SONDE_TAPE_OP_INT, type),
                                (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0)));
    advance(tape, top(tape));
}

void
sonde_tape_float(struct sonde_tape *tape, struct sonde_str type, double value)
{
    size_t bytes = 1 + str_bound(type, NAME_BYTES) + sizeof(uint64_t);
    unsigned char *to;
    uint64_t bits;

    if (!admit(tape, type, SONDE_SIZE_UNKNOWN, 1) ||
        !admit_bytes(tape, type, bytes, SONDE_SIZE_UNKNOWN))
        return;
    memcpy(&bits, &value, sizeof(bits));
    to = to_tag(tape, SONDE_TAPE_OP_FLOAT, type);
    sonde_tape_to_fixed8(to, bits);
    to_end(tape, to + sizeof(bits));
    advance(tape, top(tape));
}

void
sonde_tape_skip(struct sonde_tape *tape, struct sonde_str type, enum sonde_reason reason)
{
    bool is_known = reason > SONDE_REASON_NONE && reason <= SONDE_REASON_UNREADABLE;

    if (admit(tape, type, SONDE_SIZE_UNKNOWN, 1))
        mark(tape, type, is_known ? reason : SONDE_REASON_UNREADABLE, SONDE_SIZE_UNKNOWN);
}

bool
sonde_tape_open(struct sonde_tape *tape, enum sonde_shape shape, struct sonde_str type,
                uint64_t size)
{
    bool is_known = shape >= SONDE_SHAPE_ELEMENTS && shape <= SONDE_SHAPE_FIELDS;
    size_t bytes = 2 + str_bound(type, NAME_BYTES) + CLOSE_BYTES;
    struct sonde_tape_level *level;

    if (!admit(tape, type, size, CLOCK_WEIGHT))
        return false;
    if (tape->depth_open >= tape->limits.depth || !is_known) {
        mark(tape, type, is_known ? SONDE_REASON_DEPTH : SONDE_REASON_UNREADABLE, size);
        return false;
    }
    if (!admit_bytes(tape, type, bytes, size))
        return false;
    put_byte(tape, SONDE_TAPE_OP_OPEN);
    put_byte(tape, shape);
    put_str(tape, type, NAME_BYTES);
    advance(tape, top(tape));
    level = push(tape, (enum sonde_tape_kind)shape, CLOSE_BYTES);
    level->limit =
        shape == SONDE_SHAPE_FIELDS ? tape->limits.fields : tape->limits.elements;
    level->size = size;
    tape->depth_open++;
    return true;
}

bool
sonde_tape_next(struct sonde_tape *tape)
{
    struct sonde_tape_level *level = top(tape);

    if (!is_container(level))
        return false;
    settle(tape);
    if (tape->full != SONDE_REASON_NONE || level->count >= level->limit) {
        level->slot = SONDE_TAPE_SLOT_NONE;
        cut(level, tape->full != SONDE_REASON_NONE ? tape->full
                   : level->kind == SONDE_TAPE_KIND_FIELDS
                       ? SONDE_REASON_FIELD_COUNT
                       : SONDE_REASON_COLLECTION_SIZE);
        return false;
    }
    level->count++;
    level->slot = level->first;
    return true;
}

void
sonde_tape_close(struct sonde_tape *tape)
{
    struct sonde_tape_level *level = top(tape);

    if (!is_container(level))
        return;
    if (tape->full != SONDE_REASON_NONE && level->count < level->size)
        cut(level,
            tape->full); /* the adapter stopped of itself, seeing that it is full */
    end_top(tape);
}
