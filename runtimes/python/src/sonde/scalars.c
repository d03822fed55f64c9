/* SPDX-License-Identifier: Apache-2.0 */
#include "scalars.h"

#include "fields.h"
#include "state.h"
#include "text.h"

#include <datetime.h>
#include <stdio.h>

static struct sonde_str
str_of(const char *text, int len, size_t size)
{
    size_t bytes = len < 0 ? 0 : (size_t)len;
    return (struct sonde_str){text, bytes < size ? bytes : size - 1};
}

/* --- Integers ------------------------------------------------------------------------------- */

#define DECIMAL_DIGITS_MAX 34 /* of 30 bits: 1,020 bits, 308 decimal places */
#define DECIMAL_PLACES_MAX 320
#define HEX_PLACES_MAX 1024

/* Divides by 10^9 in place; returns the rest. */
static uint32_t
divide(uint32_t *digits, size_t *count)
{
    uint64_t rest = 0;
    for (size_t i = *count; i-- > 0;) {
        uint64_t part = rest << PyLong_SHIFT | digits[i];
        digits[i] = (uint32_t)(part / 1000000000);
        rest = part % 1000000000;
    }
    while (*count > 0 && digits[*count - 1] == 0) {
        --*count;
    }
    return (uint32_t)rest;
}

static void
write_decimal(struct sonde_tape *tape, struct sonde_str type, const digit *digits,
              size_t count, bool is_negative)
{
    uint32_t left[DECIMAL_DIGITS_MAX];
    char text[DECIMAL_PLACES_MAX + 16];
    size_t at = sizeof(text);
    for (size_t i = 0; i < count; i++) {
        left[i] = digits[i];
    }
    while (count > 0) {
        uint32_t rest = divide(left, &count);
        for (int i = 0; i < 9 && (count > 0 || rest > 0); i++, rest /= 10) {
            text[--at] = (char)('0' + rest % 10);
        }
    }
    if (is_negative) {
        text[--at] = '-';
    }
    sonde_tape_number(tape, type, (struct sonde_str){text + at, sizeof(text) - at});
}

static void
write_hex(struct sonde_tape *tape, struct sonde_str type, const digit *digits,
          size_t count, bool is_negative)
{
    char text[HEX_PLACES_MAX];
    size_t at = 0, bits = count * PyLong_SHIFT;
    while (!(digits[(bits - 1) / PyLong_SHIFT] >> (bits - 1) % PyLong_SHIFT & 1)) {
        bits--;
    }
    if (is_negative) {
        text[at++] = '-';
    }
    text[at++] = '0';
    text[at++] = 'x';
    for (size_t place = (bits + 3) / 4; place-- > 0 && at < sizeof(text);) {
        unsigned nibble = 0;
        for (size_t bit = place * 4; bit < place * 4 + 4 && bit < bits; bit++) {
            nibble |= (digits[bit / PyLong_SHIFT] >> bit % PyLong_SHIFT & 1)
                      << (bit - place * 4);
        }
        text[at++] = "0123456789abcdef"[nibble];
    }
    sonde_tape_number(tape, type, (struct sonde_str){text, at});
}

/* The digits follow what every int has, which is what the type says of its size. */
static const digit *
digits_of(PyObject *value)
{
    return (const digit *)((const char *)value + PyLong_Type.tp_basicsize);
}

void
sonde_py_write_int(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    int overflow;
    long long small = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow == 0) {
        sonde_tape_int(tape, type, small);
        return;
    }
    if (!sonde_py_has(SONDE_PY_PART_INTS)) {
        sonde_tape_skip(tape, type, SONDE_REASON_UNREADABLE);
        return;
    }
    const PyLongObject *number = (const PyLongObject *)value;
    size_t count = sonde_py_int_size(number);
    if (count * PyLong_SHIFT <= 1020) {
        write_decimal(tape, type, digits_of(value), count,
                      sonde_py_int_is_negative(number));
    } else {
        write_hex(tape, type, digits_of(value), count, sonde_py_int_is_negative(number));
    }
}

