/* SPDX-License-Identifier: Apache-2.0
 *
 * The facts of symbols.h against the live VM. What is looked at comes with Ruby; nothing of the application is
 * touched, and no hook of it is called: the class and the module that are made here come by C functions that tell
 * no one. */
#include "compat/symbols.h"

VALUE sonde_rb_ivar_words[3];

static const char sample_source[] = "first = 1\n"
                                    "second = [first]\n"
                                    "second.each do |item|\n"
                                    "  item\n"
                                    "end\n";

static VALUE
compile(const char *source)
{
    VALUE class = rb_path2class("RubyVM::InstructionSequence");
    return rb_funcall(class, rb_intern("compile"), 2, rb_utf8_str_new_cstr(source),
                      rb_utf8_str_new_cstr("<sonde>"));
}

/* The method of that name in a table that nobody has vouched for. */
static const struct sonde_rb_method_entry *
look_up(VALUE module, const char *name,
        bool (*is_readable)(const void *from, size_t size))
{
    const struct sonde_rb_id_table *table = NULL;
#if RUBY_API_VERSION_CODE < 30200
    const VALUE *words = (const VALUE *)module;
    if (!is_readable((const void *)words[3], 3 * sizeof(VALUE))) {
        return NULL;
    }
#endif
    table = sonde_rb_method_table(module);
    if (!is_readable(table, sizeof(*table)) || table->room <= 0 ||
        table->room > 1 << 20 || table->count > table->room || table->count <= 0 ||
        !is_readable(table->items, (size_t)table->room * sizeof(*table->items))) {
        return NULL;
    }
    int seen = 0;
    const struct sonde_rb_method_entry *found = NULL;
    for (int i = 0; i < table->room; i++) {
        const struct sonde_rb_method_entry *entry =
            (const struct sonde_rb_method_entry *)table->items[i].value;
        if (table->items[i].key <= 1) {
            continue;
        }
        seen++;
        if (!is_readable(entry, sizeof(*entry)) ||
            (entry->flags & RUBY_T_MASK) != RUBY_T_IMEMO ||
            sonde_rb_imemo_kind(entry->flags) != SONDE_RB_IMEMO_MENT) {
            return NULL;
        }
        found = entry->called_id == rb_intern(name) ? entry : found;
    }
    return seen == table->count ? found : NULL;
}

static bool
methods_hold(bool (*is_readable)(const void *from, size_t size))
{
    const struct sonde_rb_method_entry *open =
        look_up(rb_mComparable, "clamp", is_readable);
    const struct sonde_rb_method_entry *closed =
        look_up(rb_mKernel, "binding", is_readable);
    return open != NULL && open->owner == rb_mComparable &&
           sonde_rb_method_visibility(open) == SONDE_RB_PUBLIC && closed != NULL &&
           closed->owner == rb_mKernel &&
           sonde_rb_method_visibility(closed) == SONDE_RB_PRIVATE;
}

static bool
origins_hold(void)
{
    VALUE class = rb_class_new(rb_cObject), module = rb_module_new();
    bool holds = sonde_rb_origin_of(class) == class;
    rb_prepend_module(class, module);
    VALUE origin = sonde_rb_origin_of(class);
    holds = holds && origin != class && RB_TYPE_P(origin, T_ICLASS) &&
            sonde_rb_origin_of(module) == module;
    RB_GC_GUARD(class);
    RB_GC_GUARD(module);
    return holds;
}

/* A table's entries against what the VM says itself. */
static bool
lines_hold(bool (*is_readable)(const void *from, size_t size))
{
    VALUE wrapper = compile(sample_source);
    VALUE points = rb_funcall(wrapper, rb_intern("trace_points"), 0);
    const struct sonde_rb_body *body = rb_iseqw_to_iseq(wrapper)->body;
    const struct sonde_rb_line_entry *entries = body->lines.entries;
    long at = 0, wanted = 0;
    if (body->lines.size == 0 || body->lines.size > 1000 ||
        !is_readable(entries, body->lines.size * sizeof(*entries))) {
        return false;
    }
    for (long i = 0; i < RARRAY_LEN(points); i++) {
        wanted += RARRAY_AREF(RARRAY_AREF(points, i), 1) == ID2SYM(rb_intern("line"));
    }
    bool holds = wanted == 3;
    for (unsigned i = 0; i < body->lines.size; i++) {
        if (entries[i].events & RUBY_EVENT_LINE) {
            at++;
            holds = holds && entries[i].line == (int)at;
        }
    }
    int place[4] = {0};
    rb_iseq_code_location(rb_iseqw_to_iseq(wrapper), &place[0], &place[1], &place[2],
                          &place[3]);
    RB_GC_GUARD(points);
    RB_GC_GUARD(wrapper);
    return holds && at == wanted && place[0] == 1 && place[2] == 5;
}

