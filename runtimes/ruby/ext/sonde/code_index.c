/* SPDX-License-Identifier: Apache-2.0 */
#include "code_index.h"

#include "adapter.h"
#include "compat/compat_verify.h"
#include "compat/hold.h"
#include "core/base/clock.h"
#include "follow.h"
#include "heap_walk.h"
#include "protect.h"
#include "questions.h"
#include "state.h"
#include "symbols.h"
#include "text.h"
#include "vm_thread.h"

#include <errno.h>
#include <stdlib.h>

#define SLICE_NS (3 * SONDE_NS_PER_MS) /* of the VM lock, where nobody says how much */

static struct {
    struct sonde_rb_walk walk; /* under way, or the last one */
    bool is_walking;
    bool is_walked;            /* all of the heap: what `require` knows is left */
    long features_offered;     /* of that */
    struct sonde_rb_walk last; /* figures of the last that was completed */
    unsigned long walks;       /* that were completed */
    size_t slice_pages;        /* for tests */
    bool is_stopped;           /* for tests */

    /* What lies in the announced file; held where it is. */
    const struct sonde_rb_iseq **tree_list;
    size_t tree_count;

    bool has_asked;       /* in this safe point */
    uint64_t codes;       /* serial numbers given so far */
    ID code_key, ran_key; /* of variables that no program can name */
    bool is_barred, is_rooted, walk_failed, forgets_types;
    /* Of the answer to a question that is about the announced file alone. */
    struct sonde_rb_wanted_file wanted;
    char wanted_name[SONDE_PATH_BYTES], wanted_buf[SONDE_PATH_BYTES];
    /* Roots of the collector. */
    VALUE tracepoint; /* of :script_compiled, or Qnil */
    VALUE taken;      /* an array of wrappers, or Qnil */
    VALUE added;      /* the one of sonde_rb_index_add, or Qnil */
    VALUE announced;  /* a wrapper, or Qnil */
    VALUE tree;       /* an array of wrappers, or Qnil: not made yet */
} index_ = {
    .tracepoint = Qnil, .taken = Qnil, .added = Qnil, .announced = Qnil, .tree = Qnil};

static void
report_fault(const char *part, const char *what)
{
    char reason[256];
    sonde_rb_protect_reason(reason, sizeof(reason));
    sonde_agent_fault(sonde_rb.agent, part, "%s%s%s", what, reason[0] != '\0' ? ": " : "",
                      reason);
}

/* --- The walk ------------------------------------------------------------------------------- */

#define FEATURES_AT_LEAST 64 /* in a slice, whatever the clock says */

/* Which of the files that are asked about `require` knows. False: there was no time for all. May raise. */
static bool
offer_features(int64_t end_ns)
{
    VALUE features = rb_gv_get("$LOADED_FEATURES");
    VALUE program = rb_gv_get("$0");
    long from = index_.features_offered;
    sonde_rb_questions_offer_feature(sonde_rb_text(program));
    for (long i = from; RB_TYPE_P(features, T_ARRAY) && i < RARRAY_LEN(features); i++) {
        if (i >= from + FEATURES_AT_LEAST && sonde_clock_mono_ns() >= end_ns) {
            return false;
        }
        sonde_rb_questions_offer_feature(sonde_rb_text(RARRAY_AREF(features, i)));
        index_.features_offered = i + 1;
    }
    RB_GC_GUARD(features);
    RB_GC_GUARD(program);
    return true;
}

static void
end_walk(int result)
{
    if (result == SONDE_OK) {
        index_.last = index_.walk;
        index_.walks++;
    }
    index_.is_walking = index_.is_walked = false;
    index_.features_offered = 0;
    sonde_rb_walk_end(&index_.walk);
    sonde_rb_questions_end(result);
}

