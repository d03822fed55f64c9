/* SPDX-License-Identifier: Apache-2.0 */
#include "compat/unwind.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Words before and after the tag where it is looked for. */
#define WORDS_BEFORE 64
#define WORDS_AFTER 256
#define WORDS (WORDS_BEFORE + WORDS_AFTER)

/* Words from the tag; WORDS: not known. */
static long found_at = WORDS;

/* The word there, whosever stack frame it is in: to a sanitizer it is no variable of ours. */
static __attribute__((noinline, no_sanitize_address)) VALUE
word_at(const VALUE *at)
{
    return *at;
}

/* --- Looking at a word -------------------------------------------------------------------------- */

/* Whether that much can be read: an address that is none is asked about, not tried. */
static bool
is_mapped(VALUE address, size_t size)
{
    static long page;
    unsigned char unused[2];
    if (page == 0) {
        page = sysconf(_SC_PAGESIZE);
    }
    VALUE from = address & ~(VALUE)(page - 1), to = address + size;
    return to > address && to - from <= 2 * (VALUE)page &&
           mincore((void *)from, (size_t)(to - from), unused) == 0;
}

/* Whether it could be an object: what is at its address can be read, and says that it is one. */
static bool
is_like_object(VALUE word)
{
    return !RB_SPECIAL_CONST_P(word) && word % sizeof(VALUE) == 0 &&
           is_mapped(word, sizeof(struct sonde_rb_throw)) &&
           RB_BUILTIN_TYPE(word) != RUBY_T_NONE;
}

static const struct sonde_rb_throw *
throw_of(VALUE word)
{
    return is_like_object(word) && RB_BUILTIN_TYPE(word) == RUBY_T_IMEMO &&
                   sonde_rb_imemo_kind(RBASIC(word)->flags) == SONDE_RB_IMEMO_THROW
               ? (const struct sonde_rb_throw *)word
               : NULL;
}

static bool
is_exception(VALUE word)
{
    if (!is_like_object(word) || RB_BUILTIN_TYPE(word) == RUBY_T_IMEMO) {
        return false;
    }
    VALUE class = RBASIC_CLASS(word);
    return is_like_object(class) && RB_BUILTIN_TYPE(class) == RUBY_T_CLASS &&
           RTEST(rb_obj_is_kind_of(word, rb_eException));
}

static enum sonde_rb_unwinding
read_word(VALUE word, const struct sonde_rb_frame *frame, VALUE *value)
{
    if (FIXNUM_P(word)) {
        return SONDE_RB_UNWINDING_KILL;
    }
    const struct sonde_rb_throw *jump = throw_of(word);
    if (jump != NULL) {
        *value = jump->value;
        return sonde_rb_throw_is_for_caller(jump, frame) ? SONDE_RB_UNWINDING_VALUE
                                                         : SONDE_RB_UNWINDING_JUMP;
    }
    if (!is_exception(word)) {
        return SONDE_RB_UNWINDING_UNKNOWN;
    }
    *value = word;
    return SONDE_RB_UNWINDING_ERROR;
}

enum sonde_rb_unwinding
sonde_rb_unwinding_of(const struct sonde_rb_ec *ec, const struct sonde_rb_frame *frame,
                      VALUE *value)
{
    if (found_at == WORDS) {
        return SONDE_RB_UNWINDING_UNKNOWN;
    }
    return read_word(word_at(sonde_rb_ec_tag(ec) + found_at), frame, value);
}

bool
sonde_rb_unwinding_is_return(const struct sonde_rb_ec *ec, VALUE *jump,
                             const struct sonde_rb_frame **until)
{
    VALUE word = found_at != WORDS ? word_at(sonde_rb_ec_tag(ec) + found_at) : Qnil;
    const struct sonde_rb_throw *found = throw_of(word);
    if (found == NULL || found->jump != SONDE_RB_JUMP_RETURN) {
        return false;
    }
    *jump = word;
    *until = found->until;
    return true;
}

/* --- Finding it --------------------------------------------------------------------------------- */

