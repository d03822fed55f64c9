/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of entries that wait for their exit (CORE-11: bounded, and what is lost is
 * counted).
 *
 * Rows: CORE-03 CORE-09 */
#include "core/base/alloc.h"
#include "core/probe/definition.h"
#include "core/probe/inflight.h"
#include "core/probe/site.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

struct fixture {
    struct sonde_recorder recorder;
    struct sonde_inflight *table;
    struct sonde_probe *probe;
    struct sonde_site *site, *other;
};

static int
setup(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof(*fixture));
    const struct sonde_recorder_options options = {
        .queue_bytes = 4096, .snapshots_per_second = 1, .cpu_percent = 1};
    assert_int_equal(sonde_recorder_init(&fixture->recorder, &options, NULL), SONDE_OK);
    struct sonde_probe_def def;
    sonde_probe_def_init(&def);
    def.at = SONDE_AT_EXIT;
    const struct sonde_finding_entry found = {.file = SONDE_STR("a"),
                                              .function = SONDE_STR("f")};
    fixture->table = fixture->recorder.inflight;
    fixture->probe = sonde_probe_new(&def, &fixture->recorder);
    fixture->site = sonde_site_new(fixture->probe, &found);
    fixture->other = sonde_site_new(fixture->probe, &found);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fixture = *state;
    sonde_recorder_fini(&fixture->recorder); /* frees what waits, too */
    sonde_site_unref(fixture->site);
    sonde_site_unref(fixture->other);
    sonde_probe_unref(fixture->probe);
    test_free(fixture);
    return 0;
}

static int
put(struct fixture *fixture, struct sonde_site *site, uint64_t frame)
{
    return sonde_inflight_put(fixture->table, site, frame, (int64_t)frame + 5,
                              SONDE_STR("record"));
}

static bool
take(struct fixture *fixture, struct sonde_site *site, uint64_t frame)
{
    struct sonde_inflight_entry *entry = sonde_inflight_take(fixture->table, site, frame);
    if (entry == NULL) {
        return false;
    }
    assert_ptr_equal(entry->site, site);
    assert_int_equal(entry->frame, frame);
    assert_int_equal(entry->entered_ns, frame + 5);
    assert_int_equal(entry->len, 6);
    assert_memory_equal(entry->record, "record", 6);
    sonde_free(entry);
    return true;
}

static uint32_t
count(struct fixture *fixture)
{
    uint32_t entries;
    size_t bytes;
    sonde_inflight_size(fixture->table, &entries, &bytes);
    assert_true(bytes <= SONDE_INFLIGHT_MAX_BYTES);
    assert_true(entries > 0 || bytes == 0);
    assert_int_equal(entries, fixture->site->waiting + fixture->other->waiting);
    return entries;
}

static uint64_t
lost(struct fixture *fixture)
{
    uint64_t mine = sonde_drops_get(&fixture->probe->drops, SONDE_DROP_ENTRY_LOST);
    assert_int_equal(mine,
                     sonde_drops_get(&fixture->recorder.drops, SONDE_DROP_ENTRY_LOST));
    return mine;
}

static void
test_CORE_03_entries_are_kept_by_site_and_frame(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, fixture->site, 1), SONDE_OK);
    assert_int_equal(put(fixture, fixture->other, 1), SONDE_OK);
    assert_int_equal(put(fixture, fixture->site, 2), SONDE_OK);
    assert_false(take(fixture, fixture->other, 2));
    assert_true(take(fixture, fixture->site, 1));
    assert_false(take(fixture, fixture->site, 1));
    assert_true(take(fixture, fixture->other, 1));
    assert_int_equal(count(fixture), 1);
    assert_int_equal(lost(fixture), 0);
}

static void
test_CORE_11_stale_frames_are_replaced_and_counted(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put(fixture, fixture->site, 1), SONDE_OK);
    assert_int_equal(put(fixture, fixture->site, 1), SONDE_OK);
    assert_int_equal(lost(fixture), 1);
    sonde_inflight_begin(fixture->table, fixture->site, 1);
    sonde_inflight_begin(fixture->table, fixture->site, 1);
    assert_int_equal(lost(fixture), 2);
    assert_int_equal(count(fixture), 0);
}

