/* SPDX-License-Identifier: Apache-2.0
 *
 * From a finished tape record to an OTLP log record: attributes for what one filters by, a
 * structured body {stack, captures} (see docs/formats/snapshot.md). Runs on the agent's
 * thread. */
#ifndef SONDE_SNAPSHOT_H
#define SONDE_SNAPSHOT_H

#include "core/capture/tape_reader.h"
#include "core/wire/otlp.h"

/* Appends one LogRecord for `record`; `id` is the snapshot's own id. SONDE_E_CORRUPT: nothing
 * was appended. Buffer failure is sticky in request->out. */
int sonde_snapshot_encode(struct sonde_otlp_request *request, struct sonde_str record,
                          struct sonde_str id, int64_t observed_ns);

/* Attribute keys of a snapshot's log record. */
#define SONDE_ATTR_SNAPSHOT_ID "sonde.snapshot.id"
#define SONDE_ATTR_PROBE_ID "sonde.probe.id"
#define SONDE_ATTR_PROBE_REVISION "sonde.probe.revision"
#define SONDE_ATTR_DURATION_NS "sonde.duration_ns"
#define SONDE_ATTR_SUSPENDED_NS "sonde.suspended_ns"
#define SONDE_ATTR_OUTCOME "sonde.outcome"
#define SONDE_ATTR_FILE "code.file.path"
#define SONDE_ATTR_LINE "code.line.number"
#define SONDE_ATTR_FUNCTION "code.function.name"
#define SONDE_ATTR_THREAD_ID "thread.id"
#define SONDE_ATTR_THREAD_NAME "thread.name"

/* Attribute keys of the resource. */
#define SONDE_ATTR_SERVICE "service.name"
#define SONDE_ATTR_VERSION "service.version"
#define SONDE_ATTR_INSTANCE "service.instance.id"
#define SONDE_ATTR_ENV "deployment.environment.name"
#define SONDE_ATTR_ENV_OLD "deployment.environment"
#define SONDE_ATTR_PID "process.pid"
#define SONDE_ATTR_HOST "host.name"
#define SONDE_ATTR_LANGUAGE "telemetry.sdk.language"
#define SONDE_ATTR_RUNTIME_VERSION "process.runtime.version"

#endif
