/* SPDX-License-Identifier: Apache-2.0
 *
 * What was so up to CRuby 3.3. */
#ifndef SONDE_RB_BEFORE_3_4_H
#define SONDE_RB_BEFORE_3_4_H

/* gc.c */
int rb_objspace_markable_object_p(VALUE object);

/* False: an object that a collection under way has found dead and not freed yet. */
static inline bool
sonde_rb_is_alive(VALUE object)
{
    return rb_objspace_markable_object_p(object) != 0;
}

#endif
