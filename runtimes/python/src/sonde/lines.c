/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include "leftovers.h"

/* Bits of listing->mark. */
enum {
    MARK_ENTERED = 1, /* of the line, and control comes from another line */
    MARK_STARTS = 2,  /* and a statement may begin there */
    MARK_SEEN = 4,
    MARK_WALL = 8,
    MARK_JOINED = 16, /* control may come otherwise than from the instruction before */
    MARK_TURNED = 32, /* control may come from behind: a loop begins */
    MARK_CAUGHT = 64, /* an exception is looked at */
};

/* Where the compiler folds the first constant of a function's body, it forgets its line and
 * gives it that of the `def`: a lone load there is no part of it. */
static bool
is_stray_constant(const struct sonde_py_listing *listing, int i)
{
    if (i != listing->entry || listing->op[i] != LOAD_CONST) {
        return false;
    }
    for (int k = 0; k < listing->count; k++) {
        if (k != i && listing->op[k] != 0 && listing->line[k] == listing->line[i]) {
            return false;
        }
    }
    return true;
}

/* Whether control, coming from elsewhere, begins something of `line` at `i`. */
static bool
is_entered(const struct sonde_py_listing *listing, int i, int line)
{
    return listing->line[i] == line && !(listing->mark[i] & MARK_ENTERED) &&
           !(sonde_py_op_flags(listing->op[i]) & SONDE_PY_OP_NO_EVENTS) &&
           !is_stray_constant(listing, i) && !sonde_py_listing_is_leftover(listing, i);
}

/* Finds where control joins, and every instruction of `line` which it enters from another;
 * returns how many of these there are. */
static int
mark_entered(struct sonde_py_listing *listing, int line)
{
    int found = 0;
    memset(listing->mark, 0, (size_t)listing->count);
    if (listing->entry < listing->count && is_entered(listing, listing->entry, line)) {
        listing->mark[listing->entry] |= MARK_ENTERED;
        found++;
    }
    for (int i = 0, next; i < listing->count; i = next) {
        next = sonde_py_listing_next(listing, i);
        /* Most instructions lead to the next one alone, and neither is of the line. */
        bool is_plain = listing->handler[i] < 0 && next < listing->count &&
                        !(sonde_py_op_flags(listing->op[i]) & SONDE_PY_OP_JUMPS);
        if (!listing->is_live[i] || (is_plain && listing->line[next] != line)) {
            continue;
        }
        int to[3];
        int n = sonde_py_listing_successors(listing, i, to);
        for (int k = 0; k < n; k++) {
            if (to[k] != next) {
                listing->mark[to[k]] |=
                    to[k] <= i ? MARK_JOINED | MARK_TURNED : MARK_JOINED;
                if (to[k] == listing->handler[i] ||
                    sonde_py_op_flags(listing->op[i]) & SONDE_PY_OP_CATCHES) {
                    listing->mark[to[k]] |= MARK_CAUGHT;
                }
            }
            if (listing->line[i] != line && is_entered(listing, to[k], line)) {
                listing->mark[to[k]] |= MARK_ENTERED;
                found++;
            }
        }
    }
    return found;
}

/* How deep into the stack an instruction reaches; never too little. */
static int
stack_need(uint8_t op, int arg, int effect)
{
    unsigned flags = sonde_py_op_flags(op);
    int reach = sonde_py_op_reach(op);
    if (reach > 0) {
        return reach;
    }
    if (flags & SONDE_PY_OP_PRODUCES) {
        return 0;
    }
    if (flags & SONDE_PY_OP_PEEKS) {
        return arg + 1;
    }
    if (flags & SONDE_PY_OP_DIGS) {
        return INT_MAX;
    }
    if (flags & SONDE_PY_OP_BUILDS) {
        return arg;
    }
    if (flags & SONDE_PY_OP_CONSUMES) {
        return -effect;
    }
    return effect >= 0 ? 1 : 1 - effect; /* it leaves one result */
}

static int
skip_prefixes(const struct sonde_py_listing *listing, int i)
{
    while (i < listing->count - 1 && listing->op[i] == EXTENDED_ARG) {
        i++;
    }
    return i;
}

