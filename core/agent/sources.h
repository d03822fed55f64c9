/* SPDX-License-Identifier: Apache-2.0
 *
 * Which version of a file is loaded, for probes that were set on one. The safe point asks by the file's
 * name; the agent's thread reads the file, since a disk may be slow, and has the probes looked at again.
 *
 * Ctx: says each function itself. */
#ifndef SONDE_AGENT_SOURCES_H
#define SONDE_AGENT_SOURCES_H

#include "core/agent/symbols_files.h"
#include "core/base/lock.h"

#include <stdatomic.h>

#define SONDE_SOURCES_MAX 4096 /* files; of more than that nothing is known */

struct sonde_agent;
struct sonde_table;

struct sonde_source {
    char *file;
    /* It was loaded at this time (sonde_clock_wall_ns) or later; 0: since the process began. */
    int64_t since_ns;
    bool is_known; /* `facts` hold */
    struct sonde_file_facts facts;
};

struct sonde_sources {
    struct sonde_lock lock; /* guards what follows */
    struct sonde_source *list;
    uint32_t count, cap;
    _Atomic bool is_asked; /* for the thread: some are not known */
    _Atomic bool has_news; /* for the safe point: some became known */
};

/* Also in a forked child, whatever the parent was doing. */
void sonde_sources_init(struct sonde_agent *agent);

/* Only of an agent that never ran. */
void sonde_sources_fini(struct sonde_agent *agent);

/* A sonde_source_fn; `agent` is the argument. Ctx: VM lock. */
int sonde_sources_ask(void *agent, struct sonde_str file,
                      unsigned char hash[SONDE_SHA1_BYTES]);

/* The file was loaded just now: what was known of it is out of date. Ctx: VM lock. */
void sonde_sources_loaded(struct sonde_agent *agent, struct sonde_str file);

/* Looks at what was asked for; `known` are the units of symbols, whose files were looked at when they were
 * listed. Ctx: agent thread. */
void sonde_sources_step(struct sonde_agent *agent, const struct sonde_table *known);

#endif
