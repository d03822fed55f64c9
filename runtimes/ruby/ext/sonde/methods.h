/* SPDX-License-Identifier: Apache-2.0
 *
 * What the name of a method leads to: "A::B#m" is an instance method, "A::B.m" one of the object itself.
 *
 * Nothing of the application's runs: constants are read from the modules' own tables, without
 * const_missing and autoload, and methods through the VM's own methods of Module, whatever a class has made of
 * its own. No singleton class is made.
 *
 * Ctx: VM lock. */
#ifndef SONDE_RB_METHODS_H
#define SONDE_RB_METHODS_H

#include "compat/compat.h"
#include <sonde/str.h>

enum sonde_rb_named {
    SONDE_RB_NAMED_NOTHING, /* it is no name of a method */
    SONDE_RB_NAMED_LATER, /* no such constant yet, or one that is to be loaded on demand */
    SONDE_RB_NAMED_OBJECT, /* "A#m", and A is neither class nor module */
    SONDE_RB_NAMED_NO_METHOD,
    SONDE_RB_NAMED_OTHERS,  /* the method of an ancestor: `method` */
    SONDE_RB_NAMED_NO_CODE, /* a method without Ruby code: `method` */
    SONDE_RB_NAMED_CODE,
};

/* A name taken apart; lent from it. */
struct sonde_rb_method_name {
    struct sonde_str path;   /* "A::B" */
    struct sonde_str method; /* "m" */
    bool is_singleton;       /* of A::B itself */
};

struct sonde_rb_found_method {
    VALUE holder;  /* what the constant has */
    VALUE place;   /* the class or module that was looked into; 0: there is none */
    VALUE wrapper; /* with CODE: of the sequence that runs */
    struct sonde_rb_method method; /* as its frames have it */
};

/* Takes Ruby's own methods by which the rest looks. May raise. Ctx: at load. */
void sonde_rb_methods_init(void);

/* False: it is no name of a method. */
bool sonde_rb_method_name_read(struct sonde_rb_method_name *name, struct sonde_str text);

/* May raise: under sonde_rb_protect. */
enum sonde_rb_named sonde_rb_method_look_up(const struct sonde_rb_method_name *name,
                                            struct sonde_rb_found_method *out);

/* Calls visit for the names of all methods that stand in this class or module itself. May raise. */
void sonde_rb_methods_each_name(VALUE place,
                                void (*visit)(struct sonde_str name, void *arg),
                                void *arg);

#endif
