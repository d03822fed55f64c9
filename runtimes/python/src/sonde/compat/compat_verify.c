/* SPDX-License-Identifier: Apache-2.0
 *
 * Every fact of compat/py_3_NN.h against live objects, by way of what CPython promises. The
 * samples are ours; nothing of the application is touched. */
#include "compat/compat_verify.h"

#include "lines.h"
#include "state.h"
#include "text.h"

static const char *const part_names[] = {
#define NAME(name, text) text,
    SONDE_PY_PART_LIST(NAME)
#undef NAME
};

const char *
sonde_py_part_name(enum sonde_py_part part)
{
    return part_names[part];
}

/* Runs as a module of its own; `check` is put into its names. */
static const char sample_source[] = "def sample(a, *rest, k=3, **more):\n"
                                    "    x = [\n"
                                    "        a, k]\n"
                                    "    def inner():\n"
                                    "        return x\n"
                                    "    return check(a, x)\n"
                                    "def around(a):\n"
                                    "    y = sample(a)\n"
                                    "    return y\n"
                                    "def pairs(a, b):\n"
                                    "    c = a\n"
                                    "    d = b\n"
                                    "    return c, d, c, d\n"
                                    "class Sample:\n"
                                    "    def __init__(self, swapped):\n"
                                    "        if swapped:\n"
                                    "            self.second = 'b'\n"
                                    "            self.first = 'a'\n"
                                    "        else:\n"
                                    "            self.first = 'a'\n"
                                    "            self.second = 'b'\n"
                                    "        self.third = 'c'\n"
                                    "        del self.third\n"
                                    "one, other = Sample(False), Sample(True)\n"
                                    "big = (1 << 70) + 5\n";

/* --- Frames, checked from within one -------------------------------------------------------- */

static bool frames_hold; /* what check() saw; guarded by the VM lock */

/* As Python code sees it; PyFrame_GetLasti is 3.11. */
static long
last_byte(PyFrameObject *object)
{
    PyObject *number = PyObject_GetAttrString((PyObject *)object, "f_lasti");
    long byte = number != NULL ? PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    return byte;
}

static bool
frame_agrees(sonde_py_frame *frame, PyFrameObject *object)
{
    PyCodeObject *code = PyFrame_GetCode(object);
    bool agrees = sonde_py_frame_code(frame) == code &&
                  sonde_py_frame_object_code(object) == code &&
                  sonde_py_frame_unit(frame, code) * 2 == last_byte(object);
    Py_DECREF(code);
    return agrees;
}

static sonde_py_frame *
visible(sonde_py_frame *frame)
{
    while (frame != NULL && sonde_py_frame_code(frame) == NULL) {
        frame = sonde_py_frame_back(frame);
    }
    return frame;
}

/* sample() calls this with its argument and its cell variable. */
static PyObject *
check_frames(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    sonde_py_frame *frame = visible(sonde_py_thread_frame(PyThreadState_Get()));
    PyFrameObject *object = PyEval_GetFrame();
    if (count != 2 || frame == NULL || object == NULL || !frame_agrees(frame, object)) {
        Py_RETURN_NONE;
    }
    PyCodeObject *code = sonde_py_frame_code(frame);
    bool has_cell = false;
    for (int i = 0; i < sonde_py_code_variable_count(code); i++) {
        if (sonde_py_text_is(sonde_py_code_variable_name(code, i), SONDE_STR("x"))) {
            has_cell = sonde_py_frame_variable(frame, code, i) == args[1];
        }
    }
    sonde_py_frame *outer = visible(sonde_py_frame_back(frame));
    PyFrameObject *outer_object = PyFrame_GetBack(object);
    frames_hold = has_cell && sonde_py_frame_variable(frame, code, 0) == args[0] &&
                  outer != NULL && outer_object != NULL &&
                  frame_agrees(outer, outer_object);
    Py_XDECREF(outer_object);
    Py_RETURN_NONE;
}

static PyMethodDef check_def = {"check", (PyCFunction)(void (*)(void))check_frames,
                                METH_FASTCALL, NULL};

static bool
verify_frames(PyObject *names)
{
    frames_hold = false;
    PyObject *around = PyDict_GetItemString(names, "around");
    PyObject *argument = PyUnicode_FromString("argument");
    PyObject *result =
        around != NULL && argument != NULL ? PyObject_CallOneArg(around, argument) : NULL;
    Py_XDECREF(argument);
    Py_XDECREF(result);
    return result != NULL && frames_hold;
}

/* --- The rest ------------------------------------------------------------------------------- */

PyCodeObject *
sonde_py_sample_code(PyObject *names, const char *name)
{
    PyObject *function = PyDict_GetItemString(names, name);
    return function != NULL && PyFunction_Check(function)
               ? (PyCodeObject *)PyFunction_GET_CODE(function)
               : NULL;
}

