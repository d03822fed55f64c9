/* SPDX-License-Identifier: Apache-2.0 */
#include "find_method.h"

#include "code_index.h"
#include "follow.h"
#include "protect.h"
#include "state.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>

#define PLACES_MOST 32
#define SIMILAR_MOST 3
#define SIMILAR_DISTANCE 3
#define SIMILAR_BYTES 64

/* --- Codes ----------------------------------------------------------------------------------- */

/* The names that were asked for, in the order of their numbers. They stay: there are as many as
 * somebody typed. */
static struct {
    struct asked {
        uint32_t hash; /* compared first: all of them are gone through at each finding */
        struct sonde_str text;
    } * list;
    uint32_t count, room;
} names;

/* FNV-1a. */
static uint32_t
hash_of(struct sonde_str text)
{
    uint32_t hash = UINT32_C(2166136261);
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT32_C(16777619);
    }
    return hash;
}

/* From 1; 0: out of memory. */
static uint32_t
number_of(struct sonde_str text)
{
    uint32_t hash = hash_of(text);
    for (uint32_t i = 0; i < names.count; i++) {
        if (names.list[i].hash == hash && sonde_str_eq(names.list[i].text, text)) {
            return i + 1;
        }
    }
    if (names.count == names.room) {
        uint32_t room = names.room == 0 ? 16 : names.room * 2;
        struct asked *list = realloc(names.list, room * sizeof(*list));
        if (list == NULL) {
            return 0;
        }
        names.list = list;
        names.room = room;
    }
    char *copy = malloc(text.len + 1);
    if (copy == NULL) {
        return 0;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    names.list[names.count++] = (struct asked){hash, {copy, text.len}};
    return names.count;
}

/* --- The last finding ------------------------------------------------------------------------ */

/* Wrappers that nothing here holds: what they are of is held by its method, or by the file that is
 * about to run, for as long as the safe point lasts. */
static struct {
    struct sonde_rb_method_place list[PLACES_MOST];
    size_t count;
} places;

const struct sonde_rb_method_place *
sonde_rb_method_place_of(uint64_t code)
{
    for (size_t i = 0; i < places.count; i++) {
        if (places.list[i].code == code) {
            return &places.list[i];
        }
    }
    return NULL;
}

/* --- The question ---------------------------------------------------------------------------- */

struct similar {
    unsigned distance;
    size_t len;
    char name[SIMILAR_BYTES];
};

struct search {
    const struct sonde_probe_def *def;
    struct sonde_finding *finding; /* NULL: nothing is reported */
    struct sonde_rb_method_name name;
    struct sonde_rb_found_method found;
    enum sonde_rb_named named;
    uint32_t number;
    VALUE file; /* of the method that was found */
    struct similar similar[SIMILAR_MOST];
    int failed;      /* SONDE_E_* */
    bool is_certain; /* one that was seen ahead has that name, if it comes to be at all */
};

static VALUE
file_of(VALUE wrapper)
{
    const struct sonde_rb_iseq *iseq = rb_iseqw_to_iseq(wrapper);
    VALUE realpath = sonde_rb_iseq_file(iseq);
    return NIL_P(realpath) ? rb_iseq_path(iseq) : realpath;
}

static void
report(struct search *search, VALUE wrapper, const struct sonde_rb_method *method,
       bool is_guess)
{
    const struct sonde_rb_iseq *iseq = rb_iseqw_to_iseq(wrapper);
    uint64_t sequence = sonde_rb_index_code_of(wrapper);
    if (places.count == PLACES_MOST || sequence > UINT32_MAX) {
        search->failed = SONDE_E_LIMIT;
        return;
    }
    struct sonde_rb_method_place *place = &places.list[places.count];
    *place = (struct sonde_rb_method_place){
        .code = UINT64_C(1) << 63 | (uint64_t)search->number << 32 | sequence,
        .wrapper = wrapper,
        .owner = method != NULL ? method->owner : 0,
        .id = method != NULL ? method->id : 0,
        .is_block = method != NULL && method->is_block,
        .is_guess = is_guess,
    };
    if (sonde_rb_method_place_of(place->code) != NULL) {
        return;
    }
    places.count++;
    long line = sonde_rb_iseq_first_line(iseq);
    int result = sonde_finding_place(
        search->finding, (struct sonde_place){place->code, place->is_block},
        sonde_rb_text(file_of(wrapper)),
        place->is_block ? search->name.method : sonde_rb_text(rb_iseq_label(iseq)),
        line > 0 ? (uint32_t)line : 1);
    search->failed = result != SONDE_OK ? result : search->failed;
}

/* --- What is about to be defined --------------------------------------------------------------- */

static ID children_key;

static VALUE
push_child(RB_BLOCK_CALL_FUNC_ARGLIST(child, list))
{
    (void)argc, (void)argv, (void)blockarg;
    return rb_ary_push(list, child);
}

static VALUE
children_of(VALUE wrapper)
{
    VALUE list = rb_obj_hide(rb_ary_new());
    rb_block_call(wrapper, rb_intern("each_child"), 0, NULL, push_child, list);
    return list;
}

/* Every probe that waits asks for those of the file: they are kept with it, as long as it lives. */
static VALUE
children_of_file(VALUE wrapper)
{
    if (children_key == 0) {
        children_key = rb_intern("__sonde_children");
    }
    VALUE list = rb_attr_get(wrapper, children_key);
    if (NIL_P(list)) {
        list = children_of(wrapper);
        rb_ivar_set(wrapper, children_key, list);
    }
    return list;
}

/* Whether "::" or an end is on both sides of `part` somewhere in the path. */
static bool
has_part(struct sonde_str path, struct sonde_str part)
{
    for (size_t i = 0; i + part.len <= path.len; i++) {
        bool begins = i == 0 || path.ptr[i - 1] == ':';
        bool ends = i + part.len == path.len || path.ptr[i + part.len] == ':';
        if (begins && ends && memcmp(path.ptr + i, part.ptr, part.len) == 0) {
            return true;
        }
    }
    return false;
}

/* How much of the path a body is certain to be called: that many bytes, from its beginning. */
#define NO_MATTER_WHAT SIZE_MAX

/* The same of a class or module that is named `part` in one that is called so. False: it is called otherwise. */
static bool
go_deeper(struct sonde_str path, struct sonde_str part, size_t *called)
{
    size_t from = *called == 0 ? 0 : *called + 2, to = from + part.len;
    if (to > path.len || memcmp(path.ptr + from, part.ptr, part.len) != 0 ||
        (to < path.len && path.ptr[to] != ':')) {
        return false;
    }
    *called = to;
    return true;
}

static bool
begins_with(struct sonde_str label, const char *head)
{
    size_t len = strlen(head);
    return label.len >= len && memcmp(label.ptr, head, len) == 0;
}

/* Whether the method may be defined in there: in the body of a class or module that its name is
 * made of, or in something that is none (a block that Class.new takes). `called` becomes that of the inner. */
static bool
may_hold(const struct search *search, const struct sonde_rb_iseq *outer,
         const struct sonde_rb_iseq *inner, size_t *called)
{
    static const char *const heads[] = {"<class:", "<module:"};
    struct sonde_str label = sonde_rb_text(rb_iseq_label(inner));
    struct sonde_str path = search->name.path;
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(heads[i]);
        if (begins_with(label, heads[i]) && label.len > len) {
            struct sonde_str part = {label.ptr + len, label.len - len - 1};
            ID name = rb_check_id_cstr(part.ptr, (long)part.len, rb_utf8_encoding());
            if (*called != NO_MATTER_WHAT && name != 0 &&
                sonde_rb_body_has_simple_name(outer, inner, name)) {
                return go_deeper(path, part, called);
            }
            *called = NO_MATTER_WHAT;
            return has_part(path, part);
        }
    }
    if (begins_with(label, "singleton class")) {
        bool is_other = *called != NO_MATTER_WHAT && !search->name.is_singleton;
        *called = *called == path.len ? *called : NO_MATTER_WHAT;
        return !is_other;
    }
    if (begins_with(label, "rescue in ") || begins_with(label, "ensure in ")) {
        return true;
    }
    *called = NO_MATTER_WHAT;
    return begins_with(label, "block in ") || begins_with(label, "block (");
}