bool
sonde_py_int_bytes(PyObject *value, unsigned char *out, size_t size)
{
    if (value == NULL || !PyLong_Check(value) || !sonde_py_has(SONDE_PY_PART_INTS) ||
        sonde_py_int_is_negative((const PyLongObject *)value)) {
        return false;
    }
    const digit *digits = digits_of(value);
    size_t count = sonde_py_int_size((const PyLongObject *)value), at = 0;
    unsigned char bytes[16] = {0};
    unsigned bits = 0;
    uint64_t left = 0;
    for (size_t i = 0; i < count || bits > 0;) {
        if (bits < 8 && i < count) {
            left |= (uint64_t)digits[i++] << bits;
            bits += PyLong_SHIFT;
            continue;
        }
        unsigned char byte = (unsigned char)left;
        if (at < size && at < sizeof(bytes)) {
            bytes[at++] = byte;
        } else if (byte != 0) {
            return false;
        }
        left >>= 8;
        bits = bits > 8 ? bits - 8 : 0;
    }
    for (size_t i = 0; i < size; i++) {
        out[i] = bytes[size - 1 - i];
    }
    return true;
}

/* --- Floats --------------------------------------------------------------------------------- */

/* The shortest text that reads back as the same number; "" when out of memory. */
static void
float_text(double value, int flags, char *out, size_t size)
{
    char *text = PyOS_double_to_string(value, 'r', 0, flags, NULL);
    size_t len = text != NULL ? strlen(text) : 0;
    if (text == NULL || len >= size) {
        sonde_py_clear_error();
        len = 0;
    }
    memcpy(out, text != NULL ? text : "", len);
    out[len] = '\0';
    PyMem_Free(text);
}

void
sonde_py_write_complex(struct sonde_tape *tape, struct sonde_str type, Py_complex value)
{
    char real[64], imaginary[64], text[160];
    float_text(value.real, 0, real, sizeof(real));
    float_text(value.imag, Py_DTSF_SIGN, imaginary, sizeof(imaginary));
    if (real[0] == '\0' || imaginary[0] == '\0') {
        sonde_tape_skip(tape, type, SONDE_REASON_UNREADABLE);
        return;
    }
    int len = snprintf(text, sizeof(text), "(%s%sj)", real, imaginary);
    sonde_tape_number(tape, type, str_of(text, len, sizeof(text)));
}

/* --- Names ---------------------------------------------------------------------------------- */

static void
write_name(struct sonde_tape *tape, struct sonde_str type, PyObject *module,
           PyObject *name)
{
    char module_buf[SONDE_PY_TEXT_BYTES], name_buf[SONDE_PY_TEXT_BYTES];
    char text[2 * SONDE_PY_TEXT_BYTES + 2];
    struct sonde_str in = sonde_py_text(module, module_buf);
    struct sonde_str what = sonde_py_text(name, name_buf);
    if (sonde_str_eq(in, SONDE_STR("builtins"))) {
        in.len = 0;
    }
    int len = snprintf(text, sizeof(text), "%.*s%s%.*s", (int)in.len, in.ptr,
                       in.len > 0 ? "." : "", (int)what.len, what.ptr);
    struct sonde_str whole = str_of(text, len, sizeof(text));
    sonde_tape_text(tape, type, SONDE_ENCODING_UTF8, whole.ptr, whole.len);
}

static void
write_class(struct sonde_tape *tape, struct sonde_str type, PyTypeObject *class)
{
    if (class->tp_flags & Py_TPFLAGS_HEAPTYPE) {
        write_name(tape, type,
                   sonde_py_dict_find(class->tp_dict, SONDE_STR("__module__")),
                   ((PyHeapTypeObject *)class)->ht_qualname);
        return;
    }
    sonde_tape_text(tape, type, SONDE_ENCODING_UTF8, class->tp_name,
                    strlen(class->tp_name));
}

static bool
is_descriptor(PyTypeObject *base)
{
    return base == &PyMethodDescr_Type || base == &PyWrapperDescr_Type ||
           base == &PyClassMethodDescr_Type || base == &PyMemberDescr_Type ||
           base == &PyGetSetDescr_Type;
}

bool
sonde_py_is_qualified(PyTypeObject *base)
{
    return base == &PyFunction_Type || base == &PyMethod_Type ||
           base == &PyCFunction_Type || base == &PyModule_Type || base == &PyGen_Type ||
           base == &PyCoro_Type || base == &PyAsyncGen_Type || base == &PyCode_Type ||
           base == &PyCMethod_Type || is_descriptor(base);
}

