/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies of an upload's calls. */
#include "core/agent/agent_private.h"

#include "core/agent/symbols_upload.h"
#include "core/symbols/origins.h"
#include "core/symbols/unit.h"

#include <stdio.h>

#define SCHEMA_VERSION 1
/* Before compression, which takes 20 ms for this much: the collector would take 4 MiB. */
#define BODY_BYTES ((size_t)512 * 1024)

static void
write_head(const struct sonde_upload *upload, struct sonde_json_writer *out)
{
    const struct sonde_agent *agent = upload->agent;
    char id[80];
    snprintf(id, sizeof(id), "%s-%llu", agent->identity.instance_id,
             (unsigned long long)upload->serial);
    const struct {
        const char *key, *value;
    } members[] = {
        {"instance_id", agent->identity.instance_id},
        {"service", agent->config.service},
        {"env", agent->config.env},
        {"version", agent->config.version},
        {"language", agent->adapter.language},
        {"runtime_version", agent->adapter.runtime_version},
        {"upload_id", id},
    };
    sonde_json_key(out, "schema_version");
    sonde_json_int(out, SCHEMA_VERSION);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        sonde_json_key(out, members[i].key);
        sonde_json_string(out, sonde_str_from(members[i].value));
    }
    sonde_json_key(out, "batch_num");
    sonde_json_uint(out, upload->batch_num);
}

static void
write_hash(struct sonde_json_writer *out, const char *key, const unsigned char *hash)
{
    char text[SONDE_SHA1_TEXT_BYTES];
    sonde_sha1_to_text(hash, text);
    sonde_json_key(out, key);
    sonde_json_string(out, sonde_str_from(text));
}

/* `listing` NULL: as a claim, without its scope. */
static void
write_unit(struct sonde_json_writer *out, const struct sonde_table_unit *unit,
           const struct sonde_listing *listing)
{
    sonde_json_object_begin(out);
    write_hash(out, "hash", unit->hash);
    sonde_json_key(out, "file");
    sonde_json_string(out, sonde_str_from(unit->file));
    sonde_json_key(out, "origin");
    sonde_json_string(out,
                      sonde_str_from(sonde_origin_text((enum sonde_origin)unit->origin)));
    if (unit->facts.state == SONDE_FILE_KNOWN) {
        write_hash(out, "file_hash", unit->facts.hash);
    } else if (unit->facts.state != SONDE_FILE_NONE) {
        bool is_missing = unit->facts.state == SONDE_FILE_MISSING;
        sonde_json_key(out, "file_state");
        sonde_json_string(out, is_missing ? SONDE_STR("missing") : SONDE_STR("changed"));
    }
    sonde_json_key(out, "part");
    sonde_json_uint(out, unit->part);
    sonde_json_key(out, "parts");
    sonde_json_uint(out, unit->parts);
    if (listing != NULL) {
        sonde_json_key(out, "scope");
        out->comma = false;
        sonde_unit_write(listing, unit->root, unit->part, out->out);
        out->comma = true;
    }
    sonde_json_object_end(out);
}

/* Whether the unit belongs into a call of that kind. */
static bool
is_due(const struct sonde_upload *upload, const struct sonde_table_unit *unit)
{
    switch (upload->kind) {
    case SONDE_CALL_CLAIMS:
        return !unit->is_acked && !unit->is_refused && !unit->is_missing;
    case SONDE_CALL_UNITS:
        return unit->is_missing && unit->root != 0;
    case SONDE_CALL_SOURCES:
        return unit->wants_source;
    case SONDE_CALL_FINAL:
    case SONDE_CALL_NONE:
        break;
    }
    return false;
}

/* False: the text can not be had any more. */
static bool
write_source(struct sonde_json_writer *out, const struct sonde_table_unit *unit,
             struct sonde_buf *scratch)
{
    if (!sonde_file_read(unit->file, unit->facts.hash, scratch)) {
        return false;
    }
    sonde_json_object_begin(out);
    write_hash(out, "file_hash", unit->facts.hash);
    sonde_json_key(out, "text");
    sonde_json_string(out, sonde_buf_view(scratch));
    sonde_json_object_end(out);
    return true;
}

/* Writes what is due from the cursor on, as much as one call may hold; at least one. */
static void
write_batch(struct sonde_upload *upload, struct sonde_json_writer *out)
{
    struct sonde_buf scratch;
    sonde_buf_init(&scratch, 0);
    size_t from = out->out->len;
    upload->batch_count = 0;
    upload->batch_end = upload->cursor;
    for (uint32_t i = upload->cursor; i < upload->known.count; i++) {
        struct sonde_table_unit *unit = &upload->known.units[i];
        if (!is_due(upload, unit)) {
            upload->batch_end = i + 1;
            continue;
        }
        if (upload->batch_count == upload->batch_most ||
            (upload->batch_count > 0 && out->out->len - from > BODY_BYTES)) {
            break;
        }
        if (upload->kind == SONDE_CALL_SOURCES && !write_source(out, unit, &scratch)) {
            unit->wants_source = false;
            upload->source_count--;
        } else {
            upload->batch[upload->batch_count++] = i;
        }
        upload->batch_end = i + 1;
        if (upload->kind != SONDE_CALL_SOURCES) {
            write_unit(out, unit,
                       upload->kind == SONDE_CALL_UNITS ? upload->listed.listing : NULL);
        }
        if (out->out->failed != SONDE_OK) {
            break;
        }
    }
    sonde_buf_fini(&scratch);
}

/* Whether nothing has to be sent after the batch. What is claimed may turn out to be missing. */
static bool
is_final(const struct sonde_upload *upload)
{
    switch (upload->kind) {
    case SONDE_CALL_UNITS:
        return upload->missing_count == upload->batch_count && upload->source_count == 0;
    case SONDE_CALL_SOURCES:
        return upload->source_count == upload->batch_count;
    case SONDE_CALL_FINAL:
        return true;
    case SONDE_CALL_CLAIMS:
    case SONDE_CALL_NONE:
        break;
    }
    return false;
}

static void
write_body(struct sonde_upload *upload, struct sonde_buf *out)
{
    struct sonde_json_writer writer;
    bool has_sources = upload->kind == SONDE_CALL_SOURCES;
    sonde_json_writer_init(&writer, out);
    sonde_json_object_begin(&writer);
    write_head(upload, &writer);
    sonde_json_key(&writer, has_sources ? "sources" : "units");
    sonde_json_array_begin(&writer);
    write_batch(upload, &writer);
    sonde_json_array_end(&writer);
    sonde_json_key(&writer, has_sources ? "units" : "sources");
    sonde_json_array_begin(&writer);
    sonde_json_array_end(&writer);
    sonde_json_key(&writer, "final");
    sonde_json_bool(&writer, is_final(upload));
    sonde_json_object_end(&writer);
}

bool
sonde_upload_write_body(struct sonde_upload *upload, struct sonde_buf *out)
{
    while (upload->kind != SONDE_CALL_NONE) {
        sonde_buf_reset(out);
        if (upload->kind != SONDE_CALL_FINAL || upload->has_called) {
            write_body(upload, out);
            if (out->failed != SONDE_OK) {
                return false;
            }
            if (upload->batch_count > 0 || upload->kind == SONDE_CALL_FINAL) {
                return true;
            }
        }
        upload->kind++;
        upload->cursor = 0;
    }
    return false;
}
