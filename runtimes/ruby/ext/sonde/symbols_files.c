/* SPDX-License-Identifier: Apache-2.0
 *
 * Files by their names. What is in the text of a path is looked up once in a slice for each string that has it:
 * the sequences of a file share theirs. */
#include "symbols_cursor.h"

#include "text.h"

#include <stdlib.h>

#define cursor sonde_rb_symbols

uint32_t
sonde_rb_symbols_hash(struct sonde_str text)
{
    uint32_t hash = UINT32_C(2166136261);
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT32_C(16777619);
    }
    return hash;
}

bool
sonde_rb_symbols_grow(void **list, uint32_t *room, uint32_t count, size_t size)
{
    if (count < *room) {
        return true;
    }
    uint32_t wanted = *room == 0 ? 32 : *room * 2;
    void *larger = wanted > UINT32_MAX / 4 ? NULL : realloc(*list, (size_t)wanted * size);
    if (larger == NULL) {
        cursor.failed = SONDE_E_NOMEM;
        return false;
    }
    *list = larger;
    *room = wanted;
    return true;
}

struct sonde_str
sonde_rb_symbols_text(struct sonde_rb_run run)
{
    return (struct sonde_str){run.len > 0 ? cursor.text.list + run.at : "", run.len};
}

struct sonde_rb_run
sonde_rb_symbols_keep(struct sonde_str text)
{
    while (text.len > cursor.text.room - cursor.text.count) {
        if (!sonde_rb_symbols_grow((void **)&cursor.text.list, &cursor.text.room,
                                   cursor.text.room, 1)) {
            return (struct sonde_rb_run){0, 0};
        }
    }
    struct sonde_rb_run run = {cursor.text.count, (uint32_t)text.len};
    if (text.len > 0) {
        memcpy(cursor.text.list + run.at, text.ptr, text.len);
    }
    cursor.text.count += run.len;
    return run;
}

/* --- Names ------------------------------------------------------------------------------------ */

static uint32_t *
slot_of(struct sonde_str name)
{
    uint32_t mask = cursor.file_table_room - 1;
    uint32_t at = sonde_rb_symbols_hash(name) & mask;
    while (cursor.file_table[at] != 0 &&
           !sonde_str_eq(sonde_rb_symbols_text(
                             cursor.file_names.list[cursor.file_table[at] - 1].name),
                         name)) {
        at = (at + 1) & mask;
    }
    return &cursor.file_table[at];
}

static bool
make_room(void)
{
    if ((cursor.file_names.count + 1) * 2 <= cursor.file_table_room) {
        return true;
    }
    uint32_t room = cursor.file_table_room == 0 ? 1024 : cursor.file_table_room * 2;
    uint32_t *table = calloc(room, sizeof(*table));
    if (table == NULL) {
        cursor.failed = SONDE_E_NOMEM;
        return false;
    }
    free(cursor.file_table);
    cursor.file_table = table;
    cursor.file_table_room = room;
    for (uint32_t i = 0; i < cursor.file_names.count; i++) {
        *slot_of(sonde_rb_symbols_text(cursor.file_names.list[i].name)) = i + 1;
    }
    return true;
}

static bool
contains(struct sonde_str text, struct sonde_str part)
{
    for (size_t i = 0; i + part.len <= text.len; i++) {
        if (memcmp(text.ptr + i, part.ptr, part.len) == 0) {
            return true;
        }
    }
    return false;
}

/* Bundler's own folder for an application's gems is known by its name where the application was started without
 * Bundler, which would have told RubyGems of it. */
static enum sonde_origin
origin_of(struct sonde_str path)
{
    static const struct sonde_str internal = {"<internal:", 10};
    if (path.len > internal.len && memcmp(path.ptr, internal.ptr, internal.len) == 0) {
        return SONDE_ORIGIN_STANDARD;
    }
    if (sonde_rb_symbol_users != NULL &&
        sonde_origins_of(sonde_rb_symbol_users, path) == SONDE_ORIGIN_USER) {
        return SONDE_ORIGIN_USER;
    }
    enum sonde_origin origin =
        sonde_rb_symbol_origins != NULL ? sonde_origins_of(sonde_rb_symbol_origins, path)
        : path.len > 0 && path.ptr[0] == '/' ? SONDE_ORIGIN_USER
                                             : SONDE_ORIGIN_GENERATED;
    return origin == SONDE_ORIGIN_USER &&
                   contains(path, SONDE_STR("/vendor/bundle/ruby/"))
               ? SONDE_ORIGIN_LIBRARY
               : origin;
}

