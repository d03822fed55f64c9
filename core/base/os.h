/* SPDX-License-Identifier: Apache-2.0
 *
 * What differs between operating systems. One file per system implements all of it
 * (os_linux.c; os_generic.c: POSIX only, what is missing there does nothing and says so);
 * the Makefile picks by `uname`. */
#ifndef SONDE_OS_H
#define SONDE_OS_H

#include <pthread.h>
#include <sonde/err.h>
#include <stdint.h>

/* The kernel's id of the calling thread; where there is none, a number that is unique
 * among live threads. */
uint64_t sonde_os_thread_id(void);

/* Names the calling thread as far as the system allows (15 bytes on Linux). */
void sonde_os_thread_name(const char *name);

/* Reads the calling thread's name into `out` (terminated, may be empty). */
void sonde_os_thread_name_get(char *out, size_t size);

/* Starts a native thread with every signal blocked and a small stack (256 KiB), so that no
 * signal of the application is ever delivered to it. Returns SONDE_OK or SONDE_E_NOMEM. */
int sonde_os_thread_start(pthread_t *out, void *(*run)(void *), void *arg);

/* Joins with a deadline on sonde_clock_mono_ns; SONDE_E_TIMEOUT leaves it running. Where the
 * system has no timed join it waits without one. */
int sonde_os_thread_join(pthread_t thread, int64_t deadline_ns);

/* Waits until the kernel has forgotten the ended thread of that id (sonde_os_thread_id), which is a
 * moment after its join: until then it counts as one of the process's threads. */
void sonde_os_thread_await_end(uint64_t thread_id, int64_t deadline_ns);

/* Fills `out` with unpredictable bytes; falls back to clock and pid mixing, never fails. */
void sonde_os_random(void *out, size_t size);

/* This machine's name, terminated; "unknown" when it can not be had. */
void sonde_os_hostname(char *out, size_t size);

/* When this process began, on sonde_clock_wall_ns; 0: unknown. Late by a hundredth of a second at most. */
int64_t sonde_os_process_start_ns(void);

/* The clock behind sonde_clock_coarse_ns. */
int64_t sonde_os_coarse_ns(void);

/* A socket() that is closed on exec. */
int sonde_os_socket_cloexec(int domain, int type, int protocol);

#endif
