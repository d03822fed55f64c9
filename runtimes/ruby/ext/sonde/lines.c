/* SPDX-License-Identifier: Apache-2.0
 *
 * The instructions come from RubyVM::InstructionSequence#to_a: an array of line numbers, labels,
 * names of events and instructions, in which every instruction is as long as its array. It is asked
 * for only where a line has more than one event. */
#include "lines.h"

#include <stdlib.h>

/* --- Events --------------------------------------------------------------------------------- */

static const struct {
    const char *name;   /* in trace_points */
    const char *symbol; /* in to_a */
    rb_event_flag_t flag;
} events[] = {
    [SONDE_RB_EVENT_LINE] = {"line", "RUBY_EVENT_LINE", RUBY_EVENT_LINE},
    [SONDE_RB_EVENT_RETURN] = {"return", "RUBY_EVENT_RETURN", RUBY_EVENT_RETURN},
    [SONDE_RB_EVENT_BLOCK_RETURN] = {"b_return", "RUBY_EVENT_B_RETURN",
                                     RUBY_EVENT_B_RETURN},
};
enum { EVENT_COUNT = sizeof(events) / sizeof(events[0]) };

rb_event_flag_t
sonde_rb_event_flag(enum sonde_rb_event event)
{
    return events[event].flag;
}

static VALUE
symbol(const char *name)
{
    return ID2SYM(rb_intern(name));
}

/* The event of that name in trace_points; NONE: another. */
static enum sonde_rb_event
event_of(VALUE name)
{
    static VALUE names[EVENT_COUNT]; /* symbols that stay: looked up once */
    for (int e = 1; e < EVENT_COUNT; e++) {
        if (names[e] == 0) {
            names[e] = symbol(events[e].name);
        }
        if (names[e] == name) {
            return (enum sonde_rb_event)e;
        }
    }
    return SONDE_RB_EVENT_NONE;
}

/* How often each event tells of `line`. */
static void
count_events(VALUE wrapper, uint32_t line, unsigned counts[EVENT_COUNT])
{
    VALUE points = rb_funcall(wrapper, rb_intern("trace_points"), 0);
    for (int e = 0; e < EVENT_COUNT; e++) {
        counts[e] = 0;
    }
    for (long i = 0; i < RARRAY_LEN(points); i++) {
        VALUE point = RARRAY_AREF(points, i);
        if (RARRAY_AREF(point, 0) != LONG2FIX((long)line)) {
            continue;
        }
        enum sonde_rb_event event = event_of(RARRAY_AREF(point, 1));
        counts[event]++;
    }
    RB_GC_GUARD(points);
}

enum sonde_rb_event
sonde_rb_lines_event(VALUE wrapper, uint32_t line)
{
    unsigned counts[EVENT_COUNT];
    count_events(wrapper, line, counts);
    int e = 1;
    while (e < EVENT_COUNT && counts[e] == 0) {
        e++;
    }
    return e < EVENT_COUNT ? (enum sonde_rb_event)e : SONDE_RB_EVENT_NONE;
}

void
sonde_rb_lines_each(VALUE wrapper, void (*visit)(uint32_t line, void *arg), void *arg)
{
    VALUE points = rb_funcall(wrapper, rb_intern("trace_points"), 0);
    for (long i = 0; i < RARRAY_LEN(points); i++) {
        VALUE point = RARRAY_AREF(points, i);
        VALUE line = RARRAY_AREF(point, 0);
        if (event_of(RARRAY_AREF(point, 1)) != SONDE_RB_EVENT_NONE &&
            FIX2LONG(line) > 0) {
            visit((uint32_t)FIX2LONG(line), arg);
        }
    }
    RB_GC_GUARD(points);
}

/* --- Code taken apart ----------------------------------------------------------------------- */

/* Where control comes from, for the line that is asked about. */
enum {
    FROM_LINE = 1,  /* an execution of the line is going on */
    FROM_OTHER = 2, /* something else ran last, or nothing yet */
};

