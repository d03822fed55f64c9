/* SPDX-License-Identifier: Apache-2.0 */
#include "symbols_listing.h"

#include "core/base/alloc.h"
#include "core/base/path.h"
#include "names.h"
#include "state.h"
#include "text.h"
#include "vm_thread.h"

#include <time.h>

#define ARENA_MAX ((size_t)128 * 1024 * 1024)
#define RESTARTS_MAX 16
#define POLLS_MAX 16
#define POLL_NS 50000
#define DUE_EVERY 8 /* entries of a dictionary between two looks at the clock */

struct sonde_py_symbols_known sonde_py_symbols_known;

/* --- Piles -------------------------------------------------------------------------------------- */

void *
sonde_py_pile_add(struct sonde_py_pile *pile, size_t item_bytes)
{
    if (pile->count == pile->room) {
        size_t room = pile->room == 0 ? 32 : pile->room * 2;
        void *items = sonde_realloc(pile->items, room * item_bytes);
        if (items == NULL) {
            return NULL;
        }
        pile->items = items;
        pile->item_bytes = item_bytes;
        pile->room = room;
    }
    void *item = sonde_py_pile_at(pile, pile->count++);
    memset(item, 0, item_bytes);
    return item;
}

void
sonde_py_pile_fini(struct sonde_py_pile *pile)
{
    sonde_free(pile->items);
    *pile = (struct sonde_py_pile){0};
}

/* --- Files -------------------------------------------------------------------------------------- */

struct sonde_py_symbol_file *
sonde_py_symbols_file(const struct sonde_py_symbols *symbols, uint32_t file)
{
    return sonde_py_pile_at(&symbols->files, file);
}

static const struct sonde_str frozen = {"<frozen ", 8};

static bool
is_frozen(struct sonde_str path)
{
    return path.len > frozen.len + 1 && memcmp(path.ptr, frozen.ptr, frozen.len) == 0 &&
           path.ptr[path.len - 1] == '>';
}

static enum sonde_origin
origin_of(struct sonde_str path)
{
    if (is_frozen(path)) {
        return SONDE_ORIGIN_STANDARD;
    }
    if (sonde_py_symbols_known.origins != NULL) {
        return sonde_origins_of(sonde_py_symbols_known.origins, path);
    }
    return path.len > 0 && path.ptr[0] == '/' ? SONDE_ORIGIN_USER
                                              : SONDE_ORIGIN_GENERATED;
}

static struct sonde_str
keep_text(struct sonde_py_symbols *symbols, struct sonde_str text)
{
    const char *copy = sonde_arena_strdup(&symbols->arena, text);
    if (copy == NULL) {
        symbols->failed = SONDE_E_NOMEM;
        return (struct sonde_str){"", 0};
    }
    return (struct sonde_str){copy, text.len};
}

uint32_t
sonde_py_symbols_path(struct sonde_py_symbols *symbols, struct sonde_str path,
                      struct sonde_str module)
{
    char buf[SONDE_PATH_BYTES];
    bool is_new;
    path = sonde_path_plain(path, buf);
    uint32_t *place =
        sonde_py_map_put(&symbols->file_by_path, sonde_py_hash_text(1, path), &is_new);
    if (place == NULL) {
        symbols->failed = SONDE_E_NOMEM;
        return SONDE_PY_NO_FILE;
    }
    if (!is_new) {
        return *place - 1;
    }
    struct sonde_py_symbol_file *file =
        sonde_py_pile_add(&symbols->files, sizeof(struct sonde_py_symbol_file));
    if (file == NULL) {
        symbols->failed = SONDE_E_NOMEM;
        *place = 1; /* the listing is given up */
        return SONDE_PY_NO_FILE;
    }
    *place = (uint32_t)symbols->files.count;
    file->path = keep_text(symbols, path);
    file->module = keep_text(symbols, module);
    enum sonde_origin origin = origin_of(path);
    file->origin = (uint8_t)origin;
    file->has_lines = path.len > 0 && path.ptr[0] == '/';
    file->is_wanted =
        sonde_listing_wants(symbols->listing, origin) &&
        (sonde_listing_is_whole(symbols->listing) || sonde_py_changes_have(path));
    return *place - 1;
}

uint32_t
sonde_py_symbols_module_file(const struct sonde_py_symbols *symbols,
                             struct sonde_str name)
{
    const uint32_t *place =
        sonde_py_map_get(&symbols->module_by_name, sonde_py_hash_text(2, name));
    if (place == NULL) {
        return SONDE_PY_NO_FILE;
    }
    const struct sonde_py_symbol_module *module =
        sonde_py_pile_at(&symbols->modules, *place - 1);
    return module->file;
}

