/* SPDX-License-Identifier: Apache-2.0
 *
 * What a probe is: its definition as a person gave it, and the words for its state. */
#ifndef SONDE_PROBE_H
#define SONDE_PROBE_H

#include <sonde/limits.h>
#include <sonde/str.h>

#define SONDE_PROBE_ID_MAX 63

enum sonde_probe_at {
    SONDE_AT_LINE = 1,
    SONDE_AT_ENTRY, /* one snapshot when the function is entered */
    SONDE_AT_EXIT,  /* one snapshot when it is left: arguments from the entry, then return
                       value or throwable, and the duration */
};

/* A place in a program's source, as a person names it. Exactly one form:
 *   FILE:LINE                   file and line are set; function is empty
 *   module.function             function holds the text; separator 0
 *   module:Class.method         module and function are set; separator ':'
 *   Class#method, Class.method  function holds the text (Ruby's forms)
 * FILE is an absolute path or any suffix of one at a directory boundary. */
struct sonde_location {
    struct sonde_str text; /* as typed */
    struct sonde_str file;
    uint32_t line; /* from 1; 0 for a function */
    struct sonde_str module;
    struct sonde_str function;
};

/* One revision of a probe. Strings are borrowed from whoever made it. */
struct sonde_probe_def {
    struct sonde_str id; /* 1 to SONDE_PROBE_ID_MAX of [A-Za-z0-9._-] */
    uint32_t revision;   /* from 1; higher replaces lower */
    struct sonde_location location;
    enum sonde_probe_at at;
    struct sonde_str service;     /* empty: every service */
    struct sonde_str env;         /* empty: every environment */
    struct sonde_str source_hash; /* 40 hex digits: only where that version is loaded */
    struct sonde_limits limits;
    double rate;           /* snapshots a second per process; 0.001 to 5000, default 1 */
    uint64_t hit_limit;    /* snapshots per process before it ends; 0: none */
    int64_t expires_at_ns; /* wall clock; 0: never */
    bool captures_arguments, captures_locals, captures_return, captures_stack;
    /* Of what is captured only these: names, each followed by a NUL; empty: all. */
    struct sonde_str wanted_arguments, wanted_locals;
    struct sonde_str tags;    /* JSON object text, or empty */
    struct sonde_str clamped; /* what was clamped, for people; empty: nothing */
};

/* X(NAME, wire text). The state of one probe in one process. */
#define SONDE_STATUS_LIST(X)                                                          \
    X(RECEIVED, "received")   /* known, nothing done yet */                           \
    X(PENDING, "pending")     /* its code is not loaded; installed when it appears */ \
    X(INSTALLED, "installed") /* the next execution fires */                          \
    X(EMITTING, "emitting")   /* installed, and it has fired */                       \
    X(ERROR, "error")         /* see the cause; nothing of it is armed */

enum sonde_status {
#define SONDE_STATUS_ENUM(name, text) SONDE_STATUS_##name,
    SONDE_STATUS_LIST(SONDE_STATUS_ENUM)
#undef SONDE_STATUS_ENUM
};

/* X(NAME, wire text). Why a probe is pending or in error. */
#define SONDE_CAUSE_LIST(X)                                                             \
    X(NONE, "")                                                                         \
    X(FILE_NOT_LOADED, "file_not_loaded") /* pending */                                 \
    X(FILE_NOT_FOUND, "file_not_found") /* error: an absolute path that is not there */ \
    X(MODULE_NOT_LOADED, "module_not_loaded") /* pending */                             \
    X(FUNCTION_NOT_FOUND, "function_not_found")                                         \
    X(LINE_NOT_EXECUTABLE, "line_not_executable") /* with nearest_lines */              \
    X(AMBIGUOUS, "ambiguous")                     /* several matches, listed */         \
    X(TOOL_CONFLICT, "tool_conflict")             /* another tool holds what we need */ \
    X(OTHER_VERSION, "other_version") /* what is loaded is not what it was set on */    \
    X(EXPIRED, "expired")                                                               \
    X(HIT_LIMIT, "hit_limit")                                                           \
    X(OVER_BUDGET, "over_budget")                                                       \
    X(UNSUPPORTED, "unsupported") /* this runtime can not do it */                      \
    X(INTERNAL, "internal")       /* our fault, or out of memory */

enum sonde_cause {
#define SONDE_CAUSE_ENUM(name, text) SONDE_CAUSE_##name,
    SONDE_CAUSE_LIST(SONDE_CAUSE_ENUM)
#undef SONDE_CAUSE_ENUM
};

const char *sonde_status_text(enum sonde_status status);
const char *sonde_cause_text(enum sonde_cause cause);
const char *sonde_probe_at_text(enum sonde_probe_at at);

#endif
