/* SPDX-License-Identifier: Apache-2.0
 *
 * CORE-17: whichever allocation of an agent's whole life fails, the application goes on. */
#include "tests/unit/agent_kit.h"

#include "core/agent/agent_private.h"
#include "core/base/alloc.h"
#include "core/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define PROBES                                                                    \
    "[{\"id\":\"p1\",\"revision\":1,\"location\":\"app.py:10\",\"rate\":5000},"   \
    "{\"id\":\"odd\",\"revision\":1,\"location\":\"app.py:10\",\"at\":\"noon\"}," \
    "{\"id\":\"p2\",\"revision\":1,\"location\":\"late.py:10\"}]"

static struct kit_collector collector;

static int
setup(void **state)
{
    (void)state;
    sonde_log_set_level(SONDE_LOG_OFF);
    kit_collector_start(&collector, 0);
    kit_collector_publish(&collector, PROBES);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    kit_collector_stop(&collector);
    return 0;
}

/* The probe is armed, or something says why not. */
static bool
has_settled(struct kit_vm *vm)
{
    return vm->agent == NULL || vm->place_count > 0 ||
           atomic_load(&vm->agent->has_failed) ||
           kit_report_has(vm, "\"cause\":\"internal\"");
}

/* Start, probes over the channel, hits, sending, reporting, stop. */
static void
live(struct kit_vm *vm, bool needs_probe)
{
    struct sonde_config config;
    kit_config(&config, collector.url);
    config.flush_timeout_ns = INT64_C(300000000);
    kit_vm_init(vm);
    kit_vm_start(vm, &config);
    if (needs_probe) {
        assert_true(kit_eventually(has_settled(vm)));
    }
    for (int i = 0; i < 3; i++) {
        kit_vm_execute(vm, 10);
    }
    if (vm->agent != NULL) {
        kit_within(200, sonde_ring_used(&vm->agent->recorder.ring) == 0);
    }
    kit_vm_stop(vm);
}

static void
test_CORE_17_every_single_failed_allocation_is_survived(void **state)
{
    unsigned failed_starts = 0, snapshots_before = 0;
    uint64_t n = 1, made;
    (void)state;
    do {
        struct kit_vm vm;
        sonde_alloc_testonly_fail_at(n, false);
        live(&vm, true);
        made = sonde_alloc_testonly_fail_at(0, false);
        failed_starts += vm.agent == NULL;
        assert_int_equal(vm.place_count, 0);
        n++;
    } while (made >= n - 1 && n < 2000);
    snapshots_before = (unsigned)kit_collector_snapshots(&collector);
    print_message("%d allocations failed, %u starts refused, %u snapshots arrived\n",
                  (int)n - 2, failed_starts, snapshots_before);
    assert_true(n > 50);
    assert_true(failed_starts > 5);
    assert_true(snapshots_before > n); /* most of those lives worked */
    assert_int_equal(kit_collector_repeated(&collector), 0);
    assert_int_equal(kit_collector_read(&collector, &collector.damaged_count), 0);
}

static void
test_CORE_17_memory_that_stays_away_is_survived(void **state)
{
    uint64_t n = 1, made;
    (void)state;
    do {
        struct kit_vm vm;
        sonde_alloc_testonly_fail_at(n, true);
        live(&vm, false);
        made = sonde_alloc_testonly_fail_at(0, false);
        n += 1 + n / 10;
    } while (made >= n && n < 2000);
    assert_int_equal(kit_collector_read(&collector, &collector.damaged_count), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_CORE_17_every_single_failed_allocation_is_survived),
        TEST(test_CORE_17_memory_that_stays_away_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
