/* SPDX-License-Identifier: Apache-2.0 */
#include "code_index.h"

#include "adapter.h"
#include "compat/compat_verify.h"
#include "compat/hold.h"
#include "names.h"
#include "protect.h"
#include "state.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>

static struct {
    /* The last walk. Bare pointers: whoever uses them lets no collection begin. */
    const struct sonde_rb_iseq **list;
    size_t count, room;
    bool is_valid, is_short; /* short: memory ran out on the way */
    size_t collections;      /* when it was made */
    unsigned long compiled_before;
    size_t size;

    unsigned long compiled; /* how often :script_compiled came */
    uint64_t codes;         /* serial numbers given so far */
    ID code_key, ran_key;   /* of variables that no program can name */
    bool is_barred, is_rooted, walk_failed, forgets_types;
    /* Roots of the collector. */
    VALUE tracepoint; /* of :script_compiled, or Qnil */
    VALUE taken;      /* an array of wrappers, or Qnil */
    VALUE announced;  /* a wrapper, or Qnil */
} index_ = {.tracepoint = Qnil, .taken = Qnil, .announced = Qnil};

static void
report_fault(const char *part, const char *what)
{
    char reason[256];
    sonde_rb_protect_reason(reason, sizeof(reason));
    sonde_agent_fault(sonde_rb.agent, part, "%s%s%s", what, reason[0] != '\0' ? ": " : "",
                      reason);
}

/* --- The walk ------------------------------------------------------------------------------- */

static void
list_add(const struct sonde_rb_iseq *iseq)
{
    if (index_.count == index_.room) {
        size_t room = index_.room == 0 ? 4096 : index_.room * 2;
        void *list = realloc(index_.list, room * sizeof(*index_.list));
        if (list == NULL) {
            index_.is_short = true;
            return;
        }
        index_.list = list;
        index_.room = room;
    }
    index_.list[index_.count++] = iseq;
}

static int
visit_page(void *start, void *end, size_t stride, void *unused)
{
    (void)unused;
    for (char *slot = start; slot < (char *)end; slot += stride) {
        const struct sonde_rb_iseq *iseq = (const void *)slot;
        if (sonde_rb_is_iseq((VALUE)slot) && sonde_rb_iseq_is_made(iseq)) {
            list_add(iseq);
        }
    }
    return 0;
}

static VALUE
walk(VALUE unused)
{
    index_.is_valid = index_.is_short = false;
    index_.count = 0;
    rb_objspace_each_objects(visit_page, NULL);
    /* After the walk: it ends a collection that was under way. */
    index_.collections = rb_gc_count();
    index_.compiled_before = index_.compiled;
    index_.size = index_.count;
    index_.is_valid = !index_.is_short;
    return unused;
}

static bool
is_fresh(void)
{
    return index_.is_valid && index_.collections == rb_gc_count() &&
           index_.compiled_before == index_.compiled;
}

/* --- What lies under one whole-file sequence --------------------------------------------------- */

static VALUE
add_tree(RB_BLOCK_CALL_FUNC_ARGLIST(wrapper, wrappers))
{
    (void)argc;
    (void)argv;
    (void)blockarg;
    rb_ary_push(wrappers, wrapper);
    rb_block_call(wrapper, rb_intern("each_child"), 0, NULL, add_tree, wrappers);
    return Qnil;
}

static VALUE
list_announced(VALUE wrappers)
{
    index_.is_valid = index_.is_short = false;
    index_.count = 0;
    if (index_.announced != Qnil) {
        add_tree(index_.announced, wrappers, 0, NULL, Qnil);
    }
    for (long i = 0; i < RARRAY_LEN(wrappers); i++) {
        list_add(rb_iseqw_to_iseq(RARRAY_AREF(wrappers, i)));
    }
    return wrappers;
}

/* --- Questions ------------------------------------------------------------------------------ */

struct take {
    size_t (*choose)(const struct sonde_rb_iseq **list, size_t count, void *arg);
    void *arg;
};

