/* SPDX-License-Identifier: Apache-2.0
 *
 * The control channel as agents see it: polls, reports, goodbyes.
 * CORE-01 (a change arrives at once), CORE-02, CORE-03 (states, revisions, expiry). */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "tests/unit/collector_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SOON_NS \
    (500 * SONDE_NS_PER_MS) /* for what takes milliseconds on an idle machine */

static int
setup(void **state)
{
    struct kit *kit = calloc(1, sizeof(*kit));
    sonde_log_set_level(SONDE_LOG_OFF);
    kit_init(kit);
    kit_start(kit);
    *state = kit;
    return 0;
}

static int
teardown(void **state)
{
    kit_fini(*state);
    free(*state);
    return 0;
}

/* --- An agent ----------------------------------------------------------------------- */

struct agent {
    const char *id, *service, *env;
    char generation[64];
};

static void
write_poll(const struct agent *agent, int wait_ms, char *out, size_t size)
{
    snprintf(
        out, size,
        "{\"instance_id\":\"%s\",\"service\":\"%s\",\"env\":\"%s\",\"version\":\"1\","
        "\"language\":\"python\",\"runtime_version\":\"3.12.1\",\"pid\":42,"
        "\"host\":\"h\",\"agent_version\":\"0.1.0\",\"started_at_ns\":5,"
        "\"generation\":\"%s\",\"wait_ms\":%d,\"someday\":[]}",
        agent->id, agent->service, agent->env, agent->generation, wait_ms);
}

/* Takes the answer's generation over; returns its list of probes, NULL when it is
 * null. */
static const struct sonde_json *
take_poll(struct agent *agent, const struct reply *reply)
{
    assert_int_equal(reply->status, 200);
    struct sonde_str generation = sonde_json_get_str(reply->json, "generation");
    assert_true(generation.len > 0 && generation.len < sizeof(agent->generation));
    snprintf(agent->generation, sizeof(agent->generation), "%.*s", (int)generation.len,
             generation.ptr);
    const struct sonde_json *probes = sonde_json_get(reply->json, "probes");
    assert_non_null(probes);
    return probes->type == SONDE_JSON_NULL ? NULL : probes;
}

/* Polls and returns the ids of the list as "a b", or "null". */
static const char *
poll_now(const struct kit *kit, struct agent *agent, int wait_ms)
{
    static char ids[512];
    char body[1024];
    struct reply reply;
    size_t len = 0;
    write_poll(agent, wait_ms, body, sizeof(body));
    kit_post(kit, &reply, "/api/v1/agent/poll", body);
    const struct sonde_json *probes = take_poll(agent, &reply);
    snprintf(ids, sizeof(ids), "%s", probes == NULL ? "null" : "");
    for (const struct sonde_json *at = probes == NULL ? NULL : probes->first; at != NULL;
         at = at->next) {
        struct sonde_str id = sonde_json_get_str(at, "id");
        len += (size_t)snprintf(ids + len, sizeof(ids) - len, "%s%.*s",
                                len == 0 ? "" : " ", (int)id.len, id.ptr);
    }
    kit_reply_fini(&reply);
    return ids;
}

/* Starts a poll and returns its connection. */
static int
start_poll(const struct kit *kit, const struct agent *agent, int wait_ms)
{
    char body[1024];
    char head[256];
    int fd = kit_connect(kit);
    write_poll(agent, wait_ms, body, sizeof(body));
    snprintf(head, sizeof(head),
             "POST /api/v1/agent/poll HTTP/1.1\r\nHost: localhost\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
             strlen(body));
    kit_send(fd, head, strlen(head));
    kit_send(fd, body, strlen(body));
    return fd;
}

static void
add_probe(const struct kit *kit, const char *json)
{
    struct reply reply;
    kit_post(kit, &reply, "/api/v1/probes", json);
    if (reply.status != 201) {
        fail_msg("%s: %d %s", json, reply.status, reply.body.data);
    }
    kit_reply_fini(&reply);
}

static void
remove_probe(const struct kit *kit, const char *id)
{
    char path[128];
    struct reply reply;
    snprintf(path, sizeof(path), "/api/v1/probes/%s", id);
    kit_delete(kit, &reply, path);
    assert_int_equal(reply.status, 200);
    kit_reply_fini(&reply);
}

