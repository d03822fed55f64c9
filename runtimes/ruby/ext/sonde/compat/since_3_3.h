/* SPDX-License-Identifier: Apache-2.0
 *
 * What has been so since CRuby 3.3. */
#ifndef SONDE_RB_SINCE_3_3_H
#define SONDE_RB_SINCE_3_3_H

/* A TracePoint throws away what YJIT compiled, but that is compiled again: all but the code that is
 * probed is soon as fast as before. yjit.c: rb_iseq_reset_jit_func */
#define SONDE_RB_TRACING_ENDS_YJIT 0

#define SONDE_RB_TARGETS_FORGET_OTHERS 0 /* iseq.c: iseq_add_local_tracepoint */

/* vm_core.h: rb_iseq_location_t from first_lineno on; struct rb_iseq_constant_body: the struct
 * `variable` */
#define SONDE_RB_POSITION_WORDS 3
#define SONDE_RB_VARIABLE_WORDS 5

/* vm_core.h: rb_control_frame_t behind block_code */
#define SONDE_RB_FRAME_REST_WORDS 1

#define SONDE_RB_EC_TAG_WORDS \
    1 /* vm_core.h: rb_execution_context_t, between cfp and interrupt_flag */

/* vm_core.h: words of struct rb_thread_struct */
#define SONDE_RB_THREAD_SELF_AT 2
#define SONDE_RB_THREAD_EC_AT 6

#define SONDE_RB_ENV_ISOLATED 0x0010u /* vm_core.h: VM_ENV_FLAG_ISOLATED */

#define SONDE_RB_METHOD_ENTRY_AT 4 /* proc.c: the word of struct METHOD */

#define SONDE_RB_TIME_IS_PACKED 0 /* time.c: struct time_object */

/* Objects of C code, which may lie in the object itself: include/ruby/internal/core/rtypeddata.h */
static inline void *
sonde_rb_data(VALUE object)
{
    return RTYPEDDATA_GET_DATA(object);
}

/* Has a function called at the next check for interrupts of the thread that runs the main Ractor.
 * vm_trace.c: registering the same one again finds it in a table, without a lock. */
static inline void
sonde_rb_ask_job(void (*job)(void *unused))
{
    rb_postponed_job_trigger(rb_postponed_job_preregister(0, job, NULL));
}

/* The groups of a MatchData, which lie in the object; NULL: it was not initialized. */
static inline const struct re_registers *
sonde_rb_match_groups(VALUE match)
{
    return RB_TYPE_P(RMATCH(match)->str, T_STRING) ? RMATCH_REGS(match) : NULL;
}

/* include/ruby/io.h, internal/io.h (4.0): struct rb_io. Its accessors make a string or raise. False: not
 * initialized, or not as known. */
static inline bool
sonde_rb_io_of_object(VALUE object, struct sonde_rb_io *out)
{
    struct io {
        VALUE self;
        void *stdio;
        int descriptor, mode, pid, line;
        VALUE path;
    };
    const struct io *inside = (const void *)RFILE(object)->fptr;
    if (inside == NULL || inside->self != object) {
        return false;
    }
    out->path = inside->path;
    out->descriptor = inside->descriptor;
    return true;
}

/* --- Ractors: include/ruby/ractor.h ----------------------------------------------------------- */

extern struct sonde_rb_ractors {
    /* How many there are; NULL: it is not where it is looked for, and only Ruby says so. */
    const unsigned *count;
    rb_ractor_local_key_t
        key; /* of what each has for itself; the main one has something there */
    bool has_key;
} sonde_rb_ractors;

/* Whether there is no Ractor now but the main one. */
static inline bool
sonde_rb_has_one_ractor(void)
{
    return sonde_rb_ractors.count != NULL && *sonde_rb_ractors.count == 1;
}

/* Others run without the lock that guards everything of ours, and at the same time. */
static inline bool
sonde_rb_is_main_ractor(void)
{
    return sonde_rb_has_one_ractor() || !sonde_rb_ractors.has_key ||
           rb_ractor_local_storage_ptr(sonde_rb_ractors.key) != NULL;
}

/* The calling Ractor is the main one. */
static inline void
sonde_rb_note_main_ractor(void)
{
    static const struct rb_ractor_local_storage_type kept = {NULL, NULL};
    if (!sonde_rb_ractors.has_key) {
        sonde_rb_ractors.key = rb_ractor_local_storage_ptr_newkey(&kept);
        sonde_rb_ractors.has_key = true;
    }
    rb_ractor_local_storage_ptr_set(sonde_rb_ractors.key, &sonde_rb_ractors);
}

/* vm_core.h: where rb_thread_t has its Ractor and its VM, and what that begins with */
#define SONDE_RB_THREAD_RACTOR_AT 3
#define SONDE_RB_THREAD_VM_AT 4

struct sonde_rb_vm {
    VALUE self;
    const void *ractors[2]; /* a list */
    unsigned count;
    unsigned blocking_count;
    const void *main_ractor;
    const void *main_thread;
};

#endif
