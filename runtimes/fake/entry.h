/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent in a fake VM: starting and stopping it, and what the parts of this runtime share.
 *
 * Ctx: with the VM lock, unless a function says otherwise. */
#ifndef SONDE_RUNTIMES_FAKE_ENTRY_H
#define SONDE_RUNTIMES_FAKE_ENTRY_H

#include "runtimes/fake/vm.h"
#include <pthread.h>
#include <sonde/agent.h>
#include <stdatomic.h>

struct sonde_fake {
    struct vm *vm;
    struct sonde_agent *agent;
    struct sonde_adapter adapter;
    struct vm_tool tool;

    /* Symbols, by the ids of code: how far the last listing went, and the one under way. */
    bool watches_symbols;
    uint64_t listed_until, listing_until, listing_at;

    /* The thread that brings safe points, also while all others block or sleep. */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex; /* a leaf: held for moments, nothing is taken under it */
    pthread_cond_t asked;
    bool is_asked;    /* guarded by mutex */
    bool is_stopping; /* guarded by mutex */
};

/* Starts the agent of `vm`. On failure nothing runs and *out is not written. The agent is not
 * freed by stop (sonde/agent.h); only what belongs to this runtime is. */
int sonde_fake_start(struct sonde_fake **out, struct vm *vm,
                     const struct sonde_config *config, struct sonde_err *err);

/* Lets go of the VM lock for a while, and comes back with it. NULL: does nothing. */
void sonde_fake_stop(struct sonde_fake *fake);

/* In a forked child: rebuilds the agent, and what this runtime has of its own. */
void sonde_fake_after_fork(struct sonde_fake *fake);

/* The first thing that any event does: it may be the first to run in a child that nobody told
 * of. Before any call into the core, which would rebuild the agent, but not our thread. */
static inline void
sonde_fake_mind_fork(struct sonde_fake *fake)
{
    if (sonde_agent_is_stale(fake->agent)) {
        sonde_fake_after_fork(fake);
    }
}

/* Asks for a safe point. Ctx: any thread, no VM lock needed, core locks may be held. */
void sonde_fake_request_safe_point(void *ctx);

/* True when no place of any code in `vm` is armed; also without an agent. */
bool sonde_fake_is_pristine(const struct vm *vm);

#endif
