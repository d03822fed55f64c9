/* SPDX-License-Identifier: Apache-2.0 */
#include "ndarrays.h"

#include "containers.h"
#include "scalars.h"
#include "state.h"
#include "text.h"
#include "values.h"

#define DIMENSIONS_MAX 64

/* numpy/ndarraytypes.h: what PyArray_Descr begins with in all versions; behind it stand the
 * flags and sizes, which numpy 2 moved. */
struct dtype {
    PyObject_HEAD PyTypeObject *scalar_type;
    char kind, code, byte_order, old_flags;
    int number;
    union {
        struct {
            int item_bytes;
        } v1;
        struct {
            uint64_t flags;
            Py_ssize_t item_bytes;
        } v2;
    } size;
};

/* numpy/ndarraytypes.h, PyArrayObject_fields. */
struct ndarray {
    PyObject_HEAD char *data;
    int dimension_count;
    Py_ssize_t *dimensions, *strides;
    PyObject *base;
    struct dtype *dtype;
    int flags;
};

enum {
    BOOL = 0,
    LONG = 7,
    FLOAT = 11,
    DOUBLE = 12,
    CFLOAT = 14,
    CDOUBLE = 15,
    OBJECT = 17,
    BYTES = 18,
    TEXT = 19,
    HALF = 23,
};

static bool is_v2; /* sizes stand where numpy 2 has them; set once, before any is known */

/* The struct-module codes of integers and floats, by the dtype's number. */
static const char codes[] = "?bBhHiIlLqQfd";

/* Bytes of an element that can be shown; 0: it can not. */
static Py_ssize_t
item_bytes(const struct dtype *dtype)
{
    static const unsigned char sizes[] = {1, 1, 1, 2, 2, 4, 4, sizeof(long), sizeof(long),
                                          8, 8, 4, 8, 0, 8, 16};
    if (dtype->number >= 0 && dtype->number <= CDOUBLE) {
        return sizes[dtype->number];
    }
    switch (dtype->number) {
    case OBJECT:
        return sizeof(PyObject *);
    case HALF:
        return 2;
    case BYTES:
    case TEXT:
        return is_v2 ? dtype->size.v2.item_bytes : dtype->size.v1.item_bytes;
    default:
        return 0;
    }
}

static double
half(const char *at)
{
    uint16_t bits;
    memcpy(&bits, at, sizeof(bits));
    int exponent = bits >> 10 & 31;
    double fraction = bits & 1023;
    double value;
    if (exponent == 31) {
        value = fraction != 0 ? Py_NAN : Py_HUGE_VAL;
    } else if (exponent == 0) {
        value = fraction / 16777216.0;
    } else {
        value = (1.0 + fraction / 1024.0) * (exponent >= 15
                                                 ? (double)(1u << (exponent - 15))
                                                 : 1.0 / (double)(1u << (15 - exponent)));
    }
    return bits & 0x8000 ? -value : value;
}

static void
write_complex(struct sonde_tape *tape, struct sonde_str type, bool is_double,
              const char *at)
{
    Py_complex value;
    if (is_double) {
        memcpy(&value, at, sizeof(value));
    } else {
        float parts[2];
        memcpy(parts, at, sizeof(parts));
        value = (Py_complex){(double)parts[0], (double)parts[1]};
    }
    sonde_py_write_complex(tape, type, value);
}

/* Texts and bytes are filled up with zeros. */
static void
write_padded(struct sonde_tape *tape, bool is_text, const char *at, Py_ssize_t bytes)
{
    size_t unit = is_text ? sizeof(Py_UCS4) : 1;
    size_t count = (size_t)bytes / unit;
    static const char zeros[sizeof(Py_UCS4)];
    while (count > 0 && memcmp(at + (count - 1) * unit, zeros, unit) == 0) {
        count--;
    }
    sonde_tape_text(tape, is_text ? SONDE_STR("str") : SONDE_STR("bytes"),
                    is_text ? SONDE_ENCODING_UCS4 : SONDE_ENCODING_BYTES, at, count);
}

static void
write_item(struct sonde_tape *tape, int number, const char *at, Py_ssize_t bytes)
{
    switch (number) {
    case BOOL:
        sonde_tape_number(tape, SONDE_STR("bool"),
                          *at ? SONDE_STR("true") : SONDE_STR("false"));
        break;
    case CFLOAT:
    case CDOUBLE:
        write_complex(tape, SONDE_STR("complex"), number == CDOUBLE, at);
        break;
    case HALF:
        sonde_tape_float(tape, SONDE_STR("float"), half(at));
        break;
    case OBJECT: {
        PyObject *item;
        memcpy(&item, at, sizeof(item));
        sonde_py_write_value(tape, item != NULL ? item : Py_None);
        break;
    }
    case BYTES:
    case TEXT:
        write_padded(tape, number == TEXT, at, bytes);
        break;
    default:
        sonde_py_try_write_number(tape, codes[number], at);
    }
}

