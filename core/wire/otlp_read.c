/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/otlp_fields.h"
#include "core/wire/utf8.h"

#include <stdio.h>

/* --- The schema, as far as it is checked -------------------------------------------- */

enum kind {
    UNKNOWN = 0, /* what the tables leave out; skipped whatever it holds */
    VARINT,
    FIXED32,
    FIXED64,
    TIME,
    TEXT,
    BYTES,
    TRACE_ID,
    SPAN_ID,
    MESSAGE,
};

struct message;

struct rule {
    enum kind kind;
    unsigned int level; /* 1 to 3: a step of sonde_otlp_place */
    const char *name;   /* as an error names it */
    const struct message *message;
};

struct message {
    const struct rule *rules; /* by field number */
    uint32_t end;             /* above the last one */
    bool is_any;              /* counts for SONDE_OTLP_MAX_DEPTH */
};

#define MESSAGE_OF(rules) (rules), sizeof(rules) / sizeof((rules)[0])

static const struct message any_value;

static const struct rule key_value_rules[] = {
    [KEY_VALUE_KEY] = {TEXT, 0, "key", NULL},
    [KEY_VALUE_VALUE] = {MESSAGE, 0, "value", &any_value},
};
static const struct message key_value = {MESSAGE_OF(key_value_rules), false};

static const struct rule array_rules[] = {
    [LIST_VALUES] = {MESSAGE, 0, "values", &any_value},
};
static const struct message array = {MESSAGE_OF(array_rules), false};

static const struct rule kvlist_rules[] = {
    [LIST_VALUES] = {MESSAGE, 0, "values", &key_value},
};
static const struct message kvlist = {MESSAGE_OF(kvlist_rules), false};

static const struct rule any_rules[] = {
    [ANY_STRING] = {TEXT, 0, "string_value", NULL},
    [ANY_BOOL] = {VARINT, 0, "bool_value", NULL},
    [ANY_INT] = {VARINT, 0, "int_value", NULL},
    [ANY_DOUBLE] = {FIXED64, 0, "double_value", NULL},
    [ANY_ARRAY] = {MESSAGE, 0, "array_value", &array},
    [ANY_KVLIST] = {MESSAGE, 0, "kvlist_value", &kvlist},
    [ANY_BYTES] = {BYTES, 0, "bytes_value", NULL},
};
static const struct message any_value = {MESSAGE_OF(any_rules), true};

static const struct rule record_rules[] = {
    [RECORD_TIME] = {TIME, 0, "time_unix_nano", NULL},
    [RECORD_SEVERITY_NUMBER] = {VARINT, 0, "severity_number", NULL},
    [RECORD_SEVERITY_TEXT] = {TEXT, 0, "severity_text", NULL},
    [RECORD_BODY] = {MESSAGE, 0, "body", &any_value},
    [RECORD_ATTRIBUTES] = {MESSAGE, 0, "attributes", &key_value},
    [RECORD_DROPPED] = {VARINT, 0, "dropped_attributes_count", NULL},
    [RECORD_FLAGS] = {FIXED32, 0, "flags", NULL},
    [RECORD_TRACE_ID] = {TRACE_ID, 0, "trace_id", NULL},
    [RECORD_SPAN_ID] = {SPAN_ID, 0, "span_id", NULL},
    [RECORD_OBSERVED_TIME] = {TIME, 0, "observed_time_unix_nano", NULL},
    [RECORD_EVENT_NAME] = {TEXT, 0, "event_name", NULL},
};
static const struct message record = {MESSAGE_OF(record_rules), false};

static const struct rule scope_rules[] = {
    [SCOPE_NAME] = {TEXT, 0, "name", NULL},
    [SCOPE_VERSION] = {TEXT, 0, "version", NULL},
    [SCOPE_ATTRIBUTES] = {MESSAGE, 0, "attributes", &key_value},
    [SCOPE_DROPPED] = {VARINT, 0, "dropped_attributes_count", NULL},
};
static const struct message scope = {MESSAGE_OF(scope_rules), false};