static void
report_status(const struct kit *kit, const char *agent_id, const char *statuses)
{
    char body[2048];
    struct reply reply;
    snprintf(body, sizeof(body),
             "{\"instance_id\":\"%s\",\"statuses\":[%s],\"armed\":2,"
             "\"dropped\":{\"queue_full\":3},"
             "\"disarmed\":[{\"part\":\"x\",\"message\":\"broke\",\"count\":1}]}",
             agent_id, statuses);
    kit_post(kit, &reply, "/api/v1/agent/status", body);
    if (reply.status != 200) {
        fail_msg("%d %s", reply.status, reply.body.data);
    }
    assert_string_equal(reply.body.data, "{}");
    kit_reply_fini(&reply);
}

/* The first status of a probe, or NULL; lives as long as the reply. */
static const struct sonde_json *
first_status(const struct kit *kit, struct reply *reply, const char *id)
{
    char path[128];
    snprintf(path, sizeof(path), "/api/v1/probes/%s", id);
    kit_get(kit, reply, path);
    assert_int_equal(reply->status, 200);
    const struct sonde_json *instances = sonde_json_get(reply->json, "instances");
    assert_non_null(instances);
    return instances->first;
}

/* --- Polls -------------------------------------------------------------------------- */

static void
first_poll_gets_the_whole_list(void **state)
{
    struct agent agent = {"i1", "shop", "prod", ""};
    assert_string_equal(poll_now(*state, &agent, 10000), "");
    add_probe(*state, "{\"id\":\"a\",\"location\":\"app.py:1\"}");
    add_probe(*state, "{\"id\":\"b\",\"location\":\"app.py:2\"}");
    assert_string_equal(poll_now(*state, &agent, 10000), "b a");
    assert_string_equal(poll_now(*state, &agent, 30), "null");
    snprintf(agent.generation, sizeof(agent.generation), "from another life");
    assert_string_equal(poll_now(*state, &agent, 10000), "b a");
}

static void
list_is_for_service_and_env(void **state)
{
    struct agent shop = {"i1", "shop", "prod", ""};
    struct agent blog = {"i2", "blog", "prod", ""};
    struct agent test = {"i3", "shop", "test", ""};
    add_probe(*state, "{\"id\":\"all\",\"location\":\"a.py:1\"}");
    add_probe(*state, "{\"id\":\"s\",\"location\":\"a.py:1\",\"service\":\"shop\"}");
    add_probe(*state, "{\"id\":\"e\",\"location\":\"a.py:1\",\"env\":\"test\"}");
    add_probe(
        *state,
        "{\"id\":\"se\",\"location\":\"a.py:1\",\"service\":\"shop\",\"env\":\"test\"}");
    assert_string_equal(poll_now(*state, &shop, 0), "s all");
    assert_string_equal(poll_now(*state, &blog, 0), "all");
    assert_string_equal(poll_now(*state, &test, 0), "se e s all");

    /* What does not concern a process does not end its poll. */
    add_probe(*state, "{\"id\":\"x\",\"location\":\"a.py:1\",\"service\":\"other\"}");
    assert_string_equal(poll_now(*state, &shop, 30), "null");
}

#define POLLERS 50

static void
change_reaches_all_pollers_at_once(void **state)
{
    struct agent agents[POLLERS];
    int connections[POLLERS];
    char names[POLLERS][16];
    for (int i = 0; i < POLLERS; i++) {
        snprintf(names[i], sizeof(names[i]), "i%d", i);
        agents[i] = (struct agent){names[i], "shop", "", ""};
        poll_now(*state, &agents[i], 0);
        connections[i] = start_poll(*state, &agents[i], 10000);
    }
    usleep(50000); /* let them all be held; without it the test is only easier */
    int64_t start_ns = sonde_clock_mono_ns();
    add_probe(*state, "{\"id\":\"a\",\"location\":\"app.py:1\"}");
    for (int i = 0; i < POLLERS; i++) {
        struct reply reply;
        assert_true(kit_receive(connections[i], &reply));
        assert_int_equal(take_poll(&agents[i], &reply)->count, 1);
        kit_reply_fini(&reply);
        close(connections[i]);
    }
    assert_true(sonde_clock_mono_ns() - start_ns < SOON_NS);

    int fd = start_poll(*state, &agents[0], 10000);
    start_ns = sonde_clock_mono_ns();
    remove_probe(*state, "a");
    struct reply reply;
    assert_true(kit_receive(fd, &reply));
    assert_int_equal(take_poll(&agents[0], &reply)->count, 0);
    assert_true(sonde_clock_mono_ns() - start_ns < SOON_NS);
    kit_reply_fini(&reply);
    close(fd);
}

