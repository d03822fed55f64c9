/* SPDX-License-Identifier: Apache-2.0
 *
 * What has been the same since CRuby 2.7, or is but for the numbers that the version's own header says first
 * (SONDE_RB_..._WORDS, ..._AT); included by that, at its end. The members that nobody reads stand for
 * their size alone. */
#ifndef SONDE_RB_SINCE_2_7_H
#define SONDE_RB_SINCE_2_7_H

/* --- Functions that the library exports and no header declares ------------------------------ */

struct sonde_rb_iseq;

/* iseq.h, vm_core.h */
unsigned int rb_iseq_line_no(const struct sonde_rb_iseq *iseq, size_t position);
VALUE rb_iseq_path(const struct sonde_rb_iseq *iseq);
/* nil: eval'd; before 3.1 that has the path it was given, if any */
VALUE rb_iseq_realpath(const struct sonde_rb_iseq *iseq);
VALUE rb_iseq_label(const struct sonde_rb_iseq *iseq);
VALUE rb_iseq_first_lineno(const struct sonde_rb_iseq *iseq);
/* Weak: where it is missing (before 3.1) its address is NULL. */
__attribute__((weak)) VALUE rb_iseq_type(const struct sonde_rb_iseq *iseq);
/* The same wrapper each time: the sequence keeps it. */
VALUE rb_iseqw_new(const struct sonde_rb_iseq *iseq);
/* gc.c. The walk ends a collection that is under way first. */
void rb_objspace_each_objects(int (*visit)(void *start, void *end, size_t stride,
                                           void *arg),
                              void *arg);
/* The same, in the middle of a collection. Weak: gone since 3.4. */
__attribute__((weak)) void rb_objspace_each_objects_without_setup(
    int (*visit)(void *start, void *end, size_t stride, void *arg), void *arg);
/* gc.c. Calls visit for each object that this one refers to; it must not allocate objects. */
void rb_objspace_reachable_objects_from(VALUE object,
                                        void (*visit)(VALUE object, void *arg),
                                        void *arg);
const struct sonde_rb_iseq *rb_iseqw_to_iseq(VALUE wrapper);
/* internal/hash.h: neither marks the hash as being iterated nor sets up an ensure */
int rb_hash_stlike_foreach(VALUE hash, st_foreach_callback_func *each, st_data_t arg);
/* proc.c */
const struct sonde_rb_iseq *rb_proc_get_iseq(VALUE proc, int *is_proc);

/* The line it begins on; 0: a file that was loaded. */
static inline long
sonde_rb_iseq_first_line(const struct sonde_rb_iseq *iseq)
{
    VALUE line = rb_iseq_first_lineno(iseq);
    return FIXNUM_P(line) ? FIX2LONG(line) : 0;
}

/* --- Internal objects: internal/imemo.h ------------------------------------------------------ */

enum {
    SONDE_RB_IMEMO_SVAR = 2,
    SONDE_RB_IMEMO_MENT = 6,
    SONDE_RB_IMEMO_ISEQ = 7,
};

/* The kind of a T_IMEMO by its flags. */
static inline unsigned
sonde_rb_imemo_kind(VALUE flags)
{
    return (unsigned)(flags >> RUBY_FL_USHIFT) & 15;
}

/* --- Instruction sequences: vm_core.h, struct rb_iseq_constant_body -------------------------- */

enum { /* enum iseq_type */
       SONDE_RB_ISEQ_BLOCK = 2,
       SONDE_RB_ISEQ_RESCUE = 4,
       SONDE_RB_ISEQ_ENSURE = 5,
};

struct sonde_rb_body {
    int type;
    unsigned int instruction_words;
    const VALUE *instructions;
    struct {
        struct {
            unsigned int has_lead : 1;
            unsigned int has_opt : 1;
            unsigned int has_rest : 1;
            unsigned int has_post : 1;
            unsigned int has_kw : 1;
            unsigned int has_kwrest : 1;
            unsigned int has_block : 1;
        } flags;
        unsigned int size; /* slots of parameters, which come first of all */
        int counts[5];
        int block_start; /* the slot of &block */
        const void *tables[2];
    } param;
    struct {
        VALUE path;
        VALUE base_label;
        VALUE label;
        VALUE positions[SONDE_RB_POSITION_WORDS]; /* and the first line, the node's id */
    } location;
    struct {
        const void *entries;
        const void *positions;
        unsigned int size;
        const void *index;
    } lines;
    const ID *local_table;
    const void *catch_table[SONDE_RB_CATCH_WORDS];
    const struct sonde_rb_iseq *parent;
    const void *others[3]; /* local_iseq, is_entries, call_data */
    VALUE variable[SONDE_RB_VARIABLE_WORDS];
    unsigned int local_table_size;
};

