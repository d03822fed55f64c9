/* SPDX-License-Identifier: Apache-2.0
 *
 * Peers that misbehave, and settings that can not be: nobody else may notice the former,
 * and the latter are refused in words. */
#include "collector/http/peers.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "tests/unit/collector_kit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* --- Crowds ------------------------------------------------------------------------- */

#define CROWD 3000

static void
idle_crowd_keeps_nobody_out(void **state)
{
    int *crowd = calloc(CROWD, sizeof(*crowd));
    struct rlimit files = {.rlim_cur = 8192, .rlim_max = 8192};
    struct reply reply;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < 2 * CROWD + 500) {
        free(crowd);
        skip(); /* no room for both ends in one process */
    }
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = kit_connect(*state);
        if (i % 3 == 0) {
            kit_send(crowd[i], "GET /healthz HT", 15);
        }
    }
    int64_t start_ns = sonde_clock_mono_ns();
    for (int i = 0; i < 50; i++) {
        kit_get(*state, &reply, "/healthz");
        assert_int_equal(reply.status, 200);
        kit_reply_fini(&reply);
    }
    kit_store(*state, "a", 1, "p", "s", sonde_clock_wall_ns());
    assert_true(sonde_clock_mono_ns() - start_ns < 3 * SONDE_NS_PER_S);
    for (int i = 0; i < CROWD; i++) {
        close(crowd[i]);
    }
    free(crowd);
}

static void
rubbish_harms_nobody(void **state)
{
    static const char *const rubbish[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /healthz HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nContent-Length: zz\r\n\r\n",
        "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        "Content-Length: 6\r\n\r\nabcdef",
        "GET /healthz HTTP/1.1\r\nHost localhost\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n : x\r\n\r\n",
    };
    struct reply reply;
    for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
        int fd = kit_connect(*state);
        struct timeval patience = {.tv_usec = 200000};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        kit_send(fd, rubbish[i], strlen(rubbish[i]));
        shutdown(fd, SHUT_WR);
        (void)kit_receive(fd, &reply); /* whatever it says, if anything */
        kit_reply_fini(&reply);
        close(fd);
    }
    struct sonde_buf long_header;
    sonde_buf_init(&long_header, 0);
    sonde_buf_printf(&long_header, "GET /%0200000d HTTP/1.1\r\nHost: localhost\r\n\r\n",
                     7);
    int fd = kit_connect(*state);
    kit_send(fd, long_header.data, long_header.len);
    shutdown(fd, SHUT_WR);
    (void)kit_receive(fd, &reply);
    kit_reply_fini(&reply);
    close(fd);
    sonde_buf_fini(&long_header);
    kit_get(*state, &reply, "/healthz");
    assert_int_equal(reply.status, 200);
    kit_reply_fini(&reply);
}

static void
broken_off_requests_leave_nothing(void **state)
{
    const char head[] =
        "POST /v1/logs HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/x-protobuf\r\nContent-Length: 1000\r\n\r\nabc";
    for (int i = 0; i < 200; i++) {
        int fd = kit_connect(*state);
        kit_send(fd, head, (size_t)(i % (int)sizeof(head)));
        close(fd);
    }
    kit_store(*state, "a", 1, "p", "s", sonde_clock_wall_ns());
}

/* --- Deadlines ---------------------------------------------------------------------- */

