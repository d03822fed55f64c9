/* SPDX-License-Identifier: Apache-2.0
 *
 * A function is its code object, as for probes (find_function.c): where it stands is said by the code's file and
 * qualified name, whatever decorator or registry it was found behind. */
#include "symbols_listing.h"

#include "lines.h"
#include "state.h"
#include "text.h"

#if !SONDE_PY_HAS_CODE_QUALNAME
#    include "rewriting/index.h"
#endif

#define FOLLOW_MAX 6     /* wrappers around wrappers */
#define CELLS_MAX 32     /* of one function */
#define INSIDE_MAX 64    /* functions in one value */
#define INSIDE_LOOKS 256 /* objects looked at for them */
#define INSIDE_DEPTH 3
#define UNITS_MAX 16384 /* of a function whose lines are looked at one by one */
#define LINES_MAX 32768
#define LEFT UINT32_MAX /* in `emitted`: put by */

static bool told[LINES_MAX]; /* VM lock */

/* --- What a function has -------------------------------------------------------------------- */

struct sonde_str
sonde_py_annotation_text(PyObject *annotation, char *buf)
{
    if (annotation == NULL) {
        return (struct sonde_str){"", 0};
    }
    if (PyUnicode_Check(annotation)) {
        return sonde_py_text(annotation, buf);
    }
    if (PyType_Check(annotation)) {
        return sonde_py_type_name((PyTypeObject *)annotation, buf);
    }
    return annotation == Py_None ? SONDE_STR("None") : (struct sonde_str){"", 0};
}

static bool
is_same_name(PyObject *a, PyObject *b)
{
    return a == b ||
           (PyUnicode_Check(a) && PyUnicode_Check(b) && PyUnicode_Compare(a, b) == 0);
}

/* What a function says of a name, as it was kept when the function was made: pairs in a tuple, or a
 * dictionary (Objects/funcobject.c, func_get_annotation_dict). Borrowed, or NULL. */
static PyObject *
annotation_of(PyObject *function, PyObject *name)
{
    PyObject *all =
        function != NULL ? ((PyFunctionObject *)function)->func_annotations : NULL;
    if (all != NULL && PyTuple_CheckExact(all)) {
        for (Py_ssize_t i = 0; i + 1 < PyTuple_GET_SIZE(all); i += 2) {
            if (is_same_name(PyTuple_GET_ITEM(all, i), name)) {
                return PyTuple_GET_ITEM(all, i + 1);
            }
        }
    }
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (all != NULL && PyDict_CheckExact(all) && PyDict_Next(all, &at, &key, &value)) {
        if (is_same_name(key, name)) {
            return value;
        }
    }
    return NULL;
}

static PyObject *
return_annotation(PyObject *function)
{
    static PyObject *name; /* made once, kept */
    if (name == NULL) {
        name = PyUnicode_InternFromString("return");
    }
    return name != NULL ? annotation_of(function, name) : NULL;
}

static int
parameter_count(const PyCodeObject *code)
{
    return code->co_argcount + code->co_kwonlyargcount +
           (code->co_flags & CO_VARARGS ? 1 : 0) +
           (code->co_flags & CO_VARKEYWORDS ? 1 : 0);
}

static void
list_variables(struct sonde_py_symbols *symbols, sonde_scope_id scope,
               const PyCodeObject *code, PyObject *function)
{
    char buf[SONDE_PY_TEXT_BYTES], type_buf[SONDE_PY_TEXT_BYTES];
    int parameters = parameter_count(code), count = sonde_py_code_variable_count(code);
    for (int i = 0; i < count; i++) {
        PyObject *variable = sonde_py_code_variable_name(code, i);
        struct sonde_str name = sonde_py_text(variable, buf);
        if (name.len == 0 || name.ptr[0] == '.' || sonde_py_variable_is_free(code, i)) {
            continue;
        }
        bool is_parameter = i < parameters;
        for (int k = 0; k < parameters && !is_parameter; k++) {
            /* A parameter that is a cell was there before. */
            is_parameter = sonde_py_code_variable_name(code, k) == variable;
        }
        sonde_listing_symbol(
            symbols->listing, scope,
            &(struct sonde_symbol){
                .kind = is_parameter ? SONDE_SYMBOL_PARAMETER : SONDE_SYMBOL_LOCAL,
                .name = name,
                .type = is_parameter ? sonde_py_annotation_text(
                                           annotation_of(function, variable), type_buf)
                                     : (struct sonde_str){"", 0}});
    }
}

