/* SPDX-License-Identifier: Apache-2.0
 *
 * A tape record as Ruby objects, and a few doors for the tests. Whatever is made here belongs to
 * Ruby, so that an exception leaves nothing behind. */
#include "test_support.h"

#include "adapter.h"
#include "code_index.h"
#include "compat/hold.h"
#include "core/base/clock.h"
#include "core/capture/tape_reader.h"
#include "follow.h"
#include "protect.h"
#include "state.h"
#include "trace.h"
#include "vm_thread.h"

#include <ruby/encoding.h>

#include "compat/malloced.h"
#include <stdio.h>
#include <string.h>

static const char *const reasons[] = {
#define REASON(name, text) text,
    SONDE_REASON_LIST(REASON)
#undef REASON
};

/* --- Records -------------------------------------------------------------------------------- */

struct decoding {
    struct sonde_tape_reader reader;
    struct sonde_tape_event event;
};

static void
next(struct decoding *at)
{
    if (sonde_tape_reader_next(&at->reader, &at->event) != SONDE_OK) {
        rb_raise(rb_eRuntimeError, "damaged record");
    }
}

static VALUE
text_of(struct sonde_str text)
{
    return rb_utf8_str_new(text.ptr, (long)text.len);
}

static void
put(VALUE hash, const char *key, VALUE value)
{
    rb_hash_aset(hash, rb_utf8_str_new_cstr(key), value);
}

static void
put_marks(VALUE hash, const struct sonde_tape_event *event)
{
    if (event->truncated) {
        put(hash, "truncated", Qtrue);
    }
    if (event->size != SONDE_SIZE_UNKNOWN) {
        put(hash, "size", ULL2NUM(event->size));
    }
    if (event->reason != SONDE_REASON_NONE) {
        put(hash, "not_captured_reason", rb_utf8_str_new_cstr(reasons[event->reason]));
    }
}

static VALUE decode_value(struct decoding *at);

static VALUE
decode_entry(struct decoding *at)
{
    VALUE key = decode_value(at);
    next(at);
    return rb_assoc_new(key, decode_value(at));
}

/* Named values up to `end`. */
static VALUE
decode_named(struct decoding *at, enum sonde_tape_event_kind end)
{
    VALUE hash = rb_hash_new();
    for (next(at); at->event.kind != end; next(at)) {
        VALUE name = text_of(at->event.text);
        next(at);
        rb_hash_aset(hash, name, decode_value(at));
    }
    return hash;
}

/* Members of an open container up to its end. */
static VALUE
decode_members(struct decoding *at, enum sonde_shape shape)
{
    if (shape == SONDE_SHAPE_FIELDS) {
        return decode_named(at, SONDE_TAPE_CLOSE);
    }
    VALUE list = rb_ary_new();
    for (next(at); at->event.kind != SONDE_TAPE_CLOSE; next(at)) {
        rb_ary_push(list,
                    shape == SONDE_SHAPE_ENTRIES ? decode_entry(at) : decode_value(at));
    }
    return list;
}

/* The value whose first event is at hand. */
static VALUE
decode_value(struct decoding *at)
{
    static const char *const shapes[] = {"", "elements", "entries", "fields"};
    struct sonde_tape_event event = at->event;
    VALUE hash = rb_hash_new();
    put(hash, "type", text_of(event.type));
    switch (event.kind) {
    case SONDE_TAPE_NULL:
        put(hash, "is_null", Qtrue);
        break;
    case SONDE_TAPE_TEXT:
        put(hash, "value", text_of(event.text));
        put_marks(hash, &event);
        break;
    case SONDE_TAPE_SKIP:
        put_marks(hash, &event);
        break;
    case SONDE_TAPE_OPEN:
        put(hash, shapes[event.shape], decode_members(at, event.shape));
        put_marks(hash, &at->event);
        break;
    default:
        rb_raise(rb_eRuntimeError, "no value: event %d", (int)event.kind);
    }
    return hash;
}

static VALUE
decode_stack(struct decoding *at)
{
    VALUE list = rb_ary_new();
    for (next(at); at->event.kind == SONDE_TAPE_FRAME; next(at)) {
        VALUE file = text_of(at->event.file);
        rb_ary_push(list, rb_ary_new_from_args(3, file, text_of(at->event.text),
                                               UINT2NUM(at->event.line)));
    }
    return list;
}

static VALUE
decode_throwable(struct decoding *at)
{
    VALUE hash = rb_hash_new();
    for (next(at); at->event.kind != SONDE_TAPE_GROUP_END; next(at)) {
        if (at->event.kind == SONDE_TAPE_THROWABLE) {
            put(hash, "type", text_of(at->event.type));
        } else if (at->event.kind == SONDE_TAPE_STACK_BEGIN) {
            put(hash, "stack", decode_stack(at));
        } else {
            put(hash, "message", decode_value(at));
        }
    }
    return hash;
}

