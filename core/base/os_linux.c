/* SPDX-License-Identifier: Apache-2.0
 *
 * What Linux does its own way; the rest of os.h is in posix.c. */
#include "core/base/os.h"

#include "core/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NAME_BYTES 16 /* the kernel's TASK_COMM_LEN, with its NUL */
#define JOIN_SLICE_NS (100 * SONDE_NS_PER_MS)

uint64_t
sonde_os_thread_id(void)
{
    /* Not kept in a thread-local: after fork() the same thread has another id. */
    return (uint64_t)syscall(SYS_gettid);
}

void
sonde_os_thread_name(const char *name)
{
    prctl(PR_SET_NAME, name); /* cuts by itself */
}

void
sonde_os_thread_name_get(char *out, size_t size)
{
    if (size > 0) {
        char name[NAME_BYTES] = "";
        prctl(PR_GET_NAME, name);
        snprintf(out, size, "%s", name);
    }
}

/* The only timed join that every libc has goes by the wall clock. Short slices keep a
 * clock that is set meanwhile from stretching the wait. */
int
sonde_os_thread_join(pthread_t thread, int64_t deadline_ns)
{
    for (;;) {
        int64_t now_ns = sonde_clock_mono_ns();
        int64_t slice_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        if (slice_ns > JOIN_SLICE_NS) {
            slice_ns = JOIN_SLICE_NS;
        }
        int64_t until_ns = sonde_clock_wall_ns() + slice_ns;
        struct timespec until = {
            .tv_sec = (time_t)(until_ns / SONDE_NS_PER_S),
            .tv_nsec = (long)(until_ns % SONDE_NS_PER_S),
        };
        int rc = pthread_timedjoin_np(thread, NULL, &until);
        if (rc != ETIMEDOUT) {
            return rc == 0 ? SONDE_OK : SONDE_E_INVAL;
        }
        if (sonde_clock_mono_ns() >= deadline_ns) {
            return SONDE_E_TIMEOUT;
        }
    }
}

void
sonde_os_thread_await_end(uint64_t thread_id, int64_t deadline_ns)
{
    if (thread_id == 0) {
        return;
    }
    int saved_errno = errno;
    while (syscall(SYS_tgkill, getpid(), (pid_t)thread_id, 0) == 0 &&
           sonde_clock_mono_ns() < deadline_ns) {
        sched_yield();
    }
    errno = saved_errno;
}

int64_t
sonde_os_coarse_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * SONDE_NS_PER_S + now.tv_nsec;
}

int
sonde_os_socket_cloexec(int domain, int type, int protocol)
{
    return socket(domain, type | SOCK_CLOEXEC, protocol);
}

/* Field 22 of /proc/self/stat: ticks between the boot and the start, rounded down. The fields are
 * counted from behind the command's name, which may hold anything. */
int64_t
sonde_os_process_start_ns(void)
{
    char text[1024];
    int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t len = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
    if (file >= 0) {
        close(file);
    }
    text[len < 0 ? 0 : len] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    struct timespec since_boot;
    if (at == NULL || ticks_per_s <= 0 ||
        clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0) {
        return 0;
    }
    int64_t tick_ns = SONDE_NS_PER_S / ticks_per_s;
    int64_t start_ns = (int64_t)strtoll(at + 1, NULL, 10) * tick_ns + tick_ns;
    int64_t up_ns = (int64_t)since_boot.tv_sec * SONDE_NS_PER_S + since_boot.tv_nsec;
    return sonde_clock_wall_ns() - (up_ns - start_ns);
}
