/* SPDX-License-Identifier: Apache-2.0
 *
 * There is no lock here: a line is made on the stack and leaves in one write, and what
 * remembers identical lines is a table of single words. So it works under any lock, in a
 * forked child and with no memory left. */
#include "core/base/log.h"

#include "core/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEVEL_UNSET (-1)
#define LINE_BYTES 1024 /* under PIPE_BUF: lines of several threads do not mix */
#define REPEAT_MS 1000
#define SEEN_COUNT 64

static const char *const level_names[] = {
    [SONDE_LOG_DEBUG] = "debug",     [SONDE_LOG_INFO] = "info",
    [SONDE_LOG_WARNING] = "warning", [SONDE_LOG_ERROR] = "error",
    [SONDE_LOG_OFF] = "off",
};

static atomic_int current_level = LEVEL_UNSET;

/* The last message with this hash: the hash's upper half, then when it was written in
 * milliseconds, 32 bits each. One word, so relaxed is enough. 0: none yet. */
static _Atomic uint64_t seen[SEEN_COUNT];

static int
level_from_name(const char *name)
{
    for (int level = SONDE_LOG_DEBUG; name != NULL && level <= SONDE_LOG_OFF; level++) {
        if (strcmp(name, level_names[level]) == 0) {
            return level;
        }
    }
    return LEVEL_UNSET;
}

/* Whoever asks first reads the environment, unless a level was set before. */
static int
threshold(void)
{
    int level = atomic_load_explicit(&current_level, memory_order_relaxed);
    if (level != LEVEL_UNSET) {
        return level;
    }
    int wanted = level_from_name(getenv("SONDE_LOG"));
    if (wanted == LEVEL_UNSET) {
        wanted = SONDE_LOG_WARNING;
    }
    bool is_first = atomic_compare_exchange_strong_explicit(
        &current_level, &level, wanted, memory_order_relaxed, memory_order_relaxed);
    return is_first ? wanted : level;
}

void
sonde_log_set_level(enum sonde_log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

int
sonde_log_set_level_named(const char *name)
{
    int level = level_from_name(name);
    if (level == LEVEL_UNSET) {
        return SONDE_E_INVAL;
    }
    sonde_log_set_level((enum sonde_log_level)level);
    return SONDE_OK;
}

/* FNV-1a: short and good enough to tell log lines apart. */
static uint64_t
hash_bytes(const char *data, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static bool
was_just_written(const char *line, size_t len)
{
    uint64_t hash = hash_bytes(line, len);
    uint32_t tag = (uint32_t)(hash >> 32);
    uint32_t now_ms = (uint32_t)(sonde_clock_coarse_ns() / SONDE_NS_PER_MS);
    uint64_t fresh = (uint64_t)tag << 32 | now_ms;
    _Atomic uint64_t *slot = &seen[hash % SEEN_COUNT];
    uint64_t old = atomic_load_explicit(slot, memory_order_relaxed);
    do {
        if (old != 0 && old >> 32 == tag && now_ms - (uint32_t)old < REPEAT_MS) {
            return true;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        slot, &old, fresh, memory_order_relaxed, memory_order_relaxed));
    return false;
}

/* Only when it goes out at once: an application whose standard error is a full pipe must
 * not wait for us, nor get a SIGPIPE of ours from a closed one. */
static void
write_line(const char *line, size_t len)
{
    struct pollfd target = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&target, 1, 0) == 1 && target.revents == POLLOUT) {
        ssize_t written = write(STDERR_FILENO, line, len);
        (void)written; /* where would one complain? */
    }
}

void
sonde_log(enum sonde_log_level level, const char *format, ...)
{
    if ((int)level < threshold() || level >= SONDE_LOG_OFF) {
        return;
    }
    int saved_errno = errno;
    char line[LINE_BYTES];
    size_t start = (size_t)snprintf(line, sizeof(line), "sonde[%ld] %s: ", (long)getpid(),
                                    level_names[level]);
    va_list args;
    va_start(args, format);
    errno = saved_errno; /* for %m */
    int wanted = vsnprintf(line + start, sizeof(line) - start, format, args);
    va_end(args);
    size_t len = start + (wanted < 0 ? 0 : (size_t)wanted);
    if (len >= sizeof(line)) {
        len = sizeof(line) - 1;
    }
    /* One message is one line, whatever a name from outside contains. */
    for (size_t i = start; i < len; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7F) {
            line[i] = ' ';
        }
    }
    line[len] = '\n'; /* in the place of the NUL */
    if (!was_just_written(line, len)) {
        write_line(line, len + 1);
    }
    errno = saved_errno;
}

void
sonde_log_after_fork(void)
{
    /* Another process: its first line of a kind is news. */
    for (size_t i = 0; i < SEEN_COUNT; i++) {
        atomic_store_explicit(&seen[i], 0, memory_order_relaxed);
    }
}