/* No collection begins in here: the caller sees to that. */
static VALUE
take(VALUE arg)
{
    const struct take *wish = (const struct take *)arg;
    VALUE tree = Qnil;
    if (!sonde_rb_has(SONDE_RB_PART_WALK)) {
        tree = list_announced(rb_obj_hide(rb_ary_new()));
    } else if (!is_fresh()) {
        walk(Qnil);
    }
    size_t count = wish->choose(index_.list, index_.count, wish->arg);
    VALUE taken = rb_obj_hide(rb_ary_new_capa((long)count));
    index_.taken = taken;
    for (size_t i = 0; i < count; i++) {
        rb_ary_push(taken, rb_iseqw_new(index_.list[i]));
    }
    RB_GC_GUARD(tree);
    return taken;
}

int
sonde_rb_index_take(size_t (*choose)(const struct sonde_rb_iseq **list, size_t count,
                                     void *arg),
                    void *arg, VALUE *out)
{
    struct take wish = {.choose = choose, .arg = arg};
    bool was_off = rb_gc_disable() == Qtrue;
    int failed = sonde_rb_protect(take, (VALUE)&wish, out);
    if (!was_off) {
        rb_gc_enable();
    }
    if (failed != 0) {
        index_.is_valid = false;
        report_fault(sonde_rb_part_name(SONDE_RB_PART_WALK),
                     "listing what is loaded failed");
        return SONDE_E_VM;
    }
    return index_.is_short ? SONDE_E_NOMEM : SONDE_OK;
}

void
sonde_rb_index_forget(void)
{
    free(index_.list);
    index_.list = NULL;
    index_.count = index_.room = 0;
    index_.is_valid = false;
    index_.taken = Qnil;
}

size_t
sonde_rb_index_size(void)
{
    return index_.size;
}

bool
sonde_rb_index_is_barred(void)
{
    return index_.is_barred;
}

VALUE
sonde_rb_index_announced(void)
{
    return index_.announced;
}

bool
sonde_rb_index_has_run(VALUE wrapper)
{
    return rb_attr_get(wrapper, index_.ran_key) == Qtrue ||
           rb_iseq_first_lineno(rb_iseqw_to_iseq(wrapper)) == INT2FIX(0);
}

bool
sonde_rb_index_knows_types(void)
{
    return rb_iseq_type != NULL && !index_.forgets_types;
}

void
sonde_rb_index_testonly_forget_types(bool forgets)
{
    index_.forgets_types = forgets;
}

VALUE
sonde_rb_index_testonly_labels(VALUE path)
{
    VALUE labels = rb_ary_new();
    bool was_off = rb_gc_disable() == Qtrue;
    walk(Qnil);
    for (size_t i = 0; i < index_.count; i++) {
        VALUE realpath = rb_iseq_realpath(index_.list[i]);
        if (sonde_str_eq(sonde_rb_text(realpath), sonde_rb_text(path))) {
            rb_ary_push(labels, rb_iseq_label(index_.list[i]));
        }
    }
    sonde_rb_index_forget();
    if (!was_off) {
        rb_gc_enable();
    }
    return labels;
}

VALUE
sonde_rb_index_testonly_words(VALUE wrapper)
{
    const struct sonde_rb_body *body = rb_iseqw_to_iseq(wrapper)->body;
    return rb_str_new((const char *)body->instructions,
                      (long)(body->instruction_words * sizeof(VALUE)));
}

uint64_t
sonde_rb_index_code_of(VALUE wrapper)
{
    VALUE number = rb_attr_get(wrapper, index_.code_key);
    if (!FIXNUM_P(number)) {
        number = LONG2FIX((long)index_.codes + 1);
        rb_ivar_set(wrapper, index_.code_key, number);
        index_.codes++;
    }
    return (uint64_t)FIX2LONG(number);
}

VALUE
sonde_rb_index_wrapper_of(uint64_t code)
{
    for (long i = 0; index_.taken != Qnil && i < RARRAY_LEN(index_.taken); i++) {
        VALUE wrapper = RARRAY_AREF(index_.taken, i);
        if (rb_attr_get(wrapper, index_.code_key) == LONG2FIX((long)code)) {
            return wrapper;
        }
    }
    return Qnil;
}

/* --- What the VM tells ---------------------------------------------------------------------- */

/* The wrapper of what was compiled, marked as code that runs; Qnil for eval'd code, which is in no
 * file. */
static VALUE
note_compiled(VALUE tracepoint)
{
    VALUE wrapper = rb_funcall(tracepoint, rb_intern("instruction_sequence"), 0);
    if (NIL_P(wrapper) || NIL_P(rb_iseq_realpath(rb_iseqw_to_iseq(wrapper)))) {
        return Qnil;
    }
    rb_ivar_set(wrapper, index_.ran_key, Qtrue);
    return wrapper;
}

