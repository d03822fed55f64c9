/* SPDX-License-Identifier: Apache-2.0
 *
 * `sonde tail`: snapshots as they come in. The stream is held open; when it breaks, the
 * collector is asked again until it is back. A first answer that refuses ends it at once: a
 * wrong address or token does not mend itself. */
#include "cli/client.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/render.h"
#include "cli/sse.h"
#include "core/base/clock.h"

#include <signal.h>
#include <time.h>

#define EVENT_MAX_BYTES ((size_t)16 << 20)
#define BACKOFF_FIRST_NS (100 * SONDE_NS_PER_MS)
#define BACKOFF_MOST_NS (2 * SONDE_NS_PER_S)
#define SILENCE_NS (45 * SONDE_NS_PER_S) /* three of the collector's comments missed */
#define POLL_MS 100                      /* how late a signal may be noticed */

struct tail {
    struct sonde_client client;
    struct sonde_sse sse;
    struct sonde_buf out;
    struct sonde_buf refusal; /* the body of an answer that was no stream */
    bool is_json;
    bool has_printed;   /* a blank line stands before the next snapshot */
    bool is_lost;       /* and said so */
    bool has_heard;     /* bytes of the stream that is held */
    bool was_connected; /* at least once */
    bool is_over;
    int status;       /* once is_over */
    int64_t heard_ns; /* when bytes came last */
    bool is_under_way;
    long answer_status; /* HTTP, of a call that has ended */
    char error[256];
};

static volatile sig_atomic_t wants_end;

static void
on_signal(int number)
{
    (void)number;
    wants_end = 1;
}

static void
tail_end(struct tail *tail, int status)
{
    tail->is_over = true;
    tail->status = status;
}

/* One event's text, written at once: whoever reads a pipe sees it now. */
static void
tail_flush(struct tail *tail)
{
    int code = sonde_console_write(&tail->out);
    if (code != SONDE_OK) {
        tail_end(tail, code == SONDE_E_CLOSED ? SONDE_EXIT_DONE : SONDE_EXIT_REFUSED);
    }
    sonde_buf_reset(&tail->out);
}

static void
print_event(struct tail *tail, const struct sonde_json *snapshot)
{
    if (tail->is_json) {
        sonde_json_line(&tail->out, snapshot->source);
        sonde_buf_byte(&tail->out, '\n');
    } else {
        struct sonde_pen pen;
        sonde_pen_init(&pen, &tail->out);
        if (tail->has_printed) {
            sonde_pen_end(&pen);
        }
        sonde_render_snapshot(&pen, snapshot);
        tail->has_printed = true;
    }
    tail_flush(tail);
}

static bool
on_event(void *arg, struct sonde_str name, struct sonde_str data)
{
    struct tail *tail = arg;
    struct sonde_arena arena;
    const struct sonde_json *json = NULL;
    struct sonde_err err = SONDE_ERR_INIT;
    sonde_arena_init(&arena, 0);
    if (sonde_json_read(&json, &arena, data, &err) != SONDE_OK) {
        sonde_console_say("an event that can not be read was left out: %s", err.message);
    } else if (sonde_str_eq(name, SONDE_STR("snapshot"))) {
        print_event(tail, json);
    } else if (sonde_str_eq(name, SONDE_STR("lagged"))) {
        sonde_console_say(
            "%lld snapshots came too fast to be shown here; `sonde snapshots` "
            "has them",
            (long long)sonde_json_get_int(json, "count", 0));
    }
    sonde_arena_fini(&arena);
    return !tail->is_over;
}

static bool
on_data(void *arg, struct sonde_str data)
{
    struct tail *tail = arg;
    tail->heard_ns = sonde_clock_mono_ns();
    if (tail->is_lost) {
        sonde_console_say("the collector is back");
    }
    tail->is_lost = false;
    tail->was_connected = true;
    tail->has_heard = true;
    int code = sonde_sse_feed(&tail->sse, data);
    if (code != SONDE_OK && code != SONDE_E_CLOSED) {
        sonde_console_say("an event was too big to be read; `sonde snapshots` has it");
    }
    return code == SONDE_OK;
}

static void
on_done(void *arg, const struct sonde_http_response *response)
{
    struct tail *tail = arg;
    tail->is_under_way = false;
    tail->answer_status = response->code == SONDE_OK ? response->status : 0;
    if (response->status == 200) {
        tail->was_connected = true; /* also when it broke before its first byte */
    }
    sonde_buf_str(&tail->refusal, response->body);
    struct sonde_buf text;
    sonde_buf_init(&text, sizeof(tail->error) - 1);
    sonde_buf_printf(&text, "%s", response->error == NULL ? "closed" : response->error);
    const char *error = sonde_buf_cstr(&text);
    memcpy(tail->error, error == NULL ? "" : error, error == NULL ? 1 : text.len + 1);
    sonde_buf_fini(&text);
}

