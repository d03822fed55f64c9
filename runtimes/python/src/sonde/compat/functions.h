/* SPDX-License-Identifier: Apache-2.0
 *
 * For rewriting/ alone: what it knows of functions, generators and the evaluation of frames,
 * with the place in CPython's sources that each fact was read from. */
#ifndef SONDE_PY_FUNCTIONS_H
#define SONDE_PY_FUNCTIONS_H

#include "compat/compat.h"
#include <frameobject.h>

/* 1: the rewriter's on_suspend and on_resume are called; 0: the eval function has to tell. */
#define SONDE_PY_HAS_SUSPEND_HOOKS (PY_VERSION_HEX >= 0x030b0000)

/* Gives a function another code object with the same free variables, as func_set_code in
 * Objects/funcobject.c does but for the audit event, which runs code of the application. Returns
 * the reference to the one that it had. */
static inline PyObject *
sonde_py_function_swap_code(PyFunctionObject *function, PyObject *code)
{
    PyObject *old = function->func_code;
    Py_INCREF(code);
    function->func_code = code;
#if PY_VERSION_HEX >= 0x030b0000
    function->func_version = 0; /* calls specialised for the old one look again */
#endif
    return old;
}

/* The code of a generator, coroutine or asynchronous generator; borrowed, NULL for anything
 * else. Include/genobject.h: the three begin with the same fields. */
static inline PyCodeObject *
sonde_py_generator_code(PyObject *object)
{
    if (!PyGen_CheckExact(object) && !PyCoro_CheckExact(object) &&
        !PyAsyncGen_CheckExact(object)) {
        return NULL;
    }
    PyObject *code = (PyObject *)((PyGenObject *)object)->gi_code;
    return code != NULL && PyCode_Check(code) ? (PyCodeObject *)code : NULL;
}

/* --- PEP 523 ------------------------------------------------------------------------------- */

static inline PyCodeObject *
sonde_py_eval_code(sonde_py_frame *frame)
{
    return frame->f_code;
}

/* Runs another code object with what a frame that has not begun was made for. New or NULL with
 * an exception. The frame stays as it is, not linked to anything: its caller disposes of it.
 * Only for code without variables of its own (the body of a module). */
static inline PyObject *
sonde_py_eval_instead(sonde_py_frame *frame, PyObject *code)
{
#if PY_VERSION_HEX >= 0x030b0000
    PyObject *closure = frame->f_func->func_closure;
#else
    PyObject *closure = NULL;
#endif
    return PyEval_EvalCodeEx(code, frame->f_globals, frame->f_locals, NULL, 0, NULL, 0,
                             NULL, 0, NULL, closure);
}

#if !SONDE_PY_HAS_SUSPEND_HOOKS
/* f_lasti is -1 until the first instruction ran. */
static inline bool
sonde_py_eval_has_begun(const sonde_py_frame *frame)
{
    return frame->f_lasti >= 0;
}

/* After an evaluation: whether it stopped at a yield. Python/ceval.c keeps the stack of such a
 * frame (3.9), or says so (3.10). */
static inline bool
sonde_py_eval_is_suspended(const sonde_py_frame *frame)
{
#    if PY_VERSION_HEX >= 0x030a0000
    return frame->f_state == FRAME_SUSPENDED;
#    else
    return frame->f_stacktop != NULL;
#    endif
}
#endif

#endif
