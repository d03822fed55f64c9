/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether trim.h's picture of a code object with events is right in this process. */
#include "monitoring/verify_events.h"

#include "compat/compat_verify.h"
#include "monitoring/trim.h"
#include "state.h"

static bool
set_events(PyObject *set_local_events, PyCodeObject *code, int tool, int events)
{
    PyObject *result = PyObject_CallFunction(set_local_events, "iOi", tool, code, events);
    Py_XDECREF(result);
    return result != NULL;
}

#define UNITS_MAX 256

/* Where events of other tools stand on the sample, which may be on for all code: there ours is kept
 * elsewhere, and nothing is to be seen. */
static bool is_taken[UNITS_MAX];

static bool
note_other_tools(PyCodeObject *code)
{
    const _Py_CODEUNIT *units = sonde_py_code_units(code);
    if (Py_SIZE(code) > UNITS_MAX) {
        return false;
    }
    for (int i = 0; i < (int)Py_SIZE(code); i++) {
        is_taken[i] = units[i].op.code >= MIN_INSTRUMENTED_OPCODE;
    }
    return true;
}

/* Whether exactly the instructions from the first traceable one on, `kept` or all (-1), bear
 * our event and the others are plain. */
static bool
bears_events(PyCodeObject *code, PyObject *plain_bytes, int kept)
{
    const uint8_t *plain = (const uint8_t *)PyBytes_AS_STRING(plain_bytes);
    const _Py_CODEUNIT *units = sonde_py_code_units(code);
    for (int i = sonde_py_code_first(code); i < (int)Py_SIZE(code); i++) {
        if (plain[2 * i] == 0 || plain[2 * i] == RESUME || is_taken[i]) {
            continue;
        }
        bool bears = units[i].op.code == INSTRUMENTED_INSTRUCTION;
        bool wanted = kept < 0 || i == kept;
        if (bears != wanted || (!bears && units[i].op.code != plain[2 * i]) ||
            (bears && code->_co_monitoring->per_instruction_opcodes[i] != plain[2 * i])) {
            return false;
        }
    }
    return true;
}

static bool
runs_right(PyObject *function)
{
    PyObject *result = PyObject_CallFunction(function, "ii", 7, 8);
    bool is_right = result != NULL && PyTuple_CheckExact(result) &&
                    PyLong_AsLong(PyTuple_GET_ITEM(result, 0)) == 7 &&
                    PyLong_AsLong(PyTuple_GET_ITEM(result, 1)) == 8;
    Py_XDECREF(result);
    return is_right;
}

static bool
verify_trim(PyObject *function, PyCodeObject *code, PyObject *plain, int tool)
{
    uint32_t kept = (uint32_t)sonde_py_code_first(code) + 1;
    PyObject *set = sonde_py.set_local_events;
    if (!set_events(set, code, tool, SONDE_PY_EVENT_INSTRUCTION) ||
        !bears_events(code, plain, -1)) {
        return false;
    }
    sonde_py.parts |= 1u << SONDE_PY_PART_TRIM; /* what follows asks for it */
    return sonde_py_trim_prepare(code) &&
           sonde_py_trim_events(code, plain, tool, &kept, 1) > 0 &&
           bears_events(code, plain, (int)kept) && runs_right(function) &&
           set_events(set, code, tool, 0);
}

static bool
verify_pairs(PyObject *function, PyCodeObject *code, PyObject *plain, int tool)
{
    if (!SONDE_PY_HAS_QUICKENED_PAIRS) {
        return true;
    }
    /* Joined, run; then parted again by CPython as soon as an event is set. */
    PyObject *set = sonde_py.set_local_events;
    return sonde_py_trim_pairs(code, plain) > 0 && runs_right(function) &&
           set_events(set, code, tool, SONDE_PY_EVENT_INSTRUCTION) &&
           bears_events(code, plain, -1) && set_events(set, code, tool, 0) &&
           runs_right(function);
}

unsigned
sonde_py_verify_events(int tool, unsigned forced)
{
    const unsigned before = sonde_py.parts;
    unsigned parts = 0;
    PyObject *names = sonde_py_make_samples();
    PyObject *function = names != NULL ? PyDict_GetItemString(names, "pairs") : NULL;
    PyCodeObject *code = names != NULL ? sonde_py_sample_code(names, "pairs") : NULL;
    PyObject *plain = code != NULL ? sonde_py_code_plain(code) : NULL;
    /* Its first run brings on what other tools have asked for. */
    if (plain != NULL && runs_right(function) && note_other_tools(code) &&
        verify_trim(function, code, plain, tool)) {
        parts |= 1u << SONDE_PY_PART_TRIM;
        if (verify_pairs(function, code, plain, tool)) {
            parts |= 1u << SONDE_PY_PART_PAIRS;
        }
    }
    sonde_py_clear_error();
    sonde_py.parts = before;
    if (code != NULL) {
        set_events(sonde_py.set_local_events, code, tool, 0);
    }
    Py_XDECREF(plain);
    sonde_py_free_samples(names);
    return parts & ~forced;
}
