/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks, all in nanoseconds. Ctx: any thread; async-signal-safe. */
#ifndef SONDE_CLOCK_H
#define SONDE_CLOCK_H

#include <stdint.h>

#define SONDE_NS_PER_S INT64_C(1000000000)
#define SONDE_NS_PER_MS INT64_C(1000000)
#define SONDE_NS_PER_US INT64_C(1000)

/* Never goes back; its zero means nothing. About 20 ns a call. */
int64_t sonde_clock_mono_ns(void);

/* The same clock at the kernel tick's grain (1 to 10 ms), about 5 ns a call: for rate
 * limits and expiry, where nanoseconds matter more than milliseconds. */
int64_t sonde_clock_coarse_ns(void);

/* Time since 1970 UTC; may jump. */
int64_t sonde_clock_wall_ns(void);

/* CPU time of the calling thread. */
int64_t sonde_clock_thread_cpu_ns(void);

#endif
