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

/* Which file of the system a name leads to, if any: what is asked once of each name. */
struct sonde_rb_identity {
    bool is_known, exists;
    dev_t device;
    ino_t inode;
};

/* A name that files are held against. */
struct sonde_rb_wanted_file {
    struct sonde_str name; /* without detours; lent */
    struct sonde_rb_identity identity;
    /* It is absolute and there is no such file here: it may have been named on another machine, so
     * that files under another root fit too. */
    bool is_elsewhere;
};

/* A name that the VM has for a file. */
struct sonde_rb_known_file {
    struct sonde_str name; /* without detours; lent */
    struct sonde_rb_identity identity;
};

/* `buf`, of SONDE_PATH_BYTES, has to live as long as the result, and so has `name`. Asks the system
 * about the file. */
void sonde_rb_wanted_file_init(struct sonde_rb_wanted_file *wanted, struct sonde_str name,
                               char *buf);
void sonde_rb_known_file_init(struct sonde_rb_known_file *file, struct sonde_str name,
                              char *buf);

/* Whatever fits has the same last name as what is wanted. Asks the system about `file` where that
 * decides. */
unsigned sonde_rb_file_match(const struct sonde_rb_wanted_file *wanted,
                             struct sonde_rb_known_file *file);

#endif
