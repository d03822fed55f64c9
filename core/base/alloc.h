/* SPDX-License-Identifier: Apache-2.0
 *
 * The one door to the heap for core, collector and cli, so that tests can make the Nth
 * allocation fail. Same contracts as malloc, calloc, realloc and free.
 *
 * Ctx: any thread; not async-signal-safe. */
#ifndef SONDE_ALLOC_H
#define SONDE_ALLOC_H

#include <sonde/str.h>
#include <stdint.h>

void *sonde_alloc(size_t bytes);
void *sonde_calloc(size_t count, size_t bytes);
void *sonde_realloc(void *old, size_t bytes);
void sonde_free(void *memory);

/* A heap copy of `text` with a terminating NUL; NULL when out of memory. */
char *sonde_strdup(struct sonde_str text);

/* Makes the Nth allocation from now fail (1 = the next one), and when `sticky` every one
 * after it too; 0 switches failing off. Returns how many allocations were made since the
 * last call. Tests only; process-wide. */
uint64_t sonde_alloc_testonly_fail_at(uint64_t n, bool sticky);

#endif