struct insn {
    int offset;
    uint32_t line;
    uint8_t events; /* 1 << enum sonde_rb_event */
    uint8_t from;   /* FROM_... before it runs */
    bool is_muted;
    VALUE array; /* [name, operands…]; alive as long as `code` below */
};

struct listing {
    VALUE code; /* what to_a returned */
    uint32_t line;
    size_t count;
    struct insn *insns; /* in the caller's scratch memory */
    bool has_changed;
};

enum { AT_MISC = 4, AT_TYPE = 9, AT_PARAMS = 11, AT_CATCH = 12, AT_BODY = 13 };
enum { CATCH_KIND = 0, CATCH_CODE, CATCH_START, CATCH_END, CATCH_CONT };

/* Labels are named after the offsets they stand for; -1: it is none. */
static int
offset_of(VALUE label)
{
    int offset;
    return SYMBOL_P(label) && sscanf(rb_id2name(SYM2ID(label)), "label_%d", &offset) == 1
               ? offset
               : -1;
}

/* The index of the instruction behind a label; `count` for what is none. */
static size_t
target_of(const struct listing *listing, VALUE label)
{
    int offset = offset_of(label);
    size_t i = 0;
    while (i < listing->count && listing->insns[i].offset != offset) {
        i++;
    }
    return i;
}

/* False: out of memory. */
static bool
take_apart(struct listing *listing, VALUE code, uint32_t line,
           struct sonde_rb_muted *owner)
{
    VALUE body = RARRAY_AREF(code, AT_BODY);
    uint32_t at_line = 0;
    uint8_t at_events = 0;
    int offset = 0;
    *listing = (struct listing){.code = code, .line = line};
    free(owner->scratch);
    owner->scratch = calloc((size_t)RARRAY_LEN(body) + 1, sizeof(struct insn));
    listing->insns = owner->scratch;
    if (listing->insns == NULL) {
        owner->is_short = true;
        return false;
    }
    for (long i = 0; i < RARRAY_LEN(body); i++) {
        VALUE item = RARRAY_AREF(body, i);
        if (FIXNUM_P(item)) {
            at_line = (uint32_t)FIX2LONG(item);
        } else if (SYMBOL_P(item)) {
            for (int e = 1; e < EVENT_COUNT; e++) {
                at_events |= (uint8_t)((item == symbol(events[e].symbol)) << e);
            }
        } else {
            listing->insns[listing->count++] = (struct insn){
                .offset = offset, .line = at_line, .events = at_events, .array = item};
            offset += (int)RARRAY_LEN(item);
            at_events = 0;
        }
    }
    return true;
}

static bool
is_named(const struct insn *insn, const char *name)
{
    return RARRAY_AREF(insn->array, 0) == symbol(name);
}

static bool
tells_line(const struct insn *insn)
{
    return (insn->events & 1 << SONDE_RB_EVENT_LINE) != 0;
}

/* --- Where control comes from ------------------------------------------------------------------ */

static void
flow_into(struct listing *listing, size_t i, uint8_t from)
{
    if (i < listing->count && (listing->insns[i].from | from) != listing->insns[i].from) {
        listing->insns[i].from |= from;
        listing->has_changed = true;
    }
}

/* Jumps stand among the operands as labels; those of a `case` in a list of their own. */
static void
flow_to_operands(struct listing *listing, VALUE operands, long first, uint8_t from)
{
    for (long k = first; k < RARRAY_LEN(operands); k++) {
        VALUE operand = RARRAY_AREF(operands, k);
        if (SYMBOL_P(operand)) {
            flow_into(listing, target_of(listing, operand), from);
        } else if (first == 1 && RB_TYPE_P(operand, T_ARRAY)) {
            flow_to_operands(listing, operand, 0, from);
        }
    }
}

/* Whether everything that this entry of the catch table protects is on the line. */
static bool
protects_line_alone(const struct listing *listing, VALUE entry)
{
    size_t from = target_of(listing, RARRAY_AREF(entry, CATCH_START));
    size_t to = target_of(listing, RARRAY_AREF(entry, CATCH_END));
    bool is_alone = from < to;
    for (size_t i = from; i < to && is_alone; i++) {
        is_alone = listing->insns[i].line == listing->line;
    }
    return is_alone;
}