static void
list_facts(struct sonde_py_symbols *symbols, sonde_scope_id scope,
           const PyCodeObject *code, PyObject *function, const char *method_type)
{
    char buf[SONDE_PY_TEXT_BYTES];
    const char *type = code->co_flags & CO_COROUTINE         ? "coroutine"
                       : code->co_flags & CO_ASYNC_GENERATOR ? "async_generator"
                       : code->co_flags & CO_GENERATOR       ? "generator"
                                                             : NULL;
    if (type != NULL) {
        sonde_listing_specific(symbols->listing, scope, "function_type",
                               sonde_str_from(type));
    }
    if (method_type != NULL) {
        sonde_listing_specific(symbols->listing, scope, "method_type",
                               sonde_str_from(method_type));
    }
    struct sonde_str returns = sonde_py_annotation_text(
        function != NULL ? return_annotation(function) : NULL, buf);
    if (returns.len > 0) {
        sonde_listing_specific(symbols->listing, scope, "return_type", returns);
    }
}

static uint32_t
last_line_of(PyCodeObject *code)
{
    struct sonde_py_line_cursor cursor;
    int last = code->co_firstlineno;
    sonde_py_line_cursor_init(&cursor, code);
    while (sonde_py_line_cursor_next(&cursor)) {
        last = cursor.line > last ? cursor.line : last;
    }
    return last > 0 ? (uint32_t)last : 0;
}

static void
list_lines_roughly(struct sonde_py_symbols *symbols, sonde_scope_id scope,
                   PyCodeObject *code)
{
    struct sonde_py_line_cursor cursor;
    sonde_py_line_cursor_init(&cursor, code);
    while (sonde_py_line_cursor_next(&cursor)) {
        if (cursor.line > code->co_firstlineno) {
            sonde_listing_line(symbols->listing, scope, (uint32_t)cursor.line);
        }
    }
}

static void
list_lines(struct sonde_py_symbols *symbols, sonde_scope_id scope,
           struct sonde_py_listing *listing, const PyCodeObject *code, uint32_t last_line)
{
    int first = code->co_firstlineno, count = (int)last_line + 1 - first;
    if (first < 1 || count < 1) {
        return;
    }
    count = count < LINES_MAX ? count : LINES_MAX;
    memset(told, 0, (size_t)count * sizeof(told[0]));
    sonde_py_listing_tell_lines(listing, first, count, told);
    for (int i = 0; i < count; i++) {
        if (told[i]) {
            sonde_listing_line(symbols->listing, scope, (uint32_t)(first + i));
        }
    }
}

/* `self.name = …`: what is stored to is the first parameter, loaded just before. */
static bool
stores_to_first(const struct sonde_py_listing *listing, const PyCodeObject *code, int i)
{
    bool is_cell;
    int before = sonde_py_listing_previous(listing, i);
    while (before >= 0 && listing->op[before] == EXTENDED_ARG) {
        before = sonde_py_listing_previous(listing, before);
    }
    int variable = before >= 0 ? sonde_py_loaded_variable(listing->op[before],
                                                          listing->arg[before], &is_cell)
                               : -1;
    return variable >= 0 && sonde_py_loaded_name(code, variable, is_cell) ==
                                sonde_py_code_variable_name(code, 0);
}

static void
list_fields(struct sonde_py_symbols *symbols, sonde_scope_id in_class,
            const struct sonde_py_listing *listing, const PyCodeObject *code,
            const char *method_type)
{
    char buf[SONDE_PY_TEXT_BYTES];
    bool is_of_class = (method_type != NULL && strcmp(method_type, "class") == 0) ||
                       sonde_py_text_is(code->co_name, SONDE_STR("__new__")) ||
                       sonde_py_text_is(code->co_name, SONDE_STR("__init_subclass__"));
    if (code->co_argcount == 0 ||
        (method_type != NULL && strcmp(method_type, "static") == 0)) {
        return;
    }
    for (int i = 0; i < listing->count; i++) {
        if (listing->op[i] == STORE_ATTR &&
            listing->arg[i] < PyTuple_GET_SIZE(code->co_names) &&
            stores_to_first(listing, code, i)) {
            int line = listing->line[i];
            sonde_listing_symbol(
                symbols->listing, in_class,
                &(struct sonde_symbol){
                    .kind = is_of_class ? SONDE_SYMBOL_CONSTANT : SONDE_SYMBOL_FIELD,
                    .name = sonde_py_text(
                        PyTuple_GET_ITEM(code->co_names, listing->arg[i]), buf),
                    .line = line > 0 ? (uint32_t)line : 0});
        }
    }
}

