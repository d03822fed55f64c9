/* SPDX-License-Identifier: Apache-2.0
 *
 * Rates and budgets, each one atomic word, no lock: a token bucket kept as the time at which
 * it is full again (the generic cell rate algorithm). Times are sonde_clock_coarse_ns.
 *
 * Ctx: any thread. */
#ifndef SONDE_LIMITER_H
#define SONDE_LIMITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sonde_limiter {
    _Atomic int64_t full_at_ns;
    int64_t interval_ns; /* one token comes back in this time */
    int64_t burst_ns;    /* tokens the bucket holds, as time */
};

/* `per_second` > 0; the bucket holds max(1, per_second · burst_seconds) tokens, and is full. */
void sonde_limiter_init(struct sonde_limiter *limiter, double per_second,
                        double burst_seconds);

/* Takes one token if there is one. */
bool sonde_limiter_try_take(struct sonde_limiter *limiter, int64_t now_ns);

/* Gives one back that was taken and not used. */
void sonde_limiter_give_back(struct sonde_limiter *limiter);

/* A CPU budget: `percent` of one core, with one second of saved-up budget at most. */
struct sonde_budget {
    struct sonde_limiter bucket;
    _Atomic uint64_t spent_ns; /* in all, for reports */
};

void sonde_budget_init(struct sonde_budget *budget, double percent);

/* Books `cost_ns` of CPU time; false once the budget is overdrawn. */
bool sonde_budget_spend(struct sonde_budget *budget, int64_t now_ns, int64_t cost_ns);

/* False while it is overdrawn; it recovers with time. */
bool sonde_budget_has_room(const struct sonde_budget *budget, int64_t now_ns);

#endif
