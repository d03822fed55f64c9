/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include "code_index.h"
#include "core/base/os.h"
#include "fields.h"
#include "lines.h"
#include "state.h"
#include "text.h"
#include "values.h"

#include <unistd.h>

#define FRAMES_MAX 256

sonde_py_frame *
sonde_py_frame_of(const PyCodeObject *code)
{
    if (!sonde_py_has(SONDE_PY_PART_FRAMES)) {
        return NULL;
    }
    sonde_py_frame *frame = sonde_py_thread_frame(PyThreadState_Get());
    while (frame != NULL && sonde_py_frame_code(frame) == NULL) {
        frame = sonde_py_frame_back(frame);
    }
    return frame != NULL && sonde_py_frame_code(frame) == code ? frame : NULL;
}

/* --- Lines of frames ------------------------------------------------------------------------ */

/* The lines found last: callers mostly stand where they stood. A few per code object, so that
 * one that dies is forgotten with a short look. */
enum { MEMO_SETS = 128, MEMO_WAYS = 4 };

static struct memo {
    const PyCodeObject *code;
    int unit;
    int line;
} memos[MEMO_SETS][MEMO_WAYS];

static struct memo *
memos_of(const PyCodeObject *code)
{
    return memos[((uintptr_t)code >> 5 ^ (uintptr_t)code >> 12) % MEMO_SETS];
}

static uint32_t
line_of(PyCodeObject *code, int unit)
{
    if (!sonde_py_has(SONDE_PY_PART_LINES)) {
        return 0;
    }
    struct memo *set = memos_of(code);
    int i = 0;
    while (i < MEMO_WAYS && (set[i].code != code || set[i].unit != unit)) {
        i++;
    }
    if (i == MEMO_WAYS) {
        if (!sonde_py_index_tells_end(code)) {
            int line = sonde_py_line_of_unit(code, unit);
            return line > 0 ? (uint32_t)line : 0;
        }
        /* The first is the newest; the last makes room. */
        memmove(&set[1], &set[0], (MEMO_WAYS - 1) * sizeof(set[0]));
        i = 0;
        set[0] = (struct memo){code, unit, sonde_py_line_of_unit(code, unit)};
    }
    return set[i].line > 0 ? (uint32_t)set[i].line : 0;
}

void
sonde_py_frames_forget(const PyCodeObject *code)
{
    struct memo *set = memos_of(code);
    for (int i = 0; i < MEMO_WAYS; i++) {
        if (set[i].code == code) {
            set[i].code = NULL;
        }
    }
}

static bool
write_frame(struct sonde_tape *tape, const PyCodeObject *code, PyObject *qualname,
            uint32_t line)
{
    char file_buf[SONDE_PY_TEXT_BYTES], name_buf[SONDE_PY_TEXT_BYTES];
    return sonde_tape_frame(tape, sonde_py_text(code->co_filename, file_buf),
                            sonde_py_text(qualname, name_buf), line);
}

/* Frames from `frame` outwards, in a stack that is open. */
static void
write_frames(struct sonde_tape *tape, sonde_py_frame *frame, uint32_t line)
{
    for (; frame != NULL; frame = sonde_py_frame_back(frame)) {
        PyCodeObject *code = sonde_py_frame_code(frame);
        if (code == NULL) {
            continue;
        }
        if (line == 0) {
            line = line_of(code, sonde_py_frame_unit(frame, code));
        }
        if (!write_frame(tape, code, sonde_py_frame_qualname(frame, code), line)) {
            return;
        }
        line = 0;
    }
}

void
sonde_py_write_stack(struct sonde_tape *tape, sonde_py_frame *frame, uint32_t line)
{
    sonde_tape_stack_begin(tape);
    write_frames(tape, frame, line);
    sonde_tape_stack_end(tape);
}

/* --- Thread --------------------------------------------------------------------------------- */

#define NAME_BYTES 64
#define LOOKS_APART 100 /* captures */

/* The thread's name as Python's threading has it, found once per thread. */
static _Thread_local struct {
    uint64_t id;
    size_t len;
    unsigned looks_left;
    char name[NAME_BYTES];
} me;

