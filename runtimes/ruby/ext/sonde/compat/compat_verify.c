/* SPDX-License-Identifier: Apache-2.0
 *
 * Every fact of compat/ruby_N_N.h against the live VM, by way of what CRuby promises. The samples are ours;
 * nothing of the application is touched. Where the facts are wrong, an address may be none: whatever is
 * followed here is first read through a pipe, which answers for it with an error. */
#include "compat/compat_verify.h"

#include "compat/symbols.h"
#include "compat/target_hooks.h"
#include "compat/unwind.h"
#include "protect.h"

#include <fcntl.h>
#include <unistd.h>

static const char *const part_names[] = {
#define NAME(name, text) text,
    SONDE_RB_PART_LIST(NAME)
#undef NAME
};

const char *
sonde_rb_part_name(enum sonde_rb_part part)
{
    return part_names[part];
}

struct sonde_rb_names sonde_rb_names;

#define FRAMES_MAX 512
#define LEVELS_MAX 1000
#define SAMPLE_LINE 7

/* `values` holds one element: whether the method's variables are to be moved to the heap. `holder`'s
 * first method keeps the application's own of that name from being called. */
static const char sample_source[] =
    "->(trace, values, holder) do\n"
    "  def holder.singleton_method_added(*); end\n"
    "  def holder.run(values, given = 7, *rest, key: 9, **more, &block)\n"
    "    kept = -> { values } if values[0]\n"
    "    { 1 => 1 }.each_key do |item; own|\n"
    "      own = 11 unless own\n"
    "      block.call\n"
    "    end\n"
    "    kept\n"
    "  end\n"
    "  holder.define_singleton_method(:through) { |from| run(from) { from } }\n"
    "  begin\n"
    "    trace.enable(target: holder.method(:run), target_line: 7)\n"
    "    holder.through(values)\n"
    "  ensure\n"
    "    trace.disable\n"
    "  end\n"
    "  holder.method(:through)\n"
    "end\n";

/* What the sample's callback finds; guarded by the VM lock. */
static struct check {
    int pipe[2];
    VALUE values; /* on the stack of who runs the sample as well */
    unsigned hits;
    bool frames_hold;
    bool locals_hold;
} check;

/* --- Reading what may not be there ----------------------------------------------------------- */

static bool
is_readable(const void *from, size_t size)
{
    char unused[1024];
    const char *at = from;
    while (size > 0) {
        size_t part = size < sizeof(unused) ? size : sizeof(unused);
        if (write(check.pipe[1], at, part) != (ssize_t)part ||
            read(check.pipe[0], unused, part) != (ssize_t)part) {
            return false;
        }
        at += part;
        size -= part;
    }
    return true;
}

static bool
is_readable_word(const void *from, size_t size)
{
    return from != NULL && (uintptr_t)from % sizeof(VALUE) == 0 &&
           is_readable(from, size);
}

static bool
is_readable_imemo(const void *object, unsigned kind, size_t size)
{
    if (!is_readable_word(object, size)) {
        return false;
    }
    VALUE flags = *(const VALUE *)object;
    return (flags & RUBY_T_MASK) == RUBY_T_IMEMO && sonde_rb_imemo_kind(flags) == kind;
}

static bool
is_iseq_sound(const struct sonde_rb_iseq *iseq)
{
    if (!is_readable_imemo(iseq, SONDE_RB_IMEMO_ISEQ, sizeof(*iseq)) ||
        !is_readable_word(iseq->body, sizeof(*iseq->body))) {
        return false;
    }
    const struct sonde_rb_body *body = iseq->body;
    return body->instructions != NULL && body->local_table_size < 1u << 20 &&
           body->param.size <= body->local_table_size &&
           (body->local_table_size == 0 ||
            is_readable_word(body->local_table, body->local_table_size * sizeof(ID))) &&
           (body->parent == NULL ||
            is_readable_imemo(body->parent, SONDE_RB_IMEMO_ISEQ, sizeof(*body->parent)));
}

