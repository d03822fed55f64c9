/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

/* --- The location table ------------------------------------------------------------------ */

enum { LOC_NO_COLUMNS = 13, LOC_LONG = 14, LOC_NONE = 15, LOC_ONE_LINE = 10 };

void
sonde_py_line_cursor_init(struct sonde_py_line_cursor *cursor, PyCodeObject *code)
{
    cursor->at = (const uint8_t *)PyBytes_AS_STRING(code->co_linetable);
    cursor->end = cursor->at + PyBytes_GET_SIZE(code->co_linetable);
    cursor->base = code->co_firstlineno;
    cursor->start = cursor->stop = 0;
    cursor->line = SONDE_PY_NO_LINE;
}

/* Six bits a byte, lowest first; the sign is the lowest bit of all. */
static int
read_signed(const uint8_t *at, const uint8_t *end)
{
    unsigned value = 0;
    for (unsigned shift = 0; at < end && shift < 30; shift += 6) {
        value |= (unsigned)(*at & 63) << shift;
        if (!(*at++ & 64)) {
            break;
        }
    }
    return value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
}

bool
sonde_py_line_cursor_next(struct sonde_py_line_cursor *cursor)
{
    if (cursor->at >= cursor->end) {
        return false;
    }
    unsigned code = *cursor->at >> 3 & 15;
    cursor->start = cursor->stop;
    cursor->stop += (*cursor->at & 7) + 1;
    cursor->at++;
    if (code == LOC_LONG || code == LOC_NO_COLUMNS) {
        cursor->base += read_signed(cursor->at, cursor->end);
    } else if (code >= LOC_ONE_LINE && code < LOC_NO_COLUMNS) {
        cursor->base += (int)code - LOC_ONE_LINE;
    }
    cursor->line = code == LOC_NONE ? SONDE_PY_NO_LINE : cursor->base;
    while (cursor->at < cursor->end &&
           !(*cursor->at & 128)) { /* an entry's first byte has it */
        cursor->at++;
    }
    return true;
}

int
sonde_py_line_of_unit(PyCodeObject *code, int unit)
{
    struct sonde_py_line_cursor cursor;
    sonde_py_line_cursor_init(&cursor, code);
    while (sonde_py_line_cursor_next(&cursor)) {
        if (unit < cursor.stop) {
            return cursor.line;
        }
    }
    return SONDE_PY_NO_LINE;
}

bool
sonde_py_code_has_line(PyCodeObject *code, int line)
{
    struct sonde_py_line_cursor cursor;
    sonde_py_line_cursor_init(&cursor, code);
    while (sonde_py_line_cursor_next(&cursor)) {
        if (cursor.line == line) {
            return true;
        }
    }
    return false;
}

/* --- A code object taken apart ----------------------------------------------------------- */

/* Classes of instructions; one byte of flags per opcode. */
enum {
    OP_JUMPS_FORWARD = 1,
    OP_JUMPS_BACKWARD = 2,
    OP_LEAVES = 4,
    OP_PRODUCES = 8,
    OP_CONSUMES = 16,
    OP_BUILDS = 32,
    OP_PEEKS = 64,
    OP_DIGS = 128,
};

/* Filled once, from the lists of the version. Guarded by the VM lock. */
static uint8_t op_flags[256];
static bool op_flags_are_filled;

static void
fill_op_flags(void)
{
    if (op_flags_are_filled) {
        return;
    }
#define X(name) op_flags[name] |= OP_JUMPS_FORWARD;
    SONDE_PY_JUMPS_FORWARD(X)
#undef X
#define X(name) op_flags[name] |= OP_JUMPS_BACKWARD;
    SONDE_PY_JUMPS_BACKWARD(X)
#undef X
#define X(name) op_flags[name] |= OP_LEAVES;
    SONDE_PY_LEAVES(X)
#undef X
#define X(name) op_flags[name] |= OP_PRODUCES;
    SONDE_PY_PRODUCERS(X)
#undef X
#define X(name) op_flags[name] |= OP_CONSUMES;
    SONDE_PY_CONSUMERS(X)
#undef X
#define X(name) op_flags[name] |= OP_BUILDS;
    SONDE_PY_BUILDERS(X)
#undef X
#define X(name) op_flags[name] |= OP_PEEKS;
    SONDE_PY_PEEKERS(X)
#undef X
#define X(name) op_flags[name] |= OP_DIGS;
    SONDE_PY_DIGGERS(X)
#undef X
    op_flags_are_filled = true;
}

static bool
op_never_starts(int op)
{
#define X(name) || op == name
    return false SONDE_PY_NEVER_STARTS(X);
#undef X
}

