/* SPDX-License-Identifier: Apache-2.0 */
#include "records.h"

#include "text.h"
#include "times.h"
#include "values.h"

/* X(C name, text) */
#define NAME_LIST(X)                                \
    X(hash, "@hash")                                \
    X(attributes, "@attributes")                    \
    X(table, "@table")                              \
    X(time_zone, "@time_zone")                      \
    X(utc, "@utc")                                  \
    X(time, "@time")                                \
    X(name, "@name")                                \
    X(values, "@values")                            \
    X(types, "@types")                              \
    X(additional_types, "@additional_types")        \
    X(default_attributes, "@default_attributes")    \
    X(casted_values, "@casted_values")              \
    X(delegate_hash, "@delegate_hash")              \
    X(value, "@value")                              \
    X(given, "@value_before_type_cast")             \
    X(memoized, "@memoized_value_before_type_cast") \
    X(type, "@type")                                \
    X(new_record, "@new_record")                    \
    X(destroyed, "@destroyed")

/* What a model keeps for its own use, in ActiveRecord and ActiveModel 4.2 to 8. The two above are
 * shown where they are true. */
static const char *const internal_names[] = {
    "@association_cache",
    "@aggregation_cache",
    "@primary_key",
    "@readonly",
    "@previously_new_record",
    "@marked_for_destruction",
    "@destroyed_by_association",
    "@_start_transaction_state",
    "@_committed_already_called",
    "@_trigger_update_callback",
    "@_trigger_destroy_callback",
    "@_new_record_before_last_commit",
    "@_already_called",
    "@_touch_attr_names",
    "@_skip_dirty_tracking",
    "@_touch_record",
    "@_defer_touch_attrs",
    "@_association_destroy_exception",
    "@_last_transaction_return_status",
    "@transaction_state",
    "@sync_with_transaction_state",
    "@strict_loading",
    "@strict_loading_mode",
    "@mutations_from_database",
    "@mutations_before_last_save",
    "@forgetting_assignment",
    "@changed_attributes",
    "@previously_changed",
    "@attributes_changed_by_setter",
    "@txn",
    "@errors",
    "@validation_context",
    "@context_for_validation",
    "@saved_change_to_attributes",
};

#define INTERNAL_COUNT (sizeof(internal_names) / sizeof(internal_names[0]))

/* All 0 until made. */
static struct {
#define MEMBER(name, text) ID name;
    NAME_LIST(MEMBER)
#undef MEMBER
    ID internal[INTERNAL_COUNT];
} names;

void
sonde_rb_records_init(void)
{
#define MAKE(name, text) names.name = rb_intern(text);
    NAME_LIST(MAKE)
#undef MAKE
    for (size_t i = 0; i < INTERNAL_COUNT; i++) {
        names.internal[i] = rb_intern(internal_names[i]);
    }
}

void
sonde_rb_note_mark(struct sonde_rb_marks *marks, ID name, VALUE value)
{
    if (name == names.attributes) {
        marks->attributes = value;
    } else if (name == names.hash) {
        marks->hash = value;
    } else if (name == names.table) {
        marks->table = value;
    } else if (name == names.time_zone) {
        marks->time_zone = value;
    }
}

static VALUE
field(VALUE object, ID name)
{
    return RB_TYPE_P(object, T_OBJECT) ? rb_attr_get(object, name) : Qnil;
}

static VALUE
hash_field(VALUE object, ID name)
{
    VALUE found = field(object, name);
    return RB_TYPE_P(found, T_HASH) ? found : Qnil;
}

static bool
is_of(VALUE object, struct sonde_str class_name)
{
    return RB_TYPE_P(object, T_OBJECT) &&
           sonde_rb_descends_from(sonde_rb_class_of(object), class_name);
}

/* --- Sets and open structs --------------------------------------------------------------------- */

static int
write_key(st_data_t key, st_data_t value, st_data_t tape)
{
    (void)value;
    if (!sonde_tape_next((struct sonde_tape *)tape)) {
        return ST_STOP;
    }
    sonde_rb_write_value((struct sonde_tape *)tape, (VALUE)key);
    return ST_CONTINUE;
}

/* What lib/set.rb makes: a Set keeps its members as the keys of a Hash. */
static void
write_set(struct sonde_tape *tape, struct sonde_str type, VALUE hash)
{
    if (sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, type, (uint64_t)RHASH_SIZE(hash))) {
        rb_hash_stlike_foreach(hash, write_key, (st_data_t)tape);
        sonde_tape_close(tape);
    }
}

