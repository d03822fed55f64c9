/* SPDX-License-Identifier: Apache-2.0
 *
 * When a capture has taken limits.time_us. The thread's CPU time is what counts, and costs a system
 * call to ask for: not before a quarter of the limit is over. What a thread waits for a core must
 * not cost the snapshot its values, but it may hold the VM lock meanwhile: not for ever.
 *
 * Ctx: the capturing thread. */
#ifndef SONDE_TAPE_CLOCK_H
#define SONDE_TAPE_CLOCK_H

#include <sonde/limits.h>

#include <stdbool.h>
#include <stdint.h>

struct sonde_tape_clock {
    int64_t deadline_ns;  /* sonde_clock_mono_ns: over, whatever the thread waited for */
    int64_t watch_ns;     /* not before can its CPU time be over */
    int64_t cpu_limit_ns; /* sonde_clock_thread_cpu_ns; 0: not looked at yet */
};

/* At that time of sonde_clock_mono_ns; 0: now. */
void sonde_tape_clock_start(struct sonde_tape_clock *clock,
                            const struct sonde_limits *limits, int64_t began_ns);
bool sonde_tape_clock_is_over(struct sonde_tape_clock *clock,
                              const struct sonde_limits *limits);

#endif