/* Whether a method that is defined in what is called so can be the one. At the top it is an Object's. */
static bool
may_be_it(const struct search *search, size_t called)
{
    struct sonde_str path = search->name.path;
    return called == NO_MATTER_WHAT || called == path.len || search->name.is_singleton ||
           (called == 0 && sonde_str_eq(path, SONDE_STR("Object")));
}

static void
look_into(struct search *search, VALUE outer, VALUE children, size_t called)
{
    for (long i = 0; i < RARRAY_LEN(children); i++) {
        VALUE child = RARRAY_AREF(children, i);
        const struct sonde_rb_iseq *iseq = rb_iseqw_to_iseq(child);
        size_t inner = called;
        if (sonde_str_eq(sonde_rb_text(rb_iseq_label(iseq)), search->name.method)) {
            bool is_certain = called == search->name.path.len;
            search->is_certain = search->is_certain || is_certain;
            if (search->finding != NULL && may_be_it(search, called)) {
                report(search, child, NULL, !is_certain);
            }
        } else if (may_hold(search, rb_iseqw_to_iseq(outer), iseq, &inner)) {
            look_into(search, child, children_of(child), inner);
        }
    }
    RB_GC_GUARD(outer);
    RB_GC_GUARD(children);
}

/* In the same file, or where there is no method of that name yet. */
static void
look_ahead(struct search *search)
{
    VALUE announced = sonde_rb_index_announced();
    if (announced == Qnil ||
        (search->file != Qnil &&
         !sonde_str_eq(sonde_rb_text(search->file), sonde_rb_text(file_of(announced))))) {
        return;
    }
    look_into(search, announced, children_of_file(announced), 0);
}

