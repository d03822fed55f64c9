/* SPDX-License-Identifier: Apache-2.0 */
#include "calls.h"

#include "adapter.h"
#include "compat/unwind.h"
#include "frames.h"
#include "state.h"
#include "text.h"
#include "throwables.h"
#include "trace.h"
#include "values.h"

#include <errno.h>

/* --- Which frames ------------------------------------------------------------------------------ */

/* Whether the frame runs the method that the probe names. */
static bool
is_run_as(const struct sonde_rb_armed *armed, const struct sonde_rb_frame *frame)
{
    char buf[SONDE_RB_NAME_BYTES];
    struct sonde_rb_method method;
    if (frame->iseq != armed->iseq || !sonde_rb_env_method(frame->env, &method) ||
        method.is_block != sonde_rb_frame_is_block_method(frame)) {
        return false;
    }
    if (armed->owner != 0) {
        return method.owner == armed->owner && method.id == armed->id;
    }
    struct sonde_str name = sonde_rb_method_text(SONDE_STR(""), method.owner,
                                                 sonde_rb_id_text(method.id), buf);
    return sonde_str_eq(name, sonde_str_from(armed->name));
}

/* --- A method's own `return` out of a block ---------------------------------------------------------- */

/* A method that is a block, and that the VM runs as it runs what C code calls, is left by its own `return` and by one
 * of its caller's with the same word: until the caller. The own one began in the method itself, which its
 * counter tells (lines.h), or in a block in it, of which :b_return was told before. That is noted, by the frame that
 * it is to end. Guarded by the VM lock. */
#define NOTES 64

static struct note {
    const struct sonde_rb_frame *frame;
    VALUE jump; /* compared only */
} notes[NOTES];

static struct note *
note_of(const struct sonde_rb_frame *frame)
{
    return &notes[(uintptr_t)frame / sizeof(*frame) % NOTES];
}

static void
forget_return(const struct sonde_rb_frame *frame)
{
    if (note_of(frame)->frame == frame) {
        note_of(frame)->frame = NULL;
    }
}

static void
note_return(rb_trace_arg_t *arg, const struct sonde_rb_frame *frame)
{
    const struct sonde_rb_ec *ec;
    const struct sonde_rb_frame *until;
    VALUE jump;
    (void)sonde_rb_trace_arg_frame(arg, &ec);
    if (!sonde_rb_frame_tells(frame, rb_tracearg_event_flag(arg)) &&
        sonde_rb_unwinding_is_return(ec, &jump, &until)) {
        *note_of(until) = (struct note){until, jump};
    }
}

/* Where it can not be told (a `return` of the caller's comes by an `ensure` that one of its own comes by as
 * well) it is. */
static bool
is_own_return(const struct sonde_rb_armed *armed, const struct sonde_rb_ec *ec,
              const struct sonde_rb_frame *frame)
{
    const struct sonde_rb_frame *until;
    VALUE jump;
    if (!sonde_rb_frame_is_block_method(frame) || armed->muted.is_short ||
        !sonde_rb_unwinding_is_return(ec, &jump, &until)) {
        return true;
    }
    const struct note *note = note_of(frame);
    return (note->frame == frame && note->jump == jump) ||
           sonde_rb_is_muted(&armed->muted, frame->pc);
}

/* --- Captures ---------------------------------------------------------------------------------- */

static void
capture_entry(struct sonde_hit *hit, const struct sonde_rb_frame *frame)
{
    sonde_rb_write_thread(hit->tape);
    sonde_rb_write_trace(hit->tape);
    if (hit->def->captures_stack) {
        sonde_rb_write_stack(hit->tape, frame,
                             (uint32_t)sonde_rb_iseq_first_line(frame->iseq));
    }
    sonde_tape_section_begin(hit->tape, SONDE_SECTION_ENTRY);
    if (hit->def->captures_arguments) {
        sonde_rb_write_arguments(hit->tape, frame);
    }
    sonde_tape_section_end(hit->tape);
    sonde_hit_commit(hit);
}

struct ending {
    enum sonde_outcome outcome;
    VALUE value; /* returned or raised; Qundef: none */
};

