/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/intake/intake.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/lock.h"
#include "core/capture/snapshot.h"

#include <sonde/probe.h>
#include <stdio.h>
#include <zstd.h>

#define RECORD_MAX_BYTES ((size_t)4 * 1024 * 1024)
#define ID_MAX_BYTES 128
#define TREE_MAX_BYTES \
    ((size_t)256 * 1024 * 1024) /* of a request in JSON, while it is read */
#define FIRST_ROWS 64

/* A context of the compressor, kept for the next request. */
struct packer {
    struct packer *next;
    ZSTD_CCtx *context;
    struct sonde_buf out;
};

struct sonde_intake {
    struct sonde_store *store;
    struct sonde_hub *hub;
    struct sonde_lock lock;
    struct packer *packers; /* idle ones; guarded by lock */
};

/* One request on its way to the disk. */
struct batch {
    struct sonde_write write; /* first: the store hands this back */
    struct sonde_intake *intake;
    struct sonde_exchange *x;
    struct packer *packer;
    struct sonde_arena arena;  /* what the rows point to */
    struct sonde_str resource; /* of the last record: as it came, and the copy */
    struct sonde_str resource_copy;
    size_t row_cap;
    size_t rejected_count;
    const char *rejected_why; /* of the first */
};

/* --- Packers ------------------------------------------------------------------------ */

static void
free_packer(struct packer *packer)
{
    if (packer != NULL) {
        ZSTD_freeCCtx(packer->context);
        sonde_buf_fini(&packer->out);
        sonde_free(packer);
    }
}

static struct packer *
take_packer(struct sonde_intake *intake)
{
    sonde_lock_take(&intake->lock);
    struct packer *packer = intake->packers;
    if (packer != NULL) {
        intake->packers = packer->next;
    }
    sonde_lock_drop(&intake->lock);
    if (packer != NULL) {
        return packer;
    }
    packer = sonde_calloc(1, sizeof(*packer));
    if (packer == NULL) {
        return NULL;
    }
    packer->context = ZSTD_createCCtx();
    if (packer->context == NULL) {
        free_packer(packer);
        return NULL;
    }
    /* The checksum finds what the disk did to a record; it costs four bytes. */
    ZSTD_CCtx_setParameter(packer->context, ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter(packer->context, ZSTD_c_checksumFlag, 1);
    return packer;
}

static void
give_packer(struct sonde_intake *intake, struct packer *packer)
{
    sonde_lock_take(&intake->lock);
    packer->next = intake->packers;
    intake->packers = packer;
    sonde_lock_drop(&intake->lock);
}

static int
pack(struct sonde_str *out, struct batch *batch, struct sonde_str record)
{
    struct packer *packer = batch->packer;
    size_t bound = ZSTD_compressBound(record.len);
    sonde_buf_reset(&packer->out);
    char *to = sonde_buf_reserve(&packer->out, bound);
    if (to == NULL) {
        return SONDE_E_NOMEM;
    }
    size_t len = ZSTD_compress2(packer->context, to, bound, record.ptr, record.len);
    char *copy = ZSTD_isError(len) ? NULL : sonde_arena_alloc(&batch->arena, len);
    if (copy == NULL) {
        return SONDE_E_NOMEM;
    }
    memcpy(copy, to, len);
    *out = (struct sonde_str){copy, len};
    return SONDE_OK;
}

/* --- Reading ------------------------------------------------------------------------ */

static bool
is_plain_id(struct sonde_str id, size_t most)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
              (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.')) {
            return false;
        }
    }
    return id.len > 0 && id.len <= most;
}

/* Why a record is none that could be kept, or NULL. */
static const char *
judge(const struct sonde_otlp_log *log, struct sonde_str id, struct sonde_str probe_id)
{
    if (!sonde_str_eq(log->event_name, SONDE_STR(SONDE_OTLP_EVENT_SNAPSHOT))) {
        return "only log records with the event name " SONDE_OTLP_EVENT_SNAPSHOT
               " are kept";
    }
    if (!is_plain_id(id, ID_MAX_BYTES)) {
        return SONDE_ATTR_SNAPSHOT_ID " has to be 1 to 128 of [A-Za-z0-9._-]";
    }
    if (!is_plain_id(probe_id, SONDE_PROBE_ID_MAX)) {
        return SONDE_ATTR_PROBE_ID " has to be 1 to 63 of [A-Za-z0-9._-]";
    }
    return log->record.len > RECORD_MAX_BYTES ? "the snapshot is over 4 MiB" : NULL;
}

static int
copy_str(struct sonde_str *out, struct sonde_arena *arena, struct sonde_str text)
{
    char *copy = sonde_arena_strdup(arena, text);
    *out = (struct sonde_str){copy, text.len};
    return copy == NULL ? SONDE_E_NOMEM : SONDE_OK;
}

