/* SPDX-License-Identifier: Apache-2.0
 *
 * Each case runs in a child whose standard error is a pipe, because the level is read
 * from the environment once per process. */
#include "core/base/clock.h"
#include "core/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char output[65536];
static pid_t child_pid;

/* Runs `body` with SONDE_LOG = `level` (NULL: unset); what it logs is in `output`. */
static void
capture(const char *level, void (*body)(void))
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    child_pid = fork();
    assert_true(child_pid >= 0);
    if (child_pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        if (level == NULL) {
            unsetenv("SONDE_LOG");
        } else {
            setenv("SONDE_LOG", level, 1);
        }
        body();
        _exit(0);
    }
    close(fds[1]);
    size_t len = 0;
    ssize_t got;
    while ((got = read(fds[0], output + len, sizeof(output) - 1 - len)) > 0) {
        len += (size_t)got;
    }
    output[len] = '\0';
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(child_pid, &status, 0), child_pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int
line_count(void)
{
    int lines = 0;
    for (const char *at = output; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    return lines;
}

static void
log_all_levels(void)
{
    sonde_log(SONDE_LOG_DEBUG, "d");
    sonde_log(SONDE_LOG_INFO, "i");
    sonde_log(SONDE_LOG_WARNING, "w");
    sonde_log(SONDE_LOG_ERROR, "e");
    sonde_log(SONDE_LOG_OFF, "never");
}

static void
test_line_has_pid_and_level(void **state)
{
    (void)state;
    capture(NULL, log_all_levels);
    char expected[128];
    snprintf(expected, sizeof(expected), "sonde[%d] warning: w\nsonde[%d] error: e\n",
             (int)child_pid, (int)child_pid);
    assert_string_equal(output, expected);
}

static void
test_environment_sets_the_level(void **state)
{
    (void)state;
    const struct {
        const char *level;
        int lines;
    } cases[] = {{"debug", 4}, {"info", 3}, {"warning", 2}, {"error", 1},
                 {"off", 0},   {"", 2},     {"Debug", 2},   {"loud", 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        capture(cases[i].level, log_all_levels);
        assert_int_equal(line_count(), cases[i].lines);
    }
}

static void
set_levels(void)
{
    if (sonde_log_set_level_named("info") != SONDE_OK ||
        sonde_log_set_level_named("nonsense") != SONDE_E_INVAL ||
        sonde_log_set_level_named(NULL) != SONDE_E_INVAL) {
        _exit(1);
    }
    log_all_levels(); /* info, warning, error */
    sonde_log_set_level(SONDE_LOG_OFF);
    sonde_log(SONDE_LOG_ERROR, "not heard");
}

static void
test_level_can_be_set(void **state)
{
    (void)state;
    capture("off", set_levels);
    assert_int_equal(line_count(), 3);
}

static void
repeat(void)
{
    for (int i = 0; i < 1000; i++) {
        sonde_log(SONDE_LOG_WARNING, "again");
    }
    sonde_log(SONDE_LOG_ERROR, "again"); /* another level is another message */
    sonde_log(SONDE_LOG_WARNING, "other");
    sonde_log_after_fork();
    sonde_log(SONDE_LOG_WARNING, "again");
}

static void
test_identical_messages_are_written_once(void **state)
{
    (void)state;
    int64_t start = sonde_clock_mono_ns();
    capture(NULL, repeat);
    if (sonde_clock_mono_ns() - start < SONDE_NS_PER_S / 2) {
        assert_int_equal(line_count(), 4);
    }
}

static void
repeat_for_a_while(void)
{
    int64_t end = sonde_clock_mono_ns() + 1500 * SONDE_NS_PER_MS;
    while (sonde_clock_mono_ns() < end) {
        sonde_log(SONDE_LOG_WARNING, "again");
    }
}

static void
test_identical_messages_come_again_after_a_second(void **state)
{
    (void)state;
    capture(NULL, repeat_for_a_while);
    assert_int_equal(line_count(), 2);
}

static void
log_hostile_text(void)
{
    sonde_log(SONDE_LOG_WARNING, "a\nsonde[1] error: forged\r\x1b[31m\x7f%s", "\xC3\xA9");
    char text[5000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    sonde_log(SONDE_LOG_WARNING, "%s", text);
}

static void
test_one_message_is_one_short_line(void **state)
{
    (void)state;
    capture(NULL, log_hostile_text);
    assert_int_equal(line_count(), 2);
    assert_non_null(strstr(output, "a sonde[1] error: forged  [31m \xC3\xA9\n"));
    assert_true(strlen(output) < 2048);
    assert_int_equal(output[strlen(output) - 1], '\n');
}

static void
check_errno(void)
{
    errno = ENOENT;
    sonde_log(SONDE_LOG_WARNING, "%m");
    sonde_log(SONDE_LOG_DEBUG, "below");
    close(STDERR_FILENO);
    sonde_log(SONDE_LOG_WARNING, "nowhere");
    _exit(errno == ENOENT ? 0 : 1);
}

static void
test_errno_is_kept(void **state)
{
    (void)state;
    capture(NULL, check_errno);
    assert_non_null(strstr(output, strerror(ENOENT)));
    assert_int_equal(line_count(), 1);
}

static void
log_into_a_full_pipe(void)
{
    int fds[2];
    if (pipe(fds) != 0) {
        _exit(1);
    }
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    while (write(fds[1], output, 1) == 1) {
    }
    fcntl(fds[1], F_SETFL, 0);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    alarm(30); /* ends us if the next line blocks */
    sonde_log(SONDE_LOG_ERROR, "nobody reads");
    signal(SIGPIPE, SIG_DFL);
    close(fds[0]);
    sonde_log(SONDE_LOG_ERROR, "nobody can read");
}

static void
test_never_blocks_nor_raises_sigpipe(void **state)
{
    (void)state;
    capture(NULL, log_into_a_full_pipe);
    assert_string_equal(output, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_has_pid_and_level),
        cmocka_unit_test(test_environment_sets_the_level),
        cmocka_unit_test(test_level_can_be_set),
        cmocka_unit_test(test_identical_messages_are_written_once),
        cmocka_unit_test(test_identical_messages_come_again_after_a_second),
        cmocka_unit_test(test_one_message_is_one_short_line),
        cmocka_unit_test(test_errno_is_kept),
        cmocka_unit_test(test_never_blocks_nor_raises_sigpipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
