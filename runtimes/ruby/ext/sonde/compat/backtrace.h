/* SPDX-License-Identifier: Apache-2.0
 *
 * The backtrace that an exception keeps, read where it lies: asking for it would make objects.
 *
 * It is an object of C code with a table of places (vm_backtrace.c), laid out otherwise in nearly every
 * version; so where things are in it is learned at load from one whose places are known. */
#ifndef SONDE_RB_BACKTRACE_H
#define SONDE_RB_BACKTRACE_H

#include "compat/compat.h"

/* Learns; where nothing fits, backtraces are empty. May raise. Needs the part FRAMES. Ctx: VM lock, at
 * load, under sonde_rb_protect. */
void sonde_rb_backtrace_learn(void);

/* Whether it was learned. */
bool sonde_rb_backtrace_is_known(void);

/* As if it had not been. */
void sonde_rb_backtrace_forget(void);

struct sonde_rb_backtrace {
    const VALUE *places; /* NULL: there is none, or not of this kind */
    size_t count;
};

/* Lent from the exception. Never raises. */
struct sonde_rb_backtrace sonde_rb_backtrace_of(VALUE exception);

struct sonde_rb_place {
    const struct sonde_rb_iseq *iseq; /* NULL: a C function, or not known */
    unsigned line;
    ID method; /* a C function's name; 0: not known */
};

/* i < count; the innermost is 0. */
struct sonde_rb_place sonde_rb_backtrace_place(const struct sonde_rb_backtrace *backtrace,
                                               size_t i);

#endif
