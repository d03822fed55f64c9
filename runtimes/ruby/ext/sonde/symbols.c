/* SPDX-License-Identifier: Apache-2.0 */
#include "symbols.h"

#include "core/base/clock.h"
#include "protect.h"
#include "state.h"
#include "symbols_cursor.h"
#include "text.h"

#include <stdlib.h>

#define WALK_NS (200 * SONDE_NS_PER_US)
#define WAITS_MOST 200  /* slices for a collection to end */
#define RESTARTS_MOST 3 /* for compactions */

#define cursor sonde_rb_symbols

struct sonde_rb_symbols sonde_rb_symbols;

static struct {
    VALUE holder;               /* a root; Qnil: not made yet */
    int64_t cpu_ns, longest_ns; /* of the slices, CPU time */
} listing_ = {.holder = Qnil};

/* --- What is held ------------------------------------------------------------------------------- */

static void
mark_all(const VALUE *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        rb_gc_mark(list[i]);
    }
}

static void
mark_cursor(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < cursor.nodes.count; i++) {
        rb_gc_mark(cursor.nodes.list[i].module);
    }
    mark_all(cursor.nameless.list, cursor.nameless.count);
    mark_all(cursor.changed.list, cursor.changed.count);
    mark_all(cursor.blocks.list, cursor.blocks.count);
    mark_all(cursor.block_methods.list, cursor.block_methods.count);
    for (uint32_t i = 0; i < cursor.items.count; i++) {
        rb_gc_mark((VALUE)cursor.items.list[i].entry);
    }
    for (uint32_t i = 0; i < cursor.constants.count; i++) {
        rb_gc_mark(cursor.constants.list[i].value);
        rb_gc_mark(cursor.constants.list[i].file);
    }
}

static const rb_data_type_t holder_type = {
    .wrap_struct_name = "sonde_symbols",
    .function = {.dmark = mark_cursor},
};

static void
hold(void)
{
    if (listing_.holder == Qnil) {
        rb_gc_register_address(&listing_.holder);
        listing_.holder = TypedData_Wrap_Struct(0, &holder_type, &cursor);
    }
}

void
sonde_rb_symbols_drop(void)
{
    sonde_rb_walk_end(&cursor.walk);
    sonde_rb_digests_fini(&cursor.digests);
    void *const lists[] = {
        cursor.text.list,     cursor.files.list,    cursor.file_table,
        cursor.nodes.list,    cursor.nameless.list, cursor.file_names.list,
        cursor.changed.list,  cursor.blocks.list,   cursor.block_methods.list,
        cursor.items.list,    cursor.node_table,    cursor.constants.list,
        cursor.children.list, cursor.spots.list,
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        free(lists[i]);
    }
    memset(&cursor, 0, sizeof(cursor));
}

/* --- The heap ----------------------------------------------------------------------------------- */

/* Looks at the slot alone: what it refers to may be gone by now. */
static bool
is_picked(VALUE slot)
{
    VALUE flags = RBASIC(slot)->flags;
    VALUE type = flags & RUBY_T_MASK;
    return type == T_MODULE || (type == T_CLASS && !(flags & RUBY_FL_SINGLETON)) ||
           (type == T_DATA && RTEST(rb_obj_is_proc(slot)));
}

/* Of the blocks that stand in no method those that a Proc keeps: others ran once, with the body of a class, and go
 * with the next collection or the one after, so that each process would say something else. */
static void
pick_block(VALUE proc)
{
    int is_proc = 1;
    const struct sonde_rb_iseq *iseq = rb_proc_get_iseq(proc, &is_proc);
    if (iseq == NULL || !sonde_rb_iseq_is_made(iseq) ||
        iseq->body->type != SONDE_RB_ISEQ_BLOCK) {
        return;
    }
    const struct sonde_rb_iseq *outer = iseq->body->parent;
    while (outer != NULL && outer->body != NULL && outer->body->parent != NULL &&
           outer->body->type != SONDE_RB_ISEQ_CLASS) {
        outer = outer->body->parent;
    }
    if (outer != NULL && outer->body != NULL &&
        (outer->body->type == SONDE_RB_ISEQ_CLASS ||
         outer->body->type == SONDE_RB_ISEQ_TOP ||
         outer->body->type == SONDE_RB_ISEQ_MAIN)) {
        SONDE_RB_PUSH(&cursor.blocks, (VALUE)iseq);
    }
}

