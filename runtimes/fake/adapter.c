/* SPDX-License-Identifier: Apache-2.0 */
#include "runtimes/fake/adapter.h"

#include "runtimes/fake/code_index.h"
#include "runtimes/fake/hooks.h"
#include "runtimes/fake/lines.h"
#include "runtimes/fake/symbols.h"

#include <unistd.h>

static void
no_file(struct sonde_str wanted, struct sonde_finding *finding)
{
    char path[1024];
    bool is_absolute = wanted.len > 0 && wanted.ptr[0] == '/';
    if (is_absolute && wanted.len < sizeof(path)) {
        memcpy(path, wanted.ptr, wanted.len);
        path[wanted.len] = '\0';
        if (access(path, F_OK) != 0) {
            sonde_finding_cause(finding, SONDE_CAUSE_FILE_NOT_FOUND,
                                "there is no file %s", path);
            return;
        }
    }
    sonde_finding_cause(finding, SONDE_CAUSE_FILE_NOT_LOADED,
                        "no file that is loaded ends with %.*s", (int)wanted.len,
                        wanted.ptr);
}

/* Why no place was found in `file` (NULL: no file matches) and `other` (NULL: no other). */
static void
no_line(const struct sonde_fake_lines *lines, const char *file, const char *other,
        struct sonde_finding *finding)
{
    if (other != NULL) {
        sonde_finding_cause(finding, SONDE_CAUSE_AMBIGUOUS,
                            "line %u runs in none of %s, %s, …", lines->wanted, file,
                            other);
        return;
    }
    sonde_finding_cause(finding, SONDE_CAUSE_LINE_NOT_EXECUTABLE,
                        "line %u of %s holds nothing that runs", lines->wanted, file);
    for (uint32_t i = 0; i < lines->nearest_count; i++) {
        sonde_finding_nearest(finding, lines->nearest[i]);
    }
}

/* In all files that match: where there are several, the core says so. */
static int
find_line(const struct sonde_fake *fake, const struct sonde_location *location,
          struct sonde_finding *finding)
{
    struct sonde_fake_lines lines = {.wanted = location->line};
    const char *file = NULL, *other = NULL;
    for (struct vm_module *module = fake->vm->modules; module; module = module->next) {
        const char *at = module->program->file;
        if (!sonde_fake_file_matches(at, location->file)) {
            continue;
        }
        if (file == NULL) {
            file = at;
        } else if (strcmp(file, at) != 0) {
            other = at;
        }
        int rc = sonde_fake_lines_find(&lines, module, finding);
        if (rc != SONDE_OK) {
            return rc;
        }
    }
    if (file == NULL) {
        no_file(location->file, finding);
    } else if (lines.place_count == 0) {
        no_line(&lines, file, other, finding);
    }
    return SONDE_OK;
}

/* A look for one function: what it has met so far. */
struct lookup {
    struct sonde_str wanted;
    uint32_t place_count;
    const char *native;  /* it is there, but nobody can look into it */
    const char *similar; /* what the person may have meant: the same first half */
};

static int
find_in_module(struct lookup *lookup, struct vm_module *module,
               struct sonde_finding *finding)
{
    for (uint32_t i = 0; i < module->program->function_count; i++) {
        const struct vm_function *function = &module->program->functions[i];
        const char *name = function->name;
        if (strncmp(name, lookup->wanted.ptr, (lookup->wanted.len + 1) / 2) == 0) {
            lookup->similar = name;
        }
        if (!sonde_str_eq(sonde_str_from(name), lookup->wanted)) {
            continue;
        }
        if (function->native != NULL) {
            lookup->native = name;
            continue;
        }
        int rc = sonde_finding_place(
            finding, (struct sonde_place){module->codes[i].id, SONDE_FAKE_FUNCTION},
            sonde_str_from(module->program->file), sonde_str_from(name),
            function->number);
        if (rc != SONDE_OK) {
            return rc;
        }
        lookup->place_count++;
    }
    return SONDE_OK;
}

static void
no_function(const struct lookup *lookup, struct sonde_str module,
            struct sonde_finding *finding)
{
    if (lookup->native != NULL) {
        sonde_finding_cause(finding, SONDE_CAUSE_UNSUPPORTED,
                            "%s is a native function: it has no lines and no locals",
                            lookup->native);
        return;
    }
    bool has_similar = lookup->similar != NULL;
    sonde_finding_cause(
        finding, SONDE_CAUSE_FUNCTION_NOT_FOUND, "%.*s has no function %.*s%s%s",
        (int)module.len, module.ptr, (int)lookup->wanted.len, lookup->wanted.ptr,
        has_similar ? "; did you mean " : "", has_similar ? lookup->similar : "");
}

static int
find_function(const struct sonde_fake *fake, const struct sonde_location *location,
              struct sonde_finding *finding)
{
    struct sonde_str name = location->module;
    struct lookup lookup = {.wanted = location->function};
    bool is_loaded = name.len > 0 ? sonde_fake_module_is_loaded(fake, name)
                                  : sonde_fake_module_split(fake, location->function,
                                                            &name, &lookup.wanted);
    if (!is_loaded) {
        sonde_finding_cause(finding, SONDE_CAUSE_MODULE_NOT_LOADED,
                            "no module of that name is loaded");
        return SONDE_OK;
    }
    for (struct vm_module *module = fake->vm->modules; module; module = module->next) {
        if (!sonde_str_eq(sonde_str_from(module->program->module), name)) {
            continue;
        }
        int rc = find_in_module(&lookup, module, finding);
        if (rc != SONDE_OK) {
            return rc;
        }
    }
    if (lookup.place_count == 0) {
        no_function(&lookup, name, finding);
    }
    return SONDE_OK;
}

static int
find(void *ctx, const struct sonde_probe_def *def, struct sonde_finding *finding)
{
    const struct sonde_location *location = &def->location;
    return location->line > 0 ? find_line(ctx, location, finding)
                              : find_function(ctx, location, finding);
}

static int
arm(void *ctx, struct sonde_place place, struct sonde_site *site, struct sonde_err *err)
{
    struct vm_code *code = sonde_fake_code_get(ctx, place.code);
    if (code == NULL) {
        return sonde_err_set(err, SONDE_E_NOTFOUND, NULL, "its code was unloaded");
    }
    return sonde_fake_hooks_add(code, place.position, site, err);
}

static void
disarm(void *ctx, struct sonde_place place, struct sonde_site *site)
{
    struct vm_code *code = sonde_fake_code_get(ctx, place.code);
    if (code != NULL) {
        sonde_fake_hooks_remove(code, place.position, site);
    }
}

void
sonde_fake_adapter_fill(struct sonde_adapter *adapter, struct sonde_fake *fake)
{
    *adapter = (struct sonde_adapter){
        .size = sizeof(*adapter),
        .abi = SONDE_ADAPTER_ABI,
        .language = "fake",
        .runtime_version = "1.0",
        .ctx = fake,
        .find = find,
        .arm = arm,
        .disarm = disarm,
        .request_safe_point = sonde_fake_request_safe_point,
        .list_symbols = sonde_fake_list_symbols,
        .watch_symbols = sonde_fake_watch_symbols,
        .have_symbols_changed = sonde_fake_have_symbols_changed,
    };
}