static struct sonde_str
dtype_name(const struct dtype *dtype, char *out, size_t size)
{
    static const char *const names[] = {
        "bool",    "int8",       "uint8",     "int16",      "uint16",      "int32",
        "uint32",  "int64",      "uint64",    "int64",      "uint64",      "float32",
        "float64", "longdouble", "complex64", "complex128", "clongdouble", "object",
        "bytes",   "str",        "void",      "datetime64", "timedelta64", "float16"};
    const char *name =
        dtype->number >= 0 && dtype->number <= HALF ? names[dtype->number] : "other";
    if (sizeof(long) == 4 && (dtype->number == LONG || dtype->number == LONG + 1)) {
        name = dtype->number == LONG ? "int32" : "uint32";
    }
    Py_ssize_t bytes = item_bytes(dtype);
    int len;
    if (dtype->number == BYTES || dtype->number == TEXT) {
        len = snprintf(out, size, "%s%zd", dtype->number == TEXT ? "<U" : "S",
                       dtype->number == TEXT ? bytes / 4 : bytes);
        out[0] = dtype->byte_order == '>' && dtype->number == TEXT ? '>' : out[0];
    } else {
        len = snprintf(out, size, "%s%s", dtype->byte_order == '>' ? ">" : "", name);
    }
    return (struct sonde_str){out, len > 0 && (size_t)len < size ? (size_t)len : 0};
}

static uint64_t
count_items(const struct ndarray *array)
{
    uint64_t count = 1;
    for (int i = 0; i < array->dimension_count; i++) {
        count *= (uint64_t)array->dimensions[i];
    }
    return count;
}

/* The elements in the order of their indexes, the last one fastest, as one row. */
static void
write_items(struct sonde_tape *tape, const struct ndarray *array)
{
    Py_ssize_t bytes = item_bytes(array->dtype);
    Py_ssize_t index[DIMENSIONS_MAX] = {0};
    uint64_t count = count_items(array);
    if (!sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, SONDE_STR("list"), count)) {
        return;
    }
    const char *at = array->data;
    for (; count > 0 && sonde_tape_next(tape); count--) {
        write_item(tape, array->dtype->number, at, bytes);
        for (int i = array->dimension_count; i-- > 0;) {
            at += array->strides[i];
            if (++index[i] < array->dimensions[i]) {
                break;
            }
            at -= array->strides[i] * array->dimensions[i];
            index[i] = 0;
        }
    }
    sonde_tape_close(tape);
}

static bool
is_sound(const struct ndarray *array)
{
    if (array->dimension_count < 0 || array->dimension_count > DIMENSIONS_MAX ||
        array->dtype == NULL ||
        (array->dimension_count > 0 &&
         (array->dimensions == NULL || array->strides == NULL))) {
        return false;
    }
    for (int i = 0; i < array->dimension_count; i++) {
        if (array->dimensions[i] < 0) {
            return false;
        }
    }
    return true;
}

void
sonde_py_write_ndarray(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    const struct ndarray *array = (const struct ndarray *)value;
    char name[48];
    if (!is_sound(array)) {
        sonde_py_write_opaque(tape, type, value);
        return;
    }
    /* Bytes in the other order are not turned round. */
    bool has_items = array->dtype->byte_order != (PY_BIG_ENDIAN ? '<' : '>') &&
                     item_bytes(array->dtype) > 0 && array->data != NULL;
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, 2 + (uint64_t)has_items)) {
        return;
    }
    if (sonde_tape_next(tape)) {
        struct sonde_str text = dtype_name(array->dtype, name, sizeof(name));
        sonde_tape_name(tape, SONDE_STR("dtype"));
        sonde_tape_text(tape, SONDE_STR("dtype"), SONDE_ENCODING_ASCII, text.ptr,
                        text.len);
    }
    if (sonde_tape_next(tape)) {
        sonde_tape_name(tape, SONDE_STR("shape"));
        if (sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, SONDE_STR("tuple"),
                            (uint64_t)array->dimension_count)) {
            for (int i = 0; i < array->dimension_count && sonde_tape_next(tape); i++) {
                sonde_tape_int(tape, SONDE_STR("int"), array->dimensions[i]);
            }
            sonde_tape_close(tape);
        }
    }
    if (has_items && sonde_tape_next(tape)) {
        sonde_tape_name(tape, SONDE_STR("items"));
        write_items(tape, array);
    }
    sonde_tape_close(tape);
}

/* --- Scalars -------------------------------------------------------------------------------- */

