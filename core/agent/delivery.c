/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/delivery.h"

#include "core/base/alloc.h"

#include <stdio.h>

/* Keeps what a report needs of a definition that could not be read. Without a usable id there
 * is no probe to report it for, and the collector, which made the ids, has the fault. */
static void
refuse(struct sonde_delivery *delivery, const struct sonde_json *json,
       const struct sonde_err *why)
{
    struct sonde_str id = sonde_json_get_str(json, "id");
    if (id.len == 0 || id.len > SONDE_PROBE_ID_MAX ||
        delivery->refused_count == SONDE_REFUSED_MAX) {
        return;
    }
    struct sonde_refused *refused = &delivery->refused[delivery->refused_count++];
    snprintf(refused->id, sizeof(refused->id), "%.*s", (int)id.len, id.ptr);
    int64_t revision = sonde_json_get_int(json, "revision", 1);
    refused->revision = revision < 1 || revision > UINT32_MAX ? 1 : (uint32_t)revision;
    snprintf(refused->message, sizeof(refused->message), "%s%s%s", why->where,
             why->where[0] == '\0' ? "" : ": ", why->message);
}

static int
read_defs(struct sonde_delivery *delivery, const struct sonde_json *list,
          struct sonde_err *err)
{
    if (list->type != SONDE_JSON_ARRAY) {
        return sonde_err_set(err, SONDE_E_SYNTAX, "probes", "not an array");
    }
    size_t refused_max =
        list->count < SONDE_REFUSED_MAX ? list->count : SONDE_REFUSED_MAX;
    /* The tree is in this arena already, so its count can not overflow the sizes. */
    delivery->defs =
        sonde_arena_alloc(&delivery->arena, list->count * sizeof(*delivery->defs));
    delivery->refused =
        sonde_arena_alloc(&delivery->arena, refused_max * sizeof(*delivery->refused));
    if (delivery->defs == NULL || delivery->refused == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, "probes", "out of memory");
    }
    for (const struct sonde_json *json = list->first; json != NULL; json = json->next) {
        struct sonde_err why = SONDE_ERR_INIT;
        struct sonde_probe_def *def = &delivery->defs[delivery->count];
        int rc = sonde_probe_def_read(def, &delivery->arena, json, true, &why);
        if (rc == SONDE_OK) {
            delivery->count++;
        } else if (rc == SONDE_E_NOMEM) {
            return sonde_err_set(err, rc, "probes", "out of memory");
        } else {
            refuse(delivery, json, &why);
        }
    }
    delivery->has_probes = true;
    return SONDE_OK;
}

/* Words that nobody knows here count as default: what they ask for is not for this agent. */
static void
read_symbols(struct sonde_symbol_wishes *symbols, const struct sonde_json *answer)
{
    const struct sonde_json *json = sonde_json_get(answer, "symbols");
    if (json == NULL || json->type != SONDE_JSON_OBJECT) {
        return;
    }
    struct sonde_str upload = sonde_json_get_str(json, "upload");
    symbols->is_there = true;
    symbols->upload = sonde_str_eq(upload, SONDE_STR("on"))    ? SONDE_UPLOAD_ON
                      : sonde_str_eq(upload, SONDE_STR("off")) ? SONDE_UPLOAD_OFF
                                                               : SONDE_UPLOAD_DEFAULT;
    symbols->round = sonde_json_get_int(json, "round", 0);
    symbols->store = sonde_json_get_str(json, "store");
}

static int
read_answer(struct sonde_delivery *delivery, const struct sonde_json *answer,
            struct sonde_err *err)
{
    delivery->generation = sonde_json_get_str(answer, "generation");
    const struct sonde_json *probes = sonde_json_get(answer, "probes");
    read_symbols(&delivery->symbols, answer);
    if (delivery->generation.len == 0) {
        return sonde_err_set(err, SONDE_E_SYNTAX, "generation", "missing");
    }
    if (probes == NULL) {
        return sonde_err_set(err, SONDE_E_SYNTAX, "probes", "missing");
    }
    return probes->type == SONDE_JSON_NULL ? SONDE_OK : read_defs(delivery, probes, err);
}

static int
delivery_new(struct sonde_delivery **out, struct sonde_str json,
             int (*read)(struct sonde_delivery *, const struct sonde_json *,
                         struct sonde_err *),
             struct sonde_err *err)
{
    struct sonde_delivery *delivery = sonde_calloc(1, sizeof(*delivery));
    if (delivery == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, "probes", "out of memory");
    }
    sonde_arena_init(&delivery->arena, SONDE_DELIVERY_MAX_BYTES);
    const struct sonde_json *tree;
    int rc = sonde_json_read(&tree, &delivery->arena, json, err);
    if (rc == SONDE_OK) {
        rc = read(delivery, tree, err);
    }
    if (rc != SONDE_OK) {
        sonde_delivery_free(delivery);
        return rc;
    }
    *out = delivery;
    return SONDE_OK;
}

int
sonde_delivery_read(struct sonde_delivery **out, struct sonde_str json,
                    struct sonde_err *err)
{
    return delivery_new(out, json, read_answer, err);
}

int
sonde_delivery_read_list(struct sonde_delivery **out, struct sonde_str json,
                         struct sonde_err *err)
{
    return delivery_new(out, json, read_defs, err);
}

void
sonde_delivery_free(struct sonde_delivery *delivery)
{
    if (delivery != NULL) {
        sonde_arena_fini(&delivery->arena);
        sonde_free(delivery);
    }
}

void
sonde_delivery_report(const struct sonde_delivery *delivery,
                      struct sonde_json_writer *out)
{
    for (size_t i = 0; i < delivery->refused_count; i++) {
        const struct sonde_refused *refused = &delivery->refused[i];
        sonde_json_object_begin(out);
        sonde_json_key(out, "probe_id");
        sonde_json_string(out, sonde_str_from(refused->id));
        sonde_json_key(out, "revision");
        sonde_json_uint(out, refused->revision);
        sonde_json_key(out, "status");
        sonde_json_string(out, sonde_str_from(sonde_status_text(SONDE_STATUS_ERROR)));
        sonde_json_key(out, "cause");
        sonde_json_string(out, sonde_str_from(sonde_cause_text(SONDE_CAUSE_UNSUPPORTED)));
        sonde_json_key(out, "message");
        sonde_json_string(out, sonde_str_from(refused->message));
        sonde_json_object_end(out);
    }
}
