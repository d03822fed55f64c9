/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/contract/suite.h"

#include "core/base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct sonde_agent *suite_agent;

static const char *const all_programs[] = {"shop", "north", "south"};
static bool loaded[COUNT_OF(all_programs)];

/* --- One test's agent ---------------------------------------------------------------------- */

static size_t
program_index(const char *program)
{
    size_t i = 0;
    while (i + 1 < COUNT_OF(all_programs) && strcmp(all_programs[i], program) != 0) {
        i++;
    }
    return i;
}

unsigned suite_left_out_count;

void
suite_leave_out(const char *test, const char *missing)
{
    suite_left_out_count++;
    printf("[ LEFT OUT ] %s: %s has no %s yet\n", test, contract_driver.name, missing);
}

void
suite_load(const char *program)
{
    assert_true(contract_driver.load(program));
    loaded[program_index(program)] = true;
}

void
suite_unload(const char *program)
{
    loaded[program_index(program)] = false;
    assert_true(contract_driver.unload(program));
}

void
suite_config(struct sonde_config *config)
{
    struct sonde_err err = SONDE_ERR_INIT;
    assert_int_equal(sonde_config_init(config, contract_driver.name, &err), SONDE_OK);
    sonde_free(config->server);
    config->server = sonde_strdup(SONDE_STR(""));
    assert_non_null(config->server);
    config->snapshots_per_second = 100000;
    config->cpu_percent = 100;
}

static void
start(struct sonde_config *config)
{
    struct sonde_err err = SONDE_ERR_INIT;
    suite_agent = contract_driver.start(config, &err);
    sonde_config_fini(config);
    if (suite_agent == NULL) {
        fail_msg("the agent did not start: %s: %s", err.where, err.message);
    }
}

void
suite_restart(struct sonde_config *config)
{
    contract_driver.stop();
    start(config);
}

int
suite_setup_bare(void **state)
{
    (void)state;
    struct sonde_config config;
    suite_config(&config);
    start(&config);
    probes_clear();
    return 0;
}

int
suite_setup(void **state)
{
    suite_setup_bare(state);
    suite_load("shop");
    return 0;
}

int
suite_teardown(void **state)
{
    (void)state;
    callers_forget();
    contract_driver.stop();
    suite_agent = NULL;
    assert_pristine();
    for (size_t i = 0; i < COUNT_OF(all_programs); i++) {
        if (loaded[i]) {
            suite_unload(all_programs[i]);
        }
    }
    return 0;
}

int64_t
suite_try_call(const char *function, int64_t argument)
{
    int64_t result;
    return contract_driver.call("shop", function, argument, &result) ? result : INT64_MIN;
}

void
suite_call(const char *function, int64_t argument, int64_t result)
{
    assert_int_equal(suite_try_call(function, argument), result);
}

void
suite_call_times(uint32_t times, const char *function, int64_t argument, int64_t result)
{
    for (uint32_t i = 0; i < times; i++) {
        suite_call(function, argument, result);
    }
}

/* --- Probes ----------------------------------------------------------------------------------- */

uint32_t
suite_line_of(const char *program, const char *marker)
{
    char text[512];
    uint32_t found = 0, number = 0;
    size_t len = strlen(marker);
    FILE *source = fopen(contract_driver.source(program), "r");
    assert_non_null(source);
    while (fgets(text, sizeof(text), source) != NULL) {
        number++;
        const char *at = strstr(text, marker);
        bool ends_there = at != NULL && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ_",
                                               at[len] == '\0' ? ' ' : at[len]) == NULL;
        if (ends_there && found == 0) {
            found = number;
        }
    }
    fclose(source);
    assert_int_not_equal(found, 0);
    return found;
}

uint32_t
suite_line(const char *marker)
{
    return suite_line_of("shop", marker);
}

