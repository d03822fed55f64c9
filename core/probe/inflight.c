/* SPDX-License-Identifier: Apache-2.0 */
#include "core/probe/inflight.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/lock.h"
#include "core/probe/site.h"

#define BUCKET_BITS 10
#define RUNS INT64_MIN

struct sonde_inflight {
    struct sonde_lock lock;
    struct sonde_inflight_entry *oldest, *newest;
    uint32_t count;
    size_t bytes;
    /* Written under the lock. Read without and relaxed to see whether one is empty: a frame
     * that ends finds what its own entry put, because one came before the other in the
     * program; whatever others put there does not concern it. */
    struct sonde_inflight_entry *_Atomic buckets[1 << BUCKET_BITS];
};

static struct sonde_inflight_entry *_Atomic *
bucket_of(struct sonde_inflight *table, const struct sonde_site *site, uint64_t frame)
{
    uint64_t mixed = (frame ^ (uint64_t)(uintptr_t)site) * UINT64_C(0x9E3779B97F4A7C15);
    return &table->buckets[mixed >> (64 - BUCKET_BITS)];
}

static struct sonde_inflight_entry *
head_of(struct sonde_inflight_entry *_Atomic *bucket)
{
    return atomic_load_explicit(bucket, memory_order_relaxed);
}

static size_t
entry_bytes(size_t record_len)
{
    return sizeof(struct sonde_inflight_entry) + record_len;
}

static void
count_waiting(struct sonde_site *site, bool is_more)
{
    if (is_more) {
        atomic_fetch_add_explicit(&site->waiting, 1, memory_order_relaxed);
    } else {
        atomic_fetch_sub_explicit(&site->waiting, 1, memory_order_relaxed);
    }
}

static void
link_entry(struct sonde_inflight *table, struct sonde_inflight_entry *entry)
{
    struct sonde_inflight_entry *_Atomic *bucket =
        bucket_of(table, entry->site, entry->frame);
    entry->next = head_of(bucket);
    atomic_store_explicit(bucket, entry, memory_order_relaxed);
    entry->older = table->newest;
    entry->newer = NULL;
    *(table->newest == NULL ? &table->oldest : &table->newest->newer) = entry;
    table->newest = entry;
    table->count++;
    table->bytes += entry_bytes(entry->len);
    count_waiting(entry->site, true);
}

static void
unlink_entry(struct sonde_inflight *table, struct sonde_inflight_entry *entry)
{
    struct sonde_inflight_entry *_Atomic *bucket =
        bucket_of(table, entry->site, entry->frame);
    struct sonde_inflight_entry *before = head_of(bucket);
    if (before == entry) {
        atomic_store_explicit(bucket, entry->next, memory_order_relaxed);
    } else {
        while (before->next != entry) {
            before = before->next;
        }
        before->next = entry->next;
    }
    *(entry->older == NULL ? &table->oldest : &entry->older->newer) = entry->newer;
    *(entry->newer == NULL ? &table->newest : &entry->newer->older) = entry->older;
    table->count--;
    table->bytes -= entry_bytes(entry->len);
    count_waiting(entry->site, false);
}

static struct sonde_inflight_entry *
find_entry(struct sonde_inflight *table, const struct sonde_site *site, uint64_t frame)
{
    struct sonde_inflight_entry *entry = head_of(bucket_of(table, site, frame));
    while (entry != NULL && (entry->site != site || entry->frame != frame)) {
        entry = entry->next;
    }
    return entry;
}

/* Counted here, under the lock: the site may be freed as soon as it is dropped. */
static void
lose(struct sonde_inflight *table, struct sonde_inflight_entry *entry)
{
    unlink_entry(table, entry);
    sonde_probe_drop(entry->site->probe, SONDE_DROP_ENTRY_LOST);
    sonde_free(entry);
}

struct sonde_inflight *
sonde_inflight_new(void)
{
    struct sonde_inflight *table = sonde_calloc(1, sizeof(*table));
    if (table != NULL) {
        sonde_lock_init(&table->lock, SONDE_RANK_INFLIGHT);
    }
    return table;
}

void
sonde_inflight_free(struct sonde_inflight *table)
{
    if (table == NULL) {
        return;
    }
    while (table->oldest != NULL) {
        struct sonde_inflight_entry *entry = table->oldest;
        unlink_entry(table, entry);
        sonde_free(entry);
    }
    sonde_lock_fini(&table->lock);
    sonde_free(table);
}

