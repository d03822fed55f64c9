/* SPDX-License-Identifier: Apache-2.0
 *
 * Probes: the store first, then the memory, then whoever waits. */
#include "collector/api/api.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/os.h"

#define PROBES_MAX 2000
#define WAIT_MAX_MS 60000
#define EXPIRY_MAX_S INT64_C(315360000) /* ten years */
#define ID_RANDOM_COUNT 8

/* A change on its way through the store; in x's arena. */
struct change {
    struct sonde_write write; /* first */
    struct sonde_api *api;
    struct sonde_exchange *x;
    struct sonde_control_probe *probe; /* made before, so that nothing can fail after */
    struct sonde_buf definition;
};

static struct change *
new_change(struct sonde_api *api, struct sonde_exchange *x)
{
    struct change *change = sonde_arena_alloc(&x->arena, sizeof(*change));
    if (change == NULL) {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL, "out of memory");
        return NULL;
    }
    change->api = api;
    change->x = x;
    sonde_buf_init(&change->definition, 0);
    return change;
}

static void
fail_change(struct change *change, enum sonde_problem problem, const char *message)
{
    sonde_control_probe_free(change->probe);
    sonde_buf_fini(&change->definition);
    sonde_exchange_fail(change->x, problem, NULL, "%s", message);
}

static void
submit(struct change *change)
{
    sonde_exchange_hold(change->x);
    int rc = sonde_store_write(change->api->store, &change->write);
    if (rc != SONDE_OK) {
        fail_change(change,
                    rc == SONDE_E_BUSY ? SONDE_PROBLEM_TOO_MANY_REQUESTS
                                       : SONDE_PROBLEM_UNAVAILABLE,
                    "the store has no room now");
    }
}

/* --- Adding ------------------------------------------------------------------------- */

static void
put_done(struct sonde_write *write, const struct sonde_err *err)
{
    struct change *change = (struct change *)write;
    struct sonde_exchange *x = change->x;
    if (err->code != SONDE_OK) {
        fail_change(change, SONDE_PROBLEM_UNAVAILABLE, err->message);
        return;
    }
    sonde_control_put(change->api->control, change->probe, write->probe.revision,
                      write->probe.created_at_ns, &x->answer);
    sonde_buf_fini(&change->definition);
    sonde_exchange_answer(x, 201, SONDE_TYPE_JSON);
}

/* "p-" and forty random bits in digits that nobody takes for one another. */
static bool
make_id(struct sonde_probe_def *def, struct sonde_api *api, struct sonde_arena *arena)
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    char id[2 + ID_RANDOM_COUNT] = "p-";
    do {
        unsigned char random[ID_RANDOM_COUNT];
        sonde_os_random(random, sizeof(random));
        for (size_t i = 0; i < ID_RANDOM_COUNT; i++) {
            id[2 + i] = digits[random[i] % 32];
        }
    } while (sonde_control_has(api->control, (struct sonde_str){id, sizeof(id)}));
    def->id.ptr = sonde_arena_strdup(arena, (struct sonde_str){id, sizeof(id)});
    def->id.len = sizeof(id);
    return def->id.ptr != NULL;
}

/* expires_in_s, the other way to say expires_at_ns. False: answered. */
static bool
read_expiry(struct sonde_probe_def *def, struct sonde_exchange *x,
            const struct sonde_json *json)
{
    const struct sonde_json *in_s = sonde_json_get(json, "expires_in_s");
    const char *what = NULL;
    if (in_s == NULL || in_s->type == SONDE_JSON_NULL) {
        return true;
    }
    if (in_s->type != SONDE_JSON_NUMBER || !(in_s->number > 0) ||
        in_s->number > (double)EXPIRY_MAX_S) {
        what = "expires_in_s has to be a number of seconds above 0, at most ten years";
    } else if (def->expires_at_ns != 0) {
        what = "expires_in_s and expires_at_ns can not both be given";
    }
    if (what != NULL) {
        sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, "expires_in_s", "%s",
                            what);
        return false;
    }
    def->expires_at_ns =
        sonde_clock_wall_ns() + (int64_t)(in_s->number * (double)SONDE_NS_PER_S);
    return true;
}

