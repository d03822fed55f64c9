/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/intake/symbols_intake.h"

#include "collector/store/symbol_names.h"
#include "core/base/alloc.h"
#include "core/base/sha1.h"

#include <stdio.h>

#define TREE_MAX_BYTES ((size_t)384 * 1024 * 1024) /* of a body, while it is kept */
#define LABEL_MAX_BYTES 255
#define PATH_MAX_BYTES 4096
#define PARTS_MAX 100000
#define UNIT_OVERHEAD_BYTES 512 /* what a claim counts for in the store's queue */

/* One call on its way to the disk. */
struct call {
    struct sonde_job job; /* first */
    struct sonde_write write;
    struct sonde_symbol_upload upload;
    struct sonde_store *store;
    struct sonde_exchange *x;
    struct sonde_arena arena;
};

/* --- Reading ------------------------------------------------------------------------ */

static int
fault(struct sonde_err *err, const char *field, const char *what)
{
    return sonde_err_set(err, SONDE_E_INVAL, field, "%s %s", field, what);
}

/* A string member, empty when it is absent or null. */
static int
read_text(struct sonde_str *out, const struct sonde_json *json, const char *key,
          size_t most, struct sonde_err *err)
{
    const struct sonde_json *member = sonde_json_get(json, key);
    *out = (struct sonde_str){NULL, 0};
    if (member == NULL || member->type == SONDE_JSON_NULL) {
        return SONDE_OK;
    }
    if (member->type != SONDE_JSON_STRING) {
        return fault(err, key, "has to be a string");
    }
    if (member->string.len > most || memchr(member->string.ptr, 0, member->string.len)) {
        return fault(err, key, "is too long, or has a NUL in it");
    }
    *out = member->string;
    return SONDE_OK;
}

/* 40 lower-case hex digits, or nothing. */
static int
read_hash(struct sonde_str *out, const struct sonde_json *json, const char *key,
          struct sonde_err *err)
{
    unsigned char bytes[SONDE_SHA1_BYTES];
    char text[SONDE_SHA1_TEXT_BYTES];
    int rc = read_text(out, json, key, LABEL_MAX_BYTES, err);
    if (rc != SONDE_OK || out->len == 0) {
        return rc;
    }
    if (sonde_sha1_from_text(*out, bytes)) {
        sonde_sha1_to_text(bytes, text);
        if (sonde_str_eq(*out, sonde_str_from(text))) {
            return SONDE_OK;
        }
    }
    return fault(err, key, "has to be 40 lower-case hex digits");
}

static int
read_number(uint32_t *out, const struct sonde_json *json, const char *key,
            uint32_t fallback, struct sonde_err *err)
{
    const struct sonde_json *member = sonde_json_get(json, key);
    *out = fallback;
    if (member == NULL || member->type == SONDE_JSON_NULL) {
        return SONDE_OK;
    }
    if (member->type != SONDE_JSON_NUMBER || !member->is_integer || member->integer < 0 ||
        member->integer > PARTS_MAX) {
        return fault(err, key, "has to be a whole number from 0");
    }
    *out = (uint32_t)member->integer;
    return SONDE_OK;
}

static void
add_ended(struct sonde_sha1 *sha1, struct sonde_str text)
{
    sonde_sha1_add(sha1, text);
    sonde_sha1_add(sha1, (struct sonde_str){"", 1}); /* its NUL */
}

/* Whether a unit is what its hash says. */
static int
check_hash(const struct sonde_unit *unit, struct sonde_err *err)
{
    struct sonde_sha1 sha1;
    char part[16];
    char text[SONDE_SHA1_TEXT_BYTES];
    snprintf(part, sizeof(part), "%u", unit->part);
    sonde_sha1_init(&sha1);
    add_ended(&sha1, unit->file);
    add_ended(&sha1, sonde_str_from(sonde_names_origin_text(unit->origin)));
    add_ended(&sha1, unit->file_hash);
    add_ended(&sha1, sonde_str_from(part));
    sonde_sha1_add(&sha1, unit->scope);
    sonde_sha1_end_text(&sha1, text);
    return sonde_str_eq(unit->hash, sonde_str_from(text))
               ? SONDE_OK
               : fault(err, "hash", "is not that of the unit's content");
}