void
sonde_py_write_numpy_scalar(struct sonde_tape *tape, struct sonde_str type,
                            unsigned number, PyObject *value)
{
    const char *at = (const char *)value + sizeof(PyObject);
    char text[24];
    unsigned long long whole = 0;
    int len;
    switch (number) {
    case BOOL:
        sonde_tape_number(tape, type, *at ? SONDE_STR("true") : SONDE_STR("false"));
        return;
    case FLOAT: {
        float real;
        memcpy(&real, at, sizeof(real));
        sonde_tape_float(tape, type, (double)real);
        return;
    }
    case DOUBLE: {
        double real;
        memcpy(&real, at, sizeof(real));
        sonde_tape_float(tape, type, real);
        return;
    }
    case HALF:
        sonde_tape_float(tape, type, half(at));
        return;
    case CFLOAT:
    case CDOUBLE:
        write_complex(tape, type, number == CDOUBLE, at);
        return;
    default:
        break;
    }
    /* Even numbers are unsigned; the bytes above an element's are its sign. */
    static const unsigned char sizes[] = {1, 1, 1, 2, 2, 4, 4, sizeof(long), sizeof(long),
                                          8, 8};
    unsigned bits = 8u * sizes[number];
    memcpy((char *)&whole + (PY_BIG_ENDIAN ? 8 - sizes[number] : 0), at, sizes[number]);
    if (number % 2 == 0) {
        len = snprintf(text, sizeof(text), "%llu", whole);
        sonde_tape_number(tape, type, (struct sonde_str){text, (size_t)len});
    } else {
        sonde_tape_int(tape, type, (int64_t)(whole << (64 - bits)) >> (64 - bits));
    }
}

/* --- Learning ------------------------------------------------------------------------------- */

static bool
is_version_2(void)
{
    char buf[SONDE_PY_TEXT_BYTES];
    PyObject *module = sonde_py_dict_find(PyImport_GetModuleDict(), SONDE_STR("numpy"));
    if (module == NULL || !PyModule_Check(module)) {
        return false;
    }
    struct sonde_str version = sonde_py_text(
        sonde_py_dict_find(PyModule_GetDict(module), SONDE_STR("__version__")), buf);
    return version.len > 1 && (version.ptr[0] >= '2' || version.ptr[1] != '.');
}

static bool
agrees_with(PyTypeObject *type, const char *dtype, int number, Py_ssize_t bytes)
{
    PyObject *made = PyObject_CallFunction((PyObject *)type, "(ii)s", 2, 3, dtype);
    const struct ndarray *array = (const struct ndarray *)made;
    bool agrees = made != NULL && Py_IS_TYPE(made, type) && array->data != NULL &&
                  array->dimension_count == 2 && array->dimensions != NULL &&
                  array->strides == array->dimensions + 2 && array->dimensions[0] == 2 &&
                  array->dimensions[1] == 3 && array->strides[0] == 3 * bytes &&
                  array->strides[1] == bytes && array->base == NULL &&
                  array->dtype->number == number && item_bytes(array->dtype) == bytes;
    Py_XDECREF(made);
    return agrees;
}

bool
sonde_py_verify_ndarray(PyTypeObject *type, unsigned unused)
{
    (void)unused;
    if (type->tp_basicsize < (Py_ssize_t)sizeof(struct ndarray)) {
        return false;
    }
    is_v2 = is_version_2();
    return agrees_with(type, "f8", DOUBLE, 8) && agrees_with(type, "i1", 1, 1) &&
           agrees_with(type, "c8", CFLOAT, 8) && agrees_with(type, "f2", HALF, 2) &&
           agrees_with(type, "O", OBJECT, sizeof(PyObject *)) &&
           agrees_with(type, "S7", BYTES, 7) && agrees_with(type, "U5", TEXT, 20);
}

/* One, read where the number must be. */
bool
sonde_py_verify_numpy_scalar(PyTypeObject *type, unsigned number)
{
    static const unsigned char sizes[] = {1, 1, 1, 2, 2, 4, 4, sizeof(long), sizeof(long),
                                          8, 8, 4, 8, 0, 8, 16};
    static const float one_float = 1;
    static const double one_double = 1;
    static const uint64_t one = 1;
    static const uint16_t one_half = 0x3c00;
    const void *wanted = number == HALF                        ? (const void *)&one_half
                         : number == FLOAT || number == CFLOAT ? (const void *)&one_float
                         : number == DOUBLE || number == CDOUBLE
                             ? (const void *)&one_double
                             : (const void *)&one;
    size_t all = number == HALF ? 2 : sizes[number];
    size_t bytes = number == CFLOAT || number == CDOUBLE ? all / 2 : all;
    if (type->tp_basicsize < (Py_ssize_t)(sizeof(PyObject) + all)) {
        return false;
    }
    PyObject *made = PyObject_CallFunction((PyObject *)type, "i", 1);
    bool agrees = made != NULL && Py_IS_TYPE(made, type) &&
                  memcmp((const char *)made + sizeof(PyObject), wanted, bytes) == 0;
    Py_XDECREF(made);
    return agrees;
}
