/* SPDX-License-Identifier: Apache-2.0
 *
 * What a person types against what the interpreter calls it: files, modules, functions.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_NAMES_H
#define SONDE_PY_NAMES_H

#include "compat/compat.h"
#include "core/base/path.h"
#include <sonde/err.h>
#include <sonde/str.h>

/* The better the higher. */
enum sonde_py_file_match {
    SONDE_PY_FILE_OTHER,
    SONDE_PY_FILE_ENDS, /* the given name is an end of it, at a directory boundary */
    SONDE_PY_FILE_SAME, /* two absolute names that lead to one file (symbolic links) */
    SONDE_PY_FILE_EXACT,
};

/* `filename` is a co_filename, `given` came through sonde_path_plain. Asks the system about
 * files of the same last name. */
enum sonde_py_file_match sonde_py_match_file(PyObject *filename, struct sonde_str given);

/* Whether `filename` is where a module of that dotted name would lie: …/a/b.py or
 * …/a/b/__init__.py. */
bool sonde_py_file_is_of_module(PyObject *filename, struct sonde_str module);

/* The file of a loaded module, borrowed; NULL when it is not loaded (*is_loaded false) or
 * has none. Nothing of the module is called. */
PyObject *sonde_py_module_file(struct sonde_str module, bool *is_loaded);

/* The same of a module's dictionary; NULL: it has none. */
PyObject *sonde_py_dict_file(PyObject *names, bool is_main);

/* How many changes make one name of the other, letter case aside; at most `most` + 1. */
unsigned sonde_py_name_distance(struct sonde_str a, struct sonde_str b, unsigned most);

/* A growing list of code objects; no reference is held. */
struct sonde_py_codes {
    PyCodeObject **list;
    size_t count, room;
    int failed; /* SONDE_E_NOMEM: some are missing */
};

void sonde_py_codes_add(struct sonde_py_codes *codes, PyCodeObject *code);
void sonde_py_codes_fini(struct sonde_py_codes *codes);

#endif
