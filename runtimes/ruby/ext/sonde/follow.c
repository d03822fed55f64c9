/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include "adapter.h"
#include "code_index.h"
#include "core/base/clock.h"
#include "find_method.h"
#include "protect.h"
#include "state.h"
#include "text.h"
#include "trace.h"
#include "vm_thread.h"

#include <stdio.h>

#define SOON_NS (100 * SONDE_NS_PER_MS)
#define APART_NS SONDE_NS_PER_S
#define APART_MOST_NS (5 * SONDE_NS_PER_S) /* whatever one costs */
#define SLICE_NS (4 * SONDE_NS_PER_MS)     /* of the VM lock, at a time */
#define SHARE 50 /* a round is one of so many parts of the time */

/* A method that may be about to be defined is given this long, and not longer than its file takes to load. */
#define CANDIDATE_NS (10 * SONDE_NS_PER_S)

/* What is armed on old code is kept while calls of it go on, for the sake of their ends; no longer than that where
 * the new code is in another file, in which the core looks for it only afterwards. */
#define STALE_NS (5 * SONDE_NS_PER_S)

/* What no file is called: the core looks for the probes on methods that are armed nowhere. */
#define NO_FILE SONDE_STR("(methods)")

static struct {
    int64_t due_ns;     /* 0: nobody needs it */
    int64_t last_ns;    /* when the last round began */
    int64_t cost_ns;    /* of the round under way, or of the last */
    bool is_waited_for; /* some probe has no place */
    bool is_going;      /* a round is under way */
    bool has_waiting;   /* when it began, or since */
    bool is_unlimited;  /* for tests */
} follow;

static void
set_due(int64_t due_ns)
{
    if (follow.due_ns == 0 || due_ns < follow.due_ns) {
        follow.due_ns = due_ns;
        sonde_rb_vm_thread_ask_at(due_ns);
    }
}

/* At least that long between two, however often something happens: they take their share of the time. */
static int64_t
at_least(int64_t apart_ns)
{
    int64_t share_ns = follow.cost_ns * SHARE;
    share_ns = share_ns < APART_MOST_NS ? share_ns : APART_MOST_NS;
    return share_ns > apart_ns ? share_ns : apart_ns;
}

void
sonde_rb_follow_note(bool has_place)
{
    int64_t now_ns = sonde_clock_mono_ns();
    follow.is_waited_for = follow.is_waited_for || !has_place;
    if (sonde_rb_index_announced() == Qnil) {
        set_due(now_ns + at_least(APART_NS));
        return;
    }
    /* Not put off for ever by a program that keeps loading files. */
    int64_t due_ns = now_ns + at_least(SOON_NS);
    int64_t latest_ns = follow.last_ns + at_least(APART_NS);
    latest_ns = latest_ns > now_ns ? latest_ns : now_ns;
    follow.due_ns = 0;
    set_due(due_ns < latest_ns ? due_ns : latest_ns);
}

void
sonde_rb_follow_note_code(void)
{
    if (follow.is_waited_for || sonde_rb_adapter_has_methods() ||
        (sonde_rb_armed_count() > 0 && sonde_rb_trace_needs_look())) {
        set_due(sonde_clock_mono_ns() + at_least(SOON_NS));
    }
}

/* --- What is running ---------------------------------------------------------------------------- */

static bool
is_of(const struct sonde_rb_iseq *iseq, struct sonde_str file)
{
    VALUE realpath = sonde_rb_iseq_file(iseq);
    return sonde_str_eq(sonde_rb_text(NIL_P(realpath) ? rb_iseq_path(iseq) : realpath),
                        file);
}

/* Whether it is the top of that file or the body of a class in it, which run as the file is loaded. */
static bool
is_loading(const struct sonde_rb_iseq *iseq, struct sonde_str file)
{
    struct sonde_str label = sonde_rb_text(rb_iseq_label(iseq));
    bool is_once = (label.len > 0 && label.ptr[0] == '<') ||
                   sonde_str_eq(label, SONDE_STR("singleton class"));
    return is_once && is_of(iseq, file);
}