static bool
arities_hold(bool (*is_readable)(const void *from, size_t size))
{
    static const struct {
        const char *source;
        int arity;
    } samples[] = {
        {"->(a, b = 1, *c, d, e:, f: 2, **g, &h) {}", -4},
        {"->(a, b) {}", 2},
        {"->(a, b: 1) {}", -2},
        {"->(a, b:) {}", 2},
        {"-> {}", 0},
        {"->(*) {}", -1},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        VALUE block = rb_funcall(compile(samples[i].source), rb_intern("eval"), 0);
        int is_proc = 1;
        const struct sonde_rb_iseq *iseq = rb_proc_get_iseq(block, &is_proc);
        const struct sonde_rb_body *body = iseq->body;
        if ((body->param.flags.has_kw &&
             !is_readable(body->param.tables[1], sizeof(struct sonde_rb_keywords))) ||
            sonde_rb_iseq_arity(iseq) != samples[i].arity ||
            rb_proc_arity(block) != samples[i].arity) {
            return false;
        }
        RB_GC_GUARD(block);
    }
    return true;
}

struct look {
    VALUE value;
    bool holds;
};

static int
see_constant(st_data_t name, st_data_t entry, st_data_t arg)
{
    struct look *look = (struct look *)arg;
    const struct sonde_rb_constant_entry *found =
        (const struct sonde_rb_constant_entry *)entry;
    if ((ID)name == rb_intern("Comparable")) {
        look->holds = found->value == look->value &&
                      (NIL_P(found->file) || RB_TYPE_P(found->file, T_STRING));
    }
    return ST_CONTINUE;
}

static bool
constants_hold(void)
{
    struct look look = {rb_mComparable, false};
    st_table *all = rb_mod_const_at(rb_cObject, NULL);
    st_foreach(all, see_constant, (st_data_t)&look);
    st_free_table(all);
    return look.holds;
}

static void
ignore_event(VALUE tracepoint, void *data)
{
    (void)tracepoint, (void)data;
}

static VALUE
word_before(VALUE block, ID name)
{
    int is_proc = 1;
    const struct sonde_rb_body *body = rb_proc_get_iseq(block, &is_proc)->body;
    for (unsigned i = 1; i < body->instruction_words; i++) {
        if (body->instructions[i] == (VALUE)name) {
            return body->instructions[i - 1];
        }
    }
    return 0;
}

/* What they are missing without it is the names of instance variables. */
static void
learn_ivar_words(bool may_trace)
{
    VALUE block =
        rb_funcall(compile("-> { @sonde_to = @sonde_from }"), rb_intern("eval"), 0);
    sonde_rb_ivar_words[0] = word_before(block, rb_intern("@sonde_from"));
    sonde_rb_ivar_words[1] = word_before(block, rb_intern("@sonde_to"));
    if (may_trace) {
        VALUE trace = rb_tracepoint_new(0, RUBY_EVENT_LINE, ignore_event, NULL);
        VALUE how = rb_hash_new();
        rb_hash_aset(how, ID2SYM(rb_intern("target")), block);
        rb_funcallv_kw(trace, rb_intern("enable"), 1, &how, RB_PASS_KEYWORDS);
        sonde_rb_ivar_words[2] = word_before(block, rb_intern("@sonde_from"));
        rb_tracepoint_disable(trace);
    }
    RB_GC_GUARD(block);
}

VALUE
sonde_rb_symbols_verify(bool (*is_readable)(const void *from, size_t size),
                        bool may_trace)
{
    bool holds = methods_hold(is_readable) && origins_hold() && lines_hold(is_readable) &&
                 arities_hold(is_readable) && constants_hold();
    if (holds) {
        learn_ivar_words(may_trace);
    }
    return holds ? Qtrue : Qfalse;
}