/* The Thread object of threading._active for this id; borrowed. */
static PyObject *
thread_object(unsigned long id)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *threading = sonde_py_dict_find(modules, SONDE_STR("threading"));
    if (threading == NULL || !PyModule_Check(threading)) {
        return NULL;
    }
    PyObject *active =
        sonde_py_dict_find(PyModule_GetDict(threading), SONDE_STR("_active"));
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (active != NULL && PyDict_Check(active) &&
           PyDict_Next(active, &at, &key, &value)) {
        if (PyLong_CheckExact(key) && PyLong_AsUnsignedLongMask(key) == id) {
            return value;
        }
    }
    return NULL;
}

static void
find_name(unsigned long id)
{
    char buf[SONDE_PY_TEXT_BYTES];
    PyObject *thread = thread_object(id);
    PyObject *name = thread != NULL ? sonde_py_field(thread, SONDE_STR("_name")) : NULL;
    struct sonde_str text = sonde_py_text(name, buf);
    if (text.len == 0 && sonde_os_thread_id() == (uint64_t)getpid()) {
        text = SONDE_STR("MainThread"); /* threading is not imported yet */
    }
    me.len = text.len < NAME_BYTES ? text.len : NAME_BYTES;
    while (me.len > 0 && me.len < text.len && (text.ptr[me.len] & 0xC0) == 0x80) {
        me.len--;
    }
    memcpy(me.name, text.ptr, me.len);
    me.id = id;
    me.looks_left = LOOKS_APART;
}

void
sonde_py_write_thread(struct sonde_tape *tape)
{
    unsigned long id = PyThreadState_Get()->thread_id;
    /* A thread that threading does not know may become known to it. */
    if (me.id != id || (me.len == 0 && me.looks_left-- == 0)) {
        find_name(id);
    }
    sonde_tape_thread(tape, id, (struct sonde_str){me.name, me.len});
}

/* --- Variables ------------------------------------------------------------------------------ */

static int
argument_count(const PyCodeObject *code)
{
    if (!(code->co_flags & CO_OPTIMIZED)) {
        return 0;
    }
    return code->co_argcount + code->co_kwonlyargcount +
           (code->co_flags & CO_VARARGS ? 1 : 0) +
           (code->co_flags & CO_VARKEYWORDS ? 1 : 0);
}

/* Writes the group of the variables in slots from…to-1 that are bound and wanted. */
static void
write_slots(struct sonde_tape *tape, enum sonde_group group, sonde_py_frame *frame,
            PyCodeObject *code, int from, int to)
{
    char buf[SONDE_PY_TEXT_BYTES];
    for (int i = from; i < to && !sonde_tape_is_full(tape); i++) {
        PyObject *value = sonde_py_frame_variable(frame, code, i);
        struct sonde_str name = sonde_py_text(sonde_py_code_variable_name(code, i), buf);
        if (value == NULL || (name.len > 0 && name.ptr[0] == '.')) {
            continue; /* not bound yet, or the nameless argument of a comprehension */
        }
        if (sonde_tape_wants(tape, group, name)) {
            sonde_tape_name(tape, name);
            sonde_py_write_value(tape, value);
        }
    }
}

/* What a module defines rather than computes: of no interest among its variables. */
static bool
is_definition(struct sonde_str name, PyObject *value)
{
    if (name.len > 4 && memcmp(name.ptr, "__", 2) == 0 &&
        memcmp(name.ptr + name.len - 2, "__", 2) == 0) {
        return true;
    }
    return PyModule_Check(value) || PyFunction_Check(value) || PyType_Check(value) ||
           PyCFunction_Check(value);
}

/* Module and class bodies keep their variables in a mapping. */
static void
write_namespace(struct sonde_tape *tape, PyObject *space)
{
    char buf[SONDE_PY_TEXT_BYTES];
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (space == NULL || !PyDict_Check(space)) {
        return;
    }
    while (!sonde_tape_is_full(tape) && PyDict_Next(space, &at, &key, &value)) {
        if (!PyUnicode_Check(key)) {
            continue;
        }
        struct sonde_str name = sonde_py_text(key, buf);
        if (!is_definition(name, value) &&
            sonde_tape_wants(tape, SONDE_GROUP_LOCALS, name)) {
            sonde_tape_name(tape, name);
            sonde_py_write_value(tape, value);
        }
    }
}

