/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter.h"

#include "calls.h"
#include "code_index.h"
#include "compat/target_hooks.h"
#include "core/base/clock.h"
#include "find.h"
#include "find_method.h"
#include "hooks.h"
#include "protect.h"
#include "state.h"
#include "symbols.h"
#include "text.h"
#include "vm_thread.h"

#include <stdlib.h>

static struct {
    struct sonde_rb_armed *armed;    /* enabled */
    struct sonde_rb_armed *vanished; /* freed by the collector; the agent is to be told */
    struct sonde_rb_armed *silent; /* disarmed, and enabled until no other Ractor runs */
    struct sonde_rb_armed *next_method,
        *next_candidate; /* of a round; NULL: at its end */
    size_t count, carriers;
    size_t methods, candidates; /* of those that are enabled */
    ID carrier_key;
} table;

static void
list_put(struct sonde_rb_armed **list, struct sonde_rb_armed *armed)
{
    armed->next = *list;
    armed->link = list;
    if (armed->next != NULL) {
        armed->next->link = &armed->next;
    }
    *list = armed;
}

static void
list_take(struct sonde_rb_armed *armed)
{
    *armed->link = armed->next;
    if (armed->next != NULL) {
        armed->next->link = armed->link;
    }
    armed->next = NULL;
    armed->link = NULL;
}

static bool
is_candidate(const struct sonde_rb_armed *armed)
{
    return armed->iseq != NULL && armed->owner == 0;
}

/* Into the list of what is armed, and out of it. */
static void
enlist(struct sonde_rb_armed *armed)
{
    list_put(&table.armed, armed);
    table.methods += armed->iseq != NULL;
    table.candidates += is_candidate(armed);
}

static void
delist(struct sonde_rb_armed *armed)
{
    table.next_method = table.next_method == armed ? armed->next : table.next_method;
    table.next_candidate =
        table.next_candidate == armed ? armed->next : table.next_candidate;
    table.methods -= armed->iseq != NULL;
    table.candidates -= is_candidate(armed);
    list_take(armed);
}

static void
free_armed(struct sonde_rb_armed *armed)
{
    sonde_rb_muted_fini(&armed->muted);
    free(armed);
}

/* --- The carrier ---------------------------------------------------------------------------- */

/* An object that the TracePoint holds and that holds the TracePoint, so that they are collected
 * together: its mark function keeps both where they are, its free function tells of their end. */

static void
mark_carrier(void *data)
{
    const struct sonde_rb_armed *armed = data;
    rb_gc_mark(armed->tracepoint);
    rb_gc_mark(armed->carrier);
    if (SONDE_RB_TARGETS_KEEP_DELETED) {
        rb_gc_mark((VALUE)armed->target); /* so it does not move */
    }
    if (armed->owner != 0) {
        rb_gc_mark(armed->owner);
    }
}

/* In the middle of a collection, or when the VM ends. */
static void
free_carrier(void *data)
{
    struct sonde_rb_armed *armed = data;
    table.carriers--;
    if (armed->link == NULL) {
        free_armed(armed);
        return;
    }
    if (armed->site != NULL) {
        delist(armed);
    } else {
        list_take(armed); /* it was silent */
    }
    table.count--;
    if (armed->site == NULL || !sonde_rb_is_running()) {
        free_armed(armed);
        return;
    }
    list_put(&table.vanished, armed);
    sonde_rb_vm_thread_ask(NULL);
}

static size_t
size_of_carrier(const void *data)
{
    (void)data;
    return sizeof(struct sonde_rb_armed);
}

static const rb_data_type_t carrier_type = {
    .wrap_struct_name = "sonde_armed",
    .function = {.dmark = mark_carrier, .dfree = free_carrier, .dsize = size_of_carrier},
    .flags = RUBY_TYPED_FREE_IMMEDIATELY,
};

/* Whether the TracePoint is still there. A collection may have found it dead and be about to free
 * it; the carrier, which goes with it, is looked at, since its end is told. */
bool
sonde_rb_adapter_is_alive(const struct sonde_rb_armed *armed)
{
    return sonde_rb_is_alive(armed->carrier);
}

/* --- Arming --------------------------------------------------------------------------------- */

struct arming {
    struct sonde_rb_armed *armed;
    VALUE wrapper;
    bool is_owned; /* by the carrier */
};

static uint32_t
line_of(uint64_t position)
{
    return (uint32_t)(position >> 2);
}

