/* SPDX-License-Identifier: Apache-2.0
 *
 * The suite over CRuby, embedded. The extension's own objects are linked in, so that suite and
 * extension share one core.
 *
 * CRuby's lock belongs to a thread of Ruby's, and is given up and taken for the length of a call:
 * the suite runs inside one such call on the main thread, and its threads inside one each. */
#include "compat/compat.h"

#include "adapter.h"
#include "code_index.h"
#include "compat/hold.h"
#include "entry.h"
#include "state.h"
#include "tests/contract/contract.h"

#include <ruby/thread.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

static VALUE helpers; /* the module ContractDriver */

/* --- In and out of the VM ------------------------------------------------------------------ */

struct job {
    void (*run)(void *arg);
    void *arg;
};

static void *
run_job(void *arg)
{
    const struct job *job = arg;
    job->run(job->arg);
    return NULL;
}

/* The collector takes for references what lies about on the stacks of threads, down to where each
 * thread is. So whatever has to do with the VM runs this much further down than what has to free a
 * program (`unload`): there its leavings are out of sight. */
static void
run_far_down(void (*run)(void *arg), void *arg)
{
    volatile char between[65536];
    between[0] = 0;
    run(arg);
    between[1] = between[0];
}

static void
enter_vm(void *arg)
{
    rb_thread_call_with_gvl(run_job, arg);
}

static void
with_vm(void (*run)(void *arg), void *arg)
{
    struct job job = {run, arg};
    run_far_down(enter_vm, &job);
}

/* What the suite does there it does in place of a safe point, which ends so. */
static void
run_as_safe_point(void *arg)
{
    uint32_t held = sonde_rb_hold();
    run_job(arg);
    sonde_rb_index_forget();
    sonde_rb_release(held);
}

static void
with_lock(void (*run)(void *arg), void *arg)
{
    struct job job = {run, arg};
    with_vm(run_as_safe_point, &job);
}

/* A call of a method with at most two arguments, which are texts. */
struct send {
    VALUE receiver;
    const char *method;
    const char *texts[2];
    VALUE result;
    bool is_done; /* nothing was raised */
};

static VALUE
send_unprotected(VALUE arg)
{
    struct send *send = (struct send *)arg;
    VALUE arguments[2];
    int count = 0;
    while (count < 2 && send->texts[count] != NULL) {
        arguments[count] = rb_str_new_cstr(send->texts[count]);
        count++;
    }
    send->result = rb_funcallv(send->receiver, rb_intern(send->method), count, arguments);
    return Qnil;
}

/* Prints what was raised, and forgets it. */
static void
print_error(const char *where)
{
    VALUE error = rb_errinfo();
    VALUE text = rb_check_funcall(error, rb_intern("full_message"), 0, NULL);
    fprintf(stderr, "%s: %s\n", where,
            RB_TYPE_P(text, T_STRING) ? StringValueCStr(text) : "raised");
    rb_set_errinfo(Qnil);
}

static void
send_job(void *arg)
{
    struct send *send = arg;
    int state = 0;
    rb_protect(send_unprotected, (VALUE)send, &state);
    send->is_done = state == 0;
    if (state != 0) {
        print_error(send->method);
    }
}

/* Whether the helper of that name returned true. Ctx: no lock. */
static bool
ask_helper(const char *method, const char *first, const char *second)
{
    struct send send = {.receiver = helpers, .method = method, .texts = {first, second}};
    with_vm(send_job, &send);
    return send.is_done && RTEST(send.result);
}

/* --- The VM -------------------------------------------------------------------------------- */

static const char *
source(const char *program)
{
    return strcmp(program, "shop") == 0    ? CONTRACT_DIR "/programs/shop.rb"
           : strcmp(program, "north") == 0 ? CONTRACT_DIR "/programs/north/stock.rb"
                                           : CONTRACT_DIR "/programs/south/stock.rb";
}

static const char *
module_name(const char *program)
{
    return strcmp(program, "shop") == 0    ? "Shop"
           : strcmp(program, "north") == 0 ? "North"
           : strcmp(program, "south") == 0 ? "South"
                                           : "Nowhere";
}

/* Where the VM's own code is: what points there from a sequence is an instruction. */
static uintptr_t text_start, text_end;

