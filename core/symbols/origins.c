/* SPDX-License-Identifier: Apache-2.0 */
#include "core/symbols/origins.h"

#include "core/base/alloc.h"

#include <limits.h>
#include <stdlib.h>

#ifndef PATH_MAX
#    define PATH_MAX 4096
#endif

struct directory {
    char *path; /* without a slash at its end: the root is "" */
    size_t len;
    enum sonde_origin origin;
};

/* The longest first, so that the first that holds a path decides. */
struct sonde_origins {
    struct directory *list;
    size_t count, cap;
};

const char *
sonde_origin_text(enum sonde_origin origin)
{
    switch (origin) {
#define ORIGIN_TEXT(name, text) \
    case SONDE_ORIGIN_##name:   \
        return text;
        SONDE_ORIGIN_LIST(ORIGIN_TEXT)
#undef ORIGIN_TEXT
    case SONDE_ORIGIN_NONE:
        break;
    }
    return "";
}

int
sonde_origins_new(struct sonde_origins **out)
{
    struct sonde_origins *origins = sonde_calloc(1, sizeof(*origins));
    if (origins == NULL) {
        return SONDE_E_NOMEM;
    }
    *out = origins;
    return SONDE_OK;
}

void
sonde_origins_free(struct sonde_origins *origins)
{
    if (origins == NULL) {
        return;
    }
    for (size_t i = 0; i < origins->count; i++) {
        sonde_free(origins->list[i].path);
    }
    sonde_free(origins->list);
    sonde_free(origins);
}

static struct sonde_str
without_slash(struct sonde_str path)
{
    while (path.len > 0 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    return path;
}

static int
add_name(struct sonde_origins *origins, struct sonde_str path, enum sonde_origin origin)
{
    size_t at = 0;
    for (; at < origins->count && origins->list[at].len >= path.len; at++) {
        struct directory *known = &origins->list[at];
        if (sonde_str_eq((struct sonde_str){known->path, known->len}, path)) {
            known->origin = origin; /* what was said last counts */
            return SONDE_OK;
        }
    }
    if (origins->count == origins->cap) {
        size_t cap = origins->cap == 0 ? 16 : origins->cap * 2;
        struct directory *grown =
            sonde_realloc(origins->list, cap * sizeof(*origins->list));
        if (grown == NULL) {
            return SONDE_E_NOMEM;
        }
        origins->list = grown;
        origins->cap = cap;
    }
    char *copy = sonde_strdup(path);
    if (copy == NULL) {
        return SONDE_E_NOMEM;
    }
    memmove(origins->list + at + 1, origins->list + at,
            (origins->count - at) * sizeof(*origins->list));
    origins->list[at] = (struct directory){copy, path.len, origin};
    origins->count++;
    return SONDE_OK;
}

int
sonde_origins_add(struct sonde_origins *origins, struct sonde_str dir,
                  enum sonde_origin origin)
{
    char given[PATH_MAX], real[PATH_MAX];
    if (dir.len == 0 || dir.ptr[0] != '/' || dir.len >= sizeof(given) ||
        memchr(dir.ptr, '\0', dir.len) != NULL) {
        return SONDE_E_INVAL;
    }
    memcpy(given, dir.ptr, dir.len);
    given[dir.len] = '\0';
    int rc = add_name(origins, without_slash(dir), origin);
    if (rc == SONDE_OK && realpath(given, real) != NULL) {
        rc = add_name(origins, without_slash(sonde_str_from(real)), origin);
    }
    return rc;
}

enum sonde_origin
sonde_origins_of(const struct sonde_origins *origins, struct sonde_str path)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        return SONDE_ORIGIN_GENERATED;
    }
    for (size_t i = 0; i < origins->count; i++) {
        const struct directory *dir = &origins->list[i];
        if (path.len > dir->len && path.ptr[dir->len] == '/' &&
            memcmp(path.ptr, dir->path, dir->len) == 0) {
            return dir->origin;
        }
    }
    return SONDE_ORIGIN_USER;
}
