/* SPDX-License-Identifier: Apache-2.0
 *
 * What this process has loaded, for the core (sonde/symbols.h): the last three callbacks of
 * sonde/adapter.h. A listing goes by what can be reached, piece by piece: the modules of sys.modules, the
 * subclasses of `object` and theirs, then the functions and names of each module; the code that stands in
 * code is found there. Nothing of the application runs: dictionaries are read by PyDict_Next, objects by their
 * layout or by what they show the garbage collector.
 *
 * Ctx: VM lock, unless said otherwise. */
#ifndef SONDE_PY_SYMBOLS_H
#define SONDE_PY_SYMBOLS_H

#include "compat/compat.h"
#include <sonde/symbols.h>

int sonde_py_list_symbols(void *ctx, struct sonde_listing *listing);
void sonde_py_watch_symbols(void *ctx, bool on);
bool sonde_py_have_symbols_changed(void *ctx);

/* A module's code was made, or is about to run. Only put by. Ctx: a hook. */
void sonde_py_symbols_note_code(PyCodeObject *code);

/* set_origins([(directory, "user" | "library" | "standard")…]): whose code files are; replaces what was
 * said before. */
PyObject *sonde_py_set_origins(PyObject *module, PyObject *list);

/* wait_for_symbols(seconds): whether all that is loaded now was sent and acknowledged in that time. */
PyObject *sonde_py_wait_for_symbols(PyObject *module, PyObject *seconds);

/* symbols_testonly(is_whole): one listing at once, as JSON text. */
PyObject *sonde_py_symbols_testonly(PyObject *module, PyObject *is_whole);

/* symbols_changed_testonly(): what have_symbols_changed answers. */
PyObject *sonde_py_symbols_changed_testonly(PyObject *module, PyObject *unused);

/* watch_symbols_testonly(on). */
PyObject *sonde_py_watch_symbols_testonly(PyObject *module, PyObject *on);

/* In a forked child. */
void sonde_py_symbols_after_fork(void);

#define SONDE_PY_SYMBOL_METHODS                                                      \
    {"set_origins", sonde_py_set_origins, METH_O, "Whose code files are."},          \
        {"wait_for_symbols", sonde_py_wait_for_symbols, METH_O,                      \
         "Waits until all that is loaded was sent."},                                \
        {"symbols_testonly", sonde_py_symbols_testonly, METH_O, NULL},               \
        {"symbols_changed_testonly", sonde_py_symbols_changed_testonly, METH_NOARGS, \
         NULL},                                                                      \
    {                                                                                \
        "watch_symbols_testonly", sonde_py_watch_symbols_testonly, METH_O, NULL      \
    }

#endif