static bool
is_handler(VALUE entry)
{
    VALUE kind = RARRAY_AREF(entry, CATCH_KIND);
    return kind == symbol("rescue") || kind == symbol("ensure");
}

/* What comes after this one, or where an exception of its own goes. */
static uint8_t
from_after(const struct listing *listing, const struct insn *insn)
{
    if (insn->from == 0 || !tells_line(insn)) {
        return insn->from;
    }
    return insn->line == listing->line ? FROM_LINE : FROM_OTHER;
}

static void
flow_to_catches(struct listing *listing)
{
    VALUE table = RARRAY_AREF(listing->code, AT_CATCH);
    for (long k = 0; k < RARRAY_LEN(table); k++) {
        VALUE entry = RARRAY_AREF(table, k);
        size_t start = target_of(listing, RARRAY_AREF(entry, CATCH_START));
        size_t end = target_of(listing, RARRAY_AREF(entry, CATCH_END));
        size_t cont = target_of(listing, RARRAY_AREF(entry, CATCH_CONT));
        bool is_elsewhere = is_handler(entry) && !protects_line_alone(listing, entry);
        uint8_t from = 0;
        for (size_t i = start; i < end && i < listing->count; i++) {
            from |= from_after(listing, &listing->insns[i]);
        }
        flow_into(listing, cont, from != 0 && is_elsewhere ? FROM_OTHER : from);
    }
}

static void
flow(struct listing *listing, uint8_t on_entry)
{
    VALUE params = RARRAY_AREF(listing->code, AT_PARAMS);
    VALUE optional = rb_hash_lookup(params, symbol("opt"));
    flow_into(listing, 0, on_entry);
    if (RB_TYPE_P(optional, T_ARRAY)) {
        flow_to_operands(listing, optional, 0, on_entry);
    }
    do {
        listing->has_changed = false;
        for (size_t i = 0; i < listing->count; i++) {
            struct insn *insn = &listing->insns[i];
            uint8_t from = from_after(listing, insn);
            if (from == 0) {
                continue;
            }
            flow_to_operands(listing, insn->array, 1, from);
            if (!is_named(insn, "jump") && !is_named(insn, "leave") &&
                !is_named(insn, "throw")) {
                flow_into(listing, i + 1, from);
            }
        }
        flow_to_catches(listing);
    } while (listing->has_changed);
}

/* Whether nothing is done from here on before another event of the line: a `while` begins by
 * jumping to its condition. */
static bool
is_told_next(const struct listing *listing, size_t i)
{
    for (int steps = 0; steps < 16 && i < listing->count; steps++) {
        const struct insn *insn = &listing->insns[i];
        if (steps > 0 && tells_line(insn)) {
            return insn->line == listing->line && !insn->is_muted;
        }
        if (is_named(insn, "jump")) {
            i = target_of(listing, RARRAY_AREF(insn->array, 1));
        } else if (is_named(insn, "nop") || is_named(insn, "putnil") ||
                   is_named(insn, "pop")) {
            i++;
        } else {
            return false;
        }
    }
    return false;
}

/* --- Muting --------------------------------------------------------------------------------- */

static void
add_counter(struct sonde_rb_muted *out, const VALUE *counter)
{
    if (out->count == out->room) {
        size_t room = out->room == 0 ? 4 : out->room * 2;
        void *list = realloc(out->list, room * sizeof(*out->list));
        if (list == NULL) {
            out->is_short = true;
            return;
        }
        out->list = list;
        out->room = room;
    }
    out->list[out->count++] = counter;
}

static void
mute(struct sonde_rb_muted *out, VALUE wrapper, const struct insn *insn)
{
    /* While an event is told the counter is one past where its instruction begins. */
    add_counter(out, rb_iseqw_to_iseq(wrapper)->body->instructions + insn->offset + 1);
}

