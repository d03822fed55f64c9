/* SPDX-License-Identifier: Apache-2.0
 *
 * Python's text as UTF-8 bytes, without making anything or changing the object.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_TEXT_H
#define SONDE_PY_TEXT_H

#include "compat/compat.h"
#include <sonde/str.h>
#include <sonde/tape.h>

#define SONDE_PY_TEXT_BYTES 512

/* The characters of a str (or of a subclass: its own storage). ASCII is lent from the object;
 * anything else is written to `buf` (at least SONDE_PY_TEXT_BYTES), cut at a character, lone
 * surrogates as three bytes. An empty run when `text` is NULL or no str. */
struct sonde_str sonde_py_text(PyObject *text, char *buf);

/* How the characters of a str are stored. */
enum sonde_encoding sonde_py_text_encoding(PyObject *text);

/* Whether a str is exactly these ASCII bytes. */
bool sonde_py_text_is(PyObject *text, struct sonde_str ascii);

/* The name of a type as its author wrote it, without asking the type for it. */
struct sonde_str sonde_py_type_name(PyTypeObject *type, char *buf);

/* Looks `name` (ASCII) up among the str keys of a dictionary's own storage by going through
 * it; borrowed, or NULL. No key is compared or hashed by code of its own. */
PyObject *sonde_py_dict_find(PyObject *dict, struct sonde_str name);

#endif
