/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/symbols.h"

#include "core/agent/agent_private.h"
#include "core/base/log.h"
#include "core/base/os.h"

#include <stdio.h>

#define LEAST_SLICE_NS (500 * SONDE_NS_PER_US) /* with less left it waits for the next */
#define PAUSE_FACTOR 3 /* between slices, of the last one's length */
#define LEAST_PAUSE_NS SONDE_NS_PER_MS
#define BURST_FACTOR 5 /* debounce windows that a burst may last */
#define LOOK_APART_NS SONDE_NS_PER_S
#define LOOK_FACTOR 100     /* of a look's cost: one percent of a core */
#define LIST_FACTOR 20      /* of the cost of listing changes */
#define LIST_ALL_FACTOR 100 /* of the cost of listing everything */
#define RETRY_NS (5 * SONDE_NS_PER_S)
#define ASK_AGAIN_NS SONDE_NS_PER_S

/* What is due next. */
enum step {
    STEP_NONE,
    STEP_SWITCH, /* the hooks on or off */
    STEP_LOOK,   /* for changes that no hook told of */
    STEP_LIST,   /* begin a listing */
    STEP_SLICE,  /* go on with it */
};

static int64_t
later(int64_t a_ns, int64_t b_ns)
{
    return a_ns > b_ns ? a_ns : b_ns;
}

static void
tell_version(struct sonde_symbols *symbols)
{
    atomic_fetch_add_explicit(&symbols->version, 1, memory_order_relaxed);
}

/* --- Life --------------------------------------------------------------------------------- */

/* Nothing is known of a collector, and nothing was listed. */
static void
begin_life(struct sonde_symbols *symbols)
{
    sonde_lock_init(&symbols->lock, SONDE_RANK_SYMBOLS);
    sonde_cond_init(&symbols->cond);
    symbols->listing = NULL;
    symbols->is_wanted = symbols->is_known = false;
    symbols->is_listing = symbols->is_sending = false;
    symbols->must_list = symbols->is_hasty = symbols->must_claim = false;
    symbols->has_round = symbols->has_round_done = false;
    symbols->store[0] = '\0';
    symbols->asked = symbols->looked = symbols->done = 0;
    symbols->slice_at_ns = symbols->list_at_ns = symbols->list_all_at_ns = 0;
    symbols->retry_at_ns = symbols->look_at_ns = symbols->asked_at_ns = 0;
    symbols->listed = symbols->to_be = (struct sonde_listed){0};
    symbols->longest_hold_ns = symbols->cpu_ns = 0;
    symbols->counts = (struct sonde_symbol_counts){0};
    atomic_store(&symbols->has_changed, false);
}

void
sonde_symbols_init(struct sonde_agent *agent)
{
    struct sonde_symbols *symbols = &agent->symbols;
    const struct sonde_config *config = &agent->config;
    int64_t now_ns = sonde_clock_wall_ns();
    int64_t start_ns = sonde_os_process_start_ns();
    symbols->is_able =
        sonde_symbols_are_listed_by(&agent->adapter) && config->server[0] != '\0';
    symbols->is_at_once = config->has_symbols_at_once;
    symbols->wants_libraries = config->has_libraries;
    symbols->wants_sources = config->has_sources;
    symbols->debounce_ns = config->symbols_debounce_ns;
    /* A clock that was set since would have it begin later than now. */
    symbols->loaded_since_ns = start_ns > 0 && start_ns < now_ns ? start_ns : now_ns;
    begin_life(symbols);
}

void
sonde_symbols_fini(struct sonde_agent *agent)
{
    if (agent->symbols.lock.rank != 0) { /* it came as far as that */
        sonde_cond_fini(&agent->symbols.cond);
        sonde_lock_fini(&agent->symbols.lock);
    }
}

void
sonde_symbols_after_fork(struct sonde_agent *agent)
{
    /* The hooks are on in the child if they were in the parent. Its listings may have been written
     * to by other threads at the moment of the fork: their memory is given up. */
    begin_life(&agent->symbols);
    agent->symbols.is_over = atomic_load(&agent->is_stopped);
}

static void
drop_listing(struct sonde_symbols *symbols)
{
    sonde_listing_free(symbols->listing);
    symbols->listing = NULL;
    symbols->listing_cpu_ns = 0;
}

