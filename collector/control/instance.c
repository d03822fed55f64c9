/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/control/instance.h"

#include <stdio.h>
#include <stdlib.h>

#define LABEL_MAX_BYTES 255
#define MESSAGE_MAX_BYTES 1024
#define STATUSES_MAX 2000
#define MEMBERS_MAX 64 /* of dropped and disarmed */
#define IDENTITY_MAX_BYTES ((size_t)8 * 1024)
#define REPORT_MAX_BYTES ((size_t)2 * 1024 * 1024)

static int
fault(struct sonde_err *err, const char *field, const char *what)
{
    return sonde_err_set(err, SONDE_E_INVAL, field, "%s %s", field, what);
}

static int
no_memory(struct sonde_err *err)
{
    return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
}

/* Copies a string member; an absent one (or null) is empty. What is too long is cut, at a
 * character, when it is prose, and refused when it is a name. */
static int
read_text(struct sonde_str *out, struct sonde_arena *arena, const struct sonde_json *json,
          const char *key, bool is_prose, struct sonde_err *err)
{
    const struct sonde_json *member = sonde_json_get(json, key);
    size_t most = is_prose ? MESSAGE_MAX_BYTES : LABEL_MAX_BYTES;
    if (member == NULL || member->type == SONDE_JSON_NULL) {
        *out = (struct sonde_str){NULL, 0};
        return SONDE_OK;
    }
    if (member->type != SONDE_JSON_STRING) {
        return fault(err, key, "has to be a string");
    }
    struct sonde_str text = member->string;
    if (text.len > most && !is_prose) {
        return fault(err, key, "is longer than 255 bytes");
    }
    if (text.len > most) {
        text.len = most;
        while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xC0) == 0x80) {
            text.len--;
        }
    }
    char *copy = sonde_arena_strdup(arena, text);
    *out = (struct sonde_str){copy, text.len};
    return copy == NULL ? no_memory(err) : SONDE_OK;
}

/* A whole number that is not negative; 0 when absent. */
static int
read_count(uint64_t *out, const struct sonde_json *json, const char *key,
           struct sonde_err *err)
{
    const struct sonde_json *member = sonde_json_get(json, key);
    *out = 0;
    if (member == NULL || member->type == SONDE_JSON_NULL) {
        return SONDE_OK;
    }
    if (member->type != SONDE_JSON_NUMBER || !member->is_integer || member->integer < 0) {
        return fault(err, key, "has to be a whole number from 0");
    }
    *out = (uint64_t)member->integer;
    return SONDE_OK;
}

/* --- Identity ----------------------------------------------------------------------- */

int
sonde_identity_read(struct sonde_identity *out, const struct sonde_json *json,
                    struct sonde_err *err)
{
    struct sonde_identity id = {0};
    const struct {
        struct sonde_str *member;
        const char *key;
        bool is_needed;
    } texts[] = {
        {&id.instance_id, "instance_id", true},
        {&id.service, "service", true},
        {&id.env, "env", false},
        {&id.version, "version", false},
        {&id.language, "language", false},
        {&id.runtime_version, "runtime_version", false},
        {&id.host, "host", false},
        {&id.agent_version, "agent_version", false},
    };
    uint64_t pid = 0;
    uint64_t started_at_ns = 0;
    sonde_arena_init(&id.arena, IDENTITY_MAX_BYTES);
    int rc = SONDE_OK;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && rc == SONDE_OK; i++) {
        rc = read_text(texts[i].member, &id.arena, json, texts[i].key, false, err);
        if (rc == SONDE_OK && texts[i].is_needed && texts[i].member->len == 0) {
            rc = fault(err, texts[i].key, "is missing");
        }
    }
    if (rc == SONDE_OK) {
        rc = read_count(&pid, json, "pid", err);
    }
    if (rc == SONDE_OK) {
        rc = read_count(&started_at_ns, json, "started_at_ns", err);
    }
    if (rc != SONDE_OK) {
        sonde_identity_fini(&id);
        return rc;
    }
    id.pid = (int64_t)pid;
    id.started_at_ns = (int64_t)started_at_ns;
    *out = id;
    return SONDE_OK;
}

void
sonde_identity_fini(struct sonde_identity *identity)
{
    sonde_arena_fini(&identity->arena);
}

/* --- Report ------------------------------------------------------------------------- */

static int
keep_json(struct sonde_str *out, struct sonde_arena *arena, struct sonde_buf *text,
          struct sonde_err *err)
{
    char *copy =
        text->failed == SONDE_OK ? sonde_arena_strdup(arena, sonde_buf_view(text)) : NULL;
    *out = (struct sonde_str){copy, text->len};
    sonde_buf_fini(text);
    return copy == NULL ? no_memory(err) : SONDE_OK;
}