static void
test_CORE_11_bounded_in_number(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t all = SONDE_INFLIGHT_MAX_COUNT + 10;
    for (uint64_t frame = 0; frame < all; frame++) {
        assert_int_equal(put(fixture, fixture->site, frame * 16), SONDE_OK);
    }
    assert_int_equal(count(fixture), SONDE_INFLIGHT_MAX_COUNT);
    assert_int_equal(lost(fixture), 10);
    for (uint64_t frame = 0; frame < all; frame++) {
        assert_int_equal(take(fixture, fixture->site, frame * 16),
                         frame >= 10); /* the oldest went */
    }
    assert_int_equal(count(fixture), 0);
}

static void
test_CORE_11_bounded_in_bytes(void **state)
{
    struct fixture *fixture = *state;
    static char big[64 * 1024];
    const struct sonde_str record = {big, sizeof(big)};
    for (uint64_t frame = 0; frame < 40; frame++) {
        assert_int_equal(
            sonde_inflight_put(fixture->table, fixture->site, frame, 0, record),
            SONDE_OK);
    }
    assert_int_equal(count(fixture), 31); /* 32 of them and their heads are over 2 MiB */
    assert_int_equal(lost(fixture), 9);
    const struct sonde_str huge = {big, SONDE_INFLIGHT_MAX_BYTES};
    assert_int_equal(sonde_inflight_put(fixture->table, fixture->site, 99, 0, huge),
                     SONDE_E_NOMEM);
    assert_int_equal(count(fixture), 31);
}

static void
test_CORE_11_without_memory_nothing_is_kept(void **state)
{
    struct fixture *fixture = *state;
    sonde_alloc_testonly_fail_at(1, false);
    assert_int_equal(put(fixture, fixture->site, 1), SONDE_E_NOMEM);
    sonde_alloc_testonly_fail_at(0, false);
    assert_int_equal(count(fixture), 0);
    sonde_alloc_testonly_fail_at(1, false);
    assert_null(sonde_inflight_new());
    sonde_alloc_testonly_fail_at(0, false);
}

static void
test_CORE_09_a_removed_site_takes_its_entries_along(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t frame = 0; frame < 100; frame++) {
        assert_int_equal(
            put(fixture, frame % 3 == 0 ? fixture->other : fixture->site, frame),
            SONDE_OK);
    }
    assert_int_equal(sonde_inflight_drop_site(fixture->table, fixture->site), 66);
    assert_int_equal(count(fixture), 34);
    assert_int_equal(put(fixture, fixture->site, 1), SONDE_E_CLOSED);
    assert_int_equal(put(fixture, fixture->other, 1), SONDE_OK);
    assert_true(take(fixture, fixture->other, 99));
    assert_int_equal(lost(fixture), 0); /* removed, not lost */
}

#define THREADS 4
#define ROUNDS 3000

struct worker {
    struct fixture *fixture;
    uint64_t first_frame;
    uint64_t taken;
};

static void *
work(void *arg)
{
    struct worker *worker = arg;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t frame = worker->first_frame + i % 7;
        if (put(worker->fixture, worker->fixture->site, frame) == SONDE_OK &&
            i % 5 != 0) {
            struct sonde_inflight_entry *entry =
                sonde_inflight_take(worker->fixture->table, worker->fixture->site, frame);
            worker->taken += entry != NULL;
            sonde_free(entry);
        }
    }
    return NULL;
}

static void
test_CORE_11_threads_lose_nothing_uncounted(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){fixture, i * 1000, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    uint64_t taken = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        taken += workers[i].taken;
    }
    assert_int_equal(taken, THREADS * ROUNDS / 5 * 4);
    assert_int_equal(taken + lost(fixture) + count(fixture), THREADS * ROUNDS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_CORE_03_entries_are_kept_by_site_and_frame),
        TEST(test_CORE_11_stale_frames_are_replaced_and_counted),
        TEST(test_CORE_11_bounded_in_number),
        TEST(test_CORE_11_bounded_in_bytes),
        TEST(test_CORE_11_without_memory_nothing_is_kept),
        TEST(test_CORE_09_a_removed_site_takes_its_entries_along),
        TEST(test_CORE_11_threads_lose_nothing_uncounted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
