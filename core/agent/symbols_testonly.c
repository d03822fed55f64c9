/* SPDX-License-Identifier: Apache-2.0
 *
 * A listing at once, for tests of a runtime's side. */
#include "core/agent/agent_private.h"

#include "core/base/log.h"
#include "core/symbols/origins.h"
#include "core/symbols/unit.h"

#include <time.h>

#define STUCK_NS (3 * SONDE_NS_PER_S) /* it may wait for one that waits for the lock */
#define SHORT_NS SONDE_NS_PER_MS      /* a slice that waits for another thread */
#define PAUSE_NS SONDE_NS_PER_MS

void (*sonde_agent_testonly_pause)(void);

static void
pause_listing(void)
{
    if (sonde_agent_testonly_pause != NULL) {
        sonde_agent_testonly_pause();
    } else {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
}

struct costs {
    uint32_t slices;
    int64_t longest_ns, cpu_ns;
};

static int
list(struct sonde_agent *agent, struct sonde_listing *listing, struct costs *costs)
{
    const struct sonde_adapter *adapter = &agent->adapter;
    int rc = SONDE_E_LATER;
    int64_t until_ns = sonde_clock_mono_ns() + STUCK_NS;
    while (rc == SONDE_E_LATER && sonde_clock_mono_ns() < until_ns) {
        int64_t cpu_ns = sonde_clock_thread_cpu_ns();
        int64_t began_ns = sonde_clock_mono_ns();
        sonde_listing_begin_slice(listing, began_ns + SONDE_SYMBOLS_SLICE_NS);
        rc = adapter->list_symbols(adapter->ctx, listing);
        int64_t held_ns = sonde_clock_mono_ns() - began_ns;
        costs->cpu_ns += sonde_clock_thread_cpu_ns() - cpu_ns;
        costs->longest_ns = held_ns > costs->longest_ns ? held_ns : costs->longest_ns;
        costs->slices++;
        if (held_ns >= SHORT_NS) {
            until_ns = sonde_clock_mono_ns() + STUCK_NS;
        } else if (rc == SONDE_E_LATER) {
            pause_listing();
        }
    }
    return rc;
}

static void
write_unit(struct sonde_json_writer *out, const struct sonde_listing *listing,
           sonde_scope_id root, uint32_t part, uint32_t parts)
{
    const struct sonde_listed_scope *file = sonde_listing_at(listing, root);
    struct sonde_str path = sonde_listing_text(listing, file->qualified);
    enum sonde_origin origin = (enum sonde_origin)file->origin;
    unsigned char hash[SONDE_SHA1_BYTES];
    char text[SONDE_SHA1_TEXT_BYTES];
    struct sonde_buf scope;
    sonde_buf_init(&scope, 0);
    sonde_unit_write(listing, root, part, &scope);
    if (scope.failed != SONDE_OK ||
        sonde_unit_hash(path, origin, SONDE_STR(""), part, sonde_buf_view(&scope),
                        hash) != SONDE_OK) {
        out->out->failed = SONDE_E_NOMEM;
    } else {
        sonde_sha1_to_text(hash, text);
        sonde_json_object_begin(out);
        sonde_json_key(out, "hash");
        sonde_json_string(out, sonde_str_from(text));
        sonde_json_key(out, "file");
        sonde_json_string(out, path);
        sonde_json_key(out, "origin");
        sonde_json_string(out, sonde_str_from(sonde_origin_text(origin)));
        sonde_json_key(out, "part");
        sonde_json_uint(out, part);
        sonde_json_key(out, "parts");
        sonde_json_uint(out, parts);
        sonde_json_key(out, "scope");
        sonde_json_raw(out, sonde_buf_view(&scope));
        sonde_json_object_end(out);
    }
    sonde_buf_fini(&scope);
}

static void
write_listing(struct sonde_buf *buf, const struct sonde_listing *listing,
              const struct costs *costs)
{
    struct sonde_json_writer out;
    sonde_json_writer_init(&out, buf);
    sonde_json_object_begin(&out);
    sonde_json_key(&out, "units");
    sonde_json_array_begin(&out);
    for (uint32_t root = listing->roots.first; root != 0;
         root = sonde_listing_at(listing, root)->next) {
        uint32_t parts = 1;
        if (sonde_unit_count_parts(listing, root, &parts) != SONDE_OK) {
            buf->failed = SONDE_E_NOMEM;
        }
        for (uint32_t part = 0; part < parts && buf->failed == SONDE_OK; part++) {
            write_unit(&out, listing, root, part, parts);
        }
    }
    sonde_json_array_end(&out);
    sonde_json_key(&out, "slices");
    sonde_json_uint(&out, costs->slices);
    sonde_json_key(&out, "longest_hold_us");
    sonde_json_int(&out, costs->longest_ns / SONDE_NS_PER_US);
    sonde_json_key(&out, "cpu_us");
    sonde_json_int(&out, costs->cpu_ns / SONDE_NS_PER_US);
    sonde_json_key(&out, "dropped");
    sonde_json_uint(&out, listing->dropped_count);
    sonde_json_object_end(&out);
}

size_t
sonde_agent_testonly_symbols(struct sonde_agent *agent, bool is_whole, char *out,
                             size_t size)
{
    struct sonde_listing *listing = NULL;
    struct costs costs = {0};
    struct sonde_buf buf;
    sonde_buf_init(&buf, 0);
    if (agent != NULL && !atomic_load(&agent->is_stopped) &&
        sonde_symbols_are_listed_by(&agent->adapter)) {
        sonde_agent_after_fork_child(agent);
        /* A listing of changes is never made without them; stop removes them. */
        if (!agent->symbols.is_watching) {
            agent->adapter.watch_symbols(agent->adapter.ctx, true);
            agent->symbols.is_watching = true;
        }
        int rc = sonde_listing_new(&listing, is_whole, true);
        rc = rc == SONDE_OK ? list(agent, listing, &costs) : rc;
        if (rc == SONDE_OK) {
            write_listing(&buf, listing, &costs);
        } else {
            sonde_log(SONDE_LOG_WARNING, "a listing failed: %s", sonde_code_text(rc));
        }
    }
    sonde_listing_free(listing);
    size_t len = buf.failed == SONDE_OK ? buf.len : 0;
    if (size > 0) {
        size_t kept = len < size ? len : size - 1;
        if (kept > 0) {
            memcpy(out, buf.data, kept);
        }
        out[kept] = '\0';
    }
    sonde_buf_fini(&buf);
    return len;
}
