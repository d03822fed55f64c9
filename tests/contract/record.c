/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/contract/record.h"

#include <errno.h>
#include <stdlib.h>

/* What is being filled, one inside another. */
struct filler {
    struct record *record;
    struct section *section;
    enum sonde_group group;
    struct stack *stack;
    struct value *open[SONDE_TAPE_MAX_DEPTH + 2];
    struct value **end[SONDE_TAPE_MAX_DEPTH + 2];
    uint32_t level;
    struct sonde_str name;
    struct value *key; /* of an entry, until its value comes */
};

static void
enter(struct filler *filler, struct value *container)
{
    filler->level++;
    filler->open[filler->level] = container;
    filler->end[filler->level] = &container->first;
}

static bool
add_value(struct filler *filler, enum value_kind kind,
          const struct sonde_tape_event *event)
{
    struct sonde_arena *arena = &filler->record->arena;
    struct value *value = sonde_arena_alloc(arena, sizeof(*value));
    /* A copy: the text of a number is the reader's, until the next event. */
    const char *text = sonde_arena_strdup(arena, event->text);
    if (value == NULL || text == NULL) {
        return false;
    }
    *value = (struct value){
        .kind = kind,
        .shape = event->shape,
        .reason = event->reason,
        .truncated = event->truncated,
        .size = event->size,
        .name = filler->name,
        .type = event->type,
        .text = {text, event->text.len},
    };
    filler->name = (struct sonde_str){NULL, 0};
    struct value *parent = filler->open[filler->level];
    bool is_key = parent->kind == VALUE_CONTAINER &&
                  parent->shape == SONDE_SHAPE_ENTRIES && filler->key == NULL;
    if (is_key) {
        filler->key = value;
    } else {
        value->key = filler->key;
        filler->key = NULL;
        *filler->end[filler->level] = value;
        filler->end[filler->level] = &value->next;
        parent->count++;
    }
    if (kind == VALUE_CONTAINER) {
        enter(filler, value);
    }
    return true;
}

static void
close_container(struct filler *filler, const struct sonde_tape_event *event)
{
    struct value *value = filler->open[filler->level--];
    value->truncated = event->truncated;
    value->reason = event->reason;
    value->size = event->size;
}

static void
add_frame(struct filler *filler, const struct sonde_tape_event *event)
{
    struct stack *stack = filler->stack;
    if (stack->count < sizeof(stack->frames) / sizeof(stack->frames[0])) {
        stack->frames[stack->count++] =
            (struct frame){event->file, event->text, event->line};
    }
}

static void
begin_stack(struct filler *filler)
{
    bool is_of_throwable =
        filler->section != NULL && filler->group == SONDE_GROUP_THROWABLE;
    filler->record->has_stack = filler->record->has_stack || !is_of_throwable;
    filler->stack =
        is_of_throwable ? &filler->section->throwable_stack : &filler->record->stack;
}

static void
begin_group(struct filler *filler, enum sonde_group group)
{
    filler->group = group;
    filler->section->has_group[group] = true;
    filler->level = 0;
    enter(filler, &filler->section->group[group]);
}

