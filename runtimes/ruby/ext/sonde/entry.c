/* SPDX-License-Identifier: Apache-2.0
 *
 * The module Sonde::Native: what sonde/auto.rb calls. Started once in a process, by its main
 * Ractor, and never unloaded. */
#include "entry.h"

#include "adapter.h"
#include "code_index.h"
#include "compat/backtrace.h"
#include "compat/compat_verify.h"
#include "compat/hold.h"
#include "compat/objects.h"
#include "compat/target_hooks.h"
#include "core/base/clock.h"
#include "follow.h"
#include "methods.h"
#include "protect.h"
#include "state.h"
#include "symbols.h"
#include "test_support.h"
#include "throwables.h"
#include "trace.h"
#include "values.h"
#include "vm_thread.h"

#include <stdio.h>
#include <string.h>

struct sonde_rb_state sonde_rb;

/* --- Safe points ----------------------------------------------------------------------------- */

void
sonde_rb_look_for_fork(void)
{
    if (sonde_agent_is_stale(sonde_rb.agent)) {
        sonde_rb_vm_thread_after_fork();
        sonde_agent_after_fork_child(sonde_rb.agent);
    }
}

static VALUE
count_ractors(VALUE unused)
{
    (void)unused;
    return rb_funcall(rb_path2class("Ractor"), rb_intern("count"), 0);
}

bool
sonde_rb_has_other_ractors(void)
{
    VALUE count = Qnil;
    return !sonde_rb_has_one_ractor() &&
           (sonde_rb_protect(count_ractors, Qnil, &count) != 0 || count != INT2FIX(1));
}

void
sonde_rb_note_ractor(void)
{
    if (!atomic_load_explicit(&sonde_rb.is_probed_in_ractor, memory_order_relaxed) &&
        !atomic_exchange(&sonde_rb.is_probed_in_ractor, true)) {
        sonde_rb_vm_thread_ask(NULL);
    }
}

static void
tell_of_ractors(void)
{
    static bool is_told;
    if (!is_told && atomic_load(&sonde_rb.is_probed_in_ractor)) {
        is_told = true;
        sonde_agent_fault(sonde_rb.agent, "ractors",
                          "probed code runs in a Ractor: only what the main Ractor "
                          "executes is counted and captured");
    }
}

void
sonde_rb_safe_point(void)
{
    static bool is_inside;
    if (is_inside || !sonde_rb_is_running()) {
        return;
    }
    is_inside = true;
    sonde_rb.safe_points.count++;
    sonde_rb.safe_points.last_ns = sonde_clock_mono_ns();
    uint32_t held = sonde_rb_hold();
    sonde_rb_look_for_fork();
    tell_of_ractors();
    sonde_rb_adapter_end_silent();
    sonde_rb_adapter_tell_vanished();
    sonde_rb_follow();
    sonde_rb_trace_look();
    sonde_agent_safe_point(sonde_rb.agent);
    sonde_rb_index_forget();
    sonde_rb_release(held);
    is_inside = false;
}

/* --- Start and stop ------------------------------------------------------------------------- */

static void
tell_faults(void)
{
    static const char *const words = "not as known from CRuby %s; switched off";
    for (int part = 0; part < SONDE_RB_PART_COUNT; part++) {
        if (sonde_rb.checked & 1u << part && !sonde_rb_has((enum sonde_rb_part)part)) {
            sonde_agent_fault(sonde_rb.agent,
                              sonde_rb_part_name((enum sonde_rb_part)part), words,
                              sonde_rb.version);
        }
    }
    if (!sonde_rb_can_hold()) {
        sonde_agent_fault(sonde_rb.agent, SONDE_RB_HOLD_PART, words, sonde_rb.version);
    }
    if (sonde_rb_has(SONDE_RB_PART_FRAMES) && !sonde_rb_target_is_known()) {
        sonde_agent_fault(sonde_rb.agent, SONDE_RB_TARGET_HOOKS_PART, words,
                          sonde_rb.version);
    }
    sonde_rb_index_tell_faults();
}

static VALUE
init_methods(VALUE unused)
{
    sonde_rb_methods_init();
    return unused;
}

static VALUE
init_throwables(VALUE unused)
{
    sonde_rb_throwables_init();
    return unused;
}