bool
sonde_rb_method_is_announced(struct sonde_str name)
{
    VALUE announced = sonde_rb_index_announced();
    struct search search = {.file = Qnil};
    if (announced == Qnil || !sonde_rb_method_name_read(&search.name, name)) {
        return false;
    }
    look_into(&search, announced, children_of_file(announced), 0);
    return search.is_certain;
}

/* Ctx: sonde_rb_protect. */
static VALUE
look(VALUE arg)
{
    struct search *search = (struct search *)arg;
    search->named = sonde_rb_method_look_up(&search->name, &search->found);
    if (search->named == SONDE_RB_NAMED_CODE) {
        search->file = file_of(search->found.wrapper);
        report(search, search->found.wrapper, &search->found.method, false);
    }
    look_ahead(search);
    return Qnil;
}

/* --- Why there is none ------------------------------------------------------------------------ */

/* How many letters have to be changed, added, left out or exchanged for one another; more than
 * `most`: too many. */
static unsigned
distance(struct sonde_str a, struct sonde_str b, unsigned most)
{
    unsigned before[SIMILAR_BYTES + 1], row[SIMILAR_BYTES + 1], last[SIMILAR_BYTES + 1];
    if (a.len > SIMILAR_BYTES || b.len > SIMILAR_BYTES || a.len > b.len + most ||
        b.len > a.len + most) {
        return most + 1;
    }
    for (size_t k = 0; k <= b.len; k++) {
        row[k] = (unsigned)k;
    }
    for (size_t i = 1; i <= a.len; i++) {
        memcpy(before, last, sizeof(before));
        memcpy(last, row, sizeof(last));
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= b.len; k++) {
            unsigned change = last[k - 1] + (a.ptr[i - 1] != b.ptr[k - 1]);
            unsigned other = (last[k] < row[k - 1] ? last[k] : row[k - 1]) + 1;
            row[k] = change < other ? change : other;
            if (i > 1 && k > 1 && a.ptr[i - 1] == b.ptr[k - 2] &&
                a.ptr[i - 2] == b.ptr[k - 1] && before[k - 2] + 1 < row[k]) {
                row[k] = before[k - 2] + 1;
            }
        }
    }
    return row[b.len];
}

static void
note_similar(struct sonde_str name, void *arg)
{
    struct search *search = arg;
    struct sonde_str wanted = search->name.method;
    unsigned far = distance(name, wanted, SIMILAR_DISTANCE);
    if (far > SIMILAR_DISTANCE || far * 2 > wanted.len || name.len > SIMILAR_BYTES) {
        return;
    }
    for (int i = 0; i < SIMILAR_MOST; i++) {
        struct similar *at = &search->similar[i];
        if (at->len == 0 || far < at->distance) {
            memmove(at + 1, at, (size_t)(SIMILAR_MOST - 1 - i) * sizeof(*at));
            at->distance = far;
            at->len = name.len;
            memcpy(at->name, name.ptr, name.len);
            return;
        }
    }
}

static VALUE
look_for_similar(VALUE arg)
{
    struct search *search = (struct search *)arg;
    if (search->found.place != 0) {
        sonde_rb_methods_each_name(search->found.place, note_similar, search);
    }
    return Qnil;
}

