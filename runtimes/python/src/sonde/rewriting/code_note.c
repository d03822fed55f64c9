/* SPDX-License-Identifier: Apache-2.0 */
#include "rewriting/code_note.h"

#include "adapter.h"
#include "state.h"

static Py_ssize_t slot = -1;

/* Also called, with NULL, for code objects that only others have put something on. */
static void
on_code_dies(void *data)
{
    struct sonde_py_note *note = data;
    if (note != NULL) {
        sonde_py_code_dies(note->code);
        Py_XDECREF(note->qualname);
        PyMem_RawFree(note);
    }
}

void
sonde_py_notes_start(void)
{
    if (slot < 0) {
        slot = _PyEval_RequestCodeExtraIndex(on_code_dies);
        sonde_py_clear_error();
    }
}

struct sonde_py_note *
sonde_py_note_of(const PyCodeObject *code)
{
    void *note = NULL;
    /* It fails only for what is no code object. */
    if (slot < 0 || _PyCode_GetExtra((PyObject *)(uintptr_t)code, slot, &note) != 0) {
        return NULL;
    }
    return note;
}

struct sonde_py_note *
sonde_py_note_make(PyCodeObject *code)
{
    struct sonde_py_note *note = sonde_py_note_of(code);
    if (note != NULL || slot < 0) {
        return note;
    }
    note = PyMem_RawCalloc(1, sizeof(*note));
    if (note == NULL) {
        return NULL;
    }
    note->code = code;
    /* Without memory it fails without an exception. */
    if (_PyCode_SetExtra((PyObject *)code, slot, note) != 0) {
        PyMem_RawFree(note);
        return NULL;
    }
    return note;
}
