/* SPDX-License-Identifier: Apache-2.0
 *
 * The one way by which the extension calls what may raise. */
#ifndef SONDE_RB_PROTECT_H
#define SONDE_RB_PROTECT_H

#include "compat/compat.h"

/* Calls body(arg); 0, and what it returned in *result (which may be NULL). Anything that would
 * unwind (an exception, throw, exit) stops here: then a number other than 0, *result is
 * untouched, and no error of ours stays behind: $! is what it was before. What others send to this
 * thread (Thread#raise, Thread#kill, signals) is held back meanwhile, so that nothing of theirs is
 * swallowed (compat/hold.h).
 *
 * No memory of malloc may be held inside `body` across a call that may unwind: allocate before, or
 * keep it where the caller frees it.
 * Ctx: VM lock; never in a hook. */
int sonde_rb_protect(VALUE (*body)(VALUE), VALUE arg, VALUE *result);

/* The message of the error that the last sonde_rb_protect() swallowed on this thread, for a
 * sonde_err: at most `size` bytes, terminated; "" when it was no exception. Read from the object
 * without asking it. */
void sonde_rb_protect_reason(char *out, size_t size);

/* --- For tests ---------------------------------------------------------------------------- */

/* From now on the `nth` call of sonde_rb_protect (1: the next) raises instead of calling its body;
 * 0: none does. `goes_on`: every one from there on. */
void sonde_rb_protect_testonly_fail(unsigned long nth, bool goes_on);

/* How many calls there were since the last sonde_rb_protect_testonly_fail. */
unsigned long sonde_rb_protect_testonly_count(void);

#endif
