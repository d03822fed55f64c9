/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include "cli/console.h"
#include "cli/pen.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"

#include <signal.h>
#include <stdlib.h>

#define CALL_TIMEOUT_NS (30 * SONDE_NS_PER_S)
#define RESPONSE_MAX_BYTES ((size_t)512 << 20)
#define PROBE_ID_CHARACTERS \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
#define PROBE_ID_MAX 63

static const char *
server_of(const struct sonde_cli *cli)
{
    if (cli->server != NULL) {
        return cli->server;
    }
    const char *server = getenv("SONDE_SERVER");
    return server == NULL || server[0] == '\0' ? SONDE_DEFAULT_SERVER : server;
}

static bool
is_http_url(struct sonde_str url)
{
    struct sonde_str http = SONDE_STR("http://");
    struct sonde_str https = SONDE_STR("https://");
    return (url.len > http.len && memcmp(url.ptr, http.ptr, http.len) == 0) ||
           (url.len > https.len && memcmp(url.ptr, https.ptr, https.len) == 0);
}

int
sonde_client_init(struct sonde_client *client, const struct sonde_cli *cli)
{
    *client = (struct sonde_client){0};
    sonde_arena_init(&client->arena, 0);
    struct sonde_str url = sonde_str_from(server_of(cli));
    while (url.len > 0 && url.ptr[url.len - 1] == '/') {
        url.len--;
    }
    if (!is_http_url(url)) {
        sonde_console_say("'%s' is no collector's address; it looks like %s",
                          server_of(cli), SONDE_DEFAULT_SERVER);
        return SONDE_EXIT_USAGE;
    }
    client->server = sonde_strdup(url);
    if (client->server == NULL) {
        sonde_console_say("out of memory");
        return SONDE_EXIT_REFUSED;
    }
    signal(SIGPIPE, SIG_IGN);
    const char *token = getenv("SONDE_TOKEN");
    struct sonde_http_options options = {
        .base_url = client->server,
        .token = token == NULL || token[0] == '\0' ? NULL : token,
        .user_agent = "sonde/" SONDE_VERSION,
        .max_response_bytes = RESPONSE_MAX_BYTES,
    };
    struct sonde_err err = SONDE_ERR_INIT;
    if (sonde_http_new(&client->http, &options, &err) != SONDE_OK) {
        sonde_console_say("%s: %s", client->server, err.message);
        sonde_client_fini(client);
        return SONDE_EXIT_REFUSED;
    }
    return SONDE_EXIT_DONE;
}

void
sonde_client_fini(struct sonde_client *client)
{
    if (client->http != NULL) {
        sonde_http_free(client->http);
    }
    sonde_free(client->server);
    sonde_arena_fini(&client->arena);
    *client = (struct sonde_client){0};
}

void
sonde_client_forget(struct sonde_client *client)
{
    sonde_arena_fini(&client->arena);
    sonde_arena_init(&client->arena, 0);
}

void
sonde_client_say_unreachable(const struct sonde_client *client, const char *error)
{
    sonde_console_say("no collector answers at %s (%s); start one with `sonde serve`, or "
                      "say where it is with --server or SONDE_SERVER",
                      client->server, error);
}

void
sonde_client_say_refusal(const struct sonde_client *client, long status,
                         struct sonde_str body)
{
    struct sonde_arena arena;
    sonde_arena_init(&arena, 0);
    const struct sonde_json *answer = NULL;
    struct sonde_str message = {0};
    struct sonde_str field = {0};
    if (sonde_json_read(&answer, &arena, body, NULL) == SONDE_OK) {
        const struct sonde_json *error = sonde_json_get(answer, "error");
        message = sonde_json_get_str(error, "message");
        field = sonde_json_get_str(error, "field");
    }
    if (status == 401) {
        sonde_console_say("the collector at %s wants its token: %s SONDE_TOKEN",
                          client->server,
                          getenv("SONDE_TOKEN") == NULL ? "set" : "check");
    } else if (message.len == 0) {
        sonde_console_say("%s does not answer as a collector does (HTTP status %ld)",
                          client->server, status);
    } else if (field.len > 0) {
        sonde_console_say("%.*s: %.*s", (int)field.len, field.ptr, (int)message.len,
                          message.ptr);
    } else {
        sonde_console_say("%.*s", (int)message.len, message.ptr);
    }
    sonde_arena_fini(&arena);
}

/* Keeps the body (the client's is gone with the next call) and reads it. */
static int
answer_read(struct sonde_client *client, struct sonde_str body,
            const struct sonde_json **answer)
{
    char *copy = sonde_arena_strdup(&client->arena, body);
    if (copy == NULL) {
        sonde_console_say("out of memory");
        return SONDE_E_NOMEM;
    }
    struct sonde_err err = SONDE_ERR_INIT;
    const struct sonde_json *read = NULL;
    int code =
        sonde_json_read(&read, &client->arena, (struct sonde_str){copy, body.len}, &err);
    if (code == SONDE_OK && read->type != SONDE_JSON_OBJECT) {
        code = sonde_err_set(&err, SONDE_E_SYNTAX, NULL, "not an object");
    }
    if (code != SONDE_OK) {
        sonde_console_say("%s does not answer as a collector does (%s)", client->server,
                          err.message);
        return code;
    }
    *answer = read;
    return SONDE_OK;
}

int
sonde_client_call(struct sonde_client *client, const char *method, const char *path,
                  struct sonde_str body, int64_t timeout_ns,
                  const struct sonde_json **answer)
{
    struct sonde_http_request request = {
        .method = method,
        .path = path,
        .content_type = body.len > 0 ? "application/json" : NULL,
        .body = body,
        .timeout_ns = timeout_ns,
    };
    struct sonde_http_response response = {0};
    int code = sonde_http_call_now(client->http, &request, &response);
    if (code != SONDE_OK) {
        sonde_client_say_unreachable(
            client, response.error == NULL ? sonde_code_text(code) : response.error);
        return code;
    }
    if (response.status < 200 || response.status > 299) {
        sonde_client_say_refusal(client, response.status, response.body);
        return response.status == 404 ? SONDE_E_NOTFOUND : SONDE_E_INVAL;
    }
    return answer_read(client, response.body, answer);
}

int
sonde_client_get(struct sonde_client *client, const char *path,
                 const struct sonde_json **answer)
{
    return sonde_client_call(client, "GET", path, (struct sonde_str){0}, CALL_TIMEOUT_NS,
                             answer);
}

void
sonde_client_segment(struct sonde_buf *path, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (strchr(PROBE_ID_CHARACTERS, *c) != NULL) {
            sonde_buf_byte(path, *c);
        } else {
            sonde_buf_printf(path, "%%%02X", (unsigned char)*c);
        }
    }
}

void
sonde_client_query(struct sonde_buf *path, const char *name, const char *value)
{
    if (value == NULL) {
        return;
    }
    bool is_first = path->len == 0 || memchr(path->data, '?', path->len) == NULL;
    sonde_buf_printf(path, "%c%s=", is_first ? '?' : '&', name);
    sonde_client_segment(path, value);
}

bool
sonde_client_is_probe_id(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= PROBE_ID_MAX &&
           text[strspn(text, PROBE_ID_CHARACTERS)] == '\0' && strcmp(text, ".") != 0 &&
           strcmp(text, "..") != 0;
}

void
sonde_client_print_lines(struct sonde_buf *out, const struct sonde_json *list)
{
    const struct sonde_json *item = list == NULL ? NULL : list->first;
    for (; item != NULL; item = item->next) {
        sonde_json_line(out, item->source);
        sonde_buf_byte(out, '\n');
    }
}