static void
new_revision_is_delivered(void **state)
{
    struct agent agent = {"i1", "shop", "", ""};
    struct reply reply;
    add_probe(*state, "{\"id\":\"a\",\"location\":\"app.py:1\"}");
    poll_now(*state, &agent, 0);
    int fd = start_poll(*state, &agent, 10000);
    add_probe(*state, "{\"id\":\"a\",\"location\":\"app.py:2\",\"revision\":1}");
    assert_true(kit_receive(fd, &reply));
    const struct sonde_json *probes = take_poll(&agent, &reply);
    assert_int_equal(probes->count, 1);
    assert_int_equal(sonde_json_get_int(probes->first, "revision", 0), 2);
    kit_assert_str(probes->first, "location", "app.py:2");
    kit_reply_fini(&reply);
    close(fd);
}

static void
poll_ends_when_its_time_is_over(void **state)
{
    struct agent agent = {"i1", "shop", "", ""};
    poll_now(*state, &agent, 0);
    int64_t start_ns = sonde_clock_mono_ns();
    assert_string_equal(poll_now(*state, &agent, 200), "null");
    int64_t took_ns = sonde_clock_mono_ns() - start_ns;
    assert_true(took_ns >= 200 * SONDE_NS_PER_MS &&
                took_ns < 200 * SONDE_NS_PER_MS + SOON_NS);
}

/* The former connection is one that the agent gave up without our noticing. */
static void
second_poll_ends_the_first(void **state)
{
    struct agent agent = {"i1", "shop", "", ""};
    struct reply reply;
    poll_now(*state, &agent, 0);
    int first = start_poll(*state, &agent, 10000);
    usleep(20000);
    int second = start_poll(*state, &agent, 10000);
    assert_true(kit_receive(first, &reply));
    assert_null(take_poll(&agent, &reply));
    kit_reply_fini(&reply);
    add_probe(*state, "{\"id\":\"a\",\"location\":\"app.py:1\"}");
    assert_true(kit_receive(second, &reply));
    assert_int_equal(take_poll(&agent, &reply)->count, 1);
    kit_reply_fini(&reply);
    close(first);
    close(second);
}

static void
stop_answers_who_waits(void **state)
{
    struct kit *kit = *state;
    struct agent agent = {"i1", "shop", "", ""};
    struct reply reply;
    poll_now(kit, &agent, 0);
    int fd = start_poll(kit, &agent, 10000);
    usleep(50000);
    int64_t start_ns = sonde_clock_mono_ns();
    kit_stop(kit);
    assert_true(sonde_clock_mono_ns() - start_ns < 2 * SONDE_NS_PER_S);
    assert_true(kit_receive(fd, &reply));
    assert_null(take_poll(&agent, &reply));
    kit_reply_fini(&reply);
    close(fd);
}

static void
probes_survive_a_restart(void **state)
{
    struct kit *kit = *state;
    struct agent agent = {"i1", "shop", "", ""};
    struct reply reply;
    add_probe(kit, "{\"id\":\"a\",\"location\":\"app.py:1\",\"limits\":{\"depth\":99},"
                   "\"tags\":{\"who\":\"me\"}}");
    add_probe(kit, "{\"id\":\"a\",\"location\":\"app.py:3\",\"limits\":{\"depth\":99},"
                   "\"tags\":{\"who\":\"me\"}}");
    add_probe(kit, "{\"id\":\"gone\",\"location\":\"app.py:1\"}");
    remove_probe(kit, "gone");
    poll_now(kit, &agent, 0);
    kit_stop(kit);
    kit_start(kit);
    kit_post(kit, &reply, "/api/v1/agent/status",
             "{\"instance_id\":\"i1\",\"statuses\":[]}");
    kit_assert_error(&reply, 404, "not_found", "instance_id");
    kit_reply_fini(&reply);
    assert_string_equal(poll_now(kit, &agent, 10000), "a"); /* another life: at once */
    kit_get(kit, &reply, "/api/v1/probes/a");
    assert_int_equal(sonde_json_get_int(reply.json, "revision", 0), 2);
    kit_assert_str(reply.json, "location", "app.py:3");
    assert_true(sonde_json_get_str(reply.json, "clamped").len > 0);
    kit_assert_str(sonde_json_get(reply.json, "tags"), "who", "me");
    kit_reply_fini(&reply);
}

