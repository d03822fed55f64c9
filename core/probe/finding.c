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

/* Whether the same file stands earlier in the finding. */
static bool
is_listed(const struct sonde_finding *finding, const struct sonde_finding_entry *entry)
{
    const struct sonde_finding_entry *other = finding->first;
    while (other != entry && !sonde_str_eq(other->file, entry->file)) {
        other = other->next;
    }
    return other != entry;
}

#define MORE_BYTES 24 /* of ", and N more" */

uint32_t
sonde_finding_files(const struct sonde_finding *finding, const struct sonde_str *except,
                    char *out, size_t size)
{
    uint32_t count = 0, listed = 0;
    size_t len = 0;
    out[0] = '\0';
    for (const struct sonde_finding_entry *entry = finding->first; entry != NULL;
         entry = entry->next) {
        if ((except != NULL && sonde_str_eq(entry->file, *except)) ||
            is_listed(finding, entry)) {
            continue;
        }
        int wanted = snprintf(out + len, size - len, "%s%.*s", listed > 0 ? ", " : "",
                              (int)entry->file.len, entry->file.ptr);
        count++;
        if (wanted > 0 && (size_t)wanted + MORE_BYTES < size - len) {
            len += (size_t)wanted;
            listed++;
        } else {
            out[len] = '\0'; /* a name goes on the list whole or not at all */
        }
    }
    if (listed < count) {
        snprintf(out + len, size - len, "%s%u more", listed > 0 ? ", and " : "",
                 count - listed);
    }
    return count;
}
