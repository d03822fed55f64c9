/* SPDX-License-Identifier: Apache-2.0 */
#include "vm_thread.h"

#include "compat/hold.h"
#include "core/base/clock.h"
#include "frames.h"
#include "protect.h"
#include "state.h"

#include <ruby/thread.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define END_MOST_NS SONDE_NS_PER_S
#define REVIVALS_MOST 8

static struct {
    /* Guards what the thread waits for; never held while the VM lock is waited for. */
    pthread_mutex_t mutex;
    pthread_cond_t wake, ended;
    uint64_t generation; /* of the one thread that shall live; others end */
    uint64_t ended_generation;
    bool is_interrupted; /* by the VM */
    int64_t due_ns;      /* when it is to be asked by itself; 0: never */
    _Atomic bool is_asked;

    /* VM lock. */
    VALUE thread;
    pid_t pid;           /* of the process that the thread is in */
    bool exists;         /* in that process */
    bool is_hooked;      /* the second road is there */
    bool vm_ends;        /* no thread may be made any more */
    uint32_t fork_count; /* forks under way */
    bool is_put_off;     /* somebody asked meanwhile */
    unsigned revivals;   /* after a kill */
} vm = {.mutex = PTHREAD_MUTEX_INITIALIZER, .thread = Qnil};

static void
init_conds(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&vm.wake, &attributes);
    pthread_cond_init(&vm.ended, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* In a forked child: another thread of the parent may have held it at that moment, and a collection
 * there may want it at once. */
static void
reset_locks(void)
{
    vm.mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    init_conds();
}

bool
sonde_rb_vm_thread_take_ask(void)
{
    return atomic_exchange(&vm.is_asked, false);
}

bool
sonde_rb_vm_thread_is_asked(void)
{
    return atomic_load(&vm.is_asked);
}

void
sonde_rb_vm_thread_ask(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&vm.mutex);
    atomic_store(&vm.is_asked, true);
    pthread_cond_broadcast(&vm.wake);
    pthread_mutex_unlock(&vm.mutex);
}

void
sonde_rb_vm_thread_ask_at(int64_t due_ns)
{
    pthread_mutex_lock(&vm.mutex);
    vm.due_ns = due_ns;
    pthread_cond_broadcast(&vm.wake);
    pthread_mutex_unlock(&vm.mutex);
}

static bool
can_serve(void)
{
    return vm.fork_count == 0 && sonde_rb_is_running();
}

/* --- The thread: first road ------------------------------------------------------------------- */

struct waiting {
    uint64_t generation;
    bool goes_on;
};

/* Until something happened or it is time to ask. The mutex is held. */
static void
wait_for_wake(void)
{
    if (vm.due_ns == 0) {
        pthread_cond_wait(&vm.wake, &vm.mutex);
        return;
    }
    struct timespec until = {.tv_sec = vm.due_ns / SONDE_NS_PER_S,
                             .tv_nsec = vm.due_ns % SONDE_NS_PER_S};
    if (sonde_clock_mono_ns() >= vm.due_ns) {
        vm.due_ns = 0;
        atomic_store(&vm.is_asked, true);
    } else {
        pthread_cond_timedwait(&vm.wake, &vm.mutex, &until);
    }
}

/* Without the VM lock. */
static void *
wait_for_work(void *arg)
{
    struct waiting *waiting = arg;
    pthread_mutex_lock(&vm.mutex);
    while (vm.generation == waiting->generation && !vm.is_interrupted &&
           !atomic_load(&vm.is_asked)) {
        wait_for_wake();
    }
    vm.is_interrupted = false;
    waiting->goes_on = vm.generation == waiting->generation;
    pthread_mutex_unlock(&vm.mutex);
    return NULL;
}

/* The VM wants the thread back: it is to be killed, or somebody sent it something. */
static void
interrupt(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&vm.mutex);
    vm.is_interrupted = true;
    pthread_cond_broadcast(&vm.wake);
    pthread_mutex_unlock(&vm.mutex);
}

static VALUE
wait_unprotected(VALUE arg)
{
    /* Who gives the lock up for a moment has it again before those that wait for it wake up. */
    if (atomic_load(&vm.is_asked)) {
        rb_thread_schedule();
    }
    rb_thread_call_without_gvl(wait_for_work, (void *)arg, interrupt, NULL);
    return Qnil;
}

/* Whether the thread shall go on. What is raised into it is taken and forgotten; not through
 * sonde_rb_protect, which would hold it back for as long as nothing is asked for. */
