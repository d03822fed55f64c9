/* SPDX-License-Identifier: Apache-2.0
 *
 * The endpoints of docs/formats/api.md: each reads a request, asks one of the parts, and
 * leaves the answer to it.
 *
 * Ctx: handlers on the server's threads. */
#ifndef SONDE_API_H
#define SONDE_API_H

#include "collector/control/control.h"
#include "collector/http/router.h"
#include "collector/hub/hub.h"
#include "collector/intake/intake.h"
#include "collector/query/pool.h"
#include "collector/store/store.h"

/* The parts that the endpoints need; first argument of every handler. */
struct sonde_api {
    struct sonde_store *store;
    struct sonde_hub *hub;
    struct sonde_intake *intake;
    struct sonde_control *control;
    struct sonde_pool *pool;    /* questions */
    struct sonde_pool *uploads; /* symbols that come in: never in a question's way */
};

/* All of them. */
extern const struct sonde_route sonde_api_routes[];
extern const size_t sonde_api_route_count;

/* Puts the probes of the store into the control. Before anybody is served. */
int sonde_api_load_probes(struct sonde_api *api, struct sonde_err *err);

/* Puts what the store knows of services' uploads into the control. Before anybody is served. */
int sonde_api_load_services(struct sonde_api *api, struct sonde_err *err);

/* --- Handlers ----------------------------------------------------------------------- */

void sonde_api_add_probe(void *arg, struct sonde_exchange *x);
void sonde_api_list_probes(void *arg, struct sonde_exchange *x);
void sonde_api_show_probe(void *arg, struct sonde_exchange *x);
void sonde_api_remove_probe(void *arg, struct sonde_exchange *x);

void sonde_api_list_snapshots(void *arg, struct sonde_exchange *x);
void sonde_api_show_snapshot(void *arg, struct sonde_exchange *x);

void sonde_api_take_symbols(void *arg, struct sonde_exchange *x);
void sonde_api_search_symbols(void *arg, struct sonde_exchange *x);
void sonde_api_search_files(void *arg, struct sonde_exchange *x);
void sonde_api_show_unit(void *arg, struct sonde_exchange *x);
void sonde_api_show_source(void *arg, struct sonde_exchange *x);
void sonde_api_list_services(void *arg, struct sonde_exchange *x);
void sonde_api_set_service(void *arg, struct sonde_exchange *x);

void sonde_api_poll(void *arg, struct sonde_exchange *x);
void sonde_api_report(void *arg, struct sonde_exchange *x);
void sonde_api_bye(void *arg, struct sonde_exchange *x);

#endif
