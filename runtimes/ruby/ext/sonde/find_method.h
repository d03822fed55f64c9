/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the method of a probe is: what its name leads to now (methods.h); and, while a file is about to run, the
 * methods in it that may get that name, so that the first call after `def` counts. Of the latter the hook
 * asks at each call whether the method is the one (calls.h), until somebody could look (follow.h).
 *
 * A `code` of a method is that of its sequence and the number of the name by which it was found: the same
 * sequence under another name is another place. The `position` says whether it is a block.
 *
 * Ctx: VM lock. */
#ifndef SONDE_RB_FIND_METHOD_H
#define SONDE_RB_FIND_METHOD_H

#include "methods.h"
#include <sonde/adapter.h>

/* The adapter's find() for a method. */
int sonde_rb_find_method(const struct sonde_probe_def *def,
                         struct sonde_finding *finding);

static inline bool
sonde_rb_code_is_method(uint64_t code)
{
    return code >> 63 != 0;
}

/* Of the sequence, as sonde_rb_index_code_of has it. */
static inline uint64_t
sonde_rb_code_of_sequence(uint64_t code)
{
    return sonde_rb_code_is_method(code) ? code & UINT32_MAX : code;
}

/* What the last find reported as that place. */
struct sonde_rb_method_place {
    uint64_t code;
    VALUE wrapper;
    VALUE owner; /* 0: not defined yet, so it is not known */
    ID id;
    bool is_block;
    bool is_guess; /* with owner 0: it may as well get another name */
};

/* Whether the file that is about to run defines a method of that name, as far as can be seen without running it.
 * May raise: under sonde_rb_protect. */
bool sonde_rb_method_is_announced(struct sonde_str name);

/* NULL: nothing. Valid until the next find or the end of the safe point. */
const struct sonde_rb_method_place *sonde_rb_method_place_of(uint64_t code);

#endif
