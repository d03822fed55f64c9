/* SPDX-License-Identifier: Apache-2.0
 *
 * CRuby 4.0. Read from its sources at v4.0.5, on which it compiles and passes its check at load. Not
 * supported yet: the wrappers of sequences are frozen there (iseq.c: iseqw_new), and what is noted of a
 * sequence is a variable of its wrapper. See compat.h for the list of facts. */
#ifndef SONDE_RB_RUBY_4_0_H
#define SONDE_RB_RUBY_4_0_H

#include "compat/since_3_2.h"
#include "compat/since_3_3.h"
#include "compat/since_3_4.h"

/* --- Sets, which are written in C: include/ruby/internal/intern/set.h ----------------------------- */

extern const rb_data_type_t
    *sonde_rb_core_set_type; /* found by sonde_rb_verify; NULL: not */

static inline bool
sonde_rb_is_core_set(VALUE object)
{
    return sonde_rb_core_set_type != NULL && RTYPEDDATA_P(object) &&
           RTYPEDDATA_TYPE(object) == sonde_rb_core_set_type;
}

static inline size_t
sonde_rb_core_set_size(VALUE set)
{
    return rb_set_size(set);
}

/* Marks the Set as being iterated meanwhile, and calls nothing of Ruby's. */
static inline void
sonde_rb_core_set_each(VALUE set, int (*visit)(VALUE element, VALUE arg), VALUE arg)
{
    rb_set_foreach(set, visit, arg);
}

/* A TracePoint throws away what YJIT compiled, but that is compiled again: all but the code that is
 * probed is soon as fast as before. yjit.c: rb_iseq_reset_jit_func */
#define SONDE_RB_TRACING_ENDS_YJIT 0

#define SONDE_RB_TARGETS_FORGET_OTHERS 0 /* iseq.c: iseq_add_local_tracepoint */

/* vm_core.h: rb_iseq_location_t from first_lineno on; struct rb_iseq_constant_body: lvar_states and catch_table,
 * and the struct `variable` */
#define SONDE_RB_POSITION_WORDS 3
#define SONDE_RB_CATCH_WORDS 2
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
