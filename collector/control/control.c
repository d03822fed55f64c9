/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/control/control_state.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/os.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define POLL_MAX_MS 12000 /* shorter than SONDE_CONNECTED_NS: who polls is connected */
#define FORGOTTEN_NS (3600 * SONDE_NS_PER_S)
#define SWEEP_NS (10 * SONDE_NS_PER_S)
#define INSTANCES_MAX 20000
#define GENERATION_BYTES 33 /* two 64-bit numbers in hex and a dash */

int
sonde_control_new(struct sonde_control **out, void (*hurry)(void *arg, int64_t at_ns),
                  void *arg)
{
    struct sonde_control *control = sonde_calloc(1, sizeof(*control));
    if (control == NULL) {
        return SONDE_E_NOMEM;
    }
    sonde_lock_init(&control->lock, SONDE_RANK_CONTROL);
    sonde_os_random(&control->life, sizeof(control->life));
    control->hurry = hurry;
    control->hurry_arg = arg;
    *out = control;
    return SONDE_OK;
}

/* --- Instances ---------------------------------------------------------------------- */

static uint64_t
hash(struct sonde_str text, uint64_t seed)
{
    uint64_t sum = seed ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++) {
        sum = (sum ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    }
    sum = (sum ^ (sum >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    sum = (sum ^ (sum >> 27)) * UINT64_C(0x94d049bb133111eb);
    return sum ^ (sum >> 31);
}

static size_t
bucket_of(const struct sonde_control *control, struct sonde_str instance_id)
{
    return hash(instance_id, control->life) % SONDE_INSTANCE_BUCKETS;
}

struct sonde_instance *
sonde_control_next(const struct sonde_control *control,
                   const struct sonde_instance *instance)
{
    size_t bucket = 0;
    if (instance != NULL) {
        if (instance->next != NULL) {
            return instance->next;
        }
        bucket = bucket_of(control, instance->identity.instance_id) + 1;
    }
    while (bucket < SONDE_INSTANCE_BUCKETS && control->buckets[bucket] == NULL) {
        bucket++;
    }
    return bucket < SONDE_INSTANCE_BUCKETS ? control->buckets[bucket] : NULL;
}

static struct sonde_instance *
find_instance(const struct sonde_control *control, struct sonde_str instance_id)
{
    struct sonde_instance *at = control->buckets[bucket_of(control, instance_id)];
    while (at != NULL && !sonde_str_eq(at->identity.instance_id, instance_id)) {
        at = at->next;
    }
    return at;
}

static void
free_instance(struct sonde_instance *instance)
{
    sonde_identity_fini(&instance->identity);
    sonde_report_fini(&instance->report);
    sonde_free(instance);
}

static void
touch(struct sonde_instance *instance)
{
    instance->seen_ns = sonde_clock_mono_ns();
    instance->seen_at_ns = sonde_clock_wall_ns();
}

/* The instance of that identity, which is taken. NULL: no memory, or too many. */
static struct sonde_instance *
settle_instance(struct sonde_control *control, struct sonde_identity *identity)
{
    struct sonde_instance *instance = find_instance(control, identity->instance_id);
    if (instance != NULL) {
        sonde_identity_fini(&instance->identity);
        instance->identity = *identity;
        return instance;
    }
    instance = control->instance_count < INSTANCES_MAX
                   ? sonde_calloc(1, sizeof(*instance))
                   : NULL;
    if (instance == NULL) {
        sonde_identity_fini(identity);
        return NULL;
    }
    struct sonde_instance **bucket =
        &control->buckets[bucket_of(control, identity->instance_id)];
    instance->identity = *identity;
    instance->next = *bucket;
    *bucket = instance;
    control->instance_count++;
    return instance;
}

/* --- Which probes concern whom ------------------------------------------------------ */

bool
sonde_control_matches(const struct sonde_control_probe *probe,
                      const struct sonde_instance *instance)
{
    const struct sonde_probe_def *def = probe->def;
    const struct sonde_identity *id = &instance->identity;
    return (def->service.len == 0 || sonde_str_eq(def->service, id->service)) &&
           (def->env.len == 0 || sonde_str_eq(def->env, id->env));
}

/* The part of a generation that symbols have: the store, and what is said of the service. */
static uint64_t
symbols_hash(const struct sonde_control *control, struct sonde_str name)
{
    const struct sonde_control_service *service =
        sonde_control_find_service(control, name);
    uint64_t sum = control->store == NULL ? 0 : sonde_store_symbols_id(control->store);
    if (service != NULL) {
        sum = hash(SONDE_STR("symbols"),
                   sum + (uint64_t)service->round * 4 + (uint64_t)service->upload);
    }
    return sum;
}

uint64_t
sonde_control_generation(const struct sonde_control *control,
                         const struct sonde_instance *instance)
{
    uint64_t sum = 0;
    for (const struct sonde_control_probe *p = control->probes; p != NULL; p = p->next) {
        if (!p->is_expired && sonde_control_matches(p, instance)) {
            sum += p->hash;
        }
    }
    return sum + symbols_hash(control, instance->identity.service);
}

static void
end_poll(struct sonde_control *control, struct sonde_instance *instance, bool has_news)
{
    struct sonde_exchange *x = instance->poll;
    instance->poll = NULL;
    sonde_control_write_poll(&x->answer, control, instance, has_news);
    sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
}

/* Answers the polls whose list is not the right one any more. */
static void
deliver(struct sonde_control *control)
{
    struct sonde_instance *at = NULL;
    while ((at = sonde_control_next(control, at)) != NULL) {
        if (at->poll != NULL &&
            sonde_control_generation(control, at) != at->poll_generation) {
            end_poll(control, at, true);
        }
    }
}

/* --- Probes ------------------------------------------------------------------------- */

struct sonde_control_probe *
sonde_control_probe_new(const struct sonde_probe_def *def)
{
    struct sonde_control_probe *probe = sonde_calloc(1, sizeof(*probe));
    if (probe == NULL) {
        return NULL;
    }
    probe->def = sonde_probe_def_dup(def);
    if (probe->def == NULL) {
        sonde_free(probe);
        return NULL;
    }
    return probe;
}

void
sonde_control_probe_free(struct sonde_control_probe *probe)
{
    if (probe != NULL) {
        sonde_free(probe->def);
        sonde_free(probe);
    }
}

/* Where the probe of that id hangs, or the list's end. */
static struct sonde_control_probe **
find_probe(struct sonde_control *control, struct sonde_str id)
{
    struct sonde_control_probe **at = &control->probes;
    while (*at != NULL && !sonde_str_eq((*at)->def->id, id)) {
        at = &(*at)->next;
    }
    return at;
}

static bool
has_expired(const struct sonde_control_probe *probe, int64_t wall_ns)
{
    return probe->def->expires_at_ns != 0 && probe->def->expires_at_ns <= wall_ns;
}

static void
write_one(struct sonde_buf *out, const struct sonde_control *control,
          const struct sonde_control_probe *probe)
{
    struct sonde_json_writer json;
    sonde_json_writer_init(&json, out);
    sonde_control_write_probe(&json, control, probe);
}

void
sonde_control_put(struct sonde_control *control, struct sonde_control_probe *probe,
                  uint32_t revision, int64_t created_at_ns, struct sonde_buf *out)
{
    probe->def->revision = revision;
    probe->hash = hash(probe->def->id, revision);
    probe->created_at_ns = created_at_ns;
    probe->is_expired = has_expired(probe, sonde_clock_wall_ns());
    sonde_lock_take(&control->lock);
    struct sonde_control_probe **old = find_probe(control, probe->def->id);
    struct sonde_control_probe *replaced = *old;
    if (replaced != NULL) {
        *old = replaced->next;
        control->probe_count--;
    }
    struct sonde_control_probe **at = &control->probes;
    while (*at != NULL && (*at)->created_at_ns > created_at_ns) {
        at = &(*at)->next;
    }
    probe->next = *at;
    *at = probe;
    control->probe_count++;
    deliver(control);
    if (out != NULL) {
        write_one(out, control, probe);
    }
    int64_t expires_at_ns = probe->is_expired ? 0 : probe->def->expires_at_ns;
    sonde_lock_drop(&control->lock);
    sonde_control_probe_free(replaced);
    if (expires_at_ns != 0) {
        control->hurry(control->hurry_arg,
                       sonde_clock_mono_ns()); /* it works out the time */
    }
}

bool
sonde_control_remove(struct sonde_control *control, struct sonde_str id,
                     struct sonde_buf *out)
{
    sonde_lock_take(&control->lock);
    struct sonde_control_probe **at = find_probe(control, id);
    struct sonde_control_probe *probe = *at;
    if (probe != NULL) {
        write_one(out, control, probe);
        *at = probe->next;
        control->probe_count--;
        deliver(control);
    }
    sonde_lock_drop(&control->lock);
    sonde_control_probe_free(probe);
    return probe != NULL;
}

bool
sonde_control_has(struct sonde_control *control, struct sonde_str id)
{
    sonde_lock_take(&control->lock);
    bool has = *find_probe(control, id) != NULL;
    sonde_lock_drop(&control->lock);
    return has;
}

size_t
sonde_control_probe_count(struct sonde_control *control)
{
    sonde_lock_take(&control->lock);
    size_t count = control->probe_count;
    sonde_lock_drop(&control->lock);
    return count;
}

/* --- Symbols ------------------------------------------------------------------------ */

void
sonde_control_use_store(struct sonde_control *control, struct sonde_store *store)
{
    control->store = store;
}

struct sonde_control_service *
sonde_control_service_new(struct sonde_str name)
{
    struct sonde_control_service *service =
        sonde_calloc(1, sizeof(*service) + name.len + 1);
    if (service != NULL && name.len > 0) {
        service->name_len = name.len;
        memcpy(service->name, name.ptr, name.len);
    }
    return service;
}

void
sonde_control_service_free(struct sonde_control_service *service)
{
    sonde_free(service);
}

static bool
is_named(const struct sonde_control_service *service, struct sonde_str name)
{
    return sonde_str_eq((struct sonde_str){service->name, service->name_len}, name);
}

const struct sonde_control_service *
sonde_control_find_service(const struct sonde_control *control, struct sonde_str name)
{
    const struct sonde_control_service *at = control->services;
    while (at != NULL && !is_named(at, name)) {
        at = at->next;
    }
    return at;
}

void
sonde_control_set_service(struct sonde_control *control,
                          struct sonde_control_service *service,
                          enum sonde_uploading upload, int64_t round)
{
    struct sonde_str name = {service->name, service->name_len};
    service->upload = upload;
    service->round = round;
    sonde_lock_take(&control->lock);
    struct sonde_control_service **at = &control->services;
    while (*at != NULL && !is_named(*at, name)) {
        at = &(*at)->next;
    }
    struct sonde_control_service *former = *at;
    service->next = former == NULL ? NULL : former->next;
    *at = service;
    deliver(control);
    sonde_lock_drop(&control->lock);
    sonde_control_service_free(former);
}

/* --- Showing ------------------------------------------------------------------------ */

void
sonde_control_list_probes(struct sonde_control *control, struct sonde_exchange *x)
{
    struct sonde_json_writer json;
    sonde_json_writer_init(&json, &x->answer);
    sonde_json_object_begin(&json);
    sonde_json_key(&json, "probes");
    sonde_json_array_begin(&json);
    sonde_lock_take(&control->lock);
    for (struct sonde_control_probe *p = control->probes; p != NULL; p = p->next) {
        sonde_control_write_probe(&json, control, p);
    }
    sonde_lock_drop(&control->lock);
    sonde_json_array_end(&json);
    sonde_json_object_end(&json);
    sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
}

void
sonde_control_list_processes(struct sonde_control *control, struct sonde_exchange *x)
{
    struct sonde_json_writer json;
    int64_t now_ns = sonde_clock_mono_ns();
    sonde_json_writer_init(&json, &x->answer);
    sonde_json_object_begin(&json);
    sonde_json_key(&json, "processes");
    sonde_json_array_begin(&json);
    sonde_lock_take(&control->lock);
    const struct sonde_instance *at = NULL;
    while ((at = sonde_control_next(control, at)) != NULL) {
        sonde_control_write_process(&json, at, now_ns);
    }
    sonde_lock_drop(&control->lock);
    sonde_json_array_end(&json);
    sonde_json_object_end(&json);
    sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
}

static bool
settles(const struct sonde_control_probe *probe, const struct sonde_instance *instance)
{
    const struct sonde_probe_status *status =
        sonde_report_find(&instance->report, probe->def->id);
    return status != NULL && status->revision == probe->def->revision &&
           (status->status == SONDE_STATUS_INSTALLED ||
            status->status == SONDE_STATUS_EMITTING ||
            status->status == SONDE_STATUS_ERROR) &&
           sonde_control_matches(probe, instance);
}

static bool
is_settled(const struct sonde_control *control, const struct sonde_control_probe *probe)
{
    const struct sonde_instance *at = NULL;
    while ((at = sonde_control_next(control, at)) != NULL) {
        if (settles(probe, at)) {
            return true;
        }
    }
    return false;
}

static void
answer_probe(const struct sonde_control *control, const struct sonde_control_probe *probe,
             struct sonde_exchange *x)
{
    if (probe == NULL) {
        sonde_exchange_fail(x, SONDE_PROBLEM_NOT_FOUND, NULL, "there is no such probe");
        return;
    }
    write_one(&x->answer, control, probe);
    sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
}

void
sonde_control_show(struct sonde_control *control, struct sonde_exchange *x,
                   struct sonde_str id, int64_t wait_ms)
{
    struct sonde_control_waiter *waiter = sonde_arena_alloc(&x->arena, sizeof(*waiter));
    int64_t until_ns = sonde_clock_mono_ns() + wait_ms * SONDE_NS_PER_MS;
    sonde_lock_take(&control->lock);
    const struct sonde_control_probe *probe = *find_probe(control, id);
    bool must_wait = waiter != NULL && probe != NULL && wait_ms > 0 &&
                     !control->is_closed && !is_settled(control, probe);
    if (must_wait) {
        *waiter = (struct sonde_control_waiter){control->waiters, x, id, until_ns};
        control->waiters = waiter;
        sonde_exchange_hold(x);
    } else {
        answer_probe(control, probe, x);
    }
    sonde_lock_drop(&control->lock);
    if (must_wait) {
        control->hurry(control->hurry_arg, until_ns);
    }
}

/* Answers those who waited for this, or long enough, or in vain. */
static int64_t
end_waiters(struct sonde_control *control, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;
    struct sonde_control_waiter **at = &control->waiters;
    while (*at != NULL) {
        struct sonde_control_waiter *waiter = *at;
        const struct sonde_control_probe *probe = *find_probe(control, waiter->id);
        if (probe != NULL && now_ns < waiter->until_ns && !control->is_closed &&
            !is_settled(control, probe)) {
            next_ns = waiter->until_ns < next_ns ? waiter->until_ns : next_ns;
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        answer_probe(control, probe, waiter->x); /* frees the waiter */
    }
    return next_ns;
}

/* --- Agents ------------------------------------------------------------------------- */

/* True when `text` is a generation of this life; then *sum is its part that counts. */
static bool
read_generation(const struct sonde_control *control, struct sonde_str text, uint64_t *sum)
{
    char copy[GENERATION_BYTES + 1];
    uint64_t life = 0;
    if (text.len != GENERATION_BYTES) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return sscanf(copy, "%16" SCNx64 "-%16" SCNx64, &life, sum) == 2 &&
           life == control->life;
}

void
sonde_control_poll(struct sonde_control *control, struct sonde_exchange *x,
                   struct sonde_identity *identity, struct sonde_str generation,
                   int64_t wait_ms)
{
    uint64_t sum = 0;
    wait_ms = wait_ms > POLL_MAX_MS ? POLL_MAX_MS : wait_ms;
    int64_t until_ns = sonde_clock_mono_ns() + wait_ms * SONDE_NS_PER_MS;
    sonde_lock_take(&control->lock);
    struct sonde_instance *instance = settle_instance(control, identity);
    if (instance == NULL) {
        sonde_lock_drop(&control->lock);
        sonde_exchange_fail(x, SONDE_PROBLEM_TOO_MANY_REQUESTS, NULL,
                            "there are too many processes");
        return;
    }
    touch(instance);
    instance->said_bye = false;
    if (instance->poll != NULL) {
        end_poll(control, instance, false); /* of a connection that it has given up */
    }
    bool is_known = read_generation(control, generation, &sum);
    instance->poll = x;
    bool is_held = is_known && sum == sonde_control_generation(control, instance) &&
                   wait_ms > 0 && !control->is_closed;
    if (is_held) {
        instance->poll_generation = sum;
        instance->poll_until_ns = until_ns;
        sonde_exchange_hold(x);
    } else {
        end_poll(control, instance,
                 !is_known || sum != sonde_control_generation(control, instance));
    }
    sonde_lock_drop(&control->lock);
    if (is_held) {
        control->hurry(control->hurry_arg, until_ns);
    }
}

/* An expired probe is not handed out any more, so an agent stops reporting it; what it
 * last said stays, with the reason why there is nothing new. */
static void
keep_expired(const struct sonde_control *control, const struct sonde_report *former,
             struct sonde_report *report)
{
    for (const struct sonde_control_probe *p = control->probes; p != NULL; p = p->next) {
        const struct sonde_probe_status *status =
            p->is_expired ? sonde_report_find(former, p->def->id) : NULL;
        if (status == NULL || sonde_report_find(report, p->def->id) != NULL) {
            continue;
        }
        struct sonde_probe_status last = *status;
        if (last.status != SONDE_STATUS_ERROR) {
            last.status = SONDE_STATUS_ERROR;
            last.cause = sonde_str_from(sonde_cause_text(SONDE_CAUSE_EXPIRED));
            last.message = SONDE_STR("the probe has expired");
        }
        (void)sonde_report_add(report, &last); /* without memory it is as if never said */
    }
}

void
sonde_control_report(struct sonde_control *control, struct sonde_exchange *x,
                     struct sonde_str instance_id, struct sonde_report *report)
{
    sonde_lock_take(&control->lock);
    struct sonde_instance *instance = find_instance(control, instance_id);
    if (instance == NULL) {
        sonde_lock_drop(&control->lock);
        sonde_report_fini(report);
        sonde_exchange_fail(x, SONDE_PROBLEM_NOT_FOUND, "instance_id",
                            "this process is not known: poll first");
        return;
    }
    touch(instance);
    keep_expired(control, &instance->report, report);
    struct sonde_report former = instance->report;
    instance->report = *report;
    (void)end_waiters(control, sonde_clock_mono_ns());
    sonde_lock_drop(&control->lock);
    sonde_report_fini(&former);
    sonde_buf_str(&x->answer, SONDE_STR("{}"));
    sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
}

void
sonde_control_bye(struct sonde_control *control, struct sonde_exchange *x,
                  struct sonde_str instance_id)
{
    sonde_lock_take(&control->lock);
    struct sonde_instance *instance = find_instance(control, instance_id);
    if (instance != NULL) {
        touch(instance);
        instance->said_bye = true;
        instance->report.armed = 0;
        if (instance->poll != NULL) {
            end_poll(control, instance, false);
        }
    }
    sonde_lock_drop(&control->lock);
    /* One that is not known any more is gone as well: nothing to complain about. */
    sonde_buf_str(&x->answer, SONDE_STR("{}"));
    sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
}

/* --- Time --------------------------------------------------------------------------- */

static int64_t
end_polls(struct sonde_control *control, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;
    struct sonde_instance *at = NULL;
    while ((at = sonde_control_next(control, at)) != NULL) {
        if (at->poll == NULL) {
            continue;
        }
        if (control->is_closed || at->poll_until_ns <= now_ns) {
            end_poll(control, at, false);
        } else if (at->poll_until_ns < next_ns) {
            next_ns = at->poll_until_ns;
        }
    }
    return next_ns;
}

static void
forget_gone(struct sonde_control *control, int64_t now_ns)
{
    for (size_t i = 0; i < SONDE_INSTANCE_BUCKETS; i++) {
        struct sonde_instance **at = &control->buckets[i];
        while (*at != NULL) {
            struct sonde_instance *instance = *at;
            if (instance->poll != NULL || now_ns - instance->seen_ns < FORGOTTEN_NS) {
                at = &instance->next;
                continue;
            }
            *at = instance->next;
            control->instance_count--;
            free_instance(instance);
        }
    }
}

/* Returns in how many nanoseconds the next probe expires. */
static int64_t
retire_expired(struct sonde_control *control)
{
    int64_t wall_ns = sonde_clock_wall_ns();
    int64_t next_ns = SWEEP_NS;
    bool has_news = false;
    for (struct sonde_control_probe *p = control->probes; p != NULL; p = p->next) {
        if (p->is_expired || p->def->expires_at_ns == 0) {
            continue;
        }
        if (has_expired(p, wall_ns)) {
            p->is_expired = true;
            has_news = true;
        } else if (p->def->expires_at_ns - wall_ns < next_ns) {
            next_ns = p->def->expires_at_ns - wall_ns;
        }
    }
    if (has_news) {
        deliver(control);
    }
    return next_ns;
}

int64_t
sonde_control_tick(struct sonde_control *control)
{
    int64_t now_ns = sonde_clock_mono_ns();
    sonde_lock_take(&control->lock);
    int64_t next_ns = now_ns + retire_expired(control);
    int64_t waiters_ns = end_waiters(control, now_ns);
    int64_t polls_ns = end_polls(control, now_ns);
    forget_gone(control, now_ns);
    sonde_lock_drop(&control->lock);
    next_ns = waiters_ns < next_ns ? waiters_ns : next_ns;
    return polls_ns < next_ns ? polls_ns : next_ns;
}

void
sonde_control_close(struct sonde_control *control)
{
    sonde_lock_take(&control->lock);
    control->is_closed = true;
    (void)end_waiters(control, sonde_clock_mono_ns());
    (void)end_polls(control, sonde_clock_mono_ns());
    sonde_lock_drop(&control->lock);
}

void
sonde_control_free(struct sonde_control *control)
{
    if (control == NULL) {
        return;
    }
    for (size_t i = 0; i < SONDE_INSTANCE_BUCKETS; i++) {
        while (control->buckets[i] != NULL) {
            struct sonde_instance *instance = control->buckets[i];
            control->buckets[i] = instance->next;
            free_instance(instance);
        }
    }
    while (control->probes != NULL) {
        struct sonde_control_probe *probe = control->probes;
        control->probes = probe->next;
        sonde_control_probe_free(probe);
    }
    while (control->services != NULL) {
        struct sonde_control_service *service = control->services;
        control->services = service->next;
        sonde_control_service_free(service);
    }
    sonde_lock_fini(&control->lock);
    sonde_free(control);
}