static void
list_instructions(struct sonde_py_symbols *symbols, sonde_scope_id scope,
                  const struct sonde_py_symbol_code *item, uint32_t last_line,
                  const char *method_type)
{
    struct sonde_py_listing listing;
    bool has_lines = sonde_py_has(SONDE_PY_PART_LINES) &&
                     sonde_py_symbols_file(symbols, item->file)->has_lines;
    if (!has_lines && item->in_class == SONDE_PY_NO_CLASS) {
        return;
    }
    if (sonde_py_code_unit_count(item->code) > UNITS_MAX) {
        if (has_lines) {
            list_lines_roughly(symbols, scope, item->code);
        }
        return;
    }
    if (sonde_py_listing_init(&listing, item->code) != SONDE_OK) {
        return;
    }
    if (has_lines) {
        list_lines(symbols, scope, &listing, item->code, last_line);
    }
    if (item->in_class != SONDE_PY_NO_CLASS) {
        list_fields(symbols, sonde_py_symbols_class_at(symbols, item->in_class)->scope,
                    &listing, item->code, method_type);
    }
    sonde_py_listing_fini(&listing);
}

/* --- Code objects ------------------------------------------------------------------------------- */

static uint64_t
key_of(const PyCodeObject *code)
{
    /* Another code object may get the address of one that was freed meanwhile. */
    return sonde_py_hash_mix((uint64_t)(uintptr_t)code,
                             (uint64_t)(uintptr_t)code->co_name +
                                 (unsigned)code->co_firstlineno);
}

static bool
begins(PyObject *name, const char *with)
{
    return PyUnicode_IS_ASCII(name) &&
           strncmp(PyUnicode_DATA(name), with, strlen(with)) == 0;
}

/* The name of what stands in `outer`: new on 3.9 and 3.10, elsewhere NULL, since the code knows it. */
static PyObject *
nested_name(const struct sonde_py_symbol_code *outer, const PyCodeObject *code)
{
#if SONDE_PY_HAS_CODE_QUALNAME
    (void)outer;
    (void)code;
    return NULL;
#else
    return outer->qualname != NULL
               ? sonde_py_nested_qualname(outer->code, outer->qualname, code)
               : NULL;
#endif
}

static PyObject *
qualname_of(const struct sonde_py_symbol_code *item)
{
#if SONDE_PY_HAS_CODE_QUALNAME
    return item->code->co_qualname;
#else
    return item->qualname;
#endif
}

static void
push(struct sonde_py_symbols *symbols, struct sonde_py_pile *codes,
     struct sonde_py_symbol_code item)
{
    struct sonde_py_symbol_code *place = sonde_py_pile_add(codes, sizeof(item));
    if (place == NULL) {
        symbols->failed = SONDE_E_NOMEM;
        Py_XDECREF(item.qualname);
        return;
    }
    Py_INCREF(item.code);
    *place = item;
}

static void
push_nested(struct sonde_py_symbols *symbols, const struct sonde_py_symbol_code *outer,
            sonde_scope_id scope, uint32_t in_class)
{
    PyObject *consts = outer->code->co_consts;
    for (Py_ssize_t i = PyTuple_GET_SIZE(consts); i-- > 0;) {
        PyObject *item = PyTuple_GET_ITEM(consts, i);
        if (PyCode_Check(item)) {
            PyCodeObject *code = sonde_py_compiled(item);
            push(symbols, &symbols->codes,
                 (struct sonde_py_symbol_code){.code = code,
                                               .qualname = nested_name(outer, code),
                                               .parent = scope,
                                               .file = outer->file,
                                               .in_class = in_class});
        }
    }
}

