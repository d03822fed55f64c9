/* SPDX-License-Identifier: Apache-2.0
 *
 * Fault injection: an *act* is run with its Nth allocation, or its Nth call of some function,
 * failing, for N = 1, 2, 3 … until it goes through without meeting a failure. After each the
 * application's results have to be right, the statuses true, nothing may be left behind, and
 * the same agent has to work once the failures are over.
 *
 * Over the fake runtime, with the contract suite's helpers (which allocate: faults are off
 * while they are used). */
#ifndef SONDE_TESTS_FAULT_FAULT_H
#define SONDE_TESTS_FAULT_FAULT_H

#include "tests/contract/suite.h"

/* Where we are ("stop, allocation 3, sticky"); part of every failure's message. */
extern char fault_where[128];

#define FAULT_CHECK(condition)                                   \
    do {                                                         \
        if (!(condition)) {                                      \
            fail_msg("%s: not so: %s", fault_where, #condition); \
        }                                                        \
    } while (0)

struct act {
    const char *name;
    bool starts_itself; /* no agent runs when it begins */
    void (*prepare)(void);
    int (*run)(void); /* with faults: no helper that allocates, no check */
    /* `is_hit`: a failure was met, and may be why `rc` is no SONDE_OK. */
    void (*check)(int rc, bool is_hit);
};

/* How failures are switched on and off; off returns how many chances there were. */
struct fault_kind {
    const char *name;
    void (*on)(uint64_t n, bool sticky);
    uint64_t (*off)(void);
};

/* Runs the act once with failure n. True when it went through without meeting one. */
bool fault_run(const struct act *act, const struct fault_kind *kind, uint64_t n,
               bool sticky);

/* For every N up to `most`, once and sticky. */
void fault_run_all(const struct act *act, const struct fault_kind *kind, uint64_t most);

/* --- The world: a VM with three programs, an agent, a list of probes ----------------------- */

/* Starts the agent; with `server` NULL without a network. SONDE_OK or what start gave. Ctx:
 * faults may be on. */
int world_start(const char *server);
void world_stop(void);

/* The list of probes as JSON, one of each kind that can be and that can not be. */
const char *world_list(uint32_t revision);

/* Runs what is probed; false when a result is not right. Ctx: faults may be on. */
bool world_runs(void);

/* Checks that every status is true: what is installed is hit by the next execution, what is
 * not is not. `exact`: and is what it has to be. Otherwise a probe may be in error as well,
 * with cause `internal`. */
void world_check_statuses(uint32_t revision, bool exact);

/* Makes that list the agent's, without a word. Ctx: faults may be on. */
int fault_apply(const char *json);

extern const struct fault_kind fault_allocations;

int fault_suite_allocation(void);
int fault_suite_call(void);
int fault_suite_symbols(void);

#endif
