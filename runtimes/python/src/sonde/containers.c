/* SPDX-License-Identifier: Apache-2.0 */
#include "containers.h"

#include "scalars.h"
#include "state.h"
#include "text.h"
#include "values.h"

#define STEPS_MAX 20000 /* of looking for keys that were moved, in one dictionary */

/* --- collections.OrderedDict ---------------------------------------------------------------- */

/* Objects/odictobject.c: the order stands in a list beside the dictionary. */
struct node {
    PyObject *key;
    Py_hash_t hash;
    struct node *next, *previous;
};

struct ordered_dict {
    PyDictObject dict;
    struct node *first, *last;
    struct node **fast_nodes;
    Py_ssize_t fast_node_count;
    void *sentinel; /* the dictionary's keys when fast_nodes was made */
    size_t state;
    PyObject *fields, *weak_references;
};

/* A walk through the dictionary's own order that goes round. */
struct walk {
    PyObject *dict;
    Py_ssize_t at;
    unsigned steps;
};

/* The value under this very key object; NULL: not found in good time. Since the list is
 * mostly in the order of the dictionary, it is mostly the next one. */
static PyObject *
walk_to(struct walk *walk, const PyObject *wanted)
{
    PyObject *key, *value;
    Py_ssize_t left = PyDict_GET_SIZE(walk->dict) + 1;
    for (; left > 0 && walk->steps < STEPS_MAX; left--, walk->steps++) {
        if (!PyDict_Next(walk->dict, &walk->at, &key, &value)) {
            walk->at = 0;
            continue;
        }
        if (key == wanted) {
            return value;
        }
    }
    return NULL;
}

void
sonde_py_write_ordered_dict(struct sonde_tape *tape, struct sonde_str type,
                            PyObject *value)
{
    struct walk walk = {.dict = value};
    if (!sonde_tape_open(tape, SONDE_SHAPE_ENTRIES, type,
                         (uint64_t)PyDict_GET_SIZE(value))) {
        return;
    }
    const struct node *node = ((const struct ordered_dict *)value)->first;
    for (; node != NULL && sonde_tape_next(tape); node = node->next) {
        sonde_py_write_value(tape, node->key);
        sonde_py_write_value(tape, walk_to(&walk, node->key));
    }
    sonde_tape_close(tape);
}

bool
sonde_py_verify_ordered_dict(PyTypeObject *type, unsigned unused)
{
    (void)unused;
    if (type->tp_basicsize != sizeof(struct ordered_dict)) {
        return false;
    }
    PyObject *made =
        PyObject_CallFunction((PyObject *)type, "(((ii)(ii)(ii)))", 1, 10, 2, 20, 3, 30);
    PyObject *result =
        made != NULL ? PyObject_CallMethod(made, "move_to_end", "i", 1) : NULL;
    static const long order[] = {2, 3, 1};
    /* First what can be told without following a pointer. */
    const struct ordered_dict *dict = (const struct ordered_dict *)made;
    bool agrees = result != NULL && dict->sentinel == dict->dict.ma_keys &&
                  dict->fast_node_count == 8 && dict->first != NULL &&
                  dict->last != NULL && dict->fast_nodes != NULL;
    if (agrees) {
        struct walk walk = {.dict = made};
        const struct node *node = dict->first;
        for (int i = 0; i < 3 && agrees; i++, node = agrees ? node->next : NULL) {
            agrees = node != NULL && PyLong_Check(node->key) &&
                     PyLong_AsLong(node->key) == order[i];
            PyObject *found = agrees ? walk_to(&walk, node->key) : NULL;
            agrees = found != NULL && PyLong_AsLong(found) == 10 * order[i];
        }
        agrees = agrees && node == NULL;
    }
    Py_XDECREF(result);
    Py_XDECREF(made);
    return agrees;
}

/* --- collections.deque ---------------------------------------------------------------------- */

/* Modules/_collectionsmodule.c; what follows is of no use here. */
#define BLOCK_ITEMS 64

struct block {
    struct block *left;
    PyObject *items[BLOCK_ITEMS];
    struct block *right;
};

struct deque {
    PyObject_VAR_HEAD struct block *left, *right;
    Py_ssize_t left_index, right_index;
    size_t state;
};

static bool
is_sound(const struct deque *deque)
{
    Py_ssize_t count = Py_SIZE(deque);
    return deque->left != NULL && deque->right != NULL && deque->left_index >= 0 &&
           deque->left_index <= BLOCK_ITEMS &&
           (count == 0
                ? deque->left_index == deque->right_index + 1
                : (deque->left_index + count - 1) % BLOCK_ITEMS == deque->right_index);
}

