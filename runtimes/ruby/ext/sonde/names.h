/* SPDX-License-Identifier: Apache-2.0
 *
 * The name of a file as a person types it against what the VM calls it.
 *
 * Ctx: VM lock. Never raises, allocates no object. */
#ifndef SONDE_RB_NAMES_H
#define SONDE_RB_NAMES_H

#include "compat/compat.h"
#include "core/base/path.h"
#include <sonde/str.h>

/* How well a file fits, the more the better; 0: it is another. Below SONDE_RB_FILE_ENDS, the file
 * lies under another root: so many of its last parts are those of the given name. */
enum {
    SONDE_RB_FILE_OTHER = 0,
    SONDE_RB_FILE_ENDS =
        1 << 12,        /* the given name is an end of it, at a directory boundary */
    SONDE_RB_FILE_SAME, /* the same name, or one that leads to the same file */
};

/* A name that files are held against. */
struct sonde_rb_wanted_file {
    struct sonde_str name; /* without detours; in `buf` or lent */
    char buf[SONDE_PATH_BYTES];
    /* It is absolute and there is no such file here: it may have been named on another machine, so
     * that files under another root fit too. */
    bool is_elsewhere;
};

void sonde_rb_wanted_file_init(struct sonde_rb_wanted_file *wanted,
                               struct sonde_str name);

/* `name` is one that the VM has for a file. Asks the system about files of the same last name. */
unsigned sonde_rb_file_match(const struct sonde_rb_wanted_file *wanted,
                             struct sonde_str name);

#endif
