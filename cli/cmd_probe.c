/* SPDX-License-Identifier: Apache-2.0
 *
 * `sonde probe list`, `show` and `rm`; cmd_probe_add.c has `add`. */
#include "cli/client.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/statuses.h"
#include "cli/table.h"
#include "cli/words.h"
#include "core/base/clock.h"

#define LABEL_WIDTH 11
#define REMOVE_TIMEOUT_NS (30 * SONDE_NS_PER_S)

/* --- list ------------------------------------------------------------------------------- */

/* "58m", "expired", or nothing for never. */
static void
add_expiry(struct sonde_table *table, const struct sonde_json *probe)
{
    char span[SONDE_WORDS_BYTES];
    int64_t expires_ns = sonde_json_get_int(probe, "expires_at_ns", 0);
    int64_t now_ns = sonde_clock_wall_ns();
    const char *text = "";
    if (expires_ns > 0) {
        text =
            expires_ns > now_ns ? sonde_words_span(span, now_ns, expires_ns) : "expired";
    }
    sonde_table_text(table, expires_ns > now_ns ? SONDE_TONE_PLAIN : SONDE_TONE_WARN,
                     sonde_str_from(text));
}

static void
add_status(struct sonde_table *table, const struct sonde_json *probe)
{
    struct sonde_buf text;
    sonde_buf_init(&text, 0);
    enum sonde_tone tone = sonde_statuses_summary(&text, probe);
    sonde_table_text(table, tone, sonde_buf_view(&text));
    sonde_buf_fini(&text);
}

static void
print_table(struct sonde_client *client, struct sonde_buf *out,
            const struct sonde_json *probes)
{
    static const struct sonde_column COLUMNS[] = {
        {"ID", false},     {"LOCATION", false}, {"AT", false},      {"SERVICE", false},
        {"ENV", false},    {"HITS", true},      {"CAPTURED", true}, {"AGE", true},
        {"EXPIRES", true}, {"STATUS", false},
    };
    struct sonde_pen pen;
    struct sonde_table table;
    char span[SONDE_WORDS_BYTES];
    sonde_pen_init(&pen, out);
    sonde_table_init(&table, &client->arena, COLUMNS,
                     sizeof(COLUMNS) / sizeof(COLUMNS[0]));
    for (const struct sonde_json *probe = probes->first; probe != NULL;
         probe = probe->next) {
        int64_t created_ns = sonde_json_get_int(probe, "created_at_ns", 0);
        sonde_table_text(&table, SONDE_TONE_BOLD, sonde_json_get_str(probe, "id"));
        sonde_table_text(&table, SONDE_TONE_PLACE, sonde_json_get_str(probe, "location"));
        sonde_table_text(&table, SONDE_TONE_PLAIN, sonde_json_get_str(probe, "at"));
        sonde_table_text(&table, SONDE_TONE_PLAIN, sonde_json_get_str(probe, "service"));
        sonde_table_text(&table, SONDE_TONE_PLAIN, sonde_json_get_str(probe, "env"));
        sonde_table_int(&table, SONDE_TONE_PLAIN, sonde_statuses_sum(probe, "hits"));
        sonde_table_int(&table, SONDE_TONE_PLAIN, sonde_statuses_sum(probe, "captured"));
        sonde_words_span(span, created_ns, sonde_clock_wall_ns());
        sonde_table_text(&table, SONDE_TONE_PLAIN,
                         sonde_str_from(created_ns > 0 ? span : ""));
        add_expiry(&table, probe);
        add_status(&table, probe);
    }
    sonde_table_print(&table, &pen);
}

