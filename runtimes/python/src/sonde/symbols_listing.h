/* SPDX-License-Identifier: Apache-2.0
 *
 * A listing under way, and what is kept between two of them; for the files symbols*.c alone.
 *
 * Between slices only names, code objects and weak references are held, whose end runs nothing; everything else is
 * looked up again.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_SYMBOLS_LISTING_H
#define SONDE_PY_SYMBOLS_LISTING_H

#include "class_lines.h"
#include "compat/compat.h"
#include "compat/symbol_facts.h"
#include "core/base/arena.h"
#include "symbols.h"
#include "symbols_map.h"

#define SONDE_PY_NO_FILE UINT32_MAX
#define SONDE_PY_NO_CLASS UINT32_MAX
#define SONDE_PY_FILE_MEMOS 512

/* A growing list of any items. */
struct sonde_py_pile {
    char *items;
    size_t item_bytes, count, room;
};

/* A zeroed item at the end; NULL: out of memory. */
void *sonde_py_pile_add(struct sonde_py_pile *pile, size_t item_bytes);
void sonde_py_pile_fini(struct sonde_py_pile *pile);

static inline void *
sonde_py_pile_at(const struct sonde_py_pile *pile, size_t i)
{
    return pile->items + i * pile->item_bytes;
}

/* A file that code or a module has. */
struct sonde_py_symbol_file {
    struct sonde_str path, module; /* the arena's; module: empty where none has it */
    sonde_scope_id scope;          /* 0: not mentioned yet, or lost */
    uint8_t origin;
    bool is_wanted; /* in this listing */
    bool has_lines; /* its code can take probes by the file's lines */
    bool is_mentioned;
    bool is_asked; /* for the lines of its classes */
};

struct sonde_py_symbol_module {
    PyObject *name; /* strong; an exact str */
    Py_ssize_t at;  /* place in sys.modules, as a hint */
    uint32_t file;
    /* As they were when it was listed: */
    PyObject *dict; /* not counted: only compared */
    Py_ssize_t used;
    uint32_t defs; /* functions and classes among its names */
};

struct sonde_py_symbol_class {
    sonde_scope_id parent, scope;
    uint32_t outer; /* the class that it stands in, or SONDE_PY_NO_CLASS */
    uint32_t file;
    struct sonde_str qualname; /* the arena's */
    uint32_t name_at;          /* where its own name begins in it */
    uint32_t first_line, last_line;
    uint32_t first_member; /* the lowest line of what stands in it; 0: nothing */
};

/* A walk through a dictionary that may change between two slices: it begins anew then. */
struct sonde_py_dict_walk {
    const void *dict, *table;
    Py_ssize_t used, at;
    unsigned restarts;
};

enum sonde_py_symbols_phase {
    SONDE_PY_SYMBOLS_NAMES,
    SONDE_PY_SYMBOLS_MODULES,
    SONDE_PY_SYMBOLS_TYPES,
    SONDE_PY_SYMBOLS_DICTS,
    SONDE_PY_SYMBOLS_LOCAL_TYPES,
    SONDE_PY_SYMBOLS_LEFT_CODE,
    SONDE_PY_SYMBOLS_LINES,
    SONDE_PY_SYMBOLS_CLASSES,
    SONDE_PY_SYMBOLS_DONE,
};

/* A code object that waits for its turn. */
struct sonde_py_symbol_code {
    PyCodeObject *code; /* strong */
    PyObject *qualname; /* strong; NULL: the code object knows it */
    sonde_scope_id parent;
    uint32_t file, in_class; /* SONDE_PY_NO_CLASS: it stands in no class */
};

struct sonde_py_symbols {
    struct sonde_listing *listing; /* of the present slice */
    struct sonde_arena arena;
    enum sonde_py_symbols_phase phase;
    int failed;           /* SONDE_E_NOMEM */
    bool names_are_plain; /* all keys of sys.modules are exact strings */

    struct sonde_py_pile modules;       /* struct sonde_py_symbol_module */
    struct sonde_py_map module_by_name; /* to its place + 1 */
    struct sonde_py_pile files;         /* struct sonde_py_symbol_file */
    struct sonde_py_map file_by_path;   /* to its place + 1 */
    struct sonde_py_pile classes;       /* struct sonde_py_symbol_class */
    struct sonde_py_map class_by_name;  /* file and qualified name to its place + 1 */
    struct sonde_py_map emitted;        /* code objects to their scopes + 1 */
    struct sonde_py_map seen_types;     /* addresses */
    struct sonde_py_map listed_types; /* what they looked like; kept when it ends well */
    struct sonde_py_pile types;       /* PyObject *: weak references or static types */
    struct sonde_py_pile local_types; /* PyObject *: weak references */
    struct sonde_py_pile codes;       /* struct sonde_py_symbol_code: next to be listed */
    struct sonde_py_pile
        left_codes; /* the same: where what they stand in was not found */
    struct sonde_py_class_lines *lines;

    size_t at;      /* place in whatever this phase goes through */
    PyObject *type; /* the class whose names are walked through: its weak reference */
    uint32_t type_class; /* its place */
    struct sonde_py_dict_walk walk;

    struct {
        PyObject *filename;
        uint32_t file;
    } memos[SONDE_PY_FILE_MEMOS]; /* of one slice */
};

/* What listings leave behind for the next one and for the question whether something changed. */
struct sonde_py_symbols_known {
    bool is_watching;
    struct sonde_py_symbols *listing; /* under way; own */
    struct sonde_origins *origins;    /* own */
    struct sonde_py_pile modules;     /* as listed: struct sonde_py_symbol_module; own */
    struct sonde_py_map module_by_name;
    struct sonde_py_map types; /* what they looked like */
    bool wants[SONDE_ORIGIN_GENERATED + 1];
    bool is_listed; /* some listing ended well */
};

