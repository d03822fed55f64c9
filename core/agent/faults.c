/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/faults.h"

#include <stdio.h>

void
sonde_faults_init(struct sonde_faults *faults)
{
    memset(faults, 0, sizeof(*faults));
    sonde_lock_init(&faults->lock, SONDE_RANK_FAULTS);
}

static struct sonde_fault *
find_locked(struct sonde_faults *faults, const char *part)
{
    for (size_t i = 0; i < faults->count; i++) {
        struct sonde_fault *fault = &faults->list[i];
        if (strncmp(fault->part, part, sizeof(fault->part) - 1) == 0) {
            return fault;
        }
    }
    return NULL;
}

bool
sonde_faults_add(struct sonde_faults *faults, const char *part, const char *message)
{
    sonde_lock_take(&faults->lock);
    struct sonde_fault *fault = find_locked(faults, part);
    if (fault == NULL && faults->count >= SONDE_FAULTS_MAX - 1) {
        part = "other";
        fault = find_locked(faults, part);
    }
    bool is_new = fault == NULL;
    if (is_new) {
        fault = &faults->list[faults->count++];
        snprintf(fault->part, sizeof(fault->part), "%s", part);
    }
    snprintf(fault->message, sizeof(fault->message), "%s", message);
    fault->count++;
    sonde_lock_drop(&faults->lock);
    atomic_fetch_add(&faults->total, 1);
    return is_new;
}

void
sonde_faults_report(struct sonde_faults *faults, struct sonde_json_writer *out)
{
    sonde_json_array_begin(out);
    sonde_lock_take(&faults->lock);
    for (size_t i = 0; i < faults->count; i++) {
        const struct sonde_fault *fault = &faults->list[i];
        sonde_json_object_begin(out);
        sonde_json_key(out, "part");
        sonde_json_string(out, sonde_str_from(fault->part));
        sonde_json_key(out, "message");
        sonde_json_string(out, sonde_str_from(fault->message));
        sonde_json_key(out, "count");
        sonde_json_uint(out, fault->count);
        sonde_json_object_end(out);
    }
    sonde_lock_drop(&faults->lock);
    sonde_json_array_end(out);
}
