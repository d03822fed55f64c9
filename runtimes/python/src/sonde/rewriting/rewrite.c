/* SPDX-License-Identifier: Apache-2.0 */
#include "rewrite.h"

#include "tables.h"

#define STEPS(steps) steps, sizeof(steps) / sizeof(*(steps))

enum {
    NO_HOOK = -1,
};

/* Where hooks are among the constants; NO_HOOK: not wanted. */
struct wrap_consts {
    int on_entry;
    int on_return;
    int on_unwind;
    int on_suspend;
    int on_resume;
};

struct rewriter {
    const struct sonde_py_rewrite_plan *plan;
    struct sonde_err *err;
    PyObject *bytes;
    PyObject *lines;
    PyObject *regions;
    struct sonde_py_source source;
    struct sonde_py_place *places;
    uint8_t *is_handler; /* by instruction: an exception leads to it */
    int *spot_op;        /* by spot: the instruction that it stands before */
    int *spot_const;     /* by spot: its hook among the constants */
    struct wrap_consts hooks;
    PyObject *consts;
    struct sonde_py_assembly assembly;
    size_t next_spot;
    int guard;   /* index of what opens the block around all; -1: none */
    int decoy;   /* index of a second SEND whose target is still to come; -1: none */
    int handler; /* index of the handler around all; -1: none */
};

static int
out_of_memory(const struct rewriter *rewriter)
{
    return sonde_err_set(rewriter->err, SONDE_E_NOMEM, NULL, "no memory to rewrite with");
}

static bool
is_send(int opcode)
{
    return SONDE_PY_OP_SEND != 0 && opcode == SONDE_PY_OP_SEND;
}

/* An await or yield from: SEND, YIELD_VALUE, RESUME, and back to SEND. `index` is that of any
 * of its instructions, and `which` says of which. */
static bool
is_in_await(const struct sonde_py_source *source, int index, int which)
{
    const struct sonde_py_op *ops = source->ops + index - which;
    int first = index - which;
    return SONDE_PY_OP_SEND != 0 && first >= 0 && first + 4 < source->count &&
           is_send(ops[0].opcode) && ops[1].opcode == SONDE_PY_OP_YIELD &&
           ops[2].opcode == SONDE_PY_OP_RESUME &&
           ops[3].opcode == SONDE_PY_OP_JUMP_BACK && ops[3].target == first &&
           ops[0].target == first + 4;
}

/* The instruction that a spot at `unit` stands before: never in the preamble, and never
 * where it would part what belongs together. */
static int
op_for_spot(const struct rewriter *rewriter, int unit)
{
    const struct sonde_py_source *source = &rewriter->source;
    int index = sonde_py_source_find(source, unit);
    if (index < 0) {
        return index;
    }
    while (index > source->body && sonde_py_op_is_glued(source->ops[index - 1].opcode,
                                                        source->ops[index].opcode)) {
        index--;
    }
    return index < source->body ? source->body : index;
}

static int
place_spots(struct rewriter *rewriter)
{
    const struct sonde_py_rewrite_plan *plan = rewriter->plan;
    int last = 0;
    for (size_t i = 0; i < plan->spot_count; i++) {
        int unit = plan->spots[i].unit;
        int index = op_for_spot(rewriter, unit);
        if (index < 0 || unit < last) {
            return sonde_err_set(rewriter->err, SONDE_E_INVAL, "plan",
                                 "unit %d is no instruction, or out of order", unit);
        }
        rewriter->spot_op[i] = index;
        last = unit;
    }
    return SONDE_OK;
}

/* What `in` does with anything else is what its class says. */
static bool
is_hook(PyObject *object)
{
    const PyTypeObject *type = Py_TYPE(object);
    return !(type->tp_flags & Py_TPFLAGS_HEAPTYPE) && type->tp_as_sequence != NULL &&
           type->tp_as_sequence->sq_contains != NULL;
}

