/* SPDX-License-Identifier: Apache-2.0
 *
 * What the VM's own files share and nobody else includes. */
#ifndef SONDE_RUNTIMES_FAKE_VM_PRIVATE_H
#define SONDE_RUNTIMES_FAKE_VM_PRIVATE_H

#include "runtimes/fake/vm.h"

/* Zeroed, never NULL. Own: free(). */
void *vm_must_alloc(size_t bytes);

void vm_garbage_free(struct vm_garbage *newest);

struct vm_lock *vm_lock_new(void);
void vm_lock_free(struct vm_lock *lock);
void vm_lock_take(struct vm_lock *lock);
void vm_lock_drop(struct vm_lock *lock);
bool vm_lock_is_wanted(const struct vm_lock *lock);

/* In a forked child: the only thread left holds it, and nobody waits. */
void vm_lock_renew(struct vm_lock *lock);

/* Runs `code` with the arguments of its function. False: see thread->error. */
bool vm_run(struct vm_thread *thread, struct vm_code *code,
            const struct vm_value *arguments, struct vm_value *result);

/* How a frame came to its present end. */
enum vm_end { VM_RETURNED, VM_RAISED, VM_WAITS };

/* Runs a frame on the thread from where it is, to its end or to where it waits. What is begun is gone on
 * with; `thrown` (NULL: nothing) is the type of an error that is raised there first. */
enum vm_end vm_frame_run(struct vm_thread *thread, struct vm_frame *frame, bool is_begun,
                         const char *thrown, struct vm_value *result);

/* The operations VM_BEGIN and VM_GO_ON. False: see thread->error. */
bool vm_begin(struct vm_thread *thread, struct vm_code *code, struct vm_value number,
              struct vm_value *result);
bool vm_go_on(struct vm_thread *thread, struct vm_value number, const char *thrown,
              struct vm_value *result);

/* Forgets what waits of a program (NULL: of any); the tool is not told. */
void vm_waiting_forget(struct vm *vm, const struct vm_program *program);

struct vm_code *vm_code_named(struct vm_module *module, const char *function);

#endif
