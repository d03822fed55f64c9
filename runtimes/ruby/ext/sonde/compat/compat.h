/* SPDX-License-Identifier: Apache-2.0
 *
 * The one door to CRuby. Every file of the extension includes this header instead of ruby.h,
 * and nothing outside compat/ looks at a version. One ruby_N_N.h is included; each defines the
 * same complete list of facts about its VM, with the place in CRuby's sources that each was read from.
 *
 * What the compiler can not see is checked once at load by compat_verify.c against the live VM; what
 * fails there is switched off (enum sonde_rb_part) and the rest goes on. */
#ifndef SONDE_RB_COMPAT_H
#define SONDE_RB_COMPAT_H

#include <ruby/debug.h>
#include <ruby/ruby.h>
#include <ruby/version.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What depends on knowledge of CRuby's insides. X(NAME, name in `sonde ps`). */
#define SONDE_RB_PART_LIST(X)                                                       \
    X(WALK, "code_walk") /* telling sequences from other objects in the heap */     \
    X(FRAMES, "frames")  /* control frames: stacks */                               \
    X(LOCALS, "locals")  /* local variables and parameters, outer scopes included */

enum sonde_rb_part {
#define SONDE_RB_PART_ENUM(name, text) SONDE_RB_PART_##name,
    SONDE_RB_PART_LIST(SONDE_RB_PART_ENUM)
#undef SONDE_RB_PART_ENUM
        SONDE_RB_PART_COUNT
};

const char *sonde_rb_part_name(enum sonde_rb_part part);

#endif