/* --- Processes ---------------------------------------------------------------------- */

static void
process_is_listed(void **state)
{
    struct agent agent = {"i1", "shop", "prod", ""};
    struct reply reply;
    poll_now(*state, &agent, 0);
    report_status(*state, "i1", "");
    kit_get(*state, &reply, "/api/v1/processes");
    const struct sonde_json *process = sonde_json_get(reply.json, "processes")->first;
    assert_non_null(process);
    kit_assert_str(process, "instance_id", "i1");
    kit_assert_str(process, "service", "shop");
    kit_assert_str(process, "env", "prod");
    kit_assert_str(process, "version", "1");
    kit_assert_str(process, "language", "python");
    kit_assert_str(process, "runtime_version", "3.12.1");
    kit_assert_str(process, "host", "h");
    kit_assert_str(process, "agent_version", "0.1.0");
    assert_int_equal(sonde_json_get_int(process, "pid", 0), 42);
    assert_int_equal(sonde_json_get_int(process, "started_at_ns", 0), 5);
    assert_int_equal(sonde_json_get_int(process, "probes", 0), 2);
    assert_true(sonde_json_get(process, "connected")->boolean);
    int64_t seen_ns = sonde_json_get_int(process, "seen_at_ns", 0);
    assert_true(sonde_clock_wall_ns() - seen_ns < 5 * SONDE_NS_PER_S);
    assert_int_equal(
        sonde_json_get_int(sonde_json_get(process, "dropped"), "queue_full", 0), 3);
    const struct sonde_json *disarmed = sonde_json_get(process, "disarmed")->first;
    kit_assert_str(disarmed, "part", "x");
    kit_assert_str(disarmed, "message", "broke");
    kit_reply_fini(&reply);
}

static void
goodbye_disconnects(void **state)
{
    struct agent agent = {"i1", "shop", "prod", ""};
    struct reply reply;
    poll_now(*state, &agent, 0);
    int fd = start_poll(*state, &agent, 10000);
    usleep(20000);
    kit_post(*state, &reply, "/api/v1/agent/bye", "{\"instance_id\":\"i1\"}");
    assert_int_equal(reply.status, 200);
    kit_reply_fini(&reply);
    assert_true(kit_receive(fd, &reply));
    kit_reply_fini(&reply);
    close(fd);
    kit_get(*state, &reply, "/api/v1/processes");
    const struct sonde_json *process = sonde_json_get(reply.json, "processes")->first;
    assert_false(sonde_json_get(process, "connected")->boolean);
    kit_reply_fini(&reply);
    kit_post(*state, &reply, "/api/v1/agent/bye", "{\"instance_id\":\"nobody\"}");
    assert_int_equal(reply.status, 200);
    kit_reply_fini(&reply);
}

/* --- Statuses ----------------------------------------------------------------------- */

static void
status_is_shown_with_the_probe(void **state)
{
    struct agent agent = {"i1", "shop", "", ""};
    struct reply reply;
    add_probe(*state, "{\"id\":\"a\",\"location\":\"app.py:1\"}");
    add_probe(*state, "{\"id\":\"b\",\"location\":\"app.py:1\",\"service\":\"other\"}");
    poll_now(*state, &agent, 0);
    assert_null(first_status(*state, &reply, "a"));
    kit_reply_fini(&reply);
    report_status(*state, "i1",
                  "{\"probe_id\":\"b\",\"revision\":1,\"status\":\"installed\"},"
                  "{\"probe_id\":\"zzz\",\"revision\":1,\"status\":\"installed\"},"
                  "{\"probe_id\":\"a\",\"revision\":1,\"status\":\"error\","
                  "\"cause\":\"line_not_executable\",\"message\":\"a \\\"comment\\\"\","
                  "\"nearest_lines\":[41,44],\"hits\":7,\"captured\":5,"
                  "\"dropped\":{\"no_tape\":2},\"places\":1,\"someday\":{}}");
    const struct sonde_json *status = first_status(*state, &reply, "a");
    assert_non_null(status);
    assert_null(status->next);
    kit_assert_str(status, "instance_id", "i1");
    kit_assert_str(status, "status", "error");
    kit_assert_str(status, "cause", "line_not_executable");
    kit_assert_str(status, "message", "a \"comment\"");
    assert_int_equal(sonde_json_get(status, "nearest_lines")->first->next->integer, 44);
    assert_int_equal(sonde_json_get_int(status, "revision", 0), 1);
    assert_int_equal(sonde_json_get_int(status, "hits", 0), 7);
    assert_int_equal(sonde_json_get_int(status, "captured", 0), 5);
    assert_int_equal(sonde_json_get_int(status, "places", 0), 1);
    assert_int_equal(sonde_json_get_int(sonde_json_get(status, "dropped"), "no_tape", 0),
                     2);
    kit_reply_fini(&reply);
    assert_null(first_status(*state, &reply, "b")); /* for another service */
    kit_reply_fini(&reply);
    report_status(*state, "i1", "");
    assert_null(first_status(*state, &reply, "a")); /* a report replaces the former */
    kit_reply_fini(&reply);
}