/* {reason: count}, written anew so that nothing but that is passed on. */
static int
read_dropped(struct sonde_str *out, struct sonde_arena *arena,
             const struct sonde_json *json, struct sonde_err *err)
{
    const struct sonde_json *dropped = sonde_json_get(json, "dropped");
    struct sonde_buf text;
    struct sonde_json_writer writer;
    if (dropped != NULL &&
        (dropped->type != SONDE_JSON_OBJECT || dropped->count > MEMBERS_MAX)) {
        return fault(err, "dropped", "has to be an object of counts");
    }
    sonde_buf_init(&text, 0);
    sonde_json_writer_init(&writer, &text);
    sonde_json_object_begin(&writer);
    const struct sonde_json *reason = dropped == NULL ? NULL : dropped->first;
    for (; reason != NULL; reason = reason->next) {
        if (!reason->is_integer || reason->integer < 0 ||
            reason->key.len > LABEL_MAX_BYTES) {
            sonde_buf_fini(&text);
            return fault(err, "dropped", "has to be an object of counts");
        }
        sonde_json_key_str(&writer, reason->key);
        sonde_json_int(&writer, reason->integer);
    }
    sonde_json_object_end(&writer);
    return keep_json(out, arena, &text, err);
}

static int
write_disarmed(struct sonde_json_writer *out, struct sonde_arena *arena,
               const struct sonde_json *json, struct sonde_err *err)
{
    struct sonde_str part = {NULL, 0};
    struct sonde_str message = {NULL, 0};
    uint64_t count = 0;
    int rc = json->type == SONDE_JSON_OBJECT
                 ? read_text(&part, arena, json, "part", true, err)
                 : fault(err, "disarmed", "has to be an array of objects");
    if (rc == SONDE_OK) {
        rc = read_text(&message, arena, json, "message", true, err);
    }
    if (rc == SONDE_OK) {
        rc = read_count(&count, json, "count", err);
    }
    sonde_json_object_begin(out);
    sonde_json_key(out, "part");
    sonde_json_string(out, part);
    sonde_json_key(out, "message");
    sonde_json_string(out, message);
    sonde_json_key(out, "count");
    sonde_json_uint(out, count);
    sonde_json_object_end(out);
    return rc;
}

static int
read_disarmed(struct sonde_report *report, const struct sonde_json *json,
              struct sonde_err *err)
{
    const struct sonde_json *disarmed = sonde_json_get(json, "disarmed");
    struct sonde_buf text;
    struct sonde_json_writer writer;
    int rc = SONDE_OK;
    if (disarmed != NULL &&
        (disarmed->type != SONDE_JSON_ARRAY || disarmed->count > MEMBERS_MAX)) {
        return fault(err, "disarmed", "has to be an array of objects");
    }
    sonde_buf_init(&text, 0);
    sonde_json_writer_init(&writer, &text);
    sonde_json_array_begin(&writer);
    const struct sonde_json *part = disarmed == NULL ? NULL : disarmed->first;
    for (; part != NULL && rc == SONDE_OK; part = part->next) {
        rc = write_disarmed(&writer, &report->arena, part, err);
    }
    sonde_json_array_end(&writer);
    if (rc != SONDE_OK) {
        sonde_buf_fini(&text);
        return rc;
    }
    return keep_json(&report->disarmed, &report->arena, &text, err);
}

/* The members of docs/formats/symbols.md, written anew. */
static int
read_symbols(struct sonde_report *report, const struct sonde_json *json,
             struct sonde_err *err)
{
    static const char *const counts[] = {"units",           "scopes",   "uploads",
                                         "sent_bytes",      "failures", "dropped",
                                         "longest_hold_us", "cpu_us"};
    const struct sonde_json *symbols = sonde_json_get(json, "symbols");
    struct sonde_str message = {NULL, 0};
    struct sonde_buf text;
    struct sonde_json_writer writer;
    if (symbols == NULL || symbols->type == SONDE_JSON_NULL) {
        return SONDE_OK;
    }
    const struct sonde_json *rounds = sonde_json_get(symbols, "rounds");
    struct sonde_str state = {NULL, 0};
    if (symbols->type != SONDE_JSON_OBJECT ||
        (rounds != NULL &&
         (rounds->type != SONDE_JSON_ARRAY || rounds->count > MEMBERS_MAX))) {
        return fault(err, "symbols", "has to be an object, with rounds an array");
    }
    int rc = read_text(&state, &report->arena, symbols, "state", false, err);
    rc = rc == SONDE_OK
             ? read_text(&message, &report->arena, symbols, "message", true, err)
             : rc;
    sonde_buf_init(&text, 0);
    sonde_json_writer_init(&writer, &text);
    sonde_json_object_begin(&writer);
    sonde_json_key(&writer, "state");
    sonde_json_string(&writer, state);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]) && rc == SONDE_OK; i++) {
        uint64_t count = 0;
        rc = read_count(&count, symbols, counts[i], err);
        sonde_json_key(&writer, counts[i]);
        sonde_json_uint(&writer, count);
    }
    sonde_json_key(&writer, "rounds");
    sonde_json_array_begin(&writer);
    const struct sonde_json *round = rounds == NULL ? NULL : rounds->first;
    for (; round != NULL; round = round->next) {
        sonde_json_int(&writer, round->is_integer ? round->integer : 0);
    }
    sonde_json_array_end(&writer);
    sonde_json_key(&writer, "message");
    sonde_json_string(&writer, message);
    sonde_json_object_end(&writer);
    if (rc != SONDE_OK) {
        sonde_buf_fini(&text);
        return rc;
    }
    return keep_json(&report->symbols, &report->arena, &text, err);
}

