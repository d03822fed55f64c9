/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/exporter.h"

#include "core/agent/agent_private.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/capture/snapshot.h"

#include <inttypes.h>
#include <stdio.h>

#define BATCH_MOST_BYTES ((size_t)512 * 1024)
#define BATCH_MOST_RECORDS 200
#define GZIP_FROM_BYTES 1024
#define CALL_TIMEOUT_NS (10 * SONDE_NS_PER_S)
#define FIRST_DELAY_NS (250 * SONDE_NS_PER_MS)
#define MOST_DELAY_NS (30 * SONDE_NS_PER_S)
#define HURRIED_FIRST_DELAY_NS (50 * SONDE_NS_PER_MS)
#define HURRIED_MOST_DELAY_NS (200 * SONDE_NS_PER_MS)
#define HURRIED_MOST_FAILURES 2 /* of the connection: then nobody is there */
#define ODD_ANSWERS_MOST 5 /* 500 and the like: one bad batch must not block the rest */
#define UNFINISHED_LOOK_NS (10 * SONDE_NS_PER_MS)

int
sonde_exporter_init(struct sonde_exporter *exporter, struct sonde_agent *agent,
                    struct sonde_http *http, struct sonde_err *err)
{
    *exporter = (struct sonde_exporter){
        .agent = agent,
        .http = http,
        .batch_most = BATCH_MOST_RECORDS,
    };
    sonde_backoff_init(&exporter->backoff, FIRST_DELAY_NS, MOST_DELAY_NS);
    /* The random half of the instance id that has no dash but one in it. */
    const char *id = agent->identity.instance_id;
    snprintf(exporter->id_prefix, sizeof(exporter->id_prefix), "%.4s%.12s", id + 19,
             id + 24);
    sonde_buf_init(&exporter->resource, 0);
    sonde_resource_write(&exporter->resource, &agent->identity, &agent->config,
                         &agent->adapter);
    if (exporter->resource.failed != SONDE_OK) {
        return sonde_err_set(err, exporter->resource.failed, "resource", "%s",
                             sonde_code_text(exporter->resource.failed));
    }
    return SONDE_OK;
}

void
sonde_exporter_fini(struct sonde_exporter *exporter)
{
    sonde_buf_fini(&exporter->resource);
}

/* --- The queue ---------------------------------------------------------------------------- */

static bool
next_record(const struct sonde_exporter *exporter, uint64_t *cursor,
            struct sonde_str *record)
{
    size_t len;
    const void *data = sonde_ring_peek(&exporter->agent->recorder.ring, cursor, &len);
    if (data == NULL) {
        return false;
    }
    *record = (struct sonde_str){data, len};
    return true;
}

/* Takes every record before `end` off the queue, counted as lost; returns how many. */
static uint64_t
drop_until(struct sonde_exporter *exporter, uint64_t end, enum sonde_drop why)
{
    struct sonde_ring *ring = &exporter->agent->recorder.ring;
    uint64_t cursor = sonde_ring_cursor(ring);
    uint64_t next = cursor;
    uint64_t count = 0;
    struct sonde_str record;
    while (next < end && next_record(exporter, &next, &record)) {
        sonde_agent_drop_record(exporter->agent, record, why);
        cursor = next;
        count++;
    }
    sonde_ring_release(ring, cursor);
    return count;
}

/* --- One batch ---------------------------------------------------------------------------- */

/* Appends records from the head of the queue to a request, and notes how far it came. A
 * damaged record ends the batch before it; at the head it is dropped, so that no batch ever
 * holds one. */
static void
append_records(struct sonde_exporter *exporter, struct sonde_otlp_request *request)
{
    struct sonde_buf *out = request->out;
    int64_t observed_ns = sonde_clock_wall_ns();
    uint64_t cursor = sonde_ring_cursor(&exporter->agent->recorder.ring);
    struct sonde_str record;
    exporter->batch_count = 0;
    exporter->batch_end = cursor;
    while (exporter->batch_count < exporter->batch_most &&
           next_record(exporter, &cursor, &record)) {
        char id[40];
        snprintf(id, sizeof(id), "%s%016" PRIx64, exporter->id_prefix, cursor);
        size_t before = out->len;
        int rc = sonde_snapshot_encode(request, record, sonde_str_from(id), observed_ns);
        if (rc == SONDE_E_CORRUPT && exporter->batch_count == 0) {
            sonde_agent_fault(exporter->agent, "exporter", "a record was damaged");
            drop_until(exporter, cursor, SONDE_DROP_UNENCODABLE);
            exporter->batch_end = cursor;
            continue;
        }
        if (rc != SONDE_OK || out->failed != SONDE_OK) {
            return;
        }
        if (exporter->batch_count > 0 && out->len > BATCH_MOST_BYTES) {
            out->len = before; /* it comes first in the next one */
            return;
        }
        exporter->batch_count++;
        exporter->batch_end = cursor;
    }
}

static void batch_done(void *arg, const struct sonde_http_response *response);

/* SONDE_OK also when there was nothing to send. */
static int
send_batch(struct sonde_exporter *exporter)
{
    struct sonde_buf body;
    struct sonde_otlp_request request;
    sonde_buf_init(&body, 0);
    sonde_otlp_request_begin(&request, &body, sonde_buf_view(&exporter->resource));
    append_records(exporter, &request);
    sonde_otlp_request_end(&request);
    int rc = body.failed;
    if (rc == SONDE_OK && exporter->batch_count > 0) {
        struct sonde_http_request call = {
            .method = "POST",
            .path = "/v1/logs",
            .content_type = "application/x-protobuf",
            .body = sonde_buf_view(&body),
            .gzip = body.len > GZIP_FROM_BYTES,
            .timeout_ns = CALL_TIMEOUT_NS,
            .done = batch_done,
            .arg = exporter,
        };
        rc = sonde_http_start(exporter->http, &call, &exporter->call, NULL);
    }
    sonde_buf_fini(&body);
    return rc;
}

