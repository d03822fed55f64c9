/* SPDX-License-Identifier: Apache-2.0
 *
 * The collector's side of symbols. Reads what the agent writes, member by member in the agent's order, with
 * malloc alone: the agent's heap may be out of memory on purpose. */
#include "tests/unit/agent_kit.h"

#include "core/base/sha1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
kit_symbols_wish(struct kit_collector *collector, const char *upload, int round,
                 const char *store)
{
    struct kit_symbols *symbols = &collector->symbols;
    kit_with(collector, {
        symbols->is_there = true;
        symbols->status = symbols->status == 0 ? 200 : symbols->status;
        snprintf(symbols->upload, sizeof(symbols->upload), "%s", upload);
        snprintf(symbols->store, sizeof(symbols->store), "%s", store);
        symbols->round = round;
        collector->generation++;
    });
}

void
kit_symbols_free(struct kit_symbols *symbols)
{
    for (size_t i = 0; i < symbols->unit_count; i++) {
        free(symbols->units[i].scope);
    }
    free(symbols->units);
    symbols->units = NULL;
    symbols->unit_count = symbols->unit_cap = symbols->source_count = 0;
}

void
kit_symbols_forget(struct kit_collector *collector)
{
    kit_with(collector, kit_symbols_free(&collector->symbols));
}

bool
kit_symbols_find(struct kit_collector *collector, const char *file, const char *text,
                 struct kit_unit *out)
{
    bool is_found = false;
    kit_with(collector, {
        for (size_t i = 0; i < collector->symbols.unit_count && !is_found; i++) {
            const struct kit_unit *unit = &collector->symbols.units[i];
            if (strcmp(unit->file, file) == 0 && unit->scope != NULL &&
                (text == NULL || strstr(unit->scope, text) != NULL)) {
                is_found = true;
                *out = *unit;
                out->scope = NULL;
            }
        }
    });
    return is_found;
}

/* Behind the value that begins at `at`. */
static const char *
skip_value(const char *at)
{
    int depth = 0;
    bool is_in_text = false;
    for (; *at != '\0'; at++) {
        if (is_in_text) {
            if (*at == '\\') {
                at++;
            } else {
                is_in_text = *at != '"';
            }
        } else if (*at == '"') {
            is_in_text = true;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']' || *at == ',') {
            if (depth == 0) {
                return at;
            }
            depth -= *at != ',';
        }
    }
    return at;
}

/* Copies the string of a member of the object that is `len` bytes long. */
static void
member(const char *object, size_t len, const char *key, char *out, size_t size)
{
    char name[32];
    snprintf(name, sizeof(name), "\"%s\":", key);
    const char *at = memmem(object, len, name, strlen(name));
    out[0] = '\0';
    if (at == NULL) {
        return;
    }
    at += strlen(name);
    at += *at == '"';
    snprintf(out, size, "%.*s", (int)strcspn(at, "\",}"), at);
}

/* One unit of a call. */
struct item {
    struct kit_unit unit;
    const char *scope; /* NULL: a claim */
    size_t scope_len;
    bool is_honest;
};

static void
read_item(const char *at, size_t len, struct item *item)
{
    char part[16];
    memset(item, 0, sizeof(*item));
    const char *scope = memmem(at, len, "\"scope\":", 8);
    size_t head = scope == NULL ? len : (size_t)(scope - at);
    member(at, head, "hash", item->unit.hash, sizeof(item->unit.hash));
    member(at, head, "file", item->unit.file, sizeof(item->unit.file));
    member(at, head, "origin", item->unit.origin, sizeof(item->unit.origin));
    member(at, head, "file_hash", item->unit.file_hash, sizeof(item->unit.file_hash));
    member(at, head, "file_state", item->unit.file_state, sizeof(item->unit.file_state));
    member(at, head, "part", part, sizeof(part));
    item->is_honest = strlen(item->unit.hash) == 40;
    if (scope == NULL) {
        return;
    }
    item->scope = scope + 8;
    item->scope_len = (size_t)(skip_value(item->scope) - item->scope);
    struct sonde_sha1 sha1;
    char hash[SONDE_SHA1_TEXT_BYTES];
    const char *heads[] = {item->unit.file, item->unit.origin, item->unit.file_hash,
                           part};
    sonde_sha1_init(&sha1);
    for (size_t i = 0; i < 4; i++) {
        sonde_sha1_add(&sha1, (struct sonde_str){heads[i], strlen(heads[i]) + 1});
    }
    sonde_sha1_add(&sha1, (struct sonde_str){item->scope, item->scope_len});
    sonde_sha1_end_text(&sha1, hash);
    item->is_honest = strcmp(hash, item->unit.hash) == 0;
}

/* Calls `take` with every element of the array of that name; false: it is not there. */
static bool
each(const char *json, const char *key,
     void (*take)(void *arg, const char *at, size_t len), void *arg)
{
    char name[32];
    snprintf(name, sizeof(name), "\"%s\":[", key);
    const char *at = strstr(json, name);
    if (at == NULL) {
        return false;
    }
    for (at += strlen(name); *at != ']' && *at != '\0';) {
        const char *end = skip_value(at);
        take(arg, at, (size_t)(end - at));
        at = end + (*end == ',');
    }
    return true;
}

