/* SPDX-License-Identifier: Apache-2.0
 *
 * `sonde probe add`: sets a probe, and with --wait stays until it is known how the processes
 * took it. */
#include "cli/client.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/pen.h"
#include "cli/statuses.h"
#include "cli/words.h"
#include "core/base/clock.h"
#include "core/probe/definition.h"

#include <time.h>

#define CALL_TIMEOUT_NS (30 * SONDE_NS_PER_S)
#define WAIT_SLICE_NS (20 * SONDE_NS_PER_S) /* of one held call */
#define WAIT_PAUSE_NS (50 * SONDE_NS_PER_MS)
/* Some have failed, but processes that did not report yet may still do better. */
#define WAIT_GRACE_NS (300 * SONDE_NS_PER_MS)
#define NOT_GIVEN (-1)

struct add_options {
    const char *service, *env, *at;
    int64_t hit_limit, expires_ns, wait_ns;
    int64_t depth, length, elements, fields, frames;
    double rate;
    struct sonde_option_list tags;
    bool is_json;
};

/* --- The request ------------------------------------------------------------------------ */

static void
write_text(struct sonde_json_writer *writer, const char *key, const char *value)
{
    if (value != NULL) {
        sonde_json_key(writer, key);
        sonde_json_string(writer, sonde_str_from(value));
    }
}

static void
write_int(struct sonde_json_writer *writer, const char *key, int64_t value)
{
    if (value != NOT_GIVEN) {
        sonde_json_key(writer, key);
        sonde_json_int(writer, value);
    }
}

static void
write_definition(struct sonde_buf *out, const char *location,
                 const struct add_options *options)
{
    struct sonde_json_writer writer;
    sonde_json_writer_init(&writer, out);
    sonde_json_object_begin(&writer);
    write_text(&writer, "location", location);
    write_text(&writer, "at", options->at);
    write_text(&writer, "service", options->service);
    write_text(&writer, "env", options->env);
    write_int(&writer, "hit_limit", options->hit_limit);
    if (options->rate != NOT_GIVEN) {
        sonde_json_key(&writer, "rate");
        sonde_json_double(&writer, options->rate);
    }
    if (options->expires_ns != NOT_GIVEN) {
        int64_t seconds = (options->expires_ns + SONDE_NS_PER_S - 1) / SONDE_NS_PER_S;
        write_int(&writer, "expires_in_s", seconds);
    }
    sonde_json_key(&writer, "limits");
    sonde_json_object_begin(&writer);
    write_int(&writer, "depth", options->depth);
    write_int(&writer, "length", options->length);
    write_int(&writer, "elements", options->elements);
    write_int(&writer, "fields", options->fields);
    write_int(&writer, "frames", options->frames);
    sonde_json_object_end(&writer);
    if (options->tags.count > 0) {
        sonde_json_key(&writer, "tags");
        sonde_json_object_begin(&writer);
        for (size_t i = 0; i < options->tags.count; i++) {
            const char *tag = options->tags.text[i];
            const char *equals = strchr(tag, '=');
            sonde_json_key_str(&writer, (struct sonde_str){tag, (size_t)(equals - tag)});
            sonde_json_string(&writer, sonde_str_from(equals + 1));
        }
        sonde_json_object_end(&writer);
    }
    sonde_json_object_end(&writer);
}

