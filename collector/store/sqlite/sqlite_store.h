/* SPDX-License-Identifier: Apache-2.0
 *
 * The store in SQLite files; docs/formats/store.md has their layout.
 *
 *     DIR/lock             held while a collector runs
 *     DIR/catalogue.db     probes
 *     DIR/day-YYYYMMDD.db  the snapshots of one UTC day
 *
 * One thread writes: it takes all that waits, writes it in one transaction per file,
 * commits, and only then tells the senders. A file that is damaged is renamed to
 * *.damaged-N, said so in the log, and a new one takes its place. */
#ifndef SONDE_SQLITE_STORE_H
#define SONDE_SQLITE_STORE_H

#include "collector/store/store.h"

struct sonde_sqlite_options {
    const char *dir;    /* made when missing */
    unsigned keep_days; /* from 1; files of older days are unlinked */
    size_t queue_bytes; /* 0: 64 MiB */
};

/* SONDE_E_BUSY: another collector holds the directory; SONDE_E_IO, with the path, when it
 * can not be used; SONDE_E_UNSUPPORTED: a file of a newer version. Own:
 * sonde_store_close. */
int sonde_sqlite_store_open(struct sonde_store **out,
                            const struct sonde_sqlite_options *options,
                            struct sonde_err *err);

#endif