struct waiter {
    struct kit *kit;
    struct reply reply;
    const char *path;
    int64_t took_ns;
};

static void *
wait_for_probe(void *arg)
{
    struct waiter *waiter = arg;
    int64_t start_ns = sonde_clock_mono_ns();
    kit_get(waiter->kit, &waiter->reply, waiter->path);
    waiter->took_ns = sonde_clock_mono_ns() - start_ns;
    return NULL;
}

static void
waiting_ends_when_a_process_settles(void **state)
{
    struct agent agent = {"i1", "shop", "", ""};
    struct waiter waiter = {.kit = *state, .path = "/api/v1/probes/a?wait_ms=20000"};
    pthread_t thread;
    add_probe(*state, "{\"id\":\"a\",\"location\":\"app.py:1\"}");
    add_probe(*state, "{\"id\":\"a\",\"location\":\"app.py:2\"}"); /* revision 2 */
    poll_now(*state, &agent, 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_probe, &waiter), 0);
    usleep(50000);
    report_status(*state, "i1",
                  "{\"probe_id\":\"a\",\"revision\":1,\"status\":\"installed\"}");
    report_status(*state, "i1",
                  "{\"probe_id\":\"a\",\"revision\":2,\"status\":\"pending\"}");
    report_status(*state, "i1",
                  "{\"probe_id\":\"a\",\"revision\":2,\"status\":\"received\"}");
    usleep(50000);
    report_status(*state, "i1",
                  "{\"probe_id\":\"a\",\"revision\":2,\"status\":\"installed\"}");
    pthread_join(thread, NULL);
    assert_true(waiter.took_ns < 5 * SONDE_NS_PER_S);
    const struct sonde_json *status =
        sonde_json_get(waiter.reply.json, "instances")->first;
    kit_assert_str(status, "status", "installed");
    assert_int_equal(sonde_json_get_int(status, "revision", 0), 2);
    kit_reply_fini(&waiter.reply);
    wait_for_probe(&waiter); /* settled already: at once */
    assert_true(waiter.took_ns < SOON_NS);
    kit_reply_fini(&waiter.reply);
}

static void
waiting_ends_with_its_time_or_its_probe(void **state)
{
    struct waiter waiter = {.kit = *state, .path = "/api/v1/probes/a?wait_ms=200"};
    pthread_t thread;
    add_probe(*state, "{\"id\":\"a\",\"location\":\"app.py:1\"}");
    wait_for_probe(&waiter);
    assert_int_equal(waiter.reply.status, 200);
    assert_true(waiter.took_ns >= 200 * SONDE_NS_PER_MS);
    kit_reply_fini(&waiter.reply);

    waiter.path = "/api/v1/probes/a?wait_ms=20000";
    assert_int_equal(pthread_create(&thread, NULL, wait_for_probe, &waiter), 0);
    usleep(50000);
    remove_probe(*state, "a");
    pthread_join(thread, NULL);
    kit_assert_error(&waiter.reply, 404, "not_found", NULL);
    assert_true(waiter.took_ns < 5 * SONDE_NS_PER_S);
    kit_reply_fini(&waiter.reply);
}

/* --- Expiry ------------------------------------------------------------------------- */

