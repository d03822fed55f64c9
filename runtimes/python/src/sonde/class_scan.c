/* SPDX-License-Identifier: Apache-2.0
 *
 * Of each statement only the first word and its indentation matter, so a line is looked at only for what
 * carries it on: strings, brackets, backslashes. */
#include "class_lines.h"

#include <ctype.h>

#define DEPTH_MAX 64
#define NAME_BYTES 1024
#define TAB_COLUMNS 8

struct level {
    unsigned indent;
    size_t name_end; /* of the qualified name that ends here */
    bool is_function;
};

struct scan {
    const char *at, *end;
    uint32_t line;
    uint32_t decorator_line; /* of the first before the statement to come; 0: none */
    struct level levels[DEPTH_MAX];
    unsigned depth;
    char name[NAME_BYTES];
    void (*found)(void *arg, struct sonde_str qualname, uint32_t line);
    void *arg;
};

static bool
is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* Past one end of a line, in whichever of the three forms. */
static void
pass_newline(struct scan *scan)
{
    if (scan->at < scan->end && *scan->at == '\r') {
        scan->at++;
        if (scan->at < scan->end && *scan->at == '\n') {
            scan->at++;
        }
    } else {
        scan->at++;
    }
    scan->line++;
}

static bool
is_newline(const struct scan *scan)
{
    return *scan->at == '\n' || *scan->at == '\r';
}

/* Past what a backslash stands before: the end of a line, or one character. */
static void
pass_escaped(struct scan *scan)
{
    scan->at++;
    if (scan->at < scan->end) {
        if (is_newline(scan)) {
            pass_newline(scan);
        } else {
            scan->at++;
        }
    }
}

/* A string that is not closed ends with its line, so that the scanner is soon right again. */
static void
pass_string(struct scan *scan)
{
    char quote = *scan->at;
    bool is_triple =
        scan->end - scan->at >= 3 && scan->at[1] == quote && scan->at[2] == quote;
    scan->at += is_triple ? 3 : 1;
    while (scan->at < scan->end) {
        if (*scan->at == '\\') {
            pass_escaped(scan);
        } else if (is_newline(scan)) {
            if (!is_triple) {
                return;
            }
            pass_newline(scan);
        } else if (*scan->at != quote) {
            scan->at++;
        } else if (!is_triple) {
            scan->at++;
            return;
        } else if (scan->end - scan->at >= 3 && scan->at[1] == quote &&
                   scan->at[2] == quote) {
            scan->at += 3;
            return;
        } else {
            scan->at++;
        }
    }
}

/* To the beginning of the line after the statement. */
static void
pass_statement(struct scan *scan)
{
    unsigned brackets = 0;
    while (scan->at < scan->end) {
        char c = *scan->at;
        if (c == '#') {
            while (scan->at < scan->end && !is_newline(scan)) {
                scan->at++;
            }
        } else if (c == '\'' || c == '"') {
            pass_string(scan);
        } else if (c == '\\') {
            pass_escaped(scan);
        } else if (is_newline(scan)) {
            pass_newline(scan);
            if (brackets == 0) {
                return;
            }
        } else {
            if (c == '(' || c == '[' || c == '{') {
                brackets++;
            } else if ((c == ')' || c == ']' || c == '}') && brackets > 0) {
                brackets--;
            }
            scan->at++;
        }
    }
}

/* The column of the first character that is no blank. */
static unsigned
pass_indent(struct scan *scan)
{
    unsigned column = 0;
    for (; scan->at < scan->end; scan->at++) {
        if (*scan->at == ' ') {
            column++;
        } else if (*scan->at == '\t') {
            column = (column / TAB_COLUMNS + 1) * TAB_COLUMNS;
        } else if (*scan->at == '\f') {
            column = 0;
        } else {
            break;
        }
    }
    return column;
}

static struct sonde_str
take_word(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t')) {
        scan->at++;
    }
    const char *from = scan->at;
    while (scan->at < scan->end && is_word(*scan->at)) {
        scan->at++;
    }
    return (struct sonde_str){from, (size_t)(scan->at - from)};
}

static void
enter(struct scan *scan, unsigned indent, struct sonde_str name, bool is_function)
{
    size_t from = scan->depth > 0 ? scan->levels[scan->depth - 1].name_end : 0;
    bool has_dot = scan->depth > 0;
    if (scan->depth == DEPTH_MAX || name.len == 0 ||
        from + name.len + 1 > sizeof(scan->name)) {
        return;
    }
    bool is_local = false;
    for (unsigned i = 0; i < scan->depth; i++) {
        is_local |= scan->levels[i].is_function;
    }
    if (has_dot) {
        scan->name[from++] = '.';
    }
    memcpy(scan->name + from, name.ptr, name.len);
    size_t end = from + name.len;
    scan->levels[scan->depth++] = (struct level){indent, end, is_function};
    if (!is_function && !is_local) {
        scan->found(scan->arg, (struct sonde_str){scan->name, end},
                    scan->decorator_line != 0 ? scan->decorator_line : scan->line);
    }
}

static void
look_at_statement(struct scan *scan, unsigned indent)
{
    while (scan->depth > 0 && scan->levels[scan->depth - 1].indent >= indent) {
        scan->depth--;
    }
    if (*scan->at == '@') {
        scan->decorator_line =
            scan->decorator_line != 0 ? scan->decorator_line : scan->line;
        pass_statement(scan);
        return;
    }
    const char *from = scan->at;
    struct sonde_str word = take_word(scan);
    if (sonde_str_eq(word, SONDE_STR("async"))) {
        word = take_word(scan);
    }
    if (sonde_str_eq(word, SONDE_STR("class"))) {
        enter(scan, indent, take_word(scan), false);
    } else if (sonde_str_eq(word, SONDE_STR("def"))) {
        enter(scan, indent, take_word(scan), true);
    } else {
        scan->at = from; /* a string may begin with a word */
    }
    scan->decorator_line = 0;
    pass_statement(scan);
}

void
sonde_py_scan_classes(struct sonde_str text,
                      void (*found)(void *arg, struct sonde_str qualname, uint32_t line),
                      void *arg)
{
    struct scan scan = {.at = text.ptr, .line = 1, .found = found, .arg = arg};
    scan.end = text.ptr + text.len;
    if (text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0) {
        scan.at += 3;
    }
    while (scan.at < scan.end) {
        unsigned indent = pass_indent(&scan);
        if (scan.at == scan.end) {
            return;
        }
        if (is_newline(&scan)) {
            pass_newline(&scan);
        } else if (*scan.at == '#') {
            pass_statement(&scan);
        } else {
            look_at_statement(&scan, indent);
        }
    }
}
