/* SPDX-License-Identifier: Apache-2.0
 *
 * The capture tape: the bounded binary record of one hit. An adapter walks the runtime's
 * values once and calls the functions below; the tape enforces every limit (depth, counts,
 * lengths, bytes, time), redacts, and writes the markers that say what was cut. The bytes
 * are described in docs/formats/tape.md; core/capture/tape_reader.h reads them.
 *
 * An adapter obeys two answers and need check nothing else:
 *   - sonde_tape_open() false: the value is on the tape as a marker; do not walk it, do not
 *     close it.
 *   - sonde_tape_next() false: stop iterating; the rest is on the tape as a marker; close.
 * Whatever is called past the end of the budget does nothing, and what was opened can always
 * be closed: the tape keeps room for its own endings.
 *
 *     sonde_tape_stack_begin(tape);
 *     sonde_tape_frame(tape, file, function, line);             // innermost first
 *     sonde_tape_stack_end(tape);
 *     sonde_tape_section_begin(tape, SONDE_SECTION_LINE);
 *     sonde_tape_group_begin(tape, SONDE_GROUP_LOCALS);
 *     sonde_tape_name(tape, SONDE_STR("order"));
 *     if (sonde_tape_open(tape, SONDE_SHAPE_FIELDS, SONDE_STR("Order"), 2)) {
 *         for (each field)
 *             if (!sonde_tape_next(tape)) break;
 *             sonde_tape_name(tape, field_name);
 *             sonde_tape_int(tape, SONDE_STR("int"), 42);
 *         sonde_tape_close(tape);
 *     }
 *     sonde_tape_group_end(tape);
 *     sonde_tape_section_end(tape);
 *
 * Ctx: a hook, on the application's thread; no function allocates, blocks, fails or calls
 * back. Own: the tape copies whatever it is given. */
#ifndef SONDE_TAPE_H
#define SONDE_TAPE_H

#include <sonde/limits.h>
#include <sonde/str.h>

struct sonde_tape;

enum sonde_section {
    SONDE_SECTION_ENTRY = 1, /* captures.entry */
    SONDE_SECTION_RETURN,    /* captures.return */
    SONDE_SECTION_LINE,      /* captures.lines.N, N from the probe's place */
};

/* How a function's activation ended. CLOSED, CANCELLED and LEFT are no failures: there is neither a
 * value nor a throwable. */
enum sonde_outcome {
    SONDE_OUTCOME_RETURNED = 1,
    SONDE_OUTCOME_RAISED,    /* an exception left it */
    SONDE_OUTCOME_CLOSED,    /* a generator or coroutine that was closed or thrown away */
    SONDE_OUTCOME_CANCELLED, /* its task was cancelled, its thread ended from outside */
    SONDE_OUTCOME_LEFT, /* control went elsewhere, past its caller (a throw, a break); or it did not
                           return, and no more is known */
};

enum sonde_group {
    SONDE_GROUP_ARGUMENTS = 1, /* named values */
    SONDE_GROUP_LOCALS,        /* named values */
    SONDE_GROUP_RETURN_VALUE,  /* one value, no name */
    SONDE_GROUP_THROWABLE,     /* sonde_tape_throwable, then frames */
};

enum sonde_shape {
    SONDE_SHAPE_ELEMENTS = 1, /* values */
    SONDE_SHAPE_ENTRIES,      /* pairs: key value, then value */
    SONDE_SHAPE_FIELDS,       /* sonde_tape_name, then value */
};

/* How the characters of a text are stored. Fixed-width ones are native-endian. */
enum sonde_encoding {
    SONDE_ENCODING_ASCII = 1,
    SONDE_ENCODING_LATIN1,
    SONDE_ENCODING_UTF8,
    SONDE_ENCODING_UCS2,
    SONDE_ENCODING_UCS4,
    SONDE_ENCODING_BYTES, /* not text: what is not printable ASCII is written as \xNN */
};

#define SONDE_SIZE_UNKNOWN UINT64_MAX

/* --- The frame of a snapshot ------------------------------------------------------------ */

