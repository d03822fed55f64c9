/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/api/api.h"

#include "collector/intake/symbols_intake.h"

static void
health(void *arg, struct sonde_exchange *x)
{
    (void)arg;
    sonde_buf_printf(&x->answer, "{\"status\":\"ok\",\"version\":\"%s\"}", SONDE_VERSION);
    sonde_exchange_answer(x, 200, SONDE_TYPE_JSON);
}

static void
processes(void *arg, struct sonde_exchange *x)
{
    struct sonde_api *api = arg;
    sonde_control_list_processes(api->control, x);
}

static void
logs(void *arg, struct sonde_exchange *x)
{
    struct sonde_api *api = arg;
    sonde_intake_serve(api->intake, x);
}

static void
tail(void *arg, struct sonde_exchange *x)
{
    struct sonde_api *api = arg;
    sonde_hub_tail(api->hub, x, sonde_exchange_param(x, "probe"),
                   sonde_exchange_param(x, "service"));
}

/* The bounds of a body; and all but OPEN want the token. */
#define NO_BODY 0, 0, false
#define OPEN 0, 0, true
#define JSON_BODY SONDE_BODY_MAX_API_BYTES, SONDE_BODY_MAX_API_BYTES, false
#define OTLP_BODY SONDE_BODY_MAX_BYTES, SONDE_BODY_MAX_UNPACKED_BYTES, false
#define SYMBOLS_BODY SONDE_SYMBOLS_BODY_MAX_BYTES, SONDE_SYMBOLS_BODY_MAX_BYTES, false

const struct sonde_route sonde_api_routes[] = {
    {"POST", "/v1/logs", OTLP_BODY, logs},
    {"POST", "/v1/symbols", SYMBOLS_BODY, sonde_api_take_symbols},
    {"POST", "/api/v1/agent/poll", JSON_BODY, sonde_api_poll},
    {"POST", "/api/v1/agent/status", JSON_BODY, sonde_api_report},
    {"POST", "/api/v1/agent/bye", JSON_BODY, sonde_api_bye},
    {"GET", "/api/v1/processes", NO_BODY, processes},
    {"GET", "/api/v1/probes", NO_BODY, sonde_api_list_probes},
    {"POST", "/api/v1/probes", JSON_BODY, sonde_api_add_probe},
    {"GET", "/api/v1/probes/", NO_BODY, sonde_api_show_probe},
    {"DELETE", "/api/v1/probes/", NO_BODY, sonde_api_remove_probe},
    {"GET", "/api/v1/snapshots", NO_BODY, sonde_api_list_snapshots},
    {"GET", "/api/v1/snapshots/", NO_BODY, sonde_api_show_snapshot},
    {"GET", "/api/v1/tail", NO_BODY, tail},
    {"GET", "/api/v1/symbols/search", NO_BODY, sonde_api_search_symbols},
    {"GET", "/api/v1/symbols/files", NO_BODY, sonde_api_search_files},
    {"GET", "/api/v1/symbols/units/", NO_BODY, sonde_api_show_unit},
    {"GET", "/api/v1/symbols/source/", NO_BODY, sonde_api_show_source},
    {"GET", "/api/v1/symbols/services", NO_BODY, sonde_api_list_services},
    {"PUT", "/api/v1/symbols/services/*", JSON_BODY, sonde_api_set_service},
    {"GET", "/healthz", OPEN, health},
};
const size_t sonde_api_route_count =
    sizeof(sonde_api_routes) / sizeof(sonde_api_routes[0]);
