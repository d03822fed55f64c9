/* SPDX-License-Identifier: Apache-2.0
 *
 * What was so up to CRuby 3.1. */
#ifndef SONDE_RB_BEFORE_3_2_H
#define SONDE_RB_BEFORE_3_2_H

/* Whose singleton class this is; nil: nobody knows. class.c: a variable that no program can name */
static inline VALUE
sonde_rb_attached_object(VALUE singleton_class)
{
    return rb_attr_get(singleton_class, rb_intern("__attached__"));
}

/* vm_backtrace.c: rb_profile_frames lists the frames as well that run nothing, like the outermost. */
#define SONDE_RB_PROFILE_SKIPS_IDLE 0
#define SONDE_RB_PROFILE_HAS_C \
    (RUBY_API_VERSION_CODE >= 30000) /* and those of C functions */

#endif
