/* SPDX-License-Identifier: Apache-2.0
 *
 * What was so up to CRuby 3.4. */
#ifndef SONDE_RB_BEFORE_4_0_H
#define SONDE_RB_BEFORE_4_0_H

/* Sets are written in Ruby: objects with a Hash. */
static inline bool
sonde_rb_is_core_set(VALUE object)
{
    (void)object;
    return false;
}

static inline size_t
sonde_rb_core_set_size(VALUE set)
{
    (void)set;
    return 0;
}

static inline void
sonde_rb_core_set_each(VALUE set, int (*visit)(VALUE element, VALUE arg), VALUE arg)
{
    (void)set, (void)visit, (void)arg;
}

#endif
