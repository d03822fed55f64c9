/* SPDX-License-Identifier: Apache-2.0
 *
 * Values that are shown as one text: numbers, names of code, files.
 *
 * Ctx: a hook. Never raises, calls nothing of the application, allocates no object. `type` is
 * what the value is shown as. */
#ifndef SONDE_RB_SCALARS_H
#define SONDE_RB_SCALARS_H

#include "compat/compat.h"
#include <sonde/tape.h>

/* An Integer of more than 62 bits: its digits, or beyond some 300 of them "0x…". */
void sonde_rb_write_bignum(struct sonde_tape *tape, struct sonde_str type, VALUE value);

/* A Class or Module by its name. */
void sonde_rb_write_module(struct sonde_tape *tape, struct sonde_str type, VALUE module);

/* A Regexp as it is written: "/total: (\d+)/i". */
void sonde_rb_write_regexp(struct sonde_tape *tape, struct sonde_str type, VALUE regexp);

/* An IO by its path or descriptor. */
void sonde_rb_write_io(struct sonde_tape *tape, struct sonde_str type, VALUE io);

/* "#<Proc shop.rb:12 (lambda)>" */
struct sonde_str sonde_rb_block_text(const struct sonde_rb_iseq *iseq, bool is_lambda,
                                     char *buf);

/* T_DATA of CRuby's own kinds that are shown as one text: Proc, Method, Time, Encoding, Mutex; and BigDecimal,
 * Date. False: none of them. */
bool sonde_rb_try_write_data(struct sonde_tape *tape, struct sonde_str type, VALUE value);

/* "#<Shop::Cart:0x00007f…>", as Object#inspect shows what has nothing to show. */
void sonde_rb_write_opaque(struct sonde_tape *tape, struct sonde_str type, VALUE value);

#endif
