/* SPDX-License-Identifier: Apache-2.0 */
#include "core/probe/definition.h"

#include "core/base/sha1.h"
#include "core/base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#define LOCATION_MAX_BYTES 4096
#define LABEL_MAX_BYTES 255 /* service, env */
#define TAGS_MAX_BYTES 4096
#define NAME_MAX_BYTES 255   /* of a variable */
#define NAMES_MAX_BYTES 4096 /* of a list of them, NULs included */
#define LINE_MAX 100000000
#define RATE_LEAST 0.001
#define RATE_MOST 5000.0

/* --- Locations ---------------------------------------------------------------------------- */

static struct sonde_str
slice(struct sonde_str text, size_t from, size_t to)
{
    return (struct sonde_str){text.ptr + from, to - from};
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
contains(struct sonde_str text, char wanted)
{
    return text.len > 0 && memchr(text.ptr, wanted, text.len) != NULL;
}

/* A dotted name whose parts are all there: "a.b", never "a..b" or ".a". */
static bool
is_dotted(struct sonde_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        bool at_edge = i == 0 || i + 1 == name.len;
        if (name.ptr[i] == '.' && (at_edge || name.ptr[i + 1] == '.')) {
            return false;
        }
        if (name.ptr[i] == ' ') {
            return false;
        }
    }
    return name.len > 0;
}

/* What a person typed who meant a file. Only for a better message: where a probe waits for
 * a module "app" with a function "py", nobody would ever learn that a line is missing. */
static bool
looks_like_file(struct sonde_str name)
{
    return contains(name, '/') || sonde_str_ends_with(name, SONDE_STR(".py")) ||
           sonde_str_ends_with(name, SONDE_STR(".rb"));
}

static int
refuse_location(struct sonde_err *err, const char *message)
{
    return sonde_err_set(err, SONDE_E_INVAL, "location", "%s", message);
}

static int
read_line(struct sonde_location *out, size_t colon, struct sonde_err *err)
{
    uint32_t line = 0;
    for (size_t i = colon + 1; i < out->text.len; i++) {
        line = line * 10 + (uint32_t)(out->text.ptr[i] - '0');
        if (line > LINE_MAX) {
            return refuse_location(err, "the line is too big to be one");
        }
    }
    if (line == 0) {
        return refuse_location(err, "lines count from 1");
    }
    if (colon == 0) {
        return refuse_location(err, "no file in front of the line");
    }
    out->file = slice(out->text, 0, colon);
    out->line = line;
    return SONDE_OK;
}

static int
read_module(struct sonde_location *out, size_t colon, struct sonde_err *err)
{
    out->module = slice(out->text, 0, colon);
    out->function = slice(out->text, colon + 1, out->text.len);
    if (looks_like_file(out->module)) {
        return refuse_location(err, "after a file comes a line in digits: FILE:LINE");
    }
    if (!is_dotted(out->module) || !is_dotted(out->function) ||
        is_digit(out->function.ptr[0]) || contains(out->module, ':') ||
        contains(out->function, ':') || contains(out->function, '#')) {
        return refuse_location(err, "neither FILE:LINE nor module:Class.method");
    }
    return SONDE_OK;
}

static int
read_function(struct sonde_location *out, struct sonde_err *err)
{
    out->function = out->text;
    const char *hash = memchr(out->text.ptr, '#', out->text.len);
    size_t split = hash == NULL ? out->text.len : (size_t)(hash - out->text.ptr);
    struct sonde_str owner = slice(out->text, 0, split);
    if (looks_like_file(owner)) {
        return refuse_location(err, "a file needs a line: FILE:LINE");
    }
    bool is_method = hash != NULL && split + 1 < out->text.len &&
                     !contains(slice(out->text, split + 1, out->text.len), '#') &&
                     !contains(slice(out->text, split + 1, out->text.len), ' ');
    if (!is_dotted(owner) || (hash == NULL ? !contains(owner, '.') : !is_method)) {
        return refuse_location(err, "give FILE:LINE, module.function, "
                                    "module:Class.method or Class#method");
    }
    return SONDE_OK;
}