/* Ctx: sonde_rb_protect. */
static VALUE
walk_on(VALUE arg)
{
    const struct sonde_rb_walk_limit *limit = (const struct sonde_rb_walk_limit *)arg;
    int64_t end_ns = sonde_clock_mono_ns() + limit->time_ns;
    enum sonde_rb_walk_result result = SONDE_RB_WALK_DONE;
    sonde_rb_questions_forget_names();
    while (!index_.is_walked &&
           (result = sonde_rb_walk_slice(&index_.walk, *limit, sonde_rb_questions_offer,
                                         NULL)) == SONDE_RB_WALK_AGAIN) {
        sonde_rb_questions_begin_anew();
    }
    index_.is_walked = result == SONDE_RB_WALK_DONE;
    if (result == SONDE_RB_WALK_CUT || (index_.is_walked && !offer_features(end_ns))) {
        return Qnil; /* to be gone on with */
    }
    end_walk(index_.is_walked ? SONDE_OK : SONDE_E_NOMEM);
    return Qnil;
}

/* Whether it went well. */
static bool
try_to_walk_on(int64_t until_ns)
{
    int64_t left_ns = until_ns - sonde_clock_mono_ns();
    struct sonde_rb_walk_limit limit = {.time_ns = until_ns == 0 ? SLICE_NS
                                                   : left_ns > 0 ? left_ns
                                                                 : 1,
                                        .pages = index_.slice_pages};
    if (!index_.is_walking) {
        sonde_rb_walk_begin(&index_.walk);
        index_.is_walking = true;
        index_.is_walked = false; /* a former one may have been dropped behind its walk */
        index_.features_offered = 0;
        if (sonde_rb_questions_begin() != SONDE_OK) {
            end_walk(SONDE_E_NOMEM);
            return true;
        }
    }
    if (sonde_rb_protect(walk_on, (VALUE)&limit, NULL) != 0) {
        end_walk(SONDE_E_VM);
        return false;
    }
    return true;
}

void
sonde_rb_index_proceed(void *ctx, int64_t until_ns)
{
    (void)ctx;
    index_.has_asked = true; /* who waits may not be looked for in this slice */
    if (index_.is_stopped || !sonde_rb_has(SONDE_RB_PART_WALK) ||
        sonde_rb_has_other_ractors() ||
        (!index_.is_walking && !sonde_rb_questions_has(SONDE_RB_ASKED))) {
        return;
    }
    if (!try_to_walk_on(until_ns)) {
        report_fault(sonde_rb_part_name(SONDE_RB_PART_WALK),
                     "listing what is loaded failed");
    }
}

/* --- The file that is being loaded -------------------------------------------------------------- */

/* Ctx: sonde_rb_protect. */
static VALUE
wrap_tree(VALUE unused)
{
    (void)unused;
    VALUE wrappers = rb_obj_hide(rb_ary_new_capa((long)index_.tree_count));
    for (size_t i = 0; i < index_.tree_count; i++) {
        rb_ary_push(wrappers, rb_iseqw_new(index_.tree_list[i]));
    }
    return wrappers;
}

VALUE
sonde_rb_index_announced_tree(void)
{
    VALUE wrappers = Qnil;
    if (index_.announced == Qnil || index_.tree != Qnil) {
        return index_.tree;
    }
    if (index_.tree_list == NULL &&
        sonde_rb_walk_tree(rb_iseqw_to_iseq(index_.announced), &index_.tree_list,
                           &index_.tree_count) == SONDE_OK) {
        sonde_rb_questions_hold(index_.tree_list, index_.tree_count);
    }
    if (index_.tree_list != NULL && sonde_rb_protect(wrap_tree, Qnil, &wrappers) == 0) {
        index_.tree = wrappers;
    }
    return index_.tree;
}

static void
forget_announced(void)
{
    sonde_rb_questions_hold(NULL, 0);
    free(index_.tree_list);
    index_.tree_list = NULL;
    index_.tree_count = 0;
    index_.announced = index_.tree = Qnil;
}

/* What the questions that are open have to know of it. */
static void
tell_questions(VALUE wrapper)
{
    const struct sonde_rb_iseq **list;
    size_t count;
    if (sonde_rb_questions_count() == 0) {
        return;
    }
    if (sonde_rb_walk_tree(rb_iseqw_to_iseq(wrapper), &list, &count) == SONDE_OK) {
        sonde_rb_questions_offer_file(list, count);
        free(list);
    } else {
        sonde_rb_questions_end(SONDE_E_NOMEM);
    }
    RB_GC_GUARD(wrapper);
}

