/* SPDX-License-Identifier: Apache-2.0
 *
 * The control channel: which probes there are, which processes, and who waits for news of
 * either. Everything is in memory; the probes come from the store and change after it has
 * changed.
 *
 * An agent's poll says which list of probes it has (its generation) and is set aside
 * until that list is another one. The generation is a sum over the probes that match, so
 * it changes for exactly those who are concerned.
 *
 * Ctx: any thread; one lock, never held while the disk or a peer is waited for. */
#ifndef SONDE_CONTROL_H
#define SONDE_CONTROL_H

#include "collector/control/instance.h"
#include "collector/http/exchange.h"
#include "collector/store/store.h"
#include "core/probe/definition.h"

struct sonde_control;

/* `hurry(arg, at_ns)` is called, without the lock, when sonde_control_tick has to be
 * called by that time (monotonic). SONDE_OK or SONDE_E_NOMEM. Own: sonde_control_free. */
int sonde_control_new(struct sonde_control **out, void (*hurry)(void *arg, int64_t at_ns),
                      void *arg);
void sonde_control_free(struct sonde_control *control);

/* Answers all who wait; from then on nobody is set aside. */
void sonde_control_close(struct sonde_control *control);

/* Ends what has waited long enough, retires what has expired, forgets who is gone.
 * Returns when to call again (monotonic). */
int64_t sonde_control_tick(struct sonde_control *control);

/* --- Probes ------------------------------------------------------------------------- */

struct sonde_control_probe;

/* A probe that is not in the list yet: `def` is copied. NULL when out of memory. */
struct sonde_control_probe *sonde_control_probe_new(const struct sonde_probe_def *def);
void sonde_control_probe_free(struct sonde_control_probe *probe);

/* Puts it in the place of one with the same id, and tells whoever is concerned. Writes it
 * to `out` (NULL: not). Can not fail. Own: the control's from then on. */
void sonde_control_put(struct sonde_control *control, struct sonde_control_probe *probe,
                       uint32_t revision, int64_t created_at_ns, struct sonde_buf *out);

/* Takes it out after writing it, as it was, to `out`. False: no such probe. */
bool sonde_control_remove(struct sonde_control *control, struct sonde_str id,
                          struct sonde_buf *out);
bool sonde_control_has(struct sonde_control *control, struct sonde_str id);
size_t sonde_control_probe_count(struct sonde_control *control);

/* --- Symbols ------------------------------------------------------------------------ */

/* Whose id agents are told. Before anybody is served. */
void sonde_control_use_store(struct sonde_control *control, struct sonde_store *store);

struct sonde_control_service;

/* What is said of a service, not in the list yet. NULL when out of memory. */
struct sonde_control_service *sonde_control_service_new(struct sonde_str name);
void sonde_control_service_free(struct sonde_control_service *service);

/* Puts it in the place of what was said before, and tells its processes. Can not fail. Own: the
 * control's from then on. */
void sonde_control_set_service(struct sonde_control *control,
                               struct sonde_control_service *service,
                               enum sonde_uploading upload, int64_t round);

/* --- Requests. Each answers x, now or later. ---------------------------------------- */

void sonde_control_list_probes(struct sonde_control *control, struct sonde_exchange *x);
void sonde_control_list_processes(struct sonde_control *control,
                                  struct sonde_exchange *x);

/* The probe, once it is settled (api.md) or `wait_ms` are over. */
void sonde_control_show(struct sonde_control *control, struct sonde_exchange *x,
                        struct sonde_str id, int64_t wait_ms);

/* A poll. `identity` is taken. */
void sonde_control_poll(struct sonde_control *control, struct sonde_exchange *x,
                        struct sonde_identity *identity, struct sonde_str generation,
                        int64_t wait_ms);

/* A report. `report` is taken. */
void sonde_control_report(struct sonde_control *control, struct sonde_exchange *x,
                          struct sonde_str instance_id, struct sonde_report *report);
void sonde_control_bye(struct sonde_control *control, struct sonde_exchange *x,
                       struct sonde_str instance_id);

#endif
