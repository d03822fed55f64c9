/* SPDX-License-Identifier: Apache-2.0
 *
 * CRuby 3.4. Read from its sources at v3_4_9. Untested but for most of the tests once, on 3.4.9: no Debian
 * suite has it. See compat.h for the list of facts. */
#ifndef SONDE_RB_RUBY_3_4_H
#define SONDE_RB_RUBY_3_4_H

#include "compat/since_3_2.h"
#include "compat/since_3_3.h"
#include "compat/since_3_4.h"
#include "compat/before_4_0.h"

/* A TracePoint throws away what YJIT compiled, but that is compiled again: all but the code that is
 * probed is soon as fast as before. yjit.c: rb_iseq_reset_jit_func */
#define SONDE_RB_TRACING_ENDS_YJIT 0

#define SONDE_RB_TARGETS_FORGET_OTHERS 0 /* iseq.c: iseq_add_local_tracepoint */

/* vm_core.h: rb_iseq_location_t from first_lineno on; struct rb_iseq_constant_body: catch_table,
 * and the struct `variable` */
#define SONDE_RB_POSITION_WORDS 3
#define SONDE_RB_CATCH_WORDS 1
#define SONDE_RB_VARIABLE_WORDS 5

/* vm_core.h: rb_control_frame_t behind block_code */
#define SONDE_RB_FRAME_REST_WORDS 1

#define SONDE_RB_EC_TAG_WORDS \
    1 /* vm_core.h: rb_execution_context_t, between cfp and interrupt_flag */

/* vm_core.h: words of struct rb_thread_struct */
#define SONDE_RB_THREAD_SELF_AT 2
#define SONDE_RB_THREAD_EC_AT 6

#define SONDE_RB_ENV_ISOLATED 0x0010u /* vm_core.h: VM_ENV_FLAG_ISOLATED */

#define SONDE_RB_METHOD_ENTRY_AT 4 /* proc.c: the word of struct METHOD */

#define SONDE_RB_TIME_IS_PACKED 0 /* time.c: struct time_object */

#include "compat/since_2_7.h"

#include "compat/since_3_1.h"

#endif
