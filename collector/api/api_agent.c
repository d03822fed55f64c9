/* SPDX-License-Identifier: Apache-2.0
 *
 * What agents ask. */
#include "collector/api/api.h"

#define WAIT_MAX_MS 60000

/* The instance's id, or an empty run after answering. */
static struct sonde_str
instance_of(struct sonde_exchange *x, const struct sonde_json *json)
{
    struct sonde_str id = sonde_json_get_str(json, "instance_id");
    if (id.len == 0) {
        sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, "instance_id",
                            "instance_id is missing");
    }
    return id;
}

void
sonde_api_poll(void *arg, struct sonde_exchange *x)
{
    struct sonde_api *api = arg;
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_identity identity;
    const struct sonde_json *json = sonde_exchange_json(x);
    if (json == NULL) {
        return;
    }
    int64_t wait_ms = sonde_json_get_int(json, "wait_ms", 0);
    if (wait_ms < 0 || wait_ms > WAIT_MAX_MS) {
        sonde_exchange_fail(x, SONDE_PROBLEM_INVALID_ARGUMENT, "wait_ms",
                            "wait_ms has to be from 0 to %d", WAIT_MAX_MS);
        return;
    }
    if (sonde_identity_read(&identity, json, &err) != SONDE_OK) {
        sonde_exchange_fail_err(x, &err);
        return;
    }
    sonde_control_poll(api->control, x, &identity, sonde_json_get_str(json, "generation"),
                       wait_ms);
}

void
sonde_api_report(void *arg, struct sonde_exchange *x)
{
    struct sonde_api *api = arg;
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_report report;
    const struct sonde_json *json = sonde_exchange_json(x);
    struct sonde_str id =
        json == NULL ? (struct sonde_str){NULL, 0} : instance_of(x, json);
    if (id.len == 0) {
        return;
    }
    if (sonde_report_read(&report, json, &err) != SONDE_OK) {
        sonde_exchange_fail_err(x, &err);
        return;
    }
    sonde_control_report(api->control, x, id, &report);
}

void
sonde_api_bye(void *arg, struct sonde_exchange *x)
{
    struct sonde_api *api = arg;
    const struct sonde_json *json = sonde_exchange_json(x);
    struct sonde_str id =
        json == NULL ? (struct sonde_str){NULL, 0} : instance_of(x, json);
    if (id.len > 0) {
        sonde_control_bye(api->control, x, id);
    }
}
