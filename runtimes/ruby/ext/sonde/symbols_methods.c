/* SPDX-License-Identifier: Apache-2.0
 *
 * Methods and blocks: what their sequences say. */
#include "symbols_cursor.h"

#include "text.h"

#include <stdio.h>

#define cursor sonde_rb_symbols

#define ALIASES_MOST 10
#define DEPTH_MOST 60

/* What a method runs. */
struct code {
    const struct sonde_rb_iseq *iseq; /* NULL: it is an accessor */
    VALUE place;                      /* of an accessor: [path, line] */
    ID field;                         /* of an accessor */
    const char *made_by;              /* NULL: def */
    int arity;
    bool is_block;
};

/* False: it is written in C, or stands elsewhere. */
static bool
find_code(const struct sonde_rb_method_entry *entry, struct code *out)
{
    *out = (struct code){0};
    for (int i = 0; i < ALIASES_MOST && entry != NULL && entry->def != NULL; i++) {
        const struct sonde_rb_method_def *def = entry->def;
        int is_proc = 0;
        if (def->id != entry->called_id) {
            out->made_by = "alias";
        }
        switch (sonde_rb_method_type(entry)) {
        case SONDE_RB_METHOD_ISEQ:
            out->iseq = def->body[0];
            break;
        case SONDE_RB_METHOD_BLOCK:
            out->iseq = rb_proc_get_iseq((VALUE)def->body[0], &is_proc);
            out->made_by = out->made_by != NULL ? out->made_by : "define_method";
            out->is_block = true;
            break;
        case SONDE_RB_METHOD_READER:
        case SONDE_RB_METHOD_WRITER:
            out->field = (ID)def->body[0];
            out->place = (VALUE)def->body[1];
            out->arity = sonde_rb_method_type(entry) == SONDE_RB_METHOD_WRITER;
            out->made_by = out->made_by != NULL ? out->made_by
                           : out->arity == 1    ? "attr_writer"
                                                : "attr_reader";
            return RB_TYPE_P(out->place, T_ARRAY) && RARRAY_LEN(out->place) == 2 &&
                   RB_TYPE_P(RARRAY_AREF(out->place, 0), T_STRING) &&
                   FIXNUM_P(RARRAY_AREF(out->place, 1)) &&
                   FIX2LONG(RARRAY_AREF(out->place, 1)) > 0; /* 0: made by C code */
        case SONDE_RB_METHOD_ALIAS:
            out->made_by = "alias";
            entry = def->body[0];
            continue;
        case SONDE_RB_METHOD_REFINED: /* the class's own, if there is one */
            entry = def->body[0];
            continue;
        default:
            return false;
        }
        if (out->iseq == NULL || !sonde_rb_iseq_is_made(out->iseq)) {
            return false;
        }
        out->arity = sonde_rb_iseq_arity(out->iseq);
        return true;
    }
    return false;
}

const struct sonde_rb_iseq *
sonde_rb_symbols_code_of(const struct sonde_rb_method_entry *entry)
{
    struct code code;
    return find_code(entry, &code) ? code.iseq : NULL;
}

static uint32_t
file_of_code(const struct code *code, bool *is_evaled)
{
    if (code->iseq == NULL) {
        *is_evaled = true;
        return sonde_rb_symbols_file_of_path(RARRAY_AREF(code->place, 0));
    }
    return sonde_rb_symbols_file_of(code->iseq, is_evaled);
}

uint32_t
sonde_rb_symbols_file_of_method(const struct sonde_rb_method_entry *entry)
{
    struct code code;
    bool is_evaled;
    return find_code(entry, &code) ? file_of_code(&code, &is_evaled) : SONDE_RB_NO_FILE;
}

/* --- What a sequence holds ---------------------------------------------------------------------- */

/* Not what the compiler keeps for itself, nor `*` and `&` without a name. */
static bool
is_variable(struct sonde_str name)
{
    unsigned char c = name.len > 0 ? (unsigned char)name.ptr[0] : 0;
    return (c >= 'a' && c <= 'z') || c == '_' || c >= 0x80;
}

