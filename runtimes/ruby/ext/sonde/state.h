/* SPDX-License-Identifier: Apache-2.0
 *
 * What the extension's files share: one agent in one process. Everything here is guarded by
 * the VM lock (the GVL) unless it says otherwise. */
#ifndef SONDE_RB_STATE_H
#define SONDE_RB_STATE_H

#include "compat/compat.h"
#include <sonde/agent.h>
#include <stdatomic.h>

struct sonde_rb_state {
    struct sonde_agent *agent; /* NULL until started; kept after the stop */
    _Atomic bool
        is_running; /* between start and stop; relaxed: a late look does no harm */
    struct sonde_adapter adapter;
    char version[32]; /* "3.1.2" */
    unsigned parts;   /* 1 << enum sonde_rb_part: what was found to hold */
    unsigned checked; /* of those: could be looked at */
    unsigned forced;  /* of those: said to fail, by a test */
    _Atomic bool
        is_probed_in_ractor; /* armed code ran in another one than the main one */
    struct {                 /* for tests */
        unsigned long count;
        int64_t last_ns; /* when the last one began */
    } safe_points;
};

extern struct sonde_rb_state sonde_rb;

/* In a child that nobody told of its fork: a thread and an agent of its own. Costs one load
 * anywhere else. Ctx: VM lock. */
void sonde_rb_look_for_fork(void);

/* Whether Ractors run beside the main one, which are not kept out by the VM lock: then the heap can not
 * be walked, and the hooks of code that they may execute can not be taken away. Ctx: VM lock, main
 * Ractor; none begins before the lock is given up. */
bool sonde_rb_has_other_ractors(void);

/* Armed code ran in a Ractor of the application's, where nothing of ours may be touched: says so, once,
 * at the next safe point. Any Ractor, in a hook. */
void sonde_rb_note_ractor(void);

/* A safe point, here: looks for a fork, calls sonde_agent_safe_point, forgets what the code
 * index found for it. Never raises. Ctx: VM lock. */
void sonde_rb_safe_point(void);

static inline bool
sonde_rb_has(enum sonde_rb_part part)
{
    return (sonde_rb.parts & 1u << part) != 0;
}

static inline bool
sonde_rb_is_running(void)
{
    return atomic_load_explicit(&sonde_rb.is_running, memory_order_relaxed);
}

#endif
