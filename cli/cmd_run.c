/* SPDX-License-Identifier: Apache-2.0
 *
 * `sonde run`: becomes the command, in the same process, with an environment that brings the
 * agent along. Exit status and signals are so the command's own. */
#include "cli/console.h"
#include "cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096

static bool
is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Where the runtimes' parts are: beside the binary in the tree, or where it was installed. */
static bool
find_lib(struct sonde_buf *out)
{
    static const char *const PLACES[] = {"/lib/sonde", "/../lib/sonde"};
    char self[PATH_BYTES];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self));
    while (len > 0 && self[len - 1] != '/') {
        len--;
    }
    if (len <= 0 || (size_t)len >= sizeof(self)) {
        sonde_console_say(
            "can not tell where this program is: /proc/self/exe is missing");
        return false;
    }
    struct sonde_str folder = {self, (size_t)len - 1};
    for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]); i++) {
        sonde_buf_reset(out);
        sonde_buf_str(out, folder);
        sonde_buf_str(out, sonde_str_from(PLACES[i]));
        const char *path = sonde_buf_cstr(out);
        if (path != NULL && is_directory(path)) {
            return true;
        }
    }
    sonde_console_say("the agents are missing: there is neither %.*s%s nor %.*s%s; "
                      "`make` or `make install` puts them there",
                      (int)folder.len, folder.ptr, PLACES[0], (int)folder.len, folder.ptr,
                      PLACES[1]);
    return false;
}

static bool
set_env(const char *name, const char *value)
{
    if (value != NULL && setenv(name, value, 1) != 0) {
        sonde_console_say("can not set %s: out of memory", name);
        return false;
    }
    return true;
}

/* Puts `item` in front of a list, unless a `sonde run` around this one has. An empty list stays
 * out: in a list of paths an empty member would mean the current directory. */
static bool
put_in_front(const char *name, struct sonde_str item, char separator)
{
    const char *old = getenv(name);
    struct sonde_str list = sonde_str_from(old);
    if (list.len >= item.len && item.len > 0 &&
        memcmp(list.ptr, item.ptr, item.len) == 0 &&
        (list.len == item.len || list.ptr[item.len] == separator)) {
        return true;
    }
    struct sonde_buf value;
    sonde_buf_init(&value, 0);
    sonde_buf_str(&value, item);
    if (list.len > 0) {
        sonde_buf_byte(&value, separator);
        sonde_buf_str(&value, list);
    }
    const char *text = sonde_buf_cstr(&value);
    bool is_set = text != NULL && set_env(name, text);
    sonde_buf_fini(&value);
    return is_set;
}

/* A path below the folder of the agents, as text that `path` keeps; NULL: out of memory. */
static const char *
path_below(struct sonde_buf *path, struct sonde_str lib, struct sonde_str rest)
{
    sonde_buf_reset(path);
    sonde_buf_str(path, lib);
    sonde_buf_str(path, rest);
    return sonde_buf_cstr(path);
}

static bool
prepare_python(struct sonde_str lib)
{
    struct sonde_buf path;
    sonde_buf_init(&path, 0);
    const char *boot = path_below(&path, lib, SONDE_STR("/python/boot"));
    bool is_ready = boot != NULL && put_in_front("PYTHONPATH", sonde_str_from(boot), ':');
    sonde_buf_fini(&path);
    return is_ready;
}

/* RUBYOPT names the file itself, so that a child whose RUBYLIB somebody replaced still finds it: a
 * Ruby that does not would not start. Only a path with a blank can not stand there; such a one
 * goes by RUBYLIB. Without that file Ruby is left alone. */
static bool
prepare_ruby(struct sonde_str lib)
{
    struct sonde_buf path;
    sonde_buf_init(&path, 0);
    bool is_ready = true;
    const char *file = path_below(&path, lib, SONDE_STR("/ruby/boot/sonde_boot.rb"));
    if (file == NULL || access(file, R_OK) != 0) {
        is_ready = file != NULL;
    } else if (strpbrk(file, " \t\n\v\f\r") != NULL) {
        const char *boot = path_below(&path, lib, SONDE_STR("/ruby/boot"));
        is_ready = boot != NULL && put_in_front("RUBYLIB", sonde_str_from(boot), ':') &&
                   put_in_front("RUBYOPT", SONDE_STR("-rsonde_boot"), ' ');
    } else {
        const char *option = path_below(&path, SONDE_STR("-r"), lib);
        if (option != NULL) {
            sonde_buf_str(&path, SONDE_STR("/ruby/boot/sonde_boot"));
            option = sonde_buf_cstr(&path);
        }
        is_ready = option != NULL && put_in_front("RUBYOPT", sonde_str_from(option), ' ');
    }
    sonde_buf_fini(&path);
    return is_ready;
}

/* Each runtime's way to be there before the application. */
static bool
prepare_runtimes(void)
{
    struct sonde_buf path;
    sonde_buf_init(&path, 0);
    bool is_ready = find_lib(&path) && prepare_python(sonde_buf_view(&path)) &&
                    prepare_ruby(sonde_buf_view(&path));
    sonde_buf_fini(&path);
    return is_ready;
}

static bool
is_http_url(const char *url)
{
    return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

int
sonde_cmd_run(struct sonde_cli *cli, int argc, char **argv)
{
    const char *service = NULL;
    const char *env = NULL;
    const char *version = NULL;
    const struct sonde_option options[] = {
        SONDE_OPTION_SERVER(cli),
        {"service", "NAME", "what the program is called (SONDE_SERVICE)",
         SONDE_OPTION_TEXT, &service},
        {"env", "NAME", "where it runs: prod, staging … (SONDE_ENV)", SONDE_OPTION_TEXT,
         &env},
        {"version", "V", "its version (SONDE_VERSION)", SONDE_OPTION_TEXT, &version},
    };
    const struct sonde_usage usage = {
        .command = "sonde run",
        .synopsis = "-- COMMAND…",
        .about =
            "Starts COMMAND with the agent in it and in the Python and Ruby programs "
            "that it starts.\n"
            "The program runs in this very process: its exit status and signals are "
            "its own.\n",
        SONDE_USAGE_OPTIONS(options),
        .least_operands = 1,
        .stops_at_operand = true,
    };
    struct sonde_operands operands;
    int status = SONDE_EXIT_DONE;
    if (!sonde_options_read(&usage, argc, argv, &operands, &status)) {
        return status;
    }
    if (cli->server != NULL && !is_http_url(cli->server)) {
        return sonde_usage_error(&usage, "--server needs an address such as %s, not '%s'",
                                 SONDE_DEFAULT_SERVER, cli->server);
    }
    if (!set_env("SONDE_SERVER", cli->server) || !set_env("SONDE_SERVICE", service) ||
        !set_env("SONDE_ENV", env) || !set_env("SONDE_VERSION", version) ||
        !prepare_runtimes()) {
        return SONDE_EXIT_REFUSED;
    }
    execvp(operands.rest[0], operands.rest);
    int failure = errno;
    if (failure == ENOENT || failure == ENOTDIR) {
        sonde_console_say("%s: command not found", operands.rest[0]);
        return SONDE_EXIT_NOT_FOUND;
    }
    char reason[128] = "";
    sonde_console_say("%s: %s", operands.rest[0],
                      strerror_r(failure, reason, sizeof(reason)));
    return SONDE_EXIT_NOT_EXECUTABLE;
}
