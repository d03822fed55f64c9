/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/number.h"
#include "core/wire/otlp_fields.h"

#include <math.h>

/* --- From OTLP/JSON ----------------------------------------------------------------- */

struct reader {
    struct sonde_buf *out;
    struct sonde_otlp_place place;
    unsigned int depth; /* values open */
};

static const char *const place_names[] = {"resourceLogs", "scopeLogs", "logRecords"};

/* An error in the field `key` of where the reader stands; inside a named part, that part
 * says more than a key deep within it. */
static int
fault(const struct reader *reader, const char *key, int code, const char *message)
{
    struct sonde_otlp_place place = reader->place;

    if (place.part == NULL)
        place.part = key;
    return sonde_otlp_fault(&place, code, message);
}

/* A field that is there: null means absent, as everywhere in protobuf's JSON. */
static const struct sonde_json *
present(const struct sonde_json *object, const char *key)
{
    const struct sonde_json *member = sonde_json_get(object, key);

    return member == NULL || member->type == SONDE_JSON_NULL ? NULL : member;
}

/* Sets *out to the field's members, NULL when there are none. */
static int
get_array(const struct reader *reader, const struct sonde_json *object, const char *key,
          const struct sonde_json **out)
{
    const struct sonde_json *member = present(object, key);

    if (member != NULL && member->type != SONDE_JSON_ARRAY)
        return fault(reader, key, SONDE_E_SYNTAX, "expected an array");
    *out = member == NULL ? NULL : member->first;
    return SONDE_OK;
}

static int
put_text(const struct reader *reader, const struct sonde_json *object, const char *key,
         uint32_t field)
{
    const struct sonde_json *member = present(object, key);

    if (member == NULL)
        return SONDE_OK;
    if (member->type != SONDE_JSON_STRING)
        return fault(reader, key, SONDE_E_SYNTAX, "expected a string");
    sonde_pb_bytes(reader->out, field, member->string);
    return SONDE_OK;
}

/* Protobuf's JSON writes 64-bit integers as strings, and reads 1e3 as one too. */
static bool
get_int(const struct sonde_json *value, int64_t *out)
{
    const double exact = 9007199254740992.0; /* 2^53 */

    if (value->type == SONDE_JSON_STRING)
        return sonde_number_read_int(value->string, out);
    if (value->type != SONDE_JSON_NUMBER)
        return false;
    if (value->is_integer) {
        *out = value->integer;
        return true;
    }
    if (value->number < -exact || value->number > exact)
        return false;
    *out = (int64_t)value->number;
    return (double)*out == value->number;
}

/* An integer from 0 to `most`, written as `type`. */
static int
put_uint(const struct reader *reader, const struct sonde_json *object, const char *key,
         uint32_t field, int64_t most, enum sonde_pb_type type)
{
    const struct sonde_json *member = present(object, key);
    int64_t value;

    if (member == NULL)
        return SONDE_OK;
    if (!get_int(member, &value) || value < 0 || value > most)
        return fault(reader, key, SONDE_E_SYNTAX, "expected an integer in range");
    if (type == SONDE_PB_FIXED64)
        sonde_pb_fixed64(reader->out, field, (uint64_t)value);
    else if (type == SONDE_PB_FIXED32)
        sonde_pb_fixed32(reader->out, field, (uint32_t)value);
    else
        sonde_pb_varint(reader->out, field, (uint64_t)value);
    return SONDE_OK;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* OTLP's own rule: ids are hexadecimal, where protobuf's JSON would have base64. */
static int
put_id(const struct reader *reader, const struct sonde_json *object, const char *key,
       uint32_t field, size_t bytes)
{
    const struct sonde_json *member = present(object, key);
    char id[SONDE_OTLP_TRACE_ID_BYTES];

    if (member == NULL || (member->type == SONDE_JSON_STRING && member->string.len == 0))
        return SONDE_OK;
    if (member->type != SONDE_JSON_STRING || member->string.len != 2 * bytes)
        return fault(reader, key, SONDE_E_SYNTAX, "expected an id in hexadecimal");
    for (size_t i = 0; i < bytes; i++) {
        int high = hex_digit(member->string.ptr[2 * i]);
        int low = hex_digit(member->string.ptr[2 * i + 1]);

        if (high < 0 || low < 0)
            return fault(reader, key, SONDE_E_SYNTAX, "expected an id in hexadecimal");
        id[i] = (char)(high << 4 | low);
    }
    sonde_pb_bytes(reader->out, field, (struct sonde_str){id, bytes});
    return SONDE_OK;
}

static int
base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Both alphabets, with padding or without, as protobuf's JSON asks. */
static bool
append_base64_decoded(struct sonde_buf *out, struct sonde_str text)
{
    uint32_t bits = 0;
    unsigned int waiting = 0; /* bits not yet written, below 8 */

    for (int i = 0; i < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; i++)
        text.len--;
    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.ptr[i]);

        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        waiting += 6;
        if (waiting >= 8) {
            waiting -= 8;
            sonde_buf_byte(out, (char)(bits >> waiting));
        }
    }
    return true;
}