/* Code of a module that is compiled into the interpreter says so; its source lies where the module's
 * file is all the same, but no line of that is known to the code. */
static uint32_t
file_of_frozen(struct sonde_py_symbols *symbols, struct sonde_str path)
{
    struct sonde_str name = {path.ptr + frozen.len, path.len - frozen.len - 1};
    uint32_t file = sonde_py_symbols_module_file(symbols, name);
    if (file == SONDE_PY_NO_FILE) {
        return sonde_py_symbols_path(symbols, path, name);
    }
    sonde_py_symbols_file(symbols, file)->has_lines = false;
    return file;
}

uint32_t
sonde_py_symbols_file_of(struct sonde_py_symbols *symbols, const PyCodeObject *code)
{
    PyObject *filename = code->co_filename;
    size_t at = ((uintptr_t)filename >> 4) % SONDE_PY_FILE_MEMOS;
    if (symbols->memos[at].filename == filename) {
        return symbols->memos[at].file;
    }
    char buf[SONDE_PY_TEXT_BYTES];
    struct sonde_str path = sonde_py_text(filename, buf);
    uint32_t file = is_frozen(path)
                        ? file_of_frozen(symbols, path)
                        : sonde_py_symbols_path(symbols, path, (struct sonde_str){"", 0});
    symbols->memos[at].filename = filename;
    symbols->memos[at].file = file;
    return file;
}

sonde_scope_id
sonde_py_symbols_root(struct sonde_py_symbols *symbols, uint32_t place)
{
    struct sonde_py_symbol_file *file = sonde_py_symbols_file(symbols, place);
    if (file->is_wanted && !file->is_mentioned) {
        file->is_mentioned = true;
        file->scope = sonde_listing_file(symbols->listing, SONDE_SCOPE_MODULE, file->path,
                                         file->module.len > 0 ? file->module : file->path,
                                         (enum sonde_origin)file->origin);
    }
    return file->scope;
}

struct sonde_str
sonde_py_symbols_qualified(const struct sonde_py_symbols *symbols, uint32_t file,
                           struct sonde_str qualname, char *buf, size_t size)
{
    struct sonde_str module = sonde_py_symbols_file(symbols, file)->module;
    if (module.len == 0 || module.len + qualname.len + 1 > size) {
        return (struct sonde_str){"", 0};
    }
    memcpy(buf, module.ptr, module.len);
    buf[module.len] = ':';
    memcpy(buf + module.len + 1, qualname.ptr, qualname.len);
    return (struct sonde_str){buf, module.len + 1 + qualname.len};
}

/* --- Classes ------------------------------------------------------------------------------------ */

struct sonde_py_symbol_class *
sonde_py_symbols_class_at(const struct sonde_py_symbols *symbols, uint32_t place)
{
    return sonde_py_pile_at(&symbols->classes, place);
}

static sonde_scope_id
mention_class(struct sonde_py_symbols *symbols, const struct sonde_py_symbol_class *class)
{
    char buf[2 * SONDE_PY_TEXT_BYTES];
    struct sonde_str name = {class->qualname.ptr + class->name_at,
                             class->qualname.len - class->name_at};
    return sonde_listing_scope(
        symbols->listing, class->parent,
        &(struct sonde_scope){
            .kind = SONDE_SCOPE_CLASS,
            .name = name,
            .qualified = sonde_py_symbols_qualified(symbols, class->file, class->qualname,
                                                    buf, sizeof(buf)),
            .first_line = class->first_line,
            .last_line = class->last_line});
}

