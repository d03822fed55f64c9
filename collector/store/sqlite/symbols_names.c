/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store/sqlite/symbols_names.h"

#include "collector/store/sqlite/symbols_sql.h"
#include "collector/store/symbol_names.h"
#include "collector/store/symbol_words.h"
#include "core/base/alloc.h"

#include <stdlib.h>

#define TREE_MAX_BYTES ((size_t)512 * 1024 * 1024)

/* --- The index ----------------------------------------------------------------------- */

static int
add_pending(struct sonde_symbols_file *file, int64_t id, enum sonde_found_kind kind,
            struct sonde_str name, struct sonde_str qualified, bool is_gone)
{
    if (file->pending_count == file->pending_cap) {
        size_t cap = file->pending_cap == 0 ? 256 : file->pending_cap * 2;
        void *grown = sonde_realloc(file->pending, cap * sizeof(*file->pending));
        if (grown == NULL) {
            return SONDE_E_NOMEM;
        }
        file->pending = grown;
        file->pending_cap = cap;
    }
    struct sonde_symbols_pending *pending = &file->pending[file->pending_count];
    *pending = (struct sonde_symbols_pending){
        .id = id,
        .name = {sonde_arena_strdup(&file->arena, name), name.len},
        .qualified = {sonde_arena_strdup(&file->arena, qualified), qualified.len},
        .kind = kind,
        .is_gone = is_gone,
    };
    if (pending->name.ptr == NULL || pending->qualified.ptr == NULL) {
        return SONDE_E_NOMEM;
    }
    file->pending_count++;
    return SONDE_OK;
}

/* What goes first: a name may go and come in one transaction. */
static int
gone_then_by_id(const void *a, const void *b)
{
    const struct sonde_symbols_pending *left = a;
    const struct sonde_symbols_pending *right = b;
    if (left->is_gone != right->is_gone) {
        return right->is_gone - left->is_gone;
    }
    return (left->id > right->id) - (left->id < right->id);
}

int
sonde_symbols_file_keys(struct sonde_symbols_file *file, struct sonde_err *err)
{
    int rc = SONDE_OK;
    if (file->pending_count > 0) {
        qsort(file->pending, file->pending_count, sizeof(*file->pending),
              gone_then_by_id);
    }
    for (size_t i = 0; i < file->pending_count && rc == SONDE_OK; i++) {
        const struct sonde_symbols_pending *pending = &file->pending[i];
        enum sonde_symbols_statement which =
            pending->is_gone ? SONDE_SYMBOLS_DROP_KEYS : SONDE_SYMBOLS_ADD_KEYS;
        sonde_buf_reset(&file->scratch);
        sonde_words_keys(&file->scratch, pending->kind, pending->name,
                         pending->qualified);
        if (file->scratch.failed != SONDE_OK) {
            return sonde_symbols_no_memory(err);
        }
        sqlite3_bind_int64(sonde_symbols_statement_of(file, which), 1, pending->id);
        sonde_db_bind_text(sonde_symbols_statement_of(file, which), 2,
                           sonde_buf_view(&file->scratch));
        rc = sonde_symbols_run(file, which, err);
    }
    return rc;
}

/* --- Names of a unit ------------------------------------------------------------------ */

struct item {
    struct sonde_name name;
    uint64_t sum; /* of what it is, equal for equal names of a unit */
    size_t at;
    int64_t ordinal; /* among those */
};

struct items {
    const struct sonde_symbols_held *held;
    struct item *all;
    size_t count, cap;
};

static int
type_of(const struct sonde_name *name)
{
    return name->kind == SONDE_FOUND_NAME ? (int)name->symbol : (int)name->scope;
}

static struct sonde_str
text_of(const struct sonde_name *name)
{
    return name->qualified.len > 0 ? name->qualified : name->name;
}

static int
add_item(void *arg, const struct sonde_name *name)
{
    struct items *items = arg;
    if (items->count == items->cap) {
        size_t cap = items->cap == 0 ? 256 : items->cap * 2;
        void *grown = sonde_realloc(items->all, cap * sizeof(*items->all));
        if (grown == NULL) {
            return SONDE_E_NOMEM;
        }
        items->all = grown;
        items->cap = cap;
    }
    uint64_t sum = sonde_words_hash(name->is_of_root ? 0 : items->held->part,
                                    items->held->path, false);
    sum = sonde_words_hash(sum + (unsigned)name->kind * 8 + (unsigned)type_of(name),
                           text_of(name), false);
    items->all[items->count] = (struct item){*name, sum, items->count, 0};
    items->count++;
    return SONDE_OK;
}

static int
by_sum_then_place(const void *a, const void *b)
{
    const struct item *left = a;
    const struct item *right = b;
    if (left->sum != right->sum) {
        return left->sum > right->sum ? 1 : -1;
    }
    return (left->at > right->at) - (left->at < right->at);
}

