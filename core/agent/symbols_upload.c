/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/symbols_upload.h"

#include "core/agent/agent_private.h"
#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/symbols/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define MAKE_NS (10 * SONDE_NS_PER_MS) /* of one step */
#define GZIP_FROM_BYTES 1024
#define CALL_TIMEOUT_NS \
    (60 * SONDE_NS_PER_S) /* the collector writes it to its disk first */
#define FIRST_DELAY_NS (250 * SONDE_NS_PER_MS)
#define MOST_DELAY_NS (30 * SONDE_NS_PER_S)
#define REFUSED_MOST 20 /* in a row: then it is not about them */
#define ANSWER_MOST_BYTES ((size_t)16 * 1024 * 1024)

void
sonde_upload_init(struct sonde_upload *upload, struct sonde_agent *agent,
                  struct sonde_http *http)
{
    *upload = (struct sonde_upload){
        .agent = agent,
        .http = http,
        .batch_most = SONDE_UPLOAD_MOST_UNITS,
    };
    sonde_backoff_init(&upload->backoff, FIRST_DELAY_NS, MOST_DELAY_NS);
    sonde_table_init(&upload->known);
    sonde_table_init(&upload->made);
}

void
sonde_upload_fini(struct sonde_upload *upload)
{
    sonde_listing_free(upload->listed.listing);
    upload->listed.listing = NULL;
    sonde_table_fini(&upload->known);
    sonde_table_fini(&upload->made);
}

static void SONDE_PRINTF(2, 3) tell(struct sonde_upload *upload, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(upload->counts.message, sizeof(upload->counts.message), format, args);
    va_end(args);
    sonde_log(SONDE_LOG_INFO, "symbols: %s", upload->counts.message);
}

/* --- Beginning and end -------------------------------------------------------------------- */

static void
begin(struct sonde_upload *upload)
{
    upload->serial++;
    upload->batch_num = 1;
    upload->batch_most = SONDE_UPLOAD_MOST_UNITS;
    upload->has_called = false;
    upload->lacks_listing = false;
    upload->kind = SONDE_CALL_CLAIMS;
    upload->cursor = 0;
    upload->missing_count = upload->source_count = 0;
}

/* The names stay; the scopes go. */
static void
end(struct sonde_upload *upload)
{
    struct sonde_listed listed = upload->listed;
    bool had_listing = listed.listing != NULL;
    uint64_t units = 0, scopes = 0;
    for (uint32_t i = 0; i < upload->known.count; i++) {
        struct sonde_table_unit *unit = &upload->known.units[i];
        unit->root = 0;
        unit->is_missing = false;
        units += unit->is_acked;
        scopes += unit->is_acked ? unit->scopes : 0;
    }
    upload->counts.units = units;
    upload->counts.scopes = scopes;
    upload->counts.uploads += upload->has_called;
    sonde_listing_free(listed.listing);
    upload->listed = (struct sonde_listed){0};
    upload->phase = SONDE_UPLOAD_IDLE;
    sonde_symbols_count(upload->agent, &upload->counts);
    if (upload->lacks_listing) {
        sonde_symbols_list_again(upload->agent);
    }
    sonde_symbols_sent(upload->agent, had_listing ? &listed : NULL);
}

/* Nobody wants it any more. */
static void
give_up(struct sonde_upload *upload)
{
    bool was_idle = upload->phase == SONDE_UPLOAD_IDLE;
    if (upload->call != NULL) {
        sonde_http_cancel(upload->http, upload->call);
    }
    upload->phase = SONDE_UPLOAD_IDLE;
    sonde_upload_fini(upload);
    upload->listed = (struct sonde_listed){0};
    if (sonde_symbols_take(upload->agent, &upload->listed)) {
        sonde_listing_free(upload->listed.listing);
        upload->listed = (struct sonde_listed){0};
        was_idle = false;
    }
    if (!was_idle) {
        upload->counts.units = upload->counts.scopes = 0;
        sonde_symbols_count(upload->agent, &upload->counts);
        sonde_symbols_sent(upload->agent, NULL);
    }
}