static bool
find_text(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && text_end == 0 && fgets(line, sizeof(line), maps) != NULL) {
        unsigned long start, end;
        char access[8];
        if (sscanf(line, "%lx-%lx %7s", &start, &end, access) == 3 && access[2] == 'x' &&
            start <= (uintptr_t)rb_funcallv && (uintptr_t)rb_funcallv < end) {
            text_start = start;
            text_end = end;
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return text_end != 0;
}

/* ContractDriver.opcodes(sequence) */
static VALUE
opcodes(VALUE self, VALUE wrapper)
{
    (void)self;
    const struct sonde_rb_body *body = rb_iseqw_to_iseq(wrapper)->body;
    VALUE text = rb_str_buf_new((long)(body->instruction_words * sizeof(VALUE)));
    for (size_t i = 0; i < body->instruction_words; i++) {
        VALUE word = body->instructions[i];
        word = word >= text_start && word < text_end ? word : 0;
        rb_str_buf_cat(text, (const char *)&word, sizeof(word));
    }
    return text;
}

static VALUE
prepare(VALUE unused)
{
    static const char *const programs[] = {"shop", "north", "south"};
    Init_native();
    helpers = rb_define_module("ContractDriver");
    rb_define_singleton_method(helpers, "opcodes", opcodes, 1);
    rb_require(CONTRACT_DIR "/ruby_driver.rb");
    VALUE paths = rb_hash_new();
    for (size_t i = 0; i < 3; i++) {
        rb_hash_aset(paths, rb_str_new_cstr(programs[i]),
                     rb_str_new_cstr(source(programs[i])));
    }
    (void)unused;
    return rb_funcall(helpers, rb_intern("open"), 1, paths);
}

static void
bring_up(void *arg)
{
    bool *is_up = arg;
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM};
    static char name[] = "contract", disable[] = "--disable=gems,rubyopt",
                script[] = "-e", nothing[] = "";
    char *options[] = {name, disable, script, nothing, NULL};
    int state = ruby_setup();
    if (state != 0 || !find_text()) {
        return;
    }
    /* A part of its own methods comes with the options only. The script is not run. */
    if (!ruby_executable_node(ruby_options(4, options), &state)) {
        return;
    }
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        signal(signals[i], SIG_DFL); /* they end the suite, as they end the others */
    }
    VALUE is_right = rb_protect(prepare, Qnil, &state);
    if (state != 0) {
        print_error("prepare");
    } else if (!RTEST(is_right)) {
        fprintf(stderr, "prepare: a probe would not be seen in a sequence\n");
    }
    *is_up = state == 0 && RTEST(is_right);
}

static bool
open_vm(void)
{
    bool is_up = false;
    RUBY_INIT_STACK;
    run_far_down(bring_up, &is_up);
    return is_up;
}

static void
close_vm(void)
{
    ruby_cleanup(0);
}

struct run {
    int (*body)(void *arg);
    void *arg;
    int result;
};

static void *
run_body(void *arg)
{
    struct run *run = arg;
    run->result = run->body(run->arg);
    return NULL;
}

static VALUE
run_without_lock(VALUE arg)
{
    rb_thread_call_without_gvl(run_body, (void *)arg, NULL, NULL);
    return Qnil;
}

static int
run_suite(int (*body)(void *arg), void *arg)
{
    struct run run = {.body = body, .arg = arg, .result = 1};
    int state = 0;
    rb_protect(run_without_lock, (VALUE)&run, &state);
    return run.result;
}

/* --- Threads ------------------------------------------------------------------------------- */

static void *
run_thread(void *arg)
{
    struct contract_thread *thread = arg;
    thread->body(thread->arg);
    return NULL;
}

static VALUE
run_ruby_thread(void *arg)
{
    rb_thread_call_without_gvl(run_thread, arg, NULL, NULL);
    return Qnil;
}

static VALUE
create_thread(VALUE arg)
{
    struct contract_thread *thread = (struct contract_thread *)arg;
    thread->vm_thread = Qnil;
    rb_gc_register_address(&thread->vm_thread);
    thread->vm_thread = rb_thread_create(run_ruby_thread, thread);
    return Qnil;
}

static void
start_job(void *arg)
{
    int state = 0;
    rb_protect(create_thread, (VALUE)arg, &state);
    if (state != 0) {
        print_error("thread");
        rb_gc_unregister_address(&((struct contract_thread *)arg)->vm_thread);
    }
}

static bool
thread_start(struct contract_thread *thread)
{
    with_vm(start_job, thread);
    return thread->vm_thread != Qnil;
}

static void
join_job(void *arg)
{
    struct contract_thread *thread = arg;
    struct send send = {.receiver = thread->vm_thread, .method = "join"};
    send_job(&send);
    rb_gc_unregister_address(&thread->vm_thread);
}

static void
thread_join(struct contract_thread *thread)
{
    with_vm(join_job, thread);
}

/* --- The agent ----------------------------------------------------------------------------- */

struct start {
    const struct sonde_config *config;
    struct sonde_err *err;
    struct sonde_agent *agent;
};

static void
start_agent(void *arg)
{
    struct start *start = arg;
    int rc = sonde_rb_start(start->config, start->err);
    start->agent = rc == SONDE_OK ? sonde_rb.agent : NULL;
}

static struct sonde_agent *
start(const struct sonde_config *config, struct sonde_err *err)
{
    struct start job = {config, err, NULL};
    with_vm(start_agent, &job);
    return job.agent;
}

static void
stop_agent(void *arg)
{
    (void)arg;
    sonde_rb_stop();
}

static void
stop(void)
{
    with_vm(stop_agent, NULL);
}