/* The name that a key of a Hash gives; empty: it is neither a Symbol nor a String. */
static struct sonde_str
key_text(VALUE key)
{
    return SYMBOL_P(key) ? sonde_rb_text(rb_sym2str(key)) : sonde_rb_text(key);
}

static int
write_member(st_data_t key, st_data_t value, st_data_t tape)
{
    if (!sonde_tape_next((struct sonde_tape *)tape)) {
        return ST_STOP;
    }
    sonde_tape_name((struct sonde_tape *)tape, key_text((VALUE)key));
    sonde_rb_write_value((struct sonde_tape *)tape, (VALUE)value);
    return ST_CONTINUE;
}

/* Instance variables beside the table. */
struct others {
    struct sonde_tape *tape; /* NULL: counts */
    uint64_t count;
};

static int
visit_other(ID name, VALUE value, st_data_t arg)
{
    struct others *others = (struct others *)arg;
    if (name == names.table || !rb_is_instance_id(name)) {
        return ST_CONTINUE;
    }
    if (others->tape == NULL) {
        others->count++;
        return ST_CONTINUE;
    }
    if (!sonde_tape_next(others->tape)) {
        return ST_STOP;
    }
    sonde_tape_name(others->tape, sonde_rb_id_text_briefly(name));
    sonde_rb_write_value(others->tape, value);
    return ST_CONTINUE;
}

static void
write_open_struct(struct sonde_tape *tape, struct sonde_str type, VALUE object,
                  VALUE table)
{
    struct others others = {NULL, (uint64_t)RHASH_SIZE(table)};
    rb_ivar_foreach(object, visit_other, (st_data_t)&others);
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, others.count)) {
        return;
    }
    rb_hash_stlike_foreach(table, write_member, (st_data_t)tape);
    others.tape = tape;
    if (others.count > RHASH_SIZE(table)) {
        rb_ivar_foreach(object, visit_other, (st_data_t)&others);
    }
    sonde_tape_close(tape);
}

/* --- Times with a zone of ActiveSupport's -------------------------------------------------------- */

/* The zone's rules are not asked, so the offset is there only where it was computed: the local time is kept
 * as if it were in UTC, and the difference is the offset. */
static bool
try_write_zoned(struct sonde_tape *tape, struct sonde_str type, VALUE object, VALUE zone)
{
    char text[SONDE_RB_TIME_TEXT_BYTES];
    VALUE utc = field(object, names.utc), local = field(object, names.time);
    size_t len = 0;
    if (!NIL_P(utc) && !NIL_P(local)) {
        len = sonde_rb_zoned_time_text(utc, local, text);
    }
    if (len == 0 && !NIL_P(utc)) {
        len = sonde_rb_time_text(utc, SONDE_RB_TIME_WHOLE, text);
    }
    bool is_local = len == 0;
    if (is_local) {
        len = sonde_rb_time_text(local, SONDE_RB_TIME_WITHOUT_ZONE, text);
    }
    if (len == 0 || !sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, 2)) {
        return len != 0;
    }
    if (sonde_tape_next(tape)) {
        sonde_tape_name(tape, is_local ? SONDE_STR("local") : SONDE_STR("time"));
        sonde_tape_text(tape, SONDE_STR("Time"), SONDE_ENCODING_ASCII, text, len);
    }
    if (sonde_tape_next(tape)) {
        VALUE name = field(zone, names.name);
        sonde_tape_name(tape, SONDE_STR("time_zone"));
        sonde_rb_write_value(tape, RB_TYPE_P(name, T_STRING) ? name : zone);
    }
    sonde_tape_close(tape);
    return true;
}

/* --- Models --------------------------------------------------------------------------------------- */

/* What an attribute set is made of; Qnil: not in this version. */
struct attributes {
    VALUE made;     /* Hash: an Attribute by name, as far as one was asked for */
    VALUE values;   /* Hash: what the database gave */
    VALUE types;    /* Hash: the type of each column */
    VALUE extra;    /* Hash: of columns that are none of the model's */
    VALUE defaults; /* Hash: an Attribute by name, of those that are no columns */
    VALUE casted;   /* Hash: values that were read */
};

static bool
read_attributes(VALUE set, struct attributes *out)
{
    if (!is_of(set, SONDE_STR("ActiveModel::AttributeSet")) &&
        !is_of(set, SONDE_STR("ActiveRecord::AttributeSet"))) {
        return false;
    }
    VALUE inner = field(set, names.attributes), from = set;
    out->made = inner;
    if (!RB_TYPE_P(inner, T_HASH)) { /* before 6.1: a LazyAttributeHash */
        from = inner;
        out->made = field(inner, names.delegate_hash);
    }
    out->values = hash_field(from, names.values);
    out->types = hash_field(from, names.types);
    out->extra = hash_field(from, names.additional_types);
    out->defaults = hash_field(from, names.default_attributes);
    out->casted = hash_field(from, names.casted_values);
    return RB_TYPE_P(out->made, T_HASH);
}

