/* SPDX-License-Identifier: Apache-2.0 */
#include "runtimes/fake/symbols.h"

#include <stdio.h>

/* The scope that holds a function of that name ("Cart.add" is in a class), and what is left of it. */
static sonde_scope_id
find_holder(struct sonde_listing *listing, sonde_scope_id file,
            const struct vm_program *program, const char **name)
{
    const char *dot = strchr(*name, '.');
    if (dot == NULL) {
        return file;
    }
    char qualified[256];
    int class_len = (int)(dot - *name);
    snprintf(qualified, sizeof(qualified), "%s:%.*s", program->module, class_len, *name);
    struct sonde_scope class_scope = {
        .kind = SONDE_SCOPE_CLASS,
        .name = {*name, (size_t)class_len},
        .qualified = sonde_str_from(qualified),
    };
    *name = dot + 1;
    return sonde_listing_scope(listing, file, &class_scope);
}

static void
list_function(struct sonde_listing *listing, sonde_scope_id file,
              const struct vm_program *program, const struct vm_function *function)
{
    char qualified[256];
    const char *name = function->name;
    sonde_scope_id holder = find_holder(listing, file, program, &name);
    bool is_method = holder != file;
    snprintf(qualified, sizeof(qualified), "%s%c%s", program->module,
             is_method ? ':' : '.', function->name);
    struct sonde_scope scope = {
        .kind = is_method ? SONDE_SCOPE_METHOD : SONDE_SCOPE_FUNCTION,
        .name = sonde_str_from(name),
        .qualified = sonde_str_from(qualified),
        .first_line = function->lines[0].number,
        .last_line = function->lines[function->line_count - 1].number,
    };
    sonde_scope_id id = sonde_listing_scope(listing, holder, &scope);
    for (uint32_t i = 0; i < VM_MAX_NAMES && function->names[i] != NULL; i++) {
        bool is_argument = i < function->argument_count;
        struct sonde_symbol symbol = {
            .kind = is_argument ? SONDE_SYMBOL_PARAMETER : SONDE_SYMBOL_LOCAL,
            .name = sonde_str_from(function->names[i]),
        };
        sonde_listing_symbol(listing, id, &symbol);
    }
    for (uint32_t i = 0; i < function->line_count; i++) {
        sonde_listing_line(listing, id, function->lines[i].number);
    }
}

static void
list_module(struct sonde_listing *listing, const struct vm_module *module)
{
    const struct vm_program *program = module->program;
    sonde_scope_id file =
        sonde_listing_file(listing, SONDE_SCOPE_MODULE, sonde_str_from(program->file),
                           sonde_str_from(program->module), SONDE_ORIGIN_USER);
    for (uint32_t i = 0; i < VM_MAX_NAMES && program->globals[i] != NULL; i++) {
        struct sonde_symbol symbol = {.kind = SONDE_SYMBOL_CONSTANT,
                                      .name = sonde_str_from(program->globals[i])};
        sonde_listing_symbol(listing, file, &symbol);
    }
    for (uint32_t i = 0; i < program->function_count; i++) {
        if (program->functions[i].native == NULL) {
            list_function(listing, file, program, &program->functions[i]);
        }
    }
}

/* The newest module that is not newer than `id`; a code's id grows with each one loaded. */
static const struct vm_module *
module_up_to(const struct vm *vm, uint64_t id)
{
    const struct vm_module *module = vm->modules;
    while (module != NULL && module->codes[0].id > id) {
        module = module->next;
    }
    return module;
}

/* From the newest to the oldest, or to what was listed before. A program may be loaded or unloaded between two
 * slices: the cursor is a number, and what is new makes another listing. */
int
sonde_fake_list_symbols(void *ctx, struct sonde_listing *listing)
{
    struct sonde_fake *fake = ctx;
    sonde_fake_mind_fork(fake);
    if (sonde_listing_is_first(listing)) {
        fake->listing_until = fake->vm->last_id;
        fake->listing_at = fake->vm->last_id;
    }
    uint64_t since = sonde_listing_is_whole(listing) ? 0 : fake->listed_until;
    for (;;) {
        const struct vm_module *module = module_up_to(fake->vm, fake->listing_at);
        if (module == NULL || module->codes[0].id <= since) {
            fake->listed_until = fake->listing_until;
            return SONDE_OK;
        }
        list_module(listing, module);
        fake->listing_at = module->codes[0].id - 1;
        if (sonde_listing_is_due(listing)) {
            return SONDE_E_LATER;
        }
    }
}

void
sonde_fake_watch_symbols(void *ctx, bool on)
{
    struct sonde_fake *fake = ctx;
    fake->watches_symbols = on;
}

/* The hook tells of all that is loaded while it is on. */
bool
sonde_fake_have_symbols_changed(void *ctx)
{
    struct sonde_fake *fake = ctx;
    return fake->vm->last_id != fake->listed_until;
}
