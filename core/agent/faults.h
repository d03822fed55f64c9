/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the agent and of its runtime that failed, with what they said and how often:
 * `sonde ps` shows them under `disarmed`. Bounded; needs no heap, so that it works without
 * memory too.
 *
 * Ctx: any thread. */
#ifndef SONDE_FAULTS_H
#define SONDE_FAULTS_H

#include "core/base/lock.h"
#include "core/wire/json.h"

#include <stdarg.h>
#include <stdatomic.h>

#define SONDE_FAULTS_MAX 16

struct sonde_fault {
    char part[32];
    char message[192]; /* the last one */
    uint64_t count;
};

struct sonde_faults {
    struct sonde_lock lock; /* guards the list */
    struct sonde_fault list[SONDE_FAULTS_MAX];
    size_t count;
    _Atomic uint64_t total; /* of all parts: changes whenever the list does */
};

/* Also in a forked child, whatever the parent was doing. */
void sonde_faults_init(struct sonde_faults *faults);

/* Counts one; true when the part is new. The last place is kept for "other", which takes
 * whatever comes when the list is full. */
bool sonde_faults_add(struct sonde_faults *faults, const char *part, const char *message);

/* Writes the array of {part, message, count}. */
void sonde_faults_report(struct sonde_faults *faults, struct sonde_json_writer *out);

#endif