/* What can be known to be wrong before the collector is asked. */
static int
check_request(const struct sonde_usage *usage, const char *location,
              const struct add_options *options)
{
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_location parts;
    if (sonde_location_read(&parts, sonde_str_from(location), &err) != SONDE_OK) {
        return sonde_usage_error(usage, "'%s': %s", location, err.message);
    }
    if (options->at != NULL && strcmp(options->at, "line") != 0 &&
        strcmp(options->at, "entry") != 0 && strcmp(options->at, "exit") != 0) {
        return sonde_usage_error(usage, "--at needs entry, exit or line, not '%s'",
                                 options->at);
    }
    bool is_line = options->at != NULL && strcmp(options->at, "line") == 0;
    if (options->at != NULL && is_line != (parts.line > 0)) {
        return sonde_usage_error(usage, "--at %s does not go with %s %s", options->at,
                                 parts.line > 0 ? "the line" : "the function", location);
    }
    for (size_t i = 0; i < options->tags.count; i++) {
        const char *tag = options->tags.text[i];
        const char *equals = strchr(tag, '=');
        if (equals == NULL || equals == tag) {
            return sonde_usage_error(usage, "--tag needs NAME=VALUE, not '%s'", tag);
        }
        for (size_t j = 0; j < i; j++) {
            if (strncmp(options->tags.text[j], tag, (size_t)(equals - tag) + 1) == 0) {
                return sonde_usage_error(usage, "--tag %.*s is given twice",
                                         (int)(equals - tag), tag);
            }
        }
    }
    return SONDE_EXIT_DONE;
}

/* --- Waiting ---------------------------------------------------------------------------- */

static void
pause_briefly(void)
{
    struct timespec pause = {.tv_nsec = WAIT_PAUSE_NS};
    nanosleep(&pause, NULL);
}

/* Asks until the verdict is in or the time is over; *probe is the last answer. */
static int
wait_for_verdict(struct sonde_client *client, const char *id, int64_t wait_ns,
                 const struct sonde_json **probe, enum sonde_verdict *verdict)
{
    int64_t deadline_ns = sonde_clock_mono_ns() + wait_ns;
    int64_t failed_ns = 0; /* since when it looks failed */
    for (;;) {
        int64_t now_ns = sonde_clock_mono_ns();
        int64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        int64_t slice_ns = left_ns < WAIT_SLICE_NS ? left_ns : WAIT_SLICE_NS;
        struct sonde_buf path;
        sonde_buf_init(&path, 0);
        sonde_buf_printf(&path, "/api/v1/probes/%s?wait_ms=%lld", id,
                         (long long)(slice_ns / SONDE_NS_PER_MS));
        const char *url = sonde_buf_cstr(&path);
        sonde_client_forget(client);
        int code = url == NULL
                       ? SONDE_E_NOMEM
                       : sonde_client_call(client, "GET", url, (struct sonde_str){0},
                                           slice_ns + CALL_TIMEOUT_NS, probe);
        sonde_buf_fini(&path);
        if (code != SONDE_OK) {
            return code;
        }
        now_ns = sonde_clock_mono_ns();
        *verdict = sonde_statuses_judge(*probe);
        if (*verdict != SONDE_VERDICT_FAILED) {
            failed_ns = 0;
        } else if (failed_ns == 0) {
            failed_ns = now_ns;
        }
        bool is_settled = *verdict == SONDE_VERDICT_ARMED ||
                          (failed_ns != 0 && now_ns - failed_ns >= WAIT_GRACE_NS);
        if (is_settled || now_ns >= deadline_ns) {
            return SONDE_OK;
        }
        pause_briefly();
    }
}

static bool
is_asked(const char *wanted, struct sonde_str given)
{
    return wanted == NULL || sonde_str_eq(sonde_str_from(wanted), given);
}

/* No process has reported: says whether there is one that could. */
static void
say_nobody(struct sonde_client *client, const struct add_options *options)
{
    const struct sonde_json *answer = NULL;
    if (sonde_client_get(client, "/api/v1/processes", &answer) != SONDE_OK) {
        return;
    }
    size_t connected = 0;
    size_t matching = 0;
    const struct sonde_json *processes = sonde_json_get(answer, "processes");
    const struct sonde_json *process = processes == NULL ? NULL : processes->first;
    for (; process != NULL; process = process->next) {
        const struct sonde_json *is_connected = sonde_json_get(process, "connected");
        if (is_connected != NULL && is_connected->boolean) {
            connected++;
            matching +=
                is_asked(options->service, sonde_json_get_str(process, "service")) &&
                is_asked(options->env, sonde_json_get_str(process, "env"));
        }
    }
    if (connected == 0) {
        sonde_console_say("no process is connected; `sonde run -- COMMAND` starts one");
    } else if (matching == 0) {
        sonde_console_say("no process matches: %zu connected, none of that service and "
                          "environment (see sonde ps)",
                          connected);
    } else {
        sonde_console_say("no process has answered yet: %zu that match are connected",
                          matching);
    }
}

