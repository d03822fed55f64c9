/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of os.h that is the same wherever POSIX is. */
#include "core/base/os.h"

#include "core/base/clock.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)256 * 1024)
#define ENTROPY_MAX_BYTES ((size_t)256) /* getentropy() refuses more at once */

int
sonde_os_thread_start(pthread_t *out, void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0) {
        return SONDE_E_NOMEM;
    }
    /* The least a thread may have grows with the CPU's registers. */
    size_t least = (size_t)PTHREAD_STACK_MIN;
    pthread_attr_setstacksize(&attr, STACK_BYTES > least ? STACK_BYTES : least);

    /* A thread inherits the mask. Blocking inside the new thread would be too late for a
     * signal that comes before its first instruction. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int rc = pthread_create(&thread, &attr, run, arg);
    if (rc == EINVAL) {
        /* The application's thread-locals alone fill that stack. */
        rc = pthread_create(&thread, NULL, run, arg);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0) {
        return SONDE_E_NOMEM;
    }
    *out = thread;
    return SONDE_OK;
}

/* splitmix64: spreads a weak seed over all bits. */
static uint64_t
mix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Where a sandbox forbids the real source: unique, if not secret. */
static void
fill_from_clocks(unsigned char *out, size_t size)
{
    static _Atomic uint64_t calls;
    uint64_t state = (uint64_t)sonde_clock_wall_ns();
    state = mix(&state) ^ (uint64_t)sonde_clock_mono_ns();
    state = mix(&state) ^ (uint64_t)getpid() ^ (uint64_t)(uintptr_t)&state;
    state = mix(&state) ^ atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    while (size > 0) {
        uint64_t word = mix(&state);
        size_t part = size < sizeof(word) ? size : sizeof(word);
        memcpy(out, &word, part);
        out += part;
        size -= part;
    }
}

void
sonde_os_random(void *out, size_t size)
{
    unsigned char *at = out;
    while (size > 0) {
        size_t part = size < ENTROPY_MAX_BYTES ? size : ENTROPY_MAX_BYTES;
        if (getentropy(at, part) != 0) {
            fill_from_clocks(at, part);
        }
        at += part;
        size -= part;
    }
}

void
sonde_os_hostname(char *out, size_t size)
{
    if (size == 0) {
        return;
    }
    char name[256] = ""; /* POSIX: 255 at most */
    if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') {
        strcpy(name, "unknown");
    }
    size_t len = strnlen(name, size - 1);
    memcpy(out, name, len);
    out[len] = '\0';
}
