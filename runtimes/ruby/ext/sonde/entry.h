/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading, starting and stopping: what lib/sonde/auto.rb calls through the module
 * Sonde::Native, and what the contract suite's driver calls from C. */
#ifndef SONDE_RB_ENTRY_H
#define SONDE_RB_ENTRY_H

#include "compat/compat.h"
#include <sonde/agent.h>

/* What `require` calls. */
void Init_native(void);

/* Starts everything: verification of compat, agent, code index, vm thread. May be called again
 * after a stop (the suite does; Ruby's own door, Sonde::Native.start, refuses). Never raises.
 * Ctx: VM lock. */
int sonde_rb_start(const struct sonde_config *config, struct sonde_err *err);

/* Sends what waits, disarms all, ends all. Never raises. Ctx: VM lock. */
void sonde_rb_stop(void);

/* Around a fork: Sonde::Native.before_fork and the others, for the suite's driver as well.
 * Ctx: VM lock. */
void sonde_rb_before_fork(void);
void sonde_rb_after_fork_parent(void);
void sonde_rb_after_fork_child(void);

#endif