static bool
await(struct waiting *waiting)
{
    int state = 0;
    rb_protect(wait_unprotected, (VALUE)waiting, &state);
    if (state != 0) {
        bool is_killed = !RB_TYPE_P(rb_errinfo(), T_OBJECT);
        rb_set_errinfo(Qnil);
        return !is_killed;
    }
    return waiting->goes_on;
}

static void restart(const char *when);

static VALUE
run(void *arg)
{
    struct waiting waiting = {.generation = (uint64_t)(uintptr_t)arg, .goes_on = true};
    while (waiting.goes_on && await(&waiting)) {
        if (waiting.goes_on && can_serve() && sonde_rb_vm_thread_take_ask()) {
            sonde_rb_safe_point();
        } else if (waiting.goes_on && !can_serve() && sonde_rb_vm_thread_take_ask()) {
            vm.is_put_off = true;
        }
    }
    pthread_mutex_lock(&vm.mutex);
    bool is_killed = vm.generation == waiting.generation;
    vm.ended_generation = waiting.generation;
    pthread_cond_broadcast(&vm.ended);
    pthread_mutex_unlock(&vm.mutex);
    if (is_killed) {
        vm.exists = false;
        if (sonde_rb_is_running() && !vm.vm_ends && vm.revivals++ < REVIVALS_MOST) {
            restart("after it was killed");
        }
    }
    return Qnil;
}

/* --- The timer: second road ------------------------------------------------------------------- */

/* On the thread that holds the VM lock, when the time slice of 100 ms is over and somebody waits for the
 * lock. It would hand the lock to the one that waits longest, which is ours only after every
 * other busy thread had its slice: so what we wait for is done here. Nothing reaches the
 * application's thread meanwhile, and nothing of the application's runs. */
static void
on_time_slice(rb_event_flag_t event, VALUE data, VALUE self, ID id, VALUE class)
{
    (void)event, (void)data, (void)self, (void)id, (void)class;
    if (atomic_load_explicit(&vm.is_asked, memory_order_relaxed) && can_serve() &&
        !ruby_stack_check() && sonde_rb_vm_thread_take_ask()) {
        sonde_rb_safe_point();
    }
}

static VALUE
add_hook(VALUE unused)
{
    (void)unused;
    rb_add_event_hook(on_time_slice, RUBY_INTERNAL_EVENT_SWITCH, Qnil);
    return Qnil;
}

static VALUE
remove_hook(VALUE unused)
{
    (void)unused;
    rb_remove_event_hook(on_time_slice);
    return Qnil;
}

/* --- Start and stop --------------------------------------------------------------------------- */

/* What an application does to all threads that it finds shall not wait for this one for ever, nor
 * end it. The VM's own ways to end it at exit are others. */
static VALUE
do_nothing(int argc, VALUE *argv, VALUE self)
{
    (void)argc, (void)argv;
    return self;
}

static VALUE
have_no_value(VALUE self)
{
    (void)self;
    return Qnil;
}

static VALUE
dress(VALUE thread)
{
    static const char *const harmless[] = {"join",  "kill",   "exit", "terminate",
                                           "raise", "wakeup", "run"};
    /* First of all: the application's own, which is told of methods as they come, may do anything. */
    rb_define_singleton_method(thread, "singleton_method_added", do_nothing, -1);
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        rb_define_singleton_method(thread, harmless[i], do_nothing, -1);
    }
    rb_define_singleton_method(thread, "value", have_no_value, 0);
    rb_funcall(thread, rb_intern("name="), 1, rb_str_new_cstr("sonde-vm"));
    rb_funcall(thread, rb_intern("report_on_exception="), 1, Qfalse);
    /* What servers that fork ask threads for before they warn of them. */
    rb_funcall(thread, rb_intern("thread_variable_set"), 2,
               ID2SYM(rb_intern("fork_safe")), Qtrue);
    VALUE group = rb_const_get(rb_cObject, rb_intern("ThreadGroup"));
    rb_funcall(rb_class_new_instance(0, NULL, group), rb_intern("add"), 1, thread);
    return Qnil;
}

static VALUE
create(VALUE generation)
{
    return rb_thread_create(run, (void *)(uintptr_t)generation);
}

static int
start(void)
{
    pthread_mutex_lock(&vm.mutex);
    uint64_t generation = ++vm.generation;
    pthread_mutex_unlock(&vm.mutex);
    VALUE thread = Qnil;
    if (vm.vm_ends || sonde_rb_protect(create, (VALUE)generation, &thread) != 0) {
        return SONDE_E_VM;
    }
    vm.thread = thread;
    vm.pid = getpid();
    vm.exists = true;
    /* A thread that looks like any other one works as well. */
    sonde_rb_protect(dress, thread, NULL);
    return SONDE_OK;
}

