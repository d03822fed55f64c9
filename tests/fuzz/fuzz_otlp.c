/* SPDX-License-Identifier: Apache-2.0
 *
 * The same input once as protobuf and once as OTLP/JSON. What the reader delivers has
 * valid JSON for a body; what is made of JSON is a request that the reader takes. */
#include "core/wire/otlp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing may lie outside the request: the sanitizer watches every byte that is
 * touched. */
static void
touch(struct sonde_str bytes)
{
    volatile char sum = 0;

    for (size_t i = 0; i < bytes.len; i++)
        sum = (char)(sum ^ bytes.ptr[i]);
}

static int
take_log(void *arg, const struct sonde_otlp_log *log)
{
    const struct sonde_json *json;
    struct sonde_json_writer writer;
    struct sonde_arena arena;
    struct sonde_buf text;

    (void)arg;
    touch(log->resource);
    touch(log->record);
    touch(log->event_name);
    touch(
        (struct sonde_str){(const char *)log->trace_id, log->trace_id == NULL ? 0 : 16});
    touch((struct sonde_str){(const char *)log->span_id, log->span_id == NULL ? 0 : 8});
    touch(sonde_otlp_find_str(log->resource, SONDE_OTLP_RESOURCE_ATTR, "service.name"));
    sonde_otlp_find_int(log->record, SONDE_OTLP_RECORD_ATTR, "code.line.number", 0);
    sonde_buf_init(&text, 0);
    sonde_arena_init(&arena, 0);
    sonde_json_writer_init(&writer, &text);
    if (sonde_otlp_any_to_json(&writer, log->body) != SONDE_OK ||
        sonde_json_read(&json, &arena, sonde_buf_view(&text), NULL) != SONDE_OK)
        abort();
    sonde_arena_fini(&arena);
    sonde_buf_fini(&text);
    return 0;
}

static void
as_protobuf(struct sonde_str input)
{
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_json_writer writer;
    struct sonde_buf text;

    if (sonde_otlp_logs_read(input, take_log, NULL, &err) != SONDE_OK &&
        err.message[0] == '\0')
        abort();
    /* Unchecked bytes too: a store may be damaged. */
    sonde_buf_init(&text, 0);
    sonde_json_writer_init(&writer, &text);
    sonde_otlp_any_to_json(&writer, input);
    touch(sonde_otlp_find_str(input, SONDE_OTLP_RECORD_ATTR, "k"));
    sonde_buf_fini(&text);
}

static void
as_json(struct sonde_str input)
{
    struct sonde_err err = SONDE_ERR_INIT;
    const struct sonde_json *json;
    struct sonde_arena arena;
    struct sonde_buf request;

    sonde_arena_init(&arena, 0);
    sonde_buf_init(&request, 0);
    if (sonde_json_read(&json, &arena, input, NULL) == SONDE_OK) {
        if (sonde_otlp_logs_from_json(&request, json, &err) != SONDE_OK) {
            if (err.message[0] == '\0')
                abort();
        } else if (sonde_otlp_logs_read(sonde_buf_view(&request), take_log, NULL, NULL) !=
                   SONDE_OK) {
            abort();
        }
    }
    sonde_buf_fini(&request);
    sonde_arena_fini(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sonde_str input = {(const char *)data, size};

    as_protobuf(input);
    as_json(input);
    return 0;
}