static struct ending
ending_of(const struct sonde_rb_armed *armed, rb_trace_arg_t *arg,
          const struct sonde_rb_frame *frame)
{
    const struct sonde_rb_ec *ec;
    VALUE value = Qundef;
    if (sonde_rb_frame_tells(frame, rb_tracearg_event_flag(arg))) {
        return (struct ending){SONDE_OUTCOME_RETURNED, rb_tracearg_return_value(arg)};
    }
    (void)sonde_rb_trace_arg_frame(arg, &ec);
    enum sonde_rb_unwinding by = sonde_rb_has(SONDE_RB_PART_UNWINDING)
                                     ? sonde_rb_unwinding_of(ec, frame, &value)
                                     : SONDE_RB_UNWINDING_UNKNOWN;
    switch (by) {
    case SONDE_RB_UNWINDING_ERROR:
        return (struct ending){SONDE_OUTCOME_RAISED, value};
    case SONDE_RB_UNWINDING_VALUE:
        if (!is_own_return(armed, ec, frame)) {
            return (struct ending){SONDE_OUTCOME_LEFT, Qundef};
        }
        return (struct ending){SONDE_OUTCOME_RETURNED, value};
    case SONDE_RB_UNWINDING_KILL:
        return (struct ending){SONDE_OUTCOME_CANCELLED, Qundef};
    default:
        return (struct ending){SONDE_OUTCOME_LEFT, Qundef};
    }
}

static void
capture_exit(struct sonde_hit *hit, const struct sonde_rb_armed *armed,
             rb_trace_arg_t *arg, const struct sonde_rb_frame *frame)
{
    struct ending ending = ending_of(armed, arg, frame);
    sonde_tape_section_begin(hit->tape, SONDE_SECTION_RETURN);
    sonde_tape_outcome(hit->tape, ending.outcome);
    if (hit->def->captures_locals) {
        sonde_rb_write_locals(hit->tape, frame);
    }
    if (ending.outcome == SONDE_OUTCOME_RAISED) {
        sonde_rb_write_throwable(hit->tape, ending.value, frame,
                                 hit->def->captures_stack);
    } else if (ending.value != Qundef && hit->def->captures_return) {
        sonde_tape_group_begin(hit->tape, SONDE_GROUP_RETURN_VALUE);
        sonde_rb_write_value(hit->tape, ending.value);
        sonde_tape_group_end(hit->tape);
    }
    sonde_tape_section_end(hit->tape);
    sonde_hit_commit(hit);
}

/* --- Hits -------------------------------------------------------------------------------------- */

/* No two frames that live lie at one address, whichever threads and fibers they are of. */
static uint64_t
id_of(const struct sonde_rb_frame *frame)
{
    return (uint64_t)(uintptr_t)frame;
}

static void
on_begin(const struct sonde_rb_armed *armed, const struct sonde_rb_frame *frame)
{
    struct sonde_hit hit;
    if (armed->event & RUBY_EVENT_B_CALL && frame != NULL) {
        forget_return(frame);
    }
    if (frame != NULL && armed->stale_ns == 0 && is_run_as(armed, frame) &&
        sonde_hit_begin_entry(&hit, armed->site, id_of(frame))) {
        int saved_errno = errno;
        capture_entry(&hit, frame);
        errno = saved_errno;
    }
}

static void
on_end(const struct sonde_rb_armed *armed, rb_trace_arg_t *arg,
       const struct sonde_rb_frame *frame)
{
    struct sonde_hit hit;
    if (frame != NULL && frame->iseq != armed->iseq &&
        sonde_rb_has(SONDE_RB_PART_UNWINDING)) {
        int saved_errno = errno;
        note_return(arg, frame);
        errno = saved_errno;
    } else if (frame != NULL && frame->iseq == armed->iseq &&
               sonde_hit_begin_exit(&hit, armed->site, id_of(frame))) {
        int saved_errno = errno;
        capture_exit(&hit, armed, arg, frame);
        errno = saved_errno;
    }
}

void
sonde_rb_on_call(VALUE tracepoint, void *data)
{
    const struct sonde_rb_armed *armed = data;
    if (!sonde_rb_is_main_ractor()) {
        sonde_rb_note_ractor();
        return;
    }
    if (sonde_agent_is_stale(sonde_rb.agent)) {
        int saved_errno = errno;
        sonde_rb_look_for_fork();
        errno = saved_errno;
    }
    if (armed->site == NULL) {
        return;
    }
    rb_trace_arg_t *arg = rb_tracearg_from_tracepoint(tracepoint);
    if (rb_tracearg_event_flag(arg) & (RUBY_EVENT_CALL | RUBY_EVENT_B_CALL)) {
        on_begin(armed, sonde_rb_frame_of(tracepoint));
    } else if (sonde_site_has_waiting(armed->site)) {
        on_end(armed, arg, sonde_rb_frame_of(tracepoint));
    }
}