/* The last ':' that is not part of a "::", which belongs to a name; text.len when none. */
static size_t
last_lone_colon(struct sonde_str text)
{
    for (size_t i = text.len; i-- > 0;) {
        if (text.ptr[i] != ':') {
            continue;
        }
        if (i == 0 || text.ptr[i - 1] != ':') {
            return i;
        }
        i--;
    }
    return text.len;
}

int
sonde_location_read(struct sonde_location *out, struct sonde_str text,
                    struct sonde_err *err)
{
    if (text.len == 0) {
        return refuse_location(err, "is empty");
    }
    if (text.len > LOCATION_MAX_BYTES) {
        return refuse_location(err, "is longer than 4096 bytes");
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f) {
            return refuse_location(err, "holds a control character");
        }
    }
    size_t colon = last_lone_colon(text);
    size_t digits = text.len;
    while (digits > 0 && is_digit(text.ptr[digits - 1])) {
        digits--;
    }
    struct sonde_location read = {.text = text};
    int rc;
    if (digits < text.len && digits > 0 && text.ptr[digits - 1] == ':') {
        rc = read_line(&read, digits - 1, err);
    } else if (colon < text.len) {
        rc = read_module(&read, colon, err);
    } else {
        rc = read_function(&read, err);
    }
    if (rc == SONDE_OK) {
        *out = read;
    }
    return rc;
}

/* --- Reading JSON ------------------------------------------------------------------------- */

void
sonde_probe_def_init(struct sonde_probe_def *out)
{
    *out = (struct sonde_probe_def){
        .revision = 1,
        .at = SONDE_AT_LINE,
        .limits = SONDE_LIMITS_INIT,
        .rate = 1,
        .captures_arguments = true,
        .captures_locals = true,
        .captures_return = true,
        .captures_stack = true,
    };
}

/* The notes on what was clamped, "depth 50 → 10, rate 9000 → 5000". Every member can be
 * noted once, so it always fits. */
struct notes {
    char text[512];
    size_t len;
};

static void SONDE_PRINTF(2, 3) note(struct notes *notes, const char *format, ...)
{
    size_t room = sizeof(notes->text) - notes->len;
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(notes->text + notes->len, room, format, args);
    va_end(args);
    if (wanted > 0) {
        notes->len += (size_t)wanted < room ? (size_t)wanted : room - 1;
    }
}

/* *out is NULL when the member is absent. */
static int
get_typed(const struct sonde_json **out, const struct sonde_json *object, const char *key,
          enum sonde_json_type type, const char *type_name, struct sonde_err *err)
{
    const struct sonde_json *member = sonde_json_get(object, key);
    if (member != NULL && member->type != type) {
        return sonde_err_set(err, SONDE_E_INVAL, key, "must be %s", type_name);
    }
    *out = member;
    return SONDE_OK;
}

static int
read_label(struct sonde_str *out, const struct sonde_json *json, const char *key,
           struct sonde_err *err)
{
    const struct sonde_json *member = NULL;
    int rc = get_typed(&member, json, key, SONDE_JSON_STRING, "a string", err);
    if (rc != SONDE_OK || member == NULL) {
        return rc;
    }
    if (member->string.len > LABEL_MAX_BYTES) {
        return sonde_err_set(err, SONDE_E_INVAL, key, "is longer than %d bytes",
                             LABEL_MAX_BYTES);
    }
    *out = member->string;
    return SONDE_OK;
}

static int
read_source_hash(struct sonde_str *out, const struct sonde_json *json,
                 struct sonde_err *err)
{
    unsigned char hash[SONDE_SHA1_BYTES];
    int rc = read_label(out, json, "source_hash", err);
    if (rc == SONDE_OK && out->len > 0 && !sonde_sha1_from_text(*out, hash)) {
        rc = sonde_err_set(err, SONDE_E_INVAL, "source_hash", "is not 40 hex digits");
    }
    return rc;
}

