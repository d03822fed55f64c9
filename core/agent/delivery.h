/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of probe definitions on its way from the control channel to the safe point, and the
 * definitions in it that nobody could read. */
#ifndef SONDE_DELIVERY_H
#define SONDE_DELIVERY_H

#include "core/base/arena.h"
#include "core/probe/definition.h"

#define SONDE_REFUSED_MAX 32
#define SONDE_DELIVERY_MAX_BYTES ((size_t)32 * 1024 * 1024)

struct sonde_refused {
    char id[SONDE_PROBE_ID_MAX + 1];
    uint32_t revision;
    char message[328]; /* a whole sonde_err */
};

/* What the answer says of symbols (docs/formats/symbols.md, "In the poll's answer"). */
struct sonde_symbol_wishes {
    bool is_there; /* false: this collector takes none */
    enum { SONDE_UPLOAD_DEFAULT, SONDE_UPLOAD_ON, SONDE_UPLOAD_OFF } upload;
    int64_t round;
    struct sonde_str store;
};

struct sonde_delivery {
    struct sonde_arena arena; /* holds all that is below */
    struct sonde_str generation;
    struct sonde_symbol_wishes symbols;
    bool has_probes; /* false: nothing changed */
    struct sonde_probe_def *defs;
    size_t count;
    struct sonde_refused *refused;
    size_t refused_count; /* at most SONDE_REFUSED_MAX */
};

/* Reads the answer to a poll: {"generation", "probes": [definition…] | null}.
 * SONDE_E_SYNTAX or SONDE_E_LIMIT: it is no such answer; SONDE_E_NOMEM. A definition that can
 * not be read is put among the refused and hurts no other. Own: sonde_delivery_free. */
int sonde_delivery_read(struct sonde_delivery **out, struct sonde_str json,
                        struct sonde_err *err);

/* Reads the bare list of definitions. */
int sonde_delivery_read_list(struct sonde_delivery **out, struct sonde_str json,
                             struct sonde_err *err);

void sonde_delivery_free(struct sonde_delivery *delivery);

/* Appends the refused ones to an array of statuses. */
void sonde_delivery_report(const struct sonde_delivery *delivery,
                           struct sonde_json_writer *out);

#endif