/* Holds one stream until it ends, breaks, falls silent, or nobody wants it any more. */
static int
hold_stream(struct tail *tail, const char *path)
{
    struct sonde_http_request request = {
        .method = "GET",
        .path = path,
        .done = on_done,
        .data = on_data,
        .arg = tail,
    };
    struct sonde_http_call *call = NULL;
    struct sonde_err err = SONDE_ERR_INIT;
    sonde_sse_reset(&tail->sse);
    sonde_buf_reset(&tail->refusal);
    tail->has_heard = false;
    tail->heard_ns = sonde_clock_mono_ns();
    int code = sonde_http_start(tail->client.http, &request, &call, &err);
    if (code != SONDE_OK) {
        sonde_console_say("%s: %s", tail->client.server, err.message);
        return code;
    }
    tail->is_under_way = true;
    while (tail->is_under_way) {
        sonde_http_poll(tail->client.http, POLL_MS);
        if (!tail->is_over && (wants_end || !sonde_console_has_reader())) {
            tail_end(tail, SONDE_EXIT_DONE);
        }
        bool is_silent = sonde_clock_mono_ns() - tail->heard_ns > SILENCE_NS;
        if (tail->is_under_way && (tail->is_over || is_silent)) {
            sonde_http_cancel(tail->client.http, call);
        }
    }
    return SONDE_OK;
}

/* After a stream has ended: whether to ask again. */
static void
judge_end(struct tail *tail)
{
    long status = tail->answer_status;
    bool is_refused = status >= 400 && status < 500 && status != 429;
    bool is_first = !tail->was_connected && status != 200;
    if (tail->is_over) {
        return;
    }
    if (is_refused || (is_first && status != 0)) {
        sonde_client_say_refusal(&tail->client, status, sonde_buf_view(&tail->refusal));
        tail_end(tail, SONDE_EXIT_REFUSED);
    } else if (is_first) {
        sonde_client_say_unreachable(&tail->client, tail->error);
        tail_end(tail, SONDE_EXIT_REFUSED);
    } else if (!tail->is_lost) {
        sonde_console_say("lost the collector at %s; waiting for it to come back",
                          tail->client.server);
        tail->is_lost = true;
        tail->was_connected = true;
    }
}

static void
wait_before_next(struct tail *tail, int64_t wait_ns)
{
    int64_t until_ns = sonde_clock_mono_ns() + wait_ns;
    while (!tail->is_over && sonde_clock_mono_ns() < until_ns) {
        sonde_http_poll(tail->client.http, 0);
        struct timespec slice = {.tv_nsec = BACKOFF_FIRST_NS / 2};
        nanosleep(&slice, NULL);
        if (wants_end || !sonde_console_has_reader()) {
            tail_end(tail, SONDE_EXIT_DONE);
        }
    }
}

static int
follow(struct tail *tail, const char *path)
{
    int64_t backoff_ns = BACKOFF_FIRST_NS;
    while (!tail->is_over) {
        if (hold_stream(tail, path) != SONDE_OK) {
            return SONDE_EXIT_REFUSED;
        }
        judge_end(tail);
        if (tail->has_heard) {
            backoff_ns = BACKOFF_FIRST_NS;
        }
        wait_before_next(tail, backoff_ns);
        backoff_ns = backoff_ns * 2 < BACKOFF_MOST_NS ? backoff_ns * 2 : BACKOFF_MOST_NS;
    }
    return tail->status;
}

static int
tail_run(struct sonde_cli *cli, const char *probe, const char *service, bool is_json)
{
    struct tail tail = {.is_json = is_json};
    int status = sonde_client_init(&tail.client, cli);
    if (status != SONDE_EXIT_DONE) {
        return status;
    }
    struct sonde_buf path;
    sonde_buf_init(&path, 0);
    sonde_buf_init(&tail.out, 0);
    sonde_buf_init(&tail.refusal, 0);
    sonde_sse_init(&tail.sse, EVENT_MAX_BYTES, on_event, &tail);
    sonde_buf_str(&path, SONDE_STR("/api/v1/tail"));
    sonde_client_query(&path, "probe", probe);
    sonde_client_query(&path, "service", service);
    const char *url = sonde_buf_cstr(&path);
    if (url == NULL) {
        sonde_console_say("out of memory");
        status = SONDE_EXIT_REFUSED;
    } else {
        struct sigaction action = {.sa_handler = on_signal};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        status = follow(&tail, url);
    }
    sonde_sse_fini(&tail.sse);
    sonde_buf_fini(&tail.refusal);
    sonde_buf_fini(&tail.out);
    sonde_buf_fini(&path);
    sonde_client_fini(&tail.client);
    return status;
}

int
sonde_cmd_tail(struct sonde_cli *cli, int argc, char **argv)
{
    const char *probe = NULL;
    const char *service = NULL;
    bool is_json = false;
    const struct sonde_option options[] = {
        {"probe", "ID", "only this probe's", SONDE_OPTION_TEXT, &probe},
        {"service", "S", "only this service's", SONDE_OPTION_TEXT, &service},
        SONDE_OPTION_JSON(&is_json),
        SONDE_OPTION_SERVER(cli),
    };
    const struct sonde_usage usage = {
        .command = "sonde tail",
        .synopsis = "",
        .about = "Shows snapshots as they come in, until it is interrupted. While the "
                 "collector is\n"
                 "away it waits; what came meanwhile is in `sonde snapshots`.\n",
        SONDE_USAGE_OPTIONS(options),
    };
    struct sonde_operands operands;
    int status = SONDE_EXIT_DONE;
    if (!sonde_options_read(&usage, argc, argv, &operands, &status)) {
        return status;
    }
    if (probe != NULL && !sonde_client_is_probe_id(probe)) {
        return sonde_usage_error(&usage, "'%s' is no probe's id", probe);
    }
    return tail_run(cli, probe, service, is_json);
}