/* "math.sin"; "list.append" for what belongs to an object. */
static void
write_builtin(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    const PyCFunctionObject *function = (const PyCFunctionObject *)value;
    char buf[SONDE_PY_TEXT_BYTES], text[2 * SONDE_PY_TEXT_BYTES];
    struct sonde_str owner = sonde_py_text(function->m_module, buf);
    if (sonde_str_eq(owner, SONDE_STR("builtins"))) {
        owner.len = 0;
    } else if (function->m_module == NULL && function->m_self != NULL &&
               !PyModule_Check(function->m_self)) {
        owner = sonde_py_type_name(PyType_Check(function->m_self)
                                       ? (PyTypeObject *)function->m_self
                                       : Py_TYPE(function->m_self),
                                   buf);
    }
    int len = snprintf(text, sizeof(text), "%.*s%s%s", (int)owner.len, owner.ptr,
                       owner.len > 0 ? "." : "", function->m_ml->ml_name);
    struct sonde_str whole = str_of(text, len, sizeof(text));
    sonde_tape_text(tape, type, SONDE_ENCODING_UTF8, whole.ptr, whole.len);
}

/* "str.upper", of a class's method or member. */
static void
write_descriptor(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    const PyDescrObject *descriptor = (const PyDescrObject *)value;
    char buf[SONDE_PY_TEXT_BYTES], name_buf[SONDE_PY_TEXT_BYTES];
    char text[2 * SONDE_PY_TEXT_BYTES + 2];
    struct sonde_str owner = sonde_py_type_name(descriptor->d_type, buf);
    struct sonde_str name = sonde_py_text(descriptor->d_name, name_buf);
    int len = snprintf(text, sizeof(text), "%.*s.%.*s", (int)owner.len, owner.ptr,
                       (int)name.len, name.ptr);
    struct sonde_str whole = str_of(text, len, sizeof(text));
    sonde_tape_text(tape, type, SONDE_ENCODING_UTF8, whole.ptr, whole.len);
}

void
sonde_py_write_qualified(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    if (PyType_Check(value)) {
        write_class(tape, type, (PyTypeObject *)value);
    } else if (PyFunction_Check(value)) {
        const PyFunctionObject *function = (const PyFunctionObject *)value;
        write_name(tape, type, function->func_module, function->func_qualname);
    } else if (PyMethod_Check(value)) {
        PyObject *function = PyMethod_GET_FUNCTION(value);
        if (PyFunction_Check(function)) {
            sonde_py_write_qualified(tape, type, function);
        } else {
            sonde_py_write_opaque(tape, type, value);
        }
    } else if (PyCFunction_Check(value)) {
        write_builtin(tape, type, value);
    } else if (is_descriptor(Py_TYPE(value))) {
        write_descriptor(tape, type, value);
    } else if (PyModule_Check(value)) {
        write_name(tape, type, NULL,
                   sonde_py_dict_find(PyModule_GetDict(value), SONDE_STR("__name__")));
    } else if (PyCode_Check(value)) {
        PyObject *name = sonde_py_field(value, SONDE_STR("co_qualname")); /* 3.11 */
        write_name(tape, type, NULL,
                   name != NULL ? name : ((PyCodeObject *)value)->co_name);
    } else {
        write_name(tape, type, NULL, ((PyGenObject *)value)->gi_qualname);
    }
}

void
sonde_py_write_opaque(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    char text[SONDE_PY_TEXT_BYTES + 32];
    int len = snprintf(text, sizeof(text), "<%.*s at %p>", (int)type.len, type.ptr,
                       (void *)value);
    struct sonde_str whole = str_of(text, len, sizeof(text));
    sonde_tape_text(tape, type, SONDE_ENCODING_UTF8, whole.ptr, whole.len);
}

/* --- Dates ---------------------------------------------------------------------------------- */

/* "2 days, 0:00:01.000005" and the like. */
static int
delta_text(PyObject *value, char *out, size_t size)
{
    int days = PyDateTime_DELTA_GET_DAYS(value);
    int seconds = PyDateTime_DELTA_GET_SECONDS(value);
    int micros = PyDateTime_DELTA_GET_MICROSECONDS(value);
    char head[40] = "", tail[16] = "";
    if (days != 0) {
        snprintf(head, sizeof(head), "%d day%s, ", days,
                 days == 1 || days == -1 ? "" : "s");
    }
    if (micros != 0) {
        snprintf(tail, sizeof(tail), ".%06d", micros);
    }
    return snprintf(out, size, "%s%d:%02d:%02d%s", head, seconds / 3600,
                    seconds / 60 % 60, seconds % 60, tail);
}

/* "+02:00" for datetime.timezone, whose offset is its first member; "[Europe/Paris]" for one
 * that says a key; for a tzinfo of somebody's, whose offset only its own code could tell, its
 * type. "" for none. */