void
sonde_py_write_deque(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    const struct deque *deque = (const struct deque *)value;
    if (!is_sound(deque)) {
        sonde_py_write_opaque(tape, type, value);
        return;
    }
    Py_ssize_t count = Py_SIZE(deque);
    if (!sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, type, (uint64_t)count)) {
        return;
    }
    const struct block *block = deque->left;
    Py_ssize_t at = deque->left_index;
    for (; count > 0 && sonde_tape_next(tape); count--, at++) {
        if (at == BLOCK_ITEMS) {
            at = 0;
            block = block->right;
        }
        sonde_py_write_value(tape, block->items[at]);
    }
    sonde_tape_close(tape);
}

bool
sonde_py_verify_deque(PyTypeObject *type, unsigned unused)
{
    (void)unused;
    if (type->tp_basicsize < (Py_ssize_t)sizeof(struct deque)) {
        return false;
    }
    PyObject *made = PyObject_CallFunction((PyObject *)type, "(())");
    bool agrees = made != NULL && is_sound((const struct deque *)made);
    for (int i = 0; i < 2 * BLOCK_ITEMS && agrees; i++) {
        PyObject *result = PyObject_CallMethod(made, "append", "i", i);
        agrees = result != NULL && is_sound((const struct deque *)made);
        Py_XDECREF(result);
    }
    const struct block *block = agrees ? ((const struct deque *)made)->left : NULL;
    Py_ssize_t at = agrees ? ((const struct deque *)made)->left_index : 0;
    for (int i = 0; i < 2 * BLOCK_ITEMS && agrees; i++, at++) {
        if (at == BLOCK_ITEMS) {
            at = 0;
            block = block->right;
        }
        agrees = block != NULL && block->items[at] != NULL &&
                 PyLong_Check(block->items[at]) && PyLong_AsLong(block->items[at]) == i;
    }
    agrees = agrees && block == ((const struct deque *)made)->right;
    Py_XDECREF(made);
    return agrees;
}

/* --- array.array ---------------------------------------------------------------------------- */

#define NUMBER(code, c_type, write)          \
    case code: {                             \
        c_type number;                       \
        memcpy(&number, at, sizeof(number)); \
        write;                               \
        return true;                         \
    }

bool
sonde_py_try_write_number(struct sonde_tape *tape, char code, const char *at)
{
    const struct sonde_str whole = SONDE_STR("int"), real = SONDE_STR("float");
    char text[24];
    switch (code) {
        NUMBER('b', signed char, sonde_tape_int(tape, whole, number))
        NUMBER('B', unsigned char, sonde_tape_int(tape, whole, number))
        NUMBER('h', short, sonde_tape_int(tape, whole, number))
        NUMBER('H', unsigned short, sonde_tape_int(tape, whole, number))
        NUMBER('i', int, sonde_tape_int(tape, whole, number))
        NUMBER('I', unsigned, sonde_tape_int(tape, whole, number))
        NUMBER('l', long, sonde_tape_int(tape, whole, number))
        NUMBER('q', long long, sonde_tape_int(tape, whole, number))
        NUMBER('f', float, sonde_tape_float(tape, real, (double)number))
        NUMBER('d', double, sonde_tape_float(tape, real, number))
        NUMBER('w', Py_UCS4,
               sonde_tape_text(tape, SONDE_STR("str"), SONDE_ENCODING_UCS4, &number, 1))
    case 'L':
    case 'Q': {
        unsigned long long number = 0;
        memcpy(&number, at, code == 'L' ? sizeof(long) : sizeof(number));
        int len = snprintf(text, sizeof(text), "%llu", number);
        sonde_tape_number(tape, whole, (struct sonde_str){text, (size_t)len});
        return true;
    }
    default:
        return false;
    }
}

static void
write_items(struct sonde_tape *tape, struct sonde_str type, const Py_buffer *view)
{
    Py_ssize_t count = view->itemsize > 0 ? view->len / view->itemsize : 0;
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, 2)) {
        return;
    }
    if (sonde_tape_next(tape)) {
        sonde_tape_name(tape, SONDE_STR("typecode"));
        sonde_tape_text(tape, SONDE_STR("str"), SONDE_ENCODING_ASCII, view->format, 1);
    }
    if (sonde_tape_next(tape)) {
        sonde_tape_name(tape, SONDE_STR("items"));
        if (sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, SONDE_STR("list"),
                            (uint64_t)count)) {
            const char *at = view->buf;
            for (Py_ssize_t i = 0; i < count && sonde_tape_next(tape);
                 i++, at += view->itemsize) {
                if (!sonde_py_try_write_number(tape, view->format[0], at)) {
                    sonde_tape_skip(tape, SONDE_STR(""), SONDE_REASON_UNREADABLE);
                }
            }
            sonde_tape_close(tape);
        }
    }
    sonde_tape_close(tape);
}