struct intake {
    struct kit_symbols *symbols;
    char *body;
    size_t body_len, missing_count;
    unsigned units, bad_units, scopes, longest;
    bool keeps;
};

static struct kit_unit *
find_unit(struct kit_symbols *symbols, const struct kit_unit *wanted, bool makes)
{
    for (size_t i = 0; i < symbols->unit_count; i++) {
        if (strcmp(symbols->units[i].hash, wanted->hash) == 0) {
            return &symbols->units[i];
        }
    }
    if (!makes) {
        return NULL;
    }
    if (symbols->unit_count == symbols->unit_cap) {
        symbols->unit_cap = symbols->unit_cap * 2 + 64;
        symbols->units =
            realloc(symbols->units, symbols->unit_cap * sizeof(struct kit_unit));
    }
    symbols->units[symbols->unit_count] = *wanted;
    return &symbols->units[symbols->unit_count++];
}

static void
take_unit(void *arg, const char *at, size_t len)
{
    struct intake *intake = arg;
    struct item item;
    read_item(at, len, &item);
    intake->units++;
    intake->bad_units += !item.is_honest;
    intake->scopes += item.scope != NULL;
    intake->longest = len > intake->longest ? (unsigned)len : intake->longest;
    if (!intake->keeps) {
        return;
    }
    struct kit_unit *unit = find_unit(intake->symbols, &item.unit, true);
    if (item.scope != NULL) {
        unit->times_kept++;
        free(unit->scope);
        unit->scope = strndup(item.scope, item.scope_len);
        return;
    }
    unit->claims++;
    if (unit->scope == NULL) {
        intake->body_len +=
            (size_t)sprintf(intake->body + intake->body_len, "%s\"%s\"",
                            intake->missing_count > 0 ? "," : "", unit->hash);
        intake->missing_count++;
    }
}

static void
want_source(void *arg, const char *at, size_t len)
{
    struct intake *intake = arg;
    struct item item;
    read_item(at, len, &item);
    bool is_there =
        item.unit.file_hash[0] == '\0' || strcmp(item.unit.origin, "user") != 0;
    for (size_t i = 0; i < intake->symbols->source_count && !is_there; i++) {
        is_there =
            strcmp(intake->symbols->sources[i].file_hash, item.unit.file_hash) == 0;
    }
    if (!is_there) {
        intake->body_len +=
            (size_t)sprintf(intake->body + intake->body_len, "%s\"%s\"",
                            intake->missing_count > 0 ? "," : "", item.unit.file_hash);
        intake->missing_count++;
    }
}

static void
take_source(void *arg, const char *at, size_t len)
{
    struct intake *intake = arg;
    struct kit_symbols *symbols = intake->symbols;
    struct kit_source source = {.times_kept = 1};
    intake->units++;
    if (!intake->keeps) {
        return;
    }
    member(at, len, "file_hash", source.file_hash, sizeof(source.file_hash));
    const char *text = memmem(at, len, "\"text\":\"", 8);
    if (text != NULL) {
        snprintf(source.text, sizeof(source.text), "%.*s", (int)(at + len - text - 8),
                 text + 8);
    }
    for (size_t i = 0; i < symbols->source_count; i++) {
        if (strcmp(symbols->sources[i].file_hash, source.file_hash) == 0) {
            symbols->sources[i].times_kept++;
            return;
        }
    }
    if (symbols->source_count < 16) {
        symbols->sources[symbols->source_count++] = source;
    }
}

int
kit_symbols_take(struct kit_collector *collector, const char *json, char **body)
{
    struct kit_symbols *symbols = &collector->symbols;
    struct intake intake = {.symbols = symbols};
    symbols->call_count++;
    if (!symbols->is_there) {
        return 404;
    }
    bool is_whole = each(json, "units", take_unit, &intake) &&
                    each(json, "sources", take_source, &intake);
    int status = symbols->status;
    if (symbols->status_of_scopes != 0 && intake.scopes > 0) {
        status = symbols->status_of_scopes;
    }
    if ((symbols->most_units > 0 && intake.units > symbols->most_units) ||
        (symbols->most_unit_bytes > 0 && intake.longest > symbols->most_unit_bytes)) {
        status = 413;
    }
    if (!is_whole || intake.bad_units > 0) {
        symbols->damaged_count++;
        status = 400;
    }
    if (status != 200) {
        symbols->failed_count++;
        return status;
    }
    symbols->final_count += strstr(json, "\"final\":true") != NULL;
    symbols->empty_count += intake.units == 0;
    intake.keeps = true;
    intake.body = malloc((size_t)intake.units * 100 + 100);
    intake.body_len = (size_t)sprintf(intake.body, "{\"missing\":[");
    each(json, "units", take_unit, &intake);
    intake.body_len +=
        (size_t)sprintf(intake.body + intake.body_len, "],\"missing_sources\":[");
    intake.missing_count = 0;
    each(json, "units", want_source, &intake);
    sprintf(intake.body + intake.body_len, "]}");
    each(json, "sources", take_source, &intake);
    *body = intake.body;
    return 200;
}