static int
read_integer(int64_t *out, const struct sonde_json *json, const char *key, int64_t least,
             int64_t most, struct sonde_err *err)
{
    const struct sonde_json *member = sonde_json_get(json, key);
    if (member == NULL) {
        return SONDE_OK;
    }
    if (member->type != SONDE_JSON_NUMBER || !member->is_integer) {
        return sonde_err_set(err, SONDE_E_INVAL, key, "must be an integer");
    }
    if (member->integer < least || member->integer > most) {
        return sonde_err_set(err, SONDE_E_INVAL, key, "must be %lld to %lld",
                             (long long)least, (long long)most);
    }
    *out = member->integer;
    return SONDE_OK;
}

static int
read_id(struct sonde_probe_def *out, const struct sonde_json *json, bool needs_id,
        struct sonde_err *err)
{
    const struct sonde_json *member = NULL;
    int rc = get_typed(&member, json, "id", SONDE_JSON_STRING, "a string", err);
    if (rc != SONDE_OK) {
        return rc;
    }
    if (member == NULL) {
        return needs_id ? sonde_err_set(err, SONDE_E_INVAL, "id", "is missing")
                        : SONDE_OK;
    }
    struct sonde_str id = member->string;
    bool is_good = id.len >= 1 && id.len <= SONDE_PROBE_ID_MAX;
    for (size_t i = 0; is_good && i < id.len; i++) {
        char c = id.ptr[i];
        is_good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || is_digit(c) ||
                  c == '.' || c == '_' || c == '-';
    }
    if (!is_good) {
        return sonde_err_set(err, SONDE_E_INVAL, "id",
                             "must be 1 to %d of A-Z a-z 0-9 . _ -", SONDE_PROBE_ID_MAX);
    }
    out->id = id;
    return SONDE_OK;
}

/* Where the probe sits, and the default of `at` that follows from it. */
static int
read_place(struct sonde_probe_def *out, const struct sonde_json *json,
           struct sonde_err *err)
{
    const struct sonde_json *member = NULL;
    int rc = get_typed(&member, json, "location", SONDE_JSON_STRING, "a string", err);
    if (rc == SONDE_OK && member == NULL) {
        rc = sonde_err_set(err, SONDE_E_INVAL, "location", "is missing");
    }
    if (rc == SONDE_OK) {
        rc = sonde_location_read(&out->location, member->string, err);
    }
    if (rc != SONDE_OK) {
        return rc;
    }
    const bool is_line = out->location.line > 0;
    out->at = is_line ? SONDE_AT_LINE : SONDE_AT_EXIT;

    rc = get_typed(&member, json, "at", SONDE_JSON_STRING, "a string", err);
    if (rc != SONDE_OK || member == NULL) {
        return rc;
    }
    int at = SONDE_AT_LINE;
    while (at <= SONDE_AT_EXIT &&
           !sonde_str_eq(member->string,
                         sonde_str_from(sonde_probe_at_text((enum sonde_probe_at)at)))) {
        at++;
    }
    if (at > SONDE_AT_EXIT) {
        return sonde_err_set(err, SONDE_E_INVAL, "at", "must be line, entry or exit");
    }
    if (is_line != (at == SONDE_AT_LINE)) {
        return sonde_err_set(err, SONDE_E_INVAL, "at",
                             is_line ? "must be line for FILE:LINE"
                                     : "must be entry or exit for a function");
    }
    out->at = (enum sonde_probe_at)at;
    return SONDE_OK;
}

static int
read_limit(uint32_t *out, const struct sonde_json *limits, const char *key, int64_t least,
           int64_t most, struct notes *notes, struct sonde_err *err)
{
    const struct sonde_json *member = sonde_json_get(limits, key);
    if (member == NULL) {
        return SONDE_OK;
    }
    if (member->type != SONDE_JSON_NUMBER || !member->is_integer) {
        char where[64];
        snprintf(where, sizeof(where), "limits.%s", key);
        return sonde_err_set(err, SONDE_E_INVAL, where, "must be an integer");
    }
    int64_t value = member->integer;
    value = value < least ? least : value > most ? most : value;
    if (value != member->integer) {
        note(notes, "%s%s %lld → %lld", notes->len > 0 ? ", " : "", key,
             (long long)member->integer, (long long)value);
    }
    *out = (uint32_t)value;
    return SONDE_OK;
}

