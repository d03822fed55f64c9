/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include "compat/objects.h"
#include "state.h"
#include "text.h"

/* X(C name, text) */
#define NAME_LIST(X)                                \
    X(storage, "__opentelemetry_context_storage__") \
    X(stack, "@opentelemetry_context")              \
    X(entries, "@entries")                          \
    X(name, "@name")                                \
    X(context, "@context")                          \
    X(trace_id, "@trace_id")                        \
    X(span_id, "@span_id")                          \
    X(datadog, "Datadog")                           \
    X(components, "@components")                    \
    X(tracer, "@tracer")                            \
    X(provider, "@provider")                        \
    X(key, "@key")                                  \
    X(active_trace, "@active_trace")                \
    X(active_span, "@active_span")                  \
    X(current_span, "@current_span")                \
    X(id, "@id")                                    \
    X(parent_trace_id, "@parent_trace_id")          \
    X(parent_span_id, "@parent_span_id")            \
    X(finished, "@finished")

/* All 0 until made. */
static struct {
#define MEMBER(name, text) ID name;
    NAME_LIST(MEMBER)
#undef MEMBER
} names;

struct ids {
    unsigned char trace[16], span[8];
};

/* Both there and neither zero. */
static bool
are_valid(const struct ids *ids)
{
    static const struct ids none;
    return memcmp(ids->trace, none.trace, sizeof(none.trace)) != 0 &&
           memcmp(ids->span, none.span, sizeof(none.span)) != 0;
}

/* An instance variable of what may be anything; Qnil: it has none. */
static VALUE
field(VALUE object, ID name)
{
    if (RB_SPECIAL_CONST_P(object)) {
        return Qnil;
    }
    enum ruby_value_type type = RB_BUILTIN_TYPE(object);
    return type == T_OBJECT || type == T_DATA || type == T_MODULE || type == T_CLASS
               ? rb_attr_get(object, name)
               : Qnil;
}

static VALUE
fiber_local(ID name)
{
    return rb_thread_local_aref(rb_thread_current(), name);
}

/* --- OpenTelemetry ---------------------------------------------------------------------------- */

static bool
read_bytes(VALUE string, unsigned char *out, size_t size)
{
    struct sonde_str bytes = sonde_rb_text(string);
    if (bytes.len != size) {
        return false;
    }
    memcpy(out, bytes.ptr, size);
    return true;
}

/* The key is an object that stands in a private constant, and its own name says which it is. */
static int
find_span(st_data_t key, st_data_t value, st_data_t out)
{
    VALUE object = (VALUE)key;
    if (RB_TYPE_P(object, T_OBJECT) &&
        sonde_str_eq(sonde_rb_text(field(object, names.name)),
                     SONDE_STR("current-span")) &&
        sonde_str_eq(sonde_rb_class_text(sonde_rb_class_of(object)),
                     SONDE_STR("OpenTelemetry::Context::Key"))) {
        *(VALUE *)out = (VALUE)value;
        return ST_STOP;
    }
    return ST_CONTINUE;
}

static bool
read_opentelemetry(struct ids *ids)
{
    VALUE stack = field(sonde_rb_current_fiber(), names.stack);
    if (!RB_TYPE_P(stack, T_ARRAY)) {
        stack = fiber_local(names.storage);
    }
    if (!RB_TYPE_P(stack, T_ARRAY) || RARRAY_LEN(stack) == 0) {
        return false;
    }
    VALUE entries = field(RARRAY_AREF(stack, RARRAY_LEN(stack) - 1), names.entries);
    VALUE span = Qnil;
    if (!RB_TYPE_P(entries, T_HASH)) {
        return false;
    }
    rb_hash_stlike_foreach(entries, find_span, (st_data_t)&span);
    VALUE context = field(span, names.context);
    return read_bytes(field(context, names.trace_id), ids->trace, sizeof(ids->trace)) &&
           read_bytes(field(context, names.span_id), ids->span, sizeof(ids->span)) &&
           are_valid(ids);
}

/* --- ddtrace ------------------------------------------------------------------------------------ */

/* The highest byte first. False: no number, below zero, or too large. */
static bool
read_number(VALUE number, unsigned char *out, size_t size)
{
    if (!FIXNUM_P(number) && !RB_TYPE_P(number, T_BIGNUM)) {
        return false;
    }
    int sign = rb_integer_pack(number, out, size, 1, 0,
                               INTEGER_PACK_MSWORD_FIRST | INTEGER_PACK_MSBYTE_FIRST);
    return sign == 0 || sign == 1;
}

static bool
read_numbers(VALUE trace, VALUE span, struct ids *ids)
{
    return read_number(trace, ids->trace, sizeof(ids->trace)) &&
           read_number(span, ids->span, sizeof(ids->span)) && are_valid(ids);
}

/* What sonde_rb_trace_look() found; Qundef: nothing. Registered with the collector, guarded by the VM lock. */
static VALUE datadog = Qundef;

/* Not one that is to be loaded when it is asked for. */
static VALUE
find_datadog(void)
{
    return sonde_rb_has(SONDE_RB_PART_METHODS)
               ? sonde_rb_own_constant(rb_cObject, names.datadog)
               : Qundef;
}

void
sonde_rb_trace_init(void)
{
#define MAKE(name, text) names.name = rb_intern(text);
    NAME_LIST(MAKE)
#undef MAKE
    rb_gc_register_address(&datadog);
}

void
sonde_rb_trace_look(void)
{
    if (rb_const_lookup == NULL && names.datadog != 0) {
        datadog = find_datadog();
    }
}

bool
sonde_rb_trace_needs_look(void)
{
    return rb_const_lookup == NULL && names.datadog != 0 && datadog == Qundef;
}

/* What the tracer keeps for this fiber; Qnil: ddtrace is not loaded or has nothing yet. */
static VALUE
datadog_context(void)
{
    VALUE module = rb_const_lookup != NULL ? find_datadog() : datadog;
    if (module == Qundef || !RB_TYPE_P(module, T_MODULE)) {
        return Qnil;
    }
    VALUE tracer = field(field(module, names.components), names.tracer);
    VALUE key = field(field(field(tracer, names.provider), names.context), names.key);
    return SYMBOL_P(key) ? fiber_local(rb_sym2id(key)) : Qnil;
}

static bool
read_ddtrace(struct ids *ids)
{
    VALUE context = datadog_context(), trace = field(context, names.active_trace);
    if (!NIL_P(trace)) {
        VALUE span = field(field(trace, names.active_span), names.id);
        if (NIL_P(span) && field(trace, names.finished) != Qtrue) {
            span = field(trace, names.parent_span_id);
        }
        return read_numbers(field(trace, names.id), span, ids);
    }
    VALUE span = field(context, names.current_span);
    if (!NIL_P(span)) {
        return read_numbers(field(span, names.trace_id), field(span, names.span_id), ids);
    }
    return read_numbers(field(context, names.parent_trace_id),
                        field(context, names.parent_span_id), ids);
}

/* --- Either ------------------------------------------------------------------------------------- */

void
sonde_rb_write_trace(struct sonde_tape *tape)
{
    struct ids ids;
    if (names.storage != 0 && (read_opentelemetry(&ids) || read_ddtrace(&ids))) {
        sonde_tape_trace(tape, ids.trace, ids.span);
    }
}
