/* SPDX-License-Identifier: Apache-2.0 */
#include "throwables.h"

#include "compat/backtrace.h"
#include "frames.h"
#include "text.h"
#include "values.h"

static ID backtrace_key;

void
sonde_rb_throwables_init(void)
{
    backtrace_key = rb_intern("bt");
    sonde_rb_backtrace_learn();
}

/* The places up to `end`; a C function's is where it was called. False: the tape takes no more. */
static bool
write_places(struct sonde_tape *tape, const struct sonde_rb_backtrace *backtrace,
             size_t end)
{
    for (size_t i = 0; i < end; i++) {
        struct sonde_rb_place place = sonde_rb_backtrace_place(backtrace, i), at = place;
        for (size_t k = i; at.iseq == NULL && k + 1 < backtrace->count; k++) {
            at = sonde_rb_backtrace_place(backtrace, k + 1);
        }
        struct sonde_str name = place.iseq != NULL
                                    ? sonde_rb_text(rb_iseq_label(place.iseq))
                                    : sonde_rb_id_text(place.method);
        struct sonde_str file =
            at.iseq != NULL ? sonde_rb_text(rb_iseq_path(at.iseq)) : SONDE_STR("");
        if (!sonde_tape_frame(tape, file, name, at.line)) {
            return false;
        }
    }
    return true;
}

/* "FILE:LINE:in `NAME'" as a program may set it. */
static bool
write_line(struct sonde_tape *tape, struct sonde_str text)
{
    struct sonde_str file = text, name = {"", 0};
    uint32_t line = 0;
    size_t colon = 0;
    while (colon + 1 < text.len &&
           !(text.ptr[colon] == ':' && text.ptr[colon + 1] >= '0' &&
             text.ptr[colon + 1] <= '9')) {
        colon++;
    }
    if (colon + 1 < text.len) {
        size_t i = colon + 1;
        while (i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9') {
            line = line * 10 + (uint32_t)(text.ptr[i++] - '0');
        }
        file.len = colon;
        if (i + 6 < text.len && memcmp(text.ptr + i, ":in ", 4) == 0) {
            name = (struct sonde_str){text.ptr + i + 5, text.len - i - 6};
        }
    }
    return sonde_tape_frame(tape, file, name, line);
}

static void
write_lines(struct sonde_tape *tape, VALUE lines)
{
    for (long i = 0; i < RARRAY_LEN(lines); i++) {
        VALUE line = RARRAY_AREF(lines, i);
        if (RB_TYPE_P(line, T_STRING) && !write_line(tape, sonde_rb_text(line))) {
            return;
        }
    }
}

/* Where it was raised, down to the frame, by the exception's own list; from the frame on as in any
 * stack, since those are there still and known better. A list that does not go through the frame (of an
 * exception that was raised elsewhere before) stands as it is. */
static void
write_stack(struct sonde_tape *tape, VALUE exception, const struct sonde_rb_frame *frame)
{
    VALUE lines = rb_attr_get(exception, backtrace_key);
    struct sonde_rb_backtrace backtrace = sonde_rb_backtrace_of(exception);
    size_t live = sonde_rb_count_frames(frame);
    size_t inner = backtrace.count - live;
    sonde_tape_stack_begin(tape);
    if (RB_TYPE_P(lines, T_ARRAY)) {
        write_lines(tape, lines);
    } else if (backtrace.count >= live &&
               sonde_rb_backtrace_place(&backtrace, inner).iseq == frame->iseq) {
        if (write_places(tape, &backtrace, inner)) {
            sonde_rb_write_frames(tape, frame,
                                  sonde_rb_backtrace_place(&backtrace, inner).line);
        }
    } else if (backtrace.count > 0) {
        write_places(tape, &backtrace, backtrace.count);
    } else {
        sonde_rb_write_frames(tape, frame, 0);
    }
    sonde_tape_stack_end(tape);
}

void
sonde_rb_write_throwable(struct sonde_tape *tape, VALUE exception,
                         const struct sonde_rb_frame *frame, bool with_stack)
{
    sonde_tape_group_begin(tape, SONDE_GROUP_THROWABLE);
    sonde_tape_throwable(tape, sonde_rb_class_text(sonde_rb_class_of(exception)));
    sonde_rb_write_message(tape, exception);
    if (with_stack) {
        write_stack(tape, exception, frame);
    }
    sonde_tape_group_end(tape);
}
