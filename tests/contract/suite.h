/* SPDX-License-Identifier: Apache-2.0
 *
 * What the suite's tests have in common: the agent under test, lists of probes, statuses,
 * records. Functions that check fail the test themselves.
 *
 * Ctx: main thread, no VM lock, unless a function says otherwise. */
#ifndef SONDE_TESTS_CONTRACT_SUITE_H
#define SONDE_TESTS_CONTRACT_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef stop /* a macro since cmocka 2 */

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/wire/json.h"
#include "tests/contract/contract.h"
#include "tests/contract/record.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define PATIENCE_NS (10 * SONDE_NS_PER_S) /* before a test gives up waiting */

/* The thread sanitizer knows no threads in the child of a process that had some. */
#if defined(__SANITIZE_THREAD__)
#    define HAS_TSAN 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define HAS_TSAN 1
#    endif
#endif
#ifndef HAS_TSAN
#    define HAS_TSAN 0
#endif

/* --- One test's agent ---------------------------------------------------------------------- */

extern struct sonde_agent *suite_agent;

/* cmocka's setup and teardown: agent started, "shop" loaded; agent stopped, all programs
 * pristine and unloaded. suite_setup_bare loads nothing. */
int suite_setup(void **state);
int suite_setup_bare(void **state);
int suite_teardown(void **state);

#define SUITE_TEST(function) \
    cmocka_unit_test_setup_teardown(function, suite_setup, suite_teardown)
#define SUITE_TEST_BARE(function) \
    cmocka_unit_test_setup_teardown(function, suite_setup_bare, suite_teardown)

/* For a test that is about function probes: leaves it out, by its name, where the runtime has
 * none. */
#define SUITE_NEEDS_FUNCTIONS()                           \
    do {                                                  \
        if (!contract_driver.probes_functions) {          \
            suite_leave_out(__func__, "function probes"); \
            skip();                                       \
        }                                                 \
    } while (0)

/* The same for functions that wait in their middle. */
#define SUITE_NEEDS_WAITING()                                 \
    do {                                                      \
        if (!contract_driver.tells_suspension) {              \
            suite_leave_out(__func__, "functions that wait"); \
            skip();                                           \
        }                                                     \
    } while (0)
void suite_leave_out(const char *test, const char *missing);
extern unsigned suite_left_out_count;

/* Settings under which nothing is held back: high rates, all of a core. For tests that want
 * others: change what this filled in, and restart. */
void suite_config(struct sonde_config *config);
void suite_restart(struct sonde_config *config); /* takes the strings */

void suite_load(const char *program);
void suite_unload(const char *program);

/* Calls a function of "shop" and checks what it returns. */
void suite_call(const char *function, int64_t argument, int64_t result);
void suite_call_times(uint32_t times, const char *function, int64_t argument,
                      int64_t result);

/* As above without a check; INT64_MIN when it raised. Ctx: application thread. */
int64_t suite_try_call(const char *function, int64_t argument);

/* --- Probes ----------------------------------------------------------------------------------- */

/* The line of "shop" (or of another program) that bears the marker. */
uint32_t suite_line(const char *marker);
uint32_t suite_line_of(const char *program, const char *marker);

/* The last part of the path of a program's source. */
const char *suite_file(const char *program);

/* Limits for `more` below. A capture may take long here: the machine may be loaded, or what
 * runs is a simulation of one. */
#define LIMITS(members) ",\"limits\":{\"time_us\":100000," members "}"

/* Collects a list and makes it the agent's, whole. `more` is put into the definition as it
 * stands (",\"rate\":1"; the last of two members counts), NULL for nothing; without it the
 * rate is 5,000 and only the limit in time is not the default. */
void probes_clear(void);
void probes_add(const char *id, uint32_t revision, const char *location, const char *at,
                const char *more);
void probes_add_line(const char *id, const char *marker, const char *more);
void probes_add_function(const char *id, const char *function, const char *at,
                         const char *more);
void probes_apply(void);

/* For tests that are not about functions but want such a probe among others: as
 * probes_add_function, but where the runtime has none, a line stands in, one that each call
 * of the function executes once. */
void probes_add_function_or_line(const char *id, uint32_t revision, const char *function,
                                 const char *at, const char *more);

/* What such a probe waits for while nothing is loaded. */
const char *function_or_line_pending(void);

/* The same for the list as JSON; the code that applying gave. Ctx: application thread. */
int probes_try_apply(const char *json);
const char *probes_json(void); /* of what was collected; valid until the next change */

/* Clear, one probe, apply, and it is armed. */
void probes_only_line(const char *id, const char *marker, const char *more);
void probes_only_function(const char *id, const char *function, const char *at,
                          const char *more);

/* --- Reports -------------------------------------------------------------------------------- */

struct status {
    bool is_there;
    uint32_t revision;
    char status[16];
    char cause[32];
    char message[512];
    char clamped[512];
    uint32_t nearest[8];
    uint32_t nearest_count;
    uint64_t hits, captured, places;
    uint64_t dropped; /* for whatever reason */
};

/* Ctx: any thread. */
struct status status_of(const char *id);

void assert_status(const char *id, const char *status, const char *cause);
void assert_armed(const char *id); /* installed, or emitting by now */
void assert_counts(const char *id, uint64_t hits, uint64_t captured);

/* Waits until the probe has that status and cause without doing anything for it. */
void wait_status(const char *id, const char *status, const char *cause);

/* Brings a safe point on this thread. Ctx: application thread. */
void settle(void);

/* sonde_agent_stop: the agent's end without the runtime's. */
void agent_stop(void);

void assert_pristine(void);

/* The instance id of the report, into `out` (64 bytes). Ctx: any thread. */
void instance_id(char *out);

/* Whether the report names that part under `disarmed`. */
bool has_fault(const char *part);

/* How often that reason was counted under `dropped`. */
uint64_t dropped(const char *reason);

/* --- Records --------------------------------------------------------------------------------- */

/* The oldest record, NULL when there is none. A damaged one fails the test. Own:
 * record_free. */
struct record *take(void);

/* The one record that there is. */
struct record *take_only(void);

/* Throws away all records; returns how many there were. */
uint32_t take_all(void);

/* A field of an object, by its name without what the runtime puts before it. */
const struct value *value_field(const struct value *value, const char *name);

/* A value of a line's locals, which has to be there; and of its arguments. */
const struct value *line_local(const struct record *record, const char *name);
const struct value *line_argument(const struct record *record, const char *name);

void assert_type(const struct value *value, enum contract_type type);
void assert_text(const struct value *value, enum contract_type type, const char *text);
void assert_int(const struct value *value, int64_t number);

/* --- Threads ---------------------------------------------------------------------------------- */

/* An application thread that calls one function again and again. */
struct caller {
    struct contract_thread thread;
    const char *function;
    int64_t argument;
    uint32_t times;
    int64_t sum; /* of what the calls returned */
    uint32_t raised_count;
    bool is_running; /* until it was joined */
};

/* Own: the suite; valid to the end of the test. A test that fails before it joined leaves
 * that to the teardown. */
struct caller *caller_start(const char *function, int64_t argument, uint32_t times);
void caller_join(struct caller *caller);
void callers_forget(void); /* all; joins those that run */

/* Between the two, callers that start wait for each other; then they go on together. */
void callers_hold(void);
void callers_release(void);

void sleep_ms(int ms);

#endif
