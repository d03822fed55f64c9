/* SPDX-License-Identifier: Apache-2.0
 *
 * What code is loaded. This VM can list its modules, so the index is the VM's own list; a VM
 * that can not needs a table here, kept from the two events.
 *
 * Ctx: with the VM lock. */
#ifndef SONDE_RUNTIMES_FAKE_CODE_INDEX_H
#define SONDE_RUNTIMES_FAKE_CODE_INDEX_H

#include "runtimes/fake/entry.h"

/* The VM's events (struct vm_tool). */
void sonde_fake_code_loaded(void *ctx, struct vm_module *module);
void sonde_fake_code_unloading(void *ctx, struct vm_code *code);

/* The code of that id, or NULL. */
struct vm_code *sonde_fake_code_get(const struct sonde_fake *fake, uint64_t id);

/* Whether `wanted`, an absolute path or a suffix of one at a directory boundary, names
 * `file`. */
bool sonde_fake_file_matches(const char *file, struct sonde_str wanted);

/* Splits "module.function" by the longest module that is loaded. False: none is. */
bool sonde_fake_module_split(const struct sonde_fake *fake, struct sonde_str text,
                             struct sonde_str *module, struct sonde_str *function);

/* Whether any loaded program bears that module name. */
bool sonde_fake_module_is_loaded(const struct sonde_fake *fake, struct sonde_str module);

#endif
