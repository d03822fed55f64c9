/* SPDX-License-Identifier: Apache-2.0
 *
 * Ractors as CRuby 3.0 to 3.2 tell of them. */
#ifndef SONDE_RB_RACTORS_3_0_H
#define SONDE_RB_RACTORS_3_0_H

/* ractor_core.h. NULL from the first Ractor that a program makes on. */
extern struct rb_ractor_struct *ruby_single_main_ractor;
bool rb_ractor_main_p_(void);

/* Whether no Ractor but the main one was ever made. */
static inline bool
sonde_rb_has_one_ractor(void)
{
    return ruby_single_main_ractor != NULL;
}

/* Others run without the lock that guards everything of ours, and at the same time. */
static inline bool
sonde_rb_is_main_ractor(void)
{
    return sonde_rb_has_one_ractor() || rb_ractor_main_p_();
}

/* The calling Ractor is the main one. */
static inline void
sonde_rb_note_main_ractor(void)
{
}

#endif
