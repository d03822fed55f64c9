/* SPDX-License-Identifier: Apache-2.0 */
#include "find.h"

#include "adapter.h"
#include "code_index.h"
#include "find_method.h"
#include "lines.h"
#include "names.h"
#include "protect.h"
#include "state.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>

#define NEAREST_EACH 3 /* before and after */
#define LISTED_BYTES 400

/* --- What they are to each other ------------------------------------------------------------- */

enum kind { KIND_WHOLE_FILE, KIND_MAIN, KIND_CLASS, KIND_HANDLER, KIND_CODE, KIND_OTHER };

enum { NO_PARENT = -1 };

struct seq {
    const struct sonde_rb_iseq *iseq;
    enum kind kind;
    int parent; /* known for what lies in a whole file, a class, or a sequence with the line */
    bool is_open;              /* those in it know it as their parent */
    bool is_on_stack;          /* some thread executes it now */
    bool can_run;              /* from now on */
    enum sonde_rb_event event; /* that tells of the wanted line; NONE: none */
};

/* Up to three lines on each side of the wanted one that could take a probe. */
struct nearest {
    uint32_t line;
    uint32_t before[NEAREST_EACH], after[NEAREST_EACH]; /* nearest first; 0: none */
};

struct search {
    VALUE wrappers; /* held by the code index */
    uint32_t line;
    int count;
    struct seq *seqs; /* [i] belongs to wrappers[i] */
    int *by_address;  /* index + 1 into seqs; 0: free */
    size_t mask;
    const struct sonde_rb_wanted_file *wanted;
    struct sonde_finding *finding;
    struct nearest nearest;
    int places;
    bool has_run_once; /* something that can not run any more tells of the line */
    bool is_feature;   /* the file is among those that `require` knows */
    bool has_live;     /* not all of it was only compiled to look at */
    int failed;        /* SONDE_E_* of the finding */
};

static VALUE
wrapper_of(const struct search *search, int i)
{
    return RARRAY_AREF(search->wrappers, i);
}

static int *
slot_of(const struct search *search, const struct sonde_rb_iseq *iseq)
{
    size_t i = ((uintptr_t)iseq >> 3) * UINT64_C(0x9E3779B97F4A7C15) >> 20 & search->mask;
    while (search->by_address[i] != 0 &&
           search->seqs[search->by_address[i] - 1].iseq != iseq) {
        i = (i + 1) & search->mask;
    }
    return &search->by_address[i];
}

static bool
starts_with(struct sonde_str text, struct sonde_str head)
{
    return text.len >= head.len && memcmp(text.ptr, head.ptr, head.len) == 0;
}

/* Where the VM does not say what a sequence is of (before 3.1), its label does. */
static enum kind
kind_by_label(const struct sonde_rb_iseq *iseq)
{
    static const struct {
        struct sonde_str head;
        enum kind kind;
    } kinds[] = {
        {{"<main>", 6}, KIND_MAIN},         {{"<class:", 7}, KIND_CLASS},
        {{"<module:", 8}, KIND_CLASS},      {{"singleton class", 15}, KIND_CLASS},
        {{"rescue in ", 10}, KIND_HANDLER}, {{"ensure in ", 10}, KIND_HANDLER},
        {{"<", 1}, KIND_WHOLE_FILE},
    };
    struct sonde_str label = sonde_rb_text(rb_iseq_label(iseq));
    size_t i = 0;
    while (i < sizeof(kinds) / sizeof(kinds[0]) && !starts_with(label, kinds[i].head)) {
        i++;
    }
    if (i == sizeof(kinds) / sizeof(kinds[0])) {
        return KIND_CODE;
    }
    /* What was compiled only to look at it has the label of a main program. */
    bool is_file = rb_iseq_first_lineno(iseq) == INT2FIX(0);
    return kinds[i].kind == KIND_MAIN && !is_file ? KIND_WHOLE_FILE : kinds[i].kind;
}