/* By the C type's own functions, never by a subclass's: they count up and down. */
void
sonde_py_write_array(struct sonde_tape *tape, struct sonde_str type, PyTypeObject *base,
                     PyObject *value)
{
    Py_buffer view;
    if (base->tp_as_buffer->bf_getbuffer(value, &view, PyBUF_FORMAT | PyBUF_ND) != 0) {
        sonde_py_clear_error();
        sonde_py_write_opaque(tape, type, value);
        return;
    }
    write_items(tape, type, &view);
    if (base->tp_as_buffer->bf_releasebuffer != NULL) {
        base->tp_as_buffer->bf_releasebuffer(value, &view);
    }
    Py_DECREF(value); /* the view's */
}

bool
sonde_py_verify_array(PyTypeObject *type, unsigned unused)
{
    (void)unused;
    PyBufferProcs *buffer = type->tp_as_buffer;
    if (buffer == NULL || buffer->bf_getbuffer == NULL) {
        return false;
    }
    PyObject *made = PyObject_CallFunction((PyObject *)type, "s(ii)", "h", 5, -6);
    Py_buffer view;
    bool agrees = false;
    if (made != NULL && buffer->bf_getbuffer(made, &view, PyBUF_FORMAT | PyBUF_ND) == 0) {
        const short *items = view.buf;
        agrees = view.obj == made && view.format != NULL && view.format[0] == 'h' &&
                 view.itemsize == 2 && view.len == 4 && items[0] == 5 && items[1] == -6;
        PyBuffer_Release(&view);
    }
    Py_XDECREF(made);
    return agrees;
}

/* --- Views ---------------------------------------------------------------------------------- */

static void
write_named_int(struct sonde_tape *tape, struct sonde_str name, int64_t value)
{
    if (sonde_tape_next(tape)) {
        sonde_tape_name(tape, name);
        sonde_tape_int(tape, SONDE_STR("int"), value);
    }
}

void
sonde_py_write_memoryview(struct sonde_tape *tape, struct sonde_str type, PyObject *value)
{
    const Py_buffer *view = PyMemoryView_GET_BUFFER(value);
    bool is_released =
        ((const PyMemoryViewObject *)value)->flags & _Py_MEMORYVIEW_RELEASED;
    if (is_released || view->shape == NULL) {
        sonde_py_write_opaque(tape, type, value);
        return;
    }
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, type, 5)) {
        return;
    }
    if (sonde_tape_next(tape)) {
        const char *format = view->format != NULL ? view->format : "B";
        sonde_tape_name(tape, SONDE_STR("format"));
        sonde_tape_text(tape, SONDE_STR("str"), SONDE_ENCODING_BYTES, format,
                        strlen(format));
    }
    write_named_int(tape, SONDE_STR("itemsize"), view->itemsize);
    write_named_int(tape, SONDE_STR("nbytes"), view->len);
    if (sonde_tape_next(tape)) {
        sonde_tape_name(tape, SONDE_STR("shape"));
        if (sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, SONDE_STR("tuple"),
                            (uint64_t)view->ndim)) {
            for (int i = 0; i < view->ndim && sonde_tape_next(tape); i++) {
                sonde_tape_int(tape, SONDE_STR("int"), view->shape[i]);
            }
            sonde_tape_close(tape);
        }
    }
    if (sonde_tape_next(tape)) {
        sonde_tape_name(tape, SONDE_STR("readonly"));
        sonde_tape_number(tape, SONDE_STR("bool"),
                          view->readonly ? SONDE_STR("true") : SONDE_STR("false"));
    }
    sonde_tape_close(tape);
}

/* The first object that a type tells the collector of. */
static int
visit_first(PyObject *object, void *first)
{
    *(PyObject **)first = object;
    return 1;
}

PyObject *
sonde_py_viewed_dict(PyTypeObject *base, PyObject *value)
{
    PyObject *dict = NULL;
    if (base == &PyDictKeys_Type || base == &PyDictValues_Type ||
        base == &PyDictItems_Type || base == &PyDictProxy_Type) {
        base->tp_traverse(value, visit_first, &dict);
    }
    return dict != NULL && PyDict_Check(dict) ? dict : NULL;
}