static int
read_status_name(enum sonde_status *out, const struct sonde_json *json,
                 struct sonde_err *err)
{
    struct sonde_str text = sonde_json_get_str(json, "status");
    for (int status = 0; status <= SONDE_STATUS_ERROR; status++) {
        const char *name = sonde_status_text((enum sonde_status)status);
        if (sonde_str_eq(text, sonde_str_from(name))) {
            *out = (enum sonde_status)status;
            return SONDE_OK;
        }
    }
    return fault(err, "status",
                 "has to be received, pending, installed, emitting or error");
}

static int
read_nearest(struct sonde_probe_status *out, const struct sonde_json *json,
             struct sonde_err *err)
{
    const struct sonde_json *lines = sonde_json_get(json, "nearest_lines");
    if (lines == NULL || lines->type == SONDE_JSON_NULL) {
        return SONDE_OK;
    }
    if (lines->type != SONDE_JSON_ARRAY) {
        return fault(err, "nearest_lines", "has to be an array of lines");
    }
    for (const struct sonde_json *line = lines->first; line != NULL; line = line->next) {
        if (!line->is_integer || line->integer < 0 || line->integer > UINT32_MAX) {
            return fault(err, "nearest_lines", "has to be an array of lines");
        }
        if (out->nearest_count < SONDE_NEAREST_MAX) {
            out->nearest[out->nearest_count++] = (uint32_t)line->integer;
        }
    }
    return SONDE_OK;
}

static int
read_status(struct sonde_probe_status *out, struct sonde_arena *arena,
            const struct sonde_json *json, struct sonde_err *err)
{
    uint64_t revision = 0;
    int rc = read_text(&out->probe_id, arena, json, "probe_id", false, err);
    if (rc == SONDE_OK && out->probe_id.len == 0) {
        rc = fault(err, "probe_id", "is missing");
    }
    if (rc == SONDE_OK) {
        rc = read_status_name(&out->status, json, err);
    }
    if (rc == SONDE_OK) {
        rc = read_text(&out->cause, arena, json, "cause", false, err);
    }
    if (rc == SONDE_OK) {
        rc = read_text(&out->message, arena, json, "message", true, err);
    }
    if (rc == SONDE_OK) {
        rc = read_nearest(out, json, err);
    }
    const struct {
        uint64_t *member;
        const char *key;
    } counts[] = {{&revision, "revision"},
                  {&out->hits, "hits"},
                  {&out->captured, "captured"},
                  {&out->places, "places"}};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]) && rc == SONDE_OK; i++) {
        rc = read_count(counts[i].member, json, counts[i].key, err);
    }
    out->revision = (uint32_t)revision;
    return rc == SONDE_OK ? read_dropped(&out->dropped, arena, json, err) : rc;
}

