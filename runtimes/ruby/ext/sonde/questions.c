/* SPDX-License-Identifier: Apache-2.0 */
#include "questions.h"

#include "text.h"
#include <sonde/err.h>

#include <stdlib.h>

#define MEMOS 4096
#define MATCHES_MOST 65536

/* One question that a file's name matches. */
struct match {
    struct sonde_rb_question *question;
    unsigned how_well;
};

/* The matches of the two names that a sequence has: those of one file share them. */
struct memo {
    VALUE path, realpath; /* 0: none */
    uint32_t first, count;
};

static struct {
    struct sonde_rb_question **list;
    size_t count, room;
    uint32_t *buckets; /* by last name: index + 1 of the first */
    size_t bucket_count;
    struct memo *memos;
    struct match *matches;
    size_t match_count, match_room;
    bool is_short; /* memory ran out in the walk under way */
    bool is_rooted;
    const struct sonde_rb_iseq *const *more; /* held for others */
    size_t more_count;
    VALUE holder; /* marks what is held */
} all = {.holder = Qnil};

/* --- What is held ---------------------------------------------------------------------------- */

static void
mark(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < all.more_count; i++) {
        rb_gc_mark((VALUE)all.more[i]);
    }
    for (size_t i = 0; i < all.count; i++) {
        const struct sonde_rb_question *question = all.list[i];
        for (size_t k = 0; k < question->count; k++) {
            rb_gc_mark((VALUE)question->list[k]);
        }
        rb_gc_mark(question->wrappers);
    }
}

/* Without write barriers: so the collector asks it each time, and last of all. */
static const rb_data_type_t holder_type = {
    .wrap_struct_name = "sonde_questions",
    .function = {.dmark = mark},
};

void
sonde_rb_questions_init(void)
{
    if (!all.is_rooted) {
        rb_gc_register_address(&all.holder);
        all.is_rooted = true;
    }
    if (all.holder == Qnil) {
        all.holder = TypedData_Wrap_Struct(0, &holder_type, &all);
    }
}

void
sonde_rb_questions_hold(const struct sonde_rb_iseq *const *list, size_t count)
{
    all.more = list;
    all.more_count = count;
}

/* --- The list ------------------------------------------------------------------------------- */

static size_t
bucket_of(struct sonde_str name)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    name = sonde_path_base_name(name);
    for (size_t i = 0; i < name.len; i++) {
        hash = (hash ^ (unsigned char)name.ptr[i]) * UINT64_C(1099511628211);
    }
    return (size_t)(hash ^ hash >> 32) & (all.bucket_count - 1);
}

static struct sonde_rb_question *
at(uint32_t number)
{
    return number == 0 ? NULL : all.list[number - 1];
}

/* The first of those whose last name may be that one; `next` leads on. */
static struct sonde_rb_question *
first_like(struct sonde_str name)
{
    return all.bucket_count == 0 ? NULL : at(all.buckets[bucket_of(name)]);
}

static void
link_in(uint32_t number)
{
    struct sonde_rb_question *question = at(number);
    uint32_t *head = &all.buckets[bucket_of(question->wanted.name)];
    question->next = *head;
    *head = number;
}

static bool
make_room(void)
{
    if (all.count == all.room) {
        size_t room = all.room == 0 ? 64 : all.room * 2;
        void *list = realloc(all.list, room * sizeof(*all.list));
        if (list == NULL) {
            return false;
        }
        all.list = list;
        all.room = room;
    }
    if (all.count < all.bucket_count) {
        return true;
    }
    size_t bucket_count = all.bucket_count == 0 ? 128 : all.bucket_count * 2;
    uint32_t *buckets = calloc(bucket_count, sizeof(*buckets));
    if (buckets == NULL) {
        return false;
    }
    free(all.buckets);
    all.buckets = buckets;
    all.bucket_count = bucket_count;
    for (size_t i = 0; i < all.count; i++) {
        link_in((uint32_t)i + 1);
    }
    return true;
}

struct sonde_rb_question *
sonde_rb_questions_find(struct sonde_str name)
{
    struct sonde_rb_question *question = first_like(name);
    while (question != NULL && !sonde_str_eq(question->wanted.name, name)) {
        question = at(question->next);
    }
    return question;
}

struct sonde_rb_question *
sonde_rb_questions_add(const struct sonde_rb_wanted_file *wanted)
{
    struct sonde_str name = wanted->name;
    struct sonde_rb_question *question =
        make_room() ? calloc(1, sizeof(*question) + name.len + 1) : NULL;
    if (question == NULL) {
        return NULL;
    }
    char *copy = (char *)(question + 1);
    memcpy(copy, name.ptr, name.len);
    question->wanted = *wanted;
    question->wanted.name = (struct sonde_str){copy, name.len};
    question->wrappers = Qnil;
    all.list[all.count++] = question;
    link_in((uint32_t)all.count);
    return question;
}

