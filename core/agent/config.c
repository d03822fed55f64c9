/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/config.h"

#include "core/agent/attributes.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/capture/snapshot.h"
#include "core/wire/number.h"
#include "core/wire/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_SERVER "http://127.0.0.1:7077"
#define NAME_MAX_BYTES ((size_t)1024)
#define LIST_MAX_BYTES ((size_t)64 * 1024)

/* Every text member, so that copying and freeing can not forget one. */
#define TEXT_LIST(X)       \
    X(server)              \
    X(snapshot_server)     \
    X(token)               \
    X(service)             \
    X(env)                 \
    X(version)             \
    X(resource_attributes) \
    X(redact_names)        \
    X(redact_types)        \
    X(redact_excluded)     \
    X(complaints)

/* One reading of the environment. Memory failure is sticky in `rc`. */
struct reading {
    struct sonde_config *config;
    struct sonde_buf complaints;
    int rc;
};

static void SONDE_PRINTF(3, 4)
    complain(struct reading *reading, const char *name, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sonde_log(SONDE_LOG_WARNING, "%s: %s", name, text);
    sonde_buf_printf(&reading->complaints, "%s%s: %s",
                     reading->complaints.len > 0 ? "; " : "", name, text);
}

static void
put(struct reading *reading, char **member, struct sonde_str text)
{
    char *copy = sonde_strdup(text);
    if (copy == NULL) {
        reading->rc = SONDE_E_NOMEM;
        return;
    }
    sonde_free(*member);
    *member = copy;
}

/* An empty variable counts as absent, as OpenTelemetry has it. */
static const char *
get_variable(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* Takes a variable when it is there, is UTF-8 and short enough; true when it was taken. */
static bool
take_text(struct reading *reading, char **member, const char *name, size_t max_bytes)
{
    struct sonde_str text = sonde_str_from(get_variable(name));
    if (text.len == 0) {
        return false;
    }
    if (text.len > max_bytes) {
        complain(reading, name, "longer than %zu bytes; ignored", max_bytes);
        return false;
    }
    if (!sonde_utf8_is_valid(text)) {
        complain(reading, name, "not UTF-8; ignored");
        return false;
    }
    put(reading, member, text);
    return true;
}

static bool
is_visible_ascii(struct sonde_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte <= ' ' || byte >= 0x7F) {
            return false;
        }
    }
    return true;
}

static bool
is_url(struct sonde_str text)
{
    static const char *const schemes[] = {"http://", "https://"};
    size_t scheme_len = 0;
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (text.len > len && memcmp(text.ptr, schemes[i], len) == 0) {
            scheme_len = len;
        }
    }
    if (scheme_len == 0 || strchr("/:?#@", text.ptr[scheme_len]) != NULL) {
        return false;
    }
    return text.len <= NAME_MAX_BYTES && is_visible_ascii(text);
}

static bool
take_url(struct reading *reading, char **member, const char *name)
{
    struct sonde_str text = sonde_str_from(get_variable(name));
    if (text.len == 0) {
        return false;
    }
    if (!is_url(text)) {
        complain(reading, name, "not an http:// or https:// URL; ignored");
        return false;
    }
    while (text.ptr[text.len - 1] == '/') { /* paths that start with one are appended */
        text.len--;
    }
    put(reading, member, text);
    return true;
}

/* Snapshots hold an application's values: they go to another backend only when somebody said
 * so, not because the application happens to export its traces there. */
static void
read_servers(struct reading *reading)
{
    struct sonde_config *config = reading->config;
    put(reading, &config->server, SONDE_STR(DEFAULT_SERVER));
    const char *server = getenv("SONDE_SERVER");
    if (server != NULL && server[0] == '\0') {
        put(reading, &config->server, SONDE_STR(""));
        return;
    }
    take_url(reading, &config->server, "SONDE_SERVER");
    const char *endpoint = get_variable("SONDE_OTLP_ENDPOINT");
    bool is_standard = endpoint != NULL && strcmp(endpoint, "otel") == 0;
    take_url(reading, &config->snapshot_server,
             is_standard ? "OTEL_EXPORTER_OTLP_ENDPOINT" : "SONDE_OTLP_ENDPOINT");
}

/* It becomes a header line, so nothing that could end one may be in it. */
static void
read_token(struct reading *reading)
{
    struct sonde_str token = sonde_str_from(get_variable("SONDE_TOKEN"));
    if (token.len > NAME_MAX_BYTES || !is_visible_ascii(token)) {
        complain(reading, "SONDE_TOKEN",
                 "not at most %zu visible ASCII characters; ignored", NAME_MAX_BYTES);
        return;
    }
    put(reading, &reading->config->token, token);
}

