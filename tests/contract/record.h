/* SPDX-License-Identifier: Apache-2.0
 *
 * A finished record as a tree, for looking at in tests. */
#ifndef SONDE_TESTS_CONTRACT_RECORD_H
#define SONDE_TESTS_CONTRACT_RECORD_H

#include "core/base/arena.h"
#include "core/capture/tape_reader.h"

enum value_kind { VALUE_NULL, VALUE_TEXT, VALUE_SKIP, VALUE_CONTAINER };

struct value {
    enum value_kind kind;
    enum sonde_shape shape; /* CONTAINER */
    enum sonde_reason reason;
    bool truncated;
    uint64_t size;         /* SONDE_SIZE_UNKNOWN: not said */
    struct sonde_str name; /* of a local, argument or field */
    struct sonde_str type;
    struct sonde_str text;
    struct value *key; /* of an entry */
    struct value *first;
    struct value *next; /* sibling */
    uint32_t count;     /* members */
};

struct frame {
    struct sonde_str file;
    struct sonde_str function;
    uint32_t line;
};

struct stack {
    struct frame frames[256];
    uint32_t count;
    bool truncated;
};

struct section {
    bool is_there;
    enum sonde_outcome outcome; /* RETURN; 0: not said */
    bool has_group[SONDE_GROUP_THROWABLE + 1];
    struct value group[SONDE_GROUP_THROWABLE + 1]; /* members under `first` */
    struct sonde_str throwable_type;
    struct stack throwable_stack;
};

struct record {
    struct sonde_arena arena;
    struct sonde_str bytes;
    struct sonde_tape_header header;
    bool has_thread;
    uint64_t thread_id;
    struct sonde_str thread_name;
    bool has_stack;
    struct stack stack;
    struct section sections[SONDE_SECTION_LINE + 1];
};

/* Reads a copy of `bytes`. NULL when it is damaged or there is no memory. Own: record_free. */
struct record *record_read(struct sonde_str bytes);
void record_free(struct record *record);

/* The value of that name in a group, or NULL. */
const struct value *record_value(const struct record *record, enum sonde_section section,
                                 enum sonde_group group, const char *name);

/* The one value of RETURN_VALUE, or the message of THROWABLE; NULL when there is none. */
const struct value *record_single(const struct record *record, enum sonde_section section,
                                  enum sonde_group group);

/* A member by the name of a field, or by the text of an entry's key; or by its index. */
const struct value *value_member(const struct value *value, const char *name);
const struct value *value_at(const struct value *value, uint32_t index);

/* The number that a value shows; INT64_MIN when it is none. */
int64_t value_int(const struct value *value);

bool str_is(struct sonde_str text, const char *wanted);
bool str_has(struct sonde_str text, const char *part);

#endif
