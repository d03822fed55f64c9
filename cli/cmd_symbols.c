/* SPDX-License-Identifier: Apache-2.0
 *
 * `sonde symbols search`: places by their names. cmd_symbols_show.c and cmd_symbols_upload.c have the
 * others. */
#include "cli/client.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/table.h"

#include <stdio.h>

#define LIMIT_DEFAULT 30
#define LIMIT_MOST 200

struct search_options {
    const char *service, *kind, *origin;
    int64_t limit;
    bool is_json;
};

static void
add_place(struct sonde_table *table, const struct sonde_json *symbol)
{
    struct sonde_buf text;
    int64_t line = sonde_json_get_int(symbol, "line", 0);
    sonde_buf_init(&text, 0);
    sonde_buf_str(&text, sonde_json_get_str(symbol, "file"));
    if (line > 0) {
        sonde_buf_printf(&text, ":%lld", (long long)line);
    }
    sonde_table_text(table, SONDE_TONE_PLACE, sonde_buf_view(&text));
    sonde_buf_fini(&text);
}

static void
add_services(struct sonde_table *table, const struct sonde_json *symbol)
{
    struct sonde_buf text;
    const struct sonde_json *list = sonde_json_get(symbol, "services");
    const struct sonde_json *at = list == NULL ? NULL : list->first;
    sonde_buf_init(&text, 0);
    for (; at != NULL; at = at->next) {
        sonde_buf_str(&text, text.len > 0 ? SONDE_STR(", ") : SONDE_STR(""));
        sonde_buf_str(&text, at->string);
    }
    sonde_table_text(table, SONDE_TONE_PLAIN, sonde_buf_view(&text));
    sonde_buf_fini(&text);
}

static void
print_table(struct sonde_client *client, struct sonde_buf *out,
            const struct sonde_json *symbols)
{
    static const struct sonde_column COLUMNS[] = {
        {"KIND", false},   {"NAME", false},    {"PLACE", false},
        {"ORIGIN", false}, {"SERVICE", false},
    };
    struct sonde_pen pen;
    struct sonde_table table;
    sonde_pen_init(&pen, out);
    sonde_table_init(&table, &client->arena, COLUMNS,
                     sizeof(COLUMNS) / sizeof(COLUMNS[0]));
    for (const struct sonde_json *at = symbols->first; at != NULL; at = at->next) {
        struct sonde_str name = sonde_json_get_str(at, "qualified");
        struct sonde_str kind = sonde_json_get_str(at, "kind");
        if (name.len == 0 || sonde_str_eq(kind, SONDE_STR("file"))) {
            name = sonde_json_get_str(at, "name");
        }
        sonde_table_text(&table, SONDE_TONE_DIM, kind);
        sonde_table_text(&table, SONDE_TONE_BOLD, name);
        add_place(&table, at);
        sonde_table_text(&table, SONDE_TONE_DIM, sonde_json_get_str(at, "origin"));
        add_services(&table, at);
    }
    sonde_table_print(&table, &pen);
}

static int
search(struct sonde_client *client, const char *text,
       const struct search_options *options)
{
    char limit[32];
    struct sonde_buf path;
    struct sonde_buf out;
    const struct sonde_json *answer = NULL;
    int status = SONDE_EXIT_REFUSED;
    sonde_buf_init(&path, 0);
    sonde_buf_init(&out, 0);
    snprintf(limit, sizeof(limit), "%lld", (long long)options->limit);
    sonde_buf_str(&path, SONDE_STR("/api/v1/symbols/search"));
    sonde_client_query(&path, "q", text);
    sonde_client_query(&path, "service", options->service);
    sonde_client_query(&path, "kind", options->kind);
    sonde_client_query(&path, "origin", options->origin);
    sonde_client_query(&path, "limit", limit);
    const char *url = sonde_buf_cstr(&path);
    if (url == NULL) {
        sonde_console_say("out of memory");
        goto out;
    }
    if (sonde_client_get(client, url, &answer) != SONDE_OK) {
        goto out;
    }
    const struct sonde_json *symbols = sonde_json_get(answer, "symbols");
    const struct sonde_json *more = sonde_json_get(answer, "total_is_more");
    if (options->is_json) {
        sonde_client_print_lines(&out, symbols);
    } else if (symbols == NULL || symbols->first == NULL) {
        sonde_console_say("nothing is named like '%s'%s", text,
                          options->service != NULL || options->kind != NULL ||
                                  options->origin != NULL
                              ? " of that"
                              : "; `sonde symbols upload` asks for what is loaded");
    } else {
        print_table(client, &out, symbols);
    }
    status = sonde_console_finish(&out);
    if (!options->is_json && more != NULL && more->boolean) {
        sonde_console_say("there are more; --limit shows up to %d", LIMIT_MOST);
    }
out:
    sonde_buf_fini(&path);
    sonde_buf_fini(&out);
    return status;
}

static int
cmd_search(struct sonde_cli *cli, int argc, char **argv)
{
    struct search_options given = {.limit = LIMIT_DEFAULT};
    const struct sonde_option options[] = {
        {"service", "S", "only this service's", SONDE_OPTION_TEXT, &given.service},
        {"kind", "K", "file, class, function or name; several with commas",
         SONDE_OPTION_TEXT, &given.kind},
        {"origin", "O", "user, library, standard or generated; several with commas",
         SONDE_OPTION_TEXT, &given.origin},
        {"limit", "N", "at most N, 1 to 200 (default 30)", SONDE_OPTION_COUNT,
         &given.limit},
        SONDE_OPTION_JSON(&given.is_json),
        SONDE_OPTION_SERVER(cli),
    };
    const struct sonde_usage usage = {
        .command = "sonde symbols search",
        .synopsis = "TEXT",
        .about = "Finds files, classes, functions, fields and constants by any part of "
                 "their\nnames, the best first: ordCon finds OrdersController.\n",
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
    if (given.limit < 1 || given.limit > LIMIT_MOST) {
        return sonde_usage_error(&usage, "--limit needs 1 to %d", LIMIT_MOST);
    }
    status = sonde_client_init(&client, cli);
    if (status == SONDE_EXIT_DONE) {
        status = search(&client, operands.text[0], &given);
        sonde_client_fini(&client);
    }
    return status;
}

int
sonde_cmd_symbols(struct sonde_cli *cli, int argc, char **argv)
{
    static const struct sonde_command COMMANDS[] = {
        {"search", "find places by their names", cmd_search},
        {"show", "show what is in a file, and where probes can be set",
         sonde_cmd_symbols_show},
        {"upload", "ask processes for what they have loaded", sonde_cmd_symbols_upload},
    };
    return sonde_cli_dispatch(cli, "sonde symbols",
                              "Symbols: what running programs have loaded.\n", COMMANDS,
                              sizeof(COMMANDS) / sizeof(COMMANDS[0]), argc, argv);
}
