/* SPDX-License-Identifier: Apache-2.0
 *
 * The native thread that brings safe points: it sleeps without the VM lock, takes it when
 * somebody asked, calls sonde_agent_safe_point and gives it back. While it sleeps it has no
 * thread state, so that the interpreter does not know of it.
 *
 * It must be stopped before the interpreter is finalised. */
#ifndef SONDE_PY_VM_THREAD_H
#define SONDE_PY_VM_THREAD_H

#include <sonde/err.h>
#include <stdbool.h>

int sonde_py_vm_thread_start(struct sonde_err *err);

/* Has the thread run `job` under the VM lock and waits for it, giving up the lock meanwhile.
 * What runs Python code of ours runs there: on no thread of the application, so that no
 * signal handler of its can raise into it. Ctx: VM lock; one caller at a time. */
void sonde_py_vm_thread_call(void (*job)(void));

/* Waits until it is gone; gives up the VM lock meanwhile. Ctx: VM lock. */
void sonde_py_vm_thread_stop(void);

/* The adapter's request_safe_point(). Any thread. */
void sonde_py_vm_thread_ask(void *ctx);

/* Some probe waits for code: from now on what appears late is looked at. Any thread. */
void sonde_py_vm_thread_watch_late(void);

/* Files are to be read for the lines of classes (class_lines.h). Any thread. */
void sonde_py_vm_thread_read(void);

/* Around a fork, in the parent: as stop, and start again. They nest. What is asked for in between
 * is not lost. Ctx: VM lock. */
void sonde_py_vm_thread_before_fork(void);
void sonde_py_vm_thread_after_fork_parent(void);

/* In a forked child, where there is no such thread any more: starts another. Does nothing
 * where there is one. Ctx: VM lock. */
void sonde_py_vm_thread_after_fork(void);

#endif
