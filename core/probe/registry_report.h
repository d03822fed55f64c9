/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry's inside, shared by registry.c, which changes it, and registry_report.c, which
 * answers other threads. */
#ifndef SONDE_REGISTRY_REPORT_H
#define SONDE_REGISTRY_REPORT_H

#include "core/base/lock.h"
#include "core/probe/registry.h"
#include "core/probe/site.h"

struct sonde_registry {
    const struct sonde_adapter *adapter;
    struct sonde_recorder *recorder;
    struct sonde_lock lock;
    sonde_source_fn *source; /* NULL: nobody can tell, and every version is taken */
    void *source_arg;

    /* Written under the VM lock and the registry's, read under either. */
    struct sonde_probe **probes; /* by id, ascending */
    size_t count;
    uint64_t changes;       /* of states and of the list */
    uint64_t retired_count; /* events of the probes that are gone */

    int64_t slice_ns;     /* sonde_registry_set_slice */
    int64_t slice_end_ns; /* of the one that was begun; 0: it has none */
    bool has_worked;      /* in it */

    /* No longer in the list, and armed until there is time: linked by `former`. */
    struct sonde_probe *leaving;

    _Atomic uint32_t waiting_count;
    _Atomic uint32_t armed_count;
};

/* Whether what is loaded of `file` is what the probe was set on; else why not, as its state. Ctx: VM lock. */
bool sonde_registry_is_of_version(const struct sonde_registry *registry,
                                  const struct sonde_probe_def *def,
                                  struct sonde_str file, struct sonde_probe_state *why);

/* Whether code that appears could help. */
bool sonde_probe_state_is_waiting(const struct sonde_probe_state *state);

/* In error, and nothing but a new revision (or a fork) changes that. */
bool sonde_probe_state_has_ended(const struct sonde_probe_state *state);

/* The order of the list. */
int sonde_registry_compare_ids(struct sonde_str a, struct sonde_str b);

/* The sum of a probe's counters; it only ever grows. */
uint64_t sonde_registry_events(const struct sonde_probe *probe);

#endif
