/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store/symbol_names.h"

#include <stdio.h>

static const char *const origins[] = {"",
#define TEXT_ROW(name, text) text,
                                      SONDE_ORIGIN_LIST(TEXT_ROW)};
static const char *const scopes[] = {"", SONDE_SCOPE_LIST(TEXT_ROW)};
static const char *const symbols[] = {"", SONDE_SYMBOL_LIST(TEXT_ROW)};
#undef TEXT_ROW

/* 0: not there, and 0 is what the enums call none. */
static int
find(const char *const *texts, size_t count, struct sonde_str text)
{
    for (size_t i = 1; i < count; i++) {
        if (sonde_str_eq(text, sonde_str_from(texts[i]))) {
            return (int)i;
        }
    }
    return 0;
}

#define FIND(texts, text) find(texts, sizeof(texts) / sizeof((texts)[0]), text)

enum sonde_origin
sonde_names_origin_read(struct sonde_str text)
{
    return (enum sonde_origin)FIND(origins, text);
}

const char *
sonde_names_origin_text(enum sonde_origin origin)
{
    return origins[origin];
}

const char *
sonde_names_scope_text(enum sonde_scope_kind kind)
{
    return scopes[kind];
}

const char *
sonde_names_symbol_text(enum sonde_symbol_kind kind)
{
    return symbols[kind];
}

/* --- Checking ----------------------------------------------------------------------- */

/* Where the checker is: a scope, and the one around it. */
struct place {
    const struct place *outer;
    size_t at;
};

static void
write_place(struct sonde_buf *out, const struct place *place)
{
    if (place->outer == NULL) {
        sonde_buf_str(out, SONDE_STR("scope"));
        return;
    }
    write_place(out, place->outer);
    sonde_buf_printf(out, ".scopes[%zu]", place->at);
}

static int
fault(struct sonde_err *err, const struct place *place, const char *member,
      const char *what)
{
    struct sonde_buf where;
    sonde_buf_init(&where, 0);
    write_place(&where, place);
    if (member[0] != '\0') {
        sonde_buf_byte(&where, '.');
        sonde_buf_str(&where, sonde_str_from(member));
    }
    const char *text = sonde_buf_cstr(&where);
    int rc = sonde_err_set(err, SONDE_E_INVAL, text, "%s %s", member, what);
    sonde_buf_fini(&where);
    return rc;
}

static bool
is_line(const struct sonde_json *json)
{
    return json == NULL || (json->type == SONDE_JSON_NUMBER && json->is_integer &&
                            json->integer >= 0 && json->integer <= SONDE_LINE_MAX);
}

static bool
is_text(const struct sonde_json *json)
{
    return json == NULL || json->type == SONDE_JSON_STRING;
}

static bool
is_list(const struct sonde_json *json)
{
    if (json != NULL && json->type != SONDE_JSON_ARRAY) {
        return false;
    }
    const struct sonde_json *at = json == NULL ? NULL : json->first;
    while (at != NULL && at->type == SONDE_JSON_OBJECT) {
        at = at->next;
    }
    return at == NULL;
}

static int
check_lines(const struct sonde_json *scope, const struct place *place,
            struct sonde_err *err)
{
    const struct sonde_json *lines = sonde_json_get(scope, "injectible_lines");
    if (!is_list(lines)) {
        return fault(err, place, "injectible_lines", "has to be an array of objects");
    }
    const struct sonde_json *range = lines == NULL ? NULL : lines->first;
    for (; range != NULL; range = range->next) {
        const struct sonde_json *start = sonde_json_get(range, "start");
        const struct sonde_json *end = sonde_json_get(range, "end");
        if (start == NULL || end == NULL || !is_line(start) || !is_line(end) ||
            start->integer > end->integer) {
            return fault(err, place, "injectible_lines",
                         "has to be ranges of lines, start and end");
        }
    }
    return SONDE_OK;
}

