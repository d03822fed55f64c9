/* SPDX-License-Identifier: Apache-2.0
 *
 * Stored snapshots. Read and rendered on the pool's threads, into an exchange that is set
 * aside. */
#include "collector/api/api.h"

#include "collector/query/renderer.h"
#include "core/base/log.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MAX 1000

struct read {
    struct sonde_job job; /* first */
    struct sonde_store *store;
    struct sonde_exchange *x;
    struct sonde_query query;
    struct sonde_str id;
    struct sonde_renderer renderer;
    struct sonde_json_writer json;
    struct sonde_err err; /* of the row that was rendered last */
};

static bool
write_row(void *arg, const struct sonde_row *row)
{
    struct read *read = arg;
    struct sonde_err err = SONDE_ERR_INIT;
    if (sonde_renderer_write(&read->renderer, &read->json, row, &err) != SONDE_OK) {
        sonde_log(SONDE_LOG_ERROR, "%s", err.message);
        read->err = err;
    }
    return read->x->answer.failed == SONDE_OK;
}

/* A damaged row is named in the log and left out, so that it does not hide the others. */
static void
run_list(struct sonde_job *job)
{
    struct read *read = (struct read *)job;
    struct sonde_exchange *x = read->x;
    struct sonde_err err = SONDE_ERR_INIT;
    sonde_renderer_init(&read->renderer);
    sonde_json_writer_init(&read->json, &x->answer);
    sonde_json_object_begin(&read->json);
    sonde_json_key(&read->json, "snapshots");
    sonde_json_array_begin(&read->json);
    int rc = sonde_store_list(read->store, &read->query, write_row, read, &err);
    sonde_json_array_end(&read->json);
    sonde_json_object_end(&read->json);
    sonde_renderer_fini(&read->renderer);
    if (rc != SONDE_OK) {
        sonde_exchange_fail_err(x, &err);
    } else {
        sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
    }
}

static void
run_show(struct sonde_job *job)
{
    struct read *read = (struct read *)job;
    struct sonde_exchange *x = read->x;
    struct sonde_err err = SONDE_ERR_INIT;
    sonde_renderer_init(&read->renderer);
    sonde_json_writer_init(&read->json, &x->answer);
    int rc = sonde_store_get(read->store, read->id, write_row, read, &err);
    sonde_renderer_fini(&read->renderer);
    if (rc != SONDE_OK) {
        sonde_exchange_fail_err(x, &err);
    } else if (read->err.code != SONDE_OK) {
        sonde_exchange_fail_err(x, &read->err);
    } else {
        sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
    }
}

static void
submit(struct sonde_api *api, struct sonde_exchange *x, const struct read *wanted)
{
    struct read *read = sonde_arena_alloc(&x->arena, sizeof(*read));
    if (read == NULL) {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL, "out of memory");
        return;
    }
    *read = *wanted;
    read->store = api->store;
    read->x = x;
    sonde_exchange_hold(x);
    if (sonde_pool_submit(api->pool, &read->job) != SONDE_OK) {
        sonde_exchange_fail(x, SONDE_PROBLEM_TOO_MANY_REQUESTS, NULL,
                            "too many queries are under way");
    }
}

void
sonde_api_list_snapshots(void *arg, struct sonde_exchange *x)
{
    int64_t limit = 0;
    struct read read = {
        .job.run = run_list,
        .query.probe_id = sonde_exchange_param(x, "probe"),
        .query.service = sonde_exchange_param(x, "service"),
        .query.before = sonde_exchange_param(x, "before"),
    };
    if (sonde_exchange_param_int(x, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit)) {
        read.query.limit = (size_t)limit;
        submit(arg, x, &read);
    }
}

void
sonde_api_show_snapshot(void *arg, struct sonde_exchange *x)
{
    struct read read = {.job.run = run_show, .id = x->tail};
    submit(arg, x, &read);
}
