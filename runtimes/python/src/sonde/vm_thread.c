/* SPDX-License-Identifier: Apache-2.0 */
#include "vm_thread.h"

#include "class_lines.h"
#include "code_index.h"
#include "core/base/clock.h"
#include "core/base/os.h"
#include "engine.h"
#include "known_types.h"
#include "state.h"
#include "trace.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define END_MOST_NS ((int64_t)10 * 1000 * 1000)
#define PAUSE_NS (500 * 1000)
#define READ_NS ((int64_t)10 * 1000 * 1000)
#define LATE_LOOK_NS ((int64_t)80 * 1000 * 1000)

static struct {
    /* Guards the rest; never held while the VM lock is waited for. */
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    pthread_t thread;
    pid_t pid; /* of the process that the thread is in */
    PyInterpreterState *interpreter;
    void (*job)(void);
    bool exists, is_asked, must_end, watches_late, reads;
    _Atomic uint64_t thread_id; /* the kernel's; 0: it has not begun */
    uint32_t fork_count;        /* forks under way for which it rests; VM lock */
    bool is_resting;            /* VM lock */
} vm = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void
init_conds(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&vm.wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_cond_init(&vm.done, NULL);
}

struct work {
    void (*job)(void);
    bool is_asked, needs_lock;
};

/* Sleeps until there is something to do; false: to end. */
static bool
wait_for_work(struct work *work)
{
    pthread_mutex_lock(&vm.mutex);
    while (!vm.is_asked && !vm.must_end && vm.job == NULL && !vm.reads) {
        if (!vm.watches_late) {
            pthread_cond_wait(&vm.wake, &vm.mutex);
            continue;
        }
        int64_t until_ns = sonde_clock_mono_ns() + LATE_LOOK_NS;
        struct timespec until = {.tv_sec = until_ns / SONDE_NS_PER_S,
                                 .tv_nsec = until_ns % SONDE_NS_PER_S};
        if (pthread_cond_timedwait(&vm.wake, &vm.mutex, &until) == ETIMEDOUT &&
            sonde_py_index_has_late()) {
            break;
        }
    }
    bool is_late = !vm.is_asked && vm.job == NULL && !vm.reads;
    *work = (struct work){.job = vm.job,
                          .is_asked = vm.is_asked,
                          .needs_lock = vm.is_asked || vm.job != NULL || is_late};
    vm.is_asked = false;
    bool goes_on = !vm.must_end;
    pthread_mutex_unlock(&vm.mutex);
    return goes_on;
}

static void
do_work(const struct work *work)
{
    if (work->job != NULL) {
        work->job();
    } else if (sonde_py_is_running()) {
        if (work->is_asked) {
            sonde_py_known_look();
            sonde_py_trace_look();
            sonde_agent_safe_point(sonde_py.agent);
        }
        if (sonde_py_index_has_late()) {
            sonde_py_index_announce_late();
        }
        sonde_py_engine_rest();
    }
    sonde_py_clear_error();
}

static bool
take_reads(void)
{
    pthread_mutex_lock(&vm.mutex);
    bool reads = vm.reads;
    vm.reads = false;
    pthread_mutex_unlock(&vm.mutex);
    return reads;
}

/* Some of the files that are to be read, while nobody waits long for a safe point. */
static void
read_files(void)
{
    if (!take_reads()) {
        return;
    }
    int64_t until_ns = sonde_clock_mono_ns() + READ_NS;
    while (sonde_py_class_lines_step()) {
        if (sonde_clock_mono_ns() >= until_ns) {
            sonde_py_vm_thread_read();
            return;
        }
    }
}

