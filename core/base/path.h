/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of files: what a person types against what a VM calls them.
 *
 * Ctx: any thread. Nothing is allocated. */
#ifndef SONDE_CORE_BASE_PATH_H
#define SONDE_CORE_BASE_PATH_H

#include <sonde/str.h>

#include <stdbool.h>
#include <sys/stat.h>

#define SONDE_PATH_BYTES 4096

/* Without "./" at its beginning and without "//", "/./" and "name/../" in it; what has none of
 * these, or is too long for `buf` (SONDE_PATH_BYTES), is returned as it is. */
struct sonde_str sonde_path_plain(struct sonde_str path, char *buf);

/* What stands behind the last '/'. */
struct sonde_str sonde_path_base_name(struct sonde_str path);

/* stat() of an absolute path; false also where it is none or too long. */
bool sonde_path_stat(struct sonde_str path, struct stat *out);

/* Whether two absolute paths with the same last name lead to one file (symbolic links). */
bool sonde_path_is_same_file(struct sonde_str a, struct sonde_str b);

#endif