/* Where a loop asks its iterator: control comes back there with every turn. */
static bool
asks_iterator(const struct sonde_py_listing *listing, int i)
{
    i = skip_prefixes(listing, i);
    if (sonde_py_op_flags(listing->op[i]) & SONDE_PY_OP_SETS_BLOCK &&
        sonde_py_listing_next(listing, i) < listing->count) {
        return listing->op[sonde_py_listing_next(listing, i)] == GET_ANEXT;
    }
    return listing->op[i] == FOR_ITER || listing->op[i] == GET_ANEXT;
}

/* Where a statement goes on behind `i`: loops within it are left at once, and of a condition's
 * two ways the first is followed. Changes *effect to that of the way taken. */
static int
goes_on(const struct sonde_py_listing *listing, int i, int *effect)
{
    uint8_t op = listing->op[i];
    int target = sonde_py_listing_target(listing, i);
    if ((op == FOR_ITER || op == JUMP_FORWARD) && target > i) {
        *effect = PyCompile_OpcodeStackEffectWithJump(op, listing->arg[i], 1);
        return target;
    }
    int handler = op == GET_ANEXT ? listing->handler[i] : -1;
    if (handler > i && listing->op[skip_prefixes(listing, handler)] == END_ASYNC_FOR) {
        /* The exception that ends the loop comes to the iterator; both are taken off there. */
        *effect = -PyCompile_OpcodeStackEffectWithJump(END_ASYNC_FOR, 0, 0) - 1;
        return handler;
    }
    return sonde_py_listing_next(listing, i);
}

/* Whether a statement may begin here: what runs from here on does not use anything that
 * the stack held before, up to where it has left the stack as it found it. */
