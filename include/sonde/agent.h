/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent: what lives in the application's process beside the runtime's adapter. It holds
 * the probes, one native thread (control channel and exporting) and one bounded queue.
 *
 * Life: sonde_config_init → sonde_agent_start → … sonde_agent_safe_point as asked … →
 * sonde_agent_stop. After stop, hits are refused and every other call does nothing; the
 * struct itself is never freed, since a hook may still hold a pointer into it.
 *
 * Nothing here exits, aborts, raises, or waits for the network on an application thread,
 * except sonde_agent_stop, which waits at most its deadline. */
#ifndef SONDE_AGENT_H
#define SONDE_AGENT_H

#include <sonde/adapter.h>
#include <sonde/err.h>

struct sonde_agent;

/* Settings; strings are owned by the struct. From the environment unless said otherwise:
 * see docs/configuration.md. */
struct sonde_config {
    char *
        server; /* SONDE_SERVER; default http://127.0.0.1:7077; "" : no thread, no network */
    char *snapshot_server; /* SONDE_OTLP_ENDPOINT, for snapshots alone; "" : `server` */
    char *token;           /* SONDE_TOKEN */
    char *service;         /* SONDE_SERVICE, OTEL_SERVICE_NAME, service.name of
                      OTEL_RESOURCE_ATTRIBUTES; default "unknown_service:<language>" */
    char *env; /* SONDE_ENV, deployment.environment[.name] of OTEL_RESOURCE_ATTRIBUTES */
    char *version; /* SONDE_VERSION, service.version of OTEL_RESOURCE_ATTRIBUTES */
    char *resource_attributes; /* OTEL_RESOURCE_ATTRIBUTES, as it stands */
    char *redact_names, *redact_types, *redact_excluded; /* SONDE_REDACT_NAMES, … */
    size_t queue_bytes;          /* SONDE_QUEUE_BYTES: 256 KiB to 1 GiB, default 4 MiB */
    double snapshots_per_second; /* SONDE_MAX_RATE: of the process, default 100 */
    double cpu_percent;       /* SONDE_CPU_PERCENT: of one core for captures, default 2;
                                    one probe may use half of it */
    int64_t flush_timeout_ns; /* SONDE_FLUSH_MS: at exit, default 2 s */
    bool has_symbols;         /* SONDE_SYMBOLS: lists what is loaded; default yes */
    bool has_symbols_at_once; /* SONDE_SYMBOLS=now: the first time without waiting */
    bool has_libraries;       /* SONDE_SYMBOLS_LIBRARIES: theirs too; default yes */
    /* SONDE_SOURCES: the text of the application's own files; default yes where `server` is on this
     * machine. */
    bool has_sources;
    int64_t symbols_debounce_ns; /* SONDE_SYMBOLS_DEBOUNCE_MS: default 2 s */
    char *complaints;            /* what could not be used, in words; "" : nothing */
};

/* Reads the environment. A value that can not be used is reported (log and `ps`), and the
 * default stands. SONDE_E_NOMEM. Own: sonde_config_fini. */
int sonde_config_init(struct sonde_config *config, const char *language,
                      struct sonde_err *err);
void sonde_config_fini(struct sonde_config *config);

/* Starts the process's agent. `config` is copied. On failure nothing runs and *out is
 * NULL. Ctx: VM lock. */
int sonde_agent_start(struct sonde_agent **out, const struct sonde_adapter *adapter,
                      const struct sonde_config *config, struct sonde_err *err);

/* Refuses new hits, disarms every place (the caller holds the VM lock), sends what waits for
 * at most the configured flush time, says goodbye, ends the thread. */
void sonde_agent_stop(struct sonde_agent *agent);

/* Does what waits for the VM lock: new definitions, removals, expiries, code that appeared.
 * Calls find, arm and disarm of the adapter. Ctx: VM lock; not from a hook. */
void sonde_agent_safe_point(struct sonde_agent *agent);

/* Code was loaded from `file` (as the runtime names it). True: some probe waits for it, and
 * the runtime should bring a safe point (or call sonde_agent_code_ready) before that code
 * runs. Cheap when nobody waits. Ctx: VM lock. */
bool sonde_agent_wants_code(struct sonde_agent *agent, struct sonde_str file);

/* Looks for waiting probes in the code that is there now, at once. Ctx: VM lock. */
void sonde_agent_code_ready(struct sonde_agent *agent, struct sonde_str file);

/* This code is being freed: its sites are gone, none of its frames is alive. Ctx: VM lock. */
void sonde_agent_code_vanished(struct sonde_agent *agent, uint64_t code);

/* Around a fork that the runtime knows of beforehand, in the parent. `before` ends the agent's
 * thread for the moment, so that the child is the copy of a process in which nothing of ours was
 * under way and no library's lock was held for us, and no warning about threads is due; it waits
 * at most 100 ms. `after` goes on where it stopped, connections included. They nest. Forks that
 * nobody announces are survived as well, by what the child does.
 * Ctx: VM lock. */
void sonde_agent_before_fork(struct sonde_agent *agent);
void sonde_agent_after_fork_parent(struct sonde_agent *agent);

/* In the child of a fork, as early as the runtime can say so, under the VM lock: a new
 * instance id, queue, thread and counters; armed probes stay armed. A child that never calls
 * this and never hits a probe stays without a thread. */
void sonde_agent_after_fork_child(struct sonde_agent *agent);

/* True in a forked child before its agent was rebuilt: a hook or safe point that sees it
 * calls sonde_agent_after_fork_child first. Costs one load. */
bool sonde_agent_is_stale(const struct sonde_agent *agent);

/* A part of the runtime's side failed and was switched off: counted, and shown in
 * `sonde ps` under `disarmed`. `part` is a short stable name ("inline_values"). */
void sonde_agent_fault(struct sonde_agent *agent, const char *part, const char *format,
                       ...) SONDE_PRINTF(3, 4);

/* --- For tests ---------------------------------------------------------------------------- */

/* Replaces the probes by those of a JSON array of definitions, at once. Ctx: VM lock. */
int sonde_agent_testonly_apply(struct sonde_agent *agent, struct sonde_str json,
                               struct sonde_err *err);

/* Takes the oldest finished record out of the queue into `out` (at most `size` bytes);
 * returns its length, 0 when there is none. Only with server "". */
size_t sonde_agent_testonly_take(struct sonde_agent *agent, void *out, size_t size);

/* The report that is sent to the collector (statuses, drops, faults) as JSON text, cut at
 * `size` and terminated; returns its whole length. */
size_t sonde_agent_testonly_report(struct sonde_agent *agent, char *out, size_t size);

/* Makes one listing at once (`is_whole`: of everything), in slices of the usual length, and writes
 * {"units": [unit with its scope…], "slices", "longest_hold_us", "cpu_us", "dropped"} as JSON text, cut at
 * `size` and terminated; returns its whole length, 0 when there is none, or
 * when nothing moved for 3 s: what it needs may wait for the VM lock, so try again without it in between. The files are not looked at, so no unit has
 * a file_hash; nothing is sent. Switches the hooks on, first (watch_symbols). Ctx: VM lock. */
size_t sonde_agent_testonly_symbols(struct sonde_agent *agent, bool is_whole, char *out,
                                    size_t size);

/* How that waits for a moment, for another thread that its listing needs; NULL: with the VM lock. A runtime whose other
 * thread may be waiting for the lock sets one that lets it go. */
extern void (*sonde_agent_testonly_pause)(void);

#endif