static enum kind
kind_of(const struct sonde_rb_iseq *iseq)
{
    static struct {
        const char *type;
        enum kind kind;
        VALUE symbol; /* one that stays: looked up once */
    } kinds[] = {
        {"method", KIND_CODE, 0},    {"block", KIND_CODE, 0},
        {"class", KIND_CLASS, 0},    {"rescue", KIND_HANDLER, 0},
        {"ensure", KIND_HANDLER, 0}, {"main", KIND_MAIN, 0},
        {"top", KIND_WHOLE_FILE, 0},
    };
    if (!sonde_rb_index_knows_types()) {
        return kind_by_label(iseq);
    }
    VALUE type = rb_iseq_type(iseq);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].symbol == 0) {
            kinds[i].symbol = ID2SYM(rb_intern(kinds[i].type));
        }
        if (type == kinds[i].symbol) {
            return kinds[i].kind;
        }
    }
    return KIND_OTHER;
}

struct opening {
    struct search *search;
    int parent;
};

static void open_up(struct search *search, int i);

static VALUE
note_child(RB_BLOCK_CALL_FUNC_ARGLIST(child, arg))
{
    const struct opening *opening = (const struct opening *)arg;
    struct search *search = opening->search;
    (void)argc;
    (void)argv;
    (void)blockarg;
    int i = *slot_of(search, rb_iseqw_to_iseq(child)) - 1;
    if (i >= 0 && search->seqs[i].parent == NO_PARENT && i != opening->parent) {
        search->seqs[i].parent = opening->parent;
        open_up(search, i);
    }
    return Qnil;
}

/* Makes all that lies in it know its parent. */
static void
open_up(struct search *search, int i)
{
    struct opening opening = {.search = search, .parent = i};
    if (!search->seqs[i].is_open) {
        search->seqs[i].is_open = true;
        rb_block_call(wrapper_of(search, i), rb_intern("each_child"), 0, NULL, note_child,
                      (VALUE)&opening);
    }
}

static bool
is_once(enum kind kind)
{
    return kind == KIND_WHOLE_FILE || kind == KIND_CLASS;
}

/* --- What can still run ---------------------------------------------------------------------- */

static void
mark_frames(struct search *search, const struct sonde_rb_ec *ec)
{
    const struct sonde_rb_frame *end = sonde_rb_stack_end(ec);
    for (const struct sonde_rb_frame *frame = ec->frame; frame < end;
         frame = sonde_rb_frame_outer(frame)) {
        int i = frame->iseq != NULL ? *slot_of(search, frame->iseq) - 1 : -1;
        if (i >= 0) {
            search->seqs[i].is_on_stack = true;
        }
    }
}

/* Without knowledge of frames all of it might be running. */
static void
mark_running(struct search *search)
{
    bool is_known = sonde_rb_has(SONDE_RB_PART_FRAMES);
    VALUE threads = is_known ? rb_funcall(rb_cThread, rb_intern("list"), 0) : Qnil;
    for (long i = 0; is_known && i < RARRAY_LEN(threads); i++) {
        const struct sonde_rb_ec *ec = sonde_rb_thread_ec(RARRAY_AREF(threads, i));
        is_known = ec != NULL;
        if (is_known && ec->stack != NULL) {
            mark_frames(search, ec);
        }
    }
    for (int i = 0; i < search->count; i++) {
        search->seqs[i].is_on_stack = search->seqs[i].is_on_stack || !is_known;
    }
    RB_GC_GUARD(threads);
}

/* Whether it is, or lies in, a whole file that somebody compiled and nobody ran. */
static bool
is_dead(const struct search *search, int i)
{
    while (search->seqs[i].parent != NO_PARENT) {
        i = search->seqs[i].parent;
    }
    enum kind kind = search->seqs[i].kind;
    return (kind == KIND_WHOLE_FILE || kind == KIND_OTHER) &&
           !sonde_rb_index_has_run(wrapper_of(search, i));
}