struct sonde_rb_iseq {
    VALUE flags;
    VALUE wrapper;
    const struct sonde_rb_body *body;
};

/* False: its making was broken off, and it was never used. */
static inline bool
sonde_rb_iseq_is_made(const struct sonde_rb_iseq *iseq)
{
    return iseq->body != NULL && iseq->body->instructions != NULL &&
           iseq->body->location.path != 0;
}

#define SONDE_RB_DEFINECLASS_FLAGS 0x1fu
#define SONDE_RB_DEFINECLASS_SCOPED 0x08u

/* Whether the body of a class or module, that lies right in `outer`, is named by one word there (`class B`), so
 * that it is called as what is around it and that word. False: `class A::B`, `class ::B`, or not as known. The
 * instruction has the name, the body and how: insns.def, defineclass; vm_core.h, VM_DEFINECLASS_... */
static inline bool
sonde_rb_body_has_simple_name(const struct sonde_rb_iseq *outer,
                              const struct sonde_rb_iseq *body, ID name)
{
    const VALUE *words = outer->body->instructions;
    for (unsigned i = 1; i + 1 < outer->body->instruction_words; i++) {
        if (words[i] == (VALUE)body && words[i - 1] == (VALUE)name) {
            return words[i + 1] <= SONDE_RB_DEFINECLASS_FLAGS &&
                   (words[i + 1] & SONDE_RB_DEFINECLASS_SCOPED) == 0;
        }
    }
    return false;
}

/* --- Control frames: vm_core.h --------------------------------------------------------------- */

struct sonde_rb_frame { /* rb_control_frame_t */
    const VALUE *pc;
    VALUE *sp;
    const struct sonde_rb_iseq *iseq;
    VALUE self;
    const VALUE *env;
    const void *block_code;
    const void *rest[SONDE_RB_FRAME_REST_WORDS]; /* the stack's base, the JIT's return */
};

struct sonde_rb_ec { /* rb_execution_context_t */
    VALUE *stack;
    size_t stack_words;
    const struct sonde_rb_frame *frame; /* the innermost */
};

struct sonde_rb_trace_arg { /* struct rb_trace_arg_struct */
    rb_event_flag_t event;
    const struct sonde_rb_ec *ec;
    const struct sonde_rb_frame *frame;
};

static inline const struct sonde_rb_frame *
sonde_rb_trace_arg_frame(const rb_trace_arg_t *arg, const struct sonde_rb_ec **ec)
{
    const struct sonde_rb_trace_arg *inside =
        (const struct sonde_rb_trace_arg *)(const void *)arg;
    *ec = inside->ec;
    return inside->frame;
}

static inline const struct sonde_rb_frame *
sonde_rb_stack_end(const struct sonde_rb_ec *ec)
{
    return (const struct sonde_rb_frame *)(const void *)(ec->stack + ec->stack_words);
}

/* What a Thread is executing now; NULL: it is over, or not what is known here. vm_core.h,
 * struct rb_thread_struct */
static inline const struct sonde_rb_ec *
sonde_rb_thread_ec(VALUE thread)
{
    const VALUE *inside = sonde_rb_data(thread);
    return inside != NULL && inside[SONDE_RB_THREAD_SELF_AT] == thread
               ? (const struct sonde_rb_ec *)inside[SONDE_RB_THREAD_EC_AT]
               : NULL;
}

/* --- Environments: vm_core.h, VM_ENV_... ----------------------------------------------------- */

enum {
    SONDE_RB_ENV_METHOD_AT = -2, /* a method entry, a cref, or a svar with one of them */
    SONDE_RB_ENV_OUTER_AT = -1,  /* the environment around, or the block that was given */
    SONDE_RB_ENV_FLAGS_AT = 0,
    SONDE_RB_ENV_WORDS = 3, /* those three */
};

#define SONDE_RB_FRAME_KIND 0x7fff0001u
#define SONDE_RB_FRAME_KIND_C 0x55550001u
#define SONDE_RB_FRAME_BLOCK_METHOD 0x0040u /* a block that define_method made a method */
#define SONDE_RB_FRAME_NATIVE 0x0080u
#define SONDE_RB_FRAME_BLOCK_SET 0x0200u /* the slot of &block is filled */
#define SONDE_RB_ENV_LOCAL 0x0002u /* the outermost: a method's, a class's, a file's */

static inline VALUE
sonde_rb_env_flags(const VALUE *env)
{
    return env[SONDE_RB_ENV_FLAGS_AT];
}

