/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/otlp_fields.h"
#include "core/wire/utf8.h"

/* A protobuf string has to be UTF-8: one broken byte from an application would make a
 * receiver refuse the whole request. */
static void
put_text(struct sonde_buf *out, uint32_t field, struct sonde_str text)
{
    size_t start;

    if (sonde_utf8_is_valid(text)) {
        sonde_pb_bytes(out, field, text);
        return;
    }
    start = sonde_pb_open(out, field);
    sonde_utf8_append(out, text);
    sonde_pb_close(out, start);
}

/* --- Attributes and values ---------------------------------------------------------- */

void
sonde_otlp_any_str(struct sonde_buf *out, uint32_t field, struct sonde_str value)
{
    size_t any = sonde_pb_open(out, field);

    put_text(out, ANY_STRING, value);
    sonde_pb_close(out, any);
}

void
sonde_otlp_any_int(struct sonde_buf *out, uint32_t field, int64_t value)
{
    size_t any = sonde_pb_open(out, field);

    sonde_pb_varint(out, ANY_INT, (uint64_t)value);
    sonde_pb_close(out, any);
}

void
sonde_otlp_any_bool(struct sonde_buf *out, uint32_t field, bool value)
{
    size_t any = sonde_pb_open(out, field);

    sonde_pb_varint(out, ANY_BOOL, value);
    sonde_pb_close(out, any);
}

void
sonde_otlp_attr_str(struct sonde_buf *out, uint32_t field, const char *key,
                    struct sonde_str value)
{
    size_t attribute = sonde_pb_open(out, field);

    put_text(out, KEY_VALUE_KEY, sonde_str_from(key));
    sonde_otlp_any_str(out, KEY_VALUE_VALUE, value);
    sonde_pb_close(out, attribute);
}

void
sonde_otlp_attr_int(struct sonde_buf *out, uint32_t field, const char *key, int64_t value)
{
    size_t attribute = sonde_pb_open(out, field);

    put_text(out, KEY_VALUE_KEY, sonde_str_from(key));
    sonde_otlp_any_int(out, KEY_VALUE_VALUE, value);
    sonde_pb_close(out, attribute);
}

static struct sonde_otlp_nest
nest_begin(struct sonde_buf *out, uint32_t field, uint32_t list)
{
    struct sonde_otlp_nest nest;

    nest.any = sonde_pb_open(out, field);
    nest.list = sonde_pb_open(out, list);
    return nest;
}

struct sonde_otlp_nest
sonde_otlp_kvlist_begin(struct sonde_buf *out, uint32_t field)
{
    return nest_begin(out, field, ANY_KVLIST);
}

struct sonde_otlp_nest
sonde_otlp_array_begin(struct sonde_buf *out, uint32_t field)
{
    return nest_begin(out, field, ANY_ARRAY);
}

void
sonde_otlp_nest_end(struct sonde_buf *out, struct sonde_otlp_nest nest)
{
    sonde_pb_close(out, nest.list);
    sonde_pb_close(out, nest.any);
}

size_t
sonde_otlp_member_begin(struct sonde_buf *out, struct sonde_str key)
{
    size_t member = sonde_pb_open(out, LIST_VALUES);

    put_text(out, KEY_VALUE_KEY, key);
    return member;
}

void
sonde_otlp_member_end(struct sonde_buf *out, size_t member)
{
    sonde_pb_close(out, member);
}

/* --- Requests and records ----------------------------------------------------------- */

void
sonde_otlp_request_begin(struct sonde_otlp_request *request, struct sonde_buf *out,
                         struct sonde_str resource_attributes)
{
    size_t scope;

    request->out = out;
    request->resource_logs = sonde_pb_open(out, EXPORT_RESOURCE_LOGS);
    sonde_pb_bytes(out, RESOURCE_LOGS_RESOURCE, resource_attributes);
    request->scope_logs = sonde_pb_open(out, RESOURCE_LOGS_SCOPE_LOGS);
    scope = sonde_pb_open(out, SCOPE_LOGS_SCOPE);
    put_text(out, SCOPE_NAME, SONDE_STR("sonde"));
    put_text(out, SCOPE_VERSION, SONDE_STR(SONDE_VERSION));
    sonde_pb_close(out, scope);
}

void
sonde_otlp_request_end(struct sonde_otlp_request *request)
{
    sonde_pb_close(request->out, request->scope_logs);
    sonde_pb_close(request->out, request->resource_logs);
}

size_t
sonde_otlp_record_begin(struct sonde_otlp_request *request, int64_t time_ns,
                        int64_t observed_ns, const char *event_name,
                        const unsigned char *trace_id, const unsigned char *span_id)
{
    struct sonde_buf *out = request->out;
    size_t record = sonde_pb_open(out, SCOPE_LOGS_LOG_RECORDS);

    sonde_pb_fixed64(out, RECORD_TIME, (uint64_t)time_ns);
    sonde_pb_varint(out, RECORD_SEVERITY_NUMBER, SONDE_OTLP_SEVERITY_INFO);
    put_text(out, RECORD_SEVERITY_TEXT, SONDE_STR("INFO"));
    if (trace_id != NULL)
        sonde_pb_bytes(
            out, RECORD_TRACE_ID,
            (struct sonde_str){(const char *)trace_id, SONDE_OTLP_TRACE_ID_BYTES});
    if (span_id != NULL)
        sonde_pb_bytes(
            out, RECORD_SPAN_ID,
            (struct sonde_str){(const char *)span_id, SONDE_OTLP_SPAN_ID_BYTES});
    sonde_pb_fixed64(out, RECORD_OBSERVED_TIME, (uint64_t)observed_ns);
    if (event_name != NULL)
        put_text(out, RECORD_EVENT_NAME, sonde_str_from(event_name));
    return record;
}

void
sonde_otlp_record_end(struct sonde_otlp_request *request, size_t record)
{
    sonde_pb_close(request->out, record);
}
