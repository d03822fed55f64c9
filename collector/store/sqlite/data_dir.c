/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/store/sqlite/data_dir.h"

#include "collector/store/sqlite/day_file.h"
#include "core/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int
make_dirs(const char *dir, struct sonde_err *err)
{
    char path[SONDE_DB_PATH_MAX];
    size_t len = strlen(dir);
    if (len == 0 || len + 64 > sizeof(path)) { /* 64: the longest name in it */
        return sonde_err_set(err, SONDE_E_INVAL, "data", "\"%s\" is no directory's name",
                             dir);
    }
    memcpy(path, dir, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        path[i] = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            return sonde_err_set(err, SONDE_E_IO, "data", "%s: can not be made: %s", path,
                                 strerror(errno));
        }
        path[i] = dir[i];
    }
    return SONDE_OK;
}

int
sonde_data_dir_lock(int *out, const char *dir, struct sonde_err *err)
{
    char path[SONDE_DB_PATH_MAX + 8];
    int rc = make_dirs(dir, err);
    if (rc != SONDE_OK) {
        return rc;
    }
    snprintf(path, sizeof(path), "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return sonde_err_set(err, SONDE_E_IO, "data", "%s: can not be written: %s", path,
                             strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return sonde_err_set(err, SONDE_E_BUSY, "data", "%s: another collector uses it",
                             dir);
    }
    *out = fd;
    return SONDE_OK;
}

void
sonde_data_dir_unlock(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

static int
newest_first(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left < right) - (left > right);
}

int
sonde_data_dir_days(struct sonde_days *out, const char *dir, struct sonde_err *err)
{
    out->count = 0;
    DIR *listing = opendir(dir);
    if (listing == NULL) {
        return sonde_err_set(err, SONDE_E_IO, "data", "%s: %s", dir, strerror(errno));
    }
    const struct dirent *entry;
    while ((entry = readdir(listing)) != NULL && out->count < SONDE_DAYS_MAX) {
        if (sonde_day_of_name(&out->day[out->count], entry->d_name)) {
            out->count++;
        }
    }
    closedir(listing);
    qsort(out->day, out->count, sizeof(out->day[0]), newest_first);
    return SONDE_OK;
}

void
sonde_data_dir_forget(const char *dir, int64_t oldest)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    struct sonde_days days;
    if (sonde_data_dir_days(&days, dir, NULL) != SONDE_OK) {
        return;
    }
    for (size_t i = 0; i < days.count; i++) {
        char path[SONDE_DB_PATH_MAX];
        char file[SONDE_DB_PATH_MAX + 8];
        if (days.day[i] >= oldest) {
            continue;
        }
        sonde_day_path(path, sizeof(path), dir, days.day[i]);
        for (size_t e = 0; e < sizeof(endings) / sizeof(endings[0]); e++) {
            snprintf(file, sizeof(file), "%s%s", path, endings[e]);
            if (unlink(file) != 0 && errno != ENOENT) {
                sonde_log(SONDE_LOG_ERROR, "%s: can not be unlinked: %s", file,
                          strerror(errno));
            }
        }
        sonde_log(SONDE_LOG_INFO, "%s: its time to be kept is over", path);
    }
}
