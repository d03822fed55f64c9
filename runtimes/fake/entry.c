/* SPDX-License-Identifier: Apache-2.0 */
#include "runtimes/fake/entry.h"

#include "core/base/alloc.h"
#include "core/base/os.h"
#include "runtimes/fake/adapter.h"
#include "runtimes/fake/code_index.h"
#include "runtimes/fake/hooks.h"

void
sonde_fake_request_safe_point(void *ctx)
{
    struct sonde_fake *fake = ctx;
    pthread_mutex_lock(&fake->mutex);
    fake->is_asked = true;
    pthread_cond_signal(&fake->asked);
    pthread_mutex_unlock(&fake->mutex);
}

/* Waits until asked. False: the runtime is stopping. */
static bool
wait_asked(struct sonde_fake *fake)
{
    pthread_mutex_lock(&fake->mutex);
    while (!fake->is_asked && !fake->is_stopping) {
        pthread_cond_wait(&fake->asked, &fake->mutex);
    }
    fake->is_asked = false;
    bool goes_on = !fake->is_stopping;
    pthread_mutex_unlock(&fake->mutex);
    return goes_on;
}

static void *
bring_safe_points(void *arg)
{
    struct sonde_fake *fake = arg;
    sonde_os_thread_name("sonde-safe-pt");
    while (wait_asked(fake)) {
        vm_enter(fake->vm);
        sonde_agent_safe_point(fake->agent);
        vm_leave(fake->vm);
    }
    return NULL;
}

static int
start_thread(struct sonde_fake *fake)
{
    fake->is_asked = false;
    fake->is_stopping = false;
    pthread_mutex_init(&fake->mutex, NULL);
    pthread_cond_init(&fake->asked, NULL);
    int rc = sonde_os_thread_start(&fake->thread, bring_safe_points, fake);
    fake->has_thread = rc == SONDE_OK;
    return rc;
}

static void
stop_thread(struct sonde_fake *fake)
{
    pthread_mutex_lock(&fake->mutex);
    fake->is_stopping = true;
    pthread_cond_signal(&fake->asked);
    pthread_mutex_unlock(&fake->mutex);
    if (fake->has_thread) {
        /* It may be waiting for the VM lock at this moment. */
        vm_leave(fake->vm);
        pthread_join(fake->thread, NULL);
        vm_enter(fake->vm);
        fake->has_thread = false;
    }
    pthread_cond_destroy(&fake->asked);
    pthread_mutex_destroy(&fake->mutex);
}

static void
forking(void *ctx)
{
    struct sonde_fake *fake = ctx;
    sonde_agent_before_fork(fake->agent);
}

static void
forked_parent(void *ctx)
{
    struct sonde_fake *fake = ctx;
    sonde_agent_after_fork_parent(fake->agent);
}

static void
forked_child(void *ctx)
{
    sonde_fake_after_fork(ctx);
}

void
sonde_fake_after_fork(struct sonde_fake *fake)
{
    sonde_agent_after_fork_child(fake->agent);
    /* The parent's thread is not here, and its lock may be held for ever: both anew. */
    if (start_thread(fake) != SONDE_OK) {
        sonde_agent_fault(fake->agent, "safe_points", "no thread could be started");
    }
}

static void
fill_tool(struct sonde_fake *fake)
{
    fake->tool = (struct vm_tool){
        .ctx = fake,
        .loaded = sonde_fake_code_loaded,
        .unloading = sonde_fake_code_unloading,
        .line = sonde_fake_hook_line,
        .entered = sonde_fake_hook_entered,
        .left = sonde_fake_hook_left,
        .suspended = sonde_fake_hook_suspended,
        .resumed = sonde_fake_hook_resumed,
        .forking = forking,
        .forked_parent = forked_parent,
        .forked_child = forked_child,
    };
}

int
sonde_fake_start(struct sonde_fake **out, struct vm *vm,
                 const struct sonde_config *config, struct sonde_err *err)
{
    struct sonde_fake *fake = sonde_calloc(1, sizeof(*fake));
    if (fake == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, "runtime", "out of memory");
    }
    fake->vm = vm;
    sonde_fake_adapter_fill(&fake->adapter, fake);
    fill_tool(fake);
    int rc = start_thread(fake);
    if (rc != SONDE_OK) {
        sonde_err_set(err, rc, "runtime", "no thread for safe points could be started");
    } else {
        rc = sonde_agent_start(&fake->agent, &fake->adapter, config, err);
    }
    if (rc != SONDE_OK) {
        stop_thread(fake);
        sonde_free(fake);
        return rc;
    }
    vm_set_tool(vm, &fake->tool);
    *out = fake;
    return SONDE_OK;
}

void
sonde_fake_stop(struct sonde_fake *fake)
{
    if (fake == NULL) {
        return;
    }
    sonde_fake_mind_fork(fake);
    sonde_agent_stop(fake->agent);
    vm_set_tool(fake->vm, NULL);
    stop_thread(fake);
    sonde_free(fake);
}