/* An object of ours and its TracePoint, both of no class, so that no program comes across them in
 * ObjectSpace. */
static VALUE
make_tracepoint(struct arming *arming, rb_event_flag_t events,
                void (*callback)(VALUE tracepoint, void *data))
{
    struct sonde_rb_armed *armed = arming->armed;
    VALUE carrier = TypedData_Wrap_Struct(0, &carrier_type, armed);
    armed->carrier = carrier;
    arming->is_owned = true;
    table.carriers++;
    VALUE tracepoint = rb_tracepoint_new(0, events, callback, armed);
    armed->tracepoint = tracepoint;
    rb_ivar_set(tracepoint, table.carrier_key, carrier);
    RB_GC_GUARD(carrier);
    return tracepoint;
}

static void
ignore(VALUE tracepoint, void *data)
{
    (void)tracepoint, (void)data;
}

/* `events`: those of the TracePoint. */
static void
enable_at(VALUE tracepoint, rb_event_flag_t events, VALUE wrapper, uint32_t line)
{
    VALUE how = rb_hash_new();
    rb_hash_aset(how, ID2SYM(rb_intern("target")), wrapper);
    if (line != 0) {
        rb_hash_aset(how, ID2SYM(rb_intern("target_line")), UINT2NUM(line));
    }
    bool forgets_others =
        SONDE_RB_TARGETS_FORGET_OTHERS && sonde_rb_target_is_taken(wrapper);
    rb_funcallv_kw(tracepoint, rb_intern("enable"), 1, &how, RB_PASS_KEYWORDS);
    rb_obj_hide(tracepoint);
    if (forgets_others) { /* one more, that comes and goes, puts that right */
        VALUE other = rb_tracepoint_new(0, events, ignore, NULL);
        rb_funcallv_kw(other, rb_intern("enable"), 1, &how, RB_PASS_KEYWORDS);
        rb_obj_hide(other);
        rb_tracepoint_disable(other);
        sonde_rb_target_clean(wrapper);
    }
}

static VALUE
enable_line(VALUE arg)
{
    struct arming *arming = (struct arming *)arg;
    struct sonde_rb_armed *armed = arming->armed;
    enum sonde_rb_event event = (enum sonde_rb_event)(armed->position & 3);
    if (sonde_rb_has(SONDE_RB_PART_FRAMES)) {
        sonde_rb_lines_mute(arming->wrapper, line_of(armed->position), event,
                            &armed->muted);
    }
    /* A target line is allowed only where :line is among the events. */
    rb_event_flag_t events = armed->event | (rb_event_flag_t)RUBY_EVENT_LINE;
    VALUE tracepoint = make_tracepoint(arming, events, sonde_rb_on_line);
    enable_at(tracepoint, events, arming->wrapper, line_of(armed->position));
    return Qnil;
}

static VALUE
enable_method(VALUE arg)
{
    struct arming *arming = (struct arming *)arg;
    if (arming->armed->event & RUBY_EVENT_B_RETURN &&
        sonde_rb_has(SONDE_RB_PART_UNWINDING)) {
        sonde_rb_lines_find_returns(arming->wrapper, &arming->armed->muted);
    }
    VALUE tracepoint = make_tracepoint(arming, arming->armed->event, sonde_rb_on_call);
    enable_at(tracepoint, arming->armed->event, arming->wrapper, 0);
    return Qnil;
}

/* Its memory, for what is found in that sequence. NULL: there is none. */
static struct sonde_rb_armed *
new_armed(VALUE wrapper, struct sonde_str name)
{
    const struct sonde_rb_iseq *iseq = rb_iseqw_to_iseq(wrapper);
    VALUE realpath = sonde_rb_iseq_file(iseq);
    struct sonde_str file =
        sonde_rb_text(NIL_P(realpath) ? rb_iseq_path(iseq) : realpath);
    struct sonde_rb_armed *armed = calloc(1, sizeof(*armed) + file.len + name.len + 2);
    if (armed == NULL) {
        return NULL;
    }
    char *copy = armed->file + file.len + 1;
    memcpy(armed->file, file.ptr, file.len);
    memcpy(copy, name.ptr, name.len);
    armed->name = copy;
    armed->tracepoint = armed->carrier = Qnil;
    armed->target = iseq;
    return armed;
}