static bool
op_has_no_events(int op)
{
#define X(name) || op == name
    return false SONDE_PY_NO_EVENTS(X);
#undef X
}

static bool
op_returns_const(int op)
{
#define X(name) || op == name
    return false SONDE_PY_RETURNS_CONST(X);
#undef X
}

/* Exception table: big-endian, six bits a byte, bit 6 goes on (Objects/exception_handling
 * _notes.txt). Returns the place after it, NULL past the end. */
static const uint8_t *
read_handler_int(const uint8_t *at, const uint8_t *end, int *out)
{
    unsigned value = 0;
    for (int i = 0; i < 6; i++) {
        if (at >= end) {
            return NULL;
        }
        value = value << 6 | (*at & 63);
        if (!(*at++ & 64)) {
            *out = (int)value;
            return at;
        }
    }
    return NULL;
}

static int
read_handlers(struct sonde_py_listing *listing, PyCodeObject *code)
{
    const uint8_t *at = (const uint8_t *)PyBytes_AS_STRING(code->co_exceptiontable);
    const uint8_t *end = at + PyBytes_GET_SIZE(code->co_exceptiontable);
    for (int i = 0; i < listing->count; i++) {
        listing->handler[i] = -1;
    }
    while (at < end) {
        int start, size, target, depth;
        at = read_handler_int(at, end, &start);
        at = at ? read_handler_int(at, end, &size) : NULL;
        at = at ? read_handler_int(at, end, &target) : NULL;
        at = at ? read_handler_int(at, end, &depth) : NULL;
        if (at == NULL || target >= listing->count || start > listing->count ||
            size > listing->count - start) {
            return SONDE_E_CORRUPT;
        }
        for (int i = start; i < start + size; i++) {
            listing->handler[i] = target;
        }
    }
    return SONDE_OK;
}

static int
read_units(struct sonde_py_listing *listing, PyCodeObject *code)
{
    /* The plain instructions, whatever is specialised or instrumented now. In them a unit of
     * a cache is 0, which is no instruction. CPython keeps the bytes with the code. */
    PyObject *plain = sonde_py_code_plain(code);
    if (plain == NULL) {
        PyErr_Clear();
        return SONDE_E_NOMEM;
    }
    const uint8_t *bytes = (const uint8_t *)PyBytes_AS_STRING(plain);
    int result = SONDE_OK;
    if (PyBytes_GET_SIZE(plain) != (Py_ssize_t)listing->count * 2) {
        result = SONDE_E_CORRUPT;
    }
    unsigned prefix = 0;
    for (int i = 0; result == SONDE_OK && i < listing->count; i++) {
        uint8_t op = listing->op[i] = bytes[2 * i];
        unsigned arg = prefix << 8 | bytes[2 * i + 1];
        listing->arg[i] = (int)(arg & 0x7FFFFFFF);
        prefix = op == EXTENDED_ARG ? arg : 0;
    }
    Py_DECREF(plain);
    return result;
}

int
sonde_py_listing_init(struct sonde_py_listing *out, PyCodeObject *code)
{
    size_t count = (size_t)Py_SIZE(code);
    memset(out, 0, sizeof *out);
    fill_op_flags();
    if (count == 0 || count > 1 << 24) {
        return SONDE_E_CORRUPT;
    }
    char *memory = PyMem_RawMalloc(count * (4 * sizeof(int) + 2));
    if (memory == NULL) {
        return SONDE_E_NOMEM;
    }
    out->memory = memory;
    out->count = (int)count;
    out->first = sonde_py_code_first(code);
    out->line = (int *)memory;
    out->arg = out->line + count;
    out->handler = out->arg + count;
    out->todo = out->handler + count;
    out->op = (uint8_t *)(out->todo + count);
    out->mark = out->op + count;
    int result = read_units(out, code);
    if (result == SONDE_OK) {
        result = read_handlers(out, code);
    }
    if (result != SONDE_OK) {
        sonde_py_listing_fini(out);
        return result;
    }
    struct sonde_py_line_cursor cursor;
    sonde_py_line_cursor_init(&cursor, code);
    int unit = 0;
    while (sonde_py_line_cursor_next(&cursor)) {
        while (unit < cursor.stop && unit < out->count) {
            out->line[unit++] = cursor.line;
        }
    }
    while (unit < out->count) {
        out->line[unit++] = SONDE_PY_NO_LINE;
    }
    /* Up to the RESUME on entry there is only the making of the frame. */
    for (unit = 0; unit <= out->first && unit < out->count; unit++) {
        out->line[unit] = SONDE_PY_NO_LINE;
    }
    return SONDE_OK;
}

