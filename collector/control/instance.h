/* SPDX-License-Identifier: Apache-2.0
 *
 * One process with an agent: who it says it is, and what it last reported. From and to
 * the JSON of docs/formats/api.md.
 *
 * Ctx: whoever holds the control's lock, except the functions that read JSON, which make
 * something new. */
#ifndef SONDE_INSTANCE_H
#define SONDE_INSTANCE_H

#include "core/wire/json.h"
#include <sonde/probe.h>

#define SONDE_NEAREST_MAX 6

/* Who a process is. Strings live in the arena. */
struct sonde_identity {
    struct sonde_arena arena;
    struct sonde_str instance_id, service, env, version, language, runtime_version, host,
        agent_version;
    int64_t pid;
    int64_t started_at_ns;
};

/* The state of one probe there. */
struct sonde_probe_status {
    struct sonde_str probe_id;
    uint32_t revision;
    enum sonde_status status;
    struct sonde_str cause;
    struct sonde_str message;
    uint32_t nearest[SONDE_NEAREST_MAX];
    size_t nearest_count;
    uint64_t hits, captured, places;
    struct sonde_str dropped; /* JSON object */
};

/* What a process said of itself. Strings live in the arena. */
struct sonde_report {
    struct sonde_arena arena;
    struct sonde_probe_status *statuses; /* by probe_id */
    size_t status_count;
    uint64_t armed;
    struct sonde_str dropped;  /* JSON object */
    struct sonde_str disarmed; /* JSON array */
    struct sonde_str symbols;  /* JSON object; empty: nothing was said of them */
};

/* Both give SONDE_E_INVAL naming the member, or SONDE_E_NOMEM. Own: the _fini. */
int sonde_identity_read(struct sonde_identity *out, const struct sonde_json *json,
                        struct sonde_err *err);
void sonde_identity_fini(struct sonde_identity *identity);
int sonde_report_read(struct sonde_report *out, const struct sonde_json *json,
                      struct sonde_err *err);
void sonde_report_fini(struct sonde_report *report);

/* The status of that probe, or NULL. */
struct sonde_probe_status *sonde_report_find(const struct sonde_report *report,
                                             struct sonde_str probe_id);

/* Adds a copy of a status that `report` does not have. SONDE_OK or SONDE_E_NOMEM. */
int sonde_report_add(struct sonde_report *report,
                     const struct sonde_probe_status *status);

/* Its members, without the braces' instance_id, as one whole object. */
void sonde_probe_status_write(struct sonde_json_writer *out,
                              const struct sonde_probe_status *status,
                              struct sonde_str instance_id);

#endif