static bool
verify_lines(PyObject *names)
{
    PyCodeObject *code = sonde_py_sample_code(names, "sample");
    if (code == NULL) {
        return false;
    }
    PyObject *bytes = sonde_py_code_plain(code);
    bool agrees = bytes != NULL;
    for (int at = 0; agrees && at < (int)PyBytes_GET_SIZE(bytes); at += 2) {
        /* A cache has no line on 3.14 where another tool listens to lines. */
        agrees = PyBytes_AS_STRING(bytes)[at] == 0 ||
                 sonde_py_line_of_unit(code, at / 2) == PyCode_Addr2Line(code, at);
    }
    Py_XDECREF(bytes);
    return agrees;
}

/* Two instances of one class that set their fields in different orders. */
static bool
has_fields(PyObject *object, const char *first, const char *second)
{
    const char *wanted[2] = {first, second};
    struct sonde_py_inline fields;
    if (object == NULL || !sonde_py_inline_values(object, &fields) || fields.count != 2) {
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        PyObject *name = NULL;
        PyObject *value = sonde_py_inline_at(&fields, i, &name);
        struct sonde_str text = {wanted[i][0] == 'f' ? "a" : "b", 1};
        if (!sonde_py_text_is(name, sonde_str_from(wanted[i])) ||
            !sonde_py_text_is(value, text)) {
            return false;
        }
    }
    return true;
}

static bool
verify_inline_values(PyObject *names)
{
    PyObject *one = PyDict_GetItemString(names, "one");
    if (Py_TPFLAGS_MANAGED_DICT == 0) {
        return one != NULL && Py_TYPE(one)->tp_dictoffset > 0; /* no such thing */
    }
    if (!has_fields(one, "first", "second") ||
        !has_fields(PyDict_GetItemString(names, "other"), "second", "first") ||
        sonde_py_managed_dict(one) != NULL) {
        return false;
    }
    /* Once it has a dictionary, that is where its fields are. */
    PyObject *dict = PyObject_GenericGetDict(one, NULL);
    struct sonde_py_inline fields;
    bool agrees = dict != NULL && sonde_py_managed_dict(one) == dict &&
                  !sonde_py_inline_values(one, &fields);
    Py_XDECREF(dict);
    return agrees;
}

static bool
verify_ints(PyObject *names)
{
    PyObject *big = PyDict_GetItemString(names, "big");
    PyObject *negative = big != NULL ? PyNumber_Negative(big) : NULL;
    bool agrees = false;
    if (negative != NULL && PyLong_Check(big)) {
        const PyLongObject *number = (const PyLongObject *)big;
        const digit *digits = sonde_py_int_digits(number);
        /* 2^70 + 5 in digits of 30 or 15 bits. */
        size_t last = 70 / PyLong_SHIFT;
        agrees = sonde_py_int_size(number) == last + 1 && digits[0] == 5 &&
                 digits[last] == (digit)1 << 70 % PyLong_SHIFT &&
                 !sonde_py_int_is_negative(number) &&
                 sonde_py_int_is_negative((const PyLongObject *)negative);
    }
    Py_XDECREF(negative);
    return agrees;
}

PyObject *
sonde_py_make_samples(void)
{
    PyObject *names = PyDict_New();
    PyObject *check = PyCFunction_New(&check_def, NULL);
    PyObject *builtins = PyEval_GetBuiltins(); /* borrowed */
    PyObject *name = PyUnicode_FromString("sonde");
    PyObject *result = NULL;
    if (names != NULL && check != NULL && name != NULL &&
        PyDict_SetItemString(names, "check", check) == 0 &&
        PyDict_SetItemString(names, "__name__", name) == 0 &&
        PyDict_SetItemString(names, "__builtins__", builtins) == 0) {
        PyObject *code = Py_CompileString(sample_source, "<sonde>", Py_file_input);
        result = code != NULL ? PyEval_EvalCode(code, names, names) : NULL;
        Py_XDECREF(code);
    }
    Py_XDECREF(check);
    Py_XDECREF(name);
    if (result == NULL) {
        Py_CLEAR(names);
        sonde_py_clear_error();
    }
    Py_XDECREF(result);
    return names;
}

void
sonde_py_free_samples(PyObject *names)
{
    if (names != NULL) {
        PyDict_Clear(names); /* its functions refer to it */
        Py_DECREF(names);
    }
    sonde_py_clear_error();
}

unsigned
sonde_py_verify(unsigned forced)
{
    unsigned parts = 0;
    PyObject *names = sonde_py_make_samples();
    if (names == NULL) {
        return 0;
    }
    parts |= (unsigned)verify_frames(names) << SONDE_PY_PART_FRAMES;
    sonde_py_clear_error();
    parts |= (unsigned)verify_lines(names) << SONDE_PY_PART_LINES;
    parts |= (unsigned)verify_inline_values(names) << SONDE_PY_PART_INLINE_VALUES;
    sonde_py_clear_error();
    parts |= (unsigned)verify_ints(names) << SONDE_PY_PART_INTS;
    sonde_py_clear_error();
    sonde_py_free_samples(names);
    return parts & ~forced;
}