/* Takes service, env and version from OTEL_RESOURCE_ATTRIBUTES. OpenTelemetry wants the whole
 * variable discarded when one pair of it is malformed. */
static void
read_attributes(struct reading *reading)
{
    static const char name[] = "OTEL_RESOURCE_ATTRIBUTES";
    struct sonde_config *config = reading->config;
    struct sonde_buf scratch;
    sonde_buf_init(&scratch, 0);
    struct sonde_str key, value;
    struct sonde_str rest = sonde_str_from(get_variable(name));
    if (rest.len > LIST_MAX_BYTES) {
        complain(reading, name, "longer than %zu bytes; ignored", LIST_MAX_BYTES);
        return;
    }
    struct sonde_str whole = rest;
    int more = 1;
    while (more > 0) {
        more = sonde_attributes_next(&rest, &scratch, &key, &value);
    }
    if (more == SONDE_E_NOMEM) {
        reading->rc = SONDE_E_NOMEM;
    } else if (more < 0) {
        complain(reading, name, "malformed; ignored as a whole");
    } else {
        put(reading, &config->resource_attributes, whole);
        while (sonde_attributes_next(&whole, &scratch, &key, &value) > 0) {
            if (value.len == 0 || value.len > NAME_MAX_BYTES) {
                continue;
            }
            if (sonde_str_eq(key, SONDE_STR(SONDE_ATTR_SERVICE))) {
                put(reading, &config->service, value);
            } else if (sonde_str_eq(key, SONDE_STR(SONDE_ATTR_VERSION))) {
                put(reading, &config->version, value);
            } else if (sonde_str_eq(key, SONDE_STR(SONDE_ATTR_ENV)) ||
                       (sonde_str_eq(key, SONDE_STR(SONDE_ATTR_ENV_OLD)) &&
                        config->env[0] == '\0')) {
                put(reading, &config->env, value);
            }
        }
    }
    sonde_buf_fini(&scratch);
}

/* Reads "12" or "12.5"; no sign, no exponent, and no locale's comma. */
static bool
read_decimal(const char *text, double *out)
{
    size_t digits = strspn(text, "0123456789");
    const char *end = text + digits;
    if (*end == '.') {
        size_t places = strspn(end + 1, "0123456789");
        if (places == 0) {
            return false;
        }
        end += 1 + places;
    }
    if (digits == 0 || *end != '\0') {
        return false;
    }
    return sonde_number_read_double(text, out);
}

/* The variable's value when it is there and within its range, or else `fallback`. */
static double
take_number(struct reading *reading, const char *name, double fallback, double least,
            double most)
{
    const char *text = get_variable(name);
    double value;
    if (text == NULL) {
        return fallback;
    }
    if (!read_decimal(text, &value) || !(value >= least && value <= most)) {
        complain(reading, name, "not a number from %g to %g; %g stands", least, most,
                 fallback);
        return fallback;
    }
    return value;
}

static void
read_numbers(struct reading *reading)
{
    struct sonde_config *config = reading->config;
    double kib = 1024, mib = 1024 * kib, gib = 1024 * mib;
    config->queue_bytes =
        (size_t)take_number(reading, "SONDE_QUEUE_BYTES", 4 * mib, 256 * kib, gib);
    config->snapshots_per_second =
        take_number(reading, "SONDE_MAX_RATE", 100, 0.001, 100000);
    config->cpu_percent = take_number(reading, "SONDE_CPU_PERCENT", 2, 0.01, 100);
    config->flush_timeout_ns =
        (int64_t)(take_number(reading, "SONDE_FLUSH_MS", 2000, 0, 60000) *
                  (double)SONDE_NS_PER_MS);
}

/* 1 or yes, 0 or no, in the words of SONDE_ENABLED. */
static bool
take_switch(struct reading *reading, const char *name, bool fallback)
{
    static const char *const words[] = {"0", "false", "no",  "off",
                                        "1", "true",  "yes", "on"};
    const char *text = get_variable(name);
    for (size_t i = 0; text != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            return i >= 4;
        }
    }
    if (text != NULL) {
        complain(reading, name, "neither 0 nor 1; %d stands", fallback);
    }
    return fallback;
}

/* Whether a URL leads to this machine itself. */
static bool
is_loopback(const char *url)
{
    static const char *const hosts[] = {"localhost", "[::1]", "127."};
    const char *host = strstr(url, "://");
    host = host == NULL ? url : host + 3;
    if (memchr(host, '@', strcspn(host, "/")) != NULL) {
        return false; /* what stands there is a user's name */
    }
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        size_t len = strlen(hosts[i]);
        if (strncmp(host, hosts[i], len) != 0) {
            continue;
        }
        /* "127.example.com" is somewhere else. */
        size_t rest = strspn(host, "0123456789.");
        size_t end = i == 2 ? rest : len;
        return strchr(":/", host[end]) != NULL; /* finds the NUL too */
    }
    return false;
}

