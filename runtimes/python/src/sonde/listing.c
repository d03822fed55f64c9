/* SPDX-License-Identifier: Apache-2.0 */
#include "listing.h"

int
sonde_py_listing_previous(const struct sonde_py_listing *listing, int i)
{
    do {
        i--;
    } while (i >= 0 && listing->op[i] == 0);
    return i;
}

int
sonde_py_listing_target(const struct sonde_py_listing *listing, int i)
{
    unsigned flags = sonde_py_op_flags(listing->op[i]);
    int target = -1, steps = listing->arg[i] / SONDE_PY_JUMP_STEPS_PER_UNIT;
    if (flags & (SONDE_PY_OP_JUMPS_FORWARD | SONDE_PY_OP_SETS_BLOCK)) {
        int next = sonde_py_listing_next(listing, i);
        target = steps < listing->count - next ? next + steps : -1;
    } else if (flags & SONDE_PY_OP_JUMPS_BACKWARD) {
        target = sonde_py_listing_next(listing, i) - steps;
    } else if (flags & SONDE_PY_OP_JUMPS_TO) {
        target = steps;
    }
    return target >= 0 && target < listing->count && listing->op[target] != 0 ? target
                                                                              : -1;
}

/* Where control may go after `i` without an exception: at most two units, in `to`. */
static int
plain_successors(const struct sonde_py_listing *listing, int i, int to[2])
{
    unsigned flags = sonde_py_op_flags(listing->op[i]);
    int n = 0, next = sonde_py_listing_next(listing, i);
    if (!(flags & SONDE_PY_OP_LEAVES) && next < listing->count) {
        to[n++] = next;
    }
    int target = flags & SONDE_PY_OP_JUMPS ? sonde_py_listing_target(listing, i) : -1;
    if (target >= 0) {
        to[n++] = target;
    }
    return n;
}

int
sonde_py_listing_successors(const struct sonde_py_listing *listing, int i, int to[3])
{
    int n = plain_successors(listing, i, to);
    if (listing->handler[i] >= 0) {
        to[n++] = listing->handler[i];
    }
    return n;
}

/* --- Handlers ---------------------------------------------------------------------------- */

#if SONDE_PY_HAS_EXCEPTION_TABLE

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

#else

/* The interpreter has a stack of blocks while it runs; which there is at each instruction is
 * found by walking through the code once. A stack is a number: that of its topmost block, twice
 * the unit that set it up, and one more while the block's handler runs. What is below that
 * block is the stack of the unit that set it up. */
enum { BLOCK_NONE = -1, BLOCK_UNKNOWN = -2 };

static void
walk_blocks(struct sonde_py_listing *listing, int *blocks)
{
    int count = 0;
    for (int i = 0; i < listing->count; i++) {
        blocks[i] = BLOCK_UNKNOWN;
    }
    listing->todo[count++] = 0;
    blocks[0] = BLOCK_NONE;
    while (count > 0) {
        int i = listing->todo[--count], after = blocks[i];
        unsigned flags = sonde_py_op_flags(listing->op[i]);
        if (flags & SONDE_PY_OP_SETS_BLOCK) {
            int handler = sonde_py_listing_target(listing, i);
            after = 2 * i;
            if (handler >= 0 && blocks[handler] == BLOCK_UNKNOWN) {
                blocks[handler] = after + 1;
                listing->todo[count++] = handler;
            }
        } else if (flags & SONDE_PY_OP_POPS_BLOCK && after >= 0) {
            after = blocks[after / 2];
        }
        int to[2];
        int n = plain_successors(listing, i, to);
        for (int k = 0; k < n; k++) {
            if (blocks[to[k]] == BLOCK_UNKNOWN) {
                blocks[to[k]] = after;
                listing->todo[count++] = to[k];
            }
        }
    }
}

static int
read_handlers(struct sonde_py_listing *listing, PyCodeObject *code)
{
    (void)code;
    int *blocks = listing->line; /* the lines come later */
    walk_blocks(listing, blocks);
    for (int i = 0; i < listing->count; i++) {
        int block = blocks[i];
        while (block >= 0 && block % 2 != 0) {
            block = blocks[block / 2];
        }
        listing->handler[i] =
            block >= 0 ? sonde_py_listing_target(listing, block / 2) : -1;
    }
    return SONDE_OK;
}

#endif

/* --- All of it --------------------------------------------------------------------------- */

