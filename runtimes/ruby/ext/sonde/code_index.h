/* SPDX-License-Identifier: Apache-2.0
 *
 * Which instruction sequences are alive. Nothing is pinned and no table is kept: a question is
 * answered by a walk of the object space in C (0.4 ms for 100,000 slots), whose result is good for as
 * long as no collection ran and nothing was compiled, and is dropped at the end of a safe
 * point. What the walk can not tell by itself, that a whole-file sequence is the one that ran and
 * not one that somebody compiled to look at, is noted on the sequence when :script_compiled
 * tells of it (docs/decisions/0008-ruby-code-by-walking.md).
 *
 * A *wrapper* is Ruby's own object for a sequence (RubyVM::InstructionSequence). There is one for
 * each, it lives exactly as long, and it neither moves nor lets its sequence move.
 *
 * Ctx: VM lock. */
#ifndef SONDE_RB_CODE_INDEX_H
#define SONDE_RB_CODE_INDEX_H

#include "compat/compat.h"
#include <sonde/err.h>

/* Begins to listen to :script_compiled, then walks once. SONDE_E_VM. A failure of the walk alone
 * is no error: sonde_rb_index_tell_faults, once there is an agent, makes it a fault
 * ("code_walk"). Never raises. */
int sonde_rb_index_start(struct sonde_err *err);
void sonde_rb_index_tell_faults(void);
void sonde_rb_index_stop(void);

/* Drops the result of the last walk, and lets go of what sonde_rb_index_take made. */
void sonde_rb_index_forget(void);

/* How many sequences the last walk found; 0 before the first. */
size_t sonde_rb_index_size(void);

/* True: nothing is tracked or armed in this process, since any TracePoint would end all that its
 * just-in-time compiler made (SONDE_RUBY_YJIT=1 says that this is wanted nevertheless). */
bool sonde_rb_index_is_barred(void);

/* Calls choose(list, count, arg) with all live sequences; it brings those that it wants to the
 * front and returns how many these are; it must not allocate objects. Their wrappers are in the
 * array *out, which is held until the next call or sonde_rb_index_forget. Without the walk, the list is
 * what :script_compiled is just telling of. Never raises: SONDE_OK, SONDE_E_VM, SONDE_E_NOMEM. */
int sonde_rb_index_take(size_t (*choose)(const struct sonde_rb_iseq **list, size_t count,
                                         void *arg),
                        void *arg, VALUE *out);

/* The wrapper of the whole-file sequence that :script_compiled is just telling of, or Qnil. */
VALUE sonde_rb_index_announced(void);

/* Whether this whole-file sequence was seen to run, or must have. */
bool sonde_rb_index_has_run(VALUE wrapper);

/* Whether the VM says what a sequence is of (rb_iseq_type); if not, its label has to do. */
bool sonde_rb_index_knows_types(void);
void sonde_rb_index_testonly_forget_types(bool forgets);

/* The labels of all live sequences of that absolute path; also before the start. May raise. */
VALUE sonde_rb_index_testonly_labels(VALUE path);

/* The words that the VM executes of a sequence, as bytes. */
VALUE sonde_rb_index_testonly_words(VALUE wrapper);

/* The `code` by which the agent knows this sequence, the same each time. May raise. */
uint64_t sonde_rb_index_code_of(VALUE wrapper);

/* The wrapper of that `code` among those that the last sonde_rb_index_take made; Qnil: none. */
VALUE sonde_rb_index_wrapper_of(uint64_t code);

#endif
