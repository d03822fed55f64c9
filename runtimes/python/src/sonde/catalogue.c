/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"

#include "code_index.h"
#include "state.h"
#include "text.h"

#define FILE_MEMOS 256

/* --- By name -------------------------------------------------------------------------------- */

/* Chains of code whose names fall together, as places in `codes` + 1. */
static struct {
    struct sonde_py_codes codes;
    uint32_t *heads, *next;
    size_t mask;
    uint64_t generation;
    bool was_asked; /* once since the last rest: the second question is worth making it */
} names;

static size_t
hash_of(struct sonde_str text)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001B3);
    }
    return (size_t)(hash >> 16);
}

static void
forget_names(void)
{
    sonde_py_codes_fini(&names.codes);
    PyMem_RawFree(names.heads);
    PyMem_RawFree(names.next);
    memset(&names.codes, 0, sizeof(names.codes));
    names.heads = names.next = NULL;
}

static void
collect_function(PyCodeObject *code, void *arg)
{
    if (code->co_flags &
        CO_OPTIMIZED) { /* as opposed to the body of a class or a module */
        sonde_py_codes_add(arg, code);
    }
}

static int
make_names(void)
{
    char buf[SONDE_PY_TEXT_BYTES];
    forget_names();
    int result = sonde_py_index_each(collect_function, &names.codes);
    size_t buckets = 64;
    while (buckets < names.codes.count) {
        buckets *= 2;
    }
    names.heads = PyMem_RawCalloc(buckets, sizeof(*names.heads));
    names.next = PyMem_RawCalloc(names.codes.count + 1, sizeof(*names.next));
    if (result != SONDE_OK || names.codes.failed != SONDE_OK || names.heads == NULL ||
        names.next == NULL) {
        forget_names();
        return SONDE_E_NOMEM;
    }
    names.mask = buckets - 1;
    names.generation = sonde_py_index_generation();
    for (size_t i = 0; i < names.codes.count; i++) {
        struct sonde_str text = sonde_py_text(names.codes.list[i]->co_name, buf);
        uint32_t *head = &names.heads[hash_of(text) & names.mask];
        names.next[i] = *head;
        *head = (uint32_t)i + 1;
    }
    return SONDE_OK;
}

struct forwarding {
    void (*visit)(PyCodeObject *code, void *arg);
    void *arg;
};

static void
forward_function(PyCodeObject *code, void *arg)
{
    const struct forwarding *to = arg;
    if (code->co_flags & CO_OPTIMIZED) {
        to->visit(code, to->arg);
    }
}

int
sonde_py_catalogue_named(struct sonde_str name,
                         void (*visit)(PyCodeObject *code, void *arg), void *arg)
{
    if (!names.was_asked) {
        struct forwarding to = {visit, arg};
        names.was_asked = true;
        return sonde_py_index_each(forward_function, &to);
    }
    if (names.heads == NULL || names.generation != sonde_py_index_generation()) {
        int result = make_names();
        if (result != SONDE_OK) {
            return result;
        }
    }
    for (uint32_t i = names.heads[hash_of(name) & names.mask]; i != 0;
         i = names.next[i - 1]) {
        visit(names.codes.list[i - 1], arg);
    }
    return SONDE_OK;
}

/* --- By file -------------------------------------------------------------------------------- */

struct in_file {
    struct sonde_str file;
    struct sonde_py_codes codes;
    enum sonde_py_file_match best;
    /* The answers for file names that were seen: code of one file shares one str. */
    struct {
        PyObject *filename;
        enum sonde_py_file_match match;
    } memos[FILE_MEMOS];
};

static enum sonde_py_file_match
match_of(struct in_file *search, PyObject *filename)
{
    size_t i = ((uintptr_t)filename >> 4) % FILE_MEMOS;
    if (search->memos[i].filename != filename) {
        search->memos[i].filename = filename;
        search->memos[i].match = sonde_py_match_file(filename, search->file);
    }
    return search->memos[i].match;
}

static void
consider_file(PyCodeObject *code, void *arg)
{
    struct in_file *search = arg;
    enum sonde_py_file_match match = match_of(search, code->co_filename);
    if (match == SONDE_PY_FILE_OTHER || match < search->best) {
        return;
    }
    if (match > search->best) {
        search->best = match;
        search->codes.count = 0; /* a better match beats all that only end alike */
    }
    sonde_py_codes_add(&search->codes, code);
}

/* What was asked for last. */
static struct {
    struct in_file search;
    uint64_t generation;
    bool is_made;
    char buf[SONDE_PATH_BYTES];
} last;

static void
forget_file(void)
{
    sonde_py_codes_fini(&last.search.codes);
    memset(&last.search, 0, sizeof(last.search));
    last.is_made = false;
}

const struct sonde_py_codes *
sonde_py_catalogue_file(struct sonde_str file)
{
    if (last.is_made && last.generation == sonde_py_index_generation() &&
        sonde_str_eq(last.search.file, file)) {
        return &last.search.codes;
    }
    forget_file();
    if (file.len > sizeof(last.buf)) {
        return &last.search.codes; /* no file has such a name */
    }
    memcpy(last.buf, file.ptr, file.len);
    last.search.file = (struct sonde_str){last.buf, file.len};
    if (sonde_py_index_each(consider_file, &last.search) != SONDE_OK) {
        last.search.codes.failed = SONDE_E_NOMEM;
    }
    last.generation = sonde_py_index_generation();
    last.is_made = last.search.codes.failed == SONDE_OK;
    return &last.search.codes;
}

void
sonde_py_catalogue_rest(void)
{
    forget_names();
    forget_file();
    names.was_asked = false;
}
