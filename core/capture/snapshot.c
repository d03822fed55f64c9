/* SPDX-License-Identifier: Apache-2.0 */
#include "core/capture/snapshot.h"

#include "core/capture/tape_format.h"

#include <inttypes.h>
#include <stdio.h>

/* The record is read twice: once to its end, which finds all damage before anything is
 * appended and learns what stands in the head of a log record; then again to write it. */
struct scan {
    struct sonde_tape_event thread, trace;
    struct sonde_tape_reader stack; /* before the stack begins */
    enum sonde_outcome outcome;     /* 0: not said */
    bool has_thread, has_trace, has_stack;
};

/* Writes the body while it follows the reader. Nothing in here meets damage: the scan has
 * seen to that; if it did, the record would seem to end. */
struct walk {
    struct sonde_buf *out;
    struct sonde_tape_reader reader;
    struct sonde_tape_event event;
};

static enum sonde_tape_event_kind
next_event(struct walk *walk)
{
    if (sonde_tape_reader_next(&walk->reader, &walk->event) != SONDE_OK)
        walk->event.kind = SONDE_TAPE_END;
    return walk->event.kind;
}

static int
scan_record(struct scan *scan, struct sonde_tape_reader reader)
{
    struct sonde_tape_reader before;
    struct sonde_tape_event event;

    *scan = (struct scan){0};
    do {
        before = reader;
        int code = sonde_tape_reader_next(&reader, &event);

        if (code != SONDE_OK)
            return code;
        if (event.kind == SONDE_TAPE_THREAD) {
            scan->thread = event;
            scan->has_thread = true;
        } else if (event.kind == SONDE_TAPE_TRACE) {
            scan->trace = event;
            scan->has_trace = true;
        } else if (event.kind == SONDE_TAPE_OUTCOME) {
            scan->outcome = event.outcome;
        } else if (event.kind == SONDE_TAPE_STACK_BEGIN && before.level == 0 &&
                   !scan->has_stack) {
            scan->stack = before;
            scan->has_stack = true;
        }
    } while (event.kind != SONDE_TAPE_END);
    return SONDE_OK;
}

/* --- Members ------------------------------------------------------------------------ */

static void
put_str(struct sonde_buf *out, const char *key, struct sonde_str value)
{
    size_t member = sonde_otlp_member_begin(out, sonde_str_from(key));

    sonde_otlp_any_str(out, SONDE_OTLP_MEMBER_VALUE, value);
    sonde_otlp_member_end(out, member);
}

static void
put_int(struct sonde_buf *out, const char *key, int64_t value)
{
    size_t member = sonde_otlp_member_begin(out, sonde_str_from(key));

    sonde_otlp_any_int(out, SONDE_OTLP_MEMBER_VALUE, value);
    sonde_otlp_member_end(out, member);
}

static void
put_true(struct sonde_buf *out, const char *key)
{
    size_t member = sonde_otlp_member_begin(out, sonde_str_from(key));

    sonde_otlp_any_bool(out, SONDE_OTLP_MEMBER_VALUE, true);
    sonde_otlp_member_end(out, member);
}

/* A member whose value is a list; ended by end_list. */
struct list {
    size_t member;
    struct sonde_otlp_nest nest;
};

static struct list
begin_kvlist(struct sonde_buf *out, struct sonde_str key)
{
    struct list list;

    list.member = sonde_otlp_member_begin(out, key);
    list.nest = sonde_otlp_kvlist_begin(out, SONDE_OTLP_MEMBER_VALUE);
    return list;
}

static struct list
begin_array(struct sonde_buf *out, struct sonde_str key)
{
    struct list list;

    list.member = sonde_otlp_member_begin(out, key);
    list.nest = sonde_otlp_array_begin(out, SONDE_OTLP_MEMBER_VALUE);
    return list;
}

static void
end_list(struct sonde_buf *out, struct list list)
{
    sonde_otlp_nest_end(out, list.nest);
    sonde_otlp_member_end(out, list.member);
}

/* --- Values ------------------------------------------------------------------------- */

static void put_value(struct walk *walk, uint32_t field);

/* The value that follows, as the member `key`. */
static void
put_member(struct walk *walk, struct sonde_str key)
{
    size_t member = sonde_otlp_member_begin(walk->out, key);

    put_value(walk, SONDE_OTLP_MEMBER_VALUE);
    sonde_otlp_member_end(walk->out, member);
}

static void
put_entry(struct walk *walk)
{
    struct sonde_otlp_nest entry =
        sonde_otlp_kvlist_begin(walk->out, SONDE_OTLP_ARRAY_VALUE);

    put_member(walk, SONDE_STR("key"));
    next_event(walk);
    put_member(walk, SONDE_STR("value"));
    sonde_otlp_nest_end(walk->out, entry);
}