void sonde_tape_thread(struct sonde_tape *tape, uint64_t id, struct sonde_str name);

/* The active trace, as 16 and 8 raw bytes. */
void sonde_tape_trace(struct sonde_tape *tape, const unsigned char trace_id[16],
                      const unsigned char span_id[8]);

void sonde_tape_stack_begin(struct sonde_tape *tape);

/* One frame. Returns false once limits.frames or a budget is reached: stop walking. Names
 * may be in any encoding of 8-bit characters; bytes that are not UTF-8 are escaped. */
bool sonde_tape_frame(struct sonde_tape *tape, struct sonde_str file,
                      struct sonde_str function, uint32_t line);
void sonde_tape_stack_end(struct sonde_tape *tape);

void sonde_tape_section_begin(struct sonde_tape *tape, enum sonde_section section);
void sonde_tape_section_end(struct sonde_tape *tape);

/* In the section RETURN, once, between groups or before them. Room is kept for it. */
void sonde_tape_outcome(struct sonde_tape *tape, enum sonde_outcome outcome);

void sonde_tape_group_begin(struct sonde_tape *tape, enum sonde_group group);
void sonde_tape_group_end(struct sonde_tape *tape);

/* In a THROWABLE group: the exception's type; then exactly one value, its message (or
 * nothing); then sonde_tape_stack_begin, frames (throw site first), sonde_tape_stack_end. */
void sonde_tape_throwable(struct sonde_tape *tape, struct sonde_str type);

/* --- Values ----------------------------------------------------------------------------- */

/* Whether a variable of this group, ARGUMENTS or LOCALS, is to be captured: asked before its name
 * and value are written. False only where the probe lists names and this is none of them. */
bool sonde_tape_wants(const struct sonde_tape *tape, enum sonde_group group,
                      struct sonde_str name);

/* Names the value that follows (local, argument, field). A sensitive name turns that value,
 * whatever it is, into a `redacted` marker. */
void sonde_tape_name(struct sonde_tape *tape, struct sonde_str name);

/* The runtime's nil; is_null. */
void sonde_tape_null(struct sonde_tape *tape, struct sonde_str type);

/* Numbers that a machine word holds: a few bytes here, made into text on the agent's thread. Whole,
 * whatever limits.length says. A float becomes the shortest text that reads back as the same
 * number ("0.1", "1e+16", "nan", "-inf"). */
void sonde_tape_int(struct sonde_tape *tape, struct sonde_str type, int64_t value);
void sonde_tape_float(struct sonde_tape *tape, struct sonde_str type, double value);

/* Other numbers, booleans and short texts of the adapter's own making; cut at limits.length
 * like any text. ASCII. */
void sonde_tape_number(struct sonde_tape *tape, struct sonde_str type,
                       struct sonde_str digits);

/* Text of `units` characters (bytes for UTF8 and BYTES), cut at limits.length characters
 * with `truncated` and, where it is known without reading on, `size` in characters (bytes
 * for BYTES and UTF8). What has no UTF-8 form is escaped: a lone surrogate as \udc80, a
 * stray byte as \xff. As the key of an entry a sensitive text redacts the entry's value. */
void sonde_tape_text(struct sonde_tape *tape, struct sonde_str type,
                     enum sonde_encoding encoding, const void *data, size_t units);

/* A value that the adapter knows of but can not show. */
void sonde_tape_skip(struct sonde_tape *tape, struct sonde_str type,
                     enum sonde_reason reason);

/* Opens a container. `size` is its number of members, SONDE_SIZE_UNKNOWN when that can not
 * be had without calling the application. See the top for the answer. */
bool sonde_tape_open(struct sonde_tape *tape, enum sonde_shape shape,
                     struct sonde_str type, uint64_t size);

/* Before each element, entry or field. See the top for the answer. */
bool sonde_tape_next(struct sonde_tape *tape);

void sonde_tape_close(struct sonde_tape *tape);

/* True once a budget (time or bytes) is used up: nothing more will be kept. */
bool sonde_tape_is_full(const struct sonde_tape *tape);

#endif