static bool
can_run(const struct search *search, int i)
{
    const struct seq *seq = &search->seqs[i];
    if (seq->is_on_stack || wrapper_of(search, i) == sonde_rb_index_announced()) {
        return true;
    }
    switch (seq->kind) {
    case KIND_MAIN:
    case KIND_CODE:
        return true;
    case KIND_WHOLE_FILE:
        return false;
    case KIND_CLASS:
        return seq->parent != NO_PARENT && can_run(search, seq->parent);
    case KIND_HANDLER:
        return seq->parent == NO_PARENT || can_run(search, seq->parent);
    default:
        return false;
    }
}

static void
relate(struct search *search)
{
    bool has_once = false;
    for (int i = 0; i < search->count; i++) {
        struct seq *seq = &search->seqs[i];
        seq->iseq = rb_iseqw_to_iseq(wrapper_of(search, i));
        seq->kind = kind_of(seq->iseq);
        seq->parent = NO_PARENT;
        *slot_of(search, seq->iseq) = i + 1;
        has_once = has_once || is_once(seq->kind);
    }
    for (int i = 0; i < search->count; i++) {
        if (search->seqs[i].kind != KIND_CODE && search->seqs[i].kind != KIND_HANDLER) {
            open_up(search, i);
        }
    }
    if (has_once) {
        mark_running(search);
    }
    for (int i = 0; i < search->count; i++) {
        search->has_live = search->has_live || !is_dead(search, i);
    }
    /* Bootsnap compiles files in the same way as who only looks at them. Of a file that was
     * required, and of which there is nothing else, it must be the one that ran. */
    bool is_live_anyway = search->count > 0 && !search->has_live && search->is_feature;
    search->has_live = search->has_live || is_live_anyway;
    for (int i = 0; i < search->count; i++) {
        search->seqs[i].can_run =
            can_run(search, i) && (is_live_anyway || !is_dead(search, i));
    }
}

/* --- Places --------------------------------------------------------------------------------- */

/* Whether what this one tells is told by one around it. A TracePoint for a sequence is one for all in
 * it, as far as the event is the same. What handles an exception belongs to the execution of what is
 * around it. */
static bool
is_told_outside(const struct search *search, int i)
{
    const struct seq *seq = &search->seqs[i];
    bool is_handler = seq->kind == KIND_HANDLER;
    for (int at = seq->parent; at != NO_PARENT; at = search->seqs[at].parent) {
        const struct seq *outer = &search->seqs[at];
        if (outer->event == seq->event ||
            (is_handler && outer->event != SONDE_RB_EVENT_NONE)) {
            return true;
        }
        is_handler = is_handler && outer->kind == KIND_HANDLER;
    }
    return false;
}

static void
report(struct search *search, int i)
{
    const struct seq *seq = &search->seqs[i];
    struct sonde_place place = {.code = sonde_rb_index_code_of(wrapper_of(search, i)),
                                .position = sonde_rb_position(search->line, seq->event)};
    int result = sonde_finding_place(
        search->finding, place, sonde_rb_text(sonde_rb_iseq_file(seq->iseq)),
        sonde_rb_text(rb_iseq_label(seq->iseq)), search->line);
    search->failed = result != SONDE_OK ? result : search->failed;
    search->places++;
}

/* Ctx: sonde_rb_protect. */
static VALUE
find_places(VALUE arg)
{
    struct search *search = (struct search *)arg;
    relate(search);
    for (int i = 0; i < search->count; i++) {
        struct seq *seq = &search->seqs[i];
        enum sonde_rb_event event =
            sonde_rb_lines_event(wrapper_of(search, i), search->line);
        if (event != SONDE_RB_EVENT_NONE && !seq->can_run) {
            search->has_run_once = search->has_run_once || !is_dead(search, i);
        } else if (event != SONDE_RB_EVENT_NONE) {
            seq->event = event;
            open_up(search, i);
        }
    }
    for (int i = 0; i < search->count; i++) {
        if (search->seqs[i].event != SONDE_RB_EVENT_NONE && !is_told_outside(search, i)) {
            report(search, i);
        }
    }
    return Qnil;
}

