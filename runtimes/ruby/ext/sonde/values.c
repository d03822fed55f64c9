/* SPDX-License-Identifier: Apache-2.0
 *
 * A value is read by what its storage is: the internal type that the VM itself goes by, never by what
 * an object or its class says. An instance of a subclass is read from the storage of its built-in
 * base. Functions of the API are called only where CRuby's sources show that they dispatch nothing,
 * allocate nothing and can not raise for what they are given here. */
#include "values.h"

#include "characters.h"
#include "compat/objects.h"
#include "protect.h"
#include "records.h"
#include "scalars.h"
#include "state.h"
#include "text.h"
#include "trace.h"

#include <stdio.h>

static void
write_field(struct sonde_tape *tape, struct sonde_str name, VALUE value)
{
    sonde_tape_name(tape, name);
    sonde_rb_write_value(tape, value);
}

/* --- Containers ----------------------------------------------------------------------------- */

static void
write_array(struct sonde_tape *tape, struct sonde_str type, VALUE array)
{
    long count = RARRAY_LEN(array);
    if (!sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, type, (uint64_t)count)) {
        return;
    }
    /* Not RARRAY_CONST_PTR: that may move the elements. */
    for (long i = 0; i < count && sonde_tape_next(tape); i++) {
        sonde_rb_write_value(tape, RARRAY_AREF(array, i));
    }
    sonde_tape_close(tape);
}

static int
write_entry(st_data_t key, st_data_t value, st_data_t tape)
{
    if (!sonde_tape_next((struct sonde_tape *)tape)) {
        return ST_STOP;
    }
    sonde_rb_write_value((struct sonde_tape *)tape, (VALUE)key);
    sonde_rb_write_value((struct sonde_tape *)tape, (VALUE)value);
    return ST_CONTINUE;
}

static void
write_hash(struct sonde_tape *tape, struct sonde_str type, VALUE hash)
{
    if (sonde_tape_open(tape, SONDE_SHAPE_ENTRIES, type, (uint64_t)RHASH_SIZE(hash))) {
        rb_hash_stlike_foreach(hash, write_entry, (st_data_t)tape);
        sonde_tape_close(tape);
    }
}

/* --- Objects -------------------------------------------------------------------------------- */

#define FIELDS_KEPT \
    24 /* a little more than a snapshot shows, unless somebody wants more */

/* The instance variables of an object that programs see. Those that come first are kept by the pass that
 * counts them: nothing runs before they are written. */
struct fields {
    struct sonde_tape *tape;
    uint64_t count;
    struct sonde_rb_marks marks;
    ID names[FIELDS_KEPT];
    VALUE values[FIELDS_KEPT];
};

static int
note_field(ID name, VALUE value, st_data_t arg)
{
    struct fields *fields = (struct fields *)arg;
    sonde_rb_note_mark(&fields->marks, name, value);
    if (!rb_is_instance_id(name)) {
        return ST_CONTINUE; /* a C extension's own */
    }
    if (fields->count < FIELDS_KEPT) {
        fields->names[fields->count] = name;
        fields->values[fields->count] = value;
    }
    fields->count++;
    return ST_CONTINUE;
}

static int
write_instance_variable(ID name, VALUE value, st_data_t arg)
{
    struct fields *fields = (struct fields *)arg;
    if (!rb_is_instance_id(name)) {
        return ST_CONTINUE;
    }
    if (!sonde_tape_next(fields->tape)) {
        return ST_STOP;
    }
    write_field(fields->tape, sonde_rb_id_text_briefly(name), value);
    return ST_CONTINUE;
}

static void
read_fields(struct fields *fields, struct sonde_tape *tape, VALUE object)
{
    fields->tape = tape;
    fields->count = 0;
    fields->marks = SONDE_RB_NO_MARKS;
    rb_ivar_foreach(object, note_field, (st_data_t)fields);
}

static void
write_fields(struct fields *fields, VALUE object)
{
    if (fields->count > FIELDS_KEPT) {
        rb_ivar_foreach(object, write_instance_variable, (st_data_t)fields);
        return;
    }
    for (uint64_t i = 0; i < fields->count && sonde_tape_next(fields->tape); i++) {
        write_field(fields->tape, sonde_rb_id_text_briefly(fields->names[i]),
                    fields->values[i]);
    }
}