static int
arm_by(VALUE (*enable)(VALUE), struct arming *arming, struct sonde_place place,
       struct sonde_site *site, struct sonde_err *err)
{
    struct sonde_rb_armed *armed = arming->armed;
    if (armed == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    armed->site = site;
    armed->code = place.code;
    armed->position = place.position;
    if (sonde_rb_protect(enable, (VALUE)arming, NULL) == 0) {
        enlist(armed);
        table.count++;
        return SONDE_OK;
    }
    armed->site = NULL;
    if (!arming->is_owned) {
        free_armed(armed);
    }
    char reason[200];
    sonde_rb_protect_reason(reason, sizeof(reason));
    return sonde_err_set(err, SONDE_E_VM, "TracePoint", "the VM refused: %s", reason);
}

static int
arm_method(struct sonde_place place, struct sonde_site *site, struct sonde_err *err)
{
    const struct sonde_rb_method_place *found = sonde_rb_method_place_of(place.code);
    if (found == NULL) {
        return sonde_err_set(err, SONDE_E_BUG, "arm", "its code was not found before");
    }
    struct sonde_rb_method_name read;
    struct sonde_str name = sonde_site_def(site)->location.function;
    if (sonde_rb_method_name_read(&read, name)) { /* as the VM would put it together */
        name.len -= (size_t)(read.path.ptr - name.ptr);
        name.ptr = read.path.ptr;
    }
    struct arming arming = {.wrapper = found->wrapper,
                            .armed = new_armed(found->wrapper, name)};
    if (arming.armed != NULL) {
        arming.armed->iseq = rb_iseqw_to_iseq(found->wrapper);
        arming.armed->owner = found->owner;
        arming.armed->id = found->id;
        arming.armed->is_guess = found->is_guess;
        arming.armed->since_ns = sonde_clock_mono_ns();
        arming.armed->event = found->is_block ? RUBY_EVENT_B_CALL | RUBY_EVENT_B_RETURN
                                              : RUBY_EVENT_CALL | RUBY_EVENT_RETURN;
    }
    return arm_by(enable_method, &arming, place, site, err);
}

static int
arm(void *ctx, struct sonde_place place, struct sonde_site *site, struct sonde_err *err)
{
    (void)ctx;
    if (sonde_rb_code_is_method(place.code)) {
        return arm_method(place, site, err);
    }
    VALUE wrapper = sonde_rb_index_wrapper_of(place.code);
    if (wrapper == Qnil) {
        return sonde_err_set(err, SONDE_E_BUG, "arm", "its code was not found before");
    }
    struct arming arming = {.wrapper = wrapper,
                            .armed = new_armed(wrapper, SONDE_STR("")),
                            .is_owned = false};
    if (arming.armed != NULL) {
        arming.armed->event =
            sonde_rb_event_flag((enum sonde_rb_event)(place.position & 3));
    }
    return arm_by(enable_line, &arming, place, site, err);
}

static VALUE
disable(VALUE arg)
{
    const struct sonde_rb_armed *armed = (const struct sonde_rb_armed *)arg;
    if (!SONDE_RB_TARGETS_KEEP_DELETED) {
        rb_tracepoint_disable(armed->tracepoint);
        return Qnil;
    }
    VALUE wrapper = rb_iseqw_new(armed->target);
    sonde_rb_target_clean(wrapper); /* what others left would count */
    rb_tracepoint_disable(armed->tracepoint);
    sonde_rb_target_clean(wrapper);
    RB_GC_GUARD(wrapper);
    return Qnil;
}

/* Whether it is disabled, or gone anyway. */
static bool
try_disable(const struct sonde_rb_armed *armed)
{
    if (!sonde_rb_adapter_is_alive(armed)) {
        return true;
    }
    VALUE carrier = armed->carrier; /* `armed` lives as long */
    bool is_done = sonde_rb_protect(disable, (VALUE)armed, NULL) == 0 ||
                   sonde_rb_protect(disable, (VALUE)armed, NULL) == 0;
    RB_GC_GUARD(carrier);
    return is_done;
}

/* The VM goes through the hooks of a sequence without a lock, so that nothing that another Ractor may
 * be executing can be disabled. What can not be disabled now is tried again at the next safe point; its
 * hook finds no site and does nothing. */
void
sonde_rb_adapter_end_silent(void)
{
    struct sonde_rb_armed *failed = NULL;
    if (table.silent == NULL || sonde_rb_has_other_ractors()) {
        return;
    }
    while (table.silent != NULL) {
        struct sonde_rb_armed *armed = table.silent;
        VALUE carrier = armed->carrier;
        list_take(armed);
        list_put(&failed, armed);
        if (try_disable(armed)) {
            list_take(armed);
            table.count--;
        }
        RB_GC_GUARD(carrier);
    }
    if (failed != NULL) {
        sonde_agent_fault(sonde_rb.agent, "disarm", "a TracePoint could not be disabled");
    }
    while (failed != NULL) {
        struct sonde_rb_armed *armed = failed;
        list_take(armed);
        list_put(&table.silent, armed);
    }
}

static void
silence(struct sonde_rb_armed *armed)
{
    delist(armed);
    armed->site = NULL;
    list_put(&table.silent, armed);
}

static void
disarm(void *ctx, struct sonde_place place, struct sonde_site *site)
{
    (void)ctx;
    struct sonde_rb_armed *armed = table.armed;
    while (armed != NULL && (armed->site != site || armed->code != place.code ||
                             armed->position != place.position)) {
        armed = armed->next;
    }
    if (armed == NULL) {
        return; /* the collector was faster */
    }
    silence(armed);
    sonde_rb_adapter_end_silent();
}

/* --- A round through the methods ----------------------------------------------------------------- */

void
sonde_rb_adapter_begin_round(void)
{
    table.next_method = table.methods > 0 ? table.armed : NULL;
}

struct sonde_rb_armed *
sonde_rb_adapter_next_method(void)
{
    struct sonde_rb_armed *armed = table.next_method;
    while (armed != NULL && armed->iseq == NULL) {
        armed = armed->next;
    }
    table.next_method = armed != NULL ? armed->next : NULL;
    return armed;
}

bool
sonde_rb_adapter_has_methods(void)
{
    return table.methods > 0;
}

void
sonde_rb_adapter_begin_candidates(void)
{
    table.next_candidate = table.candidates > 0 ? table.armed : NULL;
}

struct sonde_rb_armed *
sonde_rb_adapter_next_candidate(void)
{
    struct sonde_rb_armed *armed = table.next_candidate;
    while (armed != NULL && !is_candidate(armed)) {
        armed = armed->next;
    }
    table.next_candidate = armed != NULL ? armed->next : NULL;
    return armed;
}

void
sonde_rb_adapter_confirm(struct sonde_rb_armed *armed, VALUE owner, ID id)
{
    table.candidates -= is_candidate(armed);
    armed->owner = owner;
    armed->id = id;
}

void
sonde_rb_adapter_forget(uint64_t code)
{
    struct sonde_rb_armed *next;
    for (struct sonde_rb_armed *armed = table.armed; armed != NULL; armed = next) {
        next = armed->next;
        if (armed->code == code) {
            silence(armed);
        }
    }
    sonde_rb_adapter_end_silent();
}

void
sonde_rb_adapter_tell_vanished(void)
{
    while (table.vanished != NULL) {
        struct sonde_rb_armed *armed = table.vanished;
        list_take(armed);
        sonde_agent_code_vanished(sonde_rb.agent, armed->code);
        /* The file may be loaded still: then "pending" would not be the truth. */
        sonde_agent_code_ready(sonde_rb.agent, sonde_str_from(armed->file));
        free_armed(armed);
    }
}

size_t
sonde_rb_armed_count(void)
{
    return table.count;
}

size_t
sonde_rb_adapter_testonly_carriers(void)
{
    return table.carriers;
}

void
sonde_rb_adapter_init(void)
{
    table.carrier_key = rb_intern("__sonde_carrier");
    sonde_rb.adapter = (struct sonde_adapter){
        .size = sizeof(struct sonde_adapter),
        .abi = SONDE_ADAPTER_ABI,
        .language = "ruby",
        .runtime_version = sonde_rb.version,
        .find = sonde_rb_find,
        .arm = arm,
        .disarm = disarm,
        .request_safe_point = sonde_rb_vm_thread_ask,
        .concerns = sonde_rb_index_concerns,
        .proceed = sonde_rb_index_proceed,
    };
    if (sonde_rb_has(SONDE_RB_PART_SYMBOLS) && sonde_rb_has(SONDE_RB_PART_WALK)) {
        sonde_rb.adapter.list_symbols = sonde_rb_symbols_list;
        sonde_rb.adapter.watch_symbols = sonde_rb_symbols_watch;
        sonde_rb.adapter.have_symbols_changed = sonde_rb_symbols_have_changed;
    }
}

void
sonde_rb_adapter_stop(void)
{
    while (table.vanished != NULL) {
        struct sonde_rb_armed *armed = table.vanished;
        list_take(armed);
        free_armed(armed);
    }
}
