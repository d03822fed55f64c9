/* SPDX-License-Identifier: Apache-2.0 */
#include "core/capture/tape_clock.h"

#include "core/base/clock.h"

#define WATCH_SHARE 4 /* of the limit, before the CPU time is asked for */
#define MOST_WAITS 10 /* the limit so often, waiting included */

static int64_t
limit_of(const struct sonde_limits *limits)
{
    return (int64_t)limits->time_us * SONDE_NS_PER_US;
}

void
sonde_tape_clock_start(struct sonde_tape_clock *clock, const struct sonde_limits *limits,
                       int64_t began_ns)
{
    int64_t now_ns = began_ns != 0 ? began_ns : sonde_clock_mono_ns();
    int64_t limit_ns = limit_of(limits);
    clock->deadline_ns = now_ns + limit_ns * MOST_WAITS;
    clock->watch_ns = now_ns + limit_ns / WATCH_SHARE;
    clock->cpu_limit_ns = 0;
}

bool
sonde_tape_clock_is_over(struct sonde_tape_clock *clock,
                         const struct sonde_limits *limits)
{
    int64_t now_ns = sonde_clock_mono_ns();
    if (now_ns > clock->deadline_ns) {
        return true;
    }
    if (now_ns <= clock->watch_ns) {
        return false;
    }
    int64_t cpu_ns = sonde_clock_thread_cpu_ns();
    if (clock->cpu_limit_ns == 0) { /* what was used until now is taken for the share */
        int64_t limit_ns = limit_of(limits);
        clock->cpu_limit_ns = cpu_ns + limit_ns - limit_ns / WATCH_SHARE;
    }
    clock->watch_ns = now_ns + clock->cpu_limit_ns - cpu_ns;
    return cpu_ns >= clock->cpu_limit_ns;
}
