/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include "core/base/os.h"
#include "scalars.h"
#include "state.h"
#include "text.h"
#include "values.h"

#include <stdatomic.h>
#include <stdio.h>

/* The context of the frame that was asked for last on this thread; it bounds the stack. */
static _Thread_local const struct sonde_rb_ec *context;

const struct sonde_rb_frame *
sonde_rb_frame_of(VALUE tracepoint)
{
    if (!sonde_rb_has(SONDE_RB_PART_FRAMES)) {
        return NULL;
    }
    const struct sonde_rb_frame *frame =
        sonde_rb_trace_arg_frame(rb_tracearg_from_tracepoint(tracepoint), &context);
    return frame != NULL && sonde_rb_frame_is_ruby(frame) ? frame : NULL;
}

/* --- Stacks --------------------------------------------------------------------------------- */

/* Not one that the VM keeps under the main script and that has not run an instruction. */
static bool
runs_ruby(const struct sonde_rb_frame *frame)
{
    return sonde_rb_frame_is_ruby(frame) && frame->pc > frame->iseq->body->instructions;
}

static const struct sonde_rb_frame *
next_frame(const struct sonde_rb_frame *frame, const struct sonde_rb_frame *end)
{
    do {
        frame = sonde_rb_frame_outer(frame);
    } while (frame < end && !runs_ruby(frame) && !sonde_rb_frame_is_c(frame));
    return frame < end ? frame : NULL;
}

/* The Ruby frame that called a C function. */
static const struct sonde_rb_frame *
ruby_caller(const struct sonde_rb_frame *frame, const struct sonde_rb_frame *end)
{
    do {
        frame = next_frame(frame, end);
    } while (frame != NULL && !sonde_rb_frame_is_ruby(frame));
    return frame;
}

/* "block in " for a block in what define_method made a method of a block. */
static struct sonde_str
prefix_in_block_method(const struct sonde_rb_frame *frame, char *buf, size_t size)
{
    unsigned levels = 0;
    const VALUE *env = frame->env;
    const struct sonde_rb_iseq *iseq = frame->iseq;
    while (env != NULL && iseq != NULL &&
           !(sonde_rb_env_flags(env) & SONDE_RB_FRAME_BLOCK_METHOD)) {
        levels += iseq->body->type == SONDE_RB_ISEQ_BLOCK;
        env = sonde_rb_env_outer(env);
        iseq = iseq->body->parent;
    }
    if (levels == 0) {
        return SONDE_STR("");
    }
    if (levels == 1) {
        return SONDE_STR("block in ");
    }
    int len = snprintf(buf, size, "block (%u levels) in ", levels);
    return (struct sonde_str){buf, len > 0 && (size_t)len < size ? (size_t)len : 0};
}

static struct sonde_str
frame_name(const struct sonde_rb_frame *frame, char *buf)
{
    char prefix_buf[48];
    struct sonde_rb_method method;
    bool has_method = sonde_rb_env_method(frame->env, &method);
    if (!sonde_rb_frame_is_ruby(frame)) {
        return has_method ? sonde_rb_method_text(SONDE_STR(""), method.owner,
                                                 sonde_rb_id_text(method.id), buf)
                          : SONDE_STR("");
    }
    struct sonde_str label = sonde_rb_text(frame->iseq->body->location.label);
    if (!has_method) {
        return label;
    }
    if (method.is_block) {
        return sonde_rb_method_text(
            prefix_in_block_method(frame, prefix_buf, sizeof(prefix_buf)), method.owner,
            sonde_rb_id_text(method.id), buf);
    }
    struct sonde_str base = sonde_rb_text(frame->iseq->body->location.base_label);
    struct sonde_str evaled =
        SONDE_STR("<compiled>"); /* 3.4: until then by the method's name */
    if (sonde_str_ends_with(label, base)) {
        label.len -= base.len; /* "block in " */
    } else if (sonde_str_ends_with(label, evaled)) {
        label.len -= evaled.len;
    } else {
        return label;
    }
    return sonde_rb_method_text(label, method.owner, base, buf);
}

