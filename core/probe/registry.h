/* SPDX-License-Identifier: Apache-2.0
 *
 * The probes of one process and their life cycle (docs/formats/api.md, "status").
 *
 * Ctx: everything that changes it runs under the VM lock, one call at a time; the registry's
 * own lock is held only for moments, never across an adapter call, so that
 * sonde_registry_report may run on any thread. */
#ifndef SONDE_REGISTRY_H
#define SONDE_REGISTRY_H

#include "core/probe/recorder.h"
#include "core/wire/json.h"
#include <sonde/adapter.h>

struct sonde_registry;

int sonde_registry_new(struct sonde_registry **out, const struct sonde_adapter *adapter,
                       struct sonde_recorder *recorder);

/* Disarms everything first, whatever the slice. */
void sonde_registry_free(struct sonde_registry *registry);

/* Makes `defs` the probes: what is gone is disarmed, what is new or has another revision is
 * installed (a new revision is armed before the old one is disarmed), what is the same is
 * left as it is. SONDE_E_NOMEM leaves the former probes; no list (count 0) never fails. */
int sonde_registry_apply(struct sonde_registry *registry,
                         const struct sonde_probe_def *defs, size_t count);

/* Disarms what expired, reached its limit or its budget; installs what a fork made new, and
 * what apply left for want of time. */
void sonde_registry_tick(struct sonde_registry *registry);

/* How long apply and tick may take together, from begin_slice on, before they leave the rest for the
 * next slice: new probes and new revisions stay in RECEIVED, what is gone from the list stays armed, and
 * silent. They go past that time by one probe's work at most; the first piece of work of a slice is always
 * done. 0, the default: as long as it takes. Begins one, too. */
void sonde_registry_set_slice(struct sonde_registry *registry, int64_t slice_ns);

/* Tells the hash of what is loaded of a file, as git has it (core/base/sha1.h): SONDE_OK; SONDE_E_LATER: it is
 * being looked up, and a look at all probes comes when it is known; SONDE_E_NOTFOUND: it can not be known.
 * Ctx: VM lock. */
typedef int sonde_source_fn(void *arg, struct sonde_str file, unsigned char hash[20]);
void sonde_registry_set_source(struct sonde_registry *registry, sonde_source_fn *source,
                               void *arg);

/* A safe point begins. */
void sonde_registry_begin_slice(struct sonde_registry *registry);

/* Whether some were left. */
bool sonde_registry_has_left(const struct sonde_registry *registry);

/* The wall-clock time of the next expiry, INT64_MAX when none. Any thread. */
int64_t sonde_registry_next_expiry_ns(struct sonde_registry *registry);

/* Whether new code of this file concerns a probe: one in PENDING, or in an ERROR that new code
 * could mend, whose location could lie in it; or an installed one of a file of that name,
 * which may be loaded anew. Two loads when there is no such probe at all. */
bool sonde_registry_wants(struct sonde_registry *registry, struct sonde_str file);

/* Looks again for the probes that wait (all of them, or those that `file` could serve), and
 * for further places of installed ones in that file. `file` empty: all. */
void sonde_registry_look_again(struct sonde_registry *registry, struct sonde_str file);

/* The same for all of them, as slices have time for it. */
void sonde_registry_look_later(struct sonde_registry *registry);

void sonde_registry_code_vanished(struct sonde_registry *registry, uint64_t code);

/* Whether anything waits for code. Any thread. */
bool sonde_registry_is_waiting(struct sonde_registry *registry);

/* The number of probes that are armed now. Any thread. */
uint32_t sonde_registry_armed_count(struct sonde_registry *registry);

/* Appends the JSON array of statuses. Any thread. */
void sonde_registry_report(struct sonde_registry *registry,
                           struct sonde_json_writer *out);

/* Appends {reason: count} of what was lost, without the zeroes. Any thread. */
void sonde_drops_write(struct sonde_json_writer *out, const struct sonde_drops *drops);

/* A number that changes whenever a report would say something new. Any thread. */
uint64_t sonde_registry_version(struct sonde_registry *registry);

/* Counts a loss against the probe of that id, when it is still there. Any thread. */
void sonde_registry_dropped(struct sonde_registry *registry, struct sonde_str probe_id,
                            enum sonde_drop drop);

/* In a forked child: new lock, zero counters; what is armed stays armed. What had ended by
 * its hit limit or budget waits for the next tick to be installed again: those are per process. */
void sonde_registry_after_fork(struct sonde_registry *registry);

#endif
