/* SPDX-License-Identifier: Apache-2.0
 *
 * Definitions and locations from hostile text (CORE-02): what is taken is in range, and
 * survives being written and read again. */
#include "core/base/alloc.h"
#include "core/probe/definition.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static bool
is_inside(struct sonde_str part, struct sonde_str text)
{
    return part.len == 0 ||
           (part.ptr >= text.ptr && part.ptr + part.len <= text.ptr + text.len);
}

static void
check_location(const struct sonde_location *location)
{
    require(is_inside(location->file, location->text));
    require(is_inside(location->module, location->text));
    require(is_inside(location->function, location->text));
    /* Exactly one form. */
    require((location->line > 0) == (location->file.len > 0));
    require((location->line > 0) == (location->function.len == 0));
    require(location->module.len == 0 || location->function.len > 0);
}

static void
check_range(const struct sonde_probe_def *def)
{
#define CHECK_LIMIT(member, name, value, least, most) \
    require((int64_t)def->limits.member >= (least) && def->limits.member <= (most));
    SONDE_LIMIT_LIST(CHECK_LIMIT)
#undef CHECK_LIMIT
    require(def->rate >= 0.001 && def->rate <= 5000);
    require(def->revision > 0 && def->expires_at_ns >= 0);
    require(def->id.len <= SONDE_PROBE_ID_MAX);
    require((def->at == SONDE_AT_LINE) == (def->location.line > 0));
    check_location(&def->location);
}

/* The text of a definition; empty when it was not taken. */
static struct sonde_buf
read_and_write(struct sonde_str text, bool must_be_taken)
{
    struct sonde_buf out;
    struct sonde_arena arena;
    const struct sonde_json *json;
    struct sonde_probe_def def;
    struct sonde_err err = SONDE_ERR_INIT;
    sonde_buf_init(&out, 0);
    sonde_arena_init(&arena, 16 * 1024 * 1024);
    int rc = sonde_json_read(&json, &arena, text, &err);
    if (rc == SONDE_OK) {
        rc = sonde_probe_def_read(&def, &arena, json, false, &err);
    }
    require(!must_be_taken || (rc == SONDE_OK && def.clamped.len == 0));
    if (rc == SONDE_OK) {
        check_range(&def);
        struct sonde_probe_def *copy = sonde_probe_def_dup(&def);
        require(copy != NULL);
        sonde_arena_fini(&arena); /* the copy needs nothing of it */
        struct sonde_json_writer writer;
        sonde_json_writer_init(&writer, &out);
        sonde_probe_def_write(&writer, copy);
        require(out.failed == SONDE_OK);
        sonde_free(copy);
    } else {
        require(err.code == rc && err.message[0] != '\0');
    }
    sonde_arena_fini(&arena);
    return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* An exact copy, so that the sanitizer sees a step too far. */
    char *copy = malloc(size == 0 ? 1 : size);
    require(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    struct sonde_str text = {copy, size};

    struct sonde_location location;
    if (sonde_location_read(&location, text, NULL) == SONDE_OK) {
        check_location(&location);
    }
    struct sonde_buf once = read_and_write(text, false);
    if (once.len > 0) {
        struct sonde_buf twice = read_and_write(sonde_buf_view(&once), true);
        require(sonde_str_eq(sonde_buf_view(&once), sonde_buf_view(&twice)));
        sonde_buf_fini(&twice);
    }
    sonde_buf_fini(&once);
    free(copy);
    return 0;
}
