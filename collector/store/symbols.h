/* SPDX-License-Identifier: Apache-2.0
 *
 * What the store takes and gives of symbols (docs/formats/symbols.md): units by the hash of their
 * content, which services have them, their names for searching, and sources of files.
 *
 * Hashes are 40 lower-case hex digits here. Own: all strings are the giver's. */
#ifndef SONDE_STORE_SYMBOLS_H
#define SONDE_STORE_SYMBOLS_H

#include <sonde/symbols.h>

#define SONDE_SYMBOL_QUERY_MAX_BYTES 200
#define SONDE_SYMBOL_LIMIT_MAX 200
#define SONDE_SERVICES_MAX 4095

/* One unit, or a claim to have it. */
struct sonde_unit {
    struct sonde_str hash;
    struct sonde_str file;
    struct sonde_str file_hash;  /* empty: none */
    struct sonde_str file_state; /* "", "changed" or "missing" */
    struct sonde_str language;
    struct sonde_str scope; /* JSON, as it came; empty: a claim */
    enum sonde_origin origin;
    uint32_t part, parts;
    /* Set by the store before done(). */
    bool is_missing;   /* a claim to what is not kept */
    bool lacks_source; /* of user code, and the text of its file is not kept */
};

struct sonde_source {
    struct sonde_str hash, text;
};

/* One call of an agent: a write of kind SONDE_WRITE_SYMBOLS. */
struct sonde_symbol_upload {
    struct sonde_str service, env, version;
    struct sonde_unit *units;
    size_t unit_count;
    const struct sonde_source *sources;
    size_t source_count;
};

/* X(NAME, text): what a person said of uploads for a service. */
#define SONDE_UPLOADING_LIST(X) \
    X(DEFAULT, "default")       \
    X(ON, "on")                 \
    X(OFF, "off")

enum sonde_uploading {
#define SONDE_UPLOADING_ENUM(name, text) SONDE_UPLOADING_##name,
    SONDE_UPLOADING_LIST(SONDE_UPLOADING_ENUM)
#undef SONDE_UPLOADING_ENUM
};

static inline const char *
sonde_uploading_text(enum sonde_uploading upload)
{
    static const char *const TEXTS[] = {
#define SONDE_UPLOADING_TEXT(name, text) text,
        SONDE_UPLOADING_LIST(SONDE_UPLOADING_TEXT)
#undef SONDE_UPLOADING_TEXT
    };
    return TEXTS[upload];
}

/* A service as it is kept. */
struct sonde_symbol_service {
    struct sonde_str name;
    enum sonde_uploading upload;
    int64_t round; /* how often everything was asked for anew */
    int64_t unit_count, symbol_count, file_count, user_file_count;
    int64_t seen_at_ns; /* of the last upload; 0: none yet */
};

/* A change of a setting: a write of kind SONDE_WRITE_SERVICE. */
struct sonde_symbol_setting {
    struct sonde_str service;
    bool sets_upload;
    enum sonde_uploading upload;
    bool asks_anew; /* the round grows by one */
    struct sonde_symbol_service
        out; /* as it is now; set before done(), valid until it returns */
};

/* Kinds of what can be found; a bit each in a query. */
enum sonde_found_kind {
    SONDE_FOUND_FILE,
    SONDE_FOUND_CLASS, /* modules too */
    SONDE_FOUND_FUNCTION,
    SONDE_FOUND_NAME, /* fields and constants */
    SONDE_FOUND_KINDS,
};

struct sonde_symbol_query {
    struct sonde_str text;    /* may be empty: all, files only make sense */
    struct sonde_str service; /* empty: any */
    unsigned kinds;           /* bits 1 << SONDE_FOUND_*; 0: all */
    unsigned origins;         /* bits 1 << SONDE_ORIGIN_*; 0: all */
    size_t limit;             /* 1 to SONDE_SYMBOL_LIMIT_MAX */
};

/* Something that was found. Lives for the call. */
struct sonde_found {
    enum sonde_found_kind kind;
    enum sonde_scope_kind scope;   /* of all but names */
    enum sonde_symbol_kind symbol; /* of names */
    struct sonde_str name, qualified, file, language;
    struct sonde_str unit, file_hash; /* hex */
    uint32_t line, end_line;
    uint32_t probe_line; /* a line of it that can take a probe; 0: none */
    enum sonde_origin origin;
    const struct sonde_str *services; /* of those that were searched, who has it */
    size_t service_count;
};

/* False stops. */
typedef bool sonde_found_fn(void *arg, const struct sonde_found *found);
typedef void sonde_service_fn(void *arg, const struct sonde_symbol_service *service);
typedef void sonde_unit_fn(void *arg, const struct sonde_unit *unit);
typedef void sonde_text_fn(void *arg, struct sonde_str text);

#endif
