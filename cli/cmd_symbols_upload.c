/* SPDX-License-Identifier: Apache-2.0
 *
 * `sonde symbols upload`: switches uploads for a service, and asks for everything anew. */
#include "cli/client.h"
#include "cli/console.h"
#include "cli/options.h"
#include "core/base/clock.h"

#include <stdio.h>
#include <time.h>

#define CALL_NS (30 * SONDE_NS_PER_S)
#define LOOK_NS (200 * SONDE_NS_PER_MS)
#define SERVICES_MAX 256

struct upload_options {
    const char *service;
    bool is_on, is_off, is_default;
    int64_t wait_ns;
};

struct asked {
    const char *name;
    int64_t round;
};

static bool
is_connected(const struct sonde_json *process)
{
    const struct sonde_json *connected = sonde_json_get(process, "connected");
    return connected != NULL && connected->boolean;
}

/* The service that was named, or all of connected processes. */
static int
list_services(struct sonde_client *client, const struct upload_options *options,
              struct asked *out, size_t *count)
{
    const struct sonde_json *answer = NULL;
    if (options->service != NULL) {
        out[0].name = options->service;
        *count = 1;
        return SONDE_OK;
    }
    int rc = sonde_client_get(client, "/api/v1/processes", &answer);
    const struct sonde_json *list =
        rc == SONDE_OK ? sonde_json_get(answer, "processes") : NULL;
    const struct sonde_json *at = list == NULL ? NULL : list->first;
    for (; at != NULL; at = at->next) {
        const char *name = sonde_json_get_str(at, "service").ptr; /* terminated */
        size_t i = 0;
        if (name == NULL || !is_connected(at)) {
            continue;
        }
        while (i < *count && strcmp(out[i].name, name) != 0) {
            i++;
        }
        if (i == *count && *count < SERVICES_MAX) {
            out[(*count)++].name = name;
        }
    }
    return rc;
}

static int
ask(struct sonde_client *client, const struct upload_options *options,
    struct asked *asked)
{
    struct sonde_buf path;
    char body[64];
    const struct sonde_json *answer = NULL;
    const char *upload = options->is_on        ? "\"upload\":\"on\","
                         : options->is_off     ? "\"upload\":\"off\","
                         : options->is_default ? "\"upload\":\"default\","
                                               : "";
    int len = snprintf(body, sizeof(body), "{%s\"now\":%s}", upload,
                       options->is_off ? "false" : "true");
    sonde_buf_init(&path, 0);
    sonde_buf_str(&path, SONDE_STR("/api/v1/symbols/services/"));
    sonde_client_segment(&path, asked->name);
    const char *url = sonde_buf_cstr(&path);
    int rc = SONDE_E_NOMEM;
    if (url == NULL || len < 0) {
        sonde_console_say("out of memory");
    } else {
        rc = sonde_client_call(client, "PUT", url, (struct sonde_str){body, (size_t)len},
                               CALL_NS, &answer);
    }
    if (rc == SONDE_OK) {
        struct sonde_str setting = sonde_json_get_str(answer, "upload");
        asked->round = sonde_json_get_int(answer, "round", 0);
        sonde_console_say("%s: uploads are %.*s%s", asked->name, (int)setting.len,
                          setting.ptr,
                          options->is_off ? "" : ", everything was asked for anew");
    }
    sonde_buf_fini(&path);
    return rc;
}

/* --- Waiting -------------------------------------------------------------------------- */

enum progress { PROGRESS_DONE, PROGRESS_OFF, PROGRESS_OPEN };

/* How far a process is with a round. */
static enum progress
progress_of(const struct sonde_json *process, int64_t round)
{
    const struct sonde_json *symbols = sonde_json_get(process, "symbols");
    struct sonde_str state = sonde_json_get_str(symbols, "state");
    const struct sonde_json *rounds = sonde_json_get(symbols, "rounds");
    const struct sonde_json *at = rounds == NULL ? NULL : rounds->first;
    bool has_round = false;
    for (; at != NULL; at = at->next) {
        has_round |= at->is_integer && at->integer >= round;
    }
    if (sonde_str_eq(state, SONDE_STR("off"))) {
        return PROGRESS_OFF;
    }
    return has_round && sonde_str_eq(state, SONDE_STR("done")) ? PROGRESS_DONE
                                                               : PROGRESS_OPEN;
}

struct tally {
    size_t done, off, open;
};

