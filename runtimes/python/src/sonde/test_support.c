/* SPDX-License-Identifier: Apache-2.0
 *
 * A tape record as Python objects, and a few doors for the tests. */
#include "test_support.h"

#include "adapter.h"
#include "core/capture/tape_reader.h"
#include "engine.h"
#include "lines.h"
#include "state.h"

static const char *const reasons[] = {
#define REASON(name, text) text,
    SONDE_REASON_LIST(REASON)
#undef REASON
};

/* --- Records -------------------------------------------------------------------------------- */

struct decoding {
    struct sonde_tape_reader reader;
    struct sonde_tape_event event;
    struct sonde_tape_header header;
};

static bool
next(struct decoding *at)
{
    if (sonde_tape_reader_next(&at->reader, &at->event) != SONDE_OK) {
        PyErr_SetString(PyExc_ValueError, "damaged record");
        return false;
    }
    return true;
}

static PyObject *
text_of(struct sonde_str text)
{
    return PyUnicode_DecodeUTF8(text.ptr, (Py_ssize_t)text.len, "backslashreplace");
}

/* Takes `value`; false when it is NULL or could not be set. */
static bool
put(PyObject *dict, const char *key, PyObject *value)
{
    bool is_put =
        dict != NULL && value != NULL && PyDict_SetItemString(dict, key, value) == 0;
    Py_XDECREF(value);
    return is_put;
}

static bool
put_marks(PyObject *dict, const struct sonde_tape_event *event)
{
    return (!event->truncated || put(dict, "truncated", Py_NewRef(Py_True))) &&
           (event->size == SONDE_SIZE_UNKNOWN ||
            put(dict, "size", PyLong_FromUnsignedLongLong(event->size))) &&
           (event->reason == SONDE_REASON_NONE ||
            put(dict, "not_captured_reason",
                PyUnicode_FromString(reasons[event->reason])));
}

static PyObject *decode_value(struct decoding *at);

static bool
append(PyObject *list, PyObject *item)
{
    bool is_put = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return is_put;
}

static PyObject *
decode_entry(struct decoding *at)
{
    PyObject *key = decode_value(at);
    PyObject *value = key != NULL && next(at) ? decode_value(at) : NULL;
    PyObject *entry = value != NULL ? PyTuple_Pack(2, key, value) : NULL;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return entry;
}