static const struct rule scope_logs_rules[] = {
    [SCOPE_LOGS_SCOPE] = {MESSAGE, 0, "scope", &scope},
    [SCOPE_LOGS_LOG_RECORDS] = {MESSAGE, 3, "log_records", &record},
    [SCOPE_LOGS_SCHEMA_URL] = {TEXT, 0, "schema_url", NULL},
};
static const struct message scope_logs = {MESSAGE_OF(scope_logs_rules), false};

static const struct rule resource_rules[] = {
    [RESOURCE_ATTRIBUTES] = {MESSAGE, 0, "attributes", &key_value},
    [RESOURCE_DROPPED] = {VARINT, 0, "dropped_attributes_count", NULL},
};
static const struct message resource = {MESSAGE_OF(resource_rules), false};

static const struct rule resource_logs_rules[] = {
    [RESOURCE_LOGS_RESOURCE] = {MESSAGE, 0, "resource", &resource},
    [RESOURCE_LOGS_SCOPE_LOGS] = {MESSAGE, 2, "scope_logs", &scope_logs},
    [RESOURCE_LOGS_SCHEMA_URL] = {TEXT, 0, "schema_url", NULL},
};
static const struct message resource_logs = {MESSAGE_OF(resource_logs_rules), false};

static const struct rule export_rules[] = {
    [EXPORT_RESOURCE_LOGS] = {MESSAGE, 1, "resource_logs", &resource_logs},
};
static const struct message export_request = {MESSAGE_OF(export_rules), false};

static const char *const place_names[] = {"resource_logs", "scope_logs", "log_records"};

/* --- Checking ----------------------------------------------------------------------- */

int
sonde_otlp_fault(const struct sonde_otlp_place *place, int code, const char *message)
{
    char where[160] = "request";
    size_t len = 0;

    for (unsigned int i = 0; i < place->levels; i++)
        len += (size_t)snprintf(where + len, sizeof(where) - len, "%s%s[%zu]",
                                i == 0 ? "" : ".", place->names[i], place->index[i]);
    if (place->part != NULL)
        snprintf(where + len, sizeof(where) - len, "%s%s", len == 0 ? "" : ".",
                 place->part);
    return sonde_err_set(place->err, code, where, "%s", message);
}

static enum sonde_pb_type
wire_type(enum kind kind)
{
    switch (kind) {
    case VARINT:
        return SONDE_PB_VARINT;
    case FIXED32:
        return SONDE_PB_FIXED32;
    case FIXED64:
    case TIME:
        return SONDE_PB_FIXED64;
    default:
        return SONDE_PB_LEN;
    }
}

static int check_message(struct sonde_otlp_place *place, const struct message *message,
                         struct sonde_str bytes, unsigned int depth);

static int
check_field(struct sonde_otlp_place *place, const struct rule *rule,
            const struct sonde_pb_field *field, unsigned int depth)
{
    size_t len = field->bytes.len;

    if (field->type != wire_type(rule->kind))
        return sonde_otlp_fault(place, SONDE_E_SYNTAX, "field of the wrong wire type");
    switch (rule->kind) {
    case TIME:
        if (field->value > INT64_MAX)
            return sonde_otlp_fault(place, SONDE_E_SYNTAX, "time after the year 2262");
        return SONDE_OK;
    case TEXT:
        if (!sonde_utf8_is_valid(field->bytes))
            return sonde_otlp_fault(place, SONDE_E_SYNTAX, "text that is not UTF-8");
        return SONDE_OK;
    case TRACE_ID:
        if (len != 0 && len != SONDE_OTLP_TRACE_ID_BYTES)
            return sonde_otlp_fault(place, SONDE_E_SYNTAX, "trace id of not 16 bytes");
        return SONDE_OK;
    case SPAN_ID:
        if (len != 0 && len != SONDE_OTLP_SPAN_ID_BYTES)
            return sonde_otlp_fault(place, SONDE_E_SYNTAX, "span id of not 8 bytes");
        return SONDE_OK;
    case MESSAGE:
        return check_message(place, rule->message, field->bytes, depth);
    default:
        return SONDE_OK;
    }
}

