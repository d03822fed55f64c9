/* SPDX-License-Identifier: Apache-2.0
 *
 * What changed since the last listing: files that :script_compiled told of, and modules whose methods are not what
 * they were (docs/decisions/0014-ruby-symbol-changes.md). */
#include "symbols.h"

#include "core/base/clock.h"
#include "protect.h"
#include "state.h"
#include "symbols_cursor.h"
#include "text.h"

#include <stdlib.h>

#define DIRTY_MOST 4096
#define DIRTY_BYTES_MOST (1 << 20)
#define LOOK_NS (3500 * SONDE_NS_PER_US) /* of the VM lock, at a time */
#define WAITS_MOST 10
#define RESTARTS_MOST 2
#define SHARE 100   /* of the time may go into listings that no hook asked for */
#define IN_A_ROW 10 /* of them, before that counts */

static struct {
    bool is_watching;
    /* Names of files, one after another, each terminated. */
    char *dirty;
    size_t dirty_len, dirty_room;
    unsigned dirty_count;
    bool has_overflowed;

    struct sonde_rb_digests settled; /* of the last listing that ended well */
    struct sonde_rb_walk walk;       /* that compares with them */
    bool is_walking, has_found;
    unsigned waits; /* looks in a row that would have ended a collection */
    /* Listings that no hook asked for are paid for in advance. */
    int64_t cost_ns, credit_ns, since_ns;
    bool is_owed;
} changes;

/* --- Digests ---------------------------------------------------------------------------------- */

static uint64_t
mix(uint64_t word)
{
    word ^= word >> 33;
    word *= UINT64_C(0xff51afd7ed558ccd);
    word ^= word >> 33;
    word *= UINT64_C(0xc4ceb9fe1a85ec53);
    return word ^ word >> 33;
}

static uint64_t
digest_of_table(VALUE module)
{
    const struct sonde_rb_id_table *table = sonde_rb_method_table(module);
    uint64_t digest = 0;
    for (int i = 0; table != NULL && i < table->room; i++) {
        if (table->items[i].key > 1) {
            digest += mix(table->items[i].value ^ (uint64_t)table->items[i].key << 48);
        }
    }
    return digest;
}

uint64_t
sonde_rb_digest_of(VALUE module)
{
    VALUE origin = sonde_rb_origin_of(module);
    VALUE singleton = sonde_rb_singleton_of(module);
    uint64_t digest =
        mix((uint64_t)rb_class_get_superclass(module) + 1) + digest_of_table(module);
    if (origin != module) {
        digest += digest_of_table(origin);
    }
    if (singleton != 0) {
        origin = sonde_rb_origin_of(singleton);
        digest += 3 * digest_of_table(origin);
        digest += mix((uint64_t)rb_class_get_superclass(singleton) + 2);
    }
    return digest;
}

static struct sonde_rb_digest *
digest_slot(const struct sonde_rb_digests *digests, VALUE module)
{
    size_t at = (size_t)mix(module) & (digests->room - 1);
    while (digests->list[at].module != 0 && digests->list[at].module != module) {
        at = (at + 1) & (digests->room - 1);
    }
    return &digests->list[at];
}

bool
sonde_rb_digests_put(struct sonde_rb_digests *digests, VALUE module, uint64_t digest)
{
    if ((digests->count + 1) * 2 > digests->room) {
        struct sonde_rb_digests larger = {.room = digests->room == 0 ? 4096
                                                                     : digests->room * 2};
        larger.list = calloc(larger.room, sizeof(*larger.list));
        if (larger.list == NULL) {
            return false;
        }
        for (size_t i = 0; i < digests->room; i++) {
            if (digests->list[i].module != 0) {
                *digest_slot(&larger, digests->list[i].module) = digests->list[i];
            }
        }
        larger.count = digests->count;
        free(digests->list);
        *digests = larger;
    }
    struct sonde_rb_digest *slot = digest_slot(digests, module);
    digests->count += slot->module == 0;
    *slot = (struct sonde_rb_digest){module, digest};
    return true;
}

bool
sonde_rb_digests_has(const struct sonde_rb_digests *digests, VALUE module,
                     uint64_t digest)
{
    if (digests->room == 0) {
        return false;
    }
    const struct sonde_rb_digest *slot = digest_slot(digests, module);
    return slot->module == module && slot->digest == digest;
}

void
sonde_rb_digests_fini(struct sonde_rb_digests *digests)
{
    free(digests->list);
    *digests = (struct sonde_rb_digests){0};
}

const struct sonde_rb_digests *
sonde_rb_symbols_settled(void)
{
    return &changes.settled;
}

static void
stop_looking(void)
{
    sonde_rb_walk_end(&changes.walk);
    changes.is_walking = changes.has_found = false;
}

void
sonde_rb_symbols_settle(struct sonde_rb_digests *digests, int64_t cpu_ns)
{
    sonde_rb_digests_fini(&changes.settled);
    changes.settled = *digests;
    *digests = (struct sonde_rb_digests){0};
    stop_looking();
    changes.cost_ns = cpu_ns;
    if (changes.is_owed) {
        changes.credit_ns -= cpu_ns;
        changes.is_owed = false;
    }
}