static void
write_exception(struct sonde_tape *tape, struct sonde_str type, VALUE exception)
{
    struct fields fields;
    read_fields(&fields, tape, exception);
    VALUE cause = rb_attr_get(exception, sonde_rb_names.cause);
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type,
                         fields.count + 1 + !NIL_P(cause))) {
        return;
    }
    if (sonde_tape_next(tape)) {
        sonde_tape_name(tape, SONDE_STR("message"));
        if (NIL_P(rb_attr_get(exception, sonde_rb_names.message))) {
            sonde_rb_write_value(tape, Qnil);
        } else {
            sonde_rb_write_message(tape, exception);
        }
    }
    if (!NIL_P(cause) && sonde_tape_next(tape)) {
        write_field(tape, SONDE_STR("cause"), cause);
    }
    write_fields(&fields, exception);
    sonde_tape_close(tape);
}

static void
write_object(struct sonde_tape *tape, struct sonde_str type, VALUE object)
{
    if (RTEST(rb_obj_is_kind_of(object, rb_eException))) {
        write_exception(tape, type, object);
        return;
    }
    struct fields fields;
    read_fields(&fields, tape, object);
    if (sonde_rb_try_write_record(tape, type, object, &fields.marks)) {
        return;
    }
    if (sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, fields.count)) {
        write_fields(&fields, object);
        sonde_tape_close(tape);
    }
}

static void
write_enumerator(struct sonde_tape *tape, struct sonde_str type,
                 const struct sonde_rb_enumerator *inside)
{
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, 2 + !NIL_P(inside->arguments))) {
        return;
    }
    if (sonde_tape_next(tape)) {
        write_field(tape, SONDE_STR("receiver"), inside->receiver);
    }
    if (sonde_tape_next(tape)) {
        struct sonde_str name = sonde_rb_id_text(inside->method);
        sonde_tape_name(tape, SONDE_STR("method"));
        sonde_tape_text(tape, SONDE_STR("Symbol"), SONDE_ENCODING_UTF8, name.ptr,
                        name.len);
    }
    if (!NIL_P(inside->arguments) && sonde_tape_next(tape)) {
        write_field(tape, SONDE_STR("arguments"), inside->arguments);
    }
    sonde_tape_close(tape);
}

static bool
try_write_enumerator(struct sonde_tape *tape, struct sonde_str type, VALUE object)
{
    struct sonde_rb_enumerator inside;
    if (!RTYPEDDATA_P(object) ||
        strcmp(RTYPEDDATA_TYPE(object)->wrap_struct_name, "enumerator") != 0 ||
        !RTEST(rb_obj_is_kind_of(object, rb_cEnumerator)) ||
        !sonde_rb_enumerator_of(object, &inside)) {
        return false;
    }
    write_enumerator(tape, type, &inside);
    return true;
}

static int
write_member(VALUE member, VALUE tape)
{
    if (!sonde_tape_next((struct sonde_tape *)tape)) {
        return ST_STOP;
    }
    sonde_rb_write_value((struct sonde_tape *)tape, member);
    return ST_CONTINUE;
}

static void
write_core_set(struct sonde_tape *tape, struct sonde_str type, VALUE set)
{
    if (sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, type,
                        (uint64_t)sonde_rb_core_set_size(set))) {
        sonde_rb_core_set_each(set, write_member, (VALUE)tape);
        sonde_tape_close(tape);
    }
}

/* What is written in C: as CRuby's own kinds are, by its instance variables, or not at all. */
static void
write_data(struct sonde_tape *tape, struct sonde_str type, VALUE object)
{
    if (sonde_rb_is_core_set(object)) {
        write_core_set(tape, type, object);
        return;
    }
    if (sonde_rb_try_write_data(tape, type, object) ||
        try_write_enumerator(tape, type, object)) {
        return;
    }
    struct fields fields;
    read_fields(&fields, tape, object);
    if (fields.count == 0) {
        sonde_rb_write_opaque(tape, type, object);
    } else if (sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, fields.count)) {
        write_fields(&fields, object);
        sonde_tape_close(tape);
    }
}

/* --- Struct, Data and Range ------------------------------------------------------------------------ */

static long
struct_size(VALUE value)
{
    return FIX2LONG(rb_struct_size(value));
}

/* The names of its members, which the class that Struct.new or Data.define made keeps; Qnil: it has none. Not
 * rb_struct_members(), which keeps a copy with each subclass. */
