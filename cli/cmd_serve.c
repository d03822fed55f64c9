/* SPDX-License-Identifier: Apache-2.0
 *
 * `sonde serve`: the collector. */
#include "cli/console.h"
#include "cli/options.h"
#include "collector/collector.h"
#include "collector/page/page.h"

#include <stdlib.h>

#define KEEP_DAYS_MOST 36500

/* The XDG rule: a relative XDG_DATA_HOME counts as none. */
static bool
default_data_dir(struct sonde_buf *out)
{
    const char *base = getenv("XDG_DATA_HOME");
    const char *rest = "/sonde";
    if (base == NULL || base[0] != '/') {
        base = getenv("HOME");
        rest = "/.local/share/sonde";
    }
    if (base == NULL || base[0] != '/') {
        return false;
    }
    sonde_buf_printf(out, "%s%s", base, rest);
    return true;
}

/* Which option a refused setting came from. */
static int
serve(const struct sonde_collector_options *options)
{
    struct sonde_err err = SONDE_ERR_INIT;
    int code = sonde_collector_run(options, &err);
    if (code == SONDE_OK) {
        return SONDE_EXIT_DONE;
    }
    const char *message = err.message[0] == '\0' ? sonde_code_text(code) : err.message;
    if (err.where[0] == '\0') {
        sonde_console_say("%s", message);
    } else {
        sonde_console_say("%s: %s", err.where, message);
    }
    return SONDE_EXIT_REFUSED;
}

int
sonde_cmd_serve(struct sonde_cli *cli, int argc, char **argv)
{
    (void)cli;
    const char *listen = SONDE_COLLECTOR_DEFAULT_LISTEN;
    const char *data = NULL;
    const char *token = getenv("SONDE_TOKEN");
    int64_t keep_days = SONDE_COLLECTOR_DEFAULT_KEEP_DAYS;
    const struct sonde_option options[] = {
        {"listen", "HOST:PORT",
         "where to listen (default " SONDE_COLLECTOR_DEFAULT_LISTEN
         "; port 0: a free one)",
         SONDE_OPTION_TEXT, &listen},
        {"data", "DIR", "where to keep the data (default $XDG_DATA_HOME/sonde)",
         SONDE_OPTION_TEXT, &data},
        {"keep-days", "N", "days that snapshots are kept (default 7)", SONDE_OPTION_COUNT,
         &keep_days},
        {"token", "TOKEN", "ask for this token; better given as SONDE_TOKEN (see ps -ef)",
         SONDE_OPTION_TEXT, &token},
    };
    const struct sonde_usage usage = {
        .command = "sonde serve",
        .synopsis = "",
        .about = "Runs the collector until SIGINT or SIGTERM, and prints \"listening on "
                 "URL\" once\n"
                 "it answers. Opened in a browser, URL is the page. An address that "
                 "is not\n"
                 "loopback wants a token.\n",
        SONDE_USAGE_OPTIONS(options),
    };
    struct sonde_operands operands;
    int status = SONDE_EXIT_DONE;
    if (!sonde_options_read(&usage, argc, argv, &operands, &status)) {
        return status;
    }
    if (keep_days < 1 || keep_days > KEEP_DAYS_MOST) {
        return sonde_usage_error(&usage, "--keep-days needs 1 to %d", KEEP_DAYS_MOST);
    }
    struct sonde_buf data_dir;
    sonde_buf_init(&data_dir, 0);
    if (data != NULL) {
        sonde_buf_str(&data_dir, sonde_str_from(data));
    } else if (!default_data_dir(&data_dir)) {
        status = sonde_usage_error(
            &usage,
            "there is neither XDG_DATA_HOME nor HOME: --data says where to keep data");
        goto out;
    }
    struct sonde_collector_options settings = {
        .listen = listen,
        .data_dir = sonde_buf_cstr(&data_dir),
        .token = token,
        .keep_days = (unsigned)keep_days,
        .page = &sonde_page_built,
    };
    if (settings.data_dir == NULL) {
        sonde_console_say("out of memory");
        status = SONDE_EXIT_REFUSED;
    } else {
        status = serve(&settings);
    }
out:
    sonde_buf_fini(&data_dir);
    return status;
}
