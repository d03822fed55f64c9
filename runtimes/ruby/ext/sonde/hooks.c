/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks.h"

#include "adapter.h"
#include "frames.h"
#include "state.h"
#include "trace.h"

#include <errno.h>

/* Without a frame it says only that the line ran, and where. */
static void
capture_line(struct sonde_hit *hit, const struct sonde_rb_frame *frame)
{
    sonde_rb_write_thread(hit->tape);
    sonde_rb_write_trace(hit->tape);
    if (frame != NULL && hit->def->captures_stack) {
        sonde_rb_write_stack(hit->tape, frame, hit->def->location.line);
    }
    sonde_tape_section_begin(hit->tape, SONDE_SECTION_LINE);
    if (frame != NULL && hit->def->captures_arguments) {
        sonde_rb_write_arguments(hit->tape, frame);
    }
    if (frame != NULL && hit->def->captures_locals) {
        sonde_rb_write_locals(hit->tape, frame);
    }
    sonde_tape_section_end(hit->tape);
    sonde_hit_commit(hit);
}

/* Whether this event is an execution of the line, and not of another kind or the continuation of
 * one that was told already. */
static bool
counts(const struct sonde_rb_armed *armed, VALUE tracepoint)
{
    if (armed->event != RUBY_EVENT_LINE &&
        rb_tracearg_event_flag(rb_tracearg_from_tracepoint(tracepoint)) != armed->event) {
        return false;
    }
    if (armed->muted.count == 0) {
        return true;
    }
    const struct sonde_rb_frame *frame = sonde_rb_frame_of(tracepoint);
    return frame == NULL || !sonde_rb_is_muted(&armed->muted, frame->pc);
}

void
sonde_rb_on_line(VALUE tracepoint, void *data)
{
    const struct sonde_rb_armed *armed = data;
    int saved_errno = errno;
    if (!sonde_rb_is_main_ractor()) {
        sonde_rb_note_ractor();
        return;
    }
    if (sonde_agent_is_stale(sonde_rb.agent)) {
        sonde_rb_look_for_fork();
        errno = saved_errno;
    }
    struct sonde_hit hit;
    if (armed->site == NULL || !counts(armed, tracepoint) ||
        !sonde_hit_begin_line(&hit, armed->site)) {
        return;
    }
    capture_line(&hit, sonde_rb_frame_of(tracepoint));
    errno = saved_errno;
}