static void
mute_continuations(VALUE wrapper, VALUE code, uint32_t line, bool is_from_line,
                   struct sonde_rb_muted *out)
{
    struct listing listing;
    if (!take_apart(&listing, code, line, out)) {
        return;
    }
    flow(&listing, is_from_line ? FROM_LINE : FROM_OTHER);
    for (size_t i = 0; i < listing.count; i++) {
        struct insn *insn = &listing.insns[i];
        insn->is_muted =
            insn->line == line && tells_line(insn) && insn->from == FROM_LINE;
    }
    for (size_t i = 0; i < listing.count; i++) {
        struct insn *insn = &listing.insns[i];
        if (insn->line == line && tells_line(insn) && !insn->is_muted) {
            insn->is_muted = is_told_next(&listing, i);
        }
        if (insn->is_muted) {
            mute(out, wrapper, insn);
        }
    }
}

static void
mute_all(VALUE wrapper, VALUE code, uint32_t line, enum sonde_rb_event event,
         struct sonde_rb_muted *out)
{
    struct listing listing;
    if (!take_apart(&listing, code, line, out)) {
        return;
    }
    for (size_t i = 0; i < listing.count; i++) {
        if (listing.insns[i].line == line && listing.insns[i].events & 1 << event) {
            mute(out, wrapper, &listing.insns[i]);
        }
    }
}

static VALUE
to_a(VALUE wrapper)
{
    return rb_funcall(wrapper, rb_intern("to_a"), 0);
}

static VALUE
add_child(RB_BLOCK_CALL_FUNC_ARGLIST(child, children))
{
    (void)argc;
    (void)argv;
    (void)blockarg;
    return rb_ary_push(children, child);
}

static VALUE
children_of(VALUE wrapper)
{
    VALUE children = rb_ary_new();
    rb_block_call(wrapper, rb_intern("each_child"), 0, NULL, add_child, children);
    return children;
}

/* Whether `code` is the same sequence as this one of a catch table. */
static bool
is_code(VALUE entry_code, VALUE code)
{
    VALUE key = symbol("node_id");
    return RARRAY_AREF(entry_code, AT_TYPE) == RARRAY_AREF(code, AT_TYPE) &&
           rb_hash_lookup(RARRAY_AREF(entry_code, AT_MISC), key) ==
               rb_hash_lookup(RARRAY_AREF(code, AT_MISC), key);
}

/* Whether a handler is only ever entered from within the line. */
static bool
is_entered_from_line(VALUE code, VALUE handler, uint32_t line, struct sonde_rb_muted *out)
{
    struct listing listing;
    VALUE table = RARRAY_AREF(code, AT_CATCH);
    bool is_found = false, is_alone = true;
    if (!take_apart(&listing, code, line, out)) {
        return false;
    }
    for (long k = 0; k < RARRAY_LEN(table); k++) {
        VALUE entry = RARRAY_AREF(table, k);
        if (RB_TYPE_P(RARRAY_AREF(entry, CATCH_CODE), T_ARRAY) &&
            is_code(RARRAY_AREF(entry, CATCH_CODE), handler)) {
            is_found = true;
            is_alone = is_alone && protects_line_alone(&listing, entry);
        }
    }
    return is_found && is_alone;
}

static void
mute_in(VALUE wrapper, uint32_t line, enum sonde_rb_event event, bool is_from_line,
        struct sonde_rb_muted *out)
{
    unsigned counts[EVENT_COUNT];
    VALUE children = children_of(wrapper), code = Qnil;
    count_events(wrapper, line, counts);
    if (event == SONDE_RB_EVENT_LINE) {
        if (counts[event] > 1 || (is_from_line && counts[event] > 0)) {
            code = to_a(wrapper);
            mute_continuations(wrapper, code, line, is_from_line, out);
        }
    } else if (counts[event] > 0 && sonde_rb_lines_event(wrapper, line) != event) {
        code = to_a(wrapper);
        mute_all(wrapper, code, line, event, out);
    }
    for (long i = 0; i < RARRAY_LEN(children); i++) {
        VALUE child = RARRAY_AREF(children, i);
        int kind = rb_iseqw_to_iseq(child)->body->type;
        bool is_within = false;
        if ((kind == SONDE_RB_ISEQ_RESCUE || kind == SONDE_RB_ISEQ_ENSURE) &&
            event == SONDE_RB_EVENT_LINE &&
            sonde_rb_lines_event(child, line) == SONDE_RB_EVENT_LINE) {
            VALUE child_code = to_a(child);
            code = code == Qnil ? to_a(wrapper) : code;
            is_within = is_entered_from_line(code, child_code, line, out);
            RB_GC_GUARD(child_code);
        }
        mute_in(child, line, event, is_within, out);
    }
    RB_GC_GUARD(children);
    RB_GC_GUARD(code);
}