static bool
matches(const struct sonde_rb_wanted_file *wanted, VALUE name)
{
    struct sonde_rb_known_file file;
    char buf[SONDE_PATH_BYTES];
    sonde_rb_known_file_init(&file, sonde_rb_text(name), buf);
    return sonde_rb_file_match(wanted, &file) != SONDE_RB_FILE_OTHER;
}

static bool
is_announced(const struct sonde_rb_wanted_file *wanted)
{
    if (index_.announced == Qnil) {
        return false;
    }
    const struct sonde_rb_iseq *iseq = rb_iseqw_to_iseq(index_.announced);
    return matches(wanted, sonde_rb_iseq_file(iseq)) ||
           matches(wanted, rb_iseq_path(iseq));
}

bool
sonde_rb_index_concerns(void *ctx, const struct sonde_probe_def *def,
                        struct sonde_str name)
{
    struct sonde_rb_wanted_file wanted;
    struct sonde_rb_known_file file;
    char wanted_buf[SONDE_PATH_BYTES], buf[SONDE_PATH_BYTES];
    (void)ctx;
    if (def->location.line == 0) {
        return true;
    }
    sonde_rb_wanted_file_init(&wanted, def->location.file, wanted_buf);
    sonde_rb_known_file_init(&file, name, buf);
    return is_announced(&wanted) ||
           sonde_rb_file_match(&wanted, &file) != SONDE_RB_FILE_OTHER;
}

/* --- Questions ------------------------------------------------------------------------------ */

/* Ctx: sonde_rb_protect. */
static VALUE
make_empty(VALUE unused)
{
    (void)unused;
    return rb_obj_hide(rb_ary_new());
}

/* Ctx: sonde_rb_protect. */
static VALUE
make_wrappers(VALUE question)
{
    return sonde_rb_question_wrappers((struct sonde_rb_question *)question);
}

static int
give(struct sonde_rb_found *out, VALUE wrappers,
     const struct sonde_rb_wanted_file *wanted, bool is_feature)
{
    index_.taken = wrappers;
    *out = (struct sonde_rb_found){wrappers, wanted, is_feature};
    return SONDE_OK;
}

/* Ctx: sonde_rb_protect. */
static VALUE
look_among_features(VALUE wanted)
{
    VALUE features = rb_gv_get("$LOADED_FEATURES");
    bool is_found = matches((const struct sonde_rb_wanted_file *)wanted, rb_gv_get("$0"));
    for (long i = 0; RB_TYPE_P(features, T_ARRAY) && i < RARRAY_LEN(features); i++) {
        is_found = is_found || matches((const struct sonde_rb_wanted_file *)wanted,
                                       RARRAY_AREF(features, i));
    }
    RB_GC_GUARD(features);
    return is_found ? Qtrue : Qfalse;
}

/* What the file has that is just being loaded. */
static int
answer_at_once(const struct sonde_rb_wanted_file *wanted, struct sonde_rb_found *out)
{
    VALUE wrappers = Qnil;
    if (is_announced(wanted)) {
        wrappers = sonde_rb_index_announced_tree();
    } else if (sonde_rb_protect(make_empty, Qnil, &wrappers) != 0) {
        wrappers = Qnil;
    }
    if (wrappers == Qnil) {
        return SONDE_E_VM;
    }
    VALUE is_feature = Qfalse;
    if (!sonde_rb_has(SONDE_RB_PART_WALK) &&
        sonde_rb_protect(look_among_features, (VALUE)wanted, &is_feature) != 0) {
        return SONDE_E_VM;
    }
    /* Lent from who asks, who may be gone before the answer is read. */
    struct sonde_str name = wanted->name;
    index_.wanted = *wanted;
    if (name.len <= sizeof(index_.wanted_name)) {
        memcpy(index_.wanted_name, name.ptr, name.len);
        index_.wanted.name.ptr = index_.wanted_name;
    }
    return give(out, wrappers, &index_.wanted, is_feature == Qtrue);
}

static int
answer(struct sonde_rb_question *question, struct sonde_rb_found *out)
{
    VALUE wrappers = Qnil;
    int failed = question->failed;
    switch (question->state) {
    case SONDE_RB_ANSWERED:
        return sonde_rb_protect(make_wrappers, (VALUE)question, &wrappers) == 0
                   ? give(out, wrappers, &question->wanted, question->is_feature)
                   : SONDE_E_VM;
    case SONDE_RB_FAILED:
        sonde_rb_questions_drop_failed();
        return failed;
    default:
        return SONDE_E_LATER;
    }
}

