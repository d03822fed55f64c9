/* SPDX-License-Identifier: Apache-2.0
 *
 * Small things that CRuby has no accessor for, or only one that makes an object: the fiber that runs, and what an
 * Enumerator is of. The layout is the same in all versions as far
 * as it is used here (2.7 to 4.0), and looked at once at load; what is not found so is off by itself:
 * the functions below say that there is nothing. */
#ifndef SONDE_RB_OBJECTS_H
#define SONDE_RB_OBJECTS_H

#include "compat/compat.h"

/* Looks. Makes an Enumerator and the main fiber's object; may raise. Ctx: VM lock, at load. */
void sonde_rb_objects_learn(void);

/* Whether they were found, and as if they had not been. */
bool sonde_rb_fibers_are_known(void);
bool sonde_rb_enumerators_are_known(void);
void sonde_rb_forget_fibers(void);
void sonde_rb_forget_enumerators(void);

/* The Fiber that runs; Qnil: nobody asked for its object yet, or not known. Makes none, as
 * rb_fiber_current() would. Never raises. Ctx: VM lock. */
VALUE sonde_rb_current_fiber(void);

/* What an Enumerator was made of. */
struct sonde_rb_enumerator {
    VALUE receiver;
    ID method;
    VALUE arguments; /* an Array, or nil */
};

/* `object` is T_DATA of the kind "enumerator". False: not initialized, or not known. */
bool sonde_rb_enumerator_of(VALUE object, struct sonde_rb_enumerator *out);

#endif