/* `holder`'s first method keeps the application's own of that name from being called. */
static const char sample_source[] =
    "->(holder, define) do\n"
    "  def holder.singleton_method_added(*); end\n"
    "  def holder.through(*); yield; end\n"
    "  def holder.deeper(*); through { yield }; end\n"
    "  def holder.ensured(*)\n"
    "    yield\n"
    "  ensure\n"
    "    through { break 1 }\n"
    "  end\n"
    "  def holder.broken(value); through { break value }; end\n"
    "  def holder.returned(value)\n"
    "    through { return value }\n"
    "  end\n"
    "  def holder.outer(value)\n"
    "    returned(value)\n"
    "  end\n"
    "  def holder.plain(value); value; end\n"
    "  define.call(:made) { |*, &block| block.call }\n"
    "  define.call(:made_returned) { |value| return value }\n"
    "end\n";

static const struct sample {
    const char *call, *method; /* what is called; frames of which method count */
    enum sonde_rb_unwinding kind;
    bool throws;  /* by C code */
    bool returns; /* as every function does */
} samples[] = {
    {"through", "through", SONDE_RB_UNWINDING_ERROR, .throws = false},
    {"deeper", "deeper", SONDE_RB_UNWINDING_ERROR, .throws = false},
    {"ensured", "ensured", SONDE_RB_UNWINDING_ERROR, .throws = false},
    {"made", "made", SONDE_RB_UNWINDING_ERROR, .throws = false},
    {"through", "through", SONDE_RB_UNWINDING_JUMP, .throws = true},
    {"deeper", "deeper", SONDE_RB_UNWINDING_JUMP, .throws = true},
    {"ensured", "ensured", SONDE_RB_UNWINDING_JUMP, .throws = true},
    {"made", "made", SONDE_RB_UNWINDING_JUMP, .throws = true},
    {"broken", "through", SONDE_RB_UNWINDING_VALUE, .throws = false},
    {"returned", "returned", SONDE_RB_UNWINDING_VALUE, .throws = false},
    {"outer", "returned", SONDE_RB_UNWINDING_VALUE, .throws = false},
    {"outer", "through", SONDE_RB_UNWINDING_JUMP, .throws = false},
    {"made_returned", "made_returned", SONDE_RB_UNWINDING_VALUE, .throws = false},
    {"broken", "broken", SONDE_RB_UNWINDING_UNKNOWN, .returns = true},
    {"outer", "outer", SONDE_RB_UNWINDING_UNKNOWN, .returns = true},
    {"plain", "plain", SONDE_RB_UNWINDING_UNKNOWN, .returns = true},
};

/* Guarded by the VM lock. */
static struct finding {
    const struct sample *sample;
    ID id;            /* of its method */
    VALUE object;     /* that is raised, or thrown, or returned */
    unsigned hits;    /* of this sample */
    bool is_wrong;    /* something is not as known */
    const VALUE *top; /* of what may be looked at */
    bool is_out[WORDS];
} finding;

static bool
is_right_word(VALUE word)
{
    if (finding.sample->kind == SONDE_RB_UNWINDING_ERROR) {
        return word == finding.object;
    }
    const struct sonde_rb_throw *jump = throw_of(word);
    return jump != NULL && jump->value == finding.object;
}

static void
look_at_stack(const struct sonde_rb_ec *ec, const struct sonde_rb_frame *frame)
{
    VALUE value = Qundef;
    const VALUE *here = (const VALUE *)(const void *)&value, *tag = sonde_rb_ec_tag(ec);
    if ((uintptr_t)tag % sizeof(VALUE) != 0 || tag < here || tag > finding.top) {
        finding.is_wrong = true;
        return;
    }
    if (found_at != WORDS) {
        enum sonde_rb_unwinding kind = sonde_rb_unwinding_of(ec, frame, &value);
        finding.is_wrong =
            finding.is_wrong || kind != finding.sample->kind || value != finding.object;
        return;
    }
    for (long i = 0; i < WORDS; i++) {
        const VALUE *at = tag + i - WORDS_BEFORE;
        finding.is_out[i] = finding.is_out[i] || at < here || at >= finding.top ||
                            !is_right_word(word_at(at));
    }
}

