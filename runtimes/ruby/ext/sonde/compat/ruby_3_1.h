/* SPDX-License-Identifier: Apache-2.0
 *
 * CRuby 3.1. Read from its sources at v3_1_0 to v3_1_7, which agree in all of this. See compat.h for
 * the list of facts. */
#ifndef SONDE_RB_RUBY_3_1_H
#define SONDE_RB_RUBY_3_1_H

#include "compat/before_3_3.h"
#include "compat/before_3_2.h"
#include "compat/ractors_3_0.h"
#include "compat/before_3_4.h"
#include "compat/before_4_0.h"

/* Any TracePoint, of whatever kind, throws away all that YJIT compiled, and none of it is compiled
 * again: measured, hot code runs four times slower for ever. yjit_iface.c:
 * rb_yjit_tracing_invalidate_all */
#define SONDE_RB_TRACING_ENDS_YJIT 1

#define SONDE_RB_TARGETS_FORGET_OTHERS 0 /* iseq.c: iseq_add_local_tracepoint */

/* vm_core.h: rb_iseq_location_t from first_lineno on; struct rb_iseq_constant_body: catch_table,
 * and the struct `variable` */
#define SONDE_RB_POSITION_WORDS 4
#define SONDE_RB_CATCH_WORDS 1
#define SONDE_RB_VARIABLE_WORDS 5

/* vm_core.h: rb_control_frame_t behind block_code */
#define SONDE_RB_FRAME_REST_WORDS 2

#define SONDE_RB_EC_TAG_WORDS \
    1 /* vm_core.h: rb_execution_context_t, between cfp and interrupt_flag */

/* vm_core.h: words of struct rb_thread_struct */
#define SONDE_RB_THREAD_SELF_AT 2
#define SONDE_RB_THREAD_EC_AT 5

#define SONDE_RB_ENV_ISOLATED 0x0010u /* vm_core.h: VM_ENV_FLAG_ISOLATED */

#define SONDE_RB_METHOD_ENTRY_AT 3 /* proc.c: the word of struct METHOD */

#define SONDE_RB_TIME_IS_PACKED 1 /* time.c: struct time_object */

#include "compat/since_2_7.h"

#include "compat/since_3_1.h"

#endif