/* What was acknowledged counts no more. */
static void
forget_answers(struct sonde_upload *upload)
{
    for (uint32_t i = 0; i < upload->known.count; i++) {
        struct sonde_table_unit *unit = &upload->known.units[i];
        unit->is_acked = unit->is_missing = unit->is_refused = false;
        unit->wants_source = false;
    }
    begin(upload);
}

/* --- Units -------------------------------------------------------------------------------- */

/* Looks at the file, and into how many units it goes. */
static int
begin_file(struct sonde_upload *upload, const char *file)
{
    const struct sonde_listing *listing = upload->listed.listing;
    const struct sonde_listed_scope *root = sonde_listing_at(listing, upload->root);
    const struct sonde_table_unit *known = sonde_table_find(&upload->known, file, 0);
    uint32_t parts;
    int rc = sonde_unit_count_parts(listing, upload->root, &parts);
    if (rc != SONDE_OK) {
        return rc;
    }
    upload->facts = (struct sonde_file_facts){.state = SONDE_FILE_NONE};
    if (root->origin != SONDE_ORIGIN_GENERATED && file[0] == '/') {
        sonde_file_look(file, upload->listed.since_ns,
                        known == NULL ? NULL : &known->facts, &upload->facts);
    }
    upload->part = 0;
    upload->parts = parts;
    return SONDE_OK;
}

/* One part of the file. */
static int
make_unit(struct sonde_upload *upload, const char *file)
{
    const struct sonde_listing *listing = upload->listed.listing;
    const struct sonde_listed_scope *root = sonde_listing_at(listing, upload->root);
    struct sonde_table_unit unit = {
        .file = file,
        .facts = upload->facts,
        .root = upload->root,
        .part = upload->part,
        .parts = upload->parts,
        .scopes = upload->part == 0 ? sonde_unit_count_scopes(listing, upload->root) : 0,
        .origin = root->origin,
    };
    char file_hash[SONDE_SHA1_TEXT_BYTES] = "";
    if (unit.facts.state == SONDE_FILE_KNOWN) {
        sonde_sha1_to_text(unit.facts.hash, file_hash);
    }
    struct sonde_buf scope;
    sonde_buf_init(&scope, 0);
    sonde_unit_write(listing, upload->root, upload->part, &scope);
    int rc = scope.failed;
    if (rc == SONDE_OK) {
        rc = sonde_unit_hash(sonde_str_from(file), (enum sonde_origin)unit.origin,
                             sonde_str_from(file_hash), unit.part, sonde_buf_view(&scope),
                             unit.hash);
    }
    sonde_buf_fini(&scope);
    const struct sonde_table_unit *known =
        sonde_table_find(&upload->known, file, upload->part);
    if (known != NULL && memcmp(known->hash, unit.hash, sizeof(unit.hash)) == 0) {
        unit.is_acked = known->is_acked;
        unit.is_refused = known->is_refused;
    }
    return rc == SONDE_OK ? sonde_table_add(&upload->made, &unit) : rc;
}

/* Goes on by one unit. */
static int
make_next(struct sonde_upload *upload)
{
    const struct sonde_listed_scope *root =
        sonde_listing_at(upload->listed.listing, upload->root);
    struct sonde_str path = sonde_listing_text(upload->listed.listing, root->qualified);
    char file[SONDE_STRING_MAX + 1];
    memcpy(file, path.ptr, path.len);
    file[path.len] = '\0';
    int rc = SONDE_OK;
    if (memchr(path.ptr, '\0', path.len) != NULL) {
        upload->counts.dropped++; /* no file has such a name */
        upload->part = upload->parts = 1;
    } else if (upload->parts == 0) {
        rc = begin_file(upload, file);
    } else {
        rc = make_unit(upload, file);
        upload->part += rc == SONDE_OK;
    }
    if (rc == SONDE_OK && upload->parts > 0 && upload->part == upload->parts) {
        upload->root = root->next;
        upload->parts = 0;
    }
    return rc;
}

