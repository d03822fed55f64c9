/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/ring.h"

#include <sonde/err.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PRODUCER_COUNT 4
#define RECORDS_EACH 50000

static void
test_empty_ring(void **state)
{
    (void)state;
    struct sonde_ring ring;
    assert_int_equal(sonde_ring_init(&ring, 1), SONDE_OK);
    assert_int_equal(ring.bytes, 4096);
    uint64_t cursor = sonde_ring_cursor(&ring);
    size_t len = 77;
    assert_null(sonde_ring_peek(&ring, &cursor, &len));
    assert_int_equal(len, 77);
    assert_int_equal(cursor, sonde_ring_cursor(&ring));
    sonde_ring_release(&ring, cursor);
    assert_int_equal(sonde_ring_used(&ring), 0);
    sonde_ring_fini(&ring);
}

static void
test_size_is_rounded_up_or_refused(void **state)
{
    (void)state;
    struct sonde_ring ring;
    assert_int_equal(sonde_ring_init(&ring, 4097), SONDE_OK);
    assert_int_equal(ring.bytes, 8192);
    sonde_ring_fini(&ring);
    assert_int_equal(sonde_ring_init(&ring, SIZE_MAX), SONDE_E_NOMEM);
    assert_int_equal(sonde_ring_init(&ring, SIZE_MAX / 2), SONDE_E_NOMEM);
    /* A ring that could not be made refuses and can be ended. */
    assert_int_equal(sonde_ring_push(&ring, "x", 1), SONDE_E_LIMIT);
    uint64_t cursor = sonde_ring_cursor(&ring);
    size_t len;
    assert_null(sonde_ring_peek(&ring, &cursor, &len));
    sonde_ring_fini(&ring);
}