static void
zone_text(PyObject *zone, char *out, size_t size)
{
    char buf[SONDE_PY_TEXT_BYTES];
    out[0] = '\0';
    if (zone == NULL || zone == Py_None) {
        return;
    }
    PyObject *offset = NULL;
    if (strcmp(Py_TYPE(zone)->tp_name, "datetime.timezone") == 0 &&
        !(Py_TYPE(zone)->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        offset = *(PyObject **)(zone + 1);
    }
    if (offset == NULL || strcmp(Py_TYPE(offset)->tp_name, "datetime.timedelta") != 0) {
        PyObject *key = sonde_py_field(zone, SONDE_STR("key"));
        struct sonde_str name = key != NULL && PyUnicode_Check(key)
                                    ? sonde_py_text(key, buf)
                                    : sonde_py_type_name(Py_TYPE(zone), buf);
        snprintf(out, size, "[%.*s]", (int)name.len, name.ptr);
        return;
    }
    int seconds =
        PyDateTime_DELTA_GET_DAYS(offset) * 86400 + PyDateTime_DELTA_GET_SECONDS(offset);
    int ahead = seconds < 0 ? -seconds : seconds;
    char odd[8] = "";
    if (ahead % 60 != 0) {
        snprintf(odd, sizeof(odd), ":%02d", ahead % 60);
    }
    snprintf(out, size, "%c%02d:%02d%s", seconds < 0 ? '-' : '+', ahead / 3600,
             ahead / 60 % 60, odd);
}

static int
time_text(int hour, int minute, int second, int micros, PyObject *zone, char *out,
          size_t size)
{
    char tail[16] = "", offset[80];
    zone_text(zone, offset, sizeof(offset));
    if (micros != 0) {
        snprintf(tail, sizeof(tail), ".%06d", micros);
    }
    return snprintf(out, size, "%02d:%02d:%02d%s%s", hour, minute, second, tail, offset);
}

static int
datetime_text(PyObject *value, char *out, size_t size)
{
    const PyDateTime_DateTime *moment = (const PyDateTime_DateTime *)value;
    char clock[120];
    time_text(PyDateTime_DATE_GET_HOUR(value), PyDateTime_DATE_GET_MINUTE(value),
              PyDateTime_DATE_GET_SECOND(value), PyDateTime_DATE_GET_MICROSECOND(value),
              moment->hastzinfo ? moment->tzinfo : NULL, clock, sizeof(clock));
    return snprintf(out, size, "%04d-%02d-%02dT%s", PyDateTime_GET_YEAR(value),
                    PyDateTime_GET_MONTH(value), PyDateTime_GET_DAY(value), clock);
}

bool
sonde_py_try_write_date(struct sonde_tape *tape, struct sonde_str type,
                        PyTypeObject *base, PyObject *value)
{
    char text[160];
    int len;
    /* The C module's own types have static names; nothing made in Python can have them. */
    if (strncmp(base->tp_name, "datetime.", 9) != 0) {
        return false;
    }
    const char *name = base->tp_name + 9;
    if (strcmp(name, "datetime") == 0) {
        len = datetime_text(value, text, sizeof(text));
    } else if (strcmp(name, "date") == 0) {
        len = snprintf(text, sizeof(text), "%04d-%02d-%02d", PyDateTime_GET_YEAR(value),
                       PyDateTime_GET_MONTH(value), PyDateTime_GET_DAY(value));
    } else if (strcmp(name, "time") == 0) {
        const PyDateTime_Time *time = (const PyDateTime_Time *)value;
        len = time_text(
            PyDateTime_TIME_GET_HOUR(value), PyDateTime_TIME_GET_MINUTE(value),
            PyDateTime_TIME_GET_SECOND(value), PyDateTime_TIME_GET_MICROSECOND(value),
            time->hastzinfo ? time->tzinfo : NULL, text, sizeof(text));
    } else if (strcmp(name, "timedelta") == 0) {
        len = delta_text(value, text, sizeof(text));
    } else if (strcmp(name, "timezone") == 0) {
        zone_text(value, text, sizeof(text));
        len = (int)strlen(text);
    } else {
        return false;
    }
    struct sonde_str whole = str_of(text, len, sizeof(text));
    sonde_tape_text(tape, type, SONDE_ENCODING_ASCII, whole.ptr, whole.len);
    return true;
}
