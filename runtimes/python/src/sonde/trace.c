/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include "fields.h"
#include "scalars.h"
#include "state.h"
#include "text.h"
#include "vm_thread.h"

#define PARENTS_MAX 64

/* --- Finding names again -------------------------------------------------------------------- */

/* Where a name was in a dictionary; it mostly still is. Guarded by the VM lock. */
struct spot {
    struct sonde_str name;
    Py_ssize_t at;
    /* It was not there when this dictionary had that many; only compared. */
    const PyObject *absent_in;
    Py_ssize_t absent_size;
};

static PyObject *
find(PyObject *dict, struct spot *spot)
{
    PyObject *key, *value;
    Py_ssize_t at = spot->at;
    if (spot->absent_in == dict && spot->absent_size == PyDict_GET_SIZE(dict)) {
        return NULL;
    }
    if (PyDict_Next(dict, &at, &key, &value) && sonde_py_text_is(key, spot->name)) {
        return value;
    }
    spot->absent_in = NULL;
    for (at = spot->at = 0; PyDict_Next(dict, &at, &key, &value); spot->at = at) {
        if (sonde_py_text_is(key, spot->name)) {
            return value;
        }
    }
    spot->at = 0;
    spot->absent_in = dict;
    spot->absent_size = PyDict_GET_SIZE(dict);
    return NULL;
}

/* A name of a module that is loaded; NULL: it is not, or has no such name (yet). */
static PyObject *
find_in_module(PyObject *modules, struct spot *module, struct spot *name)
{
    PyObject *found = find(modules, module);
    return found != NULL && PyModule_Check(found) ? find(PyModule_GetDict(found), name)
                                                  : NULL;
}

/* sonde_py_field for an object that mostly keeps its fields inline, without a look at its
 * slots. */
static PyObject *
field(PyObject *object, struct sonde_str name)
{
    struct sonde_py_inline values;
    if (sonde_py_has(SONDE_PY_PART_INLINE_VALUES) &&
        sonde_py_inline_values(object, &values)) {
        for (unsigned i = 0; i < values.count; i++) {
            PyObject *key = NULL;
            PyObject *value = sonde_py_inline_at(&values, i, &key);
            if (value != NULL && sonde_py_text_is(key, name)) {
                return value;
            }
        }
    }
    return sonde_py_field(object, name);
}

/* The value of a context variable here and now, or NULL; strong. Such a variable is hashed
 * and compared by its address, in C. */
static PyObject *
variable_value(PyObject *variable)
{
    PyObject *value = NULL;
    if (variable == NULL || !PyContextVar_CheckExact(variable)) {
        return NULL;
    }
    if (PyContextVar_Get(variable, NULL, &value) != 0) {
        sonde_py_clear_error();
        return NULL;
    }
    return value;
}

struct ids {
    unsigned char trace[16], span[8];
};

/* Both there and neither zero. */
static bool
are_valid(const struct ids *ids)
{
    static const struct ids none;
    return memcmp(ids->trace, none.trace, sizeof(none.trace)) != 0 &&
           memcmp(ids->span, none.span, sizeof(none.span)) != 0;
}

static bool
read_ids(PyObject *trace, PyObject *span, struct ids *ids)
{
    return sonde_py_int_bytes(trace, ids->trace, sizeof(ids->trace)) &&
           sonde_py_int_bytes(span, ids->span, sizeof(ids->span)) && are_valid(ids);
}

/* --- OpenTelemetry -------------------------------------------------------------------------- */

#define SPOT(text)                         \
    {                                      \
        .name = { text, sizeof(text) - 1 } \
    }

static struct spot context_module = SPOT("opentelemetry.context");
static struct spot runtime_context = SPOT("_RUNTIME_CONTEXT");
static struct spot propagation_module = SPOT("opentelemetry.trace.propagation");
static struct spot span_key = SPOT("_SPAN_KEY");

/* The span in a context, which is a dictionary of few. Its key is one object; borrowed. */
static PyObject *
span_in(PyObject *modules, PyObject *context)
{
    PyObject *key, *value;
    PyObject *wanted = find_in_module(modules, &propagation_module, &span_key);
    Py_ssize_t at = 0;
    if (wanted == NULL || !PyDict_Check(context)) {
        return NULL;
    }
    while (PyDict_Next(context, &at, &key, &value)) {
        if (key == wanted) {
            return value;
        }
    }
    return NULL;
}

