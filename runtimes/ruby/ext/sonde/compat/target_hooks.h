/* SPDX-License-Identifier: Apache-2.0
 *
 * The hooks that targeted TracePoints have left in the sequences they target, of CRuby 2.7 and 3.0.
 *
 * vm_trace.c: rb_hook_list_remove_tracepoint marks the hooks of a TracePoint that is disabled as
 * deleted, and asks of all others which events are still told; up to 3.0 those that are deleted count.
 * They are freed only when the list is run through the next time or nothing is left in it. So a line
 * that had two TracePoints, never ran and has none any more would go on being traced, and whoever puts
 * TracePoints on and off would keep all of them. Since 3.1 nothing of this is needed, and nothing is
 * done.
 *
 * Ctx of all: VM lock. */
#ifndef SONDE_RB_TARGET_HOOKS_H
#define SONDE_RB_TARGET_HOOKS_H

#include "compat/compat.h"

/* For who checks the facts, called in the callback of the one TracePoint that targets a line of this
 * sequence. `is_readable`: whether there are so many bytes, as of words. */
void sonde_rb_target_verify(const struct sonde_rb_iseq *iseq, VALUE tracepoint,
                            bool (*is_readable)(const void *from, size_t size));

#define SONDE_RB_TARGET_HOOKS_PART "target_hooks" /* its name in `sonde ps` */

/* Whether that held, or is not needed. False: nothing is ever taken out. */
bool sonde_rb_target_is_known(void);

/* Whether a TracePoint, no matter whose, targets this sequence or one within. True as well where that
 * is not known. May raise. */
bool sonde_rb_target_is_taken(VALUE wrapper);

/* Takes what is deleted out of this sequence and those within. Where they are just run through, it is
 * left to the VM, but counts no more. May raise. */
void sonde_rb_target_clean(VALUE wrapper);

#endif
