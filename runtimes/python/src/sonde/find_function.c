/* SPDX-License-Identifier: Apache-2.0
 *
 * A function is its code object: decorators, registries and aliases do not matter, and one
 * that was never reached by a name of a module is found as well. */
#include "find_function.h"

#include "catalogue.h"
#include "code_index.h"
#include "names.h"
#include "state.h"
#include "text.h"

#include <stdio.h>

#define SPLITS_MAX 16
#define FILE_MEMOS 128
#define SIMILAR_MAX 3
#define SIMILAR_DISTANCE 3

/* One reading of the text: this module, that qualified name. */
struct split {
    struct sonde_str module, name;
    bool is_loaded; /* the module is in sys.modules, or code of such a file exists */
    PyObject *file; /* its __file__; borrowed */
    size_t count;   /* matches */
};

struct similar {
    unsigned distance;
    struct sonde_str name; /* lent by a code object, or in buf */
    char buf[128];
};

/* The answer for a file name that was seen: code of one file shares one str. */
struct file_memo {
    PyObject *filename;
    const struct split *split;
    bool is_of;
};

struct search {
    struct file_memo memos[FILE_MEMOS];
    struct split splits[SPLITS_MAX];
    size_t split_count;
    struct sonde_py_codes codes; /* matches of the present split */
    struct split *split;
    struct similar similar[SIMILAR_MAX];
};

static void
add_split(struct search *search, struct sonde_str module, struct sonde_str name)
{
    if (search->split_count == SPLITS_MAX || module.len == 0 || name.len == 0) {
        return;
    }
    struct split *split = &search->splits[search->split_count++];
    *split = (struct split){.module = module, .name = name};
    split->file = sonde_py_module_file(module, &split->is_loaded);
}

/* The module with most dots first: "a.b.c" is function c of a.b before method b.c of a. */
static void
read_splits(struct search *search, const struct sonde_location *location)
{
    if (location->module.len > 0) {
        add_split(search, location->module, location->function);
        return;
    }
    struct sonde_str text = location->function;
    for (size_t i = text.len; i-- > 0;) {
        if (text.ptr[i] == '.') {
            add_split(search, (struct sonde_str){text.ptr, i},
                      (struct sonde_str){text.ptr + i + 1, text.len - i - 1});
        }
    }
    add_split(search, SONDE_STR("__main__"), text);
}

static bool
is_file_of(PyObject *filename, const struct split *split)
{
    if (split->file != NULL) {
        return filename == split->file || PyUnicode_Compare(filename, split->file) == 0;
    }
    if (split->is_loaded) {
        /* A main module without a file: what came from -c or standard input. */
        return sonde_py_text_is(filename, SONDE_STR("<string>")) ||
               sonde_py_text_is(filename, SONDE_STR("<stdin>"));
    }
    return sonde_py_file_is_of_module(filename, split->module);
}

static bool
is_in_module(const PyCodeObject *code, struct search *search)
{
    PyObject *filename = code->co_filename;
    struct file_memo *memo = &search->memos[((uintptr_t)filename >> 4) % FILE_MEMOS];
    if (memo->filename != filename || memo->split != search->split) {
        *memo = (struct file_memo){filename, search->split,
                                   is_file_of(filename, search->split)};
    }
    return memo->is_of;
}

static bool
is_named(const PyCodeObject *code, struct sonde_str name)
{
    char buf[SONDE_PY_TEXT_BYTES];
    return sonde_str_eq(sonde_py_text(sonde_py_code_qualname(code), buf), name);
}

/* As opposed to the body of a class or a module. */
static bool
is_function(const PyCodeObject *code)
{
    return (code->co_flags & CO_OPTIMIZED) != 0;
}

static void
consider_code(PyCodeObject *code, void *arg)
{
    struct search *search = arg;
    if (is_function(code) && is_named(code, search->split->name) &&
        is_in_module(code, search)) {
        sonde_py_codes_add(&search->codes, code);
    }
}

/* --- When nothing matches ------------------------------------------------------------------- */

static void
note_similar(struct search *search, struct sonde_str name)
{
    unsigned distance =
        sonde_py_name_distance(name, search->split->name, SIMILAR_DISTANCE);
    if (distance > SIMILAR_DISTANCE || distance * 2 > search->split->name.len ||
        name.len >= sizeof(search->similar[0].buf)) {
        return;
    }
    for (int i = 0; i < SIMILAR_MAX; i++) {
        struct similar *entry = &search->similar[i];
        if (sonde_str_eq(entry->name, name)) {
            return;
        }
        if (entry->name.len > 0 && entry->distance <= distance) {
            continue;
        }
        for (int k = SIMILAR_MAX - 1; k > i; k--) {
            search->similar[k] = search->similar[k - 1];
            search->similar[k].name.ptr = search->similar[k].buf;
        }
        memcpy(entry->buf, name.ptr, name.len);
        entry->name = (struct sonde_str){entry->buf, name.len};
        entry->distance = distance;
        return;
    }
}

