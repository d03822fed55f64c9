/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/agent_private.h"

#include "core/agent/thread.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#define DISARM_TRIES 3
#define TESTONLY_TICKS 500
/* Of the VM lock at a time. A pause may take 5 ms; the rest is for one piece of work more, and for a
 * step of the collector that comes with what is allocated. */
#define SLICE_NS (3 * SONDE_NS_PER_MS)
#define SYMBOLS_UNTIL_NS (3500 * SONDE_NS_PER_US) /* from a safe point's beginning */

/* --- Between the thread and the safe point ------------------------------------------------ */

void
sonde_agent_ask_safe_point(struct sonde_agent *agent)
{
    if (!atomic_load(&agent->is_stopped)) {
        agent->adapter.request_safe_point(agent->adapter.ctx);
    }
}

/* The recorder's way to ask. */
static void
ask_from_hook(void *agent)
{
    sonde_agent_ask_safe_point(agent);
}

void
sonde_agent_wake(struct sonde_agent *agent)
{
    sonde_lock_take(&agent->mailbox);
    if (agent->http != NULL) {
        sonde_http_wake(agent->http);
    }
    sonde_lock_drop(&agent->mailbox);
}

/* Puts `delivery` in and returns what was there. */
static struct sonde_delivery *
swap_pending(struct sonde_agent *agent, struct sonde_delivery *delivery)
{
    sonde_lock_take(&agent->mailbox);
    struct sonde_delivery *before = agent->pending;
    agent->pending = delivery;
    sonde_lock_drop(&agent->mailbox);
    return before;
}

void
sonde_agent_deliver(struct sonde_agent *agent, struct sonde_delivery *delivery)
{
    /* Each list is the whole of it, so one that nobody took yet is out of date. */
    sonde_delivery_free(swap_pending(agent, delivery));
    sonde_agent_ask_safe_point(agent);
}

bool
sonde_agent_has_delivery(struct sonde_agent *agent)
{
    sonde_lock_take(&agent->mailbox);
    bool has_one = agent->pending != NULL;
    sonde_lock_drop(&agent->mailbox);
    return has_one;
}

/* --- Under the VM lock -------------------------------------------------------------------- */

void
sonde_agent_disarm(struct sonde_agent *agent)
{
    atomic_store(&agent->recorder.is_open, false);
    /* Even an empty list takes a few bytes, and there may be no later. */
    int rc = SONDE_E_NOMEM;
    sonde_registry_set_slice(agent->registry, 0);
    for (int i = 0; i < DISARM_TRIES && rc != SONDE_OK; i++) {
        rc = sonde_registry_apply(agent->registry, NULL, 0);
    }
    if (rc != SONDE_OK) {
        atomic_store(&agent->has_failed, true); /* the next safe point goes on trying */
    }
}

/* Makes the delivery the probes; takes it on success. */
static int
apply(struct sonde_agent *agent, struct sonde_delivery *delivery)
{
    int rc = sonde_registry_apply(agent->registry, delivery->defs, delivery->count);
    if (rc != SONDE_OK) {
        sonde_agent_fault(agent, "probes", "definitions not taken: %s",
                          sonde_code_text(rc));
        return rc;
    }
    /* It is kept only for what could not be read. */
    struct sonde_delivery *kept = delivery->refused_count > 0 ? delivery : NULL;
    sonde_lock_take(&agent->mailbox);
    struct sonde_delivery *before = agent->refused;
    agent->refused = kept;
    sonde_lock_drop(&agent->mailbox);
    sonde_delivery_free(before);
    if (kept == NULL) {
        sonde_delivery_free(delivery);
    }
    return SONDE_OK;
}

static void
apply_pending(struct sonde_agent *agent)
{
    struct sonde_delivery *delivery = swap_pending(agent, NULL);
    if (delivery == NULL || apply(agent, delivery) == SONDE_OK) {
        return;
    }
    /* The former probes stand. The thread asks for another safe point as long as something
     * lies in the mailbox; what may have come meanwhile is newer. */
    sonde_lock_take(&agent->mailbox);
    if (agent->pending == NULL) {
        agent->pending = delivery;
        delivery = NULL;
    }
    sonde_lock_drop(&agent->mailbox);
    sonde_delivery_free(delivery);
}

/* What the collector should hear of at once. */
static void
tell_news(struct sonde_agent *agent)
{
    atomic_store(&agent->has_news, true);
    sonde_agent_wake(agent);
}

static bool
is_usable(const struct sonde_agent *agent)
{
    return agent != NULL && !atomic_load(&agent->is_stopped);
}

