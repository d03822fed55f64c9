/* SPDX-License-Identifier: Apache-2.0 */
#include "decimals.h"

#include "fields.h"
#include "scalars.h"
#include "text.h"

#include <stdio.h>

#define PLACES_MAX 2000 /* of a coefficient; what is longer is not shown */
#define WORD_PLACES 19

/* Modules/_decimal/_decimal.c, PyDecObject, and libmpdec's mpd_t for 64 bits. */
struct decimal {
    PyObject_HEAD Py_hash_t hash;
    uint8_t flags;
    int64_t exponent;
    int64_t places;
    int64_t word_count;
    int64_t word_room;
    const uint64_t *words; /* the lowest 19 places first */
    uint64_t own_words[4];
};

enum {
    IS_NEGATIVE = 1,
    IS_INFINITE = 2,
    IS_NAN = 4,
    IS_SNAN = 8,
    IS_STATIC = 16,
    IS_OWN = 32,
};

/* A number taken apart: "-", coefficient, exponent. */
struct parts {
    bool is_negative;
    struct sonde_str coefficient;
    int64_t exponent;
};

/* As Decimal.__str__ decides: plain, or with an exponent. Returns the length. */
static size_t
format(const struct parts *parts, char *out, size_t size)
{
    int64_t count = (int64_t)parts->coefficient.len;
    int64_t left = parts->exponent + count; /* places before the point */
    bool is_plain = parts->exponent <= 0 && left > -6;
    int64_t point = is_plain ? left : 1;
    size_t at = 0;
    if (parts->is_negative) {
        out[at++] = '-';
    }
    if (point <= 0) {
        out[at++] = '0';
        out[at++] = '.';
        for (int64_t i = point; i < 0; i++) {
            out[at++] = '0';
        }
    }
    for (int64_t i = 0; i < count && at + 32 < size; i++) {
        if (i == point && point > 0) {
            out[at++] = '.';
        }
        out[at++] = parts->coefficient.ptr[i];
    }
    if (left != point) {
        int len = snprintf(out + at, size - at, "E%+lld", (long long)(left - point));
        at += len > 0 ? (size_t)len : 0;
    }
    return at;
}

/* The places of the words, highest first; 0: they are not as they must be. */
static size_t
coefficient(const struct decimal *value, char *out)
{
    if (value->word_count <= 0 || value->word_count > value->word_room ||
        value->places <= 0 || value->places > PLACES_MAX ||
        (value->places + WORD_PLACES - 1) / WORD_PLACES != value->word_count) {
        return 0;
    }
    size_t at = (size_t)value->places;
    for (int64_t i = 0; i < value->word_count; i++) {
        uint64_t word = value->words[i];
        for (int place = 0; place < WORD_PLACES && at > 0; place++, word /= 10) {
            out[--at] = (char)('0' + word % 10);
        }
        if (word != 0) {
            return 0;
        }
    }
    return (size_t)value->places;
}

static size_t
decimal_text(PyObject *object, char *out, size_t size)
{
    const struct decimal *value = (const struct decimal *)object;
    char places[PLACES_MAX];
    bool is_negative = value->flags & IS_NEGATIVE;
    if (value->flags & IS_OWN && value->words != value->own_words) {
        return 0;
    }
    if (value->flags & IS_INFINITE) {
        return (size_t)snprintf(out, size, "%sInfinity", is_negative ? "-" : "");
    }
    size_t count = 0;
    if (!(value->flags & (IS_NAN | IS_SNAN)) || value->word_count > 0) {
        count = coefficient(value, places);
        if (count == 0) {
            return 0;
        }
    }
    if (value->flags & (IS_NAN | IS_SNAN)) {
        int len = snprintf(out, size, "%s%s%.*s", is_negative ? "-" : "",
                           value->flags & IS_SNAN ? "sNaN" : "NaN", (int)count, places);
        return len > 0 ? (size_t)len : 0;
    }
    struct parts parts = {.is_negative = is_negative,
                          .coefficient = {places, count},
                          .exponent = value->exponent};
    return format(&parts, out, size);
}

