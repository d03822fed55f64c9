/* SPDX-License-Identifier: Apache-2.0
 *
 * Any input is read or refused; what was read can be written, and reads back the same. */
#include "core/wire/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
write_value(struct sonde_json_writer *out, const struct sonde_json *value)
{
    switch (value->type) {
    case SONDE_JSON_NULL:
        sonde_json_null(out);
        break;
    case SONDE_JSON_BOOL:
        sonde_json_bool(out, value->boolean);
        break;
    case SONDE_JSON_NUMBER:
        if (value->is_integer)
            sonde_json_int(out, value->integer);
        else
            sonde_json_double(out, value->number);
        break;
    case SONDE_JSON_STRING:
        sonde_json_string(out, value->string);
        break;
    case SONDE_JSON_ARRAY:
        sonde_json_array_begin(out);
        for (const struct sonde_json *m = value->first; m != NULL; m = m->next)
            write_value(out, m);
        sonde_json_array_end(out);
        break;
    case SONDE_JSON_OBJECT:
        sonde_json_object_begin(out);
        for (const struct sonde_json *m = value->first; m != NULL; m = m->next) {
            sonde_json_key_str(out, m->key);
            write_value(out, m);
        }
        sonde_json_object_end(out);
        break;
    }
}

static bool
is_same(const struct sonde_json *a, const struct sonde_json *b)
{
    const struct sonde_json *m, *n;

    if (a->type != b->type || !sonde_str_eq(a->key, b->key) || a->count != b->count ||
        !sonde_str_eq(a->string, b->string) || a->number != b->number ||
        a->is_integer != b->is_integer || a->integer != b->integer ||
        a->boolean != b->boolean)
        return false;
    for (m = a->first, n = b->first; m != NULL && n != NULL; m = m->next, n = n->next) {
        if (!is_same(m, n))
            return false;
    }
    return m == NULL && n == NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sonde_str input = {(const char *)data, size};
    const struct sonde_json *first, *second;
    struct sonde_err err = SONDE_ERR_INIT;
    struct sonde_json_writer writer;
    struct sonde_arena arena;
    struct sonde_buf text;

    sonde_arena_init(&arena, 0);
    sonde_buf_init(&text, 0);
    if (sonde_json_read(&first, &arena, input, &err) == SONDE_OK) {
        sonde_json_writer_init(&writer, &text);
        write_value(&writer, first);
        if (sonde_json_read(&second, &arena, sonde_buf_view(&text), NULL) != SONDE_OK ||
            !is_same(first, second))
            abort();
    } else if (err.code == SONDE_OK || err.message[0] == '\0') {
        abort();
    }
    sonde_buf_fini(&text);
    sonde_arena_fini(&arena);
    return 0;
}