static bool
read_opentelemetry(PyObject *modules, struct ids *ids)
{
    PyObject *runtime = find_in_module(modules, &context_module, &runtime_context);
    if (runtime == NULL) {
        return false;
    }
    PyObject *context = variable_value(field(runtime, SONDE_STR("_current_context")));
    if (context == NULL) {
        return false;
    }
    PyObject *span = span_in(modules, context);
    PyObject *head = span != NULL ? field(span, SONDE_STR("_context")) : NULL;
    bool is_found = head != NULL && PyTuple_Check(head) && PyTuple_GET_SIZE(head) >= 2 &&
                    read_ids(PyTuple_GET_ITEM(head, 0), PyTuple_GET_ITEM(head, 1), ids);
    Py_DECREF(context); /* the interpreter's context holds it too */
    return is_found;
}

/* --- ddtrace -------------------------------------------------------------------------------- */

/* In two places in the course of its versions. */
static struct spot provider_modules[] = {SPOT("ddtrace._trace.provider"),
                                         SPOT("ddtrace.provider")};
static struct spot variables[] = {SPOT("_DD_CONTEXTVAR"), SPOT("_DD_CONTEXTVAR")};

/* Where in a span that is made in Rust its members stand. Guarded by the VM lock. */
static struct {
    PyTypeObject *type; /* strong; NULL: not learned */
    Py_ssize_t trace_at, span_at, duration_at, parent_at;
    bool is_settled, is_asked;
} native;

static bool
is_native(PyObject *span)
{
    PyTypeObject *type = Py_TYPE(span);
    for (; type != NULL && native.type != NULL; type = type->tp_base) {
        if (type == native.type) {
            return true;
        }
    }
    return false;
}

/* Bytes as they stand in memory to the highest first. */
static void
turn(const char *from, unsigned char *to, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = (unsigned char)from[PY_BIG_ENDIAN ? i : size - 1 - i];
    }
}

static bool
is_finished(PyObject *span, bool is_rust)
{
    if (is_rust) {
        uint64_t
            has_duration; /* an Option of Rust's: whether there is one stands before */
        memcpy(&has_duration, (const char *)span + native.duration_at - 8,
               sizeof(has_duration));
        return has_duration != 0;
    }
    PyObject *duration = sonde_py_field(span, SONDE_STR("duration_ns"));
    return duration != NULL && duration != Py_None;
}

static PyObject *
parent_of(PyObject *span, bool is_rust)
{
    return is_rust ? *(PyObject **)((char *)span + native.parent_at)
                   : sonde_py_field(span, SONDE_STR("_parent"));
}

/* ddtrace leaves a span active that has ended and looks for its parent when it is asked. */
static PyObject *
first_unfinished(PyObject *span)
{
    for (int i = 0; i < PARENTS_MAX && span != NULL && span != Py_None; i++) {
        bool is_rust = is_native(span);
        if (!is_finished(span, is_rust)) {
            return span;
        }
        span = parent_of(span, is_rust);
    }
    return NULL;
}

static bool
read_span(PyObject *active, struct ids *ids)
{
    PyObject *span = first_unfinished(active);
    if (span == NULL) {
        return false;
    }
    if (is_native(span)) {
        turn((const char *)span + native.trace_at, ids->trace, sizeof(ids->trace));
        turn((const char *)span + native.span_at, ids->span, sizeof(ids->span));
        return are_valid(ids);
    }
    PyObject *trace = sonde_py_field(span, SONDE_STR("trace_id"));
    if (trace == NULL && !native.is_settled && !native.is_asked) {
        native.is_asked = true;
        sonde_py_vm_thread_ask(NULL);
    }
    return read_ids(trace, sonde_py_field(span, SONDE_STR("span_id")), ids);
}

static bool
read_ddtrace(PyObject *modules, struct ids *ids)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        PyObject *active =
            variable_value(find_in_module(modules, &provider_modules[i], &variables[i]));
        if (active != NULL) {
            bool is_found = active != Py_None && read_span(active, ids);
            Py_DECREF(active); /* the interpreter's context holds it too */
            return is_found;
        }
    }
    return false;
}

/* --- Learning where ddtrace's native spans keep what ---------------------------------------- */

static const int64_t sample_durations[2] = {0x2122232425262728, 0x3132333435363738};

static PyObject *
make_sample(PyTypeObject *type, const char *trace, const char *span, int64_t duration)
{
    PyObject *arguments = Py_BuildValue("(s)", "sonde");
    PyObject *names =
        Py_BuildValue("{s:N,s:N}", "trace_id", PyLong_FromString(trace, NULL, 16),
                      "span_id", PyLong_FromString(span, NULL, 16));
    PyObject *number = PyLong_FromLongLong(duration);
    PyObject *made = arguments != NULL && names != NULL
                         ? PyObject_Call((PyObject *)type, arguments, names)
                         : NULL;
    if (made != NULL &&
        (number == NULL || PyObject_SetAttrString(made, "duration_ns", number) != 0)) {
        Py_CLEAR(made);
    }
    Py_XDECREF(arguments);
    Py_XDECREF(names);
    Py_XDECREF(number);
    return made;
}