static void
pick(const struct sonde_rb_iseq *object, void *unused)
{
    VALUE found = (VALUE)object;
    (void)unused;
    if (!sonde_rb_is_module(found)) {
        pick_block(found);
        return;
    }
    uint64_t digest = sonde_rb_digest_of(found);
    if (!sonde_rb_digests_put(&cursor.digests, found, digest)) {
        cursor.failed = SONDE_E_NOMEM;
        return;
    }
    if (!cursor.is_whole &&
        !sonde_rb_digests_has(sonde_rb_symbols_settled(), found, digest)) {
        SONDE_RB_PUSH(&cursor.changed, found);
    }
    struct sonde_str path = sonde_rb_text(rb_class_path_cached(found));
    if (path.len == 0 || path.ptr[0] == '#' ||
        (path.ptr[0] >= 'a' && path.ptr[0] <= 'z')) {
        SONDE_RB_PUSH(&cursor.nameless, found);
    }
}

static void
forget_picked(void)
{
    cursor.blocks.count = cursor.changed.count = cursor.nameless.count = 0;
    sonde_rb_digests_fini(&cursor.digests);
}

bool
sonde_rb_symbols_may_walk(void)
{
    return rb_objspace_each_objects_without_setup != NULL ||
           rb_gc_latest_gc_info(ID2SYM(rb_intern("state"))) == ID2SYM(rb_intern("none"));
}

static int
by_address(const void *a, const void *b)
{
    VALUE left = *(const VALUE *)a, right = *(const VALUE *)b;
    return left < right ? -1 : left > right;
}

static void
sort(VALUE *list, uint32_t count)
{
    if (count > 1) {
        qsort(list, count, sizeof(*list), by_address);
    }
}

/* True: go on. */
static bool
step_walk(void)
{
    struct sonde_rb_walk_limit limit = {.time_ns = WALK_NS};
    if (!sonde_rb_symbols_may_walk() && cursor.waits < WAITS_MOST) {
        cursor.waits++;
        return false; /* ends the slice: what is waited for needs others to run */
    }
    switch (sonde_rb_walk_slice(&cursor.walk, limit, pick, NULL)) {
    case SONDE_RB_WALK_AGAIN:
        forget_picked();
        if (cursor.walk.restarts >= RESTARTS_MOST) {
            cursor.failed = SONDE_E_BUSY;
        }
        break;
    case SONDE_RB_WALK_DONE:
        sonde_rb_walk_end(&cursor.walk);
        sort(cursor.changed.list, cursor.changed.count);
        sonde_rb_symbols_begin_names();
        cursor.phase = SONDE_RB_SYMBOLS_NAMES;
        break;
    case SONDE_RB_WALK_NO_MEMORY:
        cursor.failed = SONDE_E_NOMEM;
        break;
    case SONDE_RB_WALK_CUT:
        break;
    }
    return true;
}

/* --- Slices ------------------------------------------------------------------------------------- */

static void
begin_listing(struct sonde_listing *listing)
{
    sonde_rb_symbols_drop();
    listing_.cpu_ns = listing_.longest_ns = 0;
    hold();
    cursor.listing = listing;
    sonde_rb_symbols_look_at_gems();
    sonde_rb_symbols_place_program();
    bool are_all_known = sonde_rb_symbols_take_dirty();
    cursor.is_whole = sonde_listing_is_whole(listing) || !are_all_known ||
                      sonde_rb_symbols_settled()->room == 0;
    sonde_rb_walk_begin(&cursor.walk);
    cursor.walk.picks = is_picked;
    cursor.phase = SONDE_RB_SYMBOLS_WALK;
}