void
sonde_py_listing_fini(struct sonde_py_listing *listing)
{
    PyMem_RawFree(listing->memory);
    listing->memory = NULL;
}

/* --- Where control goes ------------------------------------------------------------------ */

static int
next_instruction(const struct sonde_py_listing *listing, int i)
{
    do {
        i++;
    } while (i < listing->count && listing->op[i] == 0);
    return i;
}

/* Where control may go after `i` without an exception: at most two units, in `to`. */
static int
successors(const struct sonde_py_listing *listing, int i, int to[2])
{
    int op = listing->op[i], n = 0;
    uint8_t flags = op_flags[op];
    int next = next_instruction(listing, i);
    if (!(flags & OP_LEAVES) && next < listing->count) {
        to[n++] = next;
    }
    int target = -1;
    if (flags & OP_JUMPS_FORWARD) {
        target = next + listing->arg[i];
    } else if (flags & OP_JUMPS_BACKWARD) {
        target = next - listing->arg[i];
    }
    if (target >= 0 && target < listing->count && listing->op[target] != 0) {
        to[n++] = target;
    }
    return n;
}

/* --- Which instructions tell a line ------------------------------------------------------- */

/* Bits of listing->mark. */
enum {
    MARK_ENTERED = 1, /* of the line, and control comes from another line */
    MARK_STARTS = 2,  /* and a statement may begin there */
    MARK_SEEN = 4,
    MARK_WALL = 8,
    MARK_JOINED = 16, /* control may come otherwise than from the instruction before */
    MARK_TURNED = 32, /* control may come from behind: a loop begins */
};

/* Where the compiler folds the first constant of a function's body, it forgets its line and
 * gives it that of the `def`: a lone load there is no part of it. */
static bool
is_stray_constant(const struct sonde_py_listing *listing, int i)
{
    if (i != next_instruction(listing, listing->first) || listing->op[i] != LOAD_CONST) {
        return false;
    }
    for (int k = 0; k < listing->count; k++) {
        if (k != i && listing->op[k] != 0 && listing->line[k] == listing->line[i]) {
            return false;
        }
    }
    return true;
}

/* Finds where control joins, and every instruction of `line` which it enters from another;
 * returns how many of these there are. */
static int
mark_entered(struct sonde_py_listing *listing, int line)
{
    int found = 0;
    memset(listing->mark, 0, (size_t)listing->count);
    for (int i = 0; i < listing->count; i++) {
        if (listing->op[i] == 0) {
            continue;
        }
        int to[3];
        int n = successors(listing, i, to);
        if (listing->handler[i] >= 0) {
            to[n++] = listing->handler[i];
        }
        int next = next_instruction(listing, i);
        for (int k = 0; k < n; k++) {
            if (to[k] != next) {
                listing->mark[to[k]] |=
                    to[k] <= i ? MARK_JOINED | MARK_TURNED : MARK_JOINED;
            }
        }
        for (int k = 0; k < n && listing->line[i] != line; k++) {
            if (listing->line[to[k]] == line && !(listing->mark[to[k]] & MARK_ENTERED) &&
                !op_has_no_events(listing->op[to[k]]) &&
                !is_stray_constant(listing, to[k])) {
                listing->mark[to[k]] |= MARK_ENTERED;
                found++;
            }
        }
    }
    return found;
}

/* How deep into the stack an instruction reaches; never too little. */
static int
stack_need(int arg, int effect, uint8_t flags)
{
    if (flags & OP_PRODUCES) {
        return 0;
    }
    if (flags & OP_PEEKS) {
        return arg + 1;
    }
    if (flags & OP_DIGS) {
        return INT_MAX;
    }
    if (flags & OP_BUILDS) {
        return arg;
    }
    if (flags & OP_CONSUMES) {
        return -effect;
    }
    return effect >= 0 ? 1 : 1 - effect; /* it leaves one result */
}

/* Whether a statement may begin here: what runs from here on does not use anything that
 * the stack held before, up to where it has left the stack as it found it. */
static bool
starts_statement(const struct sonde_py_listing *listing, int i)
{
    int line = listing->line[i], depth = 0;
    if (op_never_starts(listing->op[i])) {
        return false;
    }
    if (listing->op[i] == SONDE_PY_HANDLER_START) {
        int next = next_instruction(listing, i);
        return next >= listing->count || listing->op[next] != WITH_EXCEPT_START;
    }
    for (; i < listing->count && listing->line[i] == line;
         i = next_instruction(listing, i)) {
        int op = listing->op[i], arg = listing->arg[i];
        uint8_t flags = op_flags[op];
        if (op == EXTENDED_ARG) {
            continue;
        }
        int effect = PyCompile_OpcodeStackEffectWithJump(op, arg, 0);
        if (effect == PY_INVALID_STACK_EFFECT) {
            return false;
        }
        if (stack_need(arg, effect, flags) > depth) {
            return false;
        }
        depth += effect;
        if (depth <= 0 || flags & OP_LEAVES) {
            return true;
        }
    }
    return true;
}

