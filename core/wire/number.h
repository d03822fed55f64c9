/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as text, the same in every locale: an application may have called setlocale,
 * and then strtod and printf speak with a comma.
 *
 * Ctx: any thread. */
#ifndef SONDE_NUMBER_H
#define SONDE_NUMBER_H

#include <sonde/str.h>
#include <stdint.h>

/* Exactly an optional minus and decimal digits; false when it is anything else or does
 * not fit. */
bool sonde_number_read_int(struct sonde_str text, int64_t *out);
bool sonde_number_read_uint(struct sonde_str text, uint64_t *out);

/* A decimal number, without space around it; infinite when too big. */
bool sonde_number_read_double(const char *text, double *out);

#define SONDE_NUMBER_TEXT_BYTES 40

/* The shortest text that reads back as the same `value`, which is finite; it always has a
 * point or an exponent. */
void sonde_number_write_double(char out[SONDE_NUMBER_TEXT_BYTES], double value);

/* The shortest text that reads back as the same `value`, laid out as people write numbers: with
 * an exponent only below 0.0001 and from 1e+16 on; "inf", "-inf", "nan". */
void sonde_number_write_float(char out[SONDE_NUMBER_TEXT_BYTES], double value);

#endif