static int
put_double(const struct reader *reader, const struct sonde_json *value)
{
    double number = value->number;

    if (value->type == SONDE_JSON_STRING) {
        if (sonde_str_eq(value->string, SONDE_STR("NaN")))
            number = (double)NAN;
        else if (sonde_str_eq(value->string, SONDE_STR("Infinity")))
            number = (double)INFINITY;
        else if (sonde_str_eq(value->string, SONDE_STR("-Infinity")))
            number = -(double)INFINITY;
        else if (strlen(value->string.ptr) != value->string.len ||
                 !sonde_number_read_double(value->string.ptr, &number))
            return fault(reader, "doubleValue", SONDE_E_SYNTAX, "expected a number");
    } else if (value->type != SONDE_JSON_NUMBER) {
        return fault(reader, "doubleValue", SONDE_E_SYNTAX, "expected a number");
    }
    sonde_pb_double(reader->out, ANY_DOUBLE, number);
    return SONDE_OK;
}

static int put_any(struct reader *reader, const struct sonde_json *any, uint32_t field);

static int
put_key_value(struct reader *reader, const struct sonde_json *pair, uint32_t field)
{
    size_t start = sonde_pb_open(reader->out, field);
    const struct sonde_json *value = present(pair, "value");
    int code;

    if (pair->type != SONDE_JSON_OBJECT)
        return fault(reader, "attributes", SONDE_E_SYNTAX, "expected key and value");
    code = put_text(reader, pair, "key", KEY_VALUE_KEY);
    if (code == SONDE_OK && value != NULL)
        code = put_any(reader, value, KEY_VALUE_VALUE);
    sonde_pb_close(reader->out, start);
    return code;
}

/* The members of an arrayValue or kvlistValue. */
static int
put_list(struct reader *reader, const struct sonde_json *list, uint32_t field)
{
    size_t start = sonde_pb_open(reader->out, field);
    const struct sonde_json *member = NULL;
    int code;

    if (list->type != SONDE_JSON_OBJECT)
        return fault(reader, "values", SONDE_E_SYNTAX, "expected an object with values");
    code = get_array(reader, list, "values", &member);
    for (; code == SONDE_OK && member != NULL; member = member->next)
        code = field == ANY_ARRAY ? put_any(reader, member, LIST_VALUES)
                                  : put_key_value(reader, member, LIST_VALUES);
    sonde_pb_close(reader->out, start);
    return code;
}

static int
put_any_member(struct reader *reader, const struct sonde_json *value, uint32_t field)
{
    int64_t integer;
    size_t start;

    switch (field) {
    case ANY_STRING:
        if (value->type != SONDE_JSON_STRING)
            return fault(reader, "stringValue", SONDE_E_SYNTAX, "expected a string");
        sonde_pb_bytes(reader->out, field, value->string);
        return SONDE_OK;
    case ANY_BOOL:
        if (value->type != SONDE_JSON_BOOL)
            return fault(reader, "boolValue", SONDE_E_SYNTAX, "expected true or false");
        sonde_pb_varint(reader->out, field, value->boolean);
        return SONDE_OK;
    case ANY_INT:
        if (!get_int(value, &integer))
            return fault(reader, "intValue", SONDE_E_SYNTAX, "expected a 64-bit integer");
        sonde_pb_varint(reader->out, field, (uint64_t)integer);
        return SONDE_OK;
    case ANY_DOUBLE:
        return put_double(reader, value);
    case ANY_BYTES:
        start = sonde_pb_open(reader->out, field);
        if (value->type != SONDE_JSON_STRING ||
            !append_base64_decoded(reader->out, value->string))
            return fault(reader, "bytesValue", SONDE_E_SYNTAX, "expected base64");
        sonde_pb_close(reader->out, start);
        return SONDE_OK;
    default:
        return put_list(reader, value, field);
    }
}

