/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks what compat/ knows against the live VM, once, before anything relies on it. */
#ifndef SONDE_RB_COMPAT_VERIFY_H
#define SONDE_RB_COMPAT_VERIFY_H

#include "compat/compat.h"

/* Returns 1 << part for each part that holds; those in `forced` are said not to. Runs a few lines of
 * Ruby of our own and compares what the private layout says with what the public API says. Never
 * raises, never leaves an error set. Ctx: VM lock. */
unsigned sonde_rb_verify(unsigned forced);

/* Whether this VM's JIT would lose all its code by the first TracePoint, and nobody said that it may
 * (SONDE_RUBY_YJIT=1). Then FRAMES and LOCALS are not looked at, and are off. Never raises.
 * Ctx: VM lock. */
bool sonde_rb_is_tracing_barred(void);

#endif