static void
count_armed(void *count)
{
    *(size_t *)count = sonde_rb_armed_count();
}

static bool
is_pristine(void)
{
    size_t count = 0;
    with_vm(count_armed, &count);
    return count == 0 && ask_helper("pristine?", NULL, NULL);
}

/* --- Programs ------------------------------------------------------------------------------ */

static bool
load(const char *program)
{
    return ask_helper("load", source(program), NULL);
}

static bool
unload(const char *program)
{
    struct send send = {helpers, "unload", {program, source(program)}, Qnil, false};
    struct job job = {send_job, &send};
    enter_vm(&job);
    return send.is_done && RTEST(send.result);
}

/* "Cart.add" is Shop::Cart#add, "total" is Shop.total. */
static const char *
name_in(const char *module, const char *function)
{
    static char text[256];
    const char *dot = strchr(function, '.');
    if (dot == NULL) {
        snprintf(text, sizeof(text), "%s.%s", module, function);
    } else {
        snprintf(text, sizeof(text), "%s::%.*s#%s", module, (int)(dot - function),
                 function, dot + 1);
    }
    return text;
}

static const char *
location(const char *program, const char *function)
{
    return name_in(module_name(program), function);
}

static const char *
frame_name(const char *function)
{
    return name_in("Shop", function);
}

/* A sequence knows its label alone. */
static const char *
place_name(const char *function)
{
    const char *dot = strchr(function, '.');
    return dot == NULL ? function : dot + 1;
}

struct call {
    const char *module, *function;
    int64_t number; /* the argument, then the result */
    bool is_right;
};

static VALUE
call_unprotected(VALUE arg)
{
    struct call *call = (struct call *)arg;
    VALUE module = rb_const_get(rb_cObject, rb_intern(call->module));
    VALUE result = rb_funcall(module, rb_intern(call->function), 1, LL2NUM(call->number));
    call->number = NUM2LL(result);
    return Qnil;
}

static void
call_job(void *arg)
{
    struct call *call = arg;
    int state = 0;
    rb_protect(call_unprotected, (VALUE)call, &state);
    rb_set_errinfo(Qnil);
    call->is_right = state == 0;
}

static bool
call(const char *program, const char *function, int64_t argument, int64_t *result)
{
    struct call job = {module_name(program), function, argument, false};
    with_vm(call_job, &job);
    if (job.is_right) {
        *result = job.number;
    }
    return job.is_right;
}

/* --- Forks --------------------------------------------------------------------------------- */

static VALUE
fork_unprotected(VALUE tells)
{
    /* A child of the C library's fork() has no thread of Ruby's that could give up the lock. What
     * goes past Process._fork is what nobody is told of here. */
    return RTEST(tells) ? rb_funcall(rb_mProcess, rb_intern("fork"), 0)
                        : rb_funcall(rb_const_get(helpers, rb_intern("FORK")),
                                     rb_intern("call"), 0);
}

struct fork {
    bool tells;
    pid_t pid;
};

static void
fork_job(void *arg)
{
    struct fork *fork = arg;
    int state = 0;
    VALUE pid = rb_protect(fork_unprotected, fork->tells ? Qtrue : Qfalse, &state);
    if (state != 0) {
        print_error("fork");
    }
    fork->pid = state != 0 ? -1 : NIL_P(pid) ? 0 : FIX2INT(pid);
}

static pid_t
fork_vm(bool tells)
{
    struct fork job = {tells, -1};
    with_vm(fork_job, &job);
    return job.pid;
}

const struct contract_driver contract_driver = {
    .name = "ruby" CONTRACT_RUBY,
    .types =
        {
            [CONTRACT_NIL] = "NilClass",
            [CONTRACT_TRUE] = "TrueClass",
            [CONTRACT_FALSE] = "FalseClass",
            [CONTRACT_INT] = "Integer",
            [CONTRACT_FLOAT] = "Float",
            [CONTRACT_TEXT] = "String",
            [CONTRACT_BYTES] = "String",
            [CONTRACT_LIST] = "Array",
            [CONTRACT_MAP] = "Hash",
            [CONTRACT_ITEM] = "Shop::Item",
            [CONTRACT_SEALED] = "Shop::Sealed",
            [CONTRACT_TRIPWIRE] = "Shop::Tripwire",
            [CONTRACT_ERROR] = "ArgumentError",
        },
    .field_prefix = "@",
    .probes_functions = true,
    .lists_symbols = true,
    .arms_running_frames = true,
    .open = open_vm,
    .close = close_vm,
    .run = run_suite,
    .thread_start = thread_start,
    .thread_join = thread_join,
    .start = start,
    .stop = stop,
    .with_lock = with_lock,
    .load = load,
    .unload = unload,
    .source = source,
    .location = location,
    .frame_name = frame_name,
    .place_name = place_name,
    .call = call,
    .is_pristine = is_pristine,
    .fork = fork_vm,
};