/* What a listing of changes does not mention is as it was. */
static int
add_unchanged(struct sonde_upload *upload)
{
    uint32_t made_count = upload->made.count;
    struct sonde_table listed = upload->made; /* as it is sorted now */
    int rc = SONDE_OK;
    for (uint32_t i = 0; i < upload->known.count && rc == SONDE_OK; i++) {
        const struct sonde_table_unit *unit = &upload->known.units[i];
        listed.units = upload->made.units;
        if (sonde_table_find(&listed, unit->file, 0) == NULL) {
            rc = sonde_table_add(&upload->made, unit);
        }
    }
    if (rc != SONDE_OK) {
        upload->made.count = made_count;
    }
    return rc;
}

/* All are made: they are what is known now. */
static int
end_making(struct sonde_upload *upload)
{
    sonde_table_sort(&upload->made);
    if (!upload->listed.listing->is_whole) {
        int rc = add_unchanged(upload);
        if (rc != SONDE_OK) {
            return rc;
        }
        sonde_table_sort(&upload->made);
    }
    sonde_table_fini(&upload->known);
    upload->known = upload->made;
    sonde_table_init(&upload->made);
    upload->counts.dropped += upload->listed.listing->dropped_count;
    if (upload->listed.listing->dropped_count > 0) {
        tell(upload, "%llu scopes and names were over a bound",
             (unsigned long long)upload->listed.listing->dropped_count);
    }
    begin(upload);
    upload->phase = SONDE_UPLOAD_CALLING;
    return SONDE_OK;
}

static int64_t
wait_for_memory(struct sonde_upload *upload, int rc, int64_t now_ns)
{
    sonde_agent_fault(upload->agent, "symbols", "%s", sonde_code_text(rc));
    sonde_backoff_fail(&upload->backoff, now_ns, -1);
    return upload->backoff.until_ns;
}

static int64_t
make_some(struct sonde_upload *upload, int64_t now_ns)
{
    int rc = SONDE_OK;
    while (rc == SONDE_OK && upload->root != 0 &&
           sonde_clock_mono_ns() - now_ns < MAKE_NS) {
        rc = make_next(upload);
    }
    if (rc == SONDE_OK && upload->root == 0) {
        rc = end_making(upload);
    }
    return rc == SONDE_OK ? now_ns : wait_for_memory(upload, rc, now_ns);
}

/* --- What the collector said -------------------------------------------------------------- */

struct hashes {
    unsigned char (*list)[SONDE_SHA1_BYTES];
    size_t count;
};

static int
compare_hashes(const void *left, const void *right)
{
    return memcmp(left, right, SONDE_SHA1_BYTES);
}

/* An array of hashes, sorted. */
static int
read_hashes(struct hashes *out, struct sonde_arena *arena, const struct sonde_json *list)
{
    *out = (struct hashes){0};
    if (list == NULL) {
        return SONDE_OK;
    }
    if (list->type != SONDE_JSON_ARRAY) {
        return SONDE_E_SYNTAX;
    }
    out->list = sonde_arena_alloc(arena, (list->count + 1) * sizeof(*out->list));
    if (out->list == NULL) {
        return SONDE_E_NOMEM;
    }
    for (const struct sonde_json *item = list->first; item != NULL; item = item->next) {
        if (item->type == SONDE_JSON_STRING &&
            sonde_sha1_from_text(item->string, out->list[out->count])) {
            out->count++;
        }
    }
    qsort(out->list, out->count, sizeof(*out->list), compare_hashes);
    return SONDE_OK;
}

static bool
has_hash(const struct hashes *hashes, const unsigned char *hash)
{
    return hashes->count > 0 && bsearch(hash, hashes->list, hashes->count,
                                        sizeof(*hashes->list), compare_hashes) != NULL;
}

static void
take_claim_answer(struct sonde_upload *upload, const struct hashes *missing,
                  const struct hashes *sources)
{
    bool wants_sources = upload->agent->symbols.wants_sources;
    for (uint32_t i = 0; i < upload->batch_count; i++) {
        struct sonde_table_unit *unit = &upload->known.units[upload->batch[i]];
        unit->is_missing = has_hash(missing, unit->hash);
        unit->is_acked = !unit->is_missing;
        if (unit->is_missing && unit->root == 0) {
            upload->lacks_listing = true;
        } else {
            upload->missing_count += unit->is_missing;
        }
        if (wants_sources && unit->part == 0 && unit->origin == SONDE_ORIGIN_USER &&
            unit->facts.state == SONDE_FILE_KNOWN &&
            unit->facts.stamp.size <= SONDE_SOURCE_MAX_BYTES &&
            has_hash(sources, unit->facts.hash)) {
            unit->wants_source = true;
            upload->source_count++;
        }
    }
}

