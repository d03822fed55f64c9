/* SPDX-License-Identifier: Apache-2.0
 *
 * Options from one table per command: the table is what getopt_long reads by and what --help
 * prints, so the two can not differ. Every usage error is one line on standard error.
 *
 *     struct sonde_option options[] = {
 *         {"limit", "N", "at most N snapshots", SONDE_OPTION_COUNT, &limit},
 *     };
 *     struct sonde_usage usage = {.command = "sonde snapshots", SONDE_USAGE_OPTIONS(options)};
 *     if (!sonde_options_read(&usage, argc, argv, &operands, &status)) return status; */
#ifndef SONDE_OPTIONS_H
#define SONDE_OPTIONS_H

#include "cli/cli.h"
#include <sonde/err.h>
#include <stdint.h>

#define SONDE_OPTION_LIST_MAX 32

/* A repeated option's texts, in the order given. */
struct sonde_option_list {
    const char *text[SONDE_OPTION_LIST_MAX];
    size_t count;
};

enum sonde_option_kind {
    SONDE_OPTION_FLAG,     /* into a bool */
    SONDE_OPTION_TEXT,     /* into a const char *; the empty text is refused */
    SONDE_OPTION_COUNT,    /* into an int64_t; a whole number from 0 */
    SONDE_OPTION_DECIMAL,  /* into a double, from 0 */
    SONDE_OPTION_DURATION, /* into an int64_t, nanoseconds, more than 0 */
    SONDE_OPTION_LIST,     /* into a struct sonde_option_list */
};

struct sonde_option {
    const char *name;    /* without the dashes */
    const char *metavar; /* what its value is called; NULL for a flag */
    const char *help;    /* one line */
    enum sonde_option_kind kind;
    void *into; /* left alone when the option is not given */
};

struct sonde_usage {
    const char *command;  /* "sonde probe add" */
    const char *synopsis; /* "LOCATION", or "" */
    const char *about;    /* for --help: lines ending in a newline */
    const struct sonde_option *options;
    size_t option_count;
    size_t least_operands;
    size_t most_operands;
    bool stops_at_operand; /* what follows the first operand is not read: `sonde run` */
};

#define SONDE_USAGE_OPTIONS(table) \
    .options = (table), .option_count = sizeof(table) / sizeof((table)[0])

/* What every command that asks the collector takes. */
#define SONDE_OPTION_SERVER(cli)                                                  \
    {                                                                             \
        "server", "URL",                                                          \
            "the collector (default: SONDE_SERVER, or " SONDE_DEFAULT_SERVER ")", \
            SONDE_OPTION_TEXT, &(cli)->server                                     \
    }
#define SONDE_OPTION_JSON(flag)                                                  \
    {                                                                            \
        "json", NULL, "print JSON, one object a line", SONDE_OPTION_FLAG, (flag) \
    }

#define SONDE_OPERANDS_MAX 4

struct sonde_operands {
    const char *text[SONDE_OPERANDS_MAX];
    size_t count;
    char **rest; /* with stops_at_operand: all operands, ending in NULL */
};

/* True: go on. False: stop with *status, --help having been printed or the error said. */
bool sonde_options_read(const struct sonde_usage *usage, int argc, char **argv,
                        struct sonde_operands *operands, int *status);

/* Says the error and where help is; returns SONDE_EXIT_USAGE. */
int sonde_usage_error(const struct sonde_usage *usage, const char *format, ...)
    SONDE_PRINTF(2, 3);

/* "90s", "10m", "1h", "2d", "1.5h", or plain seconds; up to 36,500 days. False when it is
 * none of these. */
bool sonde_duration_read(int64_t *out_ns, const char *text);

#endif