/* Whether a probe waits for the file, by any of its names; `file` is set to that one. */
static bool
is_wanted(const struct sonde_rb_iseq *iseq, struct sonde_str *file)
{
    struct sonde_str names[] = {sonde_rb_text(rb_iseq_realpath(iseq)),
                                sonde_rb_text(rb_iseq_path(iseq))};
    *file = names[0];
    if (sonde_agent_wants_code(sonde_rb.agent, names[0])) {
        return true;
    }
    *file = names[1];
    return !sonde_str_eq(sonde_path_base_name(names[0]),
                         sonde_path_base_name(names[1])) &&
           sonde_agent_wants_code(sonde_rb.agent, names[1]);
}

static void
announce(VALUE tracepoint)
{
    VALUE wrapper = Qnil;
    sonde_rb_look_for_fork();
    if (sonde_rb_protect(note_compiled, tracepoint, &wrapper) != 0) {
        report_fault("code_tracking", "a file that was loaded went unnoticed");
        return;
    }
    if (wrapper == Qnil) {
        return;
    }
    index_.compiled++;
    sonde_rb_adapter_tell_vanished();
    struct sonde_str lent;
    if (is_wanted(rb_iseqw_to_iseq(wrapper), &lent)) {
        char file[SONDE_PATH_BYTES];
        size_t len = lent.len < sizeof(file) ? lent.len : sizeof(file);
        VALUE before = index_.announced;
        memcpy(file, lent.ptr, len);
        index_.announced = wrapper;
        sonde_agent_code_ready(sonde_rb.agent, (struct sonde_str){file, len});
        index_.announced = before;
        sonde_rb_index_forget();
    }
    RB_GC_GUARD(wrapper);
}

/* Ctx: a TracePoint callback, before the file's first line runs. */
static void
on_compiled(VALUE tracepoint, void *unused)
{
    (void)unused;
    if (sonde_rb_is_running()) {
        int saved_errno = errno;
        uint32_t held = sonde_rb_hold();
        announce(tracepoint);
        sonde_rb_release(held);
        errno = saved_errno;
    }
}

/* --- Life ----------------------------------------------------------------------------------- */

static VALUE
listen(VALUE unused)
{
    if (!index_.is_rooted) {
        rb_gc_register_address(&index_.tracepoint);
        rb_gc_register_address(&index_.taken);
        rb_gc_register_address(&index_.announced);
        index_.is_rooted = true;
    }
    index_.code_key = rb_intern("__sonde_code");
    index_.ran_key = rb_intern("__sonde_ran");
    index_.tracepoint =
        rb_tracepoint_new(0, RUBY_EVENT_SCRIPT_COMPILED, on_compiled, NULL);
    rb_tracepoint_enable(index_.tracepoint);
    return unused;
}

static VALUE
stop_listening(VALUE tracepoint)
{
    rb_tracepoint_disable(tracepoint);
    return Qnil;
}

int
sonde_rb_index_start(struct sonde_err *err)
{
    char reason[256];
    index_.is_barred = sonde_rb_is_tracing_barred();
    if (index_.is_barred) {
        return SONDE_OK;
    }
    if (sonde_rb_protect(listen, Qnil, NULL) != 0) {
        sonde_rb_protect_reason(reason, sizeof(reason));
        return sonde_err_set(err, SONDE_E_VM, "TracePoint", "%s", reason);
    }
    index_.walk_failed = sonde_rb_has(SONDE_RB_PART_WALK) &&
                         (sonde_rb_protect(walk, Qnil, NULL) != 0 || index_.is_short);
    sonde_rb_index_forget();
    return SONDE_OK;
}

void
sonde_rb_index_tell_faults(void)
{
    if (index_.walk_failed) {
        report_fault(sonde_rb_part_name(SONDE_RB_PART_WALK), "the first walk failed");
    }
}

void
sonde_rb_index_stop(void)
{
    if (index_.tracepoint != Qnil) {
        sonde_rb_protect(stop_listening, index_.tracepoint, NULL);
        index_.tracepoint = Qnil;
    }
    sonde_rb_index_forget();
}