static void
expired_probe_is_listed_but_not_delivered(void **state)
{
    struct agent agent = {"i1", "shop", "", ""};
    struct reply reply;
    add_probe(*state, "{\"id\":\"a\",\"location\":\"app.py:1\",\"expires_in_s\":0.4}");
    assert_string_equal(poll_now(*state, &agent, 0), "a");
    report_status(
        *state, "i1",
        "{\"probe_id\":\"a\",\"revision\":1,\"status\":\"emitting\",\"hits\":3}");
    int64_t start_ns = sonde_clock_mono_ns();
    assert_string_equal(poll_now(*state, &agent, 10000), ""); /* held until it expires */
    assert_true(sonde_clock_mono_ns() - start_ns < 3 * SONDE_NS_PER_S);
    report_status(*state, "i1", ""); /* the agent has forgotten it */
    const struct sonde_json *status = first_status(*state, &reply, "a");
    assert_non_null(status);
    kit_assert_str(status, "status", "error");
    kit_assert_str(status, "cause", "expired");
    assert_int_equal(sonde_json_get_int(status, "hits", 0), 3);
    kit_reply_fini(&reply);
    add_probe(*state,
              "{\"id\":\"a\",\"location\":\"app.py:1\"}"); /* and it may come back */
    assert_string_equal(poll_now(*state, &agent, 0), "a");
}

/* --- Errors ------------------------------------------------------------------------- */

static void
bad_requests_name_the_member(void **state)
{
    static const struct {
        const char *path, *body, *field;
    } cases[] = {
        {"poll", "{\"service\":\"s\"}", "instance_id"},
        {"poll", "{\"instance_id\":\"i\"}", "service"},
        {"poll", "{\"instance_id\":7,\"service\":\"s\"}", "instance_id"},
        {"poll", "{\"instance_id\":\"i\",\"service\":\"s\",\"pid\":-1}", "pid"},
        {"poll", "{\"instance_id\":\"i\",\"service\":\"s\",\"wait_ms\":-1}", "wait_ms"},
        {"poll", "{\"instance_id\":\"i\",\"service\":\"s\",\"wait_ms\":60001}",
         "wait_ms"},
        {"status", "{}", "instance_id"},
        {"status", "{\"instance_id\":\"i\",\"statuses\":{}}", "statuses"},
        {"status", "{\"instance_id\":\"i\",\"statuses\":[7]}", "statuses"},
        {"status", "{\"instance_id\":\"i\",\"statuses\":[{}]}", "statuses[0].probe_id"},
        {"status", "{\"instance_id\":\"i\",\"statuses\":[{\"probe_id\":\"a\"}]}",
         "statuses[0].status"},
        {"status",
         "{\"instance_id\":\"i\",\"statuses\":[{\"probe_id\":\"a\",\"status\":\"fine\"}]"
         "}",
         "statuses[0].status"},
        {"status",
         "{\"instance_id\":\"i\",\"statuses\":[{\"probe_id\":\"a\",\"status\":\"error\","
         "\"nearest_lines\":[\"1\"]}]}",
         "statuses[0].nearest_lines"},
        {"status", "{\"instance_id\":\"i\",\"armed\":-1}", "armed"},
        {"status", "{\"instance_id\":\"i\",\"dropped\":[]}", "dropped"},
        {"status", "{\"instance_id\":\"i\",\"dropped\":{\"a\":\"b\"}}", "dropped"},
        {"status", "{\"instance_id\":\"i\",\"disarmed\":[1]}", "disarmed"},
        {"bye", "{}", "instance_id"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[64];
        struct reply reply;
        snprintf(path, sizeof(path), "/api/v1/agent/%s", cases[i].path);
        kit_post(*state, &reply, path, cases[i].body);
        kit_assert_error(&reply, 400, "invalid_argument", cases[i].field);
        kit_reply_fini(&reply);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_poll_gets_the_whole_list),
        TEST(list_is_for_service_and_env),
        TEST(change_reaches_all_pollers_at_once),
        TEST(new_revision_is_delivered),
        TEST(poll_ends_when_its_time_is_over),
        TEST(second_poll_ends_the_first),
        TEST(stop_answers_who_waits),
        TEST(probes_survive_a_restart),
        TEST(process_is_listed),
        TEST(goodbye_disconnects),
        TEST(status_is_shown_with_the_probe),
        TEST(waiting_ends_when_a_process_settles),
        TEST(waiting_ends_with_its_time_or_its_probe),
        TEST(expired_probe_is_listed_but_not_delivered),
        TEST(bad_requests_name_the_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
