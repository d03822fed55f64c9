/* SPDX-License-Identifier: Apache-2.0
 *
 * A bounded queue of byte records: any number of producers, one consumer, no lock, no
 * system call and no allocation after init. The memory is reserved once and touched only
 * as far as it is used.
 *
 * A record stays in the ring until the consumer releases it, so that a sender can peek,
 * send, and release only what was acknowledged; the ring's size is then the whole bound on
 * what waits.
 *
 * Ctx: push from any thread; peek and release from the one consumer. */
#ifndef SONDE_RING_H
#define SONDE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>

struct sonde_ring {
    unsigned char *memory;
    size_t bytes;                /* a power of two */
    _Atomic uint64_t head;       /* next byte to reserve; grows for ever */
    _Atomic uint64_t tail;       /* next byte to release; grows for ever */
    _Atomic uint64_t high_bytes; /* most bytes ever waiting */
};

/* Reserves at least `bytes` (rounded up to a power of two, 4 KiB at least).
 * Returns SONDE_OK or SONDE_E_NOMEM. */
int sonde_ring_init(struct sonde_ring *ring, size_t bytes);
void sonde_ring_fini(struct sonde_ring *ring);

/* Copies one record in. Returns SONDE_OK; SONDE_E_BUSY when there is no room now;
 * SONDE_E_LIMIT when it could never fit (more than half the ring). */
int sonde_ring_push(struct sonde_ring *ring, const void *data, size_t len);

/* Where the consumer reads: starts at the oldest record that was not released. */
uint64_t sonde_ring_cursor(const struct sonde_ring *ring);

/* The record at *cursor, and moves *cursor past it; NULL when no finished record is there
 * yet. The memory stays valid until it is released. */
const void *sonde_ring_peek(const struct sonde_ring *ring, uint64_t *cursor, size_t *len);

/* Frees everything before `cursor` for producers. */
void sonde_ring_release(struct sonde_ring *ring, uint64_t cursor);

/* Bytes waiting now, headers included; a moment's value. */
size_t sonde_ring_used(const struct sonde_ring *ring);

#endif