static bool
are_hooks(const struct sonde_py_rewrite_plan *plan)
{
    const struct sonde_py_rewrite_wrap *wrap = &plan->wrap;
    PyObject *const hooks[] = {wrap->on_entry, wrap->on_return, wrap->on_unwind,
                               wrap->on_suspend, wrap->on_resume};
    for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
        if (hooks[i] != NULL && !is_hook(hooks[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < plan->spot_count; i++) {
        if (plan->spots[i].hook == NULL || !is_hook(plan->spots[i].hook)) {
            return false;
        }
    }
    return true;
}

/* How many constants there will be: exactly, as a tuple can not be cut without a leak when
 * memory is short. */
static Py_ssize_t
count_consts(const struct sonde_py_rewrite_plan *plan, PyObject *old)
{
    const struct sonde_py_rewrite_wrap *wrap = &plan->wrap;
    PyObject *const hooks[] = {wrap->on_entry, wrap->on_return, wrap->on_unwind,
                               wrap->on_suspend, wrap->on_resume};
    size_t wrap_count = sizeof(hooks) / sizeof(*hooks);
    Py_ssize_t count = PyTuple_GET_SIZE(old);
    PyObject *last = count > 0 ? PyTuple_GET_ITEM(old, count - 1) : NULL;
    for (size_t i = 0; i < wrap_count + plan->spot_count; i++) {
        PyObject *hook = i < wrap_count ? hooks[i] : plan->spots[i - wrap_count].hook;
        if (hook != NULL && hook != last) {
            last = hook;
            count++;
        }
    }
    return count;
}

/* Puts a hook among the constants; the next one in a row does not take another place. */
static int
add_const(struct rewriter *rewriter, Py_ssize_t *count, PyObject *hook)
{
    if (hook == NULL) {
        return NO_HOOK;
    }
    if (*count > 0 && PyTuple_GET_ITEM(rewriter->consts, *count - 1) == hook) {
        return (int)(*count - 1);
    }
    Py_INCREF(hook);
    PyTuple_SET_ITEM(rewriter->consts, *count, hook);
    return (int)(*count)++;
}

/* The constants are the original's, and after them the hooks. */
static int
make_consts(struct rewriter *rewriter, PyObject *old)
{
    const struct sonde_py_rewrite_plan *plan = rewriter->plan;
    const struct sonde_py_rewrite_wrap *wrap = &plan->wrap;
    Py_ssize_t count = PyTuple_GET_SIZE(old);
    if (!are_hooks(plan)) {
        return sonde_err_set(rewriter->err, SONDE_E_INVAL, "plan", "not a hook");
    }
    Py_ssize_t room = count_consts(plan, old);
    if (room > SONDE_PY_UNITS_MAX) {
        return sonde_err_set(rewriter->err, SONDE_E_LIMIT, "constants", "more than %d",
                             SONDE_PY_UNITS_MAX);
    }
    rewriter->consts = PyTuple_New(room);
    if (rewriter->consts == NULL) {
        return out_of_memory(rewriter);
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_INCREF(PyTuple_GET_ITEM(old, i));
        PyTuple_SET_ITEM(rewriter->consts, i, PyTuple_GET_ITEM(old, i));
    }
    rewriter->hooks.on_entry = add_const(rewriter, &count, wrap->on_entry);
    rewriter->hooks.on_return = add_const(rewriter, &count, wrap->on_return);
    rewriter->hooks.on_unwind = add_const(rewriter, &count, wrap->on_unwind);
    rewriter->hooks.on_suspend = add_const(rewriter, &count, wrap->on_suspend);
    rewriter->hooks.on_resume = add_const(rewriter, &count, wrap->on_resume);
    for (size_t i = 0; i < plan->spot_count; i++) {
        rewriter->spot_const[i] = add_const(rewriter, &count, plan->spots[i].hook);
    }
    return SONDE_OK;
}

static void
emit_hook(struct rewriter *rewriter, int hook)
{
    if (hook != NO_HOOK) {
        sonde_py_assembly_add_steps(&rewriter->assembly, STEPS(sonde_py_tell_steps),
                                    (uint32_t)hook);
    }
}

/* From the first instruction of the block on, an entry has its unwind. */
static void
emit_prologue(struct rewriter *rewriter)
{
    if (SONDE_PY_OP_GUARD != 0 && rewriter->hooks.on_unwind != NO_HOOK) {
        rewriter->guard =
            sonde_py_assembly_add(&rewriter->assembly, SONDE_PY_OP_GUARD, 0, 0);
    }
    emit_hook(rewriter, rewriter->hooks.on_entry);
}

/* The block is closed first: what was reported as a return is never reported as unwound. */
static void
emit_return(struct rewriter *rewriter)
{
    if (rewriter->guard >= 0) {
        sonde_py_assembly_add(&rewriter->assembly, SONDE_PY_OP_UNGUARD, 0, -1);
    }
    if (rewriter->hooks.on_return != NO_HOOK) {
        sonde_py_assembly_add_steps(&rewriter->assembly, STEPS(sonde_py_return_steps),
                                    (uint32_t)rewriter->hooks.on_return);
    }
}

/* Before a yield. In an await the unit before the yield has to be a SEND that leads to what
 * comes after the loop: whoever throws into the awaited one looks there when that is at its
 * end. So a second SEND stands there, which is never executed, and leads to an
 * on_resume after the loop. */
static void
emit_suspend(struct rewriter *rewriter, int index)
{
    if (rewriter->hooks.on_suspend == NO_HOOK && rewriter->hooks.on_resume == NO_HOOK) {
        return;
    }
    emit_hook(rewriter, rewriter->hooks.on_suspend);
    if (is_in_await(&rewriter->source, index, 1)) {
        int over = rewriter->assembly.count + 2;
        sonde_py_assembly_add(&rewriter->assembly, SONDE_PY_OP_JUMP_AHEAD, 0, over);
        rewriter->decoy =
            sonde_py_assembly_add(&rewriter->assembly, SONDE_PY_OP_SEND, 0, 0);
    }
}

/* The hooks after an instruction; jumps to the next one do not lead to it. */
static void
emit_after(struct rewriter *rewriter, int index)
{
    int opcode = rewriter->source.ops[index].opcode;
    bool is_resume = SONDE_PY_OP_RESUME != 0 && opcode == SONDE_PY_OP_RESUME &&
                     index >= rewriter->source.body;
    bool starts_handler = SONDE_PY_OP_HANDLER_START != 0 &&
                          opcode == SONDE_PY_OP_HANDLER_START &&
                          rewriter->is_handler[index];
    if (is_resume || starts_handler) {
        emit_hook(rewriter, rewriter->hooks.on_resume);
    }
    if (rewriter->decoy >= 0 && is_in_await(&rewriter->source, index, 3)) {
        if (!rewriter->assembly.is_out) {
            rewriter->assembly.ops[rewriter->decoy].target = rewriter->assembly.count;
        }
        rewriter->decoy = -1;
        emit_hook(rewriter, rewriter->hooks.on_resume);
    }
}

static void
emit_op(struct rewriter *rewriter, int index)
{
    const struct sonde_py_op *op = &rewriter->source.ops[index];
    int made = sonde_py_assembly_add(&rewriter->assembly, op->opcode, op->arg, -1);
    if (!rewriter->assembly.is_out) {
        /* A compiler may have left more prefixes than are needed. */
        rewriter->assembly.ops[made].prefixes = op->prefixes;
    }
}

static void
emit_instruction(struct rewriter *rewriter, int index)
{
    const struct sonde_py_op *op = &rewriter->source.ops[index];
    struct sonde_py_place *place = &rewriter->places[index];
    const struct sonde_py_assembly *assembly = &rewriter->assembly;
    place->first = assembly->count;
    place->leave = -1;
    if (index == rewriter->source.body) {
        emit_prologue(rewriter);
    }
    place->label = assembly->count;
    while (rewriter->next_spot < rewriter->plan->spot_count &&
           rewriter->spot_op[rewriter->next_spot] == index) {
        emit_hook(rewriter, rewriter->spot_const[rewriter->next_spot++]);
    }
    place->past = assembly->count;
    if (op->opcode == RETURN_VALUE) {
        place->leave = assembly->count;
        emit_return(rewriter);
    }
    if (rewriter->is_handler[index] && op->opcode != SONDE_PY_OP_HANDLER_START) {
        emit_hook(rewriter, rewriter->hooks.on_resume);
    }
    if (SONDE_PY_OP_YIELD != 0 && op->opcode == SONDE_PY_OP_YIELD) {
        emit_suspend(rewriter, index);
    }
    place->self = assembly->count;
    emit_op(rewriter, index);
    emit_after(rewriter, index);
}

static bool
leads_past_spots(const struct rewriter *rewriter, const struct sonde_py_op *jump)
{
    const struct sonde_py_rewrite_plan *plan = rewriter->plan;
    return plan->leads_past != NULL &&
           plan->leads_past(plan->ctx, jump->unit + jump->prefixes,
                            rewriter->source.ops[jump->target].unit);
}

/* Jumps of the original lead to labels, which are known only when all are written. */
static void
link_jumps(struct rewriter *rewriter)
{
    const struct sonde_py_source *source = &rewriter->source;
    for (int i = 0; i < source->count; i++) {
        const struct sonde_py_op *op = &source->ops[i];
        if (op->target >= 0) {
            const struct sonde_py_place *to = &rewriter->places[op->target];
            bool leads_past = to->past != to->label && leads_past_spots(rewriter, op);
            rewriter->assembly.ops[rewriter->places[i].self].target =
                leads_past ? to->past : to->label;
        }
    }
    if (rewriter->guard >= 0) {
        rewriter->assembly.ops[rewriter->guard].target = rewriter->handler;
    }
}

static int
emit_all(struct rewriter *rewriter)
{
    for (int i = 0; i < rewriter->source.count; i++) {
        emit_instruction(rewriter, i);
    }
    int end = rewriter->assembly.count;
    rewriter->places[rewriter->source.count] =
        (struct sonde_py_place){end, end, end, -1, end};
    if (rewriter->hooks.on_unwind != NO_HOOK) {
        rewriter->handler = end;
        sonde_py_assembly_add_steps(&rewriter->assembly, STEPS(sonde_py_unwind_steps),
                                    (uint32_t)rewriter->hooks.on_unwind);
    }
    if (!rewriter->assembly.is_out) {
        link_jumps(rewriter);
    }
    return sonde_py_assembly_layout(&rewriter->assembly, rewriter->err);
}

/* CPython ends the process when a frame has too many blocks. */
static int
check_blocks(struct rewriter *rewriter)
{
    if (SONDE_PY_OP_GUARD == 0 || rewriter->plan->wrap.on_unwind == NULL) {
        return SONDE_OK;
    }
    int depth = sonde_py_source_block_depth(&rewriter->source);
    if (depth < 0) {
        return out_of_memory(rewriter);
    }
    if (depth >= CO_MAXBLOCKS) {
        return sonde_err_set(rewriter->err, SONDE_E_LIMIT, "bytecode",
                             "blocks are nested %d deep", depth);
    }
    return SONDE_OK;
}

/* Awaits of another shape than the one that is known are left alone by nobody. */
static int
check_awaits(struct rewriter *rewriter)
{
    const struct sonde_py_source *source = &rewriter->source;
    if (rewriter->plan->wrap.on_suspend == NULL &&
        rewriter->plan->wrap.on_resume == NULL) {
        return SONDE_OK;
    }
    for (int i = 0; i < source->count; i++) {
        if (is_send(source->ops[i].opcode) && !is_in_await(source, i, 0)) {
            return sonde_err_set(rewriter->err, SONDE_E_CORRUPT, "bytecode",
                                 "an await of unknown shape at unit %d",
                                 source->ops[i].unit);
        }
    }
    return SONDE_OK;
}

static int
allocate(struct rewriter *rewriter)
{
    size_t count = (size_t)rewriter->source.count;
    size_t spots = rewriter->plan->spot_count;
    if (spots > SONDE_PY_UNITS_MAX) {
        return sonde_err_set(rewriter->err, SONDE_E_LIMIT, "plan", "%zu spots", spots);
    }
    rewriter->places = PyMem_Calloc(count + 1, sizeof(*rewriter->places));
    rewriter->is_handler = PyMem_Calloc(count, 1);
    rewriter->spot_op = PyMem_Calloc(spots + 1, sizeof(int));
    rewriter->spot_const = PyMem_Calloc(spots + 1, sizeof(int));
    if (rewriter->places == NULL || rewriter->is_handler == NULL ||
        rewriter->spot_op == NULL || rewriter->spot_const == NULL) {
        return out_of_memory(rewriter);
    }
    return SONDE_OK;
}

static int
prepare(struct rewriter *rewriter, PyCodeObject *code)
{
    int result;
    rewriter->bytes = sonde_py_code_bytes(code);
    if (rewriter->bytes == NULL) {
        return out_of_memory(rewriter);
    }
    if ((result = sonde_py_source_init(&rewriter->source, rewriter->bytes,
                                       rewriter->err)) != SONDE_OK ||
        (result = allocate(rewriter)) != SONDE_OK ||
        (result = place_spots(rewriter)) != SONDE_OK ||
        (result = check_blocks(rewriter)) != SONDE_OK ||
        (result = check_awaits(rewriter)) != SONDE_OK ||
        (result = make_consts(rewriter, code->co_consts)) != SONDE_OK) {
        return result;
    }
    return sonde_py_regions_mark(sonde_py_code_regions(code), &rewriter->source,
                                 rewriter->is_handler, rewriter->err);
}

static int
stack_size(const struct rewriter *rewriter, int old)
{
    const struct sonde_py_rewrite_plan *plan = rewriter->plan;
    const struct sonde_py_rewrite_wrap *wrap = &plan->wrap;
    bool is_telling = plan->spot_count > 0 || wrap->on_entry != NULL ||
                      wrap->on_return != NULL || wrap->on_suspend != NULL ||
                      wrap->on_resume != NULL;
    int size = old + (is_telling ? 2 : 0);
    return wrap->on_unwind != NULL && size < SONDE_PY_STACK_UNWIND ? SONDE_PY_STACK_UNWIND
                                                                   : size;
}

static PyObject *
make_code(struct rewriter *rewriter, PyCodeObject *code)
{
    const struct sonde_py_layout layout = {
        .source = &rewriter->source,
        .assembly = &rewriter->assembly,
        .places = rewriter->places,
        .handler = rewriter->handler,
    };
    PyObject *old_regions = sonde_py_code_regions(code);
    rewriter->lines =
        sonde_py_lines_rewrite(sonde_py_code_lines(code), &layout, rewriter->err);
    if (rewriter->lines == NULL) {
        return NULL;
    }
    if (old_regions != NULL) {
        rewriter->regions = sonde_py_regions_rewrite(old_regions, &layout, rewriter->err);
        if (rewriter->regions == NULL) {
            return NULL;
        }
    }
    Py_CLEAR(rewriter->bytes);
    rewriter->bytes = sonde_py_assembly_bytes(&rewriter->assembly);
    if (rewriter->bytes == NULL) {
        out_of_memory(rewriter);
        return NULL;
    }
    const struct sonde_py_parts parts = {
        .bytes = rewriter->bytes,
        .consts = rewriter->consts,
        .lines = rewriter->lines,
        .regions = rewriter->regions,
        .stack_size = stack_size(rewriter, code->co_stacksize),
    };
    PyObject *made = sonde_py_code_make(code, &parts);
    if (made == NULL) {
        bool is_memory = PyErr_ExceptionMatches(PyExc_MemoryError);
        sonde_err_set(rewriter->err, is_memory ? SONDE_E_NOMEM : SONDE_E_CORRUPT, "code",
                      "CPython would not make it");
    }
    return made;
}

PyObject *
sonde_py_rewrite(PyCodeObject *code, const struct sonde_py_rewrite_plan *plan,
                 struct sonde_err *err)
{
    struct rewriter rewriter = {
        .plan = plan, .err = err, .guard = -1, .decoy = -1, .handler = -1};
    PyObject *type, *value, *traceback, *made = NULL;
    PyErr_Fetch(&type, &value, &traceback);
    if (prepare(&rewriter, code) == SONDE_OK && emit_all(&rewriter) == SONDE_OK) {
        made = make_code(&rewriter, code);
    }
    Py_XDECREF(rewriter.bytes);
    Py_XDECREF(rewriter.lines);
    Py_XDECREF(rewriter.regions);
    Py_XDECREF(rewriter.consts);
    PyMem_Free(rewriter.places);
    PyMem_Free(rewriter.is_handler);
    PyMem_Free(rewriter.spot_op);
    PyMem_Free(rewriter.spot_const);
    sonde_py_source_fini(&rewriter.source);
    sonde_py_assembly_fini(&rewriter.assembly);
    PyErr_Restore(type, value, traceback);
    return made;
}
