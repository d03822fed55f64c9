/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include <sys/stat.h>
#include <unistd.h>

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
sonde_rb_plain_path(struct sonde_str path, char *buf)
{
    size_t at = 0;
    path = skip_dot_slash(path);
    if (!has_detour(path) || path.len > SONDE_RB_PATH_BYTES) {
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
sonde_rb_base_name(struct sonde_str path)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/') {
        at--;
    }
    return (struct sonde_str){path.ptr + at, path.len - at};
}

static bool
get_stat(struct sonde_str path, struct stat *out)
{
    char name[SONDE_RB_PATH_BYTES];
    if (path.len == 0 || path.len >= sizeof(name) || path.ptr[0] != '/') {
        return false;
    }
    memcpy(name, path.ptr, path.len);
    name[path.len] = '\0';
    return stat(name, out) == 0;
}

static bool
is_same_file(struct sonde_str a, struct sonde_str b)
{
    struct stat of_a, of_b;
    return sonde_str_eq(sonde_rb_base_name(a), sonde_rb_base_name(b)) &&
           get_stat(a, &of_a) && get_stat(b, &of_b) && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

/* --- Under another root --------------------------------------------------------------------- */

/* How many of their last parts are the same, the first part of neither counting. */
static unsigned
common_parts(struct sonde_str a, struct sonde_str b)
{
    unsigned parts = 0;
    for (size_t n = 1; n < a.len && n < b.len; n++) {
        char c = a.ptr[a.len - n];
        if (c != b.ptr[b.len - n]) {
            return parts;
        }
        parts += c == '/';
    }
    return parts;
}

static bool
lies_in_working_directory(struct sonde_str file)
{
    char here[SONDE_RB_PATH_BYTES];
    struct stat of_dir, of_here;
    size_t len = file.len - sonde_rb_base_name(file).len;
    if (len == 0 || getcwd(here, sizeof(here)) == NULL || stat(here, &of_here) != 0) {
        return false;
    }
    struct sonde_str dir = {file.ptr, len > 1 ? len - 1 : len};
    return get_stat(dir, &of_dir) && of_dir.st_dev == of_here.st_dev &&
           of_dir.st_ino == of_here.st_ino;
}

/* One name alone says too little ("version.rb"), except for a file of the application's root. */
static unsigned
match_elsewhere(struct sonde_str wanted, struct sonde_str name)
{
    unsigned parts = common_parts(wanted, name);
    if (parts == 1 && !lies_in_working_directory(name)) {
        return SONDE_RB_FILE_OTHER;
    }
    return parts < SONDE_RB_FILE_ENDS ? parts : SONDE_RB_FILE_ENDS - 1;
}

void
sonde_rb_wanted_file_init(struct sonde_rb_wanted_file *wanted, struct sonde_str name)
{
    struct stat unused;
    wanted->name = sonde_rb_plain_path(name, wanted->buf);
    wanted->is_elsewhere = wanted->name.len > 0 && wanted->name.ptr[0] == '/' &&
                           wanted->name.len < SONDE_RB_PATH_BYTES &&
                           !get_stat(wanted->name, &unused);
}

unsigned
sonde_rb_file_match(const struct sonde_rb_wanted_file *wanted, struct sonde_str name)
{
    char buf[SONDE_RB_PATH_BYTES];
    struct sonde_str given = wanted->name;
    name = sonde_rb_plain_path(name, buf);
    if (given.len == 0) {
        return SONDE_RB_FILE_OTHER;
    }
    if (sonde_str_eq(name, given) || is_same_file(name, given)) {
        return SONDE_RB_FILE_SAME;
    }
    if (name.len > given.len && name.ptr[name.len - given.len - 1] == '/' &&
        sonde_str_ends_with(name, given)) {
        return SONDE_RB_FILE_ENDS;
    }
    return wanted->is_elsewhere ? match_elsewhere(given, name) : SONDE_RB_FILE_OTHER;
}