static int
cmd_list(struct sonde_cli *cli, int argc, char **argv)
{
    bool is_json = false;
    const struct sonde_option options[] = {
        SONDE_OPTION_JSON(&is_json),
        SONDE_OPTION_SERVER(cli),
    };
    const struct sonde_usage usage = {
        .command = "sonde probe list",
        .synopsis = "",
        .about =
            "Lists the probes, newest first, with what the processes say about them.\n",
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
    if (sonde_client_get(&client, "/api/v1/probes", &answer) == SONDE_OK) {
        const struct sonde_json *probes = sonde_json_get(answer, "probes");
        if (is_json) {
            sonde_client_print_lines(&out, probes);
        } else if (probes == NULL || probes->first == NULL) {
            sonde_console_say("no probes; `sonde probe add LOCATION` sets one");
        } else {
            print_table(&client, &out, probes);
        }
        status = sonde_console_finish(&out);
    }
    sonde_buf_fini(&out);
    sonde_client_fini(&client);
    return status;
}

/* --- show ------------------------------------------------------------------------------- */

static void
put_label(struct sonde_pen *pen, const char *label)
{
    sonde_pen_put(pen, SONDE_TONE_DIM, label);
    sonde_pen_indent(pen, LABEL_WIDTH - strlen(label));
}

/* "label  text"; nothing when there is no text. */
static void
put_row(struct sonde_pen *pen, const char *label, enum sonde_tone tone,
        struct sonde_str text)
{
    if (text.len > 0) {
        put_label(pen, label);
        sonde_pen_text(pen, tone, text);
        sonde_pen_end(pen);
    }
}

/* "depth 3, elements 100, …" or "arguments, locals, …": the members that are set. */
static void
put_members(struct sonde_pen *pen, const char *label, const struct sonde_json *object)
{
    const struct sonde_json *member = object == NULL ? NULL : object->first;
    if (member == NULL) {
        return;
    }
    struct sonde_buf text;
    sonde_buf_init(&text, 0);
    for (; member != NULL; member = member->next) {
        bool is_set = member->type != SONDE_JSON_BOOL || member->boolean;
        if (is_set) {
            sonde_buf_str(&text, text.len > 0 ? SONDE_STR(", ") : SONDE_STR(""));
            sonde_buf_str(&text, member->key);
        }
        if (is_set && member->type != SONDE_JSON_BOOL) {
            sonde_buf_byte(&text, ' ');
            sonde_buf_str(&text, member->type == SONDE_JSON_STRING ? member->string
                                                                   : member->source);
        }
    }
    put_row(pen, label, SONDE_TONE_PLAIN,
            text.len > 0 ? sonde_buf_view(&text) : SONDE_STR("nothing"));
    sonde_buf_fini(&text);
}

static void
put_rate(struct sonde_pen *pen, const struct sonde_json *probe)
{
    const struct sonde_json *rate = sonde_json_get(probe, "rate");
    int64_t hit_limit = sonde_json_get_int(probe, "hit_limit", 0);
    put_label(pen, "rate");
    if (rate != NULL && rate->type == SONDE_JSON_NUMBER) {
        sonde_pen_printf(pen, SONDE_TONE_PLAIN, "at most %g a second per process",
                         rate->number);
    }
    if (hit_limit > 0) {
        sonde_pen_printf(pen, SONDE_TONE_PLAIN, ", ends after %lld per process",
                         (long long)hit_limit);
    }
    sonde_pen_end(pen);
}

static void
put_times(struct sonde_pen *pen, const struct sonde_json *probe)
{
    char words[SONDE_WORDS_BYTES];
    int64_t now_ns = sonde_clock_wall_ns();
    int64_t created_ns = sonde_json_get_int(probe, "created_at_ns", 0);
    int64_t expires_ns = sonde_json_get_int(probe, "expires_at_ns", 0);
    if (created_ns > 0) {
        put_label(pen, "created");
        sonde_pen_printf(pen, SONDE_TONE_PLAIN, "%s ago",
                         sonde_words_span(words, created_ns, now_ns));
        sonde_pen_printf(pen, SONDE_TONE_DIM, ", revision %lld",
                         (long long)sonde_json_get_int(probe, "revision", 1));
        sonde_pen_end(pen);
    }
    if (expires_ns > 0) {
        put_label(pen, "expires");
        if (expires_ns > now_ns) {
            sonde_pen_printf(pen, SONDE_TONE_PLAIN, "in %s",
                             sonde_words_span(words, now_ns, expires_ns));
        } else {
            sonde_pen_put(pen, SONDE_TONE_WARN, "expired");
        }
        sonde_pen_end(pen);
    }
}

/* "checkout 4711 web-1" where the process is known, else its instance id. */
static void
put_process(struct sonde_pen *pen, const struct sonde_json *processes,
            struct sonde_str instance_id)
{
    const struct sonde_json *process = processes == NULL ? NULL : processes->first;
    while (process != NULL &&
           !sonde_str_eq(sonde_json_get_str(process, "instance_id"), instance_id)) {
        process = process->next;
    }
    if (process == NULL) {
        sonde_pen_put(pen, SONDE_TONE_DIM, "process ");
        sonde_pen_text(pen, SONDE_TONE_BOLD, instance_id);
        return;
    }
    sonde_pen_text(pen, SONDE_TONE_BOLD, sonde_json_get_str(process, "service"));
    sonde_pen_printf(pen, SONDE_TONE_PLAIN, " %lld ",
                     (long long)sonde_json_get_int(process, "pid", 0));
    sonde_pen_text(pen, SONDE_TONE_DIM, sonde_json_get_str(process, "host"));
}

static void
put_instance(struct sonde_pen *pen, const struct sonde_json *processes,
             const struct sonde_json *instance, int64_t newest)
{
    struct sonde_buf text;
    sonde_buf_init(&text, 0);
    struct sonde_str status = sonde_json_get_str(instance, "status");
    int64_t revision = sonde_json_get_int(instance, "revision", newest);
    int64_t places = sonde_json_get_int(instance, "places", 0);
    put_process(pen, processes, sonde_json_get_str(instance, "instance_id"));
    sonde_pen_put(pen, SONDE_TONE_PLAIN, "  ");
    sonde_pen_text(pen, sonde_statuses_tone(status), status);
    if (places > 1) {
        sonde_pen_printf(pen, SONDE_TONE_PLAIN, " in %lld places", (long long)places);
    }
    if (revision < newest) {
        sonde_pen_printf(pen, SONDE_TONE_WARN, " (still revision %lld)",
                         (long long)revision);
    }
    sonde_pen_printf(pen, SONDE_TONE_PLAIN, "  hits %lld, captured %lld",
                     (long long)sonde_json_get_int(instance, "hits", 0),
                     (long long)sonde_json_get_int(instance, "captured", 0));
    sonde_words_counts(&text, sonde_json_get(instance, "dropped"));
    if (text.len > 0) {
        sonde_pen_put(pen, SONDE_TONE_WARN, ", dropped: ");
        sonde_pen_text(pen, SONDE_TONE_WARN, sonde_buf_view(&text));
    }
    sonde_pen_end(pen);
    sonde_buf_reset(&text);
    sonde_statuses_reason(&text, instance);
    if (text.len > 0) {
        sonde_pen_indent(pen, 2);
        sonde_pen_text(pen, sonde_statuses_tone(status), sonde_buf_view(&text));
        sonde_pen_end(pen);
    }
    sonde_buf_fini(&text);
}

static void
print_probe(struct sonde_buf *out, const struct sonde_json *probe,
            const struct sonde_json *processes)
{
    struct sonde_pen pen;
    const struct sonde_json *instances = sonde_json_get(probe, "instances");
    const struct sonde_json *instance = instances == NULL ? NULL : instances->first;
    sonde_pen_init(&pen, out);
    put_row(&pen, "probe", SONDE_TONE_BOLD, sonde_json_get_str(probe, "id"));
    put_label(&pen, "location");
    sonde_pen_text(&pen, SONDE_TONE_PLACE, sonde_json_get_str(probe, "location"));
    sonde_pen_put(&pen, SONDE_TONE_DIM, " at ");
    sonde_pen_text(&pen, SONDE_TONE_PLAIN, sonde_json_get_str(probe, "at"));
    sonde_pen_end(&pen);
    put_row(&pen, "service", SONDE_TONE_PLAIN, sonde_json_get_str(probe, "service"));
    put_row(&pen, "env", SONDE_TONE_PLAIN, sonde_json_get_str(probe, "env"));
    put_rate(&pen, probe);
    put_members(&pen, "captures", sonde_json_get(probe, "capture"));
    put_members(&pen, "limits", sonde_json_get(probe, "limits"));
    put_row(&pen, "clamped", SONDE_TONE_WARN, sonde_json_get_str(probe, "clamped"));
    put_members(&pen, "tags", sonde_json_get(probe, "tags"));
    put_times(&pen, probe);
    sonde_pen_end(&pen);
    if (instance == NULL) {
        sonde_pen_put(&pen, SONDE_TONE_WARN, "no process has reported on it");
        sonde_pen_end(&pen);
    }
    for (; instance != NULL; instance = instance->next) {
        put_instance(&pen, processes, instance, sonde_json_get_int(probe, "revision", 0));
    }
}

/* The one probe that `show` and `rm` are about: option reading up to the path of its call.
 * True: go on, with *client open. */
static bool
probe_begin(const struct sonde_usage *usage, struct sonde_cli *cli, int argc, char **argv,
            struct sonde_client *client, struct sonde_buf *path, int *status)
{
    struct sonde_operands operands;
    if (!sonde_options_read(usage, argc, argv, &operands, status)) {
        return false;
    }
    if (!sonde_client_is_probe_id(operands.text[0])) {
        *status = sonde_usage_error(usage, "'%s' is no probe's id", operands.text[0]);
        return false;
    }
    *status = sonde_client_init(client, cli);
    if (*status != SONDE_EXIT_DONE) {
        return false;
    }
    sonde_buf_printf(path, "/api/v1/probes/%s", operands.text[0]);
    if (sonde_buf_cstr(path) == NULL) {
        sonde_console_say("out of memory");
        sonde_buf_fini(path);
        sonde_client_fini(client);
        *status = SONDE_EXIT_REFUSED;
        return false;
    }
    return true;
}

static int
cmd_show(struct sonde_cli *cli, int argc, char **argv)
{
    bool is_json = false;
    const struct sonde_option options[] = {
        SONDE_OPTION_JSON(&is_json),
        SONDE_OPTION_SERVER(cli),
    };
    const struct sonde_usage usage = {
        .command = "sonde probe show",
        .synopsis = "ID",
        .about =
            "Shows a probe and its state in every process that has reported on it.\n",
        SONDE_USAGE_OPTIONS(options),
        .least_operands = 1,
        .most_operands = 1,
    };
    struct sonde_client client;
    struct sonde_buf path;
    struct sonde_buf out;
    int status = SONDE_EXIT_DONE;
    sonde_buf_init(&path, 0);
    sonde_buf_init(&out, 0);
    if (!probe_begin(&usage, cli, argc, argv, &client, &path, &status)) {
        return status;
    }
    const struct sonde_json *probe = NULL;
    const struct sonde_json *answer = NULL;
    status = SONDE_EXIT_REFUSED;
    if (sonde_client_get(&client, path.data, &probe) != SONDE_OK) {
        goto out;
    }
    if (is_json) {
        sonde_json_line(&out, probe->source);
        sonde_buf_byte(&out, '\n');
    } else if (sonde_client_get(&client, "/api/v1/processes", &answer) == SONDE_OK) {
        print_probe(&out, probe, sonde_json_get(answer, "processes"));
    } else {
        goto out;
    }
    status = sonde_console_finish(&out);
out:
    sonde_buf_fini(&path);
    sonde_buf_fini(&out);
    sonde_client_fini(&client);
    return status;
}

/* --- rm --------------------------------------------------------------------------------- */

static int
cmd_rm(struct sonde_cli *cli, int argc, char **argv)
{
    bool is_json = false;
    const struct sonde_option options[] = {
        SONDE_OPTION_JSON(&is_json),
        SONDE_OPTION_SERVER(cli),
    };
    const struct sonde_usage usage = {
        .command = "sonde probe rm",
        .synopsis = "ID",
        .about = "Removes a probe everywhere. The snapshots that it took stay.\n",
        SONDE_USAGE_OPTIONS(options),
        .least_operands = 1,
        .most_operands = 1,
    };
    struct sonde_client client;
    struct sonde_buf path;
    struct sonde_buf out;
    int status = SONDE_EXIT_DONE;
    sonde_buf_init(&path, 0);
    sonde_buf_init(&out, 0);
    if (!probe_begin(&usage, cli, argc, argv, &client, &path, &status)) {
        return status;
    }
    const struct sonde_json *probe = NULL;
    status = SONDE_EXIT_REFUSED;
    if (sonde_client_call(&client, "DELETE", path.data, (struct sonde_str){0},
                          REMOVE_TIMEOUT_NS, &probe) == SONDE_OK) {
        if (is_json) {
            sonde_json_line(&out, probe->source);
            sonde_buf_byte(&out, '\n');
        } else {
            struct sonde_pen pen;
            sonde_pen_init(&pen, &out);
            sonde_pen_put(&pen, SONDE_TONE_PLAIN, "removed ");
            sonde_pen_text(&pen, SONDE_TONE_BOLD, sonde_json_get_str(probe, "id"));
            sonde_pen_put(&pen, SONDE_TONE_PLAIN, " ");
            sonde_pen_text(&pen, SONDE_TONE_PLACE, sonde_json_get_str(probe, "location"));
            sonde_pen_end(&pen);
        }
        status = sonde_console_finish(&out);
    }
    sonde_buf_fini(&path);
    sonde_buf_fini(&out);
    sonde_client_fini(&client);
    return status;
}

/* ---------------------------------------------------------------------------------------- */

int
sonde_cmd_probe(struct sonde_cli *cli, int argc, char **argv)
{
    static const struct sonde_command COMMANDS[] = {
        {"add", "set a probe", sonde_cmd_probe_add},
        {"list", "list the probes", cmd_list},
        {"show", "show a probe and its state in every process", cmd_show},
        {"rm", "remove a probe", cmd_rm},
    };
    return sonde_cli_dispatch(
        cli, "sonde probe",
        "Probes: places in running programs where values are taken.\n", COMMANDS,
        sizeof(COMMANDS) / sizeof(COMMANDS[0]), argc, argv);
}
