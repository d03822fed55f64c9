/* SPDX-License-Identifier: Apache-2.0
 *
 * When what is loaded is listed (include/sonde/symbols.h, docs/decisions/0013-symbols.md). The listing is made under
 * the VM lock, a slice in each safe point, and then given to the agent's thread, which sends it
 * (symbols_upload.h). One is under way at a time, from its first slice to the last acknowledgement; what changes
 * meanwhile makes the next one.
 *
 * Nothing is listed before a collector said that it takes symbols. */
#ifndef SONDE_AGENT_SYMBOLS_H
#define SONDE_AGENT_SYMBOLS_H

#include "core/agent/delivery.h"
#include "core/base/clock.h"
#include "core/base/lock.h"
#include "core/symbols/listing.h"

#include <sonde/agent.h>
#include <stdatomic.h>

#define SONDE_SYMBOLS_SLICE_NS (3 * SONDE_NS_PER_MS) /* of the VM lock, at most */
#define SONDE_STORE_MAX_BYTES 63

/* What the report says, beside the state. */
struct sonde_symbol_counts {
    uint64_t units, scopes; /* known to the collector, of what is loaded */
    uint64_t uploads, sent_bytes, failures, dropped;
    char message[192]; /* what went wrong last; "": nothing since it went well */
};

/* A listing that ended well, on its way to the agent's thread. */
struct sonde_listed {
    struct sonde_listing *listing;
    uint64_t ticket;
    int64_t round;
    /* What it shows was loaded at this time (sonde_clock_wall_ns) or later, if it is new in it. */
    int64_t since_ns;
};

struct sonde_symbols {
    bool is_able; /* the runtime lists, and there may be a collector; never changes */
    bool is_at_once;
    bool wants_libraries, wants_sources;
    int64_t debounce_ns;
    int64_t loaded_since_ns; /* wall: what is loaded at all was loaded after this */

    /* Guarded by the VM lock. */
    struct sonde_listing *listing; /* NULL: none is under way */
    struct sonde_listed to_be;     /* of that one */
    int64_t listing_cpu_ns;

    _Atomic bool has_changed;
    _Atomic int64_t first_change_ns, last_change_ns; /* coarse clock; of has_changed */
    _Atomic uint64_t version; /* grows when the report would say something new */

    struct sonde_lock lock; /* guards what follows */
    struct sonde_cond cond; /* `done` grew, or it is over */
    bool is_over;           /* the agent stops */
    bool is_wanted;         /* a collector takes symbols, and nobody said no */
    bool is_known;          /* a collector said something about symbols */
    bool is_watching;       /* the runtime's hooks are on */
    bool is_listing, is_sending;
    bool must_list;  /* everything, at once or when a listing is due */
    bool is_hasty;   /* a person asked for it */
    bool must_claim; /* the thread: the collector may know nothing of what was sent */
    bool has_round;  /* the first one was heard */
    int64_t round, round_done;
    bool has_round_done;
    char store[SONDE_STORE_MAX_BYTES + 1];
    /* Tickets of those who wait for all to be sent: given out, looked for changes, and sent. */
    uint64_t asked, looked, done;
    int64_t slice_at_ns; /* not before: the next slice */
    int64_t list_at_ns;  /* the next listing of changes */
    int64_t list_all_at_ns;
    int64_t retry_at_ns; /* any listing, after a failure */
    int64_t look_at_ns;  /* the next look for what no hook told of */
    int64_t asked_at_ns; /* when a safe point was last asked for; 0: it came */
    struct sonde_listed
        listed; /* for the thread; its listing is NULL when it was taken */
    int64_t longest_hold_ns, cpu_ns;
    struct sonde_symbol_counts counts;
};

static inline bool
sonde_symbols_are_listed_by(const struct sonde_adapter *adapter)
{
    return adapter->list_symbols != NULL && adapter->watch_symbols != NULL &&
           adapter->have_symbols_changed != NULL;
}

/* Before the agent's thread begins. */
void sonde_symbols_init(struct sonde_agent *agent);

/* Only of an agent that never ran. */
void sonde_symbols_fini(struct sonde_agent *agent);

/* Removes the hooks and ends what is under way. Ctx: VM lock. */
void sonde_symbols_stop(struct sonde_agent *agent);

/* In a forked child: what the parent had under way is given up. Ctx: VM lock. */
void sonde_symbols_after_fork(struct sonde_agent *agent);

/* Does what is due, until that time (monotonic). Ctx: safe point. */
void sonde_symbols_safe_point(struct sonde_agent *agent, int64_t until_ns);

/* Asks for a safe point when one is due, and returns when to call again (monotonic). Ctx: agent thread. */
int64_t sonde_symbols_upkeep(struct sonde_agent *agent, int64_t now_ns);

/* What the collector wishes. Ctx: agent thread. */
void sonde_symbols_hear(struct sonde_agent *agent,
                        const struct sonde_symbol_wishes *wishes);

/* Takes the finished listing, if there is one: from here on it is the thread's. Ctx: agent thread. */
bool sonde_symbols_take(struct sonde_agent *agent, struct sonde_listed *out);

/* Whether what was acknowledged counts no more; says so once. NOW: nothing else is under way, so the
 * thread is sending from here on. Ctx: agent thread. */
enum sonde_claim { SONDE_CLAIM_NONE, SONDE_CLAIM_FORGET, SONDE_CLAIM_NOW };
enum sonde_claim sonde_symbols_take_claim(struct sonde_agent *agent);

/* Whether uploads are wanted. Ctx: agent thread. */
bool sonde_symbols_are_wanted(struct sonde_agent *agent);

/* The thread is not sending any more: that listing was acknowledged; NULL: there was none, or it was given
 * up. Ctx: agent thread. */
void sonde_symbols_sent(struct sonde_agent *agent, const struct sonde_listed *listed);

/* The collector lacks what only a new listing can tell. Ctx: agent thread. */
void sonde_symbols_list_again(struct sonde_agent *agent);

/* Makes these the counts of the report. Ctx: agent thread. */
void sonde_symbols_count(struct sonde_agent *agent,
                         const struct sonde_symbol_counts *counts);

/* Appends the report's member "symbols", as a value. Ctx: any thread. */
void sonde_symbols_write_report(struct sonde_agent *agent, struct sonde_json_writer *out);

#endif
