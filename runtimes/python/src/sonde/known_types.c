/* SPDX-License-Identifier: Apache-2.0 */
#include "known_types.h"

#include "containers.h"
#include "decimals.h"
#include "ndarrays.h"
#include "state.h"
#include "text.h"
#include "vm_thread.h"

#define KNOWN_MAX 32
#define ATTEMPTS_MAX 8 /* a module that is half imported fails, and may not later */

struct lesson {
    const char *module, *name; /* where the type stands */
    const char *type_name;     /* what it is called in C */
    enum sonde_py_known kind;
    unsigned char number;
    bool (*verify)(PyTypeObject *type, unsigned number);
    bool is_settled;
    unsigned char attempts;
};

#define SCALAR(name, number)                                               \
    {                                                                      \
        "numpy", name, "numpy." name, SONDE_PY_KNOWN_NUMPY_SCALAR, number, \
            sonde_py_verify_numpy_scalar, false, 0                         \
    }

/* numpy's numbers of its dtypes (numpy/ndarraytypes.h, NPY_TYPES). */
static struct lesson lessons[] = {
    {"_collections", "OrderedDict", "collections.OrderedDict",
     SONDE_PY_KNOWN_ORDERED_DICT, 0, sonde_py_verify_ordered_dict, false, 0},
    {"_collections", "deque", "collections.deque", SONDE_PY_KNOWN_DEQUE, 0,
     sonde_py_verify_deque, false, 0},
    {"_decimal", "Decimal", "decimal.Decimal", SONDE_PY_KNOWN_DECIMAL, 0,
     sonde_py_verify_decimal, false, 0},
    {"array", "array", "array.array", SONDE_PY_KNOWN_ARRAY, 0, sonde_py_verify_array,
     false, 0},
    {"numpy", "ndarray", "numpy.ndarray", SONDE_PY_KNOWN_NDARRAY, 0,
     sonde_py_verify_ndarray, false, 0},
    SCALAR("bool_", 0),
    SCALAR("int8", 1),
    SCALAR("uint8", 2),
    SCALAR("int16", 3),
    SCALAR("uint16", 4),
    SCALAR("int32", 5),
    SCALAR("uint32", 6),
    SCALAR("int64", 7),
    SCALAR("uint64", 8),
    SCALAR("longlong", 9),
    SCALAR("ulonglong", 10),
    SCALAR("float32", 11),
    SCALAR("float64", 12),
    SCALAR("complex64", 14),
    SCALAR("complex128", 15),
    SCALAR("float16", 23),
};

#define LESSON_COUNT (sizeof(lessons) / sizeof(lessons[0]))

/* Guarded by the VM lock. */
static struct sonde_py_known_type known[KNOWN_MAX];
static unsigned known_count;
static destructor class_dealloc; /* of what class statements make; NULL: not seen yet */
static bool is_asked;
static Py_ssize_t seen_modules;

static const struct sonde_py_known_type *
find(PyTypeObject *type)
{
    for (unsigned i = 0; i < known_count; i++) {
        if (known[i].type == type) {
            return &known[i];
        }
    }
    return NULL;
}

/* Every class statement's class is taken apart by one function of CPython's, and no type of
 * a C module that has storage of its own is. */
static void
learn_class_dealloc(void)
{
    PyObject *made = PyObject_CallFunction((PyObject *)&PyType_Type, "s(){}", "sonde");
    if (made != NULL && PyType_Check(made)) {
        class_dealloc = ((PyTypeObject *)made)->tp_dealloc;
    }
    Py_XDECREF(made);
    sonde_py_clear_error();
}

static void
learn(struct lesson *lesson)
{
    PyObject *module =
        sonde_py_dict_find(PyImport_GetModuleDict(), sonde_str_from(lesson->module));
    if (module == NULL || !PyModule_Check(module)) {
        return;
    }
    PyObject *found =
        sonde_py_dict_find(PyModule_GetDict(module), sonde_str_from(lesson->name));
    if (found == NULL) {
        return;
    }
    PyTypeObject *type = (PyTypeObject *)found;
    bool is_type = PyType_Check(found) && sonde_py_native_base(type) == type;
    if (is_type && find(type) != NULL) {
        lesson->is_settled = true; /* one type by two names */
        return;
    }
    Py_INCREF(found);
    if (is_type && known_count < KNOWN_MAX && lesson->verify(type, lesson->number)) {
        known[known_count++] = (struct sonde_py_known_type){
            .type = type, .kind = lesson->kind, .number = lesson->number};
        lesson->is_settled = true;
        Py_INCREF(found);
    } else if (++lesson->attempts >= ATTEMPTS_MAX) {
        lesson->is_settled = true; /* not as known: shown as any other object */
    }
    Py_DECREF(found);
    sonde_py_clear_error();
}

void
sonde_py_known_look(void)
{
    Py_ssize_t modules = PyDict_GET_SIZE(PyImport_GetModuleDict());
    if (modules == seen_modules && !is_asked) {
        return;
    }
    int collects = PyGC_Disable(); /* what it would finalise is not ours to run */
    seen_modules = modules;
    is_asked = false;
    if (class_dealloc == NULL) {
        learn_class_dealloc();
    }
    for (size_t i = 0; i < LESSON_COUNT && class_dealloc != NULL; i++) {
        if (!lessons[i].is_settled) {
            learn(&lessons[i]);
        }
    }
    if (collects) {
        PyGC_Enable();
    }
}

/* Whether some lesson that is still open is about a type of this name. */
static bool
could_learn(const PyTypeObject *type)
{
    for (size_t i = 0; i < LESSON_COUNT; i++) {
        if (!lessons[i].is_settled && strcmp(lessons[i].type_name, type->tp_name) == 0) {
            return true;
        }
    }
    return false;
}

const struct sonde_py_known_type *
sonde_py_known(PyTypeObject *native)
{
    const struct sonde_py_known_type *found = find(native);
    if (found == NULL && !is_asked && could_learn(native)) {
        is_asked = true;
        sonde_py_vm_thread_ask(NULL);
    }
    return found;
}

PyTypeObject *
sonde_py_native_base(PyTypeObject *type)
{
    while (type->tp_flags & Py_TPFLAGS_HEAPTYPE && type->tp_base != NULL &&
           (class_dealloc == NULL || type->tp_dealloc == class_dealloc)) {
        type = type->tp_base;
    }
    return type;
}
