/* SPDX-License-Identifier: Apache-2.0 */
#include "compat/backtrace.h"

#include <string.h>

/* In words. What is learned has a place of four frames that are known, so this much can be read of it. */
#define HEAD_MOST 5
#define STRIDE_MOST 5
#define SAMPLE_COUNT 4

static struct {
    bool is_known;
    bool is_inside; /* the table lies in the object's own memory */
    size_t table_at, count_at;
    size_t stride, iseq_at, counter_at, name_at;
    bool has_names;
    uint32_t kind_of_ruby, kind_of_c;
    uint32_t
        kind_of_asked; /* a line in place of the position, since somebody asked; 0: none */
    ID key;            /* of the exception's variable */
} known;

static const VALUE *
inside_of(VALUE exception)
{
    VALUE object = rb_attr_get(exception, known.key);
    bool is_one = RB_TYPE_P(object, T_DATA) && RTYPEDDATA_P(object) &&
                  strcmp(RTYPEDDATA_TYPE(object)->wrap_struct_name, "backtrace") == 0;
    return is_one ? sonde_rb_data(object) : NULL;
}

/* --- Learning -------------------------------------------------------------------------------- */

/* Line 2 is in a block that a C function calls in line 5, in what line 8 calls. */
static const char sample_source[] = "->(thrower) do\n"
                                    "  block = ->(*) { thrower.call }\n"
                                    "  first = lambda do\n"
                                    "    list = { 1 => 1 }\n"
                                    "    list.each_key(&block)\n"
                                    "  end\n"
                                    "  second = lambda do\n"
                                    "    first.call\n"
                                    "  end\n"
                                    "  [second, first, block]\n"
                                    "end\n";

static VALUE
raise_it(RB_BLOCK_CALL_FUNC_ARGLIST(unused, error))
{
    (void)unused, (void)argc, (void)argv, (void)blockarg;
    rb_exc_raise(error);
    return Qnil;
}

static VALUE
call_it(VALUE proc)
{
    return rb_proc_call(proc, rb_ary_new());
}

static VALUE
forget(VALUE arg, VALUE error)
{
    (void)arg, (void)error;
    return Qnil;
}

struct sample {
    const struct sonde_rb_iseq *block, *first, *second;
    long count; /* of the places */
};

static bool
is_in(const struct sonde_rb_iseq *iseq, VALUE pc)
{
    const VALUE *from = iseq->body->instructions, *at = (const VALUE *)pc;
    return at > from && at <= from + iseq->body->instruction_words;
}

static uint32_t
kind_of(const VALUE *place)
{
    return *(const uint32_t *)(const void *)place;
}

/* Counted from the innermost. */
static const VALUE *
place_in(const VALUE *table, size_t count, size_t i)
{
    return table + (SONDE_RB_BACKTRACE_ENDS_INSIDE ? count - 1 - i : i) * known.stride;
}

/* Whether these places, the one that the block called from included, are laid out so. */
static bool
fits_at(const VALUE *block, const VALUE *native, const VALUE *first,
        const struct sample *sample)
{
    for (size_t pc = 0; pc < known.stride; pc++) {
        if (!is_in(sample->block, block[pc]) || !is_in(sample->first, first[pc])) {
            continue;
        }
        known.counter_at = pc;
        known.kind_of_ruby = kind_of(block);
        known.kind_of_c = kind_of(native);
        known.has_names = false;
        for (size_t at = 0; at < known.stride; at++) {
            if (native[at] == rb_intern("each_key")) {
                known.name_at = at;
                known.has_names = true;
            }
        }
        return known.kind_of_ruby != known.kind_of_c;
    }
    return false;
}

/* Where the sequences of the sample stand in the table, each as far from the one before: the block is
 * followed by the C function that called it, and that by `first`. */
static bool
fits(const VALUE *table, const struct sample *sample)
{
    size_t most =
        SONDE_RB_BACKTRACE_ENDS_INSIDE ? SONDE_RB_BACKTRACE_ENDS_INSIDE : STRIDE_MOST;
    size_t count = (size_t)sample->count;
    for (known.stride = 2; known.stride <= most; known.stride++) {
        /* What is called to raise may have places of its own before them. */
        for (size_t i = 0; i + 3 <= count && i < STRIDE_MOST; i++) {
            const VALUE *block = place_in(table, count, i);
            const VALUE *native = place_in(table, count, i + 1);
            const VALUE *first = place_in(table, count, i + 2);
            for (size_t at = 1; at < known.stride; at++) {
                if (block[at] == (VALUE)sample->block &&
                    first[at] == (VALUE)sample->first &&
                    fits_at(block, native, first, sample)) {
                    known.iseq_at = at;
                    return true;
                }
            }
        }
    }
    return false;
}

static bool
learn_from(const VALUE *inside, const struct sample *sample)
{
    known.count_at = HEAD_MOST;
    for (size_t i = 0; i < 3; i++) {
        if ((long)*(const int *)(const void *)(inside + i) == sample->count) {
            known.count_at = i;
            break;
        }
    }
    if (known.count_at == HEAD_MOST) {
        return false;
    }
    if (known.count_at == 0) { /* count, two arrays, the table */
        known.is_inside = true;
        known.table_at = 3;
        return fits(inside + 3, sample);
    }
    known.is_inside = false;
    known.table_at =
        0; /* the table's address, perhaps that of its memory, the count, arrays */
    return fits((const VALUE *)inside[0], sample);
}

