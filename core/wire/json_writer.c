/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/json.h"

#include "core/wire/number.h"
#include "core/wire/utf8.h"

#include <inttypes.h>
#include <math.h>

void
sonde_json_writer_init(struct sonde_json_writer *writer, struct sonde_buf *out)
{
    *writer = (struct sonde_json_writer){.out = out};
}

/* Before every value and key; what follows a key finds `comma` false. */
static void
separate(struct sonde_json_writer *writer)
{
    if (writer->comma)
        sonde_buf_byte(writer->out, ',');
    writer->comma = true;
}

static void
begin(struct sonde_json_writer *writer, char bracket)
{
    separate(writer);
    sonde_buf_byte(writer->out, bracket);
    writer->comma = false;
}

static void
end(struct sonde_json_writer *writer, char bracket)
{
    sonde_buf_byte(writer->out, bracket);
    writer->comma = true;
}

void
sonde_json_object_begin(struct sonde_json_writer *writer)
{
    begin(writer, '{');
}

void
sonde_json_object_end(struct sonde_json_writer *writer)
{
    end(writer, '}');
}

void
sonde_json_array_begin(struct sonde_json_writer *writer)
{
    begin(writer, '[');
}

void
sonde_json_array_end(struct sonde_json_writer *writer)
{
    end(writer, ']');
}

static void
append_escaped(struct sonde_buf *out, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    /* Letters for the control characters that have one: \b \t \n, \f \r. */
    static const char letters[] = "btn\0fr";

    if (byte == '"' || byte == '\\') {
        sonde_buf_append(out, (const char[]){'\\', (char)byte}, 2);
    } else if (byte >= '\b' && byte <= '\r' && letters[byte - '\b'] != '\0') {
        sonde_buf_append(out, (const char[]){'\\', letters[byte - '\b']}, 2);
    } else {
        sonde_buf_append(
            out, (const char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
    }
}

/* `text` is ASCII and valid UTF-8 apart from what has to be escaped. */
static void
append_quoted(struct sonde_buf *out, struct sonde_str text)
{
    sonde_buf_byte(out, '"');
    while (text.len > 0) {
        size_t valid = sonde_utf8_valid_bytes(text);
        size_t from = 0;

        for (size_t i = 0; i < valid; i++) {
            unsigned char byte = (unsigned char)text.ptr[i];

            if (byte >= 0x20 && byte != '"' && byte != '\\')
                continue;
            sonde_buf_append(out, text.ptr + from, i - from);
            append_escaped(out, byte);
            from = i + 1;
        }
        sonde_buf_append(out, text.ptr + from, valid - from);
        text.ptr += valid;
        text.len -= valid;
        if (text.len > 0) {
            sonde_buf_str(out, SONDE_UTF8_REPLACEMENT);
            text.ptr++;
            text.len--;
        }
    }
    sonde_buf_byte(out, '"');
}

void
sonde_json_key_str(struct sonde_json_writer *writer, struct sonde_str key)
{
    separate(writer);
    append_quoted(writer->out, key);
    sonde_buf_byte(writer->out, ':');
    writer->comma = false;
}

void
sonde_json_key(struct sonde_json_writer *writer, const char *key)
{
    sonde_json_key_str(writer, sonde_str_from(key));
}

void
sonde_json_string(struct sonde_json_writer *writer, struct sonde_str value)
{
    separate(writer);
    append_quoted(writer->out, value);
}

void
sonde_json_int(struct sonde_json_writer *writer, int64_t value)
{
    separate(writer);
    sonde_buf_printf(writer->out, "%" PRId64, value);
}

void
sonde_json_uint(struct sonde_json_writer *writer, uint64_t value)
{
    separate(writer);
    sonde_buf_printf(writer->out, "%" PRIu64, value);
}

void
sonde_json_double(struct sonde_json_writer *writer, double value)
{
    char text[SONDE_NUMBER_TEXT_BYTES];

    if (!isfinite(value)) {
        sonde_json_null(writer);
        return;
    }
    separate(writer);
    sonde_number_write_double(text, value);
    sonde_buf_str(writer->out, sonde_str_from(text));
}

void
sonde_json_bool(struct sonde_json_writer *writer, bool value)
{
    sonde_json_raw(writer, value ? SONDE_STR("true") : SONDE_STR("false"));
}

void
sonde_json_null(struct sonde_json_writer *writer)
{
    sonde_json_raw(writer, SONDE_STR("null"));
}

void
sonde_json_raw(struct sonde_json_writer *writer, struct sonde_str json)
{
    separate(writer);
    sonde_buf_str(writer->out, json);
}
