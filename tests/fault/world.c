/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fault/fault.h"

#include "core/base/alloc.h"

#include <stdio.h>

char fault_where[128];

/* Every kind of place, and every kind of no place. */
static const struct wanted {
    const char *id, *status, *cause;
    enum { LINE, FUNCTION, ELSEWHERE } kind;
    const char *place, *at;
} all_wanted[] = {
    {"line", "installed", "", LINE, "LINE_TOTAL", "line"},
    {"exit", "installed", "", FUNCTION, "total", "exit"},
    {"entry", "installed", "", FUNCTION, "sum_to", "entry"},
    {"throw", "installed", "", FUNCTION, "fail", "exit"},
    {"method", "installed", "", FUNCTION, "Cart.add", "exit"},
    {"dead", "error", "line_not_executable", LINE, "LINE_COMMENT", "line"},
    {"name", "error", "function_not_found", FUNCTION, "totla", "exit"},
    {"file", "pending", "file_not_loaded", ELSEWHERE, "nowhere/else.src:3", "line"},
    {"path", "error", "file_not_found", ELSEWHERE, "/nowhere/else.src:3", "line"},
    {"module", "pending", "module_not_loaded", ELSEWHERE, "nowhere.total", "exit"},
    {"two", "error", "ambiguous", ELSEWHERE, NULL, "line"},
};

const char *
world_list(uint32_t revision)
{
    char location[256];
    probes_clear();
    for (size_t i = 0; i < COUNT_OF(all_wanted); i++) {
        const struct wanted *wanted = &all_wanted[i];
        if (wanted->kind == LINE) {
            snprintf(location, sizeof(location), "%s:%u", suite_file("shop"),
                     suite_line(wanted->place));
        } else if (wanted->kind == FUNCTION) {
            snprintf(location, sizeof(location), "%s",
                     contract_driver.location("shop", wanted->place));
        } else if (wanted->place != NULL) {
            snprintf(location, sizeof(location), "%s", wanted->place);
        } else {
            snprintf(location, sizeof(location), "%s:%u", suite_file("north"),
                     suite_line_of("north", "LINE_STOCK"));
        }
        probes_add(wanted->id, revision, location, wanted->at, NULL);
    }
    return probes_json();
}

bool
world_runs(void)
{
    return suite_try_call("checkout", 5) == 18 && suite_try_call("sum_to", 4) == 10 &&
           suite_try_call("guarded", 5) == 6 && suite_try_call("add_to_cart", 5) == 7 &&
           suite_try_call("shapes", 5) == 5;
}

static bool
is_armed(const struct status *status)
{
    return strcmp(status->status, "installed") == 0 ||
           strcmp(status->status, "emitting") == 0;
}

static bool
is_as_wanted(const struct status *status, const struct wanted *wanted)
{
    bool is_same = strcmp(status->status, wanted->status) == 0 ||
                   (strcmp(status->status, "emitting") == 0 &&
                    strcmp(wanted->status, "installed") == 0);
    return is_same && strcmp(status->cause, wanted->cause) == 0;
}

void
world_check_statuses(uint32_t revision, bool exact)
{
    struct status before[COUNT_OF(all_wanted)];
    for (size_t i = 0; i < COUNT_OF(all_wanted); i++) {
        struct status *status = &before[i];
        *status = status_of(all_wanted[i].id);
        bool is_internal = strcmp(status->status, "error") == 0 &&
                           strcmp(status->cause, "internal") == 0 &&
                           status->message[0] != '\0';
        if (!status->is_there || status->revision != revision ||
            !(is_as_wanted(status, &all_wanted[i]) || (!exact && is_internal)) ||
            is_armed(status) != (status->places > 0)) {
            fail_msg("%s: probe %s is %s (%s: %s), revision %u, %u places", fault_where,
                     all_wanted[i].id, status->status, status->cause, status->message,
                     status->revision, (unsigned)status->places);
        }
    }
    FAULT_CHECK(world_runs());
    for (size_t i = 0; i < COUNT_OF(all_wanted); i++) {
        struct status after = status_of(all_wanted[i].id);
        if (is_armed(&before[i]) != (after.hits > before[i].hits)) {
            fail_msg("%s: probe %s says %s, and was hit %u times", fault_where,
                     all_wanted[i].id, before[i].status,
                     (unsigned)(after.hits - before[i].hits));
        }
        FAULT_CHECK(after.captured + after.dropped <= after.hits);
    }
    take_all();
}

int
world_start(const char *server)
{
    struct sonde_config config;
    struct sonde_err err = SONDE_ERR_INIT;
    int rc = sonde_config_init(&config, "fake", &err);
    if (rc != SONDE_OK) {
        return rc;
    }
    sonde_free(config.server);
    config.server = sonde_strdup(sonde_str_from(server == NULL ? "" : server));
    config.snapshots_per_second = 100000;
    config.cpu_percent = 100;
    config.queue_bytes = 256 * 1024;
    config.flush_timeout_ns = SONDE_NS_PER_S / 2;
    if (config.server == NULL) {
        rc = SONDE_E_NOMEM;
    } else {
        suite_agent = contract_driver.start(&config, &err);
        rc = suite_agent == NULL ? err.code : SONDE_OK;
    }
    sonde_config_fini(&config);
    return rc;
}

void
world_stop(void)
{
    if (suite_agent != NULL) {
        contract_driver.stop();
        suite_agent = NULL;
    }
}

/* After the act and its check: the same agent works, and stopping leaves nothing. */
static void
check_aftermath(void)
{
    if (suite_agent == NULL) {
        FAULT_CHECK(world_start(NULL) == SONDE_OK);
    }
    take_all();
    FAULT_CHECK(probes_try_apply(world_list(99)) == SONDE_OK);
    world_check_statuses(99, true);
    world_stop();
    FAULT_CHECK(contract_driver.is_pristine());
    FAULT_CHECK(world_runs());
}

bool
fault_run(const struct act *act, const struct fault_kind *kind, uint64_t n, bool sticky)
{
    snprintf(fault_where, sizeof(fault_where), "%s, %s %u%s", act->name, kind->name,
             (unsigned)n, sticky ? ", sticky" : "");
    FAULT_CHECK(contract_driver.open());
    FAULT_CHECK(contract_driver.load("shop"));
    FAULT_CHECK(contract_driver.load("north"));
    FAULT_CHECK(contract_driver.load("south"));
    if (!act->starts_itself) {
        FAULT_CHECK(world_start(NULL) == SONDE_OK);
    }
    if (act->prepare != NULL) {
        act->prepare();
    }
    kind->on(n, sticky);
    int rc = act->run();
    bool is_hit = kind->off() >= n;
    FAULT_CHECK(is_hit || rc == SONDE_OK);
    act->check(rc, is_hit);
    check_aftermath();
    contract_driver.close();
    return !is_hit;
}

void
fault_run_all(const struct act *act, const struct fault_kind *kind, uint64_t most)
{
    for (int sticky = 0; sticky < 2; sticky++) {
        uint64_t n = 1;
        while (n <= most && !fault_run(act, kind, n, sticky == 1)) {
            n++;
        }
        printf("    %s, %s%s: %u\n", act->name, kind->name, sticky == 1 ? ", sticky" : "",
               (unsigned)n - 1);
    }
}
