/* SPDX-License-Identifier: Apache-2.0
 *
 * Units as an agent makes them, for the tests of the collector. */
#ifndef SONDE_TEST_SYMBOLS_KIT_H
#define SONDE_TEST_SYMBOLS_KIT_H

#include "core/base/sha1.h"
#include "tests/unit/collector_kit.h"

#include <stdio.h>

struct unit {
    const char *file, *origin, *file_hash, *scope;
    char hash[SONDE_SHA1_TEXT_BYTES];
};

static inline void
kit_hash(struct unit *unit)
{
    struct sonde_sha1 sha1;
    const char *texts[] = {unit->file, unit->origin, unit->file_hash, "0"};
    sonde_sha1_init(&sha1);
    for (size_t i = 0; i < 4; i++) {
        sonde_sha1_add(&sha1, (struct sonde_str){texts[i], strlen(texts[i]) + 1});
    }
    sonde_sha1_add(&sha1, sonde_str_from(unit->scope));
    sonde_sha1_end_text(&sha1, unit->hash);
}

static inline struct unit
kit_unit(const char *file, const char *origin, const char *scope)
{
    struct unit unit = {file, origin, "", scope, ""};
    kit_hash(&unit);
    return unit;
}

/* Appends `unit` as an upload has it; a claim has no scope. */
static inline void
kit_write_unit(struct sonde_buf *out, const struct unit *unit, bool is_claim)
{
    sonde_buf_printf(out, "{\"hash\":\"%s\",\"file\":\"%s\",\"origin\":\"%s\",",
                     unit->hash, unit->file, unit->origin);
    if (unit->file_hash[0] != '\0') {
        sonde_buf_printf(out, "\"file_hash\":\"%s\",", unit->file_hash);
    }
    sonde_buf_printf(out, "\"part\":0,\"parts\":1%s%s}",
                     is_claim ? "" : ",\"scope\":", is_claim ? "" : unit->scope);
}

/* Sends units of a service and version; `more` is further members of the call, or "". */
static inline void
kit_upload_as(const struct kit *kit, struct reply *reply, const char *service,
              const char *version, const struct unit *units, size_t count,
              bool are_claims, const char *more)
{
    struct sonde_buf body;
    sonde_buf_init(&body, 0);
    sonde_buf_printf(&body,
                     "{\"schema_version\":1,\"instance_id\":\"i\",\"service\":\"%s\","
                     "\"env\":\"test\",\"version\":\"%s\",\"language\":\"ruby\",%s"
                     "\"units\":[",
                     service, version, more);
    for (size_t i = 0; i < count; i++) {
        sonde_buf_str(&body, i == 0 ? SONDE_STR("") : SONDE_STR(","));
        kit_write_unit(&body, &units[i], are_claims);
    }
    sonde_buf_str(&body, SONDE_STR("]}"));
    kit_post(kit, reply, "/v1/symbols", sonde_buf_cstr(&body));
    sonde_buf_fini(&body);
}

/* Sends them whole, and fails the test unless they are kept. */
static inline void
kit_upload(const struct kit *kit, const char *service, const struct unit *units,
           size_t count)
{
    struct reply reply;
    kit_upload_as(kit, &reply, service, "1", units, count, false, "");
    if (reply.status != 200) {
        fail_msg("%d %s", reply.status, reply.body.data);
    }
    kit_reply_fini(&reply);
}

/* "a b c": that member of each object of the answer's list. */
static inline const char *
kit_members(const struct reply *reply, const char *list, const char *member)
{
    static char text[4096];
    size_t len = 0;
    const struct sonde_json *array = sonde_json_get(reply->json, list);
    text[0] = '\0';
    for (const struct sonde_json *at = array == NULL ? NULL : array->first; at != NULL;
         at = at->next) {
        struct sonde_str value =
            member == NULL ? at->string : sonde_json_get_str(at, member);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s",
                                len == 0 ? "" : " ", (int)value.len, value.ptr);
    }
    return text;
}

/* The names that a search finds, the best first. `query` is the URL's. */
static inline const char *
kit_search(const struct kit *kit, const char *query)
{
    char path[512];
    struct reply reply;
    snprintf(path, sizeof(path), "/api/v1/symbols/search?%s", query);
    kit_get(kit, &reply, path);
    if (reply.status != 200) {
        fail_msg("%s: %d %s", query, reply.status, reply.body.data);
    }
    const char *names = kit_members(&reply, "symbols", "name");
    kit_reply_fini(&reply);
    return names;
}

#endif
