/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's inside. Three kinds of state, by who may touch it:
 *   - what the VM lock guards: everything of the life cycle, the registry's contents;
 *   - the mailbox, between the agent thread and the safe point, under its own lock;
 *   - the worker (thread.h), which the agent thread alone owns. A forked child drops it as a
 *     whole: it was the memory of a thread that is not there, in the middle of something. */
#ifndef SONDE_AGENT_PRIVATE_H
#define SONDE_AGENT_PRIVATE_H

#include "core/agent/config.h"
#include "core/agent/delivery.h"
#include "core/agent/faults.h"
#include "core/agent/resource.h"
#include "core/agent/sources.h"
#include "core/agent/symbols.h"
#include "core/probe/recorder.h"
#include "core/probe/registry.h"
#include "core/wire/http.h"

struct sonde_agent {
    struct sonde_agent *next; /* list of all, for the fork handler; never changes */
    struct sonde_adapter adapter;
    struct sonde_config config;
    struct sonde_recorder recorder;
    struct sonde_registry *registry;
    struct sonde_faults faults;
    struct sonde_sources sources; /* between the safe point and the thread */
    struct sonde_symbols symbols; /* says itself who may touch what */

    /* Guarded by the VM lock; the agent thread reads `identity`, which stands still while
     * there is a thread. */
    struct sonde_identity identity;
    struct sonde_buf last_statuses; /* as they were when stop disarmed; written before
                                       stop_deadline_ns, read after it */
    pthread_t thread;
    bool has_thread;
    uint32_t fork_count; /* forks under way for which the thread rests */
    bool looks_again;    /* code appeared that somebody waits for */
    bool looked_before;  /* looks_again, as it was before code was last asked about */

    _Atomic bool is_stale;   /* a forked child that was not rebuilt */
    _Atomic bool is_renewed; /* it is stale still, but safe: only the thread is missing */
    _Atomic bool is_stopped; /* sonde_agent_stop was called */
    _Atomic bool has_failed; /* it gave up: nothing may be armed from now on */
    _Atomic bool has_news;   /* for the collector, at once */
    _Atomic int64_t stop_deadline_ns; /* monotonic; 0: not stopping */
    _Atomic bool must_rest;     /* the thread is to end, and its worker to be kept */
    _Atomic uint64_t thread_id; /* the kernel's; 0: it has not begun */

    struct sonde_lock mailbox;      /* guards what follows */
    struct sonde_delivery *pending; /* to apply at the next safe point */
    struct sonde_delivery *refused; /* applied; kept for what could not be read of it */
    struct sonde_worker *worker;    /* the thread's, NULL once it is freed */
    struct sonde_http *http;        /* the thread's, for waking and forgetting */
    struct sonde_http *snapshot_http;
};

/* --- agent.c ------------------------------------------------------------------------------ */

/* Refuses hits and disarms every place, for good. Ctx: VM lock. */
void sonde_agent_disarm(struct sonde_agent *agent);

/* Asks the runtime for a safe point, unless the agent is being stopped. Ctx: any thread. */
void sonde_agent_ask_safe_point(struct sonde_agent *agent);

/* Ends the thread's wait, when there is one. Ctx: any thread. */
void sonde_agent_wake(struct sonde_agent *agent);

/* Makes `delivery` what the next safe point applies. Own: takes it. Ctx: agent thread. */
void sonde_agent_deliver(struct sonde_agent *agent, struct sonde_delivery *delivery);
bool sonde_agent_has_delivery(struct sonde_agent *agent);

/* --- report.c ----------------------------------------------------------------------------- */

/* Appends the array of statuses as they are now. Ctx: any thread. */
void sonde_agent_write_statuses(struct sonde_agent *agent, struct sonde_json_writer *out);

/* Appends the body of a status call. Ctx: any thread. */
void sonde_agent_write_report(struct sonde_agent *agent, struct sonde_buf *out);

/* A number that changes whenever that body would say something new. Ctx: any thread. */
uint64_t sonde_agent_report_version(struct sonde_agent *agent);

/* Counts `count` losses that no probe can be named for. Ctx: any thread. */
void sonde_agent_count_drops(struct sonde_agent *agent, enum sonde_drop drop,
                             uint64_t count);

/* Counts the loss of a whole tape record, for its probe too. Ctx: any thread. */
void sonde_agent_drop_record(struct sonde_agent *agent, struct sonde_str record,
                             enum sonde_drop drop);

/* --- fork.c ------------------------------------------------------------------------------- */

/* Installs the fork handler, once. SONDE_OK or SONDE_E_NOMEM. */
int sonde_fork_prepare(void);

/* Has the handler mark this agent from now on. */
void sonde_fork_watch(struct sonde_agent *agent);

/* Makes a stale agent usable, still without a thread. Ctx: VM lock, in the child. */
void sonde_fork_renew(struct sonde_agent *agent);

#endif
