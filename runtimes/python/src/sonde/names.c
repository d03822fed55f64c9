/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include "text.h"

#include <ctype.h>
#include <sys/stat.h>

static struct sonde_str
skip_dot_slash(struct sonde_str path)
{
    while (path.len >= 2 && path.ptr[0] == '.' && path.ptr[1] == '/') {
        path.ptr += 2;
        path.len -= 2;
        while (path.len > 0 && path.ptr[0] == '/') {
            path.ptr++;
            path.len--;
        }
    }
    return path;
}

/* Whether "//" or "/." stands in it. */
static bool
has_detour(struct sonde_str path)
{
    for (size_t i = 0; i + 1 < path.len; i++) {
        if (path.ptr[i] == '/' && (path.ptr[i + 1] == '/' || path.ptr[i + 1] == '.')) {
            return true;
        }
    }
    return false;
}

struct sonde_str
sonde_py_plain_path(struct sonde_str path, char *buf)
{
    size_t at = 0;
    path = skip_dot_slash(path);
    if (!has_detour(path) || path.len > SONDE_PY_PATH_BYTES) {
        return path;
    }
    for (size_t i = 0, end; i < path.len; i = end + 1) {
        const char *part = path.ptr + i;
        for (end = i; end < path.len && path.ptr[end] != '/'; end++) {
        }
        size_t len = end - i;
        bool is_up = len == 2 && part[0] == '.' && part[1] == '.';
        bool can_go_up = at > 1 && !(at >= 3 && memcmp(buf + at - 3, "../", 3) == 0);
        if ((len == 0 && i > 0) || (len == 1 && part[0] == '.')) {
            continue;
        }
        if (is_up && can_go_up) {
            at--; /* the '/' at its end */
            while (at > 0 && buf[at - 1] != '/') {
                at--;
            }
            continue;
        }
        memcpy(buf + at, part, len);
        at += len;
        if (end < path.len) {
            buf[at++] = '/';
        }
    }
    return (struct sonde_str){buf, at};
}

static struct sonde_str
base_name(struct sonde_str path)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/') {
        at--;
    }
    return (struct sonde_str){path.ptr + at, path.len - at};
}

static bool
get_stat(struct sonde_str path, struct stat *out)
{
    char name[SONDE_PY_PATH_BYTES];
    if (path.len == 0 || path.len >= sizeof(name) || path.ptr[0] != '/') {
        return false;
    }
    memcpy(name, path.ptr, path.len);
    name[path.len] = '\0';
    return stat(name, out) == 0;
}

static bool
is_same_file(struct sonde_str a, struct sonde_str b)
{
    struct stat of_a, of_b;
    return sonde_str_eq(base_name(a), base_name(b)) && get_stat(a, &of_a) &&
           get_stat(b, &of_b) && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

enum sonde_py_file_match
sonde_py_match_file(PyObject *filename, struct sonde_str given)
{
    char text_buf[SONDE_PY_TEXT_BYTES], path_buf[SONDE_PY_PATH_BYTES];
    struct sonde_str name =
        sonde_py_plain_path(sonde_py_text(filename, text_buf), path_buf);
    if (sonde_str_eq(name, given)) {
        return SONDE_PY_FILE_EXACT;
    }
    if (is_same_file(name, given)) {
        return SONDE_PY_FILE_SAME;
    }
    bool ends = given.len > 0 && name.len > given.len &&
                name.ptr[name.len - given.len - 1] == '/' &&
                sonde_str_ends_with(name, given);
    return ends ? SONDE_PY_FILE_ENDS : SONDE_PY_FILE_OTHER;
}

bool
sonde_py_file_is_of_module(PyObject *filename, struct sonde_str module)
{
    char buf[SONDE_PY_TEXT_BYTES];
    struct sonde_str name = sonde_py_text(filename, buf);
    const struct sonde_str tails[] = {SONDE_STR("/__init__.py"), SONDE_STR(".py")};
    size_t i = 0;
    while (i < 2 && !sonde_str_ends_with(name, tails[i])) {
        i++;
    }
    if (i == 2 || name.len - tails[i].len < module.len) {
        return false;
    }
    name.len -= tails[i].len;
    const char *end = name.ptr + name.len - module.len;
    if (end != name.ptr && end[-1] != '/') {
        return false;
    }
    for (size_t k = 0; k < module.len; k++) {
        if (end[k] != (module.ptr[k] == '.' ? '/' : module.ptr[k])) {
            return false;
        }
    }
    return true;
}

PyObject *
sonde_py_module_file(struct sonde_str module, bool *is_loaded)
{
    PyObject *found = sonde_py_dict_find(PyImport_GetModuleDict(), module);
    *is_loaded = found != NULL && PyModule_Check(found);
    if (!*is_loaded) {
        return NULL;
    }
    PyObject *file = sonde_py_dict_find(PyModule_GetDict(found), SONDE_STR("__file__"));
    return file != NULL && PyUnicode_Check(file) ? file : NULL;
}

#define DISTANCE_MAX_LEN 64

unsigned
sonde_py_name_distance(struct sonde_str a, struct sonde_str b, unsigned most)
{
    unsigned row[DISTANCE_MAX_LEN + 1];
    if (a.len > DISTANCE_MAX_LEN || b.len > DISTANCE_MAX_LEN) {
        return most + 1;
    }
    for (size_t i = 0; i <= b.len; i++) {
        row[i] = (unsigned)i;
    }
    for (size_t i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= b.len; k++) {
            bool is_same = tolower((unsigned char)a.ptr[i - 1]) ==
                           tolower((unsigned char)b.ptr[k - 1]);
            unsigned best = diagonal + (is_same ? 0 : 1);
            best = row[k] + 1 < best ? row[k] + 1 : best;
            best = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
            diagonal = row[k];
            row[k] = best;
        }
    }
    return row[b.len] <= most ? row[b.len] : most + 1;
}

void
sonde_py_codes_add(struct sonde_py_codes *codes, PyCodeObject *code)
{
    if (codes->count == codes->room) {
        size_t room = codes->room == 0 ? 32 : codes->room * 2;
        void *list = PyMem_RawRealloc(codes->list, room * sizeof(*codes->list));
        if (list == NULL) {
            codes->failed = SONDE_E_NOMEM;
            return;
        }
        codes->list = list;
        codes->room = room;
    }
    codes->list[codes->count++] = code;
}

void
sonde_py_codes_fini(struct sonde_py_codes *codes)
{
    PyMem_RawFree(codes->list);
    *codes = (struct sonde_py_codes){0};
}
