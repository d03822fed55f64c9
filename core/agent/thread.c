/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/thread.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/os.h"

#define IDLE_MOST_NS \
    (60 * SONDE_NS_PER_S) /* the wall clock may have been set meanwhile */
#define ASK_AGAIN_NS SONDE_NS_PER_S
#define SIDE_WAIT_MS 20
#define REST_MOST_NS (100 * SONDE_NS_PER_MS)
#define JOIN_GRACE_NS (100 * SONDE_NS_PER_MS)
#define RESPONSE_MOST_BYTES ((size_t)8 * 1024 * 1024)

static int64_t
earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* --- Waiting ------------------------------------------------------------------------------ */

static void
wait_until(struct sonde_worker *worker, int64_t due_ns)
{
    int64_t left_ns = due_ns - sonde_clock_mono_ns();
    int wait_ms = 0;
    if (left_ns > 0) {
        wait_ms = (int)((left_ns + SONDE_NS_PER_MS - 1) / SONDE_NS_PER_MS);
    }
    /* One can not wait for two clients at once. The second one is busy only while a batch is
     * under way, and those few milliseconds of delay hurt nobody. */
    if (worker->snapshot_http != worker->http &&
        sonde_exporter_is_sending(&worker->exporter)) {
        sonde_http_poll(worker->snapshot_http, 0);
        wait_ms = wait_ms < SIDE_WAIT_MS ? wait_ms : SIDE_WAIT_MS;
    }
    sonde_http_poll(worker->http, wait_ms);
}

/* What the clock or a lost safe point demands. Returns when to look again. */
static int64_t
upkeep(struct sonde_worker *worker, int64_t now_ns)
{
    struct sonde_agent *agent = worker->agent;
    int64_t due_ns = now_ns + IDLE_MOST_NS;
    int64_t expiry_ns = sonde_registry_next_expiry_ns(agent->registry);
    int64_t wall_ns = sonde_clock_wall_ns();
    bool wants_safe_point = sonde_agent_has_delivery(agent) ||
                            atomic_load(&agent->recorder.has_news) ||
                            atomic_load(&agent->sources.has_news);
    if (expiry_ns <= wall_ns) {
        wants_safe_point = true;
    } else if (expiry_ns - wall_ns < IDLE_MOST_NS) {
        due_ns = now_ns + (expiry_ns - wall_ns);
    }
    if (wants_safe_point) {
        if (now_ns - worker->asked_at_ns >= ASK_AGAIN_NS) {
            worker->asked_at_ns = now_ns;
            sonde_agent_ask_safe_point(agent);
        }
        due_ns = earlier(due_ns, worker->asked_at_ns + ASK_AGAIN_NS);
    }
    if (sonde_registry_armed_count(agent->registry) > 0) {
        due_ns = earlier(due_ns, now_ns + SONDE_LOOK_NS);
    }
    return due_ns;
}

/* Whether the thread is to end here and leave its worker behind. Once it says so nobody but
 * sonde_thread_wake_up can make it go on. */
static bool
must_rest(struct sonde_worker *worker)
{
    if (!atomic_load(&worker->agent->must_rest)) {
        return false;
    }
    sonde_lock_take(&worker->agent->mailbox);
    worker->is_resting = atomic_load(&worker->agent->must_rest);
    sonde_lock_drop(&worker->agent->mailbox);
    return worker->is_resting;
}

static void
run_until_stopped(struct sonde_worker *worker)
{
    while (atomic_load(&worker->agent->stop_deadline_ns) == 0 && !must_rest(worker)) {
        int64_t now_ns = sonde_clock_mono_ns();
        int64_t due_ns = upkeep(worker, now_ns);
        due_ns = earlier(due_ns, sonde_channel_step(&worker->channel, now_ns));
        due_ns = earlier(due_ns, sonde_exporter_step(&worker->exporter, now_ns));
        sonde_sources_step(worker->agent, &worker->upload.known);
        due_ns = earlier(due_ns, sonde_upload_step(&worker->upload, now_ns));
        due_ns = earlier(due_ns, sonde_symbols_upkeep(worker->agent, now_ns));
        wait_until(worker, due_ns);
    }
}

