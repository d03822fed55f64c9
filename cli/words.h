/* SPDX-License-Identifier: Apache-2.0
 *
 * Times and reasons in a person's words. Each writes into the caller's 32 bytes and returns
 * them. */
#ifndef SONDE_WORDS_H
#define SONDE_WORDS_H

#include "core/wire/json.h"

#define SONDE_WORDS_BYTES 32

/* How long something took: "850 ns", "12.3 µs", "1.20 ms", "2.31 s". */
const char *sonde_words_elapsed(char out[SONDE_WORDS_BYTES], int64_t ns);

/* From one time to another, to the coarsest useful unit: "12s", "3m", "2h", "4d"; "0s" when
 * `to_ns` is the earlier one. Any two times are allowed. */
const char *sonde_words_span(char out[SONDE_WORDS_BYTES], int64_t from_ns, int64_t to_ns);

/* A wall clock time, local: "2025-03-01 14:02:11.482". */
const char *sonde_words_time(char out[SONDE_WORDS_BYTES], int64_t wall_ns);

/* The sum of the integers of an object such as `dropped`; 0 for NULL. */
int64_t sonde_words_total(const struct sonde_json *counts);

/* "rate 113, queue_full 2" of the members that are not 0. */
void sonde_words_counts(struct sonde_buf *out, const struct sonde_json *counts);

/* "41, 44" */
void sonde_words_numbers(struct sonde_buf *out, const struct sonde_json *numbers);

#endif
