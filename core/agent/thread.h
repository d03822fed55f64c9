/* SPDX-License-Identifier: Apache-2.0
 *
 * The one native thread, `sonde-agent`: an event loop with three tasks: the control channel, the
 * exporter and the upload of symbols. It never takes the VM lock and never calls the adapter, except to ask for a
 * safe point. It sleeps in the long poll; while probes are armed it looks at the queue every
 * SONDE_LOOK_NS, so that a commit on an application thread needs no system call. */
#ifndef SONDE_THREAD_H
#define SONDE_THREAD_H

#include "core/agent/agent_private.h"
#include "core/agent/channel.h"
#include "core/agent/exporter.h"
#include "core/agent/symbols_upload.h"

#define SONDE_LOOK_NS (100 * SONDE_NS_PER_MS)

/* All that the thread owns: made by it, freed by it, dropped by a forked child. */
struct sonde_worker {
    struct sonde_agent *agent;
    struct sonde_http *http;
    struct sonde_http *snapshot_http; /* the same, unless snapshots go elsewhere */
    struct sonde_channel channel;
    struct sonde_exporter exporter;
    struct sonde_upload upload;
    bool is_open;    /* clients, channel and exporter are there */
    bool is_resting; /* guarded by the mailbox's lock: its thread left, or is leaving */
    int64_t asked_at_ns; /* when a safe point was last asked for */
};

/* Starts the thread where the configuration wants one. When that fails the agent is disarmed
 * and the fault noted. Ctx: VM lock. */
int sonde_thread_start(struct sonde_agent *agent);

/* Has the thread send what waits and end, and waits for it until `deadline_ns` and a moment
 * more. Does nothing when there is none. Ctx: VM lock. */
void sonde_thread_stop(struct sonde_agent *agent, int64_t deadline_ns);

/* Ends the thread, if it can be done by `deadline_ns`, and keeps all that it owns for
 * sonde_thread_wake_up. Does nothing when there is none. Ctx: VM lock. */
void sonde_thread_rest(struct sonde_agent *agent, int64_t deadline_ns);

/* Starts a thread that goes on with it. Does nothing when none rests. Ctx: VM lock. */
void sonde_thread_wake_up(struct sonde_agent *agent);

#endif
