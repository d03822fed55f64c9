/* SPDX-License-Identifier: Apache-2.0
 *
 * Classes and modules: how they are called, where they were defined, what they hold. */
#include "symbols_cursor.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>

#define cursor sonde_rb_symbols

#define CONSTANTS_AT_ONCE 16
#define CHANGES_AT_ONCE 16

/* --- Names ------------------------------------------------------------------------------------ */

/* A path that constants could lead along. */
static bool
is_constant_path(struct sonde_str path)
{
    return path.len > 0 && ((path.ptr[0] >= 'A' && path.ptr[0] <= 'Z') ||
                            (unsigned char)path.ptr[0] >= 0x80);
}

static struct sonde_str
path_of(VALUE module)
{
    return sonde_rb_text(rb_class_path_cached(module));
}

/* The same name in every process: without the addresses that the VM puts into one. */
static size_t
without_addresses(struct sonde_str text, char *buf, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len && len < size; i++) {
        if (i + 3 < text.len && memcmp(text.ptr + i, ":0x", 3) == 0) {
            i += 3;
            while (i < text.len && ((text.ptr[i] >= '0' && text.ptr[i] <= '9') ||
                                    (text.ptr[i] >= 'a' && text.ptr[i] <= 'f'))) {
                i++;
            }
            if (i == text.len) {
                break;
            }
        }
        buf[len++] = text.ptr[i];
    }
    return len;
}

static struct sonde_str
nameless_text(VALUE module, char buf[SONDE_RB_NAME_BYTES])
{
    VALUE refined = RB_TYPE_P(module, T_MODULE) ? sonde_rb_refined_class(module) : Qnil;
    if (sonde_rb_is_module(refined)) {
        struct sonde_str what = path_of(refined);
        VALUE at = sonde_rb_refined_at(module);
        struct sonde_str where = sonde_rb_is_module(at) ? path_of(at) : SONDE_STR("");
        int len = snprintf(buf, SONDE_RB_NAME_BYTES, "#<refinement:%.*s@%.*s>",
                           (int)what.len, what.ptr, (int)where.len, where.ptr);
        return (struct sonde_str){
            buf, len < SONDE_RB_NAME_BYTES ? (size_t)len : SONDE_RB_NAME_BYTES - 1};
    }
    return (struct sonde_str){
        buf, without_addresses(sonde_rb_class_text(module), buf, SONDE_RB_NAME_BYTES)};
}

/* As it is said in a list of modules. */
static struct sonde_str
spoken_name(VALUE module, char buf[SONDE_RB_NAME_BYTES])
{
    struct sonde_str path = path_of(module);
    return is_constant_path(path) ? path : nameless_text(module, buf);
}

/* --- The nodes -------------------------------------------------------------------------------- */

static uint32_t *
node_slot(struct sonde_str path)
{
    uint32_t mask = cursor.node_table_room - 1;
    uint32_t at = sonde_rb_symbols_hash(path) & mask;
    while (cursor.node_table[at] != 0 &&
           !sonde_str_eq(
               sonde_rb_symbols_text(cursor.nodes.list[cursor.node_table[at] - 1].path),
               path)) {
        at = (at + 1) & mask;
    }
    return &cursor.node_table[at];
}

static bool
make_room(void)
{
    if ((cursor.nodes.count + 1) * 2 <= cursor.node_table_room) {
        return true;
    }
    uint32_t room = cursor.node_table_room == 0 ? 4096 : cursor.node_table_room * 2;
    uint32_t *table = calloc(room, sizeof(*table));
    if (table == NULL) {
        cursor.failed = SONDE_E_NOMEM;
        return false;
    }
    free(cursor.node_table);
    cursor.node_table = table;
    cursor.node_table_room = room;
    for (uint32_t i = 0; i < cursor.nodes.count; i++) {
        *node_slot(sonde_rb_symbols_text(cursor.nodes.list[i].path)) = i + 1;
    }
    return true;
}

static void
add_node(VALUE module, uint32_t parent, struct sonde_str path, uint32_t name_at,
         bool is_named)
{
    struct sonde_rb_node node = {
        .module = module,
        .parent = parent,
        .file = SONDE_RB_NO_FILE,
        .name_at = name_at,
        .is_class = RB_TYPE_P(module, T_CLASS),
        .is_named = is_named,
    };
    if (is_named && !make_room()) {
        return;
    }
    node.path = sonde_rb_symbols_keep(path);
    uint32_t *slot = is_named ? node_slot(path) : NULL;
    if (cursor.failed == SONDE_OK && SONDE_RB_PUSH(&cursor.nodes, node) && slot != NULL) {
        *slot = cursor.nodes.count;
    }
}