static int
report_verdict(struct sonde_client *client, const struct sonde_json *probe,
               enum sonde_verdict verdict, const struct add_options *options)
{
    struct sonde_buf summary;
    char span[SONDE_WORDS_BYTES];
    sonde_buf_init(&summary, 0);
    sonde_statuses_summary(&summary, probe);
    const char *text = sonde_buf_cstr(&summary);
    if (verdict == SONDE_VERDICT_WAITING) {
        sonde_console_say("not installed after %s: %s",
                          sonde_words_span(span, 0, options->wait_ns),
                          text == NULL ? "" : text);
    } else {
        sonde_console_say("%s", text == NULL ? "" : text);
    }
    sonde_buf_fini(&summary);
    sonde_statuses_say_reasons(probe, verdict == SONDE_VERDICT_WAITING);
    const struct sonde_json *instances = sonde_json_get(probe, "instances");
    if (instances == NULL || instances->first == NULL) {
        say_nobody(client, options);
    }
    return verdict == SONDE_VERDICT_ARMED ? SONDE_EXIT_DONE : SONDE_EXIT_REFUSED;
}

/* ---------------------------------------------------------------------------------------- */

static int
print_line(struct sonde_str text, bool is_json)
{
    struct sonde_buf out;
    sonde_buf_init(&out, 0);
    if (is_json) {
        sonde_json_line(&out, text);
    } else {
        sonde_escape(&out, text, SONDE_ESCAPE_BARE);
    }
    sonde_buf_byte(&out, '\n');
    int status = sonde_console_finish(&out);
    sonde_buf_fini(&out);
    return status;
}

static int
add(struct sonde_client *client, const char *location, const struct add_options *options)
{
    struct sonde_buf body;
    char id[SONDE_PROBE_ID_MAX + 1] = "";
    sonde_buf_init(&body, 0);
    write_definition(&body, location, options);
    const struct sonde_json *probe = NULL;
    int status = SONDE_EXIT_REFUSED;
    if (body.failed != SONDE_OK) {
        sonde_console_say("%s", sonde_code_text(body.failed));
        goto out;
    }
    if (sonde_client_call(client, "POST", "/api/v1/probes", sonde_buf_view(&body),
                          CALL_TIMEOUT_NS, &probe) != SONDE_OK) {
        goto out;
    }
    struct sonde_str given = sonde_json_get_str(probe, "id");
    if (given.len == 0 || given.len > SONDE_PROBE_ID_MAX) {
        sonde_console_say("%s answered without the probe's id", client->server);
        goto out;
    }
    memcpy(id, given.ptr, given.len);
    struct sonde_str clamped = sonde_json_get_str(probe, "clamped");
    if (clamped.len > 0) {
        sonde_console_say("clamped: %.*s", (int)clamped.len, clamped.ptr);
    }
    if (!options->is_json) {
        status = print_line(sonde_str_from(id), false);
    }
    if (options->wait_ns != NOT_GIVEN) {
        enum sonde_verdict verdict = SONDE_VERDICT_WAITING;
        status = SONDE_EXIT_REFUSED;
        if (wait_for_verdict(client, id, options->wait_ns, &probe, &verdict) !=
            SONDE_OK) {
            sonde_console_say(
                "the probe %s is set; how the processes took it is not known", id);
            goto out;
        }
        status = report_verdict(client, probe, verdict, options);
    } else if (options->is_json) {
        status = SONDE_EXIT_DONE;
    }
    if (options->is_json && print_line(probe->source, true) != SONDE_EXIT_DONE) {
        status = SONDE_EXIT_REFUSED;
    }
out:
    sonde_buf_fini(&body);
    return status;
}

