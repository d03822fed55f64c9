/* SPDX-License-Identifier: Apache-2.0 */
#include "compat/target_hooks.h"

#if SONDE_RB_TARGETS_KEEP_DELETED

struct hook { /* vm_trace.c: rb_event_hook_t, up to `next` */
    unsigned int flags;
    rb_event_flag_t events;
    const void *function;
    VALUE data;
    struct hook *next;
};

struct hook_list { /* vm_core.h: rb_hook_list_t */
    struct hook *first;
    rb_event_flag_t events;
    unsigned int needs_cleaning;
    unsigned int running;
};

struct target { /* vm_core.h: struct rb_iseq_struct with its `aux.exec` */
    struct sonde_rb_iseq iseq;
    struct hook_list *hooks;
};

/* iseq.h: ISEQ_NOT_LOADED_YET and ISEQ_USE_COMPILE_DATA; with either, `aux` is something else. */
static const VALUE not_executable = (VALUE)RUBY_FL_USER5 | (VALUE)RUBY_FL_USER6;

static bool is_known;

void
sonde_rb_target_verify(const struct sonde_rb_iseq *iseq, VALUE tracepoint,
                       bool (*is_readable)(const void *from, size_t size))
{
    const struct target *target = (const void *)iseq;
    is_known = is_readable(target, sizeof(*target)) &&
               (iseq->flags & not_executable) == 0 &&
               is_readable(target->hooks, sizeof(*target->hooks)) &&
               target->hooks->events == RUBY_EVENT_LINE &&
               target->hooks->needs_cleaning == 0 && target->hooks->running == 1 &&
               is_readable(target->hooks->first, sizeof(*target->hooks->first));
    if (is_known) {
        const struct hook *hook = target->hooks->first;
        is_known =
            hook->data == tracepoint && hook->events == RUBY_EVENT_LINE &&
            hook->flags == (RUBY_EVENT_HOOK_FLAG_SAFE | RUBY_EVENT_HOOK_FLAG_RAW_ARG) &&
            hook->function != NULL && hook->next == NULL;
    }
}

bool
sonde_rb_target_is_known(void)
{
    return is_known;
}

static struct hook_list *
hooks_of(VALUE wrapper)
{
    const struct target *target = (const void *)rb_iseqw_to_iseq(wrapper);
    return (target->iseq.flags & not_executable) == 0 ? target->hooks : NULL;
}

static VALUE
note_if_taken(RB_BLOCK_CALL_FUNC_ARGLIST(wrapper, is_taken))
{
    (void)argc, (void)argv, (void)blockarg;
    bool *found = (bool *)is_taken;
    *found = *found || hooks_of(wrapper) != NULL;
    if (!*found) {
        rb_block_call(wrapper, rb_intern("each_child"), 0, NULL, note_if_taken, is_taken);
    }
    return Qnil;
}

bool
sonde_rb_target_is_taken(VALUE wrapper)
{
    bool is_taken = !is_known;
    note_if_taken(wrapper, (VALUE)&is_taken, 0, NULL, Qnil);
    return is_taken;
}

static void
clean(struct hook_list *list)
{
    struct hook **link = &list->first;
    while (*link != NULL) {
        struct hook *hook = *link;
        if ((hook->flags & RUBY_EVENT_HOOK_FLAG_DELETED) == 0) {
            link = &hook->next;
        } else if (list->running != 0) {
            hook->events = 0;
            link = &hook->next;
        } else {
            *link = hook->next;
            ruby_xfree(hook);
        }
    }
}

static VALUE
clean_all(RB_BLOCK_CALL_FUNC_ARGLIST(wrapper, unused))
{
    (void)argc, (void)argv, (void)blockarg;
    struct hook_list *list = hooks_of(wrapper);
    if (list != NULL) {
        clean(list);
    }
    rb_block_call(wrapper, rb_intern("each_child"), 0, NULL, clean_all, unused);
    return Qnil;
}

void
sonde_rb_target_clean(VALUE wrapper)
{
    if (is_known) {
        clean_all(wrapper, Qnil, 0, NULL, Qnil);
    }
}

#else

void
sonde_rb_target_verify(const struct sonde_rb_iseq *iseq, VALUE tracepoint,
                       bool (*is_readable)(const void *from, size_t size))
{
    (void)iseq, (void)tracepoint, (void)is_readable;
}

bool
sonde_rb_target_is_known(void)
{
    return true;
}

bool
sonde_rb_target_is_taken(VALUE wrapper)
{
    (void)wrapper;
    return true;
}

void
sonde_rb_target_clean(VALUE wrapper)
{
    (void)wrapper;
}

#endif