/* --- Why there is none ------------------------------------------------------------------------ */

static uint32_t
distance(const struct nearest *nearest, uint32_t line)
{
    return line < nearest->line ? nearest->line - line : line - nearest->line;
}

static void
note_near(uint32_t line, void *arg)
{
    struct nearest *nearest = arg;
    uint32_t *list = line < nearest->line ? nearest->before : nearest->after;
    for (int i = 0; i < NEAREST_EACH; i++) {
        if (list[i] == line) {
            return;
        }
        if (list[i] == 0 || distance(nearest, line) < distance(nearest, list[i])) {
            memmove(&list[i + 1], &list[i],
                    (size_t)(NEAREST_EACH - 1 - i) * sizeof(list[0]));
            list[i] = line;
            return;
        }
    }
}

/* Ctx: sonde_rb_protect. */
static VALUE
look_near(VALUE arg)
{
    struct search *search = (struct search *)arg;
    search->nearest.line = search->line;
    for (int i = 0; i < search->count; i++) {
        if (search->seqs[i].can_run) {
            sonde_rb_lines_each(wrapper_of(search, i), note_near, &search->nearest);
        }
    }
    return Qnil;
}

static void
offer_nearest(struct sonde_finding *finding, const struct nearest *nearest)
{
    int b = 0, a = 0;
    for (;;) {
        uint32_t before = b < NEAREST_EACH ? nearest->before[b] : 0;
        uint32_t after = a < NEAREST_EACH ? nearest->after[a] : 0;
        if (before == 0 && after == 0) {
            return;
        }
        bool takes_before = after == 0 || (before != 0 && distance(nearest, before) <=
                                                              distance(nearest, after));
        sonde_finding_nearest(finding, takes_before ? before : after);
        if (takes_before) {
            b++;
        } else {
            a++;
        }
    }
}

static struct sonde_str
file_of(const struct search *search, int i)
{
    return sonde_rb_text(sonde_rb_iseq_file(search->seqs[i].iseq));
}

#define MORE_BYTES 24 /* of ", and N more" */

/* "a.rb, b.rb, and 3 more" of all files, as many as have room; returns how many there are. */
static int
list_files(const struct search *search, char *out, size_t size)
{
    int count = 0, listed = 0;
    size_t len = 0;
    out[0] = '\0';
    for (int i = 0; i < search->count; i++) {
        struct sonde_str file = file_of(search, i);
        int k = 0;
        while (k < i && !sonde_str_eq(file_of(search, k), file)) {
            k++;
        }
        if (k < i) {
            continue;
        }
        int wanted = snprintf(out + len, size - len, "%s%.*s", listed > 0 ? ", " : "",
                              (int)file.len, file.ptr);
        count++;
        if (wanted > 0 && (size_t)wanted + MORE_BYTES < size - len) {
            len += (size_t)wanted;
            listed++;
        } else {
            out[len] = '\0'; /* whole or not at all */
        }
    }
    if (listed < count) {
        snprintf(out + len, size - len, "%s%d more", listed > 0 ? ", and " : "",
                 count - listed);
    }
    return count;
}

static void
say_not_executable(struct search *search)
{
    char files[LISTED_BYTES];
    int count = list_files(search, files, sizeof(files));
    if (count > 1) {
        sonde_finding_cause(search->finding, SONDE_CAUSE_AMBIGUOUS,
                            "matches %d files, name more of the path: %s", count, files);
        return;
    }
    struct sonde_str file = file_of(search, 0);
    const char *why =
        search->has_run_once
            ? ": it ran once, when the file was loaded, and never will again"
            : " (what stands outside of methods and blocks runs once)";
    sonde_finding_cause(search->finding, SONDE_CAUSE_LINE_NOT_EXECUTABLE,
                        "nothing that can still run begins on line %u of %.*s%s",
                        search->line, (int)file.len, file.ptr, why);
    if (sonde_rb_protect(look_near, (VALUE)search, NULL) == 0) {
        offer_nearest(search->finding, &search->nearest);
    }
}

