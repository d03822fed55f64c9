/* SPDX-License-Identifier: Apache-2.0
 *
 * Strings and Symbols, of any encoding. Read as characters: UTF-8 (also of a Mac), US-ASCII, ISO-8859-1 and -15,
 * Windows-1252, UTF-16 and UTF-32 of both byte orders, and whatever is plain ASCII in an encoding that has it.
 * All else (Shift_JIS, EUC-JP, …, binary data, what breaks off in a character) is shown as bytes: "\x82\xa0b".
 * CRuby's converters are not used: they make objects and load files.
 *
 * Ctx: a hook. Never raises, calls nothing of the application, makes no object. */
#ifndef SONDE_RB_CHARACTERS_H
#define SONDE_RB_CHARACTERS_H

#include "compat/compat.h"
#include <sonde/tape.h>

/* A String, or the name of a Symbol. */
void sonde_rb_write_string(struct sonde_tape *tape, struct sonde_str type, VALUE string);

#endif
