/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent_kit.h"

#include <sonde/hit.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CODE_APP 1
#define CODE_LATE 2
#define LAST_LINE 99

int64_t
kit_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
kit_pause_ms(int ms)
{
    struct timespec pause = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&pause, NULL);
}

/* --- The adapter -------------------------------------------------------------------------- */

static int
vm_find(void *ctx, const struct sonde_probe_def *def, struct sonde_finding *finding)
{
    struct kit_vm *vm = ctx;
    struct sonde_str late = SONDE_STR("/srv/late.py");
    struct sonde_str app =
        sonde_str_from(vm->app_path == NULL ? "/srv/app.py" : vm->app_path);
    bool is_app = sonde_str_ends_with(app, def->location.file);
    bool is_late = vm->is_file_loaded && sonde_str_ends_with(late, def->location.file);
    if (def->location.file.len == 0 || (!is_app && !is_late)) {
        sonde_finding_cause(finding, SONDE_CAUSE_FILE_NOT_LOADED, "not loaded yet");
        return SONDE_OK;
    }
    if (def->location.line > LAST_LINE) {
        sonde_finding_cause(finding, SONDE_CAUSE_LINE_NOT_EXECUTABLE, "no code there");
        sonde_finding_nearest(finding, LAST_LINE);
        return SONDE_OK;
    }
    struct sonde_place place = {is_app ? CODE_APP : CODE_LATE, def->location.line};
    return sonde_finding_place(finding, place, is_app ? app : late, SONDE_STR("main"),
                               def->location.line);
}

static int
vm_arm(void *ctx, struct sonde_place place, struct sonde_site *site,
       struct sonde_err *err)
{
    struct kit_vm *vm = ctx;
    if (vm->arm_failure != SONDE_OK || vm->place_count == KIT_VM_PLACES) {
        return sonde_err_set(err, SONDE_E_BUSY, "vm", "can not arm");
    }
    vm->places[vm->place_count].site = site;
    vm->places[vm->place_count++].line = place.position;
    vm->arm_count++;
    return SONDE_OK;
}

static void
vm_disarm(void *ctx, struct sonde_place place, struct sonde_site *site)
{
    struct kit_vm *vm = ctx;
    (void)place;
    for (unsigned i = 0; i < vm->place_count; i++) {
        if (vm->places[i].site == site) {
            vm->places[i] = vm->places[--vm->place_count];
            vm->disarm_count++;
            return;
        }
    }
}

static void
vm_ask(void *ctx)
{
    struct kit_vm *vm = ctx;
    vm->ask_count++;
    pthread_mutex_lock(&vm->asked_lock);
    vm->is_asked = true;
    pthread_cond_signal(&vm->asked_changed);
    pthread_mutex_unlock(&vm->asked_lock);
}

static void *
vm_run(void *arg)
{
    struct kit_vm *vm = arg;
    pthread_mutex_lock(&vm->asked_lock);
    while (!vm->is_ending) {
        if (!vm->is_asked) {
            pthread_cond_wait(&vm->asked_changed, &vm->asked_lock);
            continue;
        }
        vm->is_asked = false;
        pthread_mutex_unlock(&vm->asked_lock);
        pthread_mutex_lock(&vm->lock);
        sonde_agent_safe_point(vm->agent);
        vm->safe_point_count++;
        pthread_mutex_unlock(&vm->lock);
        pthread_mutex_lock(&vm->asked_lock);
    }
    pthread_mutex_unlock(&vm->asked_lock);
    return NULL;
}

/* --- Life --------------------------------------------------------------------------------- */

void
kit_config(struct sonde_config *config, const char *server)
{
    char *texts[] = {(char *)server, NULL};
    *config = (struct sonde_config){
        .server = texts[0],
        .service = (char *)"kit",
        .env = (char *)"test",
        .version = (char *)"1.2.3",
        .resource_attributes = (char *)"team=blue%20sky",
        .queue_bytes = (size_t)1024 * 1024,
        .snapshots_per_second = 1e6,
        .cpu_percent = 1e4,
        .flush_timeout_ns = INT64_C(2000000000),
    };
}

static void
start_vm_thread(struct kit_vm *vm)
{
    pthread_mutex_init(&vm->asked_lock, NULL);
    pthread_cond_init(&vm->asked_changed, NULL);
    vm->is_asked = false;
    vm->is_ending = false;
    if (pthread_create(&vm->thread, NULL, vm_run, vm) != 0) {
        abort();
    }
}

void
kit_vm_init(struct kit_vm *vm)
{
    memset(vm, 0, sizeof(*vm));
    vm->adapter = (struct sonde_adapter){
        .size = sizeof(vm->adapter),
        .abi = SONDE_ADAPTER_ABI,
        .language = "kit",
        .runtime_version = "0.1",
        .ctx = vm,
        .find = vm_find,
        .arm = vm_arm,
        .disarm = vm_disarm,
        .request_safe_point = vm_ask,
    };
    pthread_mutex_init(&vm->lock, NULL);
    start_vm_thread(vm);
}

int
kit_vm_start(struct kit_vm *vm, const struct sonde_config *config)
{
    pthread_mutex_lock(&vm->lock);
    int rc = sonde_agent_start(&vm->agent, &vm->adapter, config, NULL);
    pthread_mutex_unlock(&vm->lock);
    return rc;
}

