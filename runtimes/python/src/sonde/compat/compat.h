/* SPDX-License-Identifier: Apache-2.0
 *
 * The one door to CPython. Every file of the extension includes this header instead of
 * Python.h, and nothing outside compat/ looks at a version. One py_3_NN.h is included; each
 * defines the same complete list of facts about its interpreter, with the place in CPython's
 * sources that each was read from:
 *
 * Everywhere:
 *   sonde_py_frame                    a frame as the interpreter has it (opaque)
 *   sonde_py_thread_frame(tstate)     the innermost frame, hidden ones included
 *   sonde_py_frame_back(frame)        the one that called it, or NULL
 *   sonde_py_frame_code(frame)        its code, or NULL for a frame that no one may see
 *   sonde_py_frame_unit(frame)        index of the instruction that runs, or just ran
 *   sonde_py_frame_variable(…, i)     a variable's value, cells looked through; NULL: unbound
 *   sonde_py_frame_namespace(frame)   the mapping of a module's or class's body, or NULL
 *   sonde_py_frame_object_code(frame) the code of a frame object
 *   sonde_py_frame_qualname(frame, code), _frame_object_qualname(frame)  borrowed; at its best
 *   sonde_py_code_variable_count, _name(code, i)  arguments first, then all other variables
 *   sonde_py_code_qualname(code)      borrowed; its plain name where no more is known
 *   sonde_py_keep_qualname(code)      what is known of it now is known for good
 *   SONDE_PY_HAS_CODE_QUALNAME        0/1: code objects know it themselves (3.11)
 *   sonde_py_code_first(code)         the first unit of the body, behind the frame's making
 *   sonde_py_inline_values(...)       an object's fields where it has no __dict__ yet
 *   sonde_py_managed_dict(object)     its __dict__ where it has one, never made
 *   sonde_py_int_size, _is_negative, _digits  how an int keeps its digits
 *   SONDE_PY_..._(X)                  ops_3_NN.h: instructions by what lines.c asks of them
 *
 * Where there is sys.monitoring (3.12 and later), for monitoring/:
 *   SONDE_PY_HAS_QUICKENED_PAIRS      0/1: pairs of instructions are joined at run time
 *   sonde_py_code_units(code)         the live instructions
 *   sonde_py_warm_up(unit)            resets an instruction's inline cache
 *   sonde_py_joined_pair(a, b)        what a pair is joined to
 *   sonde_py_line_opcode(data, unit)  what a LINE event stands in front of
 *   SONDE_PY_EVENT_...                the numbers of sys.monitoring's events
 *
 * What the compiler can not see is checked once at load by compat_verify.c against live
 * objects; what fails there is switched off (enum sonde_py_part) and the rest goes on. */
#ifndef SONDE_PY_COMPAT_H
#define SONDE_PY_COMPAT_H

#ifndef PY_SSIZE_T_CLEAN
#    define PY_SSIZE_T_CLEAN
#endif
#ifndef Py_BUILD_CORE
#    define Py_BUILD_CORE 1
#endif
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A field of an object that keeps its values inline, in the order they were set. */
struct sonde_py_inline {
    PyObject *const *values;
    const uint8_t *order;
    int order_step; /* 1 or -1 */
    unsigned count;
    PyObject *const *keys; /* every second word is a key */
    Py_ssize_t key_count;
};

#if PY_VERSION_HEX >= 0x03090000 && PY_VERSION_HEX < 0x030a0000
#    include "compat/py_3_9.h"
#elif PY_VERSION_HEX >= 0x030a0000 && PY_VERSION_HEX < 0x030b0000
#    include "compat/py_3_10.h"
#elif PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030c0000
#    include "compat/py_3_11.h"
#elif PY_VERSION_HEX >= 0x030c0000 && PY_VERSION_HEX < 0x030d0000
#    include "compat/py_3_12.h"
#elif PY_VERSION_HEX >= 0x030d0000 && PY_VERSION_HEX < 0x030e0000
#    include "compat/py_3_13.h"
#elif PY_VERSION_HEX >= 0x030e0000 && PY_VERSION_HEX < 0x030f0000
#    include "compat/py_3_14.h"
#else
#    error "this CPython is not supported yet"
#endif

/* Code objects know their qualified names. */
#if SONDE_PY_HAS_CODE_QUALNAME
static inline PyObject *
sonde_py_frame_qualname(const sonde_py_frame *frame, PyCodeObject *code)
{
    (void)frame;
    return sonde_py_code_qualname(code);
}

static inline PyObject *
sonde_py_frame_object_qualname(PyFrameObject *frame)
{
    return sonde_py_code_qualname(sonde_py_frame_object_code(frame));
}

