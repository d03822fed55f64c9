/* SPDX-License-Identifier: Apache-2.0
 *
 * What was asked about files and is answered by one walk of the heap: many questions at once, told
 * apart by the last name of their file, so that neither the walk nor a sequence on its way is
 * compared with all of them. What is found for a question is held (it is neither freed nor moved) until the
 * question is dropped, which is when nobody asks it any more: some milliseconds later.
 *
 * asked → looked for (a walk that began later is under way) → answered or failed
 *
 * Ctx: VM lock. Nothing raises or allocates objects, except where it says so. */
#ifndef SONDE_RB_QUESTIONS_H
#define SONDE_RB_QUESTIONS_H

#include "names.h"

enum sonde_rb_question_state {
    SONDE_RB_ASKED,
    SONDE_RB_LOOKED_FOR,
    SONDE_RB_ANSWERED,
    SONDE_RB_FAILED,
};

struct sonde_rb_question {
    enum sonde_rb_question_state state;
    int failed; /* SONDE_E_* of a failed one */
    struct sonde_rb_wanted_file wanted;
    bool is_feature; /* `require` knows the file, or it is the program's own */
    /* The sequences of the files that match best. */
    unsigned best;
    const struct sonde_rb_iseq **list;
    size_t count, room;
    VALUE wrappers; /* of them, an array that programs do not see; Qnil: not made yet */
    uint32_t next;  /* index + 1 of the next with such a last name */
};

/* May raise. Once, before all others. */
void sonde_rb_questions_init(void);

/* About that name, without detours; NULL: nobody asked. */
struct sonde_rb_question *sonde_rb_questions_find(struct sonde_str name);

/* A new one; NULL: out of memory. */
struct sonde_rb_question *
sonde_rb_questions_add(const struct sonde_rb_wanted_file *wanted);

size_t sonde_rb_questions_count(void);
bool sonde_rb_questions_has(enum sonde_rb_question_state state);

/* All that are asked are looked for from now on; or all that are looked for begin anew. */
int sonde_rb_questions_begin(void); /* SONDE_OK, SONDE_E_NOMEM */
void sonde_rb_questions_begin_anew(void);

/* Between two slices of a walk: names that were seen may be other strings' by now. */
void sonde_rb_questions_forget_names(void);

/* A sequence that the walk met. */
void sonde_rb_questions_offer(const struct sonde_rb_iseq *iseq, void *unused);

/* All that lies in one file, which was just compiled: also an answer to what was answered before. */
void sonde_rb_questions_offer_file(const struct sonde_rb_iseq *const *list, size_t count);

/* Holds these too, until others (or none) take their place. The list is lent as long. */
void sonde_rb_questions_hold(const struct sonde_rb_iseq *const *list, size_t count);

/* A name that `require` knows. */
void sonde_rb_questions_offer_feature(struct sonde_str name);

/* Those that are looked for are answered, or failed (`result`). */
void sonde_rb_questions_end(int result);

/* Those that failed are dropped, so that they can be asked anew. */
void sonde_rb_questions_drop_failed(void);
void sonde_rb_questions_drop(void);

/* The question's wrappers, made when they are wanted. May raise. */
VALUE sonde_rb_question_wrappers(struct sonde_rb_question *question);

#endif