static VALUE
struct_members(VALUE value)
{
    VALUE class = sonde_rb_class_of(value), members = Qnil;
    for (; class != 0 && class != rb_cStruct && NIL_P(members);
         class = RCLASS_SUPER(class)) {
        if (RB_TYPE_P(class, T_CLASS)) { /* not a module that it includes */
            members = rb_attr_get(class, sonde_rb_names.members);
        }
    }
    return RB_TYPE_P(members, T_ARRAY) && RARRAY_LEN(members) == struct_size(value)
               ? members
               : Qnil;
}

static void
write_struct(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    VALUE members = struct_members(value);
    if (NIL_P(members)) {
        sonde_rb_write_opaque(tape, type, value);
        return;
    }
    struct fields fields;
    read_fields(&fields, tape, value);
    long count = RARRAY_LEN(members);
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type,
                         fields.count + (uint64_t)count)) {
        return;
    }
    for (long i = 0; i < count && sonde_tape_next(tape); i++) {
        VALUE member = RARRAY_AREF(members, i);
        write_field(tape,
                    SYMBOL_P(member) ? sonde_rb_text(rb_sym2str(member)) : SONDE_STR("?"),
                    rb_struct_aref(value, LONG2FIX(i)));
    }
    write_fields(&fields, value);
    sonde_tape_close(tape);
}

/* "1..5" and "1...5" where it ends in small integers or not at all, fields else. */
static void
write_range(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    VALUE first, last;
    int is_exclusive;
    if (!rb_range_values(value, &first, &last, &is_exclusive)) {
        sonde_rb_write_opaque(tape, type, value);
        return;
    }
    if ((FIXNUM_P(first) || NIL_P(first)) && (FIXNUM_P(last) || NIL_P(last))) {
        char text[64] = "", end[32] = "";
        if (FIXNUM_P(first)) {
            snprintf(text, sizeof(text), "%ld", FIX2LONG(first));
        }
        if (FIXNUM_P(last)) {
            snprintf(end, sizeof(end), "%ld", FIX2LONG(last));
        }
        size_t at = strlen(text);
        snprintf(text + at, sizeof(text) - at, "%s%s", is_exclusive ? "..." : "..", end);
        sonde_tape_number(tape, type, sonde_str_from(text));
        return;
    }
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, 3)) {
        return;
    }
    if (sonde_tape_next(tape)) {
        write_field(tape, SONDE_STR("begin"), first);
    }
    if (sonde_tape_next(tape)) {
        write_field(tape, SONDE_STR("end"), last);
    }
    if (sonde_tape_next(tape)) {
        write_field(tape, SONDE_STR("exclude_end"), is_exclusive ? Qtrue : Qfalse);
    }
    sonde_tape_close(tape);
}

/* --- Numbers of two parts, and what a match found --------------------------------------------- */

static void
write_pair(struct sonde_tape *tape, struct sonde_str type, struct sonde_str name,
           VALUE value, struct sonde_str other_name, VALUE other)
{
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, 2)) {
        return;
    }
    if (sonde_tape_next(tape)) {
        write_field(tape, name, value);
    }
    if (sonde_tape_next(tape)) {
        write_field(tape, other_name, other);
    }
    sonde_tape_close(tape);
}

static void
write_rational(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    VALUE numerator = rb_rational_num(value), denominator = rb_rational_den(value);
    if (FIXNUM_P(numerator) && FIXNUM_P(denominator)) {
        char text[64];
        snprintf(text, sizeof(text), "%ld/%ld", FIX2LONG(numerator),
                 FIX2LONG(denominator));
        sonde_tape_number(tape, type, sonde_str_from(text));
    } else {
        write_pair(tape, type, SONDE_STR("numerator"), numerator,
                   SONDE_STR("denominator"), denominator);
    }
}

static void
write_match(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    VALUE string = RMATCH(value)->str;
    struct sonde_str text = sonde_rb_text(string);
    const struct re_registers *groups = sonde_rb_match_groups(value);
    if (groups == NULL || !RB_TYPE_P(string, T_STRING)) {
        sonde_rb_write_opaque(tape, type, value); /* not initialized */
        return;
    }
    if (!sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, type, (uint64_t)groups->num_regs)) {
        return;
    }
    for (int i = 0; i < groups->num_regs && sonde_tape_next(tape); i++) {
        OnigPosition from = groups->beg[i], to = groups->end[i];
        if (from < 0 || to < from || (size_t)to > text.len) {
            sonde_tape_null(tape, SONDE_STR("NilClass"));
        } else {
            sonde_tape_text(tape, SONDE_STR("String"), SONDE_ENCODING_UTF8,
                            text.ptr + from, (size_t)(to - from));
        }
    }
    sonde_tape_close(tape);
}

