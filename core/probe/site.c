/* SPDX-License-Identifier: Apache-2.0 */
#include "core/probe/site.h"

#include "core/base/alloc.h"
#include "core/probe/definition.h"

#include <stdint.h>

#define CACHE_LINE_BYTES 64
#define PROBE_BURST_SECONDS 0.1 /* enough for the coarse clock's grain at any rate */

_Static_assert(offsetof(struct sonde_probe, captured) <= CACHE_LINE_BYTES,
               "what a rejected hit touches lies in one cache line");

void
sonde_probe_reset(struct sonde_probe *probe)
{
    const struct sonde_probe_def *def = probe->def;
    atomic_store_explicit(&probe->hits, 0, memory_order_relaxed);
    atomic_store_explicit(&probe->reserved, 0, memory_order_relaxed);
    atomic_store_explicit(&probe->captured, 0, memory_order_relaxed);
    atomic_store_explicit(&probe->throttled, 0, memory_order_relaxed);
    atomic_store_explicit(&probe->stop, 0, memory_order_relaxed);
    for (int i = 0; i < SONDE_DROP_COUNT; i++) {
        atomic_store_explicit(&probe->drops.count[i], 0, memory_order_relaxed);
    }
    sonde_limiter_init(&probe->rate, def->rate, PROBE_BURST_SECONDS);
    sonde_budget_init(&probe->budget,
                      probe->recorder->cpu_percent * SONDE_PROBE_SHARE_OF_BUDGET);
}

struct sonde_probe *
sonde_probe_new(const struct sonde_probe_def *def, struct sonde_recorder *recorder)
{
    void *block = sonde_calloc(1, sizeof(struct sonde_probe) + CACHE_LINE_BYTES - 1);
    struct sonde_probe_def *copy = block == NULL ? NULL : sonde_probe_def_dup(def);
    if (copy == NULL) {
        sonde_free(block);
        return NULL;
    }
    uintptr_t aligned =
        ((uintptr_t)block + CACHE_LINE_BYTES - 1) & ~(uintptr_t)(CACHE_LINE_BYTES - 1);
    struct sonde_probe *probe = (struct sonde_probe *)aligned;
    probe->block = block;
    probe->def = copy;
    probe->recorder = recorder;
    probe->hit_limit = def->hit_limit;
    atomic_init(&probe->ref_count, 1);
    sonde_probe_reset(probe);
    return probe;
}

/* True for whoever dropped the last reference. Acquire and release: all that others did with
 * the object comes before it is freed. */
static bool
is_last(_Atomic uint32_t *ref_count)
{
    return atomic_fetch_sub_explicit(ref_count, 1, memory_order_acq_rel) == 1;
}

void
sonde_probe_unref(struct sonde_probe *probe)
{
    if (probe != NULL && is_last(&probe->ref_count)) {
        sonde_free(probe->def);
        sonde_free(probe->block);
    }
}

struct sonde_site *
sonde_site_new(struct sonde_probe *probe, const struct sonde_finding_entry *found)
{
    /* The finding's arena bounds both lengths. */
    size_t text_bytes = found->file.len + found->function.len;
    struct sonde_site *site = sonde_calloc(1, sizeof(*site) + text_bytes);
    if (site == NULL) {
        return NULL;
    }
    char *text = (char *)(site + 1);
    site->file = (struct sonde_str){text, found->file.len};
    site->function = (struct sonde_str){text + found->file.len, found->function.len};
    memcpy(text, found->file.ptr, found->file.len);
    memcpy(text + found->file.len, found->function.ptr, found->function.len);
    site->line = found->line;
    site->place = found->place;
    site->at = (uint8_t)probe->def->at;
    site->probe = probe;
    atomic_fetch_add_explicit(&probe->ref_count, 1, memory_order_relaxed);
    atomic_init(&site->ref_count, 1);
    return site;
}

void
sonde_site_ref(struct sonde_site *site)
{
    /* Relaxed: whoever adds one has the site already. */
    atomic_fetch_add_explicit(&site->ref_count, 1, memory_order_relaxed);
}

void
sonde_site_unref(struct sonde_site *site)
{
    if (site != NULL && is_last(&site->ref_count)) {
        sonde_probe_unref(site->probe);
        sonde_free(site);
    }
}

void
sonde_probe_drop(struct sonde_probe *probe, enum sonde_drop drop)
{
    sonde_drops_add(&probe->drops, drop);
    sonde_drops_add(&probe->recorder->drops, drop);
}

bool
sonde_site_has_waiting(const struct sonde_site *site)
{
    return atomic_load_explicit(&site->waiting, memory_order_relaxed) != 0;
}

const struct sonde_probe_def *
sonde_site_def(const struct sonde_site *site)
{
    return site->probe->def;
}
