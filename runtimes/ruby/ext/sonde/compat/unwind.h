/* SPDX-License-Identifier: Apache-2.0
 *
 * What a frame is being unwound by, while :return or :b_return tells that it ends.
 *
 * The VM has the exception, or what stands for a `break`, a `throw`, a `return` out of a block or the end
 * of a thread, in a C variable of vm_exec_handle_exception() (vm.c) while it calls the hooks of the
 * frame. No function tells it, and ec->errinfo has it only where C code jumped, not where an `ensure`
 * went on with it. But the variable lies on the machine's stack; where, counted from the tag that guards
 * the hook (ec->tag), is a matter of how the library was compiled, and the same for each call. It is found once
 * at load: frames of our own are left in known ways, and where the right word stands each time is the
 * place. Then they are left once more, and what is read there must be right.
 *
 * RUBY_EVENT_RAISE would tell the exception too. But it is an event for all code, which costs
 * everywhere, and an `ensure` that raises and rescues something else would make it lie. */
#ifndef SONDE_RB_UNWIND_H
#define SONDE_RB_UNWIND_H

#include "compat/compat.h"

/* Looks for it. False: it was not found, or is not what it should be in a further case. Needs the part
 * FRAMES. May raise. Ctx: VM lock, under sonde_rb_protect. */
bool sonde_rb_unwind_find(void);

enum sonde_rb_unwinding {
    SONDE_RB_UNWINDING_UNKNOWN, /* nothing that is known */
    SONDE_RB_UNWINDING_ERROR,   /* `value` is an exception */
    SONDE_RB_UNWINDING_VALUE,   /* the frame's caller gets `value` */
    SONDE_RB_UNWINDING_JUMP,    /* a throw, break or return that goes past the caller */
    SONDE_RB_UNWINDING_KILL,    /* the thread was killed */
};

/* What this frame is left by. Where the part UNWINDING is off: UNKNOWN. Nothing is
 * followed that was not looked at first. Ctx: in the callback of a TracePoint for :return or :b_return
 * of this very frame, when it is not returning (sonde_rb_frame_tells). */
enum sonde_rb_unwinding sonde_rb_unwinding_of(const struct sonde_rb_ec *ec,
                                              const struct sonde_rb_frame *frame,
                                              VALUE *value);

/* Whether a frame is being left by a `return` out of a block: *jump is the VM's object for it, the same in each frame
 * that it leaves, and *until the frame that it is to end; for that one itself, where it is a block that C code
 * or the VM called, the caller. Ctx: the same, or of :b_return of a block. */
bool sonde_rb_unwinding_is_return(const struct sonde_rb_ec *ec, VALUE *jump,
                                  const struct sonde_rb_frame **until);

#endif
