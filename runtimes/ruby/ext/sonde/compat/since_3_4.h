/* SPDX-License-Identifier: Apache-2.0
 *
 * What has been so since CRuby 3.4. */
#ifndef SONDE_RB_SINCE_3_4_H
#define SONDE_RB_SINCE_3_4_H

/* gc.c */
int rb_objspace_garbage_object_p(VALUE object);

/* False: an object that a collection under way has found dead and not freed yet. */
static inline bool
sonde_rb_is_alive(VALUE object)
{
    return rb_objspace_garbage_object_p(object) == 0;
}

#endif