void
sonde_py_write_decimal(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    char text[PLACES_MAX + 64];
    size_t len = decimal_text(value, text, sizeof(text));
    if (len == 0) {
        sonde_py_write_opaque(tape, type, value);
    } else {
        sonde_tape_number(tape, type, (struct sonde_str){text, len});
    }
}

bool
sonde_py_verify_decimal(PyTypeObject *type, unsigned unused)
{
    (void)unused;
    static const char *const samples[] = {
        "1.5",
        "-12345678901234567890.12345678901234567890",
        "0.0000001",
        "-1E+30",
        "NaN12",
        "-Infinity",
        "0",
        ("123456789012345678901234567890123456789012345678901234567890123456"
         "7890123456789012345678901234567890"),
    };
    if (type->tp_basicsize != sizeof(struct decimal)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        char text[PLACES_MAX + 64];
        const char *wanted = i == 2 ? "1E-7" : samples[i];
        PyObject *made = PyObject_CallFunction((PyObject *)type, "s", samples[i]);
        /* The first has its words in itself, which tells the layout before any pointer is
         * followed. */
        const struct decimal *value = (const struct decimal *)made;
        bool is_clear = made != NULL && (i > 0 || (value->flags == (IS_STATIC | IS_OWN) &&
                                                   value->words == value->own_words));
        size_t len = is_clear ? decimal_text(made, text, sizeof(text)) : 0;
        bool agrees = len == strlen(wanted) && memcmp(text, wanted, len) == 0;
        Py_XDECREF(made);
        if (!agrees) {
            return false;
        }
    }
    return true;
}

/* --- The one in Python ---------------------------------------------------------------------- */

bool
sonde_py_try_write_pydecimal(struct sonde_tape *tape, struct sonde_str type,
                             PyObject *value)
{
    char text[PLACES_MAX + 64];
    PyObject *sign = sonde_py_field(value, SONDE_STR("_sign"));
    PyObject *digits = sonde_py_field(value, SONDE_STR("_int"));
    PyObject *exponent = sonde_py_field(value, SONDE_STR("_exp"));
    if (sign == NULL || !PyLong_CheckExact(sign) || digits == NULL ||
        !PyUnicode_CheckExact(digits) || !PyUnicode_IS_ASCII(digits) ||
        exponent == NULL) {
        return false;
    }
    struct sonde_str places = {PyUnicode_DATA(digits),
                               (size_t)PyUnicode_GET_LENGTH(digits)};
    if (places.len > PLACES_MAX) {
        return false;
    }
    int overflow;
    struct parts parts = {.is_negative = PyLong_AsLongAndOverflow(sign, &overflow) == 1,
                          .coefficient = places};
    size_t len;
    if (PyLong_CheckExact(exponent)) {
        parts.exponent = PyLong_AsLongLongAndOverflow(exponent, &overflow);
        if (overflow != 0 || parts.exponent > 1000000000000000000 ||
            parts.exponent < -2000000000000000000) {
            return false;
        }
        len = format(&parts, text, sizeof(text));
    } else {
        const char *kind = sonde_py_text_is(exponent, SONDE_STR("F"))   ? "Infinity"
                           : sonde_py_text_is(exponent, SONDE_STR("n")) ? "NaN"
                           : sonde_py_text_is(exponent, SONDE_STR("N")) ? "sNaN"
                                                                        : NULL;
        if (kind == NULL) {
            return false;
        }
        bool has_places = kind[0] != 'I';
        int written =
            snprintf(text, sizeof(text), "%s%s%.*s", parts.is_negative ? "-" : "", kind,
                     has_places ? (int)places.len : 0, places.ptr);
        len = written > 0 ? (size_t)written : 0;
    }
    sonde_tape_number(tape, type, (struct sonde_str){text, len});
    return true;
}
