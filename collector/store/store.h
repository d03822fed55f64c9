/* SPDX-License-Identifier: Apache-2.0
 *
 * Where snapshots and probes are kept. An interface: SQLite stands behind it
 * (store/sqlite), other engines can. Two ways in and one out:
 *
 *     sonde_store_write(store, &batch->write)    queued; done() once it is on the disk
 *     sonde_store_list(store, &query, fn, arg)   blocks on the disk
 *
 * Threads: any may call anything but close. Writes never wait for the disk; reads do.
 * done() and fn() are called without a lock. */
#ifndef SONDE_STORE_H
#define SONDE_STORE_H

#include "collector/store/symbols.h"
#include "core/base/arena.h"
#include <sonde/err.h>
#include <stdint.h>

/* One snapshot as it is kept: what one filters by, apart from the record itself. */
struct sonde_row {
    struct sonde_str id; /* its own, unique */
    struct sonde_str probe_id;
    struct sonde_str service;
    int64_t time_ns;           /* of the hit */
    struct sonde_str trace_id; /* 16 raw bytes or none */
    struct sonde_str span_id;  /* 8 raw bytes or none */
    struct sonde_str resource; /* Resource message, protobuf */
    struct sonde_str packed; /* LogRecord message, protobuf, a zstd frame with its size */
};

enum sonde_write_kind {
    SONDE_WRITE_ROWS = 1,
    SONDE_WRITE_PROBE,  /* makes a probe, or the next revision of one */
    SONDE_WRITE_REMOVE, /* of a probe */
    SONDE_WRITE_SYMBOLS,
    SONDE_WRITE_SERVICE, /* a service's setting for symbols */
};

/* A probe as it is kept. */
struct sonde_stored_probe {
    struct sonde_str id;
    struct sonde_str definition; /* JSON, as api.md has it */
    struct sonde_str clamped;
    uint32_t revision;     /* set by the store */
    int64_t created_at_ns; /* of its first revision; set by the store when it exists */
};

/* Something to be kept. The members up to `done` are the caller's to fill, and all that
 * they point to has to live until done() was called. */
struct sonde_write {
    enum sonde_write_kind kind;
    size_t size_bytes; /* for the bound of the queue */
    struct sonde_row *rows;
    bool *is_new; /* per row: false when its id was kept already; set before done() */
    size_t row_count;
    struct sonde_stored_probe probe;
    struct sonde_symbol_upload *upload;
    struct sonde_symbol_setting *setting;
    /* The outcome: SONDE_OK and all of it is durable; or SONDE_E_* and it has to be sent
     * again (some of its rows may be kept). SONDE_E_NOTFOUND: no such probe to remove.
     * Store's thread; in the order of sonde_store_write. */
    void (*done)(struct sonde_write *write, const struct sonde_err *err);
    void *arg;

    struct sonde_write *next; /* the store's */
    struct sonde_err err;     /* the store's */
};

struct sonde_query {
    struct sonde_str probe_id; /* empty: any */
    struct sonde_str service;  /* empty: any */
    size_t limit;
    struct sonde_str
        before; /* empty, or the id of a row: only those after it in the list */
};

/* false stops the reading. The row lives for the call. */
typedef bool sonde_row_fn(void *arg, const struct sonde_row *row);
typedef void sonde_stored_probe_fn(void *arg, const struct sonde_stored_probe *probe);

struct sonde_store;

struct sonde_store_ops {
    int (*write)(struct sonde_store *store, struct sonde_write *write);
    int (*list)(struct sonde_store *store, const struct sonde_query *query,
                sonde_row_fn *fn, void *arg, struct sonde_err *err);
    int (*get)(struct sonde_store *store, struct sonde_str id, sonde_row_fn *fn,
               void *arg, struct sonde_err *err);
    int (*probes)(struct sonde_store *store, sonde_stored_probe_fn *fn, void *arg,
                  struct sonde_err *err);
    int (*search)(struct sonde_store *store, const struct sonde_symbol_query *query,
                  bool *has_more, sonde_found_fn *fn, void *arg, struct sonde_err *err);
    int (*file_units)(struct sonde_store *store, struct sonde_str file,
                      struct sonde_str service, sonde_text_fn *fn, void *arg,
                      struct sonde_err *err);
    int (*unit)(struct sonde_store *store, struct sonde_str hash, sonde_unit_fn *fn,
                void *arg, struct sonde_err *err);
    int (*source)(struct sonde_store *store, struct sonde_str hash, sonde_text_fn *fn,
                  void *arg, struct sonde_err *err);
    int (*services)(struct sonde_store *store, sonde_service_fn *fn, void *arg,
                    struct sonde_err *err);
    uint64_t (*symbols_id)(struct sonde_store *store);
    void (*close)(struct sonde_store *store);
};