static struct sonde_row *
add_row(struct batch *batch)
{
    struct sonde_write *write = &batch->write;
    if (write->row_count == batch->row_cap) {
        size_t cap = batch->row_cap == 0 ? FIRST_ROWS : batch->row_cap * 2;
        struct sonde_row *rows = sonde_realloc(write->rows, cap * sizeof(*rows));
        if (rows == NULL) {
            return NULL;
        }
        write->rows = rows;
        batch->row_cap = cap;
    }
    return &write->rows[write->row_count];
}

static int
copy_resource(struct batch *batch, struct sonde_str resource)
{
    if (batch->resource_copy.ptr != NULL && batch->resource.ptr == resource.ptr &&
        batch->resource.len == resource.len) {
        return SONDE_OK;
    }
    batch->resource = resource;
    return copy_str(&batch->resource_copy, &batch->arena, resource);
}

static int
take_log(void *arg, const struct sonde_otlp_log *log)
{
    struct batch *batch = arg;
    struct sonde_arena *arena = &batch->arena;
    const uint32_t field = SONDE_OTLP_RECORD_ATTR;
    struct sonde_str id = sonde_otlp_find_str(log->record, field, SONDE_ATTR_SNAPSHOT_ID);
    struct sonde_str probe_id =
        sonde_otlp_find_str(log->record, field, SONDE_ATTR_PROBE_ID);
    const char *why = judge(log, id, probe_id);
    if (why != NULL) {
        batch->rejected_why = batch->rejected_count == 0 ? why : batch->rejected_why;
        batch->rejected_count++;
        return SONDE_OK;
    }
    struct sonde_str service =
        sonde_otlp_find_str(log->resource, SONDE_OTLP_RESOURCE_ATTR, SONDE_ATTR_SERVICE);
    struct sonde_str trace_id = {(const char *)log->trace_id,
                                 log->trace_id == NULL ? 0 : 16};
    struct sonde_str span_id = {(const char *)log->span_id, log->span_id == NULL ? 0 : 8};
    struct sonde_row *row = add_row(batch);
    if (row == NULL || copy_resource(batch, log->resource) != SONDE_OK ||
        copy_str(&row->id, arena, id) != SONDE_OK ||
        copy_str(&row->probe_id, arena, probe_id) != SONDE_OK ||
        copy_str(&row->service, arena, service) != SONDE_OK ||
        copy_str(&row->trace_id, arena, trace_id) != SONDE_OK ||
        copy_str(&row->span_id, arena, span_id) != SONDE_OK ||
        pack(&row->packed, batch, log->record) != SONDE_OK) {
        return SONDE_E_NOMEM;
    }
    row->resource = batch->resource_copy;
    row->time_ns = log->time_ns > 0 ? log->time_ns : sonde_clock_wall_ns();
    batch->write.row_count++;
    return SONDE_OK;
}

/* A JSON body becomes protobuf in its place, so that there is one reader. */
static int
convert_json(struct sonde_buf *body, struct sonde_err *err)
{
    struct sonde_arena arena;
    struct sonde_buf protobuf;
    const struct sonde_json *json = NULL;
    sonde_arena_init(&arena, TREE_MAX_BYTES);
    sonde_buf_init(&protobuf, body->max_bytes);
    struct sonde_err inner = SONDE_ERR_INIT;
    int rc = sonde_json_read(&json, &arena, sonde_buf_view(body), &inner);
    if (rc == SONDE_E_NOMEM && arena.used_bytes > TREE_MAX_BYTES / 2) {
        rc = SONDE_E_LIMIT; /* the bound, not the machine: sending it again is no use */
    }
    if (rc != SONDE_OK) {
        sonde_err_set(err, rc, inner.where, "%s", inner.message);
    }
    if (rc == SONDE_OK) {
        rc = sonde_otlp_logs_from_json(&protobuf, json, err);
    }
    if (rc == SONDE_OK && protobuf.failed != SONDE_OK) {
        rc = sonde_err_set(err, protobuf.failed, NULL, "the body is too large");
    }
    sonde_arena_fini(&arena);
    if (rc != SONDE_OK) {
        sonde_buf_fini(&protobuf);
        return rc;
    }
    sonde_buf_fini(body);
    *body = protobuf;
    return SONDE_OK;
}

/* --- Answering ---------------------------------------------------------------------- */