static int
put_any(struct reader *reader, const struct sonde_json *any, uint32_t field)
{
    static const char *const keys[] = {
        [ANY_STRING] = "stringValue", [ANY_BOOL] = "boolValue",
        [ANY_INT] = "intValue",       [ANY_DOUBLE] = "doubleValue",
        [ANY_ARRAY] = "arrayValue",   [ANY_KVLIST] = "kvlistValue",
        [ANY_BYTES] = "bytesValue",
    };
    size_t start = sonde_pb_open(reader->out, field);
    bool is_set = false;
    int code = SONDE_OK;

    if (any->type != SONDE_JSON_OBJECT && any->type != SONDE_JSON_NULL)
        return fault(reader, "value", SONDE_E_SYNTAX, "expected a typed value");
    if (reader->depth == SONDE_OTLP_MAX_DEPTH)
        return fault(reader, "value", SONDE_E_LIMIT, "values nested too deep");
    reader->depth++;
    for (uint32_t kind = ANY_STRING; code == SONDE_OK && kind <= ANY_BYTES; kind++) {
        const struct sonde_json *value = present(any, keys[kind]);

        if (value == NULL)
            continue;
        code = is_set ? fault(reader, keys[kind], SONDE_E_SYNTAX, "value of two types")
                      : put_any_member(reader, value, kind);
        is_set = true;
    }
    reader->depth--;
    sonde_pb_close(reader->out, start);
    return code;
}

static int
put_attributes(struct reader *reader, const struct sonde_json *object, uint32_t field)
{
    const char *outer = reader->place.part;
    const struct sonde_json *pair = NULL;
    int code = get_array(reader, object, "attributes", &pair);

    if (outer == NULL)
        reader->place.part = "attributes";
    for (; code == SONDE_OK && pair != NULL; pair = pair->next)
        code = put_key_value(reader, pair, field);
    reader->place.part = outer;
    return code;
}

static int
put_record(struct reader *reader, const struct sonde_json *record)
{
    const struct sonde_json *body = present(record, "body");
    int code = put_uint(reader, record, "timeUnixNano", RECORD_TIME, INT64_MAX,
                        SONDE_PB_FIXED64);

    if (code == SONDE_OK)
        code = put_uint(reader, record, "severityNumber", RECORD_SEVERITY_NUMBER,
                        INT32_MAX, SONDE_PB_VARINT);
    if (code == SONDE_OK)
        code = put_text(reader, record, "severityText", RECORD_SEVERITY_TEXT);
    if (code == SONDE_OK && body != NULL) {
        reader->place.part = "body";
        code = put_any(reader, body, RECORD_BODY);
        reader->place.part = NULL;
    }
    if (code == SONDE_OK)
        code = put_attributes(reader, record, RECORD_ATTRIBUTES);
    if (code == SONDE_OK)
        code = put_uint(reader, record, "droppedAttributesCount", RECORD_DROPPED,
                        UINT32_MAX, SONDE_PB_VARINT);
    if (code == SONDE_OK)
        code =
            put_uint(reader, record, "flags", RECORD_FLAGS, UINT32_MAX, SONDE_PB_FIXED32);
    if (code == SONDE_OK)
        code =
            put_id(reader, record, "traceId", RECORD_TRACE_ID, SONDE_OTLP_TRACE_ID_BYTES);
    if (code == SONDE_OK)
        code = put_id(reader, record, "spanId", RECORD_SPAN_ID, SONDE_OTLP_SPAN_ID_BYTES);
    if (code == SONDE_OK)
        code = put_uint(reader, record, "observedTimeUnixNano", RECORD_OBSERVED_TIME,
                        INT64_MAX, SONDE_PB_FIXED64);
    if (code == SONDE_OK)
        code = put_text(reader, record, "eventName", RECORD_EVENT_NAME);
    return code;
}

