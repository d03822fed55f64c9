/* SPDX-License-Identifier: Apache-2.0
 *
 * The VM's callbacks, and what hangs behind an armed place: the list of its sites, which the
 * VM hands to the callback, so that nothing is searched when it is executed.
 *
 * Ctx: with the VM lock. */
#ifndef SONDE_RUNTIMES_FAKE_HOOKS_H
#define SONDE_RUNTIMES_FAKE_HOOKS_H

#include "runtimes/fake/entry.h"

/* Arms `position` (lines.h) of `code`. SONDE_OK or SONDE_E_NOMEM. */
int sonde_fake_hooks_add(struct vm_code *code, uint64_t position, struct sonde_site *site,
                         struct sonde_err *err);
void sonde_fake_hooks_remove(struct vm_code *code, uint64_t position,
                             const struct sonde_site *site);

/* Forgets all sites of code that goes away. */
void sonde_fake_hooks_clear(struct vm_code *code);
bool sonde_fake_hooks_are_armed(const struct vm_code *code);

/* The VM's events (struct vm_tool). */
void sonde_fake_hook_line(void *ctx, struct vm_frame *frame, void *hook);
void sonde_fake_hook_entered(void *ctx, struct vm_frame *frame, void *hook);
void sonde_fake_hook_left(void *ctx, struct vm_frame *frame, void *hook,
                          const struct vm_value *result, const struct vm_error *error);
void sonde_fake_hook_suspended(void *ctx, struct vm_frame *frame, void *hook);
void sonde_fake_hook_resumed(void *ctx, struct vm_frame *frame, void *hook);

#endif