void
sonde_symbols_stop(struct sonde_agent *agent)
{
    struct sonde_symbols *symbols = &agent->symbols;
    sonde_lock_take(&symbols->lock);
    bool was_watching = symbols->is_watching;
    symbols->is_over = true;
    symbols->is_wanted = symbols->is_watching = symbols->is_listing = false;
    sonde_cond_wake_all(&symbols->cond);
    sonde_lock_drop(&symbols->lock);
    if (was_watching) {
        agent->adapter.watch_symbols(agent->adapter.ctx, false);
    }
    drop_listing(symbols);
}

/* --- When --------------------------------------------------------------------------------- */

/* When changes that were told of are listed; INT64_MAX: there are none. */
static int64_t
changes_due_ns(const struct sonde_symbols *symbols)
{
    if (!atomic_load(&symbols->has_changed)) {
        return INT64_MAX;
    }
    int64_t first_ns =
        atomic_load_explicit(&symbols->first_change_ns, memory_order_relaxed);
    int64_t last_ns =
        atomic_load_explicit(&symbols->last_change_ns, memory_order_relaxed);
    int64_t quiet_ns = last_ns + symbols->debounce_ns;
    int64_t most_ns = first_ns + BURST_FACTOR * symbols->debounce_ns;
    return quiet_ns < most_ns ? quiet_ns : most_ns;
}

/* When a listing is to begin. */
static int64_t
list_due_ns(const struct sonde_symbols *symbols)
{
    int64_t changes_ns = changes_due_ns(symbols);
    int64_t due_ns = INT64_MAX;
    if (symbols->must_list && symbols->is_hasty) {
        due_ns = 0;
    } else if (symbols->must_list) {
        due_ns = changes_ns == INT64_MAX ? 0 : changes_ns;
        due_ns = later(due_ns, symbols->list_all_at_ns);
    } else if (changes_ns != INT64_MAX) {
        due_ns = later(changes_ns, symbols->list_at_ns);
    }
    return due_ns == INT64_MAX ? due_ns : later(due_ns, symbols->retry_at_ns);
}

/* What is due next, and when. Ctx: the lock. */
static int64_t
next_step(const struct sonde_symbols *symbols, enum step *step)
{
    *step = STEP_SWITCH;
    if (symbols->is_wanted != symbols->is_watching) {
        return 0;
    }
    *step = STEP_NONE;
    if (!symbols->is_wanted) {
        return INT64_MAX;
    }
    *step = STEP_SLICE;
    if (symbols->is_listing) {
        return symbols->slice_at_ns;
    }
    *step = STEP_NONE;
    if (symbols->is_sending) {
        return INT64_MAX;
    }
    *step = STEP_LIST;
    int64_t list_ns = list_due_ns(symbols);
    int64_t look_ns = symbols->look_at_ns;
    if (symbols->asked > symbols->done) {
        /* Somebody waits: what no hook told of is looked for, and what is known is listed now. */
        bool is_known = symbols->must_list || atomic_load(&symbols->has_changed);
        bool was_looked = symbols->must_list || symbols->looked >= symbols->asked;
        look_ns = was_looked ? look_ns : 0;
        list_ns = is_known ? symbols->retry_at_ns : list_ns;
        list_ns = was_looked ? list_ns : INT64_MAX;
    }
    if (list_ns <= look_ns) {
        return list_ns;
    }
    *step = STEP_LOOK;
    return look_ns;
}

int64_t
sonde_symbols_upkeep(struct sonde_agent *agent, int64_t now_ns)
{
    struct sonde_symbols *symbols = &agent->symbols;
    enum step step;
    if (!symbols->is_able) {
        return INT64_MAX;
    }
    sonde_lock_take(&symbols->lock);
    int64_t due_ns = symbols->is_over ? INT64_MAX : next_step(symbols, &step);
    bool is_due = due_ns <= now_ns;
    if (is_due && symbols->asked_at_ns != 0 &&
        now_ns - symbols->asked_at_ns < ASK_AGAIN_NS) {
        due_ns = symbols->asked_at_ns + ASK_AGAIN_NS;
        is_due = false;
    } else if (is_due) {
        symbols->asked_at_ns = now_ns;
        due_ns = now_ns + ASK_AGAIN_NS;
    }
    sonde_lock_drop(&symbols->lock);
    if (is_due) {
        sonde_agent_ask_safe_point(agent);
    }
    return due_ns;
}

