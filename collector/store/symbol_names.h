/* SPDX-License-Identifier: Apache-2.0
 *
 * From a unit's scope tree to the names by which one finds what is in it: the file, classes, modules,
 * functions, methods, fields and constants; not parameters, locals and closures.
 *
 * Ctx: any thread; nothing is kept. */
#ifndef SONDE_SYMBOL_NAMES_H
#define SONDE_SYMBOL_NAMES_H

#include "collector/store/symbols.h"
#include "core/wire/json.h"

#define SONDE_NAME_MAX_BYTES 1024 /* what is longer is cut: nobody types it */
#define SONDE_LINE_MAX INT32_MAX
#define SONDE_SCOPE_DEPTH_MAX 100

/* One name. Strings live in the tree. */
struct sonde_name {
    enum sonde_found_kind kind;
    enum sonde_scope_kind scope;
    enum sonde_symbol_kind symbol;
    struct sonde_str name, qualified;
    uint32_t line, end_line, probe_line;
    bool is_of_root; /* may stand in every part of a file */
};

/* Calls `fn` with each name of the tree, in its order; stops at what is not SONDE_OK and returns
 * that. The tree has passed sonde_names_check. */
int sonde_names_each(const struct sonde_json *scope, struct sonde_str file,
                     int (*fn)(void *arg, const struct sonde_name *name), void *arg);

/* Whether it is a tree as docs/formats/symbols.md has it, a root at its top. SONDE_E_INVAL with the
 * member ("scope.scopes[3].start_line") in err->where. */
int sonde_names_check(const struct sonde_json *scope, struct sonde_err *err);

/* SONDE_ORIGIN_NONE: no such word. */
enum sonde_origin sonde_names_origin_read(struct sonde_str text);
const char *sonde_names_origin_text(enum sonde_origin origin);
const char *sonde_names_scope_text(enum sonde_scope_kind kind);
const char *sonde_names_symbol_text(enum sonde_symbol_kind kind);

#endif
