/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/sources.h"

#include "core/agent/agent_private.h"
#include "core/agent/symbols_table.h"
#include "core/base/alloc.h"
#include "core/base/path.h"

#define FIRST_SOURCES 16

void
sonde_sources_init(struct sonde_agent *agent)
{
    struct sonde_sources *sources = &agent->sources;
    sonde_lock_init(&sources->lock, SONDE_RANK_SYMBOLS);
    /* In a child the parent's names are given up: a thread may have been changing them. */
    sources->list = NULL;
    sources->count = sources->cap = 0;
    atomic_store(&sources->is_asked, false);
    atomic_store(&sources->has_news, false);
}

void
sonde_sources_fini(struct sonde_agent *agent)
{
    for (uint32_t i = 0; i < agent->sources.count; i++) {
        sonde_free(agent->sources.list[i].file);
    }
    sonde_free(agent->sources.list);
}

/* What is kept of the file, for which a place is made; NULL: no memory, or too many. */
static struct sonde_source *
find(struct sonde_sources *sources, struct sonde_str file)
{
    for (uint32_t i = 0; i < sources->count; i++) {
        if (sonde_str_eq(sonde_str_from(sources->list[i].file), file)) {
            return &sources->list[i];
        }
    }
    if (sources->count == sources->cap) {
        uint32_t cap = sources->cap == 0 ? FIRST_SOURCES : sources->cap * 2;
        struct sonde_source *grown =
            cap > SONDE_SOURCES_MAX
                ? NULL
                : sonde_realloc(sources->list, cap * sizeof(*sources->list));
        if (grown == NULL) {
            return NULL;
        }
        sources->list = grown;
        sources->cap = cap;
    }
    char *copy = sonde_strdup(file);
    if (copy == NULL) {
        return NULL;
    }
    struct sonde_source *source = &sources->list[sources->count++];
    *source = (struct sonde_source){.file = copy};
    return source;
}

int
sonde_sources_ask(void *arg, struct sonde_str file, unsigned char hash[SONDE_SHA1_BYTES])
{
    struct sonde_agent *agent = arg;
    struct sonde_sources *sources = &agent->sources;
    int rc = SONDE_E_NOTFOUND;
    if (file.len == 0 || file.ptr[0] != '/' || file.len >= SONDE_PATH_BYTES ||
        memchr(file.ptr, '\0', file.len) != NULL) {
        return rc;
    }
    sonde_lock_take(&sources->lock);
    struct sonde_source *source = find(sources, file);
    if (source != NULL) {
        rc = !source->is_known                         ? SONDE_E_LATER
             : source->facts.state != SONDE_FILE_KNOWN ? SONDE_E_NOTFOUND
                                                       : SONDE_OK;
        if (rc == SONDE_OK) {
            memcpy(hash, source->facts.hash, SONDE_SHA1_BYTES);
        }
    }
    sonde_lock_drop(&sources->lock);
    if (rc == SONDE_E_LATER) {
        atomic_store(&sources->is_asked, true);
        sonde_agent_wake(agent);
    }
    return rc;
}

void
sonde_sources_loaded(struct sonde_agent *agent, struct sonde_str file)
{
    struct sonde_sources *sources = &agent->sources;
    if (file.len == 0 || file.len >= SONDE_PATH_BYTES) {
        return;
    }
    sonde_lock_take(&sources->lock);
    struct sonde_source *source = find(sources, file);
    if (source != NULL) {
        source->since_ns = sonde_clock_wall_ns();
        source->is_known = false;
    }
    sonde_lock_drop(&sources->lock);
}

/* Takes the name and the time of one that is not known; false: there is none. */
static bool
take_one(struct sonde_sources *sources, uint32_t *from, char *file, int64_t *since_ns)
{
    bool has_one = false;
    sonde_lock_take(&sources->lock);
    for (; *from < sources->count && !has_one; (*from)++) {
        const struct sonde_source *source = &sources->list[*from];
        if (!source->is_known) {
            memcpy(file, source->file, strlen(source->file) + 1);
            *since_ns = source->since_ns;
            has_one = true;
        }
    }
    sonde_lock_drop(&sources->lock);
    return has_one;
}

/* Keeps what was found, unless the file was loaded anew meanwhile. */
static void
keep(struct sonde_sources *sources, const char *file, int64_t since_ns,
     const struct sonde_file_facts *facts)
{
    sonde_lock_take(&sources->lock);
    struct sonde_source *source = find(sources, sonde_str_from(file));
    if (source != NULL && source->since_ns == since_ns) {
        source->facts = *facts;
        source->is_known = true;
    }
    sonde_lock_drop(&sources->lock);
}

void
sonde_sources_step(struct sonde_agent *agent, const struct sonde_table *known)
{
    struct sonde_sources *sources = &agent->sources;
    if (!atomic_exchange(&sources->is_asked, false)) {
        return;
    }
    char file[SONDE_PATH_BYTES];
    int64_t since_ns;
    for (uint32_t from = 0; take_one(sources, &from, file, &since_ns);) {
        const struct sonde_table_unit *unit = sonde_table_find(known, file, 0);
        struct sonde_file_facts facts;
        bool is_since_start = since_ns == 0;
        sonde_file_look(file, is_since_start ? agent->symbols.loaded_since_ns : since_ns,
                        unit != NULL && is_since_start ? &unit->facts : NULL, &facts);
        keep(sources, file, since_ns, &facts);
    }
    atomic_store(&sources->has_news, true);
    sonde_agent_ask_safe_point(agent);
}
