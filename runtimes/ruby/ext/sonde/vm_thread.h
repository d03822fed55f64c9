/* SPDX-License-Identifier: Apache-2.0
 *
 * Brings safe points. Two roads, whichever comes first: a postponed job of the VM (it runs at the
 * next interrupt check of the thread that holds the lock, within microseconds while anything
 * runs Ruby) and a Ruby thread of ours, "sonde-vm" (it sleeps without the lock, and is there when
 * every other thread sits in a system call).
 *
 * It must be stopped before the VM goes. */
#ifndef SONDE_RB_VM_THREAD_H
#define SONDE_RB_VM_THREAD_H

#include <sonde/err.h>
#include <stdbool.h>

/* Ctx: VM lock. */
int sonde_rb_vm_thread_start(struct sonde_err *err);

/* Waits until it is gone; gives up the VM lock meanwhile. Ctx: VM lock. */
void sonde_rb_vm_thread_stop(void);

/* The adapter's request_safe_point(). Never waits. Any thread, native ones too. */
void sonde_rb_vm_thread_ask(void *ctx);

/* Around a fork, in the parent: the thread rests. They nest; what is asked for in between is
 * not lost. Ctx: VM lock. */
void sonde_rb_vm_thread_before_fork(void);
void sonde_rb_vm_thread_after_fork_parent(void);

/* In a forked child, where there is no such thread any more: starts another. Does nothing
 * where there is one. Ctx: VM lock. */
void sonde_rb_vm_thread_after_fork(void);

#endif