static const struct sonde_rb_iseq *
iseq_of(VALUE list, long i)
{
    int is_proc;
    return rb_proc_get_iseq(RARRAY_AREF(list, i), &is_proc);
}

/* What the sample raised. */
static VALUE
raised_by(VALUE make, struct sample *sample)
{
    VALUE error = rb_exc_new_cstr(rb_eRuntimeError, "sonde");
    VALUE thrower = rb_proc_new(raise_it, error);
    VALUE list = rb_funcall(make, rb_intern("call"), 1, thrower);
    *sample = (struct sample){
        .second = iseq_of(list, 0), .first = iseq_of(list, 1), .block = iseq_of(list, 2)};
    rb_rescue2(call_it, RARRAY_AREF(list, 0), forget, Qnil, rb_eException, (VALUE)0);
    return error;
}

/* Whether the places of the sample are read right from it. */
static bool
reads_right(VALUE error, const struct sample *sample)
{
    struct sonde_rb_backtrace backtrace = sonde_rb_backtrace_of(error);
    size_t i = 0;
    while (i < backtrace.count &&
           sonde_rb_backtrace_place(&backtrace, i).iseq != sample->block) {
        i++;
    }
    return i + 3 < backtrace.count && sonde_rb_backtrace_place(&backtrace, i).line == 2 &&
           sonde_rb_backtrace_place(&backtrace, i + 1).iseq == NULL &&
           sonde_rb_backtrace_place(&backtrace, i + 2).line == 5;
}

/* The kind that the places of sequences have become by asking; 0: they are what they were. */
static uint32_t
learn_asked(VALUE asked, const struct sample *sample)
{
    struct sonde_rb_backtrace backtrace = sonde_rb_backtrace_of(asked);
    for (size_t i = 0; i < backtrace.count; i++) {
        const VALUE *place = place_in(backtrace.places, backtrace.count, i);
        if (place[known.iseq_at] == (VALUE)sample->block) {
            uint32_t kind = kind_of(place);
            return kind != known.kind_of_ruby && kind != known.kind_of_c ? kind : 0;
        }
    }
    return 0;
}

void
sonde_rb_backtrace_learn(void)
{
    if (known.is_known) {
        return;
    }
    known.key = rb_intern("bt");
    VALUE class = rb_path2class("RubyVM::InstructionSequence");
    VALUE code = rb_funcall(class, rb_intern("compile"), 2,
                            rb_str_new_static(sample_source, sizeof(sample_source) - 1),
                            rb_str_new_cstr("<sonde>"));
    VALUE make = rb_funcall(code, rb_intern("eval"), 0);
    struct sample sample;
    VALUE error = Qnil, asked = Qnil;
    /* The one is asked, which changes the places of old versions; the other is as long. */
    VALUE *const both[] = {&asked, &error};
    for (int i = 0; i < 2; i++) {
        *both[i] = raised_by(make, &sample);
    }
    const VALUE *inside = inside_of(error);
    if (inside != NULL) {
        VALUE texts = rb_funcall(asked, rb_intern("backtrace"), 0);
        sample.count = RARRAY_LEN(texts);
        known.is_known = sample.count > SAMPLE_COUNT && learn_from(inside, &sample);
    }
    if (known.is_known) {
        known.kind_of_asked = learn_asked(asked, &sample);
        known.is_known = reads_right(error, &sample) && reads_right(asked, &sample);
    }
    RB_GC_GUARD(code);
    RB_GC_GUARD(asked);
    RB_GC_GUARD(error);
}

bool
sonde_rb_backtrace_is_known(void)
{
    return known.is_known;
}

void
sonde_rb_backtrace_forget(void)
{
    known.is_known = false;
}

/* --- Reading --------------------------------------------------------------------------------- */

struct sonde_rb_backtrace
sonde_rb_backtrace_of(VALUE exception)
{
    const VALUE *inside = known.is_known ? inside_of(exception) : NULL;
    if (inside == NULL) {
        return (struct sonde_rb_backtrace){NULL, 0};
    }
    int count = *(const int *)(const void *)(inside + known.count_at);
    const VALUE *places =
        known.is_inside ? inside + known.table_at : (const VALUE *)inside[known.table_at];
    return (struct sonde_rb_backtrace){places,
                                       places != NULL && count > 0 ? (size_t)count : 0};
}

struct sonde_rb_place
sonde_rb_backtrace_place(const struct sonde_rb_backtrace *backtrace, size_t i)
{
    const VALUE *place = place_in(backtrace->places, backtrace->count, i);
    uint32_t kind = kind_of(place);
    struct sonde_rb_place found = {NULL, 0, 0};
    if (kind == known.kind_of_ruby) {
        found.iseq = (const struct sonde_rb_iseq *)place[known.iseq_at];
        VALUE pc = place[known.counter_at];
        if (is_in(found.iseq, pc)) {
            size_t at = (size_t)((const VALUE *)pc - found.iseq->body->instructions);
            found.line = rb_iseq_line_no(found.iseq, at - 1);
        }
    } else if (known.kind_of_asked != 0 && kind == known.kind_of_asked) {
        found.iseq = (const struct sonde_rb_iseq *)place[known.iseq_at];
        found.line = *(const unsigned *)(const void *)(place + known.counter_at);
    } else if (kind == known.kind_of_c && known.has_names) {
        found.method = place[known.name_at];
    }
    return found;
}