static void
on_sample(VALUE tracepoint, void *data)
{
    (void)data;
    rb_trace_arg_t *arg = rb_tracearg_from_tracepoint(tracepoint);
    rb_event_flag_t event = rb_tracearg_event_flag(arg);
    const struct sonde_rb_ec *ec;
    const struct sonde_rb_frame *frame = sonde_rb_trace_arg_frame(arg, &ec);
    struct sonde_rb_method method;
    if (!sonde_rb_frame_is_ruby(frame) || !sonde_rb_env_method(frame->env, &method) ||
        method.id != finding.id ||
        (event == RUBY_EVENT_B_RETURN && !sonde_rb_frame_is_block_method(frame))) {
        return;
    }
    finding.hits++;
    bool returns = sonde_rb_frame_tells(frame, event);
    if (returns != finding.sample->returns) {
        finding.is_wrong = true;
    } else if (!returns) {
        look_at_stack(ec, frame);
    }
}

static VALUE
leave_block(RB_BLOCK_CALL_FUNC_ARGLIST(unused, unused_too))
{
    (void)unused, (void)unused_too, (void)argc, (void)argv, (void)blockarg;
    if (finding.sample->throws) {
        rb_throw_obj(finding.object, Qnil);
    }
    rb_exc_raise(finding.object);
    return Qnil;
}

static VALUE
call_sample(VALUE holder)
{
    VALUE object = finding.object;
    return rb_block_call(holder, rb_intern(finding.sample->call), 1, &object, leave_block,
                         Qnil);
}

static VALUE
call_caught(RB_BLOCK_CALL_FUNC_ARGLIST(unused, holder))
{
    (void)unused, (void)argc, (void)argv, (void)blockarg;
    return call_sample(holder);
}

static VALUE
forget(VALUE arg, VALUE error)
{
    (void)arg, (void)error;
    return Qnil;
}

static VALUE
run_samples(VALUE holder)
{
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        /* Each with an object of its own: one that went before may still lie about. */
        VALUE object = rb_exc_new_cstr(rb_eRuntimeError, "sonde");
        finding.sample = &samples[i];
        finding.id = rb_intern(samples[i].method);
        finding.object = object;
        finding.hits = 0;
        if (samples[i].throws) {
            rb_catch_obj(object, call_caught, holder);
        } else {
            rb_rescue2(call_sample, holder, forget, Qnil, rb_eException, (VALUE)0);
        }
        finding.is_wrong = finding.is_wrong || finding.hits != 1;
        RB_GC_GUARD(object);
    }
    return Qnil;
}

static VALUE
disable(VALUE trace)
{
    return rb_tracepoint_disable(trace);
}

/* A TracePoint can target only once. */
static void
trace_samples(VALUE sample, VALUE holder)
{
    VALUE trace =
        rb_tracepoint_new(0, RUBY_EVENT_RETURN | RUBY_EVENT_B_RETURN, on_sample, NULL);
    VALUE how = rb_hash_new();
    rb_hash_aset(how, ID2SYM(rb_intern("target")), sample);
    rb_funcallv_kw(trace, rb_intern("enable"), 1, &how, RB_PASS_KEYWORDS);
    rb_ensure(run_samples, holder, disable, trace);
}

bool
sonde_rb_unwind_find(void)
{
    static bool is_checked;
    if (is_checked) {
        return true;
    }
    VALUE class = rb_path2class("RubyVM::InstructionSequence");
    VALUE code = rb_funcall(class, rb_intern("compile"), 2,
                            rb_str_new_static(sample_source, sizeof(sample_source) - 1),
                            rb_str_new_cstr("<sonde>"));
    VALUE sample = rb_funcall(code, rb_intern("eval"), 0);
    VALUE holder = rb_obj_alloc(rb_cObject);
    VALUE define = rb_obj_method(holder, ID2SYM(rb_intern("define_singleton_method")));
    rb_funcall(sample, rb_intern("call"), 2, holder, define);
    finding = (struct finding){.top = (const VALUE *)(const void *)&define};
    found_at = WORDS;
    trace_samples(sample, holder);
    long i = 0;
    while (i < WORDS && finding.is_out[i]) {
        i++;
    }
    if (finding.is_wrong || i == WORDS) {
        return false;
    }
    found_at = i - WORDS_BEFORE;
    trace_samples(sample, holder);
    if (finding.is_wrong) {
        found_at = WORDS;
    }
    RB_GC_GUARD(code);
    is_checked = found_at != WORDS;
    return is_checked;
}
