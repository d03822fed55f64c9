/* SPDX-License-Identifier: Apache-2.0
 *
 * What has been so since CRuby 3.2. */
#ifndef SONDE_RB_SINCE_3_2_H
#define SONDE_RB_SINCE_3_2_H

/* Whose singleton class this is. class.c */
static inline VALUE
sonde_rb_attached_object(VALUE singleton_class)
{
    return rb_class_attached_object(singleton_class);
}

/* vm_backtrace.c: rb_profile_frames leaves out the frames that run nothing, like the outermost. */
#define SONDE_RB_PROFILE_SKIPS_IDLE 1
#define SONDE_RB_PROFILE_HAS_C true

#endif
