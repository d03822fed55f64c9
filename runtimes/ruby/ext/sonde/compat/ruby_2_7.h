/* SPDX-License-Identifier: Apache-2.0
 *
 * CRuby 2.7. Read from its sources at v2_7_4, and tested with Debian's. See compat.h for the list of
 * facts. */
#ifndef SONDE_RB_RUBY_2_7_H
#define SONDE_RB_RUBY_2_7_H

#include "compat/before_3_3.h"
#include "compat/before_3_2.h"
#include "compat/before_3_4.h"
#include "compat/before_4_0.h"

/* --- Ractors: there are none ------------------------------------------------------------------- */

static inline bool
sonde_rb_has_one_ractor(void)
{
    return true;
}

static inline bool
sonde_rb_is_main_ractor(void)
{
    return true;
}

static inline void
sonde_rb_note_main_ractor(void)
{
}

/* iseq.c: iseq_add_local_tracepoint turns off, in every sequence it goes through, what others are told
 * of; taking one away turns on what any is told of. */
#define SONDE_RB_TARGETS_FORGET_OTHERS 1

#define SONDE_RB_TRACING_ENDS_YJIT 0 /* there is none */

/* vm_backtrace.c: backtrace_each begins with the outermost; words of rb_backtrace_location_t */
#define SONDE_RB_BACKTRACE_ENDS_INSIDE 3

/* vm_core.h: rb_iseq_location_t from first_lineno on; struct rb_iseq_constant_body: catch_table,
 * and the struct `variable` */
#define SONDE_RB_POSITION_WORDS 4
#define SONDE_RB_CATCH_WORDS 1
#define SONDE_RB_VARIABLE_WORDS 4

/* vm_core.h: rb_control_frame_t behind block_code */
#define SONDE_RB_FRAME_REST_WORDS 1

#define SONDE_RB_EC_TAG_WORDS \
    2 /* vm_core.h: rb_execution_context_t, between cfp and interrupt_flag */

/* vm_core.h: words of struct rb_thread_struct */
#define SONDE_RB_THREAD_SELF_AT 2
#define SONDE_RB_THREAD_EC_AT 4

#define SONDE_RB_ENV_ISOLATED 0u /* there are no Ractors to be cut off for */

#define SONDE_RB_METHOD_ENTRY_AT 3 /* proc.c: the word of struct METHOD */

#define SONDE_RB_TIME_IS_PACKED 1 /* time.c: struct time_object */

#include "compat/since_2_7.h"

#include "compat/before_3_1.h"

#endif