extern struct sonde_py_symbols_known sonde_py_symbols_known;

/* --- symbols_changes.c ----------------------------------------------------------------------- */

/* What changed, up to now, belongs to a listing that begins. */
void sonde_py_changes_begin(struct sonde_py_symbols *symbols);

/* It ended: well, or the changes wait for the next one. */
void sonde_py_changes_end(struct sonde_py_symbols *symbols, bool is_well);

/* Whether something may have changed in that file. */
bool sonde_py_changes_have(struct sonde_str path);

/* A new list; NULL: none could be made. For the interpreter's own types, which keep their subclasses
 * where only it knows. */
PyObject *sonde_py_list_subclasses(PyTypeObject *type);

/* What a class looks like: it changes when a method is added. */
uint64_t sonde_py_type_look(PyTypeObject *type);

/* The module's dictionary of that name in sys.modules, borrowed; NULL: none, or something else. */
PyObject *sonde_py_loaded_module(PyObject *name, Py_ssize_t at, bool names_are_plain);

void sonde_py_modules_free(struct sonde_py_pile *modules);

/* How many functions and classes are among a module's names. */
uint32_t sonde_py_count_defs(PyObject *dict);

/* --- symbols.c --------------------------------------------------------------------------------- */

/* Frees a listing that is under way. */
void sonde_py_symbols_drop(void);

static inline bool
sonde_py_symbols_is_due(const struct sonde_py_symbols *symbols)
{
    return sonde_listing_is_due(symbols->listing);
}

struct sonde_py_symbol_file *sonde_py_symbols_file(const struct sonde_py_symbols *symbols,
                                                   uint32_t file);

/* The file of that path, made where there is none; `module` is its module's name, or empty.
 * SONDE_PY_NO_FILE: out of memory. */
uint32_t sonde_py_symbols_path(struct sonde_py_symbols *symbols, struct sonde_str path,
                               struct sonde_str module);

/* The file that the code comes from. */
uint32_t sonde_py_symbols_file_of(struct sonde_py_symbols *symbols,
                                  const PyCodeObject *code);

/* The root scope of a file. */
sonde_scope_id sonde_py_symbols_root(struct sonde_py_symbols *symbols, uint32_t file);

/* The file of the module with that name, or SONDE_PY_NO_FILE. */
uint32_t sonde_py_symbols_module_file(const struct sonde_py_symbols *symbols,
                                      struct sonde_str name);

/* SONDE_PY_NO_CLASS: out of memory. `parent` 0: as its qualified name says. */
uint32_t sonde_py_symbols_class(struct sonde_py_symbols *symbols, uint32_t file,
                                struct sonde_str qualname, sonde_scope_id parent,
                                uint32_t outer);

struct sonde_py_symbol_class *
sonde_py_symbols_class_at(const struct sonde_py_symbols *symbols, uint32_t place);

/* Something with these lines stands in the class. */
void sonde_py_symbols_widen(struct sonde_py_symbols *symbols, uint32_t place,
                            uint32_t first, uint32_t last);

/* Goes through a dictionary until the slice is over. SONDE_OK; SONDE_E_LATER. */
int sonde_py_symbols_walk(struct sonde_py_symbols *symbols, PyObject *dict,
                          void (*visit)(struct sonde_py_symbols *symbols, PyObject *key,
                                        PyObject *value, void *arg),
                          void *arg);

/* "module:qualname" in `buf`; empty where the file has no module, or it does not fit. */
struct sonde_str sonde_py_symbols_qualified(const struct sonde_py_symbols *symbols,
                                            uint32_t file, struct sonde_str qualname,
                                            char *buf, size_t size);

/* --- symbols_code.c ------------------------------------------------------------------------------ */

/* How a function was found. */
struct sonde_py_symbol_use {
    uint32_t
        in_class; /* it stands in the dictionary of this class, or SONDE_PY_NO_CLASS */
    const char *method_type; /* "static", "class", "property", …; NULL */
    PyObject *name;          /* by which name; borrowed */
    unsigned depth;
};

/* Lists a function, what it wraps, and what it closes over. */
void sonde_py_symbols_function(struct sonde_py_symbols *symbols, PyObject *function,
                               struct sonde_py_symbol_use use);

/* Lists the functions in a value that is none itself; how many were seen. */
unsigned sonde_py_symbols_inside(struct sonde_py_symbols *symbols, PyObject *value,
                                 struct sonde_py_symbol_use use);

/* Lists what waits in `codes`. SONDE_OK; SONDE_E_LATER. */
int sonde_py_symbols_drain(struct sonde_py_symbols *symbols);

/* Lists those whose surroundings were not found. As drain. */
int sonde_py_symbols_drain_left(struct sonde_py_symbols *symbols);

/* --- symbols_types.c ----------------------------------------------------------------------------- */

/* SONDE_OK; SONDE_E_LATER. */
int sonde_py_symbols_types(struct sonde_py_symbols *symbols);
int sonde_py_symbols_local_types(struct sonde_py_symbols *symbols);

/* Whether a value in a module's or class's dictionary is worth a name of its own. */
bool sonde_py_symbols_is_constant(PyObject *value);

/* The name of an annotation that is a string or a class; empty: it is something else. */
struct sonde_str sonde_py_annotation_text(PyObject *annotation, char *buf);

#endif
