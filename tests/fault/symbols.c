/* SPDX-License-Identifier: Apache-2.0
 *
 * CORE-17 for symbols: the Nth allocation fails while everything is listed, made into units and sent.
 * What is lost by it is told, and what is asked for afterwards is whole. */
#include "tests/fault/fault.h"
#include "tests/unit/agent_kit.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_NS (30 * SONDE_NS_PER_S)
#define TRIES_MOST 60 /* of one kind, spread over all allocations */

/* --- Listing ---------------------------------------------------------------------------------- */

static char text[1024 * 1024], whole[1024 * 1024];

struct listing_job {
    char *out;
    size_t len;
};

static void
listing_job(void *arg)
{
    struct listing_job *job = arg;
    job->len = sonde_agent_testonly_symbols(suite_agent, true, job->out, sizeof(text));
}

static size_t
list_into(char *out)
{
    struct listing_job job = {.out = out};
    contract_driver.with_lock(listing_job, &job);
    return job.len;
}

static const char *
units_end(const char *listing)
{
    const char *end = strstr(listing, "],\"slices\":");
    return end == NULL ? listing : end;
}

static bool
has_dropped(const char *listing)
{
    return strstr(units_end(listing), "\"dropped\":0") == NULL;
}

static void
prepare_list(void)
{
    FAULT_CHECK(list_into(whole) > 0 && !has_dropped(whole));
}

static int
run_list(void)
{
    return list_into(text) > 0 ? SONDE_OK : SONDE_E_NOMEM;
}

/* It is the whole of it, or it says what it is not. */
static void
check_list(int rc, bool is_hit)
{
    size_t len = (size_t)(units_end(whole) - whole);
    bool is_same = rc == SONDE_OK && strncmp(text, whole, len) == 0;
    FAULT_CHECK(is_same || is_hit);
    FAULT_CHECK(is_same || rc == SONDE_E_NOMEM || has_dropped(text));
    FAULT_CHECK(world_runs());
}

static const struct act list_act = {"list", false, prepare_list, run_list, check_list};

static void
test_list(void **state)
{
    (void)state;
    fault_run_all(&list_act, &fault_allocations, UINT64_MAX);
}

/* --- Sending ---------------------------------------------------------------------------------- */

static struct kit_collector collector;

static bool
has_program(const char *program)
{
    struct kit_unit unit;
    const char *path = contract_driver.source(program);
    return kit_symbols_find(&collector, path, NULL, &unit);
}

/* Asks for everything anew, until it is there as it has to be. */
static bool
is_whole_in_the_end(int *round)
{
    int64_t until_ms = kit_now_ms() + WAIT_NS / SONDE_NS_PER_MS;
    bool is_whole = false;
    kit_symbols_forget(&collector);
    while (!is_whole && kit_now_ms() < until_ms) {
        kit_symbols_wish(&collector, "on", ++*round, "s1");
        is_whole = sonde_agent_symbols_wait(suite_agent, WAIT_NS) == SONDE_OK &&
                   has_program("shop") && has_program("north") && has_program("south");
    }
    return is_whole;
}

/* One life in which the Nth allocation fails; returns how many there were. */
static uint64_t
run_upload(uint64_t n, bool sticky)
{
    static int round;
    snprintf(fault_where, sizeof(fault_where), "upload, allocation %u%s", (unsigned)n,
             sticky ? ", sticky" : "");
    FAULT_CHECK(contract_driver.open());
    FAULT_CHECK(contract_driver.load("shop"));
    FAULT_CHECK(contract_driver.load("north"));
    FAULT_CHECK(contract_driver.load("south"));
    kit_symbols_forget(&collector);
    kit_symbols_wish(&collector, "on", ++round, "s1");
    unsigned polls = kit_collector_read(&collector, &collector.poll_count);
    FAULT_CHECK(world_start(collector.url) == SONDE_OK);
    /* The thread is up, and waits for the debounce window. One that never came up is another test's. */
    FAULT_CHECK(kit_eventually(kit_collector_read(&collector, &collector.poll_count) >
                               polls + 1));
    fault_allocations.on(n, sticky);
    bool runs = world_runs();
    int64_t patience_ns = sticky ? SONDE_NS_PER_S / 4 : WAIT_NS;
    int rc = sonde_agent_symbols_wait(suite_agent, patience_ns);
    runs = runs && world_runs();
    uint64_t made = fault_allocations.off();
    FAULT_CHECK(runs);
    FAULT_CHECK(sticky || rc == SONDE_OK);
    FAULT_CHECK(is_whole_in_the_end(&round));
    FAULT_CHECK(kit_collector_read(&collector, &collector.symbols.damaged_count) == 0);
    world_stop();
    FAULT_CHECK(contract_driver.is_pristine());
    contract_driver.close();
    return made;
}

static void
test_upload(void **state)
{
    (void)state;
    kit_collector_start(&collector, 0);
    for (int sticky = 0; sticky < 2; sticky++) {
        uint64_t made = run_upload(UINT64_MAX, sticky == 1);
        uint64_t tries = sticky == 1 ? TRIES_MOST / 4 : TRIES_MOST;
        uint64_t step = made / tries + 1;
        for (uint64_t n = 1; n <= made; n += step) {
            run_upload(n, sticky == 1);
        }
        printf("    upload, allocation%s: %u, every %u\n", sticky == 1 ? ", sticky" : "",
               (unsigned)made, (unsigned)step);
    }
    kit_collector_stop(&collector);
}

int
fault_suite_symbols(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_upload),
    };
    return cmocka_run_group_tests_name("symbols", tests, NULL, NULL);
}