/* Whether control can get to `goal` from the code's entry without passing an instruction
 * marked as a wall. */
static bool
is_reached(struct sonde_py_listing *listing, int goal)
{
    int count = 0;
    for (int i = 0; i < listing->count; i++) {
        listing->mark[i] &= (uint8_t)~MARK_SEEN;
    }
    int start = listing->first < listing->count ? listing->first : 0;
    listing->todo[count++] = start;
    listing->mark[start] |= MARK_SEEN;
    while (count > 0) {
        int i = listing->todo[--count];
        if (i == goal) {
            return true;
        }
        if (listing->mark[i] & MARK_WALL) {
            continue;
        }
        int to[3];
        int n = successors(listing, i, to);
        if (listing->handler[i] >= 0) {
            to[n++] = listing->handler[i];
        }
        for (int k = 0; k < n; k++) {
            if (!(listing->mark[to[k]] & MARK_SEEN)) {
                listing->mark[to[k]] |= MARK_SEEN;
                listing->todo[count++] = to[k];
            }
        }
    }
    return false;
}

/* Whether every way to `i` leads past another instruction marked with `bit`: it goes on with
 * what began there. */
static bool
is_continuation(struct sonde_py_listing *listing, int i, uint8_t bit)
{
    for (int k = 0; k < listing->count; k++) {
        if (k != i && listing->mark[k] & bit) {
            listing->mark[k] |= MARK_WALL;
        }
    }
    bool reached = is_reached(listing, i);
    for (int k = 0; k < listing->count; k++) {
        listing->mark[k] &= (uint8_t)~MARK_WALL;
    }
    return !reached;
}

/* `while True:` is a NOP, which only some of its turns pass; all pass what follows it. The
 * turn of a `for`, on the contrary, is no execution of its line, and what comes just before
 * it runs once. */
static int
settle_unit(const struct sonde_py_listing *listing, int i, int starts)
{
    if (listing->op[i] == NOP) {
        int next = next_instruction(listing, i);
        return next < listing->count && listing->mark[next] & MARK_TURNED ? next : i;
    }
    if (starts > 0 || listing->op[i] != FOR_ITER || i == 0) {
        return i;
    }
    int before = i - 1;
    while (before > listing->first && listing->op[before] == 0) {
        before--;
    }
    return before > listing->first ? before : i;
}

/* Whether the unit goes on with an execution of the line that was told elsewhere. */
static bool
is_told_before(struct sonde_py_listing *listing, int i, int starts)
{
    if (starts == 0) {
        return is_continuation(listing, i, MARK_ENTERED);
    }
    /* The end of a return whose `finally` or `with` ran in between. */
    return starts > 1 && op_returns_const(listing->op[i]) &&
           is_continuation(listing, i, MARK_STARTS);
}

size_t
sonde_py_listing_places(struct sonde_py_listing *listing, int line, int *units,
                        size_t most)
{
    size_t n = 0;
    int starts = 0;
    if (line < 1 || mark_entered(listing, line) == 0) {
        return 0;
    }
    for (int i = 0; i < listing->count; i++) {
        if (listing->mark[i] & MARK_ENTERED && starts_statement(listing, i)) {
            listing->mark[i] |= MARK_STARTS;
            starts++;
        }
    }
    /* Without a jump in between a line can not be executed again. */
    bool is_told = false;
    for (int i = 0; i < listing->count; i++) {
        if (listing->op[i] == 0) {
            continue;
        }
        if (listing->mark[i] & MARK_JOINED) {
            is_told = false;
        }
        if (listing->mark[i] & (starts > 0 ? MARK_STARTS : MARK_ENTERED) && !is_told &&
            !is_told_before(listing, i, starts)) {
            if (n < most) {
                units[n] = settle_unit(listing, i, starts);
            }
            n++;
            is_told = true;
        }
        if (op_flags[listing->op[i]] &
            (OP_JUMPS_FORWARD | OP_JUMPS_BACKWARD | OP_LEAVES)) {
            is_told = false;
        }
    }
    return n;
}

bool
sonde_py_listing_can_tell(struct sonde_py_listing *listing, int line)
{
    int unit;
    return sonde_py_listing_places(listing, line, &unit, 1) > 0;
}