/* Where names of that length stand. */
static int64_t
first_id(const struct sonde_symbols_held *held, const struct item *item)
{
    size_t len = text_of(&item->name).len;
    int64_t length = len < 255 ? (int64_t)len : 255;
    return held->service << SONDE_NAME_SERVICE_SHIFT |
           (int64_t)(held->origin - 1) << SONDE_NAME_ORIGIN_SHIFT |
           length << SONDE_NAME_NUMBER_BITS;
}

static int64_t
sum_of(const struct item *item)
{
    return (int64_t)sonde_words_hash(item->sum + (uint64_t)item->ordinal, SONDE_STR(""),
                                     false);
}

/* The names of a tree, each with its ordinal. Own: items->all. */
static int
list_items(struct items *items, const struct sonde_json *tree,
           const struct sonde_symbols_held *held)
{
    *items = (struct items){.held = held};
    int rc = sonde_names_each(tree, held->path, add_item, items);
    if (rc == SONDE_OK && items->count > 0) {
        qsort(items->all, items->count, sizeof(*items->all), by_sum_then_place);
    }
    for (size_t i = 1; i < items->count && rc == SONDE_OK; i++) {
        bool is_same = items->all[i].sum == items->all[i - 1].sum;
        items->all[i].ordinal = is_same ? items->all[i - 1].ordinal + 1 : 0;
    }
    return rc;
}

/* The id under which a name of the service is kept, 0 when it is not, and whose it is. */
static int
look_up(struct sonde_symbols_file *file, const struct sonde_symbols_held *held,
        const struct item *item, int64_t *id, int64_t *unit, struct sonde_err *err)
{
    sqlite3_stmt *find = sonde_symbols_statement_of(file, SONDE_SYMBOLS_FIND_NAME);
    int64_t first = first_id(held, item);
    int step = SQLITE_DONE;
    sqlite3_bind_int64(find, 1, sum_of(item));
    sqlite3_bind_int64(find, 2, first);
    sqlite3_bind_int64(find, 3, first + (INT64_C(1) << SONDE_NAME_NUMBER_BITS) - 1);
    *id = 0;
    while (*id == 0 && (step = sqlite3_step(find)) == SQLITE_ROW) {
        bool is_same = sqlite3_column_int(find, 2) == (int)item->name.kind &&
                       sqlite3_column_int(find, 3) == type_of(&item->name) &&
                       sqlite3_column_int64(find, 4) == item->ordinal &&
                       sonde_str_eq(sonde_db_column(find, 5), item->name.name) &&
                       sonde_str_eq(sonde_db_column(find, 6), item->name.qualified) &&
                       sqlite3_column_int64(find, 7) == held->file;
        *id = is_same ? sqlite3_column_int64(find, 0) : 0;
        *unit = sqlite3_column_int64(find, 1);
    }
    int rc = step == SQLITE_ROW || step == SQLITE_DONE ? SONDE_OK
                                                       : sonde_db_fault(&file->db, err);
    sqlite3_reset(find);
    return rc;
}

static void
count_item(struct sonde_symbols_held *held, const struct item *item, int by)
{
    bool is_file = item->name.kind == SONDE_FOUND_FILE;
    held->symbol_count += by;
    held->file_count += is_file ? by : 0;
    held->user_file_count += is_file && held->origin == SONDE_ORIGIN_USER ? by : 0;
}

static int
count_names(struct sonde_symbols_file *file, const struct sonde_symbols_held *held,
            struct sonde_err *err)
{
    sqlite3_stmt *count = sonde_symbols_statement_of(file, SONDE_SYMBOLS_COUNT_NAMES);
    sqlite3_bind_int64(count, 1, held->service);
    sqlite3_bind_int(count, 2, held->symbol_count);
    sqlite3_bind_int(count, 3, held->file_count);
    sqlite3_bind_int(count, 4, held->user_file_count);
    return sonde_symbols_run(file, SONDE_SYMBOLS_COUNT_NAMES, err);
}

static void
bind_name(sqlite3_stmt *to, const struct sonde_symbols_held *held,
          const struct item *item, int64_t id)
{
    const struct sonde_name *name = &item->name;
    sqlite3_bind_int64(to, 1, id);
    sqlite3_bind_int64(to, 2, held->unit);
    sqlite3_bind_int64(to, 3, name->line);
    sqlite3_bind_int64(to, 4, name->end_line);
    sqlite3_bind_int64(to, 5, name->probe_line);
}

