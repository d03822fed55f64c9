/* SPDX-License-Identifier: Apache-2.0
 *
 * The callback of the TracePoints on methods: :call and :return of a method's sequence, :b_call and
 * :b_return of a block that define_method made a method. A TracePoint is told of what lies in its
 * sequence as well, and a sequence may be that of several methods; what counts is a frame of this very
 * sequence that is run as the method of this name.
 *
 * How it ends: at an instruction with :return it returns. Otherwise it is unwound, and compat/unwind.h
 * says by what. A SystemStackError unwinds without telling anybody: the core gives the entry up. */
#ifndef SONDE_RB_CALLS_H
#define SONDE_RB_CALLS_H

#include "compat/compat.h"

/* `data` is the struct sonde_rb_armed. Never raises, allocates no object, calls no Ruby method.
 * Ctx: a TracePoint callback. */
void sonde_rb_on_call(VALUE tracepoint, void *data);

#endif