struct search {
    struct sonde_str name;
    VALUE found;
};

static int
compare_key(st_data_t key, st_data_t value, st_data_t arg)
{
    struct search *search = (struct search *)arg;
    if (sonde_str_eq(sonde_rb_text((VALUE)key), search->name)) {
        search->found = (VALUE)value;
        return ST_STOP;
    }
    return ST_CONTINUE;
}

/* By comparing bytes: a look-up may ask keys for their own idea of being equal. Qundef: not there. */
static VALUE
lookup(VALUE hash, struct sonde_str name)
{
    struct search search = {name, Qundef};
    if (!NIL_P(hash)) {
        rb_hash_stlike_foreach(hash, compare_key, (st_data_t)&search);
    }
    return search.found;
}

static struct sonde_str
class_text(VALUE object)
{
    return RB_TYPE_P(object, T_OBJECT) ? sonde_rb_class_text(sonde_rb_class_of(object))
                                       : SONDE_STR("");
}

static bool
is_initialized(VALUE attribute)
{
    struct sonde_str class = class_text(attribute);
    return class.len > 0 && !sonde_str_ends_with(class, SONDE_STR("::Uninitialized")) &&
           !sonde_str_ends_with(class, SONDE_STR("Attribute::Null"));
}

/* Whether a cast would only copy it. By the type itself: one that derives from it may do more. */
static bool
is_same_when_cast(VALUE given, VALUE type)
{
    struct sonde_str class = class_text(type);
    static const char *const of_text[] = {"ActiveModel::Type::String",
                                          "ActiveModel::Type::ImmutableString",
                                          "ActiveRecord::Type::Text"};
    static const char *const of_number[] = {
        "ActiveModel::Type::Integer", "ActiveModel::Type::BigInteger",
        "ActiveRecord::ConnectionAdapters::SQLite3Adapter::SQLite3Integer"};
    if (NIL_P(given) || sonde_str_eq(class, SONDE_STR("ActiveModel::Type::Value"))) {
        return true;
    }
    if (given == Qtrue || given == Qfalse) {
        return sonde_str_eq(class, SONDE_STR("ActiveModel::Type::Boolean"));
    }
    if (RB_FLOAT_TYPE_P(given)) {
        return sonde_str_eq(class, SONDE_STR("ActiveModel::Type::Float"));
    }
    bool is_text = RB_TYPE_P(given, T_STRING);
    if (!is_text && !FIXNUM_P(given)) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        if (sonde_str_eq(class, sonde_str_from(is_text ? of_text[i] : of_number[i]))) {
            return true;
        }
    }
    return false;
}

static void
write_uncast(struct sonde_tape *tape, VALUE given, VALUE type)
{
    sonde_rb_write_noted(tape, given,
                         is_same_when_cast(given, type)
                             ? SONDE_STR("")
                             : SONDE_STR(" (before type cast)"));
}

static void
write_attribute(struct sonde_tape *tape, VALUE attribute)
{
    if (RTEST(rb_ivar_defined(attribute, names.value))) {
        sonde_rb_write_value(tape, rb_attr_get(attribute, names.value));
        return;
    }
    VALUE given = RTEST(rb_ivar_defined(attribute, names.memoized))
                      ? rb_attr_get(attribute, names.memoized)
                      : rb_attr_get(attribute, names.given);
    if (sonde_str_ends_with(class_text(attribute), SONDE_STR("::WithCastValue"))) {
        sonde_rb_write_value(tape, given);
    } else {
        write_uncast(tape, given, rb_attr_get(attribute, names.type));
    }
}

/* One pass over the attributes: counts, or writes. */
struct pass {
    struct sonde_tape *tape; /* NULL: counts */
    const struct attributes *attributes;
    uint64_t count;
    bool is_over;
    enum { OF_VALUES, OF_MADE, OF_TYPES } source;
};

/* Qundef: the set has no attribute of that name to show. In *is_value: it is none, but the value. */
static VALUE
find_attribute(const struct attributes *attributes, struct sonde_str name)
{
    VALUE found = lookup(attributes->made, name);
    if (found == Qundef && lookup(attributes->values, name) == Qundef) {
        found = lookup(attributes->defaults, name);
        return found != Qundef && is_initialized(found) ? found : Qundef;
    }
    return found != Qundef && !is_initialized(found) ? Qundef : found;
}

