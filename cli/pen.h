/* SPDX-License-Identifier: Apache-2.0
 *
 * Text for a terminal: what comes from outside is escaped so that it can not drive the
 * terminal, colours are written only where wanted, and columns are counted.
 *
 * "Unsafe" characters are C0, DEL and C1 controls, the bidirectional ones, zero-width ones,
 * line separators, tags, and bytes that are no UTF-8. */
#ifndef SONDE_PEN_H
#define SONDE_PEN_H

#include "core/base/buf.h"
#include <sonde/err.h>

enum sonde_escape {
    SONDE_ESCAPE_BARE,   /* unsafe ones only: \x1b \n \u202e */
    SONDE_ESCAPE_QUOTED, /* also \" and \\, for text between double quotes */
    SONDE_ESCAPE_BYTES, /* also \", but a backslash stays: the text has \xNN of its own */
};

/* Appends `text` escaped. Returns the columns it takes on a terminal. */
size_t sonde_escape(struct sonde_buf *out, struct sonde_str text, enum sonde_escape how);

/* Appends a JSON value as one line, and with unsafe characters in its strings as \uXXXX: the
 * same value to every reader. `json` must be valid JSON. */
void sonde_json_line(struct sonde_buf *out, struct sonde_str json);

enum sonde_tone {
    SONDE_TONE_PLAIN,
    SONDE_TONE_DIM,   /* types, labels */
    SONDE_TONE_BOLD,  /* what a block is about */
    SONDE_TONE_PLACE, /* locations */
    SONDE_TONE_GOOD,
    SONDE_TONE_WARN, /* pending; what was cut */
    SONDE_TONE_BAD,  /* errors, exceptions */
};

struct sonde_pen {
    struct sonde_buf *out;
    bool has_colour;
    size_t width;  /* of the terminal, in columns */
    size_t column; /* written on this line so far */
    enum sonde_tone tone;
};

/* For standard output: colour when it is a terminal and NO_COLOR is not set; the width of
 * the terminal, or COLUMNS, or 100. */
void sonde_pen_init(struct sonde_pen *pen, struct sonde_buf *out);

/* Text of our own (valid, printable). */
void sonde_pen_put(struct sonde_pen *pen, enum sonde_tone tone, const char *text);
void sonde_pen_printf(struct sonde_pen *pen, enum sonde_tone tone, const char *format,
                      ...) SONDE_PRINTF(3, 4);

/* Text from outside. */
void sonde_pen_text(struct sonde_pen *pen, enum sonde_tone tone, struct sonde_str text);
void sonde_pen_quoted(struct sonde_pen *pen, enum sonde_tone tone, struct sonde_str text,
                      enum sonde_escape how);

/* Ends the line / begins one that far in. */
void sonde_pen_end(struct sonde_pen *pen);
void sonde_pen_indent(struct sonde_pen *pen, size_t columns);

/* A place on this line to go back to when what was written since turns out too wide. */
struct sonde_pen_mark {
    size_t len, column;
    enum sonde_tone tone;
};

struct sonde_pen_mark sonde_pen_mark(const struct sonde_pen *pen);
void sonde_pen_undo(struct sonde_pen *pen, struct sonde_pen_mark mark);

#endif
