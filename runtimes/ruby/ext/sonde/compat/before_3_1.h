/* SPDX-License-Identifier: Apache-2.0
 *
 * What was so up to CRuby 3.0; included behind since_2_7.h. */
#ifndef SONDE_RB_BEFORE_3_1_H
#define SONDE_RB_BEFORE_3_1_H

#define SONDE_RB_TARGETS_KEEP_DELETED 1 /* see target_hooks.h */

#define SONDE_RB_ISEQ_EVAL 6 /* vm_core.h: enum iseq_type */

/* vm_eval.c: eval_make_iseq gives eval'd code the path that it was given, or that of the binding, for a
 * real path. What is compiled by eval while we are told of it is marked, with all that is in it; the
 * methods that were defined so before that look like the file's. Given the TracePoint of
 * :script_compiled; may raise. */
static inline VALUE
sonde_rb_mark_evaled(RB_BLOCK_CALL_FUNC_ARGLIST(wrapper, unused))
{
    (void)argc, (void)argv, (void)blockarg;
    rb_ivar_set(wrapper, rb_intern("__sonde_evaled"), Qtrue);
    rb_block_call(wrapper, rb_intern("each_child"), 0, NULL, sonde_rb_mark_evaled,
                  unused);
    return Qnil;
}

static inline void
sonde_rb_note_evaled(VALUE tracepoint, VALUE wrapper)
{
    if (!NIL_P(rb_iseq_realpath(rb_iseqw_to_iseq(wrapper))) &&
        !NIL_P(rb_funcall(tracepoint, rb_intern("eval_script"), 0))) {
        sonde_rb_mark_evaled(wrapper, Qnil, 0, NULL, Qnil);
    }
}

/* The real path of the file that it was loaded from; nil: eval'd, it is in no file. */
static inline VALUE
sonde_rb_iseq_file(const struct sonde_rb_iseq *iseq)
{
    for (const struct sonde_rb_iseq *at = iseq; at != NULL; at = at->body->parent) {
        if (at->body->type == SONDE_RB_ISEQ_EVAL) {
            return Qnil;
        }
    }
    bool is_evaled = iseq->wrapper != 0 && RB_TYPE_P(iseq->wrapper, T_DATA) &&
                     rb_attr_get(iseq->wrapper, rb_intern("__sonde_evaled")) == Qtrue;
    return is_evaled ? Qnil : rb_iseq_realpath(iseq);
}

#endif
