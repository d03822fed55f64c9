/* SPDX-License-Identifier: Apache-2.0 */
#include "find.h"

#include "catalogue.h"
#include "code_index.h"
#include "find_function.h"
#include "lines.h"
#include "names.h"
#include "state.h"
#include "text.h"

#include <unistd.h>

#define PLACES_MAX 64  /* of one line in one code object */
#define NEAREST_EACH 3 /* before and after */

int
sonde_py_find_report(struct sonde_finding *finding, PyCodeObject *code, uint32_t position,
                     uint32_t line)
{
    char file_buf[SONDE_PY_TEXT_BYTES], name_buf[SONDE_PY_TEXT_BYTES];
    char path_buf[SONDE_PATH_BYTES];
    sonde_py_keep_qualname(code);
    struct sonde_place place = {.code = (uint64_t)(uintptr_t)code, .position = position};
    struct sonde_str file =
        sonde_path_plain(sonde_py_text(code->co_filename, file_buf), path_buf);
    return sonde_finding_place(finding, place, file,
                               sonde_py_text(sonde_py_code_qualname(code), name_buf),
                               line);
}

/* --- Lines ---------------------------------------------------------------------------------- */

/* Code that runs as a part of the statement that holds it: what it has of a line belongs to
 * that statement's execution. */
static bool
is_part_of_statement(const PyCodeObject *code)
{
    if (!(code->co_flags & CO_OPTIMIZED)) {
        return !sonde_py_text_is(code->co_name, SONDE_STR("<module>")); /* a class body */
    }
    return sonde_py_text_is(code->co_name, SONDE_STR("<genexpr>")) ||
           sonde_py_text_is(code->co_name, SONDE_STR("<listcomp>")) ||
           sonde_py_text_is(code->co_name, SONDE_STR("<setcomp>")) ||
           sonde_py_text_is(code->co_name, SONDE_STR("<dictcomp>")) ||
           sonde_py_text_is(code->co_name, SONDE_STR("__annotate__")) || /* 3.14 */
           (PyUnicode_IS_ASCII(code->co_name) &&
            strncmp(PyUnicode_DATA(code->co_name), "<generic parameters of ", 23) == 0);
}

static bool
holds(const PyCodeObject *outer, const PyCodeObject *inner)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(outer->co_consts); i++) {
        if (PyTuple_GET_ITEM(outer->co_consts, i) == (const PyObject *)inner) {
            return true;
        }
    }
    return false;
}

static const PyCodeObject *
holder_of(const struct sonde_py_codes *codes, const PyCodeObject *code)
{
    for (size_t i = 0; i < codes->count; i++) {
        if (holds(codes->list[i], code)) {
            return codes->list[i];
        }
    }
    return NULL;
}

/* Whether what this part has of the line belongs to a statement outside it. */
static bool
is_told_outside(const struct sonde_py_codes *codes, const PyCodeObject *code, int line)
{
    for (; code != NULL && is_part_of_statement(code); code = holder_of(codes, code)) {
        PyCodeObject *outer = (PyCodeObject *)holder_of(codes, code);
        struct sonde_py_listing listing;
        if (outer == NULL || !sonde_py_code_has_line(outer, line) ||
            sonde_py_listing_init(&listing, outer) != SONDE_OK) {
            continue;
        }
        bool can_tell = sonde_py_listing_can_tell(&listing, line);
        sonde_py_listing_fini(&listing);
        if (can_tell) {
            return true;
        }
    }
    return false;
}

/* Reports the places of `line` in one code object; the number of places, or SONDE_E_*. */
static int
report_line(struct sonde_finding *finding, const struct sonde_py_codes *codes,
            PyCodeObject *code, int line)
{
    struct sonde_py_listing listing;
    int units[PLACES_MAX];
    if (!sonde_py_code_has_line(code, line) || is_told_outside(codes, code, line)) {
        return 0;
    }
    int result = sonde_py_listing_init(&listing, code);
    if (result != SONDE_OK) {
        return result;
    }
    size_t count = sonde_py_listing_places(&listing, line, units, PLACES_MAX);
    sonde_py_listing_fini(&listing);
    if (count > PLACES_MAX) {
        return SONDE_E_LIMIT;
    }
    for (size_t i = 0; i < count && result == SONDE_OK; i++) {
        result = sonde_py_find_report(finding, code, (uint32_t)units[i], (uint32_t)line);
    }
    return result == SONDE_OK ? (int)count : result;
}

/* Up to three lines on each side of `line` that could take a probe. */
struct nearest {
    int line;
    int before[NEAREST_EACH], after[NEAREST_EACH]; /* nearest first; 0: none */
};

static int
distance(const struct nearest *nearest, int line)
{
    return line < nearest->line ? nearest->line - line : line - nearest->line;
}

static void
note_near(struct nearest *nearest, int line)
{
    int *list = line < nearest->line ? nearest->before : nearest->after;
    for (int i = 0; i < NEAREST_EACH; i++) {
        if (list[i] == line) {
            return;
        }
        if (list[i] == 0 || distance(nearest, line) < distance(nearest, list[i])) {
            memmove(&list[i + 1], &list[i],
                    (size_t)(NEAREST_EACH - 1 - i) * sizeof(list[0]));
            list[i] = line;
            return;
        }
    }
}

