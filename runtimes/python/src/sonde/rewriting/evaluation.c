/* SPDX-License-Identifier: Apache-2.0 */
#include "rewriting/evaluation.h"

#include "compat/functions.h"
#include "hits.h"
#include "rewriting/patches.h"
#include "rewriting/stand_ins.h"
#include "state.h"

/* Modules being loaded by several threads; a frame that did not come is forgotten after so many
 * others (another tool's audit hook may have raised). */
enum { EXPECTED_MAX = 32, FRAMES_MOST = 10000 };

static struct {
    struct expected {
        const PyThreadState *thread;
        const PyCodeObject *original; /* kept by the other */
        PyCodeObject *code;           /* strong */
        unsigned frames_left;
    } expected[EXPECTED_MAX];
    int count;
    bool tells_suspensions;
    _PyFrameEvalFunction
        previous;   /* to be called by ours, as long as ours may be called */
    bool is_buried; /* another tool's came after ours and may call it */
} eval;

static PyObject *evaluate(PyThreadState *thread, sonde_py_frame *frame, int throws);

/* --- Being there ---------------------------------------------------------------------------- */

bool
sonde_py_evaluation_is_ours(void)
{
    return _PyInterpreterState_GetEvalFrameFunc(PyInterpreterState_Get()) == evaluate;
}

/* Makes ours the interpreter's function where it is needed, and only there. One that another tool
 * has set since then may call ours: it then stays where it is. */
static void
settle(void)
{
    PyInterpreterState *interpreter = PyInterpreterState_Get();
    _PyFrameEvalFunction now = _PyInterpreterState_GetEvalFrameFunc(interpreter);
    bool wanted = eval.count > 0 || eval.tells_suspensions;
    if (now == evaluate) {
        eval.is_buried = false;
        if (!wanted) {
            _PyInterpreterState_SetEvalFrameFunc(interpreter, eval.previous);
        }
    } else if (wanted && (!eval.is_buried || now == _PyEval_EvalFrameDefault)) {
        eval.previous = now;
        _PyInterpreterState_SetEvalFrameFunc(interpreter, evaluate);
        eval.is_buried = true; /* from the moment on that it is not the first any more */
    }
}

/* --- Expected frames ------------------------------------------------------------------------ */

static struct expected *
expected_of(const PyThreadState *thread)
{
    for (int i = 0; i < eval.count; i++) {
        if (eval.expected[i].thread == thread) {
            return &eval.expected[i];
        }
    }
    return NULL;
}

/* Takes the reference over to the caller. */
static PyCodeObject *
take(struct expected *expected)
{
    PyCodeObject *code = expected->code;
    *expected = eval.expected[--eval.count];
    settle();
    return code;
}

void
sonde_py_evaluation_expect(PyCodeObject *original)
{
    const PyThreadState *thread = PyThreadState_Get();
    struct expected *expected = eval.count > 0 ? expected_of(thread) : NULL;
    if (expected != NULL) {
        Py_DECREF(take(expected)); /* its frame did not come */
    }
    PyCodeObject *code = eval.count < EXPECTED_MAX ? sonde_py_patch_code(original) : NULL;
    if (code != NULL) {
        eval.expected[eval.count++] =
            (struct expected){thread, original, code, FRAMES_MOST};
        settle();
    }
}

/* What is to be evaluated instead of this frame's code (new), or NULL. */
static PyCodeObject *
code_instead(const PyThreadState *thread, const PyCodeObject *code)
{
    struct expected *expected = expected_of(thread);
    if (expected != NULL && expected->original == code) {
        return take(expected);
    }
    if (expected == NULL) {
        expected = &eval.expected[0]; /* its thread may have ended */
    }
    if (--expected->frames_left == 0) {
        Py_DECREF(take(expected));
    }
    return NULL;
}

/* --- Evaluation ----------------------------------------------------------------------------- */

#if SONDE_PY_HAS_SUSPEND_HOOKS
static PyObject *
evaluate_telling(PyThreadState *thread, sonde_py_frame *frame, int throws)
{
    return eval.previous(thread, frame, throws);
}

#else

static struct sonde_py_armed *
armed_in(PyCodeObject *code)
{
    struct sonde_py_armed *armed = sonde_py_hit_armed(sonde_py_original_of(code));
    return armed != NULL && armed->is_told ? armed : NULL;
}

static PyObject *
evaluate_telling(PyThreadState *thread, sonde_py_frame *frame, int throws)
{
    PyCodeObject *code = sonde_py_eval_code(frame);
    if (!eval.tells_suspensions || !sonde_py_code_suspends(code)) {
        return eval.previous(thread, frame, throws);
    }
    struct sonde_py_armed *armed = sonde_py_eval_has_begun(frame) ? armed_in(code) : NULL;
    if (armed != NULL) {
        sonde_py_hit_resume(armed, frame);
    }
    PyObject *result = eval.previous(thread, frame, throws);
    /* The frame is its generator's, which our caller holds. */
    armed = sonde_py_eval_is_suspended(frame) ? armed_in(code) : NULL;
    if (armed != NULL) {
        sonde_py_hit_suspend(armed, frame);
    }
    return result;
}
#endif

static PyObject *
evaluate(PyThreadState *thread, sonde_py_frame *frame, int throws)
{
    PyCodeObject *instead = eval.count > 0 && !throws
                                ? code_instead(thread, sonde_py_eval_code(frame))
                                : NULL;
    if (instead == NULL) {
        return evaluate_telling(thread, frame, throws);
    }
    PyObject *result = sonde_py_eval_instead(frame, (PyObject *)instead);
    Py_DECREF(instead);
    return result;
}

void
sonde_py_evaluation_tell_suspensions(bool wanted)
{
    bool tells = wanted && !SONDE_PY_HAS_SUSPEND_HOOKS;
    if (eval.tells_suspensions != tells) {
        eval.tells_suspensions = tells;
        settle();
    }
}

void
sonde_py_evaluation_stop(void)
{
    while (eval.count > 0) {
        Py_DECREF(take(&eval.expected[0]));
    }
    sonde_py_evaluation_tell_suspensions(false);
}