static bool
is_hung_up(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void
unfinished_requests_are_hung_up_on(void **state)
{
    struct sonde_peers peers;
    int pairs[3][2];
    struct sonde_peer *all[3];
    (void)state;
    sonde_peers_init(&peers, 100);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        all[i] = sonde_peer_join(&peers, pairs[i][0]);
    }
    sonde_peer_turn(&peers, all[1], SONDE_PEER_SENDING);
    sonde_peer_turn(&peers, all[2], SONDE_PEER_ANSWERING);
    int64_t now_ns = sonde_clock_mono_ns();
    sonde_peers_tick(&peers, now_ns + 9 * SONDE_NS_PER_S);
    assert_false(is_hung_up(pairs[0][1]));
    sonde_peers_tick(&peers, now_ns + 11 * SONDE_NS_PER_S); /* no whole header in 10 s */
    assert_true(is_hung_up(pairs[0][1]));
    assert_false(is_hung_up(pairs[1][1]));
    sonde_peers_tick(&peers, now_ns + 121 * SONDE_NS_PER_S); /* no whole body in 120 s */
    assert_true(is_hung_up(pairs[1][1]));
    sonde_peers_tick(&peers, now_ns + 86400 * SONDE_NS_PER_S);
    assert_false(is_hung_up(pairs[2][1])); /* it is we who take our time */
    for (int i = 0; i < 3; i++) {
        sonde_peer_leave(&peers, all[i]);
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    sonde_peers_fini(&peers);
}

static void
longest_idle_makes_room(void **state)
{
    struct sonde_peers peers;
    int pairs[8][2];
    struct sonde_peer *all[8];
    (void)state;
    sonde_peers_init(&peers, 8); /* crowded from 7 on */
    for (int i = 0; i < 8; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        all[i] = sonde_peer_join(&peers, pairs[i][0]);
        if (i == 0) {
            sonde_peer_turn(&peers, all[0], SONDE_PEER_ANSWERING);
        }
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(is_hung_up(pairs[i][1]), i == 1);
        sonde_peer_leave(&peers, all[i]);
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    sonde_peers_fini(&peers);
}

/* --- Settings ----------------------------------------------------------------------- */

static int
start_fails(struct kit *kit, const char *listen, const char *token, struct sonde_err *err)
{
    struct sonde_collector *collector = NULL;
    struct sonde_collector_options options = {
        .listen = listen, .data_dir = kit->dir, .token = token};
    *err = (struct sonde_err)SONDE_ERR_INIT;
    int rc = sonde_collector_start(&collector, &options, err);
    if (rc == SONDE_OK) {
        sonde_collector_stop(collector);
    }
    assert_true(rc == SONDE_OK || err->message[0] != '\0');
    return rc;
}

static void
bad_settings_are_refused_in_words(void **state)
{
    struct kit *kit = *state;
    struct sonde_err err;
    char taken[32];
    assert_int_equal(start_fails(kit, "127.0.0.1:0", NULL, &err), SONDE_E_BUSY);
    assert_non_null(strstr(err.message, kit->dir)); /* another one has the data */
    snprintf(taken, sizeof(taken), "127.0.0.1:%d", kit->port);
    assert_int_equal(start_fails(kit, taken, NULL, &err), SONDE_E_BUSY);
    assert_non_null(strstr(err.message, taken));
    kit_stop(kit);
    assert_int_equal(start_fails(kit, "0.0.0.0:0", NULL, &err), SONDE_E_DENIED);
    assert_non_null(strstr(err.message, "token"));
    assert_int_equal(start_fails(kit, "0.0.0.0:0", "", &err), SONDE_E_DENIED);
    assert_int_equal(start_fails(kit, "0.0.0.0:0", "t", &err), SONDE_OK);
    static const char *const bad[] = {
        "",          "nowhere", "127.0.0.1",        "127.0.0.1:", ":80",
        "1.2.3.4:x", "[::1:80", "127.0.0.1:123456", "a b c:80",   "127.0.0.1:-1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(start_fails(kit, bad[i], NULL, &err), SONDE_E_INVAL);
        assert_string_equal(err.where, "listen");
    }
}

/* Polls one after the other, each on a new connection, until it is refused. */
struct hammer {
    int port;
    atomic_bool is_over;
};

static void *
hammer(void *arg)
{
    struct hammer *with = arg;
    static const char body[] =
        "{\"instance_id\":\"i\",\"service\":\"s\",\"wait_ms\":9000}";
    char request[256];
    char answer[64];
    int len = snprintf(request, sizeof(request),
                       "POST /api/v1/agent/poll HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       strlen(body), body);
    bool is_answered = true;
    while (!with->is_over && is_answered) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)with->port)};
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        is_answered = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
                      send(fd, request, (size_t)len, MSG_NOSIGNAL) == len &&
                      recv(fd, answer, sizeof(answer), 0) > 0;
        close(fd);
    }
    return NULL;
}

/* What comes while the collector ends is answered or refused, and it ends. */
static void
ends_while_it_is_hammered(void **state)
{
    struct kit *kit = *state;
    struct hammer with = {.port = kit->port};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &with), 0);
    }
    for (int i = 0; i < 20; i++) {
        kit_store(kit, "a", 1, "p", "s", sonde_clock_wall_ns());
    }
    int64_t start_ns = sonde_clock_mono_ns();
    kit_stop(kit);
    with.is_over = true;
    assert_true(sonde_clock_mono_ns() - start_ns < 5 * SONDE_NS_PER_S);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(idle_crowd_keeps_nobody_out),
        TEST(rubbish_harms_nobody),
        TEST(broken_off_requests_leave_nothing),
        cmocka_unit_test(unfinished_requests_are_hung_up_on),
        cmocka_unit_test(longest_idle_makes_room),
        TEST(bad_settings_are_refused_in_words),
        TEST(ends_while_it_is_hammered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