uint32_t
sonde_rb_symbols_node_of(struct sonde_str path)
{
    uint32_t found = path.len > 0 && cursor.node_table_room > 0 ? *node_slot(path) : 0;
    return found != 0 ? found - 1 : 0;
}

/* --- From constant to constant ------------------------------------------------------------------ */

static int
take_constant(st_data_t name, st_data_t entry, st_data_t unused)
{
    const struct sonde_rb_constant_entry *found =
        (const struct sonde_rb_constant_entry *)entry;
    (void)unused;
    if (found->value != Qundef) {
        struct sonde_rb_listed_constant constant = {
            .name = (ID)name,
            .value = found->value,
            .file = found->file,
            .line = found->line > 0 ? (uint32_t)found->line : 0,
        };
        SONDE_RB_PUSH(&cursor.constants, constant);
    }
    return ST_CONTINUE;
}

/* The constants of this very module, except those that are to be loaded when they are asked for. */
static void
gather_constants(VALUE module)
{
    cursor.constants.count = 0;
    st_table *all = rb_mod_const_at(module, NULL);
    st_foreach(all, take_constant, 0);
    st_free_table(all);
}

/* Whether that constant of the node is what its value is called by. `name_at`: where the own name begins. */
static bool
is_own_name(const struct sonde_rb_node *node, uint32_t index,
            const struct sonde_rb_listed_constant *constant, struct sonde_str *path,
            uint32_t *name_at)
{
    if (!sonde_rb_is_module(constant->value)) {
        return false;
    }
    struct sonde_str name = sonde_rb_id_text(constant->name);
    struct sonde_str outer = sonde_rb_symbols_text(node->path);
    *path = path_of(constant->value);
    *name_at = index == 0 ? 0 : (uint32_t)outer.len + 2;
    return path->len == *name_at + name.len && name.len > 0 &&
           memcmp(path->ptr + *name_at, name.ptr, name.len) == 0 &&
           (index == 0 || (memcmp(path->ptr, outer.ptr, outer.len) == 0 &&
                           memcmp(path->ptr + outer.len, "::", 2) == 0));
}

void
sonde_rb_symbols_begin_names(void)
{
    cursor.at_node = cursor.at_constant = 0;
    cursor.constants.count = 0;
    cursor.step = SONDE_RB_STEP_BEGIN;
    add_node(rb_cObject, 0, SONDE_STR("Object"), 0, true);
}

/* Those of an extension in C have its library for a file, and no line. */
static bool
has_place(const struct sonde_rb_listed_constant *constant)
{
    return RB_TYPE_P(constant->file, T_STRING) && constant->line > 0;
}

/* The file is the constant's own, which of an autoload is where it was loaded from in the end. */
static void
place_node(uint32_t index, const struct sonde_rb_listed_constant *constant)
{
    if (has_place(constant)) {
        uint32_t file = sonde_rb_symbols_file_of_path(constant->file);
        cursor.nodes.list[index].file = file;
        cursor.nodes.list[index].line = constant->line;
    }
}

static void
take_nameless(void)
{
    char buf[SONDE_RB_NAME_BYTES];
    for (uint32_t i = 0; i < cursor.nameless.count; i++) {
        VALUE module = cursor.nameless.list[i];
        if (!is_constant_path(path_of(module))) {
            add_node(module, 0, nameless_text(module, buf), 0, false);
        }
    }
    cursor.nameless.count = 0;
}

/* The modules that some of a module's constants name. */
bool
sonde_rb_symbols_step_names(void)
{
    if (cursor.at_node >= cursor.nodes.count) {
        take_nameless();
        return false;
    }
    if (cursor.step == SONDE_RB_STEP_BEGIN) {
        gather_constants(cursor.nodes.list[cursor.at_node].module);
        cursor.at_constant = 0;
        cursor.step = SONDE_RB_STEP_CONSTANTS;
    }
    for (int i = 0; i < CONSTANTS_AT_ONCE && cursor.at_constant < cursor.constants.count;
         i++) {
        const struct sonde_rb_listed_constant *constant =
            &cursor.constants.list[cursor.at_constant++];
        struct sonde_str path;
        uint32_t name_at;
        if (constant->value != rb_cObject &&
            is_own_name(&cursor.nodes.list[cursor.at_node], cursor.at_node, constant,
                        &path, &name_at)) {
            uint32_t count = cursor.nodes.count;
            add_node(constant->value, cursor.at_node, path, name_at, true);
            if (cursor.nodes.count > count) {
                place_node(count, constant);
            }
        }
    }
    if (cursor.at_constant == cursor.constants.count) {
        cursor.at_node++;
        cursor.step = SONDE_RB_STEP_BEGIN;
    }
    return true;
}

/* --- What changed -------------------------------------------------------------------------------- */