/* The word that leads to the method. */
static bool
is_entry_sound(VALUE found, unsigned depth)
{
    if (found == 0) {
        return true;
    }
    if (!is_readable_word((const void *)found, 2 * sizeof(VALUE)) ||
        (*(const VALUE *)found & RUBY_T_MASK) != RUBY_T_IMEMO) {
        return false;
    }
    unsigned kind = sonde_rb_imemo_kind(*(const VALUE *)found);
    if (kind == SONDE_RB_IMEMO_SVAR) {
        return depth == 0 && is_entry_sound(((const VALUE *)found)[1], 1);
    }
    if (kind != SONDE_RB_IMEMO_MENT) {
        return true;
    }
    const struct sonde_rb_method_entry *entry = (const void *)found;
    return is_readable_word(entry, sizeof(*entry)) &&
           is_readable_word(entry->def, sizeof(*entry->def));
}

static bool
is_env_sound(const VALUE *env)
{
    for (unsigned level = 0; env != NULL; level++) {
        if (level == LEVELS_MAX || (uintptr_t)env % sizeof(VALUE) != 0 ||
            !is_readable(env + SONDE_RB_ENV_METHOD_AT,
                         SONDE_RB_ENV_WORDS * sizeof(VALUE)) ||
            !FIXNUM_P(sonde_rb_env_flags(env)) ||
            !is_entry_sound(env[SONDE_RB_ENV_METHOD_AT], 0)) {
            return false;
        }
        env = sonde_rb_env_outer(env);
    }
    return true;
}

static bool
is_frame_sound(const struct sonde_rb_frame *frame)
{
    if (!is_env_sound(frame->env)) {
        return false;
    }
    if (!sonde_rb_frame_is_ruby(frame)) {
        return true;
    }
    if (!is_iseq_sound(frame->iseq)) {
        return false;
    }
    const VALUE *from = frame->iseq->body->instructions;
    return frame->pc >= from && frame->pc <= from + frame->iseq->body->instruction_words;
}

static bool
is_stack_sound(const struct sonde_rb_ec *ec, const struct sonde_rb_frame *frame)
{
    if (!is_readable_word(ec, sizeof(*ec)) || ec->frame != frame ||
        ec->stack_words > SIZE_MAX / 64) {
        return false;
    }
    const struct sonde_rb_frame *end = sonde_rb_stack_end(ec);
    size_t size = (size_t)((const char *)end - (const char *)frame);
    if ((const VALUE *)(const void *)frame < ec->stack || frame >= end ||
        size % sizeof(*frame) != 0 || !is_readable_word(frame, size)) {
        return false;
    }
    for (; frame < end; frame = sonde_rb_frame_outer(frame)) {
        if (!is_frame_sound(frame)) {
            return false;
        }
    }
    return true;
}

/* --- Frames against the VM's own list of them -------------------------------------------------- */

/* rb_profile_frames() tells a method written in Ruby or in C by its entry, other code by its
 * sequence. */
static bool
agrees_with_profile(const struct sonde_rb_ec *ec, const struct sonde_rb_frame *frame)
{
    static VALUE wanted[FRAMES_MAX];
    static int lines[FRAMES_MAX];
    int count = rb_profile_frames(0, FRAMES_MAX, wanted, lines), seen = 0, named = 0;
    const struct sonde_rb_frame *end =
        sonde_rb_stack_end(ec) - SONDE_RB_PROFILE_SKIPS_IDLE;
    for (; frame < end && seen < FRAMES_MAX; frame = sonde_rb_frame_outer(frame)) {
        struct sonde_rb_method method = {0};
        bool has_method = sonde_rb_env_method(frame->env, &method);
        unsigned type = has_method ? sonde_rb_method_type(method.entry) : UINT32_MAX;
        bool is_native = (sonde_rb_env_flags(frame->env) & SONDE_RB_FRAME_NATIVE) != 0 ||
                         (SONDE_RB_PROFILE_SKIPS_IDLE && frame->pc == NULL);
        named += sonde_rb_frame_is_c(frame) && method.id == rb_intern("each_key");
        if (is_native && (type != SONDE_RB_METHOD_C || !SONDE_RB_PROFILE_HAS_C)) {
            continue;
        }
        VALUE expected = is_native || type == SONDE_RB_METHOD_ISEQ ? (VALUE)method.entry
                                                                   : (VALUE)frame->iseq;
        if (seen >= count || wanted[seen] != expected ||
            (sonde_rb_frame_is_ruby(frame) &&
             lines[seen] != (int)sonde_rb_frame_line(frame))) {
            return false;
        }
        seen++;
    }
    return seen == count && named > 0;
}

