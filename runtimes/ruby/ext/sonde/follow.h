/* SPDX-License-Identifier: Apache-2.0
 *
 * Follows the program where it gives names to other code: a method that is defined again, a class that is
 * removed and loaded anew, a method that comes by define_method or Class.new. The VM tells of none of
 * it, so while there are probes on methods their names are looked up again, a tenth of a second
 * after a file was loaded and every second: microseconds for each.
 *
 * Ctx: VM lock. */
#ifndef SONDE_RB_FOLLOW_H
#define SONDE_RB_FOLLOW_H

#include <stdbool.h>

/* A probe was looked for by the name of a method, and a place was found or none. */
void sonde_rb_follow_note(bool has_place);

/* A program was compiled, a file or for eval: what it defines is looked for soon. Cheap. */
void sonde_rb_follow_note_code(void);

/* A file is about to run, sonde_rb_index_announced(). The core looks for a probe's method in further files only
 * while it is armed nowhere; so what is armed in a file that is over, and is not the method, is given up now, and
 * so is what may get another name where this file has one that gets the wanted one. Free where nothing is armed
 * beforehand. Never while the agent is calling the adapter. Never raises. */
void sonde_rb_follow_announced(void);

/* Looks, when it is time, for 4 ms at most at a time: tells the agent of places that their names do not mean any more, and has it look
 * for those and for all that wait. Never in a collection nor while the agent is calling the adapter: safe points
 * begin with it. Never raises. */
void sonde_rb_follow(void);

/* The next one is due now, and goes through all at once. */
void sonde_rb_follow_testonly_now(void);

#endif
