/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns of a loop that stands on one line with its body: `while True: work()`, and where loops
 * jump back to their head (SONDE_PY_LOOPS_AT_HEAD) any `while`. The instruction that tells the line
 * runs again with every turn, though the line is executed once. Nothing can be seen of that at
 * the instruction, so the JUMP event on the way back to it is listened to as well, on those code
 * objects alone.
 *
 * Ctx: VM lock. */
#ifndef SONDE_PY_TURNS_H
#define SONDE_PY_TURNS_H

#include "adapter.h"

/* SONDE_PY_EVENT_JUMP when the code has such a loop at an armed unit, else 0. */
int sonde_py_turns_events(const struct sonde_py_armed *armed);

/* A jump is about to be made, in units. False: it is of no interest, now or later. */
bool sonde_py_turns_jump(PyCodeObject *code, int from, int to);

/* Whether this unit was reached by the jump that was told last. Forgets it. */
bool sonde_py_turns_took(PyCodeObject *code, int unit);

#endif
