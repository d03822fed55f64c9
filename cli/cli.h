/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: what its files share. main.c holds one table of commands; each command
 * reads its own options (options.h), speaks to the collector (client.h) and writes text
 * (console.h, pen.h, table.h, render.h) or the collector's own objects, one a line.
 *
 * Ctx: one thread. */
#ifndef SONDE_CLI_H
#define SONDE_CLI_H

#include <sonde/str.h>

#define SONDE_DEFAULT_SERVER "http://127.0.0.1:7077"

enum sonde_exit {
    SONDE_EXIT_DONE = 0,
    SONDE_EXIT_REFUSED = 1, /* the reason is on standard error */
    SONDE_EXIT_USAGE = 2,
    SONDE_EXIT_NOT_EXECUTABLE = 126, /* `sonde run`, as a shell has it */
    SONDE_EXIT_NOT_FOUND = 127,
};

struct sonde_cli {
    const char *server; /* from --server; NULL: the environment or the default decides */
};

/* A command gets its own words, argv[0] being its name, and returns the exit status. */
struct sonde_command {
    const char *name;
    const char *summary; /* one line for --help */
    int (*run)(struct sonde_cli *cli, int argc, char **argv);
};

int sonde_cmd_serve(struct sonde_cli *cli, int argc, char **argv);
int sonde_cmd_run(struct sonde_cli *cli, int argc, char **argv);
int sonde_cmd_ps(struct sonde_cli *cli, int argc, char **argv);
int sonde_cmd_probe(struct sonde_cli *cli, int argc, char **argv);
int sonde_cmd_probe_add(struct sonde_cli *cli, int argc, char **argv);
int sonde_cmd_symbols(struct sonde_cli *cli, int argc, char **argv);
int sonde_cmd_symbols_show(struct sonde_cli *cli, int argc, char **argv);
int sonde_cmd_symbols_upload(struct sonde_cli *cli, int argc, char **argv);
int sonde_cmd_snapshots(struct sonde_cli *cli, int argc, char **argv);
int sonde_cmd_tail(struct sonde_cli *cli, int argc, char **argv);

/* Reads the words before the command, finds the command in the table, runs it. `name` is what
 * all of them follow ("sonde", "sonde probe"), `about` the text above the table. */
int sonde_cli_dispatch(struct sonde_cli *cli, const char *name, const char *about,
                       const struct sonde_command *commands, size_t count, int argc,
                       char **argv);

#endif
