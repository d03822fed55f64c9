/* SPDX-License-Identifier: Apache-2.0 */
#include "core/probe/finding.h"

#include <stdarg.h>
#include <stdio.h>

#define FINDING_MAX_BYTES ((size_t)4 * 1024 * 1024)

void
sonde_finding_init(struct sonde_finding *finding)
{
    memset(finding, 0, sizeof(*finding));
    sonde_arena_init(&finding->arena, FINDING_MAX_BYTES);
    finding->end = &finding->first;
}

void
sonde_finding_fini(struct sonde_finding *finding)
{
    sonde_arena_fini(&finding->arena);
}

static bool
copy_into(struct sonde_str *out, struct sonde_arena *arena, struct sonde_str text)
{
    const char *copy = sonde_arena_strdup(arena, text);
    *out = (struct sonde_str){copy, text.len};
    return copy != NULL;
}

int
sonde_finding_place(struct sonde_finding *finding, struct sonde_place place,
                    struct sonde_str file, struct sonde_str function, uint32_t line)
{
    if (finding->count >= SONDE_FINDING_MAX_PLACES) {
        finding->failed = SONDE_E_LIMIT;
        return SONDE_E_LIMIT;
    }
    struct sonde_finding_entry *entry =
        sonde_arena_alloc(&finding->arena, sizeof(*entry));
    if (entry == NULL || !copy_into(&entry->file, &finding->arena, file) ||
        !copy_into(&entry->function, &finding->arena, function)) {
        finding->failed = SONDE_E_NOMEM;
        return SONDE_E_NOMEM;
    }
    entry->place = place;
    entry->line = line;
    *finding->end = entry;
    finding->end = &entry->next;
    finding->count++;
    return SONDE_OK;
}

void
sonde_finding_cause(struct sonde_finding *finding, enum sonde_cause cause,
                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(finding->message, sizeof(finding->message), format, args);
    va_end(args);
    if (wanted < 0) {
        finding->message[0] = '\0';
    }
    finding->cause = cause;
}

void
sonde_finding_nearest(struct sonde_finding *finding, uint32_t line)
{
    if (finding->nearest_count < SONDE_FINDING_MAX_NEAREST) {
        finding->nearest[finding->nearest_count++] = line;
    }
}

int
sonde_adapter_check(const struct sonde_adapter *adapter, struct sonde_err *err)
{
    if (adapter->abi != SONDE_ADAPTER_ABI) {
        return sonde_err_set(err, SONDE_E_UNSUPPORTED, "abi", "is %u, wanted %u",
                             adapter->abi, SONDE_ADAPTER_ABI);
    }
    if (adapter->size < sizeof(*adapter)) {
        return sonde_err_set(err, SONDE_E_UNSUPPORTED, "size", "is %u, wanted %zu",
                             adapter->size, sizeof(*adapter));
    }
    const char *missing = adapter->language == NULL             ? "language"
                          : adapter->runtime_version == NULL    ? "runtime_version"
                          : adapter->find == NULL               ? "find"
                          : adapter->arm == NULL                ? "arm"
                          : adapter->disarm == NULL             ? "disarm"
                          : adapter->request_safe_point == NULL ? "request_safe_point"
                                                                : NULL;
    if (missing != NULL) {
        return sonde_err_set(err, SONDE_E_INVAL, missing, "is missing");
    }
    return SONDE_OK;
}
