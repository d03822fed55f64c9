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
    struct sonde_finding *finding;
    struct sonde_rb_method_name name;
    struct sonde_rb_found_method found;
    enum sonde_rb_named named;
    uint32_t number;
    VALUE file; /* of the method that was found */
    struct similar similar[SIMILAR_MOST];
    int failed; /* SONDE_E_* */
};

static VALUE
file_of(VALUE wrapper)
{
    const struct sonde_rb_iseq *iseq = rb_iseqw_to_iseq(wrapper);
    VALUE realpath = sonde_rb_iseq_file(iseq);
    return NIL_P(realpath) ? rb_iseq_path(iseq) : realpath;
}

static void
report(struct search *search, VALUE wrapper, const struct sonde_rb_method *method)
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

/* Whether the method may be defined in there: in the body of a class or module that its name is
 * made of, or in something that is none (a block that Class.new takes). */
static bool
may_hold(const struct search *search, struct sonde_str label)
{
    static const struct sonde_str heads[] = {{"<class:", 7}, {"<module:", 8}};
    for (size_t i = 0; i < 2; i++) {
        if (label.len > heads[i].len &&
            memcmp(label.ptr, heads[i].ptr, heads[i].len) == 0) {
            struct sonde_str part = {label.ptr + heads[i].len,
                                     label.len - heads[i].len - 1};
            return has_part(search->name.path, part);
        }
    }
    static const struct sonde_str others[] = {
        {"singleton class", 15}, {"block in ", 9}, {"block (", 7}};
    for (size_t i = 0; i < 3; i++) {
        if (label.len >= others[i].len &&
            memcmp(label.ptr, others[i].ptr, others[i].len) == 0) {
            return true;
        }
    }
    return false;
}

static void
look_into(struct search *search, VALUE children)
{
    for (long i = 0; i < RARRAY_LEN(children); i++) {
        VALUE child = RARRAY_AREF(children, i);
        struct sonde_str label = sonde_rb_text(rb_iseq_label(rb_iseqw_to_iseq(child)));
        if (sonde_str_eq(label, search->name.method)) {
            report(search, child, NULL);
        } else if (may_hold(search, label)) {
            look_into(search, children_of(child));
        }
    }
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
    look_into(search, children_of_file(announced));
}

/* Ctx: sonde_rb_protect. */
static VALUE
look(VALUE arg)
{
    struct search *search = (struct search *)arg;
    search->named = sonde_rb_method_look_up(&search->name, &search->found);
    if (search->named == SONDE_RB_NAMED_CODE) {
        search->file = file_of(search->found.wrapper);
        report(search, search->found.wrapper, &search->found.method);
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
