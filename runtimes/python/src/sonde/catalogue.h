/* SPDX-License-Identifier: Apache-2.0
 *
 * Code by name and by file, for as long as nothing comes or goes: many definitions are often
 * looked for at once, and each look at all code would be dear. Made at the second question of a
 * safe point, gone with sonde_py_catalogue_rest.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_CATALOGUE_H
#define SONDE_PY_CATALOGUE_H

#include "names.h"

/* Calls `visit` for all functions (no bodies of classes or modules) whose plain name is
 * `name`, and perhaps for others: the caller compares. SONDE_E_NOMEM: not all were visited. */
int sonde_py_catalogue_named(struct sonde_str name,
                             void (*visit)(PyCodeObject *code, void *arg), void *arg);

/* The code of one file, best match of the name only; `file` came through sonde_path_plain. Lent
 * until the next call. SONDE_E_NOMEM: codes->failed says so too. */
const struct sonde_py_codes *sonde_py_catalogue_file(struct sonde_str file);

/* A safe point is over. */
void sonde_py_catalogue_rest(void);

#endif