static void
list_variables(const struct sonde_rb_iseq *iseq, sonde_scope_id scope)
{
    const struct sonde_rb_body *body = iseq->body;
    for (unsigned i = 0; i < body->local_table_size; i++) {
        struct sonde_str name = sonde_rb_id_text(body->local_table[i]);
        if (is_variable(name)) {
            struct sonde_symbol symbol = {
                .kind =
                    i < body->param.size ? SONDE_SYMBOL_PARAMETER : SONDE_SYMBOL_LOCAL,
                .name = name,
            };
            sonde_listing_symbol(cursor.listing, scope, &symbol);
        }
    }
}

static void
list_lines(const struct sonde_rb_iseq *iseq, sonde_scope_id scope)
{
    const rb_event_flag_t wanted =
        RUBY_EVENT_LINE | RUBY_EVENT_RETURN | RUBY_EVENT_B_RETURN;
    const struct sonde_rb_line_entry *entries = iseq->body->lines.entries;
    uint32_t before = 0;
    for (unsigned i = 0; i < iseq->body->lines.size; i++) {
        if (entries[i].events & wanted && entries[i].line > 0 &&
            (uint32_t)entries[i].line != before) {
            before = (uint32_t)entries[i].line;
            sonde_listing_line(cursor.listing, scope, before);
        }
    }
}

/* Instance variables are of the object: of the class, in a method of that itself. */
static void
list_fields(const struct sonde_rb_iseq *iseq, sonde_scope_id scope, bool is_singleton)
{
    const VALUE *words = iseq->body->instructions;
    ID before = 0;
    if (sonde_rb_ivar_words[0] == 0) {
        return;
    }
    for (unsigned i = 0; i + 1 < iseq->body->instruction_words; i++) {
        if (words[i] != sonde_rb_ivar_words[0] && words[i] != sonde_rb_ivar_words[1] &&
            (words[i] != sonde_rb_ivar_words[2] || words[i] == 0)) {
            continue;
        }
        ID id = (ID)words[i + 1];
        if (id != before && rb_is_instance_id(id)) {
            before = id;
            struct sonde_symbol symbol = {
                .kind = is_singleton ? SONDE_SYMBOL_CLASS_VARIABLE : SONDE_SYMBOL_FIELD,
                .name = sonde_rb_id_text(id),
            };
            sonde_listing_symbol(cursor.listing, scope, &symbol);
        }
    }
}

/* --- What lies in a sequence ---------------------------------------------------------------------- */

static const struct sonde_rb_iseq *parent_of_children;

static void
take_child(VALUE object, void *unused)
{
    const struct sonde_rb_iseq *child = (const struct sonde_rb_iseq *)object;
    (void)unused;
    if (sonde_rb_is_iseq(object) && sonde_rb_iseq_is_made(child) &&
        child->body->parent == parent_of_children) {
        SONDE_RB_PUSH(&cursor.children, child);
    }
}

struct place {
    sonde_scope_id owner, scope; /* the class or file, and what the lines are of */
    bool is_singleton, has_lines;
};

static void list_sequence(const struct sonde_rb_iseq *iseq, struct place place,
                          int depth);

static void
last_lines(const struct sonde_rb_iseq *iseq, uint32_t *first, uint32_t *last)
{
    int place[4] = {0};
    long begins = sonde_rb_iseq_first_line(iseq);
    rb_iseq_code_location(iseq, &place[0], &place[1], &place[2], &place[3]);
    *first = begins > 0 ? (uint32_t)begins : 0;
    /* Code that says of itself where it is (class_eval with a line) counts on from there. */
    *last = place[2] >= begins && place[2] > 0 ? (uint32_t)place[2] : *first;
}