static void
write_database_value(const struct pass *pass, struct sonde_str name, VALUE given)
{
    VALUE value = lookup(pass->attributes->casted, name);
    if (value != Qundef) {
        sonde_rb_write_value(pass->tape, value);
        return;
    }
    VALUE type = lookup(pass->attributes->extra, name);
    if (type == Qundef) {
        type = lookup(pass->attributes->types, name);
    }
    write_uncast(pass->tape, given, type == Qundef ? Qnil : type);
}

static int
visit_attribute(st_data_t key, st_data_t value, st_data_t arg)
{
    struct pass *pass = (struct pass *)arg;
    struct sonde_str name = sonde_rb_text((VALUE)key);
    /* Each name once, where it comes first. */
    if (name.len == 0 ||
        (pass->source >= OF_MADE && lookup(pass->attributes->values, name) != Qundef) ||
        (pass->source >= OF_TYPES && lookup(pass->attributes->made, name) != Qundef)) {
        return ST_CONTINUE;
    }
    VALUE attribute = find_attribute(pass->attributes, name);
    bool is_raw = attribute == Qundef && pass->source == OF_VALUES &&
                  lookup(pass->attributes->made, name) == Qundef;
    if (attribute == Qundef && !is_raw) {
        return ST_CONTINUE;
    }
    if (pass->tape == NULL) {
        pass->count++;
        return ST_CONTINUE;
    }
    if (!sonde_tape_next(pass->tape)) {
        pass->is_over = true;
        return ST_STOP;
    }
    sonde_tape_name(pass->tape, name);
    if (is_raw) {
        write_database_value(pass, name, (VALUE)value);
    } else {
        write_attribute(pass->tape, attribute);
    }
    return ST_CONTINUE;
}

static void
run_pass(struct pass *pass)
{
    const VALUE sources[] = {pass->attributes->values, pass->attributes->made,
                             pass->attributes->types};
    for (unsigned i = 0; i < 3 && !pass->is_over; i++) {
        pass->source = i;
        if (!NIL_P(sources[i])) {
            rb_hash_stlike_foreach(sources[i], visit_attribute, (st_data_t)pass);
        }
    }
}

static bool
is_shown_beside(ID name, VALUE value)
{
    if (name == names.attributes || !rb_is_instance_id(name)) {
        return false;
    }
    if (name == names.new_record || name == names.destroyed) {
        return value == Qtrue;
    }
    for (size_t i = 0; i < INTERNAL_COUNT; i++) {
        if (name == names.internal[i]) {
            return false;
        }
    }
    return true;
}

static int
visit_beside(ID name, VALUE value, st_data_t arg)
{
    struct pass *pass = (struct pass *)arg;
    if (!is_shown_beside(name, value)) {
        return ST_CONTINUE;
    }
    if (pass->tape == NULL) {
        pass->count++;
        return ST_CONTINUE;
    }
    if (!sonde_tape_next(pass->tape)) {
        return ST_STOP;
    }
    sonde_tape_name(pass->tape, sonde_rb_id_text_briefly(name));
    sonde_rb_write_value(pass->tape, value);
    return ST_CONTINUE;
}

static void
write_model(struct sonde_tape *tape, struct sonde_str type, VALUE object,
            const struct attributes *attributes)
{
    struct pass pass = {.attributes = attributes};
    run_pass(&pass);
    rb_ivar_foreach(object, visit_beside, (st_data_t)&pass);
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, pass.count)) {
        return;
    }
    pass.tape = tape;
    run_pass(&pass);
    if (!pass.is_over) {
        rb_ivar_foreach(object, visit_beside, (st_data_t)&pass);
    }
    sonde_tape_close(tape);
}

/* --- Any of them ------------------------------------------------------------------------------- */

bool
sonde_rb_try_write_record(struct sonde_tape *tape, struct sonde_str type, VALUE object,
                          const struct sonde_rb_marks *marks)
{
    struct attributes attributes;
    if (RB_TYPE_P(marks->attributes, T_OBJECT) &&
        read_attributes(marks->attributes, &attributes)) {
        write_model(tape, type, object, &attributes);
        return true;
    }
    if (RB_TYPE_P(marks->hash, T_HASH) && is_of(object, SONDE_STR("Set"))) {
        write_set(tape, type, marks->hash);
        return true;
    }
    if (RB_TYPE_P(marks->table, T_HASH) && is_of(object, SONDE_STR("OpenStruct"))) {
        write_open_struct(tape, type, object, marks->table);
        return true;
    }
    return marks->time_zone != Qundef &&
           is_of(object, SONDE_STR("ActiveSupport::TimeWithZone")) &&
           try_write_zoned(tape, type, object, marks->time_zone);
}