static bool
has_changed(VALUE module)
{
    uint32_t low = 0, high = cursor.changed.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (cursor.changed.list[middle] < module) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < cursor.changed.count && cursor.changed.list[low] == module;
}

static void
mark_dirty(uint32_t file)
{
    file = sonde_rb_symbols_resolve(file);
    if (file != SONDE_RB_NO_FILE) {
        cursor.files.list[file].is_dirty = true;
    }
}

/* All files in which a module stands that has changed are listed again. */
bool
sonde_rb_symbols_step_changes(void)
{
    for (int i = 0; i < CHANGES_AT_ONCE; i++) {
        if (cursor.at_node >= cursor.nodes.count || cursor.changed.count == 0) {
            return false;
        }
        const struct sonde_rb_node *node = &cursor.nodes.list[cursor.at_node];
        if (cursor.step == SONDE_RB_STEP_BEGIN) {
            if (!has_changed(node->module)) {
                cursor.at_node++;
                continue;
            }
            mark_dirty(node->file);
            sonde_rb_symbols_gather(node->module);
            cursor.at_item = 0;
            cursor.step = SONDE_RB_STEP_METHODS;
        }
        if (cursor.at_item < cursor.items.count) {
            mark_dirty(sonde_rb_symbols_file_of_method(
                cursor.items.list[cursor.at_item++].entry));
        } else {
            cursor.at_node++;
            cursor.step = SONDE_RB_STEP_BEGIN;
        }
    }
    return true;
}

/* --- Methods that stand in a module --------------------------------------------------------------- */

/* module_function leaves a private copy for who includes the module; it is the other one that has a name to be
 * called by. */
static bool
is_twin(const struct sonde_rb_method_entry *entry)
{
    if (sonde_rb_method_visibility(entry) != SONDE_RB_PRIVATE) {
        return false;
    }
    const struct sonde_rb_iseq *code = NULL;
    for (uint32_t i = 0; i < cursor.items.count && cursor.items.list[i].is_singleton;
         i++) {
        const struct sonde_rb_method_entry *other = cursor.items.list[i].entry;
        if (other->called_id == entry->called_id) {
            code = code == NULL ? sonde_rb_symbols_code_of(entry) : code;
            return code != NULL && sonde_rb_symbols_code_of(other) == code;
        }
    }
    return false;
}

static void
gather_from(VALUE owner, bool is_singleton)
{
    const struct sonde_rb_id_table *table =
        sonde_rb_method_table(sonde_rb_origin_of(owner));
    for (int i = 0; table != NULL && i < table->room; i++) {
        struct sonde_rb_item item = {
            (const struct sonde_rb_method_entry *)table->items[i].value, is_singleton};
        if (table->items[i].key <= 1 || item.entry == NULL ||
            sonde_rb_imemo_kind(item.entry->flags) != SONDE_RB_IMEMO_MENT ||
            item.entry->def == NULL || item.entry->owner != owner ||
            (!is_singleton && is_twin(item.entry))) {
            continue;
        }
        if (!SONDE_RB_PUSH(&cursor.items, item)) {
            return;
        }
    }
}

void
sonde_rb_symbols_gather(VALUE module)
{
    cursor.items.count = 0;
    VALUE singleton = sonde_rb_singleton_of(module);
    if (singleton != 0) {
        gather_from(singleton, true);
    }
    gather_from(module, false);
}

/* --- Scopes --------------------------------------------------------------------------------------- */

sonde_scope_id
sonde_rb_symbols_module_scope(uint32_t index, uint32_t file, uint32_t first,
                              uint32_t last)
{
    const struct sonde_rb_node *node = &cursor.nodes.list[index];
    sonde_scope_id outer =
        node->parent != 0 ? sonde_rb_symbols_module_scope(node->parent, file, first, last)
                          : sonde_rb_symbols_root(file);
    struct sonde_str path = sonde_rb_symbols_text(node->path);
    struct sonde_scope scope = {
        .kind = node->is_class ? SONDE_SCOPE_CLASS : SONDE_SCOPE_MODULE,
        .name = {path.ptr + node->name_at, path.len - node->name_at},
        .qualified = node->is_named ? path : SONDE_STR(""),
        .first_line = first,
        .last_line = last,
    };
    return sonde_listing_scope(cursor.listing, outer, &scope);
}

/* The super class, and the modules between it and the class: those before the class's own methods were
 * prepended. */
