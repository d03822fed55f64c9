/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include "cli/console.h"
#include "core/base/clock.h"
#include "core/base/buf.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>

#define OPTIONS_MAX 30
#define OPTION_VALUE_BASE 256 /* getopt's value of the first long option */
#define DURATION_MAX_S (36500.0 * 86400.0)
#define HELP_COLUMN 24

int
sonde_usage_error(const struct sonde_usage *usage, const char *format, ...)
{
    struct sonde_buf text;
    sonde_buf_init(&text, 0);
    va_list args;
    va_start(args, format);
    sonde_console_format(&text, format, args);
    va_end(args);
    const char *message = sonde_buf_cstr(&text);
    sonde_console_say("%s (see %s --help)", message == NULL ? "bad usage" : message,
                      usage->command);
    sonde_buf_fini(&text);
    return SONDE_EXIT_USAGE;
}

static bool
is_number(const char *text, const char *allowed)
{
    return text[0] >= '0' && text[0] <= '9' && text[strspn(text, allowed)] == '\0';
}

static bool
count_read(int64_t *out, const char *text)
{
    if (!is_number(text, "0123456789")) {
        return false;
    }
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno != 0) {
        return false;
    }
    *out = value;
    return true;
}

/* Digits with at most one point; "1e9" and "inf" are no numbers that a person means. */
static bool
decimal_read(double *out, const char *text)
{
    if (!is_number(text, "0123456789.")) {
        return false;
    }
    char *end = NULL;
    double value = strtod(text, &end);
    if (*end != '\0' || value > 1e15) {
        return false;
    }
    *out = value;
    return true;
}

bool
sonde_duration_read(int64_t *out_ns, const char *text)
{
    char digits[32];
    size_t len = strlen(text);
    if (len == 0 || len >= sizeof(digits)) {
        return false;
    }
    double unit_s = 1;
    switch (text[len - 1]) {
    case 's':
        break;
    case 'm':
        unit_s = 60;
        break;
    case 'h':
        unit_s = 3600;
        break;
    case 'd':
        unit_s = 86400;
        break;
    default:
        len++; /* no unit: every character is the number's */
    }
    memcpy(digits, text, len - 1);
    digits[len - 1] = '\0';
    double value = 0;
    if (!decimal_read(&value, digits) || value * unit_s > DURATION_MAX_S) {
        return false;
    }
    *out_ns = (int64_t)(value * unit_s * (double)SONDE_NS_PER_S);
    return true;
}

/* Stores one option's value; true when it could be read. */
static bool
option_store(const struct sonde_usage *usage, const struct sonde_option *option,
             const char *text)
{
    const char *wanted = "";
    bool is_read = false;
    switch (option->kind) {
    case SONDE_OPTION_FLAG:
        *(bool *)option->into = true;
        return true;
    case SONDE_OPTION_TEXT:
        *(const char **)option->into = text;
        is_read = text[0] != '\0';
        wanted = "a value that is not empty";
        break;
    case SONDE_OPTION_COUNT:
        is_read = count_read(option->into, text);
        wanted = "a whole number";
        break;
    case SONDE_OPTION_DECIMAL:
        is_read = decimal_read(option->into, text);
        wanted = "a number";
        break;
    case SONDE_OPTION_DURATION:
        is_read = sonde_duration_read(option->into, text) && *(int64_t *)option->into > 0;
        wanted = "a time such as 90s, 10m, 1h or 2d";
        break;
    case SONDE_OPTION_LIST: {
        struct sonde_option_list *list = option->into;
        is_read = list->count < SONDE_OPTION_LIST_MAX;
        wanted = "fewer repetitions: 32 at most";
        if (is_read) {
            list->text[list->count++] = text;
        }
        break;
    }
    }
    if (!is_read) {
        sonde_usage_error(usage, "--%s needs %s, not '%s'", option->name, wanted, text);
    }
    return is_read;
}

static void
help_option(struct sonde_buf *out, const char *name, const char *metavar,
            const char *help)
{
    size_t start = out->len;
    sonde_buf_printf(out, "  --%s%s%s", name, metavar == NULL ? "" : " ",
                     metavar == NULL ? "" : metavar);
    size_t used = out->len - start;
    sonde_buf_printf(out, "%*s%s\n", (int)(used < HELP_COLUMN ? HELP_COLUMN - used : 2),
                     "", help);
}