static bool
has_loading(const struct sonde_rb_ec *ec, struct sonde_str file)
{
    const struct sonde_rb_frame *end = sonde_rb_stack_end(ec);
    for (const struct sonde_rb_frame *frame = ec->frame; frame < end;
         frame = sonde_rb_frame_outer(frame)) {
        if (sonde_rb_frame_is_ruby(frame) && is_loading(frame->iseq, file)) {
            return true;
        }
    }
    return false;
}

/* Whether some thread is loading the file. Not seen is what a fiber does that rests. Ctx: sonde_rb_protect. */
static bool
is_being_loaded(struct sonde_str file)
{
    VALUE threads = rb_funcall(rb_cThread, rb_intern("list"), 0);
    bool is_found = false;
    for (long i = 0; !is_found && i < RARRAY_LEN(threads); i++) {
        const struct sonde_rb_ec *ec = sonde_rb_thread_ec(RARRAY_AREF(threads, i));
        is_found = ec == NULL || (ec->stack != NULL && has_loading(ec, file));
    }
    RB_GC_GUARD(threads);
    return is_found;
}

/* --- One place ------------------------------------------------------------------------------- */

struct check {
    struct sonde_rb_armed *armed;
    bool is_stale;
    bool is_elsewhere; /* what the name means now is in another file */
};

/* Ctx: sonde_rb_protect. */
static VALUE
check(VALUE arg)
{
    struct check *it = (struct check *)arg;
    struct sonde_rb_armed *armed = it->armed;
    struct sonde_rb_method_name name;
    struct sonde_rb_found_method found;
    if (!sonde_rb_method_name_read(&name, sonde_str_from(armed->name))) {
        return Qnil;
    }
    enum sonde_rb_named named = sonde_rb_method_look_up(&name, &found);
    bool is_known = armed->owner != 0;
    if (named == SONDE_RB_NAMED_CODE &&
        sonde_rb_index_code_of(found.wrapper) == sonde_rb_code_of_sequence(armed->code)) {
        sonde_rb_adapter_confirm(armed, found.method.owner, found.method.id);
        return Qnil;
    }
    it->is_elsewhere =
        named == SONDE_RB_NAMED_CODE &&
        !is_of(rb_iseqw_to_iseq(found.wrapper), sonde_str_from(armed->file));
    it->is_stale = is_known || named == SONDE_RB_NAMED_CODE ||
                   named == SONDE_RB_NAMED_NO_CODE ||
                   sonde_clock_mono_ns() - armed->since_ns > CANDIDATE_NS ||
                   !is_being_loaded(sonde_str_from(armed->file));
    return Qnil;
}

/* Whether it is to be given up now. */
static bool
is_over(struct sonde_rb_armed *armed)
{
    struct check it = {.armed = armed};
    if (!sonde_rb_adapter_is_alive(armed) ||
        sonde_rb_protect(check, (VALUE)&it, NULL) != 0) {
        return false;
    }
    if (!it.is_stale) {
        armed->stale_ns = 0;
        return false;
    }
    int64_t now_ns = sonde_clock_mono_ns();
    armed->stale_ns = armed->stale_ns != 0 ? armed->stale_ns : now_ns;
    if (sonde_site_has_waiting(armed->site) &&
        (!it.is_elsewhere || now_ns - armed->stale_ns < STALE_NS)) {
        /* The new code is armed beside it, if that is in the same file. */
        sonde_agent_code_ready(sonde_rb.agent, sonde_str_from(armed->file));
        return false;
    }
    return true;
}

static void
give_up(uint64_t code)
{
    sonde_rb_adapter_forget(code);
    sonde_agent_code_vanished(sonde_rb.agent, code);
}

/* --- Before a file ------------------------------------------------------------------------------ */

