/* SPDX-License-Identifier: Apache-2.0
 *
 * Log lines on standard error: "sonde[pid] warning: text". In an application's process
 * nothing below SONDE_LOG_WARNING is written unless SONDE_LOG says so (debug, info,
 * warning, error, off), and identical messages are written at most once a second.
 *
 * Ctx: any thread; never fails, never blocks for long, keeps errno. */
#ifndef SONDE_LOG_H
#define SONDE_LOG_H

#include <sonde/err.h>

enum sonde_log_level {
    SONDE_LOG_DEBUG,
    SONDE_LOG_INFO,
    SONDE_LOG_WARNING,
    SONDE_LOG_ERROR,
    SONDE_LOG_OFF,
};

/* Default: SONDE_LOG_WARNING. */
void sonde_log_set_level(enum sonde_log_level level);

/* From "debug" … "off"; unknown text or NULL leaves the level and returns SONDE_E_INVAL. */
int sonde_log_set_level_named(const char *name);

void sonde_log(enum sonde_log_level level, const char *format, ...) SONDE_PRINTF(2, 3);

/* In a forked child, before anything else logs. */
void sonde_log_after_fork(void);

#endif
