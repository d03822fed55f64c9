/* SPDX-License-Identifier: Apache-2.0 */
#include "runtimes/fake/values.h"

static void
write_text(struct sonde_tape *tape, const struct vm_text *text)
{
    static const enum sonde_encoding encodings[] = {
        [VM_ASCII] = SONDE_ENCODING_ASCII, [VM_LATIN1] = SONDE_ENCODING_LATIN1,
        [VM_UTF8] = SONDE_ENCODING_UTF8,   [VM_UCS2] = SONDE_ENCODING_UCS2,
        [VM_UCS4] = SONDE_ENCODING_UCS4,   [VM_BYTES] = SONDE_ENCODING_BYTES,
    };
    struct sonde_str type =
        text->encoding == VM_BYTES ? SONDE_STR("bytes") : SONDE_STR("text");
    sonde_tape_text(tape, type, encodings[text->encoding], text->data, text->units);
}

/* The three containers differ in what comes after sonde_tape_next. Cycles end where the tape
 * refuses to open deeper. */
static void
write_list(struct sonde_tape *tape, const struct vm_list *list)
{
    if (!sonde_tape_open(tape, SONDE_SHAPE_ELEMENTS, SONDE_STR("list"), list->count)) {
        return;
    }
    for (size_t i = 0; i < list->count && sonde_tape_next(tape); i++) {
        sonde_fake_write_value(tape, &list->items[i]);
    }
    sonde_tape_close(tape);
}

static void
write_map(struct sonde_tape *tape, const struct vm_map *map)
{
    if (!sonde_tape_open(tape, SONDE_SHAPE_ENTRIES, SONDE_STR("map"), map->count)) {
        return;
    }
    for (size_t i = 0; i < map->count && sonde_tape_next(tape); i++) {
        sonde_fake_write_value(tape, &map->pairs[i].key);
        sonde_fake_write_value(tape, &map->pairs[i].value);
    }
    sonde_tape_close(tape);
}

static void
write_object(struct sonde_tape *tape, const struct vm_object *object)
{
    const struct vm_type *type = object->type;
    if (!sonde_tape_open(tape, SONDE_SHAPE_FIELDS, sonde_str_from(type->name),
                         type->field_count)) {
        return;
    }
    for (size_t i = 0; i < type->field_count && sonde_tape_next(tape); i++) {
        sonde_tape_name(tape, sonde_str_from(type->field_names[i]));
        sonde_fake_write_value(tape, &object->fields[i]);
    }
    sonde_tape_close(tape);
}

void
sonde_fake_write_value(struct sonde_tape *tape, const struct vm_value *value)
{
    switch (value->kind) {
    case VM_UNSET:
        sonde_tape_skip(tape, SONDE_STR("unset"), SONDE_REASON_UNREADABLE);
        break;
    case VM_NIL:
        sonde_tape_null(tape, SONDE_STR("nil"));
        break;
    case VM_BOOL:
        sonde_tape_number(tape, SONDE_STR("bool"),
                          value->truth ? SONDE_STR("true") : SONDE_STR("false"));
        break;
    case VM_INT:
        sonde_tape_int(tape, SONDE_STR("int"), value->integer);
        break;
    case VM_FLOAT:
        sonde_tape_float(tape, SONDE_STR("float"), value->decimal);
        break;
    case VM_TEXT:
        write_text(tape, value->text);
        break;
    case VM_LIST:
        write_list(tape, value->list);
        break;
    case VM_MAP:
        write_map(tape, value->map);
        break;
    case VM_OBJECT:
        write_object(tape, value->object);
        break;
    }
}