/* First member of an engine's own struct. */
struct sonde_store {
    const struct sonde_store_ops *ops;
};

/* Queues a write. SONDE_OK: done() will be called. SONDE_E_BUSY: more waits than the
 * bound allows, SONDE_E_CLOSED: closing; done() is not called. */
static inline int
sonde_store_write(struct sonde_store *store, struct sonde_write *write)
{
    return store->ops->write(store, write);
}

/* Calls fn with the newest rows (by time of hit) that match, newest first. The order never
 * changes: rows of the same time stand in the order of their arrival, the last one first.
 * SONDE_E_NOTFOUND with err->where "before": that row is not kept, or not any more. */
static inline int
sonde_store_list(struct sonde_store *store, const struct sonde_query *query,
                 sonde_row_fn *fn, void *arg, struct sonde_err *err)
{
    return store->ops->list(store, query, fn, arg, err);
}

/* Calls fn with the row of that id, or returns SONDE_E_NOTFOUND. */
static inline int
sonde_store_get(struct sonde_store *store, struct sonde_str id, sonde_row_fn *fn,
                void *arg, struct sonde_err *err)
{
    return store->ops->get(store, id, fn, arg, err);
}

/* Calls fn with every probe. Before the first write. */
static inline int
sonde_store_probes(struct sonde_store *store, sonde_stored_probe_fn *fn, void *arg,
                   struct sonde_err *err)
{
    return store->ops->probes(store, fn, arg, err);
}

/* --- Symbols. All read what is committed. ------------------------------------------------ */

/* Calls fn with what is found, the best first (docs/formats/api.md has the order). *has_more: there
 * would have been more than the limit. */
static inline int
sonde_store_search(struct sonde_store *store, const struct sonde_symbol_query *query,
                   bool *has_more, sonde_found_fn *fn, void *arg, struct sonde_err *err)
{
    return store->ops->search(store, query, has_more, fn, arg, err);
}

/* Calls fn with the hash of each part of the newest version of that file that the service (empty:
 * any) has. */
static inline int
sonde_store_file_units(struct sonde_store *store, struct sonde_str file,
                       struct sonde_str service, sonde_text_fn *fn, void *arg,
                       struct sonde_err *err)
{
    return store->ops->file_units(store, file, service, fn, arg, err);
}

/* Calls fn with the unit of that hash, or returns SONDE_E_NOTFOUND. */
static inline int
sonde_store_unit(struct sonde_store *store, struct sonde_str hash, sonde_unit_fn *fn,
                 void *arg, struct sonde_err *err)
{
    return store->ops->unit(store, hash, fn, arg, err);
}

/* Calls fn with the text of the file of that hash, or returns SONDE_E_NOTFOUND. */
static inline int
sonde_store_source(struct sonde_store *store, struct sonde_str hash, sonde_text_fn *fn,
                   void *arg, struct sonde_err *err)
{
    return store->ops->source(store, hash, fn, arg, err);
}

/* Calls fn with every service that has symbols or a setting, by name. */
static inline int
sonde_store_services(struct sonde_store *store, sonde_service_fn *fn, void *arg,
                     struct sonde_err *err)
{
    return store->ops->services(store, fn, arg, err);
}

/* What agents tell this store of symbols from another one by; another when it was damaged and
 * begun anew. Never waits. */
static inline uint64_t
sonde_store_symbols_id(struct sonde_store *store)
{
    return store->ops->symbols_id(store);
}

/* Ends every queued write, then frees. Nobody else may be in a call. */
static inline void
sonde_store_close(struct sonde_store *store)
{
    store->ops->close(store);
}

#endif
