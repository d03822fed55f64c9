/* SPDX-License-Identifier: Apache-2.0 */
#include "rewriting/hooks.h"

#include "frames.h"
#include "hits.h"
#include "state.h"

struct hook {
    PyObject head;
    vectorcallfunc call;
    struct sonde_py_stand_in *stand_in; /* a reference */
    uint32_t unit;
};

/* --- Calls ---------------------------------------------------------------------------------- */

/* What is armed in the code that the hook stands for. NULL: nothing, or called by nobody of
 * ours: `wanted` arguments are what the rewriter gives it. */
static struct sonde_py_armed *
armed_for(const struct hook *hook, size_t nargsf, Py_ssize_t wanted)
{
    return PyVectorcall_NARGS(nargsf) == wanted
               ? sonde_py_hit_armed(hook->stand_in->original)
               : NULL;
}

static PyObject *
on_line(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    (void)args;
    (void)names;
    const struct hook *hook = (const struct hook *)self;
    struct sonde_py_armed *armed = armed_for(hook, nargsf, 0);
    if (armed != NULL) {
        sonde_py_hit_line(armed, hook->stand_in->code, hook->unit);
    }
    Py_RETURN_NONE;
}

static PyObject *
on_entry(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    (void)args;
    (void)names;
    const struct hook *hook = (const struct hook *)self;
    struct sonde_py_armed *armed = armed_for(hook, nargsf, 0);
    if (armed != NULL) {
        sonde_py_hit_entry(armed, hook->stand_in->code);
    }
    Py_RETURN_NONE;
}

static PyObject *
on_return(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    (void)names;
    const struct hook *hook = (const struct hook *)self;
    struct sonde_py_armed *armed = armed_for(hook, nargsf, 1);
    if (armed != NULL) {
        sonde_py_hit_exit(armed, hook->stand_in->code, args[0], NULL);
    }
    Py_RETURN_NONE;
}

static PyObject *
on_unwind(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    (void)names;
    const struct hook *hook = (const struct hook *)self;
    struct sonde_py_armed *armed = armed_for(hook, nargsf, 1);
    if (armed != NULL) {
        sonde_py_hit_exit(armed, hook->stand_in->code, NULL, args[0]);
    }
    Py_RETURN_NONE;
}

static PyObject *
on_suspend(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    (void)args;
    (void)names;
    const struct hook *hook = (const struct hook *)self;
    struct sonde_py_armed *armed = armed_for(hook, nargsf, 0);
    if (armed != NULL) {
        sonde_py_hit_suspend(armed, sonde_py_frame_of(hook->stand_in->code));
    }
    Py_RETURN_NONE;
}

static PyObject *
on_resume(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    (void)args;
    (void)names;
    const struct hook *hook = (const struct hook *)self;
    struct sonde_py_armed *armed = armed_for(hook, nargsf, 0);
    if (armed != NULL) {
        sonde_py_hit_resume(armed, sonde_py_frame_of(hook->stand_in->code));
    }
    Py_RETURN_NONE;
}

static const vectorcallfunc calls[] = {
    [SONDE_PY_HOOK_LINE] = on_line,       [SONDE_PY_HOOK_ENTRY] = on_entry,
    [SONDE_PY_HOOK_RETURN] = on_return,   [SONDE_PY_HOOK_UNWIND] = on_unwind,
    [SONDE_PY_HOOK_SUSPEND] = on_suspend, [SONDE_PY_HOOK_RESUME] = on_resume,
};

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

/* Known to nobody by name, can not be made, and no cycle leads through it. */
static PyTypeObject hook_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "sonde.hook",
    .tp_basicsize = sizeof(struct hook),
    .tp_dealloc = dealloc,
    .tp_vectorcall_offset = offsetof(struct hook, call),
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
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
    hook->call = calls[kind];
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