/* The environment around this one; NULL: there is none. */
static inline const VALUE *
sonde_rb_env_outer(const VALUE *env)
{
    return sonde_rb_env_flags(env) & SONDE_RB_ENV_LOCAL
               ? NULL
               : (const VALUE *)(env[SONDE_RB_ENV_OUTER_AT] & ~(VALUE)3);
}

/* The first of the `count` variables of an environment. */
static inline const VALUE *
sonde_rb_env_variables(const VALUE *env, unsigned count)
{
    return env - (count + SONDE_RB_ENV_WORDS - 1);
}

/* Outer variables of a block that was cut off from them for a Ractor are false where it may
 * not see them. */
static inline bool
sonde_rb_env_is_isolated(const VALUE *env)
{
    return (sonde_rb_env_flags(env) & SONDE_RB_ENV_ISOLATED) != 0;
}

/* Whether the slot of &block has its value yet; if not, sonde_rb_env_block has it. */
static inline bool
sonde_rb_env_has_block_slot(const VALUE *env)
{
    return (sonde_rb_env_flags(env) & SONDE_RB_FRAME_BLOCK_SET) != 0;
}

/* The block that was given to the method of this outermost environment: the sequence of a block that
 * is no object yet in *iseq, or an object. Qnil: none; Qundef: one in C. vm_core.h, VM_BH_... */
static inline VALUE
sonde_rb_env_block(const VALUE *env, const struct sonde_rb_iseq **iseq)
{
    struct captured { /* struct rb_captured_block */
        VALUE self;
        const VALUE *env;
        const struct sonde_rb_iseq *iseq;
    };
    VALUE handler = env[SONDE_RB_ENV_OUTER_AT];
    *iseq = NULL;
    if (!(sonde_rb_env_flags(env) & SONDE_RB_ENV_LOCAL) || handler == 0) {
        return Qnil;
    }
    if ((handler & 3) == 1) {
        *iseq = ((const struct captured *)(handler & ~(VALUE)3))->iseq;
        return Qundef;
    }
    return (handler & 3) == 3 ? Qundef : handler;
}

/* --- What a frame is of ---------------------------------------------------------------------- */

/* Ruby code that runs; not what the VM keeps for itself, like the outermost. vm_backtrace.c:
 * rb_ec_partial_backtrace_object */
static inline bool
sonde_rb_frame_is_ruby(const struct sonde_rb_frame *frame)
{
    return frame->iseq != NULL && frame->pc != NULL &&
           !(sonde_rb_env_flags(frame->env) & SONDE_RB_FRAME_NATIVE);
}

/* A method that is written in C. */
static inline bool
sonde_rb_frame_is_c(const struct sonde_rb_frame *frame)
{
    return (sonde_rb_env_flags(frame->env) & SONDE_RB_FRAME_KIND) ==
           SONDE_RB_FRAME_KIND_C;
}

static inline bool
sonde_rb_frame_is_block_method(const struct sonde_rb_frame *frame)
{
    return (sonde_rb_env_flags(frame->env) & SONDE_RB_FRAME_BLOCK_METHOD) != 0;
}

/* The line that a Ruby frame is at. vm_backtrace.c: calc_lineno */
static inline unsigned
sonde_rb_frame_line(const struct sonde_rb_frame *frame)
{
    /* The counter stands behind the instruction that runs. */
    size_t at = (size_t)(frame->pc - frame->iseq->body->instructions);
    return rb_iseq_line_no(frame->iseq, at > 0 ? at - 1 : 0);
}

static inline const struct sonde_rb_frame *
sonde_rb_frame_outer(const struct sonde_rb_frame *frame)
{
    return frame + 1;
}

/* --- Methods: method.h ----------------------------------------------------------------------- */

enum { /* rb_method_type_t */
       SONDE_RB_METHOD_ISEQ = 0,
       SONDE_RB_METHOD_C = 1,
       SONDE_RB_METHOD_BLOCK = 4,
};

struct sonde_rb_method_def { /* struct rb_method_definition_struct */
    uint64_t type;           /* the low four bits */
    void *body[3];
    ID id;
};

struct sonde_rb_method_entry { /* rb_callable_method_entry_t */
    VALUE flags;
    VALUE defined_class;
    const struct sonde_rb_method_def *def;
    ID called_id;
    VALUE owner;
};

static inline unsigned
sonde_rb_method_type(const struct sonde_rb_method_entry *entry)
{
    return (unsigned)(entry->def->type & 15);
}