/* The members of the container that was just opened, to its CLOSE. */
static void
put_elements(struct walk *walk, enum sonde_shape shape)
{
    struct sonde_str key = shape == SONDE_SHAPE_ELEMENTS  ? SONDE_STR("elements")
                           : shape == SONDE_SHAPE_ENTRIES ? SONDE_STR("entries")
                                                          : SONDE_STR("fields");
    struct list list = shape == SONDE_SHAPE_FIELDS ? begin_kvlist(walk->out, key)
                                                   : begin_array(walk->out, key);

    while (next_event(walk) != SONDE_TAPE_CLOSE && walk->event.kind != SONDE_TAPE_END) {
        if (shape == SONDE_SHAPE_FIELDS) {
            struct sonde_str name = walk->event.text;

            next_event(walk);
            put_member(walk, name);
        } else if (shape == SONDE_SHAPE_ENTRIES) {
            put_entry(walk);
        } else {
            put_value(walk, SONDE_OTLP_ARRAY_VALUE);
        }
    }
    end_list(walk->out, list);
}

/* What was cut of the value, from the event that ended it. */
static void
put_cut(struct walk *walk)
{
    static const char *const reasons[] = {
#define REASON_TEXT(name, text) [SONDE_REASON_##name] = text,
        SONDE_REASON_LIST(REASON_TEXT)
#undef REASON_TEXT
    };

    if (walk->event.truncated)
        put_true(walk->out, "truncated");
    if (walk->event.reason != SONDE_REASON_NONE)
        put_str(walk->out, "not_captured_reason",
                sonde_str_from(reasons[walk->event.reason]));
    if (walk->event.size != SONDE_SIZE_UNKNOWN)
        put_int(walk->out, "size", (int64_t)walk->event.size);
}

/* Writes the value that the present event is or opens. It calls itself as deep as
 * containers are nested, which the reader bounds. */
static void
put_value(struct walk *walk, uint32_t field)
{
    struct sonde_otlp_nest value = sonde_otlp_kvlist_begin(walk->out, field);

    put_str(walk->out, "type", walk->event.type);
    if (walk->event.kind == SONDE_TAPE_OPEN)
        put_elements(walk, walk->event.shape);
    else if (walk->event.kind == SONDE_TAPE_NULL)
        put_true(walk->out, "is_null");
    else if (walk->event.kind == SONDE_TAPE_TEXT)
        put_str(walk->out, "value", walk->event.text);
    put_cut(walk);
    sonde_otlp_nest_end(walk->out, value);
}

/* --- Captures ----------------------------------------------------------------------- */

/* The frames of the stack that was just begun, to its end. */
static void
put_stack(struct walk *walk)
{
    struct list stack = begin_array(walk->out, SONDE_STR("stack"));

    while (next_event(walk) == SONDE_TAPE_FRAME) {
        struct sonde_otlp_nest frame =
            sonde_otlp_kvlist_begin(walk->out, SONDE_OTLP_ARRAY_VALUE);

        put_str(walk->out, "file", walk->event.file);
        put_str(walk->out, "function", walk->event.text);
        put_int(walk->out, "line", walk->event.line);
        sonde_otlp_nest_end(walk->out, frame);
    }
    end_list(walk->out, stack);
    if (walk->event.truncated)
        put_true(walk->out, "stack_truncated");
}

static bool
is_group_over(const struct walk *walk)
{
    return walk->event.kind == SONDE_TAPE_GROUP_END || walk->event.kind == SONDE_TAPE_END;
}

static void
put_names(struct walk *walk, struct sonde_str key)
{
    struct list names = begin_kvlist(walk->out, key);

    while (next_event(walk), !is_group_over(walk)) {
        struct sonde_str name = walk->event.text;

        next_event(walk);
        put_member(walk, name);
    }
    end_list(walk->out, names);
}

/* An exception, or nothing where none is in the group. */
static void
put_throwable(struct walk *walk)
{
    struct list throwable;

    if (next_event(walk) != SONDE_TAPE_THROWABLE)
        return;
    throwable = begin_kvlist(walk->out, SONDE_STR("throwable"));
    put_str(walk->out, "type", walk->event.type);
    while (next_event(walk), !is_group_over(walk)) {
        if (walk->event.kind == SONDE_TAPE_STACK_BEGIN)
            put_stack(walk);
        else
            put_member(walk, SONDE_STR("message"));
    }
    end_list(walk->out, throwable);
}

static void
put_return_value(struct walk *walk)
{
    while (next_event(walk), !is_group_over(walk))
        put_member(walk, SONDE_STR("return_value"));
}

/* The groups of the section that was just begun, to its end. */
static void
put_groups(struct walk *walk)
{
    while (next_event(walk), walk->event.kind == SONDE_TAPE_GROUP_BEGIN ||
                                 walk->event.kind == SONDE_TAPE_OUTCOME) {
        if (walk->event.kind == SONDE_TAPE_OUTCOME)
            continue; /* an attribute */
        switch (walk->event.group) {
        case SONDE_GROUP_ARGUMENTS:
            put_names(walk, SONDE_STR("arguments"));
            break;
        case SONDE_GROUP_LOCALS:
            put_names(walk, SONDE_STR("locals"));
            break;
        case SONDE_GROUP_RETURN_VALUE:
            put_return_value(walk);
            break;
        case SONDE_GROUP_THROWABLE:
            put_throwable(walk);
            break;
        }
    }
}

