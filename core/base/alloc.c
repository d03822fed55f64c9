/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Which allocation fails, counted from the last arming; 0: none, and nothing is counted,
 * so that an application pays one relaxed load. All of it is relaxed: a test arms it
 * before it starts the threads that it wants to see fail. */
static _Atomic uint64_t fail_at;
static _Atomic uint64_t made_count;
static atomic_bool fail_is_sticky;

static bool
must_fail(void)
{
    uint64_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (at == 0) {
        return false;
    }
    uint64_t nth = atomic_fetch_add_explicit(&made_count, 1, memory_order_relaxed) + 1;
    return nth == at ||
           (nth > at && atomic_load_explicit(&fail_is_sticky, memory_order_relaxed));
}

uint64_t
sonde_alloc_testonly_fail_at(uint64_t n, bool sticky)
{
    atomic_store_explicit(&fail_is_sticky, sticky, memory_order_relaxed);
    atomic_store_explicit(&fail_at, n, memory_order_relaxed);
    return atomic_exchange_explicit(&made_count, 0, memory_order_relaxed);
}

void *
sonde_alloc(size_t bytes)
{
    return must_fail() ? NULL : malloc(bytes);
}

void *
sonde_calloc(size_t count, size_t bytes)
{
    return must_fail() ? NULL : calloc(count, bytes);
}

void *
sonde_realloc(void *old, size_t bytes)
{
    return must_fail() ? NULL : realloc(old, bytes);
}

void
sonde_free(void *memory)
{
    free(memory);
}

char *
sonde_strdup(struct sonde_str text)
{
    char *copy = text.len == SIZE_MAX ? NULL : sonde_alloc(text.len + 1);
    if (copy == NULL) {
        return NULL;
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}
