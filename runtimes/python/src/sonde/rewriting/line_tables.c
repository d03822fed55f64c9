/* SPDX-License-Identifier: Apache-2.0 */
#include "tables.h"

/* Entries of a location table take 3 bits for their length, ranges a byte that is even. */
#define LOCATION_UNITS_MAX 8
#define RANGE_BYTES_MAX 254
#define NO_LINE (-128)

struct table {
    const uint8_t *data;
    size_t size;
    size_t at;
};

int
sonde_py_layout_unit(const struct sonde_py_layout *layout, int unit, bool with_prologue)
{
    const struct sonde_py_source *source = layout->source;
    int end_of_body =
        sonde_py_assembly_unit(layout->assembly, layout->places[source->count].self);
    if (unit >= source->units) {
        return end_of_body + (unit - source->units);
    }
    int index = source->op_at[unit];
    const struct sonde_py_op *op = &source->ops[index];
    const struct sonde_py_place *place = &layout->places[index];
    if (unit == op->unit) {
        return sonde_py_assembly_unit(layout->assembly,
                                      with_prologue ? place->first : place->label);
    }
    /* Inside an instruction, which may have grown at its front. */
    const struct sonde_py_op *made = &layout->assembly->ops[place->self];
    return made->unit + sonde_py_op_units(made) -
           (op->unit + sonde_py_op_units(op) - unit);
}

void
sonde_py_buffer_add(struct sonde_py_buffer *buffer, const uint8_t *data, size_t size)
{
    if (size > buffer->room - buffer->size) {
        size_t room = 2 * (buffer->room + size) + 64;
        uint8_t *grown = PyMem_Realloc(buffer->data, room);
        if (grown == NULL) {
            buffer->is_out = true;
            return;
        }
        buffer->data = grown;
        buffer->room = room;
    }
    for (size_t i = 0; i < size; i++) {
        buffer->data[buffer->size++] = data[i];
    }
}

void
sonde_py_buffer_add_byte(struct sonde_py_buffer *buffer, int byte)
{
    uint8_t data = (uint8_t)byte;
    sonde_py_buffer_add(buffer, &data, 1);
}

PyObject *
sonde_py_buffer_take(struct sonde_py_buffer *buffer)
{
    PyObject *bytes = NULL;
    if (!buffer->is_out) {
        bytes = PyBytes_FromStringAndSize((const char *)buffer->data,
                                          (Py_ssize_t)buffer->size);
    }
    PyMem_Free(buffer->data);
    *buffer = (struct sonde_py_buffer){0};
    return bytes;
}

/* How long a part of the original has become. */
static int
new_length(const struct sonde_py_layout *layout, int start, int end)
{
    return sonde_py_layout_unit(layout, end, true) -
           sonde_py_layout_unit(layout, start, true);
}

/* One change of line, `bytes` after the last one: as long ones are cut in lnotab. */
static void
add_line_change(struct sonde_py_buffer *out, int bytes, int lines)
{
    for (; bytes > 255; bytes -= 255) {
        sonde_py_buffer_add_byte(out, 255);
        sonde_py_buffer_add_byte(out, 0);
    }
    for (int step; lines != 0; lines -= step, bytes = 0) {
        step = lines > 127 ? 127 : lines < -128 ? -128 : lines;
        sonde_py_buffer_add_byte(out, bytes);
        sonde_py_buffer_add_byte(out, step);
    }
}

/* Pairs of bytes to go on and lines to go on; changes of line are what counts. */
static bool
rewrite_lnotab(struct table *in, const struct sonde_py_layout *layout,
               struct sonde_py_buffer *out)
{
    int last = 0;
    int address = 0;
    size_t from = 0;
    for (; in->at + 2 <= in->size; in->at += 2) {
        address += in->data[in->at];
        int lines = (int8_t)in->data[in->at + 1];
        if (address > 2 * SONDE_PY_UNITS_MAX) {
            return false;
        }
        if (lines == 0) {
            continue;
        }
        /* Not before the code's start, even if the table's first change is at it. */
        int start = last == 0 ? 0 : 2 * sonde_py_layout_unit(layout, last / 2, true);
        int length = 2 * sonde_py_layout_unit(layout, address / 2, true) - start;
        if (length == address - last) {
            sonde_py_buffer_add(out, in->data + from, in->at + 2 - from);
        } else {
            add_line_change(out, length, lines);
        }
        last = address;
        from = in->at + 2;
    }
    sonde_py_buffer_add(out, in->data + from, in->at - from);
    return in->at == in->size;
}

/* `line` is a delta or NO_LINE; what follows the first part of a long range has no delta. */
static void
add_range(struct sonde_py_buffer *out, int bytes, int line)
{
    while (bytes > RANGE_BYTES_MAX) {
        sonde_py_buffer_add_byte(out, RANGE_BYTES_MAX);
        sonde_py_buffer_add_byte(out, line);
        bytes -= RANGE_BYTES_MAX;
        line = line == NO_LINE ? NO_LINE : 0;
    }
    sonde_py_buffer_add_byte(out, bytes);
    sonde_py_buffer_add_byte(out, line);
}

/* Pairs of a length in bytes and a delta of lines. */
static bool
rewrite_ranges(struct table *in, const struct sonde_py_layout *layout,
               struct sonde_py_buffer *out)
{
    int start = 0;
    for (; in->at + 2 <= in->size; in->at += 2) {
        int bytes = in->data[in->at];
        int length = 2 * new_length(layout, start / 2, (start + bytes) / 2);
        if (length == bytes) {
            sonde_py_buffer_add(out, in->data + in->at, 2);
        } else {
            add_range(out, length, (int8_t)in->data[in->at + 1]);
        }
        start += bytes;
        if (start > 2 * layout->source->units) {
            return false;
        }
    }
    return in->at == in->size;
}