static void
decode_group(struct decoding *at, VALUE section)
{
    switch (at->event.group) {
    case SONDE_GROUP_ARGUMENTS:
        put(section, "arguments", decode_named(at, SONDE_TAPE_GROUP_END));
        break;
    case SONDE_GROUP_LOCALS:
        put(section, "locals", decode_named(at, SONDE_TAPE_GROUP_END));
        break;
    case SONDE_GROUP_RETURN_VALUE:
        next(at);
        if (at->event.kind != SONDE_TAPE_GROUP_END) {
            put(section, "return_value", decode_value(at));
            next(at);
        }
        break;
    default:
        put(section, "throwable", decode_throwable(at));
    }
}

static VALUE
decode_section(struct decoding *at)
{
    static const char *const outcomes[] = {"",       "returned",  "raised",
                                           "closed", "cancelled", "left"};
    VALUE section = rb_hash_new();
    for (next(at);
         at->event.kind == SONDE_TAPE_GROUP_BEGIN || at->event.kind == SONDE_TAPE_OUTCOME;
         next(at)) {
        if (at->event.kind == SONDE_TAPE_OUTCOME) {
            put(section, "outcome", rb_utf8_str_new_cstr(outcomes[at->event.outcome]));
        } else {
            decode_group(at, section);
        }
    }
    return section;
}

static void
decode_header(VALUE hash, const struct sonde_tape_header *header)
{
    put(hash, "probe_id", text_of(header->probe_id));
    put(hash, "revision", UINT2NUM(header->revision));
    put(hash, "duration_ns", LL2NUM(header->duration_ns));
    put(hash, "timestamp_ns", LL2NUM(header->timestamp_ns));
    put(hash, "file", text_of(header->file));
    put(hash, "function", text_of(header->function));
    put(hash, "line", UINT2NUM(header->line));
}

static VALUE
hex_of(const unsigned char *bytes, size_t size)
{
    char text[32];
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    return text_of((struct sonde_str){text, 2 * size});
}

static void
decode_part(struct decoding *at, VALUE hash)
{
    static const char *const sections[] = {"", "entry", "return", "line_probe"};
    switch (at->event.kind) {
    case SONDE_TAPE_THREAD:
        put(hash, "thread_id", ULL2NUM(at->event.id));
        put(hash, "thread_name", text_of(at->event.text));
        break;
    case SONDE_TAPE_TRACE:
        put(hash, "trace_id", hex_of(at->event.trace_id, 16));
        put(hash, "span_id", hex_of(at->event.span_id, 8));
        break;
    case SONDE_TAPE_STACK_BEGIN:
        put(hash, "stack", decode_stack(at));
        break;
    case SONDE_TAPE_SECTION_BEGIN: {
        const char *name = sections[at->event.section]; /* before the event moves on */
        put(hash, name, decode_section(at));
        break;
    }
    default:
        break;
    }
}

static VALUE
decode(struct sonde_str record)
{
    struct decoding at;
    if (sonde_tape_reader_init(&at.reader, record) != SONDE_OK) {
        rb_raise(rb_eRuntimeError, "damaged record");
    }
    VALUE hash = rb_hash_new();
    decode_header(hash, &at.reader.header);
    for (next(&at); at.event.kind != SONDE_TAPE_END; next(&at)) {
        decode_part(&at, hash);
    }
    put(hash, "bytes", SIZET2NUM(record.len));
    return hash;
}

/* --- Doors ---------------------------------------------------------------------------------- */

static VALUE
take(VALUE self)
{
    (void)self;
    VALUE record = rb_str_new(NULL, SONDE_TAPE_MAX_BYTES + 4096);
    size_t len = sonde_agent_testonly_take(sonde_rb.agent, RSTRING_PTR(record),
                                           (size_t)RSTRING_LEN(record));
    VALUE result = len > 0 ? decode((struct sonde_str){RSTRING_PTR(record), len}) : Qnil;
    RB_GC_GUARD(record);
    return result;
}

static VALUE
discard(VALUE self)
{
    (void)self;
    char first[8];
    long count = 0;
    while (sonde_agent_testonly_take(sonde_rb.agent, first, sizeof(first)) > 0) {
        count++;
    }
    return LONG2NUM(count);
}

static VALUE
apply(VALUE self, VALUE json)
{
    (void)self;
    StringValue(json);
    struct sonde_err err = SONDE_ERR_INIT;
    uint32_t held = sonde_rb_hold();
    sonde_rb_trace_look(); /* as a safe point does */
    int result = sonde_agent_testonly_apply(
        sonde_rb.agent, (struct sonde_str){RSTRING_PTR(json), (size_t)RSTRING_LEN(json)},
        &err);
    sonde_rb_release(held);
    sonde_rb_index_testonly_drop(); /* what was found for it is not for the next */
    RB_GC_GUARD(json);
    if (result != SONDE_OK) {
        rb_raise(rb_eArgError, "%s: %s: %s", sonde_code_name(result), err.where,
                 err.message);
    }
    return Qnil;
}

