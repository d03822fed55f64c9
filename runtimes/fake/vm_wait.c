/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that wait in their middle: their frames, by number, until somebody goes on. Their
 * variables outlive the call that set them, so they hold small values only. */
#include "runtimes/fake/vm_private.h"

#include <stdlib.h>

struct vm_waiting {
    struct vm_waiting *next;
    int64_t number;
    struct vm_frame frame;
};

const char vm_closed[] = "Closed", vm_cancelled[] = "Cancelled";

static const struct vm_text no_such_frame = {VM_ASCII, "nothing waits under that number",
                                             31};

/* Runs what is not in the list. It comes back when it waits again. */
static bool
run(struct vm_thread *thread, struct vm_waiting *waiting, bool is_begun,
    const char *thrown, struct vm_value *result)
{
    struct vm *vm = thread->vm;
    enum vm_end end = vm_frame_run(thread, &waiting->frame, is_begun, thrown, result);
    if (end == VM_WAITS) {
        waiting->next = vm->waiting;
        vm->waiting = waiting;
        return true;
    }
    free(waiting);
    if (end == VM_RAISED &&
        (thread->error.type == vm_closed || thread->error.type == vm_cancelled)) {
        thread->error.type = NULL;
        return true;
    }
    return end == VM_RETURNED;
}

bool
vm_begin(struct vm_thread *thread, struct vm_code *code, struct vm_value number,
         struct vm_value *result)
{
    struct vm_waiting *waiting = vm_must_alloc(sizeof(*waiting));
    waiting->number = number.integer;
    waiting->frame.code = code;
    waiting->frame.locals[0] = number;
    return run(thread, waiting, false, NULL, result);
}

bool
vm_go_on(struct vm_thread *thread, struct vm_value number, const char *thrown,
         struct vm_value *result)
{
    struct vm_waiting **link = &thread->vm->waiting;
    while (*link != NULL && (*link)->number != number.integer) {
        link = &(*link)->next;
    }
    struct vm_waiting *waiting = *link;
    if (waiting == NULL) {
        return vm_raise(thread, "KeyError",
                        (struct vm_value){.kind = VM_TEXT, .text = &no_such_frame});
    }
    *link = waiting->next;
    return run(thread, waiting, true, thrown, result);
}

void
vm_waiting_forget(struct vm *vm, const struct vm_program *program)
{
    struct vm_waiting **link = &vm->waiting;
    while (*link != NULL) {
        struct vm_waiting *waiting = *link;
        if (program == NULL || waiting->frame.code->module->program == program) {
            *link = waiting->next;
            free(waiting);
        } else {
            link = &waiting->next;
        }
    }
}
