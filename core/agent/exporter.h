/* SPDX-License-Identifier: Apache-2.0
 *
 * From the queue to the collector: batches of records as OTLP logs. A record stays in the
 * queue until its batch was acknowledged, and keeps its snapshot id however often it is sent
 * (the collector drops what it has), so there is nothing to remember here but positions.
 *
 * Ctx: the agent thread. */
#ifndef SONDE_EXPORTER_H
#define SONDE_EXPORTER_H

#include "core/agent/backoff.h"
#include "core/base/buf.h"
#include "core/wire/http.h"
#include <stdbool.h>

struct sonde_agent;

struct sonde_exporter {
    struct sonde_agent *agent;
    struct sonde_http *http;
    struct sonde_buf resource;    /* OTLP attributes of this process */
    char id_prefix[17];           /* of this process's snapshots */
    struct sonde_http_call *call; /* NULL: no batch is under way */
    uint64_t batch_end;           /* the queue's position behind that batch */
    uint32_t batch_count;         /* its records */
    uint32_t batch_most;          /* records for the next one */
    struct sonde_backoff backoff;
    uint32_t connection_failures; /* in a row */
    uint32_t odd_answers;         /* in a row */
    bool is_hurried;
};

/* SONDE_E_NOMEM. */
int sonde_exporter_init(struct sonde_exporter *exporter, struct sonde_agent *agent,
                        struct sonde_http *http, struct sonde_err *err);
void sonde_exporter_fini(struct sonde_exporter *exporter);

/* Starts the next batch when there is something to send and nothing under way. Returns when
 * (monotonic) to be called again; INT64_MAX: when a call ended or the queue has more. */
int64_t sonde_exporter_step(struct sonde_exporter *exporter, int64_t now_ns);

bool sonde_exporter_is_sending(const struct sonde_exporter *exporter);

/* The process ends: try at once, with short delays, and not for ever. */
void sonde_exporter_hurry(struct sonde_exporter *exporter);

/* Nothing is left, or nobody is there to take it. After sonde_exporter_hurry. */
bool sonde_exporter_is_done(const struct sonde_exporter *exporter);

/* Counts what is left as unsent and empties the queue. */
void sonde_exporter_give_up(struct sonde_exporter *exporter);

#endif
