/* SPDX-License-Identifier: Apache-2.0
 *
 * Field numbers of OTLP's logs, common and resource messages, and how a place in a
 * request is named in an error. Private to otlp_*.c. */
#ifndef SONDE_OTLP_FIELDS_H
#define SONDE_OTLP_FIELDS_H

#include "core/wire/otlp.h"

enum sonde_otlp_field {
    EXPORT_RESOURCE_LOGS = 1,

    RESOURCE_LOGS_RESOURCE = 1,
    RESOURCE_LOGS_SCOPE_LOGS = 2,
    RESOURCE_LOGS_SCHEMA_URL = 3,

    SCOPE_LOGS_SCOPE = 1,
    SCOPE_LOGS_LOG_RECORDS = 2,
    SCOPE_LOGS_SCHEMA_URL = 3,

    RESOURCE_ATTRIBUTES = SONDE_OTLP_RESOURCE_ATTR,
    RESOURCE_DROPPED = 2,

    SCOPE_NAME = 1,
    SCOPE_VERSION = 2,
    SCOPE_ATTRIBUTES = 3,
    SCOPE_DROPPED = 4,

    RECORD_TIME = 1,
    RECORD_SEVERITY_NUMBER = 2,
    RECORD_SEVERITY_TEXT = 3,
    RECORD_BODY = SONDE_OTLP_RECORD_BODY,
    RECORD_ATTRIBUTES = SONDE_OTLP_RECORD_ATTR,
    RECORD_DROPPED = 7,
    RECORD_FLAGS = 8,
    RECORD_TRACE_ID = 9,
    RECORD_SPAN_ID = 10,
    RECORD_OBSERVED_TIME = 11,
    RECORD_EVENT_NAME = 12,

    ANY_STRING = 1,
    ANY_BOOL = 2,
    ANY_INT = 3,
    ANY_DOUBLE = 4,
    ANY_ARRAY = 5,
    ANY_KVLIST = 6,
    ANY_BYTES = 7,

    LIST_VALUES = SONDE_OTLP_LIST_VALUES, /* of ArrayValue and KeyValueList */

    KEY_VALUE_KEY = 1,
    KEY_VALUE_VALUE = SONDE_OTLP_MEMBER_VALUE,
};

#define SONDE_OTLP_SEVERITY_INFO 9
#define SONDE_OTLP_TRACE_ID_BYTES 16
#define SONDE_OTLP_SPAN_ID_BYTES 8

/* Where a reader stands:
 * resource_logs[index[0]].scope_logs[index[1]].log_records[index[2]], as far as `levels`
 * goes, in the spelling of `names`, then `part`. */
struct sonde_otlp_place {
    const char *const *names; /* three of them */
    unsigned int levels;
    size_t index[3];
    const char *part; /* NULL, or a field of the innermost one */
    struct sonde_err *err;
};

/* Sets place->err, naming the place. Returns `code`. */
int sonde_otlp_fault(const struct sonde_otlp_place *place, int code, const char *message);

/* The field of `message` with that number and type, the last one when it is repeated: 1
 * and *out set; 0 when there is none; SONDE_E_SYNTAX. */
int sonde_otlp_last(struct sonde_str message, uint32_t number, enum sonde_pb_type type,
                    struct sonde_pb_field *out);

/* The one set member of an AnyValue, the last one when there are several: 1 and *out set;
 * 0 when there is none; SONDE_E_SYNTAX, also when it has the wrong type. */
int sonde_otlp_any_pick(struct sonde_str any, struct sonde_pb_field *out);

#endif
