/* SPDX-License-Identifier: Apache-2.0
 *
 * `sonde ps`: the processes with an agent. */
#include "cli/client.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/words.h"
#include "core/base/clock.h"

static void
add_runtime(struct sonde_table *table, const struct sonde_json *process)
{
    struct sonde_buf text;
    sonde_buf_init(&text, 0);
    sonde_buf_str(&text, sonde_json_get_str(process, "language"));
    sonde_buf_byte(&text, ' ');
    sonde_buf_str(&text, sonde_json_get_str(process, "runtime_version"));
    sonde_table_text(table, SONDE_TONE_PLAIN, sonde_buf_view(&text));
    sonde_buf_fini(&text);
}

static void
add_state(struct sonde_table *table, const struct sonde_json *process)
{
    const struct sonde_json *connected = sonde_json_get(process, "connected");
    if (connected != NULL && connected->boolean) {
        sonde_table_text(table, SONDE_TONE_GOOD, SONDE_STR("connected"));
        return;
    }
    char span[SONDE_WORDS_BYTES];
    struct sonde_buf text;
    sonde_buf_init(&text, 0);
    int64_t seen_ns = sonde_json_get_int(process, "seen_at_ns", 0);
    sonde_buf_str(&text, SONDE_STR("gone"));
    if (seen_ns > 0) {
        sonde_words_span(span, seen_ns, sonde_clock_wall_ns());
        sonde_buf_printf(&text, " %s", span);
    }
    sonde_table_text(table, SONDE_TONE_DIM, sonde_buf_view(&text));
    sonde_buf_fini(&text);
}

static void
add_disarmed(struct sonde_table *table, const struct sonde_json *process)
{
    struct sonde_buf text;
    sonde_buf_init(&text, 0);
    const struct sonde_json *list = sonde_json_get(process, "disarmed");
    const struct sonde_json *part = list == NULL ? NULL : list->first;
    for (; part != NULL; part = part->next) {
        struct sonde_str message = sonde_json_get_str(part, "message");
        sonde_buf_str(&text, text.len > 0 ? SONDE_STR("; ") : SONDE_STR(""));
        sonde_buf_str(&text, sonde_json_get_str(part, "part"));
        if (message.len > 0) {
            sonde_buf_str(&text, SONDE_STR(": "));
            sonde_buf_str(&text, message);
        }
    }
    sonde_table_text(table, SONDE_TONE_BAD, sonde_buf_view(&text));
    sonde_buf_fini(&text);
}

static void
print_table(struct sonde_client *client, struct sonde_buf *out,
            const struct sonde_json *processes)
{
    static const struct sonde_column COLUMNS[] = {
        {"SERVICE", false}, {"ENV", false},     {"VERSION", false},  {"PID", true},
        {"RUNTIME", false}, {"HOST", false},    {"STATE", false},    {"PROBES", true},
        {"DROPPED", true},  {"SYMBOLS", false}, {"DISARMED", false},
    };
    struct sonde_pen pen;
    struct sonde_table table;
    sonde_pen_init(&pen, out);
    sonde_table_init(&table, &client->arena, COLUMNS,
                     sizeof(COLUMNS) / sizeof(COLUMNS[0]));
    for (const struct sonde_json *process = processes->first; process != NULL;
         process = process->next) {
        int64_t dropped = sonde_words_total(sonde_json_get(process, "dropped"));
        sonde_table_text(&table, SONDE_TONE_BOLD, sonde_json_get_str(process, "service"));
        sonde_table_text(&table, SONDE_TONE_PLAIN, sonde_json_get_str(process, "env"));
        sonde_table_text(&table, SONDE_TONE_PLAIN,
                         sonde_json_get_str(process, "version"));
        sonde_table_int(&table, SONDE_TONE_PLAIN, sonde_json_get_int(process, "pid", 0));
        add_runtime(&table, process);
        sonde_table_text(&table, SONDE_TONE_PLAIN, sonde_json_get_str(process, "host"));
        add_state(&table, process);
        sonde_table_int(&table, SONDE_TONE_PLAIN,
                        sonde_json_get_int(process, "probes", 0));
        sonde_table_int(&table, dropped > 0 ? SONDE_TONE_WARN : SONDE_TONE_PLAIN,
                        dropped);
        sonde_table_text(&table, SONDE_TONE_PLAIN,
                         sonde_json_get_str(sonde_json_get(process, "symbols"), "state"));
        add_disarmed(&table, process);
    }
    sonde_table_print(&table, &pen);
}

int
sonde_cmd_ps(struct sonde_cli *cli, int argc, char **argv)
{
    bool is_json = false;
    const struct sonde_option options[] = {
        SONDE_OPTION_JSON(&is_json),
        SONDE_OPTION_SERVER(cli),
    };
    const struct sonde_usage usage = {
        .command = "sonde ps",
        .synopsis = "",
        .about = "Lists the processes with an agent: those that are connected, and for "
                 "an hour\n"
                 "those that are gone.\n",
        SONDE_USAGE_OPTIONS(options),
    };
    struct sonde_operands operands;
    struct sonde_client client;
    int status = SONDE_EXIT_DONE;
    if (!sonde_options_read(&usage, argc, argv, &operands, &status)) {
        return status;
    }
    status = sonde_client_init(&client, cli);
    if (status != SONDE_EXIT_DONE) {
        return status;
    }
    struct sonde_buf out;
    sonde_buf_init(&out, 0);
    const struct sonde_json *answer = NULL;
    status = SONDE_EXIT_REFUSED;
    if (sonde_client_get(&client, "/api/v1/processes", &answer) != SONDE_OK) {
        goto out;
    }
    const struct sonde_json *processes = sonde_json_get(answer, "processes");
    if (is_json) {
        sonde_client_print_lines(&out, processes);
    } else if (processes == NULL || processes->first == NULL) {
        sonde_console_say("no process has an agent; `sonde run -- COMMAND` starts one");
    } else {
        print_table(&client, &out, processes);
    }
    status = sonde_console_finish(&out);
out:
    sonde_buf_fini(&out);
    sonde_client_fini(&client);
    return status;
}
