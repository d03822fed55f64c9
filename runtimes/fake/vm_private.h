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

struct vm_code *vm_code_named(struct vm_module *module, const char *function);

#endif