static int
check_kept(const struct sonde_unit *unit, const struct sonde_json *scope,
           struct sonde_err *err)
{
    if (unit->file.len == 0) {
        return fault(err, "file", "is missing");
    }
    if (unit->origin == SONDE_ORIGIN_NONE) {
        return fault(err, "origin", "has to be user, library, standard or generated");
    }
    if (unit->part >= unit->parts) {
        return fault(err, "part", "has to be less than parts");
    }
    if (!sonde_str_eq(unit->file_state, SONDE_STR("")) &&
        !sonde_str_eq(unit->file_state, SONDE_STR("changed")) &&
        !sonde_str_eq(unit->file_state, SONDE_STR("missing"))) {
        return fault(err, "file_state", "has to be changed or missing");
    }
    int rc = check_hash(unit, err);
    return rc == SONDE_OK ? sonde_names_check(scope, err) : rc;
}

static int
read_unit(struct sonde_unit *unit, const struct sonde_json *json, struct sonde_err *err)
{
    const struct sonde_json *scope = sonde_json_get(json, "scope");
    struct sonde_str origin;
    int rc = read_hash(&unit->hash, json, "hash", err);
    if (rc == SONDE_OK && unit->hash.len == 0) {
        rc = fault(err, "hash", "is missing");
    }
    rc = rc == SONDE_OK ? read_text(&unit->file, json, "file", PATH_MAX_BYTES, err) : rc;
    rc = rc == SONDE_OK ? read_text(&origin, json, "origin", LABEL_MAX_BYTES, err) : rc;
    rc = rc == SONDE_OK ? read_hash(&unit->file_hash, json, "file_hash", err) : rc;
    rc = rc == SONDE_OK
             ? read_text(&unit->file_state, json, "file_state", LABEL_MAX_BYTES, err)
             : rc;
    rc = rc == SONDE_OK ? read_number(&unit->part, json, "part", 0, err) : rc;
    rc = rc == SONDE_OK ? read_number(&unit->parts, json, "parts", 1, err) : rc;
    if (rc != SONDE_OK) {
        return rc;
    }
    unit->origin = sonde_names_origin_read(origin);
    if (scope == NULL || scope->type == SONDE_JSON_NULL) {
        return SONDE_OK;
    }
    unit->scope = scope->source;
    return check_kept(unit, scope, err);
}

static int
read_source(struct sonde_source *source, const struct sonde_json *json,
            struct sonde_err *err)
{
    struct sonde_sha1 sha1;
    char hash[SONDE_SHA1_TEXT_BYTES];
    const struct sonde_json *text = sonde_json_get(json, "text");
    int rc = read_hash(&source->hash, json, "file_hash", err);
    if (rc != SONDE_OK) {
        return rc;
    }
    if (text == NULL || text->type != SONDE_JSON_STRING) {
        return fault(err, "text", "has to be a string");
    }
    source->text = text->string;
    sonde_sha1_init_blob(&sha1, source->text.len);
    sonde_sha1_add(&sha1, source->text);
    sonde_sha1_end_text(&sha1, hash);
    return sonde_str_eq(source->hash, sonde_str_from(hash))
               ? SONDE_OK
               : fault(err, "file_hash", "is not that of the text");
}

/* A list of objects; *count 0 when there is none. */
static int
read_list(const struct sonde_json **out, size_t *count, const struct sonde_json *json,
          const char *key, struct sonde_err *err)
{
    const struct sonde_json *list = sonde_json_get(json, key);
    *out = NULL;
    *count = 0;
    if (list == NULL || list->type == SONDE_JSON_NULL) {
        return SONDE_OK;
    }
    if (list->type != SONDE_JSON_ARRAY) {
        return fault(err, key, "has to be an array of objects");
    }
    if (list->count > SONDE_SYMBOLS_UNITS_MAX) {
        return sonde_err_set(err, SONDE_E_LIMIT, key, "%s has more than %d members", key,
                             SONDE_SYMBOLS_UNITS_MAX);
    }
    for (const struct sonde_json *at = list->first; at != NULL; at = at->next) {
        if (at->type != SONDE_JSON_OBJECT) {
            return fault(err, key, "has to be an array of objects");
        }
    }
    *out = list->first;
    *count = list->count;
    return SONDE_OK;
}