/* A block in "run", called by a method that is a block. */
static bool
has_sample_methods(const struct sonde_rb_ec *ec, const struct sonde_rb_frame *frame)
{
    struct sonde_rb_method method;
    VALUE owner = frame->self;
    const struct sonde_rb_frame *end = sonde_rb_stack_end(ec);
    if (!sonde_rb_env_method(frame->env, &method) || method.id != rb_intern("run") ||
        method.owner != RBASIC_CLASS(owner) || method.is_block ||
        sonde_rb_attached_object(method.owner) != owner) {
        return false;
    }
    while (frame < end && !sonde_rb_frame_is_block_method(frame)) {
        frame = sonde_rb_frame_outer(frame);
    }
    /* Called by a block that is none, the whole sample. */
    return frame < end && sonde_rb_env_method(frame->env, &method) && method.is_block &&
           method.id == rb_intern("through") && frame + 1 < end &&
           sonde_rb_frame_is_ruby(sonde_rb_frame_outer(frame)) &&
           !sonde_rb_frame_is_block_method(sonde_rb_frame_outer(frame));
}

/* --- Variables ------------------------------------------------------------------------------- */

static VALUE
variable(const VALUE *env, const struct sonde_rb_body *body, unsigned from, unsigned to,
         const char *name)
{
    const VALUE *variables = sonde_rb_env_variables(env, body->local_table_size);
    for (unsigned i = from; i < to; i++) {
        if (body->local_table[i] == rb_intern(name)) {
            return variables[i];
        }
    }
    return Qundef;
}

static bool
locals_agree(const struct sonde_rb_frame *frame)
{
    const struct sonde_rb_body *block = frame->iseq->body;
    const VALUE *outer = sonde_rb_env_outer(frame->env);
    unsigned count = block->local_table_size;
    if (block->type != SONDE_RB_ISEQ_BLOCK || count != 2 || block->param.size != 1 ||
        !is_readable(sonde_rb_env_variables(frame->env, count), count * sizeof(VALUE)) ||
        variable(frame->env, block, 0, 1, "item") != INT2FIX(1) ||
        variable(frame->env, block, 1, 2, "own") != INT2FIX(11) || outer == NULL ||
        block->parent == NULL || !is_iseq_sound(block->parent)) {
        return false;
    }
    const struct sonde_rb_body *body = block->parent->body;
    unsigned given = body->param.size;
    count = body->local_table_size;
    const struct sonde_rb_iseq *iseq = NULL;
    VALUE handler = outer[SONDE_RB_ENV_OUTER_AT];
    bool is_moved = RARRAY_AREF(check.values, 0) == Qtrue;
    VALUE kept = variable(outer, body, given, count, "kept");
    /* The block is in its slot only if something made an object of it, as moving does. */
    bool has_block = body->param.flags.has_block && body->param.block_start >= 0 &&
                     (unsigned)body->param.block_start < given &&
                     body->local_table[body->param.block_start] == rb_intern("block") &&
                     !sonde_rb_env_has_block_slot(outer);
    if (!has_block ||
        (is_moved ? !RTEST(rb_obj_is_proc(handler))
                  : (handler & 3) != 1 ||
                        !is_readable((const void *)(handler & ~(VALUE)3), 24))) {
        return false;
    }
    VALUE made = sonde_rb_env_block(outer, &iseq);
    return sonde_rb_env_outer(outer) == NULL &&
           (is_moved ? made == handler : made == Qundef && is_iseq_sound(iseq)) &&
           is_readable(sonde_rb_env_variables(outer, count), count * sizeof(VALUE)) &&
           variable(outer, body, 0, given, "values") == check.values &&
           variable(outer, body, 0, given, "given") == INT2FIX(7) &&
           RB_TYPE_P(variable(outer, body, 0, given, "rest"), T_ARRAY) &&
           variable(outer, body, 0, given, "key") == INT2FIX(9) &&
           RB_TYPE_P(variable(outer, body, 0, given, "more"), T_HASH) &&
           (is_moved ? RTEST(rb_obj_is_proc(kept)) : NIL_P(kept));
}

/* --- The sample ------------------------------------------------------------------------------ */

