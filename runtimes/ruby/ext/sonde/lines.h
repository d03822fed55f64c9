/* SPDX-License-Identifier: Apache-2.0
 *
 * Which lines of a sequence the VM can tell of, by which event, and which of these events would tell
 * of one execution twice.
 *
 * The VM has a :line event where a statement begins that is the first of its line, so a line with
 * several statements has one. Some lines have more than one nevertheless: the condition of a `while`
 * in parentheses, a `rescue` or `ensure` on the line of its `begin`. Those that only go on with
 * an execution of the line that was told already are found here, by following where control may
 * come from, and are *muted*.
 *
 * A line without a :line event may have a :return (a method's `end`, or all of an empty one) or a
 * :b_return (a block's).
 *
 * Ctx: VM lock, under sonde_rb_protect: everything here may raise. */
#ifndef SONDE_RB_LINES_H
#define SONDE_RB_LINES_H

#include "compat/compat.h"

/* The better first. */
enum sonde_rb_event {
    SONDE_RB_EVENT_NONE,
    SONDE_RB_EVENT_LINE,
    SONDE_RB_EVENT_RETURN,
    SONDE_RB_EVENT_BLOCK_RETURN,
};

rb_event_flag_t sonde_rb_event_flag(enum sonde_rb_event event);

/* The event that tells of `line` in this sequence itself, not in those inside it. */
enum sonde_rb_event sonde_rb_lines_event(VALUE wrapper, uint32_t line);

/* Calls visit for every line that has an event, in the order of the code; some come twice. */
void sonde_rb_lines_each(VALUE wrapper, void (*visit)(uint32_t line, void *arg),
                         void *arg);

/* Program counters, as a frame has them while the event is told, that do not count. Owned by the
 * caller, also when something raises. */
struct sonde_rb_muted {
    const VALUE **list;
    size_t count, room;
    bool is_short; /* memory ran out: some are missing */
    void *scratch; /* of the call under way */
};

/* Adds what is to be muted of `line` where this sequence and all inside it tell of it by `event`. Needs
 * the part FRAMES. */
void sonde_rb_lines_mute(VALUE wrapper, uint32_t line, enum sonde_rb_event event,
                         struct sonde_rb_muted *out);
void sonde_rb_muted_fini(struct sonde_rb_muted *muted);

/* Of a block: the counters at which a frame of it can stand while a `return` of its own unwinds it, be it that
 * it stands there or that an `ensure` went on with it. Not those of the blocks in it. Needs the part FRAMES. */
void sonde_rb_lines_find_returns(VALUE wrapper, struct sonde_rb_muted *out);

static inline bool
sonde_rb_is_muted(const struct sonde_rb_muted *muted, const VALUE *pc)
{
    size_t i = 0;
    while (i < muted->count && muted->list[i] != pc) {
        i++;
    }
    return i < muted->count;
}

#endif