static void
put_section(struct walk *walk)
{
    bool is_line = walk->event.section == SONDE_SECTION_LINE;
    struct sonde_str key = is_line ? SONDE_STR("lines")
                           : walk->event.section == SONDE_SECTION_ENTRY
                               ? SONDE_STR("entry")
                               : SONDE_STR("return");
    struct list section = begin_kvlist(walk->out, key), place;
    char line[16];

    if (is_line) {
        snprintf(line, sizeof(line), "%" PRIu32, walk->reader.header.line);
        place = begin_kvlist(walk->out, sonde_str_from(line));
    }
    put_groups(walk);
    if (is_line)
        end_list(walk->out, place);
    end_list(walk->out, section);
}

/* The sections, wherever they stand in the record. */
static void
put_captures(struct walk *walk)
{
    struct list captures = begin_kvlist(walk->out, SONDE_STR("captures"));

    while (next_event(walk) != SONDE_TAPE_END)
        if (walk->event.kind == SONDE_TAPE_SECTION_BEGIN)
            put_section(walk);
    end_list(walk->out, captures);
}

/* --- The record --------------------------------------------------------------------- */

/* The name of what ran. The stack knows the class of a method, which its place in a file may not. */
static struct sonde_str
function_of(const struct scan *scan, const struct sonde_tape_header *header)
{
    struct walk walk = {.reader = scan->stack};

    if (scan->has_stack && next_event(&walk) == SONDE_TAPE_STACK_BEGIN &&
        next_event(&walk) == SONDE_TAPE_FRAME && walk.event.text.len > 0)
        return walk.event.text;
    return header->function;
}

static void
put_ending(struct sonde_buf *out, const struct scan *scan,
           const struct sonde_tape_header *header)
{
    static const char *const outcomes[] = {
        [SONDE_OUTCOME_RETURNED] = "returned", [SONDE_OUTCOME_RAISED] = "raised",
        [SONDE_OUTCOME_CLOSED] = "closed",     [SONDE_OUTCOME_CANCELLED] = "cancelled",
        [SONDE_OUTCOME_LEFT] = "left",
    };
    const uint32_t field = SONDE_OTLP_RECORD_ATTR;

    if (header->duration_ns >= 0)
        sonde_otlp_attr_int(out, field, SONDE_ATTR_DURATION_NS, header->duration_ns);
    if (header->suspended_ns >= 0)
        sonde_otlp_attr_int(out, field, SONDE_ATTR_SUSPENDED_NS, header->suspended_ns);
    if (scan->outcome != 0)
        sonde_otlp_attr_str(out, field, SONDE_ATTR_OUTCOME,
                            sonde_str_from(outcomes[scan->outcome]));
}

static void
put_attributes(struct sonde_buf *out, const struct scan *scan,
               const struct sonde_tape_header *header, struct sonde_str id)
{
    const uint32_t field = SONDE_OTLP_RECORD_ATTR;

    sonde_otlp_attr_str(out, field, SONDE_ATTR_SNAPSHOT_ID, id);
    sonde_otlp_attr_str(out, field, SONDE_ATTR_PROBE_ID, header->probe_id);
    sonde_otlp_attr_int(out, field, SONDE_ATTR_PROBE_REVISION, header->revision);
    put_ending(out, scan, header);
    sonde_otlp_attr_str(out, field, SONDE_ATTR_FILE, header->file);
    sonde_otlp_attr_int(out, field, SONDE_ATTR_LINE, header->line);
    sonde_otlp_attr_str(out, field, SONDE_ATTR_FUNCTION, function_of(scan, header));
    if (scan->has_thread) {
        sonde_otlp_attr_int(out, field, SONDE_ATTR_THREAD_ID, (int64_t)scan->thread.id);
        sonde_otlp_attr_str(out, field, SONDE_ATTR_THREAD_NAME, scan->thread.text);
    }
}

int
sonde_snapshot_encode(struct sonde_otlp_request *request, struct sonde_str record,
                      struct sonde_str id, int64_t observed_ns)
{
    struct walk walk = {.out = request->out};
    struct sonde_tape_reader reader;
    struct sonde_otlp_nest body;
    struct scan scan;
    size_t log;
    int code;

    if ((code = sonde_tape_reader_init(&reader, record)) != SONDE_OK ||
        (code = scan_record(&scan, reader)) != SONDE_OK)
        return code;

    log = sonde_otlp_record_begin(request, reader.header.timestamp_ns, observed_ns,
                                  SONDE_OTLP_EVENT_SNAPSHOT,
                                  scan.has_trace ? scan.trace.trace_id : NULL,
                                  scan.has_trace ? scan.trace.span_id : NULL);
    put_attributes(request->out, &scan, &reader.header, id);
    body = sonde_otlp_kvlist_begin(request->out, SONDE_OTLP_RECORD_BODY);
    if (scan.has_stack) {
        walk.reader = scan.stack;
        next_event(&walk);
        put_stack(&walk);
    }
    walk.reader = reader;
    put_captures(&walk);
    sonde_otlp_nest_end(request->out, body);
    sonde_otlp_record_end(request, log);
    return SONDE_OK;
}