void
sonde_py_write_arguments(struct sonde_tape *tape, sonde_py_frame *frame,
                         PyCodeObject *code)
{
    int count = argument_count(code);
    if (count == 0) {
        return;
    }
    sonde_tape_group_begin(tape, SONDE_GROUP_ARGUMENTS);
    write_slots(tape, SONDE_GROUP_ARGUMENTS, frame, code, 0, count);
    sonde_tape_group_end(tape);
}

void
sonde_py_write_locals(struct sonde_tape *tape, sonde_py_frame *frame, PyCodeObject *code)
{
    sonde_tape_group_begin(tape, SONDE_GROUP_LOCALS);
    write_slots(tape, SONDE_GROUP_LOCALS, frame, code, argument_count(code),
                sonde_py_code_variable_count(code));
    if (!(code->co_flags & CO_OPTIMIZED)) {
        write_namespace(tape, sonde_py_frame_namespace(frame));
    }
    sonde_tape_group_end(tape);
}

/* --- Exceptions ----------------------------------------------------------------------------- */

static uint32_t
traceback_line(PyTracebackObject *entry)
{
    return entry->tb_lineno > 0 ? (uint32_t)entry->tb_lineno
                                : line_of(sonde_py_frame_object_code(entry->tb_frame),
                                          entry->tb_lasti / 2);
}

/* The frames of a traceback, where the exception was thrown first. Its list goes the other
 * way, from this frame inwards, and only its end is of use when it is long. */
static void
write_traceback(struct sonde_tape *tape, PyObject *traceback, const PyCodeObject *left)
{
    PyTracebackObject *ring[FRAMES_MAX];
    size_t count = 0;
    while (traceback != NULL && PyTraceBack_Check(traceback)) {
        PyTracebackObject *entry = (PyTracebackObject *)traceback;
        ring[count++ % FRAMES_MAX] = entry;
        traceback = (PyObject *)entry->tb_next;
    }
    size_t kept = count < FRAMES_MAX ? count : FRAMES_MAX;
    /* The outermost is the frame that is being left: the callers' walk writes it. */
    if (count == kept && count > 0 &&
        sonde_py_frame_object_code(ring[0]->tb_frame) == left) {
        kept--;
    }
    for (size_t i = 0; i < kept; i++) {
        PyTracebackObject *entry = ring[(count - 1 - i) % FRAMES_MAX];
        if (!write_frame(tape, sonde_py_frame_object_code(entry->tb_frame),
                         sonde_py_frame_object_qualname(entry->tb_frame),
                         traceback_line(entry))) {
            return;
        }
    }
}

/* Where the exception left the frame; 0: as the frame has it. Rewritten code is not there any
 * more while it tells. */
static uint32_t
line_left(PyObject *exception, const PyCodeObject *left)
{
    PyObject *traceback = ((PyBaseExceptionObject *)exception)->traceback;
    if (traceback == NULL || !PyTraceBack_Check(traceback)) {
        return 0;
    }
    PyTracebackObject *entry = (PyTracebackObject *)traceback;
    return sonde_py_frame_object_code(entry->tb_frame) == left ? traceback_line(entry)
                                                               : 0;
}

void
sonde_py_write_throwable(struct sonde_tape *tape, PyObject *exception,
                         sonde_py_frame *frame, bool with_stack)
{
    char buf[SONDE_PY_TEXT_BYTES];
    sonde_tape_group_begin(tape, SONDE_GROUP_THROWABLE);
    sonde_tape_throwable(tape, sonde_py_type_name(Py_TYPE(exception), buf));
    sonde_py_write_message(tape, exception);
    if (with_stack && PyExceptionInstance_Check(exception)) {
        sonde_tape_stack_begin(tape);
        write_traceback(tape, ((PyBaseExceptionObject *)exception)->traceback,
                        sonde_py_frame_code(frame));
        write_frames(tape, frame, line_left(exception, sonde_py_frame_code(frame)));
        sonde_tape_stack_end(tape);
    }
    sonde_tape_group_end(tape);
}
