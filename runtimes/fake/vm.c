/* SPDX-License-Identifier: Apache-2.0
 *
 * The VM's life, what it has loaded, and the ways into it. */
#include "runtimes/fake/vm_private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct vm *
vm_new(void)
{
    struct vm *vm = vm_must_alloc(sizeof(*vm));
    vm->lock = vm_lock_new();
    return vm;
}

static void
module_free(struct vm *vm, struct vm_module *module)
{
    for (uint32_t i = 0; i < module->program->function_count; i++) {
        if (vm->tool != NULL) {
            vm->tool->unloading(vm->tool->ctx, &module->codes[i]);
        }
        free(module->codes[i].line_hooks);
    }
    free(module);
}

void
vm_free(struct vm *vm)
{
    if (vm == NULL) {
        return;
    }
    vm_waiting_forget(vm, NULL);
    while (vm->modules != NULL) {
        struct vm_module *module = vm->modules;
        vm->modules = module->next;
        module_free(vm, module);
    }
    vm_lock_free(vm->lock);
    free(vm);
}

void
vm_enter(struct vm *vm)
{
    vm_lock_take(vm->lock);
}

void
vm_leave(struct vm *vm)
{
    vm_lock_drop(vm->lock);
}

void
vm_set_tool(struct vm *vm, const struct vm_tool *tool)
{
    vm->tool = tool;
}

static struct vm_module *
module_new(struct vm *vm, const struct vm_program *program)
{
    struct vm_module *module = vm_must_alloc(
        sizeof(*module) + program->function_count * sizeof(module->codes[0]));
    module->program = program;
    for (uint32_t i = 0; i < program->function_count; i++) {
        const struct vm_function *function = &program->functions[i];
        module->codes[i] = (struct vm_code){
            .id = ++vm->last_id,
            .function = function,
            .module = module,
            .line_hooks =
                vm_must_alloc((function->line_count + (size_t)1) * sizeof(void *)),
        };
    }
    return module;
}

/* An outermost call: what it makes dies with it. */
static bool
run_outermost(struct vm *vm, struct vm_code *code, int64_t argument, int64_t *out)
{
    struct vm_thread thread = {.vm = vm};
    struct vm_value arguments[] = {vm_int(argument)};
    struct vm_value result = VM_NOTHING;
    bool runs_through = vm_run(&thread, code, arguments, &result);
    vm_garbage_free(thread.garbage);
    *out = result.kind == VM_INT ? result.integer : 0;
    return runs_through && (result.kind == VM_INT || result.kind == VM_NIL);
}

bool
vm_load(struct vm *vm, const struct vm_program *program)
{
    struct vm_module *module = module_new(vm, program);
    module->next = vm->modules;
    vm->modules = module;
    if (vm->tool != NULL) {
        vm->tool->loaded(vm->tool->ctx, module);
    }
    int64_t nothing;
    return run_outermost(vm, &module->codes[0], 0, &nothing);
}

static bool
is_active(const struct vm_module *module)
{
    for (uint32_t i = 0; i < module->program->function_count; i++) {
        if (module->codes[i].active_count > 0) {
            return true;
        }
    }
    return false;
}

bool
vm_unload(struct vm *vm, const struct vm_program *program)
{
    for (struct vm_module *module = vm->modules; module != NULL; module = module->next) {
        if (module->program == program && is_active(module)) {
            return false;
        }
    }
    vm_waiting_forget(vm, program);
    struct vm_module **link = &vm->modules;
    while (*link != NULL) {
        struct vm_module *module = *link;
        if (module->program == program) {
            *link = module->next;
            module_free(vm, module);
        } else {
            link = &module->next;
        }
    }
    return true;
}

struct vm_code *
vm_code_named(struct vm_module *module, const char *function)
{
    for (uint32_t i = 0; i < module->program->function_count; i++) {
        if (strcmp(module->program->functions[i].name, function) == 0) {
            return &module->codes[i];
        }
    }
    return NULL;
}

bool
vm_call(struct vm *vm, const char *module_name, const char *function, int64_t argument,
        int64_t *result)
{
    vm_enter(vm);
    struct vm_module *module = vm->modules;
    while (module != NULL && strcmp(module->program->module, module_name) != 0) {
        module = module->next;
    }
    struct vm_code *code = module == NULL ? NULL : vm_code_named(module, function);
    bool runs_through = code != NULL && run_outermost(vm, code, argument, result);
    vm_leave(vm);
    return runs_through;
}

pid_t
vm_fork(struct vm *vm, bool tells)
{
    const struct vm_tool *told = tells ? vm->tool : NULL;
    if (told != NULL) {
        told->forking(told->ctx);
    }
    pid_t pid = fork();
    if (pid == 0) {
        vm_lock_renew(vm->lock);
    }
    if (told != NULL && pid == 0) {
        told->forked_child(told->ctx);
    } else if (told != NULL) {
        told->forked_parent(told->ctx);
    }
    return pid;
}