void
sonde_rb_lines_mute(VALUE wrapper, uint32_t line, enum sonde_rb_event event,
                    struct sonde_rb_muted *out)
{
    mute_in(wrapper, line, event, false, out);
}

/* --- A block's own `return` ---------------------------------------------------------------------- */

#define JUMP_MASK 0xff

/* A `break` in a block that is a method is one too. */
static bool
is_return(VALUE insn)
{
    if (!RB_TYPE_P(insn, T_ARRAY) || RARRAY_AREF(insn, 0) != symbol("throw") ||
        !FIXNUM_P(RARRAY_AREF(insn, 1))) {
        return false;
    }
    long jump = FIX2LONG(RARRAY_AREF(insn, 1)) & JUMP_MASK;
    return jump == SONDE_RB_JUMP_RETURN || jump == SONDE_RB_JUMP_BREAK;
}

/* Whether a handler has a `return`, or one that handles what happens in it. */
static bool
has_return(VALUE code)
{
    VALUE body = RARRAY_AREF(code, AT_BODY), table = RARRAY_AREF(code, AT_CATCH);
    bool is_found = false;
    for (long i = 0; i < RARRAY_LEN(body) && !is_found; i++) {
        is_found = is_return(RARRAY_AREF(body, i));
    }
    for (long i = 0; i < RARRAY_LEN(table) && !is_found; i++) {
        VALUE entry = RARRAY_AREF(table, i);
        is_found = is_handler(entry) && has_return(RARRAY_AREF(entry, CATCH_CODE));
    }
    return is_found;
}

/* Whether a jump that began in there, or went on from a place that is known, comes by. The counter stands behind
 * the instruction. */
static bool
can_come_by(const struct sonde_rb_muted *out, const VALUE *from, VALUE entry)
{
    const VALUE *start = from + offset_of(RARRAY_AREF(entry, CATCH_START));
    const VALUE *end = from + offset_of(RARRAY_AREF(entry, CATCH_END));
    size_t i = 0;
    while (i < out->count && (out->list[i] <= start || out->list[i] > end)) {
        i++;
    }
    return i < out->count || has_return(RARRAY_AREF(entry, CATCH_CODE));
}

void
sonde_rb_lines_find_returns(VALUE wrapper, struct sonde_rb_muted *out)
{
    const VALUE *from = rb_iseqw_to_iseq(wrapper)->body->instructions;
    VALUE code = to_a(wrapper), table = RARRAY_AREF(code, AT_CATCH);
    struct listing listing;
    if (!take_apart(&listing, code, 0, out)) {
        return;
    }
    for (size_t i = 0; i < listing.count; i++) {
        const struct insn *insn = &listing.insns[i];
        if (is_return(insn->array)) {
            add_counter(out, from + insn->offset + RARRAY_LEN(insn->array));
        }
    }
    bool has_more;
    do {
        has_more = false;
        for (long k = 0; k < RARRAY_LEN(table) && !out->is_short; k++) {
            VALUE entry = RARRAY_AREF(table, k);
            const VALUE *goes_on = from + offset_of(RARRAY_AREF(entry, CATCH_CONT));
            if (is_handler(entry) && !sonde_rb_is_muted(out, goes_on) &&
                can_come_by(out, from, entry)) {
                add_counter(out, goes_on);
                has_more = true;
            }
        }
    } while (has_more);
    RB_GC_GUARD(code);
}

void
sonde_rb_muted_fini(struct sonde_rb_muted *muted)
{
    free(muted->list);
    free(muted->scratch);
    *muted = (struct sonde_rb_muted){0};
}
