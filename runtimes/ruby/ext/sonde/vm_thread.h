/* SPDX-License-Identifier: Apache-2.0
 *
 * Brings safe points. Two roads, whichever comes first: a Ruby thread of ours, "sonde-vm", which
 * sleeps without the VM lock, and the thread that runs when the VM's timer next looks whether others
 * wait for the lock (100 ms at most; docs/decisions/0009-ruby-safe-points.md).
 *
 * It must be stopped before the VM goes. */
#ifndef SONDE_RB_VM_THREAD_H
#define SONDE_RB_VM_THREAD_H

#include <sonde/err.h>
#include <stdbool.h>
#include <stdint.h>

/* SONDE_E_VM. Never raises. Ctx: VM lock. */
int sonde_rb_vm_thread_start(struct sonde_err *err);

/* Waits until it is done; gives up the VM lock meanwhile. Ctx: VM lock. */
void sonde_rb_vm_thread_stop(void);

/* The adapter's request_safe_point(). Never waits. Any thread, native ones too. */
void sonde_rb_vm_thread_ask(void *ctx);

/* Asks when the monotonic clock shows that much, if nobody asks before. A later call replaces an earlier
 * one. Ctx: VM lock. */
void sonde_rb_vm_thread_ask_at(int64_t due_ns);

/* Whether somebody asked for a safe point that has not begun yet. */
bool sonde_rb_vm_thread_is_asked(void);

/* Takes note that a safe point is about to be made: true when somebody asked for one since. */
bool sonde_rb_vm_thread_take_ask(void);

/* Around a fork, in the parent: no safe point comes meanwhile. They nest; what is asked for in
 * between is not lost. Ctx: VM lock. */
void sonde_rb_vm_thread_before_fork(void);
void sonde_rb_vm_thread_after_fork_parent(void);

/* In a forked child, where there is no such thread any more: another one is made, at the calling
 * thread's next check for interrupts. Does nothing where there is one. Allocates nothing and raises
 * nothing: hooks may call it. Ctx: VM lock. */
void sonde_rb_vm_thread_after_fork(void);

#endif
