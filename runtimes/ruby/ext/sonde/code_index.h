/* SPDX-License-Identifier: Apache-2.0
 *
 * Which instruction sequences are alive. Nothing is pinned and no table is kept: questions are
 * answered by a walk of the object space in C, in slices of 4 ms (0.3 to 0.8 ms for 100,000 slots), one
 * walk for all that were asked before it began. What is found is held until the questions are over, some
 * milliseconds later. What the walk can not tell by itself, that a whole-file sequence is the
 * one that ran and not one that somebody compiled to look at, is noted on the sequence when
 * :script_compiled tells of it (docs/decisions/0008-ruby-code-by-walking.md).
 *
 * A *wrapper* is Ruby's own object for a sequence (RubyVM::InstructionSequence). There is one for
 * each, and it lives exactly as long. Since CRuby 3.4 a compaction moves both, unless something holds
 * them where they are.
 *
 * Ctx: VM lock. */
#ifndef SONDE_RB_CODE_INDEX_H
#define SONDE_RB_CODE_INDEX_H

#include "compat/compat.h"
#include "names.h"
#include <sonde/adapter.h>
#include <sonde/err.h>

/* Begins to listen to :script_compiled, then begins a walk. SONDE_E_VM. A failure of the walk alone
 * is no error: sonde_rb_index_tell_faults, once there is an agent, makes it a fault
 * ("code_walk"). Never raises. */
int sonde_rb_index_start(struct sonde_err *err);
void sonde_rb_index_tell_faults(void);
void sonde_rb_index_stop(void);

/* The end of a safe point: lets go of what was found, unless a question is open and another safe point was
 * asked for. */
void sonde_rb_index_forget(void);

/* How many sequences the last walk found; 0 before the first. */
size_t sonde_rb_index_size(void);

/* True: nothing is tracked or armed in this process, since any TracePoint would end all that its
 * just-in-time compiler made (SONDE_RUBY_YJIT=1 says that this is wanted nevertheless). */
bool sonde_rb_index_is_barred(void);

/* What there is of one file. */
struct sonde_rb_found {
    /* An array that programs do not see. It is held, and its sequences are where they are, until
     * the next question or sonde_rb_index_forget. */
    VALUE wrappers;
    const struct sonde_rb_wanted_file *wanted; /* as long as that */
    bool is_feature; /* `require` knows the file, or it is the program's own */
};

/* The live sequences of the file of that name: of all that match best. SONDE_OK; SONDE_E_LATER: it has
 * to be asked again after sonde_rb_index_proceed. Never raises: SONDE_E_VM, SONDE_E_NOMEM.
 *
 * While :script_compiled is telling of a file, what lies in that is the answer: the rest was found
 * before, or (SONDE_E_LATER, with *out) is being looked for. Without the walk it is all that there is. */
int sonde_rb_index_ask(struct sonde_str file, struct sonde_rb_found *out);

/* Goes on with the walk, or begins the next, until then (0: for 3 ms). The adapter's proceed(). */
void sonde_rb_index_proceed(void *ctx, int64_t until_ns);

/* The adapter's concerns(). */
bool sonde_rb_index_concerns(void *ctx, const struct sonde_probe_def *def,
                             struct sonde_str file);

/* The wrapper of the whole-file sequence that :script_compiled is just telling of, or Qnil; and those of
 * all that lies in it, itself included (Qnil: there is none, or it failed). */
VALUE sonde_rb_index_announced(void);
VALUE sonde_rb_index_announced_tree(void);

/* Whether this whole-file sequence was seen to run, or must have. */
bool sonde_rb_index_has_run(VALUE wrapper);

/* Whether the VM says what a sequence is of (rb_iseq_type); if not, its label has to do. */
bool sonde_rb_index_knows_types(void);

/* The `code` by which the agent knows this sequence, the same each time. May raise. */
uint64_t sonde_rb_index_code_of(VALUE wrapper);

/* The wrapper of that `code` among those of the last answer and those that were added to it; Qnil:
 * none. */
VALUE sonde_rb_index_wrapper_of(uint64_t code);

/* Instead of a question, for who found a sequence by another way: it is an answer of its own, and
 * further ones are added to it until the next question. May raise. */
void sonde_rb_index_add(VALUE wrapper);

/* --- For tests and measurements ------------------------------------------------------------ */

void sonde_rb_index_testonly_forget_types(bool forgets);

/* The labels of all live sequences of that absolute path; also before the start. May raise. */
VALUE sonde_rb_index_testonly_labels(VALUE path);

/* The wrappers of all live sequences that are of a file. May raise. */
VALUE sonde_rb_index_testonly_all(void);

/* The words that the VM executes of a sequence, as bytes. */
VALUE sonde_rb_index_testonly_words(VALUE wrapper);

/* How many pages of the heap one slice takes; 0: as many as there is time for; less: no walk goes on. */
void sonde_rb_index_testonly_slice(long pages);

/* Of the last walk that was completed: { walks: how many were, slots:, sequences:, slices:, restarts:,
 * longest_ns:, total_ns: } */
VALUE sonde_rb_index_testonly_walk(void);

/* Drops all questions, as the end of a safe point does after which none is open. */
void sonde_rb_index_testonly_drop(void);

#endif
