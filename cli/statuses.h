/* SPDX-License-Identifier: Apache-2.0
 *
 * What the processes say about a probe: its `instances` (docs/formats/api.md), of which only
 * those that speak of its newest revision count. */
#ifndef SONDE_STATUSES_H
#define SONDE_STATUSES_H

#include "cli/pen.h"
#include "core/wire/json.h"

enum sonde_verdict {
    SONDE_VERDICT_WAITING, /* no process has installed it or failed at it */
    SONDE_VERDICT_ARMED, /* some process has installed it (or has hit its limit already) */
    SONDE_VERDICT_FAILED, /* some process has failed, and no other has installed it; those where it
                             waits (a server's master) may never load the code */
};

enum sonde_verdict sonde_statuses_judge(const struct sonde_json *probe);

/* "2 emitting, 1 error", best first; "no process" when none has reported. Returns the tone
 * that the worst of them calls for. */
enum sonde_tone sonde_statuses_summary(struct sonde_buf *out,
                                       const struct sonde_json *probe);

/* Sum over processes of "hits" or "captured". */
int64_t sonde_statuses_sum(const struct sonde_json *probe, const char *key);

/* The tone of one status, such as "pending". */
enum sonde_tone sonde_statuses_tone(struct sonde_str status);

/* "line_not_executable: line 43 holds no code; nearest lines 41, 44", or nothing when the
 * process has given no cause. */
void sonde_statuses_reason(struct sonde_buf *out, const struct sonde_json *instance);

/* On standard error, each reason once: those of errors, and with `also_pending` of those
 * that wait. */
void sonde_statuses_say_reasons(const struct sonde_json *probe, bool also_pending);

#endif