void
sonde_rb_write_frames(struct sonde_tape *tape, const struct sonde_rb_frame *frame,
                      uint32_t line)
{
    char buf[SONDE_RB_NAME_BYTES];
    struct sonde_str file = {"", 0};
    const struct sonde_rb_frame *end = sonde_rb_stack_end(context);
    const struct sonde_rb_frame *located = NULL; /* the Ruby frame of `file` and `line` */
    if (line != 0 && sonde_rb_frame_is_ruby(frame)) {
        file = sonde_rb_text(rb_iseq_path(frame->iseq));
        located = frame;
    }
    for (; frame != NULL; frame = next_frame(frame, end)) {
        /* A C function has the place of the Ruby code that called it, as in a backtrace. */
        if (located == NULL || frame > located) {
            located = sonde_rb_frame_is_ruby(frame) ? frame : ruby_caller(frame, end);
            file = located != NULL ? sonde_rb_text(rb_iseq_path(located->iseq))
                                   : SONDE_STR("");
            line = located != NULL ? sonde_rb_frame_line(located) : 0;
        }
        if (!sonde_tape_frame(tape, file, frame_name(frame, buf), line)) {
            break;
        }
    }
}

void
sonde_rb_write_stack(struct sonde_tape *tape, const struct sonde_rb_frame *frame,
                     uint32_t line)
{
    sonde_tape_stack_begin(tape);
    sonde_rb_write_frames(tape, frame, line);
    sonde_tape_stack_end(tape);
}

size_t
sonde_rb_count_frames(const struct sonde_rb_frame *frame)
{
    const struct sonde_rb_frame *end = sonde_rb_stack_end(context);
    size_t count = 0;
    for (; frame != NULL; frame = next_frame(frame, end)) {
        count++;
    }
    return count;
}

/* --- Thread --------------------------------------------------------------------------------- */

#define LOOKS_APART 64 /* captures */

static atomic_uint fork_count;

void
sonde_rb_frames_after_fork(void)
{
    atomic_fetch_add_explicit(&fork_count, 1, memory_order_relaxed);
}

/* What the kernel says of this thread: two system calls, so not for each capture. The id changes only
 * with a fork; the name may at any time (Thread#name= sets it, and the VM names other threads by
 * their place), mostly when the thread has just begun. */
static _Thread_local struct {
    uint64_t id; /* 0: not asked yet */
    unsigned fork_count;
    unsigned looks_left;
    char name[32];
} me;

void
sonde_rb_write_thread(struct sonde_tape *tape)
{
    unsigned forks = atomic_load_explicit(&fork_count, memory_order_relaxed);
    if (me.id == 0 || me.fork_count != forks) {
        me.id = sonde_os_thread_id();
        me.fork_count = forks;
        me.looks_left = 0;
    }
    if (me.looks_left-- == 0) {
        sonde_os_thread_name_get(me.name, sizeof(me.name));
        me.looks_left = LOOKS_APART;
    }
    sonde_tape_thread(tape, me.id, sonde_str_from(me.name));
}

/* --- Variables ------------------------------------------------------------------------------ */

/* One level of variables: an environment and the sequence that says what is in it. */
struct scope {
    const VALUE *env;
    const struct sonde_rb_body *body;
};

static struct scope
scope_of(const struct sonde_rb_frame *frame)
{
    return (struct scope){frame->env, frame->iseq->body};
}

static bool
try_outer(struct scope *scope)
{
    const VALUE *env = sonde_rb_env_outer(scope->env);
    if (env == NULL || scope->body->parent == NULL) {
        return false;
    }
    *scope = (struct scope){env, scope->body->parent->body};
    return true;
}

/* The scope whose parameters are those of the frame: that of the method or the block itself also
 * while a `rescue` or an `ensure` of it runs, which has a scope of its own. */
static struct scope
scope_of_parameters(const struct sonde_rb_frame *frame)
{
    struct scope scope = scope_of(frame);
    while ((scope.body->type == SONDE_RB_ISEQ_RESCUE ||
            scope.body->type == SONDE_RB_ISEQ_ENSURE) &&
           try_outer(&scope)) {
    }
    return scope;
}

/* Whether slot i is a method's &block of which no object was made yet: the code needed none so
 * far. A block's own &block is always an object. */
static bool
is_unmade_block(const struct scope *scope, unsigned i)
{
    return scope->body->param.flags.has_block &&
           (int)i == scope->body->param.block_start &&
           sonde_rb_env_outer(scope->env) == NULL &&
           !sonde_rb_env_has_block_slot(scope->env);
}

