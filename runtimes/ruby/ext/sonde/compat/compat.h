/* SPDX-License-Identifier: Apache-2.0
 *
 * The one door to CRuby. Every file of the extension includes this header instead of ruby.h,
 * and nothing outside compat/ looks at a version. One ruby_N_N.h is included; each defines the
 * same complete list of facts about its VM, with the place in CRuby's sources that each was read from
 * (what several versions share stands in since_N_N.h and before_N_N.h, which it includes):
 *
 *   struct sonde_rb_frame, _iseq, _body, _ec    the parts of the VM that are looked into
 *   SONDE_RB_IMEMO_..., sonde_rb_imemo_kind     kinds of internal objects
 *   sonde_rb_trace_arg_frame(arg, &ec)          the frame in which an event happened
 *   sonde_rb_stack_end(ec)                      one past the outermost frame
 *   sonde_rb_frame_is_ruby, _is_c, ...          what a frame is of
 *   sonde_rb_env_...                            an environment: variables and what is around it
 *   sonde_rb_env_method(env, &fact)             the method that an environment belongs to
 *   sonde_rb_method_of_object(object, &fact)    the method of a Method
 *   sonde_rb_method_run_by(object, &fact)       the same as its frames have it
 *   sonde_rb_singleton_of(object)               its singleton class, where it has one
 *   sonde_rb_own_constant(module, name)         the value of a constant
 *   sonde_rb_frame_tells(frame, event)          the event of the instruction it is at
 *   struct sonde_rb_throw, SONDE_RB_JUMP_...    what a frame is unwound by
 *   sonde_rb_time_of_object(object, &fact)      what a Time keeps
 *   sonde_rb_has_one_ractor(), _is_main_ractor, _note_main_ractor
 *                                               where code runs
 *   sonde_rb_data(object)                       what an object of C code keeps
 *   sonde_rb_ask_job(job)                       a call at the next check for interrupts
 *   sonde_rb_io_of_object(object, &fact)        what an IO is of
 *   sonde_rb_match_groups(match)                what a MatchData found
 *   sonde_rb_iseq_file(iseq), _note_evaled(tracepoint, wrapper)
 *                                               where code was loaded from
 *   sonde_rb_is_core_set(object), sonde_rb_core_set_size, _each
 *                                               a Set that is written in C
 *   sonde_rb_attached_object(class)             whose singleton class it is
 *   sonde_rb_is_alive(object)                   not about to be freed
 *   SONDE_RB_TARGETS_FORGET_OTHERS              whether a targeted TracePoint puts out others'
 *   SONDE_RB_TARGETS_KEEP_DELETED               whether one that was disabled counts on, see
 *                                               target_hooks.h
 *   SONDE_RB_TRACING_ENDS_YJIT                  whether a TracePoint stops it for good
 *   SONDE_RB_BACKTRACE_ENDS_INSIDE              the words of a place of a backtrace that begins with
 *                                               the outermost; 0: it begins with the innermost
 *
 * What the compiler can not see is checked once at load by compat_verify.c against the live VM; what
 * fails there is switched off (enum sonde_rb_part) and the rest goes on. */
#ifndef SONDE_RB_COMPAT_H
#define SONDE_RB_COMPAT_H

#include <ruby/ruby.h> /* first: the others need it */

#include <ruby/debug.h>
#include <ruby/encoding.h>
#include <ruby/io.h>
#include <ruby/re.h>
#include <ruby/st.h>
#include <ruby/version.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if RUBY_API_VERSION_CODE >= 30000
#    include <ruby/ractor.h>
#endif

/* A frame's method, or a Method's. */
struct sonde_rb_method {
    VALUE owner;       /* the class or module it stands in */
    ID id;             /* the name it was defined by */
    bool is_block;     /* made by define_method of a block */
    const void *entry; /* the VM's own record of it; NULL: none */
};

/* What an IO is of. */
struct sonde_rb_io {
    VALUE path;     /* nil: none */
    int descriptor; /* below 0: closed */
};

/* What a Time keeps. */
struct sonde_rb_time {
    VALUE nanoseconds; /* since 1970 in UTC; an Integer or a Rational */
    VALUE offset;      /* seconds east of UTC; nothing without has_offset */
    bool is_utc;
    bool has_offset;
};

#if RUBY_API_VERSION_CODE >= 20700 && RUBY_API_VERSION_CODE < 20800
#    include "compat/ruby_2_7.h"
#elif RUBY_API_VERSION_CODE >= 30000 && RUBY_API_VERSION_CODE < 30100
#    include "compat/ruby_3_0.h"
#elif RUBY_API_VERSION_CODE >= 30100 && RUBY_API_VERSION_CODE < 30200
#    include "compat/ruby_3_1.h"
#elif RUBY_API_VERSION_CODE >= 30200 && RUBY_API_VERSION_CODE < 30300
#    include "compat/ruby_3_2.h"
#elif RUBY_API_VERSION_CODE >= 30300 && RUBY_API_VERSION_CODE < 30400
#    include "compat/ruby_3_3.h"
#elif RUBY_API_VERSION_CODE >= 30400 && RUBY_API_VERSION_CODE < 30500
#    include "compat/ruby_3_4.h"
#elif RUBY_API_VERSION_CODE >= 40000 && RUBY_API_VERSION_CODE < 40100
#    include "compat/ruby_4_0.h"
#else
#    error "this CRuby is not supported yet"
#endif

#include "compat/methods.h"

/* What depends on knowledge of CRuby's insides. X(NAME, name in `sonde ps`). */
#define SONDE_RB_PART_LIST(X)                                                           \
    X(WALK, "code_walk")  /* telling sequences from other objects in the heap */        \
    X(FRAMES, "frames")   /* control frames: stacks */                                  \
    X(LOCALS, "locals")   /* local variables and parameters, outer scopes included */   \
    X(VALUES, "values")   /* what Time and Method objects are of */                     \
    X(METHODS, "methods") /* which method a frame is of, and where names lead */        \
    X(UNWINDING, "exceptions")    /* what a frame is left by that does not return */    \
    X(BACKTRACES, "backtraces")   /* where an exception was raised */                   \
    X(FIBERS, "fibers")           /* which fiber runs: OpenTelemetry's ids since 1.5 */ \
    X(ENUMERATORS, "enumerators") /* what an Enumerator is of */                        \
    X(SYMBOLS, "symbols")         /* tables of methods, where lines begin */

enum sonde_rb_part {
#define SONDE_RB_PART_ENUM(name, text) SONDE_RB_PART_##name,
    SONDE_RB_PART_LIST(SONDE_RB_PART_ENUM)
#undef SONDE_RB_PART_ENUM
        SONDE_RB_PART_COUNT
};

const char *sonde_rb_part_name(enum sonde_rb_part part);

/* Names that CRuby keeps things under and no program can write; filled by sonde_rb_verify. */
struct sonde_rb_names {
    ID message; /* of an exception */
    ID cause;   /* of an exception */
    ID members; /* the names of a Struct's members */
};

extern struct sonde_rb_names sonde_rb_names;

/* Whether an object of the heap, that may be of any kind, is an instruction sequence. With the
 * part WALK only. */
static inline bool
sonde_rb_is_iseq(VALUE object)
{
    if (RB_SPECIAL_CONST_P(object)) {
        return false;
    }
    VALUE flags = RBASIC(object)->flags;
    return (flags & RUBY_T_MASK) == RUBY_T_IMEMO &&
           sonde_rb_imemo_kind(flags) == SONDE_RB_IMEMO_ISEQ;
}

#endif