uint32_t
sonde_py_symbols_class(struct sonde_py_symbols *symbols, uint32_t file,
                       struct sonde_str qualname, sonde_scope_id parent, uint32_t outer)
{
    uint64_t key = sonde_py_hash_text(file + UINT64_C(3), qualname);
    const uint32_t *known = sonde_py_map_get(&symbols->class_by_name, key);
    if (known != NULL) {
        return *known - 1;
    }
    size_t name_at = qualname.len;
    while (name_at > 0 && qualname.ptr[name_at - 1] != '.') {
        name_at--;
    }
    if (parent == 0) {
        struct sonde_str prefix = {qualname.ptr, name_at > 0 ? name_at - 1 : 0};
        if (prefix.len > 0 && !sonde_str_ends_with(prefix, SONDE_STR("<locals>"))) {
            outer = sonde_py_symbols_class(symbols, file, prefix, 0, SONDE_PY_NO_CLASS);
            parent = outer != SONDE_PY_NO_CLASS
                         ? sonde_py_symbols_class_at(symbols, outer)->scope
                         : 0;
        } else {
            parent = sonde_py_symbols_root(symbols, file);
        }
    }
    uint32_t *place = sonde_py_map_put(&symbols->class_by_name, key, NULL);
    struct sonde_py_symbol_class *class =
        place != NULL
            ? sonde_py_pile_add(&symbols->classes, sizeof(struct sonde_py_symbol_class))
            : NULL;
    if (class == NULL) {
        symbols->failed = SONDE_E_NOMEM;
        return SONDE_PY_NO_CLASS;
    }
    *place = (uint32_t)symbols->classes.count;
    *class = (struct sonde_py_symbol_class){.parent = parent,
                                            .outer = outer,
                                            .file = file,
                                            .qualname = keep_text(symbols, qualname),
                                            .name_at = (uint32_t)name_at};
    if (symbols->failed == SONDE_OK) {
        class->scope = mention_class(symbols, class);
    }
    return *place - 1;
}

void
sonde_py_symbols_widen(struct sonde_py_symbols *symbols, uint32_t place, uint32_t first,
                       uint32_t last)
{
    if (place != SONDE_PY_NO_CLASS && first != 0) {
        struct sonde_py_symbol_class *class = sonde_py_symbols_class_at(symbols, place);
        if (class->first_member == 0 || first < class->first_member) {
            class->first_member = first;
        }
        if (last > class->last_line) {
            class->last_line = last;
        }
    }
}

/* --- Modules ------------------------------------------------------------------------------------ */

/* The names alone, at once: what they mean is looked up when their turn comes. */
static int
take_names(struct sonde_py_symbols *symbols)
{
    PyObject *modules = PyImport_GetModuleDict(), *name, *module;
    Py_ssize_t at = 0, before = 0;
    if (modules == NULL || !PyDict_Check(modules)) {
        return SONDE_E_VM;
    }
    symbols->names_are_plain = true;
    for (; PyDict_Next(modules, &at, &name, &module); before = at) {
        if (!PyUnicode_CheckExact(name)) {
            symbols->names_are_plain = false;
            continue;
        }
        if (!PyModule_Check(module)) {
            continue;
        }
        struct sonde_py_symbol_module *item =
            sonde_py_pile_add(&symbols->modules, sizeof(*item));
        if (item == NULL) {
            return SONDE_E_NOMEM;
        }
        item->name = Py_NewRef(name);
        item->at = before;
        item->file = SONDE_PY_NO_FILE;
    }
    return SONDE_OK;
}

/* A module may stand there under several names (os.path is posixpath); its own is the one that counts.
 * NULL: it is the one. */
static PyObject *
own_name(const struct sonde_py_symbols *symbols, PyObject *name, PyObject *dict)
{
    PyObject *own = sonde_py_dict_find(dict, SONDE_STR("__name__"));
    if (own == NULL || !PyUnicode_CheckExact(own) || own == name ||
        PyUnicode_Compare(own, name) == 0) {
        return NULL;
    }
    return sonde_py_loaded_module(own, -1, symbols->names_are_plain) == dict ? own : NULL;
}

static void
list_module(struct sonde_py_symbols *symbols, struct sonde_py_symbol_module *module,
            uint32_t place)
{
    char name_buf[SONDE_PY_TEXT_BYTES], own_buf[SONDE_PY_TEXT_BYTES];
    char path_buf[SONDE_PY_TEXT_BYTES];
    PyObject *dict =
        sonde_py_loaded_module(module->name, module->at, symbols->names_are_plain);
    if (dict == NULL) {
        return;
    }
    PyObject *own = own_name(symbols, module->name, dict);
    struct sonde_str name = sonde_py_text(module->name, name_buf);
    struct sonde_str path = sonde_py_text(
        sonde_py_dict_file(dict, sonde_str_eq(name, SONDE_STR("__main__"))), path_buf);
    uint32_t *named =
        sonde_py_map_put(&symbols->module_by_name, sonde_py_hash_text(2, name), NULL);
    if (named == NULL) {
        symbols->failed = SONDE_E_NOMEM;
        return;
    }
    *named = place + 1;
    module->dict = own == NULL ? dict : NULL;
    if (path.len > 0) {
        module->file = sonde_py_symbols_path(
            symbols, path, own == NULL ? name : sonde_py_text(own, own_buf));
        if (module->file != SONDE_PY_NO_FILE) {
            sonde_py_symbols_root(symbols, module->file);
        }
    }
}