size_t
sonde_rb_questions_count(void)
{
    return all.count;
}

bool
sonde_rb_questions_has(enum sonde_rb_question_state state)
{
    size_t i = 0;
    while (i < all.count && all.list[i]->state != state) {
        i++;
    }
    return i < all.count;
}

static void
free_question(struct sonde_rb_question *question)
{
    free(question->list);
    free(question);
}

void
sonde_rb_questions_drop_failed(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (all.list[i]->state == SONDE_RB_FAILED) {
            free_question(all.list[i]);
        } else {
            all.list[kept++] = all.list[i];
        }
    }
    if (kept == all.count) {
        return;
    }
    all.count = kept;
    sonde_rb_questions_forget_names();
    memset(all.buckets, 0, all.bucket_count * sizeof(*all.buckets));
    for (size_t i = 0; i < all.count; i++) {
        link_in((uint32_t)i + 1);
    }
}

static void
free_names(void)
{
    free(all.memos);
    free(all.matches);
    all.memos = NULL;
    all.matches = NULL;
    all.match_count = all.match_room = 0;
}

void
sonde_rb_questions_drop(void)
{
    for (size_t i = 0; i < all.count; i++) {
        free_question(all.list[i]);
    }
    free(all.list);
    free(all.buckets);
    free_names();
    all.list = NULL;
    all.buckets = NULL;
    all.count = all.room = all.bucket_count = 0;
}

/* --- A walk --------------------------------------------------------------------------------- */

static void
empty(struct sonde_rb_question *question)
{
    question->count = 0;
    question->best = SONDE_RB_FILE_OTHER;
    question->wrappers = Qnil;
}

int
sonde_rb_questions_begin(void)
{
    all.is_short = false;
    if (all.memos == NULL) {
        all.memos = calloc(MEMOS, sizeof(*all.memos));
    }
    for (size_t i = 0; i < all.count; i++) {
        if (all.list[i]->state == SONDE_RB_ASKED) {
            all.list[i]->state = SONDE_RB_LOOKED_FOR;
        }
    }
    return all.memos != NULL ? SONDE_OK : SONDE_E_NOMEM;
}

void
sonde_rb_questions_begin_anew(void)
{
    for (size_t i = 0; i < all.count; i++) {
        if (all.list[i]->state == SONDE_RB_LOOKED_FOR) {
            empty(all.list[i]);
        }
    }
    sonde_rb_questions_forget_names();
}

void
sonde_rb_questions_forget_names(void)
{
    if (all.memos != NULL) {
        memset(all.memos, 0, MEMOS * sizeof(*all.memos));
    }
    all.match_count = 0;
}

void
sonde_rb_questions_end(int result)
{
    result = result == SONDE_OK && all.is_short ? SONDE_E_NOMEM : result;
    for (size_t i = 0; i < all.count; i++) {
        struct sonde_rb_question *question = all.list[i];
        if (question->state == SONDE_RB_LOOKED_FOR) {
            question->state = result == SONDE_OK ? SONDE_RB_ANSWERED : SONDE_RB_FAILED;
            question->failed = result;
        }
    }
    free_names();
}

/* --- What matches ----------------------------------------------------------------------------- */

static void
add_sequence(struct sonde_rb_question *question, unsigned how_well,
             const struct sonde_rb_iseq *iseq)
{
    if (how_well < question->best) {
        return;
    }
    if (how_well > question->best) {
        empty(question); /* a better match beats all that only end alike */
        question->best = how_well;
    }
    if (question->count == question->room) {
        size_t room = question->room == 0 ? 16 : question->room * 2;
        void *list = realloc(question->list, room * sizeof(*question->list));
        if (list == NULL) {
            all.is_short = true;
            return;
        }
        question->list = list;
        question->room = room;
    }
    question->list[question->count++] = iseq;
    question->wrappers = Qnil;
}

static void
note_match(struct sonde_rb_question *question, unsigned how_well, uint32_t first)
{
    /* By its other name already? */
    for (size_t i = first; i < all.match_count; i++) {
        struct match *match = &all.matches[i];
        if (match->question == question) {
            match->how_well = how_well > match->how_well ? how_well : match->how_well;
            return;
        }
    }
    if (all.match_count == all.match_room) {
        size_t room = all.match_room == 0 ? 256 : all.match_room * 2;
        void *matches = realloc(all.matches, room * sizeof(*all.matches));
        if (matches == NULL) {
            all.is_short = true;
            return;
        }
        all.matches = matches;
        all.match_room = room;
    }
    all.matches[all.match_count++] = (struct match){question, how_well};
}