static void
restart(const char *when)
{
    if (start() != SONDE_OK && sonde_rb.agent != NULL) {
        sonde_agent_fault(sonde_rb.agent, "vm_thread", "could not be started again %s",
                          when);
    }
}

static bool
lacks_thread(void)
{
    return sonde_rb_is_running() && (!vm.exists || vm.pid != getpid());
}

static void
start_job(void *unused)
{
    (void)unused;
    if (lacks_thread()) {
        sonde_rb_look_for_fork();
        if (lacks_thread()) {
            restart("in a forked child");
        }
    }
}

/* On this very thread, at its next check for interrupts: that is what the VM's function is safe
 * for. */
static void
register_start(void)
{
    sonde_rb_ask_job(start_job);
}

static void
on_vm_end(VALUE unused)
{
    (void)unused;
    vm.vm_ends = true;
}

static VALUE
watch_vm_end(VALUE unused)
{
    rb_set_end_proc(on_vm_end, unused);
    return Qnil;
}

/* In a child of fork(), on the thread that called it: as much as a signal handler may do. A child
 * that goes on to exec never gets to that job. */
static void
on_fork_in_child(void)
{
    sonde_rb_frames_after_fork();
    reset_locks();
    if (sonde_rb_is_running() && ruby_native_thread_p()) {
        register_start();
    }
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
prepare(void)
{
    rb_gc_register_address(&vm.thread);
    init_conds();
    (void)pthread_atfork(NULL, NULL, on_fork_in_child);
}

int
sonde_rb_vm_thread_start(struct sonde_err *err)
{
    pthread_once(&once, prepare);
    static bool is_watched;
    if (!is_watched) {
        is_watched = sonde_rb_protect(watch_vm_end, Qnil, NULL) == 0;
    }
    vm.revivals = 0;
    vm.fork_count = 0;
    if (start() != SONDE_OK) {
        char reason[128];
        sonde_rb_protect_reason(reason, sizeof(reason));
        return sonde_err_set(err, SONDE_E_VM, NULL, "a thread could not be started: %s",
                             reason);
    }
    if (sonde_rb_can_hold() && !vm.is_hooked) {
        vm.is_hooked = sonde_rb_protect(add_hook, Qnil, NULL) == 0;
    }
    return SONDE_OK;
}

static void *
wait_for_end(void *arg)
{
    uint64_t generation = *(const uint64_t *)arg;
    int64_t until_ns = sonde_clock_mono_ns() + END_MOST_NS;
    struct timespec until = {.tv_sec = until_ns / SONDE_NS_PER_S,
                             .tv_nsec = until_ns % SONDE_NS_PER_S};
    pthread_mutex_lock(&vm.mutex);
    while (vm.ended_generation < generation &&
           pthread_cond_timedwait(&vm.ended, &vm.mutex, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&vm.mutex);
    return NULL;
}

void
sonde_rb_vm_thread_stop(void)
{
    if (vm.is_hooked) {
        vm.is_hooked = sonde_rb_protect(remove_hook, Qnil, NULL) != 0;
    }
    if (!vm.exists || vm.pid != getpid()) {
        vm.exists = false;
        return; /* a forked child that never renewed it has none */
    }
    pthread_mutex_lock(&vm.mutex);
    uint64_t generation = vm.generation++;
    pthread_cond_broadcast(&vm.wake);
    pthread_mutex_unlock(&vm.mutex);
    vm.exists = false;
    /* Held, since a call without the lock does nothing where an interrupt is pending. */
    uint32_t held = sonde_rb_hold();
    rb_thread_call_without_gvl2(wait_for_end, &generation, NULL, NULL);
    sonde_rb_release(held);
    vm.thread = Qnil;
}

/* --- Forks ------------------------------------------------------------------------------------ */

void
sonde_rb_vm_thread_before_fork(void)
{
    vm.fork_count++;
}

void
sonde_rb_vm_thread_after_fork_parent(void)
{
    if (vm.fork_count > 0 && --vm.fork_count == 0) {
        if (vm.is_put_off) {
            vm.is_put_off = false;
            sonde_rb_vm_thread_ask(NULL);
        }
    }
}

void
sonde_rb_vm_thread_after_fork(void)
{
    if (!vm.exists || vm.pid == getpid()) {
        return;
    }
    vm.exists = false;
    vm.fork_count = 0;
    vm.revivals = 0;
    vm.is_put_off = false;
    vm.is_interrupted = false;
    /* What the parent's next safe point would have gone on with is the child's too. */
    atomic_store(&vm.is_asked, true);
    reset_locks();
    register_start();
}