static void
list_class_body(struct sonde_py_symbols *symbols, const struct sonde_py_symbol_code *item)
{
    char buf[SONDE_PY_TEXT_BYTES];
    PyObject *qualname = qualname_of(item);
    uint32_t place = sonde_py_symbols_class(
        symbols, item->file,
        sonde_py_text(qualname != NULL ? qualname : item->code->co_name, buf),
        item->parent, item->in_class);
    if (place == SONDE_PY_NO_CLASS) {
        return;
    }
    struct sonde_py_symbol_class *class = sonde_py_symbols_class_at(symbols, place);
    int line = item->code->co_firstlineno;
    if (line > 0 && (class->first_line == 0 || (uint32_t)line < class->first_line)) {
        class->first_line = (uint32_t)line;
    }
    push_nested(symbols, item, class->scope, place);
}

/* The scope of a function, with all that it has. */
static sonde_scope_id
list_function_code(struct sonde_py_symbols *symbols,
                   const struct sonde_py_symbol_code *item, PyObject *function,
                   const char *method_type)
{
    char name_buf[SONDE_PY_TEXT_BYTES], buf[SONDE_PY_TEXT_BYTES];
    char qualified_buf[2 * SONDE_PY_TEXT_BYTES];
    PyCodeObject *code = item->code;
    struct sonde_str name = sonde_py_text(code->co_name, name_buf);
    struct sonde_str qualname = sonde_py_text(qualname_of(item), buf);
    bool is_closure = name.len > 0 && name.ptr[0] == '<';
    uint32_t first = code->co_firstlineno > 0 ? (uint32_t)code->co_firstlineno : 0;
    uint32_t last = last_line_of(code);
    struct sonde_scope scope = {.kind = is_closure ? SONDE_SCOPE_CLOSURE
                                        : item->in_class != SONDE_PY_NO_CLASS
                                            ? SONDE_SCOPE_METHOD
                                            : SONDE_SCOPE_FUNCTION,
                                .name = name,
                                .first_line = first,
                                .last_line = last};
    if (!is_closure && qualname.len > 0) {
        scope.qualified = sonde_py_symbols_qualified(
            symbols, item->file, qualname, qualified_buf, sizeof(qualified_buf));
    }
    sonde_scope_id id = sonde_listing_scope(symbols->listing, item->parent, &scope);
    sonde_py_symbols_widen(symbols, item->in_class, first, last);
    list_variables(symbols, id, code, function);
    list_facts(symbols, id, code, function, method_type);
    list_instructions(symbols, id, item, last, method_type);
    push_nested(symbols, item, id, SONDE_PY_NO_CLASS);
    return id;
}

/* Lists a code object unless that was done; 0: it is no function. */
static sonde_scope_id
list_code(struct sonde_py_symbols *symbols, const struct sonde_py_symbol_code *item,
          PyObject *function, const char *method_type)
{
    PyCodeObject *code = item->code;
    uint64_t key = key_of(code);
    uint32_t *emitted = sonde_py_map_put(&symbols->emitted, key, NULL);
    if (emitted == NULL) {
        symbols->failed = SONDE_E_NOMEM;
        return 0;
    }
    if (*emitted != 0 && *emitted != LEFT) {
        return *emitted - 1;
    }
    *emitted = 1;
    if (begins(code->co_name, "<generic parameters of ")) {
        push_nested(symbols, item, item->parent,
                    item->in_class); /* no scope for people */
        return 0;
    }
    if (begins(code->co_name, "__annotate__") && !(code->co_flags & CO_NESTED) &&
        function == NULL) {
        return 0; /* 3.14 */
    }
    if (!(code->co_flags & CO_OPTIMIZED)) {
        list_class_body(symbols, item);
        return 0;
    }
    sonde_scope_id id = list_function_code(symbols, item, function, method_type);
    emitted = sonde_py_map_put(&symbols->emitted, key, NULL);
    if (emitted != NULL) {
        *emitted = id + 1;
    }
    return id;
}

static void
free_code(struct sonde_py_symbol_code *item)
{
    Py_DECREF(item->code);
    Py_XDECREF(item->qualname);
}

int
sonde_py_symbols_drain(struct sonde_py_symbols *symbols)
{
    while (symbols->codes.count > 0) {
        if (sonde_py_symbols_is_due(symbols)) {
            return SONDE_E_LATER;
        }
        struct sonde_py_symbol_code item =
            *(struct sonde_py_symbol_code *)sonde_py_pile_at(&symbols->codes,
                                                             --symbols->codes.count);
        list_code(symbols, &item, NULL, NULL);
        free_code(&item);
    }
    return SONDE_OK;
}

