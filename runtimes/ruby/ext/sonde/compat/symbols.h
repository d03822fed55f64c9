/* SPDX-License-Identifier: Apache-2.0
 *
 * What the listing of symbols needs to know of the VM, the same from CRuby 2.7 to 3.4 but for what is said with
 * a version here. Read from the sources at v2_7_4, v3_0_7, v3_1_2, v3_2_11, v3_3_8 and v3_4_9; checked at load by
 * sonde_rb_symbols_verify. */
#ifndef SONDE_RB_COMPAT_SYMBOLS_H
#define SONDE_RB_COMPAT_SYMBOLS_H

#include "compat/compat.h"

/* --- Functions that the library exports and no header declares ------------------------------ */

/* iseq.c. Lines and columns where the source of a sequence begins and ends; 0: not known. */
void rb_iseq_code_location(const struct sonde_rb_iseq *iseq, int *first_line,
                           int *first_column, int *last_line, int *last_column);

/* --- Tables by name: id_table.c, struct rb_id_table ------------------------------------------- */

struct sonde_rb_id_item {
    uint32_t key; /* 0: the item is free; or, 0 with the lowest bit aside */
    int collides;
    VALUE value;
};

struct sonde_rb_id_table {
    int room, count, used;
    const struct sonde_rb_id_item *items;
};

/* --- Classes and modules: internal/class.h, struct RClass ------------------------------------- */

/* Up to 3.1 the table of methods is the third word of what the fourth word leads to (rb_classext_struct), later the
 * fourth word itself. */
static inline const struct sonde_rb_id_table *
sonde_rb_method_table(VALUE module)
{
    const VALUE *words = (const VALUE *)module;
#if RUBY_API_VERSION_CODE < 30200
    const VALUE *more = (const VALUE *)words[3];
    return more != NULL ? (const struct sonde_rb_id_table *)more[2] : NULL;
#else
    return (const struct sonde_rb_id_table *)words[3];
#endif
}

static inline bool
sonde_rb_is_module(VALUE object)
{
    return RB_TYPE_P(object, T_CLASS) || RB_TYPE_P(object, T_MODULE);
}

/* Where the methods are that a class or module has itself: behind the modules that were prepended, if any, which
 * stand between it and its own (class.c: rb_ensure_origin). */
static inline VALUE
sonde_rb_origin_of(VALUE module)
{
    VALUE at = rb_class_get_superclass(module);
    while (at != 0 && RB_TYPE_P(at, T_ICLASS)) {
        if (RBASIC_CLASS(at) == module) {
            return at;
        }
        at = rb_class_get_superclass(at);
    }
    return module;
}

/* The refined class, and the module in which that was written; nil: it is no refinement. eval.c:
 * rb_mod_refine, two variables that no program can name */
static inline VALUE
sonde_rb_refined_class(VALUE module)
{
    return rb_attr_get(module, rb_intern("__refined_class__"));
}

static inline VALUE
sonde_rb_refined_at(VALUE module)
{
    return rb_attr_get(module, rb_intern("__defined_at__"));
}

/* --- Constants: constant.h, rb_const_entry_t -------------------------------------------------- */

struct sonde_rb_constant_entry {
    int flag;
    int line;
    VALUE value; /* Qundef: an autoload */
    VALUE file;  /* nil: defined in C */
};

/* --- Methods: method.h ------------------------------------------------------------------------ */

enum { /* rb_method_type_t */
       SONDE_RB_METHOD_REFINED = 11,
};

enum sonde_rb_visibility { /* rb_method_visibility_t */
                           SONDE_RB_UNDEFINED = 0,
                           SONDE_RB_PUBLIC = 1,
                           SONDE_RB_PRIVATE = 2,
                           SONDE_RB_PROTECTED = 3,
};

/* METHOD_ENTRY_VISI */
static inline enum sonde_rb_visibility
sonde_rb_method_visibility(const struct sonde_rb_method_entry *entry)
{
    return (enum sonde_rb_visibility)((entry->flags >> (RUBY_FL_USHIFT + 4)) & 3);
}

/* --- Instruction sequences: vm_core.h, iseq.h ------------------------------------------------- */

enum { /* enum iseq_type */
       SONDE_RB_ISEQ_TOP = 0,
       SONDE_RB_ISEQ_METHOD = 1,
       SONDE_RB_ISEQ_CLASS = 3,
       SONDE_RB_ISEQ_MAIN = 7,
};

struct
    sonde_rb_line_entry { /* struct iseq_insn_info_entry: where line or events change */
    int line;
#if RUBY_API_VERSION_CODE >= 30100
    int node_id;
#endif
    rb_event_flag_t events;
};

struct sonde_rb_keywords { /* struct rb_iseq_param_keyword */
    int count;
    int required_count;
};

/* What Method#arity says of a method or a lambda. proc.c: method_def_arity, iseq.c:
 * rb_iseq_min_max_args */
static inline int
sonde_rb_iseq_arity(const struct sonde_rb_iseq *iseq)
{
    const struct sonde_rb_body *body = iseq->body;
    const struct sonde_rb_keywords *keywords = body->param.tables[1];
    bool has_keywords = body->param.flags.has_kw || body->param.flags.has_kwrest;
    bool needs_keywords =
        body->param.flags.has_kw && keywords != NULL && keywords->required_count > 0;
    int needed = body->param.counts[0] + body->param.counts[4] + needs_keywords;
    int most = body->param.counts[0] + body->param.counts[1] + body->param.counts[4] +
               has_keywords;
    return !body->param.flags.has_rest && most == needed ? needed : -needed - 1;
}

/* The words of the instructions that read and write an instance variable, and of the former while somebody is told
 * of its line; its name is the next word. Learned at load; 0: not known. */
extern VALUE sonde_rb_ivar_words[3];

/* --- Loading ---------------------------------------------------------------------------------- */

/* Qtrue: all of this holds. May raise. Ctx: VM lock, at load. */
VALUE sonde_rb_symbols_verify(bool (*is_readable)(const void *from, size_t size),
                              bool may_trace);

#endif