static void
say_no_code(struct search *search)
{
    struct sonde_str file = search->wanted->name;
    if (search->is_feature && sonde_rb_has(SONDE_RB_PART_WALK)) {
        sonde_finding_cause(
            search->finding, SONDE_CAUSE_LINE_NOT_EXECUTABLE,
            "%.*s is loaded, but the VM has let go of all of its code: it "
            "ran once, and nothing of it can run again",
            (int)file.len, file.ptr);
    } else if (search->is_feature) {
        sonde_finding_cause(search->finding, SONDE_CAUSE_FILE_NOT_LOADED,
                            "what was loaded before can not be looked at here (code_walk "
                            "is off): waits until code of %.*s is loaded again",
                            (int)file.len, file.ptr);
    } else if (search->wanted->is_elsewhere) {
        sonde_finding_cause(search->finding, SONDE_CAUSE_FILE_NOT_FOUND,
                            "there is no file %.*s here, and nothing like it is loaded",
                            (int)file.len, file.ptr);
    } else {
        sonde_finding_cause(search->finding, SONDE_CAUSE_FILE_NOT_LOADED,
                            "waits until code of %.*s is loaded", (int)file.len,
                            file.ptr);
    }
}

/* --- The question --------------------------------------------------------------------------- */

/* The memory of a search; false: there is none. */
static bool
search_init(struct search *search)
{
    size_t slots = 16;
    while (slots < (size_t)search->count * 2) {
        slots *= 2;
    }
    search->mask = slots - 1;
    search->seqs = calloc((size_t)search->count + 1, sizeof(*search->seqs));
    search->by_address = calloc(slots, sizeof(*search->by_address));
    return search->seqs != NULL && search->by_address != NULL;
}

static int
find_line(const struct sonde_probe_def *def, struct sonde_finding *finding)
{
    struct sonde_rb_found found;
    int answer = sonde_rb_index_ask(def->location.file, &found);
    if (found.wrappers == Qnil) {
        return answer;
    }
    int result = answer;
    struct search search = {
        .wrappers = found.wrappers,
        .line = def->location.line,
        .count = (int)RARRAY_LEN(found.wrappers),
        .wanted = found.wanted,
        .is_feature = found.is_feature,
        .finding = finding,
    };
    if (!search_init(&search)) {
        result = SONDE_E_NOMEM;
    } else if (sonde_rb_protect(find_places, (VALUE)&search, NULL) != 0) {
        result = SONDE_E_VM;
    } else if (search.failed != SONDE_OK) {
        result = search.failed;
    } else if (search.places == 0 && answer == SONDE_OK) {
        if (search.has_live) {
            say_not_executable(&search);
        } else {
            say_no_code(&search);
        }
    }
    free(search.seqs);
    free(search.by_address);
    return result;
}

int
sonde_rb_find(void *ctx, const struct sonde_probe_def *def, struct sonde_finding *finding)
{
    (void)ctx;
    if (sonde_rb_index_is_barred()) {
        sonde_finding_cause(finding, SONDE_CAUSE_UNSUPPORTED,
                            "YJIT is on: in this Ruby a probe would slow down all of its "
                            "code for good (SONDE_RUBY_YJIT=1: probe nevertheless)");
    } else if (sonde_rb_has_other_ractors()) {
        sonde_finding_cause(finding, SONDE_CAUSE_UNSUPPORTED,
                            "Ractors are running, which can not be kept from the code "
                            "meanwhile: set the probe again when they are over");
    } else if (def->location.line == 0) {
        return sonde_rb_find_method(def, finding);
    } else {
        /* Sequences are told apart by where they are: the index holds them there. */
        return find_line(def, finding);
    }
    return SONDE_OK;
}
