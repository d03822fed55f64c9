/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks and local variables, read from the interpreter's frames where they lie.
 *
 * Ctx: a hook. Nothing is made, raised or changed. */
#ifndef SONDE_PY_FRAMES_H
#define SONDE_PY_FRAMES_H

#include "compat/compat.h"
#include <sonde/hit.h>

/* The frame that runs this code now, the innermost visible one of the thread; NULL when it
 * is another's. */
sonde_py_frame *sonde_py_frame_of(const PyCodeObject *code);

/* Writes the thread's id and name. */
void sonde_py_write_thread(struct sonde_tape *tape);

/* Writes the stack from `frame` outwards. `line` is that frame's own line, 0: look it up. */
void sonde_py_write_stack(struct sonde_tape *tape, sonde_py_frame *frame, uint32_t line);

/* Writes one group of variables. */
void sonde_py_write_arguments(struct sonde_tape *tape, sonde_py_frame *frame,
                              PyCodeObject *code);
void sonde_py_write_locals(struct sonde_tape *tape, sonde_py_frame *frame,
                           PyCodeObject *code);

/* Writes the THROWABLE group: type, message, stack. */
void sonde_py_write_throwable(struct sonde_tape *tape, PyObject *exception,
                              sonde_py_frame *frame, bool with_stack);

/* Forgets what is known of a code object that dies. */
void sonde_py_frames_forget(const PyCodeObject *code);

#endif