/* --- Slices ------------------------------------------------------------------------------- */

/* Something changed now; true: it is the first change of its window. */
static bool
note_change(struct sonde_symbols *symbols)
{
    int64_t now_ns = sonde_clock_coarse_ns();
    atomic_store_explicit(&symbols->last_change_ns, now_ns, memory_order_relaxed);
    if (atomic_load_explicit(&symbols->has_changed, memory_order_relaxed)) {
        return false;
    }
    atomic_store_explicit(&symbols->first_change_ns, now_ns, memory_order_relaxed);
    atomic_store(&symbols->has_changed, true);
    return true;
}

static void
switch_hooks(struct sonde_agent *agent, bool on)
{
    struct sonde_symbols *symbols = &agent->symbols;
    if (!on) {
        drop_listing(symbols);
    }
    agent->adapter.watch_symbols(agent->adapter.ctx, on);
    sonde_lock_take(&symbols->lock);
    symbols->is_watching = on;
    symbols->is_listing = symbols->listing != NULL;
    symbols->look_at_ns = sonde_clock_mono_ns() + LOOK_APART_NS;
    sonde_lock_drop(&symbols->lock);
    tell_version(symbols);
}

/* Asks the runtime for what no hook told of, and notes what it took. */
static void
look(struct sonde_agent *agent)
{
    struct sonde_symbols *symbols = &agent->symbols;
    int64_t began_ns = sonde_clock_mono_ns();
    sonde_lock_take(&symbols->lock);
    uint64_t asked = symbols->asked;
    sonde_lock_drop(&symbols->lock);
    bool has_changed = agent->adapter.have_symbols_changed(agent->adapter.ctx);
    int64_t ended_ns = sonde_clock_mono_ns();
    int64_t held_ns = ended_ns - began_ns;
    if (has_changed) {
        note_change(symbols);
    }
    sonde_lock_take(&symbols->lock);
    symbols->looked = asked;
    symbols->look_at_ns = ended_ns + later(LOOK_APART_NS, LOOK_FACTOR * held_ns);
    symbols->longest_hold_ns = later(symbols->longest_hold_ns, held_ns);
    symbols->cpu_ns += held_ns;
    if (!atomic_load(&symbols->has_changed) && !symbols->must_list &&
        asked > symbols->done) {
        symbols->done = asked; /* what is loaded was listed and sent before */
        sonde_cond_wake_all(&symbols->cond);
    }
    sonde_lock_drop(&symbols->lock);
}

static void
fail(struct sonde_agent *agent, int rc)
{
    struct sonde_symbols *symbols = &agent->symbols;
    bool was_whole = symbols->listing != NULL && symbols->listing->is_whole;
    sonde_agent_fault(agent, "symbols", "a listing failed: %s", sonde_code_text(rc));
    drop_listing(symbols);
    note_change(symbols);
    sonde_lock_take(&symbols->lock);
    symbols->is_listing = false;
    symbols->must_list = symbols->must_list || was_whole;
    symbols->retry_at_ns = sonde_clock_mono_ns() + RETRY_NS;
    sonde_lock_drop(&symbols->lock);
    tell_version(symbols);
}

static void
begin_listing(struct sonde_agent *agent)
{
    struct sonde_symbols *symbols = &agent->symbols;
    int64_t now_ns = sonde_clock_mono_ns();
    int64_t changed_ns = atomic_load(&symbols->first_change_ns);
    sonde_lock_take(&symbols->lock);
    bool is_whole = symbols->must_list;
    symbols->to_be = (struct sonde_listed){
        .ticket = symbols->asked,
        .round = symbols->round,
        .since_ns = is_whole ? symbols->loaded_since_ns
                             : sonde_clock_wall_ns() - (now_ns - changed_ns),
    };
    sonde_lock_drop(&symbols->lock);
    int rc = sonde_listing_new(&symbols->listing, is_whole, symbols->wants_libraries);
    if (rc != SONDE_OK) {
        symbols->listing = NULL;
        fail(agent, rc);
        return;
    }
    symbols->listing_cpu_ns = 0;
    /* Before the first slice: what changes from here on makes the next listing. */
    atomic_store(&symbols->has_changed, false);
    sonde_lock_take(&symbols->lock);
    symbols->must_list = symbols->is_hasty = false;
    symbols->is_listing = true;
    symbols->slice_at_ns = now_ns;
    sonde_lock_drop(&symbols->lock);
    tell_version(symbols);
}

