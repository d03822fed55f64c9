/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include <unistd.h>

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
    char here[SONDE_PATH_BYTES];
    struct stat of_dir, of_here;
    size_t len = file.len - sonde_path_base_name(file).len;
    if (len == 0 || getcwd(here, sizeof(here)) == NULL || stat(here, &of_here) != 0) {
        return false;
    }
    struct sonde_str dir = {file.ptr, len > 1 ? len - 1 : len};
    return sonde_path_stat(dir, &of_dir) && of_dir.st_dev == of_here.st_dev &&
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

/* --- Names ---------------------------------------------------------------------------------- */

static const struct sonde_rb_identity *
identify(struct sonde_rb_identity *identity, struct sonde_str name)
{
    struct stat found;
    if (!identity->is_known) {
        identity->is_known = true;
        identity->exists = sonde_path_stat(name, &found);
        if (identity->exists) {
            identity->device = found.st_dev;
            identity->inode = found.st_ino;
        }
    }
    return identity;
}

static bool
is_same_file(const struct sonde_rb_wanted_file *wanted, struct sonde_rb_known_file *file)
{
    if (!wanted->identity.exists || !sonde_str_eq(sonde_path_base_name(wanted->name),
                                                  sonde_path_base_name(file->name))) {
        return false;
    }
    const struct sonde_rb_identity *other = identify(&file->identity, file->name);
    return other->exists && other->device == wanted->identity.device &&
           other->inode == wanted->identity.inode;
}

void
sonde_rb_wanted_file_init(struct sonde_rb_wanted_file *wanted, struct sonde_str name,
                          char *buf)
{
    memset(wanted, 0, sizeof(*wanted));
    wanted->name = sonde_path_plain(name, buf);
    wanted->is_elsewhere = wanted->name.len > 0 && wanted->name.ptr[0] == '/' &&
                           wanted->name.len < SONDE_PATH_BYTES &&
                           !identify(&wanted->identity, wanted->name)->exists;
}

void
sonde_rb_known_file_init(struct sonde_rb_known_file *file, struct sonde_str name,
                         char *buf)
{
    memset(file, 0, sizeof(*file));
    file->name = sonde_path_plain(name, buf);
}

unsigned
sonde_rb_file_match(const struct sonde_rb_wanted_file *wanted,
                    struct sonde_rb_known_file *file)
{
    struct sonde_str given = wanted->name, name = file->name;
    if (given.len == 0) {
        return SONDE_RB_FILE_OTHER;
    }
    if (sonde_str_eq(name, given) || is_same_file(wanted, file)) {
        return SONDE_RB_FILE_SAME;
    }
    if (name.len > given.len && name.ptr[name.len - given.len - 1] == '/' &&
        sonde_str_ends_with(name, given)) {
        return SONDE_RB_FILE_ENDS;
    }
    return wanted->is_elsewhere ? match_elsewhere(given, name) : SONDE_RB_FILE_OTHER;
}
