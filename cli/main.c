/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of commands, and the finding of one in it. */
#include "cli/console.h"
#include "cli/options.h"

static const struct sonde_command COMMANDS[] = {
    {"serve", "run the collector", sonde_cmd_serve},
    {"run", "start a program with the agent in it", sonde_cmd_run},
    {"ps", "list the processes that can be probed", sonde_cmd_ps},
    {"probe", "add, list, show and remove probes", sonde_cmd_probe},
    {"symbols", "find files, classes and functions to probe", sonde_cmd_symbols},
    {"tail", "show snapshots as they come in", sonde_cmd_tail},
    {"snapshots", "show the snapshots that were taken", sonde_cmd_snapshots},
};

static const char ABOUT[] =
    "Sonde looks into running programs: set a probe on a line or a function of a live\n"
    "process and see its values.\n";

static int
help_print(const char *name, const char *about, const struct sonde_command *commands,
           size_t count, bool is_root)
{
    struct sonde_buf out;
    sonde_buf_init(&out, 0);
    sonde_buf_printf(&out, "Usage: %s COMMAND …\n\n%s\nCommands:\n", name, about);
    for (size_t i = 0; i < count; i++) {
        sonde_buf_printf(&out, "  %-12s%s\n", commands[i].name, commands[i].summary);
    }
    sonde_buf_printf(&out, "\n%s COMMAND --help says more.\n", name);
    if (is_root) {
        sonde_buf_printf(
            &out,
            "\nOptions:\n"
            "  --server URL  the collector (default: SONDE_SERVER, or %s)\n"
            "  --version     print the version\n"
            "  --help        show this\n"
            "\nSONDE_TOKEN holds the collector's token where it wants one.\n"
            "Exit status: 0 done, 1 refused with a reason on standard error, 2 usage.\n",
            SONDE_DEFAULT_SERVER);
    }
    int status = sonde_console_finish(&out);
    sonde_buf_fini(&out);
    return status;
}

static int
version_print(void)
{
    struct sonde_buf out;
    sonde_buf_init(&out, 0);
    sonde_buf_str(&out, SONDE_STR("sonde " SONDE_VERSION "\n"));
    int status = sonde_console_finish(&out);
    sonde_buf_fini(&out);
    return status;
}

int
sonde_cli_dispatch(struct sonde_cli *cli, const char *name, const char *about,
                   const struct sonde_command *commands, size_t count, int argc,
                   char **argv)
{
    bool is_root = commands == COMMANDS;
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *word = argv[at];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            return help_print(name, about, commands, count, is_root);
        }
        if (is_root && strcmp(word, "--version") == 0) {
            return version_print();
        }
        if (strcmp(word, "--server") == 0 && at + 1 < argc && argv[at + 1][0] != '\0') {
            cli->server = argv[++at];
        } else if (strncmp(word, "--server=", 9) == 0 && word[9] != '\0') {
            cli->server = word + 9;
        } else {
            const char *what =
                strncmp(word, "--server", 8) == 0 ? "needs a value" : "is unknown here";
            sonde_console_say("option %s %s (see %s --help)", word, what, name);
            return SONDE_EXIT_USAGE;
        }
    }
    if (at == argc) {
        sonde_console_say("%s needs a command (see %s --help)", name, name);
        return SONDE_EXIT_USAGE;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(argv[at], commands[i].name) == 0) {
            return commands[i].run(cli, argc - at, argv + at);
        }
    }
    sonde_console_say("%s has no command '%s' (see %s --help)", name, argv[at], name);
    return SONDE_EXIT_USAGE;
}

int
main(int argc, char **argv)
{
    struct sonde_cli cli = {0};
    return sonde_cli_dispatch(&cli, "sonde", ABOUT, COMMANDS,
                              sizeof(COMMANDS) / sizeof(COMMANDS[0]), argc, argv);
}
