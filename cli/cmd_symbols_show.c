/* SPDX-License-Identifier: Apache-2.0
 *
 * `sonde symbols show`: a file's scopes, with the lines that can take a probe. */
#include "cli/client.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/pen.h"

#include <stdio.h>

#define HASH_LEN 40
#define FILES_LIMIT "50"
#define SHOWN_FILES 5 /* of those that a name may mean */

static void
put_range(struct sonde_pen *pen, enum sonde_tone tone, int64_t start, int64_t end)
{
    if (end > start) {
        sonde_pen_printf(pen, tone, "%lld-%lld", (long long)start, (long long)end);
    } else {
        sonde_pen_printf(pen, tone, "%lld", (long long)start);
    }
}

static void
put_lines(struct sonde_pen *pen, const struct sonde_json *scope)
{
    const struct sonde_json *list = sonde_json_get(scope, "injectible_lines");
    const struct sonde_json *range = list == NULL ? NULL : list->first;
    const char *before = "  probes on ";
    for (; range != NULL; range = range->next) {
        sonde_pen_put(pen, SONDE_TONE_DIM, before);
        put_range(pen, SONDE_TONE_GOOD, sonde_json_get_int(range, "start", 0),
                  sonde_json_get_int(range, "end", 0));
        before = ", ";
    }
}

/* "ARG" is "parameter" to a person. */
static const char *
symbol_word(struct sonde_str type)
{
    static const struct {
        const char *type, *word;
    } WORDS[] = {
        {"ARG", "parameter"},
        {"LOCAL", "local"},
        {"FIELD", "field"},
        {"STATIC_FIELD", "constant"},
        {"CLASS_FIELD", "class field"},
    };
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (sonde_str_eq(type, sonde_str_from(WORDS[i].type))) {
            return WORDS[i].word;
        }
    }
    return "symbol";
}

/* Names of one kind on one line. */
static void
put_symbols(struct sonde_pen *pen, const struct sonde_json *scope, size_t indent)
{
    const struct sonde_json *list = sonde_json_get(scope, "symbols");
    const struct sonde_json *at = list == NULL ? NULL : list->first;
    struct sonde_str last = {NULL, 0};
    bool is_open = false;
    for (; at != NULL; at = at->next) {
        struct sonde_str type = sonde_json_get_str(at, "symbol_type");
        struct sonde_str annotation = sonde_json_get_str(at, "type");
        bool is_same = is_open && sonde_str_eq(type, last);
        if (is_same) {
            sonde_pen_put(pen, SONDE_TONE_DIM, ", ");
        } else {
            if (is_open) {
                sonde_pen_end(pen);
            }
            sonde_pen_indent(pen, indent);
            sonde_pen_printf(pen, SONDE_TONE_DIM, "%s ", symbol_word(type));
        }
        sonde_pen_text(pen, SONDE_TONE_PLAIN, sonde_json_get_str(at, "name"));
        if (annotation.len > 0) {
            sonde_pen_put(pen, SONDE_TONE_DIM, ": ");
            sonde_pen_text(pen, SONDE_TONE_DIM, annotation);
        }
        last = type;
        is_open = true;
    }
    if (is_open) {
        sonde_pen_end(pen);
    }
}

static void
put_kind(struct sonde_pen *pen, struct sonde_str kind)
{
    for (size_t i = 0; i < kind.len; i++) {
        char c = kind.ptr[i];
        char word[2] = {c >= 'A' && c <= 'Z' ? (char)(c + 32) : '?', '\0'};
        sonde_pen_put(pen, SONDE_TONE_DIM, word);
    }
}

/* A scope and those in it. */
static void
put_scope(struct sonde_pen *pen, const struct sonde_json *scope, size_t indent)
{
    int64_t start = sonde_json_get_int(scope, "start_line", 0);
    struct sonde_str kind = sonde_json_get_str(scope, "scope_type");
    sonde_pen_indent(pen, indent);
    put_kind(pen, kind);
    if (!sonde_str_eq(kind, SONDE_STR("FILE"))) { /* whose name stands above it */
        sonde_pen_put(pen, SONDE_TONE_DIM, " ");
        sonde_pen_text(pen, SONDE_TONE_BOLD, sonde_json_get_str(scope, "name"));
    }
    if (start > 0) {
        sonde_pen_put(pen, SONDE_TONE_PLAIN, "  ");
        put_range(pen, SONDE_TONE_PLACE, start, sonde_json_get_int(scope, "end_line", 0));
    }
    put_lines(pen, scope);
    sonde_pen_end(pen);
    put_symbols(pen, scope, indent + 2);
    const struct sonde_json *list = sonde_json_get(scope, "scopes");
    const struct sonde_json *inner = list == NULL ? NULL : list->first;
    for (; inner != NULL; inner = inner->next) {
        put_scope(pen, inner, indent + 2);
    }
}

static void
put_unit(struct sonde_pen *pen, const struct sonde_json *unit)
{
    int64_t parts = sonde_json_get_int(unit, "parts", 1);
    sonde_pen_text(pen, SONDE_TONE_BOLD, sonde_json_get_str(unit, "file"));
    sonde_pen_put(pen, SONDE_TONE_DIM, "  ");
    sonde_pen_text(pen, SONDE_TONE_DIM, sonde_json_get_str(unit, "origin"));
    if (parts > 1) {
        sonde_pen_printf(pen, SONDE_TONE_DIM, "  part %lld of %lld",
                         (long long)sonde_json_get_int(unit, "part", 0) + 1,
                         (long long)parts);
    }
    sonde_pen_end(pen);
    put_scope(pen, sonde_json_get(unit, "scope"), 2);
}

