/* SPDX-License-Identifier: Apache-2.0
 *
 * Ruby's strings, symbols and names of classes as runs of bytes, without making anything.
 *
 * Ctx: VM lock. Never raises. */
#ifndef SONDE_RB_TEXT_H
#define SONDE_RB_TEXT_H

#include "compat/compat.h"
#include <sonde/str.h>

/* The bytes of a String, lent from the object; an empty run for anything else. */
struct sonde_str sonde_rb_text(VALUE string);

/* The name of a variable, method or symbol; empty for one that has none (internal ones). Lent for
 * as long as the symbol lives. */
struct sonde_str sonde_rb_id_text(ID id);

/* The path of a class or module as its author wrote it ("Shop::Cart"), without asking it;
 * "#<Class>" or "#<Module>" for one without a name. Lent from the class. */
struct sonde_str sonde_rb_class_text(VALUE module);

#endif