/* It is the thread's from here on. */
static void
end_listing(struct sonde_symbols *symbols, int64_t now_ns)
{
    bool is_whole = symbols->listing->is_whole;
    int64_t cpu_ns = symbols->listing_cpu_ns;
    symbols->to_be.listing = symbols->listing;
    symbols->listing = NULL;
    sonde_lock_take(&symbols->lock);
    symbols->listed = symbols->to_be;
    symbols->is_listing = false;
    symbols->is_sending = true;
    symbols->list_at_ns = now_ns + LIST_FACTOR * cpu_ns;
    if (is_whole) {
        symbols->list_all_at_ns = now_ns + LIST_ALL_FACTOR * cpu_ns;
        symbols->list_at_ns = now_ns;
    }
    sonde_lock_drop(&symbols->lock);
    tell_version(symbols);
}

static void
slice(struct sonde_agent *agent, int64_t until_ns)
{
    struct sonde_symbols *symbols = &agent->symbols;
    const struct sonde_adapter *adapter = &agent->adapter;
    int64_t cpu_ns = sonde_clock_thread_cpu_ns();
    int64_t began_ns = sonde_clock_mono_ns();
    sonde_listing_begin_slice(symbols->listing, until_ns);
    int rc = adapter->list_symbols(adapter->ctx, symbols->listing);
    int64_t ended_ns = sonde_clock_mono_ns();
    cpu_ns = sonde_clock_thread_cpu_ns() - cpu_ns;
    symbols->listing_cpu_ns += cpu_ns;
    sonde_lock_take(&symbols->lock);
    symbols->longest_hold_ns = later(symbols->longest_hold_ns, ended_ns - began_ns);
    symbols->cpu_ns += cpu_ns;
    symbols->slice_at_ns =
        ended_ns + later(LEAST_PAUSE_NS, PAUSE_FACTOR * (ended_ns - began_ns));
    sonde_lock_drop(&symbols->lock);
    if (rc == SONDE_OK) {
        end_listing(symbols, ended_ns);
    } else if (rc != SONDE_E_LATER) {
        fail(agent, rc);
    }
}

void
sonde_symbols_safe_point(struct sonde_agent *agent, int64_t until_ns)
{
    struct sonde_symbols *symbols = &agent->symbols;
    enum step step;
    if (!symbols->is_able) {
        return;
    }
    bool has_done = false;
    for (;;) {
        int64_t now_ns = sonde_clock_mono_ns();
        sonde_lock_take(&symbols->lock);
        symbols->asked_at_ns = 0;
        bool is_wanted = symbols->is_wanted;
        int64_t due_ns = symbols->is_over ? INT64_MAX : next_step(symbols, &step);
        sonde_lock_drop(&symbols->lock);
        if (due_ns > now_ns || now_ns + LEAST_SLICE_NS > until_ns) {
            has_done = has_done || due_ns <= now_ns;
            break;
        }
        has_done = true;
        if (step == STEP_SWITCH) {
            switch_hooks(agent, is_wanted);
        } else if (step == STEP_LOOK) {
            look(agent);
        } else if (step == STEP_LIST) {
            begin_listing(agent);
        } else if (step == STEP_SLICE) {
            slice(agent, now_ns + SONDE_SYMBOLS_SLICE_NS < until_ns
                             ? now_ns + SONDE_SYMBOLS_SLICE_NS
                             : until_ns);
        }
    }
    if (has_done) {
        sonde_agent_wake(agent); /* the thread asks for the next one, and sends */
    }
}

/* --- From the runtime --------------------------------------------------------------------- */