static VALUE
is_yjit_on(VALUE unused)
{
    (void)unused;
    VALUE yjit = rb_path2class("RubyVM::YJIT");
    return RTEST(rb_funcall(yjit, rb_intern("enabled?"), 0)) ? Qtrue : Qfalse;
}

bool
sonde_rb_is_tracing_barred(void)
{
    const char *wish = getenv("SONDE_RUBY_YJIT");
    VALUE is_on = Qfalse;
    if (!SONDE_RB_TRACING_ENDS_YJIT || (wish != NULL && strcmp(wish, "1") == 0)) {
        return false;
    }
    return sonde_rb_protect(is_yjit_on, Qnil, &is_on) == 0 && is_on == Qtrue;
}

static void
on_sample(VALUE tracepoint, void *data)
{
    (void)data;
    rb_trace_arg_t *arg = rb_tracearg_from_tracepoint(tracepoint);
    const struct sonde_rb_ec *ec;
    bool frames_hold = false, locals_hold = false;
    if (is_readable_word(arg, sizeof(struct sonde_rb_trace_arg)) &&
        *(const rb_event_flag_t *)(const void *)arg == rb_tracearg_event_flag(arg)) {
        const struct sonde_rb_frame *frame = sonde_rb_trace_arg_frame(arg, &ec);
        frames_hold = is_stack_sound(ec, frame) && sonde_rb_frame_is_ruby(frame) &&
                      frame->self == rb_tracearg_self(arg) &&
                      sonde_rb_frame_line(frame) == SAMPLE_LINE &&
                      agrees_with_profile(ec, frame) && has_sample_methods(ec, frame);
        locals_hold = frames_hold && locals_agree(frame);
        if (frames_hold) {
            sonde_rb_target_verify(frame->iseq, tracepoint, is_readable_word);
        }
    }
    check.hits++;
    check.frames_hold = check.frames_hold && frames_hold;
    check.locals_hold = check.locals_hold && locals_hold;
}

static VALUE
run_samples(VALUE unused)
{
    (void)unused;
    VALUE class = rb_path2class("RubyVM::InstructionSequence");
    VALUE source = rb_str_new_static(sample_source, sizeof(sample_source) - 1);
    VALUE name = rb_str_new_cstr("<sonde>");
    VALUE code = rb_funcall(class, rb_intern("compile"), 2, source, name);
    VALUE sample = rb_funcall(code, rb_intern("eval"), 0);
    for (int moved = 0; moved < 2; moved++) {
        VALUE values = rb_ary_new_from_args(1, moved ? Qtrue : Qfalse);
        VALUE trace = rb_tracepoint_new(0, RUBY_EVENT_LINE, on_sample, NULL);
        check.values = values;
        rb_funcall(sample, rb_intern("call"), 3, trace, values, rb_obj_alloc(rb_cObject));
        RB_GC_GUARD(values);
    }
    return Qnil;
}

/* --- The rest -------------------------------------------------------------------------------- */

VALUE sonde_rb_leave_words[2];

static void
ignore_event(VALUE tracepoint, void *data)
{
    (void)tracepoint, (void)data;
}

static VALUE
last_word(VALUE block)
{
    int is_proc = 1;
    const struct sonde_rb_body *body = rb_proc_get_iseq(block, &is_proc)->body;
    return body->instructions[body->instruction_words - 1];
}

/* What a block's last instruction is, without and with somebody who is told of its end. */
static VALUE
learn_leave(VALUE unused)
{
    VALUE class = rb_path2class("RubyVM::InstructionSequence");
    VALUE code = rb_funcall(class, rb_intern("compile"), 1, rb_str_new_cstr("-> { 1 }"));
    VALUE block = rb_funcall(code, rb_intern("eval"), 0);
    VALUE trace = rb_tracepoint_new(0, RUBY_EVENT_B_RETURN, ignore_event, NULL);
    VALUE how = rb_hash_new();
    rb_hash_aset(how, ID2SYM(rb_intern("target")), block);
    sonde_rb_leave_words[0] = last_word(block);
    rb_funcallv_kw(trace, rb_intern("enable"), 1, &how, RB_PASS_KEYWORDS);
    sonde_rb_leave_words[1] = last_word(block);
    rb_tracepoint_disable(trace);
    return unused;
}

