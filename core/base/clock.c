/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/clock.h"

#include "core/base/os.h"

#include <time.h>

static int64_t
read_ns(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * SONDE_NS_PER_S + now.tv_nsec;
}

int64_t
sonde_clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

int64_t
sonde_clock_coarse_ns(void)
{
    return sonde_os_coarse_ns();
}

int64_t
sonde_clock_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

int64_t
sonde_clock_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}