static int
print_unit(struct sonde_client *client, struct sonde_pen *pen, struct sonde_str hash,
           bool is_json)
{
    const struct sonde_json *unit = NULL;
    char path[64 + HASH_LEN];
    if (hash.len != HASH_LEN) {
        sonde_console_say("%s does not answer as a collector does", client->server);
        return SONDE_E_SYNTAX;
    }
    int len =
        snprintf(path, sizeof(path), "/api/v1/symbols/units/%.*s", HASH_LEN, hash.ptr);
    int rc = len < 0 ? SONDE_E_BUG : sonde_client_get(client, path, &unit);
    if (rc == SONDE_OK && is_json) {
        sonde_json_line(pen->out, unit->source);
        sonde_buf_byte(pen->out, '\n');
    } else if (rc == SONDE_OK) {
        put_unit(pen, unit);
    }
    return rc;
}

/* The file of that name, or the only one whose path ends with it; NULL after saying why. */
static const struct sonde_json *
choose_file(const struct sonde_json *files, const char *name)
{
    const struct sonde_json *found = NULL;
    struct sonde_str wanted = sonde_str_from(name);
    size_t count = 0;
    const struct sonde_json *at = files == NULL ? NULL : files->first;
    for (; at != NULL; at = at->next) {
        struct sonde_str path = sonde_json_get_str(at, "file");
        if (sonde_str_eq(path, wanted)) {
            return at;
        }
        bool ends = sonde_str_ends_with(path, wanted) &&
                    path.ptr[path.len - wanted.len - 1] == '/';
        found = ends ? at : found;
        count += ends;
    }
    if (count == 1) {
        return found;
    }
    if (count == 0) {
        sonde_console_say("no process has loaded a file '%s', as far as is known", name);
        return NULL;
    }
    sonde_console_say("'%s' may be %zu files:", name, count);
    size_t shown = 0;
    for (at = files->first; at != NULL && shown < SHOWN_FILES; at = at->next) {
        struct sonde_str path = sonde_json_get_str(at, "file");
        if (sonde_str_ends_with(path, wanted)) {
            sonde_console_say("  %.*s", (int)path.len, path.ptr);
            shown++;
        }
    }
    return NULL;
}

static int
print_file(struct sonde_client *client, struct sonde_pen *pen, const char *name,
           const char *service, bool is_json)
{
    struct sonde_buf path;
    const struct sonde_json *answer = NULL;
    sonde_buf_init(&path, 0);
    sonde_buf_str(&path, SONDE_STR("/api/v1/symbols/files"));
    sonde_client_query(&path, "q", name);
    sonde_client_query(&path, "service", service);
    sonde_client_query(&path, "limit", FILES_LIMIT);
    const char *url = sonde_buf_cstr(&path);
    int rc = url == NULL ? SONDE_E_NOMEM : sonde_client_get(client, url, &answer);
    sonde_buf_fini(&path);
    const struct sonde_json *file =
        rc == SONDE_OK ? choose_file(sonde_json_get(answer, "files"), name) : NULL;
    if (file == NULL) {
        return rc == SONDE_OK ? SONDE_E_NOTFOUND : rc;
    }
    const struct sonde_json *units = sonde_json_get(file, "units");
    const struct sonde_json *unit = units == NULL ? NULL : units->first;
    for (; unit != NULL && rc == SONDE_OK; unit = unit->next) {
        rc = print_unit(client, pen, unit->string, is_json);
    }
    return rc;
}

static bool
is_hash(const char *text)
{
    return strlen(text) == HASH_LEN && strspn(text, "0123456789abcdef") == HASH_LEN;
}

int
sonde_cmd_symbols_show(struct sonde_cli *cli, int argc, char **argv)
{
    bool is_json = false;
    const char *service = NULL;
    const struct sonde_option options[] = {
        {"service", "S", "as this service has it", SONDE_OPTION_TEXT, &service},
        SONDE_OPTION_JSON(&is_json),
        SONDE_OPTION_SERVER(cli),
    };
    const struct sonde_usage usage = {
        .command = "sonde symbols show",
        .synopsis = "FILE|HASH",
        .about =
            "Shows what is in a file, with the lines that can take a probe. FILE is a "
            "path or\nthe end of one, HASH names one version (as in search --json).\n",
        SONDE_USAGE_OPTIONS(options),
        .least_operands = 1,
        .most_operands = 1,
    };
    struct sonde_operands operands;
    struct sonde_client client;
    struct sonde_buf out;
    struct sonde_pen pen;
    int status = SONDE_EXIT_DONE;
    if (!sonde_options_read(&usage, argc, argv, &operands, &status)) {
        return status;
    }
    status = sonde_client_init(&client, cli);
    if (status != SONDE_EXIT_DONE) {
        return status;
    }
    sonde_buf_init(&out, 0);
    sonde_pen_init(&pen, &out);
    const char *what = operands.text[0];
    int rc = is_hash(what) ? print_unit(&client, &pen, sonde_str_from(what), is_json)
                           : print_file(&client, &pen, what, service, is_json);
    status = rc == SONDE_OK ? sonde_console_finish(&out) : SONDE_EXIT_REFUSED;
    sonde_buf_fini(&out);
    sonde_client_fini(&client);
    return status;
}