void
sonde_agent_symbols_changed(struct sonde_agent *agent)
{
    if (agent == NULL || !agent->symbols.is_able ||
        atomic_load_explicit(&agent->is_stopped, memory_order_relaxed)) {
        return;
    }
    /* In a child that nobody rebuilt there is no thread to wake, and its lock may be taken. */
    if (note_change(&agent->symbols) &&
        !atomic_load_explicit(&agent->is_stale, memory_order_relaxed)) {
        sonde_agent_wake(agent);
    }
}

int
sonde_agent_symbols_wait(struct sonde_agent *agent, int64_t timeout_ns)
{
    int64_t until_ns = sonde_clock_mono_ns() + later(timeout_ns, 0);
    if (agent == NULL || !agent->symbols.is_able || atomic_load(&agent->is_stopped) ||
        atomic_load(&agent->is_stale)) {
        return SONDE_E_UNSUPPORTED;
    }
    struct sonde_symbols *symbols = &agent->symbols;
    sonde_lock_take(&symbols->lock);
    uint64_t ticket = ++symbols->asked;
    sonde_lock_drop(&symbols->lock);
    sonde_agent_wake(agent);
    sonde_lock_take(&symbols->lock);
    while (symbols->done < ticket && !symbols->is_over &&
           (symbols->is_wanted || !symbols->is_known) &&
           sonde_clock_mono_ns() < until_ns) {
        sonde_cond_wait(&symbols->cond, &symbols->lock, until_ns);
    }
    int rc = symbols->done >= ticket                    ? SONDE_OK
             : symbols->is_over                         ? SONDE_E_UNSUPPORTED
             : !symbols->is_wanted && symbols->is_known ? SONDE_E_UNSUPPORTED
                                                        : SONDE_E_TIMEOUT;
    sonde_lock_drop(&symbols->lock);
    return rc;
}

/* --- From the agent's thread -------------------------------------------------------------- */

/* Makes everything be listed, and claimed, anew. Ctx: the lock. */
static void
begin_anew(struct sonde_symbols *symbols, bool is_hasty)
{
    symbols->must_list = true;
    symbols->is_hasty = symbols->is_hasty || is_hasty;
    symbols->must_claim = true;
}

static void
hear_store(struct sonde_symbols *symbols, struct sonde_str store)
{
    if (store.len == 0 || store.len > SONDE_STORE_MAX_BYTES ||
        sonde_str_eq(store, sonde_str_from(symbols->store))) {
        return;
    }
    symbols->must_claim = symbols->must_claim || symbols->store[0] != '\0';
    snprintf(symbols->store, sizeof(symbols->store), "%.*s", (int)store.len, store.ptr);
}

void
sonde_symbols_hear(struct sonde_agent *agent, const struct sonde_symbol_wishes *wishes)
{
    struct sonde_symbols *symbols = &agent->symbols;
    if (!symbols->is_able) {
        return;
    }
    sonde_lock_take(&symbols->lock);
    bool was_wanted = symbols->is_wanted;
    bool is_wanted = wishes->is_there && wishes->upload != SONDE_UPLOAD_OFF &&
                     (agent->config.has_symbols || wishes->upload == SONDE_UPLOAD_ON) &&
                     !symbols->is_over;
    symbols->is_known = true;
    symbols->is_wanted = is_wanted;
    if (wishes->is_there) {
        hear_store(symbols, wishes->store);
        if (symbols->has_round && symbols->round != wishes->round && is_wanted) {
            begin_anew(symbols, true);
        }
        symbols->has_round = true;
        symbols->round = wishes->round;
    }
    if (is_wanted && !was_wanted) {
        note_change(symbols); /* the process may still be loading: it is debounced too */
        begin_anew(symbols, symbols->is_at_once);
    }
    if (is_wanted != was_wanted) {
        sonde_cond_wake_all(&symbols->cond);
    }
    sonde_lock_drop(&symbols->lock);
    if (is_wanted != was_wanted) {
        tell_version(symbols);
    }
}

bool
sonde_symbols_take(struct sonde_agent *agent, struct sonde_listed *out)
{
    struct sonde_symbols *symbols = &agent->symbols;
    sonde_lock_take(&symbols->lock);
    bool has_one = symbols->listed.listing != NULL;
    if (has_one) {
        *out = symbols->listed;
        symbols->listed = (struct sonde_listed){0};
    }
    sonde_lock_drop(&symbols->lock);
    return has_one;
}

