/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/control/control_state.h"

#include <inttypes.h>
#include <stdio.h>

void
sonde_control_write_probe(struct sonde_json_writer *out,
                          const struct sonde_control *control,
                          const struct sonde_control_probe *probe)
{
    struct sonde_buf *buf = out->out;
    sonde_probe_def_write(out, probe->def);
    if (buf->failed != SONDE_OK) {
        return;
    }
    /* A probe is its definition and more: the object is taken up again before its
     * brace. */
    buf->len--;
    out->comma = true;
    sonde_json_key(out, "created_at_ns");
    sonde_json_int(out, probe->created_at_ns);
    if (probe->def->clamped.len > 0) {
        sonde_json_key(out, "clamped");
        sonde_json_string(out, probe->def->clamped);
    }
    sonde_json_key(out, "instances");
    sonde_json_array_begin(out);
    const struct sonde_instance *at = NULL;
    while ((at = sonde_control_next(control, at)) != NULL) {
        const struct sonde_probe_status *status =
            sonde_report_find(&at->report, probe->def->id);
        if (status != NULL && sonde_control_matches(probe, at)) {
            sonde_probe_status_write(out, status, at->identity.instance_id);
        }
    }
    sonde_json_array_end(out);
    sonde_json_object_end(out);
}

void
sonde_control_write_process(struct sonde_json_writer *out,
                            const struct sonde_instance *instance, int64_t now_ns)
{
    const struct sonde_identity *id = &instance->identity;
    const struct {
        const char *key;
        struct sonde_str value;
    } texts[] = {
        {"instance_id", id->instance_id},
        {"service", id->service},
        {"env", id->env},
        {"version", id->version},
        {"language", id->language},
        {"runtime_version", id->runtime_version},
        {"host", id->host},
        {"agent_version", id->agent_version},
    };
    const struct sonde_report *report = &instance->report;
    sonde_json_object_begin(out);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        sonde_json_key(out, texts[i].key);
        sonde_json_string(out, texts[i].value);
    }
    sonde_json_key(out, "pid");
    sonde_json_int(out, id->pid);
    sonde_json_key(out, "started_at_ns");
    sonde_json_int(out, id->started_at_ns);
    sonde_json_key(out, "seen_at_ns");
    sonde_json_int(out, instance->seen_at_ns);
    sonde_json_key(out, "connected");
    sonde_json_bool(out, !instance->said_bye &&
                             now_ns - instance->seen_ns < SONDE_CONNECTED_NS);
    sonde_json_key(out, "probes");
    sonde_json_uint(out, report->armed);
    sonde_json_key(out, "dropped");
    sonde_json_raw(out, report->dropped.len > 0 ? report->dropped : SONDE_STR("{}"));
    sonde_json_key(out, "disarmed");
    sonde_json_raw(out, report->disarmed.len > 0 ? report->disarmed : SONDE_STR("[]"));
    if (report->symbols.len > 0) {
        sonde_json_key(out, "symbols");
        sonde_json_raw(out, report->symbols);
    }
    sonde_json_object_end(out);
}

static void
write_symbols(struct sonde_json_writer *out, const struct sonde_control *control,
              struct sonde_str name)
{
    const struct sonde_control_service *service =
        sonde_control_find_service(control, name);
    char store[24];
    snprintf(store, sizeof(store), "%016" PRIx64, sonde_store_symbols_id(control->store));
    sonde_json_key(out, "symbols");
    sonde_json_object_begin(out);
    sonde_json_key(out, "upload");
    sonde_json_string(out,
                      sonde_str_from(sonde_uploading_text(
                          service == NULL ? SONDE_UPLOADING_DEFAULT : service->upload)));
    sonde_json_key(out, "round");
    sonde_json_int(out, service == NULL ? 0 : service->round);
    sonde_json_key(out, "store");
    sonde_json_string(out, sonde_str_from(store));
    sonde_json_object_end(out);
}

void
sonde_control_write_poll(struct sonde_buf *out, const struct sonde_control *control,
                         const struct sonde_instance *instance, bool has_news)
{
    char generation[40];
    struct sonde_json_writer json;
    snprintf(generation, sizeof(generation), "%016" PRIx64 "-%016" PRIx64, control->life,
             sonde_control_generation(control, instance));
    sonde_json_writer_init(&json, out);
    sonde_json_object_begin(&json);
    sonde_json_key(&json, "generation");
    sonde_json_string(&json, sonde_str_from(generation));
    sonde_json_key(&json, "probes");
    if (has_news) {
        sonde_json_array_begin(&json);
        const struct sonde_control_probe *probe = control->probes;
        for (; probe != NULL; probe = probe->next) {
            if (!probe->is_expired && sonde_control_matches(probe, instance)) {
                sonde_probe_def_write(&json, probe->def);
            }
        }
        sonde_json_array_end(&json);
    } else {
        sonde_json_null(&json);
    }
    if (control->store != NULL) {
        write_symbols(&json, control, instance->identity.service);
    }
    sonde_json_object_end(&json);
}