int
sonde_rb_index_ask(struct sonde_str file, struct sonde_rb_found *out)
{
    struct sonde_rb_wanted_file wanted = {.name =
                                              sonde_path_plain(file, index_.wanted_buf)};
    struct sonde_rb_question *question = sonde_rb_questions_find(wanted.name);
    *out = (struct sonde_rb_found){.wrappers = Qnil};
    index_.added = index_.taken = Qnil;
    index_.has_asked = true;
    if (question == NULL) {
        sonde_rb_wanted_file_init(&wanted, file, index_.wanted_buf);
    } else {
        wanted = question->wanted;
    }
    bool can_walk = sonde_rb_has(SONDE_RB_PART_WALK);
    if (!can_walk || (index_.announced != Qnil &&
                      (question == NULL || question->state != SONDE_RB_ANSWERED))) {
        int result = answer_at_once(&wanted, out);
        return result == SONDE_OK && can_walk && question != NULL ? SONDE_E_LATER
                                                                  : result;
    }
    if (question != NULL) {
        return answer(question, out);
    }
    return sonde_rb_questions_add(&wanted) != NULL ? SONDE_E_LATER : SONDE_E_NOMEM;
}

/* Ctx: sonde_rb_protect, or a test. */
static void
drop_all(void)
{
    sonde_rb_walk_end(&index_.walk);
    index_.is_walking = false;
    index_.taken = index_.added = Qnil;
    sonde_rb_questions_drop();
}

/* Who is still to be answered had the agent ask for another safe point. An ask for another reason
 * lets all of it be held until that one, and no longer. */
void
sonde_rb_index_forget(void)
{
    index_.taken = index_.added = Qnil;
    if (sonde_rb_questions_count() > 0 &&
        !(index_.has_asked && sonde_rb_vm_thread_is_asked())) {
        drop_all();
    }
    index_.has_asked = false;
}