/* The last quarter of the time is kept for the report, which has to say what was not sent. */
static void
wind_down(struct sonde_worker *worker)
{
    int64_t deadline_ns = atomic_load(&worker->agent->stop_deadline_ns);
    int64_t now_ns = sonde_clock_mono_ns();
    int64_t flush_until_ns = deadline_ns - (deadline_ns - now_ns) / 4;
    sonde_channel_end_poll(&worker->channel);
    sonde_exporter_hurry(&worker->exporter);
    while (now_ns < flush_until_ns && !sonde_exporter_is_done(&worker->exporter)) {
        int64_t due_ns = sonde_exporter_step(&worker->exporter, now_ns);
        wait_until(worker, earlier(due_ns, flush_until_ns));
        now_ns = sonde_clock_mono_ns();
    }
    sonde_exporter_give_up(&worker->exporter);
    while (now_ns < deadline_ns &&
           !sonde_channel_say_goodbye(&worker->channel, now_ns, deadline_ns)) {
        wait_until(worker, deadline_ns);
        now_ns = sonde_clock_mono_ns();
    }
}

/* --- Life --------------------------------------------------------------------------------- */

static int
open_clients(struct sonde_worker *worker, struct sonde_err *err)
{
    const struct sonde_config *config = &worker->agent->config;
    struct sonde_http_options options = {
        .base_url = config->server,
        .token = config->token[0] == '\0' ? NULL : config->token,
        .user_agent = "sonde-agent/" SONDE_VERSION,
        .max_response_bytes = RESPONSE_MOST_BYTES,
    };
    int rc = sonde_http_new(&worker->http, &options, err);
    worker->snapshot_http = worker->http;
    if (rc == SONDE_OK && config->snapshot_server[0] != '\0') {
        options.base_url = config->snapshot_server;
        options.token = NULL; /* it is for Sonde's own collector */
        worker->snapshot_http = NULL;
        rc = sonde_http_new(&worker->snapshot_http, &options, err);
    }
    return rc;
}

static void
publish_clients(struct sonde_agent *agent, struct sonde_http *http,
                struct sonde_http *snapshot_http)
{
    sonde_lock_take(&agent->mailbox);
    agent->http = http;
    agent->snapshot_http = snapshot_http;
    sonde_lock_drop(&agent->mailbox);
}

static int
open_worker(struct sonde_worker *worker, struct sonde_err *err)
{
    int rc = open_clients(worker, err);
    if (rc == SONDE_OK) {
        rc = sonde_exporter_init(&worker->exporter, worker->agent, worker->snapshot_http,
                                 err);
    }
    if (rc == SONDE_OK) {
        sonde_channel_init(&worker->channel, worker->agent, worker->http);
        sonde_upload_init(&worker->upload, worker->agent, worker->http);
        publish_clients(worker->agent, worker->http, worker->snapshot_http);
        worker->is_open = true;
    }
    return rc;
}

static void *
run(void *arg)
{
    struct sonde_worker *worker = arg;
    struct sonde_agent *agent = worker->agent;
    struct sonde_err err = SONDE_ERR_INIT;
    atomic_store(&agent->thread_id, sonde_os_thread_id());
    sonde_os_thread_name("sonde-agent");
    int rc = worker->is_open ? SONDE_OK : open_worker(worker, &err);
    if (rc == SONDE_OK) {
        run_until_stopped(worker);
        if (worker->is_resting) {
            return NULL;
        }
        wind_down(worker);
        publish_clients(agent, NULL, NULL);
    } else {
        /* Nothing would ever be sent, so nothing may stay armed. */
        sonde_agent_fault(agent, "thread", "%s: %s", err.where, err.message);
        atomic_store(&agent->recorder.is_open, false);
        atomic_store(&agent->has_failed, true);
        sonde_agent_ask_safe_point(agent);
    }
    sonde_lock_take(&agent->mailbox);
    agent->worker = NULL;
    sonde_lock_drop(&agent->mailbox);
    if (worker->snapshot_http != worker->http) {
        sonde_http_free(worker->snapshot_http);
    }
    sonde_http_free(worker->http);
    sonde_channel_fini(&worker->channel);
    sonde_exporter_fini(&worker->exporter);
    sonde_upload_fini(&worker->upload);
    sonde_free(worker);
    return NULL;
}