static int
list_modules(struct sonde_py_symbols *symbols)
{
    for (; symbols->at < symbols->modules.count; symbols->at++) {
        if (symbols->at % DUE_EVERY == 0 && sonde_py_symbols_is_due(symbols)) {
            return SONDE_E_LATER;
        }
        list_module(symbols, sonde_py_pile_at(&symbols->modules, symbols->at),
                    (uint32_t)symbols->at);
    }
    return SONDE_OK;
}

int
sonde_py_symbols_walk(struct sonde_py_symbols *symbols, PyObject *dict,
                      void (*visit)(struct sonde_py_symbols *symbols, PyObject *key,
                                    PyObject *value, void *arg),
                      void *arg)
{
    struct sonde_py_dict_walk *walk = &symbols->walk;
    const void *table = sonde_py_dict_table(dict);
    PyObject *key, *value;
    if (walk->dict != dict || walk->table != table ||
        walk->used != PyDict_GET_SIZE(dict)) {
        /* What was listed before is known, so that it goes fast. */
        unsigned restarts = walk->dict != NULL ? walk->restarts + 1 : 0;
        *walk =
            (struct sonde_py_dict_walk){dict, table, PyDict_GET_SIZE(dict), 0, restarts};
    }
    for (unsigned n = 1; walk->restarts < RESTARTS_MAX; n++) {
        if (sonde_py_symbols_drain(symbols) != SONDE_OK ||
            (n % DUE_EVERY == 0 && sonde_py_symbols_is_due(symbols))) {
            return SONDE_E_LATER;
        }
        if (!PyDict_Next(dict, &walk->at, &key, &value)) {
            break;
        }
        visit(symbols, key, value, arg);
    }
    *walk = (struct sonde_py_dict_walk){0};
    return SONDE_OK;
}

/* What the import system puts into every module. */
static bool
is_of_import(struct sonde_str name)
{
    static const char *const names[] = {"__name__",
                                        "__doc__",
                                        "__package__",
                                        "__loader__",
                                        "__spec__",
                                        "__file__",
                                        "__cached__",
                                        "__path__",
                                        "__builtins__",
                                        "__annotations__",
                                        "__warningregistry__",
                                        "__annotate__",
                                        "__conditional_annotations__"};
    if (name.len < 4 || name.ptr[0] != '_' || name.ptr[1] != '_') {
        return false;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (sonde_str_eq(name, sonde_str_from(names[i]))) {
            return true;
        }
    }
    return false;
}

static void
list_global(struct sonde_py_symbols *symbols, PyObject *key, PyObject *value, void *arg)
{
    const struct sonde_py_symbol_module *module = arg;
    char buf[SONDE_PY_TEXT_BYTES], type_buf[SONDE_PY_TEXT_BYTES];
    struct sonde_py_symbol_use use = {.in_class = SONDE_PY_NO_CLASS, .name = key};
    if (!PyUnicode_Check(key)) {
        return;
    }
    if (PyFunction_Check(value)) {
        sonde_py_symbols_function(symbols, value, use);
        return;
    }
    sonde_py_symbols_inside(symbols, value, use);
    struct sonde_str name = sonde_py_text(key, buf);
    if (module->file != SONDE_PY_NO_FILE && sonde_py_symbols_is_constant(value) &&
        sonde_py_symbols_file(symbols, module->file)->is_wanted && !is_of_import(name)) {
        sonde_listing_symbol(
            symbols->listing, sonde_py_symbols_root(symbols, module->file),
            &(struct sonde_symbol){.kind = SONDE_SYMBOL_CONSTANT,
                                   .name = name,
                                   .type = sonde_py_type_name(Py_TYPE(value), type_buf)});
    }
}

/* What the next look compares with. A module whose file this listing is not about stays as it was when it was listed
 * last, so that what it got since is still news. */
