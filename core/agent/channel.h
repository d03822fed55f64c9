/* SPDX-License-Identifier: Apache-2.0
 *
 * The control channel (docs/formats/api.md, "For agents"): the long poll that brings the
 * definitions, and the reports that go back.
 *
 * Ctx: the agent thread. */
#ifndef SONDE_CHANNEL_H
#define SONDE_CHANNEL_H

#include "core/agent/backoff.h"
#include "core/base/buf.h"
#include "core/wire/http.h"
#include <stdbool.h>

struct sonde_agent;

struct sonde_channel {
    struct sonde_agent *agent;
    struct sonde_http *http;

    struct sonde_http_call *poll; /* NULL: none is under way */
    struct sonde_buf generation;  /* of the definitions that we have; empty: none */
    int64_t poll_started_ns;
    struct sonde_backoff poll_backoff;
    bool is_known;     /* the collector has answered a poll of this process */
    bool must_restart; /* it has forgotten us */
    bool was_polling;  /* it may know of us: a first poll was under way at the end */
    long last_refusal; /* HTTP status that was logged; 0: none since the last answer */

    struct sonde_http_call *status; /* NULL: none is under way */
    uint64_t version_sent;          /* of the report that is under way */
    uint64_t version_known;         /* of the last one that arrived */
    bool has_reported;
    int64_t status_sent_ns;
    struct sonde_backoff status_backoff;

    enum { SONDE_FAREWELL_NONE, SONDE_FAREWELL_STATUS, SONDE_FAREWELL_BYE } farewell;
};

void sonde_channel_init(struct sonde_channel *channel, struct sonde_agent *agent,
                        struct sonde_http *http);
void sonde_channel_fini(struct sonde_channel *channel);

/* Starts what is due. Returns when (monotonic) to be called again; INT64_MAX: when a call
 * ended or there is news. */
int64_t sonde_channel_step(struct sonde_channel *channel, int64_t now_ns);

/* Gives the long poll up; no other is started. */
void sonde_channel_end_poll(struct sonde_channel *channel);

/* One step of the last report and the goodbye; true when both are done, or nobody is there to
 * hear them. Call it again whenever a call ended. */
bool sonde_channel_say_goodbye(struct sonde_channel *channel, int64_t now_ns,
                               int64_t deadline_ns);

#endif
