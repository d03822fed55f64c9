/* SPDX-License-Identifier: Apache-2.0
 *
 * When to try again: doubling delays with ±50 % jitter, so that processes that lost the same
 * collector do not come back together. Times are sonde_clock_mono_ns.
 *
 * Ctx: one thread. */
#ifndef SONDE_BACKOFF_H
#define SONDE_BACKOFF_H

#include <stdint.h>

struct sonde_backoff {
    int64_t first_ns, most_ns; /* the delay starts here and grows to there */
    int64_t delay_ns;          /* the next one, before jitter */
    int64_t until_ns;          /* nothing is tried before this; 0: at once */
};

void sonde_backoff_init(struct sonde_backoff *backoff, int64_t first_ns, int64_t most_ns);

/* After a success: the next try may come at once. */
void sonde_backoff_reset(struct sonde_backoff *backoff);

/* After a failure. `retry_after_ns` is what the server asked for, -1 when nothing; it is
 * believed up to five minutes. */
void sonde_backoff_fail(struct sonde_backoff *backoff, int64_t now_ns,
                        int64_t retry_after_ns);

#endif
