/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/hub/hub.h"

#include "collector/query/renderer.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/lock.h"
#include "core/base/log.h"

#include <stdatomic.h>

#define QUEUE_MAX 1024
#define QUEUE_MAX_BYTES ((size_t)8 * 1024 * 1024)
#define LISTENERS_MAX 256
#define COMMENT_NS (15 * SONDE_NS_PER_S)
#define LOOK_NS SONDE_NS_PER_S

/* A row and all its strings in one block, shared by the queues that hold it. */
struct item {
    atomic_uint refs;
    size_t bytes;
    struct sonde_row row;
};

/* One place in a queue: a snapshot, or where some are missing. */
struct entry {
    struct item *item; /* NULL: `lost_count` snapshots found no room here */
    uint64_t lost_count;
};

struct listener {
    struct sonde_hub *hub;
    struct listener *next, *prev;
    struct sonde_exchange *x;
    struct sonde_str probe_id, service; /* in x's arena */

    /* Guarded by hub->lock. */
    struct entry queue[QUEUE_MAX];
    size_t first, count, bytes;
    uint64_t lost_count; /* since the last entry */
    bool is_paused;
    bool wants_comment;
    int64_t comment_at_ns;

    /* The reader's. */
    struct sonde_renderer renderer;
    struct sonde_buf out; /* the event under way */
    size_t out_at;
};

struct sonde_hub {
    struct sonde_lock lock;
    struct listener *listeners; /* guarded by lock, like all below */
    _Atomic size_t count;       /* read without the lock, to leave early */
    bool is_closed;
};

/* --- Items -------------------------------------------------------------------------- */

static struct item *
new_item(const struct sonde_row *row)
{
    struct sonde_row copy = *row;
    struct sonde_str *parts[] = {&copy.id,       &copy.probe_id, &copy.service,
                                 &copy.trace_id, &copy.span_id,  &copy.resource,
                                 &copy.packed};
    size_t bytes = sizeof(struct item);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        bytes += parts[i]->len;
    }
    struct item *item = sonde_alloc(bytes);
    if (item == NULL) {
        return NULL;
    }
    char *at = (char *)(item + 1);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i]->len > 0) {
            memcpy(at, parts[i]->ptr, parts[i]->len);
        }
        parts[i]->ptr = at;
        at += parts[i]->len;
    }
    atomic_init(&item->refs, 1);
    item->bytes = bytes;
    item->row = copy;
    return item;
}

static void
unref(struct item *item)
{
    if (item != NULL && atomic_fetch_sub(&item->refs, 1) == 1) {
        sonde_free(item);
    }
}

/* --- Queues. All with hub->lock. ---------------------------------------------------- */

static void
add(struct listener *listener, struct entry entry)
{
    listener->queue[(listener->first + listener->count) % QUEUE_MAX] = entry;
    listener->count++;
    listener->bytes += entry.item == NULL ? 0 : entry.item->bytes;
}

static void
wake(struct listener *listener)
{
    if (listener->is_paused) {
        listener->is_paused = false;
        sonde_exchange_unpause(listener->x);
    }
}

static void
offer(struct listener *listener, struct item *item)
{
    if (item == NULL || listener->count + 2 > QUEUE_MAX ||
        item->bytes > QUEUE_MAX_BYTES - listener->bytes) {
        listener->lost_count++;
    } else {
        if (listener->lost_count > 0) { /* the gap keeps its place in the order */
            add(listener, (struct entry){NULL, listener->lost_count});
            listener->lost_count = 0;
        }
        atomic_fetch_add(&item->refs, 1);
        add(listener, (struct entry){item, 0});
    }
    wake(listener);
}

/* The next entry; false when there is none. */
static bool
take(struct listener *listener, struct entry *out)
{
    if (listener->count > 0) {
        *out = listener->queue[listener->first];
        listener->first = (listener->first + 1) % QUEUE_MAX;
        listener->count--;
        listener->bytes -= out->item == NULL ? 0 : out->item->bytes;
        return true;
    }
    *out = (struct entry){NULL, listener->lost_count};
    listener->lost_count = 0;
    return out->lost_count > 0;
}

static bool
wants(struct sonde_str filter, struct sonde_str value)
{
    return filter.len == 0 || sonde_str_eq(filter, value);
}

void
sonde_hub_push(struct sonde_hub *hub, const struct sonde_row *row)
{
    struct item *item = NULL;
    if (atomic_load(&hub->count) == 0) {
        return;
    }
    sonde_lock_take(&hub->lock);
    for (struct listener *at = hub->listeners; at != NULL; at = at->next) {
        if (wants(at->probe_id, row->probe_id) && wants(at->service, row->service)) {
            item = item == NULL ? new_item(row) : item;
            offer(at, item);
        }
    }
    sonde_lock_drop(&hub->lock);
    unref(item);
}

/* --- Reading ------------------------------------------------------------------------ */

