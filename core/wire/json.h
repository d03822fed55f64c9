/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON: a strict bounded reader (RFC 8259, UTF-8, no duplicate rule) into a tree in an
 * arena, and a writer into a sonde_buf. Used for the control channel, the API and the
 * command line; the application's thread never comes here.
 *
 * Ctx: one thread at a time. Own: the tree lives in the arena and its strings too, except
 * `source`, which points into the input. */
#ifndef SONDE_JSON_H
#define SONDE_JSON_H

#include "core/base/arena.h"
#include "core/base/buf.h"

enum sonde_json_type {
    SONDE_JSON_NULL,
    SONDE_JSON_BOOL,
    SONDE_JSON_NUMBER,
    SONDE_JSON_STRING,
    SONDE_JSON_ARRAY,
    SONDE_JSON_OBJECT,
};

struct sonde_json {
    enum sonde_json_type type;
    struct sonde_str key;    /* decoded; empty outside an object */
    struct sonde_str string; /* STRING: decoded UTF-8 (NUL-terminated too) */
    struct sonde_str source; /* the value's own text in the input */
    double number;           /* NUMBER */
    int64_t integer;         /* NUMBER: exact when is_integer */
    bool is_integer;
    bool boolean;
    size_t count;             /* ARRAY, OBJECT: members */
    struct sonde_json *first; /* first member */
    struct sonde_json *next;  /* next sibling */
};

#define SONDE_JSON_MAX_DEPTH 256 /* OTLP/JSON takes four levels for one of a value */

/* Reads one value and nothing after it but white space. SONDE_E_SYNTAX with "line L
 * column C" (in characters, from 1) in err->where; SONDE_E_LIMIT deeper than
 * SONDE_JSON_MAX_DEPTH; SONDE_E_NOMEM when the arena is used up. A lone surrogate, or a
 * number that no finite double holds, is malformed. */
int sonde_json_read(const struct sonde_json **out, struct sonde_arena *arena,
                    struct sonde_str input, struct sonde_err *err);

/* The member of that key (the last one, when repeated), or NULL; NULL object is
 * allowed. */
const struct sonde_json *sonde_json_get(const struct sonde_json *object, const char *key);

/* The string of that member, or the empty run when absent or no string. */
struct sonde_str sonde_json_get_str(const struct sonde_json *object, const char *key);

/* The integer of that member, or `fallback` (also for 1.0 and 1e3: is_integer is about
 * how it was written). */
int64_t sonde_json_get_int(const struct sonde_json *object, const char *key,
                           int64_t fallback);

/* --- Writing ------------------------------------------------------------------------ */

/* Commas are the writer's business; failure is the buffer's sticky one. */
struct sonde_json_writer {
    struct sonde_buf *out;
    bool comma;
};

void sonde_json_writer_init(struct sonde_json_writer *writer, struct sonde_buf *out);
void sonde_json_object_begin(struct sonde_json_writer *writer);
void sonde_json_object_end(struct sonde_json_writer *writer);
void sonde_json_array_begin(struct sonde_json_writer *writer);
void sonde_json_array_end(struct sonde_json_writer *writer);
void sonde_json_key(struct sonde_json_writer *writer, const char *key);
void sonde_json_key_str(struct sonde_json_writer *writer, struct sonde_str key);

/* Each byte that is not UTF-8 becomes U+FFFD, so that the output is always valid. */
void sonde_json_string(struct sonde_json_writer *writer, struct sonde_str value);
void sonde_json_int(struct sonde_json_writer *writer, int64_t value);
void sonde_json_uint(struct sonde_json_writer *writer, uint64_t value);
/* Shortest text that reads back the same, with a point or an exponent; null when not
 * finite. */
void sonde_json_double(struct sonde_json_writer *writer, double value);
void sonde_json_bool(struct sonde_json_writer *writer, bool value);
void sonde_json_null(struct sonde_json_writer *writer);

/* A value that is JSON already. */
void sonde_json_raw(struct sonde_json_writer *writer, struct sonde_str json);

#endif