void
kit_vm_start_at(struct kit_vm *vm, const char *server)
{
    struct sonde_config config;
    kit_config(&config, server);
    kit_vm_init(vm);
    if (kit_vm_start(vm, &config) != SONDE_OK) {
        abort();
    }
}

int64_t
kit_vm_stop_agent(struct kit_vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    int64_t began_ms = kit_now_ms();
    sonde_agent_stop(vm->agent);
    int64_t took_ms = kit_now_ms() - began_ms;
    pthread_mutex_unlock(&vm->lock);
    return took_ms;
}

void
kit_vm_stop(struct kit_vm *vm)
{
    kit_vm_stop_agent(vm);
    pthread_mutex_lock(&vm->asked_lock);
    vm->is_ending = true;
    pthread_cond_signal(&vm->asked_changed);
    pthread_mutex_unlock(&vm->asked_lock);
    pthread_join(vm->thread, NULL);
}

/* --- Running ------------------------------------------------------------------------------ */

static bool
capture(struct sonde_site *site)
{
    struct sonde_hit hit;
    if (!sonde_hit_begin_line(&hit, site)) {
        return false;
    }
    sonde_tape_thread(hit.tape, 7, SONDE_STR("main"));
    sonde_tape_stack_begin(hit.tape);
    sonde_tape_frame(hit.tape, SONDE_STR("/srv/app.py"), SONDE_STR("main"), 1);
    sonde_tape_stack_end(hit.tape);
    sonde_tape_section_begin(hit.tape, SONDE_SECTION_LINE);
    sonde_tape_group_begin(hit.tape, SONDE_GROUP_LOCALS);
    sonde_tape_name(hit.tape, SONDE_STR("x"));
    sonde_tape_number(hit.tape, SONDE_STR("int"), SONDE_STR("42"));
    sonde_tape_group_end(hit.tape);
    sonde_tape_section_end(hit.tape);
    sonde_hit_commit(&hit);
    return true;
}

unsigned
kit_vm_execute(struct kit_vm *vm, uint64_t line)
{
    unsigned count = 0;
    pthread_mutex_lock(&vm->lock);
    if (sonde_agent_is_stale(vm->agent)) {
        sonde_agent_after_fork_child(vm->agent);
    }
    for (unsigned i = 0; i < vm->place_count; i++) {
        if (vm->places[i].line == line) {
            count += capture(vm->places[i].site);
        }
    }
    pthread_mutex_unlock(&vm->lock);
    return count;
}

void
kit_vm_load_late_file(struct kit_vm *vm)
{
    struct sonde_str file = SONDE_STR("/srv/late.py");
    pthread_mutex_lock(&vm->lock);
    bool wants = sonde_agent_wants_code(vm->agent, file);
    vm->is_file_loaded = true;
    if (wants) {
        sonde_agent_code_ready(vm->agent, file);
    }
    pthread_mutex_unlock(&vm->lock);
}

void
kit_vm_reload_app(struct kit_vm *vm)
{
    struct sonde_str file = sonde_str_from(vm->app_path);
    pthread_mutex_lock(&vm->lock);
    if (sonde_agent_wants_code(vm->agent, file)) {
        sonde_agent_code_ready(vm->agent, file);
    }
    pthread_mutex_unlock(&vm->lock);
}

/* --- Forking ------------------------------------------------------------------------------ */

pid_t
kit_vm_fork(struct kit_vm *vm, bool tells)
{
    pthread_mutex_lock(&vm->lock);
    pid_t child = fork();
    if (child == 0) {
        start_vm_thread(vm);
        if (tells) {
            sonde_agent_after_fork_child(vm->agent);
        }
    }
    pthread_mutex_unlock(&vm->lock);
    return child;
}

void
kit_child_exit(bool is_content)
{
    _exit(is_content ? 0 : 1);
}

bool
kit_child_was_content(pid_t child)
{
    int status;
    pid_t ended = 0;
    if (!kit_within(60000, (ended = waitpid(child, &status, WNOHANG)) != 0)) {
        fprintf(stderr, "child %ld hangs\n", (long)child);
        return false;
    }
    return ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* --- The report --------------------------------------------------------------------------- */

bool
kit_report_has(struct kit_vm *vm, const char *text)
{
    char report[65536];
    sonde_agent_testonly_report(vm->agent, report, sizeof(report));
    return strstr(report, text) != NULL;
}

/* The number of that key, behind `from`. */
static long
number_behind(struct kit_vm *vm, const char *from, const char *key)
{
    char report[65536], name[64];
    sonde_agent_testonly_report(vm->agent, report, sizeof(report));
    snprintf(name, sizeof(name), "\"%s\":", key);
    const char *at = strstr(report, from);
    at = at == NULL ? NULL : strstr(at, name);
    return at == NULL ? -1 : strtol(at + strlen(name), NULL, 10);
}

long
kit_report_number(struct kit_vm *vm, const char *key)
{
    return number_behind(vm, "\"armed\":", key); /* behind the probes */
}

long
kit_symbols_number(struct kit_vm *vm, const char *key)
{
    return number_behind(vm, "\"symbols\":{", key);
}
