/* SPDX-License-Identifier: Apache-2.0 */
#include "heap_walk.h"

#include "core/base/clock.h"
#include <sonde/err.h>

#include <stdlib.h>

#define RESTARTS_MOST 3

/* --- Addresses that were seen ------------------------------------------------------------------ */

static size_t
hash_of(const void *address)
{
    return (size_t)(((uintptr_t)address >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20);
}

static uintptr_t *
slot_of(const struct sonde_rb_walk *walk, const void *address)
{
    size_t i = hash_of(address) & (walk->seen_room - 1);
    while (walk->seen[i] != 0 && walk->seen[i] != (uintptr_t)address) {
        i = (i + 1) & (walk->seen_room - 1);
    }
    return &walk->seen[i];
}

static bool
make_room(struct sonde_rb_walk *walk)
{
    if ((walk->seen_count + 1) * 2 <= walk->seen_room) {
        return true;
    }
    struct sonde_rb_walk larger = *walk;
    larger.seen_room = walk->seen_room == 0 ? 256 : walk->seen_room * 2;
    larger.seen = calloc(larger.seen_room, sizeof(*larger.seen));
    if (larger.seen == NULL) {
        return false;
    }
    for (size_t i = 0; i < walk->seen_room; i++) {
        if (walk->seen[i] != 0) {
            *slot_of(&larger, (const void *)walk->seen[i]) = walk->seen[i];
        }
    }
    free(walk->seen);
    *walk = larger;
    return true;
}

/* --- Slices --------------------------------------------------------------------------------- */

struct slice {
    struct sonde_rb_walk *walk;
    void (*visit)(const struct sonde_rb_iseq *iseq, void *arg);
    void *arg;
    int64_t end_ns;    /* 0: never */
    size_t pages_most; /* 0: all */
    size_t pages;
    bool is_cut, is_short;
    bool is_amid; /* a collection is under way: there may be dead objects */
};

static bool
is_over(const struct slice *slice)
{
    return slice->pages > 0 &&
           ((slice->pages_most != 0 && slice->pages >= slice->pages_most) ||
            (slice->end_ns != 0 && sonde_clock_mono_ns() >= slice->end_ns));
}

/* The VM ends the walk of only some of its pages when this returns other than 0. */
static int
visit_page(void *start, void *end, size_t stride, void *arg)
{
    struct slice *slice = arg;
    struct sonde_rb_walk *walk = slice->walk;
    if (slice->is_cut || slice->is_short || start == end) {
        return slice->is_cut || slice->is_short;
    }
    if (!make_room(walk)) {
        slice->is_short = true;
        return 1;
    }
    uintptr_t *seen = slot_of(walk, start);
    if (*seen != 0) {
        return 0;
    }
    if (is_over(slice)) {
        slice->is_cut = true;
        return 1;
    }
    *seen = (uintptr_t)start;
    walk->seen_count++;
    slice->pages++;
    walk->slots += (size_t)((char *)end - (char *)start) / stride;
    for (char *slot = start; slot < (char *)end; slot += stride) {
        const struct sonde_rb_iseq *iseq = (const void *)slot;
        bool is_picked = walk->picks != NULL ? walk->picks((VALUE)slot)
                                             : sonde_rb_is_iseq((VALUE)slot);
        if (is_picked && (!slice->is_amid || sonde_rb_is_alive((VALUE)slot)) &&
            (walk->picks != NULL || sonde_rb_iseq_is_made(iseq))) {
            walk->sequences++;
            slice->visit(iseq, slice->arg);
        }
    }
    return 0;
}

static size_t
count_compactions(void)
{
    return rb_gc_stat(ID2SYM(rb_intern("compact_count")));
}

/* Whether the pages may be looked at although a collection is under way. To end it, as the VM's own
 * way to walk does, may take longer than the walk. Not while objects are being moved, which
 * with GC.auto_compact goes on between allocations, behind a trap for whoever reads there. */
static bool
can_stay_amid(void)
{
    ID auto_compact = rb_intern("auto_compact");
    return rb_objspace_each_objects_without_setup != NULL &&
           (!rb_respond_to(rb_mGC, auto_compact) ||
            !RTEST(rb_funcall(rb_mGC, auto_compact, 0)));
}

static void
look_at_pages(struct slice *slice)
{
    bool is_amid =
        rb_gc_latest_gc_info(ID2SYM(rb_intern("state"))) != ID2SYM(rb_intern("none"));
    if (is_amid && can_stay_amid()) {
        slice->is_amid = true;
        rb_objspace_each_objects_without_setup(visit_page, slice);
    } else {
        rb_objspace_each_objects(visit_page, slice);
    }
}

static void
forget_pages(struct sonde_rb_walk *walk)
{
    free(walk->seen);
    walk->seen = NULL;
    walk->seen_room = walk->seen_count = 0;
    walk->slots = walk->sequences = 0;
}

void
sonde_rb_walk_begin(struct sonde_rb_walk *walk)
{
    sonde_rb_walk_end(walk);
    *walk = (struct sonde_rb_walk){.compactions = SIZE_MAX};
}

void
sonde_rb_walk_end(struct sonde_rb_walk *walk)
{
    free(walk->seen);
    walk->seen = NULL;
    walk->seen_room = walk->seen_count = 0;
}

static void
note_time(struct sonde_rb_walk *walk, int64_t cpu_ns)
{
    int64_t took_ns = sonde_clock_thread_cpu_ns() - cpu_ns;
    walk->slices++;
    walk->total_ns += took_ns;
    walk->longest_ns = took_ns > walk->longest_ns ? took_ns : walk->longest_ns;
}

static bool
begin_anew_if_compacted(struct sonde_rb_walk *walk)
{
    size_t compactions = count_compactions();
    if (compactions == walk->compactions) {
        return false;
    }
    forget_pages(walk);
    walk->compactions = compactions;
    walk->restarts++;
    return true;
}

enum sonde_rb_walk_result
sonde_rb_walk_slice(struct sonde_rb_walk *walk, struct sonde_rb_walk_limit limit,
                    void (*visit)(const struct sonde_rb_iseq *iseq, void *arg), void *arg)
{
    int64_t began_ns = sonde_clock_mono_ns(), cpu_ns = sonde_clock_thread_cpu_ns();
    bool is_patient = walk->restarts < RESTARTS_MOST;
    struct slice slice = {
        .walk = walk,
        .visit = visit,
        .arg = arg,
        .end_ns = is_patient && limit.time_ns != 0 ? began_ns + limit.time_ns : 0,
        .pages_most = is_patient ? limit.pages : 0,
    };
    if (walk->compactions == SIZE_MAX) {
        walk->compactions = count_compactions();
    }
    if (begin_anew_if_compacted(walk)) {
        return SONDE_RB_WALK_AGAIN;
    }
    look_at_pages(&slice);
    note_time(walk, cpu_ns);
    if (slice.is_short) {
        return SONDE_RB_WALK_NO_MEMORY;
    }
    /* The VM's way to walk ends a compaction that is under way. */
    if (begin_anew_if_compacted(walk)) {
        return SONDE_RB_WALK_AGAIN;
    }
    return slice.is_cut ? SONDE_RB_WALK_CUT : SONDE_RB_WALK_DONE;
}

/* --- What lies in a sequence ------------------------------------------------------------------ */

struct tree {
    struct sonde_rb_walk known; /* its table alone */
    const struct sonde_rb_iseq **list;
    size_t count, room;
    bool is_short;
};

static void
add_to_tree(VALUE object, void *arg)
{
    struct tree *tree = arg;
    if (!sonde_rb_is_iseq(object) ||
        !sonde_rb_iseq_is_made((const struct sonde_rb_iseq *)object)) {
        return;
    }
    if (!make_room(&tree->known)) {
        tree->is_short = true;
        return;
    }
    uintptr_t *known = slot_of(&tree->known, (const void *)object);
    if (*known != 0) {
        return; /* those in it refer to it too */
    }
    if (tree->count == tree->room) {
        size_t room = tree->room == 0 ? 64 : tree->room * 2;
        void *list = realloc(tree->list, room * sizeof(*tree->list));
        if (list == NULL) {
            tree->is_short = true;
            return;
        }
        tree->list = list;
        tree->room = room;
    }
    *known = object;
    tree->known.seen_count++;
    tree->list[tree->count++] = (const struct sonde_rb_iseq *)object;
}

int
sonde_rb_walk_tree(const struct sonde_rb_iseq *root, const struct sonde_rb_iseq ***out,
                   size_t *count)
{
    struct tree tree = {0};
    add_to_tree((VALUE)root, &tree);
    for (size_t i = 0; i < tree.count && !tree.is_short; i++) {
        rb_objspace_reachable_objects_from((VALUE)tree.list[i], add_to_tree, &tree);
    }
    sonde_rb_walk_end(&tree.known);
    if (tree.is_short || tree.count == 0) {
        free(tree.list);
        return SONDE_E_NOMEM;
    }
    *out = tree.list;
    *count = tree.count;
    return SONDE_OK;
}
