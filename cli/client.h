/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls to the collector (docs/formats/api.md). Each function that fails has told the person
 * why, in one line on standard error; the caller only returns SONDE_EXIT_REFUSED.
 *
 * Own: every answer lives until sonde_client_forget or _fini. */
#ifndef SONDE_CLIENT_H
#define SONDE_CLIENT_H

#include "cli/cli.h"
#include "core/wire/http.h"
#include "core/wire/json.h"

struct sonde_client {
    struct sonde_http *http;
    char *server; /* without a slash at its end */
    struct sonde_arena arena;
};

/* Where the collector is: cli->server, SONDE_SERVER, or the default. Returns
 * SONDE_EXIT_DONE, or SONDE_EXIT_USAGE for what is no URL, or SONDE_EXIT_REFUSED.
 * SIGPIPE is ignored from here on: a reader that leaves is seen by the write. */
int sonde_client_init(struct sonde_client *client, const struct sonde_cli *cli);
void sonde_client_fini(struct sonde_client *client);

/* Frees the answers so far: for loops. */
void sonde_client_forget(struct sonde_client *client);

/* One call and its answer, an object. `body` is JSON, or empty for none. SONDE_OK, or what
 * went wrong: SONDE_E_NOTFOUND for a 404, SONDE_E_INVAL for other refusals, SONDE_E_IO … */
int sonde_client_call(struct sonde_client *client, const char *method, const char *path,
                      struct sonde_str body, int64_t timeout_ns,
                      const struct sonde_json **answer);

/* GET with the usual time-out. */
int sonde_client_get(struct sonde_client *client, const char *path,
                     const struct sonde_json **answer);

/* Says what an answer that is no success means. `body` may be anything. */
void sonde_client_say_refusal(const struct sonde_client *client, long status,
                              struct sonde_str body);

/* Says that there was no answer, and what to do. */
void sonde_client_say_unreachable(const struct sonde_client *client, const char *error);

/* Appends "?name=value", or "&name=value" when `path` has a '?', percent-encoded; nothing when
 * value is NULL. */
void sonde_client_query(struct sonde_buf *path, const char *name, const char *value);

/* Appends `text` percent-encoded, as one part of a path. */
void sonde_client_segment(struct sonde_buf *path, const char *text);

/* 1 to 63 of [A-Za-z0-9._-], and no "." or ".." that a URL would swallow. */
bool sonde_client_is_probe_id(const char *text);

/* A listing's objects, each compacted to one line. */
void sonde_client_print_lines(struct sonde_buf *out, const struct sonde_json *list);

#endif