int
sonde_py_symbols_drain_left(struct sonde_py_symbols *symbols)
{
    for (;;) {
        if (sonde_py_symbols_drain(symbols) != SONDE_OK ||
            sonde_py_symbols_is_due(symbols)) {
            return SONDE_E_LATER;
        }
        if (symbols->left_codes.count == 0) {
            return SONDE_OK;
        }
        struct sonde_py_symbol_code item =
            *(struct sonde_py_symbol_code *)sonde_py_pile_at(&symbols->left_codes,
                                                             --symbols->left_codes.count);
        item.parent = sonde_py_symbols_root(symbols, item.file);
        list_code(symbols, &item, NULL, NULL);
        free_code(&item);
    }
}

/* --- Functions ---------------------------------------------------------------------------------- */

/* Borrowed; NULL: it is not known what the code calls itself. */
static PyObject *
function_qualname(const PyFunctionObject *function, const PyCodeObject *code)
{
#if SONDE_PY_HAS_CODE_QUALNAME
    (void)function;
    return code->co_qualname;
#else
    return sonde_py_is_qualname_of(function->func_qualname, code)
               ? function->func_qualname
               : NULL;
#endif
}

/* What somebody made at run time for a class (dataclasses do) has no place but there. */
static void
list_generated(struct sonde_py_symbols *symbols, PyObject *function,
               const PyCodeObject *code, struct sonde_py_symbol_use use)
{
    char buf[SONDE_PY_TEXT_BYTES];
    const struct sonde_py_symbol_class *class =
        sonde_py_symbols_class_at(symbols, use.in_class);
    sonde_scope_id id =
        sonde_listing_scope(symbols->listing, class->scope,
                            &(struct sonde_scope){.kind = SONDE_SCOPE_METHOD,
                                                  .name = sonde_py_text(use.name, buf)});
    list_variables(symbols, id, code, function);
    list_facts(symbols, id, code, function, use.method_type);
}

static void
leave(struct sonde_py_symbols *symbols, const struct sonde_py_symbol_code *item)
{
    uint32_t *emitted = sonde_py_map_put(&symbols->emitted, key_of(item->code), NULL);
    if (emitted == NULL) {
        symbols->failed = SONDE_E_NOMEM;
    } else if (*emitted == 0) {
        *emitted = LEFT;
        push(symbols, &symbols->left_codes, *item);
    } else {
        Py_XDECREF(item->qualname);
    }
}

/* Where it stands, by its qualified name. False: in a function that was not listed yet. */
static bool
place_by_name(struct sonde_py_symbols *symbols, struct sonde_py_symbol_code *item,
              struct sonde_str qualname)
{
    size_t end = qualname.len;
    while (end > 0 && qualname.ptr[end - 1] != '.') {
        end--;
    }
    struct sonde_str outer = {qualname.ptr, end > 0 ? end - 1 : 0};
    item->in_class = SONDE_PY_NO_CLASS;
    if (outer.len == 0) {
        item->parent = sonde_py_symbols_root(symbols, item->file);
        return qualname.len > 0;
    }
    if (sonde_str_ends_with(outer, SONDE_STR("<locals>"))) {
        return false;
    }
    for (size_t i = 0; symbols->phase < SONDE_PY_SYMBOLS_LOCAL_TYPES && i < outer.len;
         i++) {
        if (outer.ptr[i] == '<') {
            return false;
        }
    }
    item->in_class =
        sonde_py_symbols_class(symbols, item->file, outer, 0, SONDE_PY_NO_CLASS);
    if (item->in_class == SONDE_PY_NO_CLASS) {
        return false;
    }
    item->parent = sonde_py_symbols_class_at(symbols, item->in_class)->scope;
    return true;
}