/* Whether note_near would keep the line: the test that is dear comes after this one. */
static bool
is_near(const struct nearest *nearest, int line)
{
    const int *list = line < nearest->line ? nearest->before : nearest->after;
    for (int i = 0; i < NEAREST_EACH; i++) {
        if (list[i] == line) {
            return false;
        }
    }
    int last = list[NEAREST_EACH - 1];
    return last == 0 || distance(nearest, line) < distance(nearest, last);
}

static void
look_near(struct nearest *nearest, PyCodeObject *code)
{
    struct sonde_py_listing listing;
    struct sonde_py_line_cursor cursor;
    if (sonde_py_listing_init(&listing, code) != SONDE_OK) {
        return; /* fewer to offer */
    }
    sonde_py_line_cursor_init(&cursor, code);
    while (sonde_py_line_cursor_next(&cursor)) {
        if (cursor.line > 0 && is_near(nearest, cursor.line) &&
            sonde_py_listing_can_tell(&listing, cursor.line)) {
            note_near(nearest, cursor.line);
        }
    }
    sonde_py_listing_fini(&listing);
}

static void
offer_nearest(struct sonde_finding *finding, const struct nearest *nearest)
{
    int b = 0, a = 0;
    for (;;) {
        int before = b < NEAREST_EACH ? nearest->before[b] : 0;
        int after = a < NEAREST_EACH ? nearest->after[a] : 0;
        if (before == 0 && after == 0) {
            return;
        }
        bool takes_before = after == 0 || (before != 0 && distance(nearest, before) <=
                                                              distance(nearest, after));
        sonde_finding_nearest(finding, (uint32_t)(takes_before ? before : after));
        if (takes_before) {
            b++;
        } else {
            a++;
        }
    }
}

static void
say_not_executable(struct sonde_finding *finding, const struct sonde_py_codes *codes,
                   struct sonde_str file, int line)
{
    struct nearest nearest = {.line = line};
    for (size_t i = 0; i < codes->count; i++) {
        look_near(&nearest, codes->list[i]);
    }
    sonde_finding_cause(finding, SONDE_CAUSE_LINE_NOT_EXECUTABLE,
                        "nothing that can still run begins on line %d of %.*s", line,
                        (int)file.len, file.ptr);
    offer_nearest(finding, &nearest);
}

static void
say_no_file(struct sonde_finding *finding, struct sonde_str file)
{
    char path[4096];
    if (file.len > 0 && file.len < sizeof(path) && file.ptr[0] == '/') {
        memcpy(path, file.ptr, file.len);
        path[file.len] = '\0';
        if (access(path, F_OK) != 0) {
            sonde_finding_cause(finding, SONDE_CAUSE_FILE_NOT_FOUND,
                                "there is no file %.*s here", (int)file.len, file.ptr);
            return;
        }
    }
    sonde_py_index_await();
    sonde_finding_cause(finding, SONDE_CAUSE_FILE_NOT_LOADED,
                        "waits until code of %.*s is loaded", (int)file.len, file.ptr);
}

static int
find_line(const struct sonde_probe_def *def, struct sonde_finding *finding)
{
    char buf[SONDE_PATH_BYTES];
    struct sonde_str file = sonde_path_plain(def->location.file, buf);
    int line = (int)def->location.line;
    const struct sonde_py_codes *codes = sonde_py_catalogue_file(file);
    int result = codes->failed;
    int found = 0;
    for (size_t i = 0; i < codes->count && result == SONDE_OK; i++) {
        int places = report_line(finding, codes, codes->list[i], line);
        result = places < 0 ? places : SONDE_OK;
        found += places > 0 ? places : 0;
    }
    if (result == SONDE_OK && found == 0) {
        if (codes->count > 0) {
            say_not_executable(finding, codes, file, line);
        } else {
            say_no_file(finding, file);
        }
    }
    return result;
}

int
sonde_py_find(void *ctx, const struct sonde_probe_def *def, struct sonde_finding *finding)
{
    (void)ctx;
    if (!sonde_py_has(SONDE_PY_PART_LINES) && def->location.line > 0) {
        sonde_finding_cause(finding, SONDE_CAUSE_UNSUPPORTED,
                            "the line tables of this interpreter are not known");
        return SONDE_OK;
    }
    return def->location.line > 0 ? find_line(def, finding)
                                  : sonde_py_find_function(def, finding);
}

/* --- Whether new code matters --------------------------------------------------------------- */

static bool
is_named_like(PyCodeObject *code, void *arg)
{
    char buf[SONDE_PY_TEXT_BYTES];
    const struct sonde_str *name = arg;
    return code->co_flags & CO_OPTIMIZED &&
           sonde_str_eq(sonde_py_text(code->co_name, buf), *name);
}

bool
sonde_py_concerns(void *ctx, const struct sonde_probe_def *def, struct sonde_str file)
{
    (void)ctx;
    (void)file; /* by whose last name we are asked: good enough for lines */
    if (def->location.line > 0) {
        return true;
    }
    struct sonde_str name = def->location.function;
    for (size_t i = name.len; i-- > 0;) {
        if (name.ptr[i] == '.') {
            name = (struct sonde_str){name.ptr + i + 1, name.len - i - 1};
            break;
        }
    }
    return sonde_py_index_arriving_has(is_named_like, &name);
}