static bool
starts_statement(const struct sonde_py_listing *listing, int i)
{
    int line = listing->line[i], depth = 0;
    unsigned flags = sonde_py_op_flags(listing->op[skip_prefixes(listing, i)]);
    if (flags & SONDE_PY_OP_NEVER_STARTS || asks_iterator(listing, i)) {
        return false;
    }
    if (listing->mark[i] & MARK_CAUGHT && flags & SONDE_PY_OP_TAKES_EXCEPTION) {
        int next = sonde_py_listing_next(listing, i);
        return next >= listing->count || listing->op[next] != WITH_EXCEPT_START;
    }
    int before = sonde_py_listing_previous(listing, i);
    if (before >= 0 && listing->op[i] == POP_TOP && listing->mark[before] & MARK_CAUGHT &&
        sonde_py_op_flags(listing->op[before]) & SONDE_PY_OP_TAKES_EXCEPTION) {
        return true; /* of a `finally` that only returns */
    }
    while (i < listing->count && listing->line[i] == line) {
        uint8_t op = listing->op[i];
        int arg = listing->arg[i];
        int effect = PyCompile_OpcodeStackEffectWithJump(op, arg, 0);
        flags = sonde_py_op_flags(op);
        if (effect == PY_INVALID_STACK_EFFECT) {
            return false;
        }
        if (flags & SONDE_PY_OP_POPS_BLOCK && depth > 0) {
            return true; /* a value to be returned is there: the rest is the leaving */
        }
        int next = sonde_py_listing_next(listing, i);
        if (depth == 1 && next < listing->count &&
            (flags & SONDE_PY_OP_BUILDS || sonde_py_op_reach(op) > 0) &&
            (listing->op[next] == POP_EXCEPT || listing->op[next] == POP_TOP)) {
            return true; /* likewise, out of a handler or a loop */
        }
        if (op != EXTENDED_ARG) {
            if (stack_need(op, arg, effect) > depth) {
                return false;
            }
            i = goes_on(listing, i, &effect);
            depth += effect;
            if (depth <= 0 || (flags & SONDE_PY_OP_LEAVES && op != JUMP_FORWARD)) {
                return true;
            }
        } else {
            i++;
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
    int start = listing->entry < listing->count ? listing->entry : 0;
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
        int n = sonde_py_listing_successors(listing, i, to);
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

/* The first of the instructions that belong to `i` in front of it. */
static int
front_of(const struct sonde_py_listing *listing, int i)
{
    for (int k = sonde_py_listing_previous(listing, i);
         k >= listing->entry &&
         sonde_py_op_flags(listing->op[k]) & SONDE_PY_OP_BINDS_NEXT;
         k = sonde_py_listing_previous(listing, k)) {
        i = k;
    }
    return i;
}

/* `while True:` is a NOP, which only some of its turns pass where loops jump back to their
 * body; all pass what follows it. The turn of a `for`, on the contrary, is no execution of its line, and what comes just before
 * it runs once. */
static int
settle_unit(const struct sonde_py_listing *listing, int i, int starts)
{
    if (listing->op[i] == NOP && !SONDE_PY_LOOPS_AT_HEAD) {
        int next = sonde_py_listing_next(listing, i);
        return next < listing->count && listing->mark[next] & MARK_TURNED ? next : i;
    }
    if (starts == 0 && asks_iterator(listing, i) &&
        sonde_py_listing_previous(listing, i) >= listing->entry) {
        i = sonde_py_listing_previous(listing, i);
    }
    return front_of(listing, i);
}

/* Whether a `return` or a jump out of a block may end here, after a `finally` or `with` ran. */
static bool
ends_statement(const struct sonde_py_listing *listing, int i)
{
    int next = sonde_py_listing_next(listing, i);
    return listing->op[i] == NOP ||
           sonde_py_op_flags(listing->op[i]) &
               (SONDE_PY_OP_RETURNS_CONST | SONDE_PY_OP_POPS_BLOCK) ||
           (listing->op[i] == LOAD_CONST && next < listing->count &&
            listing->op[next] == RETURN_VALUE);
}

/* Whether the unit goes on with an execution of the line that was told elsewhere. */
static bool
is_told_before(struct sonde_py_listing *listing, int i, int starts)
{
    if (starts == 0) {
        return is_continuation(listing, i, MARK_ENTERED);
    }
    return starts > 1 && ends_statement(listing, i) &&
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
        if (sonde_py_op_flags(listing->op[i]) &
            (SONDE_PY_OP_JUMPS | SONDE_PY_OP_LEAVES)) {
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

/* Of several instructions at which a line is entered, one at least is reached without passing another,
 * and is told: so it is enough to find one. */
void
sonde_py_listing_tell_lines(struct sonde_py_listing *listing, int first, int count,
                            bool *told)
{
    memset(listing->mark, 0, (size_t)listing->count);
    if (listing->entry < listing->count) {
        int line = listing->line[listing->entry];
        if (line >= 1 && line >= first && line - first < count) {
            told[line - first] = is_entered(listing, listing->entry, line);
        }
    }
    for (int i = 0; i < listing->count; i = sonde_py_listing_next(listing, i)) {
        int to[3];
        int n = listing->is_live[i] ? sonde_py_listing_successors(listing, i, to) : 0;
        for (int k = 0; k < n; k++) {
            int line = listing->line[to[k]];
            if (line != listing->line[i] && line >= 1 && line >= first &&
                line - first < count && !told[line - first]) {
                told[line - first] = is_entered(listing, to[k], line);
            }
        }
    }
}

bool
sonde_py_listing_is_turn(const struct sonde_py_listing *listing, int from, int to)
{
    from = skip_prefixes(listing, from);
    int line = listing->line[from];
    if (to > from || line < 1 || line != listing->line[to] ||
        !(sonde_py_op_flags(listing->op[from]) & SONDE_PY_OP_LEAVES) ||
        sonde_py_listing_target(listing, from) != to) {
        return false;
    }
    if (!SONDE_PY_LINES_RUN_ON) {
        return true;
    }
    /* The way back has the line of the body there. With a condition that leaves the loop on the
     * same line it is `while x: y`; without one it is taken for the body of a `while True:` that
     * stands on a line of its own, since nothing tells the two apart. */
    for (int k = to; k < from; k++) {
        unsigned flags = sonde_py_op_flags(listing->op[k]);
        if (listing->line[k] == line && flags & SONDE_PY_OP_JUMPS &&
            !(flags & SONDE_PY_OP_LEAVES) && sonde_py_listing_target(listing, k) > from) {
            return true;
        }
    }
    return false;
}
