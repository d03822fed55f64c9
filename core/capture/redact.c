/* SPDX-License-Identifier: Apache-2.0 */
#include "core/capture/redact.h"

#include "core/base/alloc.h"
#include "core/capture/redact_names.h"
#include "core/capture/tape_text.h"

#include <stdint.h>

#define MAX_NAMES 1000 /* per list of the user */
#define MAX_NAME_BYTES 64
#define ENDINGS 4096 /* see ending_of */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* An open-addressing hash table, at most half full, so that a look-up ends soon. */
struct entry {
    struct sonde_str text; /* ptr NULL: free */
    uint32_t hash;
    bool is_hidden; /* false: excluded by the user */
};

struct table {
    struct entry *entries;
    uint32_t mask; /* entries - 1; a power of two less one */
    uint32_t count;
};

struct sonde_redactor {
    struct table names, types;
    uint32_t stem_endings; /* bit N: a stem ends with a byte whose low five bits are N */
    uint64_t endings[ENDINGS / 64]; /* bits by the ends of all that is hidden */
    struct sonde_str stems[COUNT(redact_stems)];
    char *memory; /* the user's names and types */
};

/* One bit by the last byte: most names end unlike any stem and need no closer look. */
static inline uint32_t
ending_bit(struct sonde_str text)
{
    return UINT32_C(1) << (text.ptr[text.len - 1] & 31);
}

static inline bool
is_dropped(unsigned char byte)
{
    static const bool dropped[256] = {
        ['_'] = true, ['-'] = true, ['@'] = true, ['$'] = true, [' '] = true,
    };

    return dropped[byte];
}

/* Of the last bytes of a name's normal form, the very last first. Five bits of each: lower and upper
 * case have the same ones. */
static inline unsigned
ending_of_bytes(unsigned last, unsigned second, unsigned third)
{
    return ((last & 31) << 7 ^ (second & 31) << 4 ^ (third & 31)) % ENDINGS;
}

/* The same where some are dropped, or there are not three. */
static __attribute__((noinline)) unsigned
ending_of_others(struct sonde_str name)
{
    const unsigned char *bytes = (const unsigned char *)name.ptr;
    unsigned char found[3] = {0};
    size_t count = 0, most = name.len < MAX_NAME_BYTES ? name.len : MAX_NAME_BYTES;

    for (size_t i = 1; i <= most && count < 3; i++)
        if (!is_dropped(bytes[name.len - i]))
            found[count++] = bytes[name.len - i];
    return ending_of_bytes(found[0], found[1], found[2]);
}

/* Which bit of `endings` stands for names that end like this one. */
static inline unsigned
ending_of(struct sonde_str name)
{
    const unsigned char *end;

    if (name.len < 3)
        return ending_of_others(name);
    end = (const unsigned char *)name.ptr + name.len;
    if (is_dropped(end[-1]) || is_dropped(end[-2]) || is_dropped(end[-3]))
        return ending_of_others(name);
    return ending_of_bytes(end[-1], end[-2], end[-3]);
}

/* Whether anything hidden ends like this name: seven of eight names (of those in the libraries of Ruby
 * and Python) need no closer look, not even their normal form. */
static inline bool
has_ending(const struct sonde_redactor *redactor, struct sonde_str name)
{
    unsigned ending = ending_of(name);

    return (redactor->endings[ending / 64] >> ending % 64 & 1) != 0;
}

static void
note_ending(struct sonde_redactor *redactor, struct sonde_str name)
{
    unsigned ending = ending_of(name);

    redactor->endings[ending / 64] |= UINT64_C(1) << ending % 64;
}

/* First and last bytes and the length tell names apart well enough; equal hashes are
 * compared. */