#if RUBY_API_VERSION_CODE >= 40000
const rb_data_type_t *sonde_rb_core_set_type;

static VALUE
find_sets(VALUE unused)
{
    VALUE set = rb_set_new();
    sonde_rb_core_set_type = RTYPEDDATA_P(set) ? RTYPEDDATA_TYPE(set) : NULL;
    return unused;
}
#else
static VALUE
find_sets(VALUE unused)
{
    return unused; /* they are written in Ruby */
}
#endif

#if RUBY_API_VERSION_CODE >= 30300
struct sonde_rb_ractors sonde_rb_ractors;

/* Looks for the number of Ractors, on the main one. Without it they are counted by Ruby. */
static VALUE
find_ractors(VALUE unused)
{
    VALUE count = rb_funcall(rb_cRactor, rb_intern("count"), 0);
    const VALUE *thread = sonde_rb_data(rb_thread_main());
    const struct sonde_rb_vm *vm = (const void *)thread[SONDE_RB_THREAD_VM_AT];
    sonde_rb_ractors.count = NULL;
    if (is_readable_word(vm, sizeof(*vm)) && vm->main_thread == thread &&
        (VALUE)vm->main_ractor == thread[SONDE_RB_THREAD_RACTOR_AT] &&
        count == UINT2NUM(vm->count)) {
        sonde_rb_ractors.count = &vm->count;
    }
    return unused;
}
#else
static VALUE
find_ractors(VALUE unused)
{
    return unused; /* nothing to look for */
}
#endif

static VALUE
find_names(VALUE unused)
{
    (void)unused;
    sonde_rb_names = (struct sonde_rb_names){
        .message = rb_intern("mesg"),
        .cause = rb_intern("cause"),
        .members = rb_intern("__members__"),
    };
    return Qnil;
}

/* Qtrue: a sequence that was just compiled is told from other objects. */
static VALUE
verify_walk(VALUE unused)
{
    (void)unused;
    VALUE class = rb_path2class("RubyVM::InstructionSequence");
    VALUE wrapper = rb_funcall(class, rb_intern("compile"), 1, rb_str_new_cstr("1"));
    VALUE iseq = (VALUE)rb_iseqw_to_iseq(wrapper);
    bool holds = sonde_rb_is_iseq(iseq) && !sonde_rb_is_iseq(wrapper) &&
                 !sonde_rb_is_iseq(INT2FIX(1)) && is_iseq_sound((const void *)iseq) &&
                 sonde_rb_iseq_is_made((const void *)iseq);
    RB_GC_GUARD(wrapper);
    return holds ? Qtrue : Qfalse;
}

static bool
has_time(VALUE time, VALUE nanoseconds, bool is_utc, VALUE offset)
{
    struct sonde_rb_time inside;
    return RB_TYPE_P(time, T_DATA) &&
           is_readable_word(sonde_rb_data(time), SONDE_RB_TIME_INSIDE_BYTES) &&
           sonde_rb_time_of_object(time, &inside) && inside.nanoseconds == nanoseconds &&
           inside.is_utc == is_utc && inside.has_offset == !is_utc &&
           (is_utc || inside.offset == offset);
}

/* Qtrue: times and methods are laid out as known. */
static VALUE
verify_values(VALUE unused)
{
    (void)unused;
    struct timespec moment = {.tv_sec = 1500000000, .tv_nsec = 25};
    VALUE nanoseconds = LONG2NUM(1500000000000000025);
    VALUE near = rb_time_timespec_new(&moment, 7200),
          utc = rb_time_timespec_new(&moment, INT_MAX - 1);
    VALUE local = rb_time_timespec_new(&moment, INT_MAX);
    struct sonde_rb_time inside;
    bool holds = has_time(near, nanoseconds, false, INT2FIX(7200)) &&
                 has_time(utc, nanoseconds, true, Qnil) && RB_TYPE_P(local, T_DATA) &&
                 sonde_rb_time_of_object(local, &inside) && !inside.is_utc &&
                 !inside.has_offset;
    VALUE object = rb_obj_method(INT2FIX(1), ID2SYM(rb_intern("div")));
    struct sonde_rb_method method;
    const VALUE *data = sonde_rb_data(object);
    holds = holds &&
            is_readable_word(data, (SONDE_RB_METHOD_ENTRY_AT + 1) * sizeof(VALUE)) &&
            is_entry_sound(data[SONDE_RB_METHOD_ENTRY_AT], 1) &&
            sonde_rb_method_of_object(object, &method) && method.owner == rb_cInteger &&
            method.id == rb_intern("div");
    RB_GC_GUARD(object);
    RB_GC_GUARD(near);
    RB_GC_GUARD(utc);
    RB_GC_GUARD(local);
    return holds ? Qtrue : Qfalse;
}

