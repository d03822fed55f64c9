/* SPDX-License-Identifier: Apache-2.0
 *
 * What is kept with a code object for as long as it lives: in the slot that CPython lends
 * (PEP 523), whose content is told of the code object's end.
 *
 * Ctx: VM lock, main interpreter. */
#ifndef SONDE_PY_CODE_NOTE_H
#define SONDE_PY_CODE_NOTE_H

#include "compat/compat.h"

struct sonde_py_note {
    PyCodeObject *code;
    PyObject *qualname; /* strong; NULL: not known (3.9 and 3.10 only) */
    bool is_looked_for; /* there is no better name to be had */
};

/* Asks for the slot, once in a process. Without one there are no notes. */
void sonde_py_notes_start(void);

/* A few nanoseconds. NULL: it has none. */
struct sonde_py_note *sonde_py_note_of(const PyCodeObject *code);

/* The note of a code object, made where there is none. Its end is told to sonde_py_code_dies from
 * then on. NULL: out of memory, or there are no notes. */
struct sonde_py_note *sonde_py_note_make(PyCodeObject *code);

#endif