void
sonde_agent_safe_point(struct sonde_agent *agent)
{
    if (!is_usable(agent)) {
        return;
    }
    int64_t began_ns = sonde_clock_mono_ns();
    sonde_agent_after_fork_child(agent);
    uint64_t before = sonde_registry_version(agent->registry);
    bool had_delivery = sonde_agent_has_delivery(agent);
    sonde_registry_begin_slice(agent->registry);
    if (atomic_load(&agent->has_failed)) {
        sonde_delivery_free(swap_pending(agent, NULL));
        sonde_agent_disarm(agent);
    } else {
        apply_pending(agent);
    }
    if (agent->looks_again || atomic_exchange(&agent->sources.has_news, false)) {
        agent->looks_again = false;
        sonde_registry_look_later(agent->registry);
    }
    sonde_registry_tick(agent->registry);
    if (sonde_registry_has_left(agent->registry)) {
        sonde_agent_ask_safe_point(agent);
    }
    if (had_delivery || sonde_registry_version(agent->registry) != before) {
        tell_news(agent);
    }
    /* Probes come first; this takes what they left. */
    sonde_symbols_safe_point(agent, began_ns + SYMBOLS_UNTIL_NS);
}

bool
sonde_agent_wants_code(struct sonde_agent *agent, struct sonde_str file)
{
    if (!is_usable(agent)) {
        return false;
    }
    if (atomic_load_explicit(&agent->is_stale, memory_order_relaxed)) {
        sonde_fork_renew(agent); /* its locks; a thread is not needed for this */
    }
    bool wants = sonde_registry_wants(agent->registry, file);
    if (wants) {
        sonde_sources_loaded(agent, file);
    }
    agent->looked_before = agent->looks_again;
    agent->looks_again = agent->looks_again || wants;
    return wants;
}

void
sonde_agent_code_ready(struct sonde_agent *agent, struct sonde_str file)
{
    if (!is_usable(agent)) {
        return;
    }
    sonde_agent_after_fork_child(agent);
    uint64_t before = sonde_registry_version(agent->registry);
    sonde_registry_look_again(agent->registry, file);
    agent->looks_again = agent->looked_before; /* what was just asked for is done */
    if (sonde_registry_has_left(agent->registry)) {
        sonde_agent_ask_safe_point(agent);
    }
    if (sonde_registry_version(agent->registry) != before) {
        tell_news(agent);
    }
}

void
sonde_agent_code_vanished(struct sonde_agent *agent, uint64_t code)
{
    if (!is_usable(agent)) {
        return;
    }
    if (atomic_load_explicit(&agent->is_stale, memory_order_relaxed)) {
        sonde_fork_renew(agent);
    }
    sonde_registry_code_vanished(agent->registry, code);
}

/* --- Life --------------------------------------------------------------------------------- */

/* Only an agent that never ran. */
static void
agent_free(struct sonde_agent *agent)
{
    if (agent == NULL) {
        return;
    }
    sonde_registry_free(agent->registry);
    sonde_recorder_fini(&agent->recorder);
    sonde_symbols_fini(agent);
    sonde_sources_fini(agent);
    sonde_config_fini(&agent->config);
    sonde_free(agent);
}

/* Everything but the thread; what fails leaves an agent that agent_free can take. */
static int
agent_init(struct sonde_agent *agent, const struct sonde_config *config,
           struct sonde_err *err)
{
    sonde_lock_init(&agent->mailbox, SONDE_RANK_MAILBOX);
    sonde_faults_init(&agent->faults);
    sonde_buf_init(&agent->last_statuses, 0);
    sonde_identity_init(&agent->identity);
    int rc = sonde_config_dup(&agent->config, config);
    if (rc != SONDE_OK) {
        return rc;
    }
    sonde_symbols_init(agent);
    sonde_sources_init(agent);
    if (agent->config.complaints[0] != '\0') {
        sonde_faults_add(&agent->faults, "config", agent->config.complaints);
    }
    struct sonde_recorder_options options = {
        .queue_bytes = config->queue_bytes,
        .snapshots_per_second = config->snapshots_per_second,
        .cpu_percent = config->cpu_percent,
        .redact_names = agent->config.redact_names,
        .redact_types = agent->config.redact_types,
        .redact_excluded = agent->config.redact_excluded,
        .wake = ask_from_hook,
        .wake_arg = agent,
    };
    rc = sonde_recorder_init(&agent->recorder, &options, err);
    if (rc == SONDE_OK) {
        rc = sonde_registry_new(&agent->registry, &agent->adapter, &agent->recorder);
    }
    if (rc == SONDE_OK) {
        sonde_registry_set_slice(agent->registry, SLICE_NS);
        sonde_registry_set_source(agent->registry, sonde_sources_ask, agent);
    }
    return rc;
}

