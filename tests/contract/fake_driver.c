/* SPDX-License-Identifier: Apache-2.0
 *
 * The suite over the fake runtime. */
#include "core/base/alloc.h"
#include "runtimes/fake/entry.h"
#include "tests/contract/contract.h"
#include "tests/contract/native_thread.h"
#include "tests/contract/programs/fake_program.h"

#include <stdio.h>

static struct vm *vm;
static struct sonde_fake *fake;

static const struct {
    const char *name;
    const struct vm_program *program;
} programs[] = {{"shop", &fake_shop}, {"north", &fake_north}, {"south", &fake_south}};

static const struct vm_program *
program_named(const char *name)
{
    size_t i = 0;
    while (i < COUNT(programs) && strcmp(programs[i].name, name) != 0) {
        i++;
    }
    return i < COUNT(programs) ? programs[i].program : NULL;
}

static bool
open_vm(void)
{
    vm = vm_new();
    return true;
}

static void
close_vm(void)
{
    vm_free(vm);
}

static struct sonde_agent *
start(const struct sonde_config *config, struct sonde_err *err)
{
    vm_enter(vm);
    int rc = sonde_fake_start(&fake, vm, config, err);
    vm_leave(vm);
    return rc == SONDE_OK ? fake->agent : NULL;
}

static void
stop(void)
{
    vm_enter(vm);
    sonde_fake_stop(fake);
    fake = NULL;
    vm_leave(vm);
}

static void
with_lock(void (*job)(void *arg), void *arg)
{
    vm_enter(vm);
    job(arg);
    vm_leave(vm);
}

static bool
load(const char *program)
{
    vm_enter(vm);
    bool is_loaded = vm_load(vm, program_named(program));
    vm_leave(vm);
    return is_loaded;
}

static bool
unload(const char *program)
{
    vm_enter(vm);
    bool is_unloaded = vm_unload(vm, program_named(program));
    vm_leave(vm);
    return is_unloaded;
}

static const char *
source(const char *program)
{
    return program_named(program)->file;
}

static const char *
location(const char *program, const char *function)
{
    static char text[256];
    const struct vm_program *known = program_named(program);
    bool is_method = strchr(function, '.') != NULL;
    snprintf(text, sizeof(text), "%s%c%s", known == NULL ? program : known->module,
             is_method ? ':' : '.', function);
    return text;
}

static const char *
frame_name(const char *function)
{
    return function;
}

static bool
call(const char *program, const char *function, int64_t argument, int64_t *result)
{
    return vm_call(vm, program_named(program)->module, function, argument, result);
}

static bool
is_pristine(void)
{
    vm_enter(vm);
    bool answer = sonde_fake_is_pristine(vm);
    vm_leave(vm);
    return answer;
}

static pid_t
fork_vm(bool tells)
{
    vm_enter(vm);
    pid_t pid = vm_fork(vm, tells);
    vm_leave(vm);
    return pid;
}

const struct contract_driver contract_driver = {
    .name = "fake",
    .types =
        {
            [CONTRACT_NIL] = "nil",
            [CONTRACT_TRUE] = "bool",
            [CONTRACT_FALSE] = "bool",
            [CONTRACT_INT] = "int",
            [CONTRACT_FLOAT] = "float",
            [CONTRACT_TEXT] = "text",
            [CONTRACT_BYTES] = "bytes",
            [CONTRACT_LIST] = "list",
            [CONTRACT_MAP] = "map",
            [CONTRACT_ITEM] = "Item",
            [CONTRACT_SEALED] = "Sealed",
            [CONTRACT_TRIPWIRE] = "Tripwire",
            [CONTRACT_ERROR] = "ValueError",
        },
    .field_prefix = "",
    .probes_functions = true,
    .arms_running_frames = true,
    .tells_suspension = true,
    .lists_symbols = true,
    .open = open_vm,
    .close = close_vm,
    .thread_start = native_thread_start,
    .thread_join = native_thread_join,
    .start = start,
    .stop = stop,
    .with_lock = with_lock,
    .load = load,
    .unload = unload,
    .source = source,
    .location = location,
    .frame_name = frame_name,
    .place_name = frame_name,
    .call = call,
    .is_pristine = is_pristine,
    .fork = fork_vm,
};
