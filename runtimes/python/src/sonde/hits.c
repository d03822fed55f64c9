/* SPDX-License-Identifier: Apache-2.0 */
#include "hits.h"

#include "frames.h"
#include "outcomes.h"
#include "state.h"
#include "trace.h"
#include "values.h"

#include <errno.h>

/* --- Captures ------------------------------------------------------------------------------- */

static uint64_t
frame_id(const sonde_py_frame *frame)
{
    return (uint64_t)(uintptr_t)frame;
}

/* Thread, and the stack where it is wanted. `line` 0: look it up. */
static void
write_head(struct sonde_hit *hit, sonde_py_frame *frame, uint32_t line)
{
    sonde_py_write_thread(hit->tape);
    sonde_py_write_trace(hit->tape);
    if (hit->def->captures_stack) {
        sonde_py_write_stack(hit->tape, frame, line);
    }
}

static void
capture_line(struct sonde_hit *hit, sonde_py_frame *frame, PyCodeObject *code)
{
    if (frame == NULL) {
        sonde_hit_abandon(hit);
        return;
    }
    write_head(hit, frame, hit->def->location.line);
    sonde_tape_section_begin(hit->tape, SONDE_SECTION_LINE);
    if (hit->def->captures_arguments) {
        sonde_py_write_arguments(hit->tape, frame, code);
    }
    if (hit->def->captures_locals) {
        sonde_py_write_locals(hit->tape, frame, code);
    }
    sonde_tape_section_end(hit->tape);
    sonde_hit_commit(hit);
}

static void
capture_entry(struct sonde_hit *hit, sonde_py_frame *frame, PyCodeObject *code)
{
    write_head(hit, frame, 0);
    sonde_tape_section_begin(hit->tape, SONDE_SECTION_ENTRY);
    if (hit->def->captures_arguments) {
        sonde_py_write_arguments(hit->tape, frame, code);
    }
    sonde_tape_section_end(hit->tape);
    sonde_hit_commit(hit);
}

/* One of `value` and `exception` is NULL. */
static void
capture_exit(struct sonde_hit *hit, sonde_py_frame *frame, PyCodeObject *code,
             PyObject *value, PyObject *exception)
{
    enum sonde_outcome outcome = sonde_py_outcome(code, exception);
    sonde_tape_section_begin(hit->tape, SONDE_SECTION_RETURN);
    sonde_tape_outcome(hit->tape, outcome);
    if (hit->def->captures_locals) {
        sonde_py_write_locals(hit->tape, frame, code);
    }
    if (outcome == SONDE_OUTCOME_RAISED) {
        sonde_py_write_throwable(hit->tape, exception, frame, hit->def->captures_stack);
    } else if (outcome == SONDE_OUTCOME_RETURNED && hit->def->captures_return) {
        sonde_tape_group_begin(hit->tape, SONDE_GROUP_RETURN_VALUE);
        sonde_py_write_value(hit->tape, value);
        sonde_tape_group_end(hit->tape);
    }
    sonde_tape_section_end(hit->tape);
    sonde_hit_commit(hit);
}

/* --- Hits ----------------------------------------------------------------------------------- */

struct sonde_py_armed *
sonde_py_hit_armed(const PyCodeObject *code)
{
    struct sonde_py_armed *armed = sonde_py_armed_of(code);
    if (armed == NULL || !sonde_agent_is_stale(sonde_py.agent)) {
        return armed;
    }
    int saved_errno = errno;
    sonde_py_look_for_fork();
    errno = saved_errno;
    return sonde_py_armed_of(code);
}

bool
sonde_py_hit_line(struct sonde_py_armed *armed, PyCodeObject *code, uint32_t unit)
{
    bool is_armed = false;
    for (uint32_t i = 0; i < armed->count; i++) {
        if (armed->sites[i].position != unit) {
            continue;
        }
        is_armed = true;
        struct sonde_hit hit;
        if (sonde_hit_begin_line(&hit, armed->sites[i].site)) {
            int saved_errno = errno;
            capture_line(&hit, sonde_py_frame_of(code), code);
            errno = saved_errno;
        }
    }
    return is_armed;
}

void
sonde_py_hit_entry(struct sonde_py_armed *armed, PyCodeObject *code)
{
    sonde_py_frame *frame = sonde_py_frame_of(code);
    for (uint32_t i = 0; frame != NULL && i < armed->count; i++) {
        struct sonde_hit hit;
        if (armed->sites[i].position == SONDE_PY_WHOLE &&
            sonde_hit_begin_entry(&hit, armed->sites[i].site, frame_id(frame))) {
            int saved_errno = errno;
            capture_entry(&hit, frame, code);
            errno = saved_errno;
        }
    }
}

void
sonde_py_hit_exit(struct sonde_py_armed *armed, PyCodeObject *code, PyObject *value,
                  PyObject *exception)
{
    sonde_py_frame *frame = NULL;
    for (uint32_t i = 0; armed->is_told && i < armed->count; i++) {
        struct sonde_site *site = armed->sites[i].site;
        struct sonde_hit hit;
        if (armed->sites[i].position != SONDE_PY_WHOLE || !sonde_site_has_waiting(site)) {
            continue;
        }
        if (frame == NULL && (frame = sonde_py_frame_of(code)) == NULL) {
            return;
        }
        if (sonde_hit_begin_exit(&hit, site, frame_id(frame))) {
            int saved_errno = errno;
            capture_exit(&hit, frame, code, value, exception);
            errno = saved_errno;
        }
    }
}

void
sonde_py_hit_suspend(struct sonde_py_armed *armed, sonde_py_frame *frame)
{
    for (uint32_t i = 0; frame != NULL && armed->is_told && i < armed->count; i++) {
        if (armed->sites[i].position == SONDE_PY_WHOLE) {
            sonde_hit_suspend(armed->sites[i].site, frame_id(frame));
        }
    }
}

void
sonde_py_hit_resume(struct sonde_py_armed *armed, sonde_py_frame *frame)
{
    for (uint32_t i = 0; frame != NULL && armed->is_told && i < armed->count; i++) {
        if (armed->sites[i].position == SONDE_PY_WHOLE) {
            sonde_hit_resume(armed->sites[i].site, frame_id(frame));
        }
    }
}
