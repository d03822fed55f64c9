/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread of everything that happens because time has passed. `tick` says when it
 * wants to be called next; sonde_ticker_hurry brings that forward. */
#ifndef SONDE_TICKER_H
#define SONDE_TICKER_H

#include <sonde/err.h>
#include <stdint.h>

struct sonde_ticker;

/* Own: sonde_ticker_free. */
int sonde_ticker_new(struct sonde_ticker **out, int64_t (*tick)(void *arg), void *arg,
                     struct sonde_err *err);
void sonde_ticker_free(struct sonde_ticker *ticker);

/* Ctx: any thread, no lock held but the caller's own of a lower rank. */
void sonde_ticker_hurry(struct sonde_ticker *ticker, int64_t at_ns);

#endif
