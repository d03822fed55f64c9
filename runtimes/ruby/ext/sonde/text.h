/* SPDX-License-Identifier: Apache-2.0
 *
 * Ruby's strings, symbols and names of classes as runs of bytes, without making anything.
 *
 * Ctx: VM lock. Never raises. */
#ifndef SONDE_RB_TEXT_H
#define SONDE_RB_TEXT_H

#include "compat/compat.h"
#include <sonde/str.h>

/* What a buffer for a name that is put together must hold; longer ones are cut. */
#define SONDE_RB_NAME_BYTES 512

/* The bytes of a String, lent from the object; an empty run for anything else. */
struct sonde_str sonde_rb_text(VALUE string);

/* The name of a variable, method or symbol; empty for one that has none (internal ones). Lent for
 * as long as the symbol lives. */
struct sonde_str sonde_rb_id_text(ID id);

/* The same, lent until the next call. Of the names that were asked for lately a copy is kept: an ID
 * means one name for as long as the process lives. Ctx: VM lock. */
struct sonde_str sonde_rb_id_text_briefly(ID id);

/* The path of a class or module as its author wrote it ("Shop::Cart"), without asking it;
 * "#<Class>" or "#<Module>" for one without a name. Lent from the class. */
struct sonde_str sonde_rb_class_text(VALUE module);

/* The class of an object as its author wrote it, whatever singleton class it has; 0 for what is
 * no object of a program. */
VALUE sonde_rb_class_of(VALUE object);

/* Whether a class of that path is the class or one that it derives from. */
bool sonde_rb_descends_from(VALUE class, struct sonde_str path);

/* "Cart#total" or "Cart.load"; "total" alone where the owner has no name. `prefix` ("block in ")
 * stands before it. Lent from its parts or from `buf` of SONDE_RB_NAME_BYTES. */
struct sonde_str sonde_rb_method_text(struct sonde_str prefix, VALUE owner,
                                      struct sonde_str name, char *buf);

/* Appends to buf at `at`, as far as there is room; returns the new length. */
size_t sonde_rb_append(char *buf, size_t at, struct sonde_str text);

#endif