static void
read_units(struct sonde_py_listing *listing, const uint8_t *bytes)
{
    unsigned prefix = 0;
    for (int i = 0; i < listing->count; i++) {
        uint8_t op = listing->op[i] = bytes[2 * i];
        unsigned arg = prefix << 8 | bytes[2 * i + 1];
        listing->arg[i] = (int)(arg & 0x7FFFFFFF);
        prefix = op == EXTENDED_ARG ? arg : 0;
    }
}

/* Control may get to `i`: notes it to be followed, once. */
static void
reach(struct sonde_py_listing *listing, int i, int *count)
{
    if (i >= 0 && !listing->is_live[i]) {
        listing->is_live[i] = true;
        listing->todo[(*count)++] = i;
    }
}

static void
find_live(struct sonde_py_listing *listing)
{
    int count = 0;
    memset(listing->is_live, 0, (size_t)listing->count * sizeof listing->is_live[0]);
    reach(listing, 0, &count);
    while (count > 0) {
        /* Straight on as far as it goes; what is jumped to comes later. */
        int i = listing->todo[--count];
        unsigned flags;
        do {
            flags = sonde_py_op_flags(listing->op[i]);
            listing->is_live[i] = true;
            reach(listing, listing->handler[i], &count);
            if (flags & SONDE_PY_OP_JUMPS) {
                reach(listing, sonde_py_listing_target(listing, i), &count);
            }
            i = sonde_py_listing_next(listing, i);
        } while (!(flags & SONDE_PY_OP_LEAVES) && i < listing->count &&
                 !listing->is_live[i]);
    }
}

static void
read_lines(struct sonde_py_listing *listing, PyCodeObject *code)
{
    struct sonde_py_line_cursor cursor;
    int unit = 0;
    sonde_py_line_cursor_init(&cursor, code);
    while (sonde_py_line_cursor_next(&cursor)) {
        while (unit < cursor.stop && unit < listing->count) {
            listing->line[unit++] = cursor.line;
        }
    }
    while (unit < listing->count) {
        listing->line[unit++] = SONDE_PY_NO_LINE;
    }
    listing->last_line =
        listing->count > 2 ? listing->line[listing->count - 3] : SONDE_PY_NO_LINE;
    for (unit = 0; unit < listing->count; unit++) {
        if (unit < listing->entry || !listing->is_live[unit]) {
            listing->line[unit] = SONDE_PY_NO_LINE;
        }
    }
}

static int
lay_out(struct sonde_py_listing *out, size_t count)
{
    char *memory = PyMem_RawMalloc(count * (4 * sizeof(int) + 3));
    if (memory == NULL) {
        return SONDE_E_NOMEM;
    }
    out->memory = memory;
    out->count = (int)count;
    out->line = (int *)memory;
    out->arg = out->line + count;
    out->handler = out->arg + count;
    out->todo = out->handler + count;
    out->op = (uint8_t *)(out->todo + count);
    out->mark = out->op + count;
    out->is_live = (bool *)(out->mark + count);
    return SONDE_OK;
}

int
sonde_py_listing_init(struct sonde_py_listing *out, PyCodeObject *code)
{
    memset(out, 0, sizeof *out);
    /* The plain instructions, whatever is specialised or instrumented now. In them a unit of
     * a cache is 0, which is no instruction. CPython keeps the bytes with the code. */
    PyObject *plain = sonde_py_code_plain(code);
    if (plain == NULL) {
        PyErr_Clear();
        return SONDE_E_NOMEM;
    }
    size_t count = (size_t)PyBytes_GET_SIZE(plain) / 2;
    int result = count == 0 || count > 1 << 24 ? SONDE_E_CORRUPT : lay_out(out, count);
    if (result == SONDE_OK) {
        read_units(out, (const uint8_t *)PyBytes_AS_STRING(plain));
        result = read_handlers(out, code);
    }
    Py_DECREF(plain);
    if (result != SONDE_OK) {
        sonde_py_listing_fini(out);
        return result;
    }
    out->entry = sonde_py_code_first(code);
    while (out->entry < out->count &&
           (out->op[out->entry] == 0 ||
            sonde_py_op_flags(out->op[out->entry]) & SONDE_PY_OP_NO_EVENTS)) {
        out->entry++;
    }
    find_live(out);
    read_lines(out, code);
    return SONDE_OK;
}

void
sonde_py_listing_fini(struct sonde_py_listing *listing)
{
    PyMem_RawFree(listing->memory);
    listing->memory = NULL;
}