static void
read_symbols(struct reading *reading)
{
    struct sonde_config *config = reading->config;
    const char *text = get_variable("SONDE_SYMBOLS");
    config->has_symbols_at_once = text != NULL && strcmp(text, "now") == 0;
    config->has_symbols =
        config->has_symbols_at_once || take_switch(reading, "SONDE_SYMBOLS", true);
    config->has_libraries = take_switch(reading, "SONDE_SYMBOLS_LIBRARIES", true);
    config->has_sources =
        take_switch(reading, "SONDE_SOURCES", is_loopback(config->server));
    config->symbols_debounce_ns =
        (int64_t)(take_number(reading, "SONDE_SYMBOLS_DEBOUNCE_MS", 2000, 0, 600000) *
                  (double)SONDE_NS_PER_MS);
}

static void
read_texts(struct reading *reading, const char *language)
{
    struct sonde_config *config = reading->config;
    read_servers(reading);
    read_token(reading);
    read_attributes(reading);
    if (!take_text(reading, &config->service, "SONDE_SERVICE", NAME_MAX_BYTES)) {
        take_text(reading, &config->service, "OTEL_SERVICE_NAME", NAME_MAX_BYTES);
    }
    if (reading->rc == SONDE_OK && config->service[0] == '\0') {
        char name[128];
        snprintf(name, sizeof(name), "unknown_service:%s", language);
        put(reading, &config->service, sonde_str_from(name));
    }
    take_text(reading, &config->env, "SONDE_ENV", NAME_MAX_BYTES);
    take_text(reading, &config->version, "SONDE_VERSION", NAME_MAX_BYTES);
    take_text(reading, &config->redact_names, "SONDE_REDACT_NAMES", LIST_MAX_BYTES);
    take_text(reading, &config->redact_types, "SONDE_REDACT_TYPES", LIST_MAX_BYTES);
    take_text(reading, &config->redact_excluded, "SONDE_REDACT_EXCLUDED", LIST_MAX_BYTES);
}

int
sonde_config_init(struct sonde_config *config, const char *language,
                  struct sonde_err *err)
{
    struct sonde_config fresh = {0};
    struct reading reading = {.config = &fresh};
    sonde_buf_init(&reading.complaints, 0);
#define TEXT_EMPTY(member) put(&reading, &fresh.member, SONDE_STR(""));
    TEXT_LIST(TEXT_EMPTY)
#undef TEXT_EMPTY
    if (reading.rc == SONDE_OK) {
        read_texts(&reading, language == NULL ? "unknown" : language);
        read_numbers(&reading);
    }
    if (reading.rc == SONDE_OK) {
        read_symbols(&reading);
        put(&reading, &fresh.complaints, sonde_buf_view(&reading.complaints));
    }
    if (reading.complaints.failed != SONDE_OK) {
        reading.rc = reading.complaints.failed;
    }
    sonde_buf_fini(&reading.complaints);
    if (reading.rc != SONDE_OK) {
        sonde_config_fini(&fresh);
        return sonde_err_set(err, reading.rc, "configuration", "%s",
                             sonde_code_text(reading.rc));
    }
    *config = fresh;
    return SONDE_OK;
}

void
sonde_config_fini(struct sonde_config *config)
{
#define TEXT_FREE(member)       \
    sonde_free(config->member); \
    config->member = NULL;
    TEXT_LIST(TEXT_FREE)
#undef TEXT_FREE
}

int
sonde_config_dup(struct sonde_config *out, const struct sonde_config *config)
{
    struct sonde_config copy = *config;
    bool is_whole = true;
#define TEXT_DUP(member)                                        \
    copy.member = sonde_strdup(sonde_str_from(config->member)); \
    is_whole = is_whole && copy.member != NULL;
    TEXT_LIST(TEXT_DUP)
#undef TEXT_DUP
    if (!is_whole) {
        sonde_config_fini(&copy);
        return SONDE_E_NOMEM;
    }
    *out = copy;
    return SONDE_OK;
}

bool
sonde_config_allows_start(void)
{
    static const char *const offs[] = {"0", "false", "no", "off"};
    const char *value = getenv("SONDE_ENABLED");
    for (size_t i = 0; value != NULL && i < sizeof(offs) / sizeof(offs[0]); i++) {
        if (strcmp(value, offs[i]) == 0) {
            return false;
        }
    }
    return true;
}
