/* SPDX-License-Identifier: Apache-2.0 */
#include "runtimes/fake/code_index.h"

#include "runtimes/fake/hooks.h"

void
sonde_fake_code_loaded(void *ctx, struct vm_module *module)
{
    struct sonde_fake *fake = ctx;
    struct sonde_str file = sonde_str_from(module->program->file);
    sonde_fake_mind_fork(fake);
    /* The VM has not run any of it yet: what waits for it is armed before its first line. */
    if (sonde_agent_wants_code(fake->agent, file)) {
        sonde_agent_code_ready(fake->agent, file);
    }
    if (fake->watches_symbols) {
        sonde_agent_symbols_changed(fake->agent);
    }
}

void
sonde_fake_code_unloading(void *ctx, struct vm_code *code)
{
    struct sonde_fake *fake = ctx;
    sonde_fake_mind_fork(fake);
    if (sonde_fake_hooks_are_armed(code)) {
        sonde_agent_code_vanished(fake->agent, code->id);
        sonde_fake_hooks_clear(code);
    }
}

struct vm_code *
sonde_fake_code_get(const struct sonde_fake *fake, uint64_t id)
{
    for (struct vm_module *module = fake->vm->modules; module; module = module->next) {
        for (uint32_t i = 0; i < module->program->function_count; i++) {
            if (module->codes[i].id == id) {
                return &module->codes[i];
            }
        }
    }
    return NULL;
}

bool
sonde_fake_file_matches(const char *file, struct sonde_str wanted)
{
    struct sonde_str whole = sonde_str_from(file);
    if (!sonde_str_ends_with(whole, wanted)) {
        return false;
    }
    size_t before = whole.len - wanted.len;
    return before == 0 || whole.ptr[before - 1] == '/';
}

bool
sonde_fake_module_is_loaded(const struct sonde_fake *fake, struct sonde_str module)
{
    for (struct vm_module *at = fake->vm->modules; at != NULL; at = at->next) {
        if (sonde_str_eq(sonde_str_from(at->program->module), module)) {
            return true;
        }
    }
    return false;
}

bool
sonde_fake_module_split(const struct sonde_fake *fake, struct sonde_str text,
                        struct sonde_str *module, struct sonde_str *function)
{
    for (size_t dot = text.len; dot-- > 0;) {
        struct sonde_str before = {text.ptr, dot};
        if (text.ptr[dot] == '.' && sonde_fake_module_is_loaded(fake, before)) {
            *module = before;
            *function = (struct sonde_str){text.ptr + dot + 1, text.len - dot - 1};
            return true;
        }
    }
    return false;
}
