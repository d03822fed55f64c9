/* SPDX-License-Identifier: Apache-2.0 */
#include "compat/hold.h"

#include "compat/compat.h"

#include <stdatomic.h>

/* vm_core.h: rb_execution_context_t up to thread_ptr, the same from 2.7 to 4.0. */
struct ec {
    VALUE *stack;
    size_t stack_words;
    const VALUE *frame;
    void *tags[SONDE_RB_EC_TAG_WORDS];
    uint32_t flags;
    uint32_t mask;
    void *fiber;
    void *thread;
};

enum { /* vm_core.h; the barrier of Ractors is let through */
       TIMER = 0x01,
       RAISE = 0x02,
       JOB = 0x04,
       TRAP = 0x08,
       TERMINATE = 0x10,
       KNOWN = 0x3f,
       HELD = TIMER | RAISE | JOB | TRAP | TERMINATE,
};

static struct {
    bool is_known, must_fail;
    unsigned job_count; /* of the job that the check registers */
} hold;

static struct ec *
current(void)
{
    const VALUE *thread = sonde_rb_data(rb_thread_current());
    return (struct ec *)thread[SONDE_RB_THREAD_EC_AT];
}

/* --- Checking --------------------------------------------------------------------------------- */

static bool
is_aligned(const void *pointer)
{
    return pointer != NULL && ((uintptr_t)pointer & (sizeof(VALUE) - 1)) == 0;
}

/* rb_thread_t is far longer than what is looked at here. */
static bool
looks_right(void)
{
    VALUE object = rb_thread_current();
    const VALUE *thread = sonde_rb_data(object);
    if (thread[SONDE_RB_THREAD_SELF_AT] != object) {
        return false;
    }
    const struct ec *ec = current();
    /* The order matters: what follows is only looked at in something that is an ec. */
    return is_aligned(ec) && ec->thread == thread && is_aligned(ec->stack) &&
           ec->stack_words < (size_t)1 << 32 && ec->frame > ec->stack &&
           ec->frame < ec->stack + ec->stack_words && ec->flags <= KNOWN &&
           ec->mask <= KNOWN;
}

static void
count_job(void *unused)
{
    (void)unused;
    hold.job_count++;
}

/* Runs the VM past a few checks of the interrupts. */
static VALUE
pass_checks(VALUE unused)
{
    (void)unused;
    return rb_eval_string("i = 0\ni += 1 while i < 3\n");
}

static bool
run_past_checks(void)
{
    int state = 0;
    VALUE before = rb_errinfo();
    rb_protect(pass_checks, Qnil, &state);
    if (state != 0) {
        rb_set_errinfo(NIL_P(before) || rb_obj_is_kind_of(before, rb_eException) ? before
                                                                                 : Qnil);
    }
    return state == 0;
}

/* A job of ours waits while it is held, and runs when it is not. */
static bool
works(void)
{
    struct ec *ec = current();
    uint32_t before = ec->mask;
    hold.job_count = 0;
    ec->mask = before | HELD;
    sonde_rb_ask_job(count_job);
    bool is_flagged = (ec->flags & JOB) != 0;
    bool is_held = run_past_checks() && hold.job_count == 0;
    ec->mask = before;
    if (before & JOB) {
        return is_flagged && is_held; /* inside a job already: it runs after that */
    }
    return run_past_checks() && is_flagged && is_held && hold.job_count == 1;
}

bool
sonde_rb_hold_init(void)
{
    hold.is_known = !hold.must_fail && looks_right() && works();
    hold.must_fail = false;
    return hold.is_known;
}

/* --- Use -------------------------------------------------------------------------------------- */

bool
sonde_rb_can_hold(void)
{
    return hold.is_known;
}

uint32_t
sonde_rb_hold(void)
{
    if (!hold.is_known) {
        return 0;
    }
    struct ec *ec = current();
    uint32_t before = ec->mask;
    ec->mask = before | HELD;
    return before;
}

void
sonde_rb_release(uint32_t before)
{
    if (hold.is_known) {
        current()->mask = before;
    }
}

void
sonde_rb_hold_testonly_fail(void)
{
    hold.must_fail = true;
}