static int
start_thread(struct sonde_agent *agent, struct sonde_worker *worker)
{
    atomic_store(&agent->thread_id, 0);
    worker->is_resting = false;
    agent->worker = worker; /* nobody else looks while there is no thread */
    int rc = sonde_os_thread_start(&agent->thread, run, worker);
    agent->has_thread = rc == SONDE_OK;
    if (rc != SONDE_OK) {
        agent->worker = NULL;
    }
    return rc;
}

int
sonde_thread_start(struct sonde_agent *agent)
{
    if (agent->config.server[0] == '\0') {
        return SONDE_OK;
    }
    struct sonde_worker *worker = sonde_calloc(1, sizeof(*worker));
    int rc = worker == NULL ? SONDE_E_NOMEM : SONDE_OK;
    if (rc == SONDE_OK) {
        worker->agent = agent;
        worker->asked_at_ns = -ASK_AGAIN_NS;
        rc = start_thread(agent, worker);
    }
    if (rc != SONDE_OK) {
        sonde_free(worker);
        sonde_agent_fault(agent, "thread", "can not start: %s", sonde_code_text(rc));
        atomic_store(&agent->has_failed, true);
        sonde_agent_disarm(agent);
        return rc;
    }
    return SONDE_OK;
}

void
sonde_thread_rest(struct sonde_agent *agent, int64_t deadline_ns)
{
    if (!agent->has_thread) {
        return;
    }
    atomic_store(&agent->must_rest, true);
    sonde_agent_wake(agent);
    if (sonde_os_thread_join(agent->thread, deadline_ns) == SONDE_OK) {
        sonde_os_thread_await_end(atomic_load(&agent->thread_id), deadline_ns);
        agent->has_thread = false;
    }
}

void
sonde_thread_wake_up(struct sonde_agent *agent)
{
    if (!atomic_load(&agent->must_rest)) {
        return;
    }
    sonde_lock_take(&agent->mailbox);
    atomic_store(&agent->must_rest, false);
    struct sonde_worker *worker = agent->worker;
    bool is_resting = worker != NULL && worker->is_resting;
    sonde_lock_drop(&agent->mailbox);
    if (!is_resting) {
        return; /* it did not hear of it in time, and will not now; or it ended by itself */
    }
    if (agent->has_thread) {
        sonde_os_thread_join(agent->thread,
                             sonde_clock_mono_ns() + REST_MOST_NS); /* it is ending */
    }
    int rc = start_thread(agent, worker);
    if (rc != SONDE_OK) {
        /* What it owned is left behind: freeing it would have to say goodbye. */
        sonde_agent_fault(agent, "thread", "can not go on: %s", sonde_code_text(rc));
        atomic_store(&agent->has_failed, true);
        sonde_agent_disarm(agent);
    }
}

void
sonde_thread_stop(struct sonde_agent *agent, int64_t deadline_ns)
{
    sonde_thread_wake_up(agent);
    if (!agent->has_thread) {
        return;
    }
    atomic_store(&agent->stop_deadline_ns, deadline_ns);
    sonde_agent_wake(agent);
    /* It gives up at the deadline by itself. Should it hang inside a library nevertheless, it
     * is left behind: what it uses is never freed. */
    if (sonde_os_thread_join(agent->thread, deadline_ns + JOIN_GRACE_NS) != SONDE_OK) {
        sonde_log(SONDE_LOG_WARNING, "the agent's thread did not end in time");
    }
    agent->has_thread = false;
}