const char *
suite_file(const char *program)
{
    const char *path = contract_driver.source(program);
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static char list[16384];

void
probes_clear(void)
{
    strcpy(list, "[");
}

void
probes_add(const char *id, uint32_t revision, const char *location, const char *at,
           const char *more)
{
    size_t len = strlen(list);
    int wanted = snprintf(list + len, sizeof(list) - len,
                          "%s{\"id\":\"%s\",\"revision\":%u,\"location\":\"%s\","
                          "\"at\":\"%s\",\"rate\":5000"
                          ",\"limits\":{\"time_us\":100000}%s}",
                          len > 1 ? "," : "", id, revision, location, at,
                          more == NULL ? "" : more);
    assert_true(wanted > 0 && (size_t)wanted < sizeof(list) - len - 1);
}

void
probes_add_line(const char *id, const char *marker, const char *more)
{
    char location[256];
    snprintf(location, sizeof(location), "%s:%u", suite_file("shop"), suite_line(marker));
    probes_add(id, 1, location, "line", more);
}

void
probes_add_function(const char *id, const char *function, const char *at,
                    const char *more)
{
    probes_add(id, 1, contract_driver.location("shop", function), at, more);
}

/* sum_to's is not reached by its innermost call. */
static const char *
marker_in(const char *function)
{
    static const char *const markers[][2] = {
        {"total", "LINE_TAX"},  {"sum_to", "LINE_RECURSION"}, {"fail", "LINE_RAISE"},
        {"spin", "LINE_START"}, {"turns", "LINE_TURNS"},
    };
    size_t i = 0;
    while (i < COUNT_OF(markers) && strcmp(markers[i][0], function) != 0) {
        i++;
    }
    assert_true(i < COUNT_OF(markers));
    return markers[i][1];
}

void
probes_add_function_or_line(const char *id, uint32_t revision, const char *function,
                            const char *at, const char *more)
{
    if (contract_driver.probes_functions) {
        probes_add(id, revision, contract_driver.location("shop", function), at, more);
    } else {
        char location[256];
        snprintf(location, sizeof(location), "%s:%u", suite_file("shop"),
                 suite_line(marker_in(function)));
        probes_add(id, revision, location, "line", more);
    }
}

const char *
function_or_line_pending(void)
{
    return contract_driver.probes_functions ? "module_not_loaded" : "file_not_loaded";
}

const char *
probes_json(void)
{
    static char whole[sizeof(list) + 1];
    snprintf(whole, sizeof(whole), "%s]", list);
    return whole;
}

struct apply_job {
    const char *json;
    struct sonde_err err;
    int rc;
};

static void
apply_job(void *arg)
{
    struct apply_job *job = arg;
    job->rc =
        sonde_agent_testonly_apply(suite_agent, sonde_str_from(job->json), &job->err);
}

int
probes_try_apply(const char *json)
{
    struct apply_job job = {.json = json, .err = SONDE_ERR_INIT};
    contract_driver.with_lock(apply_job, &job);
    if (job.rc != SONDE_OK) {
        fprintf(stderr, "apply: %s: %s\n", job.err.where, job.err.message);
    }
    return job.rc;
}

void
probes_apply(void)
{
    assert_int_equal(probes_try_apply(probes_json()), SONDE_OK);
}

void
probes_only_line(const char *id, const char *marker, const char *more)
{
    probes_clear();
    probes_add_line(id, marker, more);
    probes_apply();
    assert_armed(id);
}

void
probes_only_function(const char *id, const char *function, const char *at,
                     const char *more)
{
    probes_clear();
    probes_add_function(id, function, at, more);
    probes_apply();
    assert_armed(id);
}

/* --- Reports -------------------------------------------------------------------------------- */

/* The report as a tree in `arena`; NULL when there is none. */
static const struct sonde_json *
report(struct sonde_arena *arena)
{
    size_t size = 65536;
    char *text = sonde_arena_alloc(arena, size);
    size_t len = text == NULL ? 0 : sonde_agent_testonly_report(suite_agent, text, size);
    const struct sonde_json *json = NULL;
    if (len == 0 || len >= size ||
        sonde_json_read(&json, arena, (struct sonde_str){text, len}, NULL) != SONDE_OK) {
        return NULL;
    }
    return json;
}

static void
copy(char *out, size_t size, struct sonde_str text)
{
    snprintf(out, size, "%.*s", (int)text.len, text.ptr == NULL ? "" : text.ptr);
}

static void
read_status(struct status *status, const struct sonde_json *json)
{
    status->is_there = true;
    status->revision = (uint32_t)sonde_json_get_int(json, "revision", 0);
    copy(status->status, sizeof(status->status), sonde_json_get_str(json, "status"));
    copy(status->cause, sizeof(status->cause), sonde_json_get_str(json, "cause"));
    copy(status->message, sizeof(status->message), sonde_json_get_str(json, "message"));
    copy(status->clamped, sizeof(status->clamped), sonde_json_get_str(json, "clamped"));
    status->hits = (uint64_t)sonde_json_get_int(json, "hits", -1);
    status->captured = (uint64_t)sonde_json_get_int(json, "captured", -1);
    status->places = (uint64_t)sonde_json_get_int(json, "places", -1);
    const struct sonde_json *drops = sonde_json_get(json, "dropped");
    for (const struct sonde_json *at = drops == NULL ? NULL : drops->first; at != NULL;
         at = at->next) {
        status->dropped += (uint64_t)at->integer;
    }
    const struct sonde_json *nearest = sonde_json_get(json, "nearest_lines");
    for (const struct sonde_json *at = nearest == NULL ? NULL : nearest->first;
         at != NULL && status->nearest_count < COUNT_OF(status->nearest); at = at->next) {
        status->nearest[status->nearest_count++] = (uint32_t)at->integer;
    }
}

struct status
status_of(const char *id)
{
    struct status status = {0};
    struct sonde_arena arena;
    sonde_arena_init(&arena, 0);
    const struct sonde_json *statuses = sonde_json_get(report(&arena), "statuses");
    for (const struct sonde_json *at = statuses == NULL ? NULL : statuses->first;
         at != NULL; at = at->next) {
        if (str_is(sonde_json_get_str(at, "probe_id"), id)) {
            read_status(&status, at);
        }
    }
    sonde_arena_fini(&arena);
    return status;
}

static bool
is_armed(const struct status *status)
{
    return strcmp(status->status, "installed") == 0 ||
           strcmp(status->status, "emitting") == 0;
}

/* What has to hold of every status. */
static void
check_status(const char *id, const struct status *is)
{
    if (!is->is_there) {
        fail_msg("probe %s is not there", id);
    }
    if (is_armed(is) != (is->places > 0)) {
        fail_msg("probe %s is %s with %u places", id, is->status, (unsigned)is->places);
    }
    if (is->cause[0] != '\0' && is->message[0] == '\0') {
        fail_msg("probe %s is %s without a word to the person", id, is->cause);
    }
}

void
assert_status(const char *id, const char *status, const char *cause)
{
    struct status is = status_of(id);
    check_status(id, &is);
    if (strcmp(is.status, status) != 0 || strcmp(is.cause, cause) != 0) {
        fail_msg("probe %s is %s (%s: %s), wanted %s (%s)", id, is.status, is.cause,
                 is.message, status, cause);
    }
}

void
assert_armed(const char *id)
{
    struct status is = status_of(id);
    check_status(id, &is);
    if (!is_armed(&is)) {
        fail_msg("probe %s is %s (%s: %s), wanted armed", id, is.status, is.cause,
                 is.message);
    }
}

void
assert_counts(const char *id, uint64_t hits, uint64_t captured)
{
    struct status is = status_of(id);
    if (!is.is_there || is.hits != hits || is.captured != captured) {
        fail_msg("probe %s has %u hits and %u captured, wanted %u and %u", id,
                 (unsigned)is.hits, (unsigned)is.captured, (unsigned)hits,
                 (unsigned)captured);
    }
}

void
wait_status(const char *id, const char *status, const char *cause)
{
    int64_t until_ns = sonde_clock_mono_ns() + PATIENCE_NS;
    while (sonde_clock_mono_ns() < until_ns) {
        struct status is = status_of(id);
        if (strcmp(is.status, status) == 0 && strcmp(is.cause, cause) == 0) {
            break;
        }
        sleep_ms(1);
    }
    assert_status(id, status, cause);
}

static void
safe_point_job(void *arg)
{
    (void)arg;
    sonde_agent_safe_point(suite_agent);
}

void
settle(void)
{
    contract_driver.with_lock(safe_point_job, NULL);
}

static void
stop_job(void *arg)
{
    (void)arg;
    sonde_agent_stop(suite_agent);
}

void
agent_stop(void)
{
    contract_driver.with_lock(stop_job, NULL);
}

void
assert_pristine(void)
{
    assert_true(contract_driver.is_pristine());
}

void
instance_id(char *out)
{
    struct sonde_arena arena;
    sonde_arena_init(&arena, 0);
    copy(out, 64, sonde_json_get_str(report(&arena), "instance_id"));
    sonde_arena_fini(&arena);
}

bool
has_fault(const char *part)
{
    struct sonde_arena arena;
    sonde_arena_init(&arena, 0);
    const struct sonde_json *faults = sonde_json_get(report(&arena), "disarmed");
    const struct sonde_json *at = faults == NULL ? NULL : faults->first;
    while (at != NULL && !str_is(sonde_json_get_str(at, "part"), part)) {
        at = at->next;
    }
    sonde_arena_fini(&arena);
    return at != NULL;
}

uint64_t
dropped(const char *reason)
{
    struct sonde_arena arena;
    sonde_arena_init(&arena, 0);
    const struct sonde_json *drops = sonde_json_get(report(&arena), "dropped");
    int64_t count = sonde_json_get_int(drops, reason, 0);
    sonde_arena_fini(&arena);
    return (uint64_t)count;
}

/* --- Records --------------------------------------------------------------------------------- */

struct record *
take(void)
{
    static char bytes[SONDE_TAPE_MAX_BYTES];
    size_t len = sonde_agent_testonly_take(suite_agent, bytes, sizeof(bytes));
    if (len == 0) {
        return NULL;
    }
    struct record *record = record_read((struct sonde_str){bytes, len});
    assert_non_null(record);
    return record;
}

struct record *
take_only(void)
{
    struct record *record = take();
    assert_non_null(record);
    assert_null(take());
    return record;
}

uint32_t
take_all(void)
{
    uint32_t count = 0;
    struct record *record;
    while ((record = take()) != NULL) {
        record_free(record);
        count++;
    }
    return count;
}

const struct value *
value_field(const struct value *value, const char *name)
{
    char whole[64];
    snprintf(whole, sizeof(whole), "%s%s", contract_driver.field_prefix, name);
    return value_member(value, whole);
}

static const struct value *
line_value(const struct record *record, enum sonde_group group, const char *name)
{
    const struct value *value = record_value(record, SONDE_SECTION_LINE, group, name);
    if (value == NULL) {
        fail_msg("there is no %s", name);
    }
    return value;
}

const struct value *
line_local(const struct record *record, const char *name)
{
    return line_value(record, SONDE_GROUP_LOCALS, name);
}

const struct value *
line_argument(const struct record *record, const char *name)
{
    return line_value(record, SONDE_GROUP_ARGUMENTS, name);
}

void
assert_type(const struct value *value, enum contract_type type)
{
    const char *wanted = contract_driver.types[type];
    assert_non_null(value);
    if (!str_is(value->type, wanted)) {
        fail_msg("the type is %.*s, wanted %s", (int)value->type.len, value->type.ptr,
                 wanted);
    }
}

void
assert_text(const struct value *value, enum contract_type type, const char *text)
{
    assert_type(value, type);
    assert_int_equal(value->kind, VALUE_TEXT);
    if (!str_is(value->text, text)) {
        fail_msg("the text is %.*s, wanted %s", (int)value->text.len, value->text.ptr,
                 text);
    }
}

void
assert_int(const struct value *value, int64_t number)
{
    assert_type(value, CONTRACT_INT);
    assert_int_equal(value_int(value), number);
}

/* --- Threads ---------------------------------------------------------------------------------- */

static pthread_mutex_t gate_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moves = PTHREAD_COND_INITIALIZER;
static bool gate_is_shut; /* guarded by gate_mutex */

static void
set_gate(bool is_shut)
{
    pthread_mutex_lock(&gate_mutex);
    gate_is_shut = is_shut;
    pthread_cond_broadcast(&gate_moves);
    pthread_mutex_unlock(&gate_mutex);
}

void
callers_hold(void)
{
    set_gate(true);
}

void
callers_release(void)
{
    set_gate(false);
}

static void
pass_gate(void)
{
    pthread_mutex_lock(&gate_mutex);
    while (gate_is_shut) {
        pthread_cond_wait(&gate_moves, &gate_mutex);
    }
    pthread_mutex_unlock(&gate_mutex);
}

static void
run_caller(void *arg)
{
    struct caller *caller = arg;
    pass_gate();
    for (uint32_t i = 0; i < caller->times; i++) {
        int64_t result = suite_try_call(caller->function, caller->argument);
        if (result == INT64_MIN) {
            caller->raised_count++;
        } else {
            caller->sum += result;
        }
    }
}

static struct caller callers[16];
static size_t caller_count;

struct caller *
caller_start(const char *function, int64_t argument, uint32_t times)
{
    assert_true(caller_count < COUNT_OF(callers));
    struct caller *caller = &callers[caller_count++];
    *caller = (struct caller){.function = function, .argument = argument, .times = times};
    caller->thread = (struct contract_thread){.body = run_caller, .arg = caller};
    caller->is_running = contract_driver.thread_start(&caller->thread);
    assert_true(caller->is_running);
    return caller;
}

void
caller_join(struct caller *caller)
{
    contract_driver.thread_join(&caller->thread);
    caller->is_running = false;
}

void
callers_forget(void)
{
    callers_release();
    for (size_t i = 0; i < caller_count; i++) {
        if (callers[i].is_running) {
            suite_try_call("set_running", 0); /* for those that spin */
            caller_join(&callers[i]);
        }
    }
    caller_count = 0;
}

void
sleep_ms(int ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}