/* vm_insnhelper.c: check_method_entry */
static inline const struct sonde_rb_method_entry *
sonde_rb_env_entry_at(const VALUE *env)
{
    struct svar { /* struct vm_svar */
        VALUE flags;
        VALUE method_or_cref;
    };
    VALUE found = env[SONDE_RB_ENV_METHOD_AT];
    if (found == 0) {
        return NULL;
    }
    unsigned kind = sonde_rb_imemo_kind(RBASIC(found)->flags);
    if (kind == SONDE_RB_IMEMO_SVAR && sonde_rb_env_flags(env) & SONDE_RB_ENV_LOCAL) {
        found = ((const struct svar *)found)->method_or_cref;
        if (found == 0) {
            return NULL;
        }
        kind = sonde_rb_imemo_kind(RBASIC(found)->flags);
    }
    return kind == SONDE_RB_IMEMO_MENT ? (const struct sonde_rb_method_entry *)found
                                       : NULL;
}

static inline bool
sonde_rb_entry_method(const struct sonde_rb_method_entry *entry,
                      struct sonde_rb_method *out)
{
    if (entry == NULL || entry->def == NULL) {
        return false;
    }
    out->owner = entry->owner;
    out->id = entry->def->id;
    out->is_block = sonde_rb_method_type(entry) == SONDE_RB_METHOD_BLOCK;
    out->entry = entry;
    return true;
}

/* The method that this environment belongs to; false: none (a file's, a class's).
 * vm_insnhelper.c: rb_vm_frame_method_entry */
static inline bool
sonde_rb_env_method(const VALUE *env, struct sonde_rb_method *out)
{
    const struct sonde_rb_method_entry *entry = NULL;
    while (env != NULL && (entry = sonde_rb_env_entry_at(env)) == NULL) {
        env = sonde_rb_env_outer(env);
    }
    return sonde_rb_entry_method(entry, out);
}

/* proc.c: struct METHOD. False: not initialized. */
static inline bool
sonde_rb_method_of_object(VALUE object, struct sonde_rb_method *out)
{
    const VALUE *inside = sonde_rb_data(object);
    const struct sonde_rb_method_entry *entry =
        inside != NULL
            ? (const struct sonde_rb_method_entry *)inside[SONDE_RB_METHOD_ENTRY_AT]
            : NULL;
    if (!sonde_rb_entry_method(entry, out)) {
        return false;
    }
    out->id = entry->called_id;
    return true;
}

/* --- Times: time.c, struct time_object; timev.h, struct vtm ---------------------------------- */

/* Until 3.2.2 */
struct __attribute__((packed)) sonde_rb_time_packed {
    VALUE time;
    VALUE year;
    VALUE fraction;
    VALUE offset;
    VALUE zone;
    unsigned int yday : 9;
    unsigned int mon : 4;
    unsigned int mday : 5;
    unsigned int hour : 5;
    unsigned int min : 6;
    unsigned int sec : 6;
    unsigned int wday : 3;
    unsigned int isdst : 2;
    unsigned int mode : 3; /* 0: local, 1: UTC, 2: an offset of its own, 3: no time yet */
    unsigned int is_broken_down : 1;
};

/* From 3.2.3 on */
struct sonde_rb_time_plain {
    VALUE time;
    VALUE year;
    VALUE fraction;
    VALUE offset;
    VALUE zone;
    unsigned int yday : 9;
    unsigned int mon : 4;
    unsigned int mday : 5;
    unsigned int hour : 5;
    unsigned int min : 6;
    unsigned int sec : 6;
    unsigned int wday : 3;
    unsigned int isdst : 2;
    unsigned int mode : 3;
    unsigned int is_broken_down : 1;
};

#define SONDE_RB_TIME_INSIDE_BYTES \
    sizeof(struct sonde_rb_time_packed) /* the smaller one */

/* False: not initialized. */
static inline bool
sonde_rb_time_of_object(VALUE object, struct sonde_rb_time *out)
{
    const struct sonde_rb_time_packed *packed = sonde_rb_data(object);
    const struct sonde_rb_time_plain *plain = sonde_rb_data(object);
    if (packed == NULL) {
        return false;
    }
    unsigned mode = SONDE_RB_TIME_IS_PACKED ? packed->mode : plain->mode;
    bool is_broken_down =
        SONDE_RB_TIME_IS_PACKED ? packed->is_broken_down : plain->is_broken_down;
    if (mode == 3) {
        return false;
    }
    out->nanoseconds = packed->time;
    out->offset = packed->offset;
    out->is_utc = mode == 1;
    out->has_offset = mode == 2 || (mode == 0 && is_broken_down);
    return true;
}

#endif