int
sonde_agent_start(struct sonde_agent **out, const struct sonde_adapter *adapter,
                  const struct sonde_config *config, struct sonde_err *err)
{
    *out = NULL;
    if (!sonde_config_allows_start()) {
        return sonde_err_set(err, SONDE_E_UNSUPPORTED, "SONDE_ENABLED", "is off");
    }
    int rc = sonde_adapter_check(adapter, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    struct sonde_agent *agent = sonde_calloc(1, sizeof(*agent));
    rc = agent == NULL ? SONDE_E_NOMEM : sonde_fork_prepare();
    if (rc == SONDE_OK) {
        agent->adapter = *adapter;
        rc = agent_init(agent, config, err);
    }
    if (rc == SONDE_OK && agent->config.server[0] != '\0') {
        /* Here and not on the thread: a fork in the middle of it would leave libcurl's and
         * OpenSSL's locks taken for ever in the child. */
        rc = sonde_http_prepare();
    }
    if (rc == SONDE_OK) {
        rc = sonde_thread_start(agent);
    }
    if (rc != SONDE_OK) {
        agent_free(agent);
        return sonde_err_set(err, rc, "agent", "%s", sonde_code_text(rc));
    }
    sonde_fork_watch(agent);
    *out = agent;
    return SONDE_OK;
}

/* What the last report says of the probes: how they stood before they were disarmed. */
static void
keep_statuses(struct sonde_agent *agent)
{
    struct sonde_json_writer writer;
    sonde_json_writer_init(&writer, &agent->last_statuses);
    sonde_agent_write_statuses(agent, &writer);
    if (agent->last_statuses.failed != SONDE_OK) {
        sonde_buf_fini(&agent->last_statuses); /* then it says what is left of them */
    }
}

void
sonde_agent_stop(struct sonde_agent *agent)
{
    if (agent == NULL || atomic_exchange(&agent->is_stopped, true)) {
        return;
    }
    if (atomic_load(&agent->is_stale)) {
        sonde_fork_renew(agent);
    }
    atomic_store(&agent->recorder.is_open, false); /* then the counters stand still */
    if (agent->config.server[0] != '\0') {
        keep_statuses(agent);
    }
    sonde_symbols_stop(agent); /* its hooks go first */
    sonde_agent_disarm(agent);
    sonde_thread_stop(agent, sonde_clock_mono_ns() + agent->config.flush_timeout_ns);
    sonde_delivery_free(swap_pending(agent, NULL));
    struct sonde_listed left; /* of symbols, that the thread never came to */
    if (sonde_symbols_take(agent, &left)) {
        sonde_listing_free(left.listing);
    }
}

/* --- For tests ---------------------------------------------------------------------------- */

int
sonde_agent_testonly_apply(struct sonde_agent *agent, struct sonde_str json,
                           struct sonde_err *err)
{
    struct sonde_delivery *delivery;
    if (!is_usable(agent)) {
        return sonde_err_set(err, SONDE_E_CLOSED, "agent", "is stopped");
    }
    sonde_agent_after_fork_child(agent);
    int rc = sonde_delivery_read_list(&delivery, json, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    bool has_refused = delivery->refused_count > 0;
    if (has_refused) {
        sonde_err_set(err, SONDE_E_INVAL, delivery->refused[0].id, "%s",
                      delivery->refused[0].message);
    }
    sonde_registry_set_slice(agent->registry, 0); /* a test wants all of it at once */
    rc = apply(agent, delivery);
    for (int i = 0; i < TESTONLY_TICKS && sonde_registry_has_left(agent->registry); i++) {
        sonde_registry_tick(agent->registry);
    }
    sonde_registry_set_slice(agent->registry, SLICE_NS);
    if (rc != SONDE_OK) {
        sonde_delivery_free(delivery);
        return sonde_err_set(err, rc, "probes", "%s", sonde_code_text(rc));
    }
    tell_news(agent);
    return has_refused ? SONDE_E_INVAL : SONDE_OK;
}

size_t
sonde_agent_testonly_take(struct sonde_agent *agent, void *out, size_t size)
{
    if (agent == NULL || agent->has_thread) {
        return 0;
    }
    struct sonde_ring *ring = &agent->recorder.ring;
    uint64_t cursor = sonde_ring_cursor(ring);
    size_t len;
    const void *record = sonde_ring_peek(ring, &cursor, &len);
    if (record == NULL) {
        return 0;
    }
    len = len < size ? len : size;
    memcpy(out, record, len);
    sonde_ring_release(ring, cursor);
    return len;
}
