/* SPDX-License-Identifier: Apache-2.0
 *
 * `sonde snapshots`: what was taken, newest first. */
#include "cli/client.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/render.h"

#include <stdio.h>

#define LIMIT_DEFAULT 20
#define LIMIT_MOST 1000

struct snapshots_options {
    const char *probe;
    const char *service;
    int64_t limit;
    bool is_json;
};

static int
print_snapshots(struct sonde_client *client, const struct snapshots_options *options)
{
    char limit[32];
    snprintf(limit, sizeof(limit), "%lld", (long long)options->limit);
    struct sonde_buf path;
    struct sonde_buf out;
    sonde_buf_init(&path, 0);
    sonde_buf_init(&out, 0);
    sonde_buf_str(&path, SONDE_STR("/api/v1/snapshots"));
    sonde_client_query(&path, "probe", options->probe);
    sonde_client_query(&path, "service", options->service);
    sonde_client_query(&path, "limit", limit);
    int status = SONDE_EXIT_REFUSED;
    const struct sonde_json *answer = NULL;
    const char *url = sonde_buf_cstr(&path);
    if (url == NULL) {
        sonde_console_say("out of memory");
        goto out;
    }
    if (sonde_client_get(client, url, &answer) != SONDE_OK) {
        goto out;
    }
    const struct sonde_json *snapshots = sonde_json_get(answer, "snapshots");
    const struct sonde_json *snapshot = snapshots == NULL ? NULL : snapshots->first;
    if (options->is_json) {
        sonde_client_print_lines(&out, snapshots);
    } else if (snapshot == NULL) {
        sonde_console_say("no snapshots%s",
                          options->probe != NULL || options->service != NULL
                              ? " of that"
                              : " yet; `sonde probe add` sets a probe");
    } else {
        struct sonde_pen pen;
        sonde_pen_init(&pen, &out);
        for (; snapshot != NULL; snapshot = snapshot->next) {
            sonde_render_snapshot(&pen, snapshot);
            if (snapshot->next != NULL) {
                sonde_pen_end(&pen);
            }
        }
    }
    status = sonde_console_finish(&out);
out:
    sonde_buf_fini(&path);
    sonde_buf_fini(&out);
    return status;
}

int
sonde_cmd_snapshots(struct sonde_cli *cli, int argc, char **argv)
{
    struct snapshots_options settings = {.limit = LIMIT_DEFAULT};
    const struct sonde_option options[] = {
        {"probe", "ID", "only this probe's", SONDE_OPTION_TEXT, &settings.probe},
        {"service", "S", "only this service's", SONDE_OPTION_TEXT, &settings.service},
        {"limit", "N", "at most N, 1 to 1000 (default 20)", SONDE_OPTION_COUNT,
         &settings.limit},
        SONDE_OPTION_JSON(&settings.is_json),
        SONDE_OPTION_SERVER(cli),
    };
    const struct sonde_usage usage = {
        .command = "sonde snapshots",
        .synopsis = "",
        .about = "Shows the snapshots that were taken, newest first.\n",
        SONDE_USAGE_OPTIONS(options),
    };
    struct sonde_operands operands;
    struct sonde_client client;
    int status = SONDE_EXIT_DONE;
    if (!sonde_options_read(&usage, argc, argv, &operands, &status)) {
        return status;
    }
    if (settings.limit < 1 || settings.limit > LIMIT_MOST) {
        return sonde_usage_error(&usage, "--limit needs 1 to %d", LIMIT_MOST);
    }
    if (settings.probe != NULL && !sonde_client_is_probe_id(settings.probe)) {
        return sonde_usage_error(&usage, "'%s' is no probe's id", settings.probe);
    }
    status = sonde_client_init(&client, cli);
    if (status != SONDE_EXIT_DONE) {
        return status;
    }
    status = print_snapshots(&client, &settings);
    sonde_client_fini(&client);
    return status;
}
