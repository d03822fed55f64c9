/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter.h"

#include "code_index.h"
#include "find.h"
#include "hooks.h"
#include "protect.h"
#include "state.h"
#include "text.h"
#include "vm_thread.h"

#include <stdlib.h>

static struct {
    struct sonde_rb_armed *armed;    /* enabled */
    struct sonde_rb_armed *vanished; /* freed by the collector; the agent is to be told */
    struct sonde_rb_armed *silent; /* disarmed, and enabled until no other Ractor runs */
    size_t count, carriers;
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
    list_take(armed);
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
static bool
is_alive(const struct sonde_rb_armed *armed)
{
    return rb_objspace_markable_object_p(armed->carrier) != 0;
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

static VALUE
enable(VALUE arg)
{
    struct arming *arming = (struct arming *)arg;
    struct sonde_rb_armed *armed = arming->armed;
    enum sonde_rb_event event = (enum sonde_rb_event)(armed->position & 3);
    if (sonde_rb_has(SONDE_RB_PART_FRAMES)) {
        sonde_rb_lines_mute(arming->wrapper, line_of(armed->position), event,
                            &armed->muted);
    }
    /* Both belong to no class, so that no program comes across them in ObjectSpace. */
    VALUE carrier = TypedData_Wrap_Struct(0, &carrier_type, armed);
    armed->carrier = carrier;
    arming->is_owned = true;
    table.carriers++;
    /* A target line is allowed only where :line is among the events. */
    VALUE tracepoint = rb_tracepoint_new(
        0, armed->event | (rb_event_flag_t)RUBY_EVENT_LINE, sonde_rb_on_line, armed);
    armed->tracepoint = tracepoint;
    rb_ivar_set(tracepoint, table.carrier_key, carrier);
    VALUE how = rb_hash_new();
    rb_hash_aset(how, ID2SYM(rb_intern("target")), arming->wrapper);
    rb_hash_aset(how, ID2SYM(rb_intern("target_line")),
                 UINT2NUM(line_of(armed->position)));
    rb_funcallv_kw(tracepoint, rb_intern("enable"), 1, &how, RB_PASS_KEYWORDS);
    rb_obj_hide(tracepoint);
    RB_GC_GUARD(carrier);
    return Qnil;
}

static int
arm(void *ctx, struct sonde_place place, struct sonde_site *site, struct sonde_err *err)
{
    (void)ctx;
    VALUE wrapper = sonde_rb_index_wrapper_of(place.code);
    if (wrapper == Qnil) {
        return sonde_err_set(err, SONDE_E_BUG, "arm", "its code was not found before");
    }
    struct sonde_str file = sonde_rb_text(rb_iseq_realpath(rb_iseqw_to_iseq(wrapper)));
    struct sonde_rb_armed *armed = calloc(1, sizeof(*armed) + file.len + 1);
    if (armed == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    memcpy(armed->file, file.ptr, file.len);
    armed->tracepoint = armed->carrier = Qnil;
    armed->site = site;
    armed->code = place.code;
    armed->position = place.position;
    armed->event = sonde_rb_event_flag((enum sonde_rb_event)(place.position & 3));
    struct arming arming = {.armed = armed, .wrapper = wrapper};
    if (sonde_rb_protect(enable, (VALUE)&arming, NULL) == 0) {
        list_put(&table.armed, armed);
        table.count++;
        return SONDE_OK;
    }
    armed->site = NULL;
    if (!arming.is_owned) {
        free_armed(armed);
    }
    char reason[200];
    sonde_rb_protect_reason(reason, sizeof(reason));
    return sonde_err_set(err, SONDE_E_VM, "TracePoint", "the VM refused: %s", reason);
}

static VALUE
disable(VALUE tracepoint)
{
    rb_tracepoint_disable(tracepoint);
    return Qnil;
}

/* Whether it is disabled, or gone anyway. */
static bool
try_disable(const struct sonde_rb_armed *armed)
{
    if (!is_alive(armed)) {
        return true;
    }
    VALUE carrier = armed->carrier; /* `armed` lives as long */
    bool is_done = sonde_rb_protect(disable, armed->tracepoint, NULL) == 0 ||
                   sonde_rb_protect(disable, armed->tracepoint, NULL) == 0;
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
    list_take(armed);
    armed->site = NULL;
    list_put(&table.silent, armed);
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
    };
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
