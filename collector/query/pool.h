/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads for what waits for the disk to read, so that the server's never do.
 *
 * Ctx: submit from any thread. */
#ifndef SONDE_POOL_H
#define SONDE_POOL_H

#include <sonde/err.h>

struct sonde_pool;

/* In the caller's storage, which has to live until `run` has returned, or ends itself. */
struct sonde_job {
    void (*run)(struct sonde_job *job);
    struct sonde_job *next; /* the pool's */
};

int sonde_pool_new(struct sonde_pool **out, struct sonde_err *err);

/* Runs what is queued, then frees. */
void sonde_pool_free(struct sonde_pool *pool);

/* SONDE_E_BUSY: too many wait; nothing will run. */
int sonde_pool_submit(struct sonde_pool *pool, struct sonde_job *job);

#endif
