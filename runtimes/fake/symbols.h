/* SPDX-License-Identifier: Apache-2.0
 *
 * What is loaded, for sonde/symbols.h: a program is a file, "Cart.add" a method of a class in it. */
#ifndef SONDE_RUNTIMES_FAKE_SYMBOLS_H
#define SONDE_RUNTIMES_FAKE_SYMBOLS_H

#include "runtimes/fake/entry.h"

/* The adapter's callbacks. */
int sonde_fake_list_symbols(void *ctx, struct sonde_listing *listing);
void sonde_fake_watch_symbols(void *ctx, bool on);
bool sonde_fake_have_symbols_changed(void *ctx);

#endif
