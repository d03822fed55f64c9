/* SPDX-License-Identifier: Apache-2.0
 *
 * All atomics here are relaxed: each word guards nothing but itself. */
#include "core/probe/limiter.h"

#include "core/base/clock.h"

#define SLOWEST_PER_SECOND 1e-6
#define LEAST_PERCENT 1e-3
#define BUDGET_UNIT_NS 1000                  /* one token of a budget is 1 µs of CPU */
#define BUDGET_MOST_NS (10 * SONDE_NS_PER_S) /* booked at once; keeps products in range */

static int64_t
later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void
sonde_limiter_init(struct sonde_limiter *limiter, double per_second, double burst_seconds)
{
    double rate = per_second > SLOWEST_PER_SECOND ? per_second : SLOWEST_PER_SECOND;
    double interval_ns = (double)SONDE_NS_PER_S / rate;
    double tokens = rate * burst_seconds;
    atomic_init(&limiter->full_at_ns, 0);
    limiter->interval_ns = later(1, (int64_t)(interval_ns + 0.5));
    limiter->burst_ns =
        later(limiter->interval_ns, (int64_t)(tokens * (double)limiter->interval_ns));
}

bool
sonde_limiter_try_take(struct sonde_limiter *limiter, int64_t now_ns)
{
    int64_t full_at_ns = atomic_load_explicit(&limiter->full_at_ns, memory_order_relaxed);
    int64_t next_ns;
    do {
        next_ns = later(full_at_ns, now_ns) + limiter->interval_ns;
        if (next_ns - now_ns > limiter->burst_ns) {
            return false; /* without a write: this is how nearly every hit ends */
        }
    } while (!atomic_compare_exchange_weak_explicit(&limiter->full_at_ns, &full_at_ns,
                                                    next_ns, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void
sonde_limiter_give_back(struct sonde_limiter *limiter)
{
    atomic_fetch_sub_explicit(&limiter->full_at_ns, limiter->interval_ns,
                              memory_order_relaxed);
}

void
sonde_budget_init(struct sonde_budget *budget, double percent)
{
    double share = (percent > LEAST_PERCENT ? percent : LEAST_PERCENT) / 100;
    sonde_limiter_init(&budget->bucket, share * (double)SONDE_NS_PER_S / BUDGET_UNIT_NS,
                       1);
    atomic_init(&budget->spent_ns, 0);
}

bool
sonde_budget_spend(struct sonde_budget *budget, int64_t now_ns, int64_t cost_ns)
{
    int64_t cost = cost_ns < 0 ? 0 : cost_ns;
    atomic_fetch_add_explicit(&budget->spent_ns, (uint64_t)cost, memory_order_relaxed);

    struct sonde_limiter *bucket = &budget->bucket;
    cost = cost < BUDGET_MOST_NS ? cost : BUDGET_MOST_NS;
    int64_t debt_ns = cost * bucket->interval_ns / BUDGET_UNIT_NS;
    int64_t full_at_ns = atomic_load_explicit(&bucket->full_at_ns, memory_order_relaxed);
    int64_t next_ns;
    do {
        next_ns = later(full_at_ns, now_ns) + debt_ns;
    } while (!atomic_compare_exchange_weak_explicit(&bucket->full_at_ns, &full_at_ns,
                                                    next_ns, memory_order_relaxed,
                                                    memory_order_relaxed));
    return next_ns - now_ns <= bucket->burst_ns;
}

bool
sonde_budget_has_room(const struct sonde_budget *budget, int64_t now_ns)
{
    int64_t full_at_ns =
        atomic_load_explicit(&budget->bucket.full_at_ns, memory_order_relaxed);
    return full_at_ns - now_ns <= budget->bucket.burst_ns;
}