/* The scope of a function of a wanted file; 0: none yet. */
static sonde_scope_id
list_placed(struct sonde_py_symbols *symbols, PyObject *object, PyCodeObject *code,
            uint32_t file, struct sonde_py_symbol_use use)
{
    char buf[SONDE_PY_TEXT_BYTES];
    const uint32_t *known = sonde_py_map_get(&symbols->emitted, key_of(code));
    /* A wrapper carries the annotations of what it wraps. */
    PyObject *says = sonde_py_dict_find(((PyFunctionObject *)object)->func_dict,
                                        SONDE_STR("__wrapped__")) == NULL
                         ? object
                         : NULL;
    if (known != NULL && *known != LEFT) {
        sonde_scope_id id = *known - 1;
        if (id != 0 && (use.in_class != SONDE_PY_NO_CLASS || use.depth == 0)) {
            list_variables(symbols, id, code, says);
            list_facts(symbols, id, code, says, use.method_type);
        }
        return id;
    }
    PyObject *qualname = function_qualname((PyFunctionObject *)object, code);
    struct sonde_py_symbol_code item = {.code = code, .file = file};
    /* Before 3.11 only the function says it, and namedtuple has its own say that they are another class's. */
    bool is_borrowed = !SONDE_PY_HAS_CODE_QUALNAME && use.in_class != SONDE_PY_NO_CLASS &&
                       sonde_py_symbols_class_at(symbols, use.in_class)->file != file;
    bool is_placed =
        !is_borrowed && place_by_name(symbols, &item, sonde_py_text(qualname, buf));
#if !SONDE_PY_HAS_CODE_QUALNAME
    qualname = is_borrowed ? NULL : qualname;
    item.qualname = qualname != NULL ? Py_NewRef(qualname) : NULL;
#endif
    if (!is_placed) {
        item.in_class = SONDE_PY_NO_CLASS;
        leave(symbols, &item);
        return 0;
    }
    const char *method_type = item.in_class != SONDE_PY_NO_CLASS ? use.method_type : NULL;
    sonde_scope_id id = list_code(symbols, &item, says, method_type);
    Py_XDECREF(item.qualname);
    return id;
}

/* What made the function that was found in another's place: the part of its name before what is local. */
static void
list_decorator(struct sonde_py_symbols *symbols, sonde_scope_id scope, PyObject *wrapper)
{
#if SONDE_PY_HAS_CODE_QUALNAME
    char buf[SONDE_PY_TEXT_BYTES];
    struct sonde_str name =
        sonde_py_text(sonde_py_compiled(PyFunction_GET_CODE(wrapper))->co_qualname, buf);
    for (size_t i = 1; i + 9 <= name.len; i++) {
        if (memcmp(name.ptr + i, ".<locals>", 9) == 0) {
            sonde_listing_specific(symbols->listing, scope, "decorators",
                                   (struct sonde_str){name.ptr, i});
            return;
        }
    }
#else
    (void)symbols;
    (void)scope;
    (void)wrapper;
#endif
}

/* The scope of the function itself, 0: none. */
static sonde_scope_id
list_one(struct sonde_py_symbols *symbols, PyObject *object,
         struct sonde_py_symbol_use use)
{
    PyObject *code_object = PyFunction_GET_CODE(object);
    if (code_object == NULL || !PyCode_Check(code_object)) {
        return 0;
    }
    PyCodeObject *code = sonde_py_compiled(code_object);
    uint32_t file = sonde_py_symbols_file_of(symbols, code);
    if (file == SONDE_PY_NO_FILE) {
        return 0;
    }
    const struct sonde_py_symbol_file *place = sonde_py_symbols_file(symbols, file);
    bool is_generated = place->origin == SONDE_ORIGIN_GENERATED;
    if (is_generated && use.in_class != SONDE_PY_NO_CLASS && use.name != NULL) {
        list_generated(symbols, object, code, use);
        return 0;
    }
    return place->is_wanted ? list_placed(symbols, object, code, file, use) : 0;
}

static void
follow(struct sonde_py_symbols *symbols, PyObject *wrapper, PyObject *inner,
       struct sonde_py_symbol_use use)
{
    use.depth++;
    PyObject *code = PyFunction_GET_CODE(inner);
    bool is_decorated = use.name != NULL && code != NULL && PyCode_Check(code) &&
                        is_same_name(((PyCodeObject *)code)->co_name, use.name);
    if (!is_decorated) {
        use.in_class = SONDE_PY_NO_CLASS;
        use.method_type = NULL;
    }
    sonde_py_symbols_function(symbols, inner, use);
    const uint32_t *listed =
        is_decorated
            ? sonde_py_map_get(&symbols->emitted, key_of(sonde_py_compiled(code)))
            : NULL;
    if (listed != NULL && *listed > 1 && *listed != LEFT) {
        list_decorator(symbols, *listed - 1, wrapper);
    }
}