static int
compare_ids(struct sonde_str a, struct sonde_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int
by_probe_id(const void *a, const void *b)
{
    const struct sonde_probe_status *left = a;
    const struct sonde_probe_status *right = b;
    return compare_ids(left->probe_id, right->probe_id);
}

static int
read_statuses(struct sonde_report *report, const struct sonde_json *json,
              struct sonde_err *err)
{
    const struct sonde_json *statuses = sonde_json_get(json, "statuses");
    if (statuses == NULL) {
        return SONDE_OK;
    }
    bool is_good = statuses->type == SONDE_JSON_ARRAY && statuses->count <= STATUSES_MAX;
    for (const struct sonde_json *at = statuses->first; is_good && at != NULL;
         at = at->next) {
        is_good = at->type == SONDE_JSON_OBJECT;
    }
    if (!is_good) {
        return fault(err, "statuses", "has to be an array of at most 2000 objects");
    }
    report->statuses =
        sonde_arena_alloc(&report->arena, statuses->count * sizeof(*report->statuses));
    if (report->statuses == NULL) {
        return no_memory(err);
    }
    for (const struct sonde_json *at = statuses->first; at != NULL; at = at->next) {
        struct sonde_err inner = SONDE_ERR_INIT;
        int rc = read_status(&report->statuses[report->status_count], &report->arena, at,
                             &inner);
        if (rc != SONDE_OK) {
            char field[sizeof(inner.where) + 32];
            snprintf(field, sizeof(field), "statuses[%zu].%s", report->status_count,
                     inner.where);
            return sonde_err_set(err, rc, field, "%s", inner.message);
        }
        report->status_count++;
    }
    if (report->status_count > 0) {
        qsort(report->statuses, report->status_count, sizeof(*report->statuses),
              by_probe_id);
    }
    return SONDE_OK;
}

int
sonde_report_read(struct sonde_report *out, const struct sonde_json *json,
                  struct sonde_err *err)
{
    struct sonde_report report = {0};
    sonde_arena_init(&report.arena, REPORT_MAX_BYTES);
    int rc = read_statuses(&report, json, err);
    if (rc == SONDE_OK) {
        rc = read_count(&report.armed, json, "armed", err);
    }
    if (rc == SONDE_OK) {
        rc = read_dropped(&report.dropped, &report.arena, json, err);
    }
    if (rc == SONDE_OK) {
        rc = read_disarmed(&report, json, err);
    }
    if (rc == SONDE_OK) {
        rc = read_symbols(&report, json, err);
    }
    if (rc != SONDE_OK) {
        sonde_report_fini(&report);
        return rc;
    }
    *out = report;
    return SONDE_OK;
}

void
sonde_report_fini(struct sonde_report *report)
{
    sonde_arena_fini(&report->arena);
    *report = (struct sonde_report){0};
}

struct sonde_probe_status *
sonde_report_find(const struct sonde_report *report, struct sonde_str probe_id)
{
    struct sonde_probe_status wanted = {.probe_id = probe_id};
    return report->status_count == 0
               ? NULL
               : bsearch(&wanted, report->statuses, report->status_count,
                         sizeof(*report->statuses), by_probe_id);
}

int
sonde_report_add(struct sonde_report *report, const struct sonde_probe_status *status)
{
    struct sonde_arena *arena = &report->arena;
    struct sonde_probe_status copy = *status;
    struct sonde_str *texts[] = {&copy.probe_id, &copy.cause, &copy.message,
                                 &copy.dropped};
    struct sonde_probe_status *all =
        sonde_arena_alloc(arena, (report->status_count + 1) * sizeof(*all));
    if (all == NULL) {
        return SONDE_E_NOMEM;
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        texts[i]->ptr = sonde_arena_strdup(arena, *texts[i]);
        if (texts[i]->ptr == NULL) {
            return SONDE_E_NOMEM;
        }
    }
    size_t at = 0;
    while (at < report->status_count && by_probe_id(&report->statuses[at], &copy) < 0) {
        all[at] = report->statuses[at];
        at++;
    }
    all[at] = copy;
    for (; at < report->status_count; at++) {
        all[at + 1] = report->statuses[at];
    }
    report->statuses = all;
    report->status_count++;
    return SONDE_OK;
}

void
sonde_probe_status_write(struct sonde_json_writer *out,
                         const struct sonde_probe_status *status,
                         struct sonde_str instance_id)
{
    sonde_json_object_begin(out);
    sonde_json_key(out, "instance_id");
    sonde_json_string(out, instance_id);
    sonde_json_key(out, "revision");
    sonde_json_uint(out, status->revision);
    sonde_json_key(out, "status");
    sonde_json_string(out, sonde_str_from(sonde_status_text(status->status)));
    sonde_json_key(out, "cause");
    sonde_json_string(out, status->cause);
    sonde_json_key(out, "message");
    sonde_json_string(out, status->message);
    sonde_json_key(out, "nearest_lines");
    sonde_json_array_begin(out);
    for (size_t i = 0; i < status->nearest_count; i++) {
        sonde_json_uint(out, status->nearest[i]);
    }
    sonde_json_array_end(out);
    sonde_json_key(out, "hits");
    sonde_json_uint(out, status->hits);
    sonde_json_key(out, "captured");
    sonde_json_uint(out, status->captured);
    sonde_json_key(out, "dropped");
    sonde_json_raw(out, status->dropped);
    sonde_json_key(out, "places");
    sonde_json_uint(out, status->places);
    sonde_json_object_end(out);
}