static int
read_limits(struct sonde_limits *out, const struct sonde_json *json, struct notes *notes,
            struct sonde_err *err)
{
    const struct sonde_json *limits = NULL;
    int rc = get_typed(&limits, json, "limits", SONDE_JSON_OBJECT, "an object", err);
#define READ_LIMIT(member, name, value, least, most)                          \
    if (rc == SONDE_OK) {                                                     \
        rc = read_limit(&out->member, limits, name, least, most, notes, err); \
    }
    SONDE_LIMIT_LIST(READ_LIMIT)
#undef READ_LIMIT
    return rc;
}

static int
read_rate(double *out, const struct sonde_json *json, struct notes *notes,
          struct sonde_err *err)
{
    const struct sonde_json *member = NULL;
    int rc = get_typed(&member, json, "rate", SONDE_JSON_NUMBER, "a number", err);
    if (rc != SONDE_OK || member == NULL) {
        return rc;
    }
    double rate = member->number;
    if (!(rate > 0)) {
        return sonde_err_set(err, SONDE_E_INVAL, "rate", "must be above 0");
    }
    rate = rate < RATE_LEAST ? RATE_LEAST : rate > RATE_MOST ? RATE_MOST : rate;
    if (rate < member->number || rate > member->number) {
        note(notes, "%srate %g → %g", notes->len > 0 ? ", " : "", member->number, rate);
    }
    *out = rate;
    return SONDE_OK;
}

static bool
is_variable_name(const struct sonde_json *json)
{
    if (json->type != SONDE_JSON_STRING || json->string.len == 0 ||
        json->string.len > NAME_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < json->string.len; i++) {
        if ((unsigned char)json->string.ptr[i] < ' ') {
            return false;
        }
    }
    return true;
}