enum sonde_claim
sonde_symbols_take_claim(struct sonde_agent *agent)
{
    struct sonde_symbols *symbols = &agent->symbols;
    enum sonde_claim claim = SONDE_CLAIM_NONE;
    sonde_lock_take(&symbols->lock);
    if (symbols->must_claim) {
        symbols->must_claim = false;
        bool is_under_way =
            symbols->must_list || symbols->is_listing || symbols->is_sending;
        claim = is_under_way ? SONDE_CLAIM_FORGET : SONDE_CLAIM_NOW;
        symbols->is_sending = symbols->is_sending || !is_under_way;
    }
    sonde_lock_drop(&symbols->lock);
    return claim;
}

bool
sonde_symbols_are_wanted(struct sonde_agent *agent)
{
    struct sonde_symbols *symbols = &agent->symbols;
    sonde_lock_take(&symbols->lock);
    bool are_wanted = symbols->is_wanted;
    sonde_lock_drop(&symbols->lock);
    return are_wanted;
}

void
sonde_symbols_sent(struct sonde_agent *agent, const struct sonde_listed *listed)
{
    struct sonde_symbols *symbols = &agent->symbols;
    sonde_lock_take(&symbols->lock);
    symbols->is_sending = false;
    if (listed != NULL) {
        symbols->done = listed->ticket > symbols->done ? listed->ticket : symbols->done;
        symbols->round_done = listed->round;
        symbols->has_round_done = true;
    }
    sonde_cond_wake_all(&symbols->cond);
    sonde_lock_drop(&symbols->lock);
    tell_version(symbols);
}

void
sonde_symbols_list_again(struct sonde_agent *agent)
{
    struct sonde_symbols *symbols = &agent->symbols;
    sonde_lock_take(&symbols->lock);
    symbols->must_list = true;
    sonde_lock_drop(&symbols->lock);
}

void
sonde_symbols_count(struct sonde_agent *agent, const struct sonde_symbol_counts *counts)
{
    struct sonde_symbols *symbols = &agent->symbols;
    sonde_lock_take(&symbols->lock);
    symbols->counts = *counts;
    sonde_lock_drop(&symbols->lock);
    tell_version(symbols);
}

/* --- The report --------------------------------------------------------------------------- */

static const char *
state_text(const struct sonde_symbols *symbols)
{
    bool is_off = !symbols->is_able || symbols->is_over;
    if (is_off || (symbols->is_known && !symbols->is_wanted)) {
        return "off";
    }
    if (symbols->is_listing) {
        return "listing";
    }
    if (symbols->is_sending) {
        return "sending";
    }
    bool has_left = !symbols->is_wanted || symbols->must_list || symbols->must_claim ||
                    atomic_load(&symbols->has_changed);
    return has_left ? "waiting" : "done";
}

void
sonde_symbols_write_report(struct sonde_agent *agent, struct sonde_json_writer *out)
{
    struct sonde_symbols *symbols = &agent->symbols;
    sonde_lock_take(&symbols->lock);
    const struct sonde_symbol_counts *counts = &symbols->counts;
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"units", counts->units},
        {"scopes", counts->scopes},
        {"uploads", counts->uploads},
        {"sent_bytes", counts->sent_bytes},
        {"failures", counts->failures},
        {"dropped", counts->dropped},
        {"longest_hold_us", (uint64_t)(symbols->longest_hold_ns / SONDE_NS_PER_US)},
        {"cpu_us", (uint64_t)(symbols->cpu_ns / SONDE_NS_PER_US)},
    };
    sonde_json_object_begin(out);
    sonde_json_key(out, "state");
    sonde_json_string(out, sonde_str_from(state_text(symbols)));
    sonde_json_key(out, "rounds");
    sonde_json_array_begin(out);
    if (symbols->has_round_done) {
        sonde_json_int(out, symbols->round_done);
    }
    sonde_json_array_end(out);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sonde_json_key(out, numbers[i].key);
        sonde_json_uint(out, numbers[i].value);
    }
    if (counts->message[0] != '\0') {
        sonde_json_key(out, "message");
        sonde_json_string(out, sonde_str_from(counts->message));
    }
    sonde_json_object_end(out);
    sonde_lock_drop(&symbols->lock);
}