/* The part of a qualified name that the person may have meant. */
static struct sonde_str
last_parts(struct sonde_str name, struct sonde_str like)
{
    size_t dots = 0;
    for (size_t i = 0; i < like.len; i++) {
        dots += like.ptr[i] == '.';
    }
    for (size_t i = name.len; i-- > 0;) {
        if (name.ptr[i] == '.' && dots-- == 0) {
            return (struct sonde_str){name.ptr + i + 1, name.len - i - 1};
        }
    }
    return name;
}

static void
consider_similar(PyCodeObject *code, void *arg)
{
    struct search *search = arg;
    char buf[SONDE_PY_TEXT_BYTES];
    if (!is_in_module(code, search)) {
        return;
    }
    search->split->is_loaded = true;
    struct sonde_str name = sonde_py_text(sonde_py_code_qualname(code), buf);
    if (!is_function(code) || name.len == 0 || name.ptr[0] == '<') {
        return;
    }
    /* A method of a class that was not typed is offered by its whole name. */
    unsigned distance = sonde_py_name_distance(last_parts(name, search->split->name),
                                               search->split->name, SIMILAR_DISTANCE);
    if (distance == 0) {
        struct sonde_str typed = search->split->name;
        search->split->name = name;
        note_similar(search, name);
        search->split->name = typed;
    } else {
        note_similar(search, name);
    }
}

static void
say_nowhere(struct sonde_finding *finding, struct search *search,
            const struct sonde_location *location)
{
    struct split *loaded = NULL;
    for (size_t i = 0; i < search->split_count; i++) {
        search->split = &search->splits[i];
        /* Whether a main program is loaded says nothing about a text with dots in it. */
        bool is_guess =
            i > 0 && i + 1 == search->split_count && location->module.len == 0;
        if (!is_guess) {
            sonde_py_index_each(consider_similar, search);
        }
        if (!is_guess && search->split->is_loaded && loaded == NULL) {
            loaded = search->split;
        }
    }
    struct sonde_str text = location->text;
    if (loaded == NULL) {
        sonde_py_index_await();
        sonde_finding_cause(finding, SONDE_CAUSE_MODULE_NOT_LOADED,
                            "waits until the module of %.*s is loaded", (int)text.len,
                            text.ptr);
        return;
    }
    char similar[3 * 140] = "";
    size_t len = 0;
    for (int i = 0; i < SIMILAR_MAX && search->similar[i].name.len > 0; i++) {
        int wanted =
            snprintf(similar + len, sizeof(similar) - len, "%s%.*s",
                     i == 0 ? "; did you mean " : ", ", (int)search->similar[i].name.len,
                     search->similar[i].name.ptr);
        len += wanted > 0 ? (size_t)wanted : 0;
    }
    sonde_finding_cause(finding, SONDE_CAUSE_FUNCTION_NOT_FOUND,
                        "module %.*s has no function %.*s%s", (int)loaded->module.len,
                        loaded->module.ptr, (int)loaded->name.len, loaded->name.ptr,
                        similar);
}

int
sonde_py_find_function(const struct sonde_probe_def *def, struct sonde_finding *finding)
{
    struct search search = {0};
    int result = SONDE_OK;
    read_splits(&search, &def->location);
    for (size_t i = 0; i < search.split_count && result == SONDE_OK; i++) {
        search.split = &search.splits[i];
        search.codes.count = 0;
        result = sonde_py_catalogue_named(last_parts(search.split->name, SONDE_STR("")),
                                          consider_code, &search);
        result = result == SONDE_OK ? search.codes.failed : result;
        for (size_t k = 0; k < search.codes.count && result == SONDE_OK; k++) {
            PyCodeObject *code = search.codes.list[k];
            result = sonde_py_find_report(finding, code, SONDE_PY_WHOLE,
                                          (uint32_t)code->co_firstlineno);
        }
        if (search.codes.count > 0) {
            break; /* the first reading that fits is the one */
        }
    }
    if (result == SONDE_OK && search.codes.count == 0) {
        say_nowhere(finding, &search, &def->location);
    }
    sonde_py_codes_fini(&search.codes);
    return result;
}
