/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract of sonde/adapter.h for CRuby: arming by targeted TracePoints with a C callback,
 * one for each armed place and site; never an untargeted one.
 *
 * The instruction sequence and its TracePoint hold each other, and nothing of ours holds either: when
 * the application lets go of the code, both are collected, and the agent is told that the code
 * vanished. A `code` of the contract is a serial number of ours, never an address: sequences
 * may move.
 *
 * Ctx: VM lock. */
#ifndef SONDE_RB_ADAPTER_H
#define SONDE_RB_ADAPTER_H

#include "compat/compat.h"
#include <sonde/agent.h>

/* Fills sonde_rb.adapter. */
void sonde_rb_adapter_init(void);

/* Forgets everything; every site is disarmed by then. */
void sonde_rb_adapter_stop(void);

/* How many TracePoints are enabled. */
size_t sonde_rb_armed_count(void);

#endif