static void
note_listed(struct sonde_py_symbols *symbols, struct sonde_py_symbol_module *module,
            PyObject *dict)
{
    char buf[SONDE_PY_TEXT_BYTES];
    const struct sonde_py_symbols_known *known = &sonde_py_symbols_known;
    module->dict = dict;
    if (sonde_listing_is_whole(symbols->listing) ||
        (module->file != SONDE_PY_NO_FILE &&
         sonde_py_symbols_file(symbols, module->file)->is_wanted)) {
        module->used = PyDict_GET_SIZE(dict);
        module->defs = sonde_py_count_defs(dict);
        return;
    }
    const uint32_t *place = sonde_py_map_get(
        &known->module_by_name, sonde_py_hash_text(2, sonde_py_text(module->name, buf)));
    const struct sonde_py_symbol_module *before =
        place != NULL && *place != 0 ? sonde_py_pile_at(&known->modules, *place - 1)
                                     : NULL;
    module->used = before != NULL && before->dict == dict ? before->used : -1;
    module->defs = before != NULL && before->dict == dict ? before->defs : 0;
}

static int
list_dicts(struct sonde_py_symbols *symbols)
{
    for (; symbols->at < symbols->modules.count; symbols->at++) {
        struct sonde_py_symbol_module *module =
            sonde_py_pile_at(&symbols->modules, symbols->at);
        if (module->dict == NULL) {
            continue;
        }
        PyObject *dict =
            sonde_py_loaded_module(module->name, module->at, symbols->names_are_plain);
        if (dict == NULL) {
            module->dict = NULL;
            symbols->walk = (struct sonde_py_dict_walk){0};
            continue;
        }
        int result = sonde_py_symbols_walk(symbols, dict, list_global, module);
        if (result != SONDE_OK) {
            return result;
        }
        note_listed(symbols, module, dict);
        if (sonde_py_symbols_is_due(symbols)) {
            symbols->at++;
            return SONDE_E_LATER;
        }
    }
    return SONDE_OK;
}

/* --- Lines of classes --------------------------------------------------------------------------- */

/* Has the files read in which classes stand whose lines are not known. */
static int
ask_for_lines(struct sonde_py_symbols *symbols)
{
    for (size_t i = 0; i < symbols->classes.count; i++) {
        const struct sonde_py_symbol_class *class =
            sonde_py_symbols_class_at(symbols, (uint32_t)i);
        struct sonde_py_symbol_file *file = sonde_py_symbols_file(symbols, class->file);
        if (class->first_line != 0 || file->is_asked || !file->is_wanted ||
            file->path.ptr[0] != '/' ||
            !sonde_str_ends_with(file->path, SONDE_STR(".py"))) {
            continue;
        }
        file->is_asked = true;
        int result =
            symbols->lines == NULL ? sonde_py_class_lines_new(&symbols->lines) : SONDE_OK;
        if (result == SONDE_OK) {
            result = sonde_py_class_lines_add(symbols->lines, class->file, file->path);
        }
        if (result != SONDE_OK) {
            return result;
        }
    }
    if (symbols->lines != NULL) {
        sonde_py_class_lines_begin(symbols->lines);
        sonde_py_vm_thread_read();
    }
    return SONDE_OK;
}

static int
list_lines(struct sonde_py_symbols *symbols)
{
    if (symbols->at == 0) {
        symbols->at = 1;
        int result = ask_for_lines(symbols);
        if (result != SONDE_OK) {
            return result;
        }
    }
    if (symbols->lines != NULL && !sonde_py_class_lines_is_done(symbols->lines)) {
        if (symbols->at++ > POLLS_MAX) { /* somebody asks at once, again and again */
            nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
        }
        return SONDE_E_LATER;
    }
    return SONDE_OK;
}

/* The inner ones came after those that they stand in. */
static int
list_classes(struct sonde_py_symbols *symbols)
{
    for (; symbols->at < symbols->classes.count; symbols->at++) {
        if (symbols->at % DUE_EVERY == 0 && sonde_py_symbols_is_due(symbols)) {
            return SONDE_E_LATER;
        }
        uint32_t place = (uint32_t)(symbols->classes.count - 1 - symbols->at);
        struct sonde_py_symbol_class *class = sonde_py_symbols_class_at(symbols, place);
        if (class->first_line == 0 && symbols->lines != NULL) {
            class->first_line = sonde_py_class_lines_get(
                symbols->lines, class->file, class->qualname, class->first_member);
        }
        if (class->last_line < class->first_line) {
            class->last_line = class->first_line;
        }
        mention_class(symbols, class);
        sonde_py_symbols_widen(symbols, class->outer,
                               class->first_line != 0 ? class->first_line
                                                      : class->first_member,
                               class->last_line);
    }
    return SONDE_OK;
}

/* --- A listing ---------------------------------------------------------------------------------- */

static void
free_codes(struct sonde_py_pile *codes)
{
    for (size_t i = 0; i < codes->count; i++) {
        struct sonde_py_symbol_code *item = sonde_py_pile_at(codes, i);
        Py_XDECREF(item->code);
        Py_XDECREF(item->qualname);
    }
    sonde_py_pile_fini(codes);
}