size_t
sonde_rb_index_size(void)
{
    return index_.last.sequences;
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

void
sonde_rb_index_add(VALUE wrapper)
{
    if (index_.added == Qnil) {
        index_.added = rb_obj_hide(rb_ary_new());
    }
    index_.taken = index_.added;
    rb_ary_push(index_.added, wrapper);
}

/* --- For tests ------------------------------------------------------------------------------ */

void
sonde_rb_index_testonly_forget_types(bool forgets)
{
    index_.forgets_types = forgets;
}

void
sonde_rb_index_testonly_slice(long pages)
{
    index_.is_stopped = pages < 0;
    index_.slice_pages = pages > 0 ? (size_t)pages : 0;
}

void
sonde_rb_index_testonly_drop(void)
{
    drop_all();
}

struct listing {
    VALUE wrappers, path; /* path: Qnil, of any file */
    const struct sonde_rb_iseq **list;
    size_t count, room;
};

static void
list_one(const struct sonde_rb_iseq *iseq, void *arg)
{
    struct listing *listing = arg;
    VALUE realpath = sonde_rb_iseq_file(iseq);
    if (NIL_P(realpath) ||
        (!NIL_P(listing->path) &&
         !sonde_str_eq(sonde_rb_text(realpath), sonde_rb_text(listing->path)))) {
        return;
    }
    if (listing->count == listing->room) {
        listing->room = listing->room == 0 ? 1024 : listing->room * 2;
        listing->list = realloc(listing->list, listing->room * sizeof(*listing->list));
        if (listing->list == NULL) {
            rb_memerror();
        }
    }
    listing->list[listing->count++] = iseq;
}

/* All at once, with the collector kept off meanwhile. */
static VALUE
list_alive(VALUE path, VALUE (*what)(const struct sonde_rb_iseq *iseq))
{
    struct listing listing = {.wrappers = rb_ary_new(), .path = path};
    struct sonde_rb_walk walk = {0};
    bool was_off = rb_gc_disable() == Qtrue;
    sonde_rb_walk_begin(&walk);
    while (sonde_rb_walk_slice(&walk, (struct sonde_rb_walk_limit){0}, list_one,
                               &listing) != SONDE_RB_WALK_DONE) {
        listing.count = 0;
    }
    for (size_t i = 0; i < listing.count; i++) {
        rb_ary_push(listing.wrappers, what(listing.list[i]));
    }
    sonde_rb_walk_end(&walk);
    free(listing.list);
    if (!was_off) {
        rb_gc_enable();
    }
    return listing.wrappers;
}

VALUE
sonde_rb_index_testonly_labels(VALUE path)
{
    return list_alive(path, rb_iseq_label);
}

VALUE
sonde_rb_index_testonly_all(void)
{
    return list_alive(Qnil, rb_iseqw_new);
}

VALUE
sonde_rb_index_testonly_words(VALUE wrapper)
{
    const struct sonde_rb_body *body = rb_iseqw_to_iseq(wrapper)->body;
    return rb_str_new((const char *)body->instructions,
                      (long)(body->instruction_words * sizeof(VALUE)));
}

VALUE
sonde_rb_index_testonly_walk(void)
{
    const struct sonde_rb_walk *last = &index_.last;
    VALUE hash = rb_hash_new();
    rb_hash_aset(hash, ID2SYM(rb_intern("walks")), ULONG2NUM(index_.walks));
    rb_hash_aset(hash, ID2SYM(rb_intern("slots")), SIZET2NUM(last->slots));
    rb_hash_aset(hash, ID2SYM(rb_intern("sequences")), SIZET2NUM(last->sequences));
    rb_hash_aset(hash, ID2SYM(rb_intern("slices")), UINT2NUM(last->slices));
    rb_hash_aset(hash, ID2SYM(rb_intern("restarts")), UINT2NUM(last->restarts));
    rb_hash_aset(hash, ID2SYM(rb_intern("longest_ns")), LL2NUM(last->longest_ns));
    rb_hash_aset(hash, ID2SYM(rb_intern("total_ns")), LL2NUM(last->total_ns));
    return hash;
}

/* --- What the VM tells ---------------------------------------------------------------------- */

/* The wrapper of what was compiled, marked as code that runs; Qnil for eval'd code, which is in no
 * file. */
static VALUE
note_compiled(VALUE tracepoint)
{
    VALUE wrapper = rb_funcall(tracepoint, rb_intern("instruction_sequence"), 0);
    if (NIL_P(wrapper)) {
        return Qnil;
    }
    sonde_rb_note_evaled(tracepoint, wrapper);
    if (NIL_P(sonde_rb_iseq_file(rb_iseqw_to_iseq(wrapper)))) {
        return Qnil;
    }
    rb_ivar_set(wrapper, index_.ran_key, Qtrue);
    return wrapper;
}

/* Whether a probe waits for the file, by any of its names; `file` is set to that one. */
static bool
is_wanted(const struct sonde_rb_iseq *iseq, struct sonde_str *file)
{
    struct sonde_str names[] = {sonde_rb_text(sonde_rb_iseq_file(iseq)),
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
        sonde_rb_follow_note_code();
        return;
    }
    tell_questions(wrapper);
    sonde_rb_symbols_note_compiled(rb_iseqw_to_iseq(wrapper));
    sonde_rb_adapter_tell_vanished();
    index_.announced = wrapper;
    sonde_rb_follow_note_code();
    sonde_rb_follow_announced();
    struct sonde_str lent;
    if (is_wanted(rb_iseqw_to_iseq(wrapper), &lent)) {
        char file[SONDE_PATH_BYTES];
        size_t len = lent.len < sizeof(file) ? lent.len : sizeof(file);
        memcpy(file, lent.ptr, len);
        sonde_agent_code_ready(sonde_rb.agent, (struct sonde_str){file, len});
    }
    forget_announced();
    index_.taken = index_.added = Qnil; /* there may be no safe point for long */
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
        rb_gc_register_address(&index_.added);
        rb_gc_register_address(&index_.announced);
        rb_gc_register_address(&index_.tree);
        index_.is_rooted = true;
    }
    sonde_rb_questions_init();
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
    index_.walk_failed = sonde_rb_has(SONDE_RB_PART_WALK) && !try_to_walk_on(0);
    drop_all(); /* a large heap is walked when there is a question */
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
    drop_all();
}
