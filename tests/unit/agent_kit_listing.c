/* SPDX-License-Identifier: Apache-2.0
 *
 * The VM's side of symbols. */
#include "tests/unit/agent_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void
work(unsigned us)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t until_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec + us * 1000;
    while (us > 0 && now.tv_sec * INT64_C(1000000000) + now.tv_nsec < until_ns) {
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
}

static void
list_file(struct kit_vm *vm, struct sonde_listing *listing, const struct kit_file *file)
{
    sonde_scope_id root =
        sonde_listing_file(listing, SONDE_SCOPE_FILE, sonde_str_from(file->path),
                           sonde_str_from(file->path), file->origin);
    struct sonde_scope order = {
        .kind = SONDE_SCOPE_CLASS, .name = SONDE_STR("Order"), .first_line = 1};
    sonde_scope_id class_id = sonde_listing_scope(listing, root, &order);
    for (unsigned i = 0; i < file->methods; i++) {
        char name[64];
        snprintf(name, sizeof(name), "v%u_m%u", file->version, i);
        struct sonde_scope method = {.kind = SONDE_SCOPE_METHOD,
                                     .name = sonde_str_from(name),
                                     .qualified = sonde_str_from(name),
                                     .first_line = 2 + i};
        sonde_scope_id id = sonde_listing_scope(listing, class_id, &method);
        struct sonde_symbol symbol = {.kind = SONDE_SYMBOL_PARAMETER,
                                      .name = SONDE_STR("n")};
        sonde_listing_symbol(listing, id, &symbol);
        sonde_listing_line(listing, id, 2 + i);
        if (file->methods > 1000) {
            /* Nested ones: dealt out by the top-level scopes. */
            sonde_listing_scope(listing, root, &method);
        }
    }
    work(vm->work_us);
}

static int
vm_list(void *ctx, struct sonde_listing *listing)
{
    struct kit_vm *vm = ctx;
    vm->slice_count++;
    if (sonde_listing_is_first(listing)) {
        vm->file_at = 0;
        vm->listing_count++;
        vm->whole_count += sonde_listing_is_whole(listing);
    }
    if (vm->list_failure != SONDE_OK) {
        return vm->list_failure;
    }
    for (; vm->file_at < vm->file_count; vm->file_at++) {
        struct kit_file *file = &vm->files[vm->file_at];
        if (sonde_listing_is_due(listing)) {
            return SONDE_E_LATER;
        }
        if (sonde_listing_is_whole(listing) || file->is_dirty) {
            file->is_dirty = false;
            vm->listed_files++;
            list_file(vm, listing, file);
        }
    }
    return SONDE_OK;
}

static void
vm_watch(void *ctx, bool on)
{
    struct kit_vm *vm = ctx;
    vm->is_watching = on;
}

static bool
vm_have_changed(void *ctx)
{
    struct kit_vm *vm = ctx;
    bool have_changed = vm->has_quiet_files;
    vm->look_count++;
    vm->has_quiet_files = false;
    return have_changed;
}

void
kit_vm_list_symbols(struct kit_vm *vm)
{
    vm->files = calloc(KIT_VM_FILES, sizeof(*vm->files));
    vm->adapter.list_symbols = vm_list;
    vm->adapter.watch_symbols = vm_watch;
    vm->adapter.have_symbols_changed = vm_have_changed;
}

void
kit_vm_load_symbols(struct kit_vm *vm, const char *path, unsigned version,
                    unsigned methods, bool tells)
{
    pthread_mutex_lock(&vm->lock);
    unsigned i = 0;
    while (i < vm->file_count && strcmp(vm->files[i].path, path) != 0) {
        i++;
    }
    if (i < KIT_VM_FILES) {
        struct kit_file *file = &vm->files[i];
        snprintf(file->path, sizeof(file->path), "%s", path);
        bool is_generated = path[0] != '/';
        file->origin = is_generated                    ? SONDE_ORIGIN_GENERATED
                       : strncmp(path, "/lib", 4) == 0 ? SONDE_ORIGIN_LIBRARY
                                                       : SONDE_ORIGIN_USER;
        file->version = version;
        file->methods = methods;
        file->is_dirty = true;
        vm->file_count += i == vm->file_count;
    }
    if (!tells) {
        vm->has_quiet_files = true;
    } else if (vm->agent != NULL && vm->is_watching) {
        sonde_agent_symbols_changed(vm->agent);
    }
    pthread_mutex_unlock(&vm->lock);
}