int
sonde_inflight_put(struct sonde_inflight *table, struct sonde_site *site, uint64_t frame,
                   int64_t entered_ns, struct sonde_str record)
{
    if (record.len > SONDE_INFLIGHT_MAX_BYTES - entry_bytes(0)) {
        return SONDE_E_NOMEM;
    }
    struct sonde_inflight_entry *entry = sonde_alloc(entry_bytes(record.len));
    if (entry == NULL) {
        return SONDE_E_NOMEM;
    }
    entry->site = site;
    entry->frame = frame;
    entry->entered_ns = entered_ns;
    entry->suspended_ns = -1;
    entry->suspended_since_ns = RUNS;
    entry->len = record.len;
    memcpy(entry->record, record.ptr, record.len);

    sonde_lock_take(&table->lock);
    bool is_kept = !site->is_gone;
    if (is_kept) {
        struct sonde_inflight_entry *stale = find_entry(table, site, frame);
        if (stale != NULL) {
            lose(table, stale);
        }
        while (table->count >= SONDE_INFLIGHT_MAX_COUNT ||
               entry_bytes(record.len) > SONDE_INFLIGHT_MAX_BYTES - table->bytes) {
            lose(table, table->oldest);
        }
        link_entry(table, entry);
    }
    sonde_lock_drop(&table->lock);
    if (!is_kept) {
        sonde_free(entry);
        return SONDE_E_CLOSED;
    }
    return SONDE_OK;
}

bool
sonde_inflight_may_have(struct sonde_inflight *table, const struct sonde_site *site,
                        uint64_t frame)
{
    return head_of(bucket_of(table, site, frame)) != NULL;
}

int64_t
sonde_inflight_suspended_ns(const struct sonde_inflight_entry *entry, int64_t ended_ns)
{
    if (entry->suspended_since_ns == RUNS) {
        return entry->suspended_ns;
    }
    int64_t before_ns = entry->suspended_ns > 0 ? entry->suspended_ns : 0;
    return before_ns + (ended_ns - entry->suspended_since_ns);
}

/* The clock is read under the lock: whatever threads call, an entry's times are in order. */
void
sonde_inflight_suspend(struct sonde_inflight *table, const struct sonde_site *site,
                       uint64_t frame)
{
    sonde_lock_take(&table->lock);
    struct sonde_inflight_entry *entry = find_entry(table, site, frame);
    if (entry != NULL && entry->suspended_since_ns == RUNS) {
        entry->suspended_since_ns = sonde_clock_mono_ns();
    }
    sonde_lock_drop(&table->lock);
}

void
sonde_inflight_resume(struct sonde_inflight *table, const struct sonde_site *site,
                      uint64_t frame)
{
    sonde_lock_take(&table->lock);
    struct sonde_inflight_entry *entry = find_entry(table, site, frame);
    if (entry != NULL && entry->suspended_since_ns != RUNS) {
        entry->suspended_ns = sonde_inflight_suspended_ns(entry, sonde_clock_mono_ns());
        entry->suspended_since_ns = RUNS;
    }
    sonde_lock_drop(&table->lock);
}

struct sonde_inflight_entry *
sonde_inflight_take(struct sonde_inflight *table, const struct sonde_site *site,
                    uint64_t frame)
{
    if (!sonde_inflight_may_have(table, site, frame)) {
        return NULL;
    }
    sonde_lock_take(&table->lock);
    struct sonde_inflight_entry *entry = find_entry(table, site, frame);
    if (entry != NULL) {
        unlink_entry(table, entry);
    }
    sonde_lock_drop(&table->lock);
    return entry;
}

void
sonde_inflight_begin(struct sonde_inflight *table, struct sonde_site *site,
                     uint64_t frame)
{
    struct sonde_inflight_entry *stale = sonde_inflight_take(table, site, frame);
    if (stale != NULL) {
        sonde_probe_drop(site->probe, SONDE_DROP_ENTRY_LOST);
        sonde_free(stale);
    }
}

uint32_t
sonde_inflight_drop_site(struct sonde_inflight *table, struct sonde_site *site)
{
    uint32_t dropped = 0;
    sonde_lock_take(&table->lock);
    site->is_gone = true;
    struct sonde_inflight_entry *entry = table->oldest;
    while (entry != NULL && sonde_site_has_waiting(site)) {
        struct sonde_inflight_entry *newer = entry->newer;
        if (entry->site == site) {
            unlink_entry(table, entry);
            sonde_free(entry);
            dropped++;
        }
        entry = newer;
    }
    sonde_lock_drop(&table->lock);
    return dropped;
}

void
sonde_inflight_size(struct sonde_inflight *table, uint32_t *count, size_t *bytes)
{
    sonde_lock_take(&table->lock);
    *count = table->count;
    *bytes = table->bytes;
    sonde_lock_drop(&table->lock);
}

void
sonde_inflight_after_fork(struct sonde_inflight *table)
{
    sonde_lock_init(&table->lock, SONDE_RANK_INFLIGHT);
    table->oldest = NULL;
    table->newest = NULL;
    table->count = 0;
    table->bytes = 0;
    for (size_t i = 0; i < sizeof(table->buckets) / sizeof(table->buckets[0]); i++) {
        atomic_store_explicit(&table->buckets[i], NULL, memory_order_relaxed);
    }
}