static int
check_symbols(const struct sonde_json *scope, const struct place *place,
              struct sonde_err *err)
{
    const struct sonde_json *list = sonde_json_get(scope, "symbols");
    if (!is_list(list)) {
        return fault(err, place, "symbols", "has to be an array of objects");
    }
    const struct sonde_json *at = list == NULL ? NULL : list->first;
    for (; at != NULL; at = at->next) {
        if (FIND(symbols, sonde_json_get_str(at, "symbol_type")) == 0 ||
            sonde_json_get_str(at, "name").len == 0 ||
            !is_text(sonde_json_get(at, "type")) ||
            !is_line(sonde_json_get(at, "line"))) {
            return fault(err, place, "symbols",
                         "has to be objects with symbol_type and name, type and line");
        }
    }
    return SONDE_OK;
}

static int
check(const struct sonde_json *scope, const struct place *place, unsigned depth,
      struct sonde_err *err)
{
    if (scope->type != SONDE_JSON_OBJECT) {
        return fault(err, place, "", "has to be an object");
    }
    int kind = FIND(scopes, sonde_json_get_str(scope, "scope_type"));
    bool is_root = place->outer == NULL;
    if (kind == 0 || (kind == SONDE_SCOPE_FILE && !is_root) ||
        (is_root && kind != SONDE_SCOPE_FILE && kind != SONDE_SCOPE_MODULE)) {
        return fault(err, place, "scope_type", "is none that can stand here");
    }
    if (!is_text(sonde_json_get(scope, "name")) ||
        !is_text(sonde_json_get(scope, "qualified"))) {
        return fault(err, place, "name", "and qualified have to be strings");
    }
    if (!is_line(sonde_json_get(scope, "start_line")) ||
        !is_line(sonde_json_get(scope, "end_line"))) {
        return fault(err, place, "start_line", "and end_line have to be line numbers");
    }
    int rc = check_lines(scope, place, err);
    rc = rc == SONDE_OK ? check_symbols(scope, place, err) : rc;
    const struct sonde_json *inner = sonde_json_get(scope, "scopes");
    if (rc == SONDE_OK && inner != NULL &&
        (inner->type != SONDE_JSON_ARRAY || depth >= SONDE_SCOPE_DEPTH_MAX)) {
        rc = fault(err, place, "scopes", "has to be an array, at most 100 deep");
    }
    struct place here = {.outer = place};
    const struct sonde_json *at = inner == NULL ? NULL : inner->first;
    for (; at != NULL && rc == SONDE_OK; at = at->next, here.at++) {
        rc = check(at, &here, depth + 1, err);
    }
    return rc;
}

int
sonde_names_check(const struct sonde_json *scope, struct sonde_err *err)
{
    struct place root = {0};
    return check(scope, &root, 1, err);
}

/* --- Walking ------------------------------------------------------------------------ */

struct walk {
    int (*fn)(void *arg, const struct sonde_name *name);
    void *arg;
    struct sonde_str file;
};

/* Cut at a character. */
static struct sonde_str
short_text(struct sonde_str text)
{
    if (text.len > SONDE_NAME_MAX_BYTES) {
        text.len = SONDE_NAME_MAX_BYTES;
        while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xC0) == 0x80) {
            text.len--;
        }
    }
    return text;
}

static uint32_t
get_line(const struct sonde_json *json, const char *key)
{
    return (uint32_t)sonde_json_get_int(json, key, 0);
}

/* Whether a line of the scope itself can take a probe; `line` 0: which is the first. */
static uint32_t
probe_line(const struct sonde_json *scope, uint32_t line)
{
    const struct sonde_json *lines = sonde_json_get(scope, "injectible_lines");
    const struct sonde_json *range = lines == NULL ? NULL : lines->first;
    for (; range != NULL; range = range->next) {
        uint32_t start = get_line(range, "start");
        if (line == 0 || (start <= line && line <= get_line(range, "end"))) {
            return line == 0 ? start : line;
        }
    }
    return 0;
}

/* What follows the last `of` of a text. */
static struct sonde_str
after_last(struct sonde_str text, char of)
{
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != of) {
        at--;
    }
    struct sonde_str rest = {text.ptr + at, text.len - at};
    return rest.len == 0 ? text : rest;
}

