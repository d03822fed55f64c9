/* SPDX-License-Identifier: Apache-2.0
 *
 * A walk of the object space for instruction sequences, in slices between which the VM lock is given
 * up and the collector may run. Each page of the heap is looked at once; which pages were is
 * all that a walk remembers, so that nothing that is freed meanwhile matters.
 *
 * A sequence that was there when the walk began and is there when it ends is met, since none moves
 * to another page but by a compaction, after which the walk begins anew. What is compiled meanwhile
 * may be met or not.
 *
 * Ctx: VM lock. */
#ifndef SONDE_RB_HEAP_WALK_H
#define SONDE_RB_HEAP_WALK_H

#include "compat/compat.h"

struct sonde_rb_walk {
    uintptr_t *seen; /* where pages begin that were looked at: a table, 0 is free */
    size_t seen_room, seen_count;
    size_t compactions; /* of the heap, when it began */
    unsigned restarts;
    /* NULL: sequences are visited; else what it says of any slot, a free one too. Set behind sonde_rb_walk_begin. */
    bool (*picks)(VALUE slot);

    /* For whoever is curious: of the walk until now. Times are CPU time of the thread. */
    size_t slots, sequences;
    unsigned slices;
    int64_t longest_ns, total_ns;
};

enum sonde_rb_walk_result {
    SONDE_RB_WALK_DONE,
    SONDE_RB_WALK_CUT,   /* there is more to look at */
    SONDE_RB_WALK_AGAIN, /* the heap was compacted: all over again, with the next slice */
    SONDE_RB_WALK_NO_MEMORY,
};

/* How far a slice goes: whichever is first; 0: no limit. At least one page. */
struct sonde_rb_walk_limit {
    int64_t time_ns;
    size_t pages;
};

void sonde_rb_walk_begin(struct sonde_rb_walk *walk);
void sonde_rb_walk_end(struct sonde_rb_walk *walk); /* frees what it holds */

/* One slice: calls visit for the sequences (or what is picked) of the pages that come next. It must not allocate objects
 * nor raise. After some compactions the limit is not kept any more. May raise. */
enum sonde_rb_walk_result
sonde_rb_walk_slice(struct sonde_rb_walk *walk, struct sonde_rb_walk_limit limit,
                    void (*visit)(const struct sonde_rb_iseq *iseq, void *arg),
                    void *arg);

/* Fills *out with what lies in this sequence, and with itself, *out being of malloc and the
 * caller's; SONDE_OK or SONDE_E_NOMEM. Neither allocates objects nor raises. The sequence has
 * not run yet: later it may refer to others. */
int sonde_rb_walk_tree(const struct sonde_rb_iseq *root,
                       const struct sonde_rb_iseq ***out, size_t *count);

#endif
