/* SPDX-License-Identifier: Apache-2.0
 *
 * The directory of the store: its lock and its day files. */
#ifndef SONDE_DATA_DIR_H
#define SONDE_DATA_DIR_H

#include <sonde/err.h>
#include <stdint.h>

#define SONDE_DAYS_MAX 4096

struct sonde_days {
    size_t count;
    int64_t day[SONDE_DAYS_MAX]; /* newest first */
};

/* Makes the directory where it is missing (0700) and takes its lock, which ends with the
 * process at the latest. SONDE_E_BUSY: another process has it. SONDE_E_IO. */
int sonde_data_dir_lock(int *out, const char *dir, struct sonde_err *err);
void sonde_data_dir_unlock(int fd);

/* The days that have a file. */
int sonde_data_dir_days(struct sonde_days *out, const char *dir, struct sonde_err *err);

/* Unlinks the files of days before `oldest`. */
void sonde_data_dir_forget(const char *dir, int64_t oldest);

#endif