/* False: answered. */
static bool
read_definition(struct sonde_probe_def *def, struct sonde_api *api,
                struct sonde_exchange *x)
{
    struct sonde_err err = SONDE_ERR_INIT;
    const struct sonde_json *json = sonde_exchange_json(x);
    if (json == NULL) {
        return false;
    }
    if (sonde_probe_def_read(def, &x->arena, json, false, &err) != SONDE_OK) {
        sonde_exchange_fail_err(x, &err);
        return false;
    }
    if (!read_expiry(def, x, json)) {
        return false;
    }
    bool is_new = def->id.len == 0 || !sonde_control_has(api->control, def->id);
    if (is_new && sonde_control_probe_count(api->control) >= PROBES_MAX) {
        sonde_exchange_fail(x, SONDE_PROBLEM_CONFLICT, NULL,
                            "there are %d probes already: remove some", PROBES_MAX);
        return false;
    }
    if (def->id.len == 0 && !make_id(def, api, &x->arena)) {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL, "out of memory");
        return false;
    }
    return true;
}

void
sonde_api_add_probe(void *arg, struct sonde_exchange *x)
{
    struct sonde_api *api = arg;
    struct sonde_probe_def def;
    if (!read_definition(&def, api, x)) {
        return;
    }
    struct change *change = new_change(api, x);
    if (change == NULL) {
        return;
    }
    struct sonde_json_writer json;
    sonde_json_writer_init(&json, &change->definition);
    sonde_probe_def_write(&json, &def);
    change->probe = sonde_control_probe_new(&def);
    if (change->probe == NULL || change->definition.failed != SONDE_OK) {
        fail_change(change, SONDE_PROBLEM_UNAVAILABLE, "out of memory");
        return;
    }
    change->write = (struct sonde_write){
        .kind = SONDE_WRITE_PROBE,
        .size_bytes = change->definition.len,
        .probe = {.id = def.id,
                  .definition = sonde_buf_view(&change->definition),
                  .clamped = def.clamped},
        .done = put_done,
    };
    submit(change);
}

/* --- Removing ----------------------------------------------------------------------- */

static void
remove_done(struct sonde_write *write, const struct sonde_err *err)
{
    struct change *change = (struct change *)write;
    struct sonde_exchange *x = change->x;
    if (err->code != SONDE_OK && err->code != SONDE_E_NOTFOUND) {
        fail_change(change, SONDE_PROBLEM_UNAVAILABLE, err->message);
    } else if (!sonde_control_remove(change->api->control, write->probe.id, &x->answer)) {
        fail_change(change, SONDE_PROBLEM_NOT_FOUND, "there is no such probe");
    } else {
        sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
    }
}

void
sonde_api_remove_probe(void *arg, struct sonde_exchange *x)
{
    struct sonde_api *api = arg;
    if (!sonde_control_has(api->control, x->tail)) {
        sonde_exchange_fail(x, SONDE_PROBLEM_NOT_FOUND, NULL, "there is no such probe");
        return;
    }
    struct change *change = new_change(api, x);
    if (change != NULL) {
        change->write = (struct sonde_write){
            .kind = SONDE_WRITE_REMOVE,
            .probe.id = x->tail,
            .done = remove_done,
        };
        submit(change);
    }
}

/* --- Showing ------------------------------------------------------------------------ */

void
sonde_api_list_probes(void *arg, struct sonde_exchange *x)
{
    struct sonde_api *api = arg;
    sonde_control_list_probes(api->control, x);
}

void
sonde_api_show_probe(void *arg, struct sonde_exchange *x)
{
    struct sonde_api *api = arg;
    int64_t wait_ms = 0;
    if (sonde_exchange_param_int(x, "wait_ms", 0, WAIT_MAX_MS, 0, &wait_ms)) {
        sonde_control_show(api->control, x, x->tail, wait_ms);
    }
}

/* --- Loading ------------------------------------------------------------------------ */

static void
load_probe(void *arg, const struct sonde_stored_probe *stored)
{
    struct sonde_api *api = arg;
    struct sonde_arena arena;
    struct sonde_probe_def def;
    struct sonde_err err = SONDE_ERR_INIT;
    const struct sonde_json *json = NULL;
    struct sonde_control_probe *probe = NULL;
    sonde_arena_init(&arena, 0);
    int rc = sonde_json_read(&json, &arena, stored->definition, &err);
    if (rc == SONDE_OK) {
        rc = sonde_probe_def_read(&def, &arena, json, true, &err);
    }
    if (rc == SONDE_OK) {
        def.clamped = stored->clamped;
        probe = sonde_control_probe_new(&def);
    }
    if (probe != NULL) {
        sonde_control_put(api->control, probe, stored->revision, stored->created_at_ns,
                          NULL);
    } else {
        sonde_log(SONDE_LOG_ERROR,
                  "probe %.*s is left out: its definition can not be read: %s",
                  (int)stored->id.len, stored->id.ptr, err.message);
    }
    sonde_arena_fini(&arena);
}

int
sonde_api_load_probes(struct sonde_api *api, struct sonde_err *err)
{
    return sonde_store_probes(api->store, load_probe, api, err);
}