/* --- What the hook tells ------------------------------------------------------------------------ */

static void
forget_dirty(void)
{
    free(changes.dirty);
    changes.dirty = NULL;
    changes.dirty_len = changes.dirty_room = 0;
    changes.dirty_count = 0;
    changes.has_overflowed = false;
}

static bool
keep_dirty(struct sonde_str file)
{
    if (changes.dirty_count >= DIRTY_MOST || file.len >= DIRTY_BYTES_MOST ||
        changes.dirty_len + file.len + 1 > DIRTY_BYTES_MOST) {
        return false;
    }
    if (changes.dirty_len + file.len + 1 > changes.dirty_room) {
        size_t room = (changes.dirty_room + file.len + 1) * 2;
        char *larger = realloc(changes.dirty, room);
        if (larger == NULL) {
            return false;
        }
        changes.dirty = larger;
        changes.dirty_room = room;
    }
    memcpy(changes.dirty + changes.dirty_len, file.ptr, file.len);
    changes.dirty[changes.dirty_len + file.len] = '\0';
    changes.dirty_len += file.len + 1;
    changes.dirty_count++;
    return true;
}

void
sonde_rb_symbols_note_compiled(const struct sonde_rb_iseq *iseq)
{
    if (!changes.is_watching) {
        return;
    }
    VALUE real = sonde_rb_iseq_file(iseq);
    struct sonde_str file = sonde_rb_text(NIL_P(real) ? rb_iseq_path(iseq) : real);
    changes.has_overflowed = changes.has_overflowed || !keep_dirty(file);
    sonde_agent_symbols_changed(sonde_rb.agent);
}

bool
sonde_rb_symbols_take_dirty(void)
{
    bool is_all = !changes.has_overflowed;
    for (size_t at = 0; at < changes.dirty_len;) {
        struct sonde_str name = sonde_str_from(changes.dirty + at);
        uint32_t file = sonde_rb_symbols_file(name);
        if (file != SONDE_RB_NO_FILE) {
            sonde_rb_symbols.files.list[file].is_dirty = true;
        }
        at += name.len + 1;
    }
    forget_dirty();
    return is_all;
}

void
sonde_rb_symbols_lose_dirty(void)
{
    changes.has_overflowed = true;
}

void
sonde_rb_symbols_watch(void *ctx, bool on)
{
    (void)ctx;
    changes.is_watching = on;
    changes.since_ns = 0;
    changes.is_owed = false;
    if (!on) {
        forget_dirty();
        stop_looking();
        sonde_rb_digests_fini(&changes.settled);
        sonde_rb_symbols_drop();
    }
}

/* --- What no hook tells ------------------------------------------------------------------------- */

static bool
is_listed_module(VALUE slot)
{
    VALUE flags = RBASIC(slot)->flags;
    VALUE type = flags & RUBY_T_MASK;
    return type == T_MODULE || (type == T_CLASS && !(flags & RUBY_FL_SINGLETON));
}

static void
compare(const struct sonde_rb_iseq *object, void *unused)
{
    VALUE module = (VALUE)object;
    (void)unused;
    changes.has_found =
        changes.has_found ||
        !sonde_rb_digests_has(&changes.settled, module, sonde_rb_digest_of(module));
}

static VALUE
look(VALUE unused)
{
    struct sonde_rb_walk_limit limit = {.time_ns = LOOK_NS};
    if (!changes.is_walking) {
        sonde_rb_walk_begin(&changes.walk);
        changes.walk.picks = is_listed_module;
        changes.is_walking = true;
    }
    if (changes.walk.restarts > RESTARTS_MOST) {
        stop_looking(); /* compactions come faster than this */
        return unused;
    }
    if (!sonde_rb_symbols_may_walk() && ++changes.waits < WAITS_MOST) {
        return unused;
    }
    changes.waits = 0;
    enum sonde_rb_walk_result result =
        sonde_rb_walk_slice(&changes.walk, limit, compare, NULL);
    if (result == SONDE_RB_WALK_AGAIN) {
        changes.has_found =
            false; /* addresses have changed: what was found may be no change */
    } else if (result != SONDE_RB_WALK_CUT) {
        changes.is_walking = false;
    }
    return unused;
}

/* Whether a listing may be asked for, that costs what the last one did. */
static bool
can_pay(void)
{
    int64_t now_ns = sonde_clock_mono_ns();
    int64_t most_ns = IN_A_ROW * changes.cost_ns;
    changes.credit_ns = changes.since_ns == 0
                            ? most_ns
                            : changes.credit_ns + (now_ns - changes.since_ns) / SHARE;
    changes.since_ns = now_ns;
    if (changes.credit_ns > most_ns) {
        changes.credit_ns = most_ns;
    }
    return changes.credit_ns >= changes.cost_ns;
}

bool
sonde_rb_symbols_have_changed(void *ctx)
{
    (void)ctx;
    if (changes.settled.room == 0 || !can_pay() || sonde_rb_has_other_ractors()) {
        return false;
    }
    if (!changes.has_found && sonde_rb_protect(look, Qnil, NULL) != 0) {
        stop_looking();
        return false;
    }
    if (changes.has_found) {
        stop_looking();
        changes.is_owed = true;
        return true;
    }
    return false;
}