static void
list_ancestors(const struct sonde_rb_node *node, sonde_scope_id scope)
{
    char buf[SONDE_RB_NAME_BYTES];
    VALUE module = node->module, origin = sonde_rb_origin_of(module);
    bool is_behind = origin == module;
    VALUE at = rb_class_get_superclass(module);
    for (; at != 0 && RB_TYPE_P(at, T_ICLASS); at = rb_class_get_superclass(at)) {
        VALUE mixed = RBASIC_CLASS(at);
        if (at == origin) {
            is_behind = true;
        } else if (sonde_rb_is_module(mixed)) {
            sonde_listing_specific(cursor.listing, scope,
                                   is_behind ? "included_modules" : "prepended_modules",
                                   spoken_name(mixed, buf));
        }
    }
    if (node->is_class && at != 0 && RB_TYPE_P(at, T_CLASS)) {
        sonde_listing_specific(cursor.listing, scope, "super_classes",
                               spoken_name(at, buf));
    }
}

static int
list_class_variable(ID name, VALUE value, st_data_t scope)
{
    struct sonde_str text = sonde_rb_id_text(name);
    (void)value;
    if (text.len > 2 && text.ptr[0] == '@' && text.ptr[1] == '@') {
        sonde_listing_symbol(
            cursor.listing, (sonde_scope_id)scope,
            &(struct sonde_symbol){.kind = SONDE_SYMBOL_CLASS_VARIABLE, .name = text});
    }
    return ST_CONTINUE;
}

/* Their values come and go, so they have no type here: processes that have loaded the same say the same. */
static void
list_class_variables(VALUE module, sonde_scope_id scope)
{
    rb_ivar_foreach(module, list_class_variable, (st_data_t)scope);
}

static void
end_methods(uint32_t index)
{
    const struct sonde_rb_node *node = &cursor.nodes.list[index];
    uint32_t file = node->file, line = node->line;
    for (uint32_t i = 0; i < cursor.spots.count; i++) {
        const struct sonde_rb_spot *spot = &cursor.spots.list[i];
        sonde_rb_symbols_module_scope(index, spot->file, spot->first, spot->last);
    }
    file = sonde_rb_symbols_resolve(file);
    if (sonde_rb_symbols_wants(file)) {
        sonde_scope_id scope = sonde_rb_symbols_module_scope(index, file, line, line);
        list_ancestors(&cursor.nodes.list[index], scope);
        list_class_variables(cursor.nodes.list[index].module, scope);
    }
}

/* A class or module that stands under its own name is a scope; another name of it is a constant like others. */
static void
list_constant(uint32_t index, const struct sonde_rb_listed_constant *constant)
{
    const struct sonde_rb_node *node = &cursor.nodes.list[index];
    struct sonde_str path;
    uint32_t name_at;
    if (!has_place(constant)) {
        return;
    }
    uint32_t file = sonde_rb_symbols_file_of_path(constant->file);
    if (!sonde_rb_symbols_wants(file) || constant->value == node->module ||
        is_own_name(node, index, constant, &path, &name_at)) {
        return;
    }
    sonde_scope_id scope =
        index == 0
            ? sonde_rb_symbols_root(file)
            : sonde_rb_symbols_module_scope(index, file, constant->line, constant->line);
    VALUE class = sonde_rb_class_of(constant->value);
    char buf[SONDE_RB_NAME_BYTES];
    sonde_listing_symbol(cursor.listing, scope,
                         &(struct sonde_symbol){
                             .kind = SONDE_SYMBOL_CONSTANT,
                             .name = sonde_rb_id_text(constant->name),
                             .type = class != 0 ? spoken_name(class, buf) : SONDE_STR(""),
                             .line = constant->line,
                         });
}

static void
begin_module(const struct sonde_rb_node *node)
{
    sonde_rb_symbols_gather(node->module);
    cursor.spots.count = 0;
    cursor.at_item = 0;
    cursor.step = SONDE_RB_STEP_METHODS;
}

/* One method, or some constants. */
bool
sonde_rb_symbols_step_modules(void)
{
    uint32_t index = cursor.at_node;
    if (index >= cursor.nodes.count) {
        return false;
    }
    switch (cursor.step) {
    case SONDE_RB_STEP_BEGIN:
        begin_module(&cursor.nodes.list[index]);
        break;
    case SONDE_RB_STEP_METHODS:
        if (cursor.at_item < cursor.items.count) {
            struct sonde_rb_item item = cursor.items.list[cursor.at_item++];
            sonde_rb_symbols_method(index, &item);
            break;
        }
        end_methods(index);
        gather_constants(cursor.nodes.list[index].module);
        cursor.at_constant = 0;
        cursor.step = SONDE_RB_STEP_CONSTANTS;
        break;
    case SONDE_RB_STEP_CONSTANTS:
        for (int i = 0;
             i < CONSTANTS_AT_ONCE && cursor.at_constant < cursor.constants.count; i++) {
            list_constant(index, &cursor.constants.list[cursor.at_constant++]);
        }
        if (cursor.at_constant == cursor.constants.count) {
            cursor.at_node++;
            cursor.step = SONDE_RB_STEP_BEGIN;
        }
        break;
    }
    return true;
}
