/* SPDX-License-Identifier: Apache-2.0 */
#include "rewriting/verify_rewriting.h"

#include "compat/functions.h"
#include "lines.h"
#include "rewriting/rewrite.h"
#include "state.h"

/* Loops, handlers, a generator; `line` is hooked. */
static const char source[] = "def loops(n):\n"
                             "    total = 0\n"
                             "    for i in range(n):\n"
                             "        try:\n"
                             "            total += 8 // (i - 1)\n"
                             "        except ZeroDivisionError:\n"
                             "            total += 100\n"
                             "    return total\n"
                             "def fails(n):\n"
                             "    for i in range(n):\n"
                             "        raise ValueError(i)\n"
                             "def steps(n):\n"
                             "    for i in range(n):\n"
                             "        yield i\n"
                             "    return 7\n"
                             "def walks(n):\n"
                             "    total = yield from steps(n)\n"
                             "    yield total\n"
                             "def adds(n):\n"
                             "    return sum(walks(n))\n";

enum count { LINE, ENTRY, RETURN, UNWIND, COUNT_COUNT };
static long counts[COUNT_COUNT]; /* guarded by the VM lock */

struct counter {
    PyObject head;
    enum count count;
};

static int
tell(PyObject *self, PyObject *value)
{
    enum count count = ((struct counter *)self)->count;
    bool is_right = count == RETURN   ? PyLong_CheckExact(value)
                    : count == UNWIND ? PyExceptionInstance_Check(value)
                                      : value == self;
    counts[count] += is_right;
    return 0;
}

static void
dealloc(PyObject *self)
{
    PyObject_Free(self);
}

static PySequenceMethods as_sequence = {.sq_contains = tell};

static PyTypeObject counter_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "sonde.counter",
    .tp_basicsize = sizeof(struct counter),
    .tp_dealloc = dealloc,
    .tp_as_sequence = &as_sequence,
    .tp_flags = Py_TPFLAGS_DEFAULT,
};

static PyObject *
make_counter(enum count count)
{
    struct counter *counter = PyObject_New(struct counter, &counter_type);
    if (counter != NULL) {
        counter->count = count;
    }
    return (PyObject *)counter;
}

/* A function of the sample, what it is called with, and what is to come of it. */
struct trial {
    const char *name;
    int line; /* that is hooked */
    long argument, result;
    bool raises;
    long counts[COUNT_COUNT];
};

static const struct trial trials[] = {
    {"loops", 5, 3, 100, false, {3, 1, 1, 0}},
    {"fails", 11, 3, 0, true, {1, 1, 0, 1}},
    {"steps", 14, 0, 0, false, {0, 0, 0, 0}},
    {"walks", 17, 0, 0, false, {0, 0, 0, 0}},
    /* Both generators are hooked by now: three steps, and their ends. */
    {"adds", 20, 3, 10, false, {5, 3, 2, 0}},
};

static bool
calls_right(PyObject *function, const struct trial *trial)
{
    memset(counts, 0, sizeof(counts));
    PyObject *result = PyObject_CallFunction(function, "l", trial->argument);
    bool raised = result == NULL && PyErr_ExceptionMatches(PyExc_ValueError);
    sonde_py_clear_error();
    bool is_right = raised == trial->raises &&
                    (raised || (result != NULL && PyLong_CheckExact(result) &&
                                PyLong_AsLong(result) == trial->result));
    Py_XDECREF(result);
    return is_right && memcmp(counts, trial->counts, sizeof(counts)) == 0;
}

/* New, or NULL. */
static PyObject *
rewritten(PyCodeObject *code, int line)
{
    struct sonde_py_listing listing;
    struct sonde_py_rewrite_spot spots[8];
    int units[8];
    PyObject *made[COUNT_COUNT];
    PyObject *result = NULL;
    bool is_whole = true;
    if (sonde_py_listing_init(&listing, code) != SONDE_OK) {
        return NULL;
    }
    size_t count = sonde_py_listing_places(&listing, line, units, 8);
    sonde_py_listing_fini(&listing);
    for (int i = 0; i < COUNT_COUNT; i++) {
        made[i] = make_counter((enum count)i);
        is_whole = is_whole && made[i] != NULL;
    }
    for (size_t i = 0; i < count && i < 8; i++) {
        spots[i] = (struct sonde_py_rewrite_spot){units[i], made[LINE]};
    }
    const struct sonde_py_rewrite_plan plan = {
        .spots = spots,
        .spot_count = count,
        .wrap = {made[ENTRY], made[RETURN], made[UNWIND], NULL, NULL}};
    if (is_whole && count > 0 && count <= 8) {
        result = sonde_py_rewrite(code, &plan, NULL);
    }
    for (int i = 0; i < COUNT_COUNT; i++) {
        Py_XDECREF(made[i]);
    }
    return result;
}

static bool
is_copied_right(PyCodeObject *code)
{
    const struct sonde_py_rewrite_plan nothing = {.spots = NULL};
    PyObject *copy = sonde_py_rewrite(code, &nothing, NULL);
    bool is_equal =
        copy != NULL && PyObject_RichCompareBool(copy, (PyObject *)code, Py_EQ) == 1;
    Py_XDECREF(copy);
    return is_equal;
}

static bool
holds(PyObject *names, const struct trial *trial)
{
    PyObject *function = PyDict_GetItemString(names, trial->name);
    if (function == NULL || !PyFunction_Check(function)) {
        return false;
    }
    PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(function);
    PyObject *made = is_copied_right(code) ? rewritten(code, trial->line) : NULL;
    if (made == NULL) {
        return false;
    }
    Py_DECREF(sonde_py_function_swap_code((PyFunctionObject *)function, made));
    Py_DECREF(made);
    return trial->counts[ENTRY] == 0 || calls_right(function, trial);
}

unsigned
sonde_py_verify_rewriting(unsigned forced)
{
    PyObject *names = PyDict_New();
    bool all_hold =
        names != NULL && PyType_Ready(&counter_type) == 0 &&
        PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) == 0;
    PyObject *code = all_hold ? Py_CompileString(source, "<sonde>", Py_file_input) : NULL;
    PyObject *result = code != NULL ? PyEval_EvalCode(code, names, names) : NULL;
    all_hold = result != NULL;
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        all_hold = all_hold && holds(names, &trials[i]);
    }
    Py_XDECREF(result);
    Py_XDECREF(code);
    sonde_py_clear_error();
    if (names != NULL) {
        PyDict_Clear(names); /* its functions refer to it */
        Py_DECREF(names);
    }
    sonde_py_clear_error();
    return all_hold ? (1u << SONDE_PY_PART_REWRITING) & ~forced : 0;
}