static void
follow_if_function(struct sonde_py_symbols *symbols, PyObject *wrapper, PyObject *inner,
                   struct sonde_py_symbol_use use)
{
    if (inner != NULL && inner != wrapper && PyFunction_Check(inner)) {
        follow(symbols, wrapper, inner, use);
    }
}

/* What a function carries by names: among them what it wraps. */
static void
follow_values(struct sonde_py_symbols *symbols, PyObject *wrapper, PyObject *dict,
              struct sonde_py_symbol_use use)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    for (int n = 0; dict != NULL && PyDict_CheckExact(dict) && n < CELLS_MAX &&
                    PyDict_Next(dict, &at, &key, &value);
         n++) {
        follow_if_function(symbols, wrapper, value, use);
    }
}

void
sonde_py_symbols_function(struct sonde_py_symbols *symbols, PyObject *object,
                          struct sonde_py_symbol_use use)
{
    const PyFunctionObject *function = (PyFunctionObject *)object;
    list_one(symbols, object, use);
    if (use.depth >= FOLLOW_MAX) {
        return;
    }
    PyObject *closure = function->func_closure;
    for (Py_ssize_t i = 0;
         closure != NULL && i < PyTuple_GET_SIZE(closure) && i < CELLS_MAX; i++) {
        PyObject *cell = PyTuple_GET_ITEM(closure, i);
        follow_if_function(symbols, object, PyCell_Check(cell) ? PyCell_GET(cell) : NULL,
                           use);
    }
    PyObject *defaults = function->func_defaults;
    for (Py_ssize_t i = 0; defaults != NULL && PyTuple_Check(defaults) &&
                           i < PyTuple_GET_SIZE(defaults) && i < CELLS_MAX;
         i++) {
        follow_if_function(symbols, object, PyTuple_GET_ITEM(defaults, i), use);
    }
    follow_values(symbols, object, function->func_kwdefaults, use);
    follow_values(symbols, object, function->func_dict, use);
}

/* --- Functions in other values ------------------------------------------------------------- */

struct inside {
    PyObject *functions[INSIDE_MAX]; /* borrowed */
    unsigned count, depth;
    int looks_left;
};

/* As the collector sees it; what has a life of its own is left alone. */
static int
look_inside(PyObject *object, void *arg)
{
    struct inside *inside = arg;
    if (object == NULL || inside->looks_left-- <= 0 || inside->count == INSIDE_MAX) {
        return inside->looks_left <= 0 || inside->count == INSIDE_MAX;
    }
    if (PyFunction_Check(object)) {
        inside->functions[inside->count++] = object;
        return 0;
    }
    if (inside->depth >= INSIDE_DEPTH || !PyObject_GC_IsTracked(object) ||
        PyType_Check(object) || PyModule_Check(object) || PyFrame_Check(object) ||
        PyGen_CheckExact(object) || PyCoro_CheckExact(object) ||
        PyAsyncGen_CheckExact(object) || Py_TYPE(object)->tp_traverse == NULL) {
        return 0;
    }
    inside->depth++;
    int result = Py_TYPE(object)->tp_traverse(object, look_inside, inside);
    inside->depth--;
    return result;
}

unsigned
sonde_py_symbols_inside(struct sonde_py_symbols *symbols, PyObject *value,
                        struct sonde_py_symbol_use use)
{
    struct inside inside = {.looks_left = INSIDE_LOOKS};
    if (PyType_Check(value) || PyModule_Check(value) || !PyObject_GC_IsTracked(value)) {
        return 0;
    }
    look_inside(value, &inside);
    for (unsigned i = 0; i < inside.count; i++) {
        struct sonde_py_symbol_use each = use;
        PyObject *code = PyFunction_GET_CODE(inside.functions[i]);
        each.depth = 1;
        if (use.name == NULL || code == NULL || !PyCode_Check(code) ||
            !is_same_name(((PyCodeObject *)code)->co_name, use.name)) {
            each.in_class = SONDE_PY_NO_CLASS;
            each.method_type = NULL;
        }
        sonde_py_symbols_function(symbols, inside.functions[i], each);
    }
    return inside.count;
}
