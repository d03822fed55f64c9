/* SPDX-License-Identifier: Apache-2.0
 *
 * For a system that nobody ported Sonde to yet: nothing but POSIX. The rest of os.h is in
 * posix.c. */
#include "core/base/os.h"

#include "core/base/clock.h"

#include <fcntl.h>
#include <sys/socket.h>

uint64_t
sonde_os_thread_id(void)
{
    /* POSIX has no number for a thread, but no two live ones share a thread-local. */
    static _Thread_local char own;
    return (uint64_t)(uintptr_t)&own;
}

/* POSIX has no thread names. */
void
sonde_os_thread_name(const char *name)
{
    (void)name;
}

void
sonde_os_thread_name_get(char *out, size_t size)
{
    if (size > 0) {
        out[0] = '\0';
    }
}

/* POSIX has no timed join. */
int
sonde_os_thread_join(pthread_t thread, int64_t deadline_ns)
{
    (void)deadline_ns;
    return pthread_join(thread, NULL) == 0 ? SONDE_OK : SONDE_E_INVAL;
}

/* Nor can one ask for it. */
void
sonde_os_thread_await_end(uint64_t thread_id, int64_t deadline_ns)
{
    (void)thread_id;
    (void)deadline_ns;
}

/* POSIX has no coarse clock. */
int64_t
sonde_os_coarse_ns(void)
{
    return sonde_clock_mono_ns();
}

int
sonde_os_socket_cloexec(int domain, int type, int protocol)
{
    /* Two steps: a fork and exec in between leaks it, which only SOCK_CLOEXEC can mend.
     * */
    int fd = socket(domain, type, protocol);
    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return fd;
}

int64_t
sonde_os_process_start_ns(void)
{
    return 0;
}
