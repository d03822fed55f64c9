/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks and local variables, read from the VM's control frames where they lie. Without the parts
 * FRAMES and LOCALS (compat.h) less is written, and nothing is read that was not verified.
 *
 * Ctx: a hook. Nothing is made, raised or changed; no object is allocated. */
#ifndef SONDE_RB_FRAMES_H
#define SONDE_RB_FRAMES_H

#include "compat/compat.h"
#include <sonde/hit.h>

/* A control frame of the VM; compat/ knows its layout. */
struct sonde_rb_frame;

/* The control frame in which the event of this TracePoint happened; NULL when it can not be
 * had. Ctx: inside that TracePoint's callback. */
const struct sonde_rb_frame *sonde_rb_frame_of(VALUE tracepoint);

/* Writes the thread's id and its name as it was a few captures ago. */
void sonde_rb_write_thread(struct sonde_tape *tape);

/* Threads have other ids from here on. Ctx: pthread_atfork's child. */
void sonde_rb_frames_after_fork(void);

/* Writes the stack from `frame` outwards, innermost first: Ruby frames and C functions alike;
 * a method as "Class#name" or "Class.name", a block as "block in Class#name", as the file says
 * else ("<main>", "<class:Cart>"). `line` is that frame's own line, 0: look it up. */
void sonde_rb_write_stack(struct sonde_tape *tape, const struct sonde_rb_frame *frame,
                          uint32_t line);

/* The same without beginning and end of a stack; and how many frames it would write at the most. */
void sonde_rb_write_frames(struct sonde_tape *tape, const struct sonde_rb_frame *frame,
                           uint32_t line);
size_t sonde_rb_count_frames(const struct sonde_rb_frame *frame);

/* Writes the group ARGUMENTS: `self`, then the parameters of the method, or of the block when
 * the frame is a block's, by their names in order. */
void sonde_rb_write_arguments(struct sonde_tape *tape,
                              const struct sonde_rb_frame *frame);

/* Writes the group LOCALS: the frame's other variables, then, for a block, those of the scopes
 * around it from the inside out, parameters included; a name that an inner scope has hides
 * an outer one. */
void sonde_rb_write_locals(struct sonde_tape *tape, const struct sonde_rb_frame *frame);

#endif
