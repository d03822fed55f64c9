/* SPDX-License-Identifier: Apache-2.0
 *
 * What the probing of methods needs to know of the VM: the same from CRuby 2.7 to 3.4, tested on 3.1. Included at
 * the end of compat.h. */
#ifndef SONDE_RB_COMPAT_METHODS_H
#define SONDE_RB_COMPAT_METHODS_H

/* --- Instructions -------------------------------------------------------------------------------- */

/* iseq.h. The events of the instruction at that place. Weak: not exported since 3.3. */
__attribute__((weak)) rb_event_flag_t
rb_iseq_event_flags(const struct sonde_rb_iseq *iseq, size_t position);

/* The instruction that ends a method or block, as it is and as it is while somebody is told of it.
 * Learned at load by sonde_rb_verify; 0: not known. */
extern VALUE sonde_rb_leave_words[2];

/* Whether the instruction that a Ruby frame is at has that event; in the middle of :return: whether
 * the frame returns, and is not left in another way. vm_insnhelper.c: vm_trace */
static inline bool
sonde_rb_frame_tells(const struct sonde_rb_frame *frame, rb_event_flag_t event)
{
    ptrdiff_t at = frame->pc - frame->iseq->body->instructions;
    if (rb_iseq_event_flags ==
        NULL) { /* of :return and :b_return only, which `leave` has */
        return at > 0 && (frame->pc[-1] == sonde_rb_leave_words[0] ||
                          frame->pc[-1] == sonde_rb_leave_words[1]);
    }
    return at > 0 && (rb_iseq_event_flags(frame->iseq, (size_t)at - 1) & event) != 0;
}

/* --- What unwinds a frame: internal/imemo.h, vm_core.h ------------------------------------------- */

enum {
    SONDE_RB_IMEMO_THROW = 3, /* enum imemo_type */
    SONDE_RB_JUMP_RETURN = 1, /* enum ruby_tag_type */
    SONDE_RB_JUMP_BREAK = 2,
};

struct sonde_rb_throw { /* struct vm_throw_data */
    VALUE flags;
    VALUE reserved;
    VALUE value; /* of the `break`, the `return`; the tag of a throw */
    const struct sonde_rb_frame *until; /* the frame that gets the value */
    int jump;
};

#define SONDE_RB_FRAME_FINISH 0x0020u /* called from C, or a method that is a block */

/* Whether the frame's own `return` out of a block ends it, or a `break` out of the block that it was given:
 * then its caller gets the value. What goes to the caller itself (a `return` there) has the caller for its
 * end too; it is told apart since the VM turns a frame's own into a `break`, but for frames that are
 * called from C. vm.c: vm_exec_handle_exception */
static inline bool
sonde_rb_throw_is_for_caller(const struct sonde_rb_throw *jump,
                             const struct sonde_rb_frame *frame)
{
    bool is_finish = (sonde_rb_env_flags(frame->env) & SONDE_RB_FRAME_FINISH) != 0;
    return jump->until == sonde_rb_frame_outer(frame) &&
           (jump->jump == SONDE_RB_JUMP_BREAK ||
            (jump->jump == SONDE_RB_JUMP_RETURN && is_finish));
}

/* Where C code that jumps would land: rb_execution_context_t, behind cfp. */
static inline const VALUE *
sonde_rb_ec_tag(const struct sonde_rb_ec *ec)
{
    return ((const VALUE *const *)(const void *)ec)[3];
}

/* --- Constants: constant.h ----------------------------------------------------------------------- */

struct sonde_rb_constant { /* rb_const_entry_t, up to the value */
    int flag;
    int line;
    VALUE value; /* Qundef: an autoload */
};

/* The module's own table: no ancestor, no const_missing, no autoload, no warning. Weak: not exported
 * since 3.3. */
__attribute__((weak)) struct sonde_rb_constant *rb_const_lookup(VALUE module, ID name);

/* The value of a constant of this very module; Qundef: it has none of that name, or one that is to be
 * loaded when it is asked for. Never raises, loads nothing, warns of nothing. */
static inline VALUE
sonde_rb_own_constant(VALUE module, ID name)
{
    const struct sonde_rb_constant *found = NULL;
    if (rb_const_lookup != NULL) {
        found = rb_const_lookup(module, name);
    } else { /* variable.c: a copy of the whole table, which it makes itself */
        st_table *all = rb_mod_const_at(module, NULL);
        st_data_t entry = 0;
        if (st_lookup(all, name, &entry)) {
            found = (const struct sonde_rb_constant *)entry;
        }
        VALUE value = found != NULL ? found->value : Qundef;
        st_free_table(all);
        return value;
    }
    return found != NULL ? found->value : Qundef;
}

/* --- Methods: method.h, proc.c ------------------------------------------------------------------- */

enum { /* rb_method_type_t */
       SONDE_RB_METHOD_WRITER = 2,
       SONDE_RB_METHOD_READER = 3,
       SONDE_RB_METHOD_ALIAS = 6,
};

/* A Method or an UnboundMethod as its frames have it: an alias is its original. False: not
 * initialized. */
static inline bool
sonde_rb_method_run_by(VALUE object, struct sonde_rb_method *out)
{
    struct sonde_rb_method method;
    if (!sonde_rb_method_of_object(object, &method)) {
        return false;
    }
    const struct sonde_rb_method_entry *entry = method.entry;
    while (entry != NULL && entry->def != NULL &&
           sonde_rb_method_type(entry) == SONDE_RB_METHOD_ALIAS) {
        entry = entry->def->body[0]; /* rb_method_alias_t */
    }
    return sonde_rb_entry_method(entry, out);
}

/* The singleton class of an object, if it has one; 0: none. class.c: rb_singleton_class_get */
static inline VALUE
sonde_rb_singleton_of(VALUE object)
{
    if (RB_SPECIAL_CONST_P(object)) {
        return 0;
    }
    VALUE class = RBASIC_CLASS(object);
    return class != 0 && RB_FL_TEST_RAW(class, RUBY_FL_SINGLETON) &&
                   sonde_rb_attached_object(class) == object
               ? class
               : 0;
}

#endif
