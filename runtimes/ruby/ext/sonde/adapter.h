/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract of sonde/adapter.h for CRuby: arming by targeted TracePoints with a C callback,
 * one for each armed place and site; never an untargeted one.
 *
 * The instruction sequence and its TracePoint hold each other, and nothing of ours holds either: when
 * the application lets go of the code, both are collected, and the agent is told that the code
 * vanished. A `code` of the contract is a serial number of ours, never an address: sequences
 * may move. A `position` is a line and the event that tells of it; of a method, whether it is a block.
 *
 * Ctx: VM lock. */
#ifndef SONDE_RB_ADAPTER_H
#define SONDE_RB_ADAPTER_H

#include "compat/compat.h"
#include "lines.h"
#include <sonde/agent.h>

/* One site armed at one place. It belongs to an object that its TracePoint holds, and goes when the
 * collector frees that. */
struct sonde_rb_armed {
    struct sonde_site *site; /* NULL: not armed any more */
    rb_event_flag_t event;   /* the one that counts: others may be told as well */
    struct sonde_rb_muted
        muted; /* of a method that is a block: where its own `return` leaves it */
    uint64_t code, position;
    VALUE tracepoint, carrier; /* not to be touched unless the carrier is alive */
    const struct sonde_rb_iseq *target; /* SONDE_RB_TARGETS_KEEP_DELETED: the same */
    struct sonde_rb_armed *next,
        **link; /* of the list that it is in; link NULL: in none */
    /* Of a method: */
    const struct sonde_rb_iseq *iseq; /* whose frames count; NULL: it is a line */
    VALUE
    owner; /* frames of the method that stands there; 0: not known yet, `name` says */
    ID id; /* and was defined by that name */
    int64_t since_ns; /* when it was armed */
    int64_t
        stale_ns; /* since when its name means something else: no further call counts; 0: not so */
    bool is_guess; /* with owner 0: where it stands does not say what it will be called */
    const char *name; /* as typed, behind `file` */
    char file[];      /* terminated */
};

static inline uint64_t
sonde_rb_position(uint32_t line, enum sonde_rb_event event)
{
    return (uint64_t)line << 2 | (uint64_t)event;
}

/* Fills sonde_rb.adapter. */
void sonde_rb_adapter_init(void);

/* Forgets everything; every site is disarmed by then. */
void sonde_rb_adapter_stop(void);

/* Tells the agent of the armed code that the collector has freed, and has it look again for what
 * was there. Never in a collection nor while the agent is calling the adapter: safe points begin
 * with it. Free when there is nothing. */
void sonde_rb_adapter_tell_vanished(void);

/* Disables what was disarmed while other Ractors ran, if they are over. */
void sonde_rb_adapter_end_silent(void);

/* Whether the collector has not found its code dead. */
bool sonde_rb_adapter_is_alive(const struct sonde_rb_armed *armed);

/* A round through what is armed on methods (follow.c), which may be gone on with in a later safe point: begins
 * anew; the next one, or NULL. Whatever is armed or disarmed between two calls does not matter: what was there at
 * the beginning and still is comes once. */
void sonde_rb_adapter_begin_round(void);
struct sonde_rb_armed *sonde_rb_adapter_next_method(void);
bool sonde_rb_adapter_has_methods(void);

/* The same, a round of its own, for those that are armed where the method was about to be defined and of which
 * nobody knows yet (owner 0). Costs nothing where there is none. */
void sonde_rb_adapter_begin_candidates(void);
struct sonde_rb_armed *sonde_rb_adapter_next_candidate(void);

/* It is known by now which method it is. */
void sonde_rb_adapter_confirm(struct sonde_rb_armed *armed, VALUE owner, ID id);

/* Disables what is armed for this code; the agent is to be told that it vanished. */
void sonde_rb_adapter_forget(uint64_t code);

/* How many TracePoints are enabled. */
size_t sonde_rb_armed_count(void);

/* How many TracePoints that were made to be armed the collector has not freed. */
size_t sonde_rb_adapter_testonly_carriers(void);

#endif