static void
free_references(struct sonde_py_pile *types)
{
    for (size_t i = 0; i < types->count; i++) {
        Py_XDECREF(*(PyObject **)sonde_py_pile_at(types, i));
    }
    sonde_py_pile_fini(types);
}

static void
drop_listing(bool is_well)
{
    struct sonde_py_symbols *symbols = sonde_py_symbols_known.listing;
    if (symbols == NULL) {
        return;
    }
    sonde_py_symbols_known.listing = NULL;
    sonde_py_changes_end(symbols, is_well);
    sonde_py_modules_free(&symbols->modules);
    free_codes(&symbols->codes);
    free_codes(&symbols->left_codes);
    free_references(&symbols->types);
    free_references(&symbols->local_types);
    Py_XDECREF(symbols->type);
    sonde_py_pile_fini(&symbols->files);
    sonde_py_pile_fini(&symbols->classes);
    sonde_py_map_fini(&symbols->module_by_name);
    sonde_py_map_fini(&symbols->file_by_path);
    sonde_py_map_fini(&symbols->class_by_name);
    sonde_py_map_fini(&symbols->emitted);
    sonde_py_map_fini(&symbols->seen_types);
    sonde_py_map_fini(&symbols->listed_types);
    sonde_py_class_lines_free(symbols->lines);
    sonde_arena_fini(&symbols->arena);
    sonde_free(symbols);
}

static int
begin_listing(struct sonde_listing *listing)
{
    drop_listing(false);
    struct sonde_py_symbols *symbols = sonde_calloc(1, sizeof(*symbols));
    if (symbols == NULL) {
        return SONDE_E_NOMEM;
    }
    sonde_arena_init(&symbols->arena, ARENA_MAX);
    symbols->listing = listing;
    sonde_py_symbols_known.listing = symbols;
    for (int i = 0; i <= SONDE_ORIGIN_GENERATED; i++) {
        sonde_py_symbols_known.wants[i] =
            sonde_listing_wants(listing, (enum sonde_origin)i);
    }
    sonde_py_changes_begin(symbols);
    return SONDE_OK;
}

static int
list_phase(struct sonde_py_symbols *symbols)
{
    switch (symbols->phase) {
    case SONDE_PY_SYMBOLS_NAMES:
        return take_names(symbols);
    case SONDE_PY_SYMBOLS_MODULES:
        return list_modules(symbols);
    case SONDE_PY_SYMBOLS_TYPES:
        return sonde_py_symbols_types(symbols);
    case SONDE_PY_SYMBOLS_DICTS:
        return list_dicts(symbols);
    case SONDE_PY_SYMBOLS_LOCAL_TYPES:
        return sonde_py_symbols_local_types(symbols);
    case SONDE_PY_SYMBOLS_LEFT_CODE:
        return sonde_py_symbols_drain_left(symbols);
    case SONDE_PY_SYMBOLS_LINES:
        return list_lines(symbols);
    case SONDE_PY_SYMBOLS_CLASSES:
        return list_classes(symbols);
    case SONDE_PY_SYMBOLS_DONE:
        break;
    }
    return SONDE_OK;
}

int
sonde_py_list_symbols(void *ctx, struct sonde_listing *listing)
{
    (void)ctx;
    int result = SONDE_OK;
    if (sonde_listing_is_first(listing) || sonde_py_symbols_known.listing == NULL) {
        result = begin_listing(listing);
        if (result != SONDE_OK) {
            return result;
        }
    }
    struct sonde_py_symbols *symbols = sonde_py_symbols_known.listing;
    symbols->listing = listing;
    memset(symbols->memos, 0, sizeof(symbols->memos));
    int collects = PyGC_Disable(); /* what it would finalise is not ours to run */
    while (symbols->phase < SONDE_PY_SYMBOLS_DONE) {
        result = list_phase(symbols);
        result = symbols->failed != SONDE_OK ? symbols->failed : result;
        if (result != SONDE_OK) {
            break;
        }
        symbols->phase++;
        symbols->at = 0;
    }
    symbols->listing = NULL;
    if (result != SONDE_E_LATER) {
        drop_listing(result == SONDE_OK);
    }
    sonde_py_clear_error();
    if (collects) {
        PyGC_Enable();
    }
    return result;
}

void
sonde_py_symbols_drop(void)
{
    drop_listing(false);
}