static int
tell_symbols(const struct walk *walk, const struct sonde_json *scope, bool is_root)
{
    const struct sonde_json *list = sonde_json_get(scope, "symbols");
    const struct sonde_json *at = list == NULL ? NULL : list->first;
    for (; at != NULL; at = at->next) {
        struct sonde_name name = {
            .kind = SONDE_FOUND_NAME,
            .symbol = (enum sonde_symbol_kind)FIND(symbols,
                                                   sonde_json_get_str(at, "symbol_type")),
            .name = short_text(sonde_json_get_str(at, "name")),
            .line = get_line(at, "line"),
            .is_of_root = is_root,
        };
        name.end_line = name.line;
        name.probe_line = name.line == 0 ? 0 : probe_line(scope, name.line);
        bool is_told =
            name.symbol != SONDE_SYMBOL_PARAMETER && name.symbol != SONDE_SYMBOL_LOCAL;
        int rc = is_told ? walk->fn(walk->arg, &name) : SONDE_OK;
        if (rc != SONDE_OK) {
            return rc;
        }
    }
    return SONDE_OK;
}

/* The file; and the module that it is, where it has a name of its own. */
static int
tell_root(const struct walk *walk, const struct sonde_json *scope,
          enum sonde_scope_kind kind)
{
    struct sonde_str text = short_text(sonde_json_get_str(scope, "name"));
    struct sonde_name file = {
        .kind = SONDE_FOUND_FILE,
        .scope = kind,
        .name = short_text(after_last(walk->file, '/')),
        .qualified = short_text(walk->file),
        .end_line = get_line(scope, "end_line"),
        .is_of_root = true,
    };
    int rc = walk->fn(walk->arg, &file);
    if (rc != SONDE_OK || kind != SONDE_SCOPE_MODULE || text.len == 0 ||
        sonde_str_eq(text, walk->file)) {
        return rc;
    }
    struct sonde_name module = {
        .kind = SONDE_FOUND_CLASS,
        .scope = kind,
        .name = after_last(text, '.'),
        .qualified = text,
        .line = get_line(scope, "start_line"),
        .end_line = file.end_line,
        .is_of_root = true,
    };
    return walk->fn(walk->arg, &module);
}

static int
tell_scope(const struct walk *walk, const struct sonde_json *scope, bool is_root)
{
    enum sonde_scope_kind kind =
        (enum sonde_scope_kind)FIND(scopes, sonde_json_get_str(scope, "scope_type"));
    int rc = is_root ? tell_root(walk, scope, kind) : SONDE_OK;
    if (!is_root && kind != SONDE_SCOPE_CLOSURE) {
        bool is_class = kind == SONDE_SCOPE_CLASS || kind == SONDE_SCOPE_MODULE;
        struct sonde_name name = {
            .kind = is_class ? SONDE_FOUND_CLASS : SONDE_FOUND_FUNCTION,
            .scope = kind,
            .name = short_text(sonde_json_get_str(scope, "name")),
            .qualified = short_text(sonde_json_get_str(scope, "qualified")),
            .line = get_line(scope, "start_line"),
            .end_line = get_line(scope, "end_line"),
            .probe_line = probe_line(scope, 0),
        };
        name.name = name.name.len == 0 ? name.qualified : name.name;
        rc = name.name.len == 0 ? SONDE_OK : walk->fn(walk->arg, &name);
    }
    rc = rc == SONDE_OK ? tell_symbols(walk, scope, is_root) : rc;
    const struct sonde_json *inner = sonde_json_get(scope, "scopes");
    const struct sonde_json *at = inner == NULL ? NULL : inner->first;
    for (; at != NULL && rc == SONDE_OK; at = at->next) {
        rc = tell_scope(walk, at, false);
    }
    return rc;
}

int
sonde_names_each(const struct sonde_json *scope, struct sonde_str file,
                 int (*fn)(void *arg, const struct sonde_name *name), void *arg)
{
    struct walk walk = {fn, arg, file};
    return tell_scope(&walk, scope, true);
}