/* --- Any value ------------------------------------------------------------------------------ */

/* "String (before type cast)"; lent from its parts or from `buf` of SONDE_RB_NAME_BYTES. */
static struct sonde_str
noted(struct sonde_str type, struct sonde_str note, char *buf)
{
    if (note.len == 0) {
        return type;
    }
    size_t at = sonde_rb_append(
        buf, 0, (struct sonde_str){type.ptr, type.len < 300 ? type.len : 300});
    return (struct sonde_str){buf, sonde_rb_append(buf, at, note)};
}

/* Values that are no objects of the heap. False: it is one. */
static bool
try_write_immediate(struct sonde_tape *tape, VALUE value, struct sonde_str note)
{
    char buf[SONDE_RB_NAME_BYTES];
    if (FIXNUM_P(value)) {
        sonde_tape_int(tape, noted(SONDE_STR("Integer"), note, buf), FIX2LONG(value));
    } else if (NIL_P(value)) {
        sonde_tape_null(tape, noted(SONDE_STR("NilClass"), note, buf));
    } else if (value == Qtrue) {
        sonde_tape_number(tape, noted(SONDE_STR("TrueClass"), note, buf),
                          SONDE_STR("true"));
    } else if (value == Qfalse) {
        sonde_tape_number(tape, noted(SONDE_STR("FalseClass"), note, buf),
                          SONDE_STR("false"));
    } else if (RB_FLONUM_P(value)) {
        sonde_tape_float(tape, noted(SONDE_STR("Float"), note, buf),
                         rb_float_value(value));
    } else if (RB_STATIC_SYM_P(value)) {
        sonde_rb_write_string(tape, noted(SONDE_STR("Symbol"), note, buf),
                              rb_sym2str(value));
    } else if (RB_SPECIAL_CONST_P(value)) {
        sonde_tape_skip(tape, SONDE_STR(""), SONDE_REASON_UNREADABLE);
    } else {
        return false;
    }
    return true;
}

static void
write_heap_object(struct sonde_tape *tape, struct sonde_str type, VALUE value)
{
    switch (RB_BUILTIN_TYPE(value)) {
    case T_STRING:
        sonde_rb_write_string(tape, type, value);
        break;
    case T_ARRAY:
        write_array(tape, type, value);
        break;
    case T_HASH:
        write_hash(tape, type, value);
        break;
    case T_OBJECT:
        write_object(tape, type, value);
        break;
    case T_STRUCT:
        if (RTEST(rb_obj_is_kind_of(value, rb_cRange))) {
            write_range(tape, type, value);
        } else {
            write_struct(tape, type, value);
        }
        break;
    case T_SYMBOL:
        sonde_rb_write_string(tape, type, rb_sym2str(value));
        break;
    case T_FLOAT:
        sonde_tape_float(tape, type, rb_float_value(value));
        break;
    case T_BIGNUM:
        sonde_rb_write_bignum(tape, type, value);
        break;
    case T_RATIONAL:
        write_rational(tape, type, value);
        break;
    case T_COMPLEX:
        write_pair(tape, type, SONDE_STR("real"), rb_complex_real(value),
                   SONDE_STR("imaginary"), rb_complex_imag(value));
        break;
    case T_CLASS:
    case T_MODULE:
        sonde_rb_write_module(tape, type, value);
        break;
    case T_REGEXP:
        sonde_rb_write_regexp(tape, type, value);
        break;
    case T_MATCH:
        write_match(tape, type, value);
        break;
    case T_FILE:
        sonde_rb_write_io(tape, type, value);
        break;
    case T_DATA:
        write_data(tape, type, value);
        break;
    default:
        sonde_tape_skip(tape, type, SONDE_REASON_UNREADABLE);
        break;
    }
}

void
sonde_rb_write_noted(struct sonde_tape *tape, VALUE value, struct sonde_str note)
{
    char buf[SONDE_RB_NAME_BYTES];
    if (try_write_immediate(tape, value, note)) {
        return;
    }
    VALUE class = RBASIC_CLASS(value) != 0 ? sonde_rb_class_of(value) : 0;
    if (class == 0) {
        sonde_tape_skip(tape, SONDE_STR(""), SONDE_REASON_UNREADABLE); /* the VM's own */
        return;
    }
    write_heap_object(tape, noted(sonde_rb_class_text(class), note, buf), value);
}

