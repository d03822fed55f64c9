/* SPDX-License-Identifier: Apache-2.0
 *
 * What is loaded, for the core's listings (sonde/symbols.h). A tree for each file: classes and modules nested by
 * their qualified names, however they were reopened (`class Shop::Order` is Shop > Order, as `module Shop; class
 * Order` is), in them methods, in those blocks. A class that stands in several files is in each with the methods that
 * it has there; its super class and modules are in the file where its constant was defined, a constant in that of
 * its own definition. What is not in a module stands in the file.
 *
 * A name is the VM's own class path, and counts only where the constants from Object on lead to that very
 * object; what has no such path (`Class.new`) is called "#<Class>", a refinement
 * "#<refinement:String@Shop::Text>", and neither can be named by a probe. Constants that are to be loaded on demand are left
 * alone. Nothing of the application runs.
 *
 * A listing goes through these, in slices:
 *   1. the heap: classes without a name, blocks that are in no method and that a Proc keeps, and a digest of each module's methods
 *   2. constants, from Object on: names, and where they were defined
 *   3. what changed since the last listing, by the digests: its files are to be listed again (not if all are)
 *   4. all that has a name, then what has none, then the blocks of 1.
 * What is to be gone on with is held where it is by a mark function meanwhile; no address outlives a listing but as
 * the key of a digest.
 *
 * Ctx: VM lock. Never raises. */
#ifndef SONDE_RB_SYMBOLS_H
#define SONDE_RB_SYMBOLS_H

#include "compat/compat.h"
#include <sonde/adapter.h>

/* The adapter's three callbacks. */
int sonde_rb_symbols_list(void *ctx, struct sonde_listing *listing);
void sonde_rb_symbols_watch(void *ctx, bool on);
bool sonde_rb_symbols_have_changed(void *ctx);

/* A file is about to run; `iseq` is its whole. Ctx: :script_compiled. */
void sonde_rb_symbols_note_compiled(const struct sonde_rb_iseq *iseq);

/* Sonde::Native.wait_for_symbols, .add_symbol_origin, .name_program, .symbols_testonly. */
void sonde_rb_symbols_init(VALUE module);

#endif