static VALUE
note_main_ractor(VALUE unused)
{
    sonde_rb_note_main_ractor();
    return unused;
}

/* The parts that are looked at where they are used; what a test says to fail is forgotten. */
static void
verify_the_rest(void)
{
    const struct {
        enum sonde_rb_part part;
        bool (*is_known)(void);
        void (*forget)(void);
    } parts[] = {
        {SONDE_RB_PART_BACKTRACES, sonde_rb_backtrace_is_known,
         sonde_rb_backtrace_forget},
        {SONDE_RB_PART_FIBERS, sonde_rb_fibers_are_known, sonde_rb_forget_fibers},
        {SONDE_RB_PART_ENUMERATORS, sonde_rb_enumerators_are_known,
         sonde_rb_forget_enumerators},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (sonde_rb.forced & 1u << parts[i].part) {
            parts[i].forget();
        }
        sonde_rb.parts |= (unsigned)parts[i].is_known() << parts[i].part;
    }
    if (!sonde_rb_has(SONDE_RB_PART_FRAMES)) { /* which it needs, and which is told */
        sonde_rb.checked &= ~(1u << SONDE_RB_PART_BACKTRACES);
    }
}

static void
verify(void)
{
    sonde_rb_hold_init(); /* first: the rest is called with everything else held back */
    uint32_t held = sonde_rb_hold();
    sonde_rb_protect(note_main_ractor, Qnil, NULL);
    VALUE verbose = ruby_verbose;
    ruby_verbose =
        Qnil; /* the code that is checked with is not of the application's style */
    sonde_rb.parts = sonde_rb_verify(sonde_rb.forced);
    sonde_rb.checked = (1u << SONDE_RB_PART_COUNT) - 1;
    if (sonde_rb_is_tracing_barred()) {
        sonde_rb.checked &= ~(1u << SONDE_RB_PART_FRAMES | 1u << SONDE_RB_PART_LOCALS |
                              1u << SONDE_RB_PART_UNWINDING);
    }
    if (sonde_rb_protect(init_methods, Qnil, NULL) != 0) {
        sonde_rb.parts &= ~(1u << SONDE_RB_PART_METHODS);
    }
    sonde_rb_protect(init_throwables, Qnil, NULL);
    sonde_rb_values_init();
    verify_the_rest();
    ruby_verbose = verbose;
    sonde_rb_release(held);
}

int
sonde_rb_start(const struct sonde_config *config, struct sonde_err *err)
{
    snprintf(sonde_rb.version, sizeof(sonde_rb.version), "%s", ruby_version);
    verify();
    sonde_rb_adapter_init();
    int result = sonde_rb_vm_thread_start(err);
    if (result == SONDE_OK) {
        result = sonde_rb_index_start(err);
    }
    if (result == SONDE_OK) {
        /* Safe points come from now on; the first finds the agent there, since it needs the
         * VM lock that we hold. */
        atomic_store(&sonde_rb.is_running, true);
        result = sonde_agent_start(&sonde_rb.agent, &sonde_rb.adapter, config, err);
    }
    if (result != SONDE_OK) {
        atomic_store(&sonde_rb.is_running, false);
        sonde_rb_vm_thread_stop();
        sonde_rb_index_stop();
        return result;
    }
    tell_faults();
    return SONDE_OK;
}

void
sonde_rb_stop(void)
{
    if (!sonde_rb_is_running()) {
        return;
    }
    /* First the thread, which could otherwise come in between. */
    sonde_rb_vm_thread_stop();
    uint32_t held = sonde_rb_hold();
    sonde_agent_stop(sonde_rb.agent);
    atomic_store(&sonde_rb.is_running, false);
    sonde_rb_adapter_stop();
    sonde_rb_index_stop();
    sonde_rb_release(held);
}

void
sonde_rb_before_fork(void)
{
    if (sonde_rb_is_running() && !sonde_agent_is_stale(sonde_rb.agent)) {
        sonde_rb_vm_thread_before_fork();
        sonde_agent_before_fork(sonde_rb.agent);
    }
}

void
sonde_rb_after_fork_parent(void)
{
    if (sonde_rb_is_running() && !sonde_agent_is_stale(sonde_rb.agent)) {
        sonde_agent_after_fork_parent(sonde_rb.agent);
        sonde_rb_vm_thread_after_fork_parent();
    }
}

