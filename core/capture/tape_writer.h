/* SPDX-License-Identifier: Apache-2.0
 *
 * The core's side of a capture tape: its memory and its header. What adapters call is in
 * sonde/tape.h; the bytes are in docs/formats/tape.md. */
#ifndef SONDE_TAPE_WRITER_H
#define SONDE_TAPE_WRITER_H

#include "core/capture/tape_clock.h"
#include <sonde/err.h>
#include <sonde/tape.h>

struct sonde_redactor;

#define SONDE_TAPE_MAX_BYTES 65536
#define SONDE_TAPE_MAX_DEPTH 16 /* open containers, groups and sections together */

/* What the tape says of the hit itself, before any capture. */
struct sonde_tape_header {
    struct sonde_str probe_id;
    uint32_t revision;
    uint8_t at;           /* enum sonde_probe_at */
    int64_t timestamp_ns; /* wall clock: the line's hit, the function's entry */
    int64_t began_ns; /* sonde_clock_mono_ns when the capture began; 0: it begins now */
    int64_t duration_ns;   /* -1: not a function's whole run */
    int64_t suspended_ns;  /* of it, at most all; -1: never suspended */
    struct sonde_str file; /* of the place, as the runtime names it */
    struct sonde_str function;
    uint32_t line;
};

/* One level of what is open; private to the writer. */
struct sonde_tape_level {
    uint8_t kind;  /* enum sonde_tape_kind */
    uint8_t slot;  /* enum sonde_tape_slot: what may come next */
    uint8_t after; /* enum sonde_tape_slot: what may come after a value */
    uint8_t first; /* enum sonde_tape_slot: what each member begins with */
    uint8_t reason;
    bool truncated;
    uint32_t count;         /* members begun */
    uint32_t limit;         /* members allowed */
    uint32_t reserve_bytes; /* given back to limit_bytes when the level ends */
    uint64_t size;
};

struct sonde_tape {
    unsigned char *bytes; /* SONDE_TAPE_MAX_BYTES */
    size_t len;
    size_t limit_bytes; /* of this hit; endings are reserved below it */
    struct sonde_limits limits;
    const struct sonde_redactor *redactor;
    struct sonde_tape_clock clock;
    uint32_t until_clock; /* writes left before the clock is looked at again */
    uint8_t full;         /* enum sonde_reason: TIMEOUT or BUDGET once used up */
    bool redact_next;
    bool redacts_types;                               /* the redactor hides some */
    struct sonde_str wanted_arguments, wanted_locals; /* see sonde_tape_want */
    uint32_t depth_open;                              /* containers only */
    uint32_t muted; /* begins that were refused and wait for their ends */
    uint32_t level;
    struct sonde_tape_level levels[SONDE_TAPE_MAX_DEPTH + 1];
};

/* Gives `tape` its memory. SONDE_OK or SONDE_E_NOMEM. Own: sonde_tape_fini. */
int sonde_tape_init(struct sonde_tape *tape);
void sonde_tape_fini(struct sonde_tape *tape);

/* Starts a new record; its time budget starts when the capture began. The strings of `header` are copied
 * (id and function cut at 255 bytes, file at 1,023), `limits` too (clamped); `redactor`
 * (NULL: none) must live until the record is finished. */
void sonde_tape_begin(struct sonde_tape *tape, const struct sonde_tape_header *header,
                      const struct sonde_limits *limits,
                      const struct sonde_redactor *redactor);

/* Continues a record that sonde_tape_finish returned earlier: copies it in and goes on as
 * if never finished, with a fresh time budget. SONDE_E_CORRUPT when it is none of ours:
 * only its header is looked at. `record` may be what this very tape returned last. */
int sonde_tape_resume(struct sonde_tape *tape, struct sonde_str record,
                      const struct sonde_limits *limits,
                      const struct sonde_redactor *redactor);

/* Which variables sonde_tape_wants lets pass from now on, until it is called again: names, each
 * followed by a NUL; empty: all. Own: borrowed until the record is finished. */
void sonde_tape_want(struct sonde_tape *tape, struct sonde_str arguments,
                     struct sonde_str locals);

/* Sets both times of the record under way. */
void sonde_tape_set_times(struct sonde_tape *tape, int64_t duration_ns,
                          int64_t suspended_ns);

/* Closes whatever is open and returns the record; valid until the next begin. */
struct sonde_str sonde_tape_finish(struct sonde_tape *tape);

#endif
