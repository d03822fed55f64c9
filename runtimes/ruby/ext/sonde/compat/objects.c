/* SPDX-License-Identifier: Apache-2.0 */
#include "compat/objects.h"

#define EC_WORDS \
    16 /* vm_core.h: rb_execution_context_t, as far as thread_ptr at the most */
#define FIBER_WORDS \
    8 /* cont.c: rb_fiber_t begins with its rb_context_t, which has self near its start */

/* 0: not found. Guarded by the VM lock, written at load. */
static struct {
    unsigned fiber_at; /* in an execution context: the word before the thread */
    unsigned self_at;  /* in what that leads to */
    bool has_enumerators;
} known;

/* --- Fibers ---------------------------------------------------------------------------------- */

static const VALUE *
context(void)
{
    return (const VALUE *)(const void *)sonde_rb_thread_ec(rb_thread_current());
}

/* fiber_ptr stands before thread_ptr, whose value is known. */
static void
learn_fibers(void)
{
    VALUE fiber = rb_fiber_current();
    const VALUE *words = context();
    VALUE thread = (VALUE)sonde_rb_data(rb_thread_current());
    for (unsigned at = 4; words != NULL && at < EC_WORDS; at++) {
        const VALUE *inside = (const VALUE *)words[at - 1];
        if (words[at] != thread || inside == NULL ||
            (uintptr_t)inside % sizeof(VALUE) != 0) {
            continue;
        }
        for (unsigned i = 1; i < FIBER_WORDS; i++) {
            if (inside[i] == fiber) {
                known.fiber_at = at - 1;
                known.self_at = i;
                return;
            }
        }
        return;
    }
}

VALUE
sonde_rb_current_fiber(void)
{
    const VALUE *words = known.fiber_at != 0 ? context() : NULL;
    if (words == NULL) {
        return Qnil;
    }
    VALUE fiber = ((const VALUE *)words[known.fiber_at])[known.self_at];
    return fiber != 0 && RB_TYPE_P(fiber, T_DATA) ? fiber : Qnil;
}

/* --- Enumerators: enumerator.c, struct enumerator ---------------------------------------------- */

struct enumerator {
    VALUE receiver;
    ID method;
    VALUE arguments; /* 0: none */
};

static void
learn_enumerators(void)
{
    VALUE arguments[2] = {INT2FIX(7), INT2FIX(8)};
    VALUE made = rb_enumeratorize(INT2FIX(5), ID2SYM(rb_intern("upto")), 2, arguments);
    const struct enumerator *inside =
        RB_TYPE_P(made, T_DATA) ? sonde_rb_data(made) : NULL;
    known.has_enumerators =
        inside != NULL && inside->receiver == INT2FIX(5) &&
        inside->method == rb_intern("upto") && !RB_SPECIAL_CONST_P(inside->arguments) &&
        (uintptr_t)inside->arguments % sizeof(VALUE) == 0 &&
        RB_TYPE_P(inside->arguments, T_ARRAY) && RARRAY_LEN(inside->arguments) == 2 &&
        RARRAY_AREF(inside->arguments, 1) == INT2FIX(8);
    RB_GC_GUARD(made);
}

bool
sonde_rb_enumerator_of(VALUE object, struct sonde_rb_enumerator *out)
{
    const struct enumerator *inside =
        known.has_enumerators ? sonde_rb_data(object) : NULL;
    if (inside == NULL || inside->receiver == Qundef || inside->method == 0) {
        return false;
    }
    out->receiver = inside->receiver;
    out->method = inside->method;
    out->arguments = inside->arguments != 0 ? inside->arguments : Qnil;
    return true;
}

bool
sonde_rb_fibers_are_known(void)
{
    return known.fiber_at != 0;
}

bool
sonde_rb_enumerators_are_known(void)
{
    return known.has_enumerators;
}

void
sonde_rb_forget_fibers(void)
{
    known.fiber_at = 0;
}

void
sonde_rb_forget_enumerators(void)
{
    known.has_enumerators = false;
}

void
sonde_rb_objects_learn(void)
{
    learn_fibers();
    learn_enumerators();
}
