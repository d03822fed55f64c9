/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/query/renderer.h"

#include "core/capture/snapshot.h"

#include <zstd.h>

#define RECORD_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define TREE_MAX_BYTES ((size_t)256 * 1024 * 1024)

void
sonde_renderer_init(struct sonde_renderer *renderer)
{
    *renderer = (struct sonde_renderer){0};
    sonde_buf_init(&renderer->record, 0);
    sonde_buf_init(&renderer->body, 0);
}

void
sonde_renderer_fini(struct sonde_renderer *renderer)
{
    ZSTD_freeDCtx(renderer->unpacker);
    sonde_buf_fini(&renderer->record);
    sonde_buf_fini(&renderer->body);
    renderer->unpacker = NULL;
}

static int
damaged(const struct sonde_row *row, const char *what, struct sonde_err *err)
{
    return sonde_err_set(err, SONDE_E_CORRUPT, NULL, "snapshot %.*s is damaged: %s",
                         (int)row->id.len, row->id.ptr, what);
}

static int
unpack(struct sonde_renderer *renderer, const struct sonde_row *row,
       struct sonde_err *err)
{
    if (renderer->unpacker == NULL) {
        renderer->unpacker = ZSTD_createDCtx();
    }
    unsigned long long size = ZSTD_getFrameContentSize(row->packed.ptr, row->packed.len);
    if (size > RECORD_MAX_BYTES) { /* unknown and error are large numbers */
        return damaged(row, "its length", err);
    }
    sonde_buf_reset(&renderer->record);
    char *to = sonde_buf_reserve(&renderer->record, (size_t)size);
    if (renderer->unpacker == NULL || to == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    size_t len = ZSTD_decompressDCtx(renderer->unpacker, to, (size_t)size,
                                     row->packed.ptr, row->packed.len);
    if (ZSTD_isError(len) || len != size) {
        return damaged(row, ZSTD_isError(len) ? ZSTD_getErrorName(len) : "its length",
                       err);
    }
    renderer->record.len = len;
    return SONDE_OK;
}

/* The body's AnyValue; empty when there is none. */
static int
find_body(struct sonde_str *out, struct sonde_str record)
{
    struct sonde_pb_reader reader;
    struct sonde_pb_field field;
    int rc;
    *out = (struct sonde_str){NULL, 0};
    sonde_pb_reader_init(&reader, record);
    while ((rc = sonde_pb_next(&reader, &field)) == 1) {
        if (field.number == SONDE_OTLP_RECORD_BODY && field.type == SONDE_PB_LEN) {
            *out = field.bytes;
        }
    }
    return rc;
}

static void
write_str(struct sonde_json_writer *out, const char *key, struct sonde_str value)
{
    sonde_json_key(out, key);
    sonde_json_string(out, value);
}

/* A number, or null where it was not said. */
static void
write_found_int(struct sonde_json_writer *out, const char *key, struct sonde_str message,
                uint32_t field, const char *attribute)
{
    int64_t value = sonde_otlp_find_int(message, field, attribute, INT64_MIN);
    sonde_json_key(out, key);
    if (value == INT64_MIN) {
        sonde_json_null(out);
    } else {
        sonde_json_int(out, value);
    }
}

/* A text, or null where it was not said. */
static void
write_found_str(struct sonde_json_writer *out, const char *key, struct sonde_str message,
                uint32_t field, const char *attribute)
{
    struct sonde_str value = sonde_otlp_find_str(message, field, attribute);
    sonde_json_key(out, key);
    if (value.len == 0) {
        sonde_json_null(out);
    } else {
        sonde_json_string(out, value);
    }
}

static void
write_hex(struct sonde_json_writer *out, const char *key, struct sonde_str bytes)
{
    char text[2 * 16];
    size_t len = bytes.len < 16 ? bytes.len : 16;
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = "0123456789abcdef"[(unsigned char)bytes.ptr[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[(unsigned char)bytes.ptr[i] & 15];
    }
    write_str(out, key, (struct sonde_str){text, 2 * len});
}

static void
write_runtime(struct sonde_json_writer *out, struct sonde_str resource)
{
    const uint32_t field = SONDE_OTLP_RESOURCE_ATTR;
    sonde_json_key(out, "runtime");
    sonde_json_object_begin(out);
    write_str(out, "language", sonde_otlp_find_str(resource, field, SONDE_ATTR_LANGUAGE));
    write_str(out, "version",
              sonde_otlp_find_str(resource, field, SONDE_ATTR_RUNTIME_VERSION));
    write_found_int(out, "pid", resource, field, SONDE_ATTR_PID);
    write_str(out, "instance_id",
              sonde_otlp_find_str(resource, field, SONDE_ATTR_INSTANCE));
    sonde_json_object_end(out);
}

static void
write_place(struct sonde_json_writer *out, struct sonde_str record)
{
    const uint32_t field = SONDE_OTLP_RECORD_ATTR;
    sonde_json_key(out, "location");
    sonde_json_object_begin(out);
    write_str(out, "file", sonde_otlp_find_str(record, field, SONDE_ATTR_FILE));
    write_found_int(out, "line", record, field, SONDE_ATTR_LINE);
    write_str(out, "function", sonde_otlp_find_str(record, field, SONDE_ATTR_FUNCTION));
    sonde_json_object_end(out);
}

static void
write_thread(struct sonde_json_writer *out, struct sonde_str record)
{
    const uint32_t field = SONDE_OTLP_RECORD_ATTR;
    sonde_json_key(out, "thread");
    sonde_json_object_begin(out);
    write_found_int(out, "id", record, field, SONDE_ATTR_THREAD_ID);
    write_str(out, "name", sonde_otlp_find_str(record, field, SONDE_ATTR_THREAD_NAME));
    sonde_json_object_end(out);
}

static void
write_trace(struct sonde_json_writer *out, const struct sonde_row *row)
{
    sonde_json_key(out, "trace");
    if (row->trace_id.len == 0) {
        sonde_json_null(out);
        return;
    }
    sonde_json_object_begin(out);
    write_hex(out, "trace_id", row->trace_id);
    write_hex(out, "span_id", row->span_id);
    sonde_json_object_end(out);
}

static struct sonde_str
env_of(struct sonde_str resource)
{
    struct sonde_str env =
        sonde_otlp_find_str(resource, SONDE_OTLP_RESOURCE_ATTR, SONDE_ATTR_ENV);
    return env.len > 0 ? env
                       : sonde_otlp_find_str(resource, SONDE_OTLP_RESOURCE_ATTR,
                                             SONDE_ATTR_ENV_OLD);
}

static void
write_part(struct sonde_json_writer *out, const struct sonde_json *body, const char *key,
           struct sonde_str none)
{
    const struct sonde_json *part = sonde_json_get(body, key);
    sonde_json_key(out, key);
    sonde_json_raw(out, part == NULL ? none : part->source);
}

static void
write_all(struct sonde_json_writer *out, const struct sonde_row *row,
          struct sonde_str record, const struct sonde_json *body)
{
    const uint32_t field = SONDE_OTLP_RECORD_ATTR;
    sonde_json_object_begin(out);
    write_str(out, "id", row->id);
    write_str(out, "probe_id", row->probe_id);
    sonde_json_key(out, "probe_revision");
    sonde_json_int(out, sonde_otlp_find_int(record, field, SONDE_ATTR_PROBE_REVISION, 0));
    write_str(out, "service", row->service);
    write_str(out, "env", env_of(row->resource));
    sonde_json_key(out, "timestamp_ns");
    sonde_json_int(out, row->time_ns);
    write_found_int(out, "duration_ns", record, field, SONDE_ATTR_DURATION_NS);
    write_found_int(out, "suspended_ns", record, field, SONDE_ATTR_SUSPENDED_NS);
    write_found_str(out, "outcome", record, field, SONDE_ATTR_OUTCOME);
    write_place(out, record);
    write_runtime(out, row->resource);
    write_thread(out, record);
    write_trace(out, row);
    write_part(out, body, "stack", SONDE_STR("[]"));
    if (sonde_json_get(body, "stack_truncated") != NULL) {
        sonde_json_key(out, "stack_truncated");
        sonde_json_bool(out, true);
    }
    write_part(out, body, "captures", SONDE_STR("{}"));
    sonde_json_object_end(out);
}

int
sonde_renderer_write(struct sonde_renderer *renderer, struct sonde_json_writer *out,
                     const struct sonde_row *row, struct sonde_err *err)
{
    struct sonde_str any;
    struct sonde_arena arena;
    struct sonde_json_writer writer;
    const struct sonde_json *body = NULL;
    int rc = unpack(renderer, row, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    struct sonde_str record = sonde_buf_view(&renderer->record);
    if (find_body(&any, record) != SONDE_OK) {
        return damaged(row, "its record", err);
    }
    /* As JSON, and read again, to take its two parts and nothing else that may be
     * there. */
    sonde_buf_reset(&renderer->body);
    sonde_json_writer_init(&writer, &renderer->body);
    if (sonde_otlp_any_to_json(&writer, any) != SONDE_OK) {
        return damaged(row, "its body", err);
    }
    sonde_arena_init(&arena, TREE_MAX_BYTES);
    rc = renderer->body.failed;
    if (rc == SONDE_OK && sonde_json_read(&body, &arena, sonde_buf_view(&renderer->body),
                                          err) != SONDE_OK) {
        rc = damaged(row, "its body", err);
    }
    if (rc == SONDE_OK) {
        write_all(out, row, record, body);
    }
    sonde_arena_fini(&arena);
    return rc;
}