static bool
fill(struct filler *filler, const struct sonde_tape_event *event)
{
    struct record *record = filler->record;
    switch (event->kind) {
    case SONDE_TAPE_THREAD:
        record->has_thread = true;
        record->thread_id = event->id;
        record->thread_name = event->text;
        break;
    case SONDE_TAPE_STACK_BEGIN:
        begin_stack(filler);
        break;
    case SONDE_TAPE_FRAME:
        add_frame(filler, event);
        break;
    case SONDE_TAPE_STACK_END:
        filler->stack->truncated = event->truncated;
        break;
    case SONDE_TAPE_SECTION_BEGIN:
        filler->section = &record->sections[event->section];
        filler->section->is_there = true;
        break;
    case SONDE_TAPE_OUTCOME:
        filler->section->outcome = event->outcome;
        break;
    case SONDE_TAPE_SECTION_END:
        filler->section = NULL;
        break;
    case SONDE_TAPE_GROUP_BEGIN:
        begin_group(filler, event->group);
        break;
    case SONDE_TAPE_THROWABLE:
        filler->section->throwable_type = event->type;
        break;
    case SONDE_TAPE_NAME:
        filler->name = event->text;
        break;
    case SONDE_TAPE_NULL:
        return add_value(filler, VALUE_NULL, event);
    case SONDE_TAPE_TEXT:
        return add_value(filler, VALUE_TEXT, event);
    case SONDE_TAPE_SKIP:
        return add_value(filler, VALUE_SKIP, event);
    case SONDE_TAPE_OPEN:
        return add_value(filler, VALUE_CONTAINER, event);
    case SONDE_TAPE_CLOSE:
        close_container(filler, event);
        break;
    default:
        break;
    }
    return true;
}

struct record *
record_read(struct sonde_str bytes)
{
    struct record *record = calloc(1, sizeof(*record));
    if (record == NULL) {
        return NULL;
    }
    sonde_arena_init(&record->arena, 0);
    const char *copy = sonde_arena_strdup(&record->arena, bytes);
    struct sonde_tape_reader reader;
    struct sonde_tape_event event = {.kind = SONDE_TAPE_END};
    struct filler filler = {.record = record};
    record->bytes = (struct sonde_str){copy, bytes.len};
    int rc =
        copy == NULL ? SONDE_E_NOMEM : sonde_tape_reader_init(&reader, record->bytes);
    if (rc == SONDE_OK) {
        record->header = reader.header;
        do {
            rc = sonde_tape_reader_next(&reader, &event);
        } while (rc == SONDE_OK && event.kind != SONDE_TAPE_END && fill(&filler, &event));
    }
    if (rc != SONDE_OK || event.kind != SONDE_TAPE_END) {
        record_free(record);
        return NULL;
    }
    return record;
}

void
record_free(struct record *record)
{
    if (record != NULL) {
        sonde_arena_fini(&record->arena);
        free(record);
    }
}

const struct value *
record_value(const struct record *record, enum sonde_section section,
             enum sonde_group group, const char *name)
{
    const struct value *value = record->sections[section].group[group].first;
    while (value != NULL && !str_is(value->name, name)) {
        value = value->next;
    }
    return value;
}

const struct value *
record_single(const struct record *record, enum sonde_section section,
              enum sonde_group group)
{
    return record->sections[section].group[group].first;
}

const struct value *
value_member(const struct value *value, const char *name)
{
    const struct value *member = value == NULL ? NULL : value->first;
    while (member != NULL && !str_is(member->name, name) &&
           (member->key == NULL || !str_is(member->key->text, name))) {
        member = member->next;
    }
    return member;
}

const struct value *
value_at(const struct value *value, uint32_t index)
{
    const struct value *member = value == NULL ? NULL : value->first;
    while (member != NULL && index > 0) {
        member = member->next;
        index--;
    }
    return member;
}

int64_t
value_int(const struct value *value)
{
    char digits[32];
    if (value == NULL || value->kind != VALUE_TEXT || value->text.len == 0 ||
        value->text.len >= sizeof(digits)) {
        return INT64_MIN;
    }
    memcpy(digits, value->text.ptr, value->text.len);
    digits[value->text.len] = '\0';
    char *end;
    errno = 0;
    int64_t number = strtoll(digits, &end, 10);
    return errno != 0 || *end != '\0' ? INT64_MIN : number;
}

bool
str_is(struct sonde_str text, const char *wanted)
{
    return sonde_str_eq(text, sonde_str_from(wanted));
}

bool
str_has(struct sonde_str text, const char *part)
{
    return memmem(text.ptr == NULL ? "" : text.ptr, text.len, part, strlen(part)) != NULL;
}
