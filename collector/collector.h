/* SPDX-License-Identifier: Apache-2.0
 *
 * The collector behind `sonde serve`: takes snapshots from agents, keeps them, hands
 * probes to agents and both to people (docs/formats/api.md). The command line calls
 * sonde_collector_run; tests and benches start one inside their own process.
 *
 *     struct sonde_collector_options options = {.data_dir = dir};
 *     sonde_collector_start(&collector, &options, &err);
 *     ... requests to sonde_collector_url(collector) ...
 *     sonde_collector_stop(collector);
 *
 * Ctx: start, run and stop on one thread that holds no lock. */
#ifndef SONDE_COLLECTOR_H
#define SONDE_COLLECTOR_H

#include <sonde/err.h>

#define SONDE_COLLECTOR_DEFAULT_LISTEN "127.0.0.1:7077"
#define SONDE_COLLECTOR_DEFAULT_KEEP_DAYS 7

struct sonde_collector;
struct sonde_page; /* collector/page/page.h */

struct sonde_collector_options {
    const char
        *listen; /* "HOST:PORT", "[::1]:7077"; port 0: a free one; NULL: the default */
    const char *data_dir; /* made when it is missing, parents too */
    const char *token;    /* NULL or "": none, which only loopback may do without */
    unsigned keep_days;   /* whole days of snapshots that stay; 0: the default */
    size_t queue_bytes;   /* of snapshots that may wait for the disk; 0: 64 MiB */
    const struct sonde_page *page; /* what `GET /` shows; NULL: there is none */
    /* Told once that requests are answered; NULL: prints "listening on URL" to stdout. */
    void (*ready)(void *arg, const char *url);
    void *ready_arg;
};

/* Runs until SIGTERM or SIGINT, then ends cleanly: what was taken is stored, who waits is
 * answered. Both signals are blocked for the process meanwhile. Refuses with
 * SONDE_E_INVAL (a setting; err->where names it), SONDE_E_DENIED (open to the network
 * without a token), SONDE_E_BUSY (the port is taken, or another collector has the data),
 * SONDE_E_IO. */
int sonde_collector_run(const struct sonde_collector_options *options,
                        struct sonde_err *err);

/* The same without signals. On failure nothing runs and *out is untouched.
 * Own: sonde_collector_stop. */
int sonde_collector_start(struct sonde_collector **out,
                          const struct sonde_collector_options *options,
                          struct sonde_err *err);

/* Answers what waits, stores what was taken, frees. NULL is allowed. */
void sonde_collector_stop(struct sonde_collector *collector);

/* "http://127.0.0.1:41234": the address with the real port; lives as long as the
 * collector. */
const char *sonde_collector_url(const struct sonde_collector *collector);

#endif
