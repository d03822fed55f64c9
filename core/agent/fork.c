/* SPDX-License-Identifier: Apache-2.0
 *
 * A forked child has one thread and a copy of everything the others were in the middle of.
 * The handler only marks the agents: a child that goes on to exec must not pay for more. The
 * rest waits for somebody who uses an agent there. */
#include "core/agent/agent_private.h"

#include "core/agent/thread.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#define REST_MOST_NS (100 * SONDE_NS_PER_MS) /* that a fork may wait for the thread */

/* All agents there ever were: they are never freed. Grows at its head. */
static struct sonde_agent *_Atomic agents;

static pthread_once_t handler_once = PTHREAD_ONCE_INIT;
static int handler_rc;

static void
mark_stale(void)
{
    for (struct sonde_agent *agent = atomic_load(&agents); agent != NULL;
         agent = agent->next) {
        agent->is_renewed = false;
        atomic_store(&agent->is_stale, true);
    }
}

static void
install_handler(void)
{
    handler_rc = pthread_atfork(NULL, NULL, mark_stale);
}

int
sonde_fork_prepare(void)
{
    pthread_once(&handler_once, install_handler);
    return handler_rc == 0 ? SONDE_OK : SONDE_E_NOMEM;
}

void
sonde_fork_watch(struct sonde_agent *agent)
{
    agent->next = atomic_load(&agents);
    while (!atomic_compare_exchange_weak(&agents, &agent->next, agent)) {
    }
}

void
sonde_fork_renew(struct sonde_agent *agent)
{
    if (agent->is_renewed) {
        return;
    }
    sonde_log_after_fork();
    sonde_lock_init(&agent->mailbox, SONDE_RANK_MAILBOX);
    sonde_faults_init(&agent->faults);
    sonde_symbols_after_fork(agent);
    sonde_sources_init(agent);
    agent->is_renewed = true; /* from here on faults can be noted */

    /* Given up, not freed: the parent's thread may have been in the middle of them. */
    agent->pending = NULL;
    if (agent->snapshot_http != agent->http) {
        sonde_http_forget(agent->snapshot_http);
    }
    sonde_http_forget(agent->http);
    agent->http = NULL;
    agent->snapshot_http = NULL;

    agent->has_thread = false;
    agent->worker = NULL;
    agent->fork_count = 0;
    atomic_store(&agent->must_rest, false);
    atomic_store(&agent->has_failed, false);
    atomic_store(&agent->has_news, false);
    atomic_store(&agent->stop_deadline_ns, 0);
    sonde_identity_init(&agent->identity);
    sonde_registry_after_fork(agent->registry);
    agent->looks_again = true; /* what had reached its limit in the parent starts anew */
    if (sonde_recorder_after_fork(&agent->recorder) != SONDE_OK) {
        sonde_agent_fault(agent, "queue", "no memory for it after a fork");
        atomic_store(&agent->has_failed, true);
        sonde_agent_disarm(agent);
    }
    if (agent->config.complaints[0] != '\0') {
        sonde_faults_add(&agent->faults, "config", agent->config.complaints);
    }
}

void
sonde_agent_before_fork(struct sonde_agent *agent)
{
    if (agent != NULL && !sonde_agent_is_stale(agent) && agent->fork_count++ == 0) {
        sonde_thread_rest(agent, sonde_clock_mono_ns() + REST_MOST_NS);
    }
}

void
sonde_agent_after_fork_parent(struct sonde_agent *agent)
{
    if (agent != NULL && !sonde_agent_is_stale(agent) && agent->fork_count > 0 &&
        --agent->fork_count == 0) {
        sonde_thread_wake_up(agent);
    }
}

void
sonde_agent_after_fork_child(struct sonde_agent *agent)
{
    if (agent == NULL || !atomic_load(&agent->is_stale)) {
        return;
    }
    sonde_fork_renew(agent);
    atomic_store(&agent->is_stale, false);
    if (!atomic_load(&agent->is_stopped)) {
        sonde_thread_start(agent);
    }
}

bool
sonde_agent_is_stale(const struct sonde_agent *agent)
{
    return agent != NULL && atomic_load_explicit(&agent->is_stale, memory_order_relaxed);
}