static void
say_no_method(struct search *search)
{
    struct sonde_str path = search->name.path, method = search->name.method;
    const char *mark = search->name.is_singleton ? "." : "#";
    char similar[SIMILAR_MOST * (SIMILAR_BYTES + 2) + 32] = "";
    size_t len = 0;
    if (sonde_rb_protect(look_for_similar, (VALUE)search, NULL) == 0) {
        for (int i = 0; i < SIMILAR_MOST && search->similar[i].len > 0; i++) {
            int more = snprintf(similar + len, sizeof(similar) - len, "%s%.*s",
                                i == 0 ? "; did you mean " : ", ",
                                (int)search->similar[i].len, search->similar[i].name);
            len += more > 0 ? (size_t)more : 0;
        }
    }
    sonde_finding_cause(search->finding, SONDE_CAUSE_FUNCTION_NOT_FOUND,
                        "there is no method %.*s%s%.*s%s", (int)path.len, path.ptr, mark,
                        (int)method.len, method.ptr, similar);
}

static void
say_no_code(struct search *search, struct sonde_str text)
{
    const struct sonde_rb_method *method = &search->found.method;
    unsigned type = sonde_rb_method_type(method->entry);
    const char *why =
        type == SONDE_RB_METHOD_READER || type == SONDE_RB_METHOD_WRITER
            ? "is made by attr_reader or attr_writer, without code of its own"
        : type == SONDE_RB_METHOD_BLOCK
            ? "is made of something that is not written in Ruby"
            : "is written in C: there is no Ruby code where it could be probed";
    sonde_finding_cause(search->finding, SONDE_CAUSE_FUNCTION_NOT_FOUND, "%.*s %s",
                        (int)text.len, text.ptr, why);
}

static void
say_others(struct search *search, struct sonde_str text)
{
    char buf[SONDE_RB_NAME_BYTES];
    const struct sonde_rb_method *method = &search->found.method;
    struct sonde_str other = sonde_rb_method_text(SONDE_STR(""), method->owner,
                                                  sonde_rb_id_text(method->id), buf);
    sonde_finding_cause(search->finding, SONDE_CAUSE_FUNCTION_NOT_FOUND,
                        "%.*s is %.*s: give that", (int)text.len, text.ptr,
                        (int)other.len, other.ptr);
}

static void
say_why(struct search *search)
{
    struct sonde_str text = search->def->location.text, path = search->name.path;
    switch (search->named) {
    case SONDE_RB_NAMED_LATER:
        sonde_finding_cause(search->finding, SONDE_CAUSE_MODULE_NOT_LOADED,
                            "waits until %.*s is defined", (int)path.len, path.ptr);
        break;
    case SONDE_RB_NAMED_OBJECT:
        sonde_finding_cause(search->finding, SONDE_CAUSE_FUNCTION_NOT_FOUND,
                            "%.*s is neither a class nor a module", (int)path.len,
                            path.ptr);
        break;
    case SONDE_RB_NAMED_OTHERS:
        say_others(search, text);
        break;
    case SONDE_RB_NAMED_NO_CODE:
        say_no_code(search, text);
        break;
    default:
        say_no_method(search);
    }
}

int
sonde_rb_find_method(const struct sonde_probe_def *def, struct sonde_finding *finding)
{
    const struct sonde_location *location = &def->location;
    struct search search = {.def = def, .finding = finding, .file = Qnil};
    places.count = 0;
    if (!sonde_rb_has(SONDE_RB_PART_METHODS) || !sonde_rb_has(SONDE_RB_PART_FRAMES)) {
        sonde_finding_cause(finding, SONDE_CAUSE_UNSUPPORTED,
                            "this Ruby is not as known inside, so that methods can not "
                            "be probed: give FILE:LINE");
        return SONDE_OK;
    }
    if (location->module.len > 0 ||
        !sonde_rb_method_name_read(&search.name, location->function)) {
        sonde_finding_cause(finding, SONDE_CAUSE_UNSUPPORTED,
                            "a method is named Class#method, or Class.method where it is "
                            "the class's own");
        return SONDE_OK;
    }
    search.number = number_of(location->function);
    if (search.number == 0) {
        return SONDE_E_NOMEM;
    }
    if (sonde_rb_protect(look, (VALUE)&search, NULL) != 0) {
        return SONDE_E_VM;
    }
    if (places.count == 0) {
        say_why(&search);
    }
    sonde_rb_follow_note(places.count > 0);
    return search.failed;
}
