/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/path.h"

static struct sonde_str
skip_dot_slash(struct sonde_str path)
{
    while (path.len >= 2 && path.ptr[0] == '.' && path.ptr[1] == '/') {
        path.ptr += 2;
        path.len -= 2;
        while (path.len > 0 && path.ptr[0] == '/') {
            path.ptr++;
            path.len--;
        }
    }
    return path;
}

/* Whether "//" or "/." stands in it. */
static bool
has_detour(struct sonde_str path)
{
    for (size_t i = 0; i + 1 < path.len; i++) {
        if (path.ptr[i] == '/' && (path.ptr[i + 1] == '/' || path.ptr[i + 1] == '.')) {
            return true;
        }
    }
    return false;
}

struct sonde_str
sonde_path_plain(struct sonde_str path, char *buf)
{
    size_t at = 0;
    path = skip_dot_slash(path);
    if (!has_detour(path) || path.len > SONDE_PATH_BYTES) {
        return path;
    }
    for (size_t i = 0, end; i < path.len; i = end + 1) {
        const char *part = path.ptr + i;
        for (end = i; end < path.len && path.ptr[end] != '/'; end++) {
        }
        size_t len = end - i;
        bool is_up = len == 2 && part[0] == '.' && part[1] == '.';
        bool can_go_up = at > 1 && !(at >= 3 && memcmp(buf + at - 3, "../", 3) == 0);
        if ((len == 0 && i > 0) || (len == 1 && part[0] == '.')) {
            continue;
        }
        if (is_up && can_go_up) {
            at--; /* the '/' at its end */
            while (at > 0 && buf[at - 1] != '/') {
                at--;
            }
            continue;
        }
        memcpy(buf + at, part, len);
        at += len;
        if (end < path.len) {
            buf[at++] = '/';
        }
    }
    return (struct sonde_str){buf, at};
}

struct sonde_str
sonde_path_base_name(struct sonde_str path)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/') {
        at--;
    }
    return (struct sonde_str){path.ptr + at, path.len - at};
}

bool
sonde_path_stat(struct sonde_str path, struct stat *out)
{
    char name[SONDE_PATH_BYTES];
    if (path.len == 0 || path.len >= sizeof(name) || path.ptr[0] != '/') {
        return false;
    }
    memcpy(name, path.ptr, path.len);
    name[path.len] = '\0';
    return stat(name, out) == 0;
}

bool
sonde_path_is_same_file(struct sonde_str a, struct sonde_str b)
{
    struct stat of_a, of_b;
    return sonde_str_eq(sonde_path_base_name(a), sonde_path_base_name(b)) &&
           sonde_path_stat(a, &of_a) && sonde_path_stat(b, &of_b) &&
           of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}