static inline uint32_t
hash_text(struct sonde_str text)
{
    uint64_t head = 0, tail = 0;

    if (text.len >= 8) {
        memcpy(&head, text.ptr, 8);
        memcpy(&tail, text.ptr + text.len - 8, 8);
    } else if (text.len >= 4) {
        memcpy(&head, text.ptr, 4);
        memcpy(&tail, text.ptr + text.len - 4, 4);
    } else if (text.len > 0) {
        head = (unsigned char)text.ptr[0];
        tail = (uint64_t)(unsigned char)text.ptr[text.len / 2] << 8 |
               (unsigned char)text.ptr[text.len - 1];
    }
    head = (head ^ text.len) * UINT64_C(0x9e3779b97f4a7c15);
    tail = (tail ^ head >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(tail >> 32);
}

/* The entry of `text`, or the free one where it belongs. */
static inline struct entry *
table_find(const struct table *table, struct sonde_str text)
{
    uint32_t hash = hash_text(text), at = hash & table->mask;

    while (
        table->entries[at].text.ptr != NULL &&
        (table->entries[at].hash != hash || !sonde_str_eq(table->entries[at].text, text)))
        at = (at + 1) & table->mask;
    return &table->entries[at];
}

static int
table_init(struct table *table, size_t count)
{
    uint32_t size = 8;

    while (size < 2 * count)
        size *= 2;
    table->entries = sonde_calloc(size, sizeof(table->entries[0]));
    if (table->entries == NULL)
        return SONDE_E_NOMEM;
    table->mask = size - 1;
    return SONDE_OK;
}

/* A later word on the same text wins: exclusions are added last. */
static void
table_add(struct table *table, struct sonde_str text, bool is_hidden)
{
    struct entry *entry = table_find(table, text);

    if (entry->text.ptr == NULL)
        table->count++;
    *entry = (struct entry){text, hash_text(text), is_hidden};
}

/* Writes the normal form of the name's last MAX_NAME_BYTES bytes. */
static inline size_t
normalise(char out[MAX_NAME_BYTES], struct sonde_str name)
{
    size_t skip = name.len > MAX_NAME_BYTES ? name.len - MAX_NAME_BYTES : 0, len = 0;

    for (size_t i = skip; i < name.len; i++) {
        unsigned char byte = (unsigned char)name.ptr[i];

        out[len] = (char)(byte | ((unsigned)byte - 'A' < 26U) << 5);
        len += !is_dropped(byte);
    }
    return len;
}

/* --- Making ------------------------------------------------------------------------- */

static struct sonde_str
trim(struct sonde_str text)
{
    while (text.len > 0 && text.ptr[0] == ' ')
        text = (struct sonde_str){text.ptr + 1, text.len - 1};
    while (text.len > 0 && text.ptr[text.len - 1] == ' ')
        text.len--;
    return text;
}

/* Takes the next item, trimmed and possibly empty, off a comma-separated list. */
static bool
next_item(struct sonde_str *list, struct sonde_str *item)
{
    const char *comma;

    if (list->ptr == NULL)
        return false;
    comma = list->len == 0 ? NULL : memchr(list->ptr, ',', list->len);
    if (comma == NULL) {
        *item = trim(*list);
        *list = (struct sonde_str){NULL, 0};
        return true;
    }
    *item = trim((struct sonde_str){list->ptr, (size_t)(comma - list->ptr)});
    list->len -= (size_t)(comma - list->ptr) + 1;
    list->ptr = comma + 1;
    return true;
}

static int
count_items(size_t *out, struct sonde_str list, const char *where, struct sonde_err *err)
{
    struct sonde_str item;
    size_t count = 0;

    while (next_item(&list, &item))
        count += item.len > 0;
    if (count > MAX_NAMES)
        return sonde_err_set(err, SONDE_E_LIMIT, where, "%zu names, at most %d", count,
                             MAX_NAMES);
    *out = count;
    return SONDE_OK;
}

/* Adds the items of a list of names, in normal form; their text goes to *memory. */
static void
add_names(struct sonde_redactor *redactor, struct sonde_str list, bool is_hidden,
          char **memory)
{
    char normal[MAX_NAME_BYTES];
    struct sonde_str item;

    while (next_item(&list, &item)) {
        size_t len = normalise(normal, item);

        if (len == 0)
            continue;
        memcpy(*memory, normal, len);
        table_add(&redactor->names, (struct sonde_str){*memory, len}, is_hidden);
        if (is_hidden)
            note_ending(redactor, (struct sonde_str){*memory, len});
        *memory += len;
    }
}

static void
add_types(struct table *table, struct sonde_str list, char **memory)
{
    struct sonde_str item;

    while (next_item(&list, &item)) {
        if (item.len == 0)
            continue;
        memcpy(*memory, item.ptr, item.len);
        table_add(table, (struct sonde_str){*memory, item.len}, true);
        *memory += item.len;
    }
}

static void
add_builtin(struct sonde_redactor *redactor)
{
    for (size_t i = 0; i < COUNT(redact_names); i++) {
        table_add(&redactor->names, sonde_str_from(redact_names[i]), true);
        note_ending(redactor, sonde_str_from(redact_names[i]));
    }
    for (size_t i = 0; i < COUNT(redact_stems); i++) {
        redactor->stems[i] = sonde_str_from(redact_stems[i]);
        note_ending(redactor, redactor->stems[i]);
        redactor->stem_endings |= ending_bit(redactor->stems[i]);
    }
}

int
sonde_redactor_new(struct sonde_redactor **out, const char *names, const char *types,
                   const char *excluded_names, struct sonde_err *err)
{
    struct sonde_str name_list = sonde_str_from(names), type_list = sonde_str_from(types),
                     excluded_list = sonde_str_from(excluded_names);
    size_t name_count = 0, type_count = 0, excluded_count = 0;
    struct sonde_redactor *redactor = NULL;
    char *memory;
    int code;

    if ((code = count_items(&name_count, name_list, "redacted names", err)) != SONDE_OK ||
        (code = count_items(&type_count, type_list, "redacted types", err)) != SONDE_OK ||
        (code = count_items(&excluded_count, excluded_list, "redaction exclusions",
                            err)) != SONDE_OK)
        goto out;

    code = SONDE_E_NOMEM;
    redactor = sonde_calloc(1, sizeof(*redactor));
    if (redactor == NULL)
        goto out;
    /* No text grows on its way into the tables. */
    redactor->memory = sonde_alloc(name_list.len + type_list.len + excluded_list.len + 1);
    if (redactor->memory == NULL ||
        table_init(&redactor->names, COUNT(redact_names) + name_count + excluded_count) !=
            SONDE_OK ||
        table_init(&redactor->types, type_count) != SONDE_OK)
        goto out;

    memory = redactor->memory;
    add_builtin(redactor);
    add_names(redactor, name_list, true, &memory);
    add_names(redactor, excluded_list, false, &memory);
    add_types(&redactor->types, type_list, &memory);
    *out = redactor;
    return SONDE_OK;

out:
    sonde_redactor_free(redactor);
    return sonde_err_set(err, code, "redaction", "%s", sonde_code_text(code));
}

void
sonde_redactor_free(struct sonde_redactor *redactor)
{
    if (redactor == NULL)
        return;
    sonde_free(redactor->names.entries);
    sonde_free(redactor->types.entries);
    sonde_free(redactor->memory);
    sonde_free(redactor);
}

/* --- Asking ------------------------------------------------------------------------- */

static __attribute__((noinline)) bool
hides_normal_form(const struct sonde_redactor *redactor, struct sonde_str name)
{
    char normal[MAX_NAME_BYTES];
    struct sonde_str text;
    const struct entry *entry;

    text = (struct sonde_str){normal, normalise(normal, name)};
    entry = table_find(&redactor->names, text);
    if (entry->text.ptr != NULL)
        return entry->is_hidden;
    if (text.len == 0 || (redactor->stem_endings & ending_bit(text)) == 0)
        return false;
    for (size_t i = 0; i < COUNT(redact_stems); i++)
        if (sonde_str_ends_with(text, redactor->stems[i]))
            return true;
    return false;
}

bool
sonde_redactor_hides_name(const struct sonde_redactor *redactor, struct sonde_str name)
{
    return has_ending(redactor, name) && hides_normal_form(redactor, name);
}

bool
sonde_redactor_hides_text(const struct sonde_redactor *redactor,
                          enum sonde_encoding encoding, const void *data, size_t units)
{
    unsigned char tail[MAX_NAME_BYTES * SONDE_TAPE_TEXT_MAX_CHAR];
    size_t width = encoding == SONDE_ENCODING_UCS4   ? 4
                   : encoding == SONDE_ENCODING_UCS2 ? 2
                                                     : 1;
    size_t skip = units > MAX_NAME_BYTES ? units - MAX_NAME_BYTES : 0;
    const unsigned char *from = data;
    struct sonde_tape_text done;

    if (width == 1)
        return sonde_redactor_hides_name(redactor, (struct sonde_str){data, units});
    done = sonde_tape_text_encode(tail, sizeof(tail), encoding, from + skip * width,
                                  units - skip, MAX_NAME_BYTES);
    return sonde_redactor_hides_name(redactor,
                                     (struct sonde_str){(const char *)tail, done.bytes});
}

bool
sonde_redactor_has_types(const struct sonde_redactor *redactor)
{
    return redactor->types.count > 0;
}

bool
sonde_redactor_hides_type(const struct sonde_redactor *redactor, struct sonde_str type)
{
    return redactor->types.count > 0 &&
           table_find(&redactor->types, type)->text.ptr != NULL;
}