/* Recursion is bounded: only values contain themselves, and `depth` counts those. */
static int
check_message(struct sonde_otlp_place *place, const struct message *message,
              struct sonde_str bytes, unsigned int depth)
{
    struct sonde_pb_reader reader;
    struct sonde_pb_field field;
    size_t steps = 0;
    int got;

    if (message->is_any && depth++ == SONDE_OTLP_MAX_DEPTH)
        return sonde_otlp_fault(place, SONDE_E_LIMIT, "values nested too deep");
    sonde_pb_reader_init(&reader, bytes);
    while ((got = sonde_pb_next(&reader, &field)) > 0) {
        const struct rule *rule =
            field.number < message->end ? &message->rules[field.number] : NULL;
        bool names_part = false;
        int code;

        if (rule == NULL || rule->kind == UNKNOWN)
            continue;
        if (rule->level > 0) {
            place->levels = rule->level;
            place->index[rule->level - 1] = steps++;
        } else if (place->part == NULL) {
            place->part = rule->name;
            names_part = true;
        }
        code = check_field(place, rule, &field, depth);
        if (code != SONDE_OK)
            return code;
        if (rule->level > 0)
            place->levels = rule->level - 1;
        if (names_part)
            place->part = NULL;
    }
    return got < 0 ? sonde_otlp_fault(place, got, "malformed protobuf") : SONDE_OK;
}

/* --- Delivering: over a request that was checked ------------------------------------ */

/* An id of zeroes means none (W3C Trace Context). */
static const unsigned char *
id_or_null(struct sonde_str id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] != 0)
            return (const unsigned char *)id.ptr;
    }
    return NULL;
}

static int
deliver_record(struct sonde_str message, struct sonde_str resource_message,
               sonde_otlp_log_fn *fn, void *arg)
{
    struct sonde_otlp_log log = {.resource = resource_message, .record = message};
    struct sonde_pb_reader reader;
    struct sonde_pb_field field;
    uint64_t time = 0, observed = 0;

    sonde_pb_reader_init(&reader, message);
    while (sonde_pb_next(&reader, &field) > 0) {
        switch (field.number) {
        case RECORD_TIME:
            time = field.value;
            break;
        case RECORD_OBSERVED_TIME:
            observed = field.value;
            break;
        case RECORD_BODY:
            log.body = field.bytes;
            break;
        case RECORD_TRACE_ID:
            log.trace_id = id_or_null(field.bytes);
            break;
        case RECORD_SPAN_ID:
            log.span_id = id_or_null(field.bytes);
            break;
        case RECORD_EVENT_NAME:
            log.event_name = field.bytes;
            break;
        }
    }
    log.time_ns = (int64_t)(time != 0 ? time : observed);
    return fn(arg, &log);
}

static int
deliver_scope_logs(struct sonde_str message, struct sonde_str resource_message,
                   sonde_otlp_log_fn *fn, void *arg)
{
    struct sonde_pb_reader reader;
    struct sonde_pb_field field;

    sonde_pb_reader_init(&reader, message);
    while (sonde_pb_next(&reader, &field) > 0) {
        int code;

        if (field.number != SCOPE_LOGS_LOG_RECORDS)
            continue;
        code = deliver_record(field.bytes, resource_message, fn, arg);
        if (code != 0)
            return code;
    }
    return 0;
}