static void
list_block(const struct sonde_rb_iseq *iseq, struct place place, int depth)
{
    struct sonde_scope scope = {.kind = SONDE_SCOPE_CLOSURE,
                                .name = SONDE_STR("<block>")};
    last_lines(iseq, &scope.first_line, &scope.last_line);
    place.scope = sonde_listing_scope(cursor.listing, place.scope, &scope);
    list_sequence(iseq, place, depth);
}

/* rescue, ensure and what the compiler takes apart for itself are a part of what they stand in. */
static void
list_children(const struct sonde_rb_iseq *iseq, struct place place, int depth)
{
    uint32_t from = cursor.children.count;
    parent_of_children = iseq;
    rb_objspace_reachable_objects_from((VALUE)iseq, take_child, NULL);
    uint32_t to = cursor.children.count;
    for (uint32_t i = from; i < to && depth < DEPTH_MOST; i++) {
        const struct sonde_rb_iseq *child = cursor.children.list[i];
        bool is_repeat = false;
        for (uint32_t k = from; k < i && !is_repeat; k++) {
            is_repeat = cursor.children.list[k] == child;
        }
        if (is_repeat) {
            continue;
        }
        if (child->body->type == SONDE_RB_ISEQ_BLOCK) {
            list_block(child, place, depth + 1);
        } else {
            list_sequence(child, place, depth + 1);
        }
    }
    cursor.children.count = from;
}

static void
list_sequence(const struct sonde_rb_iseq *iseq, struct place place, int depth)
{
    list_variables(iseq, place.scope);
    if (place.has_lines) {
        list_lines(iseq, place.scope);
    }
    list_fields(iseq, place.owner, place.is_singleton);
    list_children(iseq, place, depth);
}

/* --- Methods -------------------------------------------------------------------------------------- */

static const char *
visibility_of(const struct sonde_rb_method_entry *entry)
{
    switch (sonde_rb_method_visibility(entry)) {
    case SONDE_RB_PRIVATE:
        return "private";
    case SONDE_RB_PROTECTED:
        return "protected";
    default:
        return "public";
    }
}

static void
list_specifics(const struct sonde_rb_item *item, const struct code *code,
               sonde_scope_id scope)
{
    char arity[16];
    snprintf(arity, sizeof(arity), "%d", code->arity);
    struct sonde_listing *listing = cursor.listing;
    sonde_listing_specific(listing, scope, "visibility",
                           sonde_str_from(visibility_of(item->entry)));
    sonde_listing_specific(listing, scope, "arity", sonde_str_from(arity));
    sonde_listing_specific(listing, scope, "method_type",
                           sonde_str_from(item->is_singleton ? "class" : "instance"));
    if (code->made_by != NULL) {
        sonde_listing_specific(listing, scope, "function_type",
                               sonde_str_from(code->made_by));
    }
}

/* The scope of the module in that file, and its lines for the end of it. */
static sonde_scope_id
stand_in(uint32_t node, uint32_t file, uint32_t first, uint32_t last)
{
    struct sonde_rb_spot *spot = NULL;
    for (uint32_t i = cursor.spots.count; i > 0 && spot == NULL; i--) {
        spot = cursor.spots.list[i - 1].file == file ? &cursor.spots.list[i - 1] : NULL;
    }
    if (spot == NULL) {
        struct sonde_rb_spot made = {
            file, first, last, sonde_rb_symbols_module_scope(node, file, first, last)};
        return SONDE_RB_PUSH(&cursor.spots, made) ? made.scope : 0;
    }
    spot->first =
        first != 0 && (spot->first == 0 || first < spot->first) ? first : spot->first;
    spot->last = last > spot->last ? last : spot->last;
    return spot->scope;
}

static void
list_accessor(const struct code *code, sonde_scope_id owner, bool is_singleton)
{
    struct sonde_symbol symbol = {
        .kind = is_singleton ? SONDE_SYMBOL_CLASS_VARIABLE : SONDE_SYMBOL_FIELD,
        .name = sonde_rb_id_text(code->field),
    };
    sonde_listing_symbol(cursor.listing, owner, &symbol);
}

