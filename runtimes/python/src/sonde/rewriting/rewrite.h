/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a code object that does what another does and tells hooks on the way: for CPython 3.9
 * to 3.11, which have no events of their own. A small library: it knows code objects and
 * nothing of probes.
 *
 * The new code object is a copy of the given one with a few instructions put in: jumps, prefixes
 * (EXTENDED_ARG), line table, exception table, stack size and constants are made anew to fit.
 * Names, variables, flags, nested code objects are the same objects. Every instruction of the
 * original keeps its line, and what is put in has the line of the instruction that it stands
 * before, so that tracebacks and debuggers see no difference.
 *
 * With an empty plan the new code object equals the old one byte for byte.
 *
 * A hook is an object that the code object's constants hold from then on, of a static type with
 * an sq_contains, which is how it is told: by the operator `in`, as `hook in hook` where there is
 * nothing to say and as `value in hook` where there is. The frame is the thread's innermost one.
 * The slot must return 0 or 1, which is dropped, and leave no exception; it must not give up the
 * VM lock or run Python code.
 *
 * Why no call: a call asks whether signals or another thread wait, counts the depth of recursion
 * and tells profilers. This operator does none of it in any of these versions, and goes by the
 * type of the hook alone (Objects/abstract.c, PySequence_Contains), so that nothing of the value's
 * class is ever run. So there is no point at which anything can be raised either.
 *
 * Ctx: VM lock. Runs no Python code. */
#ifndef SONDE_PY_REWRITE_H
#define SONDE_PY_REWRITE_H

#include "rewriting/ops.h"

#include <sonde/err.h>

/* Before one instruction, whichever way control gets there: jumps to the instruction lead to the
 * hook first, but for those that the plan leads past it. In a function's preamble the hook stands
 * before the body; and where instructions may not be parted it stands before the first of
 * them: before KW_NAMES, PRECALL, CALL, and before an await or yield from, so that it is told once
 * of each, not each time that it goes on. */
struct sonde_py_rewrite_spot {
    int unit; /* index of the instruction's code unit in the original, or of one of its
                     * prefixes' (EXTENDED_ARG) */
    PyObject *hook; /* of nothing */
};

/* Around the whole body of a function; each may be NULL: not wanted. */
struct sonde_py_rewrite_wrap {
    PyObject
        *on_entry; /* (): first of all, when the arguments are bound; in a generator or
                          * coroutine when it is first run, not when it is made */
    PyObject *on_return; /* (value): before the value is returned */
    PyObject
        *on_unwind; /* (exception): an exception leaves the function; it goes on as it
                          * was, with the traceback that it had, and is not the current one
                          * (sys.exc_info; before 3.11 it is). Where it was raised the traceback says, not the frame, which has no line meanwhile (on
                          * 3.9: that of the function's last instruction, and for good;
                          * there a tracing debugger sees one event more, for that line) */
    /* 3.11, generators and coroutines only; ignored elsewhere. */
    PyObject *on_suspend; /* (): before the frame is suspended by a yield or an await */
    PyObject *on_resume; /* (): after it goes on; also when it goes on in a handler of its
                           * own because something was thrown into it, and in handlers in
                           * general: the hook knows whether it was suspended */
};

struct sonde_py_rewrite_plan {
    const struct sonde_py_rewrite_spot
        *spots; /* rising by unit; several at one unit: in order */
    size_t spot_count;
    struct sonde_py_rewrite_wrap wrap;
    /* Whether a jump from one unit to another, both instructions of the original, leads past the
     * spots at the latter; NULL: none does. Asked only of jumps to a spot. */
    bool (*leads_past)(void *ctx, int from, int to);
    void *ctx;
};

/* New: a code object, or NULL with err set: SONDE_E_NOMEM; SONDE_E_CORRUPT where the original's
 * tables can not be read; SONDE_E_LIMIT where the result would be too large; SONDE_E_INVAL where
 * a spot is no instruction, or a hook none. A pending exception stays as it was; the original is not changed. */
PyObject *sonde_py_rewrite(PyCodeObject *code, const struct sonde_py_rewrite_plan *plan,
                           struct sonde_err *err);

#endif