void
sonde_rb_write_value(struct sonde_tape *tape, VALUE value)
{
    if (FIXNUM_P(value)) {
        sonde_tape_int(tape, SONDE_STR("Integer"), FIX2LONG(value));
        return;
    }
    sonde_rb_write_noted(tape, value, SONDE_STR(""));
}

static VALUE
init(VALUE unused)
{
    sonde_rb_records_init();
    sonde_rb_trace_init();
    sonde_rb_objects_learn();
    return unused;
}

void
sonde_rb_values_init(void)
{
    sonde_rb_protect(init, Qnil, NULL);
}

/* --- The message of an exception ------------------------------------------------------------ */

/* What stands for the receiver, whose own `inspect` Ruby would call. */
static size_t
append_receiver(char *buf, size_t at, VALUE receiver)
{
    if (NIL_P(receiver)) {
        return sonde_rb_append(buf, at, SONDE_STR("nil"));
    }
    if (receiver == Qtrue || receiver == Qfalse) {
        return sonde_rb_append(
            buf, at, receiver == Qtrue ? SONDE_STR("true") : SONDE_STR("false"));
    }
    if (RB_TYPE_P(receiver, T_CLASS) || RB_TYPE_P(receiver, T_MODULE)) {
        at = sonde_rb_append(buf, at,
                             RB_TYPE_P(receiver, T_CLASS) ? SONDE_STR("class ")
                                                          : SONDE_STR("module "));
        return sonde_rb_append(buf, at, sonde_rb_class_text(receiver));
    }
    at = sonde_rb_append(buf, at, SONDE_STR("an instance of "));
    return sonde_rb_append(buf, at, sonde_rb_class_text(sonde_rb_class_of(receiver)));
}

/* Which part of a NameError's pattern is the receiver: the second; where that is missing (since 3.3)
 * the third ("an instance of ") and fourth (its class) together. */
static char
place_of_receiver(struct sonde_str pattern)
{
    char place = '2';
    for (size_t i = 0; i + 1 < pattern.len; i++) {
        if (pattern.ptr[i] == '%' && pattern.ptr[i + 1] == '2') {
            return '2';
        }
        place = pattern.ptr[i] == '%' && pattern.ptr[i + 1] == '3' ? '3' : place;
    }
    return place;
}

/* The message of a NameError that the VM raised, which is put together only when somebody asks:
 * from a pattern with %s or %1$s to %4$s, the receiver and a name. */
static void
write_name_error(struct sonde_tape *tape, const VALUE *parts)
{
    char buf[SONDE_RB_NAME_BYTES];
    struct sonde_str pattern = sonde_rb_text(parts[0]);
    size_t at = 0;
    char next = '1', receiver = place_of_receiver(pattern);
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.ptr[i] != '%' || i + 1 == pattern.len) {
            at = sonde_rb_append(buf, at, (struct sonde_str){pattern.ptr + i, 1});
            continue;
        }
        char which = next;
        if (i + 3 < pattern.len && pattern.ptr[i + 2] == '$') {
            which = pattern.ptr[i + 1];
            i += 2;
        } else {
            next++;
        }
        i++; /* the 's' */
        if (which == '1') {
            at = sonde_rb_append(buf, at,
                                 SYMBOL_P(parts[2]) ? sonde_rb_text(rb_sym2str(parts[2]))
                                                    : sonde_rb_text(parts[2]));
        } else if (which == receiver) {
            at = append_receiver(buf, at, parts[1]);
        } /* what is left is ":" and its class, which are said already */
    }
    sonde_tape_text(tape, SONDE_STR("String"), SONDE_ENCODING_UTF8, buf, at);
}

/* The inside of what an exception has for a message before somebody asked; NULL: it is none. */
static const VALUE *
name_error_parts(VALUE message)
{
    return RB_TYPE_P(message, T_DATA) && RTYPEDDATA_P(message) &&
                   strcmp(RTYPEDDATA_TYPE(message)->wrap_struct_name, "name_err_mesg") ==
                       0 &&
                   RTEST(rb_obj_is_kind_of(message, rb_cNameErrorMesg))
               ? sonde_rb_data(message)
               : NULL;
}

void
sonde_rb_write_message(struct sonde_tape *tape, VALUE exception)
{
    VALUE message = rb_attr_get(exception, sonde_rb_names.message);
    const VALUE *parts = name_error_parts(message);
    if (parts != NULL && RB_TYPE_P(parts[0], T_STRING)) {
        write_name_error(tape, parts);
    } else if (!NIL_P(message)) {
        sonde_rb_write_value(tape, message);
    }
}