/* The one place where the samples have these bytes; 0: none, or more than one. */
static Py_ssize_t
place_of(PyObject *const samples[2], const void *one, const void *other, size_t size)
{
    Py_ssize_t found = 0;
    Py_ssize_t last = native.type->tp_basicsize - (Py_ssize_t)size;
    for (Py_ssize_t at = sizeof(PyObject); at <= last; at += 8) {
        if (memcmp((const char *)samples[0] + at, one, size) == 0 &&
            memcmp((const char *)samples[1] + at, other, size) == 0) {
            if (found != 0) {
                return 0;
            }
            found = at;
        }
    }
    return found;
}

static bool
find_places(PyObject *const samples[2])
{
    static const uint64_t traces[2][2] = {{0x090a0b0c0d0e0f10, 0x0102030405060708},
                                          {0x191a1b1c1d1e1f20, 0x7172737475767778}};
    static const uint64_t spans[2] = {0x4142434445464748, 0x5152535455565758};
    if (PY_BIG_ENDIAN || PyObject_SetAttrString(samples[0], "_parent", samples[1]) != 0) {
        return false;
    }
    PyObject *none = Py_None;
    native.trace_at = place_of(samples, traces[0], traces[1], 16);
    native.span_at = place_of(samples, &spans[0], &spans[1], 8);
    native.duration_at = place_of(samples, &sample_durations[0], &sample_durations[1], 8);
    native.parent_at = place_of(samples, &samples[1], &none, sizeof(PyObject *));
    if (native.parent_at == 0) { /* where there is none it may be no object at all */
        none = NULL;
        native.parent_at = place_of(samples, &samples[1], &none, sizeof(PyObject *));
    }
    return native.trace_at != 0 && native.span_at != 0 && native.duration_at != 0 &&
           native.parent_at != 0;
}

/* Whether the word before the duration tells a span that has ended from one that goes on. */
static bool
tells_finished(PyObject *sample)
{
    static const uint64_t yes = 1;
    return native.duration_at > (Py_ssize_t)sizeof(PyObject) &&
           memcmp((const char *)sample + native.duration_at - 8, &yes, 8) == 0 &&
           PyObject_SetAttrString(sample, "duration_ns", Py_None) == 0 &&
           !is_finished(sample, true);
}

static void
learn(PyTypeObject *type)
{
    PyObject *samples[2] = {make_sample(type, "0102030405060708090a0b0c0d0e0f10",
                                        "4142434445464748", sample_durations[0]),
                            make_sample(type, "7172737475767778191a1b1c1d1e1f20",
                                        "5152535455565758", sample_durations[1])};
    native.type = type;
    native.is_settled = true;
    if (samples[0] == NULL || samples[1] == NULL || !find_places(samples) ||
        !tells_finished(samples[0])) {
        native.type = NULL;
    }
    Py_XINCREF(native.type);
    Py_XDECREF(samples[0]);
    Py_XDECREF(samples[1]);
    sonde_py_clear_error();
}

void
sonde_py_trace_look(void)
{
    static struct spot module = SPOT("ddtrace.internal.native._native");
    static struct spot name = SPOT("SpanData");
    PyObject *type = native.is_settled
                         ? NULL
                         : find_in_module(PyImport_GetModuleDict(), &module, &name);
    if (type != NULL && PyType_Check(type)) {
        learn((PyTypeObject *)type);
    }
}

/* --- Either --------------------------------------------------------------------------------- */

static bool
is_absent(const struct spot *spot, const PyObject *modules)
{
    return spot->absent_in == modules && spot->absent_size == PyDict_GET_SIZE(modules);
}

bool
sonde_py_trace(unsigned char trace_id[16], unsigned char span_id[8])
{
    struct ids ids;
    PyObject *modules = PyImport_GetModuleDict();
    if (is_absent(&context_module, modules) && is_absent(&provider_modules[0], modules) &&
        is_absent(&provider_modules[1], modules)) {
        return false;
    }
    if (!read_opentelemetry(modules, &ids) && !read_ddtrace(modules, &ids)) {
        return false;
    }
    memcpy(trace_id, ids.trace, sizeof(ids.trace));
    memcpy(span_id, ids.span, sizeof(ids.span));
    return true;
}

void
sonde_py_write_trace(struct sonde_tape *tape)
{
    unsigned char trace_id[16], span_id[8];
    if (sonde_py_trace(trace_id, span_id)) {
        sonde_tape_trace(tape, trace_id, span_id);
    }
}