/* What is armed beforehand comes file by file. */
struct candidates {
    char file[SONDE_PATH_BYTES]; /* the last that was asked about */
    bool is_being_loaded;
};

struct candidate {
    struct check check;
    struct candidates *all;
};

/* Ctx: sonde_rb_protect. */
static VALUE
check_candidate(VALUE arg)
{
    struct candidate *it = (struct candidate *)arg;
    struct sonde_rb_armed *armed = it->check.armed;
    struct sonde_str file = sonde_str_from(armed->file);
    if (file.len == 0 || file.len >= sizeof(it->all->file) ||
        strcmp(it->all->file, armed->file) != 0) {
        it->all->is_being_loaded = is_being_loaded(file);
        snprintf(it->all->file, sizeof(it->all->file), "%s", armed->file);
    }
    if (it->all->is_being_loaded) {
        it->check.is_stale =
            armed->is_guess && sonde_rb_method_is_announced(sonde_str_from(armed->name));
        return Qnil;
    }
    check((VALUE)&it->check);
    return Qnil;
}

void
sonde_rb_follow_announced(void)
{
    struct candidates all = {.is_being_loaded = false};
    if (sonde_rb_has_other_ractors()) {
        return;
    }
    sonde_rb_adapter_begin_candidates();
    for (struct sonde_rb_armed *armed = sonde_rb_adapter_next_candidate(); armed != NULL;
         armed = sonde_rb_adapter_next_candidate()) {
        VALUE carrier = armed->carrier; /* it lives as long */
        uint64_t code = armed->code;
        struct candidate it = {.check.armed = armed, .all = &all};
        bool is_it = sonde_rb_adapter_is_alive(armed) &&
                     sonde_rb_protect(check_candidate, (VALUE)&it, NULL) == 0 &&
                     it.check.is_stale;
        RB_GC_GUARD(carrier);
        if (is_it) {
            give_up(code);
        }
    }
}

/* --- Rounds ------------------------------------------------------------------------------------- */

void
sonde_rb_follow_testonly_now(void)
{
    follow.due_ns = 1;
    follow.is_unlimited = true;
}

/* False: there is no time for all of them. */
static bool
go_through(int64_t end_ns)
{
    for (struct sonde_rb_armed *armed = sonde_rb_adapter_next_method(); armed != NULL;
         armed = sonde_rb_adapter_next_method()) {
        VALUE carrier = armed->carrier; /* it lives as long */
        uint64_t code = armed->code;
        bool is_it = is_over(armed);
        RB_GC_GUARD(carrier);
        if (is_it) {
            give_up(code);
            follow.has_waiting = true;
        }
        if (!follow.is_unlimited && sonde_clock_mono_ns() >= end_ns) {
            return false;
        }
    }
    return true;
}

void
sonde_rb_follow(void)
{
    int64_t now_ns = sonde_clock_mono_ns();
    if (follow.due_ns == 0 || now_ns < follow.due_ns || sonde_rb_has_other_ractors()) {
        return;
    }
    follow.due_ns = 0;
    if (!follow.is_going) {
        follow.is_going = true;
        follow.last_ns = now_ns;
        follow.cost_ns = 0;
        follow.has_waiting = follow.is_waited_for;
        follow.is_waited_for = false;
        sonde_rb_adapter_begin_round();
    }
    int64_t began_ns = sonde_clock_thread_cpu_ns();
    bool is_done = go_through(now_ns + SLICE_NS);
    if (is_done && follow.has_waiting) {
        sonde_agent_code_ready(sonde_rb.agent, NO_FILE);
    }
    follow.cost_ns += sonde_clock_thread_cpu_ns() - began_ns;
    if (!is_done) {
        set_due(now_ns + 2 * SLICE_NS);
        return;
    }
    follow.is_going = follow.is_unlimited = false;
    if (follow.is_waited_for || sonde_rb_adapter_has_methods()) {
        set_due(now_ns + at_least(APART_NS));
    }
}
