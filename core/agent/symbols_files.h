/* SPDX-License-Identifier: Apache-2.0
 *
 * The files that symbols come from: their hash, as git has it, and their text. Only regular files, and
 * nothing here waits for one.
 *
 * Ctx: the agent thread, never under the VM lock: a disk may be slow. */
#ifndef SONDE_SYMBOLS_FILES_H
#define SONDE_SYMBOLS_FILES_H

#include "core/base/buf.h"
#include "core/base/sha1.h"

#include <stdbool.h>

#define SONDE_FILE_MAX_BYTES ((int64_t)16 * 1024 * 1024) /* a larger one has no hash */
#define SONDE_SOURCE_MAX_BYTES ((int64_t)1024 * 1024)

enum sonde_file_state {
    SONDE_FILE_NONE,  /* no file, none that is read, or one that can not be read */
    SONDE_FILE_KNOWN, /* `hash` is that of what was loaded */
    SONDE_FILE_CHANGED,
    SONDE_FILE_MISSING,
};

/* By which a file is taken for the one that it was. */
struct sonde_file_stamp {
    uint64_t device, number;
    int64_t size, modified_ns, changed_ns;
};

struct sonde_file_facts {
    enum sonde_file_state state;
    struct sonde_file_stamp stamp; /* zeroes: MISSING, NONE */
    unsigned char hash[SONDE_SHA1_BYTES];
};

/* What is true of a file that was loaded at `since_ns` (sonde_clock_wall_ns) or later. `known` (NULL: nothing)
 * is what was true when it was listed before: as long as its stamp is the same it is not read again. */
void sonde_file_look(const char *path, int64_t since_ns,
                     const struct sonde_file_facts *known, struct sonde_file_facts *out);

/* Replaces what is in `out` by the file's text, if it is still that of the hash, at most
 * SONDE_SOURCE_MAX_BYTES, and UTF-8; false otherwise. */
bool sonde_file_read(const char *path, const unsigned char hash[SONDE_SHA1_BYTES],
                     struct sonde_buf *out);

#endif