/* The resource or the scope: a sub-message with attributes; a scope has a name too. */
static int
put_origin(struct reader *reader, const struct sonde_json *parent, const char *key,
           uint32_t field)
{
    const struct sonde_json *origin = present(parent, key);
    bool is_scope = strcmp(key, "scope") == 0;
    size_t start;
    int code = SONDE_OK;

    if (origin == NULL)
        return SONDE_OK;
    if (origin->type != SONDE_JSON_OBJECT)
        return fault(reader, key, SONDE_E_SYNTAX, "expected an object");
    reader->place.part = key;
    start = sonde_pb_open(reader->out, field);
    if (is_scope)
        code = put_text(reader, origin, "name", SCOPE_NAME);
    if (code == SONDE_OK && is_scope)
        code = put_text(reader, origin, "version", SCOPE_VERSION);
    if (code == SONDE_OK)
        code = put_attributes(
            reader, origin, is_scope ? (uint32_t)SCOPE_ATTRIBUTES : RESOURCE_ATTRIBUTES);
    if (code == SONDE_OK)
        code = put_uint(reader, origin, "droppedAttributesCount",
                        is_scope ? (uint32_t)SCOPE_DROPPED : RESOURCE_DROPPED, UINT32_MAX,
                        SONDE_PB_VARINT);
    sonde_pb_close(reader->out, start);
    reader->place.part = NULL;
    return code;
}

typedef int put_fn(struct reader *reader, const struct sonde_json *object);

/* One level of the request: every object in the array `key`, written under `field`. */
static int
put_level(struct reader *reader, const struct sonde_json *parent, uint32_t field,
          put_fn *put)
{
    unsigned int level = reader->place.levels;
    const struct sonde_json *member = NULL;
    int code = get_array(reader, parent, place_names[level], &member);

    for (size_t i = 0; code == SONDE_OK && member != NULL; i++, member = member->next) {
        size_t start = sonde_pb_open(reader->out, field);

        reader->place.levels = level + 1;
        reader->place.index[level] = i;
        code = member->type == SONDE_JSON_OBJECT
                   ? put(reader, member)
                   : fault(reader, NULL, SONDE_E_SYNTAX, "expected an object");
        reader->place.levels = level;
        sonde_pb_close(reader->out, start);
    }
    return code;
}

static int
put_scope_logs(struct reader *reader, const struct sonde_json *logs)
{
    int code = put_origin(reader, logs, "scope", SCOPE_LOGS_SCOPE);

    if (code == SONDE_OK)
        code = put_level(reader, logs, SCOPE_LOGS_LOG_RECORDS, put_record);
    if (code == SONDE_OK)
        code = put_text(reader, logs, "schemaUrl", SCOPE_LOGS_SCHEMA_URL);
    return code;
}

static int
put_resource_logs(struct reader *reader, const struct sonde_json *logs)
{
    int code = put_origin(reader, logs, "resource", RESOURCE_LOGS_RESOURCE);

    if (code == SONDE_OK)
        code = put_level(reader, logs, RESOURCE_LOGS_SCOPE_LOGS, put_scope_logs);
    if (code == SONDE_OK)
        code = put_text(reader, logs, "schemaUrl", RESOURCE_LOGS_SCHEMA_URL);
    return code;
}

int
sonde_otlp_logs_from_json(struct sonde_buf *out, const struct sonde_json *request,
                          struct sonde_err *err)
{
    struct reader reader = {.out = out, .place = {.names = place_names, .err = err}};
    int code;

    if (request->type != SONDE_JSON_OBJECT)
        return fault(&reader, NULL, SONDE_E_SYNTAX, "expected an object");
    code = put_level(&reader, request, EXPORT_RESOURCE_LOGS, put_resource_logs);
    if (code == SONDE_OK && out->failed != SONDE_OK)
        code = fault(&reader, NULL, out->failed, sonde_code_text(out->failed));
    return code;
}

/* --- To plain JSON ------------------------------------------------------------------ */

