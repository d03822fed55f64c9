/* SPDX-License-Identifier: Apache-2.0 */
#include "runtimes/fake/hooks.h"

#include "core/base/alloc.h"
#include "runtimes/fake/frames.h"
#include "runtimes/fake/lines.h"

/* One site at a place; the place's hook is the first of them. */
struct arm {
    struct arm *next;
    struct sonde_site *site;
};

static void **
hook_at(struct vm_code *code, uint64_t position)
{
    return position == SONDE_FAKE_FUNCTION ? &code->function_hook
                                           : &code->line_hooks[position];
}

int
sonde_fake_hooks_add(struct vm_code *code, uint64_t position, struct sonde_site *site,
                     struct sonde_err *err)
{
    struct arm *arm = sonde_alloc(sizeof(*arm));
    if (arm == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    void **hook = hook_at(code, position);
    *arm = (struct arm){.next = *hook, .site = site};
    *hook = arm;
    return SONDE_OK;
}

static void
remove_from(void **hook, const struct sonde_site *site)
{
    struct arm *first = *hook;
    for (struct arm **link = &first; *link != NULL; link = &(*link)->next) {
        if ((*link)->site == site) {
            struct arm *arm = *link;
            *link = arm->next;
            sonde_free(arm);
            break;
        }
    }
    *hook = first;
}

void
sonde_fake_hooks_remove(struct vm_code *code, uint64_t position,
                        const struct sonde_site *site)
{
    remove_from(hook_at(code, position), site);
}

void
sonde_fake_hooks_clear(struct vm_code *code)
{
    for (uint32_t i = 0; i <= code->function->line_count; i++) {
        void **hook =
            i == code->function->line_count ? &code->function_hook : &code->line_hooks[i];
        while (*hook != NULL) {
            remove_from(hook, ((struct arm *)*hook)->site);
        }
    }
}

bool
sonde_fake_hooks_are_armed(const struct vm_code *code)
{
    for (uint32_t i = 0; i < code->function->line_count; i++) {
        if (code->line_hooks[i] != NULL) {
            return true;
        }
    }
    return code->function_hook != NULL;
}

bool
sonde_fake_is_pristine(const struct vm *vm)
{
    for (struct vm_module *module = vm->modules; module; module = module->next) {
        for (uint32_t i = 0; i < module->program->function_count; i++) {
            if (sonde_fake_hooks_are_armed(&module->codes[i])) {
                return false;
            }
        }
    }
    return true;
}

/* An activation's number. Addresses come again, but never while the frame is alive. */
static uint64_t
frame_number(const struct vm_frame *frame)
{
    return (uint64_t)(uintptr_t)frame;
}

void
sonde_fake_hook_line(void *ctx, struct vm_frame *frame, void *hook)
{
    sonde_fake_mind_fork(ctx);
    for (const struct arm *arm = hook; arm != NULL; arm = arm->next) {
        struct sonde_hit hit;
        if (sonde_hit_begin_line(&hit, arm->site)) {
            sonde_fake_capture_line(&hit, frame);
            sonde_hit_commit(&hit);
        }
    }
}

void
sonde_fake_hook_entered(void *ctx, struct vm_frame *frame, void *hook)
{
    sonde_fake_mind_fork(ctx);
    for (const struct arm *arm = hook; arm != NULL; arm = arm->next) {
        struct sonde_hit hit;
        if (sonde_hit_begin_entry(&hit, arm->site, frame_number(frame))) {
            sonde_fake_capture_entry(&hit, frame);
            sonde_hit_commit(&hit);
        }
    }
}

void
sonde_fake_hook_left(void *ctx, struct vm_frame *frame, void *hook,
                     const struct vm_value *result, const struct vm_error *error)
{
    sonde_fake_mind_fork(ctx);
    for (const struct arm *arm = hook; arm != NULL; arm = arm->next) {
        struct sonde_hit hit;
        if (sonde_hit_begin_exit(&hit, arm->site, frame_number(frame))) {
            sonde_fake_capture_exit(&hit, frame, result, error);
            sonde_hit_commit(&hit);
        }
    }
}

void
sonde_fake_hook_suspended(void *ctx, struct vm_frame *frame, void *hook)
{
    sonde_fake_mind_fork(ctx);
    for (const struct arm *arm = hook; arm != NULL; arm = arm->next) {
        sonde_hit_suspend(arm->site, frame_number(frame));
    }
}

void
sonde_fake_hook_resumed(void *ctx, struct vm_frame *frame, void *hook)
{
    sonde_fake_mind_fork(ctx);
    for (const struct arm *arm = hook; arm != NULL; arm = arm->next) {
        sonde_hit_resume(arm->site, frame_number(frame));
    }
}