static uint32_t
first_line_of(const struct code *code)
{
    long line = code->iseq != NULL ? sonde_rb_iseq_first_line(code->iseq)
                                   : FIX2LONG(RARRAY_AREF(code->place, 1));
    return line > 0 ? (uint32_t)line : 0;
}

/* Whether an instance method of the same name begins on the same line (`def` for both in one text, as
 * mattr_accessor does): a scope would be taken for the other one's. */
static bool
has_other_half(const struct sonde_rb_item *item, uint32_t first_line)
{
    for (uint32_t i = cursor.items.count; item->is_singleton && i > 0; i--) {
        const struct sonde_rb_item *other = &cursor.items.list[i - 1];
        struct code code;
        if (other->is_singleton) {
            return false; /* they come first */
        }
        if (other->entry->called_id == item->entry->called_id &&
            find_code(other->entry, &code) && first_line_of(&code) == first_line) {
            return true;
        }
    }
    return false;
}

void
sonde_rb_symbols_method(uint32_t index, const struct sonde_rb_item *item)
{
    struct code code;
    bool is_evaled;
    char buf[SONDE_RB_NAME_BYTES];
    if (!find_code(item->entry, &code)) {
        return;
    }
    uint32_t file = file_of_code(&code, &is_evaled);
    if (code.is_block) { /* it is not to come once more as a block that is in no method */
        SONDE_RB_PUSH(&cursor.block_methods, (VALUE)code.iseq);
    }
    if (!sonde_rb_symbols_wants(file)) {
        return;
    }
    struct sonde_scope scope = {.kind = SONDE_SCOPE_METHOD,
                                .name = sonde_rb_id_text(item->entry->called_id)};
    if (code.iseq != NULL) {
        last_lines(code.iseq, &scope.first_line, &scope.last_line);
    } else {
        scope.first_line = scope.last_line =
            (uint32_t)FIX2LONG(RARRAY_AREF(code.place, 1));
    }
    if (scope.name.len == 0) {
        return; /* the VM's own */
    }
    char name[SONDE_RB_NAME_BYTES];
    struct sonde_str plain = scope.name;
    if (has_other_half(item, scope.first_line)) {
        size_t len = sonde_rb_append(name, 0, SONDE_STR("self."));
        scope.name = (struct sonde_str){name, sonde_rb_append(name, len, plain)};
    }
    sonde_scope_id owner = stand_in(index, file, scope.first_line, scope.last_line);
    const struct sonde_rb_node *node = &cursor.nodes.list[index];
    if (node->is_named) {
        size_t len = sonde_rb_append(buf, 0, sonde_rb_symbols_text(node->path));
        len = sonde_rb_append(buf, len,
                              item->is_singleton ? SONDE_STR(".") : SONDE_STR("#"));
        len = sonde_rb_append(buf, len, plain);
        scope.qualified = (struct sonde_str){buf, len};
    }
    struct place place = {.owner = owner,
                          .scope = sonde_listing_scope(cursor.listing, owner, &scope),
                          .is_singleton = item->is_singleton,
                          .has_lines = !is_evaled};
    list_specifics(item, &code, place.scope);
    if (code.iseq != NULL) {
        list_sequence(code.iseq, place, 0);
    } else {
        list_accessor(&code, owner, item->is_singleton);
    }
}

/* --- Blocks that are in no method ------------------------------------------------------------------ */

/* What a class or module body that is named by one word is called; empty: it is none. */
static struct sonde_str
name_of_body(const struct sonde_rb_iseq *body)
{
    static const struct sonde_str heads[] = {{"<class:", 7}, {"<module:", 8}};
    struct sonde_str label = sonde_rb_text(rb_iseq_label(body));
    for (size_t i = 0; i < 2; i++) {
        if (label.len > heads[i].len + 1 &&
            memcmp(label.ptr, heads[i].ptr, heads[i].len) == 0) {
            struct sonde_str name = {label.ptr + heads[i].len,
                                     label.len - heads[i].len - 1};
            ID id = rb_check_id_cstr(name.ptr, (long)name.len, rb_utf8_encoding());
            return id != 0 && body->body->parent != NULL &&
                           sonde_rb_body_has_simple_name(body->body->parent, body, id)
                       ? name
                       : SONDE_STR("");
        }
    }
    return SONDE_STR("");
}