/* Gives a file one more name, or makes it when `file` is SONDE_RB_NO_FILE. */
static uint32_t
name_file(struct sonde_str name, uint32_t file)
{
    if (!make_room()) {
        return SONDE_RB_NO_FILE;
    }
    struct sonde_rb_run run = sonde_rb_symbols_keep(name);
    if (cursor.failed != SONDE_OK) {
        return SONDE_RB_NO_FILE;
    }
    if (file == SONDE_RB_NO_FILE) {
        struct sonde_rb_listed_file made = {
            .path = run, .origin = origin_of(name), .same_as = SONDE_RB_NO_FILE};
        if (!SONDE_RB_PUSH(&cursor.files, made)) {
            return SONDE_RB_NO_FILE;
        }
        file = cursor.files.count - 1;
    }
    uint32_t *slot = slot_of(name);
    struct sonde_rb_file_name named = {run, file};
    if (!SONDE_RB_PUSH(&cursor.file_names, named)) {
        return SONDE_RB_NO_FILE;
    }
    *slot = cursor.file_names.count;
    return file;
}

uint32_t
sonde_rb_symbols_resolve(uint32_t file)
{
    while (file != SONDE_RB_NO_FILE &&
           cursor.files.list[file].same_as != SONDE_RB_NO_FILE) {
        file = cursor.files.list[file].same_as;
    }
    return file;
}

uint32_t
sonde_rb_symbols_file(struct sonde_str name)
{
    /* What the facts of the VM were tried out on is ours, and goes with some collection. */
    if (name.len == 0 || sonde_str_eq(name, SONDE_STR("<sonde>")) || !make_room()) {
        return SONDE_RB_NO_FILE;
    }
    uint32_t found = *slot_of(name);
    return sonde_rb_symbols_resolve(found != 0 ? cursor.file_names.list[found - 1].file
                                               : name_file(name, SONDE_RB_NO_FILE));
}

uint32_t
sonde_rb_symbols_file_of_path(VALUE path)
{
    size_t at = (size_t)(path >> 3) % SONDE_RB_PATHS_KEPT;
    if (path != 0 && cursor.kept_paths[at].path == path) {
        return sonde_rb_symbols_resolve(cursor.kept_paths[at].file);
    }
    uint32_t file = sonde_rb_symbols_file(sonde_rb_text(path));
    if (file != SONDE_RB_NO_FILE) {
        cursor.kept_paths[at].path = path;
        cursor.kept_paths[at].file = file;
    }
    return file;
}

/* A file that was reached by a link or by a name relative to a folder (the program's own) is called otherwise in
 * what its constants say: the other name becomes one of the same file. */
static void
join(uint32_t other, uint32_t file)
{
    if (other != SONDE_RB_NO_FILE && file != SONDE_RB_NO_FILE && other != file) {
        cursor.files.list[other].same_as = file;
        cursor.files.list[file].is_dirty |= cursor.files.list[other].is_dirty;
    }
}

void
sonde_rb_symbols_same_file(struct sonde_str name, struct sonde_str of)
{
    uint32_t file = sonde_rb_symbols_file(of);
    join(sonde_rb_symbols_file(name), file);
}

uint32_t
sonde_rb_symbols_file_of(const struct sonde_rb_iseq *iseq, bool *is_evaled)
{
    VALUE real = sonde_rb_iseq_file(iseq), path = rb_iseq_path(iseq);
    *is_evaled = NIL_P(real);
    uint32_t file = sonde_rb_symbols_file_of_path(NIL_P(real) ? path : real);
    if (!NIL_P(real) && real != path && file != SONDE_RB_NO_FILE) {
        join(sonde_rb_symbols_file_of_path(path), file);
    }
    return file;
}

bool
sonde_rb_symbols_wants(uint32_t file)
{
    if (file == SONDE_RB_NO_FILE) {
        return false;
    }
    const struct sonde_rb_listed_file *known = &cursor.files.list[file];
    return (cursor.is_whole || known->is_dirty) &&
           sonde_listing_wants(cursor.listing, known->origin);
}

sonde_scope_id
sonde_rb_symbols_root(uint32_t file)
{
    struct sonde_rb_listed_file *known = &cursor.files.list[file];
    if (!known->is_listed) {
        struct sonde_str path = sonde_rb_symbols_text(known->path);
        known->scope = sonde_listing_file(cursor.listing, SONDE_SCOPE_FILE, path, path,
                                          known->origin);
        known->is_listed = true;
    }
    return known->scope;
}