/* Qtrue: singleton classes and methods are found as known. */
static VALUE
verify_methods(VALUE unused)
{
    (void)unused;
    VALUE object = rb_obj_alloc(rb_cObject), class = rb_singleton_class(object);
    VALUE method = rb_obj_method(INT2FIX(1), ID2SYM(rb_intern("div")));
    struct sonde_rb_method fact;
    const VALUE *data = sonde_rb_data(method);
    bool holds =
        sonde_rb_singleton_of(object) == class && sonde_rb_singleton_of(method) == 0 &&
        sonde_rb_own_constant(rb_cObject, rb_intern("Comparable")) == rb_mComparable &&
        sonde_rb_own_constant(rb_cString, rb_intern("Comparable")) == Qundef &&
        is_readable_word(data, (SONDE_RB_METHOD_ENTRY_AT + 1) * sizeof(VALUE)) &&
        sonde_rb_method_run_by(method, &fact) && fact.owner == rb_cInteger;
    RB_GC_GUARD(object);
    RB_GC_GUARD(method);
    return holds ? Qtrue : Qfalse;
}

static VALUE
verify_unwinding(VALUE unused)
{
    (void)unused;
    return sonde_rb_unwind_find() ? Qtrue : Qfalse;
}

static VALUE
verify_symbols(VALUE unused)
{
    (void)unused;
    return sonde_rb_symbols_verify(is_readable_word, !sonde_rb_is_tracing_barred());
}

static bool
open_pipe(void)
{
    if (pipe(check.pipe) != 0) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        fcntl(check.pipe[i], F_SETFD, FD_CLOEXEC);
    }
    return true;
}

unsigned
sonde_rb_verify(unsigned forced)
{
    unsigned parts = 0;
    VALUE result = Qfalse;
    if (sonde_rb_protect(find_names, Qnil, NULL) != 0 || !open_pipe()) {
        return 0;
    }
    sonde_rb_protect(find_ractors, Qnil, NULL);
    sonde_rb_protect(find_sets, Qnil, NULL);
    if (sonde_rb_protect(verify_walk, Qnil, &result) == 0 && result == Qtrue) {
        parts |= 1u << SONDE_RB_PART_WALK;
    }
    if (sonde_rb_protect(verify_values, Qnil, &result) == 0 && result == Qtrue) {
        parts |= 1u << SONDE_RB_PART_VALUES;
    }
    check.hits = 0;
    check.frames_hold = check.locals_hold = true;
    if (!sonde_rb_is_tracing_barred() && sonde_rb_protect(run_samples, Qnil, NULL) == 0 &&
        check.hits == 2) {
        parts |= (unsigned)check.frames_hold << SONDE_RB_PART_FRAMES;
        parts |= (unsigned)check.locals_hold << SONDE_RB_PART_LOCALS;
    }
    check.values = Qnil;
    if (sonde_rb_protect(verify_methods, Qnil, &result) == 0 && result == Qtrue) {
        parts |= 1u << SONDE_RB_PART_METHODS;
    }
    if (sonde_rb_protect(verify_symbols, Qnil, &result) == 0 && result == Qtrue) {
        parts |= 1u << SONDE_RB_PART_SYMBOLS;
    }
    if (parts & 1u << SONDE_RB_PART_FRAMES && rb_iseq_event_flags == NULL) {
        sonde_rb_protect(learn_leave, Qnil, NULL);
    }
    if (parts & 1u << SONDE_RB_PART_FRAMES &&
        sonde_rb_protect(verify_unwinding, Qnil, &result) == 0 && result == Qtrue) {
        parts |= 1u << SONDE_RB_PART_UNWINDING;
    }
    close(check.pipe[0]);
    close(check.pipe[1]);
    return parts & ~forced;
}
