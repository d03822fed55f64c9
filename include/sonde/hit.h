/* SPDX-License-Identifier: Apache-2.0
 *
 * What an adapter's hook does when a place that it armed is executed. A *site* is one armed
 * place of one probe; the adapter got its pointer with arm() and keeps it where the hook
 * finds it without a search.
 *
 * A line:
 *     struct sonde_hit hit;
 *     if (!sonde_hit_begin_line(&hit, site))
 *         return;                              // nearly always: tens of nanoseconds
 *     ... write stack and one SONDE_SECTION_LINE to hit.tape ...
 *     sonde_hit_commit(&hit);
 *
 * A function (the adapter calls both, whether the probe is for ENTRY or EXIT; core knows which counts):
 *     if (sonde_hit_begin_entry(&hit, site, frame)) {
 *         ... stack, SONDE_SECTION_ENTRY ...
 *         sonde_hit_commit(&hit);              // EXIT probes: waits for the frame's end
 *     }
 *     ...
 *     if (sonde_hit_begin_exit(&hit, site, frame)) {
 *         ... SONDE_SECTION_RETURN: outcome, locals, RETURN_VALUE or THROWABLE ...
 *         sonde_hit_commit(&hit);
 *     }
 * and in between, for a frame that gives its thread away (a yield, an await):
 *     sonde_hit_suspend(site, frame);
 *     sonde_hit_resume(site, frame);           // perhaps on another thread
 * `frame` identifies the activation: unique among live frames of the process, equal at entry
 * and exit whichever thread runs it. An entry whose frame never ends (its runtime told
 * nobody) is given up when the frame's number comes again or the table is full, and counted.
 *
 * Ctx: a hook, on an application thread, usually under the VM lock. Nothing blocks, raises
 * or calls back; errno is kept. A hit inside a capture on the same thread is not admitted. */
#ifndef SONDE_HIT_H
#define SONDE_HIT_H

#include <sonde/probe.h>
#include <sonde/tape.h>

struct sonde_site;

struct sonde_hit {
    struct sonde_site *site;
    struct sonde_tape *tape;
    const struct sonde_probe_def *def; /* what to capture; valid until commit */
    uint64_t frame;
    int64_t began_ns;   /* sonde_clock_mono_ns, for the CPU budget */
    int64_t entered_ns; /* exit: when the function was entered */
    uint8_t phase;
};

/* Counts the hit and decides, before anything is read: re-entrancy, armed, hit limit, token
 * bucket, budgets. True: hit->tape is ready and the caller must commit or abandon. */
bool sonde_hit_begin_line(struct sonde_hit *hit, struct sonde_site *site);
bool sonde_hit_begin_entry(struct sonde_hit *hit, struct sonde_site *site,
                           uint64_t frame);
bool sonde_hit_begin_exit(struct sonde_hit *hit, struct sonde_site *site, uint64_t frame);

/* Hands the tape on and ends the hit. A full queue drops the record and counts it. */
void sonde_hit_commit(struct sonde_hit *hit);

/* Ends the hit without a record (the adapter could not read the frame); counted. */
void sonde_hit_abandon(struct sonde_hit *hit);

/* The frame of an EXIT probe is suspended, or goes on. The time between does not count as
 * running: the record says how much of the duration it was. A suspend of a suspended frame and a
 * resume of a running one do nothing, nor does either where no entry of the frame waits; an
 * exit ends a suspension that nothing resumed. Cost a load where none of the site waits.
 * Nothing is allocated. */
void sonde_hit_suspend(struct sonde_site *site, uint64_t frame);
void sonde_hit_resume(struct sonde_site *site, uint64_t frame);

/* Whether any entry of this site waits for its exit: a cheap first question for exits. */
bool sonde_site_has_waiting(const struct sonde_site *site);

/* The probe's definition; valid while the site is armed. */
const struct sonde_probe_def *sonde_site_def(const struct sonde_site *site);

#endif
