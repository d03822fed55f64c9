/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include "fields.h"
#include "text.h"

#include <ctype.h>

enum sonde_py_file_match
sonde_py_match_file(PyObject *filename, struct sonde_str given)
{
    char text_buf[SONDE_PY_TEXT_BYTES], path_buf[SONDE_PATH_BYTES];
    struct sonde_str name = sonde_path_plain(sonde_py_text(filename, text_buf), path_buf);
    if (sonde_str_eq(name, given)) {
        return SONDE_PY_FILE_EXACT;
    }
    if (sonde_path_is_same_file(name, given)) {
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

/* A script loses its __file__ when its last line has run, while its threads may go on; its
 * loader keeps the path. */
static PyObject *
loader_path(PyObject *names)
{
    PyObject *loader = sonde_py_dict_find(names, SONDE_STR("__loader__"));
    if (loader == NULL || PyType_Check(loader)) {
        return NULL;
    }
    return sonde_py_field(loader, SONDE_STR("path"));
}

PyObject *
sonde_py_dict_file(PyObject *names, bool is_main)
{
    PyObject *file = sonde_py_dict_find(names, SONDE_STR("__file__"));
    if (file == NULL && is_main) {
        file = loader_path(names);
    }
    return file != NULL && PyUnicode_Check(file) ? file : NULL;
}

PyObject *
sonde_py_module_file(struct sonde_str module, bool *is_loaded)
{
    PyObject *found = sonde_py_dict_find(PyImport_GetModuleDict(), module);
    *is_loaded = found != NULL && PyModule_Check(found);
    if (!*is_loaded) {
        return NULL;
    }
    return sonde_py_dict_file(PyModule_GetDict(found),
                              sonde_str_eq(module, SONDE_STR("__main__")));
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