static int
take_answer(struct sonde_upload *upload, struct sonde_str body)
{
    struct sonde_arena arena;
    const struct sonde_json *answer;
    struct hashes missing, sources;
    sonde_arena_init(&arena, ANSWER_MOST_BYTES);
    int rc = sonde_json_read(&answer, &arena, body, NULL);
    if (rc == SONDE_OK) {
        rc = read_hashes(&missing, &arena, sonde_json_get(answer, "missing"));
    }
    if (rc == SONDE_OK) {
        rc = read_hashes(&sources, &arena, sonde_json_get(answer, "missing_sources"));
    }
    if (rc == SONDE_OK) {
        take_claim_answer(upload, &missing, &sources);
    }
    sonde_arena_fini(&arena);
    return rc;
}

static void
acknowledge(struct sonde_upload *upload)
{
    for (uint32_t i = 0; i < upload->batch_count; i++) {
        struct sonde_table_unit *unit = &upload->known.units[upload->batch[i]];
        if (upload->kind == SONDE_CALL_UNITS) {
            unit->is_acked = true;
            unit->is_missing = false;
            upload->missing_count--;
        } else if (upload->kind == SONDE_CALL_SOURCES) {
            unit->wants_source = false;
            upload->source_count--;
        }
    }
}

/* The call went well: on to the next. */
static void
go_on(struct sonde_upload *upload)
{
    sonde_backoff_reset(&upload->backoff);
    if (upload->has_trouble) {
        upload->has_trouble = false;
        upload->counts.message[0] = '\0';
    }
    upload->refused_count = 0;
    upload->batch_num++;
    upload->has_called = true;
    upload->batch_most = upload->batch_most > SONDE_UPLOAD_MOST_UNITS / 2
                             ? SONDE_UPLOAD_MOST_UNITS
                             : upload->batch_most * 2;
    /* Only these two know that they are the last. */
    bool is_last =
        (upload->kind == SONDE_CALL_UNITS || upload->kind == SONDE_CALL_SOURCES) &&
        upload->missing_count == 0 && upload->source_count == 0;
    upload->cursor = upload->batch_end;
    if (upload->kind == SONDE_CALL_FINAL || is_last) {
        upload->kind = SONDE_CALL_NONE;
    }
}

/* The one that the collector will not take, however often it is sent. */
static void
drop_unit(struct sonde_upload *upload, long status)
{
    struct sonde_table_unit *unit = &upload->known.units[upload->batch[0]];
    if (upload->kind == SONDE_CALL_SOURCES) {
        unit->wants_source = false;
        upload->source_count--;
    } else {
        unit->is_refused = true;
        upload->missing_count -= upload->kind == SONDE_CALL_UNITS;
        unit->is_missing = false;
        upload->counts.dropped += unit->scopes > 0 ? unit->scopes : 1;
    }
    upload->refused_count++;
    upload->has_trouble = false;
    tell(upload, "%s of %s was refused (HTTP %ld)",
         upload->kind == SONDE_CALL_SOURCES ? "the text" : "a unit", unit->file, status);
    upload->cursor = upload->batch_end;
}

static void
keep_for_later(struct sonde_upload *upload, const struct sonde_http_response *response)
{
    upload->counts.failures++;
    upload->has_trouble = true;
    if (response->code != SONDE_OK) {
        tell(upload, "wait: %s", response->error);
    } else {
        tell(upload, "wait: HTTP %ld", response->status);
    }
    sonde_backoff_fail(&upload->backoff, sonde_clock_mono_ns(), response->retry_after_ns);
}

/* Whether an answer is about what was sent, so that sending it again is of no use. */
static bool
is_refusal(const struct sonde_upload *upload, long status)
{
    if (status == 413) {
        return true;
    }
    return status >= 400 && status < 500 && status != 401 && status != 403 &&
           status != 404 && status != 408 && status != 429 &&
           upload->refused_count < REFUSED_MOST;
}