/* A list of names, each followed by a NUL. */
static int
read_names(struct sonde_str *out, struct sonde_arena *arena,
           const struct sonde_json *list, const char *where, struct sonde_err *err)
{
    size_t bytes = 0;
    for (const struct sonde_json *at = list->first; at != NULL; at = at->next) {
        if (!is_variable_name(at)) {
            return sonde_err_set(err, SONDE_E_INVAL, where,
                                 "must list names of 1 to %d bytes", NAME_MAX_BYTES);
        }
        bytes += at->string.len + 1;
        if (bytes > NAMES_MAX_BYTES) {
            return sonde_err_set(err, SONDE_E_INVAL, where, "is longer than %d bytes",
                                 NAMES_MAX_BYTES);
        }
    }
    if (bytes == 0) {
        return SONDE_OK;
    }
    char *names = sonde_arena_alloc(arena, bytes), *to = names;
    if (names == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    for (const struct sonde_json *at = list->first; at != NULL; at = at->next) {
        memcpy(to, at->string.ptr, at->string.len);
        to += at->string.len;
        *to++ = '\0';
    }
    *out = (struct sonde_str){names, bytes};
    return SONDE_OK;
}

static int
read_captures(struct sonde_probe_def *out, struct sonde_arena *arena,
              const struct sonde_json *json, struct sonde_err *err)
{
    const struct sonde_json *capture = NULL;
    int rc = get_typed(&capture, json, "capture", SONDE_JSON_OBJECT, "an object", err);
    if (rc != SONDE_OK || capture == NULL) {
        return rc;
    }
    const struct {
        const char *key, *where;
        bool *out;
        struct sonde_str *names; /* NULL: has none */
    } parts[] = {
        {"arguments", "capture.arguments", &out->captures_arguments,
         &out->wanted_arguments},
        {"locals", "capture.locals", &out->captures_locals, &out->wanted_locals},
        {"return", "capture.return", &out->captures_return, NULL},
        {"stack", "capture.stack", &out->captures_stack, NULL},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const struct sonde_json *member = sonde_json_get(capture, parts[i].key);
        if (member == NULL) {
            continue;
        }
        if (member->type == SONDE_JSON_BOOL) {
            *parts[i].out = member->boolean;
            continue;
        }
        if (parts[i].names == NULL || member->type != SONDE_JSON_ARRAY) {
            return sonde_err_set(err, SONDE_E_INVAL, parts[i].where,
                                 parts[i].names == NULL
                                     ? "must be true or false"
                                     : "must be true, false or a list of names");
        }
        rc = read_names(parts[i].names, arena, member, parts[i].where, err);
        if (rc != SONDE_OK) {
            return rc;
        }
        *parts[i].out = parts[i].names->len > 0;
    }
    return SONDE_OK;
}

static int
keep(struct sonde_str *out, struct sonde_arena *arena, struct sonde_str text,
     struct sonde_err *err)
{
    if (text.len == 0) {
        return SONDE_OK;
    }
    const char *copy = sonde_arena_strdup(arena, text);
    if (copy == NULL) {
        return sonde_err_set(err, SONDE_E_NOMEM, NULL, "out of memory");
    }
    *out = (struct sonde_str){copy, text.len};
    return SONDE_OK;
}

static int
read_tags(struct sonde_probe_def *out, struct sonde_arena *arena,
          const struct sonde_json *json, struct sonde_err *err)
{
    const struct sonde_json *tags = NULL;
    int rc = get_typed(&tags, json, "tags", SONDE_JSON_OBJECT, "an object", err);
    if (rc != SONDE_OK || tags == NULL) {
        return rc;
    }
    if (tags->source.len > TAGS_MAX_BYTES) {
        return sonde_err_set(err, SONDE_E_INVAL, "tags", "is longer than %d bytes",
                             TAGS_MAX_BYTES);
    }
    return keep(&out->tags, arena, tags->source,
                err); /* source is the input's, not ours */
}

int
sonde_probe_def_read(struct sonde_probe_def *out, struct sonde_arena *arena,
                     const struct sonde_json *json, bool needs_id, struct sonde_err *err)
{
    if (json == NULL || json->type != SONDE_JSON_OBJECT) {
        return sonde_err_set(err, SONDE_E_INVAL, NULL, "a definition is an object");
    }
    struct sonde_probe_def def;
    sonde_probe_def_init(&def);
    struct notes notes = {.len = 0};
    int64_t revision = 1, hit_limit = 0;

    int rc = read_id(&def, json, needs_id, err);
    rc = rc ? rc : read_integer(&revision, json, "revision", 1, UINT32_MAX, err);
    rc = rc ? rc : read_place(&def, json, err);
    rc = rc ? rc : read_label(&def.service, json, "service", err);
    rc = rc ? rc : read_label(&def.env, json, "env", err);
    rc = rc ? rc : read_source_hash(&def.source_hash, json, err);
    rc = rc ? rc : read_limits(&def.limits, json, &notes, err);
    rc = rc ? rc : read_rate(&def.rate, json, &notes, err);
    rc = rc ? rc : read_integer(&hit_limit, json, "hit_limit", 0, INT64_MAX, err);
    rc = rc ? rc
            : read_integer(&def.expires_at_ns, json, "expires_at_ns", 0, INT64_MAX, err);
    rc = rc ? rc : read_captures(&def, arena, json, err);
    rc = rc ? rc : read_tags(&def, arena, json, err);
    rc = rc ? rc
            : keep(&def.clamped, arena, (struct sonde_str){notes.text, notes.len}, err);
    if (rc == SONDE_OK) {
        def.revision = (uint32_t)revision;
        def.hit_limit = (uint64_t)hit_limit;
        *out = def;
    }
    return rc;
}

/* --- Writing ------------------------------------------------------------------------------ */

static void
write_str(struct sonde_json_writer *out, const char *key, struct sonde_str value)
{
    sonde_json_key(out, key);
    sonde_json_string(out, value);
}

static void
write_uint(struct sonde_json_writer *out, const char *key, uint64_t value)
{
    sonde_json_key(out, key);
    sonde_json_uint(out, value);
}

static void
write_bool(struct sonde_json_writer *out, const char *key, bool value)
{
    sonde_json_key(out, key);
    sonde_json_bool(out, value);
}

/* All, none, or the names that are wanted. */
static void
write_wanted(struct sonde_json_writer *out, const char *key, bool captures,
             struct sonde_str names)
{
    if (!captures || names.len == 0) {
        write_bool(out, key, captures);
        return;
    }
    sonde_json_key(out, key);
    sonde_json_array_begin(out);
    for (size_t from = 0, at = 0; at < names.len; at++) {
        if (names.ptr[at] == '\0') {
            sonde_json_string(out, slice(names, from, at));
            from = at + 1;
        }
    }
    sonde_json_array_end(out);
}

void
sonde_probe_def_write(struct sonde_json_writer *out, const struct sonde_probe_def *def)
{
    sonde_json_object_begin(out);
    if (def->id.len > 0) {
        write_str(out, "id", def->id);
    }
    write_uint(out, "revision", def->revision);
    write_str(out, "location", def->location.text);
    write_str(out, "at", sonde_str_from(sonde_probe_at_text(def->at)));
    write_str(out, "service", def->service);
    write_str(out, "env", def->env);
    if (def->source_hash.len > 0) {
        write_str(out, "source_hash", def->source_hash);
    }

    sonde_json_key(out, "limits");
    sonde_json_object_begin(out);
#define WRITE_LIMIT(member, name, value, least, most) \
    write_uint(out, name, def->limits.member);
    SONDE_LIMIT_LIST(WRITE_LIMIT)
#undef WRITE_LIMIT
    sonde_json_object_end(out);

    sonde_json_key(out, "rate");
    sonde_json_double(out, def->rate);
    write_uint(out, "hit_limit", def->hit_limit);
    sonde_json_key(out, "expires_at_ns");
    sonde_json_int(out, def->expires_at_ns);

    sonde_json_key(out, "capture");
    sonde_json_object_begin(out);
    write_wanted(out, "arguments", def->captures_arguments, def->wanted_arguments);
    write_wanted(out, "locals", def->captures_locals, def->wanted_locals);
    write_bool(out, "return", def->captures_return);
    write_bool(out, "stack", def->captures_stack);
    sonde_json_object_end(out);

    if (def->tags.len > 0) {
        sonde_json_key(out, "tags");
        sonde_json_raw(out, def->tags);
    }
    sonde_json_object_end(out);
}

/* --- Copying ------------------------------------------------------------------------------ */

struct sonde_probe_def *
sonde_probe_def_dup(const struct sonde_probe_def *def)
{
    struct sonde_probe_def copy = *def;
    struct sonde_str *const strings[] = {
        &copy.id,
        &copy.location.text,
        &copy.location.file,
        &copy.location.module,
        &copy.location.function,
        &copy.service,
        &copy.env,
        &copy.source_hash,
        &copy.wanted_arguments,
        &copy.wanted_locals,
        &copy.tags,
        &copy.clamped,
    };
    const size_t count = sizeof(strings) / sizeof(strings[0]);
    size_t bytes = sizeof(copy);
    for (size_t i = 0; i < count; i++) {
        if (strings[i]->len > SIZE_MAX - bytes) {
            return NULL;
        }
        bytes += strings[i]->len;
    }
    struct sonde_probe_def *out = sonde_alloc(bytes);
    if (out == NULL) {
        return NULL;
    }
    char *at = (char *)(out + 1);
    for (size_t i = 0; i < count; i++) {
        if (strings[i]->len > 0) {
            memcpy(at, strings[i]->ptr, strings[i]->len);
        }
        strings[i]->ptr = at;
        at += strings[i]->len;
    }
    *out = copy;
    return out;
}
