/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include "adapter.h"
#include "code_index.h"
#include "core/base/clock.h"
#include "find_method.h"
#include "protect.h"
#include "state.h"
#include "vm_thread.h"

#define AFTER_FILE_NS (100 * SONDE_NS_PER_MS)
#define APART_NS SONDE_NS_PER_S

/* A method that may have been about to be defined is given this long. */
#define CANDIDATE_NS (10 * SONDE_NS_PER_S)

/* What is armed on old code is kept so many rounds while calls of it go on, for the sake of their ends. */
#define ROUNDS_MOST 5

/* What no file is called: the core looks for the probes on methods that are armed nowhere. */
#define NO_FILE SONDE_STR("(methods)")

static struct {
    int64_t due_ns; /* 0: nobody needs it */
    int64_t last_ns;
    bool is_waited_for; /* some probe has no place */
} follow;

static void
set_due(int64_t due_ns)
{
    if (follow.due_ns == 0 || due_ns < follow.due_ns) {
        follow.due_ns = due_ns;
        sonde_rb_vm_thread_ask_at(due_ns);
    }
}

void
sonde_rb_follow_note(bool has_place)
{
    int64_t now_ns = sonde_clock_mono_ns();
    follow.is_waited_for = follow.is_waited_for || !has_place;
    if (sonde_rb_index_announced() == Qnil) {
        set_due(now_ns + APART_NS);
        return;
    }
    /* Not put off for ever by a program that keeps loading files. */
    int64_t due_ns = now_ns + AFTER_FILE_NS, latest_ns = follow.last_ns + APART_NS;
    latest_ns = latest_ns > now_ns ? latest_ns : now_ns;
    follow.due_ns = 0;
    set_due(due_ns < latest_ns ? due_ns : latest_ns);
}

/* --- One place ------------------------------------------------------------------------------- */

struct check {
    struct sonde_rb_armed *armed;
    bool is_stale;
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
        armed->owner = found.method.owner;
        armed->id = found.method.id;
        return Qnil;
    }
    it->is_stale = is_known || named == SONDE_RB_NAMED_CODE ||
                   sonde_clock_mono_ns() - armed->since_ns > CANDIDATE_NS;
    return Qnil;
}

/* Whether it is to be given up now. */
static bool
is_over(struct sonde_rb_armed *armed)
{
    struct check it = {.armed = armed};
    if (armed->iseq == NULL || !sonde_rb_adapter_is_alive(armed) ||
        sonde_rb_protect(check, (VALUE)&it, NULL) != 0 || !it.is_stale) {
        return false;
    }
    if (sonde_site_has_waiting(armed->site) && armed->stale_rounds++ < ROUNDS_MOST) {
        /* The new code is armed beside it, if that is in the same file. */
        sonde_agent_code_ready(sonde_rb.agent, sonde_str_from(armed->file));
        return false;
    }
    return true;
}

/* The first that is over from the given one on: telling the agent changes the list. */
static uint64_t
next_over(void)
{
    for (struct sonde_rb_armed *armed = sonde_rb_adapter_unchecked(); armed != NULL;
         armed = sonde_rb_adapter_unchecked()) {
        armed->is_checked = true;
        VALUE carrier = armed->carrier; /* it lives as long */
        uint64_t code = armed->code;
        bool is_it = is_over(armed);
        RB_GC_GUARD(carrier);
        if (is_it) {
            return code;
        }
    }
    return 0;
}

void
sonde_rb_follow_testonly_now(void)
{
    follow.due_ns = 1;
}

void
sonde_rb_follow(void)
{
    int64_t now_ns = sonde_clock_mono_ns();
    if (follow.due_ns == 0 || now_ns < follow.due_ns || sonde_rb_has_other_ractors()) {
        return;
    }
    follow.due_ns = 0;
    follow.last_ns = now_ns;
    bool has_waiting = follow.is_waited_for;
    follow.is_waited_for = false;
    uint64_t code;
    sonde_rb_adapter_uncheck();
    while ((code = next_over()) != 0) {
        sonde_rb_adapter_forget(code);
        sonde_agent_code_vanished(sonde_rb.agent, code);
        has_waiting = true;
    }
    if (has_waiting) {
        sonde_agent_code_ready(sonde_rb.agent, NO_FILE);
    }
    if (follow.is_waited_for || sonde_rb_adapter_has_methods()) {
        set_due(now_ns + APART_NS);
    }
}