static int
count_processes(struct sonde_client *client, const struct asked *asked, size_t count,
                struct tally *out)
{
    const struct sonde_json *answer = NULL;
    *out = (struct tally){0};
    int rc = sonde_client_get(client, "/api/v1/processes", &answer);
    const struct sonde_json *list =
        rc == SONDE_OK ? sonde_json_get(answer, "processes") : NULL;
    const struct sonde_json *at = list == NULL ? NULL : list->first;
    for (; at != NULL; at = at->next) {
        struct sonde_str service = sonde_json_get_str(at, "service");
        for (size_t i = 0; i < count && is_connected(at); i++) {
            if (sonde_str_eq(service, sonde_str_from(asked[i].name))) {
                enum progress progress = progress_of(at, asked[i].round);
                out->done += progress == PROGRESS_DONE;
                out->off += progress == PROGRESS_OFF;
                out->open += progress == PROGRESS_OPEN;
            }
        }
    }
    return rc;
}

/* Until all have sent everything. A process that is off may not have heard yet: it is waited for
 * until the time is over. */
static int
wait_for(struct sonde_client *client, const struct asked *asked, size_t count,
         int64_t wait_ns)
{
    int64_t deadline_ns = sonde_clock_mono_ns() + wait_ns;
    struct tally tally;
    /* The names may be of an answer, which stays: only what is asked here is forgotten. */
    struct sonde_arena kept = client->arena;
    int rc = SONDE_OK;
    for (;;) {
        sonde_arena_init(&client->arena, 0);
        rc = count_processes(client, asked, count, &tally);
        sonde_arena_fini(&client->arena);
        bool is_over = tally.open + tally.off == 0 && tally.done > 0;
        if (rc != SONDE_OK || is_over || sonde_clock_mono_ns() >= deadline_ns) {
            break;
        }
        struct timespec pause = {.tv_nsec = LOOK_NS};
        nanosleep(&pause, NULL);
    }
    client->arena = kept;
    if (rc != SONDE_OK) {
        return SONDE_EXIT_REFUSED;
    }
    if (tally.done + tally.off + tally.open == 0) {
        sonde_console_say("no process of that is connected");
        return SONDE_EXIT_REFUSED;
    }
    sonde_console_say("%zu done, %zu under way, %zu off", tally.done, tally.open,
                      tally.off);
    return tally.open + tally.off == 0 ? SONDE_EXIT_DONE : SONDE_EXIT_REFUSED;
}

static int
upload(struct sonde_client *client, const struct upload_options *options)
{
    static struct asked
        asked[SERVICES_MAX]; /* too large for a stack, and once is enough */
    size_t count = 0;
    if (list_services(client, options, asked, &count) != SONDE_OK) {
        return SONDE_EXIT_REFUSED;
    }
    if (count == 0) {
        sonde_console_say("no process is connected; --service names one that is to come");
        return SONDE_EXIT_REFUSED;
    }
    for (size_t i = 0; i < count; i++) {
        if (ask(client, options, &asked[i]) != SONDE_OK) {
            return SONDE_EXIT_REFUSED;
        }
    }
    return options->wait_ns > 0 ? wait_for(client, asked, count, options->wait_ns)
                                : SONDE_EXIT_DONE;
}

int
sonde_cmd_symbols_upload(struct sonde_cli *cli, int argc, char **argv)
{
    struct upload_options given = {0};
    const struct sonde_option options[] = {
        {"service", "S", "of this service (default: of every connected process)",
         SONDE_OPTION_TEXT, &given.service},
        {"on", NULL, "switch uploads on for the service, now and later",
         SONDE_OPTION_FLAG, &given.is_on},
        {"off", NULL, "switch them off", SONDE_OPTION_FLAG, &given.is_off},
        {"default", NULL, "leave it to each process's own configuration",
         SONDE_OPTION_FLAG, &given.is_default},
        {"wait", "TIME", "stay until every connected process has sent everything",
         SONDE_OPTION_DURATION, &given.wait_ns},
        SONDE_OPTION_SERVER(cli),
    };
    const struct sonde_usage usage = {
        .command = "sonde symbols upload",
        .synopsis = "",
        .about = "Asks processes for everything that they have loaded, and switches "
                 "uploads.\n",
        SONDE_USAGE_OPTIONS(options),
    };
    struct sonde_operands operands;
    struct sonde_client client;
    int status = SONDE_EXIT_DONE;
    if (!sonde_options_read(&usage, argc, argv, &operands, &status)) {
        return status;
    }
    if (given.is_on + given.is_off + given.is_default > 1) {
        return sonde_usage_error(&usage, "--on, --off and --default exclude each other");
    }
    if (given.is_off && given.wait_ns > 0) {
        return sonde_usage_error(&usage, "--wait has nothing to wait for with --off");
    }
    status = sonde_client_init(&client, cli);
    if (status == SONDE_EXIT_DONE) {
        status = upload(&client, &given);
        sonde_client_fini(&client);
    }
    return status;
}
