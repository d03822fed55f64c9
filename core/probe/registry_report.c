/* SPDX-License-Identifier: Apache-2.0
 *
 * What other threads may ask the registry, the VM lock held or not. */
#include "core/probe/registry_report.h"

#include <stdio.h>

int
sonde_registry_compare_ids(struct sonde_str a, struct sonde_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

bool
sonde_probe_state_is_waiting(const struct sonde_probe_state *state)
{
    switch (state->status) {
    case SONDE_STATUS_RECEIVED:
    case SONDE_STATUS_PENDING:
        return true;
    case SONDE_STATUS_ERROR:
        return state->cause == SONDE_CAUSE_FILE_NOT_FOUND ||
               state->cause == SONDE_CAUSE_FUNCTION_NOT_FOUND ||
               state->cause == SONDE_CAUSE_LINE_NOT_EXECUTABLE ||
               state->cause == SONDE_CAUSE_AMBIGUOUS ||
               state->cause == SONDE_CAUSE_OTHER_VERSION;
    default:
        return false;
    }
}

bool
sonde_probe_state_has_ended(const struct sonde_probe_state *state)
{
    return state->status == SONDE_STATUS_ERROR && !sonde_probe_state_is_waiting(state);
}

static uint64_t
load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

uint64_t
sonde_registry_events(const struct sonde_probe *probe)
{
    uint64_t sum = load(&probe->hits) + load(&probe->captured) + load(&probe->throttled);
    for (int i = 0; i < SONDE_DROP_COUNT; i++) {
        sum += sonde_drops_get(&probe->drops, (enum sonde_drop)i);
    }
    return sum;
}

/* Every addend only grows, so two different reports never have the same sum. */
uint64_t
sonde_registry_version(struct sonde_registry *registry)
{
    sonde_lock_take(&registry->lock);
    uint64_t version = registry->changes + registry->retired_count;
    for (size_t i = 0; i < registry->count; i++) {
        version += sonde_registry_events(registry->probes[i]);
    }
    sonde_lock_drop(&registry->lock);
    return version;
}

bool
sonde_registry_is_waiting(struct sonde_registry *registry)
{
    return atomic_load_explicit(&registry->waiting_count, memory_order_relaxed) > 0;
}

uint32_t
sonde_registry_armed_count(struct sonde_registry *registry)
{
    return atomic_load_explicit(&registry->armed_count, memory_order_relaxed);
}

int64_t
sonde_registry_next_expiry_ns(struct sonde_registry *registry)
{
    int64_t next_ns = INT64_MAX;
    sonde_lock_take(&registry->lock);
    for (size_t i = 0; i < registry->count; i++) {
        const struct sonde_probe *probe = registry->probes[i];
        int64_t at_ns = probe->def->expires_at_ns;
        if (at_ns != 0 && at_ns < next_ns &&
            !sonde_probe_state_has_ended(&probe->state)) {
            next_ns = at_ns;
        }
    }
    sonde_lock_drop(&registry->lock);
    return next_ns;
}

void
sonde_registry_dropped(struct sonde_registry *registry, struct sonde_str probe_id,
                       enum sonde_drop drop)
{
    sonde_lock_take(&registry->lock);
    size_t low = 0, high = registry->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct sonde_probe *probe = registry->probes[middle];
        int order = sonde_registry_compare_ids(probe->def->id, probe_id);
        if (order == 0) {
            sonde_drops_add(&probe->drops, drop);
            break;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    sonde_lock_drop(&registry->lock);
}

/* --- The report --------------------------------------------------------------------------- */

void
sonde_drops_write(struct sonde_json_writer *out, const struct sonde_drops *drops)
{
    sonde_json_object_begin(out);
    for (int i = 0; i < SONDE_DROP_COUNT; i++) {
        uint64_t count = sonde_drops_get(drops, (enum sonde_drop)i);
        if (count > 0) {
            sonde_json_key(out, sonde_drop_text((enum sonde_drop)i));
            sonde_json_uint(out, count);
        }
    }
    sonde_json_object_end(out);
}

static void
write_text(struct sonde_json_writer *out, const char *key, const char *value)
{
    sonde_json_key(out, key);
    sonde_json_string(out, sonde_str_from(value));
}

static void
write_count(struct sonde_json_writer *out, const char *key, uint64_t value)
{
    sonde_json_key(out, key);
    sonde_json_uint(out, value);
}

/* The process's own limits hold a probe back without ending it; that must not look like a
 * probe which nobody hits. */
static void
write_message(struct sonde_json_writer *out, const struct sonde_probe *probe)
{
    const char *message = probe->state.message;
    uint64_t throttled = load(&probe->throttled);
    char text[128];
    if (message[0] == '\0' && throttled > 0) {
        snprintf(text, sizeof(text),
                 "%llu hits were refused by the limits of the whole process (rate, CPU)",
                 (unsigned long long)throttled);
        message = text;
    }
    write_text(out, "message", message);
}

static void
write_probe(struct sonde_json_writer *out, const struct sonde_probe *probe)
{
    const struct sonde_probe_state *state = &probe->state;
    uint64_t captured = load(&probe->captured);
    enum sonde_status status = state->status;
    if (status == SONDE_STATUS_INSTALLED && captured > 0) {
        status = SONDE_STATUS_EMITTING;
    }
    sonde_json_object_begin(out);
    sonde_json_key(out, "probe_id");
    sonde_json_string(out, probe->def->id);
    write_count(out, "revision", probe->def->revision);
    write_text(out, "status", sonde_status_text(status));
    write_text(out, "cause", sonde_cause_text(state->cause));
    write_message(out, probe);
    sonde_json_key(out, "nearest_lines");
    sonde_json_array_begin(out);
    for (uint32_t i = 0; i < state->nearest_count; i++) {
        sonde_json_uint(out, state->nearest[i]);
    }
    sonde_json_array_end(out);
    if (probe->def->clamped.len > 0) {
        sonde_json_key(out, "clamped");
        sonde_json_string(out, probe->def->clamped);
    }
    write_count(out, "hits", load(&probe->hits));
    write_count(out, "captured", captured);
    sonde_json_key(out, "dropped");
    sonde_drops_write(out, &probe->drops);
    write_count(out, "places", state->place_count);
    sonde_json_object_end(out);
}

void
sonde_registry_report(struct sonde_registry *registry, struct sonde_json_writer *out)
{
    sonde_json_array_begin(out);
    sonde_lock_take(&registry->lock);
    for (size_t i = 0; i < registry->count; i++) {
        write_probe(out, registry->probes[i]);
    }
    sonde_lock_drop(&registry->lock);
    sonde_json_array_end(out);
}