static int
help_print(const struct sonde_usage *usage)
{
    struct sonde_buf out;
    sonde_buf_init(&out, 0);
    sonde_buf_printf(&out, "Usage: %s", usage->command);
    if (usage->stops_at_operand) {
        sonde_buf_printf(&out, " [OPTIONS] %s\n", usage->synopsis);
    } else {
        sonde_buf_printf(&out, "%s%s [OPTIONS]\n", usage->synopsis[0] == '\0' ? "" : " ",
                         usage->synopsis);
    }
    sonde_buf_printf(&out, "\n%s\nOptions:\n", usage->about);
    for (size_t i = 0; i < usage->option_count; i++) {
        const struct sonde_option *option = &usage->options[i];
        help_option(&out, option->name, option->metavar, option->help);
    }
    help_option(&out, "help", NULL, "show this");
    int status = sonde_console_finish(&out);
    sonde_buf_fini(&out);
    return status;
}

/* What getopt_long did not understand, in words. */
static int
unknown_option(const struct sonde_usage *usage, int answer, const char *word)
{
    int index = optopt - OPTION_VALUE_BASE;
    const char *name = "help";
    if (index >= 0 && (size_t)index < usage->option_count) {
        name = usage->options[index].name;
    }
    if (answer == ':') {
        return sonde_usage_error(usage, "--%s needs a value", name);
    }
    if (optopt >= OPTION_VALUE_BASE) {
        return sonde_usage_error(usage, "--%s takes no value", name);
    }
    if (optopt != 0) {
        return sonde_usage_error(usage, "unknown option -%c", optopt);
    }
    return sonde_usage_error(usage, "unknown option %s", word);
}

static int
operands_check(const struct sonde_usage *usage, size_t count, const char *surplus)
{
    if (count < usage->least_operands) {
        return sonde_usage_error(usage, "%s needs %s", usage->command, usage->synopsis);
    }
    if (count > usage->most_operands && !usage->stops_at_operand) {
        return sonde_usage_error(usage, "unexpected argument '%s'", surplus);
    }
    return SONDE_EXIT_DONE;
}

/* Gathers what stands outside of options. `surplus` is the first operand too many. */
static void
operand_add(const struct sonde_usage *usage, struct sonde_operands *operands,
            const char *text, const char **surplus)
{
    if (operands->count < usage->most_operands && operands->count < SONDE_OPERANDS_MAX) {
        operands->text[operands->count] = text;
    } else if (*surplus == NULL) {
        *surplus = text;
    }
    operands->count++;
}

bool
sonde_options_read(const struct sonde_usage *usage, int argc, char **argv,
                   struct sonde_operands *operands, int *status)
{
    struct option table[OPTIONS_MAX + 2] = {0};
    size_t count = usage->option_count < OPTIONS_MAX ? usage->option_count : OPTIONS_MAX;
    int help_value = OPTION_VALUE_BASE + (int)count;
    for (size_t i = 0; i < count; i++) {
        table[i] =
            (struct option){usage->options[i].name, usage->options[i].metavar != NULL,
                            NULL, OPTION_VALUE_BASE + (int)i};
    }
    table[count] = (struct option){"help", no_argument, NULL, help_value};
    *operands = (struct sonde_operands){0};
    const char *surplus = NULL;
    /* "-" hands operands over in their place whatever POSIXLY_CORRECT says; optind 0 starts
     * a new scan in every libc. */
    const char *shorts = usage->stops_at_operand ? "+:h" : "-:h";
    opterr = 0;
    optind = 0;
    for (;;) {
        int word = optind == 0 ? 1 : optind;
        int answer = getopt_long(argc, argv, shorts, table, NULL);
        if (answer == -1) {
            break;
        }
        if (answer == 1) {
            operand_add(usage, operands, optarg, &surplus);
        } else if (answer == 'h' || answer == help_value) {
            *status = help_print(usage);
            return false;
        } else if (answer == '?' || answer == ':') {
            *status = unknown_option(usage, answer, word < argc ? argv[word] : "");
            return false;
        } else if (!option_store(usage, &usage->options[answer - OPTION_VALUE_BASE],
                                 optarg)) {
            *status = SONDE_EXIT_USAGE;
            return false;
        }
    }
    operands->rest = argv + optind;
    for (int i = optind; i < argc; i++) {
        operand_add(usage, operands, argv[i], &surplus);
    }
    *status = operands_check(usage, operands->count, surplus);
    return *status == SONDE_EXIT_DONE;
}
