/* SPDX-License-Identifier: Apache-2.0
 *
 * OTLP as Sonde uses it: the logs signal (opentelemetry.proto.collector.logs.v1),
 * protobuf out, protobuf and JSON in, and AnyValue both ways. Field numbers:
 * otlp_fields.h.
 *
 * Ctx: one thread at a time. */
#ifndef SONDE_OTLP_H
#define SONDE_OTLP_H

#include "core/base/buf.h"
#include "core/wire/json.h"
#include "core/wire/pb.h"

#define SONDE_OTLP_EVENT_SNAPSHOT "sonde.snapshot"
#define SONDE_OTLP_MAX_DEPTH 64 /* nesting of AnyValue */

/* --- Writing ---------------------------------------------------------------------------- */

/* Each call appends one KeyValue under `field`. Bytes of a text that are not UTF-8 become
 * U+FFFD: a receiver would refuse the whole request for them. */

void sonde_otlp_attr_str(struct sonde_buf *out, uint32_t field, const char *key,
                         struct sonde_str value);
void sonde_otlp_attr_int(struct sonde_buf *out, uint32_t field, const char *key,
                         int64_t value);

/* ExportLogsServiceRequest → ResourceLogs → Resource. `attributes` is a run of KeyValues
 * written with field SONDE_OTLP_RESOURCE_ATTR. Between begin and end, records are
 * appended with sonde_otlp_record_append. */
#define SONDE_OTLP_RESOURCE_ATTR 1
#define SONDE_OTLP_RECORD_ATTR 6
#define SONDE_OTLP_RECORD_BODY 5

struct sonde_otlp_request {
    struct sonde_buf *out;
    size_t resource_logs, scope_logs;
};

void sonde_otlp_request_begin(struct sonde_otlp_request *request, struct sonde_buf *out,
                              struct sonde_str resource_attributes);
void sonde_otlp_request_end(struct sonde_otlp_request *request);

/* A LogRecord under way: begin, attributes (field SONDE_OTLP_RECORD_ATTR) and one body
 * (AnyValue under SONDE_OTLP_RECORD_BODY), end. event_name, trace_id (16 bytes) and
 * span_id (8 bytes) may be NULL. */
size_t sonde_otlp_record_begin(struct sonde_otlp_request *request, int64_t time_ns,
                               int64_t observed_ns, const char *event_name,
                               const unsigned char *trace_id,
                               const unsigned char *span_id);
void sonde_otlp_record_end(struct sonde_otlp_request *request, size_t record);

/* AnyValue building blocks inside a body. A kvlist or array value is opened and closed;
 * `field` is the field that holds the AnyValue (SONDE_OTLP_RECORD_BODY for the body). */
struct sonde_otlp_nest {
    size_t any, list;
};
struct sonde_otlp_nest sonde_otlp_kvlist_begin(struct sonde_buf *out, uint32_t field);
struct sonde_otlp_nest sonde_otlp_array_begin(struct sonde_buf *out, uint32_t field);
void sonde_otlp_nest_end(struct sonde_buf *out, struct sonde_otlp_nest nest);

/* Inside a kvlist: one member. `sonde_otlp_member_begin` opens the KeyValue; its AnyValue
 * goes under field SONDE_OTLP_MEMBER_VALUE; inside an array, values go under
 * SONDE_OTLP_ARRAY_VALUE. */
#define SONDE_OTLP_LIST_VALUES 1
#define SONDE_OTLP_ARRAY_VALUE 1
#define SONDE_OTLP_MEMBER_VALUE 2
size_t sonde_otlp_member_begin(struct sonde_buf *out, struct sonde_str key);
void sonde_otlp_member_end(struct sonde_buf *out, size_t member);
void sonde_otlp_any_str(struct sonde_buf *out, uint32_t field, struct sonde_str value);
void sonde_otlp_any_int(struct sonde_buf *out, uint32_t field, int64_t value);
void sonde_otlp_any_bool(struct sonde_buf *out, uint32_t field, bool value);

/* --- Reading ------------------------------------------------------------------------ */

/* One log record as it came. */
struct sonde_otlp_log {
    struct sonde_str resource; /* Resource message, protobuf */
    struct sonde_str record;   /* LogRecord message, protobuf */
    struct sonde_str event_name;
    struct sonde_str body; /* AnyValue message, protobuf */
    int64_t time_ns;       /* of the event; where that is unset, of its observation */
    const unsigned char *trace_id; /* NULL (also for zeroes), or 16 bytes */
    const unsigned char *span_id;  /* NULL (also for zeroes), or 8 bytes */
};

/* Called per record; a non-zero answer stops the reading and is returned. */
typedef int sonde_otlp_log_fn(void *arg, const struct sonde_otlp_log *log);

/* Walks an ExportLogsServiceRequest in protobuf. The whole request is checked first
 * (nesting of values at most SONDE_OTLP_MAX_DEPTH, ids of the right length, strings
 * UTF-8): on SONDE_E_SYNTAX or SONDE_E_LIMIT no record was delivered, and err->where
 * names the message ("resource_logs[0].scope_logs[0].log_records[3].body").
 *
 * Of a field that may stand once the last one counts, also where it is a message
 * (protobuf would merge those; no writer sends two). A known field of another wire type
 * is malformed. */
int sonde_otlp_logs_read(struct sonde_str request, sonde_otlp_log_fn *fn, void *arg,
                         struct sonde_err *err);

/* Rewrites an ExportLogsServiceRequest from OTLP/JSON (lowerCamelCase, hex ids, int64 as
 * number or string, unknown fields ignored) as protobuf. SONDE_E_SYNTAX names the field;
 * SONDE_E_LIMIT, SONDE_E_NOMEM. After a failure `out` holds a part that means nothing. */
int sonde_otlp_logs_from_json(struct sonde_buf *out, const struct sonde_json *request,
                              struct sonde_err *err);

/* Finds an attribute by key in a Resource (field SONDE_OTLP_RESOURCE_ATTR) or LogRecord
 * (SONDE_OTLP_RECORD_ATTR) message: its string value, or the empty run; its integer
 * value, or `fallback`. The last one when a key is repeated. */
struct sonde_str sonde_otlp_find_str(struct sonde_str message, uint32_t field,
                                     const char *key);
int64_t sonde_otlp_find_int(struct sonde_str message, uint32_t field, const char *key,
                            int64_t fallback);

/* Appends an AnyValue message as plain JSON: kvlist → object, array → array, string, int,
 * double, bool; bytes as base64; an unset one as null; doubles that JSON has no number
 * for as "NaN", "Infinity", "-Infinity". SONDE_E_SYNTAX, SONDE_E_LIMIT; what was written
 * by then is incomplete. */
int sonde_otlp_any_to_json(struct sonde_json_writer *out, struct sonde_str any);

#endif