static void
answer(struct sonde_exchange *x, size_t rejected_count, const char *why)
{
    struct sonde_buf *out = &x->answer;
    if (x->is_protobuf) {
        /* ExportLogsServiceResponse.partial_success {rejected_log_records,
         * error_message} */
        if (rejected_count > 0) {
            size_t partial = sonde_pb_open(out, 1);
            sonde_pb_varint(out, 1, rejected_count);
            sonde_pb_bytes(out, 2, sonde_str_from(why));
            sonde_pb_close(out, partial);
        }
        sonde_exchange_answer(x, 200, SONDE_TYPE_PROTOBUF);
        return;
    }
    struct sonde_json_writer json;
    sonde_json_writer_init(&json, out);
    sonde_json_object_begin(&json);
    if (rejected_count > 0) {
        char count[24];
        snprintf(count, sizeof(count), "%zu", rejected_count);
        sonde_json_key(&json, "partialSuccess");
        sonde_json_object_begin(&json);
        sonde_json_key(&json, "rejectedLogRecords"); /* int64 is a string in OTLP/JSON */
        sonde_json_string(&json, sonde_str_from(count));
        sonde_json_key(&json, "errorMessage");
        sonde_json_string(&json, sonde_str_from(why));
        sonde_json_object_end(&json);
    }
    sonde_json_object_end(&json);
    sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
}

static void
free_batch(struct batch *batch)
{
    sonde_free(batch->write.rows);
    sonde_free(batch->write.is_new);
    sonde_arena_fini(&batch->arena);
    sonde_free(batch);
}

/* On the store's thread. Those who look on first: they are only handed a reference, and
 * so what was acknowledged before somebody began to look on is never shown to them. */
static void
stored(struct sonde_write *write, const struct sonde_err *err)
{
    struct batch *batch = (struct batch *)write;
    if (err->code != SONDE_OK) {
        sonde_exchange_fail(batch->x, SONDE_PROBLEM_UNAVAILABLE, NULL,
                            "the snapshots could not be stored: %s", err->message);
        free_batch(batch);
        return;
    }
    for (size_t i = 0; i < write->row_count; i++) {
        if (write->is_new[i]) {
            sonde_hub_push(batch->intake->hub, &write->rows[i]);
        }
    }
    answer(batch->x, batch->rejected_count, batch->rejected_why);
    free_batch(batch);
}

/* Hands the batch over; it may be gone on return. */
static void
store_batch(struct batch *batch)
{
    struct sonde_exchange *x = batch->x;
    struct sonde_write *write = &batch->write;
    write->kind = SONDE_WRITE_ROWS;
    write->done = stored;
    write->size_bytes =
        batch->arena.used_bytes + batch->row_cap * sizeof(struct sonde_row);
    write->is_new = sonde_calloc(write->row_count, sizeof(*write->is_new));
    if (write->is_new == NULL) {
        free_batch(batch);
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL, "out of memory");
        return;
    }
    sonde_buf_fini(&x->body); /* it may wait for a while, and is not needed any more */
    sonde_exchange_hold(x);
    int rc = sonde_store_write(batch->intake->store, write);
    if (rc == SONDE_OK) {
        return;
    }
    free_batch(batch);
    if (rc == SONDE_E_BUSY) {
        sonde_exchange_fail(x, SONDE_PROBLEM_TOO_MANY_REQUESTS, NULL,
                            "more snapshots wait for the disk than may wait");
    } else {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL, "the store is closed");
    }
}

void
sonde_intake_serve(struct sonde_intake *intake, struct sonde_exchange *x)
{
    struct sonde_err err = SONDE_ERR_INIT;
    if (!x->is_protobuf && convert_json(&x->body, &err) != SONDE_OK) {
        sonde_exchange_fail_err(x, &err);
        return;
    }
    struct batch *batch = sonde_calloc(1, sizeof(*batch));
    struct packer *packer = batch == NULL ? NULL : take_packer(intake);
    if (packer == NULL) {
        sonde_free(batch);
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL, "out of memory");
        return;
    }
    batch->intake = intake;
    batch->x = x;
    batch->packer = packer;
    sonde_arena_init(&batch->arena, 0);
    int rc = sonde_otlp_logs_read(sonde_buf_view(&x->body), take_log, batch, &err);
    give_packer(intake, packer);
    if (rc != SONDE_OK) {
        free_batch(batch);
        sonde_err_set(&err, rc, NULL, "%s", sonde_code_text(rc));
        sonde_exchange_fail_err(x, &err);
    } else if (batch->write.row_count == 0) {
        answer(x, batch->rejected_count, batch->rejected_why);
        free_batch(batch);
    } else {
        store_batch(batch);
    }
}

/* --- Life --------------------------------------------------------------------------- */

int
sonde_intake_new(struct sonde_intake **out, struct sonde_store *store,
                 struct sonde_hub *hub)
{
    struct sonde_intake *intake = sonde_calloc(1, sizeof(*intake));
    if (intake == NULL) {
        return SONDE_E_NOMEM;
    }
    intake->store = store;
    intake->hub = hub;
    sonde_lock_init(&intake->lock, SONDE_RANK_HUB);
    *out = intake;
    return SONDE_OK;
}

void
sonde_intake_free(struct sonde_intake *intake)
{
    if (intake == NULL) {
        return;
    }
    while (intake->packers != NULL) {
        struct packer *packer = intake->packers;
        intake->packers = packer->next;
        free_packer(packer);
    }
    sonde_lock_fini(&intake->lock);
    sonde_free(intake);
}
