/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/backoff.h"

#include "core/base/clock.h"
#include "core/base/os.h"

#define RETRY_AFTER_MOST_NS (300 * SONDE_NS_PER_S)

void
sonde_backoff_init(struct sonde_backoff *backoff, int64_t first_ns, int64_t most_ns)
{
    *backoff = (struct sonde_backoff){
        .first_ns = first_ns,
        .most_ns = most_ns,
        .delay_ns = first_ns,
    };
}

void
sonde_backoff_reset(struct sonde_backoff *backoff)
{
    sonde_backoff_init(backoff, backoff->first_ns, backoff->most_ns);
}

void
sonde_backoff_fail(struct sonde_backoff *backoff, int64_t now_ns, int64_t retry_after_ns)
{
    uint64_t random;
    sonde_os_random(&random, sizeof(random));
    int64_t half_ns = backoff->delay_ns / 2;
    int64_t wait_ns = half_ns + (int64_t)(random % (uint64_t)(2 * half_ns + 1));
    if (retry_after_ns > RETRY_AFTER_MOST_NS) {
        retry_after_ns = RETRY_AFTER_MOST_NS;
    }
    if (retry_after_ns > wait_ns) {
        /* Jitter on top: the server told everybody the same. */
        wait_ns = retry_after_ns + wait_ns / 2;
    }
    backoff->until_ns = now_ns + wait_ns;
    backoff->delay_ns = backoff->delay_ns > backoff->most_ns / 2 ? backoff->most_ns
                                                                 : backoff->delay_ns * 2;
}