/* The path of the bodies around; empty: they are not all classes and modules with a name. */
static size_t
path_around(const struct sonde_rb_iseq *iseq, char buf[SONDE_RB_NAME_BYTES])
{
    size_t begins = SONDE_RB_NAME_BYTES;
    for (; iseq != NULL && iseq->body->type == SONDE_RB_ISEQ_CLASS;
         iseq = iseq->body->parent) {
        struct sonde_str name = name_of_body(iseq);
        size_t needed = name.len + (begins < SONDE_RB_NAME_BYTES ? 2 : 0);
        if (name.len == 0 || needed > begins) {
            return 0;
        }
        begins -= needed;
        memcpy(buf + begins, name.ptr, name.len);
        if (needed > name.len) {
            memcpy(buf + begins + name.len, "::", 2);
        }
    }
    if (iseq != NULL && iseq->body->type != SONDE_RB_ISEQ_TOP &&
        iseq->body->type != SONDE_RB_ISEQ_MAIN) {
        return 0;
    }
    memmove(buf, buf + begins, SONDE_RB_NAME_BYTES - begins);
    return SONDE_RB_NAME_BYTES - begins;
}

/* In a list in the order of addresses. */
static bool
has(const VALUE *list, uint32_t count, VALUE iseq)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list[middle] < iseq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && list[low] == iseq;
}

/* As a method, or in one; or in another block of these. */
static bool
is_listed_otherwise(const struct sonde_rb_iseq *iseq)
{
    for (bool is_inner = false; iseq != NULL && iseq->body->type != SONDE_RB_ISEQ_CLASS;
         iseq = iseq->body->parent, is_inner = true) {
        if (has(cursor.block_methods.list, cursor.block_methods.count, (VALUE)iseq) ||
            (is_inner && has(cursor.blocks.list, cursor.blocks.count, (VALUE)iseq))) {
            return true;
        }
    }
    return false;
}

static void
list_free_block(const struct sonde_rb_iseq *iseq)
{
    char buf[SONDE_RB_NAME_BYTES];
    bool is_evaled;
    uint32_t first, last;
    uint32_t file = sonde_rb_symbols_file_of(iseq, &is_evaled);
    if (is_evaled || !sonde_rb_symbols_wants(file)) {
        return;
    }
    last_lines(iseq, &first, &last);
    const struct sonde_rb_iseq *outer = iseq->body->parent;
    while (outer != NULL && outer->body->type != SONDE_RB_ISEQ_CLASS &&
           outer->body->parent != NULL) {
        outer = outer->body->parent;
    }
    size_t len = path_around(outer, buf);
    uint32_t node = sonde_rb_symbols_node_of((struct sonde_str){buf, len});
    sonde_scope_id scope = node != 0
                               ? sonde_rb_symbols_module_scope(node, file, first, last)
                               : sonde_rb_symbols_root(file);
    struct place place = {.owner = 0, .scope = scope, .has_lines = true};
    list_block(iseq, place, 0);
}

bool
sonde_rb_symbols_step_blocks(void)
{
    if (cursor.at_block >= cursor.blocks.count) {
        return false;
    }
    uint32_t at = cursor.at_block++;
    const struct sonde_rb_iseq *iseq =
        (const struct sonde_rb_iseq *)cursor.blocks.list[at];
    bool is_repeat = at > 0 && cursor.blocks.list[at - 1] == (VALUE)iseq;
    if (!is_repeat && !is_listed_otherwise(iseq)) {
        list_free_block(iseq);
    }
    return true;
}
