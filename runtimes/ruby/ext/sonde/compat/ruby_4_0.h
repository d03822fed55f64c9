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

#define SONDE_RB_CATCH_WORDS \
    2 /* vm_core.h: struct rb_iseq_constant_body: lvar_states and catch_table */

#include "compat/since_2_7.h"

#include "compat/since_3_1.h"

#endif
