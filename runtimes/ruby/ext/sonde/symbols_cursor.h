/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files symbols*.c share: where a listing stands. There is one at a time. All of its memory is of malloc;
 * where there is none, `failed` says so, and the listing ends.
 *
 * Ctx: VM lock, sonde_rb_protect. */
#ifndef SONDE_RB_SYMBOLS_CURSOR_H
#define SONDE_RB_SYMBOLS_CURSOR_H

#include "compat/symbols.h"
#include "heap_walk.h"
#include <sonde/symbols.h>

#define SONDE_RB_NO_FILE UINT32_MAX

/* A run of the cursor's text, which may move as it grows. */
struct sonde_rb_run {
    uint32_t at, len;
};

struct sonde_rb_listed_file {
    struct sonde_rb_run path;
    enum sonde_origin origin;
    uint32_t same_as; /* another name of that one; SONDE_RB_NO_FILE: not known to be */
    bool is_dirty;    /* to be listed although not all is */
    bool is_listed;   /* `scope` is what sonde_listing_file said */
    sonde_scope_id scope;
};

/* A class or module. The first is Object. */
struct sonde_rb_node {
    VALUE module;
    uint32_t parent;     /* 0: it stands in none */
    uint32_t file, line; /* of its definition; SONDE_RB_NO_FILE, 0 */
    struct sonde_rb_run path;
    uint32_t name_at; /* where in the path its own name begins */
    bool is_class, is_named;
};

/* Where the module that is being listed stands, and from which line to which. */
struct sonde_rb_spot {
    uint32_t file, first, last;
    sonde_scope_id scope;
};

struct sonde_rb_item {
    const struct sonde_rb_method_entry *entry;
    bool is_singleton;
};

struct sonde_rb_listed_constant {
    ID name;
    VALUE value, file;
    uint32_t line;
};

struct sonde_rb_digest {
    VALUE module; /* 0: free */
    uint64_t digest;
};

struct sonde_rb_digests {
    struct sonde_rb_digest *list;
    size_t room, count; /* room: a power of two, or 0 */
};

/* Growing lists: SONDE_RB_LIST(struct x) has `list`, `count` and `room`. */
#define SONDE_RB_LIST(type)   \
    struct {                  \
        type *list;           \
        uint32_t count, room; \
    }

enum sonde_rb_symbols_phase {
    SONDE_RB_SYMBOLS_IDLE,
    SONDE_RB_SYMBOLS_WALK,
    SONDE_RB_SYMBOLS_NAMES,
    SONDE_RB_SYMBOLS_CHANGES,
    SONDE_RB_SYMBOLS_MODULES,
    SONDE_RB_SYMBOLS_BLOCKS,
};

enum sonde_rb_symbols_step { /* of one module */
                             SONDE_RB_STEP_BEGIN,
                             SONDE_RB_STEP_METHODS,
                             SONDE_RB_STEP_CONSTANTS,
};

#define SONDE_RB_PATHS_KEPT 64

struct sonde_rb_symbols {
    struct sonde_listing *listing; /* in a slice */
    enum sonde_rb_symbols_phase phase;
    int failed; /* SONDE_E_*; SONDE_OK */
    bool is_whole;

    struct sonde_rb_walk walk;
    unsigned waits; /* slices that waited for a collection to end */
    struct sonde_rb_digests digests, former;

    SONDE_RB_LIST(char) text;
    SONDE_RB_LIST(struct sonde_rb_listed_file) files;
    uint32_t *file_table; /* by name: index + 1 into file_names; 0: free */
    uint32_t file_table_room;
    SONDE_RB_LIST(struct sonde_rb_file_name {
        struct sonde_rb_run name;
        uint32_t file;
    })
    file_names;
    struct {
        VALUE path; /* 0: none. Not held: good for one slice */
        uint32_t file;
    } kept_paths[SONDE_RB_PATHS_KEPT];

    /* Held, with all in them. */
    SONDE_RB_LIST(struct sonde_rb_node) nodes;
    SONDE_RB_LIST(VALUE) nameless; /* modules */
    SONDE_RB_LIST(VALUE)
    changed;                     /* modules, in the order of their addresses at the end */
    SONDE_RB_LIST(VALUE) blocks; /* sequences */
    SONDE_RB_LIST(VALUE) block_methods; /* sequences */
    SONDE_RB_LIST(struct sonde_rb_item) items;
    SONDE_RB_LIST(struct sonde_rb_listed_constant) constants;

    uint32_t *node_table; /* by path: index + 1 into nodes; 0: free */
    uint32_t node_table_room;
    uint32_t at_node, at_item, at_constant, at_block;
    enum sonde_rb_symbols_step step;
    SONDE_RB_LIST(struct sonde_rb_spot) spots;            /* of the module at_node */
    SONDE_RB_LIST(const struct sonde_rb_iseq *) children; /* a stack */
};

extern struct sonde_rb_symbols sonde_rb_symbols;

/* Frees all that a listing has left. */
void sonde_rb_symbols_drop(void);