/* Says which member of a list an error is about. */
static int
place(struct sonde_err *err, const char *list, size_t at, const struct sonde_err *inner)
{
    char where[sizeof(inner->where) + 32];
    snprintf(where, sizeof(where), "%s[%zu].%s", list, at, inner->where);
    return sonde_err_set(err, inner->code, where, "%s", inner->message);
}

static int
read_units(struct sonde_symbol_upload *out, struct sonde_arena *arena,
           struct sonde_str language, const struct sonde_json *json,
           struct sonde_err *err)
{
    const struct sonde_json *at = NULL;
    size_t count = 0;
    int rc = read_list(&at, &count, json, "units", err);
    out->units = sonde_arena_alloc(arena, (count + 1) * sizeof(*out->units));
    if (rc == SONDE_OK && out->units == NULL) {
        rc = sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    for (; at != NULL && rc == SONDE_OK; at = at->next) {
        struct sonde_err inner = SONDE_ERR_INIT;
        struct sonde_unit *unit = &out->units[out->unit_count];
        unit->language = language;
        rc = read_unit(unit, at, &inner);
        if (rc != SONDE_OK) {
            return place(err, "units", out->unit_count, &inner);
        }
        out->unit_count++;
    }
    return rc;
}

static int
read_sources(struct sonde_symbol_upload *out, struct sonde_arena *arena,
             const struct sonde_json *json, struct sonde_err *err)
{
    const struct sonde_json *at = NULL;
    size_t count = 0;
    int rc = read_list(&at, &count, json, "sources", err);
    struct sonde_source *sources =
        sonde_arena_alloc(arena, (count + 1) * sizeof(*sources));
    out->sources = sources;
    if (rc == SONDE_OK && sources == NULL) {
        rc = sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    for (; at != NULL && rc == SONDE_OK; at = at->next) {
        struct sonde_err inner = SONDE_ERR_INIT;
        rc = read_source(&sources[out->source_count], at, &inner);
        if (rc != SONDE_OK) {
            return place(err, "sources", out->source_count, &inner);
        }
        out->source_count++;
    }
    return rc;
}

int
sonde_symbols_read(struct sonde_symbol_upload *out, struct sonde_arena *arena,
                   const struct sonde_json *json, struct sonde_err *err)
{
    struct sonde_symbol_upload upload = {0};
    struct sonde_str language = {NULL, 0};
    int64_t version = sonde_json_get_int(json, "schema_version", 0);
    int rc = json->type != SONDE_JSON_OBJECT
                 ? sonde_err_set(err, SONDE_E_INVAL, NULL, "the body has to be an object")
                 : SONDE_OK;
    if (rc == SONDE_OK && version != 1) {
        rc = fault(err, "schema_version", "has to be 1");
    }
    rc = rc == SONDE_OK
             ? read_text(&upload.service, json, "service", LABEL_MAX_BYTES, err)
             : rc;
    if (rc == SONDE_OK && upload.service.len == 0) {
        rc = fault(err, "service", "is missing");
    }
    rc = rc == SONDE_OK ? read_text(&upload.env, json, "env", LABEL_MAX_BYTES, err) : rc;
    rc = rc == SONDE_OK
             ? read_text(&upload.version, json, "version", LABEL_MAX_BYTES, err)
             : rc;
    rc = rc == SONDE_OK ? read_text(&language, json, "language", LABEL_MAX_BYTES, err)
                        : rc;
    rc = rc == SONDE_OK ? read_units(&upload, arena, language, json, err) : rc;
    rc = rc == SONDE_OK ? read_sources(&upload, arena, json, err) : rc;
    if (rc == SONDE_OK) {
        *out = upload;
    }
    return rc;
}

/* --- Answering ---------------------------------------------------------------------- */

static void
free_call(struct call *call)
{
    sonde_arena_fini(&call->arena);
    sonde_free(call);
}

static void
write_answer(struct sonde_buf *out, const struct sonde_symbol_upload *upload)
{
    struct sonde_json_writer json;
    struct sonde_str last = {NULL, 0};
    sonde_json_writer_init(&json, out);
    sonde_json_object_begin(&json);
    sonde_json_key(&json, "missing");
    sonde_json_array_begin(&json);
    for (size_t i = 0; i < upload->unit_count; i++) {
        if (upload->units[i].is_missing) {
            sonde_json_string(&json, upload->units[i].hash);
        }
    }
    sonde_json_array_end(&json);
    sonde_json_key(&json, "missing_sources");
    sonde_json_array_begin(&json);
    for (size_t i = 0; i < upload->unit_count; i++) {
        /* Parts of a file follow each other: none of them is named twice in a row. */
        const struct sonde_unit *unit = &upload->units[i];
        if (unit->lacks_source && !sonde_str_eq(unit->file_hash, last)) {
            sonde_json_string(&json, unit->file_hash);
            last = unit->file_hash;
        }
    }
    sonde_json_array_end(&json);
    sonde_json_object_end(&json);
}

/* On the store's thread. */
static void
stored(struct sonde_write *write, const struct sonde_err *err)
{
    struct call *call = write->arg;
    struct sonde_exchange *x = call->x;
    if (err->code == SONDE_OK) {
        write_answer(&x->answer, &call->upload);
        free_call(call);
        sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
        return;
    }
    bool is_full = err->code == SONDE_E_LIMIT;
    struct sonde_err why = *err;
    free_call(call);
    sonde_exchange_fail(x, is_full ? SONDE_PROBLEM_CONFLICT : SONDE_PROBLEM_UNAVAILABLE,
                        is_full ? "service" : NULL, "the symbols could not be stored: %s",
                        why.message);
}

static int
read_call(struct call *call, struct sonde_err *err)
{
    const struct sonde_json *json = NULL;
    struct sonde_err inner = SONDE_ERR_INIT;
    int rc = sonde_json_read(&json, &call->arena, sonde_buf_view(&call->x->body), &inner);
    if (rc == SONDE_E_NOMEM && call->arena.used_bytes > TREE_MAX_BYTES / 2) {
        return sonde_err_set(err, SONDE_E_LIMIT, NULL, "the body has too many values");
    }
    if (rc != SONDE_OK) {
        return sonde_err_set(err, rc, NULL, "the body is no JSON: %s, %s", inner.where,
                             inner.message);
    }
    return sonde_symbols_read(&call->upload, &call->arena, json, err);
}

/* On a thread of the pool. */
static void
run(struct sonde_job *job)
{
    struct call *call = (struct call *)job;
    struct sonde_exchange *x = call->x;
    struct sonde_err err = SONDE_ERR_INIT;
    int rc = read_call(call, &err);
    if (rc != SONDE_OK) {
        free_call(call);
        sonde_exchange_fail_err(x, &err);
        return;
    }
    call->write = (struct sonde_write){
        .kind = SONDE_WRITE_SYMBOLS,
        .size_bytes = x->body.len + call->upload.unit_count * UNIT_OVERHEAD_BYTES,
        .upload = &call->upload,
        .done = stored,
        .arg = call,
    };
    rc = sonde_store_write(call->store, &call->write);
    if (rc != SONDE_OK) {
        free_call(call);
        sonde_exchange_fail(x,
                            rc == SONDE_E_BUSY ? SONDE_PROBLEM_TOO_MANY_REQUESTS
                                               : SONDE_PROBLEM_UNAVAILABLE,
                            NULL, "more symbols wait for the disk than may wait");
    }
}

void
sonde_symbols_intake_serve(struct sonde_store *store, struct sonde_pool *pool,
                           struct sonde_exchange *x)
{
    struct call *call = sonde_calloc(1, sizeof(*call));
    if (call == NULL) {
        sonde_exchange_fail(x, SONDE_PROBLEM_UNAVAILABLE, NULL, "out of memory");
        return;
    }
    call->job.run = run;
    call->store = store;
    call->x = x;
    sonde_arena_init(&call->arena, TREE_MAX_BYTES);
    sonde_exchange_hold(x);
    if (sonde_pool_submit(pool, &call->job) != SONDE_OK) {
        free_call(call);
        sonde_exchange_fail(x, SONDE_PROBLEM_TOO_MANY_REQUESTS, NULL,
                            "too many uploads are under way");
    }
}
