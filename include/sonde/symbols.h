/* SPDX-License-Identifier: Apache-2.0
 *
 * Symbols: what a process has loaded, as trees of scopes, so that a person finds a place before
 * setting a probe on it. A runtime lists; the core decides when, keeps what was listed in C memory,
 * and sends of it what the collector does not have (docs/formats/symbols.md,
 * docs/decisions/0013-symbols.md).
 *
 * A *listing* is one pass over what is loaded. It is made in slices: the core calls list_symbols of
 * the adapter at safe points, each call goes on where the last one ended and returns SONDE_E_LATER as soon as
 * sonde_listing_is_due says so, until it returns SONDE_OK. Where it stands is the runtime's
 * business (a cursor of its own, freed by the call that ends the listing or by watch_symbols(false)).
 *
 *     sonde_scope_id file = sonde_listing_file(listing, path, SONDE_ORIGIN_USER);
 *     sonde_scope_id klass = sonde_listing_scope(listing, file, &(struct sonde_scope){
 *         .kind = SONDE_SCOPE_CLASS, .name = SONDE_STR("Order"), .first_line = 3, .last_line = 40});
 *     sonde_scope_id method = sonde_listing_scope(listing, klass, &…);
 *     sonde_listing_symbol(listing, method, &…);
 *     sonde_listing_line(listing, method, 12);
 *
 * All strings are copied. Where memory ends, or a bound is reached, an id is 0, everything under 0 is
 * dropped, and the loss is counted and told; no call here fails otherwise, none raises.
 * Ctx: the VM lock, inside list_symbols, unless said otherwise. */
#ifndef SONDE_SYMBOLS_H
#define SONDE_SYMBOLS_H

#include <sonde/err.h>
#include <sonde/str.h>
#include <stdbool.h>
#include <stdint.h>

struct sonde_agent;
struct sonde_listing;

/* X(NAME, wire text). */
#define SONDE_SCOPE_LIST(X)                                                             \
    X(FILE, "FILE")     /* a root: the file of a runtime that has no modules */         \
    X(MODULE, "MODULE") /* Python: a root, a module's file; Ruby: a module in a file */ \
    X(CLASS, "CLASS")                                                                   \
    X(FUNCTION, "FUNCTION") /* of a module, or standing in another function */          \
    X(METHOD, "METHOD")     /* of a class or module, instance and singleton ones */     \
    X(CLOSURE, "CLOSURE")   /* block, lambda, comprehension */

enum sonde_scope_kind {
    SONDE_SCOPE_NONE,
#define SONDE_SCOPE_ENUM(name, text) SONDE_SCOPE_##name,
    SONDE_SCOPE_LIST(SONDE_SCOPE_ENUM)
#undef SONDE_SCOPE_ENUM
};

/* X(NAME, wire text). */
#define SONDE_SYMBOL_LIST(X)                                                        \
    X(PARAMETER, "ARG")                                                             \
    X(LOCAL, "LOCAL")                                                               \
    X(FIELD, "FIELD") /* of an instance */                                          \
    X(CONSTANT,                                                                     \
      "STATIC_FIELD") /* Ruby's constants; a module's or class's names in Python */ \
    X(CLASS_VARIABLE, "CLASS_FIELD") /* Ruby's @@x, a class's own instance variables */

enum sonde_symbol_kind {
    SONDE_SYMBOL_NONE,
#define SONDE_SYMBOL_ENUM(name, text) SONDE_SYMBOL_##name,
    SONDE_SYMBOL_LIST(SONDE_SYMBOL_ENUM)
#undef SONDE_SYMBOL_ENUM
};

/* X(NAME, wire text). Whose code a file is, by where packages are installed (SY-06). */
#define SONDE_ORIGIN_LIST(X)                                                    \
    X(USER, "user")                                                             \
    X(LIBRARY, "library")     /* an installed package: a gem, a distribution */ \
    X(STANDARD, "standard")   /* comes with the runtime */                      \
    X(GENERATED, "generated") /* no file: eval, compiled from a string */

enum sonde_origin {
    SONDE_ORIGIN_NONE,
#define SONDE_ORIGIN_ENUM(name, text) SONDE_ORIGIN_##name,
    SONDE_ORIGIN_LIST(SONDE_ORIGIN_ENUM)
#undef SONDE_ORIGIN_ENUM
};

/* A scope in the listing under way; 0: none. Valid until the listing ends, over all its slices. */
typedef uint32_t sonde_scope_id;