void
sonde_rb_after_fork_child(void)
{
    if (sonde_rb_is_running()) {
        sonde_rb_protect(note_main_ractor, Qnil,
                         NULL); /* whichever it was in the parent */
        sonde_rb_look_for_fork();
    }
}

/* --- The module ----------------------------------------------------------------------------- */

static int
start_from_environment(struct sonde_err *err)
{
    struct sonde_config config;
    int result = sonde_config_init(&config, "ruby", err);
    if (result != SONDE_OK) {
        return result;
    }
    result = sonde_rb_start(&config, err);
    sonde_config_fini(&config);
    return result;
}

static VALUE
native_start(VALUE self)
{
    (void)self;
    struct sonde_err err = SONDE_ERR_INIT;
    if (sonde_rb_is_running()) {
        return Qnil;
    }
    if (sonde_rb.agent != NULL) {
        rb_raise(rb_eRuntimeError, "the agent was stopped in this process");
    }
    int result = start_from_environment(&err);
    if (result != SONDE_OK) {
        rb_raise(rb_eRuntimeError, "%s%s%s", err.where, err.where[0] != '\0' ? ": " : "",
                 err.code != SONDE_OK ? err.message : sonde_code_text(result));
    }
    return Qnil;
}

static VALUE
native_stop(VALUE self)
{
    (void)self;
    sonde_rb_stop();
    return Qnil;
}

static VALUE
native_before_fork(VALUE self)
{
    (void)self;
    sonde_rb_before_fork();
    return Qnil;
}

static VALUE
native_after_fork_parent(VALUE self)
{
    (void)self;
    sonde_rb_after_fork_parent();
    return Qnil;
}

static VALUE
native_after_fork_child(VALUE self)
{
    (void)self;
    sonde_rb_after_fork_child();
    return Qnil;
}

static VALUE
native_status(VALUE self)
{
    (void)self;
    VALUE hash = rb_hash_new();
    rb_hash_aset(hash, ID2SYM(rb_intern("running")),
                 sonde_rb_is_running() ? Qtrue : Qfalse);
    rb_hash_aset(hash, ID2SYM(rb_intern("version")), rb_utf8_str_new_cstr(SONDE_VERSION));
    rb_hash_aset(hash, ID2SYM(rb_intern("armed")), SIZET2NUM(sonde_rb_armed_count()));
    rb_hash_aset(hash, ID2SYM(rb_intern("codes")), SIZET2NUM(sonde_rb_index_size()));
    return hash;
}

static VALUE
native_report(VALUE self)
{
    (void)self;
    if (sonde_rb.agent == NULL) {
        return rb_utf8_str_new_cstr("{}");
    }
    if (sonde_rb_is_running()) {
        sonde_rb_look_for_fork();
    }
    size_t size = sonde_agent_testonly_report(sonde_rb.agent, NULL, 0) + 1;
    for (;;) {
        VALUE text = rb_utf8_str_new(NULL, (long)size);
        size_t needed =
            sonde_agent_testonly_report(sonde_rb.agent, RSTRING_PTR(text), size);
        if (needed < size) {
            rb_str_set_len(text, (long)needed);
            return text;
        }
        size = needed + 1; /* it grew meanwhile */
    }
}

static VALUE
native_ignore(int argc, VALUE *argv, VALUE self)
{
    (void)argc, (void)argv, (void)self;
    return Qnil;
}

__attribute__((visibility("default"))) void
Init_native(void)
{
    VALUE sonde = rb_define_module("Sonde");
    VALUE native = rb_define_module_under(sonde, "Native");
    /* First of all: the application's own, which is told of methods as they come, may do anything. */
    rb_define_singleton_method(native, "singleton_method_added", native_ignore, -1);
    rb_define_singleton_method(native, "start", native_start, 0);
    rb_define_singleton_method(native, "stop", native_stop, 0);
    rb_define_singleton_method(native, "before_fork", native_before_fork, 0);
    rb_define_singleton_method(native, "after_fork_parent", native_after_fork_parent, 0);
    rb_define_singleton_method(native, "after_fork_child", native_after_fork_child, 0);
    rb_define_singleton_method(native, "status", native_status, 0);
    rb_define_singleton_method(native, "report", native_report, 0);
    sonde_rb_symbols_init(native);
    sonde_rb_test_support_init(native);
}