static void
go_to(enum sonde_rb_symbols_phase phase)
{
    cursor.phase = phase;
    cursor.at_node = cursor.at_item = cursor.at_constant = 0;
    cursor.constants.count = cursor.items.count = 0;
    cursor.step = SONDE_RB_STEP_BEGIN;
}

/* Whether any file is to be listed. */
static bool
has_work(void)
{
    bool found = cursor.is_whole;
    for (uint32_t i = 0; i < cursor.files.count && !found; i++) {
        found = cursor.files.list[i].is_dirty;
    }
    return found;
}

/* False: the slice is over. */
static bool
step(void)
{
    switch (cursor.phase) {
    case SONDE_RB_SYMBOLS_WALK:
        return step_walk();
    case SONDE_RB_SYMBOLS_NAMES:
        if (!sonde_rb_symbols_step_names()) {
            go_to(SONDE_RB_SYMBOLS_CHANGES);
        }
        return true;
    case SONDE_RB_SYMBOLS_CHANGES:
        if (!sonde_rb_symbols_step_changes()) {
            go_to(has_work() ? SONDE_RB_SYMBOLS_MODULES : SONDE_RB_SYMBOLS_IDLE);
        }
        return true;
    case SONDE_RB_SYMBOLS_MODULES:
        if (!sonde_rb_symbols_step_modules()) {
            go_to(SONDE_RB_SYMBOLS_BLOCKS);
            sort(cursor.blocks.list, cursor.blocks.count);
            sort(cursor.block_methods.list, cursor.block_methods.count);
        }
        return true;
    case SONDE_RB_SYMBOLS_BLOCKS:
        if (!sonde_rb_symbols_step_blocks()) {
            cursor.phase = SONDE_RB_SYMBOLS_IDLE;
        }
        return true;
    default:
        return false;
    }
}

/* Ctx: sonde_rb_protect. */
static VALUE
go_on(VALUE arg)
{
    struct sonde_listing *listing = (struct sonde_listing *)arg;
    memset(cursor.kept_paths, 0, sizeof(cursor.kept_paths));
    cursor.children.count = 0;
    cursor.listing = listing;
    if (sonde_listing_is_first(listing) || cursor.phase == SONDE_RB_SYMBOLS_IDLE) {
        begin_listing(listing);
    }
    unsigned steps = 0;
    while (cursor.failed == SONDE_OK && cursor.phase != SONDE_RB_SYMBOLS_IDLE && step() &&
           !sonde_listing_is_due(listing) && ++steps != sonde_rb_symbols_testonly_steps) {
    }
    return Qnil;
}

int64_t
sonde_rb_symbols_testonly_longest_ns(void)
{
    return listing_.longest_ns;
}

static void
give_up(void)
{
    sonde_rb_symbols_lose_dirty();
    sonde_rb_symbols_drop();
}

int
sonde_rb_symbols_list(void *ctx, struct sonde_listing *listing)
{
    (void)ctx;
    sonde_rb_symbols_testonly_pause();
    int64_t cpu_ns = sonde_clock_thread_cpu_ns();
    if (sonde_rb_has_other_ractors()) {
        give_up();
        return SONDE_E_BUSY;
    }
    if (sonde_rb_protect(go_on, (VALUE)listing, NULL) != 0) {
        give_up();
        return SONDE_E_VM;
    }
    cursor.listing = NULL;
    cpu_ns = sonde_clock_thread_cpu_ns() - cpu_ns;
    listing_.cpu_ns += cpu_ns;
    listing_.longest_ns = cpu_ns > listing_.longest_ns ? cpu_ns : listing_.longest_ns;
    if (cursor.failed != SONDE_OK) {
        int failed = cursor.failed;
        give_up();
        return failed;
    }
    if (cursor.phase != SONDE_RB_SYMBOLS_IDLE) {
        return SONDE_E_LATER;
    }
    sonde_rb_symbols_settle(&cursor.digests, listing_.cpu_ns);
    sonde_rb_symbols_drop();
    return SONDE_OK;
}