static void
write_block(struct sonde_tape *tape, const VALUE *env)
{
    char buf[SONDE_RB_NAME_BYTES];
    struct sonde_str text = SONDE_STR("#<Proc>");
    const struct sonde_rb_iseq *iseq;
    VALUE block = sonde_rb_env_block(env, &iseq);
    if (iseq != NULL) {
        text = sonde_rb_block_text(iseq, false, buf);
    } else if (block != Qundef && SYMBOL_P(block)) {
        size_t at = sonde_rb_append(buf, 0, SONDE_STR("#<Proc(&:"));
        at = sonde_rb_append(buf, at, sonde_rb_text(rb_sym2str(block)));
        text = (struct sonde_str){buf, sonde_rb_append(buf, at, SONDE_STR(")>"))};
    } else if (block != Qundef) {
        sonde_rb_write_value(tape, block);
        return;
    }
    sonde_tape_text(tape, SONDE_STR("Proc"), SONDE_ENCODING_UTF8, text.ptr, text.len);
}

static bool
has_variable(const struct sonde_rb_body *body, unsigned count, ID name)
{
    for (unsigned i = 0; i < count; i++) {
        if (body->local_table[i] == name) {
            return true;
        }
    }
    return false;
}

/* Whether a scope further in than `scope` has a variable of that name. */
static bool
is_hidden(const struct sonde_rb_frame *frame, const struct scope *scope, ID name)
{
    struct scope inner = scope_of(frame);
    while (inner.env != scope->env) {
        if (has_variable(inner.body, inner.body->local_table_size, name) ||
            !try_outer(&inner)) {
            return true;
        }
    }
    return false;
}

/* Writes the variable in slot i, if it has a name and a value and is wanted. */
static void
write_variable(struct sonde_tape *tape, enum sonde_group group,
               const struct sonde_rb_frame *frame, const struct scope *scope, unsigned i)
{
    const struct sonde_rb_body *body = scope->body;
    ID id = body->local_table[i];
    VALUE value = sonde_rb_env_variables(scope->env, body->local_table_size)[i];
    if (!rb_is_local_id(id) || value == Qundef ||
        (value == Qfalse && sonde_rb_env_is_isolated(scope->env)) ||
        is_hidden(frame, scope, id)) {
        return;
    }
    struct sonde_str name = sonde_rb_id_text_briefly(id);
    /* Only these may stand more than once among the parameters. */
    if (name.len == 0 || (name.ptr[0] == '_' && has_variable(body, i, id)) ||
        !sonde_tape_wants(tape, group, name)) {
        return;
    }
    sonde_tape_name(tape, name);
    if (is_unmade_block(scope, i)) {
        write_block(tape, scope->env);
    } else {
        sonde_rb_write_value(tape, value);
    }
}

static void
write_variables(struct sonde_tape *tape, enum sonde_group group,
                const struct sonde_rb_frame *frame, const struct scope *scope,
                unsigned from, unsigned to)
{
    for (unsigned i = from; i < to && !sonde_tape_is_full(tape); i++) {
        write_variable(tape, group, frame, scope, i);
    }
}

void
sonde_rb_write_arguments(struct sonde_tape *tape, const struct sonde_rb_frame *frame)
{
    sonde_tape_group_begin(tape, SONDE_GROUP_ARGUMENTS);
    if (sonde_tape_wants(tape, SONDE_GROUP_ARGUMENTS, SONDE_STR("self"))) {
        sonde_tape_name(tape, SONDE_STR("self"));
        sonde_rb_write_value(tape, frame->self);
    }
    if (sonde_rb_has(SONDE_RB_PART_LOCALS)) {
        struct scope scope = scope_of_parameters(frame);
        write_variables(tape, SONDE_GROUP_ARGUMENTS, frame, &scope, 0,
                        scope.body->param.size);
    }
    sonde_tape_group_end(tape);
}

void
sonde_rb_write_locals(struct sonde_tape *tape, const struct sonde_rb_frame *frame)
{
    sonde_tape_group_begin(tape, SONDE_GROUP_LOCALS);
    if (sonde_rb_has(SONDE_RB_PART_LOCALS)) {
        struct scope scope = scope_of(frame);
        const VALUE *parameters = scope_of_parameters(frame).env;
        do {
            unsigned from = scope.env == parameters ? scope.body->param.size : 0;
            write_variables(tape, SONDE_GROUP_LOCALS, frame, &scope, from,
                            scope.body->local_table_size);
        } while (!sonde_tape_is_full(tape) && try_outer(&scope));
    }
    sonde_tape_group_end(tape);
}
