/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

enum sonde_encoding
sonde_py_text_encoding(PyObject *text)
{
    if (PyUnicode_IS_ASCII(text)) {
        return SONDE_ENCODING_ASCII;
    }
    switch (PyUnicode_KIND(text)) {
    case PyUnicode_1BYTE_KIND:
        return SONDE_ENCODING_LATIN1;
    case PyUnicode_2BYTE_KIND:
        return SONDE_ENCODING_UCS2;
    default:
        return SONDE_ENCODING_UCS4;
    }
}

/* Returns how many bytes it wrote, at most 4. */
static size_t
put_char(char *to, Py_UCS4 c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3F));
    to[2] = (char)(0x80 | (c >> 6 & 0x3F));
    to[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

struct sonde_str
sonde_py_text(PyObject *text, char *buf)
{
    if (text == NULL || !PyUnicode_Check(text)) {
        return (struct sonde_str){"", 0};
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    const void *data = PyUnicode_DATA(text);
    if (PyUnicode_IS_ASCII(text)) {
        return (struct sonde_str){data, (size_t)length};
    }
    int kind = PyUnicode_KIND(text);
    size_t at = 0;
    for (Py_ssize_t i = 0; i < length && at + 4 <= SONDE_PY_TEXT_BYTES; i++) {
        at += put_char(buf + at, PyUnicode_READ(kind, data, i));
    }
    return (struct sonde_str){buf, at};
}

bool
sonde_py_text_is(PyObject *text, struct sonde_str ascii)
{
    return text != NULL && PyUnicode_Check(text) && PyUnicode_IS_ASCII(text) &&
           (size_t)PyUnicode_GET_LENGTH(text) == ascii.len &&
           memcmp(PyUnicode_DATA(text), ascii.ptr, ascii.len) == 0;
}

struct sonde_str
sonde_py_type_name(PyTypeObject *type, char *buf)
{
    if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
        PyObject *name = ((PyHeapTypeObject *)type)->ht_name;
        if (name != NULL) {
            return sonde_py_text(name, buf);
        }
    }
    /* The few that nearly all values have, without counting their letters. */
    if (type == &PyLong_Type) {
        return SONDE_STR("int");
    }
    if (type == &PyUnicode_Type) {
        return SONDE_STR("str");
    }
    const char *dot = strrchr(type->tp_name, '.');
    return sonde_str_from(dot != NULL ? dot + 1 : type->tp_name);
}

PyObject *
sonde_py_dict_find(PyObject *dict, struct sonde_str name)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (dict == NULL || !PyDict_Check(dict)) {
        return NULL;
    }
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (sonde_py_text_is(key, name)) {
            return value;
        }
    }
    return NULL;
}
