/* SPDX-License-Identifier: Apache-2.0
 *
 * Holding back what the VM delivers to a thread from outside: Thread#raise and Thread#kill (so Timeout,
 * too), signal handlers, other people's postponed jobs and the switch to another thread. What
 * comes meanwhile is delivered at the thread's next check after the release, as if it had come then.
 *
 * Ruby has Thread.handle_interrupt for some of that, but it runs a check of its own when it ends, which
 * raises; here nothing may be raised. So the thread's interrupt mask is set, which the VM itself does
 * around its jobs. Where the mask is, is checked at load.
 *
 * Ctx of all: VM lock. */
#ifndef SONDE_RB_HOLD_H
#define SONDE_RB_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#define SONDE_RB_HOLD_PART "interrupts" /* its name in `sonde ps` */

/* Checks against the live VM what is known of the mask; false: nothing is ever held. Never raises,
 * runs no Ruby code but ours. */
bool sonde_rb_hold_init(void);

/* Whether holding works here. */
bool sonde_rb_can_hold(void);

/* Returns what sonde_rb_release wants to have. They nest. Where holding does not work: does nothing. */
uint32_t sonde_rb_hold(void);
void sonde_rb_release(uint32_t before);

/* For tests: the next sonde_rb_hold_init finds that nothing is as known. */
void sonde_rb_hold_testonly_fail(void);

#endif