static int
add_name(struct sonde_symbols_file *file, struct sonde_symbols_held *held,
         const struct item *item, struct sonde_err *err)
{
    int64_t first = first_id(held, item);
    int64_t id = 0;
    sqlite3_stmt *last = sonde_symbols_statement_of(file, SONDE_SYMBOLS_LAST_NAME);
    sqlite3_bind_int64(last, 1, first);
    sqlite3_bind_int64(last, 2, first + (INT64_C(1) << SONDE_NAME_NUMBER_BITS) - 1);
    int rc = sonde_symbols_ask(file, SONDE_SYMBOLS_LAST_NAME, &id, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    id = id == 0 ? first : id + 1;
    sqlite3_stmt *add = sonde_symbols_statement_of(file, SONDE_SYMBOLS_ADD_NAME);
    bind_name(add, held, item, id);
    sqlite3_bind_int(add, 6, (int)item->name.kind);
    sqlite3_bind_int(add, 7, type_of(&item->name));
    sqlite3_bind_int64(add, 8, item->ordinal);
    sonde_db_bind_text(add, 9, item->name.name);
    sonde_db_bind_text(add, 10, item->name.qualified);
    sqlite3_bind_int64(add, 11, sum_of(item));
    rc = sonde_symbols_run(file, SONDE_SYMBOLS_ADD_NAME, err);
    if (rc == SONDE_OK && add_pending(file, id, item->name.kind, item->name.name,
                                      item->name.qualified, false) != SONDE_OK) {
        return sonde_symbols_no_memory(err);
    }
    count_item(held, item, 1);
    file->added_count++;
    return rc;
}

static int
put_item(struct sonde_symbols_file *file, struct sonde_symbols_held *held,
         const struct item *item, struct sonde_err *err)
{
    int64_t id = 0;
    int64_t unit = 0;
    int rc = look_up(file, held, item, &id, &unit, err);
    if (rc != SONDE_OK || id == 0) {
        return rc == SONDE_OK ? add_name(file, held, item, err) : rc;
    }
    bind_name(sonde_symbols_statement_of(file, SONDE_SYMBOLS_MOVE_NAME), held, item, id);
    return sonde_symbols_run(file, SONDE_SYMBOLS_MOVE_NAME, err);
}

/* Takes it out if it is this unit's. */
static int
take_item(struct sonde_symbols_file *file, struct sonde_symbols_held *held,
          const struct item *item, struct sonde_err *err)
{
    int64_t id = 0;
    int64_t unit = 0;
    int rc = look_up(file, held, item, &id, &unit, err);
    if (rc != SONDE_OK || id == 0 || unit != held->unit) {
        return rc;
    }
    sqlite3_bind_int64(sonde_symbols_statement_of(file, SONDE_SYMBOLS_DROP_NAME), 1, id);
    rc = sonde_symbols_run(file, SONDE_SYMBOLS_DROP_NAME, err);
    if (rc == SONDE_OK && add_pending(file, id, item->name.kind, item->name.name,
                                      item->name.qualified, true) != SONDE_OK) {
        return sonde_symbols_no_memory(err);
    }
    count_item(held, item, -1);
    return rc;
}

static int
pass_items(struct sonde_symbols_file *file, struct sonde_symbols_held *held,
           struct sonde_str scope,
           int (*pass)(struct sonde_symbols_file *file, struct sonde_symbols_held *held,
                       const struct item *item, struct sonde_err *err),
           struct sonde_err *err)
{
    struct sonde_arena arena;
    struct items items = {0};
    const struct sonde_json *tree = NULL;
    struct sonde_err inner = SONDE_ERR_INIT;
    sonde_arena_init(&arena, TREE_MAX_BYTES);
    int rc = sonde_json_read(&tree, &arena, scope, &inner);
    if (rc != SONDE_OK) {
        rc = sonde_err_set(err, rc == SONDE_E_NOMEM ? rc : SONDE_E_CORRUPT, NULL,
                           "%s: a unit of %.*s can not be read", file->db.path,
                           (int)(held->path.len < 100 ? held->path.len : 100),
                           held->path.ptr);
    } else {
        rc = list_items(&items, tree, held);
        rc = rc == SONDE_OK ? rc : sonde_symbols_no_memory(err);
    }
    for (size_t i = 0; i < items.count && rc == SONDE_OK; i++) {
        rc = pass(file, held, &items.all[i], err);
    }
    rc = rc == SONDE_OK ? count_names(file, held, err) : rc;
    sonde_free(items.all);
    sonde_arena_fini(&arena);
    return rc;
}

int
sonde_symbols_put_names(struct sonde_symbols_file *file, struct sonde_symbols_held *held,
                        struct sonde_str scope, struct sonde_err *err)
{
    return pass_items(file, held, scope, put_item, err);
}

int
sonde_symbols_take_names(struct sonde_symbols_file *file, struct sonde_symbols_held *held,
                         struct sonde_str scope, struct sonde_err *err)
{
    return pass_items(file, held, scope, take_item, err);
}
