/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of the tape: one tape to write on, and a record as one line of text, read
 * with the real reader.
 *
 *     stack(file:function:line )~  thread(id name)  trace(first bytes)
 *     line{locals{x=int:42 s=str:abc~#300 o=Order!depth#2 l=list[int:1 ]~budget#9 }}
 *
 * `~` says truncated, `!reason` not captured, `#` a size; `[]` elements, `<>` entries,
 * `{}` fields. */
#ifndef SONDE_TAPE_FIXTURE_H
#define SONDE_TAPE_FIXTURE_H

#include "core/base/buf.h"
#include "core/capture/tape_reader.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define DUMP_STR(text) (int)(text).len, (text).len == 0 ? "" : (text).ptr

static inline void
dump_cut(struct sonde_buf *out, const struct sonde_tape_event *event)
{
    static const char *const reasons[] = {
#define DUMP_REASON(name, text) text,
        SONDE_REASON_LIST(DUMP_REASON)
#undef DUMP_REASON
    };

    if (event->kind == SONDE_TAPE_SKIP)
        sonde_buf_printf(out, "!%s", reasons[event->reason]);
    else if (event->truncated)
        sonde_buf_printf(out, "~%s", reasons[event->reason]);
    if (event->size != SONDE_SIZE_UNKNOWN)
        sonde_buf_printf(out, "#%" PRIu64, event->size);
}

static inline void
dump_value(struct sonde_buf *out, const struct sonde_tape_event *event,
           enum sonde_shape *shapes, unsigned *depth)
{
    static const char opens[] = " [<{", closes[] = " ]>}";

    switch (event->kind) {
    case SONDE_TAPE_NAME:
        sonde_buf_printf(out, "%.*s=", DUMP_STR(event->text));
        return;
    case SONDE_TAPE_OPEN:
        shapes[(*depth)++] = event->shape;
        sonde_buf_printf(out, "%.*s%c", DUMP_STR(event->type), opens[event->shape]);
        return;
    case SONDE_TAPE_CLOSE:
        sonde_buf_byte(out, closes[shapes[--*depth]]);
        break;
    case SONDE_TAPE_NULL:
        sonde_buf_printf(out, "%.*s:null", DUMP_STR(event->type));
        break;
    case SONDE_TAPE_TEXT:
        sonde_buf_printf(out, "%.*s:", DUMP_STR(event->type));
        sonde_buf_str(out, event->text);
        break;
    default: /* SKIP */
        sonde_buf_printf(out, "%.*s", DUMP_STR(event->type));
    }
    dump_cut(out, event);
    sonde_buf_byte(out, ' ');
}

static inline void
dump_event(struct sonde_buf *out, const struct sonde_tape_event *event,
           enum sonde_shape *shapes, unsigned *depth)
{
    static const char *const sections[] = {"", "entry", "return", "line"};
    static const char *const groups[] = {"", "arguments", "locals", "value", "throwable"};
    static const char *const outcomes[] = {"",       "returned",  "raised",
                                           "closed", "cancelled", "left"};

    switch (event->kind) {
    case SONDE_TAPE_THREAD:
        sonde_buf_printf(out, "thread(%" PRIu64 " %.*s)", event->id,
                         DUMP_STR(event->text));
        break;
    case SONDE_TAPE_TRACE:
        sonde_buf_printf(out, "trace(%02x %02x)", event->trace_id[0], event->span_id[0]);
        break;
    case SONDE_TAPE_STACK_BEGIN:
        sonde_buf_printf(out, "stack(");
        break;
    case SONDE_TAPE_FRAME:
        sonde_buf_printf(out, "%.*s:%.*s:%" PRIu32 " ", DUMP_STR(event->file),
                         DUMP_STR(event->text), event->line);
        break;
    case SONDE_TAPE_STACK_END:
        sonde_buf_printf(out, event->truncated ? ")~" : ")");
        break;
    case SONDE_TAPE_SECTION_BEGIN:
        sonde_buf_printf(out, "%s{", sections[event->section]);
        break;
    case SONDE_TAPE_OUTCOME:
        sonde_buf_printf(out, "%s ", outcomes[event->outcome]);
        break;
    case SONDE_TAPE_GROUP_BEGIN:
        sonde_buf_printf(out, "%s{", groups[event->group]);
        break;
    case SONDE_TAPE_SECTION_END:
    case SONDE_TAPE_GROUP_END:
        sonde_buf_byte(out, '}');
        break;
    case SONDE_TAPE_THROWABLE:
        sonde_buf_printf(out, "%.*s ", DUMP_STR(event->type));
        break;
    default:
        dump_value(out, event, shapes, depth);
    }
}

/* Appends the dump. SONDE_OK once the reader was at the record's END, or its error. */
static inline int
dump_record(struct sonde_buf *out, struct sonde_str record)
{
    enum sonde_shape shapes[SONDE_TAPE_MAX_DEPTH + 1];
    struct sonde_tape_reader reader;
    struct sonde_tape_event event;
    unsigned depth = 0;
    int code = sonde_tape_reader_init(&reader, record);

    while (code == SONDE_OK) {
        code = sonde_tape_reader_next(&reader, &event);
        if (code != SONDE_OK || event.kind == SONDE_TAPE_END)
            break;
        dump_event(out, &event, shapes, &depth);
    }
    return code;
}

/* One tape and a dump of what it held last. */
static struct sonde_tape tape;
static struct sonde_buf dump;
static struct sonde_limits limits;
static bool is_timed; /* else a slow machine does not change what is kept */

static inline int
setup(void **state)
{
    (void)state;
    limits = (struct sonde_limits)SONDE_LIMITS_INIT;
    is_timed = false;
    sonde_buf_init(&dump, 0);
    return sonde_tape_init(&tape);
}

static inline int
teardown(void **state)
{
    (void)state;
    sonde_tape_fini(&tape);
    sonde_buf_fini(&dump);
    return 0;
}

static const struct sonde_tape_header header = {
    .probe_id = {"p1", 2},
    .revision = 7,
    .at = 2,
    .timestamp_ns = INT64_C(1700000000123456789),
    .duration_ns = -1,
    .suspended_ns = -1,
    .file = {"app.py", 6},
    .function = {"work", 4},
    .line = 42,
};

#define S(literal) SONDE_STR(literal)

static inline void
begin(const struct sonde_redactor *redactor)
{
    sonde_tape_begin(&tape, &header, &limits, redactor);
    if (!is_timed)
        tape.clock.deadline_ns = tape.clock.watch_ns = INT64_MAX;
}

/* A record whose one section has one group, locals. */
static inline void
begin_locals(const struct sonde_redactor *redactor)
{
    begin(redactor);
    sonde_tape_section_begin(&tape, SONDE_SECTION_LINE);
    sonde_tape_group_begin(&tape, SONDE_GROUP_LOCALS);
}

static inline void
integer(const char *digits)
{
    sonde_tape_number(&tape, S("int"), sonde_str_from(digits));
}

static inline void
ascii(const char *text)
{
    sonde_tape_text(&tape, S("str"), SONDE_ENCODING_ASCII, text, strlen(text));
}

static inline void
text(enum sonde_encoding encoding, const void *data, size_t units)
{
    sonde_tape_name(&tape, S("s"));
    sonde_tape_text(&tape, S("str"), encoding, data, units);
}

static inline const char *
dump_of(struct sonde_str record)
{
    sonde_buf_reset(&dump);
    assert_int_equal(dump_record(&dump, record), SONDE_OK);
    assert_true(record.len <= tape.limits.bytes);
    return sonde_buf_cstr(&dump);
}

#define assert_tape(expected) \
    assert_string_equal(dump_of(sonde_tape_finish(&tape)), expected)
#define assert_locals(expected) assert_tape("line{locals{" expected "}}")

#define TAPE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