/* Makes room for one more; false, and `failed` is set: there is no memory. */
bool sonde_rb_symbols_grow(void **list, uint32_t *room, uint32_t count, size_t size);

#define SONDE_RB_PUSH(where, ...)                                                   \
    (sonde_rb_symbols_grow((void **)&(where)->list, &(where)->room, (where)->count, \
                           sizeof(*(where)->list))                                  \
         ? ((where)->list[(where)->count++] = __VA_ARGS__, true)                    \
         : false)

/* FNV-1a. */
uint32_t sonde_rb_symbols_hash(struct sonde_str text);

struct sonde_str sonde_rb_symbols_text(struct sonde_rb_run run);
struct sonde_rb_run sonde_rb_symbols_keep(struct sonde_str text);

/* --- symbols_files.c ------------------------------------------------------------------------- */

/* By any of its names; SONDE_RB_NO_FILE: empty, or no memory. */
uint32_t sonde_rb_symbols_file(struct sonde_str name);
uint32_t sonde_rb_symbols_file_of_path(VALUE path);

/* The file of which that one is another name; itself. */
uint32_t sonde_rb_symbols_resolve(uint32_t file);

/* Of a sequence; *is_evaled: it is in no file, whatever file it says it is of. */
uint32_t sonde_rb_symbols_file_of(const struct sonde_rb_iseq *iseq, bool *is_evaled);

/* Whether it is to be listed now. */
bool sonde_rb_symbols_wants(uint32_t file);
sonde_scope_id sonde_rb_symbols_root(uint32_t file);

/* `name` is another one of the file `of`. */
void sonde_rb_symbols_same_file(struct sonde_str name, struct sonde_str of);

/* --- symbols_modules.c ----------------------------------------------------------------------- */

void sonde_rb_symbols_begin_names(void);
bool sonde_rb_symbols_step_names(void); /* false: all is done */
bool sonde_rb_symbols_step_changes(void);
bool sonde_rb_symbols_step_modules(void);

/* What stands in the file for that module, which begins and ends there; 0: lines are not known. */
sonde_scope_id sonde_rb_symbols_module_scope(uint32_t node, uint32_t file, uint32_t first,
                                             uint32_t last);

/* The module of that path; 0: none (Object has no business here). */
uint32_t sonde_rb_symbols_node_of(struct sonde_str path);

/* Fills `items` with the methods of a class or module itself. */
void sonde_rb_symbols_gather(VALUE module);

/* --- symbols_methods.c ----------------------------------------------------------------------- */

void sonde_rb_symbols_method(uint32_t node, const struct sonde_rb_item *item);

/* What a method runs; NULL: it is an accessor, or written in C. */
const struct sonde_rb_iseq *
sonde_rb_symbols_code_of(const struct sonde_rb_method_entry *entry);

/* The file of a method; SONDE_RB_NO_FILE: it has none. */
uint32_t sonde_rb_symbols_file_of_method(const struct sonde_rb_method_entry *entry);

bool sonde_rb_symbols_step_blocks(void);

/* --- symbols_changes.c ----------------------------------------------------------------------- */

/* What a module and its singleton class have, as a number that differs when that does. */
uint64_t sonde_rb_digest_of(VALUE module);
bool sonde_rb_digests_put(struct sonde_rb_digests *digests, VALUE module,
                          uint64_t digest);
bool sonde_rb_digests_has(const struct sonde_rb_digests *digests, VALUE module,
                          uint64_t digest);
void sonde_rb_digests_fini(struct sonde_rb_digests *digests);

/* Marks as dirty what :script_compiled told of; begins to collect anew. False: too much to be told apart. */
bool sonde_rb_symbols_take_dirty(void);

/* A listing that took it did not end well: the next one is of everything. */
void sonde_rb_symbols_lose_dirty(void);

/* A listing ended well, having cost so much: its digests are what later ones are held against. */
void sonde_rb_symbols_settle(struct sonde_rb_digests *digests, int64_t cpu_ns);
const struct sonde_rb_digests *sonde_rb_symbols_settled(void);

/* --- symbols_api.c --------------------------------------------------------------------------- */

/* Whose code files are; NULL: nobody said anything. `users`: what SONDE_USER_PATHS says, where all else is
 * LIBRARY. */
extern struct sonde_origins *sonde_rb_symbol_origins, *sonde_rb_symbol_users;

/* Looks whether RubyGems has other folders by now. */
void sonde_rb_symbols_look_at_gems(void);

/* Makes the name by which the program was started one of its file. */
void sonde_rb_symbols_place_program(void);

/* For tests: the longest slice of the last listing, in CPU time. */
int64_t sonde_rb_symbols_testonly_longest_ns(void);

/* For tests: how many steps a slice has, 0: as many as there is time for; what is done between two. */
extern unsigned sonde_rb_symbols_testonly_steps;
void sonde_rb_symbols_testonly_pause(void);

/* One slice of a walk of the heap: whether that would not end a collection that is under way. */
bool sonde_rb_symbols_may_walk(void);

#endif