static void
write_base64(struct sonde_json_writer *out, struct sonde_str bytes)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    sonde_json_raw(out, SONDE_STR("\""));
    for (size_t at = 0; at < bytes.len; at += 3) {
        size_t count = bytes.len - at < 3 ? bytes.len - at : 3;
        uint32_t bits = 0;
        char four[4];

        for (size_t i = 0; i < 3; i++)
            bits = bits << 8 | (i < count ? (unsigned char)bytes.ptr[at + i] : 0);
        for (size_t i = 0; i < 4; i++)
            four[i] = i <= count ? digits[bits >> (18 - 6 * i) & 63] : '=';
        sonde_buf_append(out->out, four, sizeof(four));
    }
    sonde_buf_byte(out->out, '"');
}

/* What JSON has no number for is named, as protobuf's JSON does it. */
static void
write_double(struct sonde_json_writer *out, uint64_t bits)
{
    double number;

    memcpy(&number, &bits, sizeof(number));
    if (isnan(number))
        sonde_json_string(out, SONDE_STR("NaN"));
    else if (isinf(number))
        sonde_json_string(out,
                          number > 0 ? SONDE_STR("Infinity") : SONDE_STR("-Infinity"));
    else
        sonde_json_double(out, number);
}

static int write_any(struct sonde_json_writer *out, struct sonde_str any,
                     unsigned int depth);

static int
write_array(struct sonde_json_writer *out, struct sonde_str list, unsigned int depth)
{
    struct sonde_pb_reader reader;
    struct sonde_pb_field value;
    int got;

    sonde_json_array_begin(out);
    sonde_pb_reader_init(&reader, list);
    while ((got = sonde_pb_next(&reader, &value)) > 0) {
        int code;

        if (value.number != LIST_VALUES)
            continue;
        if (value.type != SONDE_PB_LEN)
            return SONDE_E_SYNTAX;
        code = write_any(out, value.bytes, depth);
        if (code != SONDE_OK)
            return code;
    }
    sonde_json_array_end(out);
    return got;
}

static int
write_kvlist(struct sonde_json_writer *out, struct sonde_str list, unsigned int depth)
{
    struct sonde_pb_reader reader;
    struct sonde_pb_field pair;
    int got;

    sonde_json_object_begin(out);
    sonde_pb_reader_init(&reader, list);
    while ((got = sonde_pb_next(&reader, &pair)) > 0) {
        struct sonde_pb_field key = {0}, value = {0};
        int code;

        if (pair.number != LIST_VALUES)
            continue;
        if (pair.type != SONDE_PB_LEN ||
            sonde_otlp_last(pair.bytes, KEY_VALUE_KEY, SONDE_PB_LEN, &key) < 0 ||
            sonde_otlp_last(pair.bytes, KEY_VALUE_VALUE, SONDE_PB_LEN, &value) < 0)
            return SONDE_E_SYNTAX;
        sonde_json_key_str(out, key.bytes);
        code = write_any(out, value.bytes, depth);
        if (code != SONDE_OK)
            return code;
    }
    sonde_json_object_end(out);
    return got;
}

static int
write_any(struct sonde_json_writer *out, struct sonde_str any, unsigned int depth)
{
    struct sonde_pb_field value;
    int got = sonde_otlp_any_pick(any, &value);

    if (got < 0)
        return got;
    if (depth == SONDE_OTLP_MAX_DEPTH)
        return SONDE_E_LIMIT;
    if (got == 0) {
        sonde_json_null(out);
        return SONDE_OK;
    }
    switch (value.number) {
    case ANY_STRING:
        sonde_json_string(out, value.bytes);
        return SONDE_OK;
    case ANY_BOOL:
        sonde_json_bool(out, value.value != 0);
        return SONDE_OK;
    case ANY_INT:
        sonde_json_int(out, (int64_t)value.value);
        return SONDE_OK;
    case ANY_DOUBLE:
        write_double(out, value.value);
        return SONDE_OK;
    case ANY_ARRAY:
        return write_array(out, value.bytes, depth + 1);
    case ANY_KVLIST:
        return write_kvlist(out, value.bytes, depth + 1);
    default:
        write_base64(out, value.bytes);
        return SONDE_OK;
    }
}

int
sonde_otlp_any_to_json(struct sonde_json_writer *out, struct sonde_str any)
{
    return write_any(out, any, 0);
}