/* --- What the collector said -------------------------------------------------------------- */

/* ExportLogsServiceResponse.partial_success.rejected_log_records: 1.1, an int64. */
static uint64_t
count_rejected(struct sonde_str body)
{
    struct sonde_pb_reader outer, inner;
    struct sonde_pb_field field;
    uint64_t count = 0;
    sonde_pb_reader_init(&outer, body);
    while (sonde_pb_next(&outer, &field) == 1) {
        if (field.number != 1 || field.type != SONDE_PB_LEN) {
            continue;
        }
        sonde_pb_reader_init(&inner, field.bytes);
        while (sonde_pb_next(&inner, &field) == 1) {
            if (field.number == 1 && field.type == SONDE_PB_VARINT) {
                count = field.value;
            }
        }
    }
    return count;
}

static void
acknowledge(struct sonde_exporter *exporter, struct sonde_str body)
{
    uint64_t rejected = count_rejected(body);
    if (rejected > 0 && rejected <= exporter->batch_count) {
        sonde_agent_count_drops(exporter->agent, SONDE_DROP_REFUSED, rejected);
    }
    sonde_ring_release(&exporter->agent->recorder.ring, exporter->batch_end);
    sonde_backoff_reset(&exporter->backoff);
    exporter->odd_answers = 0;
    exporter->batch_most = exporter->batch_most > BATCH_MOST_RECORDS / 2
                               ? BATCH_MOST_RECORDS
                               : exporter->batch_most * 2;
}

static void
keep_for_later(struct sonde_exporter *exporter, int64_t retry_after_ns)
{
    if (exporter->is_hurried) {
        retry_after_ns = -1; /* there is no later */
    }
    sonde_backoff_fail(&exporter->backoff, sonde_clock_mono_ns(), retry_after_ns);
}

static void
refuse(struct sonde_exporter *exporter, long status)
{
    sonde_log(SONDE_LOG_WARNING, "the collector refused %" PRIu32 " snapshots (HTTP %ld)",
              exporter->batch_count, status);
    drop_until(exporter, exporter->batch_end, SONDE_DROP_REFUSED);
    sonde_backoff_reset(&exporter->backoff);
    exporter->odd_answers = 0;
}

static void
batch_done(void *arg, const struct sonde_http_response *response)
{
    struct sonde_exporter *exporter = arg;
    long status = response->status;
    exporter->call = NULL;
    if (response->code == SONDE_E_CLOSED) {
        return; /* we gave it up ourselves */
    }
    if (response->code != SONDE_OK) {
        sonde_log(SONDE_LOG_INFO, "snapshots wait: %s", response->error);
        exporter->connection_failures++;
        keep_for_later(exporter, -1);
        return;
    }
    exporter->connection_failures = 0;
    if (status >= 200 && status < 300) {
        acknowledge(exporter, response->body);
    } else if (status == 429 || status == 502 || status == 503 || status == 504) {
        keep_for_later(exporter, response->retry_after_ns);
    } else if (status == 413 && exporter->batch_count > 1) {
        exporter->batch_most = exporter->batch_count / 2;
    } else if ((status >= 400 && status < 500) ||
               ++exporter->odd_answers == ODD_ANSWERS_MOST) {
        refuse(exporter, status);
    } else {
        keep_for_later(exporter, response->retry_after_ns);
    }
}

/* --- Steps -------------------------------------------------------------------------------- */

int64_t
sonde_exporter_step(struct sonde_exporter *exporter, int64_t now_ns)
{
    const struct sonde_ring *ring = &exporter->agent->recorder.ring;
    if (exporter->call != NULL || sonde_ring_used(ring) == 0) {
        return INT64_MAX;
    }
    if (now_ns < exporter->backoff.until_ns) {
        return exporter->backoff.until_ns;
    }
    int rc = send_batch(exporter);
    if (rc != SONDE_OK) {
        sonde_agent_fault(exporter->agent, "exporter", "%s", sonde_code_text(rc));
        keep_for_later(exporter, -1);
        return exporter->backoff.until_ns;
    }
    /* Without a call what is there is still being written. */
    return exporter->call != NULL ? INT64_MAX : now_ns + UNFINISHED_LOOK_NS;
}

bool
sonde_exporter_is_sending(const struct sonde_exporter *exporter)
{
    return exporter->call != NULL;
}

void
sonde_exporter_hurry(struct sonde_exporter *exporter)
{
    exporter->is_hurried = true;
    exporter->connection_failures = 0;
    sonde_backoff_init(&exporter->backoff, HURRIED_FIRST_DELAY_NS, HURRIED_MOST_DELAY_NS);
}

bool
sonde_exporter_is_done(const struct sonde_exporter *exporter)
{
    if (exporter->call != NULL) {
        return false;
    }
    return sonde_ring_used(&exporter->agent->recorder.ring) == 0 ||
           exporter->connection_failures >= HURRIED_MOST_FAILURES;
}

void
sonde_exporter_give_up(struct sonde_exporter *exporter)
{
    if (exporter->call != NULL) {
        sonde_http_cancel(exporter->http, exporter->call);
    }
    uint64_t count = drop_until(exporter, UINT64_MAX, SONDE_DROP_UNSENT);
    if (count > 0) {
        sonde_log(SONDE_LOG_WARNING, "%" PRIu64 " snapshots were not sent before the end",
                  count);
    }
}