static void
take_response(struct sonde_upload *upload, const struct sonde_http_response *response)
{
    long status = response->code == SONDE_OK ? response->status : 0;
    upload->counts.sent_bytes += response->sent_bytes;
    if (status == 200) {
        int rc = SONDE_OK;
        if (upload->kind == SONDE_CALL_CLAIMS) {
            rc = take_answer(upload, response->body);
        } else {
            acknowledge(upload);
        }
        if (rc == SONDE_OK) {
            go_on(upload);
        } else {
            keep_for_later(upload, response);
            tell(upload, "the answer is of no use: %s", sonde_code_text(rc));
        }
    } else if (is_refusal(upload, status) && upload->batch_count > 1) {
        upload->counts.failures++;
        upload->batch_most = upload->batch_count / 2;
    } else if (is_refusal(upload, status) && upload->batch_count == 1) {
        upload->counts.failures++;
        drop_unit(upload, status);
    } else if (is_refusal(upload, status)) {
        upload->kind = SONDE_CALL_NONE; /* the last call, which held nothing */
    } else {
        keep_for_later(upload, response);
        if (status == 404) {
            forget_answers(upload); /* it lost its memory, or never had one */
        }
    }
    sonde_symbols_count(upload->agent, &upload->counts);
}

static void
call_done(void *arg, const struct sonde_http_response *response)
{
    struct sonde_upload *upload = arg;
    upload->call = NULL;
    if (response->code != SONDE_E_CLOSED) { /* else we gave it up ourselves */
        take_response(upload, response);
    }
}

/* --- Steps -------------------------------------------------------------------------------- */

static int64_t
call_next(struct sonde_upload *upload, int64_t now_ns)
{
    struct sonde_buf body;
    sonde_buf_init(&body, 0);
    bool has_one = sonde_upload_write_body(upload, &body);
    int rc = body.failed;
    if (rc == SONDE_OK && has_one) {
        struct sonde_http_request request = {
            .method = "POST",
            .path = "/v1/symbols",
            .content_type = "application/json",
            .body = sonde_buf_view(&body),
            .gzip = body.len > GZIP_FROM_BYTES,
            .timeout_ns = CALL_TIMEOUT_NS,
            .done = call_done,
            .arg = upload,
        };
        rc = sonde_http_start(upload->http, &request, &upload->call, NULL);
    }
    sonde_buf_fini(&body);
    if (rc != SONDE_OK) {
        return wait_for_memory(upload, rc, now_ns);
    }
    if (!has_one) {
        end(upload);
        return now_ns;
    }
    return INT64_MAX;
}

/* Takes up what there is to do; false: nothing. */
static bool
take_up(struct sonde_upload *upload)
{
    enum sonde_claim claim = sonde_symbols_take_claim(upload->agent);
    if (claim != SONDE_CLAIM_NONE) {
        forget_answers(upload);
    }
    if (claim == SONDE_CLAIM_NOW) {
        upload->phase = SONDE_UPLOAD_CALLING;
    }
    if (upload->phase == SONDE_UPLOAD_IDLE &&
        sonde_symbols_take(upload->agent, &upload->listed)) {
        upload->phase = SONDE_UPLOAD_MAKING;
        upload->root = upload->listed.listing->roots.first;
        upload->parts = 0;
        sonde_table_fini(&upload->made);
    }
    return upload->phase != SONDE_UPLOAD_IDLE;
}

int64_t
sonde_upload_step(struct sonde_upload *upload, int64_t now_ns)
{
    if (!upload->agent->symbols.is_able) {
        return INT64_MAX;
    }
    if (!sonde_symbols_are_wanted(upload->agent)) {
        give_up(upload);
        return INT64_MAX;
    }
    if (upload->call != NULL || !take_up(upload)) {
        return INT64_MAX;
    }
    if (now_ns < upload->backoff.until_ns) {
        return upload->backoff.until_ns;
    }
    return upload->phase == SONDE_UPLOAD_MAKING ? make_some(upload, now_ns)
                                                : call_next(upload, now_ns);
}