/* Named values up to `end`. */
static PyObject *
decode_named(struct decoding *at, enum sonde_tape_event_kind end)
{
    PyObject *dict = PyDict_New();
    while (dict != NULL && next(at) && at->event.kind != end) {
        PyObject *name = text_of(at->event.text);
        PyObject *value = name != NULL && next(at) ? decode_value(at) : NULL;
        bool is_put = value != NULL && PyDict_SetItem(dict, name, value) == 0;
        Py_XDECREF(name);
        Py_XDECREF(value);
        if (!is_put) {
            break;
        }
    }
    if (PyErr_Occurred() != NULL) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* Members of an open container up to its end. */
static PyObject *
decode_members(struct decoding *at, enum sonde_shape shape)
{
    if (shape == SONDE_SHAPE_FIELDS) {
        return decode_named(at, SONDE_TAPE_CLOSE);
    }
    PyObject *list = PyList_New(0);
    while (list != NULL && next(at) && at->event.kind != SONDE_TAPE_CLOSE) {
        if (!append(list,
                    shape == SONDE_SHAPE_ENTRIES ? decode_entry(at) : decode_value(at))) {
            break;
        }
    }
    if (PyErr_Occurred() != NULL) {
        Py_CLEAR(list);
    }
    return list;
}

/* The value whose first event is at hand. */
static PyObject *
decode_value(struct decoding *at)
{
    static const char *const shapes[] = {"", "elements", "entries", "fields"};
    struct sonde_tape_event event = at->event;
    PyObject *dict = PyDict_New();
    bool is_whole = put(dict, "type", text_of(event.type));
    switch (event.kind) {
    case SONDE_TAPE_NULL:
        is_whole = is_whole && put(dict, "is_null", Py_NewRef(Py_True));
        break;
    case SONDE_TAPE_TEXT:
        is_whole = is_whole && put(dict, "value", text_of(event.text)) &&
                   put_marks(dict, &event);
        break;
    case SONDE_TAPE_SKIP:
        is_whole = is_whole && put_marks(dict, &event);
        break;
    case SONDE_TAPE_OPEN:
        is_whole = is_whole &&
                   put(dict, shapes[event.shape], decode_members(at, event.shape)) &&
                   put_marks(dict, &at->event);
        break;
    default:
        PyErr_Format(PyExc_ValueError, "no value: event %d", (int)event.kind);
        is_whole = false;
    }
    if (!is_whole) {
        Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *
decode_stack(struct decoding *at)
{
    PyObject *list = PyList_New(0);
    while (list != NULL && next(at) && at->event.kind == SONDE_TAPE_FRAME) {
        PyObject *file = text_of(at->event.file), *function = text_of(at->event.text);
        PyObject *frame = file != NULL && function != NULL
                              ? Py_BuildValue("(OOI)", file, function, at->event.line)
                              : NULL;
        Py_XDECREF(file);
        Py_XDECREF(function);
        if (!append(list, frame)) {
            break;
        }
    }
    if (PyErr_Occurred() != NULL) {
        Py_CLEAR(list);
    }
    return list;
}

static PyObject *
decode_throwable(struct decoding *at)
{
    PyObject *dict = PyDict_New();
    while (dict != NULL && next(at) && at->event.kind != SONDE_TAPE_GROUP_END) {
        bool is_put;
        if (at->event.kind == SONDE_TAPE_THROWABLE) {
            is_put = put(dict, "type", text_of(at->event.type));
        } else if (at->event.kind == SONDE_TAPE_STACK_BEGIN) {
            is_put = put(dict, "stack", decode_stack(at));
        } else {
            is_put = put(dict, "message", decode_value(at));
        }
        if (!is_put) {
            break;
        }
    }
    if (PyErr_Occurred() != NULL) {
        Py_CLEAR(dict);
    }
    return dict;
}

static bool
decode_group(struct decoding *at, PyObject *section)
{
    switch (at->event.group) {
    case SONDE_GROUP_ARGUMENTS:
        return put(section, "arguments", decode_named(at, SONDE_TAPE_GROUP_END));
    case SONDE_GROUP_LOCALS:
        return put(section, "locals", decode_named(at, SONDE_TAPE_GROUP_END));
    case SONDE_GROUP_RETURN_VALUE:
        return next(at) && (at->event.kind == SONDE_TAPE_GROUP_END ||
                            (put(section, "return_value", decode_value(at)) && next(at)));
    default:
        return put(section, "throwable", decode_throwable(at));
    }
}

static PyObject *
decode_section(struct decoding *at)
{
    static const char *const outcomes[] = {"", "returned", "raised", "closed",
                                           "cancelled"};
    PyObject *section = PyDict_New();
    while (section != NULL && next(at) && at->event.kind != SONDE_TAPE_SECTION_END) {
        bool is_outcome = at->event.kind == SONDE_TAPE_OUTCOME;
        if (!(is_outcome ? put(section, "outcome",
                               PyUnicode_FromString(outcomes[at->event.outcome]))
                         : decode_group(at, section))) {
            break;
        }
    }
    if (PyErr_Occurred() != NULL) {
        Py_CLEAR(section);
    }
    return section;
}

static bool
decode_header(PyObject *dict, const struct sonde_tape_header *header)
{
    return put(dict, "probe_id", text_of(header->probe_id)) &&
           put(dict, "revision", PyLong_FromUnsignedLong(header->revision)) &&
           put(dict, "duration_ns", PyLong_FromLongLong(header->duration_ns)) &&
           put(dict, "suspended_ns", PyLong_FromLongLong(header->suspended_ns)) &&
           put(dict, "timestamp_ns", PyLong_FromLongLong(header->timestamp_ns)) &&
           put(dict, "file", text_of(header->file)) &&
           put(dict, "function", text_of(header->function)) &&
           put(dict, "line", PyLong_FromUnsignedLong(header->line));
}

static PyObject *
hex_of(const unsigned char *bytes, size_t count)
{
    char text[33];
    for (size_t i = 0; i < count && 2 * i + 2 < sizeof(text); i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    return PyUnicode_FromString(text);
}

static bool
decode_part(struct decoding *at, PyObject *dict)
{
    static const char *const sections[] = {"", "entry", "return", "line_probe"};
    switch (at->event.kind) {
    case SONDE_TAPE_THREAD:
        return put(dict, "thread_id", PyLong_FromUnsignedLongLong(at->event.id)) &&
               put(dict, "thread_name", text_of(at->event.text));
    case SONDE_TAPE_TRACE:
        return put(dict, "trace_id", hex_of(at->event.trace_id, 16)) &&
               put(dict, "span_id", hex_of(at->event.span_id, 8));
    case SONDE_TAPE_STACK_BEGIN:
        return put(dict, "stack", decode_stack(at));
    case SONDE_TAPE_SECTION_BEGIN: {
        const char *name = sections[at->event.section]; /* before the event moves on */
        return put(dict, name, decode_section(at));
    }
    default:
        return true;
    }
}

static PyObject *
decode(struct sonde_str record)
{
    struct decoding at;
    if (sonde_tape_reader_init(&at.reader, record) != SONDE_OK) {
        PyErr_SetString(PyExc_ValueError, "damaged record");
        return NULL;
    }
    PyObject *dict = PyDict_New();
    bool is_whole = dict != NULL && decode_header(dict, &at.reader.header);
    while (is_whole && (is_whole = next(&at)) && at.event.kind != SONDE_TAPE_END) {
        is_whole = decode_part(&at, dict);
    }
    is_whole = is_whole && put(dict, "bytes", PyLong_FromSize_t(record.len));
    if (!is_whole) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* --- Doors ---------------------------------------------------------------------------------- */

PyObject *
sonde_py_take_testonly(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    static char record[SONDE_TAPE_MAX_BYTES + 4096];
    size_t len = sonde_agent_testonly_take(sonde_py.agent, record, sizeof(record));
    if (len == 0) {
        Py_RETURN_NONE;
    }
    return decode((struct sonde_str){record, len});
}

PyObject *
sonde_py_discard_testonly(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    char first[8];
    long count = 0;
    while (sonde_agent_testonly_take(sonde_py.agent, first, sizeof(first)) > 0) {
        count++;
    }
    return PyLong_FromLong(count);
}

PyObject *
sonde_py_apply_testonly(PyObject *module, PyObject *json)
{
    (void)module;
    struct sonde_err err = SONDE_ERR_INIT;
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(json, &len);
    if (text == NULL) {
        return NULL;
    }
    int result = sonde_agent_testonly_apply(sonde_py.agent,
                                            (struct sonde_str){text, (size_t)len}, &err);
    sonde_py_engine_rest();
    if (result != SONDE_OK) {
        return PyErr_Format(PyExc_ValueError, "%s: %s: %s", sonde_code_name(result),
                            err.where, err.message);
    }
    Py_RETURN_NONE;
}

PyObject *
sonde_py_safe_point_testonly(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    sonde_agent_safe_point(sonde_py.agent);
    sonde_py_engine_rest();
    Py_RETURN_NONE;
}

PyObject *
sonde_py_places_testonly(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *code;
    int line, units[64];
    struct sonde_py_listing listing;
    if (!PyArg_ParseTuple(args, "O!i", &PyCode_Type, &code, &line)) {
        return NULL;
    }
    if (sonde_py_listing_init(&listing, (PyCodeObject *)code) != SONDE_OK) {
        return PyErr_NoMemory();
    }
    size_t count = sonde_py_listing_places(&listing, line, units, 64);
    sonde_py_listing_fini(&listing);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count && i < 64; i++) {
        if (!append(list, PyLong_FromLong(units[i] * 2L))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyObject *
sonde_py_is_turn_testonly(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *code;
    int from, to;
    struct sonde_py_listing listing;
    if (!PyArg_ParseTuple(args, "O!ii", &PyCode_Type, &code, &from, &to)) {
        return NULL;
    }
    if (sonde_py_listing_init(&listing, (PyCodeObject *)code) != SONDE_OK) {
        return PyErr_NoMemory();
    }
    bool is_turn = from >= 0 && from / 2 < listing.count && to >= 0 &&
                   to / 2 < listing.count &&
                   sonde_py_listing_is_turn(&listing, from / 2, to / 2);
    sonde_py_listing_fini(&listing);
    return PyBool_FromLong(is_turn);
}

PyObject *
sonde_py_fail_testonly(PyObject *module, PyObject *name)
{
    (void)module;
    const char *text = PyUnicode_AsUTF8(name);
    for (int part = 0; text != NULL && part < SONDE_PY_PART_COUNT; part++) {
        if (strcmp(sonde_py_part_name((enum sonde_py_part)part), text) == 0) {
            sonde_py.forced |= 1u << part;
            Py_RETURN_NONE;
        }
    }
    if (text != NULL) {
        PyErr_SetString(PyExc_ValueError, "no such part");
    }
    return NULL;
}

PyObject *
sonde_py_armed_testonly(PyObject *module, PyObject *code)
{
    (void)module;
    const struct sonde_py_armed *armed = sonde_py_armed_of((PyCodeObject *)code);
    return PyLong_FromUnsignedLong(armed != NULL ? armed->count : 0);
}
