/* SPDX-License-Identifier: Apache-2.0 */
#include "leftovers.h"

#if SONDE_PY_LINES_RUN_ON

static int
skip_prefixes(const struct sonde_py_listing *listing, int i)
{
    while (i < listing->count - 1 && listing->op[i] == EXTENDED_ARG) {
        i++;
    }
    return i;
}

/* Every block is left in the usual way at one place, the last one before its handler; by
 * `break`, `continue` and `return` it is left at others. */
static bool
is_usual_exit(const struct sonde_py_listing *listing, int i)
{
    int handler = listing->handler[i];
    if (listing->op[i] != POP_BLOCK || handler <= i) {
        return false;
    }
    for (int k = i + 1; k < handler; k++) {
        if (listing->op[k] == POP_BLOCK &&
            (!listing->is_live[k] || listing->handler[k] == handler)) {
            return false;
        }
    }
    /* After a `return` in the block's last place the usual exit was left out. */
    return listing->is_live[handler - 1] && listing->op[handler - 1] != RETURN_VALUE;
}

/* `name = None; del name` in the handler that `except … as name` has for that alone. */
static bool
is_name_cleanup(const struct sonde_py_listing *listing, int i)
{
    int store = skip_prefixes(listing, skip_prefixes(listing, i) + 1);
    int clear = skip_prefixes(listing, store + 1);
    if (listing->op[skip_prefixes(listing, i)] != LOAD_CONST ||
        clear + 1 >= listing->count || listing->op[clear + 1] != RERAISE ||
        listing->arg[store] != listing->arg[clear]) {
        return false;
    }
    for (int k = 1; k < i; k++) {
        /* POP_TOP, the store, POP_TOP, and then the block is set up. */
        if (listing->handler[k] == i) {
            int setup = k - 1;
            while (setup > 0 && listing->op[setup - 1] == EXTENDED_ARG) {
                setup--;
            }
            return setup >= 2 && listing->op[setup - 1] == POP_TOP &&
                   listing->op[setup - 2] == listing->op[store] &&
                   listing->arg[setup - 2] == listing->arg[store];
        }
    }
    return false;
}

/* The return at the end, where it has no line of its own. */
static bool
is_last_return(const struct sonde_py_listing *listing, int i)
{
    int load = skip_prefixes(listing, i);
    return load == listing->count - 2 && listing->op[load] == LOAD_CONST && i > 0 &&
           listing->op[load + 1] == RETURN_VALUE &&
           listing->last_line == listing->line[i];
}

/* Whether the condition's jump at `k` may be the one that leaves a `while` whose head it is in. */
static bool
is_in_head(const struct sonde_py_listing *listing, int k)
{
    int head = k;
    while (head > 0 && listing->line[head - 1] == listing->line[k]) {
        head--;
    }
    for (int from = k; from < listing->count; from++) {
        if (listing->is_live[from] && listing->op[from] == JUMP_ABSOLUTE &&
            sonde_py_listing_target(listing, from) == head) {
            return true;
        }
    }
    return false;
}

/* Whether an arm of an `if` before the lone jump at `i` ends in a jump to where that one leads. */
static bool
is_bypassed_by_arm(const struct sonde_py_listing *listing, int i, int target)
{
    for (int k = i - 1; k > 0 && k >= target; k--) {
        if (listing->is_live[k] &&
            sonde_py_op_flags(listing->op[k]) & SONDE_PY_OP_JUMPS &&
            sonde_py_op_flags(listing->op[k]) & SONDE_PY_OP_LEAVES &&
            sonde_py_listing_target(listing, k) == target &&
            listing->line[k - 1] == listing->line[k] &&
            !(sonde_py_op_flags(listing->op[k - 1]) & SONDE_PY_OP_JUMPS)) {
            return true;
        }
    }
    return false;
}

/* A lone jump, `break` or `continue`, behind a condition of several parts or behind an `if` of
 * several arms: the compiler makes jumps to it lead to where it leads, so that some executions
 * never pass it. */
static bool
is_bypassed_jump(const struct sonde_py_listing *listing, int i)
{
    int jump = skip_prefixes(listing, i), last = i - 1;
    if ((listing->op[jump] != JUMP_ABSOLUTE && listing->op[jump] != JUMP_FORWARD) ||
        last < 0) {
        return false;
    }
    int target = sonde_py_listing_target(listing, jump);
    if (!(sonde_py_op_flags(listing->op[last]) & SONDE_PY_OP_JUMPS)) {
        return is_bypassed_by_arm(listing, i, target);
    }
    bool leads_there_too = sonde_py_listing_target(listing, last) == target;
    for (int k = last - 1; k >= 0; k--) {
        uint8_t op = listing->op[k];
        unsigned flags = sonde_py_op_flags(op);
        if (flags & (SONDE_PY_OP_LEAVES | SONDE_PY_OP_SETS_BLOCK) ||
            (flags & SONDE_PY_OP_CONSUMES && !(flags & SONDE_PY_OP_JUMPS))) {
            return false; /* another statement */
        }
        if (flags & SONDE_PY_OP_JUMPS && sonde_py_listing_target(listing, k) == target &&
            (!leads_there_too || op != listing->op[last]) &&
            (listing->line[k] == listing->line[last] || !is_in_head(listing, k))) {
            return true;
        }
    }
    return false;
}

/* A comprehension's return of what it made has the line of its element. */
static bool
is_end_of_comprehension(const struct sonde_py_listing *listing, int i)
{
    for (int k = 0; k < i && listing->op[i] == RETURN_VALUE; k++) {
        if (listing->op[k] == FOR_ITER && sonde_py_listing_target(listing, k) == i) {
            return true;
        }
    }
    return false;
}

bool
sonde_py_listing_is_leftover(const struct sonde_py_listing *listing, int i)
{
    return is_end_of_comprehension(listing, i) || is_bypassed_jump(listing, i) ||
           listing->op[i] == WITH_EXCEPT_START || is_usual_exit(listing, i) ||
           is_name_cleanup(listing, i) || is_last_return(listing, i);
}

#else

bool
sonde_py_listing_is_leftover(const struct sonde_py_listing *listing, int i)
{
    (void)listing;
    (void)i;
    return false;
}

#endif