static VALUE
safe_point(VALUE self)
{
    (void)self;
    sonde_rb_safe_point();
    return Qnil;
}

static VALUE
armed(VALUE self)
{
    (void)self;
    return SIZET2NUM(sonde_rb_armed_count());
}

static VALUE
carriers(VALUE self)
{
    (void)self;
    return SIZET2NUM(sonde_rb_adapter_testonly_carriers());
}

static VALUE
malloced(VALUE self)
{
    (void)self;
    return SIZET2NUM(sonde_rb_malloced_bytes());
}

static VALUE
fail(VALUE self, VALUE name)
{
    (void)self;
    const char *text = StringValueCStr(name);
    if (strcmp(text, SONDE_RB_HOLD_PART) == 0) {
        sonde_rb_hold_testonly_fail();
        return Qnil;
    }
    for (int part = 0; part < SONDE_RB_PART_COUNT; part++) {
        if (strcmp(sonde_rb_part_name((enum sonde_rb_part)part), text) == 0) {
            sonde_rb.forced |= 1u << part;
            return Qnil;
        }
    }
    rb_raise(rb_eArgError, "no such part: %s", text);
}

static VALUE
fail_call(VALUE self, VALUE nth, VALUE goes_on)
{
    (void)self;
    sonde_rb_protect_testonly_fail(NUM2ULONG(nth), RTEST(goes_on));
    return Qnil;
}

static VALUE
call_count(VALUE self)
{
    (void)self;
    return ULONG2NUM(sonde_rb_protect_testonly_count());
}

static VALUE
hold(VALUE self)
{
    (void)self;
    int state = 0;
    uint32_t held = sonde_rb_hold();
    VALUE result = rb_protect(rb_yield, Qnil, &state);
    sonde_rb_release(held);
    if (state != 0) {
        rb_jump_tag(state);
    }
    return result;
}

static VALUE
ask(VALUE self)
{
    (void)self;
    int64_t now_ns = sonde_clock_mono_ns();
    sonde_rb_vm_thread_ask(NULL);
    return LL2NUM(now_ns);
}

static VALUE
safe_points(VALUE self)
{
    (void)self;
    return rb_assoc_new(ULONG2NUM(sonde_rb.safe_points.count),
                        LL2NUM(sonde_rb.safe_points.last_ns));
}

static VALUE
follow(VALUE self)
{
    sonde_rb_follow_testonly_now();
    return safe_point(self);
}

static VALUE
sequences(VALUE self, VALUE path)
{
    (void)self;
    return sonde_rb_index_testonly_labels(path);
}

static VALUE
words(VALUE self, VALUE wrapper)
{
    (void)self;
    return sonde_rb_index_testonly_words(wrapper);
}

static VALUE
forget_types(VALUE self, VALUE forgets)
{
    (void)self;
    sonde_rb_index_testonly_forget_types(RTEST(forgets));
    return Qnil;
}

static VALUE
all_sequences(VALUE self)
{
    (void)self;
    return sonde_rb_index_testonly_all();
}

static VALUE
slice(VALUE self, VALUE pages)
{
    (void)self;
    sonde_rb_index_testonly_slice(NUM2LONG(pages));
    return Qnil;
}

static VALUE
walk(VALUE self)
{
    (void)self;
    return sonde_rb_index_testonly_walk();
}

void
sonde_rb_test_support_init(VALUE module)
{
    rb_define_singleton_method(module, "all_sequences_testonly", all_sequences, 0);
    rb_define_singleton_method(module, "slice_testonly", slice, 1);
    rb_define_singleton_method(module, "walk_testonly", walk, 0);
    rb_define_singleton_method(module, "apply_testonly", apply, 1);
    rb_define_singleton_method(module, "take_testonly", take, 0);
    rb_define_singleton_method(module, "discard_testonly", discard, 0);
    rb_define_singleton_method(module, "safe_point_testonly", safe_point, 0);
    rb_define_singleton_method(module, "follow_testonly", follow, 0);
    rb_define_singleton_method(module, "armed_testonly", armed, 0);
    rb_define_singleton_method(module, "carriers_testonly", carriers, 0);
    rb_define_singleton_method(module, "malloced_testonly", malloced, 0);
    rb_define_singleton_method(module, "sequences_testonly", sequences, 1);
    rb_define_singleton_method(module, "words_testonly", words, 1);
    rb_define_singleton_method(module, "forget_types_testonly", forget_types, 1);
    rb_define_singleton_method(module, "fail_testonly", fail, 1);
    rb_define_singleton_method(module, "fail_call_testonly", fail_call, 2);
    rb_define_singleton_method(module, "call_count_testonly", call_count, 0);
    rb_define_singleton_method(module, "hold_testonly", hold, 0);
    rb_define_singleton_method(module, "ask_testonly", ask, 0);
    rb_define_singleton_method(module, "safe_points_testonly", safe_points, 0);
}