static void
test_records_come_back_in_order(void **state)
{
    (void)state;
    struct sonde_ring ring;
    assert_int_equal(sonde_ring_init(&ring, 4096), SONDE_OK);
    assert_int_equal(sonde_ring_push(&ring, "one", 3), SONDE_OK);
    assert_int_equal(sonde_ring_push(&ring, NULL, 0), SONDE_OK);
    assert_int_equal(sonde_ring_push(&ring, "12345678", 8), SONDE_OK);
    assert_int_equal(sonde_ring_used(&ring), 16 + 8 + 16);

    uint64_t cursor = sonde_ring_cursor(&ring);
    size_t len;
    const void *record = sonde_ring_peek(&ring, &cursor, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(record, "one", 3);
    assert_int_equal((uintptr_t)record % 8, 0);
    assert_non_null(sonde_ring_peek(&ring, &cursor, &len));
    assert_int_equal(len, 0);
    record = sonde_ring_peek(&ring, &cursor, &len);
    assert_int_equal(len, 8);
    assert_memory_equal(record, "12345678", 8);
    assert_null(sonde_ring_peek(&ring, &cursor, &len));
    sonde_ring_fini(&ring);
}

static void
test_peeked_records_stay_until_released(void **state)
{
    (void)state;
    struct sonde_ring ring;
    assert_int_equal(sonde_ring_init(&ring, 4096), SONDE_OK);
    sonde_ring_push(&ring, "a", 1);
    sonde_ring_push(&ring, "b", 1);
    uint64_t cursor = sonde_ring_cursor(&ring);
    size_t len;
    sonde_ring_peek(&ring, &cursor, &len);
    uint64_t after_first = cursor;
    sonde_ring_peek(&ring, &cursor, &len);

    /* Not sent: from the start again. */
    uint64_t again = sonde_ring_cursor(&ring);
    assert_memory_equal(sonde_ring_peek(&ring, &again, &len), "a", 1);
    sonde_ring_release(&ring, after_first);
    again = sonde_ring_cursor(&ring);
    assert_memory_equal(sonde_ring_peek(&ring, &again, &len), "b", 1);
    sonde_ring_release(&ring, after_first); /* once more: nothing */
    sonde_ring_release(&ring, 0);           /* long gone: nothing */
    assert_int_equal(sonde_ring_used(&ring), 16);
    uint64_t stale = 0;
    assert_null(sonde_ring_peek(&ring, &stale, &len));
    sonde_ring_fini(&ring);
}

static void
test_oversize_is_refused_for_good(void **state)
{
    (void)state;
    static const char data[4096];
    struct sonde_ring ring;
    assert_int_equal(sonde_ring_init(&ring, 4096), SONDE_OK);
    assert_int_equal(sonde_ring_push(&ring, data, 2048 - 7), SONDE_E_LIMIT);
    assert_int_equal(sonde_ring_push(&ring, data, 4096), SONDE_E_LIMIT);
    assert_int_equal(sonde_ring_push(&ring, data, SIZE_MAX), SONDE_E_LIMIT);
    assert_int_equal(sonde_ring_push(&ring, data, SIZE_MAX - 8), SONDE_E_LIMIT);
    assert_int_equal(sonde_ring_used(&ring), 0);
    assert_int_equal(sonde_ring_push(&ring, data, 2048 - 8), SONDE_OK);
    sonde_ring_fini(&ring);
}

static void
test_full_ring_is_busy_until_released(void **state)
{
    (void)state;
    struct sonde_ring ring;
    assert_int_equal(sonde_ring_init(&ring, 4096), SONDE_OK);
    uint64_t number = 0;
    while (sonde_ring_push(&ring, &number, sizeof(number)) == SONDE_OK) {
        number++;
    }
    assert_int_equal(number, 4096 / 16);
    assert_int_equal(sonde_ring_push(&ring, &number, sizeof(number)), SONDE_E_BUSY);
    assert_int_equal(sonde_ring_used(&ring), 4096);
    assert_int_equal(ring.high_bytes, 4096);

    /* To the last byte, and not round and round. */
    uint64_t cursor = sonde_ring_cursor(&ring);
    const void *record;
    size_t len;
    uint64_t expected = 0;
    while ((record = sonde_ring_peek(&ring, &cursor, &len)) != NULL) {
        assert_memory_equal(record, &expected, sizeof(expected));
        expected++;
    }
    assert_int_equal(expected, number);

    sonde_ring_release(&ring, cursor);
    assert_int_equal(sonde_ring_used(&ring), 0);
    assert_int_equal(sonde_ring_push(&ring, &number, sizeof(number)), SONDE_OK);
    assert_int_equal(ring.high_bytes, 4096);
    sonde_ring_fini(&ring);
}

/* Every length at every place where the end of the memory can fall into a record, with
 * the largest one too: BUSY on an empty ring would be for ever. */
static void
test_wraps_at_every_place(void **state)
{
    (void)state;
    struct sonde_ring ring;
    assert_int_equal(sonde_ring_init(&ring, 4096), SONDE_OK);
    unsigned char data[2040];
    for (unsigned round = 0; round < 20000; round++) {
        size_t len = round % 97 == 0 ? sizeof(data) : round * 7 % 1031;
        memset(data, (int)(round % 255), len);
        assert_int_equal(sonde_ring_push(&ring, data, len), SONDE_OK);
        uint64_t cursor = sonde_ring_cursor(&ring);
        size_t got;
        const void *record = sonde_ring_peek(&ring, &cursor, &got);
        assert_non_null(record);
        assert_int_equal(got, len);
        assert_memory_equal(record, data, len);
        assert_null(sonde_ring_peek(&ring, &cursor, &got));
        sonde_ring_release(&ring, cursor);
        assert_int_equal(sonde_ring_used(&ring), 0);
    }
    for (size_t i = 0; i < ring.bytes; i++) {
        assert_int_equal(ring.memory[i], 0);
    }
    sonde_ring_fini(&ring);
}

/* A large ring costs what is used of it, not what was reserved. */
static void
test_memory_is_touched_as_used(void **state)
{
    (void)state;
    struct sonde_ring ring;
    assert_int_equal(sonde_ring_init(&ring, (size_t)64 << 20), SONDE_OK);
    sonde_ring_push(&ring, "x", 1);
    static unsigned char resident[(64 << 20) / 4096];
    size_t pages = ring.bytes / (size_t)sysconf(_SC_PAGESIZE);
    assert_true(pages <= sizeof(resident));
    assert_int_equal(mincore(ring.memory, ring.bytes, resident), 0);
    size_t touched = 0;
    for (size_t i = 0; i < pages; i++) {
        touched += resident[i] & 1;
    }
    assert_in_range(touched, 1, pages / 8); /* a huge page at most */
    sonde_ring_fini(&ring);
}

struct producer {
    struct sonde_ring *ring;
    uint64_t id;
    uint64_t busy_count;
};

/* A record: who, which, then a length and bytes that follow from both. */
struct message {
    uint64_t producer;
    uint64_t number;
    unsigned char filler[120];
};

static size_t
message_make(struct message *message, uint64_t producer, uint64_t number)
{
    message->producer = producer;
    message->number = number;
    size_t filler_len = (size_t)((producer * 31 + number * 17) % sizeof(message->filler));
    memset(message->filler, (int)((producer + number) % 251), filler_len);
    return offsetof(struct message, filler) + filler_len;
}

static void *
produce(void *arg)
{
    struct producer *producer = arg;
    for (uint64_t number = 0; number < RECORDS_EACH; number++) {
        struct message message;
        size_t len = message_make(&message, producer->id, number);
        while (sonde_ring_push(producer->ring, &message, len) != SONDE_OK) {
            producer->busy_count++;
            sched_yield();
        }
    }
    return NULL;
}

/* Every record of four threads arrives once, whole and in its thread's order; the small
 * ring makes them meet at the full end and at the wrap thousands of times. */
static void
test_many_producers(void **state)
{
    (void)state;
    struct sonde_ring ring;
    assert_int_equal(sonde_ring_init(&ring, 8192), SONDE_OK);
    struct producer producers[PRODUCER_COUNT];
    pthread_t threads[PRODUCER_COUNT];
    for (unsigned i = 0; i < PRODUCER_COUNT; i++) {
        producers[i] = (struct producer){.ring = &ring, .id = i};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }

    uint64_t next[PRODUCER_COUNT] = {0};
    unsigned total = 0, batch = 0;
    uint64_t cursor = sonde_ring_cursor(&ring);
    while (total < PRODUCER_COUNT * RECORDS_EACH) {
        size_t len;
        const struct message *got = sonde_ring_peek(&ring, &cursor, &len);
        if (got == NULL) {
            sonde_ring_release(&ring, cursor);
            assert_true(sonde_ring_used(&ring) <= ring.bytes);
            sched_yield();
            continue;
        }
        assert_in_range(got->producer, 0, PRODUCER_COUNT - 1);
        struct message expected;
        size_t expected_len =
            message_make(&expected, got->producer, next[got->producer]++);
        assert_int_equal(len, expected_len);
        assert_memory_equal(got, &expected, len);
        total++;
        if (++batch % 13 == 0) {
            sonde_ring_release(&ring, cursor);
        }
    }
    sonde_ring_release(&ring, cursor);
    for (unsigned i = 0; i < PRODUCER_COUNT; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(next[i], RECORDS_EACH);
    }
    assert_int_equal(sonde_ring_used(&ring), 0);
    assert_in_range(ring.high_bytes, 1, ring.bytes);
    sonde_ring_fini(&ring);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_ring),
        cmocka_unit_test(test_size_is_rounded_up_or_refused),
        cmocka_unit_test(test_records_come_back_in_order),
        cmocka_unit_test(test_peeked_records_stay_until_released),
        cmocka_unit_test(test_oversize_is_refused_for_good),
        cmocka_unit_test(test_full_ring_is_busy_until_released),
        cmocka_unit_test(test_wraps_at_every_place),
        cmocka_unit_test(test_memory_is_touched_as_used),
        cmocka_unit_test(test_many_producers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