static inline void
sonde_py_keep_qualname(PyCodeObject *code)
{
    (void)code;
}
#endif

/* 1: a loop jumps back to where its condition begins; 0: the condition stands again at its end,
 * and what is jumped back to is the body. */
#ifndef SONDE_PY_LOOPS_AT_HEAD
#    define SONDE_PY_LOOPS_AT_HEAD 0
#endif

/* 1: the interpreter tells of events (sys.monitoring); 0: code has to be rewritten. */
#define SONDE_PY_HAS_MONITORING (PY_VERSION_HEX >= 0x030c0000)

/* --- What the public API calls differently ------------------------------------------------ */

#if PY_VERSION_HEX < 0x030a0000
static inline PyObject *
Py_NewRef(PyObject *object)
{
    Py_INCREF(object);
    return object;
}
#endif

/* A module's last slot: what it says of interpreters other than the main one. Before 3.12 it is
 * not asked. */
#if PY_VERSION_HEX >= 0x030c0000
#    define SONDE_PY_SLOT_INTERPRETERS                                               \
        {                                                                            \
            Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED \
        }
#else
#    define SONDE_PY_SLOT_INTERPRETERS \
        {                              \
            0, NULL                    \
        }
#endif

/* New: the instructions as they were compiled, whatever is specialised or instrumented now. */
static inline PyObject *
sonde_py_code_plain(PyCodeObject *code)
{
#if PY_VERSION_HEX >= 0x030b0000
    return PyCode_GetCode(code);
#else
    return Py_NewRef(code->co_code);
#endif
}

/* Whether its frames can be suspended: a generator, coroutine or asynchronous generator. */
static inline bool
sonde_py_code_suspends(const PyCodeObject *code)
{
    return (code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) != 0;
}

/* The exception that is on its way, put aside and back. */
struct sonde_py_stash {
    PyObject *type, *value, *traceback;
};

static inline void
sonde_py_stash_error(struct sonde_py_stash *stash)
{
#if PY_VERSION_HEX >= 0x030c0000
    stash->value = PyErr_GetRaisedException();
#else
    PyErr_Fetch(&stash->type, &stash->value, &stash->traceback);
#endif
}

static inline void
sonde_py_restore_error(struct sonde_py_stash *stash)
{
#if PY_VERSION_HEX >= 0x030c0000
    PyErr_SetRaisedException(stash->value);
#else
    PyErr_Restore(stash->type, stash->value, stash->traceback);
#endif
}

/* Calls `visit` for every object that the garbage collector knows, those that were put out of
 * its reach (gc.freeze) included, until it returns 0. It must make and free nothing. */
void sonde_py_visit_objects(int (*visit)(PyObject *object, void *arg), void *arg);

/* What depends on knowledge of CPython's insides. X(NAME, name in `sonde ps`). */
#define SONDE_PY_PART_LIST(X)                                                       \
    X(FRAMES, "frames")               /* stack and locals */                        \
    X(INLINE_VALUES, "inline_values") /* fields of objects without a __dict__ */    \
    X(INTS, "ints")                   /* integers beyond 64 bits */                 \
    X(TRIM, "trim")           /* taking instruction events off what is not armed */ \
    X(PAIRS, "pairs")         /* joined instructions after an event was there */    \
    X(LINES, "lines")         /* line numbers from the location table */            \
    X(REWRITING, "rewriting") /* code objects with calls put into them */

enum sonde_py_part {
#define SONDE_PY_PART_ENUM(name, text) SONDE_PY_PART_##name,
    SONDE_PY_PART_LIST(SONDE_PY_PART_ENUM)
#undef SONDE_PY_PART_ENUM
        SONDE_PY_PART_COUNT
};

/* Those that compat_verify.c looks at; the others are the engine's. */
#define SONDE_PY_PARTS_SHARED                                         \
    (1u << SONDE_PY_PART_FRAMES | 1u << SONDE_PY_PART_INLINE_VALUES | \
     1u << SONDE_PY_PART_INTS | 1u << SONDE_PY_PART_LINES)

const char *sonde_py_part_name(enum sonde_py_part part);

/* One field of an inline object: its value (borrowed; NULL: none) and *name. */
static inline PyObject *
sonde_py_inline_at(const struct sonde_py_inline *fields, unsigned i, PyObject **name)
{
    unsigned index = fields->order[(int)i * fields->order_step];
    if ((Py_ssize_t)index >= fields->key_count) {
        return NULL;
    }
    *name = fields->keys[2 * index];
    return *name == NULL ? NULL : fields->values[index];
}

#endif