static int
deliver_resource_logs(struct sonde_str message, sonde_otlp_log_fn *fn, void *arg)
{
    struct sonde_pb_field found = {0}; /* the resource may come after its logs */
    struct sonde_pb_reader reader;
    struct sonde_pb_field field;

    sonde_otlp_last(message, RESOURCE_LOGS_RESOURCE, SONDE_PB_LEN, &found);
    sonde_pb_reader_init(&reader, message);
    while (sonde_pb_next(&reader, &field) > 0) {
        int code;

        if (field.number != RESOURCE_LOGS_SCOPE_LOGS)
            continue;
        code = deliver_scope_logs(field.bytes, found.bytes, fn, arg);
        if (code != 0)
            return code;
    }
    return 0;
}

int
sonde_otlp_logs_read(struct sonde_str request, sonde_otlp_log_fn *fn, void *arg,
                     struct sonde_err *err)
{
    struct sonde_otlp_place place = {.names = place_names, .err = err};
    struct sonde_pb_reader reader;
    struct sonde_pb_field field;
    int code = check_message(&place, &export_request, request, 0);

    if (code != SONDE_OK)
        return code;
    sonde_pb_reader_init(&reader, request);
    while (sonde_pb_next(&reader, &field) > 0) {
        if (field.number != EXPORT_RESOURCE_LOGS)
            continue;
        code = deliver_resource_logs(field.bytes, fn, arg);
        if (code != 0)
            return code;
    }
    return SONDE_OK;
}

/* --- Looking up --------------------------------------------------------------------- */

int
sonde_otlp_last(struct sonde_str message, uint32_t number, enum sonde_pb_type type,
                struct sonde_pb_field *out)
{
    struct sonde_pb_reader reader;
    struct sonde_pb_field field;
    int got, found = 0;

    sonde_pb_reader_init(&reader, message);
    while ((got = sonde_pb_next(&reader, &field)) > 0) {
        if (field.number == number && field.type == type) {
            *out = field;
            found = 1;
        }
    }
    return got < 0 ? got : found;
}

int
sonde_otlp_any_pick(struct sonde_str any, struct sonde_pb_field *out)
{
    struct sonde_pb_reader reader;
    struct sonde_pb_field field;
    int got, found = 0;

    sonde_pb_reader_init(&reader, any);
    while ((got = sonde_pb_next(&reader, &field)) > 0) {
        if (field.number >= any_value.end)
            continue;
        if (field.type != wire_type(any_rules[field.number].kind))
            return SONDE_E_SYNTAX;
        *out = field;
        found = 1;
    }
    return got < 0 ? got : found;
}

/* The set member of the last attribute with that key; false when there is none. */
static bool
find(struct sonde_str message, uint32_t number, const char *key,
     struct sonde_pb_field *out)
{
    struct sonde_str wanted = sonde_str_from(key);
    struct sonde_pb_reader reader;
    struct sonde_pb_field attribute;
    bool found = false;

    sonde_pb_reader_init(&reader, message);
    while (sonde_pb_next(&reader, &attribute) > 0) {
        struct sonde_pb_field name = {0}, value = {0};

        if (attribute.number != number || attribute.type != SONDE_PB_LEN ||
            sonde_otlp_last(attribute.bytes, KEY_VALUE_KEY, SONDE_PB_LEN, &name) < 0 ||
            !sonde_str_eq(name.bytes, wanted))
            continue;
        found =
            sonde_otlp_last(attribute.bytes, KEY_VALUE_VALUE, SONDE_PB_LEN, &value) > 0 &&
            sonde_otlp_any_pick(value.bytes, out) > 0;
    }
    return found;
}

struct sonde_str
sonde_otlp_find_str(struct sonde_str message, uint32_t field, const char *key)
{
    struct sonde_pb_field value;

    if (!find(message, field, key, &value) || value.number != ANY_STRING)
        return (struct sonde_str){0};
    return value.bytes;
}

int64_t
sonde_otlp_find_int(struct sonde_str message, uint32_t field, const char *key,
                    int64_t fallback)
{
    struct sonde_pb_field value;

    if (!find(message, field, key, &value) || value.number != ANY_INT)
        return fallback;
    return (int64_t)value.value;
}