/* Kinds of location, in bits 3 to 6 of an entry's first byte: up to SHORT_LAST one byte
 * follows; for ONE_LINE, + 1, + 2 two do, and the kind is the delta of lines. */
enum location {
    SHORT_LAST = 9,
    ONE_LINE = 10,
    NO_COLUMNS = 13,
    LONG = 14,
    NONE = 15,
};

static size_t
varint_size(const struct table *in, size_t at)
{
    size_t size = 1;
    while (at + size < in->size && in->data[at + size - 1] & 0x40) {
        size++;
    }
    return size;
}

/* Bytes that follow the first one of the entry at in->at. */
static size_t
location_size(const struct table *in, int kind)
{
    size_t size = 0;
    switch (kind) {
    case NONE:
        return 0;
    case NO_COLUMNS:
        return varint_size(in, in->at + 1);
    case LONG:
        for (int i = 0; i < 4; i++) {
            size += varint_size(in, in->at + 1 + size);
        }
        return size;
    default:
        return kind <= SHORT_LAST ? 1 : 2;
    }
}

/* The same place in the source again, as an entry that follows one for it. */
static void
add_location_again(struct sonde_py_buffer *out, int kind, const struct table *in,
                   size_t size, int units)
{
    const uint8_t *rest = in->data + in->at + 1;
    size_t line_size = 0;
    if (kind > SHORT_LAST && kind < NO_COLUMNS) {
        kind = ONE_LINE;
    } else if (kind == NO_COLUMNS || kind == LONG) {
        line_size = varint_size(in, in->at + 1);
    }
    sonde_py_buffer_add_byte(out, 0x80 | kind << 3 | (units - 1));
    if (line_size > 0) {
        sonde_py_buffer_add_byte(out, 0);
    }
    sonde_py_buffer_add(out, rest + line_size, size - line_size);
}

static int
at_most(int units)
{
    return units < LOCATION_UNITS_MAX ? units : LOCATION_UNITS_MAX;
}

static bool
rewrite_locations(struct table *in, const struct sonde_py_layout *layout,
                  struct sonde_py_buffer *out)
{
    int start = 0;
    while (in->at < in->size) {
        int first = in->data[in->at];
        int kind = first >> 3 & 15;
        int units = (first & 7) + 1;
        size_t size = location_size(in, kind);
        if (!(first & 0x80) || size > in->size - in->at - 1 ||
            units > layout->source->units - start) {
            return false;
        }
        int length = new_length(layout, start, start + units);
        if (length > 0) {
            sonde_py_buffer_add_byte(out, (first & 0xf8) | (at_most(length) - 1));
            sonde_py_buffer_add(out, in->data + in->at + 1, size);
        }
        for (length -= LOCATION_UNITS_MAX; length > 0; length -= LOCATION_UNITS_MAX) {
            add_location_again(out, kind, in, size, at_most(length));
        }
        start += units;
        in->at += 1 + size;
    }
    return true;
}

/* The handler stands for no line: an exception that goes through it makes no event of a
 * tracing debugger. In lnotab, which can not say so, it is part of the last line, and an event
 * comes only where a line starts. */
static void
add_handler(struct sonde_py_buffer *out, const struct sonde_py_layout *layout)
{
    int units = layout->assembly->units -
                sonde_py_assembly_unit(layout->assembly, layout->handler);
    if (SONDE_PY_LINE_FORMAT == SONDE_PY_LINES_RANGES) {
        add_range(out, 2 * units, NO_LINE);
    }
    if (SONDE_PY_LINE_FORMAT == SONDE_PY_LINES_LOCATIONS) {
        for (; units > 0; units -= LOCATION_UNITS_MAX) {
            sonde_py_buffer_add_byte(out, 0x80 | NONE << 3 | (at_most(units) - 1));
        }
    }
}

PyObject *
sonde_py_lines_rewrite(PyObject *table, const struct sonde_py_layout *layout,
                       struct sonde_err *err)
{
    struct table in = {
        .data = (const uint8_t *)PyBytes_AS_STRING(table),
        .size = (size_t)PyBytes_GET_SIZE(table),
    };
    struct sonde_py_buffer out = {0};
    bool is_read = false;
    switch (SONDE_PY_LINE_FORMAT) {
    case SONDE_PY_LINES_LNOTAB:
        is_read = rewrite_lnotab(&in, layout, &out);
        break;
    case SONDE_PY_LINES_RANGES:
        is_read = rewrite_ranges(&in, layout, &out);
        break;
    case SONDE_PY_LINES_LOCATIONS:
        is_read = rewrite_locations(&in, layout, &out);
        break;
    }
    if (!is_read) {
        PyMem_Free(out.data);
        sonde_err_set(err, SONDE_E_CORRUPT, "line table", "not readable at byte %zu",
                      in.at);
        return NULL;
    }
    if (layout->handler >= 0) {
        add_handler(&out, layout);
    }
    PyObject *bytes = sonde_py_buffer_take(&out);
    if (bytes == NULL) {
        sonde_err_set(err, SONDE_E_NOMEM, NULL, "no memory for the line table");
    }
    return bytes;
}
