/* SPDX-License-Identifier: Apache-2.0
 *
 * The small file of what is not a snapshot: the probes. Removed ones stay for a day, so
 * that a probe made again under the same id goes on counting its revisions.
 *
 * Ctx: the writer's thread, and the one that opens before it starts. */
#ifndef SONDE_CATALOGUE_H
#define SONDE_CATALOGUE_H

#include "collector/store/sqlite/db.h"
#include "collector/store/store.h"

struct sonde_catalogue {
    struct sonde_db db;
    sqlite3_stmt *put, *remove;
};

/* Opens DIR/catalogue.db. A damaged one is set aside and a new one made. */
int sonde_catalogue_open(struct sonde_catalogue *catalogue, const char *dir,
                         struct sonde_err *err);
void sonde_catalogue_close(struct sonde_catalogue *catalogue);

int sonde_catalogue_probes(struct sonde_catalogue *catalogue, sonde_stored_probe_fn *fn,
                           void *arg, struct sonde_err *err);

/* Inside a transaction, which the caller begins and ends. Put sets revision and
 * created_at_ns; remove gives SONDE_E_NOTFOUND for what is not there. */
int sonde_catalogue_put(struct sonde_catalogue *catalogue,
                        struct sonde_stored_probe *probe, struct sonde_err *err);
int sonde_catalogue_remove(struct sonde_catalogue *catalogue, struct sonde_str id,
                           struct sonde_err *err);

#endif
