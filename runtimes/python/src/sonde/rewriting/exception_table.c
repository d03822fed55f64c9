/* SPDX-License-Identifier: Apache-2.0 */
#include "tables.h"

/* Objects/exception_handling_notes.txt: four numbers per entry, six bits per byte, high ones
 * first; one bit says that another byte follows, one marks the start of an entry. */
#define STARTS 0x80
#define GOES_ON 0x40

struct region {
    int start;
    int end;
    int target;
    int depth_and_lasti;
};

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    int last_end; /* regions rise and do not overlap */
    int units;
};

static bool
read_number(struct reader *in, int *out)
{
    int value = 0;
    bool goes_on = true;
    while (goes_on) {
        if (in->at == in->end || value > SONDE_PY_UNITS_MAX) {
            return false;
        }
        value = value << 6 | (*in->at & 0x3f);
        goes_on = *in->at++ & GOES_ON;
    }
    *out = value;
    return true;
}

static struct reader
open_table(PyObject *table, const struct sonde_py_source *source)
{
    const uint8_t *data =
        table == NULL ? NULL : (const uint8_t *)PyBytes_AS_STRING(table);
    size_t size = table == NULL ? 0 : (size_t)PyBytes_GET_SIZE(table);
    return (struct reader){.at = data, .end = data + size, .units = source->units};
}

/* 1: a region; 0: no more; or SONDE_E_CORRUPT. */
static int
read_region(struct reader *in, struct region *region, struct sonde_err *err)
{
    int size;
    if (in->at == in->end) {
        return 0;
    }
    if (!(*in->at & STARTS) || !read_number(in, &region->start) ||
        !read_number(in, &size) || !read_number(in, &region->target) ||
        !read_number(in, &region->depth_and_lasti) || region->start < in->last_end ||
        size > in->units - region->start || region->target >= in->units) {
        return sonde_err_set(err, SONDE_E_CORRUPT, "exception table", "not readable");
    }
    region->end = region->start + size;
    in->last_end = region->end;
    return 1;
}

static void
write_number(struct sonde_py_buffer *out, int value, int mark)
{
    int shift = 0;
    while (value >> shift > 0x3f) {
        shift += 6;
    }
    for (; shift >= 0; shift -= 6, mark = 0) {
        int more = shift > 0 ? GOES_ON : 0;
        sonde_py_buffer_add_byte(out, (value >> shift & 0x3f) | more | mark);
    }
}

static void
write_region(struct sonde_py_buffer *out, const struct region *region)
{
    write_number(out, region->start, STARTS);
    write_number(out, region->end - region->start, 0);
    write_number(out, region->target, 0);
    write_number(out, region->depth_and_lasti, 0);
}

/* What writes the outer regions: from where the last region ended up to a unit, without what
 * leads out of the function. */
struct filler {
    const struct sonde_py_layout *layout;
    struct sonde_py_buffer *out;
    int unit; /* all before is written */
    int op;   /* instructions of the original before it have been looked at */
};

static void
write_outer(struct filler *filler, int end)
{
    if (end > filler->unit) {
        struct region outer = {
            .start = filler->unit,
            .end = end,
            .target =
                sonde_py_assembly_unit(filler->layout->assembly, filler->layout->handler),
            /* Depth 0, and with the place that the exception came from. */
            .depth_and_lasti = 1,
        };
        write_region(filler->out, &outer);
        filler->unit = end;
    }
}

/* Once the value is reported the function has returned: an exception that a signal brings
 * after that is not reported as well. */
static void
fill(struct filler *filler, int end)
{
    const struct sonde_py_layout *layout = filler->layout;
    for (; filler->op < layout->source->count; filler->op++) {
        const struct sonde_py_place *place = &layout->places[filler->op];
        int from = sonde_py_assembly_unit(layout->assembly, place->label);
        if (from >= end) {
            break;
        }
        if (place->leave < 0) {
            continue;
        }
        int leave = sonde_py_assembly_unit(layout->assembly, place->leave);
        if (leave >= filler->unit && leave < end) {
            write_outer(filler, leave);
            filler->unit = sonde_py_assembly_unit(layout->assembly, place->self + 1);
        }
    }
    write_outer(filler, end);
}

/* The new unit of where a region starts or ends. Before POP_EXCEPT the handler's exception is
 * still the current one: a call there belongs to what comes before, which knows that. */
static int
border_unit(const struct sonde_py_layout *layout, int unit)
{
    const struct sonde_py_source *source = layout->source;
    if (unit < source->units && source->ops[source->op_at[unit]].opcode == POP_EXCEPT) {
        return sonde_py_assembly_unit(layout->assembly,
                                      layout->places[source->op_at[unit]].self);
    }
    return sonde_py_layout_unit(layout, unit, false);
}

PyObject *
sonde_py_regions_rewrite(PyObject *table, const struct sonde_py_layout *layout,
                         struct sonde_err *err)
{
    const struct sonde_py_place *body = &layout->places[layout->source->body];
    struct reader in = open_table(table, layout->source);
    struct sonde_py_buffer out = {0};
    struct filler filler = {
        .layout = layout,
        .out = &out,
        .unit = sonde_py_assembly_unit(layout->assembly, body->first),
        .op = layout->source->body,
    };
    struct region region;
    int result;
    while ((result = read_region(&in, &region, err)) > 0) {
        region.start = border_unit(layout, region.start);
        region.end = border_unit(layout, region.end);
        region.target = sonde_py_layout_unit(layout, region.target, false);
        if (layout->handler >= 0) {
            fill(&filler, region.start);
            filler.unit = region.end > filler.unit ? region.end : filler.unit;
        }
        write_region(&out, &region);
    }
    if (result != 0) {
        PyMem_Free(out.data);
        return NULL;
    }
    if (layout->handler >= 0) {
        fill(&filler, sonde_py_assembly_unit(layout->assembly, layout->handler));
    }
    PyObject *bytes = sonde_py_buffer_take(&out);
    if (bytes == NULL) {
        sonde_err_set(err, SONDE_E_NOMEM, NULL, "no memory for the exception table");
    }
    return bytes;
}

int
sonde_py_regions_mark(PyObject *table, const struct sonde_py_source *source,
                      uint8_t *is_target, struct sonde_err *err)
{
    struct reader in = open_table(table, source);
    struct region region;
    int result;
    while ((result = read_region(&in, &region, err)) > 0) {
        is_target[source->op_at[region.target]] = 1;
    }
    return result;
}
