/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/ring.h"

#include <sonde/err.h>

#include <string.h>
#include <sys/mman.h>

/* A record is an 8-byte header and its bytes, padded to 8. The header is the length
 * shifted by FLAG_BITS with the flags below it, and it is written last: zero means that
 * nothing was written or that its writer is not done. So memory outside tail..head is
 * always zero. The kernel gives it zeroed and sonde_ring_release() leaves it zeroed.
 *
 * A record never wraps. One that does not fit before the end of the memory is preceded by
 * a padding record up to there, reserved in the same step. */
#define HEADER_BYTES sizeof(uint64_t)
#define SMALLEST_BYTES ((size_t)4096)
#define FLAG_BITS 2
#define FLAG_COMMITTED UINT64_C(1)
#define FLAG_PADDING UINT64_C(2)

static _Atomic uint64_t *
header_at(const struct sonde_ring *ring, uint64_t position)
{
    return (_Atomic uint64_t *)(ring->memory + (position & (ring->bytes - 1)));
}

/* From a record's length to the whole of it, header and padding to 8 included. */
static uint64_t
record_bytes(uint64_t len)
{
    return (HEADER_BYTES + len + 7) & ~UINT64_C(7);
}

static void
commit(const struct sonde_ring *ring, uint64_t position, uint64_t len, uint64_t flags)
{
    /* Release: pairs with the acquire in peek, so that who sees the flag sees the bytes.
     * */
    atomic_store_explicit(header_at(ring, position),
                          len << FLAG_BITS | flags | FLAG_COMMITTED,
                          memory_order_release);
}

static void
raise_high_bytes(struct sonde_ring *ring, uint64_t used)
{
    /* Relaxed: a statistic, nothing is published by it. */
    uint64_t high = atomic_load_explicit(&ring->high_bytes, memory_order_relaxed);
    while (used > high && !atomic_compare_exchange_weak_explicit(
                              &ring->high_bytes, &high, used, memory_order_relaxed,
                              memory_order_relaxed)) {
    }
}

int
sonde_ring_init(struct sonde_ring *ring, size_t bytes)
{
    memset(ring, 0, sizeof(*ring));
    size_t rounded = SMALLEST_BYTES;
    while (rounded < bytes) {
        if (rounded > SIZE_MAX / 2) {
            return SONDE_E_NOMEM;
        }
        rounded *= 2;
    }
    /* NORESERVE and no MAP_POPULATE: a page costs memory from its first record on. */
    void *memory = mmap(NULL, rounded, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return SONDE_E_NOMEM;
    }
    ring->memory = memory;
    ring->bytes = rounded;
    return SONDE_OK;
}

void
sonde_ring_fini(struct sonde_ring *ring)
{
    if (ring->memory != NULL) {
        munmap(ring->memory, ring->bytes);
    }
    memset(ring, 0, sizeof(*ring));
}

int
sonde_ring_push(struct sonde_ring *ring, const void *data, size_t len)
{
    /* At most half: then the record and the padding before it fit together in an empty
     * ring, wherever it stands, so that BUSY always passes. A ring without memory has 0
     * bytes. */
    if (len > ring->bytes || record_bytes(len) > ring->bytes / 2) {
        return SONDE_E_LIMIT;
    }
    const uint64_t need = record_bytes(len);

    uint64_t tail, head, padding, next;
    for (;;) {
        /* tail before head: then head can not be behind tail. Acquire on tail: pairs with
         * release(), whose zeroing must not land on our bytes. Relaxed on head: reserving
         * publishes nothing, the header does. That this load sees at least the head which
         * tail has caught up with follows from the acquire: reservation, commit, peek,
         * release and our load of tail happened in that order. */
        tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        head = atomic_load_explicit(&ring->head, memory_order_relaxed);
        uint64_t to_end = ring->bytes - (head & (ring->bytes - 1));
        padding = to_end < need ? to_end : 0;
        next = head + padding + need;
        if (next - tail > ring->bytes) {
            /* Full, unless head is younger than this tail: then look again. Relaxed: only
             * compared, nothing is read on its word. */
            if (atomic_load_explicit(&ring->tail, memory_order_relaxed) == tail) {
                return SONDE_E_BUSY;
            }
        } else if (atomic_compare_exchange_weak_explicit(&ring->head, &head, next,
                                                         memory_order_relaxed,
                                                         memory_order_relaxed)) {
            break; /* relaxed, as for the load */
        }
    }

    raise_high_bytes(ring, next - tail);
    if (padding > 0) {
        commit(ring, head, padding - HEADER_BYTES, FLAG_PADDING);
    }
    uint64_t position = head + padding;
    if (len > 0) {
        memcpy((unsigned char *)header_at(ring, position) + HEADER_BYTES, data, len);
    }
    commit(ring, position, len, 0);
    return SONDE_OK;
}

uint64_t
sonde_ring_cursor(const struct sonde_ring *ring)
{
    /* Relaxed: only the consumer, which asks, ever writes it. */
    return atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

const void *
sonde_ring_peek(const struct sonde_ring *ring, uint64_t *cursor, size_t *len)
{
    for (;;) {
        /* Once round a full ring the cursor stands on the oldest record again. (Unsigned,
         * so that a cursor from before the last release is refused as well.) */
        if (*cursor - sonde_ring_cursor(ring) >= ring->bytes) {
            return NULL;
        }
        /* Acquire: pairs with commit(). */
        const _Atomic uint64_t *header = header_at(ring, *cursor);
        uint64_t word = atomic_load_explicit(header, memory_order_acquire);
        if ((word & FLAG_COMMITTED) == 0) {
            return NULL;
        }
        uint64_t record_len = word >> FLAG_BITS;
        *cursor += record_bytes(record_len);
        if ((word & FLAG_PADDING) == 0) {
            *len = (size_t)record_len;
            return (const unsigned char *)header + HEADER_BYTES;
        }
    }
}

void
sonde_ring_release(struct sonde_ring *ring, uint64_t cursor)
{
    uint64_t tail = sonde_ring_cursor(ring);
    uint64_t count = cursor - tail;
    if (count == 0 || count > ring->bytes) {
        return; /* nothing, or a cursor that was released before */
    }
    /* All of it, not the headers alone: the next header here may stand anywhere. */
    size_t start = tail & (ring->bytes - 1);
    size_t to_end = ring->bytes - start;
    if (count <= to_end) {
        memset(ring->memory + start, 0, count);
    } else {
        memset(ring->memory + start, 0, to_end);
        memset(ring->memory, 0, count - to_end);
    }
    /* Release: our reads and the zeroing are over before a producer may write here. */
    atomic_store_explicit(&ring->tail, cursor, memory_order_release);
}

size_t
sonde_ring_used(const struct sonde_ring *ring)
{
    /* tail first and acquire, as in push: never negative. What was pushed and released
     * between the two loads is counted, hence the cut. */
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t used = atomic_load_explicit(&ring->head, memory_order_relaxed) - tail;
    return used < ring->bytes ? used : ring->bytes;
}
