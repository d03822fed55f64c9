/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the `class` statements of source files stand. A class does not know its own line before 3.13, and
 * the code of its body, which does, is freed when it has run. So the files are read: on the VM thread,
 * while it has no lock; a small scanner looks for statements that begin with `class`.
 *
 * A request is made and taken back under the VM lock; in between it belongs to the VM thread. */
#ifndef SONDE_PY_CLASS_LINES_H
#define SONDE_PY_CLASS_LINES_H

#include "symbols_map.h"

#include <sonde/err.h>

struct sonde_py_class_lines;

/* Calls `found` with the qualified name of each class and the line of its statement or of its first
 * decorator, in their order; what stands in a function is left out. Any thread. */
void sonde_py_scan_classes(struct sonde_str text,
                           void (*found)(void *arg, struct sonde_str qualname,
                                         uint32_t line),
                           void *arg);

/* SONDE_E_NOMEM. Own: sonde_py_class_lines_free. */
int sonde_py_class_lines_new(struct sonde_py_class_lines **out);
void sonde_py_class_lines_free(struct sonde_py_class_lines *lines);

/* One more file to be read, before it is begun; `file` is a number of the caller's. SONDE_E_NOMEM. */
int sonde_py_class_lines_add(struct sonde_py_class_lines *lines, uint32_t file,
                             struct sonde_str path);

/* Hands it to the VM thread. It is read in steps; where none comes (no thread), never. */
void sonde_py_class_lines_begin(struct sonde_py_class_lines *lines);
bool sonde_py_class_lines_is_done(const struct sonde_py_class_lines *lines);

/* What was found, once it is done: the line of the last class of that name that begins at or before
 * `before` (0: of the first one); 0: there is none. */
uint32_t sonde_py_class_lines_get(const struct sonde_py_class_lines *lines, uint32_t file,
                                  struct sonde_str qualname, uint32_t before);

/* Reads one file. False: there is nothing to do. Ctx: the VM thread, no lock. */
bool sonde_py_class_lines_step(void);

/* In a forked child, whose VM thread begins anew. */
void sonde_py_class_lines_after_fork(void);

#endif