struct sonde_scope {
    enum sonde_scope_kind kind;
    struct sonde_str name; /* its own alone: "show", "Order", "<lambda>" */
    /* What a person would type to set a probe on it ("Shop::Order#total", "shop.models:Order.total");
     * of a FUNCTION or METHOD, and of a class as its qualified name. Empty: it can not be named. */
    struct sonde_str qualified;
    uint32_t first_line; /* as the runtime says it itself; 0: unknown */
    uint32_t last_line;  /* 0: unknown */
};

struct sonde_symbol {
    enum sonde_symbol_kind kind;
    struct sonde_str name;
    struct sonde_str type; /* a class's or an annotation's name; empty: unknown */
    uint32_t line;         /* 0: unknown */
};

/* True from the first call on when everything is wanted; false: it is enough to list the files in which
 * something may have changed since the last listing that ended well, each of them whole. */
bool sonde_listing_is_whole(const struct sonde_listing *listing);

/* True in the first call of a listing: a cursor that is left over is out of date. */
bool sonde_listing_is_first(const struct sonde_listing *listing);

/* Whether files of that origin are wanted at all (SONDE_SYMBOLS_LIBRARIES). */
bool sonde_listing_wants(const struct sonde_listing *listing, enum sonde_origin origin);

/* The slice is over: remember where you are and return SONDE_E_LATER. Reads a clock: ask between
 * pieces of work of 10 to 200 µs. */
bool sonde_listing_is_due(const struct sonde_listing *listing);

/* The root of a file, made at its first mention in this listing, the same one from then on.
 * `path` absolute, as the runtime names it; of GENERATED code the name the runtime gave
 * ("(eval)", "<string>"). `kind` is FILE or MODULE; `name`: a module's dotted name, or the path. */
sonde_scope_id sonde_listing_file(struct sonde_listing *listing,
                                  enum sonde_scope_kind kind, struct sonde_str path,
                                  struct sonde_str name, enum sonde_origin origin);

/* A scope in `parent`, or the one that is there already: files, modules and classes are the same by
 * kind and name (their lines become the hull of both), others by kind, name and first line. */
sonde_scope_id sonde_listing_scope(struct sonde_listing *listing, sonde_scope_id parent,
                                   const struct sonde_scope *scope);

/* A name in `scope`; one of the same kind and name is there once. */
void sonde_listing_symbol(struct sonde_listing *listing, sonde_scope_id scope,
                          const struct sonde_symbol *symbol);

/* A line of `scope` itself that can take a probe; any order, repeats are fine. */
void sonde_listing_line(struct sonde_listing *listing, sonde_scope_id scope,
                        uint32_t line);

/* A fact that only this language has. `key` is a stable word, static: "visibility", "arity",
 * "super_classes", "included_modules", "prepended_modules", "decorators", "function_type",
 * "method_type", "return_type". A key that is given several times holds the list in that order
 * (the keys in the plural hold a list always). */
void sonde_listing_specific(struct sonde_listing *listing, sonde_scope_id scope,
                            const char *key, struct sonde_str value);

/* --- From the runtime to the core ----------------------------------------------------------- */

/* Something was loaded or made: a listing is due after the debounce window. Costs an atomic store when one
 * is due already; does nothing while symbols are off. Ctx: VM lock, hooks too. */
void sonde_agent_symbols_changed(struct sonde_agent *agent);

/* Waits until all that is loaded now has been listed, sent and acknowledged, at most `timeout_ns`.
 * SONDE_OK; SONDE_E_TIMEOUT; SONDE_E_UNSUPPORTED (symbols are off, or there is no collector). The
 * caller must not hold the VM lock: a listing needs it. Ctx: any thread but the agent's. */
int sonde_agent_symbols_wait(struct sonde_agent *agent, int64_t timeout_ns);

/* --- Whose code a file is --------------------------------------------------------------------- */

/* Directories of packages, the longest that holds a path wins; what none holds is USER. The runtime
 * fills it once, from the ecosystem's own configuration, and again when that changes. Not
 * thread-safe: under the VM lock. */
struct sonde_origins;

int sonde_origins_new(struct sonde_origins **out);
void sonde_origins_free(struct sonde_origins *origins);

/* `dir` absolute, with or without a slash at its end; copied. Symbolic links are resolved once,
 * here, and both names count. SONDE_E_NOMEM, SONDE_E_INVAL (relative or empty). May touch the disk. */
int sonde_origins_add(struct sonde_origins *origins, struct sonde_str dir,
                      enum sonde_origin origin);

/* A path that is not absolute is GENERATED. Never touches the disk. */
enum sonde_origin sonde_origins_of(const struct sonde_origins *origins,
                                   struct sonde_str path);

#endif
