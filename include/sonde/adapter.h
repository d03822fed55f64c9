/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract between the core and a runtime. A runtime fills one struct of callbacks; the
 * core checks it once, at sonde_agent_start, and calls it only as each callback says. A
 * missing `must` refuses the start; a missing `may` switches that capability off. Later
 * versions append members; `size` says how far a given struct goes.
 *
 * Only C memory and integers cross. A `code` is an opaque number by which the runtime knows a
 * piece of code (a code object, an instruction sequence); a `position` is the runtime's own
 * number of a spot in it. No callback may unwind (raise, longjmp) through the core, run the
 * application's code, or call back into the core except where said.
 *
 * The other direction, what a runtime tells the core, is sonde/hit.h (a place was executed)
 * and sonde/agent.h (code appeared or vanished, fork, shutdown, safe point, fault).
 *
 * runtimes/README.md tells the contract as a story; runtimes/fake is the smallest example. */
#ifndef SONDE_ADAPTER_H
#define SONDE_ADAPTER_H

#include <sonde/err.h>
#include <sonde/hit.h>
#include <sonde/probe.h>
#include <sonde/symbols.h>

#define SONDE_ADAPTER_ABI 1

struct sonde_place {
    uint64_t code;
    uint64_t position;
};

/* What find() found; filled with the sonde_finding_* functions below. */
struct sonde_finding;

struct sonde_adapter {
    uint32_t size;        /* sizeof(struct sonde_adapter) as the runtime was compiled */
    uint32_t abi;         /* SONDE_ADAPTER_ABI */
    const char *language; /* "python", "ruby": lower case, static */
    const char *runtime_version; /* "3.12.1", static */
    void *ctx;                   /* first argument of every callback */

    /* Must. Finds every place where `def` has to be armed, among the code that is loaded now, and
     * reports each with sonde_finding_place. When there is none it says why with
     * sonde_finding_cause (and _nearest). It never arms and never loads code.
     * Places stay valid until the safe point that asked is over.
     * Returns SONDE_OK (also for "none, because …"), SONDE_E_LATER where looking takes longer than
     * the VM lock may be held (what was found already is armed, nothing is said of the rest,
     * and find is called again after proceed), or another SONDE_E_* on a failure of its own.
     * Ctx: safe point (VM lock). */
    int (*find)(void *ctx, const struct sonde_probe_def *def,
                struct sonde_finding *finding);

    /* Must. Arms one place for `site`: from the return on, each execution calls the hook with
     * it. Several sites may be armed at one place, each is told. Returns SONDE_OK, or SONDE_E_*
     * with err set and nothing armed; SONDE_E_BUSY means that another tool is in the way.
     * Ctx: safe point (VM lock). */
    int (*arm)(void *ctx, struct sonde_place place, struct sonde_site *site,
               struct sonde_err *err);

    /* Must. Undoes arm. From the return on no hook will use `site`, and with its last site
     * a piece of code runs at base speed. Never fails. Ctx: safe point (VM lock). */
    void (*disarm)(void *ctx, struct sonde_place place, struct sonde_site *site);

    /* Must. Asks for a call of sonde_agent_safe_point soon (milliseconds), under the VM lock, on a
     * thread that the runtime chooses; asking twice before it comes is one call. Never waits.
     * Ctx: any thread, no VM lock needed, core locks may be held. */
    void (*request_safe_point)(void *ctx);

    /* May. Whether the code that just appeared, which sonde_agent_code_ready was called for with
     * `file`, could have places for `def`: asked before find(), which is dear. It may err on the
     * side of true, never of false. Without it all code of a file's last name concerns the
     * probes of that file, and all code any function's. Ctx: safe point (VM lock). */
    bool (*concerns)(void *ctx, const struct sonde_probe_def *def, struct sonde_str file);

    /* May. Goes on with what find answered SONDE_E_LATER for, until that time of the monotonic clock (0: for
     * some milliseconds), or a little further if it would get nowhere else; returns at once where there
     * is nothing to do. Called once in a safe point while there is such a probe. Ctx: safe point (VM lock). */
    void (*proceed)(void *ctx, int64_t until_ns);

    /* May, all three or none; sonde/symbols.h tells how. Goes on with a listing of what is loaded,
     * for one slice. SONDE_OK: all is listed; SONDE_E_LATER: call again; another SONDE_E_*: it can not
     * be done, the listing is dropped and tried again later. Ctx: safe point (VM lock). */
    int (*list_symbols)(void *ctx, struct sonde_listing *listing);

    /* Switches the hooks that tell of new code for symbols' sake (sonde_agent_symbols_changed) on or
     * off; with off, what a listing has left is freed. Ctx: safe point, stop (VM lock). */
    void (*watch_symbols)(void *ctx, bool on);

    /* Whether something may have been loaded or made that no hook told of. Asked once in a while, so
     * that it costs less than 1 % of a core; must take less than 5 ms. Ctx: safe point (VM lock). */
    bool (*have_symbols_changed)(void *ctx);
};

/* One more place. `function` and `file` as the runtime names them; copied. */
int sonde_finding_place(struct sonde_finding *finding, struct sonde_place place,
                        struct sonde_str file, struct sonde_str function, uint32_t line);

/* Why there is none, in one line for a person; the last call counts. PENDING causes
 * (FILE_NOT_LOADED, MODULE_NOT_LOADED) keep the probe waiting; the others make an error,
 * which is looked at again when matching code appears. */
void sonde_finding_cause(struct sonde_finding *finding, enum sonde_cause cause,
                         const char *format, ...) SONDE_PRINTF(3, 4);

/* A line near the wanted one that can take a probe; at most 6 are kept, nearest first as given. */
void sonde_finding_nearest(struct sonde_finding *finding, uint32_t line);

/* Checks the struct as sonde_agent_start does: SONDE_OK, SONDE_E_UNSUPPORTED (abi, size) or
 * SONDE_E_INVAL naming the missing member. */
int sonde_adapter_check(const struct sonde_adapter *adapter, struct sonde_err *err);

#endif