static void *
run(void *unused)
{
    (void)unused;
    struct work work;
    atomic_store(&vm.thread_id, sonde_os_thread_id());
    sonde_os_thread_name("sonde-vm");
    while (wait_for_work(&work)) {
        /* Made for the moment, so that nobody ever sees a thread of ours that idles. NULL:
         * out of memory; whoever asked will ask again. */
        PyThreadState *thread =
            work.needs_lock ? PyThreadState_New(vm.interpreter) : NULL;
        if (thread != NULL) {
            PyEval_AcquireThread(thread);
            do_work(&work);
            PyThreadState_Clear(thread);
            PyThreadState_DeleteCurrent();
        }
        read_files();
        /* Whoever waits for the lock has it before we ask for it again. */
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        if (work.job != NULL) {
            pthread_mutex_lock(&vm.mutex);
            vm.job = NULL;
            pthread_cond_signal(&vm.done);
            pthread_mutex_unlock(&vm.mutex);
        }
    }
    return NULL;
}

static int
start(void)
{
    vm.must_end = false;
    atomic_store(&vm.thread_id, 0);
    int result = sonde_os_thread_start(&vm.thread, run, NULL);
    vm.exists = result == SONDE_OK;
    vm.pid = getpid();
    return result;
}

int
sonde_py_vm_thread_start(struct sonde_err *err)
{
    init_conds();
    vm.interpreter = PyInterpreterState_Get();
    int result = start();
    if (result != SONDE_OK) {
        return sonde_err_set(err, result, NULL, "a thread could not be started");
    }
    return SONDE_OK;
}

void
sonde_py_vm_thread_call(void (*job)(void))
{
    PyThreadState *thread = PyEval_SaveThread();
    pthread_mutex_lock(&vm.mutex);
    vm.job = job;
    pthread_cond_signal(&vm.wake);
    while (vm.job != NULL) {
        pthread_cond_wait(&vm.done, &vm.mutex);
    }
    pthread_mutex_unlock(&vm.mutex);
    PyEval_RestoreThread(thread);
}

void
sonde_py_vm_thread_stop(void)
{
    if (!vm.exists || vm.pid != getpid()) {
        return; /* a forked child that never renewed it has none */
    }
    pthread_mutex_lock(&vm.mutex);
    vm.must_end = true;
    pthread_cond_signal(&vm.wake);
    pthread_mutex_unlock(&vm.mutex);
    PyThreadState *thread = PyEval_SaveThread();
    pthread_join(vm.thread, NULL);
    sonde_os_thread_await_end(atomic_load(&vm.thread_id),
                              sonde_clock_mono_ns() + END_MOST_NS);
    PyEval_RestoreThread(thread);
    vm.exists = false;
}

void
sonde_py_vm_thread_ask(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&vm.mutex);
    vm.is_asked = true;
    pthread_cond_signal(&vm.wake);
    pthread_mutex_unlock(&vm.mutex);
}

void
sonde_py_vm_thread_watch_late(void)
{
    pthread_mutex_lock(&vm.mutex);
    if (!vm.watches_late) {
        vm.watches_late = true;
        pthread_cond_signal(&vm.wake);
    }
    pthread_mutex_unlock(&vm.mutex);
}

void
sonde_py_vm_thread_read(void)
{
    pthread_mutex_lock(&vm.mutex);
    vm.reads = true;
    pthread_cond_signal(&vm.wake);
    pthread_mutex_unlock(&vm.mutex);
}

void
sonde_py_vm_thread_before_fork(void)
{
    /* A second fork may come while the first one waits here without the VM lock. */
    if (vm.fork_count++ == 0 && vm.exists) {
        vm.is_resting = true;
        sonde_py_vm_thread_stop();
    }
}

static void
restart(const char *where)
{
    if (start() != SONDE_OK) {
        sonde_agent_fault(sonde_py.agent, "vm_thread", "could not be started again in %s",
                          where);
    }
}

void
sonde_py_vm_thread_after_fork_parent(void)
{
    if (vm.fork_count > 0 && --vm.fork_count == 0 && vm.is_resting) {
        vm.is_resting = false;
        restart("the parent of a fork");
    }
}

void
sonde_py_vm_thread_after_fork(void)
{
    if ((!vm.exists && !vm.is_resting) || vm.pid == getpid()) {
        return;
    }
    vm.fork_count = 0;
    vm.is_asked = false;
    vm.job = NULL;
    vm.reads = false;
    vm.is_resting = false;
    /* Another thread of the parent may have held it at the moment of the fork. */
    vm.mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    init_conds();
    restart("a forked child");
}