static const char ABOUT[] =
    "Sets a probe in every process that matches, now and later, and prints its id.\n"
    "\n"
    "LOCATION is one of\n"
    "  FILE:LINE            a line; FILE is a path or the end of one: app/views.py:42\n"
    "  module.function      Python\n"
    "  module:Class.method  Python\n"
    "  Class#method         Ruby, Class.method for a singleton's\n"
    "\n"
    "A time is 90s, 10m, 1h, 2d, or plain seconds. What is out of range is clamped, and\n"
    "said on standard error.\n";

int
sonde_cmd_probe_add(struct sonde_cli *cli, int argc, char **argv)
{
    struct add_options given = {
        .hit_limit = NOT_GIVEN,
        .expires_ns = NOT_GIVEN,
        .wait_ns = NOT_GIVEN,
        .depth = NOT_GIVEN,
        .length = NOT_GIVEN,
        .elements = NOT_GIVEN,
        .fields = NOT_GIVEN,
        .frames = NOT_GIVEN,
        .rate = NOT_GIVEN,
    };
    const struct sonde_option options[] = {
        {"service", "S", "only in this service", SONDE_OPTION_TEXT, &given.service},
        {"env", "E", "only in this environment", SONDE_OPTION_TEXT, &given.env},
        {"at", "WHEN", "line; or entry or exit of a function (default exit)",
         SONDE_OPTION_TEXT, &given.at},
        {"limit", "HITS", "snapshots per process, then it ends there (default: no end)",
         SONDE_OPTION_COUNT, &given.hit_limit},
        {"rate", "N", "snapshots a second per process (default 1)", SONDE_OPTION_DECIMAL,
         &given.rate},
        {"expires", "TIME", "ends it after this time (default: never)",
         SONDE_OPTION_DURATION, &given.expires_ns},
        {"depth", "N", "values opened one inside another (default 3)", SONDE_OPTION_COUNT,
         &given.depth},
        {"length", "N", "characters of a text (default 255)", SONDE_OPTION_COUNT,
         &given.length},
        {"elements", "N", "members of a collection (default 100)", SONDE_OPTION_COUNT,
         &given.elements},
        {"fields", "N", "fields of an object (default 20)", SONDE_OPTION_COUNT,
         &given.fields},
        {"frames", "N", "frames of the stack (default 64)", SONDE_OPTION_COUNT,
         &given.frames},
        {"tag", "NAME=VALUE", "a note on the probe; may be repeated", SONDE_OPTION_LIST,
         &given.tags},
        {"wait", "TIME", "stay until a process reports installed or error",
         SONDE_OPTION_DURATION, &given.wait_ns},
        SONDE_OPTION_JSON(&given.is_json),
        SONDE_OPTION_SERVER(cli),
    };
    const struct sonde_usage usage = {
        .command = "sonde probe add",
        .synopsis = "LOCATION",
        .about = ABOUT,
        SONDE_USAGE_OPTIONS(options),
        .least_operands = 1,
        .most_operands = 1,
    };
    struct sonde_operands operands;
    struct sonde_client client;
    int status = SONDE_EXIT_DONE;
    if (!sonde_options_read(&usage, argc, argv, &operands, &status)) {
        return status;
    }
    status = check_request(&usage, operands.text[0], &given);
    if (status != SONDE_EXIT_DONE) {
        return status;
    }
    status = sonde_client_init(&client, cli);
    if (status != SONDE_EXIT_DONE) {
        return status;
    }
    status = add(&client, operands.text[0], &given);
    sonde_client_fini(&client);
    return status;
}
