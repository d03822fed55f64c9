/* SPDX-License-Identifier: Apache-2.0
 *
 * Who this process is: for the resource of its snapshots and for the control channel. */
#ifndef SONDE_RESOURCE_H
#define SONDE_RESOURCE_H

#include "core/base/buf.h"
#include "core/wire/json.h"
#include <sonde/agent.h>

#define SONDE_INSTANCE_ID_BYTES 37 /* a UUID and its NUL */

/* Made anew in every process, so also in a forked child. */
struct sonde_identity {
    char instance_id[SONDE_INSTANCE_ID_BYTES];
    char host[256];
    int64_t pid;
    int64_t started_at_ns; /* of the agent, wall clock */
};

void sonde_identity_init(struct sonde_identity *identity);

/* Appends the run of OTLP attributes that docs/formats/snapshot.md lists; failure is the
 * buffer's sticky one. */
void sonde_resource_write(struct sonde_buf *out, const struct sonde_identity *identity,
                          const struct sonde_config *config,
                          const struct sonde_adapter *adapter);

/* Writes the members by which a poll registers the process. */
void sonde_identity_write(struct sonde_json_writer *out,
                          const struct sonde_identity *identity,
                          const struct sonde_config *config,
                          const struct sonde_adapter *adapter);

#endif