/* Notes all questions that the name matches. */
static void
match_name(struct sonde_str name, uint32_t first)
{
    char buf[SONDE_PATH_BYTES];
    struct sonde_rb_known_file file;
    sonde_rb_known_file_init(&file, name, buf);
    for (struct sonde_rb_question *question = first_like(file.name); question != NULL;
         question = at(question->next)) {
        unsigned how_well = sonde_rb_file_match(&question->wanted, &file);
        if (how_well != SONDE_RB_FILE_OTHER) {
            note_match(question, how_well, first);
        }
    }
}

/* The matches of a sequence's file, behind those that are noted already. */
static struct memo
match_file(VALUE path, VALUE realpath)
{
    struct memo memo = {.path = path, .realpath = realpath};
    memo.first = (uint32_t)all.match_count;
    match_name(sonde_rb_text(realpath), memo.first);
    if (path != realpath) {
        match_name(sonde_rb_text(path), memo.first);
    }
    memo.count = (uint32_t)all.match_count - memo.first;
    return memo;
}

void
sonde_rb_questions_offer(const struct sonde_rb_iseq *iseq, void *unused)
{
    (void)unused;
    VALUE realpath = all.count > 0 ? sonde_rb_iseq_file(iseq) : Qnil;
    if (NIL_P(realpath)) {
        return; /* eval'd */
    }
    VALUE path = rb_iseq_path(iseq);
    struct memo *memo =
        &all.memos[((uintptr_t)realpath >> 3 ^ (uintptr_t)path >> 4) % MEMOS];
    if (memo->realpath != realpath || memo->path != path) {
        if (all.match_count > MATCHES_MOST) {
            sonde_rb_questions_forget_names();
        }
        *memo = match_file(path, realpath);
    }
    for (uint32_t i = 0; i < memo->count; i++) {
        const struct match *match = &all.matches[memo->first + i];
        if (match->question->state == SONDE_RB_LOOKED_FOR) {
            add_sequence(match->question, match->how_well, iseq);
        }
    }
}

void
sonde_rb_questions_offer_file(const struct sonde_rb_iseq *const *list, size_t count)
{
    struct memo memo = match_file(rb_iseq_path(list[0]), sonde_rb_iseq_file(list[0]));
    for (uint32_t i = 0; i < memo.count; i++) {
        const struct match *match = &all.matches[memo.first + i];
        /* What is only asked is looked for later. */
        bool is_about_it = match->question->state == SONDE_RB_LOOKED_FOR ||
                           match->question->state == SONDE_RB_ANSWERED;
        for (size_t k = 0; is_about_it && k < count; k++) {
            add_sequence(match->question, match->how_well, list[k]);
        }
    }
    all.match_count = memo.first;
}

void
sonde_rb_questions_offer_feature(struct sonde_str name)
{
    uint32_t first = (uint32_t)all.match_count;
    match_name(name, first);
    for (size_t i = first; i < all.match_count; i++) {
        all.matches[i].question->is_feature = true;
    }
    all.match_count = first;
}

/* --- Answers -------------------------------------------------------------------------------- */

static int
compare_addresses(const void *a, const void *b)
{
    uintptr_t one = (uintptr_t) * (const struct sonde_rb_iseq *const *)a;
    uintptr_t other = (uintptr_t) * (const struct sonde_rb_iseq *const *)b;
    return (one > other) - (one < other);
}

/* What was compiled during the walk may have been met by it too. */
static void
leave_one_of_each(struct sonde_rb_question *question)
{
    size_t kept = 0;
    if (question->count > 1) {
        qsort(question->list, question->count, sizeof(*question->list),
              compare_addresses);
    }
    for (size_t i = 0; i < question->count; i++) {
        if (kept == 0 || question->list[kept - 1] != question->list[i]) {
            question->list[kept++] = question->list[i];
        }
    }
    question->count = kept;
}

VALUE
sonde_rb_question_wrappers(struct sonde_rb_question *question)
{
    if (question->wrappers == Qnil) {
        leave_one_of_each(question);
        VALUE wrappers = rb_obj_hide(rb_ary_new_capa((long)question->count));
        for (size_t i = 0; i < question->count; i++) {
            rb_ary_push(wrappers, rb_iseqw_new(question->list[i]));
        }
        question->wrappers = wrappers;
        RB_GC_GUARD(wrappers);
    }
    return question->wrappers;
}
