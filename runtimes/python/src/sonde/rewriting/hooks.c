/* SPDX-License-Identifier: Apache-2.0 */
#include "rewriting/hooks.h"

#include "compat/functions.h"
#include "frames.h"
#include "hits.h"
#include "state.h"

struct hook {
    PyObject head;
    void (*tell)(const struct hook *hook, struct sonde_py_armed *armed,
                 PyCodeObject *code, PyObject *value);
    struct sonde_py_stand_in *stand_in; /* a reference */
    uint32_t unit;
};

/* --- What is told --------------------------------------------------------------------------- */

static void
on_line(const struct hook *hook, struct sonde_py_armed *armed, PyCodeObject *code,
        PyObject *value)
{
    (void)value;
    sonde_py_hit_line(armed, code, hook->unit);
}

static void
on_entry(const struct hook *hook, struct sonde_py_armed *armed, PyCodeObject *code,
         PyObject *value)
{
    (void)hook;
    (void)value;
    sonde_py_hit_entry(armed, code);
}

static void
on_return(const struct hook *hook, struct sonde_py_armed *armed, PyCodeObject *code,
          PyObject *value)
{
    (void)hook;
    sonde_py_hit_exit(armed, code, value, NULL);
}

static void
on_unwind(const struct hook *hook, struct sonde_py_armed *armed, PyCodeObject *code,
          PyObject *value)
{
    (void)hook;
    sonde_py_hit_exit(armed, code, NULL, value);
}

static void
on_suspend(const struct hook *hook, struct sonde_py_armed *armed, PyCodeObject *code,
           PyObject *value)
{
    (void)hook;
    (void)value;
    sonde_py_hit_suspend(armed, sonde_py_frame_of(code));
}

static void
on_resume(const struct hook *hook, struct sonde_py_armed *armed, PyCodeObject *code,
          PyObject *value)
{
    (void)hook;
    (void)value;
    sonde_py_hit_resume(armed, sonde_py_frame_of(code));
}

static bool
holds(const PyCodeObject *code, const PyObject *hook)
{
    for (Py_ssize_t i = PyTuple_GET_SIZE(code->co_consts); i-- > 0;) {
        if (PyTuple_GET_ITEM(code->co_consts, i) == hook) {
            return true;
        }
    }
    return false;
}

/* The code that runs us: the stand-in, or a copy that somebody made of it (types.coroutine does).
 * NULL: somebody merely looks at constants, which is nothing to tell of. */
static PyCodeObject *
code_that_runs(const struct hook *hook)
{
    PyCodeObject *code = hook->stand_in->code;
    if (!sonde_py_has(SONDE_PY_PART_FRAMES)) {
        return code;
    }
    sonde_py_frame *frame = sonde_py_thread_frame(PyThreadState_Get());
    PyCodeObject *running = frame != NULL ? sonde_py_eval_code(frame) : NULL;
    return running == code || (running != NULL && holds(running, &hook->head)) ? running
                                                                               : NULL;
}

/* `value in hook`. */
static int
tell(PyObject *self, PyObject *value)
{
    const struct hook *hook = (const struct hook *)self;
    struct sonde_py_stand_in *stand_in = hook->stand_in;
    PyCodeObject *code = code_that_runs(hook);
    if (code == NULL) {
        return 0;
    }
    if (stand_in->armed_at != sonde_py_armed_changes ||
        sonde_agent_is_stale(sonde_py.agent)) {
        stand_in->armed = sonde_py_hit_armed(stand_in->original);
        stand_in->armed_at = sonde_py_armed_changes;
    }
    if (stand_in->armed != NULL) {
        hook->tell(hook, stand_in->armed, code, value);
    }
    return 0;
}

/* --- The type ------------------------------------------------------------------------------- */

static void
dealloc(PyObject *self)
{
    struct hook *hook = (struct hook *)self;
    /* The code object that held it goes with it. */
    sonde_py_frames_forget(hook->stand_in->code);
    sonde_py_stand_in_unref(hook->stand_in);
    PyObject_Free(self);
}

static PySequenceMethods as_sequence = {.sq_contains = tell};

/* Known to nobody by name, can not be made, and no cycle leads through it. */
static PyTypeObject hook_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "sonde.hook",
    .tp_basicsize = sizeof(struct hook),
    .tp_dealloc = dealloc,
    .tp_as_sequence = &as_sequence,
    .tp_flags = Py_TPFLAGS_DEFAULT,
};

static void (*const tells[])(const struct hook *hook, struct sonde_py_armed *armed,
                             PyCodeObject *code, PyObject *value) = {
    [SONDE_PY_HOOK_LINE] = on_line,       [SONDE_PY_HOOK_ENTRY] = on_entry,
    [SONDE_PY_HOOK_RETURN] = on_return,   [SONDE_PY_HOOK_UNWIND] = on_unwind,
    [SONDE_PY_HOOK_SUSPEND] = on_suspend, [SONDE_PY_HOOK_RESUME] = on_resume,
};

bool
sonde_py_hooks_init(void)
{
    bool is_ready = PyType_Ready(&hook_type) == 0;
    sonde_py_clear_error();
    return is_ready;
}

PyObject *
sonde_py_hook_new(enum sonde_py_hook_kind kind, uint32_t unit,
                  struct sonde_py_stand_in *stand_in)
{
    struct hook *hook = PyObject_New(struct hook, &hook_type);
    if (hook == NULL) {
        sonde_py_clear_error();
        return NULL;
    }
    hook->tell = tells[kind];
    hook->unit = unit;
    hook->stand_in = stand_in;
    stand_in->refs++;
    return (PyObject *)hook;
}

struct sonde_py_stand_in *
sonde_py_hook_stand_in(PyObject *object)
{
    return Py_IS_TYPE(object, &hook_type) ? ((struct hook *)object)->stand_in : NULL;
}
