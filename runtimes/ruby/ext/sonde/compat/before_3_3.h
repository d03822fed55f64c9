/* SPDX-License-Identifier: Apache-2.0
 *
 * What was so up to CRuby 3.2. */
#ifndef SONDE_RB_BEFORE_3_3_H
#define SONDE_RB_BEFORE_3_3_H

/* Objects of C code: include/ruby/internal/core/rtypeddata.h */
static inline void *
sonde_rb_data(VALUE object)
{
    return RTYPEDDATA_DATA(object);
}

/* Has a function called on this very thread, at its next check for interrupts. What that is safe for:
 * docs/decisions/0009-ruby-safe-points.md */
static inline void
sonde_rb_ask_job(void (*job)(void *unused))
{
    rb_postponed_job_register_one(0, job, NULL);
}

/* The groups of a MatchData; NULL: it was not initialized. */
static inline const struct re_registers *
sonde_rb_match_groups(VALUE match)
{
    return RMATCH(match)->rmatch != NULL ? &RMATCH(match)->rmatch->regs : NULL;
}

/* include/ruby/io.h. False: not initialized. */
static inline bool
sonde_rb_io_of_object(VALUE object, struct sonde_rb_io *out)
{
    const rb_io_t *inside = RFILE(object)->fptr;
    if (inside == NULL) {
        return false;
    }
    out->path = inside->pathv;
    out->descriptor = inside->fd;
    return true;
}

#endif
