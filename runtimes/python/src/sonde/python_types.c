/* SPDX-License-Identifier: Apache-2.0 */
#include "python_types.h"

#include "decimals.h"
#include "fields.h"
#include "scalars.h"
#include "text.h"

static bool
write_text(struct sonde_tape *tape, struct sonde_str type, PyObject *text)
{
    if (text != NULL && PyUnicode_Check(text)) {
        sonde_tape_text(tape, type, sonde_py_text_encoding(text), PyUnicode_DATA(text),
                        (size_t)PyUnicode_GET_LENGTH(text));
        return true;
    }
    if (text != NULL && PyBytes_Check(text)) {
        sonde_tape_text(tape, type, SONDE_ENCODING_BYTES, PyBytes_AS_STRING(text),
                        (size_t)PyBytes_GET_SIZE(text));
        return true;
    }
    return false;
}

static bool
try_write_uuid(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    unsigned char bytes[16];
    char text[36];
    if (!sonde_py_int_bytes(sonde_py_field(value, SONDE_STR("int")), bytes,
                            sizeof(bytes))) {
        return false;
    }
    size_t at = 0;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text[at++] = '-';
        }
        text[at++] = "0123456789abcdef"[bytes[i] >> 4];
        text[at++] = "0123456789abcdef"[bytes[i] & 15];
    }
    sonde_tape_text(tape, type, SONDE_ENCODING_ASCII, text, sizeof(text));
    return true;
}

static bool
try_write_path(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    return write_text(tape, type, sonde_py_field(value, SONDE_STR("_str")));
}

static const struct {
    const char *name, *module; /* of the class; a module inside of it counts too */
    bool (*try_write)(struct sonde_tape *, struct sonde_str, PyObject *);
} classes[] = {
    {"UUID", "uuid", try_write_uuid},
    {"PurePath", "pathlib", try_write_path},
    {"Decimal", "decimal", sonde_py_try_write_pydecimal},
    {"Decimal", "_pydecimal", sonde_py_try_write_pydecimal},
};

static bool
is_of_module(PyTypeObject *type, const char *module)
{
    char buf[SONDE_PY_TEXT_BYTES];
    size_t len = strlen(module);
    struct sonde_str name =
        sonde_py_text(sonde_py_dict_find(type->tp_dict, SONDE_STR("__module__")), buf);
    return name.len >= len && memcmp(name.ptr, module, len) == 0 &&
           (name.len == len || name.ptr[len] == '.');
}

/* The bases that class statements made, by name: there is no other way to tell them. */
static bool
try_write_by_class(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    PyTypeObject *at = Py_TYPE(value);
    for (; at != NULL && at->tp_flags & Py_TPFLAGS_HEAPTYPE; at = at->tp_base) {
        PyObject *name = ((PyHeapTypeObject *)at)->ht_name;
        for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
            if (sonde_py_text_is(name, sonde_str_from(classes[i].name)) &&
                is_of_module(at, classes[i].module) &&
                classes[i].try_write(tape, type, value)) {
                return true;
            }
        }
    }
    return false;
}

bool
sonde_py_try_write_standard(struct sonde_tape *tape, struct sonde_str type,
                            PyTypeObject *base, PyObject *value)
{
    if (base == &PyBaseObject_Type) {
        return try_write_by_class(tape, type, value);
    }
    if (strcmp(base->tp_name, "re.Pattern") == 0) {
        return write_text(tape, type, sonde_py_field(value, SONDE_STR("pattern")));
    }
    if (strcmp(base->tp_name, "zoneinfo.ZoneInfo") == 0) {
        return write_text(tape, type, sonde_py_field(value, SONDE_STR("key")));
    }
    return false;
}