static void
write_event(struct listener *listener, const struct entry *entry)
{
    struct sonde_buf *out = &listener->out;
    struct sonde_err err = SONDE_ERR_INIT;
    if (entry->item == NULL) {
        sonde_buf_printf(out, "event: lagged\ndata: {\"count\":%llu}\n\n",
                         (unsigned long long)entry->lost_count);
        return;
    }
    struct sonde_json_writer json;
    sonde_buf_str(out, SONDE_STR("event: snapshot\ndata: "));
    sonde_json_writer_init(&json, out);
    if (sonde_renderer_write(&listener->renderer, &json, &entry->item->row, &err) !=
            SONDE_OK ||
        out->failed != SONDE_OK) {
        sonde_buf_reset(out);
        sonde_buf_str(out, SONDE_STR("event: lagged\ndata: {\"count\":1}\n\n"));
        sonde_log(SONDE_LOG_WARNING, "tail: %s", err.message);
        return;
    }
    sonde_buf_str(out, SONDE_STR("\n\n"));
}

/* Puts the next event into listener->out. 1: there is one; 0: paused; -1: the end. */
static int
next_event(struct listener *listener)
{
    struct entry entry = {NULL, 0};
    int64_t now_ns = sonde_clock_mono_ns();
    sonde_lock_take(&listener->hub->lock);
    int found = take(listener, &entry);
    bool is_comment = !found && listener->wants_comment;
    if (!found && !is_comment) {
        found = listener->hub->is_closed ? -1 : 0;
        if (found == 0) {
            listener->is_paused = true;
            sonde_exchange_pause(listener->x);
        }
        sonde_lock_drop(&listener->hub->lock);
        return found;
    }
    listener->wants_comment = false;
    listener->comment_at_ns = now_ns + COMMENT_NS;
    sonde_lock_drop(&listener->hub->lock);
    sonde_buf_reset(&listener->out);
    listener->out_at = 0;
    if (is_comment) {
        sonde_buf_str(&listener->out, SONDE_STR(":\n\n"));
    } else {
        write_event(listener, &entry);
        unref(entry.item);
    }
    return listener->out.failed == SONDE_OK ? 1 : -1;
}

static int64_t
read_events(void *arg, char *out, size_t size)
{
    struct listener *listener = arg;
    if (listener->out_at == listener->out.len) {
        int found = next_event(listener);
        if (found <= 0) {
            return found;
        }
    }
    size_t len = listener->out.len - listener->out_at;
    len = len < size ? len : size;
    memcpy(out, listener->out.data + listener->out_at, len);
    listener->out_at += len;
    return (int64_t)len;
}

/* --- Listeners ---------------------------------------------------------------------- */

static void
leave(void *arg)
{
    struct listener *listener = arg;
    struct sonde_hub *hub = listener->hub;
    struct entry entry;
    sonde_lock_take(&hub->lock);
    if (listener->prev != NULL) {
        listener->prev->next = listener->next;
    } else {
        hub->listeners = listener->next;
    }
    if (listener->next != NULL) {
        listener->next->prev = listener->prev;
    }
    atomic_fetch_sub(&hub->count, 1);
    while (take(listener, &entry)) {
        unref(entry.item);
    }
    sonde_lock_drop(&hub->lock);
    sonde_renderer_fini(&listener->renderer);
    sonde_buf_fini(&listener->out);
    sonde_free(listener);
}

void
sonde_hub_tail(struct sonde_hub *hub, struct sonde_exchange *x, struct sonde_str probe_id,
               struct sonde_str service)
{
    struct listener *listener = sonde_calloc(1, sizeof(*listener));
    if (listener == NULL || atomic_load(&hub->count) >= LISTENERS_MAX) {
        sonde_free(listener);
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL,
                            "too many listen already");
        return;
    }
    listener->hub = hub;
    listener->x = x;
    listener->probe_id = probe_id;
    listener->service = service;
    listener->wants_comment = true; /* tells the reader at once that it is connected */
    sonde_renderer_init(&listener->renderer);
    sonde_buf_init(&listener->out, 0);
    sonde_lock_take(&hub->lock);
    listener->next = hub->listeners;
    if (listener->next != NULL) {
        listener->next->prev = listener;
    }
    hub->listeners = listener;
    atomic_fetch_add(&hub->count, 1);
    sonde_lock_drop(&hub->lock);
    sonde_exchange_stream(x, &(struct sonde_stream){read_events, leave, listener});
}

/* --- Life --------------------------------------------------------------------------- */

int
sonde_hub_new(struct sonde_hub **out)
{
    struct sonde_hub *hub = sonde_calloc(1, sizeof(*hub));
    if (hub == NULL) {
        return SONDE_E_NOMEM;
    }
    sonde_lock_init(&hub->lock, SONDE_RANK_HUB);
    *out = hub;
    return SONDE_OK;
}

void
sonde_hub_free(struct sonde_hub *hub)
{
    if (hub != NULL) {
        sonde_lock_fini(&hub->lock);
        sonde_free(hub);
    }
}

void
sonde_hub_close(struct sonde_hub *hub)
{
    sonde_lock_take(&hub->lock);
    hub->is_closed = true;
    for (struct listener *at = hub->listeners; at != NULL; at = at->next) {
        wake(at);
    }
    sonde_lock_drop(&hub->lock);
}

int64_t
sonde_hub_tick(struct sonde_hub *hub)
{
    int64_t now_ns = sonde_clock_mono_ns();
    sonde_lock_take(&hub->lock);
    for (struct listener *at = hub->listeners; at != NULL; at = at->next) {
        if (at->comment_at_ns <= now_ns) {
            at->wants_comment = true;
            wake(at);
        }
    }
    sonde_lock_drop(&hub->lock);
    return now_ns + LOOK_NS;
}
